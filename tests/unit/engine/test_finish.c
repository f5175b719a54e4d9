/* SPDX-License-Identifier: Apache-2.0 */
/* avg of exact numbers: the plan's sums and counts, and rows made of them on their way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/engine_ops.h"
#include "engine_fixture.h"

enum { CLICKHOUSE = 1, POSTGRES = 0 };

struct seen {
	unsigned rows, ends;
	size_t columns;
	char name[64], last[64];
	enum fate fate;
	char code[ERR_CODE_SIZE];
};

static void
columns(void *ctx, const struct plan_column *columns, size_t count)
{
	struct seen *s = ctx;

	s->columns = count;
	(void)snprintf(s->name, sizeof s->name, "%.60s", columns[count - 1].name);
}

static bool
row(void *ctx, const struct slice *values)
{
	struct seen *s = ctx;

	s->rows++;
	(void)snprintf(s->last, sizeof s->last, "%.*s", SLICE_ARG(values[s->columns - 1]));
	return true;
}

static void
end(void *ctx, const struct engine_end *end)
{
	struct seen *s = ctx;

	s->ends++;
	s->fate = end->fate;
	if (end->fate != FATE_DONE)
		(void)snprintf(s->code, sizeof s->code, "%s", end->err->code);
}

/* Row i of the scripted engine has i in every column. */
static struct seen
answered(const char *sql, const char *script)
{
	static const struct engine_reader reader = { columns, row, end };
	struct registry_engine config = { .name = "double", .url = script };
	struct asked asked = ask("analyst", sql);
	struct engine_query *query;
	struct engine *engine;
	struct seen s = { 0 };
	struct loop *loop;
	struct err err;
	struct engine_ask a = { .sql = asked.plan->sql[CLICKHOUSE],
		.columns = asked.plan->columns,
		.column_count = asked.plan->column_count,
		.finish = asked.plan->finish[CLICKHOUSE],
		.deadline_us = clock_mono_us() + 30000000,
		.id = "t",
		.reader = &reader,
		.ctx = &s };

	assert_non_null(asked.plan->finish[CLICKHOUSE]);
	assert_null(asked.plan->finish[POSTGRES]);
	assert_int_equal(loop_new(&loop, &err), FATE_DONE);
	assert_int_equal(engine_open_ops(&engine_fail, &config, NULL, loop, &engine, &err), 0);
	assert_int_equal(engine_ask(engine, &a, &query, &err), FATE_DONE);
	for (int i = 0; i < 1000 && !s.ends; i++)
		loop_run(loop, 20);
	assert_int_equal(s.ends, 1);
	engine_close(engine);
	loop_free(loop);
	plan_free(asked.plan);
	return s;
}

static void
test_rows(void **state)
{
	struct seen s = answered(
	    "SELECT role, count(*), round(avg(amount) + 1, 3) AS m FROM users GROUP BY role",
	    "rows=3");

	(void)state;
	assert_int_equal(s.fate, FATE_DONE);
	assert_int_equal(s.columns, 3);
	assert_string_equal(s.name, "m");
	assert_int_equal(s.rows, 3);
	assert_string_equal(s.last, "2.000");
	s = answered("SELECT avg(score) FROM users", "rows=1");
	assert_string_equal(s.last, "1.00000000000000000000");
}

static void
test_an_error_ends_the_query(void **state)
{
	struct seen s =
	    answered("SELECT 1 / (avg(amount) - avg(score)) FROM users", "rows=3 hang");

	(void)state;
	assert_int_equal(s.rows, 0);
	assert_int_equal(s.fate, FATE_REJECT);
	assert_string_equal(s.code, "22012");
}

static void
test_what_is_sent(void **state)
{
	static const struct {
		const char *sql, *clickhouse;
	} lines[] = {
		{ "SELECT avg(amount) FROM users", "SELECT sumOrNull(t1.\"amount\") AS w1, "
						   "toInt64(count(t1.\"amount\")) AS w2 "
						   "FROM \"thm\".\"users_current\" AS t1" },
		{ "SELECT avg(score) FILTER (WHERE id > 3) FROM users",
		    "SELECT sumOrNull(toInt64(CASE WHEN (t1.\"id\" > toInt32(3)) THEN "
		    "t1.\"score\" "
		    "END)) "
		    "AS w1, toInt64(count(CASE WHEN (t1.\"id\" > toInt32(3)) THEN t1.\"score\" "
		    "END)) AS "
		    "w2 FROM \"thm\".\"users_current\" AS t1" },
		{ "SELECT role FROM users GROUP BY role ORDER BY avg(amount)", NULL },
		{ "SELECT role FROM users GROUP BY role HAVING avg(amount) > 1", NULL },
		{ "SELECT DISTINCT avg(amount) FROM users GROUP BY role", NULL },
		{ "SELECT avg(DISTINCT amount) FROM users", NULL },
		{ "SELECT * FROM (SELECT avg(amount) FROM users) x", NULL },
		{ "SELECT to_char(avg(amount), '9') FROM users", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct asked asked = ask("writer", lines[i].sql);
		const char *sent = asked.plan->sql[CLICKHOUSE];

		if (lines[i].clickhouse)
			assert_string_equal(sent, lines[i].clickhouse);
		else
			assert_null(sent);
		plan_free(asked.plan);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_an_error_ends_the_query),
		cmocka_unit_test(test_what_is_sent),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
