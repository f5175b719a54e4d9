/* SPDX-License-Identifier: Apache-2.0 */
/* leaderboard_ops.h -- one board: its positions, its batch, its talk with Redis.
 * Only sink_leaderboard.c and leaderboard_*.c include it.
 *
 * board_deliver() is one compare-and-set of the positions with everything that the
 * records change; a batch that was seen before is a batch of other positions, and
 * nothing is done. Everything here may be called again after a RETRY. */
#ifndef SINK_LEADERBOARD_OPS_H
#define SINK_LEADERBOARD_OPS_H

#include "link/redis.h"
#include "sink/leaderboard_fold.h"
#include "sink/leaderboard_sql.h"
#include "sink/sink_ops.h"

enum { BOARD_PARTS_MAX = 1024 };

struct board_part {
	int32_t partition;
	int64_t at;        /* what Redis holds: the next offset to count */
	int64_t next;      /* what it will hold when the batch in hand is counted */
	int64_t committed; /* of the group when assigned: what lies below has its letters */
};

/* What became of the rows of a batch. */
enum board_tally {
	TALLY_COUNTED,
	TALLY_DELETED,
	TALLY_LATE,
	TALLY_FAR_PAST,
	TALLY_FAR,
	TALLY_NULL_MEMBER,
	TALLY_NULL_AT,
	TALLY_OLDER,
	TALLIES
};

struct board_event {
	size_t row; /* index in the fold */
	struct board_state state;
	enum board_tally tally;
};

struct board {
	const struct leaderboard_board *conf;
	struct board_span span;
	struct board_sql reader;
	char *pos_key, *meta_key, *prefix; /* {K}:pos {K}:meta {K}: */
	char *definition;                  /* what the sums mean: must not change under them */
	struct redis_script script;
	struct board_part *parts;
	size_t part_count;
	int64_t watermark, era_high; /* as of the last answer of the script */
	bool moved;                  /* Redis stands elsewhere than we thought */

	/* of one batch */
	struct arena arena;
	struct fold fold;
	struct board_event *events;
	size_t event_count, event_cap;
	size_t *order; /* row indexes by partition and shard, then of nets by bucket */
	size_t order_cap;
	struct slice *args;
	size_t arg_count, arg_cap;
	struct buf packed;
	int64_t tallies[TALLIES];
};

enum fate board_open(struct board *board, const struct leaderboard_board *conf,
    const struct row_column *columns, size_t column_count, struct err *err) NODISCARD;
void board_finish(struct board *board); /* accepts a zeroed one */

/* Reads (or claims) the positions of the partitions given, and lowers each start to
 * the board's. HALT: a position beyond the end, or sums of another definition. */
enum fate board_assign(struct board *board, struct redis *redis, struct sink_part *parts,
    size_t count, struct err *err) NODISCARD;

/* After a reconnect: does Redis stand where we think? A batch whose answer was lost
 * counts as counted. Sets moved and RETRY when it does not. */
enum fate board_resync(struct board *board, struct redis *redis, struct err *err) NODISCARD;

/* Rejected records get their outcome; on DONE all others are counted. */
enum fate board_deliver(struct board *board, struct redis *redis, struct record *const *records,
    size_t count, struct err *err) NODISCARD;

/* Moves the watermark, and looks whether the positions are still ours. */
enum fate board_tick(struct board *board, struct redis *redis, struct err *err) NODISCARD;

/* --- between leaderboard_board.c and leaderboard_run.c --- */

/* Fills in the old states of the fold's rows. HALT: a state is not ours. */
enum fate board_load(struct board *board, struct redis *redis, struct err *err) NODISCARD;

/* Runs the script over the parts' at and next, and the fold. RETRY with moved set on
 * a mismatch. */
enum fate board_run(struct board *board, struct redis *redis, struct err *err) NODISCARD;

#endif
