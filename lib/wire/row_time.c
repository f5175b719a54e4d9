/* SPDX-License-Identifier: Apache-2.0 */
/* row_time.c -- dates, times and durations that Debezium writes as numbers
 * (adaptive, connect, microseconds, nanoseconds) or as structs (structured). */
#include "wire/json.h"
#include "wire/row_value.h"
#include "wire/timestamp.h"

/* What Postgres can hold, and Debezium's stand-ins for the infinities. */
#define DATE_MIN         INT64_C(-2440588) /* 4714-11-24 BC */
#define DATE_INFINITE    INT64_C(2000000000)
#define STAMP_MIN_US     INT64_C(-210866803200000000)
#define STAMP_INF_US     INT64_C(9223372036825200000)
#define STAMP_NEG_INF_US INT64_C(-9223372036832400000)
#define STAMP_MAX_US     INT64_C(9223372036800000000)
/* The largest microseconds of a day; any larger number is nanoseconds or wrong. */
#define MS_PER_DAY INT64_C(86400000)

static enum fate
out_of_range(const char *what, struct slice raw, struct err *err)
{
	return err_code(
	    err, FATE_REJECT, "22008", "%s out of range: %.*s", what, SLICE_ARG(raw));
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	int64_t q = a / b;

	return a % b < 0 ? q - 1 : q;
}

static enum fate
read_days(int64_t days, struct slice raw, int64_t *ret_days, struct err *err)
{
	if (days > DATE_INFINITE)
		days = TIME_INFINITY;
	else if (days < -DATE_INFINITE)
		days = TIME_NEG_INFINITY;
	else if (days < DATE_MIN)
		return out_of_range("date", raw, err);
	*ret_days = days;
	return FATE_DONE;
}

/* adaptive: up to three digits of precision are milliseconds; a number beyond a
 * day's milliseconds cannot be one. */
static enum fate
read_time(int64_t n, struct pgtype type, enum encoding_kind encoding, struct slice raw,
    int64_t *ret_us, struct err *err)
{
	if (encoding == ENCODING_TIME_NS)
		n = floor_div(n, 1000);
	else if (encoding == ENCODING_TIME_MS ||
		 (encoding != ENCODING_TIME_US && type.typmod >= 0 && type.typmod <= 3 &&
		     n <= MS_PER_DAY))
		n = n < 0 || n > MS_PER_DAY ? -1 : n * 1000;
	if (n < 0 || n > DAY_US)
		return out_of_range("time", raw, err);
	*ret_us = n;
	return FATE_DONE;
}

static enum fate
read_stamp_us(int64_t us, struct slice raw, int64_t *ret_us, struct err *err)
{
	if (us >= STAMP_INF_US)
		us = TIME_INFINITY;
	else if (us <= STAMP_NEG_INF_US)
		us = TIME_NEG_INFINITY;
	else if (us < STAMP_MIN_US || us > STAMP_MAX_US)
		return out_of_range("timestamp", raw, err);
	*ret_us = us;
	return FATE_DONE;
}

static enum fate
read_stamp(int64_t n, struct pgtype type, enum encoding_kind encoding, struct slice raw,
    int64_t *ret_us, struct err *err)
{
	bool ms = encoding == ENCODING_TIMESTAMP_MS ||
		  (encoding == ENCODING_PLAIN && type.typmod >= 0 && type.typmod <= 3);

	if (encoding == ENCODING_TIMESTAMP_NS) {
		if (n == INT64_MAX || n == INT64_MIN)
			*ret_us = n;
		else
			*ret_us = floor_div(n, 1000);
		return FATE_DONE;
	}
	if (ms && __builtin_mul_overflow(n, INT64_C(1000), &n))
		return out_of_range("timestamp", raw, err);
	return read_stamp_us(n, raw, ret_us, err);
}

