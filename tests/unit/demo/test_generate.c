/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "demo/generate_model.h"
#include "link/pg.h"

enum { ROWS = 3000 };
#define NOW_US INT64_C(1795000000000000)

/* All arrays of ROWS inserts and updates of a seed, one after the other. */
static void
make_up(uint64_t seed, struct buf *out)
{
	const struct generate_model *model = generate_model_find("engagement");
	struct generate_world world = {
		.dice = { seed }, .seed = seed, .contents = 50, .now_us = NOW_US
	};
	struct buf columns[GENERATE_COLUMNS_MAX] = { { 0 } };

	assert_non_null(model);
	for (size_t i = 0; i < GENERATE_COLUMNS_MAX; i++)
		pg_array_begin(&columns[i]);
	for (size_t i = 0; i < ROWS; i++) {
		model->insert(&world, columns);
		model->update(&world, columns + model->insert_columns);
	}
	out->len = 0;
	for (size_t i = 0; i < model->insert_columns + model->update_columns - 1; i++) {
		pg_array_end(&columns[i]);
		buf_slice(out, buf_view(&columns[i]));
	}
	for (size_t i = 0; i < GENERATE_COLUMNS_MAX; i++)
		buf_finish(&columns[i]);
}

static void
a_seed_repeats_its_rows(void **state)
{
	struct buf a = { 0 }, b = { 0 };

	(void)state;
	make_up(7, &a);
	make_up(7, &b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.p, b.p, a.len);
	make_up(8, &b);
	assert_false(slice_eq(buf_view(&a), buf_view(&b)));
	buf_finish(&a);
	buf_finish(&b);
}

/* What downstream must cope with really comes. */
static void
rows_hold_the_hard_cases(void **state)
{
	static const char *const wanted[] = { "NULL", "日本語", "O'Neil", "blob", "finish",
		"2147483647", "1e400" };
	struct buf text = { 0 };

	(void)state;
	make_up(1, &text);
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
		assert_non_null(strstr(buf_str(&text), wanted[i]));
	buf_finish(&text);
}

static void
contents_do_not_depend_on_what_was_thrown(void **state)
{
	struct generate_world world = { .dice = { 1 }, .seed = 5 };
	struct buf first[GENERATE_COLUMNS_MAX] = { { 0 } };
	struct buf second[GENERATE_COLUMNS_MAX] = { { 0 } };

	(void)state;
	generate_engagement.content(&world, 3, first);
	(void)dice_word(&world.dice);
	generate_engagement.content(&world, 3, second);
	for (size_t i = 0; i < generate_engagement.contents_columns; i++) {
		assert_true(first[i].len > 0);
		assert_true(slice_eq(buf_view(&first[i]), buf_view(&second[i])));
		buf_finish(&first[i]);
		buf_finish(&second[i]);
	}
}

static void
unknown_models_are_none(void **state)
{
	(void)state;
	assert_null(generate_model_find("nothing"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_seed_repeats_its_rows),
		cmocka_unit_test(rows_hold_the_hard_cases),
		cmocka_unit_test(contents_do_not_depend_on_what_was_thrown),
		cmocka_unit_test(unknown_models_are_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
