/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "wire/base64.h"
#include "wire/change.h"
#include "wire/json.h"
#include "wire/timestamp.h"

static struct arena arena;

/* What one column comes to: its text as Postgres prints it, "NULL", "UNSET" or
 * "!" and the refusal. schema_field is the inside of a schema's field object. */
static const char *
reads(struct pgtype type, const char *schema_field, const char *json)
{
	static char text[600];
	struct row_column column = { .name = "v", .type = type };
	struct row_plan *plan = row_plan_new(&column, 1);
	struct buf object = { 0 }, schema = { 0 }, out = { 0 };
	struct slice raw;
	struct value value = { 0 };
	struct err err;

	buf_printf(&object, "{\"w\":[1,{\"v\":2}],\"v\":%s}", json);
	if (json_check(buf_view(&object), &raw, &err) != FATE_DONE)
		fail_msg("%s: %s", json, err.what);
	if (schema_field)
		buf_printf(&schema,
		    "{\"type\":\"struct\",\"fields\":[{\"field\":\"w\"},"
		    "{%s,\"optional\":true,\"field\":\"v\"}]}",
		    schema_field);
	if (row_read(plan, raw, buf_view(&schema), &arena, &value, &err) != FATE_DONE)
		buf_printf(&out, "!%s %s", err.code, err.what);
	else if (value.state == VALUE_UNSET)
		buf_cstr(&out, "UNSET");
	else if (value.state == VALUE_NULL)
		buf_cstr(&out, "NULL");
	else
		value_to_text(&out, type, &value);
	snprintf(text, sizeof(text), "%s", buf_str(&out));
	buf_finish(&object);
	buf_finish(&schema);
	buf_finish(&out);
	row_plan_free(plan);
	arena_reset(&arena);
	return text;
}

#define NAMED(type, name)          "\"type\":\"" type "\",\"name\":\"" name "\""
#define WITH(type, name, key, val) NAMED(type, name) ",\"parameters\":{\"" key "\":\"" val "\"}"
#define WORD                       "__debezium_unavailable_value"
#define WORD64                     "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="
#define KAFKA                      "org.apache.kafka.connect.data."
#define DBZ                        "io.debezium."

struct given {
	enum type_kind type;
	int32_t typmod;
	const char *schema;
	const char *json;
	const char *want;
};

