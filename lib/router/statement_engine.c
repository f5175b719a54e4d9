/* SPDX-License-Identifier: Apache-2.0 */
#include "router/statement.h"

#include <stdio.h>
#include <string.h>

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

void
statement_fail_of_engine(struct statement *s, const struct engine_end *end)
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
	statement_fail(s, &error);
}

static void
write_token(struct statement *s, const struct engine_end *end)
{
	struct read_token token = { end->system, end->timeline, end->lsn };
	struct buf text = { 0 };

	read_token_write(s->router->token_key, slice_str(s->who->name), &token, &text);
	(void)snprintf(s->token, sizeof s->token, "%s", buf_str(&text));
	buf_finish(&text);
}

/* Decides again, without the engine that was busy or is gone. */
void
statement_try_another(struct statement *s, const struct err *why)
{
	s->failed |= 1u << s->engine;
	if (why && !s->plan->governed)
		(void)snprintf(s->trouble, sizeof s->trouble, "%.199s", why->what);
	statement_route(s);
}

/* Bytes that Postgres would not have let in, and that no answer can hold. */
static void
fail_unreadable(struct statement *s, bool done)
{
	size_t i = s->unreadable - 1;
	char what[200];
	struct router_error error = {
		.status = 502, .code = "ENGINE_FAILED", .message = what, .sqlstate = "22021"
	};

	(void)snprintf(what, sizeof what, "%scolumn %zu%s%s holds bytes that are no UTF-8",
	    done && s->plan->class != PLAN_READ ? "it was done, but " : "", i + 1,
	    i < s->plan->column_count ? " " : "",
	    i < s->plan->column_count ? s->plan->columns[i].name : "");
	statement_fail(s, &error);
}

static void
on_end(void *ctx, const struct engine_end *end)
{
	struct statement *s = ctx;
	/* a read has given what it may; a write has not happened before its end says so */
	bool cut = s->truncated && s->plan->class == PLAN_READ && end->fate == FATE_RETRY &&
		   !s->cancelled;

	s->query = NULL;
	s->affected = end->affected;
	if (s->unreadable && !s->cancelled &&
	    (end->fate == FATE_DONE || s->plan->class == PLAN_READ)) {
		fail_unreadable(s, end->fate == FATE_DONE);
		return;
	}
	if (end->fate == FATE_DONE || cut) {
		if (end->fate == FATE_DONE && end->lsn)
			write_token(s, end);
		if (end->fate == FATE_DONE && s->engine >= 0)
			s->cost = router_measured(s->router, s->plan, s->engine, end);
		if (!s->told)
			statement_tell(s, NULL, 0);
		statement_succeed(s);
		return;
	}
	if (end->fate == FATE_RETRY && !s->told && s->plan->class == PLAN_READ &&
	    !s->cancelled && !(end->err && strcmp(end->err->code, "57014") == 0) &&
	    !s->request.engine) {
		statement_try_another(s, end->err);
		return;
	}
	statement_fail_of_engine(s, end);
}

const struct engine_reader statement_reader = { on_columns, on_row, on_end };
