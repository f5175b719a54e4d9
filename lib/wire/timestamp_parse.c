/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <strings.h>

#include "wire/timestamp.h"

/* What a text said, field by field. */
struct fields {
	bool only_time; /* asked for a time: what is beyond 24:00 is told after the zone */
	bool late;      /* beyond 24:00 */
	bool has_date, has_time, has_zone, has_sign, has_t, bc;
	int infinity; /* -1, 1 */
	int64_t year;
	int32_t month, day;
	int64_t us;     /* of the day, up to a leap second past 24:00 */
	int32_t zone_s; /* east of Greenwich */
};

enum verdict { GOOD, SYNTAX, RANGE, ZONE_RANGE };

struct scan {
	const char *p, *end;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void
skip_blanks(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || (*s->p >= '\t' && *s->p <= '\r')))
		s->p++;
}

static bool
take(struct scan *s, char c)
{
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static bool
take_word(struct scan *s, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - s->p) < len || strncasecmp(s->p, word, len) != 0)
		return false;
	if (s->p + len < s->end && (s->p[len] | 0x20) >= 'a' && (s->p[len] | 0x20) <= 'z')
		return false;
	s->p += len;
	return true;
}

/* Digits, at most max of them; their count, 0 when there is none or too many. */
static int
take_number(struct scan *s, int max, int64_t *ret)
{
	int64_t value = 0;
	int n = 0;

	for (; s->p < s->end && is_digit(*s->p); s->p++) {
		if (++n > max)
			return 0;
		value = value * 10 + (*s->p - '0');
	}
	*ret = value;
	return n;
}

static int32_t
two(const char *p)
{
	return is_digit(p[0]) && is_digit(p[1]) ? (p[0] - '0') * 10 + (p[1] - '0') : -1;
}

/* The fraction after a point, in microseconds, rounded half to even. */
static bool
take_fraction(struct scan *s, int64_t *ret_us)
{
	const char *start = s->p;
	char text[32] = "0.";
	int64_t us = 0;
	int n = 0;

	for (; s->p < s->end && is_digit(*s->p); s->p++, n++)
		us = n < 6 ? us * 10 + (*s->p - '0') : us;
	if (n > 6) {
		memcpy(text + 2, start, n < 24 ? (size_t)n : 24);
		us = (int64_t)rint(strtod(text, NULL) * 1000000);
	}
	for (; n < 6; n++)
		us *= 10;
	*ret_us = us;
	return true;
}

static enum verdict
take_time(struct scan *s, struct fields *f)
{
	int64_t h, m, sec = 0, us = 0;

	if (!take_number(s, 2, &h) || !take(s, ':') || !take_number(s, 2, &m))
		return SYNTAX;
	if (take(s, ':')) {
		if (!take_number(s, 2, &sec))
			return SYNTAX;
		if (take(s, '.') && !take_fraction(s, &us))
			return SYNTAX;
	}
	f->has_time = true;
	f->us = ((h * 60 + m) * 60 + sec) * 1000000 + us;
	f->late = f->us > DAY_US;
	return m > 59 || sec > 60 || (f->late && !f->only_time) ? RANGE : GOOD;
}

static enum verdict
take_zone(struct scan *s, struct fields *f)
{
	bool west = s->p < s->end && *s->p == '-';
	int64_t h, m = 0, sec = 0;
	int n;

	f->has_zone = true;
	if (take_word(s, "z") || take_word(s, "utc") || take_word(s, "gmt"))
		return GOOD;
	if (!take(s, '+') && !take(s, '-'))
		return SYNTAX;
	n = take_number(s, 6, &h);
	if (n == 0 || n == 5)
		return SYNTAX;
	if (n == 6) {
		sec = h % 100;
		h /= 100;
	}
	if (n >= 3) {
		m = h % 100;
		h /= 100;
	} else if (take(s, ':') && take_number(s, 2, &m) && take(s, ':')) {
		(void)take_number(s, 2, &sec);
	}
	if (h > 15 || m > 59 || sec > 59)
		return ZONE_RANGE;
	f->zone_s = (int32_t)((h * 60 + m) * 60 + sec) * (west ? -1 : 1);
	return GOOD;
}

static enum verdict
take_date(struct scan *s, struct fields *f)
{
	bool minus = s->p < s->end && *s->p == '-';
	int64_t month, day;

	f->has_sign = s->p < s->end && (*s->p == '-' || *s->p == '+');
	if (f->has_sign)
		s->p++;
	if (take_number(s, 9, &f->year) < 3 || !take(s, '-') || !take_number(s, 2, &month) ||
	    !take(s, '-') || !take_number(s, 2, &day))
		return SYNTAX;
	f->year = minus ? -f->year : f->year;
	f->month = (int32_t)month;
	f->day = (int32_t)day;
	f->has_date = true;
	return GOOD;
}

