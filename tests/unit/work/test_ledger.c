/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "work/ledger.h"

static void
count_retired(void *context, struct record *record)
{
	int64_t *last = context;

	assert_true(record->offset > *last);
	*last = record->offset;
}

static void
ignore_retired(void *context, struct record *record)
{
	(void)context;
	(void)record;
}

static int64_t
position_of(const struct ledger *ledger, int32_t partition)
{
	struct ledger_position at;

	for (size_t i = 0; ledger_position(ledger, i, &at); i++)
		if (at.partition == partition)
			return at.position;
	return -1;
}

static void
the_lowest_pending_record_bounds_the_position(void **state)
{
	struct ledger *ledger = ledger_new();
	struct record *records[1000];
	int64_t last = -1;

	(void)state;
	ledger_watch(ledger, "t", 3, 10);
	for (int i = 0; i < 1000; i++) {
		records[i] = ledger_add(ledger, "t", 3, 10 + i * 2);
		records[i]->value = SLICE("xy");
		ledger_weigh(ledger, records[i]);
	}
	assert_int_equal(ledger_pending(ledger), 1000);
	assert_int_equal(ledger_bytes(ledger), 2000);
	for (int i = 1; i < 1000; i++)
		records[i]->outcome = OUTCOME_DONE;
	ledger_retire(ledger, count_retired, &last);
	assert_int_equal(position_of(ledger, 3), 10);
	records[0]->outcome = OUTCOME_REJECTED;
	ledger_retire(ledger, count_retired, &last);
	assert_int_equal(last, 10 + 999 * 2);
	assert_int_equal(position_of(ledger, 3), 10 + 999 * 2 + 1);
	assert_int_equal(ledger_pending(ledger), 0);
	assert_int_equal(ledger_bytes(ledger), 0);
	ledger_free(ledger);
}

static void
an_offset_is_done_when_every_target_has_it(void **state)
{
	struct ledger *ledger = ledger_new();
	struct record *one, *two, *other;

	(void)state;
	ledger_watch(ledger, "t", 0, 5);
	ledger_watch(ledger, "u", 0, 50);
	one = ledger_add(ledger, "t", 0, 5);
	two = ledger_add(ledger, "t", 0, 5);
	other = ledger_add(ledger, "u", 0, 50);
	assert_string_equal(other->topic, "u");
	one->outcome = OUTCOME_DONE;
	ledger_retire(ledger, ignore_retired, NULL);
	assert_int_equal(position_of(ledger, 0), 5);
	two->outcome = OUTCOME_DONE;
	ledger_retire(ledger, ignore_retired, NULL);
	assert_int_equal(position_of(ledger, 0), 6);
	assert_int_equal(ledger_pending(ledger), 1);
	ledger_committed(ledger, "u", 0, 51);
	ledger_committed(ledger, "t", 0, 6);
	ledger_clear(ledger, NULL, NULL);
	ledger_free(ledger);
}

static void
the_end_moves_the_position_only_with_nothing_in_hand(void **state)
{
	struct ledger *ledger = ledger_new();
	struct ledger_position at;
	struct record *record;
	int64_t last = -1;

	(void)state;
	ledger_watch(ledger, "t", 0, 5);
	record = ledger_add(ledger, "t", 0, 5);
	ledger_reached(ledger, "t", 0, 7);
	assert_int_equal(position_of(ledger, 0), 5);
	record->outcome = OUTCOME_DONE;
	ledger_retire(ledger, count_retired, &last);
	assert_int_equal(position_of(ledger, 0), 7);
	ledger_reached(ledger, "t", 0, 6);
	assert_int_equal(position_of(ledger, 0), 7);
	assert_true(ledger_position(ledger, 0, &at) && at.moved);
	ledger_committed(ledger, "t", 0, 7);
	assert_true(ledger_position(ledger, 0, &at) && !at.moved);
	ledger_free(ledger);
}

static void
a_version_not_above_the_last_repeats(void **state)
{
	struct ledger *ledger = ledger_new();

	(void)state;
	assert_false(ledger_repeats(ledger, 0, 0));
	assert_true(ledger_repeats(ledger, 0, 0));
	assert_false(ledger_repeats(ledger, 0, 7));
	assert_false(ledger_repeats(ledger, 1, 7));
	assert_true(ledger_repeats(ledger, 0, 6));
	ledger_free(ledger);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lowest_pending_record_bounds_the_position),
		cmocka_unit_test(an_offset_is_done_when_every_target_has_it),
		cmocka_unit_test(the_end_moves_the_position_only_with_nothing_in_hand),
		cmocka_unit_test(a_version_not_above_the_last_repeats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
