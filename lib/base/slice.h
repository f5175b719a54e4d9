/* SPDX-License-Identifier: Apache-2.0 */
/* slice.h -- a borrowed run of bytes, not terminated. p may be NULL only when
 * len is 0. Whoever holds the bytes (a message, an arena) outlives the slice. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *p;
	size_t len;
};

/* A slice of a string literal. */
#define SLICE(lit) ((struct slice){ .p = "" lit, .len = sizeof(lit) - 1 })

/* For printf's "%.*s": the length is cut to INT_MAX. */
#define SLICE_ARG(s) (int)((s).len > 0x7fffffff ? 0x7fffffff : (s).len), (s).p ? (s).p : ""

static inline struct slice
slice_of(const char *p, size_t len)
{
	return (struct slice){ .p = p, .len = len };
}

static inline struct slice
slice_str(const char *s)
{
	return (struct slice){ .p = s, .len = s ? strlen(s) : 0 };
}

static inline bool
slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* Whole slice as a decimal integer; false on anything else or overflow. */
bool slice_i64(struct slice s, int64_t *ret_value);
bool slice_u64(struct slice s, uint64_t *ret_value);
/* The digits behind the first occurrence of words; false where there are none, or too many. */
bool slice_u64_after(struct slice s, struct slice words, uint64_t *ret_value);

#endif
