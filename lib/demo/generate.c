/* SPDX-License-Identifier: Apache-2.0 */
#include "demo/generate.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

enum { CONTENTS_BATCH = 1000, ID_SIZE = 24 };

struct row {
	char id[ID_SIZE];
	uint64_t updated; /* number of the transaction that last updated it */
};

struct generate {
	struct generate_options options;
	struct generate_world world;
	struct pg *pg;
	struct row *rows; /* those known to be there, in no order */
	size_t row_count;
	uint64_t transaction;
	struct buf columns[GENERATE_COLUMNS_MAX];
	struct generate_counts counts, open; /* open: of the transaction at hand */
};

struct generate *
generate_new(const struct generate_options *options, struct pg *pg)
{
	struct generate *g = calloc(1, sizeof *g);

	must(g);
	g->options = *options;
	g->pg = pg;
	g->world = (struct generate_world){ .dice = { .state = options->seed },
		.seed = options->seed,
		.contents = options->contents };
	g->rows = calloc(GENERATE_ROWS_MAX, sizeof *g->rows);
	must(g->rows);
	return g;
}

void
generate_free(struct generate *generate)
{
	if (!generate)
		return;
	for (size_t i = 0; i < GENERATE_COLUMNS_MAX; i++)
		buf_finish(&generate->columns[i]);
	free(generate->rows);
	free(generate);
}

static void
columns_begin(struct generate *g, size_t count)
{
	for (size_t i = 0; i < count; i++)
		pg_array_begin(&g->columns[i]);
}

/* Ends the arrays and runs the statement with them. */
static enum fate
columns_run(struct generate *g, const char *sql, size_t count, struct pg_result *ret_result,
    struct err *err)
{
	struct slice params[GENERATE_COLUMNS_MAX];
	const struct pg_query query = { sql, params, count };

	for (size_t i = 0; i < count; i++) {
		pg_array_end(&g->columns[i]);
		params[i] = buf_view(&g->columns[i]);
	}
	return pg_query(g->pg, &query, ret_result, err);
}

/* A full house forgets a row at random. */
static void
rows_add(struct generate *g, struct slice id)
{
	struct row *row;

	must(id.len < ID_SIZE);
	if (g->row_count == GENERATE_ROWS_MAX)
		row = &g->rows[dice_below(&g->world.dice, g->row_count)];
	else
		row = &g->rows[g->row_count++];
	memcpy(row->id, id.p, id.len);
	row->id[id.len] = 0;
	row->updated = 0;
}

static void
rows_take_in(struct generate *g, const struct pg_result *result)
{
	for (size_t i = 0; i < result->row_count; i++)
		rows_add(g, pg_result_text(result, i, 0));
}

static enum fate
seed_contents(struct generate *g, struct err *err)
{
	const struct generate_model *model = g->options.model;

	for (size_t at = 0; at < g->options.contents;) {
		struct pg_result result = { 0 };
		enum fate fate;

		columns_begin(g, model->contents_columns);
		for (size_t i = 0; i < CONTENTS_BATCH && at < g->options.contents; i++)
			model->content(&g->world, at++, g->columns);
		fate =
		    columns_run(g, model->contents_sql, model->contents_columns, &result, err);
		pg_result_clear(&result);
		if (fate != FATE_DONE)
			return err_wrap(err, "seed contents");
	}
	return FATE_DONE;
}

enum fate
generate_prepare(struct generate *generate, struct err *err)
{
	const struct pg_query load = { .sql = generate->options.model->load_sql };
	struct pg_result result = { 0 };
	enum fate fate = seed_contents(generate, err);

	if (fate == FATE_DONE)
		fate = pg_query(generate->pg, &load, &result, err);
	if (fate == FATE_DONE) {
		generate->row_count = 0;
		rows_take_in(generate, &result);
	}
	pg_result_clear(&result);
	return fate;
}

static enum fate
insert(struct generate *g, size_t count, struct err *err)
{
	const struct generate_model *model = g->options.model;
	struct pg_result result = { 0 };
	enum fate fate;

	columns_begin(g, model->insert_columns);
	for (size_t i = 0; i < count; i++)
		model->insert(&g->world, g->columns);
	fate = columns_run(g, model->insert_sql, model->insert_columns, &result, err);
	if (fate == FATE_DONE) {
		rows_take_in(g, &result);
		g->open.inserts += (int64_t)result.row_count;
	}
	pg_result_clear(&result);
	return fate;
}

