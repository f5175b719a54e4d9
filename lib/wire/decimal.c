/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/decimal.h"

#include "base/must.h"
#include "wire/decimal_big.h"

struct decimal
decimal_from_i64(int64_t value)
{
	return decimal_small_of(value, 0);
}

struct decimal
decimal_from_i128(decimal_small unscaled, uint16_t scale)
{
	must(decimal_magnitude_of(unscaled) < SMALL_LIMIT);
	return decimal_small_of(unscaled, scale);
}

enum fate
decimal_from_bytes(struct slice bytes, uint32_t scale, struct arena *arena, struct decimal *ret,
    struct err *err)
{
	const unsigned char *p = (const unsigned char *)bytes.p;
	bool negative = bytes.len > 0 && p[0] >> 7;
	enum fate fate;
	mpz_t z, bias;

	if (bytes.len <= 15 && scale <= DECIMAL_SCALE_MAX) {
		decimal_magnitude m = negative ? ~(decimal_magnitude)0 : 0;

		for (size_t i = 0; i < bytes.len; i++)
			m = m << 8 | p[i];
		*ret = decimal_small_of((decimal_small)m, scale);
		return FATE_DONE;
	}
	if (bytes.len > DECIMAL_INT_DIGITS_MAX)
		return err_code(err, FATE_REJECT, "22003", "value overflows numeric format");
	mpz_inits(z, bias, NULL);
	mpz_import(z, bytes.len, 1, 1, 1, 0, p);
	if (negative) {
		mpz_setbit(bias, 8 * bytes.len);
		mpz_sub(z, z, bias);
	}
	fate = decimal_store(z, scale, arena, ret, err);
	mpz_clears(z, bias, NULL);
	return fate;
}

bool
decimal_is_finite(const struct decimal *d)
{
	return d->form == DECIMAL_SMALL || d->form == DECIMAL_BIG;
}

bool
decimal_is_zero(const struct decimal *d)
{
	return d->form == DECIMAL_SMALL && d->small == 0;
}

int
decimal_signum(const struct decimal *d)
{
	switch (d->form) {
	case DECIMAL_SMALL: return d->small < 0 ? -1 : d->small > 0;
	case DECIMAL_BIG: return d->negative ? -1 : 1;
	case DECIMAL_NAN: return 0;
	case DECIMAL_INF: return 1;
	case DECIMAL_NEG_INF: return -1;
	}
	never("a form out of range");
}

struct decimal
decimal_neg(const struct decimal *d)
{
	struct decimal r = *d;

	if (d->form == DECIMAL_SMALL)
		r.small = -d->small;
	else if (d->form == DECIMAL_BIG)
		r.negative = !d->negative;
	else if (d->form != DECIMAL_NAN)
		r.form = d->form == DECIMAL_INF ? DECIMAL_NEG_INF : DECIMAL_INF;
	return r;
}

struct decimal
decimal_abs(const struct decimal *d)
{
	return decimal_signum(d) < 0 ? decimal_neg(d) : *d;
}

struct decimal
decimal_sign(const struct decimal *d)
{
	return d->form == DECIMAL_NAN ? *d : decimal_from_i64(decimal_signum(d));
}

/* -Infinity, finite, Infinity, NaN. */
static int
rank(const struct decimal *d)
{
	switch (d->form) {
	case DECIMAL_NEG_INF: return 0;
	case DECIMAL_SMALL:
	case DECIMAL_BIG: return 1;
	case DECIMAL_INF: return 2;
	case DECIMAL_NAN: return 3;
	}
	never("a form out of range");
}

static int
compare_big(const struct decimal *a, const struct decimal *b)
{
	struct decimal_view va, vb;
	mpz_t z;
	int order;

	decimal_view(&va, a);
	decimal_view(&vb, b);
	mpz_init(z);
	decimal_mpz_pow10(z, a->scale < b->scale ? b->scale - a->scale : a->scale - b->scale);
	mpz_mul(z, z, a->scale < b->scale ? va.z : vb.z);
	order = a->scale < b->scale ? mpz_cmp(z, vb.z) : mpz_cmp(va.z, z);
	mpz_clear(z);
	return order < 0 ? -1 : order > 0;
}

