/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine_fixture.h"

/* What an engine is asked, or (after "!") why it is not. */
static const struct {
	const char *engine, *sql, *wanted;
} rows[] = {
	{ "clickhouse", "SELECT count(*) FILTER (WHERE score > 3) FROM users",
	    "SELECT toInt64(countIf((t1.\"score\" > toInt32(3)))) AS c1 FROM "
	    "\"thm\".\"users_current\" AS t1" },
	{ "trino", "SELECT count(*) FILTER (WHERE score > 3) FROM users",
	    "SELECT count(*) FILTER (WHERE (t1.\"score\" > 3)) AS c1 FROM "
	    "\"pg\".\"public\".\"users\" AS t1" },
	{ "clickhouse", "SELECT sum(score), sum(id), sum(amount) FROM users",
	    "SELECT sumOrNull(toInt64(t1.\"score\")) AS c1, sumOrNull(toInt128(t1.\"id\")) AS "
	    "c2, sumOrNull(t1.\"amount\") AS c3 FROM \"thm\".\"users_current\" AS t1" },
	{ "trino", "SELECT sum(score), sum(id) FROM users",
	    "SELECT sum(t1.\"score\") AS c1, sum(CAST(t1.\"id\" AS DECIMAL(38, 0))) AS c2 FROM "
	    "\"pg\".\"public\".\"users\" AS t1" },
	{ "clickhouse", "SELECT id FROM users WHERE name = 'it''s \\'",
	    "SELECT t1.\"id\" AS c1 FROM \"thm\".\"users_current\" AS t1 WHERE (t1.\"name\" = "
	    "'it\\'s \\\\')" },
	{ "trino", "SELECT id FROM users WHERE name = 'it''s \\'",
	    "SELECT t1.\"id\" AS c1 FROM \"pg\".\"public\".\"users\" AS t1 WHERE (t1.\"name\" "
	    "= 'it''s \\')" },
	{ "clickhouse", "SELECT score + 1, score / 2 FROM users",
	    "SELECT accurateCast(toInt64(t1.\"score\") + toInt64(toInt32(1)), "
	    "'Nullable(Int32)') AS c1, intDiv(t1.\"score\", toInt32(2)) AS c2 FROM "
	    "\"thm\".\"users_current\" AS t1" },
	{ "clickhouse", "SELECT id FROM users WHERE score NOT IN (1, 2) LIMIT 5 OFFSET 2",
	    "SELECT t1.\"id\" AS c1 FROM \"thm\".\"users_current\" AS t1 WHERE "
	    "((t1.\"score\" <> toInt32(1)) AND (t1.\"score\" <> toInt32(2))) LIMIT 5 OFFSET "
	    "2" },
	{ "clickhouse", "SELECT sum(CASE WHEN role = 'a' THEN NULL ELSE score END) FROM users",
	    "SELECT sumOrNull(toInt64(CASE WHEN ifNull((t1.\"role\" = 'a'), false) THEN NULL "
	    "ELSE "
	    "t1.\"score\" END)) AS c1 FROM \"thm\".\"users_current\" AS t1" },
	{ "clickhouse", "SELECT id FROM users WHERE score", "!a condition that is no boolean" },
	{ "trino", "SELECT id FROM users WHERE NOT score AND true",
	    "!a condition that is no boolean" },
	{ "clickhouse", "SELECT id FROM users WHERE score = nullif(1, 1)",
	    "!nullif of constants" },
	{ "clickhouse", "SELECT id FROM users WHERE score NOT IN (1, NULL)", "!NULL here" },
	{ "clickhouse", "SELECT id FROM users WHERE NOT (score = 1 AND NULL)", "!NULL here" },
	{ "clickhouse", "SELECT id FROM users WHERE amount IN (1.5, 2.5, 1.005)",
	    "!a number of so many digits" },
	{ "trino", "SELECT id FROM users LIMIT 5 OFFSET 2",
	    "SELECT t1.\"id\" AS c1 FROM \"pg\".\"public\".\"users\" AS t1 OFFSET 2 LIMIT 5" },
	{ "clickhouse", "SELECT name AS final, role AS name FROM users settings",
	    "SELECT t1.\"name\" AS c1, t1.\"role\" AS c2 FROM \"thm\".\"users_current\" AS "
	    "t1" },
	{ "trino", "SELECT a.id FROM a NATURAL JOIN b",
	    "SELECT t1.\"id\" AS c1 FROM (\"pg\".\"public\".\"a\" AS t1 INNER JOIN "
	    "\"pg\".\"public\".\"b\" AS t2 ON (t1.\"id\" = t2.\"id\") AND (t1.\"x\" = "
	    "t2.\"x\") AND (t1.\"y\" = t2.\"y\"))" },
	{ "trino", "SELECT a.id FROM a WHERE x IN (SELECT y FROM b)",
	    "SELECT t1.\"id\" AS c1 FROM \"pg\".\"public\".\"a\" AS t1 WHERE (t1.\"x\" IN "
	    "(SELECT t2.\"y\" AS c1 FROM \"pg\".\"public\".\"b\" AS t2))" },
	{ "clickhouse", "WITH t AS (SELECT id FROM users) SELECT count(*) FROM t",
	    "SELECT toInt64(count()) AS c1 FROM (SELECT t1.\"id\" AS c1 FROM "
	    "\"thm\".\"users_current\" AS t1) AS t2" },
	{ "clickhouse", "SELECT id FROM a UNION SELECT id FROM b ORDER BY 1 LIMIT 3",
	    "SELECT u.c1 AS c1 FROM ((SELECT t1.\"id\" AS c1 FROM \"thm\".\"a_current\" AS "
	    "t1) UNION DISTINCT (SELECT t2.\"id\" AS c1 FROM \"thm\".\"b_current\" AS t2)) AS "
	    "u ORDER BY u.c1 ASC NULLS LAST LIMIT 3" },
	{ "clickhouse", "SELECT id FROM users WHERE at > '2026-01-02 03:04:05'",
	    "SELECT t1.\"id\" AS c1 FROM \"thm\".\"users_current\" AS t1 WHERE (t1.\"at\" > "
	    "toDateTime64('2026-01-02 03:04:05.000000', 6, 'UTC'))" },
	{ "trino", "SELECT id FROM users WHERE at > '2026-01-02 03:04:05.25'",
	    "SELECT t1.\"id\" AS c1 FROM \"pg\".\"public\".\"users\" AS t1 WHERE (t1.\"at\" > "
	    "TIMESTAMP '2026-01-02 03:04:05.250000 UTC')" },
	{ "duckdb", "SELECT region, sum(amount) FROM rev GROUP BY 1 ORDER BY 2 DESC",
	    "SELECT t1.\"region\" AS c1, sum(t1.\"amount\") AS c2 FROM \"rev\" AS t1 GROUP BY "
	    "t1.\"region\" ORDER BY sum(t1.\"amount\") DESC NULLS FIRST" },
	{ "duckdb", "SELECT amount / 2 FROM rev",
	    "SELECT (t1.\"amount\" // CAST(2 AS INTEGER)) AS c1 FROM \"rev\" AS t1" },
	{ "duckdb", "SELECT amount / amount FROM rev",
	    "!integer division by anything but a constant" },
	{ "clickhouse", "SELECT avg(score) FROM users",
	    "SELECT sumOrNull(toInt64(t1.\"score\")) AS w1, toInt64(count(t1.\"score\")) AS "
	    "w2 FROM \"thm\".\"users_current\" AS t1" },
	{ "clickhouse", "SELECT id FROM users GROUP BY id HAVING avg(score) > 1",
	    "!a comparison of different types" },
	{ "clickhouse", "SELECT max(name) FROM users", "!order of text by locale" },
	{ "clickhouse", "SELECT id FROM users WHERE score / user_id > 1",
	    "!integer division by anything but a constant" },
	{ "clickhouse", "SELECT amount * 2 FROM users", "!arithmetic on other than integers" },
	{ "clickhouse", "SELECT id FROM users WHERE name LIKE 'a_'", "!LIKE with _" },
	{ "clickhouse", "SELECT id FROM users WHERE at > '2026-02-30'",
	    "!a timestamp not written YYYY-MM-DD HH:MM:SS" },
	{ "clickhouse", "SELECT name, count(*) FROM users GROUP BY id",
	    "!a column outside GROUP BY" },
	{ "clickhouse", "SELECT u.id FROM users u JOIN depts d ON u.id = d.id", "!join" },
	{ "trino", "SELECT x FROM a FULL JOIN b USING (x)", "!USING in RIGHT or FULL JOIN" },
	{ "trino", "SELECT sum(score) OVER (ORDER BY id) FROM users", "!window function sum" },
	{ "trino", "SELECT id FROM users WHERE id > $1",
	    "SELECT t1.\"id\" AS c1 FROM \"pg\".\"public\".\"users\" AS t1 WHERE (t1.\"id\" > "
	    "$1)" },
	{ "trino", "SELECT id FROM users WHERE id = ANY($1)",
	    "!a parameter whose type is not known" },
	{ "clickhouse", "SELECT coalesce(1.5, 2.25) FROM users",
	    "!coalesce of different types" },
	{ "clickhouse", "SELECT now() FROM users", "!function now" },
	{ "clickhouse", "SELECT users FROM users", "!a result of this type" },
	{ "clickhouse", "SELECT greatest(score, 1) FROM users", "!greatest" },
	{ "clickhouse", "SELECT id FROM a EXCEPT SELECT id FROM b", "!EXCEPT" },
};

