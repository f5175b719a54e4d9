/* SPDX-License-Identifier: Apache-2.0 */
/* leaderboard_sql.h -- a board's SQL, and what it says of one enriched row.
 *
 * Owns the compiled expressions and the memory of one row. Only the columns that
 * the SQL names are decoded. A row that is no JSON object or that the SQL refuses
 * is a REJECT; a NULL member or time is an answer. */
#ifndef SINK_LEADERBOARD_SQL_H
#define SINK_LEADERBOARD_SQL_H

#include <stdbool.h>

#include "base/buf.h"
#include "sink/leaderboard.h"
#include "sql/query.h"

struct board_sql {
	struct sql_exprs *exprs;
	struct pgtype at_type, member_type, score_type;
	int scale;
	const struct row_column *columns;
	size_t *used; /* indexes of the columns that the SQL reads, ascending */
	size_t used_count;
	struct value *values; /* by column; what is not used stays NULL */
	struct arena scratch; /* of one row */
	struct buf text;
};

/* Borrows the columns. HALT with the board's name: wrong SQL or types, or a score
 * without a scale. */
enum fate board_sql_open(struct board_sql *reader, const struct leaderboard_board *board,
    const struct row_column *columns, size_t column_count, struct err *err) NODISCARD;
void board_sql_finish(struct board_sql *reader); /* accepts a zeroed one */

struct board_reading {
	bool has_member, has_at;
	struct slice member; /* in the caller's arena */
	int64_t at_us;       /* since 1970; infinities are the ends of int64 */
	int64_t units;
};

enum fate board_sql_read(struct board_sql *reader, struct slice json, struct arena *arena,
    struct board_reading *ret_reading, struct err *err) NODISCARD;

#endif
