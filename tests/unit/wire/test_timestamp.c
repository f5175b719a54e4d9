/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/timestamp.h"

static struct buf out;

static int
teardown(void **state)
{
	(void)state;
	buf_finish(&out);
	return 0;
}

static int64_t
tz(const char *text)
{
	struct err err = { 0 };
	int64_t us = 0;

	if (timestamptz_parse(slice_str(text), &us, &err) != FATE_DONE)
		fail_msg("%s: %s", text, err.what);
	return us;
}

static const char *
printed(void (*print)(struct buf *, int64_t), int64_t value)
{
	out.len = 0;
	print(&out, value);
	return buf_str(&out);
}

static void
every_day_of_twenty_centuries_comes_back(void **state)
{
	int64_t day = days_from_civil(-400, 1, 1);

	(void)state;
	assert_int_equal(days_from_civil(1970, 1, 1), 0);
	assert_int_equal(days_from_civil(2000, 3, 1), 11017);
	for (int32_t year = -400; year <= 2400; year++) {
		for (int32_t month = 1; month <= 12; month++) {
			for (int32_t d = 1; d <= civil_month_days(year, month); d++, day++) {
				struct civil c = civil_from_days(day);

				assert_int_equal(days_from_civil(year, month, d), day);
				assert_true(c.year == year && c.month == month && c.day == d);
			}
		}
	}
}

static void
common_forms_agree(void **state)
{
	const int64_t want = INT64_C(1795250916637801);

	(void)state;
	assert_int_equal(tz("2026-11-21T08:48:36.637801Z"), want);
	assert_int_equal(tz("2026-11-21 08:48:36.637801+00"), want);
	assert_int_equal(tz("2026-11-21 08:48:36.637801"), want);
	assert_int_equal(tz("2026-11-21T10:48:36.637801+02:00"), want);
	assert_int_equal(tz("2026-11-21T08:48:36Z"), want - 637801);
	assert_int_equal(tz("2026-11-21T08:48:36.6Z"), want - 37801);
	assert_string_equal(printed(timestamptz_print, want), "2026-11-21 08:48:36.637801+00");
	assert_string_equal(
	    printed(timestamptz_print_rfc3339, want), "2026-11-21T08:48:36.637801Z");
	assert_string_equal(printed(timestamp_print, want - 637801), "2026-11-21 08:48:36");
	assert_string_equal(
	    printed(timestamptz_print_rfc3339, want - 637801), "2026-11-21T08:48:36.000000Z");
	assert_string_equal(printed(timestamp_print, -1), "1969-12-31 23:59:59.999999");
}

static void
far_years_take_debezium_forms_and_come_back(void **state)
{
	static const struct {
		const char *rfc, *postgres;
	} rows[] = { { "+21016-11-04T00:00:00.000000Z", "21016-11-04 00:00:00+00" },
		{ "-4713-11-24T00:00:00.000000Z", "4714-11-24 00:00:00+00 BC" },
		{ "0000-06-01T12:00:00.500000Z", "0001-06-01 12:00:00.5+00 BC" },
		{ "-0043-03-15T00:00:00.000000Z", "0044-03-15 00:00:00+00 BC" },
		{ "0001-01-01T00:00:00.000000Z", "0001-01-01 00:00:00+00" },
		{ "9999-12-31T23:59:59.999999Z", "9999-12-31 23:59:59.999999+00" },
		{ "infinity", "infinity" }, { "-infinity", "-infinity" } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int64_t us = tz(rows[i].rfc);

		assert_int_equal(tz(rows[i].postgres), us);
		assert_string_equal(printed(timestamptz_print_rfc3339, us), rows[i].rfc);
		assert_string_equal(printed(timestamptz_print, us), rows[i].postgres);
	}
}

static void
wrong_stamps_are_refused(void **state)
{
	static const struct {
		const char *text, *code;
	} rows[] = { { "", "22007" }, { "today", "22007" }, { "2026-11-21T", "22007" },
		{ "2026-02-29", "22008" }, { "2026-13-01", "22008" },
		{ "2026-11-21 25:00:00", "22008" }, { "2026-11-21 08:60:00", "22008" },
		{ "2026-11-21T08:48:36.637801+16", "22009" },
		{ "2026-11-21T08:48:36.Zx", "22007" }, { "294247-01-11 00:00:00+00", "22008" },
		{ "4714-11-23 BC", "22008" }, { "0000-01-01", "22008" },
		{ "2026-11-21 08:48:36+00 BC BC", "22007" },
		{ "99999999999999999999-01-01", "22007" } };
	struct err err;
	int64_t us = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(
		    timestamptz_parse(slice_str(rows[i].text), &us, &err), FATE_REJECT);
		assert_string_equal(err.code, rows[i].code);
	}
	assert_int_equal(us, 7);
	assert_int_equal(timestamp_parse(SLICE("x"), &us, &err), FATE_REJECT);
	assert_string_equal(err.what, "invalid input syntax for type timestamp: \"x\"");
}

