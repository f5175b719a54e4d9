/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/must.h"
#include "engine/engine_ops.h"

/* A query that ends at the loop's next turn. */
struct ending {
	struct engine_query *query;
	struct loop_timer due;
};

static enum fate
null_open(const struct registry_engine *config, struct loop *loop, unsigned pool_max,
    void **ret_self, struct err *err)
{
	(void)config, (void)pool_max, (void)err;
	*ret_self = loop;
	return FATE_DONE;
}

static void
null_close(void *self)
{
	(void)self;
}

static void
due(void *ctx)
{
	struct ending *ending = ctx;
	struct engine_query *query = ending->query;
	struct engine_end end = { .position = -1, .affected = -1 };
	struct err err;

	free(ending);
	end.fate = engine_columns(query, query->ask.columns, query->ask.column_count, &err);
	must(end.fate == FATE_DONE);
	engine_ended(query, &end);
}

static enum fate
null_start(void *self, struct engine_query *query, struct err *err)
{
	struct ending *ending = malloc(sizeof *ending);

	(void)err;
	must(ending);
	*ending = (struct ending){ query, { .due = due, .ctx = ending } };
	query->driver = ending;
	loop_timer_set(self, &ending->due, 1);
	return FATE_DONE;
}

static void
null_more(void *self, struct engine_query *query)
{
	(void)self, (void)query;
}

static void
null_abandon(void *self, struct engine_query *query)
{
	struct ending *ending = query->driver;

	loop_timer_clear(self, &ending->due);
	free(ending);
}

static unsigned
null_connections(const void *self)
{
	(void)self;
	return 0;
}

const struct engine_ops engine_null = { .name = "null",
	.open = null_open,
	.close = null_close,
	.start = null_start,
	.more = null_more,
	.cancel = null_more, /* it ends by itself */
	.abandon = null_abandon,
	.probe = "",
	.connections = null_connections };
