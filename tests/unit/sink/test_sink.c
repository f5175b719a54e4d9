/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "contract.h"
#include "sink/fail.h"

enum { ROWS_MAX = 1024, CALLS_MAX = 4096 };

struct rows {
	struct record record[ROWS_MAX];
	struct record *pointer[ROWS_MAX];
	size_t count;
};

/* What a scripted sink saw. */
struct seen {
	size_t counts[CALLS_MAX];
	enum fate fates[CALLS_MAX];
	int done[ROWS_MAX]; /* times that the row was in a call that was DONE */
	size_t calls;
};

static struct rows rows;
static struct seen seen;

static void
note(void *log, struct record *const *records, size_t count, enum fate fate)
{
	struct seen *s = log;

	assert_true(s->calls < CALLS_MAX);
	s->counts[s->calls] = count;
	s->fates[s->calls++] = fate;
	for (size_t i = 0; i < count; i++) {
		/* deliver() is never shown a settled row; it may settle one itself */
		assert_true(records[i]->outcome == OUTCOME_PENDING || fate == FATE_DONE);
		if (i > 0)
			assert_true(records[i - 1]->offset < records[i]->offset);
		if (fate == FATE_DONE)
			s->done[records[i]->offset]++;
	}
}

static void
rows_make(size_t count)
{
	for (size_t i = 0; i < rows.count; i++)
		free(rows.record[i].reason);
	memset(&rows, 0, sizeof rows);
	memset(&seen, 0, sizeof seen);
	rows.count = count;
	for (size_t i = 0; i < count; i++) {
		rows.record[i].offset = (int64_t)i;
		rows.record[i].value = SLICE("good");
		rows.pointer[i] = &rows.record[i];
	}
}

static struct sink *
open_fail(const char *script, size_t rows_max, int64_t age_ms)
{
	struct sink_fail_config config = {
		.script = script,
		.limits = { rows_max, 1 << 20, age_ms },
		.seen = note,
		.log = &seen,
	};
	struct sink *sink;
	struct err err;

	assert_int_equal(sink_open(&sink_fail, &config, &sink, &err), FATE_DONE);
	return sink;
}

static size_t
count_outcome(enum outcome outcome)
{
	size_t n = 0;

	for (size_t i = 0; i < rows.count; i++)
		n += rows.record[i].outcome == outcome;
	return n;
}

static void
waits_for_rows_then_for_age(void **state)
{
	struct sink *sink = open_fail("", 4, 60);
	struct err err;
	int64_t start_ms;

	(void)state;
	rows_make(5);
	sink_push(sink, rows.pointer, 3);
	assert_int_equal(sink_work(sink, 0, &err), FATE_DONE);
	assert_int_equal(seen.calls, 0);
	sink_push(sink, rows.pointer + 3, 2);
	assert_int_equal(sink_work(sink, 0, &err), FATE_DONE);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.counts[0], 4);
	assert_int_equal(sink_pending(sink), 1);

	start_ms = clock_mono_ms();
	assert_int_equal(sink_work(sink, 10, &err), FATE_DONE);
	assert_int_equal(seen.calls, 1);
	assert_in_range((uint64_t)(clock_mono_ms() - start_ms), 9, 45);
	assert_int_equal(sink_work(sink, 2000, &err), FATE_DONE);
	assert_int_equal(seen.calls, 2);
	assert_in_range((uint64_t)(clock_mono_ms() - start_ms), 40, 1500);
	assert_int_equal(sink_pending(sink), 0);
	start_ms = clock_mono_ms();
	assert_int_equal(sink_work(sink, 2000, &err), FATE_DONE); /* idle: at once */
	assert_true(clock_mono_ms() - start_ms < 1000);
	sink_close(sink);
}

static void
ends_a_batch_by_bytes(void **state)
{
	struct sink_fail_config config = {
		.limits = { 100, 10, 60000 }, .seen = note, .log = &seen
	};
	struct sink *sink;
	struct err err;

	(void)state;
	rows_make(7);
	assert_int_equal(sink_open(&sink_fail, &config, &sink, &err), FATE_DONE);
	sink_push(sink, rows.pointer, 7); /* 4 bytes each, 10 a batch */
	assert_int_equal(sink_work(sink, 50, &err), FATE_DONE);
	assert_int_equal(seen.calls, 3);
	assert_int_equal(seen.counts[0], 2);
	assert_int_equal(sink_pending(sink), 1); /* too young, too few bytes */
	sink_flush(sink);
	assert_int_equal(sink_work(sink, 0, &err), FATE_DONE);
	assert_int_equal(count_outcome(OUTCOME_DONE), 7);
	sink_close(sink);
}

