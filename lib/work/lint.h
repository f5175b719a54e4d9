/* SPDX-License-Identifier: Apache-2.0 */
/* lint.h -- what cannot be exact is refused before the first record.
 *
 * lint_pipeline() looks at a compiled query, Postgres' catalogue and the connector's file,
 * asks nobody, and gives findings: a place (file, line, column), a sentence that says what
 * goes wrong, and what mends it. The functions below it ask what runs: Connect, the
 * publication, the slot, the topics, ClickHouse's tables. A refusal keeps the worker from
 * starting; a warning is logged. The workers' start, --check and sluicectl lint use them
 * alike. */
#ifndef WORK_LINT_H
#define WORK_LINT_H

#include "link/http.h"
#include "link/kafka_admin.h"
#include "link/pg.h"
#include "sql/query.h"
#include "work/connector.h"
#include "work/pipeline.h"

struct lint_input {
	const struct pipeline *pipeline;
	const struct sql_query *query;
	const struct sql_catalog *catalog;
	const struct connector *connector; /* NULL: the pipeline names none */
};

struct lint_finding {
	bool refused; /* else a warning */
	const char *file;
	unsigned line, column; /* from 1 */
	char what[400];
};

enum { LINT_MAX = 64 }; /* more are not kept */
struct lint {
	struct lint_finding findings[LINT_MAX];
	size_t count;
};

void lint_pipeline(const struct lint_input *input, struct lint *ret_lint);

/* lint.c calls these; a finding's place, then its sentence. */
struct lint_place {
	const char *file;
	unsigned line, column;
};
void lint_add(struct lint *lint, bool refused, struct lint_place place, const char *fmt, ...)
    PRINTF(4, 5);
void lint_connector(const struct lint_input *input, struct lint *lint);
/* A setting's place in the connector's file, or the file's first. */
struct lint_place lint_setting_place(const struct connector *connector, const char *name);

/* --- what runs; RETRY: it cannot be reached, HALT: it refuses the question --- */

enum fate lint_connect(const struct lint_input *input, struct http_client *connect,
    struct lint *lint, struct err *err) NODISCARD;
enum fate lint_publication(const struct lint_input *input, struct pg *pg, struct lint *lint,
    struct err *err) NODISCARD;
/* Whether the slot moves: takes up to five seconds, or the connector's heartbeat.interval.ms
 * and four, a minute at the most. */
enum fate lint_slot(const struct lint_input *input, struct pg *pg, struct lint *lint,
    struct err *err) NODISCARD;
enum fate lint_topics(const struct pipeline *pipeline, const struct sql_query *query,
    struct kafka_admin *admin, struct lint *lint, struct err *err) NODISCARD;

/* A table of ClickHouse and what places its rows. */
struct lint_table {
	const char *database, *table;
	bool append;
	const char *const *identity; /* columns */
	size_t identity_count;
	struct lint_place place;
};
enum fate lint_clickhouse(struct http_client *clickhouse, const struct lint_table *table,
    struct lint *lint, struct err *err) NODISCARD;

/* Logs the warnings, and all refusals when there are several. HALT with code CONFIG: the
 * first refusal's place and sentence. */
enum fate lint_settle(const struct lint *lint, struct err *err) NODISCARD;

/* Everything but the topics and ClickHouse, as enrich's start: Connect that is away is
 * passed over with a warning unless `whole`; whole also watches the slot. RETRY: Postgres
 * (or, when whole, Connect) cannot be reached. */
enum fate lint_source(struct pg *pg, const struct pipeline *pipeline, bool whole,
    struct lint *lint, struct err *err) NODISCARD;
enum fate lint_start(
    struct pg *pg, const struct pipeline *pipeline, bool whole, struct err *err) NODISCARD;

#endif
