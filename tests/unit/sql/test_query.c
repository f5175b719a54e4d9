/* SPDX-License-Identifier: Apache-2.0 */
/* The engagement query through catalogue, compiler and program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sql_fixture.h"

static const char fact_id[] = "0b0e6a5e-0000-4000-8000-000000000001";

static struct value
text_value(struct pgtype type, const char *text, struct arena *arena)
{
	struct value value;
	struct err err;

	assert_int_equal(
	    value_from_text(type, slice_str(text), arena, &value, &err), FATE_DONE);
	return value;
}

static void
fill(const struct sql_source *source, const char *const (*cells)[2], struct arena *arena,
    struct value *row)
{
	for (size_t i = 0; i < source->column_count; i++) {
		row[i] = (struct value){ .state = VALUE_NULL };
		for (size_t k = 0; cells[k][0]; k++) {
			if (strcmp(cells[k][0], source->columns[i].name) == 0)
				row[i] =
				    text_value(source->columns[i].type, cells[k][1], arena);
		}
	}
}

static const char *const event[][2] = {
	{ "id", "7" },
	{ "content_id", fact_id },
	{ "user_id", fact_id },
	{ "event_type", "play" },
	{ "event_ts", "2026-11-21 11:31:49.098096+00" },
	{ "duration_ms", "1500" },
	{ "raw_payload", "{\"a\": 1}" },
	{ NULL, NULL },
};
static const char *const content[][2] = {
	{ "id", fact_id },
	{ "content_type", "podcast" },
	{ "length_seconds", "1260" },
	{ NULL, NULL },
};

static void
prints(const struct sql_query *query, const struct value *out, const char *name,
    const char *wanted)
{
	struct buf text = { 0 };

	for (size_t i = 0; i < sql_query_result_count(query); i++) {
		const struct row_column *col = &sql_query_results(query)[i];

		if (strcmp(col->name, name) != 0)
			continue;
		assert_int_equal(out[i].state, wanted ? VALUE_SET : VALUE_NULL);
		if (wanted) {
			value_to_text(&text, col->type, &out[i]);
			assert_string_equal(buf_str(&text), wanted);
		}
		buf_finish(&text);
		return;
	}
	fail_msg("no column %s", name);
}

static void
test_engagement(void **state)
{
	struct sql_query *query =
	    fixture_query(*state, fixture_file("sql/enrich/engagement.sql"));
	const struct value *rows[2];
	struct value fact[16], dim[16], out[12], key[1];
	struct sql_env env = { .rows = rows };
	struct arena arena;
	struct err err;
	bool passes, null;

	arena_init(&arena, 1 << 20);
	assert_int_equal(sql_query_source_count(query), 2);
	assert_int_equal(sql_query_result_count(query), 12);
	fill(sql_query_source(query, 0), event, &arena, fact);
	fill(sql_query_source(query, 1), content, &arena, dim);
	rows[0] = fact;
	rows[1] = dim;
	assert_int_equal(sql_query_key(query, 1, &env, &arena, key, &null, &err), FATE_DONE);
	assert_false(null);
	assert_memory_equal(key[0].uuid, dim[0].uuid, 16);
	assert_int_equal(sql_query_run(query, &env, &arena, out, &passes, &err), FATE_DONE);
	assert_true(passes);
	prints(query, out, "id", "7");
	prints(query, out, "device", NULL);
	prints(query, out, "content_type", "podcast");
	prints(query, out, "engagement_seconds", "1.500");
	prints(query, out, "engagement_pct", "0.12");
	rows[1] = NULL;
	assert_int_equal(sql_query_run(query, &env, &arena, out, &passes, &err), FATE_DONE);
	assert_true(passes);
	prints(query, out, "content_type", NULL);
	prints(query, out, "engagement_seconds", "1.500");
	prints(query, out, "engagement_pct", NULL);
	arena_finish(&arena);
	sql_query_free(query);
}

static void
test_shape(void **state)
{
	struct sql_query *query =
	    fixture_query(*state, fixture_file("sql/enrich/engagement.sql"));
	const struct sql_source *fact = sql_query_source(query, 0);
	const struct sql_source *dim = sql_query_source(query, 1);
	size_t source, column;

	assert_string_equal(fact->schema, "public");
	assert_string_equal(fact->table, "engagement_events");
	assert_int_equal(fact->key_count, 1);
	assert_string_equal(fact->columns[fact->key[0]].name, "id");
	assert_int_equal(dim->join, SQL_LEFT);
	assert_int_equal(dim->key_count, 1);
	assert_string_equal(dim->columns[dim->key[0]].name, "id");
	assert_int_equal(dim->column_count, 3); /* id, content_type, length_seconds */
	assert_true(dim->needed);
	assert_true(sql_query_result_origin(query, 7, &source, &column));
	assert_int_equal(source, 1);
	assert_string_equal(dim->columns[column].name, "content_type");
	assert_false(sql_query_result_origin(query, 9, &source, &column));
	sql_query_free(query);
}

