/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/must.h"
#include "wire/native_column.h"

/* A row and the first key column as a number whose order is the column's. */
struct sort_row {
	uint64_t first;
	uint32_t row;
};

struct keys {
	struct native_column *const *columns;
	size_t count;
};

/* Fixed columns of up to 8 bytes, UUIDs and texts have an order that is cheap. */
static bool
has_order(const struct native_column *column)
{
	const struct native_type *type = column->type;

	if (type->low || type->nullable || column_is_list(column))
		return false;
	switch (type->kind) {
	case NATIVE_INT:
	case NATIVE_UINT:
	case NATIVE_DECIMAL: return type->width <= 8;
	case NATIVE_BOOL:
	case NATIVE_STRING:
	case NATIVE_FIXED:
	case NATIVE_UUID:
	case NATIVE_DATE:
	case NATIVE_DATE32:
	case NATIVE_DATETIME:
	case NATIVE_DATETIME64:
	case NATIVE_ENUM:
	case NATIVE_IPV4: return true;
	case NATIVE_FLOAT:
	case NATIVE_IPV6:
	case NATIVE_ARRAY:
	case NATIVE_MAP:
	case NATIVE_JSON: return false;
	}
	never("kind");
}

static bool
is_signed(const struct native_type *type)
{
	return type->kind == NATIVE_INT || type->kind == NATIVE_DECIMAL ||
	       type->kind == NATIVE_DATE32 || type->kind == NATIVE_DATETIME64 ||
	       type->kind == NATIVE_ENUM;
}

/* The first 8 bytes of a value as a number in the value's order. */
static uint64_t
leading(const struct native_column *column, size_t row)
{
	struct slice bytes = column_bytes(column, row);
	uint64_t value = 0;

	if (column_is_text(column) || column->type->kind == NATIVE_FIXED) {
		memcpy(&value, bytes.p, bytes.len < 8 ? bytes.len : 8);
		return __builtin_bswap64(value);
	}
	memcpy(&value, bytes.p, bytes.len < 8 ? bytes.len : 8);
	if (!is_signed(column->type))
		return value;
	value <<= 64 - 8 * column->type->width; /* the sign on top */
	return value ^ (uint64_t)1 << 63;
}

static int
compare_bytes(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.p, b.p, len) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int
compare_rows(const struct keys *keys, uint32_t a, uint32_t b)
{
	for (size_t i = 0; i < keys->count; i++) {
		const struct native_column *column = keys->columns[i];
		uint64_t x = leading(column, a), y = leading(column, b);

		if (x == y && column->type->kind == NATIVE_UUID) { /* the lower half */
			memcpy(&x, column->data.p + (size_t)a * 16 + 8, 8);
			memcpy(&y, column->data.p + (size_t)b * 16 + 8, 8);
		}
		if (x != y)
			return x < y ? -1 : 1;
		if (column_is_text(column) || column->type->kind == NATIVE_FIXED) {
			int order =
			    compare_bytes(column_bytes(column, a), column_bytes(column, b));

			if (order)
				return order;
		}
	}
	return (a > b) - (a < b);
}

static int
compare_sort_rows(const void *left, const void *right, void *ctx)
{
	const struct sort_row *a = left, *b = right;

	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return compare_rows(ctx, a->row, b->row);
}

/* Room for the order and for two lists of rows. */
static void
reserve(struct native_block *block, size_t rows)
{
	if (rows <= block->order_cap)
		return;
	block->order = realloc(block->order, rows * sizeof *block->order);
	block->sort_rows = realloc(block->sort_rows, 2 * rows * sizeof *block->sort_rows);
	must(block->order && block->sort_rows);
	block->order_cap = rows;
}

/* By first, byte after byte from the least one, leaving out the bytes that are the
 * same in all; equal rows keep their order. Returns the list that holds the result:
 * from, or the other one. */
static struct sort_row *
radix_sort(struct sort_row *from, struct sort_row *to, size_t rows, uint64_t differing)
{
	for (unsigned shift = 0; shift < 64; shift += 8) {
		size_t at[256] = { 0 }, sum = 0;
		struct sort_row *swap;

		if ((differing >> shift & 0xff) == 0)
			continue;
		for (size_t i = 0; i < rows; i++)
			at[from[i].first >> shift & 0xff]++;
		for (size_t i = 0; i < 256; i++) {
			size_t count = at[i];

			at[i] = sum;
			sum += count;
		}
		for (size_t i = 0; i < rows; i++)
			to[at[from[i].first >> shift & 0xff]++] = from[i];
		swap = from;
		from = to;
		to = swap;
	}
	return from;
}

/* Rows with the same first go by all key columns. */
static void
sort_ties(struct sort_row *list, size_t rows, struct keys *keys)
{
	for (size_t from = 0, to; from < rows; from = to) {
		for (to = from + 1; to < rows && list[to].first == list[from].first;)
			to++;
		if (to - from > 1)
			qsort_r(list + from, to - from, sizeof *list, compare_sort_rows, keys);
	}
}

void
native_block_sort(
    struct native_block *block, struct native_column *const *key, size_t key_count)
{
	struct keys keys = { key, key_count };
	size_t rows = key_count ? key[0]->rows : 0;
	struct sort_row *list;
	uint64_t differing = 0;
	bool sorted = true;

	block->sorted = false;
	for (size_t i = 0; i < key_count; i++)
		if (!has_order(key[i]))
			return;
	reserve(block, rows);
	list = block->sort_rows;
	for (size_t i = 0; i < rows; i++) {
		list[i] = (struct sort_row){ leading(key[0], i), (uint32_t)i };
		differing |= list[i].first ^ list[0].first;
		if (i > 0 && sorted)
			sorted = compare_sort_rows(&list[i - 1], &list[i], &keys) < 0;
	}
	if (sorted)
		return;
	list = radix_sort(list, list + rows, rows, differing);
	sort_ties(list, rows, &keys);
	for (size_t i = 0; i < rows; i++)
		block->order[i] = list[i].row;
	block->sorted = true;
}

static bool
lists_equal(const struct native_column *column, size_t a, size_t b)
{
	const uint64_t *ends = (const uint64_t *)(const void *)column->ends.p;
	uint64_t from_a = a ? ends[a - 1] : 0, from_b = b ? ends[b - 1] : 0;

	if (ends[a] - from_a != ends[b] - from_b)
		return false;
	for (; from_a < ends[a]; from_a++, from_b++)
		if (!native_rows_equal(column->elem, from_a, from_b) ||
		    (column->key && !native_rows_equal(column->key, from_a, from_b)))
			return false;
	return true;
}

bool
native_rows_equal(const struct native_column *column, size_t a, size_t b)
{
	must(a < column->rows && b < column->rows);
	if (column->nulls.len > 0 && column->nulls.p[a] != column->nulls.p[b])
		return false;
	if (column_is_list(column))
		return lists_equal(column, a, b);
	return slice_eq(column_bytes(column, a), column_bytes(column, b));
}
