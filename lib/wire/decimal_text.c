/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/must.h"
#include "wire/decimal_big.h"

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* What stands in the text before it is a number. */
struct scan {
	bool negative;
	struct slice digits; /* with at most one point among them */
	size_t digit_count;
	int64_t scale; /* digits after the point minus the exponent; may be negative */
};

static enum fate
refuse(struct slice text, struct err *err)
{
	return err_code(err, FATE_REJECT, "22P02",
	    "invalid input syntax for type numeric: \"%.*s\"", SLICE_ARG(text));
}

static enum fate
overflow(struct err *err)
{
	return err_code(err, FATE_REJECT, "22003", "value overflows numeric format");
}

static bool
scan_special(struct slice s, struct decimal *ret)
{
	static const struct {
		const char *word;
		enum decimal_form form;
	} words[] = { { "NaN", DECIMAL_NAN }, { "Infinity", DECIMAL_INF },
		{ "+Infinity", DECIMAL_INF }, { "-Infinity", DECIMAL_NEG_INF },
		{ "inf", DECIMAL_INF }, { "+inf", DECIMAL_INF }, { "-inf", DECIMAL_NEG_INF } };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (s.len == strlen(words[i].word) &&
		    strncasecmp(s.p, words[i].word, s.len) == 0) {
			*ret = (struct decimal){ .form = words[i].form };
			return true;
		}
	}
	return false;
}

/* The exponent as strtol reads it, blanks before its sign included. */
static bool
scan_exponent(const char *p, const char *end, int64_t *ret)
{
	bool minus;
	int64_t e = 0;

	while (p < end && is_blank(*p))
		p++;
	minus = p < end && *p == '-';
	if (p < end && (*p == '-' || *p == '+'))
		p++;
	if (p == end)
		return false;
	for (; p < end; p++) {
		if (!is_digit(*p))
			return false;
		if (e < INT_MAX)
			e = e * 10 + (*p - '0');
	}
	*ret = minus ? -e : e;
	return true;
}

static bool
scan_number(struct slice s, struct scan *scan, int64_t *ret_exponent)
{
	const char *p = s.p, *end = s.len ? s.p + s.len : s.p, *point = NULL;

	*ret_exponent = 0;
	scan->negative = p < end && *p == '-';
	if (p < end && (*p == '-' || *p == '+'))
		p++;
	scan->digits.p = p;
	for (; p < end && (is_digit(*p) || (*p == '.' && !point)); p++) {
		if (*p == '.')
			point = p;
	}
	scan->digits.len = (size_t)(p - scan->digits.p);
	scan->digit_count = scan->digits.len - (point ? 1 : 0);
	scan->scale = point ? p - point - 1 : 0;
	if (scan->digit_count == 0)
		return false;
	if (p == end)
		return true;
	return (*p == 'e' || *p == 'E') && scan_exponent(p + 1, end, ret_exponent);
}

static decimal_small
gather_small(const struct scan *scan)
{
	decimal_magnitude m = 0;
	uint64_t part = 0;
	unsigned n = 0;

	for (size_t i = 0; i < scan->digits.len; i++) {
		if (scan->digits.p[i] == '.')
			continue;
		part = part * 10 + (uint64_t)(scan->digits.p[i] - '0');
		if (++n == 19) {
			m = part;
			part = 0;
		}
	}
	m = n > 19 ? m * decimal_pow10_u64[n - 19] + part : n == 19 ? m : part;
	return scan->negative ? -(decimal_small)m : (decimal_small)m;
}

static enum fate
gather_big(const struct scan *scan, struct arena *arena, struct decimal *ret, struct err *err)
{
	size_t mark = arena_mark(arena), n = 0;
	char *digits = arena_alloc(arena, scan->digits.len + 2);
	enum fate fate;
	mpz_t z, power;

	if (!digits)
		return err_code(err, FATE_RETRY, "53200", "no room in the batch for a numeric");
	for (size_t i = 0; i < scan->digits.len; i++) {
		if (scan->digits.p[i] != '.' && (n > 0 || scan->digits.p[i] != '0'))
			digits[n++] = scan->digits.p[i];
	}
	if (n == 0)
		digits[n++] = '0';
	digits[n] = '\0';
	if ((int64_t)n - scan->scale > DECIMAL_INT_DIGITS_MAX &&
	    !(n == 1 && digits[0] == '0')) {
		arena_rewind(arena, mark);
		return overflow(err);
	}
	mpz_inits(z, power, NULL);
	must(mpz_set_str(z, digits, 10) == 0);
	arena_rewind(arena, mark);
	if (scan->scale < 0 && mpz_sgn(z) != 0) {
		decimal_mpz_pow10(power, (unsigned long)-scan->scale);
		mpz_mul(z, z, power);
	}
	if (scan->negative)
		mpz_neg(z, z);
	fate = decimal_store(z, scan->scale < 0 ? 0 : (uint32_t)scan->scale, arena, ret, err);
	mpz_clears(z, power, NULL);
	return fate;
}

static enum fate
parse_trimmed(struct slice text, struct slice s, struct arena *arena, struct decimal *ret,
    struct err *err)
{
	struct scan scan;
	int64_t exponent;

	if (!scan_number(s, &scan, &exponent))
		return scan_special(s, ret) ? FATE_DONE : refuse(text, err);
	if (exponent >= INT_MAX / 2 || exponent <= -(INT_MAX / 2))
		return overflow(err);
	scan.scale -= exponent;
	if (scan.scale > DECIMAL_SCALE_MAX)
		return overflow(err);
	if (scan.digit_count <= SMALL_DIGITS && scan.scale >= 0) {
		*ret = decimal_small_of(gather_small(&scan), (unsigned)scan.scale);
		return FATE_DONE;
	}
	return gather_big(&scan, arena, ret, err);
}

