/* SPDX-License-Identifier: Apache-2.0 */
/* sluicectl try and decode: select lists without a table, types and rows from files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/decode.h"
#include "ctl/try.h"
#include "work/catalog.h"

static void
select_lists_are_evaluated(void **state)
{
	static const struct {
		const char *sql, *row;
	} cases[] = {
		{ "SELECT 1 AS a, 'é' || 2 AS b, NULL AS c",
		    "{\"a\":1,\"b\":\"é2\",\"c\":null}" },
		{ "SELECT (153200 / 10.0 / 1260)::numeric(18,2) AS pct", "{\"pct\":12.16}" },
		{ "SELECT '2025-01-31'::date + interval '1 month' AS d",
		    "{\"d\":\"2025-02-28 00:00:00\"}" },
		{ "SELECT '2025-01-31T00:00Z'::timestamptz AS t",
		    "{\"t\":\"2025-01-31T00:00:00.000000Z\"}" },
		{ "SELECT 1 AS a WHERE 1 > 2", "{}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf out = { 0 };
		struct err err = { 0 };

		if (try_select(cases[i].sql, &out, &err))
			fail_msg("%s: %s", cases[i].sql, err.what);
		assert_string_equal(buf_str(&out), cases[i].row);
		buf_finish(&out);
	}
}

static void
select_lists_fail_as_in_postgres(void **state)
{
	struct buf out = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(try_select("SELECT 1 / (2 - 2) AS a", &out, &err), FATE_REJECT);
	assert_string_equal(err.code, "22012");
	assert_string_equal(err.what, "division by zero");
	assert_int_equal(try_select("SELECT now()", &out, &err), FATE_HALT);
	assert_non_null(strstr(err.what, "1:8: "));
	assert_int_equal(try_select("SELECT a FROM t", &out, &err), FATE_HALT);
	assert_int_equal(out.len, 0);
	buf_finish(&out);
}

static void
words_are_types(void **state)
{
	static const struct {
		const char *words;
		enum type_kind kind;
		int32_t typmod;
	} good[] = {
		{ "bigint", TYPE_INT8, -1 },
		{ "INT4", TYPE_INT4, -1 },
		{ "numeric(10,2)", TYPE_NUMERIC, (10 << 16 | 2) + 4 },
		{ "numeric(5)", TYPE_NUMERIC, (5 << 16) + 4 },
		{ "character varying(50)", TYPE_VARCHAR, 54 },
		{ "timestamp(3) with time zone", TYPE_TIMESTAMPTZ, 3 },
		{ "double precision", TYPE_FLOAT8, -1 },
		{ "text[]", TYPE_ARRAY, -1 },
	};
	static const char *const bad[] = { "", "[]", "money", "numeric(", "numeric(a)",
		"numeric(1,2,3)", "numeric(-1)", "text[][]", "int 4" };
	struct pgtype type;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		if (!type_of_words(slice_str(good[i].words), &type))
			fail_msg("%s", good[i].words);
		assert_int_equal(type.kind, good[i].kind);
		assert_int_equal(type.typmod, good[i].typmod);
	}
	assert_int_equal(type.elem, TYPE_TEXT);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (type_of_words(slice_str(bad[i]), &type))
			fail_msg("taken: %s", bad[i]);
}

/* A file with this text; the name is in a static buffer. */
static const char *
file_of(const char *text)
{
	static char path[] = "/tmp/sluice-try-XXXXXX";
	FILE *file;
	int fd;

	memcpy(path + sizeof path - 7, "XXXXXX", 6);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	file = fdopen(fd, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	return path;
}

static void
types_files_are_read_or_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "{\"a\":\"money\"}", "column a: type \"money\" is not known here" },
		{ "{\"a\":5}", "column a: a type's name is wanted" },
		{ "[]", "an object of column: type is wanted" },
		{ "{\"a\":", "not JSON" },
	};
	const char *path = file_of("{\"id\":\"bigint\", \"price\" : \"numeric(10,2)\"}");
	struct types types;
	struct err err;

	(void)state;
	assert_int_equal(types_read(path, &types, &err), FATE_DONE);
	assert_int_equal(types.count, 2);
	assert_string_equal(types.columns[1].name, "price");
	assert_int_equal(types.columns[1].type.typmod, (10 << 16 | 2) + 4);
	types_finish(&types);
	(void)unlink(path);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		path = file_of(bad[i][0]);
		assert_int_equal(types_read(path, &types, &err), FATE_HALT);
		if (!strstr(err.what, bad[i][1]))
			fail_msg("%s: %s", bad[i][0], err.what);
		(void)unlink(path);
	}
	assert_int_equal(types_read("/nonexistent", &types, &err), FATE_HALT);
}