static const struct given cases[] = {
	/* booleans, integers */
	{ TYPE_BOOL, -1, NULL, "true", "t" },
	{ TYPE_BOOL, -1, NULL, "false", "f" },
	{ TYPE_BOOL, -1, NULL, "null", "NULL" },
	{ TYPE_BOOL, -1, NULL, "1", "!" },
	{ TYPE_INT2, -1, NULL, "-32768", "-32768" },
	{ TYPE_INT2, -1, NULL, "32768", "!22003" },
	{ TYPE_INT4, -1, NULL, "2147483647", "2147483647" },
	{ TYPE_INT4, -1, NULL, "2147483648", "!22003" },
	{ TYPE_INT4, -1, NULL, "1.5", "!22P02" },
	{ TYPE_INT4, -1, NULL, "true", "!" },
	{ TYPE_INT4, -1, NULL, "{}", "!" },
	{ TYPE_INT4, -1, NULL, "\"12\"", "12" },
	{ TYPE_INT4, -1, NULL, "\"x\"", "!22P02" },
	{ TYPE_INT8, -1, NULL, "9007199254740993", "9007199254740993" },
	{ TYPE_INT8, -1, NULL, "-9223372036854775808", "-9223372036854775808" },
	{ TYPE_INT8, -1, NULL, "9223372036854775808", "!22003" },
	/* floats */
	{ TYPE_FLOAT8, -1, NULL, "3.14", "3.14" },
	{ TYPE_FLOAT8, -1, NULL, "\"NaN\"", "NaN" },
	{ TYPE_FLOAT8, -1, NULL, "\"-Infinity\"", "-Infinity" },
	{ TYPE_FLOAT4, -1, NULL, "0.1", "0.1" },
	{ TYPE_FLOAT8, -1, NULL, "1e400", "!22003" },
	/* numeric: precise, variable scale, string, double */
	{ TYPE_NUMERIC, -1, WITH("bytes", KAFKA "Decimal", "scale", "2"), "\"bg==\"", "1.10" },
	{ TYPE_NUMERIC, -1, WITH("bytes", KAFKA "Decimal", "scale", "2"), "\"AUo=\"", "3.30" },
	{ TYPE_NUMERIC, -1, WITH("bytes", KAFKA "Decimal", "scale", "2"), "\"z8c=\"",
	    "-123.45" },
	{ TYPE_NUMERIC, -1, WITH("bytes", KAFKA "Decimal", "scale", "2"), "\"AeIT\"",
	    "1234.11" },
	{ TYPE_NUMERIC, -1, WITH("bytes", KAFKA "Decimal", "scale", "0"), "\"1234\"",
	    "-2658824" },
	{ TYPE_NUMERIC, -1, WITH("bytes", KAFKA "Decimal", "scale", "2"), "\"b*==\"",
	    "!22P02" },
	{ TYPE_NUMERIC, -1, WITH("bytes", KAFKA "Decimal", "scale", "2"), "null", "NULL" },
	{ TYPE_NUMERIC, -1, NAMED("struct", DBZ "data.VariableScaleDecimal"),
	    "{\"scale\":1,\"value\":\"fw==\"}", "12.7" },
	{ TYPE_NUMERIC, -1, NULL, "{\"scale\":0,\"value\":\"APqNcjo6JkVWuVdSxjNY\"}",
	    "5081808923510849277239690978014040" },
	{ TYPE_NUMERIC, -1, NULL, "{\"scale\":0,\"value\":\"" WORD64 "\"}", "UNSET" },
	{ TYPE_NUMERIC, -1, NULL, "{\"scale\":\"x\",\"value\":\"fw==\"}", "!" },
	{ TYPE_NUMERIC, -1, NULL, "{\"scale\":-1,\"value\":\"fw==\"}", "!22003" },
	{ TYPE_NUMERIC, -1, NULL, "{\"value\":\"fw==\"}", "!" },
	{ TYPE_NUMERIC, -1, NULL, "\"1.10\"", "1.10" },
	{ TYPE_NUMERIC, -1, NULL, "\"1234\"", "1234" },
	{ TYPE_NUMERIC, -1, NULL, "\"bg==\"", "!22P02" },
	{ TYPE_NUMERIC, -1, NULL, "\"NAN\"", "NaN" },
	{ TYPE_NUMERIC, -1, NULL, "\"POSITIVE_INFINITY\"", "Infinity" },
	{ TYPE_NUMERIC, -1, NULL, "\"NEGATIVE_INFINITY\"", "-Infinity" },
	{ TYPE_NUMERIC, -1, NULL, "12345678901234567890.123456789012345678901",
	    "12345678901234567890.123456789012345678901" },
	{ TYPE_NUMERIC, (10 << 16 | 2) + 4, NULL, "3.3", "3.30" },
	{ TYPE_NUMERIC, (4 << 16 | 2) + 4, NULL, "123.4", "!22003" },
	{ TYPE_NUMERIC, (4 << 16 | 2) + 4, NULL, "\"NaN\"", "NaN" },
	/* text and what is carried */
	{ TYPE_TEXT, -1, NULL, "\"a\\u00e9\\n\"", "a\xc3\xa9\n" },
	{ TYPE_TEXT, -1, NULL, "\"\"", "" },
	{ TYPE_TEXT, -1, NULL, "\"a\\u0000b\"", "!22021" },
	{ TYPE_TEXT, -1, NULL, "7", "!" },
	{ TYPE_TEXT, -1, NULL, "\"" WORD "\"", "UNSET" },
	{ TYPE_VARCHAR, -1, NULL, "\"\\u005f_debezium_unavailable_value\"", "UNSET" },
	{ TYPE_TEXT, -1, NULL, "\"" WORD " \"", WORD " " },
	{ TYPE_JSONB, -1, NULL, "\"{\\\"a\\\": 1}\"", "{\"a\": 1}" },
	{ TYPE_JSONB, -1, NULL, "\"" WORD "\"", "UNSET" },
	{ TYPE_UUID, -1, NULL, "\"B68A35A7-17ad-35b3-af2a-ae46edb4545a\"",
	    "b68a35a7-17ad-35b3-af2a-ae46edb4545a" },
	{ TYPE_UUID, -1, NULL, "\"x\"", "!22P02" },
	{ TYPE_UUID, -1, NULL, "5", "!" },
	{ TYPE_INET, -1, NULL, "\"10.0.0.1/8\"", "10.0.0.1/8" },
	{ TYPE_ENUM, -1, NULL, "\"sad\"", "sad" },
	{ TYPE_OTHER, -1, NULL, "{\"a\":1}", "{\"a\":1}" },
	{ TYPE_OTHER, -1, NULL, "\"[2020-01-01,2021-01-01)\"", "[2020-01-01,2021-01-01)" },
	{ TYPE_OTHER, -1, NULL, "{\"" WORD "\":\"" WORD "\"}", "UNSET" },
	{ TYPE_OTHER, -1, NULL, "\"{\\\"" WORD "\\\":\\\"" WORD "\\\"}\"", "UNSET" },
	{ TYPE_OTHER, -1, WITH("bytes", DBZ "data.Bits", "length", "7"), "\"QA==\"",
	    "1000000" },
	{ TYPE_OTHER, -1, WITH("bytes", DBZ "data.Bits", "length", "2"), "\"\"", "00" },
	{ TYPE_OTHER, -1, WITH("bytes", DBZ "data.Bits", "length", "12"), "\"AQg=\"",
	    "100000000001" },
	/* bytea */
	{ TYPE_BYTEA, -1, NULL, "\"AQID/w==\"", "\\x010203ff" },
	{ TYPE_BYTEA, -1, NULL, "\"AQID_w\"", "\\x010203ff" },
	{ TYPE_BYTEA, -1, NULL, "\"\"", "\\x" },
	{ TYPE_BYTEA, -1, NULL, "\"A\"", "!22P02" },
	{ TYPE_BYTEA, -1, NULL, "\"" WORD64 "\"", "UNSET" },
	{ TYPE_BYTEA, -1, NULL, "\"" WORD "\"", "UNSET" },
	{ TYPE_BYTEA, -1, NULL, "\"\\\\x0a0b\"", "\\x0a0b" },
	/* dates */
	{ TYPE_DATE, -1, NAMED("int32", DBZ "time.Date"), "17424", "2017-09-15" },
	{ TYPE_DATE, -1, NAMED("int32", KAFKA "Date"), "17424", "2017-09-15" },
	{ TYPE_DATE, -1, NULL, "17424", "2017-09-15" },
	{ TYPE_DATE, -1, NULL, "-1", "1969-12-31" },
	{ TYPE_DATE, -1, NULL, "\"2025-07-21\"", "2025-07-21" },
	{ TYPE_DATE, -1, NULL, "\"2017-09-15Z\"", "2017-09-15" },
	{ TYPE_DATE, -1, NULL, "2147483647", "infinity" },
	{ TYPE_DATE, -1, NULL, "-2147483648", "-infinity" },
	{ TYPE_DATE, -1, NULL, "-2440589", "!22008" },
	{ TYPE_DATE, -1, NULL, "\"2025-02-30\"", "!22008" },
	{ TYPE_DATE, -1, NULL, "1.5", "!" },
	{ TYPE_DATE, -1, NAMED("int64", DBZ "time.Timestamp"), "5", "!" },
	{ TYPE_DATE, -1, NULL, "{\"year\":2017,\"month\":9,\"day\":15,\"specialValue\":null}",
	    "2017-09-15" },
	{ TYPE_DATE, -1, NULL, "{\"specialValue\":\"NEGATIVE_INFINITY\"}", "-infinity" },
	{ TYPE_DATE, -1, NULL, "{\"year\":2017,\"month\":13,\"day\":15}", "!" },
	{ TYPE_DATE, -1, NULL, "{}", "!" },
	/* times */
	{ TYPE_TIME, -1, NAMED("int32", DBZ "time.Time"), "14711789", "04:05:11.789" },
	{ TYPE_TIME, -1, NAMED("int32", KAFKA "Time"), "14711789", "04:05:11.789" },
	{ TYPE_TIME, -1, NAMED("int64", DBZ "time.MicroTime"), "86400000000", "24:00:00" },
	{ TYPE_TIME, -1, NAMED("int64", DBZ "time.NanoTime"), "14711789123456",
	    "04:05:11.789123" },
	{ TYPE_TIME, -1, NULL, "14711789123", "04:05:11.789123" },
	{ TYPE_TIME, 3, NULL, "14711789", "04:05:11.789" },
	{ TYPE_TIME, 3, NULL, "14711789000", "04:05:11.789" },
	{ TYPE_TIME, 6, NULL, "14711789", "00:00:14.711789" },
	{ TYPE_TIME, -1, NULL, "86400000001", "!22008" },
	{ TYPE_TIME, -1, NULL, "-1", "!22008" },
	{ TYPE_TIME, -1, NULL, "\"04:05:11.789Z\"", "04:05:11.789" },
	{ TYPE_TIME, -1, NULL, "{\"hour\":4,\"minute\":5,\"second\":11,\"nanos\":789000000}",
	    "04:05:11.789" },
	/* timestamps */
	{ TYPE_TIMESTAMP, -1, NAMED("int64", DBZ "time.Timestamp"), "1529507596945",
	    "2018-06-20 15:13:16.945" },
	{ TYPE_TIMESTAMP, -1, NAMED("int64", KAFKA "Timestamp"), "1529507596945",
	    "2018-06-20 15:13:16.945" },
	{ TYPE_TIMESTAMP, -1, NAMED("int64", DBZ "time.MicroTimestamp"), "1529507596945104",
	    "2018-06-20 15:13:16.945104" },
	{ TYPE_TIMESTAMP, -1, NAMED("int64", DBZ "time.NanoTimestamp"), "1529507596945104000",
	    "2018-06-20 15:13:16.945104" },
	{ TYPE_TIMESTAMP, -1, NULL, "1529507596945104", "2018-06-20 15:13:16.945104" },
	{ TYPE_TIMESTAMP, 3, NULL, "1529507596945", "2018-06-20 15:13:16.945" },
	{ TYPE_TIMESTAMP, -1, NULL, "-1", "1969-12-31 23:59:59.999999" },
	{ TYPE_TIMESTAMP, -1, NAMED("int64", DBZ "time.NanoTimestamp"), "-1",
	    "1969-12-31 23:59:59.999999" },
	{ TYPE_TIMESTAMP, -1, NULL, "9223372036825200000", "infinity" },
	{ TYPE_TIMESTAMP, -1, NULL, "-9223372036832400000", "-infinity" },
	{ TYPE_TIMESTAMP, 3, NULL, "9223372036825200", "infinity" },
	{ TYPE_TIMESTAMP, -1, NAMED("int64", DBZ "time.NanoTimestamp"), "9223372036854775807",
	    "infinity" },
	{ TYPE_TIMESTAMP, -1, NULL, "-210866803200000001", "!22008" },
	{ TYPE_TIMESTAMP, 3, NULL, "9223372036854775807", "!22008" },
	{ TYPE_TIMESTAMP, -1, NULL, "\"2018-06-20T15:13:16.945104Z\"",
	    "2018-06-20 15:13:16.945104" },
	{ TYPE_TIMESTAMP, -1, NULL,
	    "{\"year\":2018,\"month\":6,\"day\":20,\"hour\":15,\"minute\":13,\"second\":16,"
	    "\"nanos\":945104000}",
	    "2018-06-20 15:13:16.945104" },
	{ TYPE_TIMESTAMPTZ, -1, NULL, "\"2011-01-11T16:40:30.123456Z\"",
	    "2011-01-11 16:40:30.123456+00" },
	{ TYPE_TIMESTAMPTZ, -1, NULL, "\"2011-01-11T11:40:30.123456789-05:00\"",
	    "2011-01-11 16:40:30.123457+00" },
	{ TYPE_TIMESTAMPTZ, -1, NULL, "\"+21016-11-04T13:51:30.123456Z\"",
	    "21016-11-04 13:51:30.123456+00" },
	{ TYPE_TIMESTAMPTZ, -1, NULL, "\"-4713-12-31T23:59:59.999999Z\"",
	    "4714-12-31 23:59:59.999999+00 BC" },
	{ TYPE_TIMESTAMPTZ, -1, NULL, "\"infinity\"", "infinity" },
	{ TYPE_TIMESTAMPTZ, -1, NULL, "5", "!" },
	{ TYPE_TIMESTAMPTZ, -1, NULL,
	    "{\"year\":2011,\"month\":1,\"day\":11,\"hour\":11,\"minute\":40,\"second\":30,"
	    "\"nanos\":5000,\"offsetSeconds\":-18000}",
	    "2011-01-11 16:40:30.000005+00" },
	{ TYPE_TIMESTAMPTZ, -1, NULL,
	    "{\"year\":2011,\"month\":1,\"day\":11,\"zoneId\":\"Europe/Berlin\"}", "!" },
	/* intervals */
	{ TYPE_INTERVAL, -1, NAMED("int64", DBZ "time.MicroDuration"), "3600000000",
	    "01:00:00" },
	{ TYPE_INTERVAL, -1, NAMED("int64", DBZ "time.NanoDuration"), "3600000000000",
	    "01:00:00" },
	{ TYPE_INTERVAL, -1, NAMED("string", DBZ "time.Interval"), "\"P1Y2M3DT4H5M6.78S\"",
	    "1 year 2 mons 3 days 04:05:06.78" },
	{ TYPE_INTERVAL, -1, NULL,
	    "{\"years\":1,\"months\":2,\"days\":3,\"hours\":4,\"minutes\":5,\"seconds\":6,"
	    "\"nanos\":780000000}",
	    "1 year 2 mons 3 days 04:05:06.78" },
	/* arrays */
	{ TYPE_ARRAY, -1, NULL, "[\"" WORD "\"]", "UNSET" },
	{ TYPE_ARRAY, -1, NULL, "[\"" WORD64 "\"]", "UNSET" },
	{ TYPE_ARRAY, -1, NULL, "[\"b68a35a7-17ad-35b3-af2a-ae46edb4545a\"]", "UNSET" },
	{ TYPE_ARRAY, -1, NULL,
	    "[95,95,100,101,98,101,122,105,117,109,95,117,110,97,118,97,105,108,97,98,108,101,"
	    "95,118,97,108,117,101]",
	    "UNSET" },
	{ TYPE_ARRAY, -1, NULL, "\"x\"", "!" },
	{ TYPE_ARRAY, -1, NULL, "{}", "!" },
};

