/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic of dates, times and intervals, and to_timestamp. The zone is UTC. */
#include <math.h>

#include "sql/function.h"
#include "wire/timestamp.h"

#define A (call->arg[0])
#define B (call->arg[1])

/* 4714-11-24 BC, where Postgres' timestamps and dates begin. */
#define TIMESTAMP_MIN INT64_C(-210866803200000000)
#define DATE_MIN      (TIMESTAMP_MIN / DAY_US)
#define DATE_MAX      INT64_C(2145042905) /* the day before 5874898-01-01 */

static bool
infinite(int64_t v)
{
	return v == TIME_INFINITY || v == TIME_NEG_INFINITY;
}

static enum fate
out_of_range(const struct sql_call *call, const char *type)
{
	return err_code(call->err, FATE_REJECT, "22008", "%s out of range", type);
}

static enum fate
give_date(const struct sql_call *call, int64_t days)
{
	if (days < DATE_MIN || days > DATE_MAX)
		return out_of_range(call, "date");
	call->ret->i = days;
	return FATE_DONE;
}

static enum fate
date_plus_int(const struct sql_call *call)
{
	call->ret->i = A->i;
	return infinite(A->i) ? FATE_DONE : give_date(call, A->i + B->i);
}

static enum fate
date_minus_int(const struct sql_call *call)
{
	call->ret->i = A->i;
	return infinite(A->i) ? FATE_DONE : give_date(call, A->i - B->i);
}

static enum fate
date_minus_date(const struct sql_call *call)
{
	if (infinite(A->i) || infinite(B->i))
		return err_code(
		    call->err, FATE_REJECT, "22008", "cannot subtract infinite dates");
	call->ret->i = A->i - B->i;
	return FATE_DONE;
}

static bool
add_months(int64_t *us, int32_t months)
{
	int64_t in_day, day = timestamp_day(*us, &in_day), month;
	struct civil c = civil_from_days(day);

	if (months == 0)
		return true;
	month = (int64_t)c.year * 12 + c.month - 1 + months;
	c.year = (int32_t)(month >= 0 ? month / 12 : -((11 - month) / 12));
	c.month = (int32_t)(month - (int64_t)c.year * 12) + 1;
	if (c.day > civil_month_days(c.year, c.month))
		c.day = civil_month_days(c.year, c.month);
	day = days_from_civil(c.year, c.month, c.day);
	return !__builtin_mul_overflow(day, DAY_US, us) &&
	       !__builtin_add_overflow(*us, in_day, us);
}

/* Months first, then days, then the rest. */
static enum fate
shift(const struct sql_call *call, int64_t us, struct interval iv, int sign)
{
	int64_t day_part;

	call->ret->i = us;
	if (infinite(us))
		return FATE_DONE;
	if (!add_months(&us, iv.months * sign) || us < TIMESTAMP_MIN ||
	    __builtin_mul_overflow((int64_t)iv.days * sign, DAY_US, &day_part) ||
	    __builtin_add_overflow(us, day_part, &us) || us < TIMESTAMP_MIN ||
	    __builtin_add_overflow(us, iv.us * sign, &us) || us < TIMESTAMP_MIN ||
	    us == TIME_INFINITY)
		return out_of_range(call, "timestamp");
	call->ret->i = us;
	return FATE_DONE;
}

static enum fate
timestamp_plus(const struct sql_call *call)
{
	return shift(call, A->i, B->iv, 1);
}

static enum fate
timestamp_minus(const struct sql_call *call)
{
	return shift(call, A->i, B->iv, -1);
}

static enum fate
shift_date(const struct sql_call *call, int64_t days, struct interval iv, int sign)
{
	int64_t us = days;

	if (!infinite(days) && __builtin_mul_overflow(days, DAY_US, &us))
		return err_code(
		    call->err, FATE_REJECT, "22008", "date out of range for timestamp");
	return shift(call, us, iv, sign);
}

static enum fate
date_plus_interval(const struct sql_call *call)
{
	return shift_date(call, A->i, B->iv, 1);
}

static enum fate
date_minus_interval(const struct sql_call *call)
{
	return shift_date(call, A->i, B->iv, -1);
}

static enum fate
timestamp_minus_timestamp(const struct sql_call *call)
{
	int64_t us;

	if (infinite(A->i) || infinite(B->i))
		return err_code(
		    call->err, FATE_REJECT, "22008", "cannot subtract infinite timestamps");
	if (__builtin_sub_overflow(A->i, B->i, &us))
		return out_of_range(call, "interval");
	call->ret->iv = (struct interval){ .days = (int32_t)(us / DAY_US), .us = us % DAY_US };
	return FATE_DONE;
}

static enum fate
date_plus_time(const struct sql_call *call)
{
	call->ret->i = A->i;
	if (infinite(A->i))
		return FATE_DONE;
	if (__builtin_mul_overflow(A->i, DAY_US, &call->ret->i) ||
	    __builtin_add_overflow(call->ret->i, B->i, &call->ret->i))
		return err_code(
		    call->err, FATE_REJECT, "22008", "date out of range for timestamp");
	return FATE_DONE;
}

/* Around the clock; months and days do not count. */
static enum fate
turn(const struct sql_call *call, int64_t time, int64_t us)
{
	us = (time + us % DAY_US) % DAY_US;
	call->ret->i = us < 0 ? us + DAY_US : us;
	return FATE_DONE;
}

