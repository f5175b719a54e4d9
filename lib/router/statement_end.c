/* SPDX-License-Identifier: Apache-2.0 */
#include "router/statement.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"

static void
question_drop(struct statement *s)
{
	router_request_finish(&s->request);
	buf_finish(&s->filled);
	free(s->unfit_why);
	s->unfit_why = NULL;
	s->sql = NULL;
}

void
statement_free(struct statement *s)
{
	struct loop *loop = s->router->loop;

	must(!s->query && !s->x);
	statement_forget(s);
	statement_unkeep(s);
	statement_wait_end(s);
	loop_timer_clear(loop, &s->flush);
	loop_timer_clear(loop, &s->patience);
	loop_timer_clear(loop, &s->token_due);
	statement_out_finish(s);
	if (s->plan)
		plan_cache_give_back(s->router->plans, s->plan);
	question_drop(s);
	free(s);
}

enum fate
statement_audit(struct statement *s, const char *outcome, struct err *err)
{
	struct router *r = s->router;
	struct audit_line line = { .who = s->who->name,
		.role = s->role->name,
		.id = s->id,
		.sql = s->request.sql,
		.plan = s->plan,
		.engine = s->engine >= 0                  ? r->registry->engines[s->engine].name
			  : s->engine == DECIDED_REGISTRY ? "registry"
							  : NULL,
		.policy = r->policy_version,
		.outcome = outcome,
		.rows = s->rows,
		.elapsed_us = clock_mono_us() - s->began_us };

	return router_audit_write(r->audit, &line, err);
}

static void
put_down(struct statement *s, const char *error, unsigned status)
{
	struct router *r = s->router;
	struct history_entry entry = { .who = s->who,
		.id = s->id,
		.sql = s->request.sql,
		.engine = s->engine,
		.reason = s->reason,
		.error = error,
		.status = status,
		.degraded = s->degraded,
		.truncated = s->truncated,
		.rows = s->rows,
		.cost = s->cost,
		.wall_ms = s->wall_ms,
		.elapsed_us = s->ended_us - s->began_us };

	router_history_add(r->history, &entry);
	router_count_statement(s->engine, error == NULL, entry.elapsed_us);
}

static void
kept_long_enough(void *ctx)
{
	statement_free(ctx);
}

/* It has ended and been answered, or its answer waits to be fetched. */
static void
settle(struct statement *s)
{
	struct router *r = s->router;

	principal_end(s->who);
	loop_timer_clear(r->loop, &s->patience);
	if (s->plan) {
		plan_cache_give_back(r->plans, s->plan);
		s->plan = NULL;
	}
	if (!s->kept) {
		statement_free(s);
		return;
	}
	if (s->x) {
		struct httpd_exchange *x = s->x;

		s->x = NULL;
		if (s->answer.format == FORMAT_JSON || s->chunk_count != 1)
			statement_show(s, x);
		else
			statement_show_chunk(s, x, 0);
		if (s->state == STATEMENT_FAILED || s->chunk_count <= 1) {
			statement_free(s);
			return;
		}
	}
	question_drop(s); /* only the answer is wanted from now on */
	s->patience.due = kept_long_enough;
	loop_timer_set(
	    r->loop, &s->patience, s->ended_us + r->registry->server.results_keep_ms * 1000);
	statement_keep(s);
}

void
statement_fail(struct statement *s, const struct router_error *error)
{
	struct err ignored; /* counted by the audit; nothing was given away */

	s->state = STATEMENT_FAILED;
	s->ended_us = clock_mono_us();
	(void)statement_audit(s, error->code, &ignored);
	put_down(s, error->code, error->status);
	statement_close_failed(s, error);
	settle(s);
}

void
statement_fail_waiting(struct statement *s)
{
	struct router_error error = { .status = 504,
		.code = "TIMEOUT",
		.message = "no replica came to what the read token stands for in time",
		.sqlstate = "57014" };

	statement_fail(s, &error);
}

/* Its line stands before its answer is whole; what must be on record and is not, fails. */
void
statement_succeed(struct statement *s)
{
	struct err err;
	struct router_error error = { .status = 503,
		.code = "AUDIT",
		.message = "the statement ran, but the audit could not be written",
		.sqlstate = "" };

	s->ended_us = clock_mono_us();
	if (statement_audit(s, "answered", &err) != FATE_DONE && s->audited) {
		statement_fail(s, &error);
		return;
	}
	s->state = STATEMENT_ANSWERED;
	put_down(s, NULL, 200);
	statement_close(s);
	settle(s);
}