static void
test_types_and_modes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct given *g = &cases[i];
		struct pgtype type = {
			.kind = g->type, .elem = TYPE_TEXT, .typmod = g->typmod
		};
		const char *got = reads(type, g->schema, g->json);
		bool ok = g->want[0] == '!' ? strncmp(got, g->want, strlen(g->want)) == 0
					    : strcmp(got, g->want) == 0;
		if (!ok)
			fail_msg("case %zu: %s gave %s, not %s", i, g->json, got, g->want);
		if (got[0] == '!' && !strstr(got, "column v: "))
			fail_msg("case %zu: the refusal does not name the column: %s", i, got);
	}
}

static void
test_by_oid(void **state)
{
	struct pgtype bit = { .kind = TYPE_OTHER, .oid = 1560, .typmod = 12 };
	struct pgtype point = { .kind = TYPE_OTHER, .oid = 600, .typmod = -1 };

	(void)state;
	assert_string_equal(reads(bit, NULL, "\"AQg=\""), "100000000001");
	bit.typmod = 1;
	assert_string_equal(reads(bit, NULL, "true"), "1");
	assert_string_equal(
	    reads(point, NULL, "{\"x\":1.0,\"y\":-2.5,\"wkb\":\"AQ==\",\"srid\":null}"),
	    "(1,-2.5)");
}

