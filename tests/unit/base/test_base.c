/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/metrics.h"
#include "base/options.h"
#include "base/slice.h"

static void
err_keeps_the_sentence_and_the_code(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(err_code(&err, FATE_REJECT, "22012", "division by zero"), FATE_REJECT);
	assert_int_equal(err_wrap(&err, "row %d", 7), FATE_REJECT);
	assert_string_equal(err.what, "row 7: division by zero");
	assert_string_equal(err.code, "22012");
	assert_string_equal(fate_name(err.fate), "reject");
}

static void
err_cuts_what_is_too_long(void **state)
{
	struct err err = { 0 };

	(void)state;
	err_set(&err, FATE_HALT, "%0600d", 1);
	assert_int_equal(strlen(err.what), ERR_WHAT_SIZE - 1);
	err_wrap(&err, "outer");
	assert_int_equal(strlen(err.what), ERR_WHAT_SIZE - 1);
}

static void
slice_reads_integers_to_their_limits(void **state)
{
	int64_t i;
	uint64_t u;

	(void)state;
	assert_true(slice_i64(SLICE("-9223372036854775808"), &i));
	assert_true(i == INT64_MIN);
	assert_true(slice_i64(SLICE("9223372036854775807"), &i));
	assert_false(slice_i64(SLICE("9223372036854775808"), &i));
	assert_true(slice_u64(SLICE("18446744073709551615"), &u));
	assert_true(u == UINT64_MAX);
	assert_false(slice_u64(SLICE("18446744073709551616"), &u));
	assert_false(slice_u64(SLICE(""), &u));
	assert_false(slice_i64(SLICE("-"), &i));
	assert_false(slice_i64(SLICE("1 "), &i));
	assert_true(slice_u64_after(SLICE("Code: 60. DB, Code: 7"), SLICE("Code: "), &u));
	assert_int_equal(u, 60);
	assert_true(slice_u64_after(SLICE("at row 12"), SLICE("at row "), &u));
	assert_int_equal(u, 12);
	assert_false(slice_u64_after(SLICE("at row "), SLICE("at row "), &u));
	assert_false(
	    slice_u64_after(SLICE("at row 99999999999999999999"), SLICE("at row "), &u));
	assert_false(slice_u64_after(SLICE("at"), SLICE("at row "), &u));
	assert_false(slice_u64_after(SLICE(""), SLICE("x"), &u));
}

/* Every length, and every byte that is no digit at every place. */
static void
slice_reads_digits_of_every_length(void **state)
{
	char text[] = "98765432109876543219";
	uint64_t u, want = 0;

	(void)state;
	for (size_t len = 1; len <= 19; len++) {
		want = want * 10 + (uint64_t)(text[len - 1] - '0');
		assert_true(slice_u64(slice_of(text, len), &u));
		assert_true(u == want);
		for (size_t at = 0; at < len; at++) {
			char was = text[at];
			for (int c = 0; c < 256; c++) {
				text[at] = (char)c;
				assert_int_equal(
				    slice_u64(slice_of(text, len), &u), c >= '0' && c <= '9');
			}
			text[at] = was;
		}
	}
	assert_false(slice_u64(slice_of(text, 20), &u));
	assert_true(slice_u64(SLICE("00000000000000000000000007"), &u));
	assert_true(u == 7);
}

static void
arena_stops_at_its_ceiling(void **state)
{
	struct arena arena;
	size_t mark;

	(void)state;
	arena_init(&arena, 4096);
	mark = arena_mark(&arena);
	assert_non_null(arena_alloc(&arena, 4000));
	assert_null(arena_alloc(&arena, 4000));
	assert_null(arena_alloc(&arena, SIZE_MAX));
	arena_rewind(&arena, mark);
	assert_string_equal(arena_copy(&arena, SLICE("abc")).p, "abc");
	arena_finish(&arena);
}

static void
buf_grows_and_prints(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_printf(&buf, "%d,", i % 10);
	assert_int_equal(buf.len, 2000);
	assert_int_equal(strlen(buf_str(&buf)), 2000);
	buf_finish(&buf);
}

/* What fills the room to its last byte, and what does not fit. */
static void
buf_prints_at_the_edge(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	for (size_t left = 0; left < 8; left++) {
		buf_finish(&buf);
		buf_grow(&buf, 1);
		while (buf.cap - buf.len > left)
			buf_byte(&buf, '.');
		buf_printf(&buf, "%s", "abcd");
		assert_memory_equal(buf.p + buf.len - 5, ".abcd", 5);
	}
	buf_finish(&buf);
}

