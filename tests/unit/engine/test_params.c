/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine_fixture.h"
#include "sql/type.h"

static size_t
params_of(const char *const *texts, struct slice *params)
{
	size_t count = 0;

	for (; texts[count]; count++)
		params[count] = strcmp(texts[count], "NULL") == 0 ? slice_of(NULL, 0)
								  : slice_str(texts[count]);
	return count;
}

/* By name, as Postgres 15's PREPARE says it (pg_prepared_statements); "?": not known here,
 * where Postgres may know it or refuse it. */
static const struct {
	const char *sql, *types;
} deduced[] = {
	{ "SELECT id FROM users WHERE score > $1", "int4" },
	{ "SELECT id FROM users WHERE $1 = id AND name = $2", "int8 text" },
	{ "SELECT id FROM users WHERE score = $1 OR id = $1", "int4" },
	{ "SELECT id FROM users WHERE id = $1 OR score = $1", "int8" },
	{ "SELECT score + $1 FROM users WHERE id = $1", "int4" },
	{ "SELECT id FROM users WHERE score IN ($1, 5000000000)", "int8" },
	{ "SELECT id FROM users WHERE score IN ($1)", "int4" },
	{ "SELECT id FROM users WHERE score IN ($1, NULL, $2)", "int4 int4" },
	{ "SELECT id FROM users WHERE score IN ($1, id)", "?" },
	{ "SELECT id FROM users WHERE $1 IN (1, 2.5)", "numeric" },
	{ "SELECT id FROM users WHERE score BETWEEN $1 AND $2", "int4 int4" },
	{ "SELECT id FROM users WHERE $1 BETWEEN score AND id", "int4" },
	{ "SELECT id FROM users WHERE $1 BETWEEN 1.5 AND $2", "numeric numeric" },
	{ "SELECT id FROM users WHERE $1 BETWEEN $2 AND 1.5", "? ?" },
	{ "SELECT id FROM users WHERE $1 BETWEEN 'a' AND 1.5", "?" },
	{ "SELECT id FROM users WHERE at >= $1 AND uuid <> $2 AND amount < $3",
	    "timestamptz uuid numeric" },
	{ "SELECT id FROM users WHERE name LIKE $1 OR role || $2 = $3", "text text text" },
	{ "SELECT id FROM users WHERE name IS NOT DISTINCT FROM $1", "text" },
	{ "SELECT id FROM users WHERE NOT $1 AND ($2 OR score = 1)", "bool bool" },
	{ "SELECT id FROM users WHERE $1", "bool" },
	{ "SELECT id FROM users LIMIT $1 OFFSET $2", "int8 int8" },
	{ "SELECT $1::bigint, CAST($2 AS numeric(10,2)), $3::timestamptz, $4",
	    "int8 numeric "
	    "timestamptz text" },
	{ "SELECT coalesce(score, $1), nullif(name, $2) FROM users", "int4 text" },
	{ "SELECT CASE score WHEN $1 THEN 'a' ELSE $2 END FROM users", "int4 text" },
	{ "SELECT CASE WHEN $1 THEN id ELSE $2 END FROM users", "bool int8" },
	{ "SELECT count(*) FILTER (WHERE score > $1) FROM users HAVING count(*) > $2",
	    "int4 int8" },
	{ "SELECT round(avg(score), $1) FROM users", "int4" },
	{ "SELECT substr(name, $1, $2), starts_with(name, $3) FROM users", "int4 int4 text" },
	{ "SELECT substring(name, 1, $1) FROM users", "int4" },
	{ "SELECT u.id FROM users u JOIN depts d ON d.id = u.id AND d.name = $1 WHERE u.id = "
	  "$2",
	    "text int8" },
	{ "SELECT id FROM users WHERE $1 IN (SELECT id FROM depts WHERE name = $2)",
	    "int8 text" },
	{ "WITH t AS (SELECT id FROM users WHERE score = $1) SELECT id FROM t WHERE id = $2",
	    "int4 int8" },
	{ "SELECT id FROM users WHERE id = $1 OR $1 IS NULL", "int8" },
	{ "SELECT id FROM users WHERE $1 IS NULL OR id = $1", "!int8" },
	{ "SELECT $1, id FROM users WHERE id = $1", "!int8" },
	{ "SELECT id FROM users WHERE $1 = $2", "? ?" },
	{ "SELECT id FROM users WHERE substring(name, $1) = 'a'", "?" },
	{ "SELECT id FROM users WHERE id = ANY($1)", "?" },
	{ "SELECT id FROM users WHERE score = $2", "? int4" },
	{ "SELECT max($1) FROM users", "?" },
};

