/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../stack/clickhouse/format.h"

static void
heads_are_cut_by_joint(void **state)
{
	(void)state;
	assert_int_equal(format_head_len(JOINT_PLAIN, SLICE("a\tb\n1\t2\n")), 0);
	assert_int_equal(format_head_len(JOINT_LINE, SLICE("a\tb\n1\t2\n")), 4);
	assert_int_equal(format_head_len(JOINT_TWO_LINES, SLICE("a\nUInt8\n1\n")), 8);
	assert_int_equal(format_head_len(JOINT_LINE, SLICE("\"a\nb\",\"c\"\n1,2\n")), 10);
	assert_int_equal(format_head_len(JOINT_BINARY_NAMES, SLICE("\x02\x01"
								   "a\x02"
								   "bc\x07")),
	    6);
	assert_int_equal(format_head_len(JOINT_BINARY_NAMES_TYPES, SLICE("\x01\x01"
									 "a\x05"
									 "UInt8\x07")),
	    9);
}

static void
broken_heads_end_with_the_chunk(void **state)
{
	(void)state;
	assert_int_equal(format_head_len(JOINT_LINE, SLICE("no end")), 6);
	assert_int_equal(format_head_len(JOINT_BINARY_NAMES, SLICE("")), 0);
	assert_int_equal(format_head_len(JOINT_BINARY_NAMES, SLICE("\x01\x7f"
								   "a")),
	    3);
	assert_int_equal(format_head_len(JOINT_BINARY_NAMES,
			     SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")),
	    11);
}

static void
formats_are_known_in_any_case(void **state)
{
	(void)state;
	assert_int_equal(format_joint("jsoneachrow"), JOINT_PLAIN);
	assert_int_equal(format_joint("RowBinaryWithNamesAndTypes"), JOINT_BINARY_NAMES_TYPES);
	assert_int_equal(format_joint("CSVWithNames"), JOINT_LINE);
	assert_int_equal(format_joint("JSON"), JOINT_NONE);
	assert_int_equal(format_joint("Parquet"), JOINT_NONE);
	assert_string_equal(
	    format_content_type("JSONEachRow"), "application/x-ndjson; charset=UTF-8");
	assert_string_equal(format_content_type("JSON"), "application/json; charset=UTF-8");
	assert_string_equal(format_content_type("Native"), "application/octet-stream");
	assert_string_equal(format_content_type("Pretty"), "text/plain; charset=UTF-8");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_are_cut_by_joint),
		cmocka_unit_test(broken_heads_end_with_the_chunk),
		cmocka_unit_test(formats_are_known_in_any_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