static const char *
why_dropped(const struct asked *asked, int engine)
{
	for (size_t i = 0; i < asked->decision.trace.count; i++) {
		const struct trace_item *item = &asked->decision.trace.items[i];

		if (item->engine == engine && item->verdict == VERDICT_DROPPED)
			return item->detail;
	}
	return "nothing";
}

static void
nodes_are_exact_rewritten_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int engine = registry_engine(fixture, rows[i].engine);
		struct asked asked = ask("admin", rows[i].sql);
		bool refused = rows[i].wanted[0] == '!';
		const char *sql = asked.plan->sql[engine];
		const char *got = refused ? why_dropped(&asked, engine) : sql ? sql : "nothing";

		if (strcmp(got, rows[i].wanted + refused) != 0 || (refused && sql))
			fail_msg("%s for %s:\n%s\n%s", rows[i].sql, rows[i].engine, got,
			    rows[i].wanted);
		plan_free(asked.plan);
	}
}

static void
results_keep_postgres_names_and_types(void **state)
{
	static const struct {
		const char *name;
		int kind;
	} wanted[] = { { "count", TYPE_INT8 }, { "sum", TYPE_NUMERIC }, { "name", TYPE_TEXT },
		{ "case", TYPE_INT4 }, { "?column?", TYPE_INT8 }, { "int4", TYPE_INT4 },
		{ "x", TYPE_BOOL } };
	struct asked asked = ask("admin",
	    "SELECT count(*), sum(id), name, CASE WHEN true THEN 1 END, id + 1, '5'::int, "
	    "id > 3 AS x FROM users GROUP BY id, name");

	(void)state;
	assert_int_equal(asked.plan->column_count, sizeof wanted / sizeof *wanted);
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		assert_string_equal(asked.plan->columns[i].name, wanted[i].name);
		assert_int_equal(asked.plan->columns[i].type.kind, wanted[i].kind);
	}
	plan_free(asked.plan);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_are_exact_rewritten_or_refused),
		cmocka_unit_test(results_keep_postgres_names_and_types),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
