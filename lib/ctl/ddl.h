/* SPDX-License-Identifier: Apache-2.0 */
/* ddl.h -- the statements that make a pipeline's tables in ClickHouse.
 *
 * ddl_write() is pure: columns as Postgres types them become the nearest ClickHouse
 * types, NULL only where the column can be NULL and does not place a row, with
 * LowCardinality for enums and texts of few characters, and a codec where values follow
 * each other. With a cluster every statement is ON CLUSTER and the engine is replicated.
 * ddl_run() asks Postgres for the columns. Statements end with ; at the end of a line. */
#ifndef CTL_DDL_H
#define CTL_DDL_H

#include "base/buf.h"
#include "wire/change.h"
#include "work/pipeline.h"

struct ddl_column {
	const char *name; /* in ClickHouse */
	struct pgtype type;
	bool nullable;
};

struct ddl {
	const char *database, *table;
	const struct ddl_column *columns;
	size_t column_count;
	const char *const *identity; /* columns; of append: the key */
	size_t identity_count;
	bool append;
	const char *operation;    /* column of append; NULL: none */
	const char *cluster;      /* NULL: one server */
	const char *replica_path; /* NULL: /clickhouse/tables/{shard}/DATABASE/TABLE */
};

void ddl_write(struct buf *out, const struct ddl *ddl);

/* One text, all tables of the pipeline. RETRY: Postgres cannot be reached. */
enum fate ddl_run(
    const struct pipeline *pipeline, void (*say)(const char *text), struct err *err) NODISCARD;

#endif
