/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "engine/plan_make.h"

/* The rows of one table of information_schema or pg_catalog, being written. */
struct rows {
	const struct maker *m;
	struct buf *out;
	size_t count;
};

static void
text(struct rows *r, const char *s, bool first)
{
	buf_cstr(r->out, first ? (r->count++ ? ",(" : "(") : ",");
	dialect_text(r->out, DIALECT_POSTGRES, s);
}

static void
table_row(struct rows *r, const struct registry_table *t)
{
	text(r, "app", true);
	text(r, t->table.schema, false);
	text(r, t->table.name, false);
	text(r, "BASE TABLE", false);
	buf_byte(r->out, ')');
}

static void
column_rows(struct rows *r, const struct registry_table *t)
{
	struct buf type = { 0 };

	for (size_t i = 0; i < t->table.column_count; i++) {
		text(r, "app", true);
		text(r, t->table.schema, false);
		text(r, t->table.name, false);
		text(r, t->table.columns[i].name, false);
		buf_printf(r->out, ",%zu", i + 1);
		type.len = 0;
		type_print(&type, t->table.columns[i].type);
		text(r, buf_str(&type), false);
		buf_byte(r->out, ')');
	}
	buf_finish(&type);
}

static void
pg_table_row(struct rows *r, const struct registry_table *t)
{
	text(r, t->table.schema, true);
	text(r, t->table.name, false);
	text(r, "sluice", false);
	buf_byte(r->out, ')');
}

/* Only what the role may name: the rest does not exist for it. */
static void
all_rows(struct rows *r, const struct sql_table *of)
{
	const struct registry *registry = r->m->registry;

	for (size_t i = 0; i < registry->table_count; i++) {
		const struct registry_table *t = &registry->tables[i];

		if (!registry_may_name(r->m->request->role, t))
			continue;
		if (strcmp(of->name, "tables") == 0)
			table_row(r, t);
		else if (strcmp(of->name, "columns") == 0)
			column_rows(r, t);
		else
			pg_table_row(r, t);
	}
}

/* One row of NULLs, typed, for a table without any. */
static void
null_row(const struct sql_table *of, struct buf *out)
{
	for (size_t i = 0; i < of->column_count; i++) {
		buf_cstr(out, i ? ",NULL::" : "(NULL::");
		type_print(out, of->columns[i].type);
	}
	buf_byte(out, ')');
}

static void
scan(void *ctx, const struct sql_table *of, struct dialect_scan *ret)
{
	struct maker *m = ctx;
	struct buf out = { 0 };
	struct rows rows = { .m = m, .out = &out };

	buf_cstr(&out, "(SELECT * FROM (VALUES ");
	all_rows(&rows, of);
	if (rows.count == 0)
		null_row(of, &out);
	buf_cstr(&out, ") AS v(");
	for (size_t i = 0; i < of->column_count; i++) {
		buf_cstr(&out, i ? "," : "");
		dialect_name(&out, DIALECT_POSTGRES, of->columns[i].name);
	}
	buf_cstr(&out, rows.count ? "))" : ") WHERE false)");
	ret->rows = arena_copy(m->arena, buf_view(&out));
	must(ret->rows.p);
	buf_finish(&out);
}

bool
plan_metadata(struct maker *m)
{
	struct dialect dialect = { .dialect = DIALECT_POSTGRES, .ctx = m, .scan = scan };
	int postgres = registry_engine_of_kind(m->registry, ENGINE_POSTGRES);
	struct ast_trouble trouble;
	struct buf sql = { 0 };

	if (postgres == ENGINE_NONE || m->plan->explain || m->facts.param_max)
		return plan_refuse(m, STAGE_RESOLVE, "UNSUPPORTED", -1,
		    "a statement about the registry takes Postgres, no EXPLAIN, and no "
		    "parameters");
	if (m->statement->kind == STATEMENT_SHOW) {
		m->plan->sql[postgres] =
		    strndup(m->request->sql.p, m->request->sql.len); /* one of a few names */
		must(m->plan->sql[postgres]);
		return false;
	}
	if (m->statement->kind != STATEMENT_SELECT ||
	    !dialect_emit(&dialect, m->statement->select, &sql, &trouble)) {
		buf_finish(&sql);
		return plan_refuse(m, STAGE_RESOLVE, "UNSUPPORTED", -1,
		    "information_schema is not asked like this here");
	}
	(void)buf_str(&sql);
	m->plan->sql[postgres] = sql.p;
	return true;
}
