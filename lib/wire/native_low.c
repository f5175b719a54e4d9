/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/must.h"
#include "wire/native_column.h"

enum { DICT_SIZE_FIRST = 256 };

/* Mixes by multiplication, eight bytes a step; not for keys of strangers who want
 * collisions: a chain then costs time, never correctness. */
static uint64_t
hash_bytes(struct slice s)
{
	const uint64_t mix = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t hash = s.len * mix, word;
	const char *p = s.p;
	size_t left = s.len;

	for (; left >= 8; left -= 8, p += 8) {
		memcpy(&word, p, 8);
		hash = (hash ^ word) * mix;
		hash ^= hash >> 32;
	}
	word = 0;
	for (size_t i = 0; i < left; i++)
		word |= (uint64_t)(unsigned char)p[i] << (8 * i);
	hash = (hash ^ word) * mix;
	return hash ^ hash >> 32;
}

/* The place of a value: its row, or where it would go. */
static uint32_t *
find(const struct native_column *column, struct slice value)
{
	const struct dict *dict = &column->dict;
	size_t at = hash_bytes(value) & (dict->size - 1);

	while (
	    dict->rows[at] && !slice_eq(column_bytes(column->elem, dict->rows[at] - 1), value))
		at = (at + 1) & (dict->size - 1);
	return &dict->rows[at];
}

static void
dict_resize(struct native_column *column, size_t size)
{
	struct dict *dict = &column->dict;
	uint32_t *old = dict->rows;
	size_t old_size = dict->size;

	dict->rows = calloc(size, sizeof *dict->rows);
	must(dict->rows);
	dict->size = size;
	for (size_t i = 0; i < old_size; i++)
		if (old[i])
			*find(column, column_bytes(column->elem, old[i] - 1)) = old[i];
	free(old);
}

static void
put_index(struct native_column *column, uint32_t index)
{
	buf_put(&column->data, &index, sizeof index);
	column->rows++;
}

/* The last row of elem becomes known, unless it is. Returns its index. */
static uint32_t
dict_add(struct native_column *column)
{
	struct native_column *elem = column->elem;
	uint32_t *row = find(column, column_bytes(elem, elem->rows - 1));

	if (*row) {
		column_truncate(elem, elem->rows - 1);
		return *row - 1;
	}
	*row = (uint32_t)elem->rows;
	if (++column->dict.count * 2 > column->dict.size)
		dict_resize(column, column->dict.size * 2);
	return (uint32_t)elem->rows - 1;
}

void
low_init(struct native_column *column)
{
	dict_resize(column, DICT_SIZE_FIRST);
	low_clear(column);
}

void
low_finish(struct native_column *column)
{
	free(column->dict.rows);
}

/* Row 0 of a dictionary is the default, and of a nullable one NULL, which no value
 * equals, not even "". */
void
low_clear(struct native_column *column)
{
	memset(column->dict.rows, 0, column->dict.size * sizeof *column->dict.rows);
	column->dict.count = 0;
	native_append_default(column->elem);
	if (!column->type->nullable)
		(void)dict_add(column);
}

void
low_append(struct native_column *column)
{
	put_index(column, dict_add(column));
}

void
low_append_default(struct native_column *column)
{
	put_index(column, 0);
}
