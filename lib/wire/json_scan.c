/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/json_scan.h"

#include <stdlib.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/must.h"
#include "wire/json.h"
#include "wire/json_string.h"

/* Objects up to this size are compared name by name as they are read, larger
 * ones are sorted once at their end. */
enum { NAMES_LINEAR_MAX = 32 };

static bool
refuse(struct json_scan *scan, const char *where, const char *why)
{
	if (!scan->why) {
		scan->why = why;
		scan->where = where;
	}
	return false;
}

void
json_scan_init(struct json_scan *scan, struct slice text)
{
	scan->begin = scan->at = text.p ? text.p : "";
	scan->end = scan->begin + text.len;
	scan->why = scan->where = NULL;
	scan->depth = 0;
	scan->names = scan->names_inline;
	scan->name_count = 0;
	scan->name_cap = JSON_NAMES_INLINE;
	if (text.len > UINT32_MAX)
		refuse(scan, text.p, "the text is longer than 4 GiB");
}

void
json_scan_finish(struct json_scan *scan)
{
	if (scan->names != scan->names_inline)
		free(scan->names);
	scan->names = scan->names_inline;
}

static inline char
peek(struct json_scan *scan)
{
	while (scan->at < scan->end && (unsigned char)*scan->at <= ' ') {
		char c = *scan->at;
		if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
			return c ? c : 1; /* a NUL byte is not the end */
		scan->at++;
	}
	return scan->at < scan->end ? *scan->at : '\0';
}

char
json_scan_peek(struct json_scan *scan)
{
	return peek(scan);
}

/* --- strings --- */

/* The first byte in [p, end) that is a quote, a backslash, a control or not ASCII. */
static inline const char *
plain_end(const char *p, const char *end)
{
#if defined(__SSE2__)
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
	const __m128i blank = _mm_set1_epi8(' ');

	while (end - p >= 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		/* signed: bytes from 0x80 up are below a blank too */
		__m128i stop = _mm_or_si128(_mm_cmplt_epi8(v, blank),
		    _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)));
		unsigned mask = (unsigned)_mm_movemask_epi8(stop);
		if (mask)
			return p + __builtin_ctz(mask);
		p += 16;
	}
#endif
	while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20 &&
	       (unsigned char)*p < 0x80)
		p++;
	return p;
}

static inline bool
tail_byte(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* Length of the well-formed UTF-8 sequence at p (not ASCII), or 0 (RFC 3629). */
static size_t
utf8_len(const char *at, const char *end)
{
	const unsigned char *p = (const unsigned char *)at;
	size_t left = (size_t)(end - at);

	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		return left >= 2 && tail_byte(p[1]) ? 2 : 0;
	if (p[0] >= 0xe0 && p[0] <= 0xef) {
		if (left < 3 || !tail_byte(p[1]) || !tail_byte(p[2]))
			return 0;
		if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))
			return 0;
		return 3;
	}
	if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		if (left < 4 || !tail_byte(p[1]) || !tail_byte(p[2]) || !tail_byte(p[3]))
			return 0;
		if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

/* Steps over the escape whose backslash is at the cursor. */
static bool
scan_escape(struct json_scan *scan)
{
	const char *p = scan->at, *end = scan->end;
	int high, low;

	if (end - p < 2)
		return refuse(scan, p, "a string is not closed");
	if (p[1] != 'u')
		return refuse(scan, p, "unknown escape");
	high = json_hex4(p + 2, end);
	if (high < 0)
		return refuse(scan, p, "\\u needs four hexadecimal digits");
	scan->at += 6;
	if (high < 0xd800 || high > 0xdfff)
		return true;
	low = end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? json_hex4(p + 8, end) : -1;
	if (high > 0xdbff || low < 0xdc00 || low > 0xdfff)
		return refuse(scan, p, "a surrogate without its other half");
	scan->at += 6;
	return true;
}

/* What stopped the run of plain bytes: true when the string goes on behind it. */
static bool
scan_odd_byte(struct json_scan *scan)
{
	size_t len;

	if (scan->at == scan->end)
		return refuse(scan, scan->at, "a string is not closed");
	if (*scan->at == '\\')
		return scan_escape(scan);
	if ((unsigned char)*scan->at < 0x20)
		return refuse(scan, scan->at, "a control character inside a string");
	len = utf8_len(scan->at, scan->end);
	if (!len)
		return refuse(scan, scan->at, "not UTF-8");
	scan->at += len;
	return true;
}

static inline bool
simple_escape(char c)
{
	return c == '"' || c == 'n' || c == '\\' || c == '/' || c == 't' || c == 'r' ||
	       c == 'b' || c == 'f';
}

