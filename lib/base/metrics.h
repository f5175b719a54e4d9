/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h -- counters and gauges from tables, printed as Prometheus text.
 *
 * A room declares its rows as one static array and registers it; the array is
 * the storage. Values are written by the working thread and read by the HTTP
 * thread, so both go through relaxed atomics. Format: Prometheus text
 * exposition format 0.0.4. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metric {
	const char *name;   /* sluice_records_total */
	const char *labels; /* "reason=\"late\"" or NULL */
	enum metric_kind kind;
	const char *help; /* a sentence with the unit */
	int64_t value;    /* only through the functions below */
};

/* Up to METRICS_TABLES tables; rows of one name stand together in their table. */
enum { METRICS_TABLES = 32 };
void metrics_register(struct metric *rows, size_t count);

static inline void
metric_add(struct metric *metric, int64_t delta)
{
	(void)__atomic_fetch_add(&metric->value, delta, __ATOMIC_RELAXED);
}

static inline void
metric_set(struct metric *metric, int64_t value)
{
	__atomic_store_n(&metric->value, value, __ATOMIC_RELAXED);
}

static inline int64_t
metric_get(const struct metric *metric)
{
	return __atomic_load_n(&metric->value, __ATOMIC_RELAXED);
}

void metrics_print(struct buf *out); /* any thread, after all tables are registered */

#endif
