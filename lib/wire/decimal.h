/* SPDX-License-Identifier: Apache-2.0 */
/* decimal.h -- exact decimal numbers with PostgreSQL's NUMERIC rules.
 *
 * value = unscaled / 10^scale. Numbers that fit 127 bits are held in place;
 * bigger ones borrow their magnitude's limbs (GMP order) from an arena. Display
 * scale is part of the number, as in Postgres: 1.10 is not printed as 1.1.
 * Scale rules: src/backend/utils/adt/numeric.c of PostgreSQL 15 (select_div_scale,
 * mul: sum of scales, add: larger scale, round half away from zero). */
#ifndef WIRE_DECIMAL_H
#define WIRE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum decimal_form {
	DECIMAL_SMALL = 0, /* unscaled is in .small */
	DECIMAL_BIG,       /* magnitude is in .limbs, sign in .negative */
	DECIMAL_NAN,
	DECIMAL_INF, /* +infinity */
	DECIMAL_NEG_INF,
};

__extension__ typedef __int128 decimal_small;

struct decimal {
	enum decimal_form form;
	bool negative;  /* BIG only */
	uint16_t scale; /* digits after the point, 0..16383 */
	uint32_t limb_count;
	union {
		decimal_small small;
		const uint64_t *limbs; /* least significant first */
	};
};

/* A SMALL is always |unscaled| < 2^127 and a BIG never is, so forms are canonical.
 * Operands are only read; a result may be an operand's own memory. A result that
 * does not fit the arena is RETRY with code 53200: the batch's memory is full,
 * the caller empties it and calls again. All else that fails is REJECT with
 * PostgreSQL's SQLSTATE and words. */
enum { DECIMAL_SCALE_MAX = 16383, DECIMAL_INT_DIGITS_MAX = 131072 };

/* What numeric_in reads: plain, exponent, NaN, [+-]Infinity, inf; blanks around it.
 * 22P02 on a syntax error, 22003 beyond numeric's range. */
enum fate decimal_parse(
    struct slice text, struct arena *arena, struct decimal *ret, struct err *err) NODISCARD;

/* Big-endian two's complement (Kafka Connect's Decimal); no bytes is zero. */
enum fate decimal_from_bytes(struct slice bytes, uint32_t scale, struct arena *arena,
    struct decimal *ret, struct err *err) NODISCARD;
struct decimal decimal_from_i64(int64_t value);
struct decimal decimal_from_i128(decimal_small unscaled, uint16_t scale); /* not -2^127 */
/* As the casts do: 15 significant digits of a float8, 6 of a float4. */
enum fate decimal_from_float8(
    double value, struct arena *arena, struct decimal *ret, struct err *err) NODISCARD;
enum fate decimal_from_float4(
    float value, struct arena *arena, struct decimal *ret, struct err *err) NODISCARD;

/* Appends what numeric_out prints. */
void decimal_print(struct buf *out, const struct decimal *d);

/* numeric's btree order: -Infinity < numbers < Infinity < NaN = NaN. */
int decimal_compare(const struct decimal *a, const struct decimal *b);

bool decimal_is_zero(const struct decimal *d);
bool decimal_is_finite(const struct decimal *d);
int decimal_signum(const struct decimal *d); /* -1, 0, 1; NaN is 0 */
struct decimal decimal_neg(const struct decimal *d);
struct decimal decimal_abs(const struct decimal *d);
struct decimal decimal_sign(const struct decimal *d); /* sign(numeric): NaN stays NaN */

enum fate decimal_add(const struct decimal *a, const struct decimal *b, struct arena *arena,
    struct decimal *ret, struct err *err) NODISCARD;
enum fate decimal_sub(const struct decimal *a, const struct decimal *b, struct arena *arena,
    struct decimal *ret, struct err *err) NODISCARD;
enum fate decimal_mul(const struct decimal *a, const struct decimal *b, struct arena *arena,
    struct decimal *ret, struct err *err) NODISCARD;
/* 22012 on zero divisors. */
enum fate decimal_div(const struct decimal *a, const struct decimal *b, struct arena *arena,
    struct decimal *ret, struct err *err) NODISCARD;
enum fate decimal_mod(const struct decimal *a, const struct decimal *b, struct arena *arena,
    struct decimal *ret, struct err *err) NODISCARD;

/* round(d, digits) half away from zero and trunc(d, digits); digits may be negative
 * and is held to -131073..16383. The result's scale is digits, or 0. */
enum fate decimal_round(const struct decimal *d, int32_t digits, struct arena *arena,
    struct decimal *ret, struct err *err) NODISCARD;
enum fate decimal_trunc(const struct decimal *d, int32_t digits, struct arena *arena,
    struct decimal *ret, struct err *err) NODISCARD;
enum fate decimal_ceil(const struct decimal *d, struct arena *arena, struct decimal *ret,
    struct err *err) NODISCARD;
enum fate decimal_floor(const struct decimal *d, struct arena *arena, struct decimal *ret,
    struct err *err) NODISCARD;

/* The casts to smallint, integer, bigint: rounded, 22003 "integer out of range",
 * 0A000 "cannot convert NaN to integer". */
enum fate decimal_to_int2(const struct decimal *d, int64_t *ret, struct err *err) NODISCARD;
enum fate decimal_to_int4(const struct decimal *d, int64_t *ret, struct err *err) NODISCARD;
enum fate decimal_to_int8(const struct decimal *d, int64_t *ret, struct err *err) NODISCARD;
enum fate decimal_to_float8(const struct decimal *d, double *ret, struct err *err) NODISCARD;
enum fate decimal_to_float4(const struct decimal *d, float *ret, struct err *err) NODISCARD;

/* The cast to numeric(p,s); typmod as pg_attribute holds it, below 4 is none.
 * 22003 "numeric field overflow". */
enum fate decimal_apply_typmod(const struct decimal *d, int32_t typmod, struct arena *arena,
    struct decimal *ret, struct err *err) NODISCARD;

#endif
