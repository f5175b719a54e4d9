/* SPDX-License-Identifier: Apache-2.0 */
/* extract, date_part and date_trunc, after utils/adt/timestamp.c of PostgreSQL 15. */
#include <math.h>
#include <string.h>

#include "sql/function.h"
#include "wire/timestamp.h"

#define A (call->arg[0])
#define B (call->arg[1])

enum unit {
	UNIT_MICROSECOND,
	UNIT_MILLISECOND,
	UNIT_SECOND,
	UNIT_MINUTE,
	UNIT_HOUR,
	UNIT_DAY,
	UNIT_WEEK,
	UNIT_MONTH,
	UNIT_QUARTER,
	UNIT_YEAR,
	UNIT_DECADE,
	UNIT_CENTURY,
	UNIT_MILLENNIUM,
	UNIT_ISOYEAR,
	UNIT_DOW,
	UNIT_ISODOW,
	UNIT_DOY,
	UNIT_EPOCH,
	UNIT_JULIAN,
	UNIT_TIMEZONE,
	UNIT_TIMEZONE_HOUR,
	UNIT_TIMEZONE_MINUTE,
};

static const struct {
	const char *name;
	enum unit unit;
} units[] = {
	{ "microseconds", UNIT_MICROSECOND },
	{ "microsecond", UNIT_MICROSECOND },
	{ "us", UNIT_MICROSECOND },
	{ "milliseconds", UNIT_MILLISECOND },
	{ "millisecond", UNIT_MILLISECOND },
	{ "ms", UNIT_MILLISECOND },
	{ "second", UNIT_SECOND },
	{ "seconds", UNIT_SECOND },
	{ "sec", UNIT_SECOND },
	{ "secs", UNIT_SECOND },
	{ "s", UNIT_SECOND },
	{ "minute", UNIT_MINUTE },
	{ "minutes", UNIT_MINUTE },
	{ "min", UNIT_MINUTE },
	{ "mins", UNIT_MINUTE },
	{ "m", UNIT_MINUTE },
	{ "hour", UNIT_HOUR },
	{ "hours", UNIT_HOUR },
	{ "hr", UNIT_HOUR },
	{ "hrs", UNIT_HOUR },
	{ "h", UNIT_HOUR },
	{ "day", UNIT_DAY },
	{ "days", UNIT_DAY },
	{ "d", UNIT_DAY },
	{ "week", UNIT_WEEK },
	{ "weeks", UNIT_WEEK },
	{ "w", UNIT_WEEK },
	{ "month", UNIT_MONTH },
	{ "months", UNIT_MONTH },
	{ "mon", UNIT_MONTH },
	{ "mons", UNIT_MONTH },
	{ "quarter", UNIT_QUARTER },
	{ "qtr", UNIT_QUARTER },
	{ "year", UNIT_YEAR },
	{ "years", UNIT_YEAR },
	{ "yr", UNIT_YEAR },
	{ "yrs", UNIT_YEAR },
	{ "y", UNIT_YEAR },
	{ "decade", UNIT_DECADE },
	{ "decades", UNIT_DECADE },
	{ "dec", UNIT_DECADE },
	{ "decs", UNIT_DECADE },
	{ "century", UNIT_CENTURY },
	{ "centuries", UNIT_CENTURY },
	{ "cent", UNIT_CENTURY },
	{ "c", UNIT_CENTURY },
	{ "millennium", UNIT_MILLENNIUM },
	{ "millennia", UNIT_MILLENNIUM },
	{ "mil", UNIT_MILLENNIUM },
	{ "mils", UNIT_MILLENNIUM },
	{ "isoyear", UNIT_ISOYEAR },
	{ "dow", UNIT_DOW },
	{ "isodow", UNIT_ISODOW },
	{ "doy", UNIT_DOY },
	{ "epoch", UNIT_EPOCH },
	{ "julian", UNIT_JULIAN },
	{ "j", UNIT_JULIAN },
	{ "jd", UNIT_JULIAN },
	{ "timezone", UNIT_TIMEZONE },
	{ "timezone_h", UNIT_TIMEZONE_HOUR },
	{ "timezone_hour", UNIT_TIMEZONE_HOUR },
	{ "timezone_m", UNIT_TIMEZONE_MINUTE },
	{ "timezone_minute", UNIT_TIMEZONE_MINUTE },
};

