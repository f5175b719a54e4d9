/* SPDX-License-Identifier: Apache-2.0 */
#include "work/catalog.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "sql/dialect.h"
#include "work/lines.h"
#include "work/statements.h"
#include "work/worker.h"

enum fate
postgres_open(const struct pipeline *pipeline, const char *application_name, struct pg **ret_pg,
    struct err *err)
{
	const struct pipeline_postgres *p = &pipeline->postgres;
	char port[8];
	struct pg_options options = { .host = p->host,
		.port = port,
		.dbname = p->database,
		.user = p->user,
		.password = p->password && *p->password ? p->password : NULL,
		.application_name = application_name,
		.search_path = "public",
		.statement_timeout_ms = p->statement_timeout_ms };

	(void)snprintf(port, sizeof port, "%" PRId64, p->port);
	return pg_new(&options, ret_pg, err);
}

enum fate
catalog_ask(struct pg *pg, const struct sql_tables *tables, struct sql_catalog **ret_catalog,
    struct err *err)
{
	struct buf names = { 0 }, name = { 0 };
	struct pg_result result = { 0 };
	struct slice params[2];
	enum fate fate;

	pg_array_begin(&names);
	for (size_t i = 0; i < tables->count; i++) {
		name.len = 0;
		if (tables->names[i].schema) {
			dialect_name(&name, DIALECT_POSTGRES, tables->names[i].schema);
			buf_byte(&name, '.');
		}
		dialect_name(&name, DIALECT_POSTGRES, tables->names[i].name);
		pg_array_add(&names, buf_view(&name));
	}
	pg_array_end(&names);
	params[0] = buf_view(&names);
	params[1] = SLICE("true"); /* with the database's case mapping */
	fate = pg_query(
	    pg, &(struct pg_query){ statement_postgres_catalog, params, 2 }, &result, err);
	if (fate == FATE_DONE) {
		must(result.row_count == 1);
		fate = sql_catalog_parse(pg_result_text(&result, 0, 0), ret_catalog, err);
	}
	pg_result_clear(&result);
	buf_finish(&names);
	buf_finish(&name);
	return fate == FATE_DONE ? fate : err_wrap(err, "ask Postgres' catalogue");
}

/* Postgres prepares the same text: its word on every result column. */
static enum fate
query_crosscheck(
    struct pg *pg, const struct pipeline *pipeline, struct sql_query *query, struct err *err)
{
	struct pg_result result = { 0 };
	struct sql_described *columns;
	enum fate fate = pg_describe(pg, pipeline->enrich.sql.p, &result, err);

	if (fate != FATE_DONE)
		return err_wrap(err, "Postgres prepares %s", pipeline->enrich.sql_file);
	columns = calloc(result.column_count + 1, sizeof *columns);
	must(columns);
	for (size_t i = 0; i < result.column_count; i++) {
		struct pg_column column = pg_result_column(&result, i);

		columns[i] = (struct sql_described){ column.name, column.type, column.typmod };
	}
	fate = sql_query_result_text_check(query, columns, result.column_count, err);
	free(columns);
	pg_result_clear(&result);
	return fate;
}

/* A HALT here is found before the first record: exit 2. */
static enum fate
config_halt(const struct pipeline *pipeline, enum fate fate, struct err *err)
{
	if (fate == FATE_REJECT)
		err->fate = fate = FATE_HALT;
	if (fate == FATE_HALT) {
		err_wrap(err, "%s", pipeline->enrich.sql_file);
		(void)snprintf(err->code, sizeof err->code, "%s", CODE_CONFIG);
	}
	return fate;
}

enum fate
catalog_open(struct pg *pg, const struct pipeline *pipeline, struct sql_catalog **ret_catalog,
    struct err *err)
{
	struct sql_tables tables = { 0 };
	enum fate fate = sql_query_tables(pipeline->enrich.sql, &tables, err);

	if (fate == FATE_DONE)
		fate = catalog_ask(pg, &tables, ret_catalog, err);
	sql_tables_free(&tables);
	return config_halt(pipeline, fate, err);
}

enum fate
catalog_read(const char *path, struct sql_catalog **ret_catalog, struct err *err)
{
	struct buf text = { 0 };
	enum fate fate = file_read(path, &text, err);

	if (fate == FATE_DONE && sql_catalog_parse(buf_view(&text), ret_catalog, err))
		fate = err_wrap(err, "%s", path);
	buf_finish(&text);
	return fate;
}

enum fate
query_compile(const struct sql_catalog *catalog, const struct pipeline *pipeline,
    struct sql_query **ret_query, struct err *err)
{
	return config_halt(
	    pipeline, sql_query_compile(catalog, pipeline->enrich.sql, ret_query, err), err);
}

enum fate
query_open(struct pg *pg, const struct pipeline *pipeline, struct sql_query **ret_query,
    struct err *err)
{
	struct sql_catalog *catalog = NULL;
	struct sql_query *query = NULL;
	enum fate fate = catalog_open(pg, pipeline, &catalog, err);

	if (fate == FATE_DONE)
		fate = query_compile(catalog, pipeline, &query, err);
	sql_catalog_free(catalog);
	if (fate != FATE_DONE)
		return fate;
	fate = query_crosscheck(pg, pipeline, query, err);
	if (fate != FATE_DONE) {
		sql_query_free(query);
		return config_halt(pipeline, fate, err);
	}
	*ret_query = query;
	return FATE_DONE;
}

static enum fate
query_patiently(struct pg *pg, struct work *work, struct sql_query **ret, struct err *err)
{
	struct pause pause = { 0 };

	for (;;) {
		enum fate fate = query_open(pg, work->pipeline, ret, err);

		if (fate != FATE_RETRY || work->check_only || work_stopping())
			return fate;
		work_status(false, "waiting for Postgres: %s", err->what);
		pause_wait(&pause);
	}
}

enum fate
query_for_types(struct work *work, struct sql_query **ret_query, struct err *err)
{
	struct pg *pg = NULL;
	enum fate fate = postgres_open(work->pipeline, work->member, &pg, err);

	if (fate == FATE_DONE)
		fate = query_patiently(pg, work, ret_query, err);
	pg_free(pg);
	return fate;
}

enum fate
query_fact_column(const struct sql_query *query, const char *name, size_t *ret_result,
    size_t *ret_column, struct err *err)
{
	const struct row_column *results = sql_query_results(query);
	size_t source;

	for (size_t i = 0; i < sql_query_result_count(query); i++) {
		if (strcmp(results[i].name, name) != 0)
			continue;
		if (!sql_query_result_origin(query, i, &source, ret_column) || source != 0)
			return err_code(err, FATE_HALT, CODE_CONFIG,
			    "column %s places rows, so it must be a plain column of %s", name,
			    sql_query_source(query, 0)->table);
		*ret_result = i;
		return FATE_DONE;
	}
	return err_code(err, FATE_HALT, CODE_CONFIG, "the query has no column %s", name);
}
