/* SPDX-License-Identifier: Apache-2.0 */
/* json_string.h -- the inside of a checked JSON string, byte by byte.
 *
 * Only this room's business: comparing names that hold escapes and decoding
 * text without a buffer. The input has passed the strict scan; nothing is
 * checked again. */
#ifndef WIRE_JSON_STRING_H
#define WIRE_JSON_STRING_H

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

/* Four hexadecimal digits, or -1. */
int json_hex4(const char *p, const char *end);

#endif