static bool
starts_time(const struct scan *s)
{
	const char *p = s->p;

	while (p < s->end && is_digit(*p))
		p++;
	return p > s->p && p < s->end && *p == ':';
}

/* An era's years are counted from 1; with a sign they are astronomical. */
static enum verdict
settle_year(struct fields *f)
{
	if (f->has_sign)
		return f->bc ? SYNTAX : GOOD;
	if (f->year == 0)
		return RANGE;
	if (f->bc)
		f->year = 1 - f->year;
	return GOOD;
}

static enum verdict
check_date(struct fields *f)
{
	enum verdict v = settle_year(f);

	if (v != GOOD)
		return v;
	if (f->month < 1 || f->month > 12)
		return RANGE;
	if (f->day < 1 || f->day > civil_month_days((int32_t)f->year, f->month))
		return RANGE;
	return GOOD;
}

static enum verdict
take_day(struct scan *s, struct fields *f)
{
	if (take_word(s, "infinity") || take_word(s, "+infinity"))
		f->infinity = 1;
	else if (take_word(s, "-infinity"))
		f->infinity = -1;
	else if (take_word(s, "epoch"))
		*f = (struct fields){ .has_date = true, .year = 1970, .month = 1, .day = 1 };
	else if (!starts_time(s))
		return take_date(s, f);
	return GOOD;
}

/* The zone and the era, in either order. */
static enum verdict
take_rest(struct scan *s, struct fields *f)
{
	bool era = false;
	enum verdict v = GOOD;

	for (skip_blanks(s); s->p < s->end && v == GOOD; skip_blanks(s)) {
		if (!era && f->has_date && (take_word(s, "ad") || take_word(s, "bc"))) {
			era = true;
			f->bc = (s->p[-2] | 0x20) == 'b';
		} else if (!f->has_zone && (f->has_date || f->has_time)) {
			v = take_zone(s, f);
		} else {
			return SYNTAX;
		}
	}
	return v;
}

static enum verdict
scan_fields(struct slice text, struct fields *f)
{
	struct scan s = { text.p, text.len ? text.p + text.len : text.p };
	enum verdict v;

	skip_blanks(&s);
	v = take_day(&s, f);
	if (v != GOOD)
		return v;
	f->has_t = f->has_date && (take(&s, 'T') || take(&s, 't'));
	skip_blanks(&s);
	if (f->has_t || (!f->infinity && starts_time(&s)))
		v = take_time(&s, f);
	if (v == GOOD)
		v = take_rest(&s, f);
	if (v != GOOD)
		return v;
	/* A record writes 1 BC as year 0000 with T and Z. */
	f->has_sign |= f->has_t && f->has_zone && f->year == 0;
	v = f->has_date ? check_date(f) : GOOD;
	return v == GOOD && f->late ? RANGE : v;
}

static enum fate
refuse(enum verdict v, const char *type, struct slice text, struct err *err)
{
	if (v == RANGE)
		return err_code(err, FATE_REJECT, "22008",
		    "date/time field value out of range: \"%.*s\"", SLICE_ARG(text));
	if (v == ZONE_RANGE)
		return err_code(err, FATE_REJECT, "22009",
		    "time zone displacement out of range: \"%.*s\"", SLICE_ARG(text));
	return err_code(err, FATE_REJECT, "22007", "invalid input syntax for type %s: \"%.*s\"",
	    type, SLICE_ARG(text));
}

static enum fate
beyond(const char *type, struct slice text, struct err *err)
{
	return err_code(
	    err, FATE_REJECT, "22008", "%s out of range: \"%.*s\"", type, SLICE_ARG(text));
}

enum fate
date_parse(struct slice text, int64_t *ret_days, struct err *err)
{
	struct fields f = { 0 };
	enum verdict v = scan_fields(text, &f);

	if (v == GOOD && (f.has_sign || (!f.has_date && !f.infinity)))
		v = SYNTAX;
	if (v != GOOD)
		return refuse(v, "date", text, err);
	if (f.infinity) {
		*ret_days = f.infinity > 0 ? TIME_INFINITY : TIME_NEG_INFINITY;
		return FATE_DONE;
	}
	if (f.year > 5874897 || f.year < -4713 ||
	    (f.year == -4713 && (f.month < 11 || (f.month == 11 && f.day < 24))))
		return beyond("date", text, err);
	*ret_days = days_from_civil((int32_t)f.year, f.month, f.day);
	return FATE_DONE;
}