/* Whether a schema's encoding is one of the type's own. */
static bool
fits(enum type_kind type, enum encoding_kind encoding)
{
	if (encoding == ENCODING_PLAIN)
		return true;
	if (type == TYPE_DATE)
		return encoding == ENCODING_DATE;
	if (type == TYPE_TIME)
		return encoding >= ENCODING_TIME_MS && encoding <= ENCODING_TIME_NS;
	if (type == TYPE_TIMESTAMP)
		return encoding >= ENCODING_TIMESTAMP_MS && encoding <= ENCODING_TIMESTAMP_NS;
	return type == TYPE_INTERVAL && encoding >= ENCODING_DURATION_US;
}

static enum fate
read_number(struct pgtype type, enum encoding_kind encoding, struct slice raw,
    struct value *ret_value, struct err *err)
{
	int64_t n;

	if (!slice_i64(raw, &n) || !fits(type.kind, encoding))
		return row_value_wrong(type, raw, err);
	*ret_value = (struct value){ .state = VALUE_SET };
	if (type.kind == TYPE_DATE)
		return read_days(n, raw, &ret_value->i, err);
	if (type.kind == TYPE_TIME)
		return read_time(n, type, encoding, raw, &ret_value->i, err);
	if (type.kind == TYPE_TIMESTAMP)
		return read_stamp(n, type, encoding, raw, &ret_value->i, err);
	ret_value->iv =
	    (struct interval){ .us =
				   encoding == ENCODING_DURATION_NS ? floor_div(n, 1000) : n };
	return FATE_DONE;
}

/* --- structured mode --- */

enum part { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, NANOS, OFFSET_SECONDS, PART_COUNT };

struct parts {
	int64_t at[PART_COUNT];
	unsigned has; /* a bit a part */
	char special; /* '+', '-' infinity, 0 */
	bool zone_unknown;
};

static const struct {
	const char *name;
	enum part part;
} part_names[] = {
	{ "year", YEAR },
	{ "years", YEAR },
	{ "month", MONTH },
	{ "months", MONTH },
	{ "day", DAY },
	{ "days", DAY },
	{ "hour", HOUR },
	{ "hours", HOUR },
	{ "minute", MINUTE },
	{ "minutes", MINUTE },
	{ "second", SECOND },
	{ "seconds", SECOND },
	{ "nanos", NANOS },
	{ "nanoseconds", NANOS },
	{ "offsetSeconds", OFFSET_SECONDS },
};

static bool
part_read(struct slice name, struct slice raw, struct parts *parts)
{
	for (size_t i = 0; i < sizeof(part_names) / sizeof(*part_names); i++) {
		if (!slice_eq(name, slice_str(part_names[i].name)))
			continue;
		parts->has |= 1u << part_names[i].part;
		return slice_i64(raw, &parts->at[part_names[i].part]);
	}
	return true;
}

static bool
is_utc(struct slice zone)
{
	return slice_eq(zone, SLICE("Z")) || slice_eq(zone, SLICE("UTC")) ||
	       slice_eq(zone, SLICE("GMT")) || slice_eq(zone, SLICE("+00:00")) ||
	       slice_eq(zone, SLICE("Etc/UTC"));
}

static bool
parts_read(struct slice object, struct parts *parts)
{
	struct json_walk walk = json_walk(object);

	while (json_next(&walk)) {
		struct slice text = { 0 };
		if (json_kind_of(walk.value) == JSON_NULL)
			continue;
		if (json_kind_of(walk.value) == JSON_STRING)
			text = json_inner(walk.value);
		if (slice_eq(walk.name, SLICE("specialValue")) && text.len)
			parts->special = text.p[0] == '-' || text.p[0] == 'N' ? '-' : '+';
		else if (slice_eq(walk.name, SLICE("zoneId")))
			parts->zone_unknown = !is_utc(text);
		else if (!part_read(walk.name, walk.value, parts))
			return false;
	}
	return true;
}

