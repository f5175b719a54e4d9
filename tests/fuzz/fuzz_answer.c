/* SPDX-License-Identifier: Apache-2.0 */
/* What engines answer: RowBinary of ClickHouse and pages of Trino; and what is made of a
 * statement with parameters for Trino. The first byte says which. */
#include <stdlib.h>

#include "base/must.h"
#include "wire/json.h"
#include "wire/row_binary.h"
#include "wire/trino_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
row_binary(struct slice in)
{
	struct row_binary rb;
	struct err err = { 0 };
	size_t used = 0, more = 0;
	enum row_binary_step step;
	struct slice *values;

	row_binary_init(&rb);
	step = row_binary_head(&rb, in, &used, &err);
	values = calloc(rb.column_count + 1, sizeof *values);
	must(values);
	for (int rows = 0; step == ROW_BINARY_DONE && rows < 1000; rows++) {
		used += more;
		must(used <= in.len);
		step = row_binary_row(
		    &rb, slice_of(in.p + used, in.len - used), &more, values, &err);
		for (size_t i = 0; step == ROW_BINARY_DONE && i < rb.column_count; i++)
			must(values[i].p || values[i].len == 0);
	}
	must(step != ROW_BINARY_BAD || err.fate == FATE_REJECT);
	free(values);
	row_binary_finish(&rb);
}

static void
page(struct slice in)
{
	struct slice raw;
	struct buf out = { 0 };
	struct err err = { 0 };
	struct json_walk walk;

	if (json_check(in, &raw, &err) != FATE_DONE || json_kind_of(raw) != JSON_ARRAY)
		return;
	for (walk = json_walk(raw); json_next(&walk);) {
		for (int form = TRINO_BOOL; form <= TRINO_OTHER; form++)
			(void)!trino_print(&out, (enum trino_form)form, walk.value, &err);
	}
	buf_finish(&out);
}

static void
type_of(struct slice in)
{
	struct pgtype type;

	(void)trino_type(in, &type);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest;

	if (size == 0)
		return 0;
	rest = slice_of((const char *)data + 1, size - 1);
	if (*data % 3 == 0)
		row_binary(rest);
	else if (*data % 3 == 1)
		page(rest);
	else
		type_of(rest);
	return 0;
}
