/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/must.h"
#include "wire/native_column.h"
#include "wire/native_pack.h"

/* SerializationLowCardinality: the version of the keys, and the flags that stand
 * beside the width of the indexes. */
enum {
	LOW_KEYS_VERSION = 1,
	LOW_HAS_ADDITIONAL_KEYS = 1 << 9,
	LOW_NEED_UPDATE_DICTIONARY = 1 << 10,
	JSON_AS_STRING_VERSION = 1, /* SerializationObject */
};

struct native_block *
native_block_new(void)
{
	struct native_block *block = calloc(1, sizeof *block);

	must(block);
	return block;
}

void
native_block_free(struct native_block *block)
{
	if (!block)
		return;
	for (size_t i = 0; i < block->count; i++) {
		struct native_type *type = block->columns[i]->type;

		column_free(block->columns[i]);
		native_type_free(type);
	}
	free(block->columns);
	free(block->order);
	free(block->sort_rows);
	native_pack_free(block->pack);
	free(block);
}

void
native_block_clear(struct native_block *block)
{
	for (size_t i = 0; i < block->count; i++)
		column_clear(block->columns[i]);
	block->sorted = false;
}

enum fate
native_block_add(struct native_block *block, const char *name, struct slice type,
    struct native_column **ret_column, struct err *err)
{
	size_t rows = block->count ? block->columns[0]->rows : 0;
	struct native_column *column;
	struct native_type *parsed;

	if (native_type_parse(type, &parsed, err) != FATE_DONE)
		return err_wrap(err, "column %s", name);
	column = column_new(parsed);
	column->name = strdup(name);
	column->type_text = strndup(type.p, type.len);
	block->columns =
	    realloc(block->columns, (block->count + 1) * sizeof(struct native_column *));
	must(column->name && column->type_text && block->columns);
	while (column->rows < rows)
		native_append_default(column);
	block->columns[block->count++] = column;
	*ret_column = column;
	return FATE_DONE;
}

void
native_block_truncate(struct native_block *block, size_t rows)
{
	for (size_t i = 0; i < block->count; i++)
		column_truncate(block->columns[i], rows);
}

static size_t
column_size(const struct native_column *column)
{
	if (!column)
		return 0;
	return column->data.len + column->nulls.len + column->ends.len +
	       column_size(column->key) + column_size(column->elem);
}

size_t
native_block_bytes(const struct native_block *block)
{
	size_t bytes = 0;

	for (size_t i = 0; i < block->count; i++)
		bytes += column_size(block->columns[i]);
	return bytes;
}

size_t
native_block_row(const struct native_block *block, size_t i)
{
	return block->sorted ? block->order[i] : i;
}

struct native_column *
native_block_column(const struct native_block *block, size_t i)
{
	must(i < block->count);
	return block->columns[i];
}

/* --- writing: every part in the order of the rows --- */

static void
put_u64(struct native_pack *pack, uint64_t value)
{
	native_pack_put(pack, &value, sizeof value);
}

static void
put_text(struct native_pack *pack, const char *text)
{
	size_t len = strlen(text);

	native_pack_varint(pack, len);
	native_pack_put(pack, text, len);
}

/* A constant width makes the copies plain moves; out need not be aligned. */
#define GATHER(width)                                                                          \
	for (size_t i = 0; i < rows; i++)                                                      \
	memcpy(out + i * (width), data->p + (size_t)order[i] * (width), width)

static void
put_fixed(struct native_pack *pack, const struct buf *data, size_t width, const uint32_t *order,
    size_t rows)
{
	char *out;

	if (!order) {
		native_pack_put(pack, data->p, rows * width);
		return;
	}
	out = native_pack_room(pack, rows * width);
	switch (width) {
	case 1: GATHER((size_t)1); break;
	case 2: GATHER((size_t)2); break;
	case 4: GATHER((size_t)4); break;
	case 8: GATHER((size_t)8); break;
	case 16: GATHER((size_t)16); break;
	default: GATHER(width);
	}
	native_pack_took(pack, rows * width);
}

static void
put_texts(struct native_pack *pack, const struct native_column *column, const uint32_t *order,
    size_t rows)
{
	enum { VARINT_MAX = 5 };
	char *out = native_pack_room(pack, column->data.len + rows * VARINT_MAX), *at = out;

	for (size_t i = 0; i < rows; i++) {
		struct slice text = column_bytes(column, order ? order[i] : i);
		size_t len = text.len;

		for (; len >= 0x80; len >>= 7)
			*at++ = (char)(len | 0x80);
		*at++ = (char)len;
		if (text.len)
			memcpy(at, text.p, text.len);
		at += text.len;
	}
	native_pack_took(pack, (size_t)(at - out));
}

