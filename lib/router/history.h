/* SPDX-License-Identifier: Apache-2.0 */
/* history.h -- the last statements, for the people who asked them.
 *
 * A ring in memory: the oldest goes when it is full, and is counted. It is a help, not a
 * record: the audit is the record. Each principal sees its own. */
#ifndef ROUTER_HISTORY_H
#define ROUTER_HISTORY_H

#include "base/buf.h"
#include "router/key.h"

enum { HISTORY_TEXT_MAX = 2000 };

struct router_history;

/* What is known of a statement that has ended; texts are copied or stay. */
struct history_entry {
	const struct principal *who;
	const char *id;   /* copied */
	struct slice sql; /* copied, cut */
	int engine;       /* of the registry; below 0: none */
	const char *reason;
	const char *error; /* a code; NULL: it was answered */
	unsigned status;
	bool degraded, truncated;
	uint64_t rows;
	int64_t wall_ms, elapsed_us;
	double cost;
};

struct router_history *router_history_new(size_t max);
void router_history_free(struct router_history *history); /* accepts NULL */
void router_history_add(struct router_history *history, const struct history_entry *entry);
/* The newest first, at most count, as a JSON object. */
void router_history_write(const struct router_history *history, const struct registry *registry,
    const struct principal *who, size_t count, struct buf *out);

#endif