static void
test_arrays_are_carried(void **state)
{
	static const char *const plain[] = { "[]", "[1,null,3]", "[95]", "[\"a\",\"b\"]",
		"[\"" WORD "\",\"x\"]", "[{\"a\":1}]" };
	struct row_column column = { "v",
		{ .kind = TYPE_ARRAY, .elem = TYPE_TEXT, .typmod = -1 } };
	struct row_plan *plan = row_plan_new(&column, 1);

	(void)state;
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
		struct buf object = { 0 };
		struct value value;
		struct err err;
		buf_printf(&object, "{\"v\":%s}", plain[i]);
		assert_int_equal(row_read(plan, buf_view(&object), (struct slice){ 0 }, &arena,
				     &value, &err),
		    FATE_DONE);
		assert_int_equal(value.state, VALUE_SET);
		assert_true(slice_eq(value.s, slice_str(plain[i])));
		buf_finish(&object);
	}
	row_plan_free(plan);
}

static const struct row_column abc[] = {
	{ "a", { .kind = TYPE_INT4, .typmod = -1 } },
	{ "b", { .kind = TYPE_TEXT, .typmod = -1 } },
	{ "c\"", { .kind = TYPE_INT8, .typmod = -1 } },
};

/* The order of members may change from one object to the next. */
static void
test_order_of_members(void **state)
{
	static const char *const objects[] = {
		"{\"a\":1,\"b\":\"x\",\"c\\\"\":3}",
		"{\"a\":1,\"b\":\"x\",\"c\\\"\":3}",
		"{ \"c\\u0022\" : 3 , \"a\" : 1 , \"b\" : \"x\" }",
		"{\"z\":0,\"b\":\"x\",\"zz\":[{}],\"a\":1,\"y\":{\"a\":9},\"c\\\"\":3,\"x\":1}",
		"{\"a\":1,\"b\":\"x\",\"c\\\"\":3}",
	};
	struct row_plan *plan = row_plan_new(abc, 3);

	(void)state;
	for (size_t i = 0; i < sizeof(objects) / sizeof(*objects); i++) {
		struct value v[3];
		struct err err;
		assert_int_equal(
		    row_read(plan, slice_str(objects[i]), (struct slice){ 0 }, &arena, v, &err),
		    FATE_DONE);
		assert_int_equal(v[0].i, 1);
		assert_true(slice_eq(v[1].s, SLICE("x")));
		assert_int_equal(v[2].i, 3);
	}
	row_plan_free(plan);
}

