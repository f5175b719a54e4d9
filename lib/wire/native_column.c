/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/native_column.h"

#include <stdlib.h>

#include "base/must.h"
#include "wire/native_text.h"

struct native_column *
column_new(struct native_type *type)
{
	struct native_column *column = calloc(1, sizeof *column);

	must(column);
	column->type = type;
	buf_grow(&column->data, 64); /* so that p is never NULL */
	if (type->low) {
		struct native_type *inner = malloc(sizeof *inner);

		must(inner);
		*inner = *type; /* shares items */
		inner->low = inner->nullable = false;
		column->elem = column_new(inner);
		column->elem->owns_type = true;
		low_init(column);
	} else if (column_is_list(column)) {
		column->key = type->key ? column_new(type->key) : NULL;
		column->elem = column_new(type->elem);
	}
	return column;
}

void
column_free(struct native_column *column)
{
	if (!column)
		return;
	column_free(column->key);
	column_free(column->elem);
	low_finish(column);
	buf_finish(&column->data);
	buf_finish(&column->nulls);
	buf_finish(&column->ends);
	if (column->owns_type)
		free(column->type);
	free(column->name);
	free(column->type_text);
	free(column);
}

void
column_clear(struct native_column *column)
{
	column->rows = column->data.len = column->nulls.len = column->ends.len = 0;
	if (column->key)
		column_clear(column->key);
	if (column->elem)
		column_clear(column->elem);
	if (column->type->low)
		low_clear(column);
}

void
column_truncate(struct native_column *column, size_t rows)
{
	if (column->rows <= rows)
		return;
	column->rows = rows;
	if (column_is_text(column)) {
		column->ends.len = rows * sizeof(uint32_t);
		column->data.len =
		    rows ? ((const uint32_t *)(const void *)column->ends.p)[rows - 1] : 0;
	} else if (column_is_list(column)) {
		const uint64_t *ends = (const uint64_t *)(const void *)column->ends.p;

		column->ends.len = rows * sizeof(uint64_t);
		if (column->key)
			column_truncate(column->key, rows ? ends[rows - 1] : 0);
		column_truncate(column->elem, rows ? ends[rows - 1] : 0);
	} else {
		column->data.len = rows * column_width(column);
	}
	if (column->nulls.len > rows)
		column->nulls.len = rows;
}

static void
put_zeros(struct native_column *column)
{
	static const char zeros[64];
	size_t left = column_width(column);

	for (; left > sizeof zeros; left -= sizeof zeros)
		buf_put(&column->data, zeros, sizeof zeros);
	buf_put(&column->data, zeros, left);
}

void
native_append_default(struct native_column *column)
{
	if (column->type->low) {
		low_append_default(column);
		return;
	}
	if (column_is_text(column)) {
		column_text_done(column);
	} else if (column_is_list(column)) {
		column_list_done(column);
	} else {
		put_zeros(column);
		if (column->type->kind == NATIVE_ENUM) /* the first label */
			memcpy(column->data.p + column->data.len - column->type->width,
			    &column->type->items[0].value, column->type->width);
		column_row_done(column);
	}
	if (column->type->nullable)
		column->nulls.p[column->nulls.len - 1] = 1;
}

void
native_append_u64(struct native_column *column, uint64_t value)
{
	struct wide wide = { .limb = { value } };
	unsigned char bytes[32];

	must(!column->type->low);
	must(column->type->kind == NATIVE_UINT || column->type->kind == NATIVE_INT ||
	     column->type->kind == NATIVE_BOOL);
	if (column->type->width == 8 && value <= INT64_MAX) { /* the common case */
		column_put(column, &value, sizeof value);
		return;
	}
	must(wide_fits(&wide, column->type->kind == NATIVE_INT, column->type->width));
	wide_store(&wide, column->type->width, bytes);
	column_put(column, bytes, column->type->width);
}

size_t
native_column_rows(const struct native_column *column)
{
	return column->rows;
}

const char *
native_column_name(const struct native_column *column)
{
	return column->name;
}

const struct native_type *
native_column_type(const struct native_column *column)
{
	return column->type;
}