/* The view of sql/postgres is the query of sql/enrich. */
static void
test_view_is_query(void **state)
{
	char *query = fixture_file("sql/enrich/engagement.sql");
	char *setup = fixture_file("sql/postgres/engagement.sql");
	char *select = strstr(query, "SELECT e.id");

	(void)state;
	assert_non_null(select);
	assert_non_null(strstr(setup, select));
	free(query);
	free(setup);
}

static void
test_described(void **state)
{
	struct sql_query *query =
	    fixture_query(*state, strdup("SELECT id, duration_ms::numeric(9,2) AS d FROM "
					 "engagement_events"));
	struct sql_described columns[2] = { { "id", 20, -1 },
		{ "d", 1700, (9 << 16 | 2) + 4 } };
	struct err err;

	assert_int_equal(sql_query_result_text_check(query, columns, 2, &err), FATE_DONE);
	columns[1].typmod = -1;
	assert_int_equal(sql_query_result_text_check(query, columns, 2, &err), FATE_HALT);
	assert_non_null(strstr(err.what, "\"d\""));
	columns[1].typmod = (9 << 16 | 2) + 4;
	columns[0].oid = 23;
	assert_int_equal(sql_query_result_text_check(query, columns, 2, &err), FATE_HALT);
	assert_int_equal(sql_query_result_text_check(query, columns, 1, &err), FATE_HALT);
	sql_query_free(query);
}

static void
test_inner_and_where(void **state)
{
	struct sql_query *query = fixture_query(*state,
	    strdup("SELECT e.id FROM engagement_events e JOIN content c ON e.content_id = c.id "
		   "WHERE c.length_seconds > 1000"));
	const struct value *rows[2] = { NULL, NULL };
	struct value fact[16], dim[16], out[1];
	struct sql_env env = { .rows = rows };
	struct arena arena;
	struct err err;
	bool passes = true;

	arena_init(&arena, 1 << 20);
	fill(sql_query_source(query, 0), event, &arena, fact);
	fill(sql_query_source(query, 1), content, &arena, dim);
	rows[0] = fact;
	assert_int_equal(sql_query_run(query, &env, &arena, out, &passes, &err), FATE_DONE);
	assert_false(passes);
	rows[1] = dim;
	assert_int_equal(sql_query_run(query, &env, &arena, out, &passes, &err), FATE_DONE);
	assert_true(passes);
	for (size_t i = 0; i < sql_query_source(query, 1)->column_count; i++) {
		if (strcmp(sql_query_source(query, 1)->columns[i].name, "length_seconds") == 0)
			dim[i].state = VALUE_NULL;
	}
	assert_int_equal(sql_query_run(query, &env, &arena, out, &passes, &err), FATE_DONE);
	assert_false(passes);
	arena_finish(&arena);
	sql_query_free(query);
}

