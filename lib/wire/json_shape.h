/* SPDX-License-Identifier: Apache-2.0 */
/* json_shape.h -- what the messages of one writer share: all that stands between
 * their scalars.
 *
 * A shape is learned from a text that has passed the strict scan. A text with the same
 * bytes between its scalars, and with good scalars in their places, is as good: it has
 * the same brackets and the same names, so neither depth nor duplicates are looked at
 * again. What does not fit may still be JSON: the caller then scans it. The shape owns
 * a copy of the bytes in between and borrows nothing. */
#ifndef WIRE_JSON_SHAPE_H
#define WIRE_JSON_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum { JSON_SHAPE_VALUES = 256, JSON_SHAPE_BYTES = 1 << 16 };

struct json_shape {
	struct buf between; /* the pieces before each value and behind the last */
	uint32_t count;     /* values */
	uint32_t lens[JSON_SHAPE_VALUES + 1];
};

/* Where a text's values ended: ends[0] is its first byte, ends[i + 1] the byte behind
 * the value of number i. */
struct json_ends {
	uint32_t count; /* values */
	const char *ends[JSON_SHAPE_VALUES + 1];
};

/* A part of such a text, a value or a bracketed one: the same place is the same part in
 * every text of the shape. */
struct json_place {
	uint32_t from, to; /* indices of the ends behind which it begins and ends */
	uint32_t from_offset, to_offset;
};
struct json_place json_ends_place(const struct json_ends *ends, struct slice part);

static inline struct slice
json_ends_slice(const struct json_ends *ends, const struct json_place *place)
{
	const char *from = ends->ends[place->from] + place->from_offset;
	const char *to = ends->ends[place->to] + place->to_offset;

	return slice_of(from, (size_t)(to - from));
}

/* text has passed the scan, without blanks around it. What lies in fixed is expected
 * byte for byte, scalars too. False: there is too much of it to be worth it, and the
 * shape fits nothing. */
bool json_shape_learn(struct json_shape *shape, struct slice text, struct slice fixed,
    struct json_ends *ret_ends);

/* The same shape, with some values expected byte for byte as they stand in text, which
 * has fitted with ends; not all of them. What fits the tighter shape fits the first. */
bool json_shape_tighten(const struct json_shape *shape, const struct json_ends *ends,
    const bool *fixed, struct json_shape *ret_tight, struct json_ends *ret_ends);

/* The value of number i of a text that has fitted with ends. */
static inline struct slice
json_shape_value(const struct json_shape *shape, const struct json_ends *ends, uint32_t i)
{
	const char *from = ends->ends[i] + shape->lens[i];

	return slice_of(from, (size_t)(ends->ends[i + 1] - from));
}

/* Whether text fits, and so is JSON; *ret_ends is written to in any case. */
bool json_shape_fits(
    const struct json_shape *shape, struct slice text, struct json_ends *ret_ends);

void json_shape_finish(struct json_shape *shape);

#endif
