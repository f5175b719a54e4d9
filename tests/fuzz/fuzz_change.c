/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_change.c -- any bytes as a Debezium event, with columns of every type.
 *
 * Nothing may crash; a change's parts must lie in the message; a value that was
 * read must print, and print the same when its text is read again; the line for
 * people must be one JSON object without a line end. A reader that remembers shapes
 * says of the message, and of others nearly like it, what change_read() and row_read()
 * say. */
#include <stdlib.h>

#include "base/must.h"
#include "wire/change.h"
#include "wire/describe.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Short names, so that the fuzzer hits them. */
static const struct row_column columns[] = {
	{ "id", { .kind = TYPE_INT4, .typmod = -1 } },
	{ "b", { .kind = TYPE_BOOL, .typmod = -1 } },
	{ "s", { .kind = TYPE_INT2, .typmod = -1 } },
	{ "l", { .kind = TYPE_INT8, .typmod = -1 } },
	{ "n", { .kind = TYPE_NUMERIC, .typmod = -1 } },
	{ "np", { .kind = TYPE_NUMERIC, .typmod = (10 << 16 | 2) + 4 } },
	{ "f", { .kind = TYPE_FLOAT4, .typmod = -1 } },
	{ "g", { .kind = TYPE_FLOAT8, .typmod = -1 } },
	{ "t", { .kind = TYPE_TEXT, .typmod = -1 } },
	{ "u", { .kind = TYPE_UUID, .typmod = -1 } },
	{ "d", { .kind = TYPE_DATE, .typmod = -1 } },
	{ "h", { .kind = TYPE_TIME, .typmod = -1 } },
	{ "h3", { .kind = TYPE_TIME, .typmod = 3 } },
	{ "ts", { .kind = TYPE_TIMESTAMP, .typmod = -1 } },
	{ "t3", { .kind = TYPE_TIMESTAMP, .typmod = 3 } },
	{ "tz", { .kind = TYPE_TIMESTAMPTZ, .typmod = -1 } },
	{ "i", { .kind = TYPE_INTERVAL, .typmod = -1 } },
	{ "j", { .kind = TYPE_JSONB, .typmod = -1 } },
	{ "y", { .kind = TYPE_BYTEA, .typmod = -1 } },
	{ "a", { .kind = TYPE_ARRAY, .elem = TYPE_TEXT, .typmod = -1 } },
	{ "bit", { .kind = TYPE_OTHER, .oid = 1560, .typmod = 9 } },
	{ "p", { .kind = TYPE_OTHER, .oid = 600, .typmod = -1 } },
	{ "o", { .kind = TYPE_OTHER, .typmod = -1 } },
};
enum { COLUMNS = sizeof(columns) / sizeof(*columns) };

static struct arena arena;
static struct row_plan *plan, *single[COLUMNS];

static void
start(void)
{
	if (plan)
		return;
	arena_init(&arena, 64 << 20);
	plan = row_plan_new(columns, COLUMNS);
	for (size_t i = 0; i < COLUMNS; i++)
		single[i] = row_plan_new(&columns[i], 1);
}

static void
inside(struct slice part, struct slice whole)
{
	must(!part.p || (part.p >= whole.p && part.p + part.len <= whole.p + whole.len));
}

/* Text that Postgres prints is text that it reads, and it prints it the same. */
static void
round_trip(struct pgtype type, const struct value *value)
{
	struct buf text = { 0 }, again = { 0 }, json = { 0 };
	struct slice raw;
	struct value back;
	struct err err;

	value_to_text(&text, type, value);
	if (type.kind != TYPE_ARRAY) {
		must(value_from_text(type, buf_view(&text), &arena, &back, &err) == FATE_DONE);
		value_to_text(&again, type, &back);
		must(slice_eq(buf_view(&text), buf_view(&again)));
	}
	value_to_json(&json, type, value);
	must(json_check(buf_view(&json), &raw, &err) == FATE_DONE);
	buf_finish(&text);
	buf_finish(&again);
	buf_finish(&json);
}

static void
read_row(struct slice row, struct slice schema)
{
	struct value values[COLUMNS], alone;
	struct err err = { 0 };
	enum fate all = row_read(plan, row, schema, &arena, values, &err);

	must(all == FATE_DONE || err.fate == all);
	for (size_t i = 0; i < COLUMNS; i++) {
		/* a plan of one column finds what the plan of all finds */
		enum fate fate = row_read(single[i], row, schema, &arena, &alone, &err);
		must(all != FATE_DONE || fate == FATE_DONE);
		if (fate != FATE_DONE)
			continue;
		must(all != FATE_DONE || alone.state == values[i].state);
		if (alone.state == VALUE_SET)
			round_trip(columns[i].type, &alone);
	}
}

