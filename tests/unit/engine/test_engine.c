/* SPDX-License-Identifier: Apache-2.0 */
/* engine.c over the doubles; the real drivers stand the same in test_router_engines.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/engine_ops.h"

/* The clock of this program: the real one, and what the tests jump over. */
static int64_t jumped_us;

int64_t
clock_mono_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 + jumped_us;
}

int64_t
clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

/* The whole of clock.h stands here, or the linker would take both. */
int64_t
clock_wall_ms(void)
{
	return 0;
}

void
clock_sleep_ms(int64_t ms)
{
	jumped_us += ms * 1000;
}

struct seen {
	struct engine *engine;
	const struct engine_ask *again; /* asked inside end() */
	struct seen *other;
	struct engine_query *query;
	unsigned columns, rows, ends, pause_every;
	size_t column_count;
	struct engine_end end;
	struct err err;
};

static void
columns(void *ctx, const struct plan_column *columns, size_t count)
{
	struct seen *s = ctx;

	(void)columns;
	assert_int_equal(s->rows + s->ends, 0);
	s->columns++;
	s->column_count = count;
}

static bool
row(void *ctx, const struct slice *values)
{
	struct seen *s = ctx;
	char text[24];

	assert_int_equal(s->columns, 1);
	(void)snprintf(text, sizeof text, "%u", ++s->rows);
	assert_true(slice_eq(values[0], slice_str(text)));
	return s->pause_every == 0 || s->rows % s->pause_every != 0;
}

static void
end(void *ctx, const struct engine_end *end)
{
	struct seen *s = ctx;
	struct err err;

	s->ends++;
	s->end = *end;
	if (end->err)
		s->err = *end->err;
	s->query = NULL;
	if (s->again)
		assert_int_equal(engine_ask(s->engine, s->again, &s->other->query, &err), 0);
}

static const struct engine_reader reader = { columns, row, end };

static struct loop *loop;

static int
setup(void **state)
{
	struct err err;

	(void)state;
	return (int)loop_new(&loop, &err);
}

static int
teardown(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

static struct engine *
opened(const struct engine_ops *ops, const char *script, unsigned pool, unsigned queue)
{
	static struct registry_engine config;
	struct engine_options options = { .pool_max = pool, .queue_max = queue };
	struct engine *engine;
	struct err err;

	config = (struct registry_engine){ .name = "double", .url = script };
	assert_int_equal(engine_open_ops(ops, &config, &options, loop, &engine, &err), 0);
	return engine;
}

static struct engine_ask
ask_of(struct seen *s, int64_t wait_ms)
{
	return (struct engine_ask){ .sql = "SELECT 1",
		.deadline_us = clock_mono_us() + wait_ms * 1000,
		.id = "t",
		.reader = &reader,
		.ctx = s };
}

static enum fate
ask(struct engine *engine, struct seen *s, int64_t wait_ms)
{
	struct engine_ask a = ask_of(s, wait_ms);

	return engine_ask(engine, &a, &s->query, &s->err);
}

static void
run_until(const unsigned *count, unsigned least)
{
	int64_t until_ms = clock_mono_ms() + 20000;

	while (*count < least && clock_mono_ms() < until_ms)
		loop_run(loop, 100);
	assert_true(*count >= least);
}

static void
turns(int count)
{
	for (int i = 0; i < count; i++)
		loop_run(loop, 0);
}

static void
test_null(void **state)
{
	struct plan_column two[] = { { .name = "a" }, { .name = "b" } };
	struct engine *engine = opened(&engine_null, NULL, 1, 1);
	struct seen s = { 0 };
	struct engine_ask a = ask_of(&s, 10000);

	(void)state;
	a.columns = two;
	a.column_count = 2;
	assert_int_equal(engine_ask(engine, &a, &s.query, &s.err), FATE_DONE);
	assert_int_equal(s.ends, 0);
	run_until(&s.ends, 1);
	assert_int_equal(s.end.fate, FATE_DONE);
	assert_int_equal(s.columns, 1);
	assert_int_equal(s.column_count, 2);
	assert_int_equal(s.rows, 0);
	engine_close(engine);
}

static void
test_rows_and_pauses(void **state)
{
	struct engine *engine = opened(&engine_fail, "rows=7", 2, 2);
	struct seen s = { .pause_every = 3 };

	(void)state;
	assert_int_equal(ask(engine, &s, 10000000), FATE_DONE);
	run_until(&s.rows, 3);
	turns(20);
	assert_int_equal(s.rows, 3);
	jumped_us += 1000000000; /* the reader's time, not the engine's */
	engine_more(s.query);
	assert_int_equal(s.rows, 3); /* nothing comes inside the call */
	run_until(&s.rows, 6);
	turns(20);
	assert_int_equal(s.rows, 6);
	engine_more(s.query);
	run_until(&s.ends, 1);
	assert_int_equal(s.end.fate, FATE_DONE);
	assert_int_equal(s.end.rows, 7);
	assert_true(s.end.elapsed_us >= 1000000000);
	assert_true(s.end.busy_us > 0 && s.end.busy_us < 500000000);
	engine_close(engine);
}

static void
test_ends(void **state)
{
	static const struct {
		const char *script;
		enum fate fate;
		unsigned rows;
	} lines[] = { { "rows=2 end=reject code=22012", FATE_REJECT, 2 },
		{ "rows=0 end=retry code=08006", FATE_RETRY, 0 },
		{ "rows=1 end=halt code=28P01", FATE_HALT, 1 } };

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct engine *engine = opened(&engine_fail, lines[i].script, 2, 2);
		struct engine_state told;
		struct seen s = { 0 };

		assert_int_equal(ask(engine, &s, 10000), FATE_DONE);
		run_until(&s.ends, 1);
		assert_int_equal(s.end.fate, lines[i].fate);
		assert_int_equal(s.rows, lines[i].rows);
		assert_string_equal(s.err.code, strstr(lines[i].script, "code=") + 5);
		engine_state(engine, &told);
		assert_int_equal(told.failed, lines[i].fate != FATE_REJECT);
		assert_int_equal(told.under_way, 0);
		engine_close(engine);
	}
}