/* What decode says of one line, with these types. */
static void
decoded(const char *types_text, const char *line, const char *want)
{
	const char *path = file_of(types_text);
	char *text = NULL;
	size_t len;
	FILE *in = fmemopen((void *)(uintptr_t)line, strlen(line), "r"),
	     *out = open_memstream(&text, &len);
	struct types types;
	struct lines lines;
	struct err err;

	assert_non_null(in);
	assert_non_null(out);
	assert_int_equal(types_read(path, &types, &err), FATE_DONE);
	(void)unlink(path);
	lines_init(&lines, in, true);
	assert_int_equal(
	    decode_run(&(struct decode_options){ .types = &types }, &lines, out, &err),
	    FATE_DONE);
	(void)fclose(out);
	(void)fclose(in);
	assert_string_equal(text, want);
	free(text);
	lines_finish(&lines);
	types_finish(&types);
}

static void
decode_takes_types_and_keys(void **state)
{
	(void)state;
	decoded("{\"id\":\"bigint\",\"at\":\"timestamp\",\"gone\":\"text\",\"tags\":\"int[]\"}",
	    "{\"id\":7}\t{\"op\":\"c\",\"after\":{\"id\":7,\"at\":1753091412345678,\"tags\":[1]"
	    "},"
	    "\"source\":{\"lsn\":5,\"ts_ms\":6}}\n\nno json\n",
	    "{\"op\":\"c\",\"key\":{\"id\":7},\"before\":null,\"after\":{\"id\":7,"
	    "\"at\":\"2025-07-21 "
	    "09:50:12.345678\",\"tags\":[1]},\"unset\":[\"gone\"],\"lsn\":5,"
	    "\"ts_ms\":6}\n{\"op\":null,\"kind\":\"tombstone\"}\n"
	    "{\"error\":{\"stage\":\"decode\",\"class\":\"reject\",\"message\":\"not JSON at "
	    "byte "
	    "0: not a JSON value\"}}\n");
}

static void
rows_files_are_refused_with_the_place(void **state)
{
	static const char *const bad[][2] = {
		{ "{}", "no list of rows for public.content" },
		{ "{\"public.content\":5}", "public.content: a list of rows is wanted" },
		{ "{\"public.content\":[5]}", "public.content: row 1: a row is an object" },
		{ "{\"public.content\":[{\"id\":\"x\"}]}", "row 1: " },
		{ "{\"public.content\":[{\"id\":\"0b0e6a5e-0000-4000-8000-000000000001\"}]}",
		    "row 1: a row lacks column content_type, which the query uses" },
	};
	struct sql_catalog *catalog = NULL;
	struct pipeline *pipeline = NULL;
	struct enrich_plan *plan = NULL;
	struct sql_query *query = NULL;
	struct try *try;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(
	    catalog_read("tests/golden/try/catalog.json", &catalog, &err), FATE_DONE);
	assert_int_equal(
	    pipeline_read("pipelines/engagement.yaml", &pipeline, &err), FATE_DONE);
	assert_int_equal(query_compile(catalog, pipeline, &query, &err), FATE_DONE);
	assert_int_equal(enrich_plan_of(query, pipeline, &plan, &err), FATE_DONE);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const char *path = file_of(bad[i][0]);

		assert_int_equal(try_open(plan, NULL, path, &try, &err), FATE_HALT);
		if (!strstr(err.what, bad[i][1]))
			fail_msg("%s: %s", bad[i][0], err.what);
		(void)unlink(path);
	}
	enrich_plan_free(plan);
	pipeline_free(pipeline);
	sql_catalog_free(catalog);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(select_lists_are_evaluated),
		cmocka_unit_test(select_lists_fail_as_in_postgres),
		cmocka_unit_test(words_are_types),
		cmocka_unit_test(types_files_are_read_or_refused),
		cmocka_unit_test(decode_takes_types_and_keys),
		cmocka_unit_test(rows_files_are_refused_with_the_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
