/* SPDX-License-Identifier: Apache-2.0 */
/* catalog.h -- the enrichment query, compiled against the live Postgres.
 *
 * Asks the catalogue for the tables that the SQL names, compiles, and has Postgres
 * PREPARE the same text: a result column whose name, type or typmod differs is a
 * HALT that names it. RETRY while Postgres cannot be reached. */
#ifndef WORK_CATALOG_H
#define WORK_CATALOG_H

#include "base/err.h"
#include "link/pg.h"
#include "sql/query.h"
#include "work/pipeline.h"

/* Not connected yet; application_name is the worker's member name. */
enum fate postgres_open(const struct pipeline *pipeline, const char *application_name,
    struct pg **ret_pg, struct err *err) NODISCARD;

/* What the catalogue says of the tables. */
enum fate catalog_ask(struct pg *pg, const struct sql_tables *tables,
    struct sql_catalog **ret_catalog, struct err *err) NODISCARD;

/* What the live Postgres says of the query's tables; or a file that holds the same
 * document (sql/postgres/catalog.sql writes it). */
enum fate catalog_open(struct pg *pg, const struct pipeline *pipeline,
    struct sql_catalog **ret_catalog, struct err *err) NODISCARD;
enum fate catalog_read(
    const char *path, struct sql_catalog **ret_catalog, struct err *err) NODISCARD;

/* Without a cross-check. */
enum fate query_compile(const struct sql_catalog *catalog, const struct pipeline *pipeline,
    struct sql_query **ret_query, struct err *err) NODISCARD;

enum fate query_open(struct pg *pg, const struct pipeline *pipeline,
    struct sql_query **ret_query, struct err *err) NODISCARD;

/* For a worker that needs the types alone, over a connection that is closed again. It waits
 * for a Postgres that is away, unless the work is a check; RETRY: a check's, or told to stop.
 */
struct work;
enum fate query_for_types(
    struct work *work, struct sql_query **ret_query, struct err *err) NODISCARD;

/* The result column of that name; HALT (the pipeline file's list names no such column,
 * or it is not a plain column of the fact). */
enum fate query_fact_column(const struct sql_query *query, const char *name, size_t *ret_result,
    size_t *ret_column, struct err *err) NODISCARD;

#endif
