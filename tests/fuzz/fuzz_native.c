/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_native.c -- a ClickHouse type on the first line, JSON values behind it.
 *
 * Nothing may crash; a refused value leaves the column as it was; a value that was
 * taken is taken again as the same bytes; every block can be sorted, taken back
 * and written. */
#include <stdlib.h>

#include "base/must.h"
#include "wire/json.h"
#include "wire/native.h"

enum { ROWS_MAX = 64, BYTES_MAX = 8 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
append_twice(struct native_block *block, struct native_column *column, struct slice raw)
{
	size_t rows = native_column_rows(column), bytes = native_block_bytes(block);
	struct err err;

	if (native_append(column, raw, &err) != FATE_DONE) {
		must(native_column_rows(column) == rows);
		must(native_block_bytes(block) == bytes);
		return;
	}
	must(native_append(column, raw, &err) == FATE_DONE);
	must(native_column_rows(column) == rows + 2);
	must(native_rows_equal(column, rows, rows + 1));
}

static void
append_all(struct native_block *block, struct native_column *column, struct slice raw)
{
	struct json_walk walk;

	append_twice(block, column, raw);
	if (json_kind_of(raw) != JSON_ARRAY)
		return;
	walk = json_walk(raw);
	while (native_column_rows(column) < ROWS_MAX && native_block_bytes(block) < BYTES_MAX &&
	       json_next(&walk))
		append_twice(block, column, walk.value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *line = size ? memchr(data, '\n', size) : NULL;
	struct native_block *block;
	struct native_column *column;
	struct buf out = { 0 };
	struct slice raw;
	struct err err;
	size_t len;

	if (!line)
		return 0;
	len = (size_t)(line - text);
	block = native_block_new();
	if (native_block_add(block, "x", slice_of(text, len), &column, &err) == FATE_DONE &&
	    json_check(slice_of(line + 1, size - len - 1), &raw, &err) == FATE_DONE) {
		append_all(block, column, raw);
		native_block_sort(block, &column, 1);
		native_block_write(block, NATIVE_LZ4, &out);
		native_block_truncate(block, native_column_rows(column) / 2);
		native_block_sort(block, &column, 1);
		native_block_write(block, NATIVE_PLAIN, &out);
	}
	native_block_free(block);
	buf_finish(&out);
	return 0;
}
