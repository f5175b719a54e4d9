/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/change.h"

#define SOURCE(lsn)                                                                            \
	"\"source\":{\"version\":\"3.3.1.Final\",\"ts_ms\":1685379350955,\"snapshot\":"        \
	"\"false\",\"sequence\":\"[\\\"247967255240\\\",\\\"247967257096\\\"]\",\"schema\":"   \
	"\"public\",\"table\":\"t\",\"txId\":106955,\"lsn\":" lsn ",\"xmin\":null}"
#define EVENT(before, after, op, lsn)                                                          \
	"{\"before\":" before ",\"after\":" after                                              \
	"," SOURCE(lsn) ",\"transaction\":null,\"op\":\"" op "\",\"ts_ms\":1685379350956}"
#define WRAP(schema, payload) "{\"schema\":" schema ",\"payload\":" payload "}"

static const char *const events[] = {
	EVENT("null", "{\"id\":1,\"name\":\"a\"}", "c", "247967257096"),
	EVENT("null", "{\"id\":22,\"name\":null}", "r", "null"),
	EVENT("{\"id\":1,\"name\":\"a\"}", "{\"id\":1,\"name\":\"\\u00e9\"}", "u", "5"),
	EVENT("{\"id\":1,\"name\":\"caf\xc3\xa9\"}", "null", "d", "6"),
	EVENT("{\"id\":1,\"name\":\"a\"}", "null", "x", "6"),
	EVENT("null", "null", "c", "6"),
	EVENT("null", "{\"tags\":[\"a\",\"b\"],\"id\":1,\"at\":\"2025-07-21\"}", "c", "6"),
	EVENT("{\"id\":7}", "{\"tags\":[],\"id\":1,\"at\":20290,\"name\":\"\"}", "u", "6"),
	EVENT("{\"id\":7}", "{\"tags\":null,\"n\\u0061me\":\"x\",\"id\":\"y\"}", "u", "6"),
	EVENT("1", "{\"id\":1,\"name\":\"a\"}", "c", "6"),
	EVENT("null", "{\"id\":1,\"name\":\"a\"}", "c", "\"nonsense\""),
	EVENT("null", "{\"id\":1,\"id\":\"a\"}", "c", "6"),
	WRAP("{\"type\":\"struct\"}", EVENT("null", "{\"id\":1,\"name\":\"a\"}", "c", "7")),
	WRAP("{\"type\":\"struct\"}", EVENT("null", "{\"id\":2,\"name\":\"b\"}", "c", "8")),
	WRAP("{\"type\":\"other\"}", EVENT("null", "{\"id\":3,\"name\":\"c\"}", "c", "9")),
	WRAP("null", EVENT("null", "{\"id\":3,\"name\":\"c\"}", "c", "9")),
	WRAP("{\"type\":\"struct\"}", "null"),
	"{\"id\":1,\"__op\":\"u\",\"__lsn\":17,\"__source_ts_ms\":1685379350955}",
	"{\"id\":2,\"__deleted\":\"true\",\"__source_lsn\":18}",
	"{\"ts_ms\":1685379350955}",
	"{\"status\":\"BEGIN\",\"id\":\"571:53\",\"ts_ms\":1,\"event_count\":null,"
	"\"data_collections\":null}",
	"{\"op\":\"t\"," SOURCE("9") "}",
	"null",
	"{}",
	"",
	"[]",
	"\"text\"",
	"{\"a\":",
};
enum { EVENTS = sizeof events / sizeof *events };

static void
must_equal(const struct change *a, const struct change *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->op, b->op);
	assert_ptr_equal(a->before.p, b->before.p);
	assert_int_equal(a->before.len, b->before.len);
	assert_ptr_equal(a->after.p, b->after.p);
	assert_int_equal(a->after.len, b->after.len);
	assert_ptr_equal(a->schema.p, b->schema.p);
	assert_int_equal(a->schema.len, b->schema.len);
	assert_int_equal(a->unwrapped, b->unwrapped);
	assert_int_equal(a->snapshot, b->snapshot);
	assert_true(slice_eq(a->db_schema, b->db_schema));
	assert_true(slice_eq(a->db_table, b->db_table));
	assert_int_equal(a->has_lsn, b->has_lsn);
	assert_int_equal(a->has_tx_id, b->has_tx_id);
	assert_int_equal(a->has_sequence, b->has_sequence);
	assert_int_equal(a->lsn, b->lsn);
	assert_int_equal(a->tx_id, b->tx_id);
	assert_int_equal(a->sequence, b->sequence);
	assert_int_equal(a->ts_ms, b->ts_ms);
	assert_int_equal(a->ts_us, b->ts_us);
}

