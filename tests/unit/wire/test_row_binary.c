/* SPDX-License-Identifier: Apache-2.0 */
/* Answers cut at every byte, and bytes that are none. The values themselves are tested on
 * ClickHouse's engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/row_binary.h"

static const char answer[] =
    "\x03\x01i\x01s\x01"
    "d"
    "\x0fNullable(Int32)\x06String\x0e"
    "Decimal(20, 2)"
    "\0\xff\xff\xff\xff\x02hi"
    "\x96\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    "\x01\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";

static void
test_every_cut(void **state)
{
	size_t len = sizeof answer - 1;

	(void)state;
	for (size_t cut = 0; cut <= len; cut++) {
		/* memory of exactly that size, so that a step over its end is seen */
		char *copy = malloc(cut + 1), *end = memcpy(copy, answer, cut);
		struct slice in = slice_of(end, cut), values[3];
		struct row_binary rb;
		struct err err = { 0 };
		size_t used = 0, rows = 0;
		enum row_binary_step step;

		row_binary_init(&rb);
		step = row_binary_head(&rb, in, &used, &err);
		while (step == ROW_BINARY_DONE && used < cut) {
			size_t more = 0;

			step = row_binary_row(
			    &rb, slice_of(copy + used, cut - used), &more, values, &err);
			if (step != ROW_BINARY_DONE)
				break;
			used += more;
			assert_true(
			    rows ? values[0].p == NULL : slice_eq(values[0], SLICE("-1")));
			assert_true(slice_eq(values[1], rows ? SLICE("") : SLICE("hi")));
			assert_true(slice_eq(values[2], rows ? SLICE("-0.01") : SLICE("1.50")));
			rows++;
		}
		assert_int_not_equal(step, ROW_BINARY_BAD);
		assert_int_equal(rows, cut == len ? 2 : cut >= len - 18 ? 1 : 0);
		row_binary_finish(&rb);
		free(copy);
	}
}

static void
test_bad(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *code;
	} cases[] = {
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, "08P01" },
		{ "\xff\xff\x7f", 3, "08P01" }, /* columns beyond all bounds */
		{ "\x01\x01"
		  "a\x0d"
		  "Array(String)",
		    17, "0A000" },
		{ "\x01\x01"
		  "a\x0e"
		  "Decimal(99, 1)",
		    18, "0A000" },
		{ "\x01\x01"
		  "a\x00",
		    4, "0A000" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct row_binary rb;
		struct err err = { 0 };
		size_t used;

		row_binary_init(&rb);
		assert_int_equal(
		    row_binary_head(&rb, slice_of(cases[i].bytes, cases[i].len), &used, &err),
		    ROW_BINARY_BAD);
		assert_string_equal(err.code, cases[i].code);
		row_binary_finish(&rb);
	}
}

/* What a step says of its buffer holds. */
static enum row_binary_step
sound(enum row_binary_step step, size_t used, size_t len, const struct err *err)
{
	if (step == ROW_BINARY_DONE)
		assert_in_range(used, 0, len);
	assert_int_equal(step == ROW_BINARY_BAD, err->fate == FATE_REJECT && err->what[0]);
	return step;
}

static void
test_random_bytes_do_no_harm(void **state)
{
	(void)state;
	size_t steps[ROW_BINARY_BAD + 1] = { 0 };

	srandom(7);
	for (int run = 0; run < 20000; run++) {
		char bytes[96];
		struct slice values[16];
		struct row_binary rb;
		struct err err = { 0 };
		size_t used = 0, more = 0;
		static const char head[] = "\x02\x01"
					   "a\x01"
					   "b\x19"
					   "Enum8('x' = 1, '\\'' = -2)\x06"
					   "String";

		for (size_t i = 0; i < sizeof bytes; i++)
			bytes[i] = (char)random();
		if (run % 2)
			memcpy(bytes, head, sizeof head - 1);
		row_binary_init(&rb);
		if (sound(row_binary_head(&rb, slice_of(bytes, sizeof bytes), &used, &err),
			used, sizeof bytes, &err) == ROW_BINARY_DONE &&
		    rb.column_count <= 16)
			steps[sound(
			    row_binary_row(&rb, slice_of(bytes + used, sizeof bytes - used),
				&more, values, &err),
			    more, sizeof bytes - used, &err)]++;
		row_binary_finish(&rb);
	}
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		assert_true(steps[i] > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_random_bytes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
