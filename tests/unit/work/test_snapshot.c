/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "work/snapshot.h"

static void
a_snapshot_sees_what_was_committed_before_it(void **state)
{
	(void)state;
	assert_true(snapshot_sees(SLICE("795:799:795,797"), 794));
	assert_false(snapshot_sees(SLICE("795:799:795,797"), 795));
	assert_true(snapshot_sees(SLICE("795:799:795,797"), 796));
	assert_false(snapshot_sees(SLICE("795:799:795,797"), 797));
	assert_true(snapshot_sees(SLICE("795:799:795,797"), 798));
	assert_false(snapshot_sees(SLICE("795:799:795,797"), 799));
	assert_true(snapshot_sees(SLICE("799:799:"), 798));
	assert_false(snapshot_sees(SLICE("799:799:"), 799));
}

static void
ids_are_compared_modulo_32_bits(void **state)
{
	(void)state;
	/* the epoch is 3: 64-bit ids, txId has the low half */
	assert_true(snapshot_sees(SLICE("12884901890:12884901895:12884901891"), 4294967290U));
	assert_false(snapshot_sees(SLICE("12884901890:12884901895:12884901891"), 3));
	assert_true(snapshot_sees(SLICE("12884901890:12884901895:12884901891"), 4));
	assert_false(snapshot_sees(SLICE("12884901890:12884901895:12884901891"), 7));
}

static void
what_is_no_snapshot_sees_nothing(void **state)
{
	(void)state;
	assert_false(snapshot_sees(SLICE(""), 1));
	assert_false(snapshot_sees(SLICE("5"), 1));
	assert_false(snapshot_sees(SLICE("5:x:"), 1));
	assert_false(snapshot_sees(SLICE("5:9:a"), 6));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_snapshot_sees_what_was_committed_before_it),
		cmocka_unit_test(ids_are_compared_modulo_32_bits),
		cmocka_unit_test(what_is_no_snapshot_sees_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
