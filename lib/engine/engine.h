/* SPDX-License-Identifier: Apache-2.0 */
/* engine.h -- a place that the router asks: one seam, whatever speaks behind it.
 *
 * An engine is one entry of the registry with its connections, its health and its
 * breaker. It lives on one loop and every call belongs to that loop's thread; nothing
 * here blocks. A query belongs to its engine from engine_ask() until its reader's end()
 * was called, which happens exactly once; nothing is called back inside engine_ask(),
 * engine_more() and engine_cancel(), and end() may ask again. What the ask borrows (texts,
 * parameters, columns, reader) stays until then. Values come as Postgres
 * prints them in a session of sql/postgres/session.sql, whatever the engine's own
 * spelling. It refuses more than its pool and its waiting line hold. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "engine/plan.h"
#include "link/loop.h"

struct engine;
struct engine_query;

enum engine_access {
	ENGINE_READ,  /* the engine itself refuses to change anything */
	ENGINE_WRITE, /* Postgres: its end tells the LSN to wait for */
};

/* How a query ended. */
struct engine_end {
	enum fate fate;        /* DONE; RETRY: busy or gone; REJECT: the statement's fault;
				* HALT: this engine's set-up is wrong */
	const struct err *err; /* code: SQLSTATE, of another engine's error the nearest one */
	long position;         /* of the error in ask.sql, bytes from 0; -1: not told */
	bool outcome_unknown;  /* a write that may have happened */
	int64_t affected;      /* rows of a write; -1: not one */
	/* Of a write: everything before lsn is committed, in this history of Postgres; 0:
	 * none. */
	uint64_t lsn, system;
	uint32_t timeline;
	uint64_t rows; /* given to the reader */
	/* What the engine says that it took; 0: it does not say. */
	double cpu_s;
	uint64_t bytes_read;
	int64_t elapsed_us; /* from engine_ask() to the end */
	int64_t busy_us;    /* of that, neither in the line nor held up by the reader */
};

/* Who asked. ctx is the ask's. */
struct engine_reader {
	/* Once, before any row, also when there are none; not when the query fails first. */
	void (*columns)(void *ctx, const struct plan_column *columns, size_t count);
	/* values by column, alive during the call; p NULL: NULL. false: enough for now: the
	 * engine is not read on until engine_more(); what has been read may still come. */
	bool (*row)(void *ctx, const struct slice *values);
	void (*end)(void *ctx, const struct engine_end *end);
};

struct engine_ask {
	const char *sql;            /* in the engine's dialect: plan->sql[engine] */
	const struct slice *params; /* Postgres': texts; p NULL: NULL. The others' SQL has them
				     * in it (plan_sql()) */
	size_t param_count;
	const struct plan_column *columns; /* a read's results by the plan; count 0: as the
					    * engine names and types them (writes, EXPLAIN) */
	size_t column_count;
	struct plan_finish *finish; /* plan->finish[engine]; NULL: rows come as columns say */
	enum engine_access access;
	int64_t deadline_us; /* clock_mono_us(): cancelled in the engine then, code 57014 */
	const char *id;      /* [a-z0-9-]{1,36}: its name in the engine's own lists */
	const struct engine_reader *reader;
	void *ctx;
};

struct engine_options {
	unsigned pool_max;  /* connections or threads: 16; the probe may have one more */
	unsigned queue_max; /* queries that wait for one: 256 */
	const char *run;    /* [a-z0-9]{1,16}: of this process alone, in the names of probes */
};

/* Connects when first asked, and now and then to see whether it lives. config is borrowed.
 * options NULL: as noted. HALT: a url, file or library that will never do. */
enum fate engine_open(const struct registry_engine *config,
    const struct engine_options *options, struct loop *loop, struct engine **ret_engine,
    struct err *err) NODISCARD;
/* Every query ends first, inside (57014), and is cancelled in the engine as far as that
 * goes without waiting. Accepts NULL. */
void engine_close(struct engine *engine);

/* RETRY: pool and line are full (53300), or the breaker is open and this is no trial
 * (57P03), or what start() says; HALT: the same. Then end() is not called. */
enum fate engine_ask(struct engine *engine, const struct engine_ask *ask,
    struct engine_query **ret_query, struct err *err) NODISCARD;
void engine_more(struct engine_query *query);
/* In the engine too; its end comes (57014) as soon as the engine has let go, or after
 * ENGINE_CANCEL_MS without it. Rows do not come any more. A write that was done all the
 * same says so: DONE, or outcome_unknown. */
void engine_cancel(struct engine_query *query);

enum {
	ENGINE_CANCEL_MS = 2000,
	ENGINE_PROBE_MS = 5000, /* between two probes; 500 while it is down */
	ENGINE_PROBE_DEADLINE_MS = 2000,
	ENGINE_BREAKER_FAILURES = 5,   /* of the engine, not of a statement, in a row: open */
	ENGINE_BREAKER_OPEN_MS = 3000, /* then one query is let through */
};

/* Just now: for decide.h's weather and for /v1/engines. */
struct engine_state {
	bool down; /* the last probe failed, or none has answered yet */
	bool breaker_open;
	char trouble[120]; /* of the last failure; "" */
	unsigned connections, under_way, waiting;
	uint64_t asked, failed, cancelled;
	int64_t probe_us; /* how long the last good probe took */
};
void engine_state(const struct engine *engine, struct engine_state *ret_state);

#endif
