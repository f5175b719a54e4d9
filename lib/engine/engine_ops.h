/* SPDX-License-Identifier: Apache-2.0 */
/* engine_ops.h -- what a driver is to engine.c: a const struct of functions.
 *
 * engine.c keeps the deadline, the waiting line, the probe, the breaker and the counts;
 * a driver keeps connections and speaks. A query starts in start() and ends by exactly
 * one engine_ended(), never inside start(). Each driver has the same files:
 * engine_NAME.c and, for its connection on the loop, a wrapper in link/. */
#ifndef ENGINE_ENGINE_OPS_H
#define ENGINE_ENGINE_OPS_H

#include "engine/engine.h"

/* One query; the driver may use what is under "the driver's". */
struct engine_query {
	struct engine *engine;
	struct engine_ask ask;
	int64_t began_us;
	uint64_t rows;
	bool started, cancelled, paused;
	struct loop_timer deadline;
	struct engine_query *next, **before; /* of the line or of those under way */
	void *driver;                        /* the driver's: its connection, its statement */
};

struct engine_ops {
	const char *name; /* "postgres" */
	/* HALT only: nothing is connected yet. */
	enum fate (*open)(const struct registry_engine *config, struct loop *loop,
	    unsigned pool_max, void **ret_self, struct err *err);
	/* No query is under way. */
	void (*close)(void *self);
	/* Begins; there are fewer than pool_max under way. RETRY or HALT: it did not begin. */
	enum fate (*start)(void *self, struct engine_query *query, struct err *err);
	/* Goes on reading after row() said false. */
	void (*more)(void *self, struct engine_query *query);
	/* Asks the engine to stop. engine_ended() follows, at once or when it has stopped. */
	void (*cancel)(void *self, struct engine_query *query);
	/* What a probe asks: "SELECT 1" and its like, in the dialect. */
	const char *probe;
	unsigned (*connections)(const void *self);
};

/* --- for drivers --- */

/* Hands a row on and counts it; false: pause. Not after a cancel. */
bool engine_row(struct engine_query *query, const struct slice *values);
/* The last word on a query; it is gone after it. rows and elapsed_us are filled here. */
void engine_ended(struct engine_query *query, struct engine_end *end);

extern const struct engine_ops engine_postgres, engine_clickhouse, engine_redis, engine_trino,
    engine_duckdb;
/* For tests: the first answers nothing, the second what a script says. */
extern const struct engine_ops engine_null, engine_fail;
/* The driver of a kind; NULL: none yet (Databricks). */
const struct engine_ops *engine_ops_of(enum engine_kind kind);
/* As engine_open() with the driver given. */
enum fate engine_open_ops(const struct engine_ops *ops, const struct registry_engine *config,
    const struct engine_options *options, struct loop *loop, struct engine **ret_engine,
    struct err *err) NODISCARD;

#endif
