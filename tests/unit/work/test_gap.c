/* SPDX-License-Identifier: Apache-2.0 */
/* When changes may be missing, and what a commit's metadata keeps of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "work/gap.h"
#include "work/mark.h"

static const struct gap_world before = { 7657000000000000000, 1, 1795000000000000, 100 };

static void
what_changed_says_why(void **state)
{
	static const struct {
		struct gap_world now;
		const char *why;
	} cases[] = {
		{ { 7657000000000000000, 1, 1795000000000000, 100 }, NULL },
		{ { 7657000000000000000, 1, 1795000000000000, 101 }, NULL },
		{ { 7657000000000000000, 1, 1795000000000000, 99 }, "the slot was made again" },
		{ { 7657000000000000000, 1, 1795000000000000, -1 }, "the slot is gone" },
		{ { 7657000000000000000, 1, 1796000000000000, 5 }, NULL }, /* a crash */
		{ { 7657000000000000000, 1, 1794000000000000, 500 },
		    "the slot was made again" },
		{ { 7657000000000000000, 2, 1796000000000000, 5 }, "another timeline" },
		{ { 7657000000000000001, 1, 1795000000000000, 500 }, "another system" },
		{ { 0 }, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *why = gap_between(&before, &cases[i].now);

		if (!why != !cases[i].why || (why && !strstr(why, cases[i].why)))
			fail_msg("case %zu: %s", i, why ? why : "nothing");
	}
}

static void
one_partition_that_was_committed_since_is_enough(void **state)
{
	struct gap_world other = before, zero = { 0 }, again = before, now = before;
	struct gap gap = { 0 };

	(void)state;
	now.txns = 8;
	gap_remember(&gap, &zero);
	assert_int_equal(gap.count, 0);
	assert_null(gap_judge(&gap, &now)); /* the first look ever */
	gap = (struct gap){ 0 };
	other.system--;
	gap_remember(&gap, &other);
	gap_remember(&gap, &before);
	assert_int_equal(gap.count, 2);
	assert_non_null(gap_judge(&gap, &now));
	assert_null(gap_judge(&gap, &now)); /* once */
	gap = (struct gap){ 0 };
	again.txns = 3;
	gap_remember(&gap, &before);
	gap_remember(&gap, &again);
	assert_int_equal(gap.count, 1);
	assert_null(gap_judge(&gap, &now));
	now.txns = -1;
	assert_string_equal(gap_judge(&gap, &now), "the slot is gone");
	now.txns = 1;
	assert_null(gap_judge(&gap, &now)); /* and came again: that was said */
}

static void
metadata_keeps_it_and_may_lack_it(void **state)
{
	const struct mark mark = { INT64_MAX, INT64_MAX, INT64_MAX };
	const struct mark_world world = { INT64_MAX, INT64_MAX,
		{ INT64_MAX, INT64_MAX, INT64_MAX, INT64_MIN } };
	struct mark_world read;
	struct mark read_mark;
	char text[MARK_TEXT];

	(void)state;
	mark_print(&mark, &world, text, sizeof text);
	mark_parse(slice_str(text), &read_mark, &read);
	assert_memory_equal(&read, &world, sizeof world);
	assert_memory_equal(&read_mark, &mark, sizeof mark);
	mark_parse(slice_str("v1 1 2 3 4 5"), &read_mark, &read);
	assert_int_equal(read.generation, 5);
	assert_int_equal(read.postgres.system, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_changed_says_why),
		cmocka_unit_test(one_partition_that_was_committed_since_is_enough),
		cmocka_unit_test(metadata_keeps_it_and_may_lack_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
