/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/timestamp.h"

#include <stdbool.h>
#include <stdlib.h>

enum { ERA_DAYS = 146097, EPOCH_DAYS = 719468 };

/* Years that begin in March, in eras of 400: the leap day comes last. After
 * H. Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
int64_t
days_from_civil(int32_t year, int32_t month, int32_t day)
{
	int64_t y = (int64_t)year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAYS;
}

struct civil
civil_from_days(int64_t days)
{
	int64_t z = days + EPOCH_DAYS;
	int64_t era = (z >= 0 ? z : z - (ERA_DAYS - 1)) / ERA_DAYS;
	int64_t doe = z - era * ERA_DAYS;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / (ERA_DAYS - 1)) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	int64_t month = mp < 10 ? mp + 3 : mp - 9;

	return (struct civil){ .year = (int32_t)(yoe + era * 400 + (month <= 2)),
		.month = (int32_t)month,
		.day = (int32_t)(doy - (153 * mp + 2) / 5 + 1) };
}

int32_t
civil_month_days(int32_t year, int32_t month)
{
	static const int8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month == 2 && leap ? 29 : days[month - 1];
}

int64_t
timestamp_day(int64_t us, int64_t *ret_us_of_day)
{
	int64_t day = us / DAY_US, rest = us % DAY_US;

	if (rest < 0) {
		day--;
		rest += DAY_US;
	}
	*ret_us_of_day = rest;
	return day;
}

/* value in at least width digits. */
static char *
put_digits(char *p, uint64_t value, int width)
{
	char digits[20];
	int n = 0;

	for (; value > 0 || n < width; value /= 10)
		digits[n++] = (char)('0' + value % 10);
	while (n > 0)
		*p++ = digits[--n];
	return p;
}

static char *
put_two(char *p, int64_t value)
{
	p[0] = (char)('0' + value / 10 % 10);
	p[1] = (char)('0' + value % 10);
	return p + 2;
}

static char *
put_month_day(char *p, struct civil c)
{
	*p++ = '-';
	p = put_two(p, c.month);
	*p++ = '-';
	return put_two(p, c.day);
}

/* 08:48:36 and the fraction, trimmed as Postgres does or in full. */
static char *
put_time(char *p, int64_t us, bool trim)
{
	int64_t s = us / 1000000, fraction = us % 1000000;

	p = put_two(p, s / 3600);
	*p++ = ':';
	p = put_two(p, s / 60 % 60);
	*p++ = ':';
	p = put_two(p, s % 60);
	if (trim && fraction == 0)
		return p;
	*p++ = '.';
	p = put_digits(p, (uint64_t)fraction, 6);
	while (trim && p[-1] == '0')
		p--;
	return p;
}

static char *
put_date(char *p, struct civil c)
{
	int64_t year = c.year > 0 ? c.year : 1 - (int64_t)c.year;

	return put_month_day(put_digits(p, (uint64_t)year, 4), c);
}

static bool
put_infinity(struct buf *out, int64_t value)
{
	if (value == TIME_INFINITY)
		buf_cstr(out, "infinity");
	else if (value == TIME_NEG_INFINITY)
		buf_cstr(out, "-infinity");
	else
		return false;
	return true;
}

void
date_print(struct buf *out, int64_t days)
{
	char text[32];
	struct civil c;

	if (put_infinity(out, days))
		return;
	c = civil_from_days(days);
	buf_put(out, text, (size_t)(put_date(text, c) - text));
	if (c.year <= 0)
		buf_cstr(out, " BC");
}

void
time_print(struct buf *out, int64_t us)
{
	char text[32];

	buf_put(out, text, (size_t)(put_time(text, us, true) - text));
}

static void
print_stamp(struct buf *out, int64_t us, const char *zone)
{
	char text[64], *p;
	struct civil c;

	if (put_infinity(out, us))
		return;
	c = civil_from_days(timestamp_day(us, &us));
	p = put_date(text, c);
	*p++ = ' ';
	p = put_time(p, us, true);
	buf_put(out, text, (size_t)(p - text));
	buf_cstr(out, zone);
	if (c.year <= 0)
		buf_cstr(out, " BC");
}

void
timestamp_print(struct buf *out, int64_t us)
{
	print_stamp(out, us, "");
}

void
timestamptz_print(struct buf *out, int64_t us)
{
	print_stamp(out, us, "+00");
}

void
timestamptz_print_rfc3339(struct buf *out, int64_t us)
{
	char text[64], *p = text;
	struct civil c;

	if (put_infinity(out, us))
		return;
	c = civil_from_days(timestamp_day(us, &us));
	if (c.year < 0 || c.year > 9999)
		*p++ = c.year < 0 ? '-' : '+';
	p = put_digits(p, (uint64_t)(c.year < 0 ? -(int64_t)c.year : c.year), 4);
	p = put_month_day(p, c);
	*p++ = 'T';
	p = put_time(p, us, false);
	*p++ = 'Z';
	buf_put(out, text, (size_t)(p - text));
}

static int64_t
round_to(int64_t us, int32_t precision)
{
	static const int64_t scales[] = { 1000000, 100000, 10000, 1000, 100, 10, 1 };
	int64_t scale = scales[precision];

	return us < 0 ? -((-us + scale / 2) / scale * scale) : (us + scale / 2) / scale * scale;
}

int64_t
timestamp_round(int64_t us, int32_t precision)
{
	/* Ties go away from 2000-01-01; the shift itself is whole seconds. */
	const int64_t y2000 = INT64_C(946684800000000);

	if (precision < 0 || precision > 5 || us == TIME_INFINITY || us == TIME_NEG_INFINITY)
		return us;
	return round_to(us - y2000, precision) + y2000;
}

int64_t
time_round(int64_t us, int32_t precision)
{
	return precision < 0 || precision > 5 ? us : round_to(us, precision);
}
