/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "link/pg.h"
#include "link/pg_wire.h"

/* The answer may still come: the connection goes, so that nobody takes it for another's. */
static enum fate
give_up(struct pg *pg, struct err *err)
{
	pg_disconnect(pg);
	return err->fate;
}

static enum fate
flush(struct pg *pg, int64_t deadline_ms, struct err *err)
{
	int left;
	while ((left = PQflush(pg->conn)) == 1) {
		enum fate fate = pg_wait(pg, POLLIN | POLLOUT, deadline_ms, err);
		if (fate != FATE_DONE)
			return give_up(pg, err);
		if (!PQconsumeInput(pg->conn))
			return pg_lost(pg, "receive", err);
	}
	return left < 0 ? pg_lost(pg, "send", err) : FATE_DONE;
}

enum fate
pg_next(struct pg *pg, int64_t deadline_ms, PGresult **ret_result, struct err *err)
{
	enum fate fate = flush(pg, deadline_ms, err);
	if (fate != FATE_DONE)
		return fate;
	while (PQisBusy(pg->conn)) {
		if (pg_wait(pg, POLLIN, deadline_ms, err) != FATE_DONE)
			return give_up(pg, err);
		if (!PQconsumeInput(pg->conn))
			return pg_lost(pg, "receive", err);
	}
	*ret_result = PQgetResult(pg->conn);
	return FATE_DONE;
}

static bool
is_good(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);
	return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK ||
	       status == PGRES_EMPTY_QUERY;
}

/* Reads one statement to its end; keeps its last good result and its first error. */
static enum fate
collect(struct pg *pg, int64_t deadline_ms, PGresult **ret_result, struct err *err)
{
	PGresult *kept = NULL, *result;
	enum fate verdict = FATE_DONE;
	for (;;) {
		enum fate fate = pg_next(pg, deadline_ms, &result, err);
		if (fate != FATE_DONE)
			verdict = fate;
		if (fate != FATE_DONE || result == NULL)
			break;
		if (verdict == FATE_DONE && is_good(result)) {
			PQclear(kept);
			kept = result;
			continue;
		}
		if (verdict == FATE_DONE)
			verdict = pg_refused(pg, result, err);
		PQclear(result);
		if (pg->conn == NULL)
			break;
	}
	if (verdict != FATE_DONE || ret_result == NULL) {
		PQclear(kept);
		kept = NULL;
	}
	if (ret_result && verdict == FATE_DONE)
		*ret_result = kept;
	return verdict;
}

static void
take_result(struct pg_result *ret_result, PGresult *result)
{
	ret_result->handle = result;
	ret_result->row_count = (size_t)PQntuples(result);
	ret_result->column_count = (size_t)PQnfields(result);
}

/* libpq wants terminated texts: one buffer holds them all. */
static enum fate
bind(const struct pg_query *query, struct buf *texts, const char **values, struct err *err)
{
	size_t offsets[PG_PARAMS_MAX];
	must(query->param_count <= PG_PARAMS_MAX);
	texts->len = 0;
	for (size_t i = 0; i < query->param_count; i++) {
		struct slice p = query->params[i];
		if (p.len && memchr(p.p, 0, p.len))
			return err_code(err, FATE_REJECT, "22021",
			    "postgres: parameter %zu holds a NUL byte", i + 1);
		offsets[i] = texts->len;
		buf_slice(texts, p);
		buf_byte(texts, 0);
	}
	for (size_t i = 0; i < query->param_count; i++)
		values[i] = query->params[i].p ? texts->p + offsets[i] : NULL;
	return FATE_DONE;
}

static enum fate
send_query(struct pg *pg, const struct pg_query *query, struct err *err)
{
	const char *values[PG_PARAMS_MAX];
	struct buf texts = { 0 };
	enum fate fate = bind(query, &texts, values, err);
	if (fate == FATE_DONE && !PQsendQueryParams(pg->conn, query->sql,
				     (int)query->param_count, NULL, values, NULL, NULL, 0))
		fate = pg_lost(pg, "send", err);
	buf_finish(&texts);
	return fate;
}

enum fate
pg_query(
    struct pg *pg, const struct pg_query *query, struct pg_result *ret_result, struct err *err)
{
	PGresult *result = NULL;
	enum fate fate = pg_connect(pg, err);
	if (fate == FATE_DONE)
		fate = send_query(pg, query, err);
	if (fate == FATE_DONE)
		fate = collect(pg, pg_deadline(pg), &result, err);
	if (fate == FATE_DONE)
		take_result(ret_result, result);
	return fate;
}

enum fate
pg_script(struct pg *pg, const char *sql, struct err *err)
{
	enum fate fate = pg_connect(pg, err);
	if (fate != FATE_DONE)
		return fate;
	if (!PQsendQuery(pg->conn, sql))
		return pg_lost(pg, "send", err);
	return collect(pg, pg_deadline(pg), NULL, err);
}