static void
describe(struct slice message)
{
	struct describe_types types = { 0 };
	struct buf line = { 0 };
	struct slice raw;
	struct err err;

	describe_event(&line, (struct slice){ 0 }, message, types, &arena);
	describe_event(&line, message, (struct slice){ 0 }, types, &arena);
	line.len = 0;
	types = (struct describe_types){ columns, COLUMNS };
	describe_event(&line, message, message, types, &arena);
	must(!memchr(line.p, '\n', line.len));
	if (json_check(message, &raw, &err) == FATE_DONE)
		must(json_check(buf_view(&line), &raw, &err) == FATE_DONE);
	buf_finish(&line);
}

static void
must_equal(const struct change *a, const struct change *b)
{
	must(a->kind == b->kind && a->op == b->op && a->snapshot == b->snapshot);
	must(a->before.p == b->before.p && a->before.len == b->before.len);
	must(a->after.p == b->after.p && a->after.len == b->after.len);
	must(a->schema.p == b->schema.p && a->schema.len == b->schema.len);
	must(slice_eq(a->db_schema, b->db_schema) && slice_eq(a->db_table, b->db_table));
	must(a->unwrapped == b->unwrapped && a->has_lsn == b->has_lsn);
	must(a->has_tx_id == b->has_tx_id && a->has_sequence == b->has_sequence);
	must(a->lsn == b->lsn && a->tx_id == b->tx_id && a->sequence == b->sequence);
	must(a->ts_ms == b->ts_ms && a->ts_us == b->ts_us);
}

static void
rows_agree(const struct change_reader *reader, struct row_plan *known,
    const struct change *change, enum change_image image)
{
	struct slice object = image == IMAGE_AFTER ? change->after : change->before;
	struct value want[COLUMNS], got[COLUMNS];
	struct err want_err = { 0 }, got_err = { 0 };
	struct buf a = { 0 }, b = { 0 };
	enum fate fate = row_read(plan, object, change->schema, &arena, want, &want_err);

	must(change_reader_row(reader, change, image, known, &arena, got, &got_err) == fate);
	must(strcmp(want_err.what, got_err.what) == 0);
	for (size_t i = 0; i < COLUMNS && fate == FATE_DONE; i++) {
		must(want[i].state == got[i].state);
		if (want[i].state == VALUE_SET) {
			value_to_text(&a, columns[i].type, &want[i]);
			value_to_text(&b, columns[i].type, &got[i]);
		}
	}
	must(slice_eq(buf_view(&a), buf_view(&b)));
	buf_finish(&a);
	buf_finish(&b);
}

/* A reader, whatever it has learned, says what change_read() and row_read() say. */
static void
must_agree(struct change_reader *reader, struct row_plan *known, struct slice message)
{
	struct change want = { 0 }, got = { 0 };
	struct err want_err = { 0 }, got_err = { 0 };
	enum fate fate = change_read(message, &want, &want_err);

	must(change_reader_read(reader, message, &got, &got_err) == fate);
	must_equal(&want, &got);
	must(strcmp(want_err.what, got_err.what) == 0);
	if (fate != FATE_DONE)
		return;
	arena_reset(&arena);
	rows_agree(reader, known, &got, IMAGE_BEFORE);
	rows_agree(reader, known, &got, IMAGE_AFTER);
}

/* The message, then the message with some bytes changed: where and to what is told by
 * its own bytes. */
static void
read_alike(struct slice message)
{
	static const char bytes[] = "\"\\{}[],:019-+.eEntf \n\x01\x1f\x7f\x80\xc3\xe2\xff";
	struct change_reader *reader = change_reader_new();
	struct row_plan *known = row_plan_new(columns, COLUMNS);
	char *text = malloc(message.len + 1);
	uint64_t dice = 0x9e3779b97f4a7c15u ^ message.len;

	must(text);
	must_agree(reader, known, message);
	must_agree(reader, known, message);
	for (size_t i = 0; i < message.len; i++)
		dice = (dice ^ (unsigned char)message.p[i]) * 0x100000001b3u;
	for (int round = 0; round < 24 && message.len; round++) {
		dice = dice * 6364136223846793005u + 1442695040888963407u;
		memcpy(text, message.p, message.len);
		text[(dice >> 33) % message.len] = bytes[(dice >> 20) % sizeof bytes];
		if (round % 4 == 3)
			text[(dice >> 40) % message.len] = bytes[(dice >> 25) % sizeof bytes];
		must_agree(reader, known, slice_of(text, message.len));
		must_agree(reader, known, message);
	}
	free(text);
	row_plan_free(known);
	change_reader_free(reader);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice message = slice_of((const char *)data, size);
	struct change change = { 0 };
	struct err err = { 0 };

	start();
	arena_reset(&arena);
	if (change_read(message, &change, &err) == FATE_DONE) {
		inside(change.before, message);
		inside(change.after, message);
		inside(change.schema, message);
		inside(change.db_schema, message);
		inside(change.db_table, message);
		if (change.before.p)
			read_row(change.before, change.schema);
		if (change.after.p)
			read_row(change.after, change.schema);
	} else {
		must(err.fate == FATE_REJECT && err.what[0]);
	}
	read_alike(message);
	describe(message);
	return 0;
}