static void
test_missing_fields(void **state)
{
	struct row_plan *plan = row_plan_new(abc, 3);
	struct value v[3];
	struct err err;

	(void)state;
	assert_int_equal(
	    row_read(plan, SLICE("{\"b\":null,\"d\":1}"), (struct slice){ 0 }, &arena, v, &err),
	    FATE_DONE);
	assert_int_equal(v[0].state, VALUE_UNSET);
	assert_int_equal(v[1].state, VALUE_NULL);
	assert_int_equal(v[2].state, VALUE_UNSET);
	assert_int_equal(
	    row_read(plan, SLICE("{}"), (struct slice){ 0 }, &arena, v, &err), FATE_DONE);
	assert_int_equal(v[1].state, VALUE_UNSET);
	assert_int_equal(
	    row_read(plan, SLICE("[1]"), (struct slice){ 0 }, &arena, v, &err), FATE_REJECT);
	assert_int_equal(
	    row_read(plan, (struct slice){ 0 }, (struct slice){ 0 }, &arena, v, &err),
	    FATE_REJECT);
	assert_int_equal(
	    row_read(plan, SLICE("{\"a\":\"?\"}"), (struct slice){ 0 }, &arena, v, &err),
	    FATE_REJECT);
	assert_non_null(strstr(err.what, "column a: "));
	row_plan_free(plan);
}