static enum fate
time_plus(const struct sql_call *call)
{
	return turn(call, A->i, B->iv.us);
}

static enum fate
time_minus(const struct sql_call *call)
{
	return turn(call, A->i, -(B->iv.us % DAY_US));
}

static enum fate
time_minus_time(const struct sql_call *call)
{
	call->ret->iv = (struct interval){ .us = A->i - B->i };
	return FATE_DONE;
}

static enum fate
add_intervals(const struct sql_call *call, struct interval b, bool minus)
{
	struct interval a = A->iv, *r = &call->ret->iv, sum;
	bool over = minus ? __builtin_sub_overflow(a.months, b.months, &sum.months) ||
				__builtin_sub_overflow(a.days, b.days, &sum.days) ||
				__builtin_sub_overflow(a.us, b.us, &sum.us)
			  : __builtin_add_overflow(a.months, b.months, &sum.months) ||
				__builtin_add_overflow(a.days, b.days, &sum.days) ||
				__builtin_add_overflow(a.us, b.us, &sum.us);

	if (over)
		return out_of_range(call, "interval");
	*r = sum;
	return FATE_DONE;
}

static enum fate
interval_plus(const struct sql_call *call)
{
	return add_intervals(call, B->iv, false);
}

static enum fate
interval_minus(const struct sql_call *call)
{
	return add_intervals(call, B->iv, true);
}

static enum fate
interval_negated(const struct sql_call *call)
{
	struct interval a = A->iv;

	if (a.months == INT32_MIN || a.days == INT32_MIN || a.us == INT64_MIN)
		return out_of_range(call, "interval");
	call->ret->iv = (struct interval){ .months = -a.months, .days = -a.days, .us = -a.us };
	return FATE_DONE;
}

/* float8_timestamptz: seconds since 1970, rounded as seconds since 2000 are. */
static enum fate
to_timestamp(const struct sql_call *call)
{
	static const double unix_to_2000 = 946684800.0;
	double seconds = A->f;

	if (isnan(seconds))
		return err_code(call->err, FATE_REJECT, "22008", "timestamp cannot be NaN");
	if (isinf(seconds)) {
		call->ret->i = seconds > 0 ? TIME_INFINITY : TIME_NEG_INFINITY;
		return FATE_DONE;
	}
	if (seconds < (double)(TIMESTAMP_MIN / 1000000) || seconds >= 9223371036854.0)
		return err_code(
		    call->err, FATE_REJECT, "22008", "timestamp out of range: \"%g\"", seconds);
	seconds = rint((seconds - unix_to_2000) * 1000000.0);
	call->ret->i = (int64_t)seconds + INT64_C(946684800000000);
	return FATE_DONE;
}

#define D      TYPE_DATE
#define TM     TYPE_TIME
#define TS     TYPE_TIMESTAMP
#define TZ     TYPE_TIMESTAMPTZ
#define IV     TYPE_INTERVAL
#define I4     TYPE_INT4
#define F8     TYPE_FLOAT8
#define SCALED "multiplying intervals is not in the subset"
static const struct sql_function rows[] = {
	{ "+", D, 2, { D, I4 }, date_plus_int },
	{ "+", D, 2, { I4, D }, date_plus_int, FN_SWAP },
	{ "-", D, 2, { D, I4 }, date_minus_int },
	{ "-", I4, 2, { D, D }, date_minus_date },
	{ "+", TS, 2, { D, IV }, date_plus_interval },
	{ "+", TS, 2, { IV, D }, date_plus_interval, FN_SWAP },
	{ "-", TS, 2, { D, IV }, date_minus_interval },
	{ "+", TS, 2, { D, TM }, date_plus_time },
	{ "+", TS, 2, { TM, D }, date_plus_time, FN_SWAP },
	{ "+", TS, 2, { TS, IV }, timestamp_plus },
	{ "+", TZ, 2, { TZ, IV }, timestamp_plus },
	{ "+", TS, 2, { IV, TS }, timestamp_plus, FN_SWAP },
	{ "+", TZ, 2, { IV, TZ }, timestamp_plus, FN_SWAP },
	{ "-", TS, 2, { TS, IV }, timestamp_minus },
	{ "-", TZ, 2, { TZ, IV }, timestamp_minus },
	{ "-", IV, 2, { TS, TS }, timestamp_minus_timestamp },
	{ "-", IV, 2, { TZ, TZ }, timestamp_minus_timestamp },
	{ "+", TM, 2, { TM, IV }, time_plus },
	{ "+", TM, 2, { IV, TM }, time_plus, FN_SWAP },
	{ "-", TM, 2, { TM, IV }, time_minus },
	{ "-", IV, 2, { TM, TM }, time_minus_time },
	{ "+", IV, 2, { IV, IV }, interval_plus },
	{ "-", IV, 2, { IV, IV }, interval_minus },
	{ "-", IV, 1, { IV }, interval_negated },
	{ "*", IV, 2, { IV, F8 }, NULL, 0, SCALED },
	{ "*", IV, 2, { F8, IV }, NULL, 0, SCALED },
	{ "/", IV, 2, { IV, F8 }, NULL, 0, SCALED },
	{ "to_timestamp", TZ, 1, { F8 }, to_timestamp },
	{ "to_timestamp", TZ, 2, { TYPE_TEXT, TYPE_TEXT }, NULL, 0,
	    "reading times by a format is not in the subset" },
};
const struct sql_function_table sql_functions_time = { rows, sizeof(rows) / sizeof(rows[0]) };
