/* SPDX-License-Identifier: Apache-2.0 */
/* json.h -- strict JSON (RFC 8259), scanned in place; builds nothing.
 *
 * A walk goes over one checked value; members and elements come out as raw slices
 * that are whole JSON values and can be walked in turn. Duplicate member names,
 * trailing bytes, bad UTF-8, lone surrogates and depth beyond JSON_DEPTH_MAX are
 * refused, and so is a NUL in a name. Numbers stay text: integers beyond int64 and
 * reals beyond a double are accepted. */
#ifndef WIRE_JSON_H
#define WIRE_JSON_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/must.h"
#include "base/slice.h"

enum { JSON_DEPTH_MAX = 512 };

enum json_kind {
	JSON_NULL,
	JSON_TRUE,
	JSON_FALSE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

/* By the first byte of a raw value handed out by this room. */
static inline enum json_kind
json_kind_of(struct slice raw)
{
	must(raw.len);
	switch (raw.p[0]) {
	case '{': return JSON_OBJECT;
	case '[': return JSON_ARRAY;
	case '"': return JSON_STRING;
	case 't': return JSON_TRUE;
	case 'f': return JSON_FALSE;
	case 'n': return JSON_NULL;
	default: return JSON_NUMBER;
	}
}

/* Checks that text is exactly one JSON value (blanks around it allowed) and
 * returns it without the blanks. REJECT with the byte offset. */
enum fate json_check(struct slice text, struct slice *ret_raw, struct err *err) NODISCARD;

/* Goes over a checked raw object or array:
 *   struct json_walk walk = json_walk(raw);
 *   while (json_next(&walk)) ... walk.name, walk.value ... */
struct json_walk {
	struct slice name; /* between the quotes, escapes as they stand; objects only */
	bool name_escaped; /* name holds a backslash */
	struct slice value;
	const char *at, *end;
	bool is_object;
};
struct json_walk json_walk(struct slice raw);
bool json_next(struct json_walk *walk);
/* Members or elements of a checked raw object or array. */
size_t json_count(struct slice raw);
/* Whether the walk's current name spells name, escapes taken into account. */
bool json_name_eq(const struct json_walk *walk, struct slice name);

/* The member of a checked object, or a slice with p NULL. */
struct slice json_member(struct slice object, struct slice name);

/* What stands between the quotes of a checked JSON string, escapes as they are. */
static inline struct slice
json_inner(struct slice raw)
{
	must(raw.len >= 2 && raw.p[0] == '"');
	return slice_of(raw.p + 1, raw.len - 2);
}

/* Decoded text of a checked JSON string. Borrows raw when it holds no escape,
 * else is written into the arena. p NULL when the arena is full. */
struct slice json_text(struct slice raw, struct arena *arena);

/* Appends text, which is UTF-8, as a JSON string with quotes. */
void json_quote(struct buf *out, struct slice text);
/* As much of a sentence that may have been cut, or hold anything: what is no UTF-8 in it
 * becomes U+FFFD, a byte at a time. */
void json_quote_any(struct buf *out, struct slice text);

#endif
