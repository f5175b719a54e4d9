/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_pg_frame.c -- any bytes as what a PostgreSQL server sends; and statements' likeness.
 *
 * Nothing may crash or read beyond what came; a message that is taken stands in the input,
 * and values of a row stand in its message. */
#include "base/must.h"
#include "engine/measure.h"
#include "link/pg_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_body(const struct pg_frame *f)
{
	static struct pg_column columns[PG_COLUMNS_MAX];
	struct slice values[16];
	struct pg_complaint complaint;
	size_t count;

	for (size_t n = 0; n < 16; n++) {
		if (!pg_frame_row(f->body, values, n))
			continue;
		for (size_t i = 0; i < n; i++)
			must(values[i].p == NULL ||
			     (values[i].p >= f->body.p &&
				 values[i].p + values[i].len <= f->body.p + f->body.len));
	}
	if (pg_frame_columns(f->body, columns, &count)) {
		for (size_t i = 0; i < count; i++)
			must(columns[i].name + strlen(columns[i].name) <
			     f->body.p + f->body.len);
	}
	if (pg_frame_complaint(f->body, &complaint))
		must(strlen(complaint.state) == 5);
	must(pg_frame_affected(f->body) >= -1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of((const char *)data, size);
	struct pg_frame frame;
	size_t used = 1, wanted;
	struct err err;

	must(measure_likeness(in) != 0);
	while (used && in.len && pg_frame_next(in, &frame, &used, &wanted, &err) == FATE_DONE) {
		must(used <= in.len && (used || wanted > in.len || in.len < 5));
		if (used)
			read_body(&frame);
		in = slice_of(in.p + used, in.len - used);
	}
	return 0;
}
