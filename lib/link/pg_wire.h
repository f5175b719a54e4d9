/* SPDX-License-Identifier: Apache-2.0 */
/* pg_wire.h -- what pg.c (the connection) and pg_query.c (the statements) share: the
 * struct, and waiting on its socket until a deadline. Only for these files. */
#ifndef LINK_PG_WIRE_H
#define LINK_PG_WIRE_H

#include <libpq-fe.h>

#include "link/pg.h"

enum { PG_KEYWORDS = 16 };

struct pg {
	PGconn *conn; /* NULL: none */
	uint64_t connection_count;
	int64_t connect_timeout_ms;
	int64_t statement_timeout_ms;
	char *session_sql;                 /* NULL: none */
	char *search_path;                 /* NULL: left alone */
	const char *keywords[PG_KEYWORDS]; /* for PQconnectStartParams, NULL-terminated */
	char *values[PG_KEYWORDS];
	size_t keyword_count;
};

/* Waits until the socket is ready for events (POLLIN, POLLOUT); RETRY at the deadline. */
enum fate pg_wait(struct pg *pg, short events, int64_t deadline_ms, struct err *err) NODISCARD;

/* The connection's last sentence as an error; closes it when it is lost. */
enum fate pg_lost(struct pg *pg, const char *doing, struct err *err);

/* The error of a result: fate by its SQLSTATE; closes the connection when it is lost. */
enum fate pg_refused(struct pg *pg, const PGresult *result, struct err *err);

/* Sends what is queued, reading meanwhile; then waits for the next result (NULL: the
 * end of one statement's results), which is the caller's to PQclear. At the deadline
 * the connection is closed; the server's own statement_timeout ends the statement. */
enum fate pg_next(
    struct pg *pg, int64_t deadline_ms, PGresult **ret_result, struct err *err) NODISCARD;

/* Pure. A failed connection has no result, only a sentence (in the server's English):
 * the SQLSTATE it stands for, "08006" when it is not known. */
const char *pg_connect_state(const char *sentence);

int64_t pg_deadline(const struct pg *pg); /* of a statement that starts now */

#endif
