/* SPDX-License-Identifier: Apache-2.0 */
/* The columns of a pipeline's tables, as Postgres types them. */
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "ctl/ddl.h"
#include "work/catalog.h"
#include "work/mirror.h"

enum { COLUMNS_MAX = 1600 };

static const char *
column_of(const struct pipeline_table *table, const char *field)
{
	for (size_t i = 0; i < table->column_count; i++)
		if (strcmp(table->columns[i].value, field) == 0)
			return table->columns[i].name;
	return field;
}

static void
table_say(const struct pipeline_clickhouse *c, const struct pipeline_table *t,
    const struct pipeline_list *identity, struct ddl_column *columns, size_t count,
    struct buf *out)
{
	const char *names[PIPELINE_KEYS_MAX];
	struct ddl ddl = { .database = t->database,
		.table = t->table,
		.columns = columns,
		.column_count = count,
		.identity = names,
		.identity_count = identity->count,
		.append = t->mode == MODE_APPEND,
		.operation = t->operation,
		.cluster = c->cluster,
		.replica_path = c->replica_path };

	for (size_t i = 0; i < identity->count; i++)
		names[i] = column_of(t, identity->items[i]);
	for (size_t i = 0; i < count; i++)
		columns[i].name = column_of(t, columns[i].name);
	if (out->len)
		buf_byte(out, '\n');
	ddl_write(out, &ddl);
}

/* A plain column of the fact is as it is there; anything else may be NULL. */
static bool
may_be_null(const struct sql_query *query, const struct sql_table *fact, size_t result)
{
	const struct sql_column *column;
	size_t source, at;

	if (!sql_query_result_origin(query, result, &source, &at) || source != 0)
		return true;
	column = sql_table_column(fact, sql_query_source(query, 0)->columns[at].name);
	return !column || !column->not_null;
}

static enum fate
enriched_say(struct pg *pg, const struct pipeline *p, struct buf *out, struct err *err)
{
	struct ddl_column columns[COLUMNS_MAX];
	struct sql_tables tables = { 0 };
	struct sql_catalog *catalog = NULL;
	struct sql_query *query = NULL;
	size_t count = 0;
	enum fate fate = query_open(pg, p, &query, err);

	if (fate == FATE_DONE)
		fate = sql_query_tables(p->enrich.sql, &tables, err);
	if (fate == FATE_DONE)
		fate = catalog_ask(pg, &tables, &catalog, err);
	if (fate == FATE_DONE) {
		const struct sql_source *fact = sql_query_source(query, 0);
		const struct sql_table *table =
		    sql_catalog_table(catalog, fact->schema, fact->table);

		must(table);
		for (; count < sql_query_result_count(query) && count < COLUMNS_MAX; count++)
			columns[count] =
			    (struct ddl_column){ .name = sql_query_results(query)[count].name,
				    .type = sql_query_results(query)[count].type,
				    .nullable = may_be_null(query, table, count) };
		table_say(&p->clickhouse, &p->clickhouse.tables[0], &p->enrich.identity,
		    columns, count, out);
	}
	sql_tables_free(&tables);
	sql_catalog_free(catalog);
	sql_query_free(query);
	return fate;
}

static enum fate
mirrored_say(struct pg *pg, const struct pipeline *p, const struct pipeline_table *t,
    struct buf *out, struct err *err)
{
	struct ddl_column columns[COLUMNS_MAX];
	const struct row_column *fields;
	struct mirror *mirror = NULL;
	size_t count = 0;
	enum fate fate = mirror_open(pg, &p->clickhouse, t, &mirror, err);

	if (fate != FATE_DONE)
		return fate;
	for (size_t i = 0; i < mirror_fields(mirror, &fields) && count < COLUMNS_MAX; i++)
		columns[count++] = (struct ddl_column){ .name = fields[i].name,
			.type = fields[i].type,
			.nullable = !mirror_field_not_null(mirror, i) };
	table_say(&p->clickhouse, t, mirror_identity(mirror), columns, count, out);
	mirror_free(mirror);
	return FATE_DONE;
}

enum fate
ddl_run(const struct pipeline *p, void (*say)(const char *text), struct err *err)
{
	const struct pipeline_clickhouse *c = &p->clickhouse;
	struct buf out = { 0 };
	struct pg *pg = NULL;
	enum fate fate;

	if (!p->has_clickhouse)
		return err_set(err, FATE_HALT, "%s has no part named clickhouse", p->file);
	fate = postgres_open(p, "sluicectl", &pg, err);
	if (fate == FATE_DONE && c->source == SOURCE_ENRICHED)
		fate = enriched_say(pg, p, &out, err);
	for (size_t i = 0; i < c->table_count && fate == FATE_DONE; i++)
		if (c->source == SOURCE_DEBEZIUM)
			fate = mirrored_say(pg, p, &c->tables[i], &out, err);
	if (fate == FATE_DONE) {
		out.len -= out.len > 0; /* say ends the line */
		say(buf_str(&out));
	}
	buf_finish(&out);
	pg_free(pg);
	return fate;
}
