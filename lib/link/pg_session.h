/* SPDX-License-Identifier: Apache-2.0 */
/* pg_session.h -- what pg_loop.c (pool, connecting, cancelling), pg_session.c (the
 * conversation) and pg_statements.c (what is prepared) share. Only for these files. */
#ifndef LINK_PG_SESSION_H
#define LINK_PG_SESSION_H

#include "link/aside.h"
#include "link/pg_frame.h"
#include "link/pg_loop.h"
#include "link/pg_wire.h"

/* --- what a connection has prepared --- */

enum { PG_STATEMENTS_MAX = 128, PG_STATEMENT_TEXT_MAX = 16 << 10 };

struct pg_statement {
	char *sql; /* NULL: the unnamed one */
	uint64_t hash;
	char name[12];              /* "" of the unnamed one */
	bool ready;                 /* the server has it, and the columns are known */
	struct pg_column *columns;  /* names after them, in the same memory */
	size_t column_count;        /* 0: returns no rows */
	struct pg_statement *chain; /* of the same bucket */
	struct pg_statement *newer, *older;
};

struct pg_statements {
	struct pg_statement *buckets[PG_STATEMENTS_MAX];
	struct pg_statement *newest, *oldest;
	size_t count;
	uint32_t named; /* names given so far */
	struct pg_statement unnamed;
};

uint64_t pg_text_hash(const char *sql);
struct pg_statement *pg_statements_find(
    struct pg_statements *all, const char *sql, uint64_t hash);
/* Room is made by giving up the oldest, whose name is put into evicted ("" if none). */
struct pg_statement *pg_statements_add(
    struct pg_statements *all, const char *sql, uint64_t hash, char evicted[12]);
void pg_statements_drop(struct pg_statements *all, struct pg_statement *one);
void pg_statements_clear(struct pg_statements *all);
/* Copies. */
void pg_statement_describe(
    struct pg_statement *one, const struct pg_column *columns, size_t count);

/* --- a session --- */

enum pg_phase {
	PG_CONNECTING,
	PG_IDLE,
	PG_RUNNING,  /* the pipeline of the run */
	PG_CLEANING, /* ROLLBACK */
	PG_SETTLED,  /* a cancel is still on its way, or the end is being told */
	PG_CLOSED,
};

/* Which statement of the pipeline answers now, by the completions counted. */
enum pg_stage { PG_STAGE_BEGIN, PG_STAGE_RUN, PG_STAGE_COMMIT, PG_STAGE_LSN, PG_STAGE_OVER };

struct pg_session {
	struct pg_pool *pool;
	struct pg_session *next; /* of all */
	struct pg *pg;           /* its connection; while connecting it is the thread's */
	struct loop_watch watch;
	struct aside *connecting, *cancelling;
	enum pg_phase phase;
	struct pg_statements statements;
	bool primed;     /* BEGIN READ ONLY and COMMIT are prepared */
	bool dirty;      /* ran a write since the last DISCARD ALL */
	bool discarding; /* which is under way; the next run may be sent behind it */
	bool wrote;      /* its last run was a write */
	uint64_t used;   /* the pool's count of runs when it ended its last one */

	/* the run */
	struct pg_run run;
	struct pg_statement *statement;
	enum pg_stage stage;
	bool reused;          /* the statement was prepared before */
	bool stale, repeated; /* and that was found out of date; once */
	bool told;            /* the columns */
	bool shut;            /* the handler did not want them */
	bool paused;          /* the handler has enough for now */
	struct pg_end end;
	struct err err;

	struct buf out;
	size_t sent;
	struct buf in;
	size_t parsed;
	struct slice *values;
	size_t value_max;
};

enum { PG_SEEN_MAX = 1024 };

struct pg_pool {
	struct loop *loop;
	struct pg_options options; /* its texts are copies */
	size_t sessions_max, session_count;
	struct pg_session *sessions;
	uint64_t runs;
	uint64_t seen[PG_SEEN_MAX]; /* hashes of texts that came before: those are prepared */
};

/* pg_session.c */
void pg_session_ready(struct pg_session *s); /* connected */
void pg_session_begin(struct pg_session *s); /* sends the run */
void pg_session_read(struct pg_session *s);  /* parses what is there, up to a pause */
void pg_session_event(void *ctx, unsigned events);
/* pg_loop.c */
void pg_session_over(struct pg_session *s); /* settled, or closed */
void pg_session_stop(struct pg_session *s); /* asks the server to */

#endif
