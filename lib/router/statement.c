/* SPDX-License-Identifier: Apache-2.0 */
#include "router/statement.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"

static void route(struct statement *s);

/* --- those there are, by id --- */

static size_t
bucket_of(struct slice id)
{
	size_t hash = 5381;

	for (size_t i = 0; i < id.len; i++)
		hash = hash * 33 ^ (unsigned char)id.p[i];
	return hash % ROUTER_BUCKETS;
}

static void
remember(struct statement *s)
{
	struct statement **bucket = &s->router->by_id[bucket_of(slice_str(s->id))];

	s->next_id = *bucket;
	*bucket = s;
	s->router->statement_count++;
}

static void
forget(struct statement *s)
{
	struct statement **at = &s->router->by_id[bucket_of(slice_str(s->id))];

	while (*at != s)
		at = &(*at)->next_id;
	*at = s->next_id;
	s->router->statement_count--;
}

struct statement *
statement_find(struct router *router, const struct principal *who, struct slice id)
{
	struct statement *s = router->by_id[bucket_of(id)];

	while (s && !(s->who == who && slice_eq(slice_str(s->id), id)))
		s = s->next_id;
	return s;
}

/* --- waiting for a replica --- */

static void
wait_end(struct statement *s)
{
	if (!s->waiting)
		return;
	*s->waiting = s->next_waiting;
	if (s->next_waiting)
		s->next_waiting->waiting = s->waiting;
	s->waiting = NULL;
	loop_timer_clear(s->router->loop, &s->token_due);
}

static void
wait_begin(struct statement *s)
{
	struct router *r = s->router;

	s->state = STATEMENT_WAITS;
	s->next_waiting = r->waiting;
	s->waiting = &r->waiting;
	if (r->waiting)
		r->waiting->waiting = &s->next_waiting;
	r->waiting = s;
	loop_timer_set(
	    r->loop, &s->token_due, s->began_us + r->registry->server.token_wait_ms * 1000);
	router_fresh_hurry(r->fresh);
}

static void
token_due(void *ctx)
{
	struct statement *s = ctx;

	s->token_waited = true;
	wait_end(s);
	route(s);
}

void
statements_moved(struct router *router)
{
	struct statement *next, *list = router->waiting;

	/* those that go on waiting come into a list of their own */
	router->waiting = NULL;
	if (list)
		list->waiting = &list;
	for (; list; list = next) {
		next = list->next_waiting;
		if (next)
			next->waiting = &next;
		list->waiting = NULL;
		loop_timer_clear(router->loop, &list->token_due);
		route(list);
	}
}

/* --- answers that wait to be fetched --- */

static void
kept_out(struct statement *s)
{
	struct router *r = s->router;

	if (!s->kept_at)
		return;
	*s->kept_at = s->next_kept;
	if (s->next_kept)
		s->next_kept->kept_at = s->kept_at;
	else
		r->kept_end = s->kept_at;
	s->kept_at = NULL;
	r->kept_count--;
}

static void
kept_in(struct statement *s)
{
	struct router *r = s->router;

	s->next_kept = NULL;
	s->kept_at = r->kept_end;
	*r->kept_end = s;
	r->kept_end = &s->next_kept;
	/* while all are being cancelled none but the one at hand goes */
	if (++r->kept_count > KEPT_MAX && !r->draining)
		(void)statement_forget_oldest(r);
}

/* --- the end --- */

static void
statement_free(struct statement *s)
{
	struct loop *loop = s->router->loop;

	must(!s->query && !s->x);
	forget(s);
	kept_out(s);
	wait_end(s);
	loop_timer_clear(loop, &s->flush);
	loop_timer_clear(loop, &s->patience);
	loop_timer_clear(loop, &s->token_due);
	statement_out_finish(s);
	if (s->plan)
		plan_cache_give_back(s->router->plans, s->plan);
	router_request_finish(&s->request);
	free(s);
}

static enum fate
audit(struct statement *s, const char *outcome, struct err *err)
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

bool
statement_forget_oldest(struct router *router)
{
	if (!router->kept)
		return false;
	statement_free(router->kept);
	return true;
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
	s->patience.due = kept_long_enough;
	loop_timer_set(
	    r->loop, &s->patience, s->ended_us + r->registry->server.results_keep_ms * 1000);
	kept_in(s);
}

static void
fail(struct statement *s, const struct router_error *error)
{
	struct err ignored; /* counted by the audit; nothing was given away */

	s->state = STATEMENT_FAILED;
	s->ended_us = clock_mono_us();
	(void)audit(s, error->code, &ignored);
	put_down(s, error->code, error->status);
	statement_close_failed(s, error);
	settle(s);
}