static void
flush_holds_nothing_back_once(void **state)
{
	struct sink *sink = open_fail("", 2, 60000);
	struct err err;

	(void)state;
	rows_make(6);
	sink_push(sink, rows.pointer, 5);
	sink_flush(sink);
	while (sink_pending(sink) > 0)
		assert_int_equal(sink_work(sink, 0, &err), FATE_DONE);
	assert_int_equal(count_outcome(OUTCOME_DONE), 5);
	sink_push(sink, rows.pointer + 5, 1);
	assert_int_equal(sink_work(sink, 0, &err), FATE_DONE);
	assert_int_equal(sink_pending(sink), 1);
	sink_close(sink);
}

static void
halving_finds_every_bad_row(void **state)
{
	static const size_t bad[] = { 0, 13, 14, 500, 999 };
	struct sink *sink = open_fail("", 1000, 0);
	struct err err = { .what = "untouched" };

	(void)state;
	rows_make(1000);
	for (size_t i = 0; i < 5; i++)
		rows.record[bad[i]].value = SLICE("bad");
	sink_push(sink, rows.pointer, 1000);
	assert_int_equal(sink_work(sink, 0, &err), FATE_DONE);
	assert_string_equal(err.what, "untouched");
	assert_int_equal(count_outcome(OUTCOME_DONE), 995);
	assert_int_equal(count_outcome(OUTCOME_REJECTED), 5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(rows.record[bad[i]].reason, "a bad row");
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(seen.done[i], rows.record[i].outcome == OUTCOME_DONE);
	sink_close(sink);
}

static void
retry_while_halving_keeps_what_is_done(void **state)
{
	/* 8 rows refused; 4 done; 4 refused; 2 told to come again */
	struct sink *sink = open_fail("xdxr", 8, 0);
	struct err err;

	(void)state;
	rows_make(8);
	rows.record[6].value = SLICE("bad");
	sink_push(sink, rows.pointer, 8);
	assert_int_equal(sink_work(sink, 0, &err), FATE_RETRY);
	assert_string_equal(err.what, "sink fail: scripted retry");
	assert_int_equal(count_outcome(OUTCOME_DONE), 4);
	assert_int_equal(sink_pending(sink), 4);
	assert_int_equal(sink_work(sink, 0, &err), FATE_DONE);
	assert_int_equal(count_outcome(OUTCOME_DONE), 7);
	assert_int_equal(rows.record[6].outcome, OUTCOME_REJECTED);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(seen.done[i], i != 6);
	sink_close(sink);
}

static void
retry_and_halt_leave_rows_pending(void **state)
{
	struct sink *sink = open_fail("rh", 3, 0);
	struct err err;

	(void)state;
	rows_make(3);
	sink_push(sink, rows.pointer, 3);
	assert_int_equal(sink_work(sink, 0, &err), FATE_RETRY);
	assert_int_equal(count_outcome(OUTCOME_PENDING), 3);
	assert_int_equal(sink_work(sink, 0, &err), FATE_HALT);
	assert_int_equal(count_outcome(OUTCOME_PENDING), 3);
	assert_int_equal(rows.record[0].attempts, 2);
	sink_drop(sink);
	assert_int_equal(sink_pending(sink), 0);
	assert_int_equal(sink_work(sink, 0, &err), FATE_DONE);
	assert_int_equal(seen.calls, 2);
	sink_close(sink);
}

static void
a_row_named_by_the_driver_needs_no_halving(void **state)
{
	struct sink *sink = open_fail("", 10, 0);
	struct err err;

	(void)state;
	rows_make(10);
	rows.record[4].value = SLICE("named");
	sink_push(sink, rows.pointer, 10);
	assert_int_equal(sink_work(sink, 0, &err), FATE_DONE);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(count_outcome(OUTCOME_DONE), 9);
	assert_string_equal(rows.record[4].reason, "row at offset 4 is named");
	sink_close(sink);
}

static void
open_and_connect_pass_refusals_on(void **state)
{
	struct sink_fail_config config = { .open_error = "no such thing", .connect = "rd" };
	struct sink *sink = NULL;
	struct err err;

	(void)state;
	assert_int_equal(sink_open(&sink_fail, &config, &sink, &err), FATE_HALT);
	assert_string_equal(err.what, "open sink fail: no such thing");
	assert_null(sink);
	config.open_error = NULL;
	assert_int_equal(sink_open(&sink_fail, &config, &sink, &err), FATE_DONE);
	assert_int_equal(sink_connect(sink, &err), FATE_RETRY);
	assert_string_equal(err.what, "connect fail: scripted retry");
	assert_int_equal(sink_connect(sink, &err), FATE_DONE);
	sink_close(sink);
	sink_close(NULL);
}

/* --- a window driver in miniature: settles one record a call --- */

struct window {
	struct record *held[16];
	size_t count;
};

static void
window_push(void *state, struct record *const *records, size_t count)
{
	struct window *window = state;

	for (size_t i = 0; i < count; i++)
		window->held[window->count++] = records[i];
}

static enum fate
window_work(void *state, int wait_ms, struct err *err)
{
	struct window *window = state;

	if (wait_ms < 0)
		return err_set(err, FATE_RETRY, "window is shut");
	if (window->count > 0)
		window->held[--window->count]->outcome = OUTCOME_DONE;
	return FATE_DONE;
}

static void
window_drop(void *state)
{
	((struct window *)state)->count = 0;
}

static size_t
window_pending(const void *state)
{
	return ((const struct window *)state)->count;
}

static int64_t
window_replay_ms(const void *state)
{
	(void)state;
	return 1200000;
}

static const struct sink_ops sink_window = {
	.name = "window",
	.state = sizeof(struct window),
	.push = window_push,
	.work = window_work,
	.drop = window_drop,
	.pending = window_pending,
	.replay_ms = window_replay_ms,
};

static void
window_drivers_keep_their_own_books(void **state)
{
	struct sink *sink;
	struct err err;

	(void)state;
	rows_make(3);
	assert_int_equal(sink_open(&sink_window, NULL, &sink, &err), FATE_DONE);
	assert_true(sink_replay_ms(sink) == 1200000);
	sink_push(sink, rows.pointer, 3);
	assert_int_equal(sink_pending(sink), 3);
	assert_int_equal(sink_work(sink, 0, &err), FATE_DONE);
	assert_int_equal(rows.record[2].outcome, OUTCOME_DONE);
	assert_int_equal(rows.record[0].outcome, OUTCOME_PENDING);
	assert_int_equal(sink_work(sink, -1, &err), FATE_RETRY);
	assert_string_equal(err.what, "sink window: window is shut");
	sink_drop(sink);
	assert_int_equal(sink_pending(sink), 0);
	sink_close(sink);
}

/* --- the promises of sink.h, of every driver that needs no server --- */

static void
fill_good(struct record *record, size_t i)
{
	(void)i;
	record->value = SLICE("good");
}

static void
every_driver_keeps_the_contract(void **state)
{
	static const struct sink_fail_config calm = { .script = "" };
	static const struct sink_fail_config moody = { .script = "rxrdxxrrd" };

	(void)state;
	contract_check(&sink_null, NULL, fill_good);
	contract_check(&sink_fail, &calm, fill_good);
	contract_check(&sink_fail, &moody, fill_good);
	contract_check(&sink_window, NULL, fill_good);
	rows_make(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_for_rows_then_for_age),
		cmocka_unit_test(ends_a_batch_by_bytes),
		cmocka_unit_test(flush_holds_nothing_back_once),
		cmocka_unit_test(halving_finds_every_bad_row),
		cmocka_unit_test(retry_while_halving_keeps_what_is_done),
		cmocka_unit_test(retry_and_halt_leave_rows_pending),
		cmocka_unit_test(a_row_named_by_the_driver_needs_no_halving),
		cmocka_unit_test(open_and_connect_pass_refusals_on),
		cmocka_unit_test(window_drivers_keep_their_own_books),
		cmocka_unit_test(every_driver_keeps_the_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
