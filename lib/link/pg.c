/* SPDX-License-Identifier: Apache-2.0 */
#include "link/pg.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "link/pg_wire.h"

static char *
copy_text(const char *text)
{
	char *copy = strdup(text);
	must(copy);
	return copy;
}

static void
add_keyword(struct pg *pg, const char *keyword, const char *value)
{
	if (value == NULL)
		return;
	must(pg->keyword_count < PG_KEYWORDS - 1);
	pg->keywords[pg->keyword_count] = keyword;
	pg->values[pg->keyword_count++] = copy_text(value);
}

static bool
requires_gss(const PQconninfoOption *parsed)
{
	const char *mode = getenv("PGGSSENCMODE");

	for (; parsed && parsed->keyword; parsed++)
		if (strcmp(parsed->keyword, "gssencmode") == 0 && parsed->val)
			mode = parsed->val;
	return mode && strcmp(mode, "require") == 0;
}

static enum fate
check_conninfo(const struct pg_options *o, struct err *err)
{
	char *why = NULL;
	PQconninfoOption *parsed = PQconninfoParse(o->conninfo ? o->conninfo : "", &why);
	bool refused = parsed && o->plain_or_tls && requires_gss(parsed);

	if (parsed) {
		PQconninfoFree(parsed);
		return !refused
			   ? FATE_DONE
			   : err_set(err, FATE_HALT,
				 "postgres: gssencmode=require is not spoken here; encrypt "
				 "with TLS (sslmode)");
	}
	/* libpq's sentence may quote the text, which may hold a password. */
	PQfreemem(why);
	return err_set(err, FATE_HALT, "postgres: the connection string cannot be parsed");
}

/* What the caller asked for after connecting, with the timeouts of this struct. */
static char *
session_text(const struct pg_options *o, int64_t statement_timeout_ms)
{
	struct buf sql = { 0 };
	buf_printf(&sql, "%s;\nSET statement_timeout = %lld;\n",
	    o->session_sql ? o->session_sql : PG_SESSION_SQL, (long long)statement_timeout_ms);
	char *text = copy_text(buf_str(&sql));
	buf_finish(&sql);
	return text;
}

enum fate
pg_new(const struct pg_options *options, struct pg **ret_pg, struct err *err)
{
	const struct pg_options *o = options;
	enum fate fate = check_conninfo(o, err);
	if (fate != FATE_DONE)
		return fate;
	struct pg *pg = calloc(1, sizeof *pg);
	must(pg);
	pg->connect_timeout_ms = o->connect_timeout_ms ? o->connect_timeout_ms : 5000;
	pg->statement_timeout_ms = o->statement_timeout_ms ? o->statement_timeout_ms : 10000;
	if (o->session_options == NULL)
		pg->session_sql = session_text(o, pg->statement_timeout_ms);
	pg->search_path = o->search_path ? copy_text(o->search_path) : NULL;
	add_keyword(pg, "dbname", o->conninfo); /* expanded when it is a connection string */
	add_keyword(pg, "host", o->host);
	add_keyword(pg, "port", o->port);
	add_keyword(pg, "dbname", o->dbname);
	add_keyword(pg, "user", o->user);
	add_keyword(pg, "password", o->password);
	add_keyword(pg, "application_name", o->application_name);
	add_keyword(pg, "options", o->session_options);
	add_keyword(pg, "client_encoding", "UTF8");
	add_keyword(pg, "keepalives_idle", "30");
	add_keyword(pg, "gssencmode", o->plain_or_tls ? "disable" : NULL);
	*ret_pg = pg;
	return FATE_DONE;
}

void
pg_free(struct pg *pg)
{
	if (pg == NULL)
		return;
	pg_disconnect(pg);
	for (size_t i = 0; i < pg->keyword_count; i++) {
		explicit_bzero(pg->values[i], strlen(pg->values[i]));
		free(pg->values[i]);
	}
	free(pg->session_sql);
	free(pg->search_path);
	free(pg);
}

void
pg_set_password(struct pg *pg, const char *password)
{
	for (size_t i = 0; i < pg->keyword_count; i++)
		if (strcmp(pg->keywords[i], "password") == 0) {
			explicit_bzero(pg->values[i], strlen(pg->values[i]));
			free(pg->values[i]);
			/* libpq takes an empty one for none */
			pg->values[i] = copy_text(password ? password : "");
			return;
		}
	add_keyword(pg, "password", password);
}

void
pg_disconnect(struct pg *pg)
{
	PQfinish(pg->conn);
	pg->conn = NULL;
}

bool
pg_connected(const struct pg *pg)
{
	return pg->conn != NULL;
}

uint64_t
pg_connection_count(const struct pg *pg)
{
	return pg->connection_count;
}

int64_t
pg_deadline(const struct pg *pg)
{
	return clock_mono_ms() + pg->statement_timeout_ms + PG_GRACE_MS;
}