static void
types_are_those_that_postgres_deduces(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof deduced / sizeof *deduced; i++) {
		struct asked asked = ask("admin", deduced[i].sql);
		struct plan *plan = asked.plan;
		const char *wanted = deduced[i].types;
		bool open = strpbrk(wanted, "?!") != NULL;
		struct buf got = { 0 };

		if (plan->refused)
			fail_msg("%s: %s", deduced[i].sql, plan->what);
		for (size_t n = 0; n < plan->param_count; n++) {
			int kind = sql_type_kind(plan->params[n]);

			buf_printf(&got, "%s%s", n ? " " : "",
			    kind == KIND_UNKNOWN ? "?" : sql_type_of_kind(kind)->name);
		}
		if (strcmp(buf_str(&got), wanted + (*wanted == '!')) != 0)
			fail_msg("%s: %s instead of %s", deduced[i].sql, buf_str(&got), wanted);
		/* what is open anywhere is Postgres' alone */
		if (open && plan->candidates != 1u << registry_engine(fixture, "postgres"))
			fail_msg("%s: other engines may answer", deduced[i].sql);
		buf_finish(&got);
		plan_free(plan);
	}
}

/* What engines are asked, or, after "!", code and words of the refusal. */
static const struct {
	const char *engine, *sql;
	const char *params[4];
	const char *wanted;
} filled[] = {
	{ "clickhouse", "SELECT count(*) FROM users WHERE score > $1", { " 7 " },
	    "SELECT toInt64(count()) AS c1 FROM \"thm\".\"users_current\" AS t1 WHERE "
	    "(t1.\"score\" > toInt32(7))" },
	{ "trino", "SELECT count(*) FROM users WHERE score > $1", { "-7" },
	    "SELECT count(*) AS c1 FROM \"pg\".\"public\".\"users\" AS t1 WHERE (t1.\"score\" "
	    "> CAST('-7' AS INTEGER))" },
	{ "duckdb", "SELECT count(*) FROM rev WHERE amount > $1 OR region = $2",
	    { "2147483647", "it's \\ $1 ?" },
	    "SELECT count(*) AS c1 FROM \"rev\" AS t1 WHERE ((t1.\"amount\" > "
	    "CAST('2147483647' AS INTEGER)) OR (t1.\"region\" = 'it''s \\ $1 ?'))" },
	{ "clickhouse", "SELECT id FROM users WHERE name = $1",
	    { "x\\' UNION ALL SELECT ssn FROM users -- " },
	    "SELECT t1.\"id\" AS c1 FROM \"thm\".\"users_current\" AS t1 WHERE (t1.\"name\" = "
	    "'x\\\\\\' UNION ALL SELECT ssn FROM users -- ')" },
	{ "clickhouse", "SELECT id FROM users WHERE score = $1", { "NULL" },
	    "!0A000 $1: NULL here" },
	{ "clickhouse", "SELECT coalesce(score, $1) FROM users", { "NULL" },
	    "!0A000 $1: NULL here" },
	{ "trino", "SELECT id FROM users WHERE at = $1", { "NULL" },
	    "SELECT t1.\"id\" AS c1 FROM \"pg\".\"public\".\"users\" AS t1 WHERE (t1.\"at\" = "
	    "CAST(NULL AS TIMESTAMP(6) WITH TIME ZONE))" },
	{ "clickhouse", "SELECT id FROM users WHERE at > $1", { "2026-01-02 05:04:05+02" },
	    "SELECT t1.\"id\" AS c1 FROM \"thm\".\"users_current\" AS t1 WHERE (t1.\"at\" > "
	    "toDateTime64('2026-01-02 03:04:05.000000', 6, 'UTC'))" },
	{ "clickhouse",
	    "SELECT id FROM users WHERE amount > $1 AND (score = 1) IS NOT "
	    "DISTINCT FROM $2",
	    { "-1.50e1", " yes " },
	    "SELECT t1.\"id\" AS c1 FROM \"thm\".\"users_current\" AS t1 WHERE ((t1.\"amount\" "
	    "> toDecimal128('-15.0', 1)) AND (ifNull(((t1.\"score\" = toInt32(1)) = true), "
	    "(isNull((t1.\"score\" = toInt32(1))) AND isNull(true)))))" },
	{ "clickhouse", "SELECT id FROM users WHERE amount = $1", { "-1.50" },
	    "SELECT t1.\"id\" AS c1 FROM \"thm\".\"users_current\" AS t1 WHERE "
	    "(t1.\"amount\" = toDecimal128('-1.50', 2))" },
	{ "clickhouse", "SELECT id FROM users WHERE amount IN ($1, 1.5, 2.25)",
	    { "10000000000000000" }, "!0A000 $1: a number of so many digits" },
	{ "clickhouse", "SELECT id FROM users WHERE amount <> $1", { "1.005" },
	    "!0A000 $1: a number of so many digits" },
	{ "trino", "SELECT id FROM users WHERE amount > $1", { "-1.50" },
	    "SELECT t1.\"id\" AS c1 FROM \"pg\".\"public\".\"users\" AS t1 WHERE "
	    "(t1.\"amount\" > (-1.50))" },
	{ "clickhouse", "SELECT id FROM users WHERE uuid = $1",
	    { "{00000000-0000-4000-8000-00000000000A}" },
	    "SELECT t1.\"id\" AS c1 FROM \"thm\".\"users_current\" AS t1 WHERE (t1.\"uuid\" = "
	    "toUUID('00000000-0000-4000-8000-00000000000a'))" },
	{ "clickhouse", "SELECT score / $1 FROM users LIMIT $2 OFFSET $3", { "2", "3", "0" },
	    "SELECT intDiv(t1.\"score\", toInt32(2)) AS c1 FROM \"thm\".\"users_current\" AS "
	    "t1 LIMIT 3 OFFSET 0" },
	{ "clickhouse", "SELECT substr(name, $1, $2) FROM users", { "1", "0" },
	    "SELECT substringUTF8(t1.\"name\", 1, 0) AS c1 FROM \"thm\".\"users_current\" AS "
	    "t1" },
	{ "clickhouse", "SELECT round(avg(score), $1) FROM users", { "2" },
	    "SELECT sumOrNull(toInt64(t1.\"score\")) AS w1, toInt64(count(t1.\"score\")) AS "
	    "w2, toInt32(2) AS w3 FROM \"thm\".\"users_current\" AS t1" },
	{ "redis", "SELECT score FROM top10 WHERE member = $1", { "it's $1" },
	    "ZSCORE\nthm:top:10m\nit's $1" },
	{ "redis", "SELECT member FROM top10 ORDER BY score DESC LIMIT $2 OFFSET $1",
	    { "10", " 5" }, "ZREVRANGE\nthm:top:10m\n10\n14" },
	{ "redis", "SELECT member FROM top10 ORDER BY score LIMIT 3 OFFSET $1", { "0" },
	    "ZRANGE\nthm:top:10m\n0\n2" },
	{ "redis", "SELECT score FROM top10 WHERE member = $1", { "a\nb" },
	    "!0A000 $1: a text of more than a line" },
	{ "redis", "SELECT member FROM top10 ORDER BY score LIMIT $1", { "0" },
	    "!0A000 a leaderboard has no rows so far down" },
	{ "redis", "SELECT member FROM top10 ORDER BY score LIMIT $1", { "10001" },
	    "!0A000 a leaderboard has no rows so far down" },
	{ "redis", "SELECT member FROM top10 ORDER BY score LIMIT $1", { "x" },
	    "!22P02 $1: invalid input syntax for type bigint: \"x\"" },
	{ "clickhouse", "SELECT id FROM users WHERE score > $1", { "abc" },
	    "!22P02 $1: invalid input syntax for type integer: \"abc\"" },
	{ "clickhouse", "SELECT id FROM users WHERE score > $1", { "99999999999" },
	    "!22003 $1: value \"99999999999\" is out of range for type integer" },
	{ "clickhouse", "SELECT id FROM users WHERE amount > $1", { "NaN" },
	    "!0A000 $1: a number with an exponent or more than 30 digits" },
	{ "clickhouse", "SELECT id FROM users WHERE amount > $1",
	    { "0.0000000000000000000000001" }, "!0A000 $1: a number of so many digits" },
	{ "clickhouse", "SELECT id FROM users WHERE at > $1", { "infinity" },
	    "!0A000 $1: a timestamp not written YYYY-MM-DD HH:MM:SS" },
	{ "clickhouse", "SELECT id FROM users WHERE at > $1", { "1800-01-01" },
	    "!0A000 $1: a timestamp not written YYYY-MM-DD HH:MM:SS" },
	{ "clickhouse", "SELECT id FROM users WHERE name LIKE $1", { "a_" },
	    "!0A000 $1: a pattern with a backslash or, in ClickHouse, a _" },
	{ "clickhouse", "SELECT score % $1 FROM users", { "0" }, "!0A000 $1: 0 as a divisor" },
	{ "clickhouse", "SELECT id FROM users LIMIT $1", { "-1" },
	    "!0A000 $1: a count or place below 0" },
	{ "clickhouse", "SELECT id FROM users LIMIT $1", { "NULL" }, "!0A000 $1: NULL here" },
	{ "clickhouse",
	    "WITH t AS (SELECT id FROM users WHERE score = $1) SELECT count(*) "
	    "FROM depts",
	    { "abc" }, "!22P02 $1: invalid input syntax for type integer: \"abc\"" },
};