static enum fate
update(struct generate *g, size_t count, struct err *err)
{
	const struct generate_model *model = g->options.model;
	struct pg_result result = { 0 };
	enum fate fate;

	columns_begin(g, model->update_columns);
	for (size_t i = 0; i < count; i++) {
		struct row *row = &g->rows[dice_below(&g->world.dice, g->row_count)];

		while (row->updated == g->transaction) /* more rows than updates: it ends */
			row = row == g->rows + g->row_count - 1 ? g->rows : row + 1;
		row->updated = g->transaction;
		pg_array_add(&g->columns[0], slice_str(row->id));
		model->update(&g->world, g->columns + 1);
	}
	fate = columns_run(g, model->update_sql, model->update_columns, &result, err);
	if (fate == FATE_DONE)
		g->open.updates += pg_result_affected(&result);
	pg_result_clear(&result);
	return fate;
}

static enum fate
delete_rows(struct generate *g, size_t count, struct err *err)
{
	struct pg_result result = { 0 };
	enum fate fate;

	columns_begin(g, 1);
	for (size_t i = 0; i < count; i++) {
		size_t at = (size_t)dice_below(&g->world.dice, g->row_count);

		pg_array_add(&g->columns[0], slice_str(g->rows[at].id));
		g->rows[at] = g->rows[--g->row_count];
	}
	fate = columns_run(g, g->options.model->delete_sql, 1, &result, err);
	if (fate == FATE_DONE)
		g->open.deletes += pg_result_affected(&result);
	pg_result_clear(&result);
	return fate;
}

/* How many of each kind; what there are no rows for becomes an insert. */
static void
throw_kinds(struct generate *g, size_t changes, size_t *ret_updates, size_t *ret_deletes)
{
	size_t updates = 0, deletes = 0, inserts;

	for (size_t i = 0; i < changes; i++) {
		double share = dice_real(&g->world.dice);

		if (share < g->options.update_share)
			updates++;
		else if (share < g->options.update_share + g->options.delete_share)
			deletes++;
	}
	inserts = changes - updates - deletes;
	if (updates > g->row_count + inserts)
		updates = g->row_count + inserts;
	if (deletes > g->row_count + inserts)
		deletes = g->row_count + inserts;
	*ret_updates = updates;
	*ret_deletes = deletes;
}

static enum fate
statements(struct generate *g, size_t changes, struct err *err)
{
	size_t updates, deletes;
	enum fate fate = pg_script(g->pg, "BEGIN", err);

	throw_kinds(g, changes, &updates, &deletes);
	if (fate == FATE_DONE && changes > updates + deletes)
		fate = insert(g, changes - updates - deletes, err);
	if (fate == FATE_DONE && updates)
		fate = update(g, updates, err);
	if (fate == FATE_DONE && deletes)
		fate = delete_rows(g, deletes, err);
	return fate == FATE_DONE ? pg_script(g->pg, "COMMIT", err) : fate;
}

enum fate
generate_transaction(struct generate *generate, size_t changes, int64_t now_us, struct err *err)
{
	struct generate_counts *counts = &generate->counts, *open = &generate->open;
	enum fate fate;

	*open = (struct generate_counts){ 0 };
	generate->world.now_us = now_us;
	generate->transaction++;
	fate = statements(generate, changes, err);
	if (fate != FATE_DONE) {
		pg_disconnect(generate->pg); /* and with it what was not committed */
		return fate;
	}
	counts->inserts += open->inserts;
	counts->updates += open->updates;
	counts->deletes += open->deletes;
	counts->transactions++;
	return FATE_DONE;
}

/* Half of them small, as applications' are; the rest up to the maximum. */
size_t
generate_size(struct generate *generate)
{
	struct dice *dice = &generate->world.dice;

	return 1 +
	       (size_t)dice_below(dice, dice_below(dice, 2) ? GENERATE_TRANSACTION_MAX : 20);
}

const struct generate_counts *
generate_counts(const struct generate *generate)
{
	return &generate->counts;
}