/* The envelope's schema says what stands in before and after; it may change from
 * message to message, and it may go away. */
static void
test_schema_of_an_envelope(void **state)
{
	static const char head[] =
	    "{\"type\":\"struct\",\"fields\":[{\"type\":\"struct\","
	    "\"fields\":[{\"type\":\"bytes\",\"name\":\"" KAFKA
	    "Decimal\",\"parameters\":{\"scale\":\"%d\"},\"field\":\"n\"}],"
	    "\"field\":\"%s\"},{\"type\":\"string\",\"field\":\"op\"}]}";
	const struct row_column column = { "n", { .kind = TYPE_NUMERIC, .typmod = -1 } };
	struct row_plan *plan = row_plan_new(&column, 1);
	struct buf out = { 0 };
	struct value v;
	struct err err;
	char schema[400];

	(void)state;
	for (int scale = 0; scale < 3; scale++) {
		static const char *const want[] = { "110", "11.0", "1.10" };
		snprintf(schema, sizeof(schema), head, scale, scale == 1 ? "before" : "after");
		for (int again = 0; again < 2; again++) {
			out.len = 0;
			assert_int_equal(row_read(plan, SLICE("{\"n\":\"bg==\"}"),
					     slice_str(schema), &arena, &v, &err),
			    FATE_DONE);
			value_to_text(&out, column.type, &v);
			assert_string_equal(buf_str(&out), want[scale]);
		}
	}
	assert_int_equal(
	    row_read(plan, SLICE("{\"n\":\"bg==\"}"), (struct slice){ 0 }, &arena, &v, &err),
	    FATE_REJECT);
	buf_finish(&out);
	row_plan_free(plan);
}

