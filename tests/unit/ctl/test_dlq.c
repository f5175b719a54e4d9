/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/dlq_select.h"
#include "ctl/resend.h"

static const int64_t now_ms = INT64_C(1796065200000); /* 2026-11-30T19:00:00Z */

static struct letter
letter_at(int32_t partition, int64_t offset)
{
	return (struct letter){ .partition = partition,
		.offset = offset,
		.when_ms = now_ms - 60000,
		.worker = SLICE("enrich"),
		.class = SLICE("expression"),
		.sqlstate = SLICE("22012") };
}

static void
places_are_read(void **state)
{
	static const char *const wrong[] = { "", ":", "0", "0:", ":1", "a:1", "0:a", "-1:2",
		"0:-1", "0:5-4", "0:1-", "0:1-2-3", "0:1,", ",0:1", "0:1 ", "0: 1",
		"2147483648:1", "0:9223372036854775808", "0:1,0", "0/1" };
	struct dlq_select select = { 0 };
	struct err err = { 0 };
	int32_t partition = -1;
	int64_t offset = -1;

	(void)state;
	assert_int_equal(dlq_select_offsets(&select, "0:17,1:19-23,0:9", &err), FATE_DONE);
	assert_int_equal(select.range_count, 3);
	assert_int_equal(select.ranges[1].partition, 1);
	assert_int_equal(select.ranges[1].first, 19);
	assert_int_equal(select.ranges[1].last, 23);
	assert_int_equal(select.ranges[2].first, 9);
	assert_int_equal(select.ranges[2].last, 9);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct dlq_select none = { 0 };

		assert_int_equal(dlq_select_offsets(&none, wrong[i], &err), FATE_HALT);
		assert_non_null(strstr(err.what, "PARTITION:OFFSET"));
	}
	assert_int_equal(dlq_place("3:40", &partition, &offset, &err), FATE_DONE);
	assert_int_equal(partition, 3);
	assert_int_equal(offset, 40);
	assert_int_equal(dlq_place("3:40-41", &partition, &offset, &err), FATE_HALT);
	assert_int_equal(dlq_place("3:40,3:41", &partition, &offset, &err), FATE_HALT);
}

static void
too_many_ranges_are_refused(void **state)
{
	char text[DLQ_RANGES_MAX * 4 + 8] = "";
	struct dlq_select select = { 0 };
	struct err err = { 0 };

	(void)state;
	for (int i = 0; i < DLQ_RANGES_MAX; i++)
		memcpy(text + (size_t)i * 4, "0:1,", 4);
	text[DLQ_RANGES_MAX * 4 - 1] = '\0';
	assert_int_equal(dlq_select_offsets(&select, text, &err), FATE_DONE);
	assert_int_equal(dlq_select_offsets(&select, "0:1", &err), FATE_HALT);
}

static void
times_are_read(void **state)
{
	static const char *const wrong[] = { "", "yesterday", "2h ago", "2026-13-01",
		"infinity", "1969-12-31T00:00:00Z" };
	struct dlq_select select = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(dlq_select_since(&select, "2h", now_ms, &err), FATE_DONE);
	assert_true(select.since_ms == now_ms - 7200000);
	assert_int_equal(
	    dlq_select_since(&select, "2026-11-30T20:00:00+01:00", now_ms, &err), FATE_DONE);
	assert_true(select.since_ms == now_ms);
	assert_int_equal(dlq_select_since(&select, "2026-11-30", now_ms, &err), FATE_DONE);
	assert_true(select.since_ms == now_ms - INT64_C(19) * 3600000);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(dlq_select_since(&select, wrong[i], now_ms, &err), FATE_HALT);
}

static void
workers_are_those_of_the_pipeline(void **state)
{
	struct pipeline pipeline = { .name = "p",
		.has_enrich = true,
		.has_http = true,
		.http = { { .worker = "http.a" }, { .worker = "http.b" } },
		.http_count = 2 };
	struct dlq_select select = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(dlq_select_worker(&select, &pipeline, "http.b", &err), FATE_DONE);
	assert_string_equal(select.worker, "http.b");
	assert_int_equal(dlq_select_worker(&select, &pipeline, "clickhouse", &err), FATE_HALT);
	assert_non_null(strstr(err.what, "enrich, http.a, http.b"));
}

static void
all_that_is_said_must_be_true(void **state)
{
	const struct letter letter = letter_at(0, 17);
	struct dlq_select select = { 0 };
	struct err err = { 0 };
	struct letter plain = letter;

	(void)state;
	assert_true(dlq_selects(&select, &letter));
	select.worker = "clickhouse";
	assert_false(dlq_selects(&select, &letter));
	select.worker = "enrich";
	select.class = "expression";
	assert_true(dlq_selects(&select, &letter));
	select.class = "22012";
	assert_true(dlq_selects(&select, &letter));
	select.class = "expression/22012";
	assert_true(dlq_selects(&select, &letter));
	select.class = "expression/22003";
	assert_false(dlq_selects(&select, &letter));
	select.class = "malformed";
	assert_false(dlq_selects(&select, &letter));
	plain.sqlstate = (struct slice){ 0 };
	select.class = ""; /* no letter's */
	assert_false(dlq_selects(&select, &plain));
	select.class = NULL;
	select.since_ms = letter.when_ms;
	assert_true(dlq_selects(&select, &letter));
	select.since_ms++;
	assert_false(dlq_selects(&select, &letter));
	select.since_ms = 0;
	assert_int_equal(dlq_select_offsets(&select, "1:17,0:10-16", &err), FATE_DONE);
	assert_false(dlq_selects(&select, &letter));
	assert_int_equal(dlq_select_offsets(&select, "0:17", &err), FATE_DONE);
	assert_true(dlq_selects(&select, &letter));
}

static void
a_record_is_sent_again_with_its_own_headers(void **state)
{
	const struct header headers[] = { { SLICE("sluice.version"), SLICE("7") },
		{ SLICE("sluice.replay"), SLICE("1") },
		{ SLICE("sluice.replay.worker"), SLICE("clickhouse") },
		{ SLICE("sluice.before"), SLICE("{}") } };
	static const char *const want[] = { "sluice.version", "sluice.before", "sluice.replay",
		"sluice.replay.worker" };
	struct resend resend = { .out = { .topic = "t" } };

	(void)state;
	resend_fill(&resend, headers, 4, SLICE("http.a"));
	assert_int_equal(resend.out.header_count, 4);
	for (size_t i = 0; i < 4; i++)
		assert_true(slice_eq(resend.out.headers[i].name, slice_str(want[i])));
	assert_true(slice_eq(resend.out.headers[2].value, SLICE("1")));
	assert_true(slice_eq(resend.out.headers[3].value, SLICE("http.a")));
	resend_fill(&resend, headers, 1, RESEND_FOR_ALL);
	assert_int_equal(resend.out.header_count, 2);
	assert_true(slice_eq(resend.out.headers[1].name, SLICE("sluice.replay")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_are_read),
		cmocka_unit_test(too_many_ranges_are_refused),
		cmocka_unit_test(times_are_read),
		cmocka_unit_test(workers_are_those_of_the_pipeline),
		cmocka_unit_test(all_that_is_said_must_be_true),
		cmocka_unit_test(a_record_is_sent_again_with_its_own_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
