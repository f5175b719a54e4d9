/* SPDX-License-Identifier: Apache-2.0 */
/* timestamp.h -- dates, times and intervals: numbers <-> text, no clock, no zone
 * database (the session's TimeZone is UTC).
 *
 * Timestamps are microseconds since 1970, dates days since 1970 (value.h). A text
 * is read in ISO order only: what Postgres prints under DateStyle ISO, RFC 3339,
 * and Debezium's ZonedTimestamp. now, today and other words that depend on a clock
 * are refused, and so are years beyond 294246 in timestamps (Postgres goes 30
 * years further; 64 bits since 1970 do not). */
#ifndef WIRE_TIMESTAMP_H
#define WIRE_TIMESTAMP_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "wire/value.h"

#define TIME_INFINITY     INT64_MAX /* of dates and timestamps alike */
#define TIME_NEG_INFINITY INT64_MIN
#define DAY_US            INT64_C(86400000000)

struct civil {
	int32_t year; /* astronomical: 0 is 1 BC */
	int32_t month, day;
};

/* Proleptic Gregorian calendar; any month 1..12 and day. */
int64_t days_from_civil(int32_t year, int32_t month, int32_t day);
struct civil civil_from_days(int64_t days); /* years within int32 */
int32_t civil_month_days(int32_t year, int32_t month);

/* Floor division of a finite timestamp into its day and the microseconds in it. */
int64_t timestamp_day(int64_t us, int64_t *ret_us_of_day);

/* REJECT: 22007 invalid input syntax, 22008 out of range, with Postgres' words.
 * timestamp_parse ignores a zone, as Postgres does; timestamptz_parse without one
 * takes UTC. Fractions round half to even at the sixth digit, as Postgres' do. */
enum fate date_parse(struct slice text, int64_t *ret_days, struct err *err) NODISCARD;
enum fate time_parse(struct slice text, int64_t *ret_us, struct err *err) NODISCARD;
enum fate timestamp_parse(struct slice text, int64_t *ret_us, struct err *err) NODISCARD;
enum fate timestamptz_parse(struct slice text, int64_t *ret_us, struct err *err) NODISCARD;
/* Postgres' units ("1 year 2 mons 3 days 04:05:06.7", "90 min ago") and ISO 8601
 * durations (P1Y2M3DT4H5M6.7S). */
enum fate interval_parse(
    struct slice text, struct interval *ret_interval, struct err *err) NODISCARD;

/* Append what Postgres prints. */
void date_print(struct buf *out, int64_t days);
void time_print(struct buf *out, int64_t us);
void timestamp_print(struct buf *out, int64_t us);
void timestamptz_print(struct buf *out, int64_t us);
void interval_print(struct buf *out, struct interval interval);

/* Appends the record's form, as Debezium's ZonedTimestamp writes it:
 * 2026-11-21T08:48:36.637801Z, always six digits; years beyond 9999 as
 * +10000-01-01T..., years before 1 astronomically (1 BC is 0000, 4714 BC is -4713);
 * infinity and -infinity as these words. timestamptz_parse reads all of it back. */
void timestamptz_print_rfc3339(struct buf *out, int64_t us);

/* The cast to timestamp(p) and time(p), p in 0..6: rounds half away from zero,
 * counted from 2000-01-01 as Postgres does. Other p and infinities: unchanged. */
int64_t timestamp_round(int64_t us, int32_t precision);
int64_t time_round(int64_t us, int32_t precision);

/* interval's btree order: a month is 30 days, a day 24 hours. */
int interval_compare(struct interval a, struct interval b);

#endif
