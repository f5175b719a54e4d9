/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/json_scan.h"

#include <stdlib.h>

#include "wire/json.h"
#include "wire/json_block.h"
#include "wire/json_names.h"
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
	len = json_utf8_len(scan->at, scan->end);
	if (!len)
		return refuse(scan, scan->at, "not UTF-8");
	scan->at += len;
	return true;
}

/* The cursor stands on the opening quote. */
static bool
scan_string(struct json_scan *scan, struct json_name *ret_inner)
{
	const char *start = scan->at + 1, *p = start, *end = scan->end;
	bool escaped = false;

	for (;;) {
		p = json_plain_end(p, end, &escaped);
		if (p < end && *p == '"')
			break;
		escaped |= p < end && *p == '\\';
		scan->at = p;
		if (!scan_odd_byte(scan))
			return false;
		p = scan->at;
	}
	*ret_inner = (struct json_name){ .p = start,
		.len = (uint32_t)(p - start),
		.escaped = escaped,
		.key = json_name_key(start, (size_t)(p - start)) };
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

static bool
name_add_escaped(struct json_scan *scan, struct json_scan_object *object, struct json_name name)
{
	if (json_name_has_nul(name))
		return refuse(scan, name.p - 1, "a NUL in a member's name");
	if (scan->name_count - object->first < NAMES_LINEAR_MAX &&
	    json_names_have(scan, object->first, name))
		return refuse(scan, name.p - 1, "a member's name stands twice");
	memset(object->seen, 0xff, sizeof(object->seen));
	return true;
}

static inline bool
name_add(struct json_scan *scan, struct json_scan_object *object, struct json_name name)
{
	if (name.escaped) {
		if (!name_add_escaped(scan, object, name))
			return false;
	} else {
		unsigned n = json_name_bit(name);
		uint64_t bit = (uint64_t)1 << (n & 63), *word = &object->seen[n >> 6];
		if ((*word & bit) && scan->name_count - object->first < NAMES_LINEAR_MAX &&
		    json_names_have(scan, object->first, name))
			return refuse(scan, name.p - 1, "a member's name stands twice");
		*word |= bit;
	}
	if (scan->name_count == scan->name_cap)
		json_names_grow(scan);
	scan->names[scan->name_count++] = name;
	return true;
}

/* Takes the object's names off the list; large objects are looked through now. */
static inline bool
names_close(struct json_scan *scan, const struct json_scan_object *object)
{
	const char *twice = NULL;

	if (scan->name_count - object->first > NAMES_LINEAR_MAX)
		twice = json_names_twice(scan, object->first);
	scan->name_count = object->first;
	return !twice || refuse(scan, twice - 1, "a member's name stands twice");
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

static bool
object_member_any(
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

/* The usual member: a comma, a name of up to 31 plain bytes, a colon, no blanks. */
static inline bool
object_member(
    struct json_scan *scan, struct json_scan_object *object, struct json_name *ret_name)
{
#if defined(JSON_SIMD)
	const char *p = scan->at, *quote;

	if (scan->end - p > 2 * JSON_BLOCK + 3 &&
	    (scan->name_count == object->first || *p++ == ',') && *p == '"') {
		quote = json_block_quote(p + 1);
		if (quote && quote[1] == ':') {
			size_t len = (size_t)(quote - p) - 1;
			uint64_t key = json_load8(p + 1);
			if (len < sizeof(key))
				key &= ((uint64_t)1 << 8 * len) - 1;
			*ret_name =
			    (struct json_name){ .p = p + 1, .len = (uint32_t)len, .key = key };
			scan->at = quote + 2;
			return name_add(scan, object, *ret_name);
		}
	}
#endif
	return object_member_any(scan, object, ret_name);
}

static bool scan_any(struct json_scan *scan);

/* Steps over the value at the cursor; nothing was refused before. */
static inline bool
scan_value(struct json_scan *scan)
{
	const char *p = json_simple_end(scan->at, scan->end);

	if (!p)
		return scan_any(scan);
	scan->at = p;
	return true;
}

static bool
scan_object(struct json_scan *scan)
{
	struct json_scan_object object;
	struct json_name name;

	if (!object_open(scan, &object))
		return false;
	while (object_member(scan, &object, &name))
		if (!scan_value(scan))
			return false;
	return !scan->why;
}

static bool
scan_array(struct json_scan *scan)
{
	char c;

	if (++scan->depth > JSON_DEPTH_MAX)
		return refuse(scan, scan->at, "nested too deeply");
	scan->at++;
	c = peek(scan);
	if (c != ']') {
		for (;;) {
			if (!scan_value(scan))
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

static bool
scan_any(struct json_scan *scan)
{
	struct json_name inner;
	char c = peek(scan);

	switch (c) {
	case '"': return scan_string(scan, &inner);
	case '{': return scan_object(scan);
	case '[': return scan_array(scan);
	case 't': return scan_word(scan, "true", 4);
	case 'f': return scan_word(scan, "false", 5);
	case 'n': return scan_word(scan, "null", 4);
	case '\0': return refuse(scan, scan->at, "a value expected");
	default: return scan_number(scan);
	}
}

bool
json_scan_value(struct json_scan *scan, struct slice *ret_raw)
{
	const char *start;

	if (scan->why)
		return false;
	(void)peek(scan);
	start = scan->at;
	if (!scan_value(scan))
		return false;
	*ret_raw = slice_of(start, (size_t)(scan->at - start));
	return true;
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

/* --- the members that a reader wants --- */

static inline bool
field_is(const struct json_field *field, const struct json_name *name)
{
	return field->len == name->len && json_load8(field->name) == name->key &&
	       (name->len <= 8 || memcmp(field->name + 8, name->p + 8, name->len - 8) == 0);
}

/* Messages of one writer have one order: the field behind the last one is tried
 * first. */
static inline const struct json_field *
field_find(const struct json_fields *fields, size_t *next, const struct json_name *name)
{
	size_t i = *next;

	if (i < fields->count && !name->escaped && field_is(&fields->list[i], name)) {
		*next = i + 1;
		return &fields->list[i];
	}
	for (i = 0; i < fields->count; i++) {
		const struct json_field *f = &fields->list[i];
		if (name->escaped ? json_name_is(*name, slice_of(f->name, f->len))
				  : field_is(f, name)) {
			*next = i + 1;
			return f;
		}
	}
	return NULL;
}

bool
json_scan_pick(
    struct json_scan *scan, const struct json_fields *fields, struct json_picked *ret_picked)
{
	struct json_scan_object object;
	struct json_name name;
	struct json_picked picked = { 0 };
	size_t next = 0;

	if (peek(scan) != '{' || scan->why || !object_open(scan, &object))
		return false;
	picked.raw.p = scan->at - 1;
	while (object_member(scan, &object, &name)) {
		const struct json_field *f = field_find(fields, &next, &name);
		const char *start;

		(void)peek(scan);
		start = scan->at;
		if (f && f->inner && start < scan->end && *start == '{') {
			if (!json_scan_pick(
				scan, f->inner, (void *)((char *)ret_picked + f->inner_at)))
				return false;
		} else if (!scan_value(scan)) {
			return false;
		}
		picked.count++;
		picked.known += f && f->known;
		if (f)
			*(struct slice *)(void *)((char *)ret_picked + f->at) =
			    slice_of(start, (size_t)(scan->at - start));
	}
	picked.raw.len = (size_t)(scan->at - picked.raw.p);
	*ret_picked = picked;
	return !scan->why;
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