/* libpq's sentences end in newlines and may have several lines: one line of it. */
static void
one_line(char *out, size_t size, const char *text)
{
	(void)snprintf(out, size, "%s", text ? text : "");
	size_t len = strlen(out);
	while (len && (out[len - 1] == '\n' || out[len - 1] == ' '))
		out[--len] = 0;
	for (size_t i = 0; i < len; i++)
		if (out[i] == '\n' || out[i] == '\t')
			out[i] = ' ';
}

enum fate
pg_wait(struct pg *pg, short events, int64_t deadline_ms, struct err *err)
{
	for (;;) {
		int64_t left = deadline_ms - clock_mono_ms();
		struct pollfd fd = { .fd = PQsocket(pg->conn), .events = events };
		if (left <= 0)
			return err_code(err, FATE_RETRY, "57014", "postgres: timed out");
		int ready = poll(&fd, 1, (int)(left > 60000 ? 60000 : left));
		if (ready > 0)
			return FATE_DONE;
		if (ready < 0 && errno != EINTR)
			return err_code(
			    err, FATE_RETRY, "08006", "postgres: poll: %s", strerror(errno));
	}
}

enum fate
pg_lost(struct pg *pg, const char *doing, struct err *err)
{
	char why[ERR_WHAT_SIZE];
	one_line(why, sizeof why, PQerrorMessage(pg->conn));
	(void)err_code(err, FATE_RETRY, "08006", "postgres: %s: %s", doing, why);
	pg_disconnect(pg);
	return FATE_RETRY;
}

enum fate
pg_refused(struct pg *pg, const PGresult *result, struct err *err)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	char why[ERR_WHAT_SIZE], detail[200];
	if (state == NULL || PQstatus(pg->conn) != CONNECTION_OK) {
		one_line(why, sizeof why, PQresultErrorMessage(result));
		(void)err_code(err, state ? pg_fate(state) : FATE_RETRY,
		    state ? state : "08006", "postgres: %s", why);
		pg_disconnect(pg);
		return err->fate;
	}
	one_line(why, sizeof why, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
	one_line(detail, sizeof detail, PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL));
	return err_code(
	    err, pg_fate(state), state, "postgres: %s%s%s", why, *detail ? ": " : "", detail);
}

static enum fate
connect_failed(struct pg *pg, struct err *err)
{
	char why[ERR_WHAT_SIZE];
	one_line(why, sizeof why, PQerrorMessage(pg->conn));
	const char *state = pg_connect_state(why);
	enum fate fate = pg_fate(state);
	if (fate == FATE_HALT && pg->connection_count > 0 && strncmp(state, "28", 2) == 0)
		fate = FATE_RETRY; /* it worked before: it is being changed */
	return err_code(err, fate, state, "postgres: %s", why);
}

static enum fate
finish_connecting(struct pg *pg, int64_t deadline_ms, struct err *err)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;
	while (status != PGRES_POLLING_OK) {
		short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
		enum fate fate = pg_wait(pg, events, deadline_ms, err);
		if (fate != FATE_DONE)
			return err_code(err, fate, "08006",
			    "postgres: no connection to %s:%s in time", PQhost(pg->conn),
			    PQport(pg->conn));
		status = PQconnectPoll(pg->conn);
		if (status == PGRES_POLLING_FAILED)
			return connect_failed(pg, err);
	}
	return FATE_DONE;
}

static enum fate
begin_session(struct pg *pg, struct err *err)
{
	struct slice path = slice_str(pg->search_path);
	struct pg_query set = { .sql = "SELECT set_config('search_path', $1, false)",
		.params = &path,
		.param_count = 1 };
	struct pg_result result = { 0 };
	enum fate fate = pg->session_sql ? pg_script(pg, pg->session_sql, err) : FATE_DONE;
	if (fate == FATE_DONE && path.p)
		fate = pg_query(pg, &set, &result, err);
	pg_result_clear(&result);
	return fate;
}

static void
no_notices(void *ctx, const PGresult *result)
{
	(void)ctx, (void)result;
}

enum fate
pg_connect(struct pg *pg, struct err *err)
{
	if (pg->conn && PQstatus(pg->conn) == CONNECTION_OK)
		return FATE_DONE;
	pg_disconnect(pg);
	int64_t deadline_ms = clock_mono_ms() + pg->connect_timeout_ms;
	pg->conn = PQconnectStartParams(pg->keywords, (const char *const *)pg->values, 1);
	must(pg->conn);
	enum fate fate = PQstatus(pg->conn) == CONNECTION_BAD
			     ? connect_failed(pg, err)
			     : finish_connecting(pg, deadline_ms, err);
	if (fate == FATE_DONE) {
		(void)PQsetNoticeReceiver(pg->conn, no_notices, NULL);
		must(PQsetnonblocking(pg->conn, 1) == 0);
		pg->connection_count++;
		fate = begin_session(pg, err);
	}
	if (fate != FATE_DONE)
		pg_disconnect(pg);
	return fate;
}
