/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>

#include "wire/float_text.h"
#include "wire/json.h"
#include "wire/scalar.h"
#include "wire/value.h"

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

static struct pgtype
type_of(enum type_kind kind)
{
	return (struct pgtype){ .kind = kind, .elem = TYPE_OTHER, .typmod = -1 };
}

static struct value
value_of(struct pgtype type, const char *text)
{
	struct value v = { 0 };
	struct err err = { 0 };

	if (value_from_text(type, slice_str(text), &arena, &v, &err) != FATE_DONE)
		fail_msg("%s: %s", text, err.what);
	return v;
}

static const struct row {
	enum type_kind kind, elem;
	const char *text, *json;
} rows[] = {
	{ TYPE_BOOL, TYPE_OTHER, "t", "true" },
	{ TYPE_BOOL, TYPE_OTHER, "f", "false" },
	{ TYPE_INT2, TYPE_OTHER, "-32768", "-32768" },
	{ TYPE_INT4, TYPE_OTHER, "2147483647", "2147483647" },
	{ TYPE_INT8, TYPE_OTHER, "-9223372036854775808", "-9223372036854775808" },
	{ TYPE_NUMERIC, TYPE_OTHER, "1.10", "1.10" },
	{ TYPE_NUMERIC, TYPE_OTHER, "123456789012345678901234567890123456789012345.6",
	    "123456789012345678901234567890123456789012345.6" },
	{ TYPE_NUMERIC, TYPE_OTHER, "NaN", "\"NaN\"" },
	{ TYPE_NUMERIC, TYPE_OTHER, "-Infinity", "\"-Infinity\"" },
	{ TYPE_FLOAT4, TYPE_OTHER, "1e+06", "1e+06" },
	{ TYPE_FLOAT4, TYPE_OTHER, "0.1", "0.1" },
	{ TYPE_FLOAT8, TYPE_OTHER, "1e+15", "1e+15" },
	{ TYPE_FLOAT8, TYPE_OTHER, "-0", "-0" },
	{ TYPE_FLOAT8, TYPE_OTHER, "Infinity", "\"Infinity\"" },
	{ TYPE_TEXT, TYPE_OTHER, "a\"\\\n\xc3\xa9", "\"a\\\"\\\\\\n\xc3\xa9\"" },
	{ TYPE_TEXT, TYPE_OTHER, "", "\"\"" },
	{ TYPE_VARCHAR, TYPE_OTHER, "null", "\"null\"" },
	{ TYPE_BPCHAR, TYPE_OTHER, "a  ", "\"a  \"" },
	{ TYPE_UUID, TYPE_OTHER, "0b6cf1b5-7a0e-4a31-9a3e-1c7a0f1d2e3f",
	    "\"0b6cf1b5-7a0e-4a31-9a3e-1c7a0f1d2e3f\"" },
	{ TYPE_DATE, TYPE_OTHER, "0044-03-15 BC", "\"0044-03-15 BC\"" },
	{ TYPE_TIME, TYPE_OTHER, "24:00:00", "\"24:00:00\"" },
	{ TYPE_TIMESTAMP, TYPE_OTHER, "2026-11-21 08:48:36.5", "\"2026-11-21 08:48:36.5\"" },
	{ TYPE_TIMESTAMPTZ, TYPE_OTHER, "2026-11-21 08:48:36.5+00",
	    "\"2026-11-21T08:48:36.500000Z\"" },
	{ TYPE_TIMESTAMPTZ, TYPE_OTHER, "infinity", "\"infinity\"" },
	{ TYPE_INTERVAL, TYPE_OTHER, "-1 days +02:03:00", "\"-1 days +02:03:00\"" },
	{ TYPE_JSON, TYPE_OTHER, "{\"a\": [1, \"x\"]}", "\"{\\\"a\\\": [1, \\\"x\\\"]}\"" },
	{ TYPE_JSONB, TYPE_OTHER, "null", "\"null\"" },
	{ TYPE_BYTEA, TYPE_OTHER, "\\x00ff", "\"\\\\x00ff\"" },
	{ TYPE_BYTEA, TYPE_OTHER, "\\x", "\"\\\\x\"" },
	{ TYPE_ENUM, TYPE_OTHER, "play", "\"play\"" },
	{ TYPE_INET, TYPE_OTHER, "10.0.0.1/8", "\"10.0.0.1/8\"" },
	{ TYPE_ARRAY, TYPE_INT4, "{1,2,NULL}", "[1,2,null]" },
	{ TYPE_ARRAY, TYPE_TEXT, "{\"a b\",\"NULL\",NULL,\"\",\"q\\\"\\\\\"}",
	    "[\"a b\",\"NULL\",null,\"\",\"q\\\"\\\\\"]" },
	{ TYPE_ARRAY, TYPE_INT4, "{{1,2},{3,4}}", "[[1,2],[3,4]]" },
	{ TYPE_ARRAY, TYPE_TIMESTAMPTZ, "{\"2026-11-21 08:48:36+00\"}",
	    "[\"2026-11-21T08:48:36.000000Z\"]" },
	{ TYPE_ARRAY, TYPE_BOOL, "{t,f}", "[true,false]" },
	{ TYPE_ARRAY, TYPE_TEXT, "{}", "[]" },
};

