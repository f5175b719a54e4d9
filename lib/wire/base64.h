/* SPDX-License-Identifier: Apache-2.0 */
/* base64.h -- base64 text to bytes (RFC 4648).
 *
 * Reads the standard and the URL-safe alphabet, padded or not, because Debezium
 * writes both. Blanks, odd lengths and bits left over are refused. */
#ifndef WIRE_BASE64_H
#define WIRE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/* Room that the bytes of text need at most. */
static inline size_t
base64_room(size_t text_len)
{
	return text_len / 4 * 3 + 3;
}

/* Writes into out (base64_room bytes); false when text is not base64. */
bool base64_decode(struct slice text, unsigned char *out, size_t *ret_len);

#endif