static enum value_state
bytea_state(struct row_plan *plan, const char *object, struct value *ret_value)
{
	struct err err;

	assert_int_equal(
	    row_read(plan, slice_str(object), (struct slice){ 0 }, &arena, ret_value, &err),
	    FATE_DONE);
	return ret_value->state;
}

static void
test_options(void **state)
{
	const struct row_column column = { "v", { .kind = TYPE_BYTEA, .typmod = -1 } };
	struct row_plan *plan = row_plan_new(&column, 1);
	struct row_options options = { .binary = BINARY_HEX, .placeholder = SLICE("nix") };
	struct value v;
	struct err err;

	(void)state;
	assert_int_equal(row_plan_set(plan, &options, &err), FATE_DONE);
	assert_int_equal(bytea_state(plan, "{\"v\":\"deadbeef\"}", &v), VALUE_SET);
	assert_true(slice_eq(v.s, SLICE("\xde\xad\xbe\xef")));
	assert_int_equal(bytea_state(plan, "{\"v\":\"nix\"}", &v), VALUE_UNSET);
	assert_int_equal(bytea_state(plan, "{\"v\":\"bml4\"}", &v), VALUE_UNSET);
	options = (struct row_options){ .placeholder = SLICE("hex:6e6978") };
	assert_int_equal(row_plan_set(plan, &options, &err), FATE_DONE);
	assert_int_equal(bytea_state(plan, "{\"v\":\"bml4\"}", &v), VALUE_UNSET);
	assert_int_equal(bytea_state(plan, "{\"v\":\"" WORD64 "\"}", &v), VALUE_SET);
	options.placeholder = SLICE("hex:6e6");
	assert_int_equal(row_plan_set(plan, &options, &err), FATE_HALT);
	row_plan_free(plan);
}