/* Its line stands before its answer is whole; what must be on record and is not, fails. */
static void
succeed(struct statement *s)
{
	struct err err;
	struct router_error error = { .status = 503,
		.code = "AUDIT",
		.message = "the statement ran, but the audit could not be written",
		.sqlstate = "" };

	s->ended_us = clock_mono_us();
	if (audit(s, "answered", &err) != FATE_DONE && s->audited) {
		fail(s, &error);
		return;
	}
	s->state = STATEMENT_ANSWERED;
	put_down(s, NULL, 200);
	statement_close(s);
	settle(s);
}

/* --- what the engine says --- */

static void
on_columns(void *ctx, const struct plan_column *columns, size_t count)
{
	struct statement *s = ctx;

	statement_tell(s, columns, count);
}

static bool
on_row(void *ctx, const struct slice *values)
{
	return statement_row(ctx, values);
}

static unsigned
status_of_sqlstate(const char *code, enum fate fate)
{
	if (strncmp(code, "23", 2) == 0 || strncmp(code, "40", 2) == 0)
		return 409;
	if (strcmp(code, "42501") == 0)
		return 403;
	if (fate == FATE_RETRY)
		return 503;
	if (fate == FATE_REJECT || strncmp(code, "42", 2) == 0 || strncmp(code, "22", 2) == 0 ||
	    strncmp(code, "0A", 2) == 0)
		return 400;
	return 502;
}

static const char *
code_of_status(unsigned status)
{
	return status == 400   ? "STATEMENT_FAILED"
	       : status == 403 ? "FORBIDDEN"
	       : status == 409 ? "CONFLICT"
	       : status == 503 ? "UNAVAILABLE"
			       : "ENGINE_FAILED";
}

/* Of governed tables nothing is repeated that the engine says: it may quote values. */
static const char *
hushed_message(const struct router_error *error)
{
	if (strcmp(error->code, "OUTCOME_UNKNOWN") == 0)
		return "whether the engine did it is not known";
	if (strcmp(error->code, "CANCELLED") == 0)
		return "cancelled";
	if (strcmp(error->code, "TIMEOUT") == 0)
		return "it took longer than it may";
	return "the engine refused the statement";
}

static void
fail_of_engine(struct statement *s, const struct engine_end *end)
{
	const char *code = end->err ? end->err->code : "";
	bool stopped = strcmp(code, "57014") == 0;
	bool hushed = s->plan->governed, own_text = strcmp(s->sql, s->request.sql.p) == 0;
	struct router_error error = { .status = status_of_sqlstate(code, end->fate),
		.message = end->err ? end->err->what : "the engine gave no reason",
		.sqlstate = code };

	error.code = code_of_status(error.status);
	if (end->outcome_unknown) {
		error.status = 502;
		error.code = "OUTCOME_UNKNOWN";
	} else if (stopped) {
		error.status = s->cancelled ? 409 : 504;
		error.code = s->cancelled ? "CANCELLED" : "TIMEOUT";
	}
	if (hushed)
		error.message = hushed_message(&error);
	else if (own_text)
		error.position = router_character(s->request.sql, end->position);
	if (error.status == 503)
		error.retry_after_s = 1;
	fail(s, &error);
}

static void
write_token(struct statement *s, uint64_t lsn)
{
	struct read_token token = router_fresh_token(s->router->fresh, lsn);
	struct buf text = { 0 };

	read_token_write(s->router->token_key, slice_str(s->who->name), &token, &text);
	(void)snprintf(s->token, sizeof s->token, "%s", buf_str(&text));
	buf_finish(&text);
}

/* Decides again, without the engine that was busy or is gone. */
static void
try_another(struct statement *s, const struct err *why)
{
	s->failed |= 1u << s->engine;
	if (why && !s->plan->governed)
		(void)snprintf(s->trouble, sizeof s->trouble, "%.199s", why->what);
	route(s);
}

static void
on_end(void *ctx, const struct engine_end *end)
{
	struct statement *s = ctx;
	bool cut = s->truncated && s->query && end->fate == FATE_RETRY && !s->cancelled;

	s->query = NULL;
	s->affected = end->affected;
	if (end->fate == FATE_DONE || cut) {
		if (end->fate == FATE_DONE && end->lsn)
			write_token(s, end->lsn);
		if (end->fate == FATE_DONE && s->engine >= 0)
			s->cost = router_measured(s->router, s->plan, s->engine, end);
		if (!s->told)
			statement_tell(s, NULL, 0);
		succeed(s);
		return;
	}
	if (end->fate == FATE_RETRY && !s->told && s->plan->class == PLAN_READ &&
	    !s->cancelled && !(end->err && strcmp(end->err->code, "57014") == 0) &&
	    !s->request.engine) {
		try_another(s, end->err);
		return;
	}
	fail_of_engine(s, end);
}

