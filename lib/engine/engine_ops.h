/* SPDX-License-Identifier: Apache-2.0 */
/* engine_ops.h -- what a driver is to engine.c: a const struct of functions.
 *
 * engine.c keeps the deadline, the waiting line, the probe, the breaker and the counts;
 * a driver keeps connections and speaks. A query starts in start() and ends by exactly
 * one engine_ended() (or abandon()), never inside start(). Each driver has the same
 * files: engine_NAME.c and, for its connection on the loop, a wrapper in link/. */
#ifndef ENGINE_ENGINE_OPS_H
#define ENGINE_ENGINE_OPS_H

#include "engine/engine.h"

/* One query; the driver reads ask and cancelled, and owns driver. ask.columns are those of
 * the wire: with a finish other ones than the asker's. */
struct engine_query {
	struct engine *engine;
	struct engine_ask ask;
	bool cancelled; /* rows are dropped from now on; the driver reads on to the end */
	void *driver;   /* the driver's: its connection, its statement */
	/* engine.c's: */
	const struct plan_column *columns; /* the asker's */
	size_t column_count;
	struct finish_run *finishing; /* NULL: none */
	struct err *failed;           /* finishing did; NULL: not */
	int64_t began_us;
	int64_t idle_us, paused_us; /* in the line or held up so far; since when it is held */
	uint64_t rows;
	bool started, stopping, late, trial, told, withheld;
	struct loop_timer due;                        /* deadline, then the patience */
	struct loop_timer resume;                     /* engine_more() */
	struct engine_query *next, **before, ***tail; /* of the line or of those under way */
};

struct engine_ops {
	const char *name; /* "postgres" */
	/* HALT only: nothing is connected yet. */
	enum fate (*open)(const struct registry_engine *config, struct loop *loop,
	    unsigned pool_max, void **ret_self, struct err *err);
	/* No query is under way. */
	void (*close)(void *self);
	/* Begins; there are fewer than pool_max under way. RETRY or HALT: it did not begin;
	 * RETRY with 53300: the driver has no room just now, and it waits in the line.
	 * May be called inside engine_ended(), so whatever the ended one held is free then. */
	enum fate (*start)(void *self, struct engine_query *query, struct err *err);
	/* Goes on reading after row() said false; rows and the end may come inside. */
	void (*more)(void *self, struct engine_query *query);
	/* Asks the engine to stop, paused or not. engine_ended() follows, inside or when it has
	 * stopped; its fate is mended here (57014). */
	void (*cancel)(void *self, struct engine_query *query);
	/* It did not stop in time, or all ends: lets go of it, closes its connection, and calls
	 * nothing about it any more. */
	void (*abandon)(void *self, struct engine_query *query);
	/* What a probe asks: "SELECT 1" and its like, in the dialect. */
	const char *probe;
	unsigned (*connections)(const void *self);
};

/* --- for drivers --- */

/* Once, before any row; columns are those of the wire, and those of a plan win. HALT: it is
 * another number than the plan's; the driver stops reading and ends with it. */
enum fate engine_columns(struct engine_query *query, const struct plan_column *columns,
    size_t count, struct err *err) NODISCARD;
/* Hands a row on and counts it; false: pause, call no more until more() or cancel(). */
bool engine_row(struct engine_query *query, const struct slice *values);
/* The last word on a query; it is gone after it. rows and elapsed_us are filled here, and
 * what a cancel makes of it. */
void engine_ended(struct engine_query *query, struct engine_end *end);
/* engine_ended() for what went wrong before the engine could say anything of its own:
 * fate, code and sentence are err's. */
void engine_failed(struct engine_query *query, const struct err *err);

extern const struct engine_ops engine_postgres, engine_clickhouse, engine_redis, engine_trino,
    engine_duckdb;
/* The driver of a kind (the table in engine_kinds.c); NULL: none yet. */
const struct engine_ops *engine_ops_of(enum engine_kind kind);

/* For tests. The first answers nothing; the second what config->url says, words between
 * spaces: rows=N every_ms=N (between rows) hang (no end) mute (no columns; rows=0) | end=FATE
 * code=SQLSTATE, start=FATE, room=N (it refuses with 53300 while N are under way),
 * cancel=ignored, probe=FATE, times=N (from the N-th ask on all is well). A row has its number,
 * from 1, in each column of the ask, or in one column "n". */
extern const struct engine_ops engine_null, engine_fail;

/* As engine_open() with the driver given. */
enum fate engine_open_ops(const struct engine_ops *ops, const struct registry_engine *config,
    const struct engine_options *options, struct loop *loop, struct engine **ret_engine,
    struct err *err) NODISCARD;

#endif
