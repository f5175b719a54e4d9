/* SPDX-License-Identifier: Apache-2.0 */
/* leaderboard_state.h -- what a board remembers of a row, and the arithmetic of time
 * and units; pure.
 *
 * A state is packed into as few bytes as it takes: a kind, the version, and of a row
 * that counts its bucket, units and member (a UUID as 16 bytes). The packed form and
 * the field's name are a format at rest in Redis: they may only be added to. */
#ifndef SINK_LEADERBOARD_STATE_H
#define SINK_LEADERBOARD_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "wire/value.h"

enum board_kind {
	BOARD_NONE = 0, /* nothing is known of the row */
	BOARD_GUARD,    /* counts nowhere; its version keeps older records out */
	BOARD_LIVE,     /* counts in its bucket, if that is still shown */
};

struct board_state {
	enum board_kind kind;
	uint64_t version;
	int64_t bucket; /* of LIVE, as all below */
	int64_t units;
	struct slice member;
};

/* Appends; not for NONE. */
void board_state_pack(struct buf *out, const struct board_state *state);
/* False: these bytes are not ours. The member borrows packed, or the arena. */
bool board_state_unpack(
    struct slice packed, struct arena *arena, struct board_state *ret_state);

enum { BOARD_SHARDS = 8, BOARD_FIELD_MAX = 32 };

/* The row's name in its hash: the key itself when short, else a digest of it, written
 * to memory[BOARD_FIELD_MAX]. */
struct slice board_field(struct slice key, char *memory);
uint64_t board_hash(struct slice text, uint64_t seed);
unsigned board_shard(struct slice field);

int64_t board_floor(int64_t a, int64_t b); /* a / b towards minus infinity; b > 0 */

/* What a board's settings come to, in buckets. */
struct board_span {
	int64_t bucket_ms;
	int64_t window, ahead, era;
};
struct board_span board_span_of(int64_t window_ms, int64_t bucket_ms);

enum board_place { BOARD_IN, BOARD_LATE, BOARD_FORGOTTEN, BOARD_FAR };
/* LATE: behind the window but remembered; FORGOTTEN: so far behind that it is not. */
enum board_place board_place(const struct board_span *span, int64_t bucket, int64_t watermark);

/* A score in units of 10^-scale. False with a reason: not exact, or out of range. */
enum { BOARD_SCALE_MAX = 9 };
#define BOARD_UNITS_MAX INT64_C(10000000000000)
bool board_units(struct pgtype type, const struct value *score, int scale, int64_t *ret_units,
    const char **ret_why);

#endif
