/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/must.h"
#include "engine/engine_ops.h"
#include "link/pg_loop.h"

static enum fate
postgres_open(const struct registry_engine *config, struct loop *loop, unsigned pool_max,
    void **ret_self, struct err *err)
{
	struct pg_options options = { .conninfo = config->url,
		.dbname = config->database,
		.user = config->user,
		.password = config->password,
		.application_name = "sluice-router" };
	struct pg_pool *pool;
	enum fate fate = pg_pool_open(&options, pool_max, loop, &pool, err);

	if (fate == FATE_DONE)
		*ret_self = pool;
	return fate;
}

static void
postgres_close(void *self)
{
	pg_pool_close(self);
}

static struct plan_column
column_of(const struct pg_column *c)
{
	return (struct plan_column){ .name = c->name,
		.type = { .kind = type_kind_of_oid(c->type),
		    .elem = type_elem_of_oid(c->type),
		    .oid = c->type,
		    .typmod = c->typmod } };
}

static enum fate
on_columns(void *ctx, const struct pg_column *columns, size_t count, struct err *err)
{
	struct engine_query *query = ctx;
	struct plan_column *named;
	enum fate fate;

	if (query->ask.column_count || count == 0)
		return engine_columns(query, NULL, count, err);
	named = malloc(count * sizeof *named);
	must(named);
	for (size_t i = 0; i < count; i++)
		named[i] = column_of(&columns[i]);
	fate = engine_columns(query, named, count, err);
	free(named);
	return fate;
}

static bool
on_row(void *ctx, const struct slice *values)
{
	return engine_row(ctx, values);
}

static void
on_end(void *ctx, const struct pg_end *told)
{
	struct engine_query *query = ctx;
	struct engine_end end = { .fate = told->fate,
		.err = told->err,
		.position = told->position,
		.outcome_unknown = told->outcome_unknown,
		.affected = query->ask.access == ENGINE_WRITE ? told->affected : -1,
		.lsn = told->lsn,
		.system = told->system,
		.timeline = told->timeline };

	engine_ended(query, &end);
}

static enum fate
postgres_start(void *self, struct engine_query *query, struct err *err)
{
	static const struct pg_handler handler = { on_columns, on_row, on_end };
	const struct engine_ask *ask = &query->ask;
	struct pg_run run = { .sql = ask->sql,
		.params = ask->params,
		.param_count = ask->param_count,
		.write = ask->access == ENGINE_WRITE,
		.handler = &handler,
		.ctx = query };
	struct pg_session *session;
	enum fate fate = pg_pool_run(self, &run, &session, err);

	if (fate == FATE_DONE)
		query->driver = session;
	return fate;
}

static void
postgres_more(void *self, struct engine_query *query)
{
	(void)self;
	pg_run_more(query->driver);
}

static void
postgres_cancel(void *self, struct engine_query *query)
{
	(void)self;
	pg_run_cancel(query->driver);
}

static void
postgres_abandon(void *self, struct engine_query *query)
{
	(void)self;
	pg_run_abandon(query->driver);
}

static unsigned
postgres_connections(const void *self)
{
	return (unsigned)pg_pool_connections(self);
}

const struct engine_ops engine_postgres = { .name = "postgres",
	.open = postgres_open,
	.close = postgres_close,
	.start = postgres_start,
	.more = postgres_more,
	.cancel = postgres_cancel,
	.abandon = postgres_abandon,
	.probe = "SELECT 1",
	.connections = postgres_connections };