int
decimal_compare(const struct decimal *a, const struct decimal *b)
{
	int ra = rank(a), rb = rank(b), sa = decimal_signum(a), sb = decimal_signum(b);
	decimal_small x, y;

	if (ra != rb)
		return ra < rb ? -1 : 1;
	if (ra != 1 || sa == 0 || sa != sb)
		return sa < sb ? -1 : sa > sb;
	if (a->form == DECIMAL_SMALL && b->form == DECIMAL_SMALL) {
		bool up_a = a->scale < b->scale;
		unsigned by = up_a ? b->scale - a->scale : a->scale - b->scale;

		x = a->small;
		y = b->small;
		if (by == 0 || decimal_scale_up(up_a ? x : y, by, up_a ? &x : &y))
			return x < y ? -1 : x > y;
	}
	return compare_big(a, b);
}

static enum fate
to_int(const struct decimal *d, const char *type, int64_t min, int64_t max, int64_t *ret,
    struct err *err)
{
	struct decimal whole;
	struct arena none = { 0 };

	if (!decimal_is_finite(d))
		return err_code(err, FATE_REJECT, "0A000", "cannot convert %s to %s",
		    d->form == DECIMAL_NAN ? "NaN" : "infinity", type);
	/* A whole number that needs an arena is out of any integer's range. */
	if (decimal_rescale(d, 0, true, &none, &whole, err) != FATE_DONE ||
	    whole.form == DECIMAL_BIG || whole.small < min || whole.small > max)
		return err_code(err, FATE_REJECT, "22003", "%s out of range", type);
	*ret = (int64_t)whole.small;
	return FATE_DONE;
}

enum fate
decimal_to_int2(const struct decimal *d, int64_t *ret, struct err *err)
{
	return to_int(d, "smallint", INT16_MIN, INT16_MAX, ret, err);
}

enum fate
decimal_to_int4(const struct decimal *d, int64_t *ret, struct err *err)
{
	return to_int(d, "integer", INT32_MIN, INT32_MAX, ret, err);
}

enum fate
decimal_to_int8(const struct decimal *d, int64_t *ret, struct err *err)
{
	return to_int(d, "bigint", INT64_MIN, INT64_MAX, ret, err);
}

int32_t
decimal_exponent(const struct decimal *d)
{
	struct decimal_view view;
	size_t digits;
	mpz_t power;

	if (d->form == DECIMAL_SMALL)
		return (int32_t)decimal_digits_small(decimal_magnitude_of(d->small)) - 1 -
		       d->scale;
	decimal_view(&view, d);
	digits = mpz_sizeinbase(view.z, 10); /* exact or one too many */
	mpz_init(power);
	decimal_mpz_pow10(power, digits - 1);
	if (mpz_cmpabs(view.z, power) < 0)
		digits--;
	mpz_clear(power);
	return (int32_t)digits - 1 - d->scale;
}

enum fate
decimal_apply_typmod(const struct decimal *d, int32_t typmod, struct arena *arena,
    struct decimal *ret, struct err *err)
{
	int32_t precision = (typmod - 4) >> 16 & 0xffff;
	int32_t scale = (((typmod - 4) & 0x7ff) ^ 1024) - 1024;
	struct decimal r;
	enum fate fate;

	if (typmod < 4 || d->form == DECIMAL_NAN) {
		*ret = *d;
		return FATE_DONE;
	}
	if (!decimal_is_finite(d))
		return err_code(err, FATE_REJECT, "22003", "numeric field overflow");
	fate = decimal_rescale(d, scale, true, arena, &r, err);
	if (fate != FATE_DONE)
		return fate;
	if (!decimal_is_zero(&r) && decimal_exponent(&r) >= precision - scale)
		return err_code(err, FATE_REJECT, "22003", "numeric field overflow");
	*ret = r;
	return FATE_DONE;
}