static void put_values(struct native_pack *pack, const struct native_column *column,
    const uint32_t *order, size_t rows);

static void
put_indexes(struct native_pack *pack, const struct native_column *column, unsigned shift,
    const uint32_t *order, size_t rows)
{
	const uint32_t *from = (const uint32_t *)(const void *)column->data.p;
	char *out = native_pack_room(pack, rows << shift);

	for (size_t i = 0; i < rows; i++) {
		uint32_t index = from[order ? order[i] : i];

		if (shift == 0)
			out[i] = (char)index;
		else
			memcpy(out + (i << shift), &index, (size_t)1 << shift);
	}
	native_pack_took(pack, rows << shift);
}

static void
put_low(struct native_pack *pack, const struct native_column *column, const uint32_t *order,
    size_t rows)
{
	size_t keys = column->elem->rows;
	unsigned shift = keys <= 1 << 8 ? 0 : keys <= 1 << 16 ? 1 : 2;

	if (rows == 0)
		return; /* as the server reads it: no rows, no dictionary */
	put_u64(pack, LOW_HAS_ADDITIONAL_KEYS | LOW_NEED_UPDATE_DICTIONARY | shift);
	put_u64(pack, keys);
	put_values(pack, column->elem, NULL, keys);
	put_u64(pack, rows);
	put_indexes(pack, column, shift, order, rows);
}

/* The ends of the lists in their new order, and the order of the elements. */
static void
put_list(struct native_pack *pack, const struct native_column *column, const uint32_t *order,
    size_t rows)
{
	const uint64_t *ends = (const uint64_t *)(const void *)column->ends.p;
	size_t count = column->elem->rows, at = 0;
	uint32_t *inner = NULL;

	if (!order) {
		native_pack_put(pack, ends, rows * sizeof *ends);
	} else {
		inner = malloc((count + 1) * sizeof *inner);
		must(inner);
		for (size_t i = 0; i < rows; i++) {
			uint64_t from = order[i] ? ends[order[i] - 1] : 0;

			for (; from < ends[order[i]]; from++)
				inner[at++] = (uint32_t)from;
			put_u64(pack, at);
		}
	}
	if (column->key)
		put_values(pack, column->key, inner, count);
	put_values(pack, column->elem, inner, count);
	free(inner);
}

static void
put_values(struct native_pack *pack, const struct native_column *column, const uint32_t *order,
    size_t rows)
{
	if (column->type->low) {
		put_low(pack, column, order, rows);
		return;
	}
	if (column->type->nullable)
		put_fixed(pack, &column->nulls, 1, order, rows);
	if (column_is_list(column))
		put_list(pack, column, order, rows);
	else if (column_is_text(column))
		put_texts(pack, column, order, rows);
	else
		put_fixed(pack, &column->data, column->type->width, order, rows);
}

/* What stands before a column's values, of its inner columns too. */
static void
put_prefix(struct native_pack *pack, const struct native_column *column)
{
	if (column->type->low) {
		put_u64(pack, LOW_KEYS_VERSION);
		return;
	}
	if (column->type->kind == NATIVE_JSON)
		put_u64(pack, JSON_AS_STRING_VERSION);
	if (column->key)
		put_prefix(pack, column->key);
	if (column->elem)
		put_prefix(pack, column->elem);
}

void
native_block_write(struct native_block *block, enum native_pack_kind kind, struct buf *out)
{
	struct native_pack *pack = block->pack;
	size_t rows = block->count ? block->columns[0]->rows : 0;

	if (!pack)
		pack = block->pack = native_pack_new();
	native_pack_begin(pack, kind, out);
	native_pack_varint(pack, block->count);
	native_pack_varint(pack, rows);
	for (size_t i = 0; i < block->count; i++) {
		const struct native_column *column = block->columns[i];

		must(column->rows == rows);
		put_text(pack, column->name);
		put_text(pack, column->type_text);
		if (rows == 0)
			continue;
		put_prefix(pack, column);
		put_values(pack, column, block->sorted ? block->order : NULL, rows);
	}
	native_pack_end(pack);
}
