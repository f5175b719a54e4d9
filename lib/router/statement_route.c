/* SPDX-License-Identifier: Apache-2.0 */
#include "router/statement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"

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
								       : d->sqlstate,
		.position = router_character(s->request.sql, d->offset) };

	if (d->status == 503)
		error.retry_after_s = 1;
	statement_fail(s, &error);
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

/* What must be on record before it begins; false: it is not, and s is gone. */
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
	s->audited = statement_audit(s, "begins", &err) == FATE_DONE;
	if (s->audited)
		return true;
	statement_fail(s, &error);
	return false;
}

static enum fate
ask(struct statement *s, struct err *err)
{
	struct router *r = s->router;
	int at = asked_of(s);
	bool apart = r->registry->engines[at].kind == ENGINE_POSTGRES;

	s->ask = (struct engine_ask){ .sql = s->sql,
		.params = apart ? s->request.params : NULL,
		.param_count = apart ? s->request.param_count : 0,
		.columns = s->plan->columns,
		.column_count = reads(s) && !s->plan->explain ? s->plan->column_count : 0,
		.finish = s->engine >= 0 ? s->plan->finish[s->engine] : NULL,
		.access = reads(s) ? ENGINE_READ : ENGINE_WRITE,
		.deadline_us = s->deadline_us,
		.id = s->id,
		.reader = &statement_reader,
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
		statement_try_another(s, &err);
		return;
	}
	refused.fate = fate;
	refused.err = &err;
	statement_fail_of_engine(s, &refused);
}

/* A replica of the tables may still come to what the token stands for. */
static bool
worth_waiting(const struct statement *s, const struct decision *d)
{
	return s->token_lsn && s->token_lsn != UINT64_MAX && !s->token_waited &&
	       s->router->waiting_count < ROUTER_WAITING_MAX &&
	       strcmp(d->reason, "BEHIND_TOKEN") == 0;
}

/* The SQL that the chosen engine is asked. false: it cannot be told these parameters. */
static bool
take_sql(struct statement *s, const struct decision *d)
{
	struct router *r = s->router;
	struct err err;

	s->sql = d->engine == DECIDED_REGISTRY ? s->plan->sql[asked_of(s)] : d->sql;
	if (d->status != 200 || d->engine < 0 || !s->request.param_count ||
	    r->registry->engines[d->engine].kind == ENGINE_POSTGRES)
		return true;
	s->filled.len = 0;
	if (plan_sql(r->registry, s->plan, d->engine, s->request.params, &r->arena, &s->filled,
		&err) == FATE_DONE) {
		s->sql = buf_str(&s->filled);
		return true;
	}
	if (!s->unfit_why)
		s->unfit_why = calloc(REGISTRY_ENGINES_MAX, sizeof *s->unfit_why);
	must(s->unfit_why);
	s->unfit |= 1u << d->engine;
	s->unfit_why[d->engine] = err;
	return false;
}

void
statement_route(struct statement *s)
{
	struct router *r = s->router;
	struct decide_request wanted = { .max_staleness_ms = s->request.max_staleness_ms,
		.token_lsn = s->token_lsn,
		.engine = s->request.engine,
		.routing = r->registry->routing };
	struct weather weather;
	struct decision d;

	router_weather(r, s->plan, s->failed, &weather);
	do {
		wanted.unfit = s->unfit;
		wanted.unfit_why = s->unfit_why;
		decide(r->registry, s->plan, &wanted, &weather, &d);
		s->engine = d.engine;
	} while (!take_sql(s, &d));
	if (worth_waiting(s, &d)) {
		statement_wait_begin(s);
		return;
	}
	s->reason = d.reason;
	s->degraded = d.degraded;
	(void)snprintf(s->detail, sizeof s->detail, "%s", d.detail);
	if (d.status != 200)
		fail_of_decision(s, &d);
	else
		begin(s);
}
