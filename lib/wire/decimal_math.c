/* SPDX-License-Identifier: Apache-2.0 */
#include "base/must.h"
#include "wire/decimal_big.h"

enum { MIN_SIG_DIGITS = 16, DEC_DIGITS = 4, DISPLAY_SCALE_MAX = 1000 };

typedef void big_op(mpz_t, const mpz_t, const mpz_t);

static enum fate
special(enum decimal_form form, struct decimal *ret)
{
	*ret = (struct decimal){ .form = form };
	return FATE_DONE;
}

static enum fate
infinity_of(int sign, struct decimal *ret)
{
	return special(sign < 0 ? DECIMAL_NEG_INF : DECIMAL_INF, ret);
}

static bool
both_small(const struct decimal *a, const struct decimal *b)
{
	return a->form == DECIMAL_SMALL && b->form == DECIMAL_SMALL;
}

static bool
both_finite(const struct decimal *a, const struct decimal *b)
{
	return decimal_is_finite(a) && decimal_is_finite(b);
}

static bool
either_nan(const struct decimal *a, const struct decimal *b)
{
	return a->form == DECIMAL_NAN || b->form == DECIMAL_NAN;
}

static bool
is_infinite(const struct decimal *d)
{
	return d->form == DECIMAL_INF || d->form == DECIMAL_NEG_INF;
}

static enum fate
division_by_zero(struct err *err)
{
	return err_code(err, FATE_REJECT, "22012", "division by zero");
}

/* Both operands as integers at the larger of their scales; false if one leaves 127
 * bits. */
static bool
align_small(const struct decimal *a, const struct decimal *b, decimal_small *ret_a,
    decimal_small *ret_b)
{
	unsigned scale = a->scale > b->scale ? a->scale : b->scale;

	if (!both_small(a, b))
		return false;
	*ret_a = a->small;
	*ret_b = b->small;
	return (a->scale == scale || decimal_scale_up(a->small, scale - a->scale, ret_a)) &&
	       (b->scale == scale || decimal_scale_up(b->small, scale - b->scale, ret_b));
}

/* op over both operands as integers at the larger scale. */
static enum fate
big_aligned(const struct decimal *a, const struct decimal *b, big_op *op, struct arena *arena,
    struct decimal *ret, struct err *err)
{
	unsigned scale = a->scale > b->scale ? a->scale : b->scale;
	struct decimal_view va, vb;
	enum fate fate;
	mpz_t z, power;

	decimal_view(&va, a);
	decimal_view(&vb, b);
	mpz_inits(z, power, NULL);
	decimal_mpz_pow10(power, 2 * scale - a->scale - b->scale);
	if (a->scale < scale) {
		mpz_mul(z, va.z, power);
		op(z, z, vb.z);
	} else {
		mpz_mul(z, vb.z, power);
		op(z, va.z, z);
	}
	fate = decimal_store(z, scale, arena, ret, err);
	mpz_clears(z, power, NULL);
	return fate;
}

static void
op_add(mpz_t z, const mpz_t a, const mpz_t b)
{
	mpz_add(z, a, b);
}

static void
op_rest(mpz_t z, const mpz_t a, const mpz_t b)
{
	mpz_tdiv_r(z, a, b);
}

enum fate
decimal_add(const struct decimal *a, const struct decimal *b, struct arena *arena,
    struct decimal *ret, struct err *err)
{
	decimal_small x, y;

	if (align_small(a, b, &x, &y) && !__builtin_add_overflow(x, y, &x) &&
	    decimal_magnitude_of(x) < SMALL_LIMIT) {
		*ret = decimal_small_of(x, a->scale > b->scale ? a->scale : b->scale);
		return FATE_DONE;
	}
	if (both_finite(a, b))
		return big_aligned(a, b, op_add, arena, ret, err);
	if (either_nan(a, b))
		return special(DECIMAL_NAN, ret);
	if (is_infinite(a) && is_infinite(b) && a->form != b->form)
		return special(DECIMAL_NAN, ret);
	return special(is_infinite(a) ? a->form : b->form, ret);
}

enum fate
decimal_sub(const struct decimal *a, const struct decimal *b, struct arena *arena,
    struct decimal *ret, struct err *err)
{
	struct decimal minus = decimal_neg(b);

	return decimal_add(a, &minus, arena, ret, err);
}