static void
parameters_are_written_as_literals_are(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof filled / sizeof *filled; i++) {
		int engine = registry_engine(fixture, filled[i].engine);
		struct asked asked = ask("admin", filled[i].sql);
		struct slice params[4];
		struct buf got = { 0 };
		struct err err;

		if (!asked.plan->sql[engine])
			fail_msg("%s: not for %s", filled[i].sql, filled[i].engine);
		assert_int_equal(params_of(filled[i].params, params), asked.plan->param_count);
		if (plan_sql(fixture, asked.plan, engine, params, &fixture_arena, &got, &err) !=
		    FATE_DONE) {
			got.len = 0;
			buf_printf(&got, "!%s %s", err.code, err.what);
		}
		if (strcmp(buf_str(&got), filled[i].wanted) != 0)
			fail_msg("%s:\n%s\n%s", filled[i].sql, buf_str(&got), filled[i].wanted);
		buf_finish(&got);
		plan_free(asked.plan);
	}
}

/* Whatever bytes it holds, a text is one literal: the SQL around it is what it is without
 * it, and between its quotes no quote stands alone. */
static void
a_text_cannot_leave_its_literal(void **state)
{
	static const char *const engines[] = { "clickhouse", "trino" };
	struct asked asked = ask("admin", "SELECT id FROM users WHERE name = $1");
	char text[3 * 255 + 1];
	struct slice param;
	struct err err;

	(void)state;
	for (int b = 1, at = 0; b < 256; b++) {
		text[at++] = '\\';
		text[at++] = (char)b;
		text[at++] = '\'';
		text[at] = '\0';
	}
	param = slice_str(text);
	for (size_t e = 0; e < 2; e++) {
		int engine = registry_engine(fixture, engines[e]);
		const struct dialect_hole *hole = asked.plan->holes[engine];
		const char *sql = asked.plan->sql[engine], *p;
		bool escapes = e == 0;
		struct buf got = { 0 };

		assert_int_equal(asked.plan->hole_count[engine], 1);
		assert_int_equal(
		    plan_sql(fixture, asked.plan, engine, &param, &fixture_arena, &got, &err),
		    FATE_DONE);
		assert_memory_equal(got.p, sql, hole->at);
		p = buf_str(&got) + hole->at;
		assert_int_equal(*p++, '\'');
		for (size_t i = 0; i < sizeof text - 1; i++) {
			if (text[i] == '\'' || (text[i] == '\\' && escapes))
				assert_int_equal(*p++, escapes ? '\\' : '\'');
			assert_int_equal(*p++, text[i]);
		}
		assert_int_equal(*p++, '\'');
		assert_string_equal(p, sql + hole->at + hole->len);
		buf_finish(&got);
	}
	plan_free(asked.plan);
}

