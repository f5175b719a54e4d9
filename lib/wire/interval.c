/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <strings.h>

#include "wire/timestamp.h"

__extension__ typedef __int128 wide;

enum field { MONTHS, DAYS, MICROSECONDS };

enum mark {
	US = 1,
	MS = 2,
	SECOND = 4,
	ALL_SECONDS = US | MS | SECOND,
	MINUTE = 8,
	HOUR = 16,
	CLOCK = HOUR | MINUTE | ALL_SECONDS,
	DAY = 32,
	WEEK = 64,
	MONTH = 128,
	YEAR = 256,
	DECADE = 512,
	CENTURY = 1024,
	MILLENNIUM = 2048,
};

static const struct unit {
	const char *name;
	enum field field;
	int64_t size;
	unsigned mark; /* of units that Postgres takes for the same one */
} units[] = {
	{ "us", MICROSECONDS, 1, US },
	{ "usec", MICROSECONDS, 1, US },
	{ "microsecond", MICROSECONDS, 1, US },
	{ "ms", MICROSECONDS, 1000, MS },
	{ "msec", MICROSECONDS, 1000, MS },
	{ "millisecond", MICROSECONDS, 1000, MS },
	{ "s", MICROSECONDS, 1000000, SECOND },
	{ "sec", MICROSECONDS, 1000000, SECOND },
	{ "second", MICROSECONDS, 1000000, SECOND },
	{ "m", MICROSECONDS, 60000000, MINUTE },
	{ "min", MICROSECONDS, 60000000, MINUTE },
	{ "minute", MICROSECONDS, 60000000, MINUTE },
	{ "h", MICROSECONDS, 3600000000, HOUR },
	{ "hr", MICROSECONDS, 3600000000, HOUR },
	{ "hour", MICROSECONDS, 3600000000, HOUR },
	{ "d", DAYS, 1, DAY },
	{ "day", DAYS, 1, DAY },
	{ "w", DAYS, 7, WEEK },
	{ "week", DAYS, 7, WEEK },
	{ "mon", MONTHS, 1, MONTH },
	{ "month", MONTHS, 1, MONTH },
	{ "y", MONTHS, 12, YEAR },
	{ "yr", MONTHS, 12, YEAR },
	{ "year", MONTHS, 12, YEAR },
	{ "dec", MONTHS, 120, DECADE },
	{ "decade", MONTHS, 120, DECADE },
	{ "c", MONTHS, 1200, CENTURY },
	{ "cent", MONTHS, 1200, CENTURY },
	{ "century", MONTHS, 1200, CENTURY },
	{ "centuries", MONTHS, 1200, CENTURY },
	{ "mil", MONTHS, 12000, MILLENNIUM },
	{ "millennium", MONTHS, 12000, MILLENNIUM },
	{ "millennia", MONTHS, 12000, MILLENNIUM },
};

/* ISO 8601: before and after T. */
static const struct unit date_units[] = { { "Y", MONTHS, 12, 0 }, { "M", MONTHS, 1, 0 },
	{ "W", DAYS, 7, 0 }, { "D", DAYS, 1, 0 } };
static const struct unit time_units[] = { { "H", MICROSECONDS, 3600000000, 0 },
	{ "M", MICROSECONDS, 60000000, 0 }, { "S", MICROSECONDS, 1000000, 0 } };

struct sum {
	wide months, days, us;
	bool any, ago;
	unsigned seen; /* marks: each may come once */
};

struct scan {
	const char *p, *end;
};