static enum fate
mul_big(const struct decimal *a, const struct decimal *b, struct arena *arena,
    struct decimal *ret, struct err *err)
{
	uint32_t scale = (uint32_t)a->scale + b->scale;
	struct decimal_view va, vb;
	enum fate fate;
	mpz_t z, power;

	decimal_view(&va, a);
	decimal_view(&vb, b);
	mpz_init(z);
	mpz_mul(z, va.z, vb.z);
	if (scale > DECIMAL_SCALE_MAX) {
		mpz_init(power);
		decimal_mpz_pow10(power, scale - DECIMAL_SCALE_MAX);
		decimal_mpz_div_round(z, z, power, true);
		mpz_clear(power);
		scale = DECIMAL_SCALE_MAX;
	}
	fate = decimal_store(z, scale, arena, ret, err);
	mpz_clear(z);
	return fate;
}

enum fate
decimal_mul(const struct decimal *a, const struct decimal *b, struct arena *arena,
    struct decimal *ret, struct err *err)
{
	decimal_small x;
	int sign;

	if (both_small(a, b) && (uint32_t)a->scale + b->scale <= DECIMAL_SCALE_MAX &&
	    !__builtin_mul_overflow(a->small, b->small, &x) &&
	    decimal_magnitude_of(x) < SMALL_LIMIT) {
		*ret = decimal_small_of(x, (unsigned)a->scale + b->scale);
		return FATE_DONE;
	}
	if (both_finite(a, b))
		return mul_big(a, b, arena, ret, err);
	sign = decimal_signum(a) * decimal_signum(b);
	if (either_nan(a, b) || sign == 0)
		return special(DECIMAL_NAN, ret);
	return infinity_of(sign, ret);
}

/* A number's place among base-10000 digits, as numeric.c stores it. */
struct lead {
	int32_t weight;
	int32_t digit; /* the first base-10000 digit, 0 for zero */
};

static struct lead
lead_of(const struct decimal *d)
{
	static const int32_t tens[] = { 1, 10, 100, 1000, 10000 };
	struct decimal_view view;
	struct lead lead;
	int32_t exponent, have, want;
	mpz_t z;

	if (decimal_is_zero(d))
		return (struct lead){ 0, 0 };
	exponent = decimal_exponent(d);
	lead.weight = exponent >= 0 ? exponent / DEC_DIGITS : -((3 - exponent) / DEC_DIGITS);
	want = exponent - lead.weight * DEC_DIGITS + 1; /* decimal digits in the first one */
	have = exponent + d->scale + 1;                 /* decimal digits of the integer */
	if (d->form == DECIMAL_SMALL) {
		decimal_magnitude m = decimal_magnitude_of(d->small);

		if (have <= want)
			lead.digit = (int32_t)m * tens[want - have];
		else if (m <= UINT64_MAX) /* has 20 digits at most, and want is not 0 */
			lead.digit = (int32_t)((uint64_t)m / decimal_pow10_u64[have - want]);
		else
			lead.digit = (int32_t)(m / (decimal_magnitude)decimal_pow10(
						       (unsigned)(have - want)));
		return lead;
	}
	decimal_view(&view, d);
	mpz_init(z);
	decimal_mpz_pow10(z, (unsigned long)(have - want));
	mpz_tdiv_q(z, view.z, z);
	lead.digit = (int32_t)mpz_get_ui(z);
	mpz_clear(z);
	return lead;
}

/* select_div_scale: at least 16 significant digits, at least the operands' scales. */
static int32_t
div_scale(const struct decimal *a, const struct decimal *b)
{
	struct lead la = lead_of(a), lb = lead_of(b);
	int32_t weight = la.weight - lb.weight, scale;

	if (la.digit <= lb.digit)
		weight--;
	scale = MIN_SIG_DIGITS - weight * DEC_DIGITS;
	scale = scale < a->scale ? a->scale : scale;
	scale = scale < b->scale ? b->scale : scale;
	scale = scale < 0 ? 0 : scale;
	return scale > DISPLAY_SCALE_MAX ? DISPLAY_SCALE_MAX : scale;
}

/* a / b at scale: a * 10^shift / b over the integers, shift of either sign. */
static enum fate
div_big(const struct decimal *a, const struct decimal *b, int32_t scale, struct arena *arena,
    struct decimal *ret, struct err *err)
{
	int32_t shift = scale + b->scale - a->scale;
	struct decimal_view va, vb;
	enum fate fate;
	mpz_t z, power;

