/* SPDX-License-Identifier: Apache-2.0 */
/* pg_loop.h -- statements on a pool of PostgreSQL connections, on a loop.
 *
 * libpq connects (on a thread aside: names, TLS, password hashes take time) and cancels;
 * in between the sessions speak the protocol themselves (pg_frame.h): a read is one round
 * trip BEGIN READ ONLY, statement, COMMIT; rows are handed on as views of what was
 * received; who has enough stops the reading of that socket. A text that comes twice is
 * prepared and kept, by connection. A write is followed by the WAL position after its
 * COMMIT, the history that this is of, and by DISCARD ALL. One run at a time on a session, and
 * no more runs than the pool's maximum, which the caller keeps. It refuses parameters with a
 * NUL byte, texts of several statements (the server does) and rows above PG_FRAME_MAX. */
#ifndef LINK_PG_LOOP_H
#define LINK_PG_LOOP_H

#include "link/loop.h"
#include "link/pg.h"

struct pg_pool;
struct pg_session;

/* How a run ended. */
struct pg_end {
	enum fate fate; /* a statement's own fault is REJECT, by pg_statement_fate() */
	const struct err *err;
	long position;        /* in sql, bytes from 0; -1: not told */
	bool outcome_unknown; /* the connection was lost around a write's COMMIT */
	int64_t affected;     /* -1: no such number */
	/* A write's: all before lsn is committed, in this history of Postgres (system
	 * identifier, timeline); 0: not known. */
	uint64_t lsn, system;
	uint32_t timeline;
};

struct pg_handler {
	/* Once before the rows, also when none come. Other than DONE: not these; nothing more
	 * is handed on and the run ends with that. */
	enum fate (*columns)(
	    void *ctx, const struct pg_column *columns, size_t count, struct err *err);
	/* false: no more until pg_run_more(). */
	bool (*row)(void *ctx, const struct slice *values);
	/* The session is free again; may run another. */
	void (*end)(void *ctx, const struct pg_end *end);
};

struct pg_run {
	const char *sql; /* borrowed until the end, like params */
	const struct slice *params;
	size_t param_count;
	bool write;
	const struct pg_handler *handler;
	void *ctx;
};

/* options as pg_new() takes them; session_options NULL: PG_SESSION_OPTIONS. HALT: the
 * connection string. */
enum fate pg_pool_open(const struct pg_options *options, size_t sessions_max, struct loop *loop,
    struct pg_pool **ret_pool, struct err *err) NODISCARD;
void pg_pool_close(struct pg_pool *pool); /* no run is left; accepts NULL */
size_t pg_pool_connections(const struct pg_pool *pool);

/* Nothing is called back inside. REJECT: a parameter; RETRY: no thread to connect. */
enum fate pg_pool_run(struct pg_pool *pool, const struct pg_run *run,
    struct pg_session **ret_session, struct err *err) NODISCARD;
/* These two may call back inside. After a cancel the rows are still handed on. */
void pg_run_more(struct pg_session *session);
void pg_run_cancel(struct pg_session *session);
/* Nothing is called back any more; the connection goes, and the server is told to stop. */
void pg_run_abandon(struct pg_session *session);

#endif
