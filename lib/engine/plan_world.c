/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/must.h"
#include "engine/plan_make.h"
#include "sql/type.h"

#define TEXT_COLUMN(n)                                                                         \
	{                                                                                      \
		.name = n, .type = {.kind = TYPE_TEXT, .oid = 25, .typmod = -1 }               \
	}
#define INT_COLUMN(n)                                                                          \
	{                                                                                      \
		.name = n, .type = {.kind = TYPE_INT4, .oid = 23, .typmod = -1 }               \
	}

static const struct sql_column tables_columns[] = { TEXT_COLUMN("table_catalog"),
	TEXT_COLUMN("table_schema"), TEXT_COLUMN("table_name"), TEXT_COLUMN("table_type") };
static const struct sql_column columns_columns[] = { TEXT_COLUMN("table_catalog"),
	TEXT_COLUMN("table_schema"), TEXT_COLUMN("table_name"), TEXT_COLUMN("column_name"),
	INT_COLUMN("ordinal_position"), TEXT_COLUMN("data_type") };
static const struct sql_column pg_tables_columns[] = { TEXT_COLUMN("schemaname"),
	TEXT_COLUMN("tablename"), TEXT_COLUMN("tableowner") };

/* What the registry answers for itself, as far as the caller may see it. */
static const struct sql_table metadata[] = {
	{ .schema = "information_schema",
	    .name = "tables",
	    .columns = tables_columns,
	    .column_count = sizeof tables_columns / sizeof *tables_columns },
	{ .schema = "information_schema",
	    .name = "columns",
	    .columns = columns_columns,
	    .column_count = sizeof columns_columns / sizeof *columns_columns },
	{ .schema = "pg_catalog",
	    .name = "pg_tables",
	    .columns = pg_tables_columns,
	    .column_count = sizeof pg_tables_columns / sizeof *pg_tables_columns },
};
enum { METADATA_TABLES = sizeof metadata / sizeof *metadata };

bool
plan_is_metadata(const struct ast_source *source)
{
	return source->table >= metadata && source->table < metadata + METADATA_TABLES;
}

const struct registry_table *
plan_table(const struct ast_source *source)
{
	/* every other table that the world hands out is the first member of its entry */
	return (const struct registry_table *)(const void *)source->table;
}

static const struct sql_table *
catalogue_table(struct maker *m, const struct ast_from *from, struct ast_trouble *trouble)
{
	for (size_t i = 0; from->schema && i < METADATA_TABLES; i++) {
		if (strcmp(metadata[i].schema, from->schema) == 0 &&
		    strcmp(metadata[i].name, from->name) == 0) {
			m->metadata++;
			return &metadata[i];
		}
	}
	return ast_no(trouble, "FORBIDDEN_RELATION", from->location,
	    "relation \"%s\" is not to be read", from->name);
}

/* A table that CREATE is about to make: no columns yet. */
static const struct sql_table *
new_table(struct maker *m, const struct ast_from *from)
{
	struct registry_table *t = arena_alloc(m->arena, sizeof *t);

	must(t);
	memset(t, 0, sizeof *t);
	t->table.schema = from->schema ? from->schema : "public";
	t->table.name = from->name;
	t->home = ENGINE_NONE;
	return &t->table;
}

static bool
creates(const struct maker *m)
{
	return m->statement->kind == STATEMENT_CREATE_AS ||
	       (m->statement->kind == STATEMENT_DDL &&
		   strcmp(m->statement->tag, "CREATE TABLE") == 0);
}

static const struct sql_table *
find_table(void *ctx, const struct ast_from *from, bool write, struct ast_trouble *trouble)
{
	struct maker *m = ctx;
	const struct registry_table *t =
	    registry_table(m->registry, from->catalog, from->schema, from->name);
	bool catalogue = from->schema && (strcmp(from->schema, "information_schema") == 0 ||
					     strncmp(from->schema, "pg_", 3) == 0);

	if (catalogue || (!t && strncmp(from->name, "pg_", 3) == 0)) {
		if (!write)
			return catalogue_table(m, from, trouble);
		return ast_no(trouble, "FORBIDDEN_RELATION", from->location,
		    "relation \"%s\" is not to be written", from->name);
	}
	if (t && registry_may_name(m->request->role, t))
		return &t->table;
	if (!t && write && !from->catalog && creates(m))
		return new_table(m, from);
	return ast_no(trouble, "UNKNOWN_TABLE", from->location,
	    "relation \"%s%s%s\" does not exist", from->schema ? from->schema : "",
	    from->schema ? "." : "", from->name);
}

static bool
may_call(void *ctx, const char *name, const struct ast_function *known)
{
	const struct maker *m = ctx;
	const struct registry_role *role = m->request->role;

	if (known && known->class != FUNCTION_WRITE)
		return true;
	for (size_t i = 0; i < role->function_count; i++) {
		if (strcmp(role->functions[i], name) == 0)
			return true;
	}
	return false;
}

struct ast_world
plan_world(struct maker *m)
{
	return (struct ast_world){ .ctx = m, .table = find_table, .function = may_call };
}
