/* SPDX-License-Identifier: Apache-2.0 */
/* engine_core.h -- an engine's parts, for each other. Private to engine.c, engine_query.c and
 * engine_watch.c.
 *
 * engine.c opens and closes; engine_query.c takes a query from its ask to its end, through
 * the line when there is no room; engine_watch.c judges whether the engine is well, by
 * probes and by how queries end. */
#ifndef ENGINE_ENGINE_CORE_H
#define ENGINE_ENGINE_CORE_H

#include "engine/engine_ops.h"

struct engine {
	const struct engine_ops *ops;
	const struct registry_engine *config;
	struct engine_options options;
	struct loop *loop;
	void *self;
	struct engine_query *running, **running_end; /* the probe is none of them */
	struct engine_query *line, **line_end;
	struct loop_timer line_due; /* set when the driver had no room for its first */
	unsigned under_way, waiting;
	struct engine_query *spare; /* ended ones, to be used again */
	unsigned spare_count;
	struct engine_query *probe; /* under way; NULL */
	char probe_id[37]; /* never one that may still stand in the engine's own lists */
	unsigned probes;
	struct loop_timer probe_due;
	bool closing;
	/* the breaker */
	unsigned failures; /* in a row */
	int64_t open_until_us;
	bool open, trial; /* trial: one is let through just now */
	/* what is told */
	bool down;
	char trouble[120];
	uint64_t asked, failed, cancelled;
	int64_t probe_us;
};

/* --- engine_query.c --- */

struct engine_query *engine_query_new(struct engine *e, const struct engine_ask *ask);
void engine_query_free(struct engine_query *q);
/* Its deadline, a cancel, or the end of the patience with the engine after either. */
void engine_query_due(void *query);
/* It is ended without the driver: that does not obey (fault), or all ends. */
void engine_let_go(struct engine_query *q, bool fault);
/* The driver may have room again. */
void engine_line_due(void *engine);

/* --- engine_watch.c --- */

/* Does it speak of the engine, or of one statement and its neighbours? */
bool engine_at_fault(const struct engine_end *end);
void engine_breaker_judge(struct engine *e, bool trial, bool fault, bool answered);
/* false: this one must not go; otherwise *ret_trial. */
bool engine_breaker_lets(struct engine *e, bool *ret_trial);
void engine_note_trouble(struct engine *e, const struct engine_end *end);
/* A probe, now. */
void engine_probe_due(void *engine);

#endif
