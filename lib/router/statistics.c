/* SPDX-License-Identifier: Apache-2.0 */
#include "router/statistics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "router/ops.h"

enum { DEADLINE_MS = 10000 };

struct router_statistics {
	struct router *router;
	struct loop_timer due;
	size_t table; /* the one asked about */
	struct buf sql;
	char id[32]; /* no other round's, nor another router's */
	unsigned asked;
	int64_t rows;        /* -1: not told yet */
	bool moved, failing; /* in this round */
};

int64_t
router_statistics_rows(struct slice text)
{
	uint64_t rows;

	if (!slice_u64_after(text, SLICE("\"Plan Rows\": "), &rows) && !slice_u64(text, &rows))
		return -1;
	return rows <= INT64_MAX ? (int64_t)rows : -1;
}

static enum sql_dialect
dialect_of(enum engine_kind kind)
{
	return kind == ENGINE_POSTGRES     ? DIALECT_POSTGRES
	       : kind == ENGINE_CLICKHOUSE ? DIALECT_CLICKHOUSE
					   : DIALECT_DUCKDB;
}

/* The question about a table; false: it is not asked. */
static bool
question(struct router_statistics *s, const struct registry_table *t)
{
	const struct registry *registry = s->router->registry;
	const struct registry_placement *place;
	enum engine_kind kind;

	if (t->rows_given || t->home == ENGINE_NONE || !s->router->engines[t->home])
		return false;
	kind = registry->engines[t->home].kind;
	if (kind != ENGINE_POSTGRES && kind != ENGINE_CLICKHOUSE && kind != ENGINE_DUCKDB)
		return false;
	place = &t->placements[t->home];
	s->sql.len = 0;
	buf_cstr(&s->sql, kind == ENGINE_POSTGRES ? "EXPLAIN (FORMAT JSON) SELECT * FROM "
						  : "SELECT count(*) FROM ");
	for (size_t i = 0; i < place->path_count; i++) {
		buf_cstr(&s->sql, i ? "." : "");
		dialect_name(&s->sql, dialect_of(kind), place->path[i]);
	}
	(void)buf_str(&s->sql);
	return true;
}

static void
on_columns(void *ctx, const struct plan_column *columns, size_t count)
{
	(void)ctx, (void)columns, (void)count;
}

static bool
on_row(void *ctx, const struct slice *values)
{
	struct router_statistics *s = ctx;

	if (s->rows < 0 && values[0].p)
		s->rows = router_statistics_rows(values[0]);
	return true;
}

static void
learn(struct router_statistics *s, struct registry_table *t)
{
	int64_t before = t->table.row_estimate, now = s->rows;

	s->moved = s->moved || now / 2 > before || before / 2 > now;
	t->table.row_estimate = now;
	t->rows_known = true;
}

static void
on_end(void *ctx, const struct engine_end *end)
{
	struct router_statistics *s = ctx;

	if (end->fate == FATE_DONE && s->rows >= 0)
		learn(s, &s->router->registry->tables[s->table]);
	s->failing = s->failing || end->fate == FATE_RETRY;
	s->table++;
	loop_timer_set(s->router->loop, &s->due, 1);
}

/* Asks about the next table; after the last one waits for the next round. */
static void
next(struct router_statistics *s)
{
	static const struct engine_reader reader = { on_columns, on_row, on_end };
	struct router *r = s->router;
	struct engine_query *query;
	struct err err;

	for (; s->table < r->registry->table_count; s->table++) {
		struct engine_ask ask = { .access = ENGINE_READ,
			.deadline_us = clock_mono_us() + DEADLINE_MS * 1000,
			.id = s->id,
			.reader = &reader,
			.ctx = s };

		if (!question(s, &r->registry->tables[s->table]))
			continue;
		(void)snprintf(s->id, sizeof s->id, "%s-s%x", r->run, ++s->asked);
		ask.sql = s->sql.p;
		s->rows = -1;
		if (engine_ask(r->engines[r->registry->tables[s->table].home], &ask, &query,
			&err) == FATE_DONE)
			return;
		s->failing = true;
	}
	if (s->moved)
		plan_cache_forget(r->plans);
	s->table = 0;
	loop_timer_set(r->loop, &s->due,
	    clock_mono_us() +
		(s->failing ? ROUTER_STATISTICS_AGAIN_MS : ROUTER_STATISTICS_MS) * 1000LL);
	s->moved = s->failing = false;
}

static void
due(void *ctx)
{
	next(ctx);
}

struct router_statistics *
router_statistics_new(struct router *router)
{
	struct router_statistics *s = calloc(1, sizeof *s);

	must(s);
	s->router = router;
	s->due = (struct loop_timer){ .due = due, .ctx = s };
	loop_timer_set(router->loop, &s->due, 1);
	return s;
}

void
router_statistics_free(struct router_statistics *statistics)
{
	if (statistics == NULL)
		return;
	loop_timer_clear(statistics->router->loop, &statistics->due);
	buf_finish(&statistics->sql);
	free(statistics);
}
