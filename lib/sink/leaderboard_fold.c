/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/leaderboard_fold.h"

#include <stdlib.h>

#include "base/must.h"

enum { TABLE_MIN = 1024 };

void
fold_reset(struct fold *fold)
{
	fold->row_count = fold->net_count = 0;
	if (fold->row_table.size)
		memset(fold->row_table.slots, 0, fold->row_table.size * sizeof(uint32_t));
	if (fold->net_table.size)
		memset(fold->net_table.slots, 0, fold->net_table.size * sizeof(uint32_t));
}

void
fold_finish(struct fold *fold)
{
	free(fold->rows);
	free(fold->nets);
	free(fold->row_table.slots);
	free(fold->net_table.slots);
	*fold = (struct fold){ 0 };
}

static uint32_t *
slot_free(struct fold_table *table, uint64_t hash)
{
	size_t i = hash & (table->size - 1);

	while (table->slots[i])
		i = (i + 1) & (table->size - 1);
	return &table->slots[i];
}

/* A table twice as big, empty; the caller enters its items again. */
static void
table_grow(struct fold_table *table)
{
	table->size = table->size ? table->size * 2 : TABLE_MIN;
	free(table->slots);
	table->slots = calloc(table->size, sizeof(uint32_t));
	must(table->slots);
}

static void
rows_room(struct fold *fold)
{
	if (fold->row_count == fold->row_cap) {
		fold->row_cap = fold->row_cap ? fold->row_cap * 2 : TABLE_MIN;
		fold->rows = realloc(fold->rows, fold->row_cap * sizeof *fold->rows);
		must(fold->rows);
	}
	if (fold->row_table.size >= 2 * (fold->row_count + 1))
		return;
	table_grow(&fold->row_table);
	for (size_t i = 0; i < fold->row_count; i++)
		*slot_free(&fold->row_table, fold->rows[i].hash) = (uint32_t)i + 1;
}

static void
nets_room(struct fold *fold)
{
	if (fold->net_count == fold->net_cap) {
		fold->net_cap = fold->net_cap ? fold->net_cap * 2 : TABLE_MIN;
		fold->nets = realloc(fold->nets, fold->net_cap * sizeof *fold->nets);
		must(fold->nets);
	}
	if (fold->net_table.size >= 2 * (fold->net_count + 1))
		return;
	table_grow(&fold->net_table);
	for (size_t i = 0; i < fold->net_count; i++)
		*slot_free(&fold->net_table, fold->nets[i].hash) = (uint32_t)i + 1;
}

size_t
fold_row(struct fold *fold, int32_t partition, struct slice field)
{
	uint64_t hash = board_hash(field, (uint64_t)(uint32_t)partition + 1);
	size_t i;

	rows_room(fold);
	for (i = hash & (fold->row_table.size - 1); fold->row_table.slots[i];
	     i = (i + 1) & (fold->row_table.size - 1)) {
		size_t index = fold->row_table.slots[i] - 1;
		const struct fold_row *row = &fold->rows[index];

		if (row->hash == hash && row->partition == partition &&
		    slice_eq(row->field, field))
			return index;
	}
	fold->rows[fold->row_count] = (struct fold_row){ .partition = partition,
		.shard = board_shard(field),
		.field = field,
		.hash = hash };
	fold->row_table.slots[i] = (uint32_t)++fold->row_count;
	return fold->row_count - 1;
}

void
fold_found(struct fold_row *row, const struct board_state *state, int64_t era)
{
	if (row->found && row->state.version >= state->version)
		return;
	row->found = true;
	row->state = *state;
	row->old_era = era;
}

static void
net_add(struct fold *fold, const struct board_state *state, int64_t sign)
{
	uint64_t hash = board_hash(state->member, (uint64_t)state->bucket);
	size_t i;

	nets_room(fold);
	for (i = hash & (fold->net_table.size - 1); fold->net_table.slots[i];
	     i = (i + 1) & (fold->net_table.size - 1)) {
		struct fold_net *net = &fold->nets[fold->net_table.slots[i] - 1];

		if (net->hash == hash && net->bucket == state->bucket &&
		    slice_eq(net->member, state->member)) {
			net->units += sign * state->units;
			net->rows += sign;
			return;
		}
	}
	fold->nets[fold->net_count] = (struct fold_net){ .bucket = state->bucket,
		.member = state->member,
		.hash = hash,
		.units = sign * state->units,
		.rows = sign };
	fold->net_table.slots[i] = (uint32_t)++fold->net_count;
}

bool
fold_apply(struct fold *fold, size_t index, const struct board_state *state)
{
	struct fold_row *row = &fold->rows[index];
	bool known = row->state.kind != BOARD_NONE;

	if (known && row->state.version > state->version)
		return false;
	if (row->state.kind == BOARD_LIVE)
		net_add(fold, &row->state, -1);
	if (state->kind == BOARD_LIVE)
		net_add(fold, state, 1);
	if (state->kind == BOARD_NONE && !known)
		return true;
	row->state = *state;
	if (row->state.kind == BOARD_NONE)
		row->state.kind = BOARD_GUARD;
	row->changed = true;
	return true;
}
