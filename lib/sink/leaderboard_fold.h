/* SPDX-License-Identifier: Apache-2.0 */
/* leaderboard_fold.h -- a batch's events folded: the last state of every row, and the
 * net change of every (bucket, member); pure.
 *
 * Rows are entered first, their old states are filled in by the caller, then events
 * are applied in order of offset. Texts are borrowed and outlive the fold's batch. */
#ifndef SINK_LEADERBOARD_FOLD_H
#define SINK_LEADERBOARD_FOLD_H

#include "sink/leaderboard_state.h"

struct fold_row {
	int32_t partition;
	unsigned shard;
	struct slice field;
	uint64_t hash;
	struct board_state state; /* old, then newest */
	bool found;               /* there is an old state, in old_era */
	int64_t old_era;
	bool changed;
};

struct fold_net {
	int64_t bucket;
	struct slice member;
	uint64_t hash;
	int64_t units, rows;
};

struct fold_table {
	uint32_t *slots; /* index + 1; 0 is free */
	size_t size;     /* power of two */
};

struct fold {
	struct fold_row *rows;
	size_t row_count, row_cap;
	struct fold_net *nets;
	size_t net_count, net_cap;
	struct fold_table row_table, net_table;
};

void fold_reset(struct fold *fold);
void fold_finish(struct fold *fold);

/* The row's index; it is entered when it is new. */
size_t fold_row(struct fold *fold, int32_t partition, struct slice field);

/* An old state as found in an era; of several the newest version stays. */
void fold_found(struct fold_row *row, const struct board_state *state, int64_t era);

/* What a record says of its row: LIVE, GUARD, or NONE (its version is remembered only
 * if the row is known). False: a newer version is known, nothing changes. */
bool fold_apply(struct fold *fold, size_t row, const struct board_state *state);

#endif
