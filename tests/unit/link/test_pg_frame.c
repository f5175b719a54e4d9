/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "link/pg_session.h"

#define BYTES(lit) slice_of(lit, sizeof(lit) - 1)

static void
test_what_we_send(void **state)
{
	struct slice params[] = { SLICE("a\0b"), slice_of(NULL, 0), SLICE("") };
	struct buf out = { 0 };

	(void)state;
	pg_frame_parse(&out, "q1", "SELECT 1");
	pg_frame_describe(&out, "q1");
	pg_frame_bind(&out, "q1", params, 3);
	pg_frame_execute(&out);
	pg_frame_close(&out, "q1");
	pg_frame_sync(&out);
	assert_true(slice_eq(buf_view(&out), BYTES("P\0\0\0\x12q1\0SELECT 1\0\0\0"
						   "D\0\0\0\x08Sq1\0"
						   "B\0\0\0\x1d\0q1\0\0\0\0\x03\0\0\0\x03"
						   "a\0b\xff\xff\xff\xff\0\0\0\0\0\0"
						   "E\0\0\0\x09\0\0\0\0\0"
						   "C\0\0\0\x08Sq1\0"
						   "S\0\0\0\x04")));
	buf_finish(&out);
}

static void
test_frames(void **state)
{
	struct slice in = BYTES("Z\0\0\0\x05IC\0\0\0\x0d"
				"BEGIN");
	struct pg_frame f;
	size_t used, wanted;
	struct err err;

	(void)state;
	assert_int_equal(pg_frame_next(in, &f, &used, &wanted, &err), FATE_DONE);
	assert_int_equal(used, 6);
	assert_int_equal(f.type, 'Z');
	assert_true(slice_eq(f.body, SLICE("I")));
	in = slice_of(in.p + 6, in.len - 6);
	assert_int_equal(pg_frame_next(in, &f, &used, &wanted, &err), FATE_DONE);
	assert_int_equal(used, 0);
	assert_int_equal(wanted, 14);
	assert_int_equal(pg_frame_next(slice_of(in.p, 4), &f, &used, &wanted, &err), FATE_DONE);
	assert_int_equal(used, 0);
	assert_int_equal(wanted, 5);
	assert_int_equal(
	    pg_frame_next(BYTES("D\0\0\0\x03"), &f, &used, &wanted, &err), FATE_HALT);
	assert_int_equal(
	    pg_frame_next(BYTES("D\x7f\0\0\0"), &f, &used, &wanted, &err), FATE_HALT);
	assert_int_equal(
	    pg_frame_next(BYTES("HTTP/1.1 400 "), &f, &used, &wanted, &err), FATE_HALT);
}

static void
test_rows(void **state)
{
	struct slice body = BYTES("\0\x03\0\0\0\x02"
				  "ab\xff\xff\xff\xff\0\0\0\0");
	struct slice v[3];

	(void)state;
	assert_true(pg_frame_row(body, v, 3));
	assert_true(slice_eq(v[0], SLICE("ab")));
	assert_null(v[1].p);
	assert_non_null(v[2].p);
	assert_int_equal(v[2].len, 0);
	assert_false(pg_frame_row(body, v, 2));
	for (size_t cut = 0; cut < body.len; cut++)
		assert_false(pg_frame_row(slice_of(body.p, cut), v, 3));
	assert_false(pg_frame_row(BYTES("\0\x01\x7f\xff\xff\xff"
					"a"),
	    v, 1));
}

static void
test_columns(void **state)
{
	static struct pg_column c[PG_COLUMNS_MAX];
	struct slice body = BYTES("\0\x02"
				  "id\0\0\0\x40\x01\0\x01\0\0\0\x14\0\x08\xff\xff\xff\xff\0\0"
				  "n\0\0\0\0\0\0\0\0\0\x06\xa4\xff\xff\0\x12\0\x06\0\0");
	size_t count;

	(void)state;
	assert_true(pg_frame_columns(body, c, &count));
	assert_int_equal(count, 2);
	assert_string_equal(c[0].name, "id");
	assert_int_equal(c[0].table, 16385);
	assert_int_equal(c[0].table_column, 1);
	assert_int_equal(c[0].type, 20);
	assert_int_equal(c[0].typmod, -1);
	assert_int_equal(c[1].type, 1700);
	assert_int_equal(c[1].typmod, (18 << 16 | 2) + 4);
	for (size_t cut = 0; cut < body.len; cut++)
		assert_false(pg_frame_columns(slice_of(body.p, cut), c, &count));
	assert_false(pg_frame_columns(BYTES("\xff\xff"), c, &count));
}

