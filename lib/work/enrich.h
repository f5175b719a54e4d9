/* SPDX-License-Identifier: Apache-2.0 */
/* enrich.h -- the enrich worker: Debezium's fact topic in, the enriched topic out,
 * each source record exactly once.
 *
 * One thread collects a batch, does every lookup with no transaction open, then
 * produces results, dead letters and source offsets in one Kafka transaction. While
 * Postgres is away it waits with its partitions paused; it never guesses a NULL. */
#ifndef WORK_ENRICH_H
#define WORK_ENRICH_H

#include "work/worker.h"

enum fate enrich_run(struct work *work, struct err *err) NODISCARD;
enum fate enrich_check(struct work *work, struct err *err) NODISCARD;

#endif
