/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "wire/pack.h"
#include "work/dimension.h"

static const struct row_column columns[] = {
	{ "id", { .kind = TYPE_INT8, .typmod = -1 } },
	{ "name", { .kind = TYPE_TEXT, .typmod = -1 } },
};

static void
row_of(int64_t id, const char *name, struct value *ret)
{
	ret[0] = (struct value){ .state = VALUE_SET, .i = id };
	ret[1] = (struct value){ .state = name ? VALUE_SET : VALUE_NULL };
	if (name)
		ret[1].s = slice_str(name);
}

static struct slice
key_of(int64_t id)
{
	static struct buf key;
	struct value value = { .state = VALUE_SET, .i = id };

	key.len = 0;
	value_pack(&key, columns[0].type, &value);
	return buf_view(&key);
}

static void
rows_absences_and_drops(void **state)
{
	struct dimension *d = dimension_new(columns, 2, 1 << 20, 0);
	struct value row[2], got[2];
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 16);
	assert_int_equal(dimension_get(d, key_of(7), 0, &arena, got), DIMENSION_UNKNOWN);
	row_of(7, "seven", row);
	dimension_put(d, key_of(7), row, 0);
	dimension_put(d, key_of(8), NULL, 0);
	assert_int_equal(dimension_get(d, key_of(7), 0, &arena, got), DIMENSION_ROW);
	assert_int_equal(got[0].i, 7);
	assert_string_equal(got[1].s.p, "seven");
	assert_int_equal(dimension_get(d, key_of(8), 0, &arena, got), DIMENSION_ABSENT);
	row_of(7, NULL, row);
	dimension_put(d, key_of(7), row, 0);
	assert_int_equal(dimension_get(d, key_of(7), 0, &arena, got), DIMENSION_ROW);
	assert_int_equal(got[1].state, VALUE_NULL);
	dimension_drop(d, key_of(7));
	assert_int_equal(dimension_get(d, key_of(7), 0, &arena, got), DIMENSION_UNKNOWN);
	assert_int_equal(dimension_count(d), 1);
	dimension_clear(d);
	assert_int_equal(dimension_count(d), 0);
	assert_int_equal(dimension_bytes(d), 0);
	arena_finish(&arena);
	dimension_free(d);
}

/* A small cache under many keys: the bound holds, and what stays is right. */
static void
the_bound_in_bytes_holds(void **state)
{
	enum { KEYS = 20000, BOUND = 64 * 1024 };
	struct dimension *d = dimension_new(columns, 2, BOUND, 0);
	struct value row[2], got[2];
	struct arena arena;
	int found = 0;
	char name[32];

	(void)state;
	arena_init(&arena, 1 << 16);
	for (int i = 0; i < KEYS; i++) {
		(void)snprintf(name, sizeof name, "row %d", i);
		row_of(i, name, row);
		dimension_put(d, key_of(i), row, 0);
		assert_true(dimension_bytes(d) <= BOUND);
		arena_reset(&arena);
		assert_int_equal(dimension_get(d, key_of(0), 0, &arena, got), DIMENSION_ROW);
	}
	for (int i = 0; i < KEYS; i++) {
		arena_reset(&arena);
		if (dimension_get(d, key_of(i), 0, &arena, got) == DIMENSION_UNKNOWN)
			continue;
		(void)snprintf(name, sizeof name, "row %d", i);
		assert_string_equal(got[1].s.p, name);
		found++;
	}
	assert_int_equal((size_t)found, dimension_count(d));
	assert_true(found > 100);
	arena_finish(&arena);
	dimension_free(d);
}

static void
entries_grow_old(void **state)
{
	struct dimension *d = dimension_new(columns, 2, 1 << 20, 1000);
	struct value got[2];
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 16);
	dimension_put(d, key_of(1), NULL, 5000);
	assert_int_equal(dimension_get(d, key_of(1), 5999, &arena, got), DIMENSION_ABSENT);
	assert_int_equal(dimension_get(d, key_of(1), 6000, &arena, got), DIMENSION_UNKNOWN);
	assert_int_equal(dimension_count(d), 0);
	arena_finish(&arena);
	dimension_free(d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_absences_and_drops),
		cmocka_unit_test(the_bound_in_bytes_holds),
		cmocka_unit_test(entries_grow_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