static void
buf_prints_numbers(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	buf_i64(&buf, 0);
	buf_byte(&buf, ' ');
	buf_i64(&buf, INT64_MAX);
	buf_byte(&buf, ' ');
	buf_i64(&buf, INT64_MIN);
	buf_byte(&buf, ' ');
	buf_millis(&buf, 0);
	buf_byte(&buf, ' ');
	buf_millis(&buf, 7);
	buf_byte(&buf, ' ');
	buf_millis(&buf, 12050);
	assert_string_equal(
	    buf_str(&buf), "0 9223372036854775807 -9223372036854775808 0.000 0.007 12.050");
	buf_finish(&buf);
}

/* Whoever counts them in microseconds stays within 64 bits. */
static void
durations_are_milliseconds_within_bounds(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} cases[] = { { "250ms", 250 }, { "5", 5000 }, { "0.5s", 500 }, { "2m", 120000 },
		{ "1h", 3600000 }, { "7d", 604800000 }, { "0", 0 },
		{ "1000000000000s", DURATION_MAX_MS }, { "1000000000001s", -1 },
		{ "1000000000000m", -1 }, { "1000000000000d", -1 }, { "1e300", -1 },
		{ "inf", -1 }, { "nan", -1 }, { "-1s", -1 }, { "5x", -1 }, { "", -1 } };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t ms = -1;

		assert_true(duration_parse(cases[i].text, &ms) == (cases[i].ms >= 0));
		assert_true(ms == cases[i].ms);
	}
}

static void
options_fill_targets_and_move_operands(void **state)
{
	bool check = false;
	const char *file = NULL;
	int64_t slot = 0, every = 0;
	double rate = 1;
	struct option_row rows[] = {
		{ "check", OPTION_FLAG, &check, NULL, "h", 0, 0 },
		{ "pipeline", OPTION_TEXT, &file, "FILE", "h", 0, 0 },
		{ "slot", OPTION_INT, &slot, "N", "h", 0, 31 },
		{ "every", OPTION_DURATION, &every, "T", "h", 0, 0 },
		{ "rate", OPTION_RATE, &rate, "R", "h", 0, 0 },
	};
	struct option_table table = { "t", "s", "X", 0, 2, rows, 5 };
	char *argv[] = { "t", "one", "--check", "--pipeline", "f.yaml", "--slot=31", "two",
		"--every", "250ms", "--rate", "600/m", NULL };
	char *wrong[] = { "t", "--slot", "32", NULL };
	char *unknown[] = { "t", "--nope", NULL };
	enum option_verdict verdict;
	struct err err;

	(void)state;
	assert_int_equal(options_parse(&table, 11, argv, &verdict, &err), FATE_DONE);
	assert_true(check);
	assert_string_equal(file, "f.yaml");
	assert_int_equal(slot, 31);
	assert_int_equal(every, 250);
	assert_true(rate > 9.99 && rate < 10.01);
	assert_string_equal(argv[1], "one");
	assert_string_equal(argv[2], "two");
	assert_null(argv[3]);
	assert_int_equal(options_parse(&table, 3, wrong, &verdict, &err), FATE_HALT);
	assert_non_null(strstr(err.what, "from 0 to 31"));
	assert_int_equal(options_parse(&table, 2, unknown, &verdict, &err), FATE_HALT);
	assert_non_null(strstr(err.what, "--nope"));
}

static void
metrics_print_prometheus_text(void **state)
{
	static struct metric rows[] = {
		{ "a_total", "k=\"x\"", METRIC_COUNTER, "Things.", 0 },
		{ "a_total", "k=\"y\"", METRIC_COUNTER, "Things.", 0 },
		{ "b_ms", NULL, METRIC_GAUGE, "Lag in ms.", 0 },
	};
	struct buf out = { 0 };

	(void)state;
	metrics_register(rows, 3);
	metric_add(&rows[1], 3);
	metric_set(&rows[2], -1);
	metrics_print(&out);
	assert_string_equal(buf_str(&out),
	    "# HELP a_total Things.\n# TYPE a_total counter\na_total{k=\"x\"} 0\n"
	    "a_total{k=\"y\"} 3\n# HELP b_ms Lag in ms.\n# TYPE b_ms gauge\nb_ms -1\n");
	buf_finish(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_keeps_the_sentence_and_the_code),
		cmocka_unit_test(err_cuts_what_is_too_long),
		cmocka_unit_test(slice_reads_integers_to_their_limits),
		cmocka_unit_test(slice_reads_digits_of_every_length),
		cmocka_unit_test(arena_stops_at_its_ceiling),
		cmocka_unit_test(buf_grows_and_prints),
		cmocka_unit_test(buf_prints_at_the_edge),
		cmocka_unit_test(buf_prints_numbers),
		cmocka_unit_test(options_fill_targets_and_move_operands),
		cmocka_unit_test(durations_are_milliseconds_within_bounds),
		cmocka_unit_test(metrics_print_prometheus_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