/* [sign] digits [. digits] */
struct number {
	bool minus;
	int64_t whole;
	double fraction; /* 0 <= fraction < 1 */
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
take_digits(struct scan *s, int64_t *ret)
{
	const char *start = s->p;
	int64_t value = 0;

	for (; s->p < s->end && is_digit(*s->p); s->p++) {
		if (value > INT64_MAX / 10 - 1)
			return false;
		value = value * 10 + (*s->p - '0');
	}
	*ret = value;
	return s->p > start;
}

static double
take_fraction(struct scan *s)
{
	char text[24] = "0.";
	size_t n = 2;

	for (; s->p < s->end && is_digit(*s->p); s->p++) {
		if (n < sizeof(text) - 1)
			text[n++] = *s->p;
	}
	text[n] = '\0';
	return strtod(text, NULL);
}

static bool
take_number(struct scan *s, struct number *n)
{
	bool whole;

	*n = (struct number){ .minus = s->p < s->end && *s->p == '-' };
	if (s->p < s->end && (*s->p == '-' || *s->p == '+'))
		s->p++;
	whole = take_digits(s, &n->whole);
	if (s->p < s->end && *s->p == '.') {
		s->p++;
		if (!whole && (s->p == s->end || !is_digit(*s->p)))
			return false;
		n->fraction = take_fraction(s);
		return true;
	}
	return whole;
}

/* Fractions go down to the next smaller field, as AdjustFract* of Postgres do. */
static void
add(struct sum *sum, const struct number *n, const struct unit *u)
{
	double fraction = n->fraction * (double)u->size;
	int sign = n->minus ? -1 : 1;
	wide whole = (wide)n->whole * u->size * sign;

	sum->any = true;
	switch (u->field) {
	case MONTHS:
		sum->months += whole;
		if (u->size > 1) {
			sum->months += sign * (int64_t)rint(fraction);
			return;
		}
		fraction *= 30;
		break;
	case DAYS: sum->days += whole; break;
	case MICROSECONDS: sum->us += whole + sign * (int64_t)rint(fraction); return;
	}
	sum->days += sign * (int64_t)fraction;
	fraction -= (double)(int64_t)fraction;
	sum->us += sign * (int64_t)rint(fraction * (double)DAY_US);
}

static bool
mark(struct sum *sum, unsigned marks)
{
	bool fresh = !(sum->seen & marks);

	sum->seen |= marks;
	return fresh;
}

/* What follows "HH" in HH:MM[:SS[.ffffff]]. */
static bool
take_clock(struct scan *s, const struct number *hours, struct sum *sum)
{
	struct number seconds = { .minus = hours->minus };
	int64_t minutes;

	s->p++;
	if (!take_digits(s, &minutes) || minutes > 59)
		return false;
	if (s->p < s->end && *s->p == ':') {
		s->p++;
		if (!take_digits(s, &seconds.whole) || seconds.whole > 60)
			return false;
		if (s->p < s->end && *s->p == '.') {
			s->p++;
			seconds.fraction = take_fraction(s);
		}
	}
	sum->us += (hours->minus ? -1 : 1) *
		   ((wide)hours->whole * 3600000000 + (wide)minutes * 60000000);
	add(sum, &seconds, &(struct unit){ "s", MICROSECONDS, 1000000, 0 });
	return mark(sum, CLOCK);
}

static const struct unit *
unit_of(struct slice word)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		size_t len = strlen(units[i].name);

		if (word.len >= len && strncasecmp(word.p, units[i].name, len) == 0 &&
		    (word.len == len ||
			(len > 1 && word.len == len + 1 && (word.p[len] | 0x20) == 's')))
			return &units[i];
	}
	return NULL;
}

static struct slice
take_word(struct scan *s)
{
	const char *start = s->p;

	while (s->p < s->end && (*s->p | 0x20) >= 'a' && (*s->p | 0x20) <= 'z')
		s->p++;
	return slice_of(start, (size_t)(s->p - start));
}

/* A number and what it counts: a unit, the hours of a clock time, days when a clock
 * time follows, seconds at the end. */
static bool
take_term(struct scan *s, struct sum *sum)
{
	static const struct unit day = { "day", DAYS, 1 },
				 second = { "s", MICROSECONDS, 1000000 };
	const struct unit *unit;
	struct number n;
	struct slice word;

	if (!take_number(s, &n))
		return false;
	if (s->p < s->end && *s->p == ':')
		return n.fraction == 0 && take_clock(s, &n, sum);
	skip_blanks(s);
	word = take_word(s);
	unit = word.len ? unit_of(word) : s->p == s->end ? &second : &day;
	if (unit == &day && (s->p == s->end || !memchr(s->p, ':', (size_t)(s->end - s->p))))
		return false;
	if (!unit)
		return false;
	add(sum, &n, unit);
	return mark(sum, unit->mark == SECOND && n.fraction > 0 ? ALL_SECONDS : unit->mark);
}

