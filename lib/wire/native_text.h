/* SPDX-License-Identifier: Apache-2.0 */
/* native_text.h -- texts of numbers, UUIDs and addresses -> the bytes of a column.
 *
 * Only the native_*.c files use it. Nothing is rounded: a number either fits the
 * integer asked for, exactly, or is refused with the reason. */
#ifndef WIRE_NATIVE_TEXT_H
#define WIRE_NATIVE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

extern const int64_t pow10_table[19]; /* 10^0 .. 10^18 */

/* A whole number of up to 256 bits, as sign and magnitude. */
struct wide {
	bool negative;
	unsigned digits;  /* of the magnitude, without leading zeros */
	uint64_t limb[4]; /* least significant first */
};

/* text is a JSON number; the result is text * 10^scale. NULL, or why not. */
const char *wide_parse(struct slice text, unsigned scale, struct wide *ret_wide);
/* Whether it fits an integer of so many bytes (1..32). */
bool wide_fits(const struct wide *wide, bool is_signed, unsigned width);
/* Two's complement, little endian, width bytes. */
void wide_store(const struct wide *wide, unsigned width, unsigned char *out);

/* The common case: a JSON number of at most 18 digits, no exponent, that is a
 * whole number once multiplied by 10^scale (scale <= 18). */
bool small_parse(struct slice text, unsigned scale, int64_t *ret_value);

/* 8-4-4-4-12 hexadecimal digits -> ClickHouse's two little endian halves. */
bool native_uuid_parse(struct slice text, unsigned char ret_uuid[16]);

/* YYYY-MM-DD of the years 1 to 9999: days since 1970. */
bool day_parse(struct slice text, int64_t *ret_days);
/* 2026-11-21T08:48:36.637801Z, also with a blank for T, without fraction, without Z
 * or with +00: whole seconds since 1970 and the nanoseconds after. False: any other
 * form; no time that ClickHouse can hold is printed in another. */
bool moment_parse(struct slice text, int64_t *ret_seconds, uint32_t *ret_ns);

bool float_parse(struct slice text, double *ret_value); /* NaN, Infinity too */
bool float32_parse(struct slice text, float *ret_value);
bool ipv4_parse(struct slice text, unsigned char ret_bytes[4]); /* little endian */
bool ipv6_parse(struct slice text, unsigned char ret_bytes[16]);

/* Appends the decoded text of a checked JSON string (with its quotes). */
void text_unescape(struct buf *out, struct slice raw);

#endif