/* The cursor stands on the opening quote. */
static inline bool
scan_string(struct json_scan *scan, struct json_name *ret_inner)
{
	const char *start = scan->at + 1, *p = start, *end = scan->end;
	bool escaped = false;

	for (;;) {
		p = plain_end(p, end);
		if (p < end && *p == '"')
			break;
		if (p < end && *p == '\\') {
			escaped = true;
			if (end - p >= 2 && simple_escape(p[1])) {
				p += 2;
				continue;
			}
		}
		scan->at = p;
		if (!scan_odd_byte(scan))
			return false;
		p = scan->at;
	}
	*ret_inner =
	    (struct json_name){ .p = start, .len = (uint32_t)(p - start), .escaped = escaped };
	scan->at = p + 1;
	return true;
}

/* --- numbers and words --- */

static inline const char *
digits_end(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

static inline bool
scan_number(struct json_scan *scan)
{
	const char *p = scan->at, *end = scan->end, *from;

	p += *p == '-';
	from = p;
	p = digits_end(p, end);
	if (p == from || (*from == '0' && p - from > 1))
		return refuse(scan, scan->at, "not a JSON value");
	if (p < end && *p == '.') {
		from = ++p;
		p = digits_end(p, end);
		if (p == from)
			return refuse(scan, p, "a digit must follow the point");
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		p += p < end && (*p == '+' || *p == '-');
		from = p;
		p = digits_end(p, end);
		if (p == from)
			return refuse(scan, p, "a digit must follow the exponent sign");
	}
	scan->at = p;
	return true;
}

static inline bool
scan_word(struct json_scan *scan, const char *word, size_t len)
{
	if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, word, len) != 0)
		return refuse(scan, scan->at, "not a JSON value");
	scan->at += len;
	return true;
}

/* --- names of an object --- */

static inline uint64_t
name_bit(struct json_name name)
{
	const unsigned char *p = (const unsigned char *)name.p;
	uint32_t mix = name.len;

	if (name.len)
		mix |= (uint32_t)p[0] << 8 | (uint32_t)p[name.len - 1] << 16 |
		       (uint32_t)p[name.len > 1 ? name.len - 2 : 0] << 24;
	return (uint64_t)1 << (mix * 0x9e3779b1u >> 26);
}

static int
name_compare(const void *left, const void *right)
{
	const struct json_name *a = left, *b = right;
	struct json_bytes from_a, from_b;
	int x, y;

	if (!a->escaped && !b->escaped) {
		size_t len = a->len < b->len ? a->len : b->len;
		x = len ? memcmp(a->p, b->p, len) : 0;
		return x ? x : (a->len > b->len) - (a->len < b->len);
	}
	from_a = json_bytes(slice_of(a->p, a->len));
	from_b = json_bytes(slice_of(b->p, b->len));
	do {
		x = json_byte(&from_a);
		y = json_byte(&from_b);
	} while (x == y && x >= 0);
	return x - y;
}

bool
json_name_is(struct json_name name, struct slice want)
{
	struct json_bytes bytes;

	if (!name.escaped)
		return name.len == want.len && memcmp(name.p, want.p, want.len) == 0;
	bytes = json_bytes(slice_of(name.p, name.len));
	for (size_t i = 0; i < want.len; i++)
		if (json_byte(&bytes) != (unsigned char)want.p[i])
			return false;
	return json_byte(&bytes) < 0;
}

static void
names_grow(struct json_scan *scan)
{
	size_t cap = scan->name_cap * 2;
	struct json_name *names = realloc(
	    scan->names == scan->names_inline ? NULL : scan->names, cap * sizeof(*names));

	must(names);
	if (scan->names == scan->names_inline)
		memcpy(names, scan->names, scan->name_count * sizeof(*names));
	scan->names = names;
	scan->name_cap = cap;
}

static bool
name_known(const struct json_scan *scan, size_t first, struct json_name name)
{
	for (size_t i = first; i < scan->name_count; i++)
		if (name_compare(&scan->names[i], &name) == 0)
			return true;
	return false;
}

/* \u0000 in a name: nothing Postgres can be the owner of. */
static bool
name_has_nul(struct json_name name)
{
	struct json_bytes bytes = json_bytes(slice_of(name.p, name.len));
	int c;

	while ((c = json_byte(&bytes)) > 0)
		;
	return c == 0;
}

static inline bool
name_add(struct json_scan *scan, struct json_scan_object *object, struct json_name name)
{
	size_t count = scan->name_count - object->first;
	uint64_t bit = name.escaped ? UINT64_MAX : name_bit(name);

	if (name.escaped && name_has_nul(name))
		return refuse(scan, name.p - 1, "a NUL in a member's name");
	if (count < NAMES_LINEAR_MAX) {
		if ((object->seen & bit) && name_known(scan, object->first, name))
			return refuse(scan, name.p - 1, "a member's name stands twice");
		object->seen |= bit;
	}
	if (scan->name_count == scan->name_cap)
		names_grow(scan);
	scan->names[scan->name_count++] = name;
	return true;
}

