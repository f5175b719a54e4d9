/* SPDX-License-Identifier: Apache-2.0 */
/* store.h -- what sluice-clickhouse does: topics into ClickHouse's tables.
 *
 * The enriched topic goes into one table; with source debezium each captured table goes
 * into its own, some into several. Field lists are checked against the tables before
 * the first record; Postgres' word on the enriched one is taken when it can be had. */
#ifndef WORK_STORE_H
#define WORK_STORE_H

#include "work/worker.h"

enum fate store_run(struct work *work, struct err *err) NODISCARD;
enum fate store_check(struct work *work, struct err *err) NODISCARD;

/* Whether the tables keep one row a key: what --check and the start refuse, for sluicectl
 * lint. RETRY: Postgres or ClickHouse is away. */
struct lint;
enum fate store_lint(
    const struct pipeline *pipeline, struct lint *lint, struct err *err) NODISCARD;

#endif
