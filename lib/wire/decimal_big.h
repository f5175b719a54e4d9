/* SPDX-License-Identifier: Apache-2.0 */
/* decimal_big.h -- what the decimal files share: powers of ten, GMP views of
 * operands and the way back into an arena.
 *
 * A view borrows the operand's limbs and needs no clearing. Scratch mpz_t's live in
 * GMP's heap for the length of one call; only numbers beyond 127 bits get there,
 * and the operands' own ceiling (131072 + 16383 digits) bounds them. */
#ifndef WIRE_DECIMAL_BIG_H
#define WIRE_DECIMAL_BIG_H

#include <gmp.h>

#include "wire/decimal.h"

__extension__ typedef unsigned __int128 decimal_magnitude;

enum { SMALL_DIGITS = 38 }; /* 10^38 < 2^127 */
#define SMALL_LIMIT ((decimal_magnitude)1 << 127)

extern const uint64_t decimal_pow10_u64[20];

static inline decimal_small
decimal_pow10(unsigned n) /* n <= SMALL_DIGITS */
{
	decimal_magnitude low = decimal_pow10_u64[n > 19 ? 19 : n];

	return (decimal_small)(n > 19 ? low * decimal_pow10_u64[n - 19] : low);
}

static inline decimal_magnitude
decimal_magnitude_of(decimal_small v)
{
	return v < 0 ? 0 - (decimal_magnitude)v : (decimal_magnitude)v;
}

static inline struct decimal
decimal_small_of(decimal_small v, unsigned scale)
{
	return (struct decimal){ .form = DECIMAL_SMALL, .scale = (uint16_t)scale, .small = v };
}

/* v * 10^n, or false when it leaves 127 bits. */
static inline bool
decimal_scale_up(decimal_small v, unsigned n, decimal_small *ret)
{
	return n <= SMALL_DIGITS && !__builtin_mul_overflow(v, decimal_pow10(n), ret) &&
	       decimal_magnitude_of(*ret) < SMALL_LIMIT;
}

struct decimal_view {
	mpz_t z; /* read only, never cleared */
	mp_limb_t limbs[2];
};
void decimal_view(struct decimal_view *view, const struct decimal *d);

void decimal_mpz_pow10(mpz_t z, unsigned long n);

/* Into ret with its limbs in the arena; 22003 beyond numeric's range. */
enum fate decimal_store(
    const mpz_t z, uint32_t scale, struct arena *arena, struct decimal *ret, struct err *err);

unsigned decimal_digits_small(decimal_magnitude m); /* 1 for zero */

/* The power of ten of a finite number's first digit; of zero, of its last place. */
int32_t decimal_exponent(const struct decimal *d);

/* z = n / d (d not 0), truncated or half away from zero. */
void decimal_mpz_div_round(mpz_t z, const mpz_t n, const mpz_t d, bool round);

decimal_small decimal_small_div_round(decimal_small n, decimal_small d, bool round);

/* d (finite) at exactly this scale (may be negative: then the result's scale is 0). */
enum fate decimal_rescale(const struct decimal *d, int32_t scale, bool round,
    struct arena *arena, struct decimal *ret, struct err *err);

#endif
