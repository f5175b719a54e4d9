/* SPDX-License-Identifier: Apache-2.0 */
#include "router/statement.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"

enum { TIME_MAX_MS = 86400000 }; /* of a statement without a limit */

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

	if (!s->request.go_on && s->state == STATEMENT_WAITS) {
		statement_wait_end(s);
		statement_fail_waiting(s);
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

static int64_t
deadline_of(const struct statement *s)
{
	int64_t ms = least(s->request.timeout_ms, s->who->limits.time_ms);

	return s->began_us + (ms ? ms : TIME_MAX_MS) * 1000;
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
		statement_fail(s, error);
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
	statement_fail(s, &error);
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
	s->deadline_us = deadline_of(s);
	s->row_limit = least(request->row_limit, who->limits.rows);
	s->byte_limit = least(request->byte_limit, who->limits.bytes);
	s->flush = (struct loop_timer){ .due = statement_flush_due, .ctx = s };
	s->patience = (struct loop_timer){ .due = patience_over, .ctx = s };
	(void)snprintf(s->id, sizeof s->id, "%s-%" PRIx64, router->run, ++router->last_id);
	statement_remember(s);
	httpd_own(x, &owner, s);
	take_plan(s);
	if (!params_fit(s) || !read_token_of(s))
		return;
	if (s->kept)
		loop_timer_set(
		    router->loop, &s->patience, s->began_us + s->request.wait_ms * 1000);
	statement_route(s);
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
		statement_wait_end(s);
		statement_fail(s, &error);
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
