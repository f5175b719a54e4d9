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

#endif
