/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/measure.h"

static bool
alike(const char *a, const char *b)
{
	return measure_likeness(slice_str(a)) == measure_likeness(slice_str(b));
}

static void
test_alike(void **state)
{
	static const char *const lines[][2] = {
		{ "SELECT * FROM users WHERE id = 1", "select * from  USERS\nwhere id=22;" },
		{ "SELECT 'a''b', E'\\'x', $$q$$, $x$ $$ $x$, 1.5e-3, B'01'",
		    "SELECT '', E'', $1, 2, .5, x'ff'" },
		{ "SELECT 1 IN (1, 2, 3)", "SELECT 1 IN ($1)" },
		{ "SELECT a -- one\n, b /* two /* three */ 'four' */ FROM t",
		    "SELECT a,b FROM t" },
		{ "SELECT \"A\" + 10", "SELECT \"A\" + 0x1F" },
		{ "SELECT a FROM t;; ", "SELECT a FROM t" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		if (!alike(lines[i][0], lines[i][1]))
			fail_msg("%s\n%s", lines[i][0], lines[i][1]);
	}
}

static void
test_not_alike(void **state)
{
	static const char *const lines[][2] = {
		{ "SELECT a FROM t", "SELECT b FROM t" },
		{ "SELECT \"A\" FROM t", "SELECT \"a\" FROM t" },
		{ "SELECT ab", "SELECT a b" },
		{ "SELECT 1, a", "SELECT 1 a" },
		{ "SELECT (1), 2", "SELECT (1, 2)" },
		{ "SELECT f(1, 2) FROM t", "SELECT f(1, a) FROM t" },
		{ "SELECT a FROM t LIMIT 1", "SELECT a FROM t" },
		{ "SELECT '--' , a", "SELECT '--' --, a" },
		{ "", "SELECT 1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		if (alike(lines[i][0], lines[i][1]))
			fail_msg("%s\n%s", lines[i][0], lines[i][1]);
	}
}

/* Every prefix and suffix of something odd is read to its end. */
static void
test_any_bytes(void **state)
{
	static const char odd[] =
	    "'a''\\'E'\\'' $a$ $1 $ $$ /* /* */ -- \n 1e+ .5 \"q\"\" \xff,1,2,";

	(void)state;
	for (size_t from = 0; from < sizeof odd; from++) {
		for (size_t len = 0; from + len <= sizeof odd; len++) {
			char *copy = malloc(len + 1); /* so that a sanitizer sees its end */

			assert_non_null(copy);
			memcpy(copy, odd + from, len);
			assert_int_not_equal(measure_likeness(slice_of(copy, len)), 0);
			free(copy);
		}
	}
}

static void
test_averages(void **state)
{
	struct registry_engine config = { .price_cpu_s = 2, .price_gb_read = 10 };
	struct engine_end end = { .busy_us = 10000 };
	struct measure *m = measure_new();
	double ms, cost;

	(void)state;
	assert_false(measure_get(m, 7, 0, 1, &ms, &cost));
	measure_add(m, 7, &config, 0, &end, 1);
	assert_true(measure_get(m, 7, 0, 1, &ms, &cost));
	assert_false(measure_get(m, 7, 1, 1, &ms, &cost));
	assert_float_equal(ms, 10, 1e-9);
	assert_float_equal(cost, 0.02, 1e-9); /* it does not say: the whole time */
	end = (struct engine_end){ .busy_us = 20000, .cpu_s = 0.5, .bytes_read = 100000000 };
	assert_float_equal(measure_cost(&config, &end), 2.0, 1e-9);
	measure_add(m, 7, &config, 0, &end, 1);
	assert_true(measure_get(m, 7, 0, 1, &ms, &cost));
	assert_float_equal(ms, 15, 1e-9);
	end.busy_us = 100000;
	for (int i = 0; i < 60; i++)
		measure_add(m, 7, &config, 0, &end, 1);
	assert_true(measure_get(m, 7, 0, 1, &ms, &cost));
	assert_float_equal(ms, 100, 0.1);
	measure_free(m);
}

/* After ten minutes without a run there is no average, and the next begins another. */
static void
test_old_ones_do_not_count(void **state)
{
	struct registry_engine config = { .price_cpu_s = 1 };
	struct engine_end slow = { .busy_us = 90000 }, fast = { .busy_us = 1000 };
	struct measure *m = measure_new();
	int64_t now_us = 5;
	double ms, cost;

	(void)state;
	measure_add(m, 7, &config, 0, &slow, now_us);
	measure_add(m, 7, &config, 1, &fast, now_us);
	now_us += MEASURE_OLD_US;
	assert_true(measure_get(m, 7, 0, now_us, &ms, &cost));
	measure_add(m, 7, &config, 1, &fast, now_us);
	now_us++;
	assert_false(measure_get(m, 7, 0, now_us, &ms, &cost));
	assert_true(measure_get(m, 7, 1, now_us, &ms, &cost)); /* the other did run */
	measure_add(m, 7, &config, 0, &fast, now_us);
	assert_true(measure_get(m, 7, 0, now_us, &ms, &cost));
	assert_float_equal(ms, 1, 1e-9);
	measure_free(m);
}

/* One that is used stays, whatever else comes. */
static void
test_bounds(void **state)
{
	struct registry_engine config = { .price_cpu_s = 1 };
	struct engine_end end = { .busy_us = 1000 };
	struct measure *m = measure_new();
	double ms, cost;
	char sql[40];
	size_t kept = 0;

	(void)state;
	for (uint64_t i = 0; i < 10 * MEASURE_TEXTS; i++) {
		(void)snprintf(sql, sizeof sql, "SELECT c%llu", (unsigned long long)i);
		measure_add(m, measure_likeness(slice_str(sql)), &config, 3, &end, 1);
		measure_add(m, 42, &config, 3, &end, 1);
	}
	for (uint64_t i = 0; i < 10 * MEASURE_TEXTS; i++) {
		(void)snprintf(sql, sizeof sql, "SELECT c%llu", (unsigned long long)i);
		kept += measure_get(m, measure_likeness(slice_str(sql)), 3, 1, &ms, &cost);
	}
	assert_true(kept > MEASURE_TEXTS / 2 && kept < MEASURE_TEXTS);
	assert_true(measure_get(m, 42, 3, 1, &ms, &cost));
	measure_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alike),
		cmocka_unit_test(test_not_alike),
		cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_averages),
		cmocka_unit_test(test_old_ones_do_not_count),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
