/* SPDX-License-Identifier: Apache-2.0 */
/* generate_model.h -- what a generator knows of one set of tables: its statements, and
 * how to make up rows.
 *
 * A statement's parameters are arrays of text, one a column; a model appends one
 * element to each. All choices come from the dice, so that a seed repeats them; only
 * the time at which a row is made up comes in from outside. */
#ifndef DEMO_GENERATE_MODEL_H
#define DEMO_GENERATE_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct dice {
	uint64_t state;
};
uint64_t dice_word(struct dice *dice);
uint64_t dice_below(struct dice *dice, uint64_t n); /* 0 .. n-1; n > 0 */
double dice_real(struct dice *dice);                /* 0 <= x < 1 */

struct generate_world {
	struct dice dice;
	uint64_t seed;
	size_t contents; /* how many of them were seeded */
	int64_t now_us;  /* since 1970 */
};

enum { GENERATE_COLUMNS_MAX = 16 };

struct generate_model {
	const char *name;
	const char *contents_sql, *load_sql, *insert_sql, *update_sql, *delete_sql;
	size_t contents_columns, insert_columns, update_columns; /* parameters of each */

	/* The same for an index and a seed, whatever was thrown before. */
	void (*content)(struct generate_world *world, size_t index, struct buf *columns);
	void (*insert)(struct generate_world *world, struct buf *columns);
	/* Without the first parameter, the row's id. */
	void (*update)(struct generate_world *world, struct buf *columns);
};

/* NULL when there is none of that name. */
const struct generate_model *generate_model_find(const char *name);

extern const struct generate_model generate_engagement;
extern const struct generate_model generate_orders;

#endif
