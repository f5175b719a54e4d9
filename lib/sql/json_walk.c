/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/json_walk.h"

#include <string.h>

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *
blanks(const char *p, const char *end)
{
	while (p < end && is_blank(*p))
		p++;
	return p;
}

static bool
is_digit(const char *p, const char *end)
{
	return p < end && *p >= '0' && *p <= '9';
}

static const char *
digits(const char *p, const char *end)
{
	if (!is_digit(p, end))
		return NULL;
	while (is_digit(p, end))
		p++;
	return p;
}

static const char *
number(const char *p, const char *end)
{
	if (p < end && *p == '-')
		p++;
	p = p < end && *p == '0' ? p + 1 : digits(p, end);
	if (p && p < end && *p == '.')
		p = digits(p + 1, end);
	if (p && p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		p = digits(p, end);
	}
	return p;
}

static bool
is_hex4(const char *p, const char *end)
{
	if (end - p < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		if (!p[i] || !strchr("0123456789abcdefABCDEF", p[i]))
			return false;
	}
	return true;
}

/* p stands on the opening quote. */
static const char *
string(const char *p, const char *end)
{
	for (p++; p < end; p++) {
		if (*p == '"')
			return p + 1;
		if ((unsigned char)*p < 0x20)
			return NULL;
		if (*p != '\\')
			continue;
		p++;
		if (p >= end || !*p || !strchr("\"\\/bfnrtu", *p))
			return NULL;
		if (*p == 'u') {
			if (!is_hex4(p + 1, end))
				return NULL;
			p += 4;
		}
	}
	return NULL;
}

static const char *
word(const char *p, const char *end, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(end - p) >= len && memcmp(p, text, len) == 0 ? p + len : NULL;
}

static const char *value(const char *p, const char *end, int depth);

static const char *
container(const char *p, const char *end, int depth)
{
	char close = *p == '{' ? '}' : ']';

	p = blanks(p + 1, end);
	if (p < end && *p == close)
		return p + 1;
	while (p < end) {
		if (close == '}') {
			p = *p == '"' ? string(p, end) : NULL;
			p = p ? blanks(p, end) : NULL;
			if (!p || p >= end || *p != ':')
				return NULL;
			p = blanks(p + 1, end);
		}
		p = value(p, end, depth + 1);
		p = p ? blanks(p, end) : NULL;
		if (!p || p >= end)
			return NULL;
		if (*p == close)
			return p + 1;
		if (*p != ',')
			return NULL;
		p = blanks(p + 1, end);
	}
	return NULL;
}

/* One value at p; NULL when there is none. */
static const char *
value(const char *p, const char *end, int depth)
{
	if (p >= end || depth > JWALK_DEPTH)
		return NULL;
	switch (*p) {
	case '{':
	case '[': return container(p, end, depth);
	case '"': return string(p, end);
	case 't': return word(p, end, "true");
	case 'f': return word(p, end, "false");
	case 'n': return word(p, end, "null");
	default: return number(p, end);
	}
}

struct slice
jwalk_trim(struct slice text)
{
	while (text.len && is_blank(*text.p))
		text = slice_of(text.p + 1, text.len - 1);
	while (text.len && is_blank(text.p[text.len - 1]))
		text.len--;
	return text;
}

bool
jwalk_check(struct slice text)
{
	text = jwalk_trim(text);
	return text.len && value(text.p, text.p + text.len, 0) == text.p + text.len;
}

struct jwalk
jwalk_of(struct slice raw)
{
	struct jwalk walk = { 0 };

	raw = jwalk_trim(raw);
	if (raw.len < 2 || (*raw.p != '{' && *raw.p != '['))
		return walk;
	walk.object = *raw.p == '{';
	walk.at = raw.p + 1;
	walk.end = raw.p + raw.len - 1;
	return walk;
}

bool
jwalk_next(struct jwalk *walk)
{
	const char *p = walk->at, *q;

	if (!p)
		return false;
	p = blanks(p, walk->end);
	if (p < walk->end && *p == ',')
		p = blanks(p + 1, walk->end);
	if (p >= walk->end)
		return false;
	if (walk->object) {
		q = *p == '"' ? string(p, walk->end) : NULL;
		if (!q)
			return false;
		walk->name = slice_of(p, (size_t)(q - p));
		p = blanks(q, walk->end);
		if (p >= walk->end || *p != ':')
			return false;
		p = blanks(p + 1, walk->end);
	}
	q = value(p, walk->end, 0);
	if (!q)
		return false;
	walk->value = slice_of(p, (size_t)(q - p));
	walk->at = q;
	return true;
}
