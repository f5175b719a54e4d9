/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../stack/clickhouse/lexer.h"

static const struct read_case {
	const char *text;
	enum statement_kind kind;
	const char *format;
	bool writes, many;
} reads[] = {
	{ "", STATEMENT_EMPTY, "", false, false },
	{ " \n -- nothing\n/* nor here */ # or here", STATEMENT_EMPTY, "", false, false },
	{ ";", STATEMENT_EMPTY, "", false, false },
	{ "SELECT 1", STATEMENT_SELECT, "", false, false },
	{ "select 1 format JSONEachRow", STATEMENT_SELECT, "JSONEachRow", false, false },
	{ "SELECT 1 FORMAT TSV;", STATEMENT_SELECT, "TSV", false, false },
	{ "SELECT 1 FORMAT Native SETTINGS max_threads = 1", STATEMENT_SELECT, "Native", false,
	    false },
	{ "SELECT 1 SETTINGS max_threads=1 FORMAT CSV", STATEMENT_SELECT, "CSV", false, false },
	{ "/* FORMAT a */ SELECT 'FORMAT b' -- FORMAT c", STATEMENT_SELECT, "", false, false },
	{ "SELECT 'it''s \\' FORMAT CSV'", STATEMENT_SELECT, "", false, false },
	{ "SELECT $$ FORMAT CSV $$", STATEMENT_SELECT, "", false, false },
	{ "SELECT $a$ $b$ FORMAT CSV $a$ FORMAT TSV", STATEMENT_SELECT, "TSV", false, false },
	{ "SELECT `FORMAT` FROM t", STATEMENT_SELECT, "", false, false },
	{ "SELECT format AS f FROM t", STATEMENT_SELECT, "", false, false },
	{ "SELECT format('{}', x) FROM t FORMAT XML", STATEMENT_SELECT, "XML", false, false },
	{ "SELECT * FROM (SELECT 1 FORMAT Null) FORMAT CSV", STATEMENT_SELECT, "CSV", false,
	    false },
	{ "SELECT 1 FORMAT", STATEMENT_SELECT, "", false, false },
	{ "((SELECT 1)) FORMAT CSV", STATEMENT_SELECT, "CSV", false, false },
	{ "SELECT 1; SELECT 2", STATEMENT_SELECT, "", false, true },
	{ "SELECT 1; -- the end\n", STATEMENT_SELECT, "", false, false },
	{ "SELECT ';' , 2", STATEMENT_SELECT, "", false, false },
	{ "WITH 1 AS x SELECT x FORMAT CSV", STATEMENT_SELECT, "CSV", false, false },
	{ "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", STATEMENT_INSERT_SELECT, "",
	    true, false },
	{ "SELECT insert FROM t", STATEMENT_SELECT, "", false, false },
	{ "SHOW TABLES FORMAT TSV", STATEMENT_OTHER, "TSV", false, false },
	{ "DESCRIBE TABLE x FORMAT JSONEachRow", STATEMENT_OTHER, "JSONEachRow", false, false },
	{ "CREATE TABLE t (format String) ENGINE = Memory", STATEMENT_OTHER, "", true, false },
	{ "TRUNCATE TABLE t SYNC", STATEMENT_OTHER, "", true, false },
	{ "drop table t sync", STATEMENT_DROP, "", true, false },
	{ "KILL QUERY WHERE query_id = 'a' SYNC", STATEMENT_KILL, "", true, false },
	{ "INSERT INTO t SELECT 1", STATEMENT_INSERT_SELECT, "", true, false },
	{ "INSERT INTO t (a) (SELECT 1)", STATEMENT_INSERT_SELECT, "", true, false },
	{ "INSERT INTO t FROM INFILE 'x' FORMAT CSV", STATEMENT_INSERT_SELECT, "", true,
	    false },
	{ "'", STATEMENT_OTHER, "", true, false },
	{ "SELECT 'x\\", STATEMENT_SELECT, "", false, false },
	{ "SELECT $tag", STATEMENT_SELECT, "", false, false },
	{ "/* never closed", STATEMENT_EMPTY, "", false, false },
	{ "-", STATEMENT_OTHER, "", true, false },
};

static void
kind_format_and_rights_are_read(void **state)
{
	struct statement st;

	(void)state;
	for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
		print_message("  %s\n", reads[i].text);
		statement_read(slice_str(reads[i].text), &st);
		assert_int_equal(st.kind, reads[i].kind);
		assert_string_equal(st.format, reads[i].format);
		assert_int_equal(st.writes, reads[i].writes);
		assert_int_equal(st.many, reads[i].many);
	}
}

static void
ways_out_of_the_folder_are_seen(void **state)
{
	struct statement st;

	(void)state;
	statement_read(SLICE("SELECT * FROM (SELECT * FROM file ('x', CSV))"), &st);
	assert_true(st.outside);
	statement_read(SLICE("WITH x AS (SELECT * FROM URL('http://h')) SELECT 1"), &st);
	assert_true(st.outside);
	statement_read(SLICE("SELECT file, url FROM t WHERE s = 'file(' -- url("), &st);
	assert_false(st.outside);
	statement_read(SLICE("SELECT 1 INTO OUTFILE '/x' FORMAT CSV"), &st);
	assert_true(st.outfile);
	statement_read(SLICE("SELECT 'INTO OUTFILE'"), &st);
	assert_false(st.outfile);
}