enum fate
decimal_parse(struct slice text, struct arena *arena, struct decimal *ret, struct err *err)
{
	struct slice s = text;

	while (s.len > 0 && is_blank(s.p[0]))
		s = slice_of(s.p + 1, s.len - 1);
	while (s.len > 0 && is_blank(s.p[s.len - 1]))
		s.len--;
	return parse_trimmed(text, s, arena, ret, err);
}

static enum fate
from_double(double value, int digits, struct arena *arena, struct decimal *ret, struct err *err)
{
	char text[40];
	int n;

	if (isnan(value) || isinf(value)) {
		*ret = (struct decimal){ .form = isnan(value) ? DECIMAL_NAN
						 : value > 0  ? DECIMAL_INF
							      : DECIMAL_NEG_INF };
		return FATE_DONE;
	}
	n = snprintf(text, sizeof(text), "%.*g", digits, value);
	must(n > 0 && (size_t)n < sizeof(text));
	return decimal_parse(slice_of(text, (size_t)n), arena, ret, err);
}

enum fate
decimal_from_float8(double value, struct arena *arena, struct decimal *ret, struct err *err)
{
	return from_double(value, 15, arena, ret, err);
}

enum fate
decimal_from_float4(float value, struct arena *arena, struct decimal *ret, struct err *err)
{
	return from_double((double)value, 6, arena, ret, err);
}

/* Digits with a point before the last scale of them, zeros put where needed. */
static void
print_digits(struct buf *out, bool negative, const char *digits, size_t count, size_t scale)
{
	size_t whole = count > scale ? count - scale : 0;

	if (out->cap - out->len < count + scale + 4)
		buf_grow(out, count + scale + 4);
	if (negative)
		out->p[out->len++] = '-';
	if (whole > 0)
		memcpy(out->p + out->len, digits, whole);
	else
		out->p[out->len] = '0';
	out->len += whole ? whole : 1;
	if (scale == 0)
		return;
	out->p[out->len++] = '.';
	memset(out->p + out->len, '0', scale);
	out->len += scale;
	memcpy(out->p + out->len - (count - whole), digits + whole, count - whole);
}

static void
print_small(struct buf *out, const struct decimal *d)
{
	decimal_magnitude m = decimal_magnitude_of(d->small);
	char digits[40], *p = digits + sizeof(digits);

	while (m > UINT64_MAX) {
		uint64_t low = (uint64_t)(m % decimal_pow10_u64[19]);

		m /= decimal_pow10_u64[19];
		for (int i = 0; i < 19; i++, low /= 10)
			*--p = (char)('0' + low % 10);
	}
	for (uint64_t rest = (uint64_t)m; rest; rest /= 10)
		*--p = (char)('0' + rest % 10);
	print_digits(out, d->small < 0, p, (size_t)(digits + sizeof(digits) - p), d->scale);
}

static void
print_big(struct buf *out, const struct decimal *d)
{
	struct decimal_view view;
	struct buf digits = { 0 };
	char *p;

	decimal_view(&view, d);
	buf_grow(&digits, mpz_sizeinbase(view.z, 10) + 2);
	p = mpz_get_str(digits.p, 10, view.z);
	if (d->negative)
		p++;
	print_digits(out, d->negative, p, strlen(p), d->scale);
	buf_finish(&digits);
}

void
decimal_print(struct buf *out, const struct decimal *d)
{
	switch (d->form) {
	case DECIMAL_SMALL: print_small(out, d); return;
	case DECIMAL_BIG: print_big(out, d); return;
	case DECIMAL_NAN: buf_cstr(out, "NaN"); return;
	case DECIMAL_INF: buf_cstr(out, "Infinity"); return;
	case DECIMAL_NEG_INF: buf_cstr(out, "-Infinity"); return;
	}
	never("a form out of range");
}

/* Text with an end for strtod; float8in reads what numeric_out prints. */
enum fate
decimal_to_float8(const struct decimal *d, double *ret, struct err *err)
{
	struct buf text = { 0 };
	enum fate fate = FATE_DONE;
	double value;

	if (d->form == DECIMAL_SMALL && d->scale <= 22 &&
	    decimal_magnitude_of(d->small) <= (decimal_magnitude)1 << 53) {
		*ret = (double)d->small / (double)decimal_pow10(d->scale);
		return FATE_DONE;
	}
	decimal_print(&text, d);
	errno = 0;
	value = strtod(buf_str(&text), NULL);
	if (errno == ERANGE && decimal_is_finite(d) && (value == 0 || isinf(value)))
		fate = err_code(err, FATE_REJECT, "22003",
		    "\"%s\" is out of range for type double precision", buf_str(&text));
	else
		*ret = value;
	buf_finish(&text);
	return fate;
}

enum fate
decimal_to_float4(const struct decimal *d, float *ret, struct err *err)
{
	struct buf text = { 0 };
	enum fate fate = FATE_DONE;
	float value;

	decimal_print(&text, d);
	errno = 0;
	value = strtof(buf_str(&text), NULL);
	if (errno == ERANGE && decimal_is_finite(d) && (value == 0 || isinf(value)))
		fate = err_code(err, FATE_REJECT, "22003",
		    "\"%s\" is out of range for type real", buf_str(&text));
	else
		*ret = value;
	buf_finish(&text);
	return fate;
}
