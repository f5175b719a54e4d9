/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/trino_text.h"

static void
test_values(void **state)
{
	static const struct {
		const char *type, *json, *text; /* NULL: refused */
	} cases[] = {
		{ "boolean", "true", "t" },
		{ "boolean", "false", "f" },
		{ "boolean", "1", NULL },
		{ "tinyint", "-7", "-7" },
		{ "bigint", "9007199254740993", "9007199254740993" },
		{ "integer", "1.5", NULL },
		{ "integer", "\"1\"", NULL },
		{ "real", "0.1", "0.1" },
		{ "double", "1.0E15", "1e+15" },
		{ "double", "\"NaN\"", "NaN" },
		{ "double", "\"-Infinity\"", "-Infinity" },
		{ "double", "true", NULL },
		{ "decimal(12,2)", "\"-0.50\"", "-0.50" },
		{ "varchar", "\"a\\u00e4\\n\\\"\\\\\"", "a\xc3\xa4\n\"\\" },
		{ "varchar(3)", "\"\"", "" },
		{ "char(4)", "\"ab  \"", "ab  " },
		{ "varbinary", "\"qgE=\"", "\\xaa01" },
		{ "varbinary", "\"*\"", NULL },
		{ "date", "\"2026-01-02\"", "2026-01-02" },
		{ "date", "\"-0043-03-15\"", "0044-03-15 BC" },
		{ "date", "\"+10000-01-02\"", "10000-01-02" },
		{ "date", "\"2026-13-02\"", NULL },
		{ "date", "\"\"", NULL },
		{ "date", "5", NULL },
		{ "time(6)", "\"01:02:03.456000\"", "01:02:03.456" },
		{ "timestamp(6)", "\"2026-01-02 03:04:05.500000\"", "2026-01-02 03:04:05.5" },
		{ "timestamp(9)", "\"2026-01-02 03:04:05.123456789\"",
		    "2026-01-02 03:04:05.123457" },
		{ "timestamp(0)", "\"2026-01-02 03:04:05\"", "2026-01-02 03:04:05" },
		{ "timestamp(6) with time zone", "\"2026-01-02 03:04:05.120000 UTC\"",
		    "2026-01-02 03:04:05.12+00" },
		{ "timestamp(6) with time zone", "\"2026-01-02 03:04:05.12 Europe/Paris\"",
		    NULL },
		{ "time(3) with time zone", "\"01:02:03.456+01:00\"", NULL },
		{ "uuid", "\"123e4567-e89b-12d3-a456-426614174000\"",
		    "123e4567-e89b-12d3-a456-426614174000" },
		{ "json", "\"{\\\"a\\\":1}\"", "{\"a\":1}" },
		{ "array(integer)", "[1]", NULL },
		{ "row(a integer)", "[1]", NULL },
		{ "interval day to second", "\"3 00:00:00.000\"", NULL },
		{ "charming", "\"x\"", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct pgtype type;
		struct buf out = { 0 };
		struct err err = { 0 };
		enum trino_form form = trino_type(slice_str(cases[i].type), &type);
		enum fate fate = trino_print(&out, form, slice_str(cases[i].json), &err);

		assert_int_equal(fate, cases[i].text ? FATE_DONE : FATE_REJECT);
		if (cases[i].text)
			assert_string_equal(buf_str(&out), cases[i].text);
		buf_finish(&out);
	}
}

static void
test_types(void **state)
{
	struct pgtype type;

	(void)state;
	(void)trino_type(SLICE("bigint"), &type);
	assert_int_equal(type.oid, 20);
	assert_int_equal(type.kind, TYPE_INT8);
	(void)trino_type(SLICE("timestamp(6) with time zone"), &type);
	assert_int_equal(type.kind, TYPE_TIMESTAMPTZ);
	(void)trino_type(SLICE("varchar(7)"), &type);
	assert_int_equal(type.kind, TYPE_TEXT);
	assert_int_equal(trino_type(SLICE("map(varchar, integer)"), &type), TRINO_OTHER);
	assert_int_equal(type.oid, 25);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