/* Takes the object's names off the list; large objects are looked through now. */
static inline bool
names_close(struct json_scan *scan, const struct json_scan_object *object)
{
	struct json_name *names = scan->names + object->first;
	size_t count = scan->name_count - object->first;

	scan->name_count = object->first;
	if (count <= NAMES_LINEAR_MAX)
		return true;
	qsort(names, count, sizeof(*names), name_compare);
	for (size_t i = 1; i < count; i++)
		if (name_compare(&names[i - 1], &names[i]) == 0) {
			const char *a = names[i - 1].p, *b = names[i].p;
			return refuse(
			    scan, (a > b ? a : b) - 1, "a member's name stands twice");
		}
	return true;
}

/* --- objects, arrays, values --- */

static inline bool
object_open(struct json_scan *scan, struct json_scan_object *ret_object)
{
	if (++scan->depth > JSON_DEPTH_MAX)
		return refuse(scan, scan->at, "nested too deeply");
	scan->at++;
	*ret_object = (struct json_scan_object){ .first = scan->name_count };
	return true;
}

static inline bool
object_member(
    struct json_scan *scan, struct json_scan_object *object, struct json_name *ret_name)
{
	char c = peek(scan);

	if (c == '}') {
		scan->at++;
		scan->depth--;
		(void)names_close(scan, object);
		return false;
	}
	if (scan->name_count != object->first) {
		if (c != ',')
			return refuse(scan, scan->at, "',' or '}' expected");
		scan->at++;
		c = peek(scan);
	}
	if (c != '"')
		return refuse(scan, scan->at, "a member's name expected");
	if (!scan_string(scan, ret_name) || !name_add(scan, object, *ret_name))
		return false;
	if (peek(scan) != ':')
		return refuse(scan, scan->at, "':' expected");
	scan->at++;
	return true;
}

static bool
scan_object(struct json_scan *scan)
{
	struct json_scan_object object;
	struct json_name name;
	struct slice raw;

	if (!object_open(scan, &object))
		return false;
	while (object_member(scan, &object, &name))
		if (!json_scan_value(scan, &raw))
			return false;
	return !scan->why;
}

static bool
scan_array(struct json_scan *scan)
{
	struct slice raw;
	char c;

	if (++scan->depth > JSON_DEPTH_MAX)
		return refuse(scan, scan->at, "nested too deeply");
	scan->at++;
	c = peek(scan);
	if (c != ']') {
		for (;;) {
			if (!json_scan_value(scan, &raw))
				return false;
			c = peek(scan);
			if (c != ',')
				break;
			scan->at++;
		}
		if (c != ']')
			return refuse(scan, scan->at, "',' or ']' expected");
	}
	scan->at++;
	scan->depth--;
	return true;
}

bool
json_scan_value(struct json_scan *scan, struct slice *ret_raw)
{
	struct json_name inner;
	char c = peek(scan);
	const char *start = scan->at;
	bool ok;

	if (scan->why)
		return false;
	switch (c) {
	case '"': ok = scan_string(scan, &inner); break;
	case '{': ok = scan_object(scan); break;
	case '[': ok = scan_array(scan); break;
	case 't': ok = scan_word(scan, "true", 4); break;
	case 'f': ok = scan_word(scan, "false", 5); break;
	case 'n': ok = scan_word(scan, "null", 4); break;
	case '\0': return refuse(scan, scan->at, "a value expected");
	default: ok = scan_number(scan); break;
	}
	if (ok)
		*ret_raw = slice_of(start, (size_t)(scan->at - start));
	return ok;
}

bool
json_scan_open(struct json_scan *scan, struct json_scan_object *ret_object)
{
	return !scan->why && object_open(scan, ret_object);
}

bool
json_scan_member(
    struct json_scan *scan, struct json_scan_object *object, struct json_name *ret_name)
{
	return !scan->why && object_member(scan, object, ret_name);
}

bool
json_scan_end(struct json_scan *scan)
{
	if (scan->why)
		return false;
	if (peek(scan) != '\0')
		return refuse(scan, scan->at, "something follows the value");
	return true;
}

enum fate
json_scan_refusal(const struct json_scan *scan, struct err *err)
{
	if (!scan->why)
		return FATE_DONE;
	return err_set(err, FATE_REJECT, "not JSON at byte %zu%s: %s",
	    (size_t)(scan->where - scan->begin),
	    scan->where == scan->end ? ", where the text ends" : "", scan->why);
}
