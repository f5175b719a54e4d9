/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "base/buf.h"
#include "wire/decimal.h"

static struct arena arena;
static struct buf out;

static int
setup(void **state)
{
	(void)state;
	arena_init(&arena, (size_t)1 << 20);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_finish(&arena);
	buf_finish(&out);
	return 0;
}

static struct decimal
dec(const char *text)
{
	struct decimal d;
	struct err err;

	assert_int_equal(decimal_parse(slice_str(text), &arena, &d, &err), FATE_DONE);
	return d;
}

static const char *
text_of(const struct decimal *d)
{
	out.len = 0;
	decimal_print(&out, d);
	return buf_str(&out);
}

typedef enum fate binary(const struct decimal *, const struct decimal *, struct arena *,
    struct decimal *, struct err *);

static void
expect(binary *op, const char *a, const char *b, const char *want)
{
	struct decimal x = dec(a), y = dec(b), r;
	struct err err;

	if (op(&x, &y, &arena, &r, &err) == FATE_DONE)
		assert_string_equal(text_of(&r), want);
	else
		assert_string_equal(err.code, want);
}

static void
text_comes_back_digit_for_digit(void **state)
{
	static const char *const texts[] = { "0", "0.00", "1.10", "-0.001",
		"170141183460469231731687303715884105727",
		"170141183460469231731687303715884105728",
		"-170141183460469231731687303715884105728",
		"99999999999999999999999999999999999999.99",
		"0.00000000000000000000000000000000000000000000000000000000001", "NaN",
		"Infinity", "-Infinity" };
	struct decimal d;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		d = dec(texts[i]);
		assert_string_equal(text_of(&d), texts[i]);
	}
	d = dec(" -1.5e3 ");
	assert_string_equal(text_of(&d), "-1500");
	d = dec("12.5E-2");
	assert_string_equal(text_of(&d), "0.125");
	d = dec("-0");
	assert_string_equal(text_of(&d), "0");
}

static void
wrong_text_is_refused_with_its_sqlstate(void **state)
{
	static const char *const wrong[] = { "", ".", "1x", "1e", "--1", "-NaN", "1 2" };
	struct decimal d = { .form = DECIMAL_NAN };
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_int_equal(
		    decimal_parse(slice_str(wrong[i]), &arena, &d, &err), FATE_REJECT);
		assert_string_equal(err.code, "22P02");
	}
	assert_string_equal(err.what, "invalid input syntax for type numeric: \"1 2\"");
	assert_int_equal(decimal_parse(SLICE("1e131072"), &arena, &d, &err), FATE_REJECT);
	assert_string_equal(err.code, "22003");
	assert_int_equal(decimal_parse(SLICE("1e-16384"), &arena, &d, &err), FATE_REJECT);
	assert_string_equal(err.what, "value overflows numeric format");
	assert_int_equal(d.form, DECIMAL_NAN); /* untouched */
}