/* Debezium's own word through placeholder_init gives the forms that are built in. */
static void
test_placeholder_forms(void **state)
{
	const struct row_column column = { "v",
		{ .kind = TYPE_ARRAY, .elem = TYPE_UUID, .typmod = -1 } };
	struct row_plan *plan = row_plan_new(&column, 1);
	struct row_options options = { .placeholder = SLICE(WORD) };
	struct value v;
	struct err err;

	(void)state;
	assert_int_equal(row_plan_set(plan, &options, &err), FATE_DONE);
	assert_int_equal(
	    bytea_state(plan, "{\"v\":[\"b68a35a7-17ad-35b3-af2a-ae46edb4545a\"]}", &v),
	    VALUE_UNSET);
	assert_int_equal(bytea_state(plan, "{\"v\":[\"" WORD64 "\"]}", &v), VALUE_UNSET);
	assert_int_equal(
	    bytea_state(plan, "{\"v\":[\"b68a35a7-17ad-35b3-af2a-ae46edb4545b\"]}", &v),
	    VALUE_SET);
	row_plan_free(plan);
}

static void
test_full_arena_is_not_the_rows_fault(void **state)
{
	const struct row_column column = { "v", { .kind = TYPE_BYTEA, .typmod = -1 } };
	struct row_plan *plan = row_plan_new(&column, 1);
	struct arena small;
	struct value v;
	struct err err;

	(void)state;
	arena_init(&small, 4096);
	(void)arena_alloc(&small, 4096);
	assert_int_equal(
	    row_read(plan, SLICE("{\"v\":\"AQID\"}"), (struct slice){ 0 }, &small, &v, &err),
	    FATE_RETRY);
	assert_string_equal(err.code, "53200");
	arena_finish(&small);
	row_plan_free(plan);
}

static void
test_base64(void **state)
{
	static const char *const bad[] = { "A", "AAAAA", "A===", "AA=A",
		"A B=", "AB==", "AAB=", "====", "=", "\xc3\xa9xx" };
	unsigned char out[32];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (base64_decode(slice_str(bad[i]), out, &len))
			fail_msg("took %s", bad[i]);
	assert_true(base64_decode(SLICE("Zm9vYmE="), out, &len));
	assert_true(slice_eq(slice_of((char *)out, len), SLICE("fooba")));
	assert_true(base64_decode(SLICE("Zm9vYmE"), out, &len));
	assert_int_equal(len, 5);
	assert_true(base64_decode(SLICE("+/-_"), out, &len));
	assert_memory_equal(out, "\xfb\xff\xbf", 3);
	assert_true(base64_decode(SLICE(""), out, &len));
	assert_int_equal(len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types_and_modes),
		cmocka_unit_test(test_by_oid),
		cmocka_unit_test(test_arrays_are_carried),
		cmocka_unit_test(test_order_of_members),
		cmocka_unit_test(test_missing_fields),
		cmocka_unit_test(test_schema_of_an_envelope),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_placeholder_forms),
		cmocka_unit_test(test_full_arena_is_not_the_rows_fault),
		cmocka_unit_test(test_base64),
	};
	int failed;

	arena_init(&arena, 1 << 20);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_finish(&arena);
	return failed;
}