static void
text_and_json_are_each_other_s_inverse(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct pgtype type = type_of(rows[i].kind);
		struct value v, back;
		struct slice raw;
		struct err err = { 0 };

		type.elem = rows[i].elem;
		v = value_of(type, rows[i].text);
		assert_int_equal(v.state, VALUE_SET);
		out.len = 0;
		value_to_text(&out, type, &v);
		assert_string_equal(buf_str(&out), rows[i].text);
		out.len = 0;
		value_to_json(&out, type, &v);
		assert_string_equal(buf_str(&out), rows[i].json);
		assert_int_equal(json_check(buf_view(&out), &raw, &err), FATE_DONE);
		assert_int_equal(value_from_record(type, raw, &arena, &back, &err), FATE_DONE);
		assert_int_equal(value_compare(type, &v, &back), 0);
	}
}

static void
null_is_null(void **state)
{
	struct value v = { .state = VALUE_SET };
	struct err err;

	(void)state;
	assert_int_equal(
	    value_from_record(type_of(TYPE_INT4), SLICE("null"), &arena, &v, &err), FATE_DONE);
	assert_int_equal(v.state, VALUE_NULL);
	out.len = 0;
	value_to_json(&out, type_of(TYPE_INT4), &v);
	assert_string_equal(buf_str(&out), "null");
}

static void
wrong_json_is_refused(void **state)
{
	static const struct {
		enum type_kind kind;
		const char *json, *code;
	} wrong[] = { { TYPE_INT4, "true", "22P02" }, { TYPE_INT4, "1.5", "22P02" },
		{ TYPE_INT4, "2147483648", "22003" }, { TYPE_INT2, "\"x\"", "22P02" },
		{ TYPE_TEXT, "1", "22P02" }, { TYPE_TEXT, "{}", "22P02" },
		{ TYPE_BOOL, "\"t\"", "22P02" }, { TYPE_ARRAY, "\"{1}\"", "22P02" },
		{ TYPE_UUID, "\"0b6cf1b5\"", "22P02" }, { TYPE_TIMESTAMPTZ, "0", "22P02" },
		{ TYPE_TIMESTAMPTZ, "\"soon\"", "22007" },
		{ TYPE_BYTEA, "\"\\\\x0\"", "22023" }, { TYPE_FLOAT8, "1e400", "22003" } };
	struct value v;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_int_equal(value_from_record(type_of(wrong[i].kind),
				     slice_str(wrong[i].json), &arena, &v, &err),
		    FATE_REJECT);
		assert_string_equal(err.code, wrong[i].code);
	}
}