static bool
scan_words(struct scan *s, struct sum *sum)
{
	if (s->p < s->end && *s->p == '@')
		s->p++;
	for (skip_blanks(s); s->p < s->end; skip_blanks(s)) {
		if (s->end - s->p == 3 && strncasecmp(s->p, "ago", 3) == 0) {
			sum->ago = true;
			s->p = s->end;
		} else if (!take_term(s, sum)) {
			return false;
		}
	}
	return sum->any;
}

static bool
scan_iso(struct scan *s, struct sum *sum)
{
	const struct unit *table = date_units;
	size_t count = sizeof(date_units) / sizeof(*date_units), i;
	struct number n;

	for (s->p++; s->p < s->end;) {
		if (*s->p == 'T' && table == date_units) {
			table = time_units;
			count = sizeof(time_units) / sizeof(*time_units);
			if (++s->p == s->end)
				return true;
		}
		if (!take_number(s, &n) || s->p == s->end)
			return false;
		for (i = 0; i < count && table[i].name[0] != *s->p;)
			i++;
		if (i == count)
			return false;
		s->p++;
		add(sum, &n, &table[i]);
	}
	return sum->any;
}

static bool
fits(const struct sum *sum)
{
	return sum->months >= INT32_MIN && sum->months <= INT32_MAX && sum->days >= INT32_MIN &&
	       sum->days <= INT32_MAX && sum->us >= INT64_MIN && sum->us <= INT64_MAX;
}

enum fate
interval_parse(struct slice text, struct interval *ret_interval, struct err *err)
{
	struct scan s = { text.p, text.len ? text.p + text.len : text.p };
	struct sum sum = { 0 };
	bool good;

	skip_blanks(&s);
	while (s.end > s.p && (s.end[-1] == ' ' || (s.end[-1] >= '\t' && s.end[-1] <= '\r')))
		s.end--;
	good = s.p < s.end && (*s.p == 'P' ? scan_iso(&s, &sum) : scan_words(&s, &sum));
	if (!good)
		return err_code(err, FATE_REJECT, "22007",
		    "invalid input syntax for type interval: \"%.*s\"", SLICE_ARG(text));
	if (sum.ago) {
		sum.months = -sum.months;
		sum.days = -sum.days;
		sum.us = -sum.us;
	}
	if (!fits(&sum))
		return err_code(err, FATE_REJECT, "22015",
		    "interval field value out of range: \"%.*s\"", SLICE_ARG(text));
	*ret_interval = (struct interval){
		.months = (int32_t)sum.months, .days = (int32_t)sum.days, .us = (int64_t)sum.us
	};
	return FATE_DONE;
}

/* " -3 days": a sign in front where the part before was negative. */
static void
print_part(struct buf *out, int32_t value, const char *unit, bool *first, bool *before_minus)
{
	if (value == 0)
		return;
	buf_printf(out, "%s%s%d %s%s", *first ? "" : " ", *before_minus && value > 0 ? "+" : "",
	    value, unit, value == 1 ? "" : "s");
	*before_minus = value < 0;
	*first = false;
}

void
interval_print(struct buf *out, struct interval interval)
{
	bool first = true, before_minus = false;
	uint64_t us = interval.us < 0 ? 0 - (uint64_t)interval.us : (uint64_t)interval.us;
	uint64_t hours = us / 3600000000;

	print_part(out, interval.months / 12, "year", &first, &before_minus);
	print_part(out, interval.months % 12, "mon", &first, &before_minus);
	print_part(out, interval.days, "day", &first, &before_minus);
	if (!first && us == 0)
		return;
	buf_printf(out, "%s%s", first ? "" : " ",
	    interval.us < 0 ? "-"
	    : before_minus  ? "+"
			    : "");
	buf_printf(out, "%02llu", (unsigned long long)hours);
	us -= hours * 3600000000;
	buf_printf(out, ":%02d:%02d", (int)(us / 60000000), (int)(us / 1000000 % 60));
	if (us % 1000000) {
		buf_printf(out, ".%06d", (int)(us % 1000000));
		while (out->p[out->len - 1] == '0')
			out->len--;
	}
}

int
interval_compare(struct interval a, struct interval b)
{
	wide x = ((wide)a.months * 30 + a.days) * DAY_US + a.us;
	wide y = ((wide)b.months * 30 + b.days) * DAY_US + b.us;

	return x < y ? -1 : x > y;
}