static void
bytes_are_big_endian_twos_complement(void **state)
{
	const struct {
		struct slice bytes;
		uint32_t scale;
		const char *want;
	} rows[] = { { SLICE("n"), 2, "1.10" }, { SLICE("\x01\x4a"), 2, "3.30" },
		{ SLICE("\xcf\xc7"), 2, "-123.45" }, { SLICE(""), 2, "0.00" },
		{ SLICE("\x80"), 0, "-128" }, { SLICE("\x00\x80"), 0, "128" },
		{ SLICE("\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), 0,
		    "-170141183460469231731687303715884105728" },
		{ SLICE("\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 1,
		    "17014118346046923173168730371588410572.7" },
		{ SLICE("\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), 0,
		    "340282366920938463463374607431768211456" } };
	struct decimal d;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(
		    decimal_from_bytes(rows[i].bytes, rows[i].scale, &arena, &d, &err),
		    FATE_DONE);
		assert_string_equal(text_of(&d), rows[i].want);
	}
	assert_int_equal(
	    decimal_from_bytes(SLICE("\x01"), 70000, &arena, &d, &err), FATE_REJECT);
	assert_string_equal(err.code, "22003");
}

static void
scales_follow_numeric_c(void **state)
{
	(void)state;
	expect(decimal_div, "2.0", "3", "0.66666666666666666667");
	expect(decimal_div, "1000000.0", "3", "333333.333333333333");
	expect(decimal_div, "1", "10000", "0.000100000000000000000000");
	expect(decimal_div, "10000", "10000", "1.00000000000000000000");
	expect(decimal_div, "-7", "2", "-3.5000000000000000");
	expect(decimal_div, "1", "0", "22012");
	expect(decimal_mod, "1", "0.00", "22012");
	expect(decimal_mod, "-7.5", "2", "-1.5");
	expect(decimal_mul, "1.10", "2.000", "2.20000");
	expect(decimal_add, "1.10", "2", "3.10");
	expect(decimal_sub, "1.10", "1.1", "0.00");
	expect(decimal_add, "170141183460469231731687303715884105727", "1",
	    "170141183460469231731687303715884105728");
	expect(decimal_sub, "170141183460469231731687303715884105728", "1",
	    "170141183460469231731687303715884105727");
	expect(decimal_mul, "99999999999999999999", "99999999999999999999",
	    "9999999999999999999800000000000000000001");
}

static void
infinities_and_nan_follow_postgres(void **state)
{
	(void)state;
	expect(decimal_add, "Infinity", "-Infinity", "NaN");
	expect(decimal_sub, "Infinity", "-Infinity", "Infinity");
	expect(decimal_mul, "Infinity", "0", "NaN");
	expect(decimal_mul, "-Infinity", "-2", "Infinity");
	expect(decimal_div, "1.5", "-Infinity", "0");
	expect(decimal_div, "Infinity", "0", "22012");
	expect(decimal_div, "NaN", "0", "NaN");
	expect(decimal_mod, "1.5", "Infinity", "1.5");
	expect(decimal_mod, "Infinity", "2", "NaN");
}

static void
order_puts_nan_above_all(void **state)
{
	static const char *const rising[] = { "-Infinity", "-1e60", "-1", "-0.1", "0", "1e-50",
		"0.1", "1", "170141183460469231731687303715884105727", "1e60", "Infinity",
		"NaN" };
	const int count = sizeof(rising) / sizeof(*rising);

	(void)state;
	for (int i = 0; i < count; i++) {
		for (int j = 0; j < count; j++) {
			struct decimal a = dec(rising[i]), b = dec(rising[j]);

			assert_int_equal(decimal_compare(&a, &b), (i > j) - (i < j));
		}
	}
	assert_int_equal(decimal_compare(&(struct decimal){ .scale = 3, .small = 1500 },
			     &(struct decimal){ .scale = 1, .small = 15 }),
	    0);
}

static const char *
rounded(const char *text, int32_t digits)
{
	struct decimal d = dec(text), r;
	struct err err;

	assert_int_equal(decimal_round(&d, digits, &arena, &r, &err), FATE_DONE);
	return text_of(&r);
}

static void
rounding_goes_away_from_zero(void **state)
{
	struct decimal d, r;
	struct err err;

	(void)state;
	assert_string_equal(rounded("2.5", 0), "3");
	assert_string_equal(rounded("-2.5", 0), "-3");
	assert_string_equal(rounded("2.45", 1), "2.5");
	assert_string_equal(rounded("1.5", 3), "1.500");
	assert_string_equal(rounded("1250", -2), "1300");
	assert_string_equal(rounded("-0.4", 0), "0");
	assert_string_equal(rounded("49", -3), "0");
	assert_string_equal(rounded("NaN", 2), "NaN");
	d = dec("-1.5");
	assert_int_equal(decimal_ceil(&d, &arena, &r, &err), FATE_DONE);
	assert_string_equal(text_of(&r), "-1");
	assert_int_equal(decimal_floor(&d, &arena, &r, &err), FATE_DONE);
	assert_string_equal(text_of(&r), "-2");
	assert_int_equal(decimal_trunc(&d, 0, &arena, &r, &err), FATE_DONE);
	assert_string_equal(text_of(&r), "-1");
}

static void
casts_to_integers_round_and_overflow(void **state)
{
	struct decimal d = dec("32767.4");
	struct err err;
	int64_t i = 0;

	(void)state;
	assert_int_equal(decimal_to_int2(&d, &i, &err), FATE_DONE);
	assert_int_equal(i, 32767);
	d = dec("32767.5");
	assert_int_equal(decimal_to_int2(&d, &i, &err), FATE_REJECT);
	assert_string_equal(err.what, "smallint out of range");
	d = dec("-2147483648.4");
	assert_int_equal(decimal_to_int4(&d, &i, &err), FATE_DONE);
	d = dec("1e60");
	assert_int_equal(decimal_to_int8(&d, &i, &err), FATE_REJECT);
	assert_string_equal(err.code, "22003");
	assert_string_equal(err.what, "bigint out of range");
	d = dec("NaN");
	assert_int_equal(decimal_to_int4(&d, &i, &err), FATE_REJECT);
	assert_string_equal(err.what, "cannot convert NaN to integer");
	assert_string_equal(err.code, "0A000");
}

static void
floats_come_and_go_by_their_digits(void **state)
{
	struct decimal d;
	struct err err;
	double f = 0;

	(void)state;
	assert_int_equal(decimal_from_float8(0.1 + 0.2, &arena, &d, &err), FATE_DONE);
	assert_string_equal(text_of(&d), "0.3");
	assert_int_equal(decimal_from_float8(1e20, &arena, &d, &err), FATE_DONE);
	assert_string_equal(text_of(&d), "100000000000000000000");
	assert_int_equal(decimal_from_float4(0.1f, &arena, &d, &err), FATE_DONE);
	assert_string_equal(text_of(&d), "0.1");
	assert_int_equal(decimal_from_float8((double)NAN, &arena, &d, &err), FATE_DONE);
	assert_int_equal(d.form, DECIMAL_NAN);
	d = dec("12.345");
	assert_int_equal(decimal_to_float8(&d, &f, &err), FATE_DONE);
	assert_true(f == 12.345);
	d = dec("1e400");
	assert_int_equal(decimal_to_float8(&d, &f, &err), FATE_REJECT);
	assert_string_equal(err.code, "22003");
	d = dec("-Infinity");
	assert_int_equal(decimal_to_float8(&d, &f, &err), FATE_DONE);
	assert_true(isinf(f) && f < 0);
}

static int32_t
typmod(int32_t precision, int32_t scale)
{
	return (precision << 16 | (scale & 0x7ff)) + 4;
}

static void
typmod_rounds_then_refuses(void **state)
{
	struct decimal d = dec("999.995"), r;
	struct err err;

	(void)state;
	assert_int_equal(decimal_apply_typmod(&d, typmod(6, 2), &arena, &r, &err), FATE_DONE);
	assert_string_equal(text_of(&r), "1000.00");
	assert_int_equal(decimal_apply_typmod(&d, typmod(5, 2), &arena, &r, &err), FATE_REJECT);
	assert_string_equal(err.code, "22003");
	assert_string_equal(err.what, "numeric field overflow");
	assert_int_equal(decimal_apply_typmod(&d, typmod(2, -2), &arena, &r, &err), FATE_DONE);
	assert_string_equal(text_of(&r), "1000");
	assert_int_equal(decimal_apply_typmod(&d, -1, &arena, &r, &err), FATE_DONE);
	assert_string_equal(text_of(&r), "999.995");
	d = dec("Infinity");
	assert_int_equal(decimal_apply_typmod(&d, typmod(5, 2), &arena, &r, &err), FATE_REJECT);
}

static void
a_full_arena_is_retry_and_small_numbers_need_none(void **state)
{
	struct arena none = { 0 };
	struct decimal a = dec("1e50"), b = dec("12.5"), r;
	struct err err;

	(void)state;
	assert_int_equal(decimal_mul(&a, &b, &none, &r, &err), FATE_RETRY);
	assert_string_equal(err.code, "53200");
	assert_int_equal(decimal_mul(&b, &b, &none, &r, &err), FATE_DONE);
	assert_int_equal(decimal_div(&b, &b, &none, &r, &err), FATE_DONE);
	assert_int_equal(decimal_parse(SLICE("1e50"), &none, &r, &err), FATE_RETRY);
	assert_int_equal(decimal_sub(&a, &a, &none, &r, &err), FATE_DONE);
	assert_true(decimal_is_zero(&r));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_comes_back_digit_for_digit),
		cmocka_unit_test(wrong_text_is_refused_with_its_sqlstate),
		cmocka_unit_test(bytes_are_big_endian_twos_complement),
		cmocka_unit_test(scales_follow_numeric_c),
		cmocka_unit_test(infinities_and_nan_follow_postgres),
		cmocka_unit_test(order_puts_nan_above_all),
		cmocka_unit_test(rounding_goes_away_from_zero),
		cmocka_unit_test(casts_to_integers_round_and_overflow),
		cmocka_unit_test(floats_come_and_go_by_their_digits),
		cmocka_unit_test(typmod_rounds_then_refuses),
		cmocka_unit_test(a_full_arena_is_retry_and_small_numbers_need_none),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