static void
expect_order(enum type_kind kind, const char *a, const char *b, int want)
{
	struct value x = value_of(type_of(kind), a), y = value_of(type_of(kind), b);

	assert_int_equal(value_compare(type_of(kind), &x, &y), want);
	assert_int_equal(value_compare(type_of(kind), &y, &x), -want);
}

static void
order_is_postgres_order(void **state)
{
	(void)state;
	expect_order(TYPE_BOOL, "f", "t", -1);
	expect_order(TYPE_INT8, "-1", "1", -1);
	expect_order(TYPE_FLOAT8, "NaN", "Infinity", 1);
	expect_order(TYPE_FLOAT8, "NaN", "NaN", 0);
	expect_order(TYPE_FLOAT8, "-0", "0", 0);
	expect_order(TYPE_NUMERIC, "1.0", "1.000", 0);
	expect_order(TYPE_TEXT, "a", "ab", -1);
	expect_order(TYPE_TEXT, "\xc3\xa9", "z", 1);
	expect_order(TYPE_TEXT, "a ", "a", 1);
	expect_order(TYPE_BPCHAR, "a ", "a", 0);
	expect_order(TYPE_BYTEA, "\\xff", "\\x00", 1);
	expect_order(TYPE_UUID, "ffffffff-7a0e-4a31-9a3e-1c7a0f1d2e3f",
	    "0b6cf1b5-7a0e-4a31-9a3e-1c7a0f1d2e3f", 1);
	expect_order(TYPE_INTERVAL, "1 mon", "30 days", 0);
}

static void
floats_print_the_shortest_text(void **state)
{
	static const struct {
		double value;
		const char *want;
	} doubles[] = { { 0.1, "0.1" }, { 100000, "100000" }, { 1e14, "100000000000000" },
		{ 1e15, "1e+15" }, { 0.0001, "0.0001" }, { 0.00001, "1e-05" },
		{ 1e23, "9.999999999999999e+22" }, { 5e-324, "5e-324" },
		{ DBL_MAX, "1.7976931348623157e+308" }, { DBL_MIN, "2.2250738585072014e-308" },
		{ 9007199254740992, "9.007199254740992e+15" },
		{ 5.684341886080802e-14, "5.684341886080802e-14" },
		{ 123456789.123456, "123456789.123456" }, { -2.5, "-2.5" } };

	(void)state;
	for (size_t i = 0; i < sizeof(doubles) / sizeof(*doubles); i++) {
		out.len = 0;
		float8_print(&out, doubles[i].value);
		assert_string_equal(buf_str(&out), doubles[i].want);
	}
	out.len = 0;
	float4_print(&out, 16777216.0f);
	buf_byte(&out, ' ');
	float4_print(&out, FLT_MAX);
	buf_byte(&out, ' ');
	float4_print(&out, 1e-45f);
	assert_string_equal(buf_str(&out), "1.6777216e+07 3.4028235e+38 1e-45");
}

static void
uuids_take_postgres_forms(void **state)
{
	static const char *const same[] = { "0b6cf1b5-7a0e-4a31-9a3e-1c7a0f1d2e3f",
		"0B6CF1B5-7A0E-4A31-9A3E-1C7A0F1D2E3F", "0b6cf1b57a0e4a319a3e1c7a0f1d2e3f",
		"{0b6cf1b5-7a0e-4a31-9a3e-1c7a0f1d2e3f}",
		"0b6c-f1b5-7a0e-4a31-9a3e-1c7a-0f1d-2e3f" };
	static const char *const wrong[] = { "", "0b6cf1b5-7a0e-4a31-9a3e-1c7a0f1d2e3",
		"0b6cf1b5-7a0e-4a31-9a3e-1c7a0f1d2e3g", "{0b6cf1b5-7a0e-4a31-9a3e-1c7a0f1d2e3f",
		"0b6cf1b5-7a0e-4a31-9a3e-1c7a0f1d2e3f " };
	uint8_t uuid[UUID_SIZE];
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
		assert_int_equal(uuid_parse(slice_str(same[i]), uuid, &err), FATE_DONE);
		out.len = 0;
		uuid_print(&out, uuid);
		assert_string_equal(buf_str(&out), same[0]);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(uuid_parse(slice_str(wrong[i]), uuid, &err), FATE_REJECT);
	assert_string_equal(err.code, "22P02");
}