enum fate
pg_describe(struct pg *pg, const char *sql, struct pg_result *ret_result, struct err *err)
{
	PGresult *result = NULL;
	enum fate fate = pg_connect(pg, err);
	if (fate != FATE_DONE)
		return fate;
	if (!PQsendPrepare(pg->conn, "", sql, 0, NULL))
		return pg_lost(pg, "send", err);
	fate = collect(pg, pg_deadline(pg), NULL, err);
	if (fate != FATE_DONE)
		return fate;
	if (!PQsendDescribePrepared(pg->conn, ""))
		return pg_lost(pg, "send", err);
	fate = collect(pg, pg_deadline(pg), &result, err);
	if (fate == FATE_DONE)
		take_result(ret_result, result);
	return fate;
}

/* BEGIN, the snapshot, the queries, COMMIT and the sync, in that order. */
static enum fate
send_together(struct pg *pg, const struct pg_query *queries, size_t count, struct err *err)
{
	static const struct pg_query begin = {
		.sql = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	};
	static const struct pg_query snapshot = { .sql = "SELECT pg_current_snapshot()::text" };
	static const struct pg_query commit = { .sql = "COMMIT" };
	enum fate fate = send_query(pg, &begin, err);
	if (fate == FATE_DONE)
		fate = send_query(pg, &snapshot, err);
	for (size_t i = 0; i < count && fate == FATE_DONE; i++)
		fate = send_query(pg, &queries[i], err);
	if (fate == FATE_DONE)
		fate = send_query(pg, &commit, err);
	if (fate == FATE_DONE && !PQpipelineSync(pg->conn))
		fate = pg_lost(pg, "send", err);
	return fate;
}

/* The results in the order of sending: two before the queries, one after. */
static enum fate
receive_together(struct pg *pg, size_t count, PGresult **results, struct err *err)
{
	int64_t deadline_ms = pg_deadline(pg);
	for (size_t i = 0; i < count + 3; i++) {
		enum fate fate = collect(pg, deadline_ms, &results[i], err);
		if (fate != FATE_DONE)
			return fate;
	}
	PGresult *sync = NULL;
	enum fate fate = pg_next(pg, deadline_ms, &sync, err);
	if (fate == FATE_DONE && PQresultStatus(sync) != PGRES_PIPELINE_SYNC)
		fate = pg_lost(pg, "the end of the pipeline is missing", err);
	PQclear(sync);
	if (fate == FATE_DONE && !PQexitPipelineMode(pg->conn))
		fate = pg_lost(pg, "leave the pipeline", err);
	return fate;
}

enum fate
pg_read_together(struct pg *pg, const struct pg_query *queries, size_t count,
    struct pg_result *ret_results, struct buf *ret_snapshot, struct err *err)
{
	PGresult *results[PG_TOGETHER_MAX + 3] = { NULL };
	must(count <= PG_TOGETHER_MAX);
	enum fate fate = pg_connect(pg, err);
	if (fate != FATE_DONE)
		return fate;
	must(PQenterPipelineMode(pg->conn));
	fate = send_together(pg, queries, count, err);
	if (fate == FATE_DONE)
		fate = receive_together(pg, count, results, err);
	if (fate == FATE_DONE) {
		ret_snapshot->len = 0;
		buf_cstr(ret_snapshot, PQgetvalue(results[1], 0, 0));
		for (size_t i = 0; i < count; i++) {
			take_result(&ret_results[i], results[i + 2]);
			results[i + 2] = NULL;
		}
	} else {
		pg_disconnect(pg); /* cheaper than to walk an aborted pipeline to its end */
	}
	for (size_t i = 0; i < count + 3; i++)
		PQclear(results[i]);
	return fate;
}

struct pg_column
pg_result_column(const struct pg_result *result, size_t column)
{
	int c = (int)column;
	must(column < result->column_count);
	return (struct pg_column){ .name = PQfname(result->handle, c),
		.type = PQftype(result->handle, c),
		.typmod = PQfmod(result->handle, c),
		.table = PQftable(result->handle, c),
		.table_column = PQftablecol(result->handle, c) };
}

size_t
pg_result_param_count(const struct pg_result *result)
{
	return (size_t)PQnparams(result->handle);
}

uint32_t
pg_result_param_type(const struct pg_result *result, size_t param)
{
	must(param < pg_result_param_count(result));
	return PQparamtype(result->handle, (int)param);
}

bool
pg_result_null(const struct pg_result *result, size_t row, size_t column)
{
	must(row < result->row_count && column < result->column_count);
	return PQgetisnull(result->handle, (int)row, (int)column);
}

struct slice
pg_result_text(const struct pg_result *result, size_t row, size_t column)
{
	if (pg_result_null(result, row, column))
		return slice_of(NULL, 0);
	return slice_of(PQgetvalue(result->handle, (int)row, (int)column),
	    (size_t)PQgetlength(result->handle, (int)row, (int)column));
}

int64_t
pg_result_affected(const struct pg_result *result)
{
	int64_t count;
	return slice_i64(slice_str(PQcmdTuples(result->handle)), &count) ? count : 0;
}

void
pg_result_clear(struct pg_result *result)
{
	PQclear(result->handle); /* accepts NULL */
	*result = (struct pg_result){ 0 };
}
