/* SPDX-License-Identifier: Apache-2.0 */
/* lint.h -- what cannot be exact is refused before the first record.
 *
 * lint_pipeline() looks at a compiled query, Postgres' catalogue and the connector's
 * settings, asks nobody, and gives findings: a place (file, line, column), a sentence
 * that says what goes wrong, and what mends it. A refusal keeps the worker from
 * starting; a warning is logged. The worker's start and --check use it alike. */
#ifndef WORK_LINT_H
#define WORK_LINT_H

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

/* Asks the live Postgres for the catalogue, logs the warnings. HALT with code CONFIG
 * and the first refusal's place and sentence; RETRY: Postgres cannot be reached. */
enum fate lint_start(struct pg *pg, const struct pipeline *pipeline, struct err *err) NODISCARD;

#endif
