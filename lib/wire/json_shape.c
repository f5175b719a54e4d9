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
	if (p < end || shape->between.len > JSON_SHAPE_BYTES) {
		shape->count = 0;
		return false;
	}
	ret_ends->count = shape->count;
	buf_grow(&shape->between, PADDING);
	memset(shape->between.p + shape->between.len, 0, PADDING);
	return true;
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
#endif
	return memcmp(p, piece, len) == 0;
}

/* The cursor over a text. Near the end it goes on in a copy with zeros behind, which
 * are part of no piece and no scalar: nothing is found beyond the text. */
struct cursor {
	const char *p, *end, *room; /* room: how far loads may go */
	char copy[NEAR + PADDING];
};

static void
move_to_copy(struct cursor *at)
{
	size_t left = (size_t)(at->end - at->p);

	memcpy(at->copy, at->p, left);
	memset(at->copy + left, 0, sizeof(at->copy) - left);
	at->p = at->copy;
	at->end = at->copy + left;
	at->room = at->copy + sizeof(at->copy);
}

bool
json_shape_fits(const struct json_shape *shape, struct slice text, struct json_ends *ret_ends)
{
	const char *piece = shape->between.p, *end = text.p + text.len, *p;
	struct cursor at;

	if (text.len > UINT32_MAX || !shape->count)
		return false;
	at.p = text.p;
	at.end = at.room = end;
	ret_ends->count = shape->count;
	ret_ends->ends[0] = text.p;
	for (uint32_t i = 0; i < shape->count; i++) {
		size_t len = shape->lens[i];

		if (at.room - at.p < NEAR && at.room == end)
			move_to_copy(&at);
		if ((size_t)(at.room - at.p) < len || !piece_eq(at.p, piece, len))
			return false;
		piece += len;
		at.p += len;
		p = json_simple_end(at.p, at.room);
		if (!p) {
			p = scalar_end(at.p, at.end);
			if (!p)
				return false;
		}
		at.p = p;
		ret_ends->ends[i + 1] = end - (at.end - p);
	}
	return (size_t)(at.end - at.p) == shape->lens[shape->count] &&
	       memcmp(at.p, piece, shape->lens[shape->count]) == 0;
}