static const struct row_column columns[] = {
	{ "name", { .kind = TYPE_TEXT, .typmod = -1 } },
	{ "tags", { .kind = TYPE_ARRAY, .elem = TYPE_TEXT, .typmod = -1 } },
	{ "id", { .kind = TYPE_INT4, .typmod = -1 } },
	{ "at", { .kind = TYPE_DATE, .typmod = -1 } },
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static struct arena arena;
static struct change_reader *reader;
static struct row_plan *plan, *other; /* the reader's; row_read()'s */

static void
start(void)
{
	change_reader_free(reader);
	row_plan_free(plan);
	row_plan_free(other);
	reader = change_reader_new();
	plan = row_plan_new(columns, COLUMNS);
	other = row_plan_new(columns, COLUMNS);
}

static int
setup(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	start();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	change_reader_free(reader);
	row_plan_free(plan);
	row_plan_free(other);
	arena_finish(&arena);
	reader = NULL;
	plan = other = NULL;
	return 0;
}

static void
rows_agree(const struct change *change, enum change_image image)
{
	struct slice object = image == IMAGE_AFTER ? change->after : change->before;
	struct value want[COLUMNS], got[COLUMNS];
	struct err want_err = { 0 }, got_err = { 0 };
	enum fate fate = row_read(other, object, change->schema, &arena, want, &want_err);

	assert_int_equal(
	    change_reader_row(reader, change, image, plan, &arena, got, &got_err), fate);
	assert_string_equal(want_err.what, got_err.what);
	for (size_t i = 0; i < COLUMNS && fate == FATE_DONE; i++) {
		struct buf text[2] = { { 0 }, { 0 } };

		assert_int_equal(want[i].state, got[i].state);
		if (want[i].state == VALUE_SET) {
			value_to_text(&text[0], columns[i].type, &want[i]);
			value_to_text(&text[1], columns[i].type, &got[i]);
			assert_string_equal(buf_str(&text[0]), buf_str(&text[1]));
		}
		buf_finish(&text[0]);
		buf_finish(&text[1]);
	}
}

/* The reader says what change_read() and row_read() say, refusals and their words
 * included. */
static void
must_agree(struct slice text)
{
	struct change want = { .op = '?' }, got = want;
	struct err want_err = { 0 }, got_err = { 0 };
	enum fate fate = change_read(text, &want, &want_err);

	if (change_reader_read(reader, text, &got, &got_err) != fate)
		fail_msg("%.*s: %s / %s", SLICE_ARG(text), want_err.what, got_err.what);
	must_equal(&want, &got);
	assert_string_equal(want_err.what, got_err.what);
	arena_reset(&arena);
	if (fate == FATE_DONE) {
		rows_agree(&got, IMAGE_BEFORE);
		rows_agree(&got, IMAGE_AFTER);
	}
}

/* Each behind each other, twice, so that every shape is learned, fits and is left. */
static void
test_every_pair(void **state)
{
	(void)state;
	must_agree((struct slice){ 0 });
	for (size_t i = 0; i < EVENTS; i++)
		for (size_t k = 0; k < EVENTS; k++)
			for (int n = 0; n < 2; n++) {
				must_agree(slice_str(events[i]));
				must_agree(slice_str(events[k]));
			}
	change_reader_free(NULL);
}

/* A fresh reader that has learned an event, then the event with one byte changed. */
static void
test_one_byte_off(void **state)
{
	static const char bytes[] = "\"\\{}[],:09-.enut \x01\x80\xc3";
	char text[1024];

	(void)state;
	for (size_t i = 0; i < EVENTS; i++) {
		size_t len = strlen(events[i]);

		assert_true(len < sizeof text);
		memcpy(text, events[i], len);
		for (size_t at = 0; at < len; at++) {
			start();
			must_agree(slice_str(events[i]));
			for (size_t b = 0; b < sizeof bytes; b++) {
				text[at] = bytes[b];
				must_agree(slice_of(text, len));
				must_agree(slice_str(events[i]));
			}
			text[at] = events[i][at];
		}
	}
}

/* More shapes than are kept, in turns. */
static void
test_many_shapes(void **state)
{
	char text[256];

	(void)state;
	for (int i = 0; i < 2000; i++) {
		int n = snprintf(text, sizeof text,
		    "{\"before\":null,\"after\":{\"c%d\":%d},\"op\":\"c\"}", i % (i / 100 + 1),
		    i);
		must_agree(slice_of(text, (size_t)n));
	}
}

/* Values that are the same for long and then differ, one after the other. */
static void
test_values_that_change_late(void **state)
{
	char text[512];

	(void)state;
	for (int i = 0; i < 400; i++) {
		int n = snprintf(text, sizeof text,
		    "{\"before\":null,\"after\":{\"id\":%d,\"name\":\"n%d\",\"at\":%s},"
		    "\"source\":{\"ts_ms\":%d,\"schema\":\"s%d\",\"table\":\"t\",\"txId\":%d,"
		    "\"lsn\":%d},\"op\":\"%c\"}",
		    i, i / 50, i % 90 == 89 ? "\"2025-07-21\"" : "null", i / 20, i / 100,
		    i / 30, i, i % 37 == 36 ? 'r' : 'c');
		must_agree(slice_of(text, (size_t)n));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_pair, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_byte_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_shapes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_values_that_change_late, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
