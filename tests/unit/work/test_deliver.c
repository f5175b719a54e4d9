/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "work/deliver_loop.h"

static void
assert_range(const char *metadata, const char *name, int64_t first, int64_t end)
{
	struct sink_range range = loop_metadata_frozen(slice_str(metadata), name);

	assert_int_equal(range.first, first);
	assert_int_equal(range.end, end);
}

static void
assert_form(const char *metadata, const char *form)
{
	assert_string_equal(loop_metadata_frozen(slice_str(metadata), "a.b").form, form);
}

static void
metadata_says_version_and_frozen_offsets(void **state)
{
	(void)state;
	assert_int_equal(loop_metadata_version(slice_str("")), 0);
	assert_int_equal(loop_metadata_version(slice_str("281474976710663")), 281474976710663);
	assert_int_equal(loop_metadata_version(slice_str("7;a.b=5-10")), 7);
	assert_int_equal(loop_metadata_version(slice_str("seven;a.b=5-10")), 0);
	assert_range("", "a.b", 0, 0);
	assert_range("7", "a.b", 0, 0);
	assert_range("7;a.b=5-10", "a.b", 5, 10);
	assert_range("0;a.bc=1-2;a.b=5-10;c=0-1", "a.b", 5, 10);
	assert_range("0;a.bc=1-2;a.b=5-10;c=0-1", "c", 0, 1);
	assert_range("0;a-b=5-10", "a-b", 5, 10);
	assert_range("0;a.b=5", "a.b", 0, 0);
	assert_range("0;a.b=x-10", "a.b", 0, 0);
	assert_range("7;a.b=5-10/change+array-7MZK2QWA", "a.b", 5, 10);
	assert_range("7;a.b=5-10/c;c=1-2/r", "c", 1, 2);
	assert_form("7;a.b=5-10", "");
	assert_form("7;a.b=5-10/change+array-7MZK2QWA", "change+array-7MZK2QWA");
	assert_form("7;c=1-2/row;a.b=5-10/change-A;", "change-A");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metadata_says_version_and_frozen_offsets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