static void
too_long_a_text_is_refused(void **state)
{
	struct asked asked = ask("admin", "SELECT id FROM users WHERE name = $1");
	size_t len = DIALECT_FILLED_MAX;
	char *text = malloc(len);
	struct slice param = slice_of(text, len);
	struct buf got = { 0 };
	struct err err;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', len);
	assert_int_equal(plan_sql(fixture, asked.plan, registry_engine(fixture, "clickhouse"),
			     &param, &fixture_arena, &got, &err),
	    FATE_REJECT);
	assert_string_equal(err.code, "0A000");
	buf_finish(&got);
	free(text);
	plan_free(asked.plan);
}

static void
an_engine_that_cannot_be_told_is_left_out(void **state)
{
	const char *sql = "SELECT count(*) FROM users WHERE score > $1";
	int clickhouse = registry_engine(fixture, "clickhouse");
	struct err why[REGISTRY_ENGINES_MAX] = { 0 };
	struct decide_request request = { .max_staleness_ms = ANY_STALENESS };
	struct weather weather = { 0 };
	struct asked asked = ask_with("admin", slice_str(sql), &request, &weather);
	const struct trace_item *item;

	(void)state;
	assert_string_equal(engine_of(&asked), "clickhouse");
	plan_free(asked.plan);

	(void)err_code(&why[clickhouse], FATE_REJECT, "22P02", "$1: no integer");
	request.unfit = 1u << clickhouse;
	request.unfit_why = why;
	asked = ask_with("admin", slice_str(sql), &request, &weather);
	assert_string_equal(engine_of(&asked), "postgres");
	item = trace_find(&asked.decision.trace, "PARAMETER_VALUE");
	assert_non_null(item);
	assert_int_equal(item->engine, clickhouse);
	assert_string_equal(item->detail, "$1: no integer");
	plan_free(asked.plan);

	request.engine = "clickhouse";
	asked = ask_with("admin", slice_str(sql), &request, &weather);
	assert_string_equal(asked.decision.reason, "STATEMENT_FAILED");
	assert_int_equal(asked.decision.status, 400);
	assert_string_equal(asked.decision.sqlstate, "22P02");
	assert_string_equal(asked.decision.detail, "$1: no integer");
	plan_free(asked.plan);

	(void)err_code(&why[clickhouse], FATE_REJECT, "0A000", "$1: NULL here");
	asked = ask_with("admin", slice_str(sql), &request, &weather);
	assert_string_equal(asked.decision.reason, "ENGINE_CANNOT");
	assert_int_equal(asked.decision.status, 422);
	plan_free(asked.plan);

	request.engine = NULL;
	asked = ask_with(
	    "admin", SLICE("SELECT count(*) FROM events WHERE n > $1"), &request, &weather);
	assert_string_equal(asked.decision.reason, "NO_ENGINE");
	assert_string_equal(asked.decision.sqlstate, "0A000");
	plan_free(asked.plan);
}