static void
test_cancel(void **state)
{
	struct engine *engine = opened(&engine_fail, "rows=3 hang", 2, 2);
	struct engine_state told;
	struct seen s = { 0 };

	(void)state;
	assert_int_equal(ask(engine, &s, 10000), FATE_DONE);
	run_until(&s.rows, 3);
	engine_cancel(s.query);
	assert_int_equal(s.ends, 0);
	run_until(&s.ends, 1);
	assert_int_equal(s.end.fate, FATE_RETRY);
	assert_string_equal(s.err.code, "57014");
	assert_non_null(strstr(s.err.what, "cancelled"));
	engine_state(engine, &told);
	assert_int_equal(told.cancelled, 1);
	assert_int_equal(told.failed, 0);
	engine_close(engine);
}

static void
test_deadline(void **state)
{
	struct engine *engine = opened(&engine_fail, "rows=1 hang", 1, 1);
	struct seen runs = { 0 }, waits = { 0 };

	(void)state;
	assert_int_equal(ask(engine, &runs, 400), FATE_DONE);
	assert_int_equal(ask(engine, &waits, 50), FATE_DONE);
	run_until(&waits.ends, 1);
	assert_int_equal(runs.ends, 0);
	assert_int_equal(waits.columns, 0); /* never began */
	assert_string_equal(waits.err.code, "57014");
	run_until(&runs.ends, 1);
	assert_int_equal(runs.end.fate, FATE_RETRY);
	assert_string_equal(runs.err.code, "57014");
	assert_non_null(strstr(runs.err.what, "deadline"));
	engine_close(engine);
}

static void
test_an_engine_that_ignores_cancels(void **state)
{
	struct engine *engine = opened(&engine_fail, "rows=1 hang cancel=ignored", 1, 1);
	struct engine_state told;
	struct seen s = { 0 };

	(void)state;
	assert_int_equal(ask(engine, &s, 10000), FATE_DONE);
	run_until(&s.rows, 1);
	engine_cancel(s.query);
	turns(5);
	assert_int_equal(s.ends, 0);
	jumped_us += ENGINE_CANCEL_MS * 1000;
	run_until(&s.ends, 1);
	assert_string_equal(s.err.code, "57014");
	engine_state(engine, &told);
	assert_int_equal(told.connections, 0);
	assert_int_equal(told.under_way, 0);
	engine_close(engine);
}

