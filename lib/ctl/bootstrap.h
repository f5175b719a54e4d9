/* SPDX-License-Identifier: Apache-2.0 */
/* bootstrap.h -- makes a pipeline's places: topics, ClickHouse tables, first offsets,
 * the connector; then waits until the connector runs. Every step can be done again.
 *
 * Each step says a line through say(). What does not answer yet is waited for until
 * the deadline. Postgres' side is sql/postgres/PIPELINE.sql, run by psql before. */
#ifndef CTL_BOOTSTRAP_H
#define CTL_BOOTSTRAP_H

#include "work/pipeline.h"

enum fate bootstrap_run(const struct pipeline *pipeline, int64_t timeout_ms,
    void (*say)(const char *line), struct err *err) NODISCARD;

#endif
