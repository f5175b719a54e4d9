/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "engine/engine_ops.h"

enum { SPARE_MAX = 64, LINE_AGAIN_MS = 20 };

struct engine {
	const struct engine_ops *ops;
	const struct registry_engine *config;
	struct engine_options options;
	struct loop *loop;
	void *self;
	struct engine_query *running, **running_end; /* the probe is none of them */
	struct engine_query *line, **line_end;
	struct loop_timer line_due; /* set when the driver had no room for its first */
	unsigned under_way, waiting;
	struct engine_query *spare; /* ended ones, to be used again */
	unsigned spare_count;
	struct engine_query *probe; /* under way; NULL */
	char probe_id[37]; /* never one that may still stand in the engine's own lists */
	unsigned probes;
	struct loop_timer probe_due;
	bool closing;
	/* the breaker */
	unsigned failures; /* in a row */
	int64_t open_until_us;
	bool open, trial; /* trial: one is let through just now */
	/* what is told */
	bool down;
	char trouble[120];
	uint64_t asked, failed, cancelled;
	int64_t probe_us;
};

/* --- lists --- */

static void
link_in(struct engine_query *q, struct engine_query ***tail)
{
	q->next = NULL;
	q->before = *tail;
	q->tail = tail;
	**tail = q;
	*tail = &q->next;
}

static void
link_out(struct engine_query *q)
{
	if (q->before == NULL)
		return;
	*q->before = q->next;
	if (q->next)
		q->next->before = q->before;
	else
		*q->tail = q->before;
	q->before = NULL;
}

static struct engine_query *
query_new(struct engine *e, const struct engine_ask *ask)
{
	struct engine_query *q = e->spare;

	if (q) {
		e->spare = q->next;
		e->spare_count--;
	} else {
		q = malloc(sizeof *q);
		must(q);
	}
	*q = (struct engine_query){ .engine = e,
		.ask = *ask,
		.columns = ask->columns,
		.column_count = ask->column_count,
		.began_us = clock_mono_us() };
	if (ask->finish) {
		q->ask.columns = plan_finish_wires(ask->finish, &q->ask.column_count);
		q->finishing = finish_run_new(ask->finish);
	}
	return q;
}

static void
query_free(struct engine_query *q)
{
	struct engine *e = q->engine;

	loop_timer_clear(e->loop, &q->due);
	loop_timer_clear(e->loop, &q->resume);
	finish_run_free(q->finishing);
	free(q->failed);
	if (e->spare_count == SPARE_MAX) {
		free(q);
		return;
	}
	q->next = e->spare;
	e->spare = q;
	e->spare_count++;
}

/* --- the breaker --- */

/* Does it speak of the engine, or of one statement and its neighbours? */
static bool
is_engines_fault(const struct engine_end *end)
{
	static const char *const others[] = { "40", "55", "57014", "72" };
	const char *code = end->err ? end->err->code : "";

	if (end->fate == FATE_DONE || end->fate == FATE_REJECT)
		return false;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		if (strncmp(code, others[i], strlen(others[i])) == 0)
			return false;
	}
	return true;
}

static void
breaker_judge(struct engine *e, bool trial, bool fault, bool answered)
{
	if (trial)
		e->trial = false;
	if (fault) {
		e->failures++;
		if (trial || e->failures >= ENGINE_BREAKER_FAILURES) {
			e->open = true;
			e->open_until_us = clock_mono_us() + ENGINE_BREAKER_OPEN_MS * 1000;
		}
	} else if (answered) {
		e->failures = 0;
		e->open = e->open && !trial;
	}
}

/* false: this one must not go; otherwise *ret_trial. */
static bool
breaker_lets(struct engine *e, bool *ret_trial)
{
	*ret_trial = e->open;
	if (!e->open)
		return true;
	return !e->trial && clock_mono_us() >= e->open_until_us;
}

/* --- a query's life --- */

static void query_due(void *ctx);
static void query_resume(void *ctx);

/* What start() says of itself, not of the engine: the query waits. */
static bool
no_room(enum fate fate, const struct err *err)
{
	return fate == FATE_RETRY && strcmp(err->code, "53300") == 0;
}

