/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "router/answer.h"
#include "router/request.h"

static struct router_request request;
static struct err err;

static enum fate
parse(const char *text)
{
	struct buf body = { 0 };

	router_request_finish(&request);
	buf_cstr(&body, text);
	return router_request_read(body, &request, &err);
}

static void
a_request_is_read_in_place(void **state)
{
	(void)state;
	assert_int_equal(
	    parse("{\"sql\": \"SELECT \\\"a\\\" \\u00fc \\ud83d\\ude00\\n\","
		  "\"params\": [1.50, \"x\\ty\", null, true, [1, 2]],"
		  "\"engine\":\"redis\",\"max_staleness\":\"250ms\",\"row_limit\":5,"
		  "\"wait_timeout\":2,\"on_timeout\":\"cancel\",\"format\":\"csv\"}"),
	    FATE_DONE);
	assert_string_equal(request.sql.p, "SELECT \"a\" \u00fc \U0001f600\n");
	assert_int_equal(request.sql.len, strlen(request.sql.p));
	assert_int_equal(request.param_count, 5);
	assert_true(slice_eq(request.params[0], SLICE("1.50")));
	assert_true(slice_eq(request.params[1], SLICE("x\ty")));
	assert_null(request.params[2].p);
	assert_true(slice_eq(request.params[3], SLICE("true")));
	assert_true(slice_eq(request.params[4], SLICE("[1, 2]")));
	assert_string_equal(request.engine, "redis");
	assert_int_equal(request.max_staleness_ms, 250);
	assert_int_equal(request.wait_ms, 2000);
	assert_int_equal(request.row_limit, 5);
	assert_false(request.go_on);
	assert_int_equal(request.format, FORMAT_CSV);
	router_request_finish(&request);
}

static void
what_is_not_said_has_a_default(void **state)
{
	(void)state;
	assert_int_equal(parse("{\"sql\":\"SELECT 1\",\"engine\":null}"), FATE_DONE);
	assert_null(request.engine);
	assert_null(request.read_token.p);
	assert_int_equal(request.max_staleness_ms, ANY_STALENESS);
	assert_int_equal(request.wait_ms, -1);
	assert_true(request.go_on && request.format == FORMAT_JSON);
	assert_int_equal(request.row_limit + request.byte_limit + request.timeout_ms, 0);
	router_request_finish(&request);
}

static void
a_request_is_refused_with_a_sentence(void **state)
{
	static const char *const bad[] = { "", "null", "{}", "{\"sql\":null}", "{\"sql\":[]}",
		"{\"sql\":\"a\",\"sql\":\"b\"}", "{\"sql\":\"a\",\"more\":1}",
		"{\"sql\":\"a\\u0000\"}", "{\"sql\":\"a\",\"params\":{}}",
		"{\"sql\":\"a\",\"row_limit\":-1}", "{\"sql\":\"a\",\"row_limit\":1.5}",
		"{\"sql\":\"a\",\"format\":\"members\"}", "{\"sql\":\"a\",\"timeout\":[]}",
		"{\"sql\":\"a\",\"max_staleness\":\"x\"}",
		"{\"sql\":\"a\",\"wait_timeout\":\"1000000000000h\"}",
		"{\"sql\":\"a\",\"timeout\":\"1000000000000m\"}", "{\"sql\":\"a\"} {}" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		err.what[0] = '\0';
		assert_int_equal(parse(bad[i]), FATE_REJECT);
		assert_true(err.what[0] != '\0');
	}
	router_request_finish(&request);
}

static const struct plan_column columns[] = {
	{ "n", { .kind = TYPE_NUMERIC, .oid = 1700, .typmod = -1 } },
	{ "a \"b\"", { .kind = TYPE_TEXT, .oid = 25, .typmod = -1 } },
	{ "j", { .kind = TYPE_JSONB, .oid = 3802, .typmod = -1 } },
	{ "o", { .kind = TYPE_BOOL, .oid = 16, .typmod = -1 } },
};

