/* SPDX-License-Identifier: Apache-2.0 */
/* native_column.h -- what a column holds while its block is being built.
 *
 * Only the native_*.c files use it. Values of a fixed width lie in data one after
 * the other; texts lie in data with their ends beside them, arrays and maps keep
 * the ends of their elements. A LowCardinality column keeps 4-byte indexes, and its
 * distinct values are the rows of elem, the dictionary. */
#ifndef WIRE_NATIVE_COLUMN_H
#define WIRE_NATIVE_COLUMN_H

#include "wire/native.h"

/* An open-addressing table of the rows of a dictionary, 0 being free. */
struct dict {
	uint32_t *rows;
	size_t size; /* a power of two */
	size_t count;
};

struct native_column {
	char *name;      /* heap; NULL of inner columns */
	char *type_text; /* heap; what the block says */
	struct native_type *type;
	size_t rows;
	struct buf data;
	struct buf nulls; /* a byte a row when nullable and not low */
	struct buf ends;  /* uint32_t of texts, uint64_t of arrays and maps */
	struct native_column *key, *elem;
	struct dict dict; /* low only */
	bool owns_type;
};

struct native_block {
	struct native_column **columns;
	size_t count;
	uint32_t *order; /* of the rows, when sorted */
	struct sort_row *sort_rows;
	size_t order_cap;
	bool sorted;              /* order counts */
	struct native_pack *pack; /* made by the first write */
};

/* The dictionary of a LowCardinality column (native_low.c). */
void low_init(struct native_column *column);
void low_finish(struct native_column *column); /* accepts a column without one */
void low_clear(struct native_column *column);
/* Ends a row whose value was appended to elem; it is taken back there when the
 * dictionary holds it already. */
void low_append(struct native_column *column);
/* NULL, or the default of a column that takes none. */
void low_append_default(struct native_column *column);

struct native_column *column_new(struct native_type *type);
void column_free(struct native_column *column);
void column_clear(struct native_column *column);
void column_truncate(struct native_column *column, size_t rows);

/* A column without NULL flags of its own and with values of varying length. */
static inline bool
column_is_text(const struct native_column *column)
{
	return !column->type->low &&
	       (column->type->kind == NATIVE_STRING || column->type->kind == NATIVE_JSON);
}

static inline bool
column_is_list(const struct native_column *column)
{
	return column->type->kind == NATIVE_ARRAY || column->type->kind == NATIVE_MAP;
}

static inline uint32_t
column_width(const struct native_column *column)
{
	return column->type->low ? 4 : column->type->width;
}

/* The bytes of a row of a text or fixed column. */
static inline struct slice
column_bytes(const struct native_column *column, size_t row)
{
	const uint32_t *ends = (const uint32_t *)(const void *)column->ends.p;
	uint32_t width = column_width(column), start;

	if (!column_is_text(column))
		return slice_of(column->data.p + row * width, width);
	start = row ? ends[row - 1] : 0;
	return slice_of(column->data.p + start, ends[row] - start);
}

/* --- what every append ends with --- */

static inline void
column_row_done(struct native_column *column)
{
	if (column->type->nullable && !column->type->low)
		buf_byte(&column->nulls, 0);
	column->rows++;
}

static inline void
column_put(struct native_column *column, const void *p, size_t width)
{
	buf_put(&column->data, p, width);
	column_row_done(column);
}

static inline void
column_text_done(struct native_column *column)
{
	uint32_t end = (uint32_t)column->data.len;

	buf_put(&column->ends, &end, sizeof end);
	column_row_done(column);
}

static inline void
column_list_done(struct native_column *column)
{
	uint64_t end = column->elem->rows;

	buf_put(&column->ends, &end, sizeof end);
	column_row_done(column);
}

#endif