enum fate
time_parse(struct slice text, int64_t *ret_us, struct err *err)
{
	struct fields f = { .only_time = true };
	enum verdict v = scan_fields(text, &f);

	/* A date before the time is passed over, but not with a T between them. */
	if (!f.has_time || f.has_t)
		v = SYNTAX;
	if (v != GOOD)
		return refuse(v, "time", text, err);
	*ret_us = f.us;
	return FATE_DONE;
}

/* At a point: up to six digits of a second. */
static inline bool
fast_fraction(const char **p, const char *end, int64_t *ret_us)
{
	const char *digit = *p + 1;
	int64_t us = 0;
	int n = 0;

	if (end - digit >= 6) {
		int32_t a = two(digit), b = two(digit + 2), c = two(digit + 4);

		if (a >= 0 && b >= 0 && c >= 0) {
			*ret_us = (a * 100 + b) * 100 + c;
			*p = digit + 6;
			return true;
		}
	}
	for (; digit < end && is_digit(*digit) && n < 6; digit++, n++)
		us = us * 10 + (*digit - '0');
	*p = digit;
	if (n == 0)
		return false;
	for (; n < 6; n++)
		us *= 10;
	*ret_us = us;
	return true;
}

/* 2026-11-21T08:48:36[.637801]Z and 2026-11-21 08:48:36[.637801][+00], the forms of
 * Debezium and Postgres: digits at fixed places. False leaves it to scan_fields. */
static bool
fast_stamp(struct slice text, int64_t *ret_us)
{
	const char *p = text.p, *end;
	int32_t century, year, month, day, h, m, s;
	int64_t us = 0;

	if (text.len < 19 || p[4] != '-' || p[7] != '-' || (p[10] != 'T' && p[10] != ' ') ||
	    p[13] != ':' || p[16] != ':')
		return false;
	end = p + text.len;
	century = two(p);
	year = two(p + 2);
	month = two(p + 5);
	day = two(p + 8);
	h = two(p + 11);
	m = two(p + 14);
	s = two(p + 17);
	if (century < 0 || year < 0 || month < 1 || month > 12 || day < 1 || h < 0 || h > 23 ||
	    m < 0 || m > 59 || s < 0 || s > 59 || century + year == 0 ||
	    day > civil_month_days(century * 100 + year, month))
		return false;
	p += 19;
	if (p < end && *p == '.' && !fast_fraction(&p, end, &us))
		return false;
	if (!(end - p == 1 && *p == 'Z') && !(end - p == 3 && memcmp(p, "+00", 3) == 0) &&
	    p != end)
		return false;
	*ret_us = days_from_civil(century * 100 + year, month, day) * DAY_US +
		  ((h * 60 + m) * INT64_C(60) + s) * 1000000 + us;
	return true;
}

static enum fate
stamp_parse(struct slice text, const char *type, bool zoned, int64_t *ret_us, struct err *err)
{
	const int64_t first = INT64_C(-2440588) * DAY_US; /* 4714-11-24 BC */
	struct fields f = { 0 };
	enum verdict v;
	int64_t us, day;

	if (fast_stamp(text, ret_us))
		return FATE_DONE;
	v = scan_fields(text, &f);
	if (v == GOOD && ((f.has_sign && !zoned) || (!f.has_date && !f.infinity)))
		v = SYNTAX;
	if (v != GOOD)
		return refuse(v, type, text, err);
	if (f.infinity) {
		*ret_us = f.infinity > 0 ? TIME_INFINITY : TIME_NEG_INFINITY;
		return FATE_DONE;
	}
	us = f.us - (zoned ? f.zone_s * INT64_C(1000000) : 0);
	if (__builtin_mul_overflow(
		days_from_civil((int32_t)f.year, f.month, f.day), DAY_US, &day) ||
	    __builtin_add_overflow(day, us, &us) || us < first || us == TIME_INFINITY)
		return beyond("timestamp", text, err);
	*ret_us = us;
	return FATE_DONE;
}

enum fate
timestamp_parse(struct slice text, int64_t *ret_us, struct err *err)
{
	return stamp_parse(text, "timestamp", false, ret_us, err);
}

enum fate
timestamptz_parse(struct slice text, int64_t *ret_us, struct err *err)
{
	return stamp_parse(text, "timestamp with time zone", true, ret_us, err);
}
