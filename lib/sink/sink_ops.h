/* SPDX-License-Identifier: Apache-2.0 */
/* sink_ops.h -- what a driver fills in. Only files of lib/sink include it.
 *
 * There are two kinds. A batch driver gives deliver(), and sink.c does the rest:
 * it gathers what was pushed until rows_max, bytes_max or age_ms is reached, and
 * halves a rejected batch until the guilty row stands alone. A window driver gives
 * push(), work(), drop() and pending(), and keeps its own books. */
#ifndef SINK_SINK_OPS_H
#define SINK_SINK_OPS_H

#include "sink/sink.h"

struct sink_batch_limits {
	size_t rows_max;
	size_t bytes_max;
	int64_t age_ms; /* since the oldest row was pushed */
};

struct sink_ops {
	const char *name;  /* as in the configuration: "clickhouse" */
	size_t state;      /* bytes of driver state, zeroed before open */
	bool every_change; /* as sink_every_change */

	/* Reads its configuration, allocates. HALT only. Never blocks. */
	enum fate (*open)(void *state, const void *config, struct err *err);

	/* Connects and checks. May block up to the connect timeout. RETRY or HALT.
	 * Called again after a RETRY; NULL: nothing to do. */
	enum fate (*connect)(void *state, struct err *err);

	/* As sink_assign. May block. NULL: the group's offset is the position. */
	enum fate (*assign)(
	    void *state, struct sink_part *parts, size_t count, struct err *err);

	/* Batch drivers: makes all rows durable or none. May block up to the write
	 * timeout. RETRY (busy, gone, outcome unknown: the same rows come again, perhaps
	 * among others), REJECT (one of these rows is bad) or HALT (schema is wrong).
	 * A driver that knows the guilty row sets its outcome to REJECTED with a reason
	 * and still delivers the rest. */
	enum fate (*deliver)(
	    void *state, struct record *const *records, size_t count, struct err *err);
	void (*limits)(
	    void *state, struct sink_batch_limits *ret_limits); /* asked before each batch */

	/* Batch drivers that have one batch on its way while they make the next ready; all
	 * NULL: deliver() alone. prepare() gets records that follow those on their way; one
	 * that cannot become a row is rejected. RETRY or HALT. send() follows it, once
	 * nothing is on its way, and does not block. answer() waits for up to wait_ms for
	 * what became of the records that were sent; *ret_there: it is known, and the fate is
	 * as deliver()'s. It may block as deliver() does when something was refused, and then
	 * what was ready is forgotten. forget(): nothing is ready or on its way any more. */
	enum fate (*prepare)(
	    void *state, struct record *const *records, size_t count, struct err *err);
	enum fate (*send)(void *state, struct err *err);
	enum fate (*answer)(void *state, struct record *const *records, size_t count,
	    int wait_ms, bool *ret_there, struct err *err);
	void (*forget)(void *state);

	/* Window drivers; see sink.h. */
	void (*push)(void *state, struct record *const *records, size_t count);
	enum fate (*work)(void *state, int wait_ms, struct err *err);
	void (*drop)(void *state);
	size_t (*pending)(const void *state);

	enum fate (*tick)(void *state, int64_t wall_ms, struct err *err); /* NULL: nothing */
	int64_t (*replay_ms)(const void *state);                          /* NULL: 0 */

	/* Window drivers: hold nothing back for a bigger batch until all is done. NULL: they
	 * never do. */
	void (*flush)(void *state);

	/* Window drivers that write exactly once; see sink.h. NULL: nothing is frozen. */
	bool (*frozen)(const void *state, const char *topic, int32_t partition,
	    struct sink_range *ret_range);
	bool (*freezing)(const void *state);
	void (*froze)(void *state);

	/* Window drivers: why nothing moves though work() goes on, NULL when it does. The
	 * worker says so. NULL: never. */
	const char *(*waiting)(const void *state);

	bool (*moved)(const void *state); /* as sink_moved; cleared by assign. NULL: never */

	/* As sink_secrets. NULL: there are none. */
	enum fate (*secrets)(void *state, const void *config, struct err *err);

	/* Never fails, never blocks, accepts a state whose open() refused. */
	void (*close)(void *state);
};

/* Calls ops->deliver() and halves what is refused until the guilty row stands alone;
 * each outcome is set. Moves pending records to the front. Rows that were settled before a
 * RETRY or HALT stay settled. For a window driver that has a deliver(), too. */
enum fate sink_deliver_halving(const struct sink_ops *ops, void *state, struct record **records,
    size_t count, struct err *err) NODISCARD;

/* The same from where deliver() has refused the batch, which why says: nobody is named. */
enum fate sink_halve(const struct sink_ops *ops, void *state, struct record **records,
    size_t count, const struct err *why, struct err *err) NODISCARD;
/* Moves the pending records to the front; returns how many there are. */
size_t sink_keep_pending(struct record **records, size_t count);

/* Marks a record as rejected with a formatted reason. */
void sink_reject(struct record *record, const char *fmt, ...) PRINTF(2, 3);

extern const struct sink_ops sink_null; /* takes everything, keeps nothing */
extern const struct sink_ops sink_fail; /* scripted refusals, for tests */

#endif
