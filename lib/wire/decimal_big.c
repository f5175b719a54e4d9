/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/decimal_big.h"

#include <string.h>

#include "base/must.h"

const uint64_t decimal_pow10_u64[20] = { 1u, 10u, 100u, 1000u, 10000u, 100000u, 1000000u,
	10000000u, 100000000u, 1000000000u, 10000000000u, 100000000000u, 1000000000000u,
	10000000000000u, 100000000000000u, 1000000000000000u, 10000000000000000u,
	100000000000000000u, 1000000000000000000u, 10000000000000000000u };

_Static_assert(sizeof(mp_limb_t) == sizeof(uint64_t), "limbs are 64 bits");

void
decimal_view(struct decimal_view *view, const struct decimal *d)
{
	decimal_magnitude m;
	mp_size_t count;

	must(d->form == DECIMAL_SMALL || d->form == DECIMAL_BIG);
	if (d->form == DECIMAL_BIG) {
		count = (mp_size_t)d->limb_count;
		mpz_roinit_n(view->z, d->limbs, d->negative ? -count : count);
		return;
	}
	m = decimal_magnitude_of(d->small);
	view->limbs[0] = (mp_limb_t)m;
	view->limbs[1] = (mp_limb_t)(m >> 64);
	count = view->limbs[1] ? 2 : view->limbs[0] ? 1 : 0;
	mpz_roinit_n(view->z, view->limbs, d->small < 0 ? -count : count);
}

void
decimal_mpz_pow10(mpz_t z, unsigned long n)
{
	mpz_ui_pow_ui(z, 10, n);
}

unsigned
decimal_digits_small(decimal_magnitude m)
{
	unsigned n = 20;

	if (m < decimal_pow10_u64[19]) {
		uint64_t small = (uint64_t)m | 1;

		/* of so many bits: 1233 / 4096 is a little more than log10(2) */
		n = (64 - (unsigned)__builtin_clzll(small)) * 1233 >> 12;
		return n + (small >= decimal_pow10_u64[n]);
	}
	while (n <= SMALL_DIGITS && m >= (decimal_magnitude)decimal_pow10(n))
		n++;
	return n;
}

static bool
beyond_range(const mpz_t z, uint32_t scale)
{
	unsigned long limit = (unsigned long)DECIMAL_INT_DIGITS_MAX + scale;
	bool beyond;
	mpz_t ceiling;

	if (mpz_sizeinbase(z, 2) < 3 * (size_t)DECIMAL_INT_DIGITS_MAX)
		return false;
	mpz_init(ceiling);
	decimal_mpz_pow10(ceiling, limit);
	beyond = mpz_cmpabs(z, ceiling) >= 0;
	mpz_clear(ceiling);
	return beyond;
}

enum fate
decimal_store(
    const mpz_t z, uint32_t scale, struct arena *arena, struct decimal *ret, struct err *err)
{
	size_t count = mpz_size(z);
	const mp_limb_t *from = mpz_limbs_read(z);
	mp_limb_t *limbs;

	if (scale > DECIMAL_SCALE_MAX || beyond_range(z, scale))
		return err_code(err, FATE_REJECT, "22003", "value overflows numeric format");
	if (count < 2 || (count == 2 && from[1] >> 63 == 0)) {
		decimal_magnitude m = count > 1 ? (decimal_magnitude)from[1] << 64 : 0;

		m |= count > 0 ? from[0] : 0;
		*ret = decimal_small_of(
		    mpz_sgn(z) < 0 ? -(decimal_small)m : (decimal_small)m, scale);
		return FATE_DONE;
	}
	limbs = arena_alloc(arena, count * sizeof(*limbs));
	if (!limbs)
		return err_code(err, FATE_RETRY, "53200", "no room in the batch for a numeric");
	memcpy(limbs, from, count * sizeof(*limbs));
	*ret = (struct decimal){ .form = DECIMAL_BIG,
		.negative = mpz_sgn(z) < 0,
		.scale = (uint16_t)scale,
		.limb_count = (uint32_t)count,
		.limbs = limbs };
	return FATE_DONE;
}

void
decimal_mpz_div_round(mpz_t z, const mpz_t n, const mpz_t d, bool round)
{
	int sign = mpz_sgn(n) * mpz_sgn(d);
	mpz_t rest;

	if (!round) {
		mpz_tdiv_q(z, n, d);
		return;
	}
	mpz_init(rest);
	mpz_tdiv_qr(z, rest, n, d);
	mpz_mul_2exp(rest, rest, 1);
	if (mpz_cmpabs(rest, d) >= 0) {
		if (sign < 0)
			mpz_sub_ui(z, z, 1);
		else
			mpz_add_ui(z, z, 1);
	}
	mpz_clear(rest);
}

static enum fate
rescale_big(const struct decimal *d, int32_t scale, bool round, struct arena *arena,
    struct decimal *ret, struct err *err)
{
	struct decimal_view view;
	int32_t shift = scale - d->scale;
	enum fate fate;
	mpz_t z, power;

	decimal_view(&view, d);
	mpz_inits(z, power, NULL);
	decimal_mpz_pow10(power, (unsigned long)(shift < 0 ? -(int64_t)shift : shift));
	if (shift >= 0) {
		mpz_mul(z, view.z, power);
	} else {
		decimal_mpz_div_round(z, view.z, power, round);
		if (scale < 0) {
			decimal_mpz_pow10(power, (unsigned long)-(int64_t)scale);
			mpz_mul(z, z, power);
		}
	}
	fate = decimal_store(z, scale < 0 ? 0 : (uint32_t)scale, arena, ret, err);
	mpz_clears(z, power, NULL);
	return fate;
}

decimal_small
decimal_small_div_round(decimal_small n, decimal_small d, bool round)
{
	decimal_magnitude m = decimal_magnitude_of(n), by = decimal_magnitude_of(d);
	decimal_magnitude q = m / by, rest = m % by;

	if (round && rest >= by - rest)
		q++;
	return (n < 0) != (d < 0) ? -(decimal_small)q : (decimal_small)q;
}

enum fate
decimal_rescale(const struct decimal *d, int32_t scale, bool round, struct arena *arena,
    struct decimal *ret, struct err *err)
{
	int32_t shift = scale - d->scale;
	decimal_small v;

	if (d->form == DECIMAL_SMALL && shift >= 0) {
		if (d->small == 0) {
			*ret = decimal_small_of(0, (unsigned)scale);
			return FATE_DONE;
		}
		if (decimal_scale_up(d->small, (unsigned)shift, &v)) {
			*ret = decimal_small_of(v, (unsigned)scale);
			return FATE_DONE;
		}
	} else if (d->form == DECIMAL_SMALL && -shift > SMALL_DIGITS) {
		*ret = decimal_small_of(0, scale < 0 ? 0 : (unsigned)scale);
		return FATE_DONE;
	} else if (d->form == DECIMAL_SMALL) {
		v = decimal_small_div_round(d->small, decimal_pow10((unsigned)-shift), round);
		if (scale >= 0 || decimal_scale_up(v, (unsigned)-scale, &v)) {
			*ret = decimal_small_of(v, scale < 0 ? 0 : (unsigned)scale);
			return FATE_DONE;
		}
	}
	return rescale_big(d, scale, round, arena, ret, err);
}
