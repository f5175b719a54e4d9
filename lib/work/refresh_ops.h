/* SPDX-License-Identifier: Apache-2.0 */
/* refresh_ops.h -- what the refresh*.c files share; nobody else's business.
 *
 * refresh.c gathers the keys of changed rows, _filter.c puts into SQL which facts they have,
 * _ask.c has Postgres count those and asks Debezium for them. */
#ifndef WORK_REFRESH_OPS_H
#define WORK_REFRESH_OPS_H

#include "base/arena.h"
#include "base/metrics.h"
#include "work/refresh.h"

enum { REFRESH_PARTS_MAX = 256 };

/* Changed rows of each dimension. */
struct keys {
	struct buf texts[SQL_SOURCES_MAX]; /* SQL, each terminated: ('a'::uuid) */
	size_t count;
	bool all; /* every fact: the dimension was truncated */
};

/* What is gathered of one partition of one dimension's topic. */
struct gathering {
	const char *topic;
	int32_t partition;
	int64_t first, last; /* offsets seen */
	int64_t due_ms;      /* 0: nothing to ask for */
	struct keys keys;
	size_t source; /* the truncated one */
	bool fresh;    /* offsets not handed out yet */
	/* Together they ask for too much: key by key, as many in a signal as it may ask for. */
	bool by_key;
	size_t seen[SQL_SOURCES_MAX]; /* bytes of the keys that were counted */
	struct keys some;             /* of the next signal */
	int64_t some_facts;
	unsigned cancelled;
};

struct refresh {
	struct enrich_plan *plan;
	struct pg *pg;
	char *insert; /* the statement */
	struct row_plan *rows[SQL_SOURCES_MAX];
	size_t parents[SQL_SOURCES_MAX]; /* the source that a dimension's key comes from */
	struct gathering gatherings[REFRESH_PARTS_MAX];
	size_t count;
	size_t turn; /* the gathering that is asked about first */
	struct kafka_part parts[REFRESH_PARTS_MAX];
	struct arena arena;
	struct buf text;
};

enum { REFRESH_M_KEYS, REFRESH_M_SIGNALS, REFRESH_M_REFUSED, REFRESH_M_COUNT };
extern struct metric refresh_metrics[REFRESH_M_COUNT];

/* --- refresh.c --- */

void refresh_keys_empty(struct keys *keys);
void refresh_gathering_empty(struct gathering *g); /* nothing is due any more */

/* --- refresh_filter.c --- */

/* "cond": the facts of these keys of the source; joined to what stands there by OR. */
void refresh_put_facts(struct refresh *r, size_t source, struct slice keys, struct buf *filter);
void refresh_put_filter(struct refresh *r, const struct keys *keys, struct buf *filter);

/* --- refresh_ask.c --- */

/* Counts, refuses and asks, until there is nothing more or it is until_ms. RETRY: again, from
 * where it stopped. */
enum fate refresh_ask(
    struct refresh *r, struct gathering *g, int64_t until_ms, struct err *err) NODISCARD;

#endif