static void
arrays_that_postgres_refuses_are_refused(void **state)
{
	static const char *const wrong[] = { "", "{", "{1", "{1,}", "{,1}", "{1}x", "1",
		"{\"1}", "{{{{{{{1}}}}}}}", "{1\\" };
	struct pgtype type = { .kind = TYPE_ARRAY, .elem = TYPE_INT4, .typmod = -1 };
	struct value v;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(
		    value_from_text(type, slice_str(wrong[i]), &arena, &v, &err), FATE_REJECT);
	v = value_of(type, "[0:1]={7,8}");
	assert_true(slice_eq(v.s, SLICE("[7,8]")));
}

static void
a_full_arena_is_retry(void **state)
{
	struct arena none = { 0 };
	struct value v;
	struct err err;

	(void)state;
	assert_int_equal(
	    value_from_text(type_of(TYPE_BYTEA), SLICE("\\x00"), &none, &v, &err), FATE_RETRY);
	assert_int_equal(
	    value_from_record(type_of(TYPE_TEXT), SLICE("\"a\\n\""), &none, &v, &err),
	    FATE_RETRY);
	assert_string_equal(err.code, "53200");
}

static void
types_have_format_type_s_words(void **state)
{
	static const struct {
		uint32_t oid;
		int32_t typmod;
		const char *want;
	} names[] = { { 23, -1, "integer" }, { 1700, (18 << 16 | 3) + 4, "numeric(18,3)" },
		{ 1043, 14, "character varying(10)" }, { 1184, -1, "timestamp with time zone" },
		{ 1184, 3, "timestamp(3) with time zone" }, { 1007, -1, "integer[]" },
		{ 1042, 7, "character(3)" }, { 701, -1, "double precision" } };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		out.len = 0;
		type_print(&out, (struct pgtype){ .kind = type_kind_of_oid(names[i].oid),
				     .elem = type_elem_of_oid(names[i].oid),
				     .oid = names[i].oid,
				     .typmod = names[i].typmod });
		assert_string_equal(buf_str(&out), names[i].want);
	}
	assert_int_equal(type_kind_of_oid(99999), TYPE_OTHER);
	assert_int_equal(type_elem_of_oid(2951), TYPE_UUID);
}

static void
lsns_are_read(void **state)
{
	static const char *const wrong[] = { "", "/", "1", "1/", "/1", "G/1", "1/G", "1/2/3",
		"100000000/0", "0/100000000", " ", "16/B374D848 and more than fits" };
	uint64_t lsn = 0;

	(void)state;
	assert_true(lsn_parse(SLICE("16/B374D848"), &lsn));
	assert_true(lsn == UINT64_C(0x16B374D848));
	assert_true(lsn_parse(SLICE("FFFFFFFF/FFFFFFFF"), &lsn));
	assert_true(lsn == UINT64_MAX);
	assert_true(lsn_parse(SLICE("0/0"), &lsn));
	assert_true(lsn == 0);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_false(lsn_parse(slice_str(wrong[i]), &lsn));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lsns_are_read),
		cmocka_unit_test(text_and_json_are_each_other_s_inverse),
		cmocka_unit_test(null_is_null),
		cmocka_unit_test(wrong_json_is_refused),
		cmocka_unit_test(order_is_postgres_order),
		cmocka_unit_test(floats_print_the_shortest_text),
		cmocka_unit_test(uuids_take_postgres_forms),
		cmocka_unit_test(arrays_that_postgres_refuses_are_refused),
		cmocka_unit_test(a_full_arena_is_retry),
		cmocka_unit_test(types_have_format_type_s_words),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
