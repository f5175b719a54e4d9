/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ctl/newest.h"

enum { MESSAGES = 6 };

/* The offset tells the messages apart. */
static void
add(struct newest *newest, int64_t timestamp_ms, int64_t offset)
{
	struct kafka_message message = { .timestamp_ms = timestamp_ms, .offset = offset };

	newest_add(newest, &message);
}

static void
every_order_keeps_the_newest_three(void **state)
{
	(void)state;
	for (int order = 0; order < 720; order++) {
		struct newest newest = { 0 };
		int left[MESSAGES] = { 0, 1, 2, 3, 4, 5 };
		int rest = order;

		for (int n = MESSAGES; n > 0; n--) {
			int pick = rest % n;

			rest /= n;
			add(&newest, 100 + left[pick], left[pick]);
			left[pick] = left[n - 1];
		}
		assert_int_equal(newest.count, 3);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(newest.messages[i].offset, 3 + i);
			assert_int_equal(newest.messages[i].timestamp_ms, 103 + i);
		}
		newest_free(&newest);
	}
}

static void
fewer_than_three_are_all_kept(void **state)
{
	struct newest newest = { 0 };

	(void)state;
	add(&newest, 20, 1);
	add(&newest, 10, 2);
	assert_int_equal(newest.count, 2);
	assert_int_equal(newest.messages[0].offset, 2);
	assert_int_equal(newest.messages[1].offset, 1);
}

static void
of_equal_times_the_later_comer_is_newer(void **state)
{
	struct newest newest = { 0 };

	(void)state;
	for (int i = 0; i < 5; i++)
		add(&newest, 7, i);
	for (int i = 0; i < 3; i++)
		assert_int_equal(newest.messages[i].offset, 2 + i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_order_keeps_the_newest_three),
		cmocka_unit_test(fewer_than_three_are_all_kept),
		cmocka_unit_test(of_equal_times_the_later_comer_is_newer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
