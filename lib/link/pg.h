/* SPDX-License-Identifier: Apache-2.0 */
/* pg.h -- one connection to PostgreSQL (libpq), made when it is first needed.
 *
 * The struct pg owns the connection and makes a new one after a loss; a result
 * belongs to its caller until pg_result_clear. Every wait ends: connecting by
 * connect_timeout_ms (resolving a host name by the resolver's own limits), a
 * statement by the server's statement_timeout, the socket a little later. It
 * refuses values with a NUL byte, and it never pastes a value into SQL. Blocks;
 * one thread at a time. SQLSTATEs become fates in pg_fate(), the only table. */
#ifndef LINK_PG_H
#define LINK_PG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct pg;

/* Texts are copied by pg_new; NULL leaves libpq's default, 0 takes the default named. */
struct pg_options {
	const char
	    *conninfo; /* "host=... dbname=..." or postgresql://...; the fields below win */
	const char *host;
	const char *port;
	const char *dbname;
	const char *user;
	const char *password;
	const char *application_name;
	const char *session_sql; /* run after each connect; NULL: PG_SESSION_SQL */
	const char *search_path; /* set after session_sql; NULL: left alone */
	/* "-c name=value ...": settings that DISCARD ALL comes back to. Instead of both above,
	 * and of statement_timeout_ms. NULL: none */
	const char *session_options;
	bool plain_or_tls; /* never encrypted by GSSAPI: who asks for that is refused */
	int64_t connect_timeout_ms;   /* 5000 */
	int64_t statement_timeout_ms; /* 10000; the socket is given PG_GRACE_MS more */
};

enum { PG_GRACE_MS = 2000 };

/* What makes a value print the same everywhere; as in sql/postgres/session.sql. */
#define PG_SESSION_SQL                                                                         \
	"SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; "   \
	"SET extra_float_digits = 1; SET bytea_output = 'hex'"

/* The same for session_options, with what the router's statements are resolved by:
 * pg_catalog, which is first when it is not named (named, tables would be made in it),
 * public, and temporary tables last. */
#define PG_SESSION_OPTIONS                                                                     \
	"-c TimeZone=UTC -c DateStyle=ISO,MDY -c IntervalStyle=postgres "                      \
	"-c extra_float_digits=1 -c bytea_output=hex -c standard_conforming_strings=on "       \
	"-c search_path=public,pg_temp"

struct pg_column {
	const char *name;
	uint32_t type;        /* oid of the type */
	int32_t typmod;       /* -1: none */
	uint32_t table;       /* oid of the table it is taken from, 0: computed */
	int32_t table_column; /* attnum in that table, 0: computed */
};

struct pg_result {
	void *handle; /* NULL: empty */
	size_t row_count;
	size_t column_count;
};

/* One statement and its text parameters; a parameter whose p is NULL is SQL NULL. */
struct pg_query {
	const char *sql;
	const struct slice *params;
	size_t param_count;
};

enum { PG_PARAMS_MAX = 64 };

/* No connection yet. HALT when conninfo cannot be parsed. */
enum fate pg_new(
    const struct pg_options *options, struct pg **ret_pg, struct err *err) NODISCARD;
void pg_free(struct pg *pg); /* accepts NULL */
/* What the next connection is made with; the one that stands is kept. NULL: none. */
void pg_set_password(struct pg *pg, const char *password);

/* Connects if there is no connection; DONE means that one stands (as far as is known). A
 * login that worked before and is refused now is being changed: RETRY. */
enum fate pg_connect(struct pg *pg, struct err *err) NODISCARD;
void pg_disconnect(struct pg *pg);
bool pg_connected(const struct pg *pg);

/* How many connections were made: whoever caches what a session knows compares it. */
uint64_t pg_connection_count(const struct pg *pg);

/* Runs one statement; connects first if needed. RETRY when the connection is lost
 * or the server is busy (the statement may have run), REJECT for bad data, HALT for
 * bad SQL or rights; err->code is the SQLSTATE ("08006" when the connection failed). */
enum fate pg_query(struct pg *pg, const struct pg_query *query, struct pg_result *ret_result,
    struct err *err) NODISCARD;

/* Several statements separated by ';' without parameters; results are dropped. */
enum fate pg_script(struct pg *pg, const char *sql, struct err *err) NODISCARD;

/* All statements in one REPEATABLE READ READ ONLY transaction, sent in one round
 * trip; ret_results has room for count. The text of pg_current_snapshot() of that
 * transaction is put into ret_snapshot (cleared first). All results or none. */
enum fate pg_read_together(struct pg *pg, const struct pg_query *queries, size_t count,
    struct pg_result *ret_results, struct buf *ret_snapshot, struct err *err) NODISCARD;

enum { PG_TOGETHER_MAX = 32 };

/* Has the server parse sql and say what it would return: pg_result_column() of the
 * answer gives names, types and typmods; it has no rows. Parameters' types by
 * pg_result_param_type(). */
enum fate pg_describe(
    struct pg *pg, const char *sql, struct pg_result *ret_result, struct err *err) NODISCARD;
size_t pg_result_param_count(const struct pg_result *result);
uint32_t pg_result_param_type(const struct pg_result *result, size_t param);

struct pg_column pg_result_column(const struct pg_result *result, size_t column);
bool pg_result_null(const struct pg_result *result, size_t row, size_t column);
/* Terminated text, alive until pg_result_clear; p is NULL for SQL NULL. */
struct slice pg_result_text(const struct pg_result *result, size_t row, size_t column);
int64_t pg_result_affected(const struct pg_result *result); /* rows of INSERT, UPDATE, DELETE */
void pg_result_clear(struct pg_result *result);

/* An array literal for `= ANY($1::text[]::uuid[])`, or for several columns
 * unnest($1::text[], $2::text[]): begin, add each, end; then buf_view() is the
 * parameter. An element whose p is NULL is NULL. */
void pg_array_begin(struct buf *array);
void pg_array_add(struct buf *array, struct slice element);
void pg_array_end(struct buf *array);

/* The fate of a five-character SQLSTATE; an unknown one is HALT. */
enum fate pg_fate(const char *sqlstate);
/* The same for statements that others wrote: what a connected server has against one, by
 * its text, rights or kind, is REJECT. */
enum fate pg_statement_fate(const char *sqlstate);

#endif
