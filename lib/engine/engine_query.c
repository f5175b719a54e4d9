/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"

enum { SPARE_MAX = 64, LINE_AGAIN_MS = 20 };

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

struct engine_query *
engine_query_new(struct engine *e, const struct engine_ask *ask)
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

void
engine_query_free(struct engine_query *q)
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

/* --- its life --- */

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
		engine_breaker_judge(e, q->trial, true, false);
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
	engine_query_free(q);
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

void
engine_line_due(void *ctx)
{
	line_move(ctx);
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
	engine_breaker_judge(
	    e, query->trial, !query->cancelled && engine_at_fault(end), !query->cancelled);
	if (!query->cancelled)
		engine_note_trouble(e, end);
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
void
engine_let_go(struct engine_query *q, bool fault)
{
	struct engine *e = q->engine;
	struct engine_end end = { .fate = FATE_RETRY,
		.position = -1,
		.affected = -1,
		.outcome_unknown = q->ask.access == ENGINE_WRITE };

	e->ops->abandon(e->self, q);
	engine_breaker_judge(e, q->trial, fault, false);
	if (fault)
		(void)snprintf(e->trouble, sizeof e->trouble, "does not obey a cancel");
	e->under_way--;
	link_out(q);
	line_move(e);
	query_end(q, &end);
}

/* The deadline, a cancel, or the end of the patience with the engine after either. */
void
engine_query_due(void *ctx)
{
	struct engine_query *q = ctx;
	struct engine *e = q->engine;
	struct engine_end end = { .fate = FATE_RETRY, .position = -1, .affected = -1 };

	if (q->stopping) {
		engine_let_go(q, true);
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

/* --- its beginning, and what is asked of it --- */

enum fate
engine_ask(struct engine *engine, const struct engine_ask *ask, struct engine_query **ret_query,
    struct err *err)
{
	bool room = engine->under_way < engine->options.pool_max && !engine->line, trial;
	struct engine_query *q;
	struct err why = { 0 };
	enum fate fate = FATE_DONE;

	must(!engine->closing);
	if (!engine_breaker_lets(engine, &trial))
		return err_code(err, FATE_RETRY, "57P03", "%s: not asked just now: %s",
		    engine->config->name, engine->trouble);
	if (!room && engine->waiting >= engine->options.queue_max)
		return err_code(err, FATE_RETRY, "53300", "%s: %u queries run and %u wait",
		    engine->config->name, engine->under_way, engine->waiting);
	q = engine_query_new(engine, ask);
	q->trial = trial;
	q->due.due = engine_query_due;
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
		engine_query_free(q);
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