static void
test_complaints(void **state)
{
	struct slice body = BYTES("SERROR\0VERROR\0C42703\0Mno such\0P8\0RerrorMissing\0\0");
	struct pg_complaint c;

	(void)state;
	assert_true(pg_frame_complaint(body, &c));
	assert_string_equal(c.state, "42703");
	assert_true(slice_eq(c.message, SLICE("no such")));
	assert_true(slice_eq(c.routine, SLICE("errorMissing")));
	assert_int_equal(c.position, 8);
	for (size_t cut = 0; cut < body.len; cut++)
		assert_false(pg_frame_complaint(slice_of(body.p, cut), &c));
}

static void
test_tags(void **state)
{
	(void)state;
	assert_int_equal(pg_frame_affected(BYTES("INSERT 0 5\0")), 5);
	assert_int_equal(pg_frame_affected(BYTES("UPDATE 0\0")), 0);
	assert_int_equal(pg_frame_affected(BYTES("SELECT 7\0")), -1);
	assert_int_equal(pg_frame_affected(BYTES("CREATE TABLE\0")), -1);
	assert_int_equal(pg_frame_affected(BYTES("INSERT 0 -5\0")), -1);
	assert_int_equal(pg_frame_affected(BYTES("\0")), -1);
	assert_int_equal(pg_frame_affected(BYTES("")), -1);
}

/* The oldest goes when there is no room; what was asked for last is not the oldest. */
static void
test_statements(void **state)
{
	static struct pg_statements all;
	char evicted[12], sql[32], first[12];
	struct pg_column column = { .name = "n" };
	struct pg_statement *one = NULL;

	(void)state;
	for (int i = 0; i < 3 * PG_STATEMENTS_MAX; i++) {
		(void)snprintf(sql, sizeof sql, "SELECT %d", i);
		one = pg_statements_add(&all, sql, pg_text_hash(sql), evicted);
		pg_statement_describe(one, &column, 1);
		assert_string_equal(one->columns[0].name, "n");
		assert_int_equal(evicted[0] != 0, i >= PG_STATEMENTS_MAX);
		if (i == 0)
			memcpy(first, one->name, sizeof first);
		if (evicted[0])
			assert_string_not_equal(evicted, first);
		one = pg_statements_find(&all, "SELECT 0", pg_text_hash("SELECT 0"));
		assert_non_null(one);
		assert_true(one->ready);
	}
	assert_null(pg_statements_find(&all, "SELECT 1", pg_text_hash("SELECT 1")));
	/* One bucket, other text. */
	assert_null(pg_statements_find(&all, "SELECT 0 ", pg_text_hash("SELECT 0")));
	pg_statements_drop(&all, one);
	assert_null(pg_statements_find(&all, "SELECT 0", pg_text_hash("SELECT 0")));
	pg_statements_clear(&all);
	assert_int_equal(all.count, 0);
}

static void
test_fates_of_statements(void **state)
{
	static const struct {
		const char *state;
		enum fate fate;
	} lines[] = { { "42601", FATE_REJECT }, { "42501", FATE_REJECT },
		{ "0A000", FATE_REJECT }, { "22012", FATE_REJECT }, { "U1234", FATE_REJECT },
		{ "XX000", FATE_REJECT }, { "28P01", FATE_HALT }, { "3D000", FATE_HALT },
		{ "08P01", FATE_HALT }, { "57P04", FATE_HALT }, { "57014", FATE_RETRY },
		{ "53300", FATE_RETRY }, { "40001", FATE_RETRY }, { "08006", FATE_RETRY } };

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		assert_int_equal(pg_statement_fate(lines[i].state), lines[i].fate);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_we_send),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_complaints),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_statements),
		cmocka_unit_test(test_fates_of_statements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