	decimal_view(&va, a);
	decimal_view(&vb, b);
	mpz_inits(z, power, NULL);
	decimal_mpz_pow10(power, (unsigned long)(shift < 0 ? -shift : shift));
	if (shift >= 0) {
		mpz_mul(z, va.z, power);
		decimal_mpz_div_round(z, z, vb.z, true);
	} else {
		mpz_mul(power, power, vb.z);
		decimal_mpz_div_round(z, va.z, power, true);
	}
	fate = decimal_store(z, (uint32_t)scale, arena, ret, err);
	mpz_clears(z, power, NULL);
	return fate;
}

static enum fate
div_special(
    const struct decimal *a, const struct decimal *b, struct decimal *ret, struct err *err)
{
	if (either_nan(a, b) || (is_infinite(a) && is_infinite(b)))
		return special(DECIMAL_NAN, ret);
	if (is_infinite(b)) {
		*ret = decimal_from_i64(0);
		return FATE_DONE;
	}
	if (decimal_is_zero(b))
		return division_by_zero(err);
	return infinity_of(decimal_signum(a) * decimal_signum(b), ret);
}

enum fate
decimal_div(const struct decimal *a, const struct decimal *b, struct arena *arena,
    struct decimal *ret, struct err *err)
{
	decimal_small x;
	int32_t scale, shift;

	if (!both_finite(a, b))
		return div_special(a, b, ret, err);
	if (decimal_is_zero(b))
		return division_by_zero(err);
	scale = div_scale(a, b);
	shift = scale + b->scale - a->scale;
	if (both_small(a, b) && shift >= 0 && decimal_scale_up(a->small, (unsigned)shift, &x)) {
		*ret = decimal_small_of(
		    decimal_small_div_round(x, b->small, true), (unsigned)scale);
		return FATE_DONE;
	}
	return div_big(a, b, scale, arena, ret, err);
}

enum fate
decimal_mod(const struct decimal *a, const struct decimal *b, struct arena *arena,
    struct decimal *ret, struct err *err)
{
	decimal_small x, y;

	if (either_nan(a, b))
		return special(DECIMAL_NAN, ret);
	if (decimal_is_zero(b))
		return division_by_zero(err);
	if (is_infinite(a))
		return special(DECIMAL_NAN, ret);
	if (is_infinite(b)) {
		*ret = *a;
		return FATE_DONE;
	}
	if (align_small(a, b, &x, &y)) {
		*ret = decimal_small_of(x % y, a->scale > b->scale ? a->scale : b->scale);
		return FATE_DONE;
	}
	return big_aligned(a, b, op_rest, arena, ret, err);
}

static enum fate
cut(const struct decimal *d, int32_t digits, bool round, struct arena *arena,
    struct decimal *ret, struct err *err)
{
	/* One place beyond the largest number's first digit, which may round up to it. */
	const int32_t least = -DECIMAL_INT_DIGITS_MAX - 1;

	digits = digits > DECIMAL_SCALE_MAX ? DECIMAL_SCALE_MAX : digits;
	digits = digits < least ? least : digits;
	if (!decimal_is_finite(d))
		return special(d->form, ret);
	return decimal_rescale(d, digits, round, arena, ret, err);
}

enum fate
decimal_round(const struct decimal *d, int32_t digits, struct arena *arena, struct decimal *ret,
    struct err *err)
{
	return cut(d, digits, true, arena, ret, err);
}

enum fate
decimal_trunc(const struct decimal *d, int32_t digits, struct arena *arena, struct decimal *ret,
    struct err *err)
{
	return cut(d, digits, false, arena, ret, err);
}

/* Truncated, then one step in the direction of sign if that moved the wrong way. */
static enum fate
step(const struct decimal *d, int sign, struct arena *arena, struct decimal *ret,
    struct err *err)
{
	struct decimal whole, one = decimal_from_i64(sign);
	enum fate fate = cut(d, 0, false, arena, &whole, err);

	if (fate != FATE_DONE)
		return fate;
	if (decimal_is_finite(d) && decimal_compare(d, &whole) == sign)
		return decimal_add(&whole, &one, arena, ret, err);
	*ret = whole;
	return FATE_DONE;
}

enum fate
decimal_ceil(const struct decimal *d, struct arena *arena, struct decimal *ret, struct err *err)
{
	return step(d, 1, arena, ret, err);
}

enum fate
decimal_floor(
    const struct decimal *d, struct arena *arena, struct decimal *ret, struct err *err)
{
	return step(d, -1, arena, ret, err);
}
