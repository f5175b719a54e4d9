/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/json_shape.h"

#include "wire/json_block.h"
#include "wire/json_scan.h"

/* Less than NEAR bytes before a text's end the rest moves to where loads may go
 * beyond it. */
enum { NEAR = 64, PADDING = 64 };

/* --- learning --- */

static inline bool
between_values(char c)
{
	return c == '{' || c == '}' || c == '[' || c == ']' || c == ',' || c == ':' ||
	       json_blank(c);
}

/* Behind the scalar at p, or NULL when there is none; all of it is looked at. */
static const char *
scalar_end(const char *p, const char *end)
{
	struct json_scan scan;
	struct slice raw;
	bool good = false;

	if (p == end || *p == '{' || *p == '[')
		return NULL;
	json_scan_init(&scan, slice_of(p, (size_t)(end - p)));
	good = json_scan_value(&scan, &raw);
	json_scan_finish(&scan);
	return good && raw.p == p ? p + raw.len : NULL;
}

/* A string in checked text is a name when a colon follows. */
static bool
is_name(const char *p, const char *behind, const char *end)
{
	while (behind < end && json_blank(*behind))
		behind++;
	return *p == '"' && behind < end && *behind == ':';
}

static void
piece_add(struct json_shape *shape, const char *from, const char *to)
{
	size_t len = (size_t)(to - from);

	shape->lens[shape->count] = (uint32_t)len;
	buf_put(&shape->between, from, len);
}

static bool
learned(struct json_shape *shape, bool whole, struct json_ends *ret_ends)
{
	if (!whole || shape->between.len > JSON_SHAPE_BYTES) {
		shape->count = 0;
		return false;
	}
	ret_ends->count = shape->count;
	buf_grow(&shape->between, PADDING);
	memset(shape->between.p + shape->between.len, 0, PADDING);
	return true;
}

bool
json_shape_learn(
    struct json_shape *shape, struct slice text, struct slice fixed, struct json_ends *ret_ends)
{
	const char *p = text.p, *end = p + text.len, *from = p, *behind;

	shape->count = 0;
	shape->between.len = 0;
	ret_ends->ends[0] = p;
	while (p < end) {
		if (p == fixed.p && fixed.len) {
			p += fixed.len;
		} else if (between_values(*p)) {
			p++;
		} else {
			behind = scalar_end(p, end);
			if (!behind)
				break;
			if (!is_name(p, behind, end)) {
				if (shape->count == JSON_SHAPE_VALUES)
					break;
				piece_add(shape, from, p);
				ret_ends->ends[++shape->count] = from = behind;
			}
			p = behind;
		}
	}
	piece_add(shape, from, p);
	return learned(shape, p == end, ret_ends);
}

bool
json_shape_tighten(const struct json_shape *shape, const struct json_ends *ends,
    const bool *fixed, struct json_shape *ret_tight, struct json_ends *ret_ends)
{
	const char *from = ends->ends[0];

	ret_tight->count = 0;
	ret_tight->between.len = 0;
	ret_ends->ends[0] = from;
	for (uint32_t i = 0; i < shape->count; i++) {
		if (fixed[i])
			continue;
		piece_add(ret_tight, from, ends->ends[i] + shape->lens[i]);
		ret_ends->ends[++ret_tight->count] = from = ends->ends[i + 1];
	}
	piece_add(ret_tight, from, ends->ends[shape->count] + shape->lens[shape->count]);
	return learned(ret_tight, true, ret_ends);
}

static uint32_t
behind_which(const struct json_ends *ends, const char *p, uint32_t *ret_offset)
{
	uint32_t i = ends->count;

	while (ends->ends[i] > p)
		i--;
	*ret_offset = (uint32_t)(p - ends->ends[i]);
	return i;
}

struct json_place
json_ends_place(const struct json_ends *ends, struct slice part)
{
	struct json_place place;

	place.from = behind_which(ends, part.p, &place.from_offset);
	place.to = behind_which(ends, part.p + part.len, &place.to_offset);
	return place;
}

void
json_shape_finish(struct json_shape *shape)
{
	buf_finish(&shape->between);
	*shape = (struct json_shape){ 0 };
}

/* --- fitting --- */

#if defined(JSON_SIMD)
/* The first and the last two blocks, which overlap when len is less than four. */
static inline bool
blocks_eq(const char *p, const char *piece, size_t len)
{
	size_t last = len - JSON_BLOCK, before = last - JSON_BLOCK;

	return (json_block_differ(p, piece) |
		   json_block_differ(p + JSON_BLOCK, piece + JSON_BLOCK) |
		   json_block_differ(p + before, piece + before) |
		   json_block_differ(p + last, piece + last)) == 0;
}
#endif

/* Whether len bytes are the same; loads up to 32 bytes of both whatever len is. */
static inline bool
piece_eq(const char *p, const char *piece, size_t len)
{
#if defined(JSON_SIMD)
	if (len <= JSON_BLOCK)
		return (json_block_differ(p, piece) & ((1u << len) - 1)) == 0;
	if (len <= 2 * JSON_BLOCK)
		return (json_block_differ(p, piece) | json_block_differ(p + len - JSON_BLOCK,
							  piece + len - JSON_BLOCK)) == 0;
	if (len <= 4 * JSON_BLOCK)
		return blocks_eq(p, piece, len);
#endif
	return memcmp(p, piece, len) == 0;
}

struct cursor {
	const char *p, *piece;
	uint32_t i;
};

/* Steps over values, each behind its piece, while NEAR bytes of room are left; the text
 * itself goes to end. */
static bool
step(const struct json_shape *shape, struct cursor *at, const char *end, const char *room,
    struct json_ends *ret_ends)
{
	const char *p = at->p, *piece = at->piece, *behind;
	uint32_t i = at->i, count = shape->count;

	for (; i < count && room - p >= NEAR; i++) {
		size_t len = shape->lens[i];

		if ((size_t)(room - p) < len || !piece_eq(p, piece, len))
			return false;
		piece += len;
		p += len;
		behind = json_simple_end(p, room);
		if (!behind) {
			behind = scalar_end(p, end);
			if (!behind)
				return false;
		}
		p = behind;
		ret_ends->ends[i + 1] = p;
	}
	*at = (struct cursor){ p, piece, i };
	return true;
}

/* Near its end the text goes on in a copy with zeros behind, which are part of no piece
 * and no scalar: nothing is found beyond the text. */
bool
json_shape_fits(const struct json_shape *shape, struct slice text, struct json_ends *ret_ends)
{
	const char *end = text.p + text.len;
	struct cursor at = { text.p, shape->between.p, 0 };
	char copy[NEAR + 2 * PADDING];
	size_t left;

	if (text.len > UINT32_MAX || !shape->count)
		return false;
	ret_ends->count = shape->count;
	ret_ends->ends[0] = text.p;
	if (!step(shape, &at, end, end, ret_ends))
		return false;
	left = (size_t)(end - at.p);
	if (at.i < shape->count) {
		const char *base = at.p;
		uint32_t i = at.i;

		memcpy(copy, base, left);
		memset(copy + left, 0, sizeof(copy) - left);
		at.p = copy;
		if (!step(shape, &at, copy + left, copy + sizeof(copy), ret_ends))
			return false;
		left = (size_t)(copy + left - at.p);
		while (i++ < at.i)
			ret_ends->ends[i] = base + (ret_ends->ends[i] - copy);
	}
	return at.i == shape->count && left == shape->lens[shape->count] &&
	       memcmp(at.p, at.piece, left) == 0;
}