static void
test_pool_and_line(void **state)
{
	struct engine *engine = opened(&engine_fail, "rows=1 hang", 2, 2);
	struct engine_state told;
	struct seen s[5] = { { 0 } };

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(ask(engine, &s[i], 10000), FATE_DONE);
	assert_int_equal(ask(engine, &s[4], 10000), FATE_RETRY);
	assert_string_equal(s[4].err.code, "53300");
	run_until(&s[1].rows, 1);
	engine_state(engine, &told);
	assert_int_equal(told.under_way, 2);
	assert_int_equal(told.waiting, 2);
	assert_int_equal(s[2].columns, 0);
	engine_cancel(s[0].query); /* the first in line takes its place */
	run_until(&s[2].rows, 1);
	assert_int_equal(s[3].columns, 0);
	engine_cancel(s[3].query); /* one that waits leaves the line */
	run_until(&s[3].ends, 1);
	engine_state(engine, &told);
	assert_int_equal(told.under_way, 2);
	assert_int_equal(told.waiting, 0);
	engine_close(engine); /* and here the rest end */
	assert_int_equal(s[1].ends + s[2].ends, 2);
	assert_string_equal(s[1].err.code, "57014");
}

static void
test_a_driver_without_room_lets_them_wait(void **state)
{
	struct engine *engine = opened(&engine_fail, "rows=1 hang room=1", 2, 8);
	struct engine_state told;
	struct seen s[8] = { { 0 } };

	(void)state;
	for (int i = 0; i < 8; i++)
		assert_int_equal(ask(engine, &s[i], 10000), FATE_DONE);
	for (int i = 0; i < 8; i++) {
		run_until(&s[i].rows, 1);
		engine_state(engine, &told);
		assert_int_equal(told.under_way, 1);
		assert_int_equal(told.waiting, 7 - i);
		assert_false(told.breaker_open);
		engine_cancel(s[i].query);
		run_until(&s[i].ends, 1);
		assert_string_equal(s[i].err.code, "57014");
	}
	engine_state(engine, &told);
	assert_int_equal(told.failed, 0);
	engine_close(engine);
}

static void
test_asking_inside_the_end(void **state)
{
	struct engine *engine = opened(&engine_fail, "rows=1", 1, 4);
	struct seen first = { .engine = engine }, second = { 0 }, third = { 0 };
	struct engine_ask again = ask_of(&third, 10000);

	(void)state;
	first.again = &again;
	first.other = &third;
	assert_int_equal(ask(engine, &first, 10000), FATE_DONE);
	assert_int_equal(ask(engine, &second, 10000), FATE_DONE);
	run_until(&third.ends, 1);
	assert_int_equal(second.ends, 1);
	assert_int_equal(third.end.fate, FATE_DONE);
	engine_close(engine);
}

static void
test_breaker(void **state)
{
	/* Six failures, then all is well: five open it, the sixth is the failed trial. */
	struct engine *engine = opened(&engine_fail, "end=retry times=6", 4, 4);
	struct engine_state told;
	struct seen s = { 0 };

	(void)state;
	for (unsigned i = 0; i < ENGINE_BREAKER_FAILURES; i++) {
		engine_state(engine, &told);
		assert_false(told.breaker_open);
		s = (struct seen){ 0 };
		assert_int_equal(ask(engine, &s, 10000), FATE_DONE);
		run_until(&s.ends, 1);
	}
	for (int trial = 0; trial < 2; trial++) {
		struct seen t = { 0 }, other = { 0 };

		engine_state(engine, &told);
		assert_true(told.breaker_open);
		assert_int_equal(ask(engine, &other, 10000), FATE_RETRY);
		assert_string_equal(other.err.code, "57P03");
		jumped_us += ENGINE_BREAKER_OPEN_MS * 1000;
		engine_state(engine, &told);
		assert_false(told.breaker_open);
		assert_int_equal(ask(engine, &t, 10000), FATE_DONE);
		assert_int_equal(ask(engine, &other, 10000), FATE_RETRY); /* one alone */
		run_until(&t.ends, 1);
		assert_int_equal(t.end.fate, trial ? FATE_DONE : FATE_RETRY);
	}
	assert_int_equal(ask(engine, &s, 10000), FATE_DONE);
	engine_close(engine);
}

static void
test_statements_do_not_open_the_breaker(void **state)
{
	static const char *const scripts[] = { "end=reject code=42601", "end=retry code=40001",
		"end=retry code=55P03" };

	(void)state;
	for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
		struct engine *engine = opened(&engine_fail, scripts[i], 1, 1);
		struct engine_state told;

		for (int n = 0; n < 2 * ENGINE_BREAKER_FAILURES; n++) {
			struct seen s = { 0 };

			assert_int_equal(ask(engine, &s, 10000), FATE_DONE);
			run_until(&s.ends, 1);
		}
		engine_state(engine, &told);
		assert_false(told.breaker_open);
		engine_close(engine);
	}
}

