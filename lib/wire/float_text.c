/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/float_text.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"

/* d.ddd * 10^exponent, without trailing zeros. */
struct digits {
	char text[24];
	int count;
	int exponent;
};

/* A number between its neighbours of the same width, all exact as long doubles. */
struct target {
	double value;          /* above zero */
	bool single;           /* a float4 */
	long double low, high; /* the middles towards the neighbours */
};

static void
digits_read(struct digits *d, const char *text)
{
	const char *e = strchr(text, 'e');

	must(e);
	d->count = 0;
	for (const char *p = text; p < e; p++) {
		if (*p != '.')
			d->text[d->count++] = *p;
	}
	while (d->count > 1 && d->text[d->count - 1] == '0')
		d->count--;
	d->exponent = (int)strtol(e + 1, NULL, 10);
}

/* Whether the decimal text of n digits is exactly this middle of two numbers. */
static bool
is_middle(const char *text, int n, long double middle)
{
	char exact[80];

	if (strtold(text, NULL) != middle)
		return false;
	(void)snprintf(exact, sizeof(exact), "%.50Le", middle);
	/* The digits after the n-th: past them and the point, up to the e. */
	for (const char *p = exact + n + 1; *p && *p != 'e'; p++) {
		if (*p != '0' && *p != '.')
			return false;
	}
	return true;
}

static bool
reads_back(const struct target *t, const char *text, int n)
{
	double back = t->single ? (double)strtof(text, NULL) : strtod(text, NULL);

	return back == t->value && !is_middle(text, n, t->low) && !is_middle(text, n, t->high);
}

/* The next decimal of n digits above text, "d.ddde+xx". */
static void
step_up(char *text, int n)
{
	int i = n > 1 ? n : 0;

	for (; i >= 0; i--) {
		if (text[i] == '.')
			continue;
		if (text[i] != '9') {
			text[i]++;
			return;
		}
		text[i] = '0';
	}
	text[0] = '9'; /* all nines: the caller's next precision has the answer */
}

/* The nearest decimal of n digits, or at a power of two, where the gap below is half
 * the gap above, its neighbour above. */
static bool
try_digits(const struct target *t, int n, struct digits *ret)
{
	int power;
	char text[40];

	(void)snprintf(text, sizeof(text), "%.*e", n - 1, t->value);
	if (!reads_back(t, text, n)) {
		if (frexp(t->value, &power) > 0.5)
			return false;
		step_up(text, n);
		if (!reads_back(t, text, n))
			return false;
	}
	digits_read(ret, text);
	return true;
}

static void
shortest(double value, bool single, struct digits *ret)
{
	struct target t = { .value = value, .single = single };
	double below, above;
	int sure = single ? FLT_DIG : DBL_DIG,
	    last = single ? FLT_DECIMAL_DIG : DBL_DECIMAL_DIG;

	below = single ? (double)nextafterf((float)value, 0) : nextafter(value, 0);
	above = single ? (double)nextafterf((float)value, INFINITY)
		       : nextafter(value, (double)INFINITY);
	t.low = ((long double)value + (long double)below) / 2;
	/* The largest number has its half step above too, as if there were a next. */
	t.high = isinf(above) ? (long double)value + ((long double)value - t.low)
			      : ((long double)value + (long double)above) / 2;
	/* Of at most 15 (6) digits there is one answer, which ends in zeros when a
	 * shorter one exists; numbers too small to be normal have fewer digits. */
	if (value < (single ? (double)FLT_MIN : DBL_MIN))
		sure = 1;
	for (int n = sure; n < last; n++) {
		if (try_digits(&t, n, ret))
			return;
	}
	must(try_digits(&t, last, ret));
}

static void
print_plain(struct buf *out, const struct digits *d)
{
	if (d->exponent < 0) {
		buf_cstr(out, "0.");
		for (int i = -1; i > d->exponent; i--)
			buf_byte(out, '0');
		buf_put(out, d->text, (size_t)d->count);
		return;
	}
	for (int i = 0; i <= d->exponent || i < d->count; i++) {
		if (i == d->exponent + 1)
			buf_byte(out, '.');
		buf_byte(out, i < d->count ? d->text[i] : '0');
	}
}

