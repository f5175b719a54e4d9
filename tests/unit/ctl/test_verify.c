/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/barrier.h"
#include "ctl/verify_table.h"
#include "link/kafka_consumer.h"
#include "work/enrich_batch.h"

static void
every_partition_has_to_reach_its_end(void **state)
{
	struct kafka_part at[3] = { { .offset = 5 }, { .offset = 7 },
		{ .offset = KAFKA_NO_OFFSET } };
	struct kafka_part ends[3] = { { .offset = 5 }, { .offset = 6 }, { .offset = 0 } };

	(void)state;
	assert_true(barrier_reached(at, ends, 3));
	ends[2].offset = 1; /* nothing committed, something there */
	assert_false(barrier_reached(at, ends, 3));
	ends[2].offset = 0;
	ends[0].offset = 6;
	assert_false(barrier_reached(at, ends, 3));
	assert_true(barrier_reached(at, ends, 0));
}

static void
keys_are_found_again(void **state)
{
	enum { KEYS = 5000 };
	struct verify_table *table = verify_table_new();
	char text[32];

	(void)state;
	for (int i = 0; i < KEYS; i++) {
		(void)snprintf(text, sizeof text, "%d,\"k\"", i * 37);
		assert_null(verify_table_find(table, slice_str(text)));
		verify_table_get(table, slice_str(text))->version = (uint64_t)i;
	}
	assert_int_equal(verify_table_count(table), KEYS);
	for (int i = 0; i < KEYS; i++) {
		struct verify_entry *e;

		(void)snprintf(text, sizeof text, "%d,\"k\"", i * 37);
		e = verify_table_find(table, slice_str(text));
		assert_non_null(e);
		assert_int_equal(e->version, i);
		assert_ptr_equal(e, verify_table_get(table, slice_str(text)));
		assert_true(slice_eq(verify_table_key(table, e), slice_str(text)));
		assert_int_equal(e->offset, -1);
		assert_int_equal(e->rows[SIDE_TOPIC], ROW_ABSENT);
	}
	assert_null(verify_table_find(table, SLICE("1,\"k\"")));
	verify_table_free(table);
}

static void
checksums_tell_columns_apart(void **state)
{
	uint64_t split = verify_checksum(verify_checksum(1, SLICE("a")), SLICE("bc"));

	(void)state;
	assert_true(split != verify_checksum(verify_checksum(1, SLICE("ab")), SLICE("c")));
	assert_true(split == verify_checksum(verify_checksum(1, SLICE("a")), SLICE("bc")));
	assert_true(verify_checksum(1, SLICE("null")) != verify_checksum(1, SLICE("\"null\"")));
	assert_true(verify_checksum(1, SLICE("")) != verify_checksum(1, SLICE("\0")));
	assert_true(
	    verify_checksum(1, SLICE("123456789")) != verify_checksum(1, SLICE("123456780")));
	for (uint64_t i = 0; i < 1000; i++)
		assert_true(verify_checksum(i, SLICE("")) > ROW_RAISES);
}

static void
marks_come_back(void **state)
{
	const struct mark mark = { INT64_MAX, 22, -3 };
	const struct mark_world world = { 1024, 31 };
	struct mark_world known = { 9, 9 };
	struct mark back = { 9, 9, 9 };
	char text[112];

	(void)state;
	mark_print(&mark, &world, text, sizeof text);
	mark_parse(slice_str(text), &back, &known);
	assert_true(back.sequence == INT64_MAX && back.lsn == 22 && back.ts_us == -3);
	assert_true(known.partitions == 1024 && known.generation == 31);
	mark_parse(SLICE("v1 1 2 3 4"), &back, &known); /* written before generations were */
	assert_true(back.ts_us == 3 && known.partitions == 4 && known.generation == 0);
	mark_parse(SLICE("something else"), &back, &known);
	assert_true(back.sequence == 0 && back.lsn == 0 && known.partitions == 0);
	mark_parse((struct slice){ 0 }, &back, &known);
	assert_true(back.ts_us == 0 && known.generation == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_partition_has_to_reach_its_end),
		cmocka_unit_test(keys_are_found_again),
		cmocka_unit_test(checksums_tell_columns_apart),
		cmocka_unit_test(marks_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