static void
test_probe(void **state)
{
	struct engine *engine = opened(&engine_fail, "", 1, 1);
	struct engine_state told;
	int64_t until_ms = clock_mono_ms() + 20000;

	(void)state;
	engine_state(engine, &told);
	assert_true(told.down); /* nobody has answered yet */
	do {
		loop_run(loop, 50);
		engine_state(engine, &told);
	} while (told.down && clock_mono_ms() < until_ms);
	assert_false(told.down);
	assert_int_equal(told.asked, 0);
	assert_int_equal(told.under_way, 0);
	engine_close(engine);
	engine = opened(&engine_fail, "probe=retry", 1, 1);
	turns(5);
	engine_state(engine, &told);
	assert_true(told.down);
	assert_string_equal(told.trouble, "fail: does not start");
	engine_close(engine);
}

static char probe_ids[4][40];
static unsigned probe_count;

static enum fate
spy_start(void *self, struct engine_query *query, struct err *err)
{
	if (probe_count < 4)
		(void)snprintf(
		    probe_ids[probe_count++], sizeof probe_ids[0], "%s", query->ask.id);
	return engine_fail.start(self, query, err);
}

/* ClickHouse refuses an id that still runs there: a probe that hangs, another router's. */
static void
test_no_probe_has_the_id_of_another(void **state)
{
	static const struct registry_engine config = { .name = "fail", .url = "probe=retry" };
	const struct engine_options options = { .run = "0123456789abcdef" };
	struct engine_ops spy = engine_fail;
	struct engine *engine;
	struct err err;

	(void)state;
	spy.start = spy_start;
	assert_int_equal(
	    engine_open_ops(&spy, &config, &options, loop, &engine, &err), FATE_DONE);
	while (probe_count < 2) {
		turns(5);
		jumped_us += 1000000;
	}
	engine_close(engine);
	assert_string_equal(probe_ids[0], "0123456789abcdef-p1");
	assert_string_equal(probe_ids[1], "0123456789abcdef-p2");
}

static void
test_start_fails(void **state)
{
	struct engine *engine = opened(&engine_fail, "start=retry code=08001", 1, 1);
	struct seen s = { 0 };

	(void)state;
	assert_int_equal(ask(engine, &s, 10000), FATE_RETRY);
	assert_string_equal(s.err.code, "08001");
	turns(5);
	assert_int_equal(s.ends, 0);
	engine_close(engine);
}

static void
test_a_plan_of_other_columns(void **state)
{
	struct registry_engine config = { .name = "double" };
	struct plan_column one = { .name = "n" };
	struct engine_query query = { .ask = { .columns = &one, .column_count = 1 } };
	struct engine *engine = opened(&engine_null, NULL, 1, 1);
	struct err err;

	(void)state, (void)config;
	query.engine = engine;
	assert_int_equal(engine_columns(&query, NULL, 2, &err), FATE_HALT);
	engine_close(engine);
}

static void
test_a_good_end_without_columns_is_none(void **state)
{
	struct engine *engine = opened(&engine_fail, "mute end=done", 1, 1);
	struct plan_column one = { .name = "n" };
	struct seen s = { 0 };
	struct engine_ask a = ask_of(&s, 10000);

	(void)state;
	a.columns = &one;
	a.column_count = 1;
	assert_int_equal(engine_ask(engine, &a, &s.query, &s.err), FATE_DONE);
	run_until(&s.ends, 1);
	assert_int_equal(s.end.fate, FATE_HALT);
	assert_string_equal(s.err.code, "08P01");
	engine_close(engine);
}

static void
test_a_kind_without_a_driver(void **state)
{
	struct registry_engine config = { .name = "dbx", .kind = ENGINE_DATABRICKS };
	struct engine *engine;
	struct err err;

	(void)state;
	assert_null(engine_ops_of(ENGINE_DATABRICKS));
	assert_int_equal(engine_open(&config, NULL, loop, &engine, &err), FATE_HALT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_rows_and_pauses),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_an_engine_that_ignores_cancels),
		cmocka_unit_test(test_pool_and_line),
		cmocka_unit_test(test_a_driver_without_room_lets_them_wait),
		cmocka_unit_test(test_asking_inside_the_end),
		cmocka_unit_test(test_breaker),
		cmocka_unit_test(test_statements_do_not_open_the_breaker),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_no_probe_has_the_id_of_another),
		cmocka_unit_test(test_start_fails),
		cmocka_unit_test(test_a_plan_of_other_columns),
		cmocka_unit_test(test_a_good_end_without_columns_is_none),
		cmocka_unit_test(test_a_kind_without_a_driver),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