static const char *
type_word(enum type_kind kind)
{
	return kind == TYPE_DATE        ? "date"
	       : kind == TYPE_TIME      ? "time without time zone"
	       : kind == TYPE_TIMESTAMP ? "timestamp without time zone"
					: "timestamp with time zone";
}

static enum fate
find_unit(const struct sql_call *call, enum type_kind kind, enum unit *ret_unit)
{
	char name[24];
	struct slice s = A->s;

	if (s.len < sizeof(name)) {
		for (size_t i = 0; i < s.len; i++)
			name[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + 32 : s.p[i]);
		name[s.len] = '\0';
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
			if (strcmp(units[i].name, name) == 0) {
				*ret_unit = units[i].unit;
				return FATE_DONE;
			}
		}
	}
	return err_code(call->err, FATE_REJECT, "22023",
	    "unit \"%.*s\" not recognized for type %s", SLICE_ARG(s), type_word(kind));
}

static enum fate
not_supported(const struct sql_call *call, enum type_kind kind)
{
	return err_code(call->err, FATE_REJECT, "0A000",
	    "unit \"%.*s\" not supported for type %s", SLICE_ARG(A->s), type_word(kind));
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Days since 1970 of Monday in week 1 of an ISO year. */
static int64_t
iso_year_start(int32_t year)
{
	int64_t day4 = days_from_civil(year, 1, 4);

	return day4 - (day4 + 3 - floor_div(day4 + 3, 7) * 7);
}

static int32_t
iso_year(int64_t day, int32_t year)
{
	if (day < iso_year_start(year))
		return year - 1;
	return day >= iso_year_start(year + 1) ? year + 1 : year;
}

/* A number of a date: years before 1 as Postgres counts them, without a year 0. */
static bool
date_part(enum unit unit, int64_t day, struct civil c, int64_t *ret)
{
	int64_t y = c.year, weekday = day + 4 - floor_div(day + 4, 7) * 7; /* 0 is Sunday */
	int32_t iso = iso_year(day, c.year);

	if (unit == UNIT_DAY)
		*ret = c.day;
	else if (unit == UNIT_WEEK)
		*ret = (day - iso_year_start(iso)) / 7 + 1;
	else if (unit == UNIT_MONTH)
		*ret = c.month;
	else if (unit == UNIT_QUARTER)
		*ret = (c.month - 1) / 3 + 1;
	else if (unit == UNIT_YEAR)
		*ret = y > 0 ? y : y - 1;
	else if (unit == UNIT_DECADE)
		*ret = y >= 0 ? y / 10 : -((8 - (y - 1)) / 10);
	else if (unit == UNIT_CENTURY)
		*ret = y > 0 ? (y + 99) / 100 : -((99 - (y - 1)) / 100);
	else if (unit == UNIT_MILLENNIUM)
		*ret = y > 0 ? (y + 999) / 1000 : -((999 - (y - 1)) / 1000);
	else if (unit == UNIT_ISOYEAR)
		*ret = iso > 0 ? iso : iso - 1;
	else if (unit == UNIT_DOW)
		*ret = weekday;
	else if (unit == UNIT_ISODOW)
		*ret = weekday ? weekday : 7;
	else if (unit == UNIT_DOY)
		*ret = day - days_from_civil(c.year, 1, 1) + 1;
	else
		return false;
	return true;
}

/* value / 10^scale */
struct part {
	int64_t value;
	uint16_t scale;
};

static bool
time_part(enum unit unit, int64_t us, struct part *ret)
{
	int64_t in_minute = us % 60000000;

	if (unit == UNIT_MICROSECOND)
		*ret = (struct part){ in_minute, 0 };
	else if (unit == UNIT_MILLISECOND)
		*ret = (struct part){ in_minute, 3 };
	else if (unit == UNIT_SECOND)
		*ret = (struct part){ in_minute, 6 };
	else if (unit == UNIT_MINUTE)
		*ret = (struct part){ us / 60000000 % 60, 0 };
	else if (unit == UNIT_HOUR)
		*ret = (struct part){ us / INT64_C(3600000000), 0 };
	else
		return false;
	return true;
}

static bool
zone_part(enum unit unit, enum type_kind kind)
{
	return kind == TYPE_TIMESTAMPTZ &&
	       (unit == UNIT_TIMEZONE || unit == UNIT_TIMEZONE_HOUR ||
		   unit == UNIT_TIMEZONE_MINUTE);
}

static enum fate
finite_part(const struct sql_call *call, enum type_kind kind, enum unit unit, struct part *ret)
{
	int64_t us = 0, day = kind == TYPE_DATE ? B->i : 0;

	*ret = (struct part){ 0 };
	if (kind == TYPE_TIME) {
		if (unit == UNIT_EPOCH)
			*ret = (struct part){ B->i, 6 };
		return unit == UNIT_EPOCH || time_part(unit, B->i, ret)
			   ? FATE_DONE
			   : not_supported(call, kind);
	}
	if (kind != TYPE_DATE)
		day = timestamp_day(B->i, &us);
	if (unit == UNIT_EPOCH) {
		*ret = kind == TYPE_DATE ? (struct part){ B->i * 86400, 0 }
					 : (struct part){ B->i, 6 };
		return FATE_DONE;
	}
	if (unit == UNIT_JULIAN && kind == TYPE_DATE) {
		ret->value = day + 2440588;
		return FATE_DONE;
	}
	if (date_part(unit, day, civil_from_days(day), &ret->value) || zone_part(unit, kind))
		return FATE_DONE;
	if (kind != TYPE_DATE && time_part(unit, us, ret))
		return FATE_DONE;
	return not_supported(call, kind);
}

/* What goes round is NULL, what goes on is infinite. */
static enum fate
infinite_part(const struct sql_call *call, enum type_kind kind, enum unit unit, bool *ret_null)
{
	switch (unit) {
	case UNIT_YEAR:
	case UNIT_DECADE:
	case UNIT_CENTURY:
	case UNIT_MILLENNIUM:
	case UNIT_ISOYEAR:
	case UNIT_EPOCH:
	case UNIT_JULIAN: *ret_null = false; return FATE_DONE;
	case UNIT_MICROSECOND:
	case UNIT_MILLISECOND:
	case UNIT_SECOND:
	case UNIT_MINUTE:
	case UNIT_HOUR:
		if (kind == TYPE_DATE)
			return not_supported(call, kind);
		*ret_null = true;
		return FATE_DONE;
	case UNIT_DAY:
	case UNIT_WEEK:
	case UNIT_MONTH:
	case UNIT_QUARTER:
	case UNIT_DOW:
	case UNIT_ISODOW:
	case UNIT_DOY: *ret_null = true; return FATE_DONE;
	case UNIT_TIMEZONE:
	case UNIT_TIMEZONE_HOUR:
	case UNIT_TIMEZONE_MINUTE:
		if (kind != TYPE_TIMESTAMPTZ)
			return not_supported(call, kind);
		*ret_null = true;
		return FATE_DONE;
	}
	return not_supported(call, kind);
}

static bool
is_infinite(enum type_kind kind, int64_t v)
{
	return kind != TYPE_TIME && (v == TIME_INFINITY || v == TIME_NEG_INFINITY);
}

static bool
julian_stamp(
    enum type_kind kind, enum unit unit, int64_t stamp, int64_t *ret_day, int64_t *ret_us)
{
	if (unit != UNIT_JULIAN || kind == TYPE_DATE || kind == TYPE_TIME)
		return false;
	*ret_day = timestamp_day(stamp, ret_us);
	return true;
}

static enum fate
extract_of(const struct sql_call *call, enum type_kind kind)
{
	enum unit unit = UNIT_DAY;
	enum fate fate = find_unit(call, kind, &unit);
	struct part part;
	int64_t day, us;
	bool null = false;

	if (fate)
		return fate;
	if (is_infinite(kind, B->i)) {
		fate = infinite_part(call, kind, unit, &null);
		call->ret->state = null ? VALUE_NULL : VALUE_SET;
		call->ret->d =
		    (struct decimal){ .form = B->i > 0 ? DECIMAL_INF : DECIMAL_NEG_INF };
		return fate;
	}
	if (julian_stamp(kind, unit, B->i, &day, &us))
		return sql_julian(call, day, us);
	fate = finite_part(call, kind, unit, &part);
	if (!fate)
		call->ret->d = decimal_from_i128(part.value, part.scale);
	return fate;
}

/* The same as float8, with Postgres' own order of operations. */
static enum fate
date_part_of(const struct sql_call *call, enum type_kind kind)
{
	enum unit unit = UNIT_DAY;
	enum fate fate = find_unit(call, kind, &unit);
	struct part part;
	int64_t day, us;
	bool null = false;

	if (fate)
		return fate;
	if (is_infinite(kind, B->i)) {
		fate = infinite_part(call, kind, unit, &null);
		call->ret->state = null ? VALUE_NULL : VALUE_SET;
		call->ret->f = B->i > 0 ? (double)INFINITY : -(double)INFINITY;
		return fate;
	}
	if (julian_stamp(kind, unit, B->i, &day, &us)) {
		call->ret->f = sql_julian_float(day, us);
		return FATE_DONE;
	}
	fate = finite_part(call, kind, unit, &part);
	if (fate)
		return fate;
	call->ret->f = (double)part.value;
	if (unit == UNIT_SECOND)
		call->ret->f =
		    (double)(part.value / 1000000) + (double)(part.value % 1000000) / 1000000.0;
	else if (unit == UNIT_MILLISECOND)
		call->ret->f = (double)(part.value / 1000000) * 1000.0 +
			       (double)(part.value % 1000000) / 1000.0;
	else if (part.scale == 6)
		call->ret->f = (double)part.value / 1000000.0;
	return FATE_DONE;
}

#define PARTS(name, kind)                                                                      \
	static enum fate extract_##name(const struct sql_call *call)                           \
	{                                                                                      \
		return extract_of(call, kind);                                                 \
	}                                                                                      \
	static enum fate date_part_##name(const struct sql_call *call)                         \
	{                                                                                      \
		return date_part_of(call, kind);                                               \
	}
PARTS(time, TYPE_TIME)
PARTS(timestamp, TYPE_TIMESTAMP)
PARTS(timestamptz, TYPE_TIMESTAMPTZ)

static enum fate
extract_date(const struct sql_call *call)
{
	return extract_of(call, TYPE_DATE);
}

static int32_t
trunc_year(enum unit unit, int32_t y)
{
	if (unit == UNIT_MILLENNIUM)
		return y > 0 ? (y + 999) / 1000 * 1000 - 999
			     : -((999 - (y - 1)) / 1000) * 1000 + 1;
	if (unit == UNIT_CENTURY)
		return y > 0 ? (y + 99) / 100 * 100 - 99 : -((99 - (y - 1)) / 100) * 100 + 1;
	return y > 0 ? y / 10 * 10 : -((8 - (y - 1)) / 10) * 10;
}

static int64_t
trunc_day(enum unit unit, int64_t day)
{
	struct civil c = civil_from_days(day);

	if (unit == UNIT_WEEK)
		return day - (day + 3 - floor_div(day + 3, 7) * 7);
	if (unit == UNIT_MONTH)
		return days_from_civil(c.year, c.month, 1);
	if (unit == UNIT_QUARTER)
		return days_from_civil(c.year, (c.month - 1) / 3 * 3 + 1, 1);
	if (unit == UNIT_YEAR)
		return days_from_civil(c.year, 1, 1);
	if (unit == UNIT_DECADE || unit == UNIT_CENTURY || unit == UNIT_MILLENNIUM)
		return days_from_civil(trunc_year(unit, c.year), 1, 1);
	return day;
}

static enum fate
trunc_of(const struct sql_call *call, enum type_kind kind)
{
	static const int64_t steps[] = { [UNIT_MICROSECOND] = 1,
		[UNIT_MILLISECOND] = 1000,
		[UNIT_SECOND] = 1000000,
		[UNIT_MINUTE] = 60000000,
		[UNIT_HOUR] = INT64_C(3600000000) };
	enum unit unit = UNIT_DAY;
	int64_t us, day;
	enum fate fate;

	call->ret->i = B->i;
	if (is_infinite(kind, B->i))
		return FATE_DONE;
	fate = find_unit(call, kind, &unit);
	if (fate)
		return fate;
	if (unit > UNIT_MILLENNIUM)
		return not_supported(call, kind);
	day = timestamp_day(B->i, &us);
	if (unit <= UNIT_HOUR)
		us -= us % steps[unit];
	else
		us = 0;
	call->ret->i = trunc_day(unit, day) * DAY_US + us;
	if (call->ret->i < -2440588 * DAY_US) /* where Postgres' timestamps begin */
		return err_code(call->err, FATE_REJECT, "22008", "timestamp out of range");
	return FATE_DONE;
}

static enum fate
trunc_timestamp(const struct sql_call *call)
{
	return trunc_of(call, TYPE_TIMESTAMP);
}

static enum fate
trunc_timestamptz(const struct sql_call *call)
{
	return trunc_of(call, TYPE_TIMESTAMPTZ);
}

static enum fate
date_part_date(const struct sql_call *call)
{
	struct value day = *B, *const ret = call->ret;
	const struct value *args[2] = { A, &day };
	struct sql_call inner = *call;

	if (!is_infinite(TYPE_DATE, day.i) && __builtin_mul_overflow(day.i, DAY_US, &day.i))
		return err_code(
		    call->err, FATE_REJECT, "22008", "date out of range for timestamp");
	inner.arg = args;
	inner.ret = ret;
	return date_part_of(&inner, TYPE_TIMESTAMP);
}

#define T         TYPE_TEXT
#define N         TYPE_NUMERIC
#define F8        TYPE_FLOAT8
#define TS        TYPE_TIMESTAMP
#define TZ        TYPE_TIMESTAMPTZ
#define INTERVALS "parts of intervals are not in the subset"
#define ZONES     "time zones other than the session's UTC are not in the subset"
static const struct sql_function rows[] = {
	{ "extract", N, 2, { T, TYPE_DATE }, extract_date },
	{ "extract", N, 2, { T, TYPE_TIME }, extract_time },
	{ "extract", N, 2, { T, TS }, extract_timestamp },
	{ "extract", N, 2, { T, TZ }, extract_timestamptz },
	{ "extract", N, 2, { T, TYPE_INTERVAL }, NULL, 0, INTERVALS },
	{ "date_part", F8, 2, { T, TYPE_DATE }, date_part_date },
	{ "date_part", F8, 2, { T, TYPE_TIME }, date_part_time },
	{ "date_part", F8, 2, { T, TS }, date_part_timestamp },
	{ "date_part", F8, 2, { T, TZ }, date_part_timestamptz },
	{ "date_part", F8, 2, { T, TYPE_INTERVAL }, NULL, 0, INTERVALS },
	{ "date_trunc", TS, 2, { T, TS }, trunc_timestamp },
	{ "date_trunc", TZ, 2, { T, TZ }, trunc_timestamptz },
	{ "date_trunc", TYPE_INTERVAL, 2, { T, TYPE_INTERVAL }, NULL, 0, INTERVALS },
	{ "date_trunc", TZ, 3, { T, TZ, T }, NULL, 0, ZONES },
	{ "timezone", TS, 2, { T, TZ }, NULL, 0, ZONES },
	{ "timezone", TZ, 2, { T, TS }, NULL, 0, ZONES },
};
const struct sql_function_table sql_functions_part = { rows, sizeof(rows) / sizeof(rows[0]) };
