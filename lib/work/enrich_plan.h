/* SPDX-License-Identifier: Apache-2.0 */
/* enrich_plan.h -- all that stays the same between two records: the compiled query,
 * where keys and identity stand, caches, lookups and the JSON around the values. */
#ifndef WORK_ENRICH_PLAN_H
#define WORK_ENRICH_PLAN_H

#include "link/pg.h"
#include "sql/query.h"
#include "work/dimension.h"
#include "work/lookup.h"
#include "work/pipeline.h"

/* A result column that is a plain column of the fact. */
struct plan_column {
	size_t result; /* index into the query's results */
	size_t column; /* index into the fact's used columns */
	const char *name;
	struct pgtype type;
	struct buf member; /* the name as JSON behind what precedes it: {"name": */
};

struct plan_list {
	struct plan_column items[PIPELINE_KEYS_MAX];
	size_t count;
};

struct watch;

struct enrich_plan {
	const struct pipeline *pipeline;
	struct sql_query *query;
	const struct sql_source *fact;
	struct change_reader *fact_change; /* reads the fact's events */
	struct row_plan *fact_row;         /* reads the fact's used columns */
	size_t source_count;
	struct lookup *lookups[SQL_SOURCES_MAX];       /* [0]: the fact itself, by key */
	struct dimension *dimensions[SQL_SOURCES_MAX]; /* caches; [0] is NULL */
	struct watch *watch; /* over the columns that the query uses; NULL without a Postgres */
	struct plan_list key, identity;
	struct buf *members; /* a result column's name as JSON: "name": */
	size_t result_count;
	char fact_topic[256]; /* prefix.schema.table */
	char table[160];      /* schema.table */
	size_t table_len;
};

/* Asks Postgres. RETRY: it cannot be reached. HALT with code CONFIG. */
enum fate enrich_plan_open(struct pg *pg, const struct pipeline *pipeline,
    struct enrich_plan **ret_plan, struct err *err) NODISCARD;
/* The same for a compiled query, which the plan takes over, also when it fails. */
enum fate enrich_plan_of(struct sql_query *query, const struct pipeline *pipeline,
    struct enrich_plan **ret_plan, struct err *err) NODISCARD;
void enrich_plan_free(struct enrich_plan *plan); /* accepts NULL */

#endif
