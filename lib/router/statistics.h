/* SPDX-License-Identifier: Apache-2.0 */
/* statistics.h -- how many rows the registry's tables have, asked of their engines.
 *
 * A number in the registry's file stands; the others are asked of each table's home, one
 * after the other, at the start and every ROUTER_STATISTICS_MS: Postgres is asked for its
 * planner's estimate (which knows views and partitions), ClickHouse and DuckDB for a count
 * (which they hold ready); leaderboards and lakes are not asked. An estimate that has
 * changed by half makes plans anew. What cannot be told leaves the number as it was. */
#ifndef ROUTER_STATISTICS_H
#define ROUTER_STATISTICS_H

#include <stdint.h>

#include "base/slice.h"

struct router;
struct router_statistics;

enum { ROUTER_STATISTICS_MS = 300000, ROUTER_STATISTICS_AGAIN_MS = 5000 };

struct router_statistics *router_statistics_new(struct router *router);
/* After the engines are closed. Accepts NULL. */
void router_statistics_free(struct router_statistics *statistics);

/* Pure. A count, or the first "Plan Rows" of an EXPLAIN (FORMAT JSON); -1: neither. */
int64_t router_statistics_rows(struct slice text);

#endif
