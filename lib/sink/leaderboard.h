/* SPDX-License-Identifier: Apache-2.0 */
/* leaderboard.h -- boards in Redis: the sum of a score by member over the last
 * minutes of event time, in a plain ZSET.
 *
 * Member, time and score are SQL over the enriched row. Everything of board K lives
 * in one cluster slot: K, the ZSET that people read; {K}:pos, next offset to read by
 * partition; {K}:meta, with watermark_ms, the start of the newest bucket shown;
 * {K}:b:N, each member's units and rows of bucket N; {K}:sum, their totals; {K}:all,
 * every member where K shows only the top; {K}:s:PARTITION:ERA:SHARD, the states of
 * rows. Positions and sums change in one
 * script, so a batch counts once, whatever is killed. Refused at open: a score that
 * is not exact. The texts are borrowed for the sink's whole life. */
#ifndef SINK_LEADERBOARD_H
#define SINK_LEADERBOARD_H

#include <stddef.h>
#include <stdint.h>

#include "wire/change.h"

struct leaderboard_board {
	const char *key;              /* the ZSET: thm:top:10m */
	const char *member;           /* SQL, any type; NULL: the row is not counted */
	const char *at;               /* SQL, timestamptz, timestamp or date */
	const char *score;            /* SQL, integer or numeric of a known scale; NULL is 0 */
	int64_t window_ms, bucket_ms; /* window is a multiple of bucket */
	int64_t top;                  /* members that the ZSET shows; 0: all */
};

struct leaderboard_config {
	/* Of Redis; "" or NULL: none. The user needs the keys K and {K}:* of each board and
	 * info client|setname script|load evalsha bgrewriteaof hget hset hsetnx hmget hdel
	 * hgetall hlen hkeys zadd zrem zcard zrangestore unlink keys type time. */
	const char *url, *user, *password;
	const char *client_name;
	const struct leaderboard_board *boards;
	size_t board_count;
	size_t batch_rows;
	int64_t batch_age_ms;
	const struct row_column *columns; /* of the enriched row */
	size_t column_count;
};

/* Rows that are ahead of the watermark by more are not counted; rows behind the
 * window are remembered for this long. */
enum { LEADERBOARD_AHEAD_MS = 3600000, LEADERBOARD_LATENESS_MS = 600000 };

extern const struct sink_ops sink_leaderboard;

#endif