/* Two rows in a format, behind each other. */
static struct buf
rows(enum answer_format format)
{
	struct answer answer = { .format = format };
	struct buf out = { 0 }, head = { 0 };
	size_t column;
	const struct slice first[] = { SLICE("-0.50"), SLICE("x,\"y\"\n"),
		SLICE("{\"k\": [1]}"), SLICE("t") };
	const struct slice second[] = { SLICE("NaN"), SLICE(""), { 0 }, SLICE("f") };

	answer_columns(&answer, columns, 4, &head);
	assert_string_equal(buf_str(&head),
	    "\"columns\":[{\"name\":\"n\",\"type\":\"numeric\"},"
	    "{\"name\":\"a \\\"b\\\"\",\"type\":\"text\"},{\"name\":\"j\",\"type\":\"jsonb\"},"
	    "{\"name\":\"o\",\"type\":\"boolean\"}]");
	assert_true(answer_row(&answer, first, &out, &column));
	assert_true(answer_row(&answer, second, &out, &column));
	assert_int_equal(answer.rows, 2);
	answer_finish(&answer);
	buf_finish(&head);
	return out;
}

static void
rows_are_written_as_the_format_has_them(void **state)
{
	struct buf out = rows(FORMAT_JSON);

	(void)state;
	assert_string_equal(buf_str(&out),
	    "[-0.50,\"x,\\\"y\\\"\\n\",{\"k\": [1]},true],[\"NaN\",\"\",null,false]");
	buf_finish(&out);
	out = rows(FORMAT_NDJSON);
	assert_string_equal(buf_str(&out),
	    "[-0.50,\"x,\\\"y\\\"\\n\",{\"k\": [1]},true]\n[\"NaN\",\"\",null,false]\n");
	buf_finish(&out);
	out = rows(FORMAT_CSV);
	assert_string_equal(
	    buf_str(&out), "-0.50,\"x,\"\"y\"\"\n\",\"{\"\"k\"\": [1]}\",t\nNaN,\"\",,f\n");
	buf_finish(&out);
	answer_csv_names(columns, 4, &out);
	assert_string_equal(buf_str(&out), "n,\"a \"\"b\"\"\",j,o\n");
	buf_finish(&out);
}

/* Nothing of such a row is in the answer. */
static void
a_value_that_is_no_utf8_is_refused(void **state)
{
	static const enum answer_format formats[] = { FORMAT_JSON, FORMAT_NDJSON, FORMAT_CSV };
	const struct slice bad[] = { SLICE("a\xff"), SLICE("caf\xc3"), SLICE("0123456789\x80"),
		SLICE("\xed\xa0\x80") };
	const struct slice good[] = { SLICE("1"), SLICE("01234567 caf\xc3\xa9"), { 0 },
		SLICE("t") };

	(void)state;
	for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
		struct answer answer = { .format = formats[f] };
		struct buf out = { 0 };
		size_t before, column = 9;

		answer_columns(&answer, columns, 4, &out);
		assert_true(answer_row(&answer, good, &out, &column));
		before = out.len;
		for (size_t i = 0; i < 2 * sizeof bad / sizeof *bad; i++) {
			struct slice row[] = { good[0], good[1], good[2], good[3] };

			row[1 + i % 2] = bad[i / 2];
			assert_false(answer_row(&answer, row, &out, &column));
			assert_int_equal(column, 1 + i % 2);
			assert_int_equal(out.len, before);
			assert_int_equal(answer.rows, 1);
		}
		answer_finish(&answer);
		buf_finish(&out);
	}
}

static void
json_that_is_none_becomes_a_text(void **state)
{
	struct answer answer = { .format = FORMAT_NDJSON };
	struct plan_column column = { "j", { .kind = TYPE_JSON, .oid = 114, .typmod = -1 } };
	struct buf out = { 0 }, head = { 0 };
	struct slice values[] = { SLICE("{\n \"a\":\t1}"), SLICE("{broken"), SLICE("") };
	size_t bad;

	(void)state;
	answer_columns(&answer, &column, 1, &head);
	for (size_t i = 0; i < 3; i++)
		assert_true(answer_row(&answer, &values[i], &out, &bad));
	assert_string_equal(buf_str(&out), "[{  \"a\": 1}]\n[\"{broken\"]\n[\"\"]\n");
	answer_finish(&answer);
	buf_finish(&out);
	buf_finish(&head);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_read_in_place),
		cmocka_unit_test(what_is_not_said_has_a_default),
		cmocka_unit_test(a_request_is_refused_with_a_sentence),
		cmocka_unit_test(rows_are_written_as_the_format_has_them),
		cmocka_unit_test(json_that_is_none_becomes_a_text),
		cmocka_unit_test(a_value_that_is_no_utf8_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