static const struct insert_case {
	const char *text;
	const char *head, *settings, *format;
	const char *data; /* NULL: none */
} inserts[] = {
	{ "INSERT INTO t FORMAT Native", "INSERT INTO t ", "", "Native", NULL },
	{ "INSERT INTO t (a, `b c`) FORMAT JSONEachRow {\"a\":1}", "INSERT INTO t (a, `b c`) ",
	    "", "JSONEachRow", "{\"a\":1}" },
	{ "INSERT INTO t FORMAT CSV\n\n1,2\n", "INSERT INTO t ", "", "CSV", "\n1,2\n" },
	{ "INSERT INTO t FORMAT CSV ;\r\n1,2\n", "INSERT INTO t ", "", "CSV", "1,2\n" },
	{ "INSERT INTO t FORMAT TSV\n\t1", "INSERT INTO t ", "", "TSV", "\t1" },
	{ "INSERT INTO t SETTINGS async_insert=0 FORMAT TSV", "INSERT INTO t ",
	    "SETTINGS async_insert=0 ", "TSV", NULL },
	{ "INSERT INTO t SETTINGS a='FORMAT x' VALUES (1)", "INSERT INTO t ",
	    "SETTINGS a='FORMAT x' ", "Values", " (1)" },
	{ "INSERT INTO t VALUES (1, 'FORMAT'), (2, ')')", "INSERT INTO t ", "", "Values",
	    " (1, 'FORMAT'), (2, ')')" },
	{ "INSERT INTO values VALUES (1)", "INSERT INTO values ", "", "Values", " (1)" },
	{ "INSERT INTO TABLE format FORMAT CSV", "INSERT INTO TABLE format ", "", "CSV", NULL },
	{ "INSERT INTO t (a, b)", "INSERT INTO t (a, b)", "", "", NULL },
	{ "/* x */ insert into d.t -- y\n format RowBinary", "/* x */ insert into d.t -- y\n ",
	    "", "RowBinary", NULL },
	{ "INSERT INTO FUNCTION file('x', CSV) FORMAT CSV",
	    "INSERT INTO FUNCTION file('x', CSV) ", "", "CSV", NULL },
};

static void
assert_slice(const char *text, size_t at, size_t len, const char *want)
{
	assert_int_equal(len, strlen(want));
	assert_memory_equal(text + at, want, len);
}

static void
an_insert_is_cut_where_its_data_begins(void **state)
{
	struct statement st;

	(void)state;
	for (size_t i = 0; i < sizeof inserts / sizeof *inserts; i++) {
		const struct insert_case *want = &inserts[i];
		size_t len = strlen(want->text);

		print_message("  %s\n", want->text);
		statement_read(slice_str(want->text), &st);
		assert_int_equal(st.kind, STATEMENT_INSERT_DATA);
		assert_true(st.writes);
		assert_string_equal(st.format, want->format);
		assert_slice(want->text, 0, st.head_len, want->head);
		assert_slice(want->text, st.head_len, st.settings_len, want->settings);
		assert_slice(
		    want->text, st.data_at, len - st.data_at, want->data ? want->data : "");
	}
}

static void
assert_tamed(const char *text, enum statement_kind kind, const char *want)
{
	struct buf out = { 0 };

	statement_tame(slice_str(text), kind, &out);
	assert_string_equal(buf_str(&out), want);
	buf_finish(&out);
}

static void
sync_goes_away_and_query_id_is_translated(void **state)
{
	(void)state;
	assert_tamed("KILL QUERY WHERE query_id='SYNC' SYNC", STATEMENT_KILL,
	    "KILL QUERY WHERE Settings['log_comment']='SYNC' ASYNC");
	assert_tamed("DROP TABLE t SYNC", STATEMENT_DROP, "DROP TABLE t ");
	assert_tamed("DROP TABLE `SYNC`", STATEMENT_DROP, "DROP TABLE `SYNC`");
}

/* Every cut of every text: the sanitizers see what the assertions cannot. */
static void
a_cut_text_is_read_without_harm(void **state)
{
	struct statement st;

	(void)state;
	for (size_t i = 0; i < sizeof inserts / sizeof *inserts; i++) {
		for (size_t len = 0; len <= strlen(inserts[i].text); len++) {
			char *copy = malloc(len ? len : 1);

			assert_non_null(copy);
			memcpy(copy, inserts[i].text, len);
			statement_read(slice_of(copy, len), &st);
			assert_true(st.data_at <= len);
			assert_true(st.head_len + st.settings_len <= len);
			free(copy);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kind_format_and_rights_are_read),
		cmocka_unit_test(ways_out_of_the_folder_are_seen),
		cmocka_unit_test(an_insert_is_cut_where_its_data_begins),
		cmocka_unit_test(sync_goes_away_and_query_id_is_translated),
		cmocka_unit_test(a_cut_text_is_read_without_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