static void
dates_and_times_come_back(void **state)
{
	struct err err;
	int64_t v;

	(void)state;
	assert_int_equal(date_parse(SLICE("2026-11-21"), &v, &err), FATE_DONE);
	assert_string_equal(printed(date_print, v), "2026-11-21");
	assert_int_equal(date_parse(SLICE("5874897-12-31"), &v, &err), FATE_DONE);
	assert_string_equal(printed(date_print, v), "5874897-12-31");
	assert_int_equal(date_parse(SLICE("0044-03-15 BC"), &v, &err), FATE_DONE);
	assert_string_equal(printed(date_print, v), "0044-03-15 BC");
	assert_int_equal(date_parse(SLICE("-infinity"), &v, &err), FATE_DONE);
	assert_true(v == TIME_NEG_INFINITY);
	assert_int_equal(time_parse(SLICE("24:00:00"), &v, &err), FATE_DONE);
	assert_true(v == DAY_US);
	assert_string_equal(printed(time_print, v), "24:00:00");
	assert_int_equal(time_parse(SLICE("08:48:36.5"), &v, &err), FATE_DONE);
	assert_string_equal(printed(time_print, v), "08:48:36.5");
	assert_int_equal(time_parse(SLICE("24:00:01"), &v, &err), FATE_REJECT);
}

static void
precision_rounds_from_the_year_2000(void **state)
{
	(void)state;
	assert_true(
	    timestamp_round(tz("2026-11-21 08:48:36.5"), 0) == tz("2026-11-21 08:48:37"));
	assert_true(
	    timestamp_round(tz("1999-11-21 08:48:36.5"), 0) == tz("1999-11-21 08:48:36"));
	assert_true(timestamp_round(tz("2026-11-21 08:48:36.637801"), 3) ==
		    tz("2026-11-21 08:48:36.638"));
	assert_true(timestamp_round(TIME_INFINITY, 0) == TIME_INFINITY);
	assert_true(timestamp_round(7, -1) == 7);
	assert_true(time_round(999999, 2) == 1000000);
}

static const char *
interval_text(const char *text)
{
	struct interval iv;
	struct err err;

	if (interval_parse(slice_str(text), &iv, &err) != FATE_DONE)
		return err.code[0] == '2' ? "refused" : "?";
	out.len = 0;
	interval_print(&out, iv);
	return buf_str(&out);
}

static void
intervals_print_as_postgres_does(void **state)
{
	struct interval month = { .months = 1 }, days = { .days = 30 },
			more = { .days = 30, .us = 1 };

	(void)state;
	assert_string_equal(interval_text("1 year 2 mons 3 days 04:05:06.7"),
	    "1 year 2 mons 3 days 04:05:06.7");
	assert_string_equal(
	    interval_text("P1Y2M3DT4H5M6.78S"), "1 year 2 mons 3 days 04:05:06.78");
	assert_string_equal(interval_text("-1 day +02:03:00"), "-1 days +02:03:00");
	assert_string_equal(interval_text("90 min ago"), "-01:30:00");
	assert_string_equal(interval_text("1.5 hours"), "01:30:00");
	assert_string_equal(interval_text("0"), "00:00:00");
	assert_string_equal(interval_text("1 day 1 day"), "refused");
	assert_string_equal(interval_text("3000000000 days"), "refused");
	assert_string_equal(interval_text(""), "refused");
	assert_int_equal(interval_compare(month, days), 0);
	assert_int_equal(interval_compare(month, more), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_day_of_twenty_centuries_comes_back),
		cmocka_unit_test(common_forms_agree),
		cmocka_unit_test(far_years_take_debezium_forms_and_come_back),
		cmocka_unit_test(wrong_stamps_are_refused),
		cmocka_unit_test(dates_and_times_come_back),
		cmocka_unit_test(precision_rounds_from_the_year_2000),
		cmocka_unit_test(intervals_print_as_postgres_does),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