static const struct engine_reader reader = { on_columns, on_row, on_end };

/* --- routing --- */

static void
fail_of_decision(struct statement *s, const struct decision *d)
{
	bool told_why = d->status == 503 && *s->trouble; /* by the engine itself */
	struct router_error error = { .status = d->status,
		.code = d->reason,
		.message = told_why ? s->trouble : d->detail,
		.sqlstate = strcmp(d->reason, "SYNTAX") == 0           ? "42601"
			    : strcmp(d->reason, "UNKNOWN_TABLE") == 0  ? "42P01"
			    : strcmp(d->reason, "UNKNOWN_COLUMN") == 0 ? "42703"
								       : "",
		.position = router_character(s->request.sql, d->offset) };

	if (d->status == 503)
		error.retry_after_s = 1;
	fail(s, &error);
}

static bool
reads(const struct statement *s)
{
	return s->plan->class == PLAN_READ || s->plan->class == PLAN_METADATA;
}

/* The registry answers by rows that Postgres computes with. */
static int
asked_of(const struct statement *s)
{
	return s->engine == DECIDED_REGISTRY
		   ? registry_engine_of_kind(s->router->registry, ENGINE_POSTGRES)
		   : s->engine;
}

/* What must be on record before it begins. */
static bool
record(struct statement *s)
{
	struct err err;
	struct router_error error = { .status = 503,
		.code = "AUDIT",
		.message = "the audit cannot be written, so this must not run",
		.sqlstate = "",
		.retry_after_s = 5 };

	if (s->audited || (reads(s) && !s->plan->governed))
		return true;
	s->audited = audit(s, "begins", &err) == FATE_DONE;
	if (!s->audited)
		fail(s, &error);
	return s->audited;
}

static enum fate
ask(struct statement *s, struct err *err)
{
	struct router *r = s->router;
	int at = asked_of(s);
	int64_t most_ms = s->who->limits.time_ms, want_ms = s->request.timeout_ms;

	if (want_ms && (!most_ms || want_ms < most_ms))
		most_ms = want_ms;
	s->ask = (struct engine_ask){ .sql = s->sql,
		.params = s->request.params,
		.param_count = s->request.param_count,
		.columns = s->plan->columns,
		.column_count = reads(s) && !s->plan->explain ? s->plan->column_count : 0,
		.finish = s->engine >= 0 ? s->plan->finish[s->engine] : NULL,
		.access = reads(s) ? ENGINE_READ : ENGINE_WRITE,
		.deadline_us = s->began_us + (most_ms ? most_ms : 86400000) * 1000,
		.id = s->id,
		.reader = &reader,
		.ctx = s };
	if (!r->engines[at])
		return err_set(
		    err, FATE_RETRY, "%s: not to be had here", r->registry->engines[at].name);
	return engine_ask(r->engines[at], &s->ask, &s->query, err);
}

/* Asks the engine; one that is busy or gone is left out and the decision made again. */
static void
begin(struct statement *s)
{
	struct engine_end refused = { .position = -1, .affected = -1 };
	struct err err = { 0 };
	enum fate fate;

	if (!record(s))
		return;
	s->state = STATEMENT_RUNS;
	fate = ask(s, &err);
	if (fate == FATE_DONE)
		return;
	s->query = NULL;
	if (fate == FATE_RETRY && s->plan->class == PLAN_READ && !s->request.engine) {
		try_another(s, &err);
		return;
	}
	refused.fate = fate;
	refused.err = &err;
	fail_of_engine(s, &refused);
}

/* A replica of the tables may still come to what the token stands for. */
static bool
worth_waiting(const struct statement *s, const struct decision *d)
{
	return s->token_lsn && s->token_lsn != UINT64_MAX && !s->token_waited &&
	       strcmp(d->reason, "BEHIND_TOKEN") == 0;
}

static void
route(struct statement *s)
{
	struct router *r = s->router;
	struct decide_request wanted = { .max_staleness_ms = s->request.max_staleness_ms,
		.token_lsn = s->token_lsn,
		.engine = s->request.engine,
		.routing = r->registry->routing };
	struct weather weather;
	struct decision d;

	router_weather(r, s->plan, s->failed, &weather);
	decide(r->registry, s->plan, &wanted, &weather, &d);
	if (worth_waiting(s, &d)) {
		wait_begin(s);
		return;
	}
	s->engine = d.engine;
	s->reason = d.reason;
	s->sql = d.engine == DECIDED_REGISTRY ? s->plan->sql[asked_of(s)] : d.sql;
	s->degraded = d.degraded;
	(void)snprintf(s->detail, sizeof s->detail, "%s", d.detail);
	if (d.status != 200)
		fail_of_decision(s, &d);
	else
		begin(s);
}

