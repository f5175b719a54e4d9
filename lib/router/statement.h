/* SPDX-License-Identifier: Apache-2.0 */
/* statement.h -- what the statement*.c files share; nobody else's business.
 *
 * statement.c begins one and stops it, _route.c decides and asks, _engine.c hears what the
 * engine says, _out.c writes the answer, _end.c ends it, and _list.c knows those there are.
 *
 * A statement either streams (its exchange takes the rows as they come, and when the
 * client leaves it is cancelled) or is kept (wait_timeout was given): then rows go into
 * chunks, and whoever has its id fetches them. */
#ifndef ROUTER_STATEMENT_H
#define ROUTER_STATEMENT_H

#include "router/ops.h"

enum {
	STATEMENT_ID_SIZE = 37,
	CHUNK_BYTES = 1 << 20,   /* a chunk is closed when it has so many */
	STREAM_BYTES = 32 << 10, /* so many are sent at once */
	KEPT_MAX = 1024,         /* answers that wait to be fetched */
	DROPPED_MAX = 200,       /* rows beyond a limit that are read all the same */
	STREAM_PAUSE_US = 50000, /* or what there is after so long */
};

struct chunk {
	struct buf rows;
	uint64_t row_count;
};

enum statement_state { STATEMENT_WAITS, STATEMENT_RUNS, STATEMENT_ANSWERED, STATEMENT_FAILED };

struct statement {
	struct router *router;
	struct principal *who;
	const struct registry_role *role; /* by which it was planned; who's may have changed */
	char id[STATEMENT_ID_SIZE];
	enum statement_state state;
	struct router_request request;
	const struct plan *plan;
	struct httpd_exchange *x; /* NULL: nobody waits */
	struct engine_query *query;
	struct engine_ask ask;

	/* what was decided */
	int engine;
	const char *reason, *sql;
	char detail[200], trouble[200];
	bool degraded;
	unsigned failed;       /* bit set: engines that refused it just now */
	unsigned unfit;        /* bit set: engines to which its parameters cannot be said */
	struct err *unfit_why; /* by engine; NULL: none is unfit */
	struct buf filled;     /* the engine's SQL with the parameters in it */
	uint64_t token_lsn;

	/* the answer */
	bool kept, told, truncated, cancelled, token_waited, audited;
	struct answer answer;
	struct buf columns; /* of a kept one: "columns":[...] */
	struct chunk *chunks;
	size_t chunk_count;
	uint64_t rows, dropped;
	size_t unreadable; /* a value of this column, from 1, was no text; 0: none */
	int64_t bytes, row_limit, byte_limit; /* limits: 0 none */
	double cost;
	int64_t affected; /* -1: not a write */
	char token[READ_TOKEN_LEN + 1];
	struct buf error; /* of a failed one: its JSON */
	unsigned error_status;

	int64_t began_us, ended_us, wall_ms;
	int64_t deadline_us;        /* waiting for a replica is part of its time */
	struct loop_timer flush;    /* of a stream that trickles */
	struct loop_timer patience; /* of who waits; then of what is kept */
	struct loop_timer token_due;
	struct statement *next_kept, **kept_at; /* of router.kept; kept_at NULL: not in it */
	struct statement *next_id;              /* of its bucket */
	struct statement *next_waiting,
	    **waiting; /* of router.waiting; waiting NULL: not in it */
};

/* --- statement_list.c: those there are --- */

void statement_remember(struct statement *s);
void statement_forget(struct statement *s);
/* For a replica to come to what its read token stands for, until its time is over. */
void statement_wait_begin(struct statement *s);
void statement_wait_end(struct statement *s); /* accepts one that does not wait */
/* Among the answers that wait to be fetched; the oldest may go. */
void statement_keep(struct statement *s);
void statement_unkeep(struct statement *s); /* accepts one that is not there */
/* Forgets the answer that has waited longest; false: none waits. */
bool statement_forget_oldest(struct router *router);

/* --- statement_route.c --- */

/* Decides, and asks the engine; or it waits, or has failed. */
void statement_route(struct statement *s);

/* --- statement_engine.c: what the engine says --- */

extern const struct engine_reader statement_reader;
/* Ends it with what the engine said. */
void statement_fail_of_engine(struct statement *s, const struct engine_end *end);
/* Decides again, without the engine that was busy or is gone. */
void statement_try_another(struct statement *s, const struct err *why);

/* --- statement_end.c --- */

/* Its line in the audit, "begins" or how it ended; RETRY: it is not written. */
enum fate statement_audit(struct statement *s, const char *outcome, struct err *err);
/* Ends it; s is gone then, unless its answer is kept. */
void statement_fail(struct statement *s, const struct router_error *error);
void statement_fail_waiting(struct statement *s); /* its time, or its caller's, is over */
/* As much; what must be on record and is not, fails. */
void statement_succeed(struct statement *s);
/* One that has ended: forgets its answer too. */
void statement_free(struct statement *s);

/* --- statement_out.c: the answer --- */

/* The columns have come: begins the answer. */
void statement_tell(struct statement *s, const struct plan_column *columns, size_t count);
/* A row; false: no more for now. */
bool statement_row(struct statement *s, const struct slice *values);
/* The last part of a good answer. */
void statement_close(struct statement *s);
/* The answer about an error: in place of one, or as the visible end of one that began. */
void statement_close_failed(struct statement *s, const struct router_error *error);
void statement_flush_due(void *ctx);
void statement_out_finish(struct statement *s);

#endif