static void
print_digits(struct buf *out, const struct digits *d, int plain_digits)
{
	if (d->exponent >= -4 && d->exponent < plain_digits) {
		print_plain(out, d);
		return;
	}
	buf_byte(out, d->text[0]);
	if (d->count > 1) {
		buf_byte(out, '.');
		buf_put(out, d->text + 1, (size_t)d->count - 1);
	}
	buf_printf(out, "e%c%02d", d->exponent < 0 ? '-' : '+', abs(d->exponent));
}

/* Sign and the words; true when that was all. */
static bool
print_special(struct buf *out, double value)
{
	if (isnan(value)) {
		buf_cstr(out, "NaN");
		return true;
	}
	if (signbit(value))
		buf_byte(out, '-');
	if (isinf(value))
		buf_cstr(out, "Infinity");
	else if (value == 0)
		buf_byte(out, '0');
	return isinf(value) || value == 0;
}

/* Numbers with at most six decimals and 15 digits: an integer over 10^6 that divides
 * back to the number is its one shortest text. */
static bool
print_short(struct buf *out, double value)
{
	struct digits d = { .exponent = -7 };
	char text[20];
	int64_t scaled;
	int n = 0;

	if (value < 1e-4 || value >= 1e9)
		return false;
	scaled = (int64_t)(value * 1e6 + 0.5);
	if ((double)scaled / 1e6 != value)
		return false;
	for (; scaled > 0; scaled /= 10)
		text[n++] = (char)('0' + scaled % 10);
	d.exponent += n;
	while (n > 0)
		d.text[d.count++] = text[--n];
	while (d.count > 1 && d.text[d.count - 1] == '0')
		d.count--;
	print_plain(out, &d);
	return true;
}

void
float8_print(struct buf *out, double value)
{
	struct digits d;

	if (print_special(out, value) || print_short(out, fabs(value)))
		return;
	shortest(fabs(value), false, &d);
	print_digits(out, &d, DBL_DIG);
}

void
float4_print(struct buf *out, float value)
{
	struct digits d;

	if (print_special(out, (double)value))
		return;
	shortest(fabs((double)value), true, &d);
	print_digits(out, &d, FLT_DIG);
}

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A terminated copy without the blanks around it; false when it is empty or longer
 * than any number has a reason to be. */
static bool
copy_trimmed(struct slice s, char *text, size_t size)
{
	while (s.len > 0 && is_blank(s.p[0]))
		s = slice_of(s.p + 1, s.len - 1);
	while (s.len > 0 && is_blank(s.p[s.len - 1]))
		s.len--;
	if (s.len == 0 || s.len >= size)
		return false;
	memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	return strlen(text) == s.len;
}

static enum fate
parse(struct slice text, bool single, double *ret, struct err *err)
{
	const char *type = single ? "real" : "double precision";
	char copy[1200], *end = copy;
	double value = 0;

	errno = 0;
	if (copy_trimmed(text, copy, sizeof(copy)))
		value = single ? (double)strtof(copy, &end) : strtod(copy, &end);
	/* strtod also reads nan(payload), which Postgres passes on to it as well. */
	if (end == copy || *end)
		return err_code(err, FATE_REJECT, "22P02",
		    "invalid input syntax for type %s: \"%.*s\"", type, SLICE_ARG(text));
	if (errno == ERANGE && (value == 0 || isinf(value)))
		return err_code(err, FATE_REJECT, "22003", "\"%s\" is out of range for type %s",
		    copy, type);
	*ret = value;
	return FATE_DONE;
}

enum fate
float8_parse(struct slice text, double *ret, struct err *err)
{
	return parse(text, false, ret, err);
}

enum fate
float4_parse(struct slice text, float *ret, struct err *err)
{
	double value;
	enum fate fate = parse(text, true, &value, err);

	if (fate == FATE_DONE)
		*ret = (float)value;
	return fate;
}