/* Filters and masks stand below the statement; Postgres is told the type that it deduces
 * of the caller's own text. */
static void
governed_tables_take_parameters(void **state)
{
	struct asked asked =
	    ask("analyst", "SELECT count(*) FROM customers WHERE ssn = $1 AND id IN ($2, 3)");
	struct slice params[] = { SLICE("SSN'"), SLICE("5") };
	struct buf got = { 0 };
	struct err err;

	(void)state;
	assert_string_equal(asked.plan->sql[registry_engine(fixture, "postgres")],
	    "SELECT pg_catalog.\"count\"(*) AS \"count\" FROM (SELECT q1.\"id\" AS \"id\", "
	    "q1.\"name\" AS \"name\", '***' AS \"ssn\", q1.\"region\" AS \"region\" FROM "
	    "(SELECT "
	    "q0.\"id\" AS \"id\", q0.\"name\" AS \"name\", q0.\"ssn\" AS \"ssn\", "
	    "q0.\"region\" "
	    "AS \"region\" FROM \"public\".\"customers\" AS q0 WHERE (q0.\"region\" = 'eu') "
	    "OFFSET 0) AS q1) AS t1 WHERE ((t1.\"ssn\" = CAST($1 AS pg_catalog.text)) AND "
	    "((t1.\"id\" = CAST($2 AS pg_catalog.int8)) OR (t1.\"id\" = 3)))");
	assert_int_equal(plan_sql(fixture, asked.plan, registry_engine(fixture, "clickhouse"),
			     params, &fixture_arena, &got, &err),
	    FATE_DONE);
	assert_non_null(strstr(buf_str(&got), "(t1.\"ssn\" = 'SSN\\'')"));
	assert_non_null(strstr(buf_str(&got), "'***' AS \"ssn\""));
	buf_finish(&got);
	plan_free(asked.plan);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_are_those_that_postgres_deduces),
		cmocka_unit_test(parameters_are_written_as_literals_are),
		cmocka_unit_test(a_text_cannot_leave_its_literal),
		cmocka_unit_test(too_long_a_text_is_refused),
		cmocka_unit_test(an_engine_that_cannot_be_told_is_left_out),
		cmocka_unit_test(governed_tables_take_parameters),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
