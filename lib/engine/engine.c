/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine_core.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"

enum fate
engine_open_ops(const struct engine_ops *ops, const struct registry_engine *config,
    const struct engine_options *options, struct loop *loop, struct engine **ret_engine,
    struct err *err)
{
	struct engine *e = calloc(1, sizeof *e);
	enum fate fate;

	must(e);
	*e = (struct engine){ .ops = ops, .config = config, .loop = loop, .down = true };
	e->options = options ? *options : (struct engine_options){ 0 };
	if (e->options.pool_max == 0)
		e->options.pool_max = 16;
	if (e->options.queue_max == 0)
		e->options.queue_max = 256;
	e->running_end = &e->running;
	e->line_end = &e->line;
	fate = ops->open(config, loop, e->options.pool_max + 1, &e->self, err);
	if (fate != FATE_DONE) {
		free(e);
		return fate;
	}
	e->line_due = (struct loop_timer){ .due = engine_line_due, .ctx = e };
	e->probe_due = (struct loop_timer){ .due = engine_probe_due, .ctx = e };
	loop_timer_set(loop, &e->probe_due, 1);
	*ret_engine = e;
	return FATE_DONE;
}

enum fate
engine_open(const struct registry_engine *config, const struct engine_options *options,
    struct loop *loop, struct engine **ret_engine, struct err *err)
{
	const struct engine_ops *ops = engine_ops_of(config->kind);

	if (ops == NULL)
		return err_set(
		    err, FATE_HALT, "%s: this kind of engine has no driver yet", config->name);
	return engine_open_ops(ops, config, options, loop, ret_engine, err);
}

void
engine_close(struct engine *engine)
{
	if (engine == NULL)
		return;
	engine->closing = true;
	loop_timer_clear(engine->loop, &engine->probe_due);
	loop_timer_clear(engine->loop, &engine->line_due);
	while (engine->line) {
		loop_timer_clear(engine->loop, &engine->line->due);
		engine->line->cancelled = true;
		engine_query_due(engine->line);
	}
	while (engine->running) {
		engine->running->cancelled = true;
		engine_let_go(engine->running, false);
	}
	if (engine->probe) {
		engine->ops->abandon(engine->self, engine->probe);
		engine_query_free(engine->probe);
	}
	engine->ops->close(engine->self);
	while (engine->spare) {
		struct engine_query *q = engine->spare;

		engine->spare = q->next;
		free(q);
	}
	free(engine);
}

void
engine_state(const struct engine *engine, struct engine_state *ret_state)
{
	const struct engine *e = engine;

	*ret_state = (struct engine_state){ .down = e->down,
		.breaker_open = e->open && (e->trial || clock_mono_us() < e->open_until_us),
		.connections = e->ops->connections(e->self),
		.under_way = e->under_way,
		.waiting = e->waiting,
		.asked = e->asked,
		.failed = e->failed,
		.cancelled = e->cancelled,
		.probe_us = e->probe_us };
	memcpy(ret_state->trouble, e->trouble, sizeof e->trouble);
}