/* Microseconds of hour..nanos; false when a part is out of its range. */
static bool
parts_of_day(const struct parts *parts, int64_t *ret_us)
{
	const int64_t *at = parts->at;

	if (at[HOUR] < 0 || at[HOUR] > 24 || at[MINUTE] < 0 || at[MINUTE] > 59 ||
	    at[SECOND] < 0 || at[SECOND] > 59 || at[NANOS] < 0 || at[NANOS] > 999999999)
		return false;
	*ret_us = (at[HOUR] * 3600 + at[MINUTE] * 60 + at[SECOND]) * 1000000 + at[NANOS] / 1000;
	return *ret_us <= DAY_US;
}

static bool
parts_date(const struct parts *parts, int64_t *ret_days)
{
	const int64_t *at = parts->at;

	if (at[YEAR] < -4713 || at[YEAR] > 5874897 || at[MONTH] < 1 || at[MONTH] > 12 ||
	    at[DAY] < 1 || at[DAY] > civil_month_days((int32_t)at[YEAR], (int32_t)at[MONTH]))
		return false;
	*ret_days = days_from_civil((int32_t)at[YEAR], (int32_t)at[MONTH], (int32_t)at[DAY]);
	return *ret_days >= DATE_MIN;
}

static bool
parts_interval(const struct parts *parts, struct interval *ret)
{
	const int64_t *at = parts->at;
	const int64_t limit = INT64_C(1) << 30;
	int64_t months;

	for (int i = 0; i < PART_COUNT; i++)
		if (at[i] > limit || at[i] < -limit)
			return false;
	months = at[YEAR] * 12 + at[MONTH];
	if (months != (int32_t)months)
		return false;
	*ret = (struct interval){ .months = (int32_t)months,
		.days = (int32_t)at[DAY],
		.us = (at[HOUR] * 3600 + at[MINUTE] * 60 + at[SECOND]) * 1000000 +
		      at[NANOS] / 1000 };
	return true;
}

static bool
parts_stamp(const struct parts *parts, int64_t *ret_us)
{
	int64_t days, us;

	if (!parts_date(parts, &days) || !parts_of_day(parts, &us))
		return false;
	if (days > STAMP_MAX_US / DAY_US - 1)
		return false;
	*ret_us = days * DAY_US + us - parts->at[OFFSET_SECONDS] * 1000000;
	return true;
}

static enum fate
read_structured(struct pgtype type, struct slice raw, struct value *ret_value, struct err *err)
{
	struct parts parts = { 0 };
	int64_t offset_limit = 18 * 3600;
	bool ok = parts_read(raw, &parts);

	*ret_value = (struct value){ .state = VALUE_SET };
	if (!ok || parts.zone_unknown || (!parts.has && !parts.special) ||
	    parts.at[OFFSET_SECONDS] > offset_limit || parts.at[OFFSET_SECONDS] < -offset_limit)
		return row_value_wrong(type, raw, err);
	if (parts.special && type.kind != TYPE_TIME && type.kind != TYPE_INTERVAL) {
		ret_value->i = parts.special == '-' ? TIME_NEG_INFINITY : TIME_INFINITY;
		return FATE_DONE;
	}
	if (type.kind == TYPE_DATE)
		ok = parts_date(&parts, &ret_value->i);
	else if (type.kind == TYPE_TIME)
		ok = (parts.has & 1u << HOUR) && parts_of_day(&parts, &ret_value->i);
	else if (type.kind == TYPE_INTERVAL)
		ok = parts_interval(&parts, &ret_value->iv);
	else
		ok = parts_stamp(&parts, &ret_value->i);
	return ok ? FATE_DONE : row_value_wrong(type, raw, err);
}

enum fate
row_time_read(struct pgtype type, struct encoding encoding, struct slice raw,
    struct value *ret_value, struct err *err)
{
	if (json_kind_of(raw) == JSON_OBJECT)
		return read_structured(type, raw, ret_value, err);
	return read_number(type, encoding.kind, raw, ret_value, err);
}
