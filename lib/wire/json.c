/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/json.h"

#include "base/must.h"
#include "wire/json_block.h"
#include "wire/json_scan.h"
#include "wire/json_string.h"

enum fate
json_check(struct slice text, struct slice *ret_raw, struct err *err)
{
	struct json_scan scan;
	struct slice raw = { 0 };
	enum fate fate;

	json_scan_init(&scan, text);
	if (json_scan_value(&scan, &raw) && json_scan_end(&scan))
		*ret_raw = raw;
	fate = json_scan_refusal(&scan, err);
	json_scan_finish(&scan);
	return fate;
}

/* --- walks over checked text: nothing is checked again --- */

static inline const char *
skip_blanks(const char *p, const char *end)
{
	while (p < end && json_blank(*p))
		p++;
	return p;
}

/* The first quote or backslash from p on; there is one. */
static inline const char *
quote_or_slash(const char *p, const char *end)
{
#if defined(JSON_SIMD)
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');

	while (end - p >= JSON_BLOCK) {
		__m128i v = json_block_load(p);
		unsigned mask = (unsigned)_mm_movemask_epi8(
		    _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)));
		if (mask)
			return p + __builtin_ctz(mask);
		p += JSON_BLOCK;
	}
#endif
	while (p < end && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* p stands behind the opening quote; the closing quote is returned. */
static inline const char *
string_end(const char *p, const char *end, bool *ret_escaped)
{
	bool escaped = false;

	p = quote_or_slash(p, end);
	while (*p == '\\') {
		escaped = true;
		p = quote_or_slash(p + 2, end);
	}
	*ret_escaped = escaped;
	return p;
}

/* p stands on an opening bracket; returns behind its partner. */
static const char *
nested_end(const char *p, const char *end)
{
	unsigned depth = 0;
	bool escaped;

	for (; p < end; p++) {
		if (*p == '"')
			p = string_end(p + 1, end, &escaped);
		else if (*p == '{' || *p == '[')
			depth++;
		else if ((*p == '}' || *p == ']') && --depth == 0)
			return p + 1;
	}
	return end;
}

static inline const char *
value_end(const char *p, const char *end)
{
	bool escaped;

	if (*p == '"')
		return string_end(p + 1, end, &escaped) + 1;
	if (*p == '{' || *p == '[')
		return nested_end(p, end);
#if defined(JSON_SIMD)
	if (end - p > 2 * JSON_BLOCK)
		p = json_block_digits_end(p);
#endif
	while (p < end && *p != ',' && *p != '}' && *p != ']' && !json_blank(*p))
		p++;
	return p;
}

struct json_walk
json_walk(struct slice raw)
{
	enum json_kind kind = json_kind_of(raw);

	must(kind == JSON_OBJECT || kind == JSON_ARRAY);
	return (struct json_walk){
		.at = raw.p, .end = raw.p + raw.len, .is_object = kind == JSON_OBJECT
	};
}

bool
json_next(struct json_walk *walk)
{
	const char *p, *end = walk->end, *quote;

	if (walk->at >= end)
		return false;
	p = skip_blanks(walk->at + 1, end); /* behind '{', '[' or ',' */
	if (p >= end || *p == '}' || *p == ']') {
		walk->at = end;
		return false;
	}
	if (walk->is_object) {
		quote = string_end(p + 1, end, &walk->name_escaped);
		walk->name = slice_of(p + 1, (size_t)(quote - p) - 1);
		p = skip_blanks(quote + 1, end);
		p = skip_blanks(p + 1, end); /* the colon */
	}
	quote = value_end(p, end);
	walk->value = slice_of(p, (size_t)(quote - p));
	walk->at = skip_blanks(quote, end);
	return true;
}

size_t
json_count(struct slice raw)
{
	struct json_walk walk = json_walk(raw);
	size_t count = 0;

	while (json_next(&walk))
		count++;
	return count;
}

bool
json_name_eq(const struct json_walk *walk, struct slice name)
{
	return json_name_is((struct json_name){ .p = walk->name.p,
				.len = (uint32_t)walk->name.len,
				.escaped = walk->name_escaped },
	    name);
}

struct slice
json_member(struct slice object, struct slice name)
{
	struct json_walk walk = json_walk(object);

	while (json_next(&walk))
		if (json_name_eq(&walk, name))
			return walk.value;
	return (struct slice){ 0 };
}

struct slice
json_text(struct slice raw, struct arena *arena)
{
	struct slice inner = json_inner(raw);
	struct json_bytes bytes;
	char *out;
	size_t len = 0;

	if (!memchr(inner.p, '\\', inner.len))
		return inner;
	out = arena_alloc(arena, inner.len);
	if (!out)
		return (struct slice){ 0 };
	bytes = json_bytes(inner);
	for (int c = json_byte(&bytes); c >= 0; c = json_byte(&bytes))
		out[len++] = (char)c;
	return slice_of(out, len);
}

/* Behind this many bytes of room no check is needed: an escape and a block. */
enum { QUOTE_ROOM = 24 };

static void
put_escape(struct buf *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	buf_byte(out, '\\');
	switch (c) {
	case '"':
	case '\\': buf_byte(out, (char)c); break;
	case '\b': buf_byte(out, 'b'); break;
	case '\f': buf_byte(out, 'f'); break;
	case '\n': buf_byte(out, 'n'); break;
	case '\r': buf_byte(out, 'r'); break;
	case '\t': buf_byte(out, 't'); break;
	default:
		buf_put(out, "u00", 3);
		buf_byte(out, hex[c >> 4]);
		buf_byte(out, hex[c & 15]);
	}
}

/* Copies from p on up to a byte that needs an escape, and says where it stands; there
 * is room for all. */
static inline const char *
put_plain(struct buf *out, const char *p, const char *end)
{
	char *to = out->p + out->len;

#if defined(JSON_SIMD)
	for (; end - p >= JSON_BLOCK; p += JSON_BLOCK, to += JSON_BLOCK) {
		unsigned mask = json_block_escaped(p);
		memcpy(to, p, JSON_BLOCK);
		if (mask) {
			p += __builtin_ctz(mask);
			out->len = (size_t)(to - out->p) + (unsigned)__builtin_ctz(mask);
			return p;
		}
	}
#endif
	while (p < end && (unsigned char)*p >= 0x20 && *p != '"' && *p != '\\')
		*to++ = *p++;
	out->len = (size_t)(to - out->p);
	return p;
}

void
json_quote(struct buf *out, struct slice text)
{
	const char *p = text.len ? text.p : "", *end = p + text.len;

	buf_byte(out, '"');
	for (;;) {
		size_t room = (size_t)(end - p) + QUOTE_ROOM;
		if (out->cap - out->len < room)
			buf_grow(out, room);
		p = put_plain(out, p, end);
		if (p == end)
			break;
		put_escape(out, (unsigned char)*p++);
	}
	buf_byte(out, '"');
}

void
json_quote_any(struct buf *out, struct slice text)
{
	const char *p = text.len ? text.p : "", *end = p + text.len;
	struct buf clean = { 0 };

	while (p < end) {
		size_t len = (unsigned char)*p < 0x80 ? 1 : json_utf8_len(p, end);

		if (len)
			buf_put(&clean, p, len);
		else
			buf_put(&clean, "\xef\xbf\xbd", 3);
		p += len ? len : 1;
	}
	json_quote(out, buf_view(&clean));
	buf_finish(&clean);
}
