/* SPDX-License-Identifier: Apache-2.0 */
/* duckdb.h -- DuckDB in this process: libduckdb.so by dlopen, shut in a sandbox.
 *
 * A duck is a database in memory with a view over each Parquet file that it was given
 * and, when told, one database file attached read-only as "db"; after that nothing else
 * outside can be reached, no setting changed and nothing installed. Threads share a duck;
 * a session is one connection, used by one thread at a time. Its statements block that
 * thread and are SELECT or EXPLAIN of a SELECT; everything else is refused. Values come
 * as Postgres prints them. */
#ifndef LINK_DUCKDB_H
#define LINK_DUCKDB_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct duck;
struct duck_session;

struct duck_file {
	const char *name; /* of the view */
	const char *path; /* of the Parquet file, without "*", "?" and "[" */
};

/* 0 and NULL take the default named; everything is read at open only. */
struct duck_options {
	const char *library;  /* "libduckdb.so", found as dlopen finds it */
	const char *database; /* NULL: none */
	const struct duck_file *files;
	size_t file_count;
	unsigned threads;   /* of one statement, 2 */
	unsigned memory_mb; /* of all statements together, 512 */
};

/* HALT: no such library, file or table in it. */
enum fate duck_open(
    const struct duck_options *options, struct duck **ret_duck, struct err *err) NODISCARD;
/* Every session is closed. Accepts NULL. */
void duck_close(struct duck *duck);
const char *duck_version(const struct duck *duck); /* "v1.5.6" */

enum fate duck_session_open(
    struct duck *duck, struct duck_session **ret_session, struct err *err) NODISCARD;
void duck_session_close(struct duck_session *session); /* accepts NULL */

/* Begins. Every duck_ask() is followed by duck_done(), whatever it answered. Codes are the
 * nearest SQLSTATE. REJECT: the statement's fault; RETRY: memory or disk, or 57014 after
 * duck_interrupt(); HALT: what it names is not there. */
enum fate duck_ask(struct duck_session *session, const char *sql, struct err *err) NODISCARD;
/* After duck_ask(): names stay until duck_done(). */
size_t duck_column_count(const struct duck_session *session);
const char *duck_column_name(const struct duck_session *session, size_t column);
/* pg_type.oid of what comes, text where Postgres has no such type. */
unsigned duck_column_oid(const struct duck_session *session, size_t column);

/* Rows as texts; cells point into bytes. */
struct duck_batch {
	struct buf bytes;
	struct slice *cells; /* row by row; p NULL: NULL */
	size_t cell_count, cell_cap;
	size_t row_count;
};
/* The next rows, until bytes are about bytes_max; row_count 0: that was all. */
enum fate duck_next(struct duck_session *session, size_t bytes_max, struct duck_batch *batch,
    struct err *err) NODISCARD;
void duck_batch_finish(struct duck_batch *batch);
void duck_done(struct duck_session *session);

/* From any thread: what the session is about ends soon with 57014; a session that does
 * not run just then does not notice. */
void duck_interrupt(struct duck_session *session);

/* The fate and SQLSTATE of an error's text ("Binder Error: ..."); for the table's test. */
enum fate duck_fate(const char *text, const char **ret_code);

#endif