static void
test_score(void **state)
{
	static const char *const texts[] = { "content_id", "event_ts",
		"CASE event_type WHEN 'play' THEN 1 WHEN 'finish' THEN 1 WHEN 'click' THEN 0.2 "
		"ELSE "
		"0 END",
		"duration_ms / 1000.0", "(duration_ms / 1000.0)::numeric(18,3) * 2",
		"duration_ms" };
	const struct row_column columns[] = {
		{ "content_id", { TYPE_UUID, 0, 2950, -1 } },
		{ "event_type", { TYPE_TEXT, 0, 25, -1 } },
		{ "event_ts", { TYPE_TIMESTAMPTZ, 0, 1184, -1 } },
		{ "duration_ms", { TYPE_INT4, 0, 23, -1 } },
		{ "device", { TYPE_TEXT, 0, 25, -1 } },
	};
	static const char *const cells[][2] = { { "play", "1" }, { "click", "0.2" },
		{ "pause", "0" } };
	struct value row[5] = { { .state = VALUE_NULL } }, out[6];
	const struct value *rows[1] = { row };
	struct sql_env env = { .rows = rows };
	struct sql_exprs *exprs;
	struct buf text = { 0 };
	struct arena arena;
	bool used[5];
	struct err err;

	(void)state;
	arena_init(&arena, 1 << 20);
	assert_int_equal(sql_exprs_compile(columns, 5, texts, 6, &exprs, &err), FATE_DONE);
	assert_int_equal(sql_expr_scale(exprs, 2), 1);
	assert_int_equal(sql_expr_scale(exprs, 3), -1);
	assert_int_equal(sql_expr_scale(exprs, 4), 3);
	assert_int_equal(sql_expr_scale(exprs, 5), 0);
	assert_int_equal(sql_exprs_type(exprs, 0).kind, TYPE_UUID);
	assert_int_equal(sql_exprs_type(exprs, 2).kind, TYPE_NUMERIC);
	sql_exprs_used(exprs, used);
	assert_true(used[0] && used[1] && used[2] && used[3] && !used[4]);
	for (size_t i = 0; i < 3; i++) {
		row[1] = text_value(columns[1].type, cells[i][0], &arena);
		assert_int_equal(sql_exprs_run(exprs, &env, &arena, out, &err), FATE_DONE);
		text.len = 0;
		value_to_text(&text, sql_exprs_type(exprs, 2), &out[2]);
		assert_string_equal(buf_str(&text), cells[i][1]);
	}
	buf_finish(&text);
	sql_exprs_free(exprs);
	assert_int_equal(
	    sql_exprs_compile(columns, 5, &(const char *){ "nope + 1" }, 1, &exprs, &err),
	    FATE_HALT);
	assert_non_null(strstr(err.what, "1:1: column \"nope\""));
	assert_int_equal(
	    sql_exprs_compile(columns, 5, &(const char *){ "1, 2" }, 1, &exprs, &err),
	    FATE_HALT);
	arena_finish(&arena);
}

static void
test_tables(void **state)
{
	struct sql_tables tables;
	struct err err;

	(void)state;
	assert_int_equal(
	    sql_query_tables(
		SLICE("SELECT 1 FROM inventory.orders o JOIN \"Odd Name\" x ON x.a = "
		      "o.a JOIN inventory.orders p ON p.a = o.a"),
		&tables, &err),
	    FATE_DONE);
	assert_int_equal(tables.count, 2);
	assert_string_equal(tables.names[0].schema, "inventory");
	assert_string_equal(tables.names[0].name, "orders");
	assert_null(tables.names[1].schema);
	assert_string_equal(tables.names[1].name, "Odd Name");
	sql_tables_free(&tables);
	assert_int_equal(sql_query_tables(SLICE("SELEC 1"), &tables, &err), FATE_HALT);
	assert_non_null(strstr(err.what, "1:1: syntax error"));
	assert_int_equal(
	    sql_query_tables(SLICE("SELECT * FROM (SELECT 1) x"), &tables, &err), FATE_HALT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_engagement),
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_view_is_query),
		cmocka_unit_test(test_described),
		cmocka_unit_test(test_inner_and_where),
		cmocka_unit_test(test_score),
		cmocka_unit_test(test_tables),
	};

	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