static enum fate
query_start(struct engine_query *q, bool waited, struct err *err)
{
	struct engine *e = q->engine;
	enum fate fate = e->ops->start(e->self, q, err);

	if (no_room(fate, err))
		return fate;
	if (fate != FATE_DONE) {
		(void)snprintf(e->trouble, sizeof e->trouble, "%.119s", err->what);
		breaker_judge(e, q->trial, true, false);
		return fate;
	}
	q->started = true;
	q->idle_us = waited ? clock_mono_us() - q->began_us : 0;
	e->under_way++;
	link_out(q);
	link_in(q, &e->running_end);
	return FATE_DONE;
}

/* What the deadline or a cancel makes of an end. */
static void
mend(struct engine_query *q, struct engine_end *end, struct err *err)
{
	if (q->failed) {
		*err = *q->failed;
		end->fate = err->fate;
		end->err = err;
		end->position = -1;
		return;
	}
	if (!q->cancelled ||
	    (end->fate == FATE_DONE && q->ask.access == ENGINE_WRITE && !q->withheld))
		return;
	if (end->fate == FATE_REJECT || end->fate == FATE_HALT)
		return;
	/* Postgres never says DONE of a write that it took back. */
	end->outcome_unknown =
	    q->ask.access == ENGINE_WRITE && (end->fate == FATE_DONE || end->outcome_unknown);
	end->fate = err_code(err, FATE_RETRY, "57014", "%s: %s", q->engine->config->name,
	    q->late ? "the deadline has passed" : "cancelled");
	end->err = err;
	end->position = -1;
}

/* The reader's time is not the engine's. */
static void
hold_up(struct engine_query *q, bool begins)
{
	int64_t now_us = begins || q->paused_us ? clock_mono_us() : 0;

	if (q->paused_us)
		q->idle_us += now_us - q->paused_us;
	q->paused_us = begins ? now_us : 0;
}

static void
query_end(struct engine_query *q, struct engine_end *end)
{
	struct engine *e = q->engine;
	struct err err;

	mend(q, end, &err);
	end->rows = q->rows;
	hold_up(q, false);
	end->elapsed_us = clock_mono_us() - q->began_us;
	end->busy_us = q->started ? end->elapsed_us - q->idle_us : 0;
	if (q->cancelled && !q->failed)
		e->cancelled++;
	else if (end->fate == FATE_RETRY || end->fate == FATE_HALT)
		e->failed++;
	link_out(q);
	q->ask.reader->end(q->ask.ctx, end);
	query_free(q);
}

static void
end_unheard(struct engine_query *q, const struct err *err)
{
	struct engine_end end = {
		.fate = err->fate, .err = err, .position = -1, .affected = -1
	};

	query_end(q, &end);
}

/* A place has become free: the line's first takes it. */
static void
line_move(struct engine *e)
{
	while (e->line && e->under_way < e->options.pool_max && !e->closing) {
		struct engine_query *q = e->line;
		struct err err;
		enum fate fate = query_start(q, true, &err);

		if (no_room(fate, &err)) {
			loop_timer_set(
			    e->loop, &e->line_due, clock_mono_us() + LINE_AGAIN_MS * 1000);
			return;
		}
		e->waiting--;
		if (fate != FATE_DONE)
			end_unheard(q, &err);
	}
}

static void
line_due(void *ctx)
{
	line_move(ctx);
}

static void
note_trouble(struct engine *e, const struct engine_end *end)
{
	if (end->fate != FATE_DONE && end->fate != FATE_REJECT && end->err)
		(void)snprintf(e->trouble, sizeof e->trouble, "%.119s", end->err->what);
}

void
engine_ended(struct engine_query *query, struct engine_end *end)
{
	struct engine *e = query->engine;
	struct err err;

	if (end->fate == FATE_DONE && !query->told && query->ask.column_count > 0) {
		end->fate = err_code(
		    &err, FATE_HALT, "08P01", "%s: an end without an answer", e->config->name);
		end->err = &err;
	}
	if (query == e->probe) {
		query->ask.reader->end(query->ask.ctx, end);
		return;
	}
	/* What was cancelled says nothing: it may not have reached the engine at all. */
	breaker_judge(
	    e, query->trial, !query->cancelled && is_engines_fault(end), !query->cancelled);
	if (!query->cancelled)
		note_trouble(e, end);
	e->under_way--;
	link_out(query);
	line_move(e);
	query_end(query, end);
}