/* --- the start --- */

/* The client has left. */
static void
on_gone(void *ctx)
{
	struct statement *s = ctx;

	s->x = NULL;
	if (s->kept && s->request.go_on)
		return;
	statement_delete(s);
}

static void
on_room(void *ctx)
{
	struct statement *s = ctx;

	if (s->query)
		engine_more(s->query);
}

static const struct httpd_owner owner = { on_room, on_gone };

/* Who waits has waited long enough. */
static void
patience_over(void *ctx)
{
	struct statement *s = ctx;
	struct httpd_exchange *x = s->x;
	struct router_error error = { .status = 504,
		.code = "TIMEOUT",
		.message = "no replica came to what the read token stands for in time",
		.sqlstate = "57014" };

	if (!s->request.go_on && s->state == STATEMENT_WAITS) {
		wait_end(s);
		fail(s, &error);
		return;
	}
	if (!s->request.go_on) {
		if (s->query)
			engine_cancel(s->query); /* its end answers */
		return;
	}
	s->x = NULL;
	if (x)
		statement_show(s, x);
}

static int64_t
least(int64_t a, int64_t b)
{
	return !a ? b : !b ? a : a < b ? a : b;
}

static void
take_plan(struct statement *s)
{
	/* parameters are texts whose types Postgres finds from where they stand */
	struct plan_request request = { .sql = s->request.sql, .role = s->role };

	s->plan = plan_cache_take(s->router->plans, &request, &s->router->arena);
}

/* false: it has been refused. */
static bool
read_token_of(struct statement *s)
{
	const struct router_error *error =
	    router_token_lsn(s->router, s->who, s->request.read_token, &s->token_lsn);

	if (error)
		fail(s, error);
	return !error;
}

static bool
params_fit(struct statement *s)
{
	char what[100];
	struct router_error error = {
		.status = 400, .code = "PARAMETERS", .message = what, .sqlstate = "08P01"
	};

	if (s->plan->refused || s->plan->param_count == s->request.param_count)
		return true;
	(void)snprintf(what, sizeof what, "the statement has %zu parameters, params has %zu",
	    s->plan->param_count, s->request.param_count);
	fail(s, &error);
	return false;
}

void
statement_new(struct router *router, struct httpd_exchange *x, struct principal *who,
    struct router_request *request)
{
	struct statement *s = calloc(1, sizeof *s);

	must(s);
	s->router = router;
	s->who = who;
	s->role = who->role;
	s->x = x;
	s->request = *request;
	s->kept = request->wait_ms >= 0;
	s->answer.format = request->format;
	s->engine = ENGINE_NONE;
	s->affected = -1;
	s->began_us = clock_mono_us();
	s->wall_ms = clock_wall_ms();
	s->row_limit = least(request->row_limit, who->limits.rows);
	s->byte_limit = least(request->byte_limit, who->limits.bytes);
	s->flush = (struct loop_timer){ .due = statement_flush_due, .ctx = s };
	s->patience = (struct loop_timer){ .due = patience_over, .ctx = s };
	s->token_due = (struct loop_timer){ .due = token_due, .ctx = s };
	(void)snprintf(s->id, sizeof s->id, "%s-%" PRIx64, router->run, ++router->last_id);
	remember(s);
	httpd_own(x, &owner, s);
	take_plan(s);
	if (!params_fit(s) || !read_token_of(s))
		return;
	if (s->kept)
		loop_timer_set(
		    router->loop, &s->patience, s->began_us + s->request.wait_ms * 1000);
	route(s);
}

void
statement_delete(struct statement *s)
{
	struct router_error error = {
		.status = 409, .code = "CANCELLED", .message = "cancelled", .sqlstate = "57014"
	};

	switch (s->state) {
	case STATEMENT_RUNS:
		s->cancelled = true;
		if (s->query)
			engine_cancel(s->query);
		return;
	case STATEMENT_WAITS:
		s->cancelled = true;
		wait_end(s);
		fail(s, &error);
		return;
	case STATEMENT_ANSWERED:
	case STATEMENT_FAILED: break;
	}
	statement_free(s);
}

void
statements_cancel_all(struct router *router)
{
	for (size_t i = 0; i < ROUTER_BUCKETS; i++) {
		struct statement *next, *s = router->by_id[i];

		for (; s; s = next) {
			next = s->next_id;
			statement_delete(s);
		}
	}
}
