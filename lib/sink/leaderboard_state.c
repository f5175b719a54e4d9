/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/leaderboard_state.h"

#include "base/must.h"
#include "sink/leaderboard.h"
#include "wire/record.h"

enum { TAG_GUARD = 1, TAG_TEXT = 2, TAG_UUID = 3, UUID_TEXT = 36, UUID_BYTES = 16 };

static void
put_varint(struct buf *out, uint64_t n)
{
	for (; n >= 0x80; n >>= 7)
		buf_byte(out, (char)(n | 0x80));
	buf_byte(out, (char)n);
}

static bool
take_varint(struct slice *s, uint64_t *ret)
{
	uint64_t n = 0;

	for (unsigned shift = 0; s->len > 0 && shift < 64; shift += 7) {
		unsigned char c = (unsigned char)*s->p;

		s->p++;
		s->len--;
		n |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80) {
			*ret = n;
			return true;
		}
	}
	return false;
}

static uint64_t
zigzag(int64_t n)
{
	return ((uint64_t)n << 1) ^ (n < 0 ? UINT64_MAX : 0);
}

static int64_t
zagzig(uint64_t n)
{
	return (int64_t)(n >> 1) ^ -(int64_t)(n & 1);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
is_dash(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

/* Only the form that Postgres prints, so that unpacking gives the same text. */
static bool
uuid_pack(struct slice text, unsigned char *out)
{
	size_t n = 0;

	if (text.len != UUID_TEXT)
		return false;
	for (size_t i = 0; i < UUID_TEXT; i += is_dash(i) ? 1 : 2) {
		if (is_dash(i)) {
			if (text.p[i] != '-')
				return false;
			continue;
		}
		int high = hex_digit(text.p[i]), low = hex_digit(text.p[i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[n++] = (unsigned char)(high << 4 | low);
	}
	return true;
}

static void
uuid_unpack(const char *bytes, char *out)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;

	for (size_t i = 0; i < UUID_BYTES; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (is_dash(n))
			out[n++] = '-';
		out[n++] = digits[c >> 4];
		out[n++] = digits[c & 15];
	}
}

void
board_state_pack(struct buf *out, const struct board_state *state)
{
	unsigned char uuid[UUID_BYTES];
	bool is_uuid;

	must(state->kind != BOARD_NONE);
	if (state->kind == BOARD_GUARD) {
		buf_byte(out, TAG_GUARD);
		put_varint(out, state->version);
		return;
	}
	is_uuid = uuid_pack(state->member, uuid);
	buf_byte(out, is_uuid ? TAG_UUID : TAG_TEXT);
	put_varint(out, state->version);
	put_varint(out, zigzag(state->bucket));
	put_varint(out, zigzag(state->units));
	if (is_uuid)
		buf_put(out, uuid, sizeof uuid);
	else
		buf_slice(out, state->member);
}

static bool
member_unpack(char tag, struct slice rest, struct arena *arena, struct slice *ret_member)
{
	char *text;

	if (tag == TAG_TEXT) {
		*ret_member = rest;
		return true;
	}
	if (rest.len != UUID_BYTES)
		return false;
	text = arena_alloc(arena, UUID_TEXT);
	must(text);
	uuid_unpack(rest.p, text);
	*ret_member = slice_of(text, UUID_TEXT);
	return true;
}

bool
board_state_unpack(struct slice packed, struct arena *arena, struct board_state *ret_state)
{
	struct board_state state = { .kind = BOARD_GUARD };
	uint64_t bucket, units;
	char tag;

	if (packed.len == 0)
		return false;
	tag = packed.p[0];
	packed = slice_of(packed.p + 1, packed.len - 1);
	if (tag < TAG_GUARD || tag > TAG_UUID || !take_varint(&packed, &state.version))
		return false;
	if (tag == TAG_GUARD) {
		*ret_state = state;
		return packed.len == 0;
	}
	state.kind = BOARD_LIVE;
	if (!take_varint(&packed, &bucket) || !take_varint(&packed, &units) ||
	    !member_unpack(tag, packed, arena, &state.member))
		return false;
	state.bucket = zagzig(bucket);
	state.units = zagzig(units);
	*ret_state = state;
	return true;
}

struct slice
board_field(struct slice key, char *memory)
{
	_Static_assert((int)BOARD_FIELD_MAX > (int)RECORD_ID_LEN, "a digest is a field too");
	if (key.len <= BOARD_FIELD_MAX)
		return key;
	record_id(&key, 1, memory);
	return slice_of(memory, RECORD_ID_LEN);
}

uint64_t
board_hash(struct slice text, uint64_t seed)
{
	uint64_t h = seed ^ (text.len * UINT64_C(0x9e3779b97f4a7c15));
	const char *p = text.p;
	size_t left = text.len;

	for (; left > 0;) {
		uint64_t word = 0;
		size_t n = left < 8 ? left : 8;

		memcpy(&word, p, n);
		h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
		p += n;
		left -= n;
	}
	h *= UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ h >> 29;
}

unsigned
board_shard(struct slice field)
{
	return (unsigned)(board_hash(field, 0) % BOARD_SHARDS);
}

int64_t
board_floor(int64_t a, int64_t b)
{
	return a / b - (a % b < 0 ? 1 : 0);
}

struct board_span
board_span_of(int64_t window_ms, int64_t bucket_ms)
{
	return (struct board_span){
		.bucket_ms = bucket_ms,
		.window = window_ms / bucket_ms,
		.ahead = (LEADERBOARD_AHEAD_MS + bucket_ms - 1) / bucket_ms,
		.era = (window_ms + LEADERBOARD_LATENESS_MS + bucket_ms - 1) / bucket_ms,
	};
}

enum board_place
board_place(const struct board_span *span, int64_t bucket, int64_t watermark)
{
	if (bucket > watermark)
		return bucket - watermark > span->ahead ? BOARD_FAR : BOARD_IN;
	if (bucket > watermark - span->window)
		return BOARD_IN;
	return board_floor(bucket, span->era) < board_floor(watermark, span->era) - 1
		   ? BOARD_FORGOTTEN
		   : BOARD_LATE;
}

static bool
scaled(decimal_small n, int from, int to, int64_t *ret_units, const char **ret_why)
{
	for (; from > to; from--) {
		if (n % 10 != 0) {
			*ret_why = "the score has more digits than its expression promises";
			return false;
		}
		n /= 10;
	}
	for (; from < to && n <= BOARD_UNITS_MAX && n >= -BOARD_UNITS_MAX; from++)
		n *= 10;
	if (n > BOARD_UNITS_MAX || n < -BOARD_UNITS_MAX) {
		*ret_why = "the score is too big for exact sums";
		return false;
	}
	*ret_units = (int64_t)n;
	return true;
}

bool
board_units(struct pgtype type, const struct value *score, int scale, int64_t *ret_units,
    const char **ret_why)
{
	if (score->state != VALUE_SET) {
		*ret_units = 0; /* as sum() sees it */
		return true;
	}
	if (type.kind != TYPE_NUMERIC)
		return scaled(score->i, 0, scale, ret_units, ret_why);
	if (score->d.form != DECIMAL_SMALL) {
		*ret_why = "the score is not a number that sums exactly";
		return false;
	}
	return scaled(score->d.small, score->d.scale, scale, ret_units, ret_why);
}