void
engine_failed(struct engine_query *query, const struct err *err)
{
	struct engine_end end = {
		.fate = err->fate, .err = err, .position = -1, .affected = -1
	};

	engine_ended(query, &end);
}

enum fate
engine_columns(struct engine_query *query, const struct plan_column *columns, size_t count,
    struct err *err)
{
	bool planned = query->ask.column_count > 0;

	must(!query->told);
	if (planned && count != query->ask.column_count)
		return err_code(err, FATE_HALT, "42P16",
		    "%s: %zu columns came instead of %zu: the registry is not what stands "
		    "there",
		    query->engine->config->name, count, query->ask.column_count);
	query->told = true;
	if (!query->cancelled)
		query->ask.reader->columns(query->ask.ctx, planned ? query->columns : columns,
		    planned ? query->column_count : count);
	return FATE_DONE;
}

/* A result that Postgres would raise an error for: the query is stopped and ends so. */
static bool
finish_row(struct engine_query *query, const struct slice **values)
{
	struct err err;

	if (finish_run_row(query->finishing, *values, values, &err) == FATE_DONE)
		return true;
	query->failed = malloc(sizeof *query->failed);
	must(query->failed);
	*query->failed = err;
	engine_cancel(query);
	return false;
}

bool
engine_row(struct engine_query *query, const struct slice *values)
{
	must(query->told);
	if (query->cancelled) {
		query->withheld = true;
		return true;
	}
	if (query->finishing && !finish_row(query, &values))
		return true;
	query->rows++;
	if (query->ask.reader->row(query->ask.ctx, values) || query->cancelled)
		return true;
	hold_up(query, true);
	return false;
}

/* The driver has not obeyed within ENGINE_CANCEL_MS, or all ends: it is ended without it. */
static void
let_go(struct engine_query *q, bool fault)
{
	struct engine *e = q->engine;
	struct engine_end end = { .fate = FATE_RETRY,
		.position = -1,
		.affected = -1,
		.outcome_unknown = q->ask.access == ENGINE_WRITE };

	e->ops->abandon(e->self, q);
	breaker_judge(e, q->trial, fault, false);
	if (fault)
		(void)snprintf(e->trouble, sizeof e->trouble, "does not obey a cancel");
	e->under_way--;
	link_out(q);
	line_move(e);
	query_end(q, &end);
}

/* The deadline, a cancel, or the end of the patience with the engine after either. */
static void
query_due(void *ctx)
{
	struct engine_query *q = ctx;
	struct engine *e = q->engine;
	struct engine_end end = { .fate = FATE_RETRY, .position = -1, .affected = -1 };

	if (q->stopping) {
		let_go(q, true);
		return;
	}
	q->late = !q->cancelled;
	q->cancelled = true;
	if (!q->started) {
		e->waiting--;
		if (q->trial)
			e->trial = false;
		query_end(q, &end);
		return;
	}
	q->stopping = true;
	loop_timer_clear(e->loop, &q->resume);
	loop_timer_set(e->loop, &q->due, clock_mono_us() + ENGINE_CANCEL_MS * 1000);
	e->ops->cancel(e->self, q);
}

static void
query_resume(void *ctx)
{
	struct engine_query *q = ctx;

	hold_up(q, false);
	q->engine->ops->more(q->engine->self, q);
}

enum fate
engine_ask(struct engine *engine, const struct engine_ask *ask, struct engine_query **ret_query,
    struct err *err)
{
	bool room = engine->under_way < engine->options.pool_max && !engine->line, trial;
	struct engine_query *q;
	struct err why;
	enum fate fate = FATE_DONE;

