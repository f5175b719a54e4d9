/* SPDX-License-Identifier: Apache-2.0 */
/* json_string.h -- the inside of a checked JSON string, byte by byte.
 *
 * Only this room's business: comparing names that hold escapes and decoding
 * text without a buffer. json_bytes' input has passed the strict scan; nothing is
 * checked again. */
#ifndef WIRE_JSON_STRING_H
#define WIRE_JSON_STRING_H

#include <stdbool.h>

#include "base/slice.h"

struct json_bytes {
	const char *at, *end;
	unsigned char pending[4];
	unsigned pending_count, pending_at;
};

/* Over the text between the quotes. */
struct json_bytes json_bytes(struct slice inner);
/* The next decoded byte, -1 at the end. */
int json_byte(struct json_bytes *bytes);

static inline bool
json_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* What may stand behind a backslash, \u apart. */
extern const bool json_simple_escapes[256];

/* Four hexadecimal digits, or -1. */
int json_hex4(const char *p, const char *end);

/* Length of the well-formed UTF-8 sequence at p (not ASCII), or 0 (RFC 3629). */
size_t json_utf8_len(const char *p, const char *end);

#endif