	must(!engine->closing);
	if (!breaker_lets(engine, &trial))
		return err_code(err, FATE_RETRY, "57P03", "%s: not asked just now: %s",
		    engine->config->name, engine->trouble);
	if (!room && engine->waiting >= engine->options.queue_max)
		return err_code(err, FATE_RETRY, "53300", "%s: %u queries run and %u wait",
		    engine->config->name, engine->under_way, engine->waiting);
	q = query_new(engine, ask);
	q->trial = trial;
	q->due.due = query_due;
	q->resume.due = query_resume;
	q->due.ctx = q->resume.ctx = q;
	engine->asked++;
	engine->trial = engine->trial || trial;
	if (room)
		fate = query_start(q, false, &why);
	if (!room || no_room(fate, &why)) {
		link_in(q, &engine->line_end);
		engine->waiting++;
		if (room)
			loop_timer_set(engine->loop, &engine->line_due,
			    clock_mono_us() + LINE_AGAIN_MS * 1000);
	} else if (fate != FATE_DONE) {
		*err = why;
		engine->failed++;
		query_free(q);
		return fate;
	}
	loop_timer_set(engine->loop, &q->due, ask->deadline_us);
	*ret_query = q;
	return FATE_DONE;
}

void
engine_more(struct engine_query *query)
{
	if (query->started && !query->cancelled)
		loop_timer_set(query->engine->loop, &query->resume, 1);
}

void
engine_cancel(struct engine_query *query)
{
	if (query->cancelled)
		return;
	query->cancelled = true;
	loop_timer_set(query->engine->loop, &query->due, 1);
}

/* --- the probe --- */

static void
probe_columns(void *ctx, const struct plan_column *columns, size_t count)
{
	(void)ctx, (void)columns, (void)count;
}

static bool
probe_row(void *ctx, const struct slice *values)
{
	(void)ctx, (void)values;
	return true;
}

static void
probe_judge(struct engine *e, const struct engine_end *end)
{
	e->down = end->fate != FATE_DONE;
	if (e->down)
		note_trouble(e, end);
	else
		e->probe_us = clock_mono_us() - e->probe->began_us;
	if (e->probe)
		query_free(e->probe);
	e->probe = NULL;
	if (!e->closing)
		loop_timer_set(e->loop, &e->probe_due,
		    clock_mono_us() + (e->down ? 500 : ENGINE_PROBE_MS) * 1000);
}

static void
probe_end(void *ctx, const struct engine_end *end)
{
	probe_judge(ctx, end);
}

/* The probe's deadline needs no cancel in the engine: its connection goes. */
static void
probe_late(void *ctx)
{
	struct engine *e = ctx;
	struct err err = { .fate = FATE_RETRY };
	struct engine_end end = { .fate = FATE_RETRY, .err = &err };

	(void)err_code(&err, FATE_RETRY, "08006", "%s: does not answer", e->config->name);
	e->ops->abandon(e->self, e->probe);
	probe_judge(e, &end);
}

static void
probe_due(void *ctx)
{
	static const struct engine_reader reader = { probe_columns, probe_row, probe_end };
	struct engine *e = ctx;
	struct engine_ask ask = { .sql = e->ops->probe,
		.access = ENGINE_READ,
		.deadline_us = clock_mono_us() + ENGINE_PROBE_DEADLINE_MS * 1000,
		.id = e->probe_id,
		.reader = &reader,
		.ctx = e };
	struct engine_end end = { 0 };
	struct err err;

	(void)snprintf(e->probe_id, sizeof e->probe_id, "%.16s-p%x",
	    e->options.run ? e->options.run : "", ++e->probes);
	e->probe = query_new(e, &ask);
	e->probe->due.due = probe_late;
	e->probe->due.ctx = e;
	e->probe->started = true;
	end.fate = e->ops->start(e->self, e->probe, &err);
	end.err = &err;
	if (end.fate != FATE_DONE)
		probe_judge(e, &end);
	else
		loop_timer_set(e->loop, &e->probe->due, ask.deadline_us);
}

/* --- the engine --- */

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
	e->line_due = (struct loop_timer){ .due = line_due, .ctx = e };
	e->probe_due = (struct loop_timer){ .due = probe_due, .ctx = e };
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
		query_due(engine->line);
	}
	while (engine->running) {
		engine->running->cancelled = true;
		let_go(engine->running, false);
	}
	if (engine->probe) {
		engine->ops->abandon(engine->self, engine->probe);
		query_free(engine->probe);
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
