/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused, with its place and sentence; depth and length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sql_fixture.h"

#define FROM " FROM engagement_events e"

static const struct {
	const char *sql;
	const char *place; /* "line:column: " */
	const char *words; /* part of the sentence */
} refused[] = {
	{ "SELECT count(*)" FROM, "1:8: ", "aggregates" },
	{ "SELECT max(id)" FROM, "1:8: ", "aggregates" },
	{ "SELECT sum(id) OVER ()" FROM, "1:8: ", "window" },
	{ "SELECT id, now()" FROM, "1:12: ", "depends on when" },
	{ "SELECT random()" FROM, "1:8: ", "another answer" },
	{ "SELECT CURRENT_DATE" FROM, "1:8: ", "depends on when" },
	{ "SELECT (SELECT 1)" FROM, "1:8: ", "subquery" },
	{ "SELECT id" FROM " WHERE EXISTS (SELECT 1)", "1:42: ", "subquery" },
	{ "SELECT id" FROM " UNION SELECT 1", "1:49: ", "UNION" },
	{ "SELECT DISTINCT id" FROM, "1:1: ", "DISTINCT" },
	{ "SELECT id" FROM " ORDER BY id", "1:45: ", "ORDER BY" },
	{ "SELECT id" FROM " LIMIT 5", "1:42: ", "LIMIT" },
	{ "SELECT id" FROM " OFFSET 5", "1:43: ", "OFFSET" },
	{ "SELECT id" FROM " GROUP BY id", "1:45: ", "GROUP BY" },
	{ "SELECT id" FROM " FOR UPDATE", "1:", "FOR UPDATE" },
	{ "WITH x AS (SELECT 1) SELECT id" FROM, "1:", "WITH" },
	{ "VALUES (1)", "1:", "VALUES" },
	{ "SELECT id" FROM ", content c WHERE c.id = e.content_id", "1:37: ", "JOIN" },
	{ "SELECT e.id" FROM " CROSS JOIN content c", "1:", "without a condition" },
	{ "SELECT e.id" FROM " NATURAL JOIN content c", "1:", "NATURAL" },
	{ "SELECT e.id" FROM " RIGHT JOIN content c ON c.id = e.content_id",
	    "1:", "LEFT or INNER" },
	{ "SELECT e.id" FROM " FULL JOIN content c ON c.id = e.content_id",
	    "1:", "LEFT or INNER" },
	{ "SELECT e.id" FROM " JOIN content c ON c.id > e.content_id", "1:", "equality" },
	{ "SELECT e.id" FROM " JOIN content c ON c.title = e.device", "1:", "unique key" },
	{ "SELECT e.id" FROM " JOIN content c ON c.id = e.content_id OR true",
	    "1:", "equality" },
	{ "SELECT e.id" FROM " JOIN content c ON c.id = c.id", "1:", "equality" },
	{ "SELECT e.id" FROM " JOIN (SELECT 1) c ON true", "1:", "subquery" },
	{ "SELECT e.id" FROM " JOIN content c ON c.id = e.id",
	    "1:", "operator does not exist" },
	{ "SELECT nope" FROM, "1:8: ", "column \"nope\" does not exist" },
	{ "SELECT e.nope" FROM, "1:8: ", "column e.nope does not exist" },
	{ "SELECT x.id" FROM, "1:8: ", "missing FROM-clause entry" },
	{ "SELECT engagement_events.id" FROM, "1:8: ", "missing FROM-clause entry" },
	{ "SELECT id" FROM " JOIN content c ON c.id = content_id", "1:8: ", "ambiguous" },
	{ "SELECT id FROM nope", "1:16: ", "relation \"nope\" does not exist" },
	{ "SELECT id, id" FROM, "1:12: ", "two result columns" },
	{ "SELECT id + 'x'" FROM, "1:13: ", "invalid input syntax for type bigint" },
	{ "SELECT id + device" FROM, "1:11: ", "operator does not exist: bigint + text" },
	{ "SELECT id\n  FROM engagement_events\n WHERE device", "3:8: ", "type boolean" },
	{ "SELECT 'é', nope" FROM, "1:13: ", "does not exist" },
	{ "SELECT power(id, 2)" FROM, "1:8: ", "power" },
	{ "SELECT device ~ 'a'" FROM, "1:15: ", "regular expressions" },
	{ "SELECT raw_payload < raw_payload" FROM, "1:20: ", "ordering jsonb" },
	{ "SELECT device::interval" FROM, "1:8: ", "a cast of text to interval" },
	{ "SELECT device::timetz" FROM, "1:16: ", "timetz" },
	{ "SELECT device::int[]" FROM, "1:16: ", "not in the subset" },
	{ "SELECT ARRAY[1]" FROM, "1:8: ", "arrays" },
	{ "SELECT lower(device)" FROM, "1:8: ", "COLLATE \"C\"" },
	{ "SELECT device COLLATE \"de_DE\"" FROM, "1:15: ", "only the collation \"C\"" },
	{ "SELECT CASE WHEN id = 1 THEN 'a' ELSE 2 END" FROM,
	    "1:30: ", "invalid input syntax" },
	{ "SELECT CASE WHEN id = 1 THEN true ELSE 2 END" FROM, "1:30: ", "cannot be matched" },
	{ "SELECT id::numeric(5,-2)" FROM, "1:12: ", "modifier" },
	{ "SELECT id FROM engagement_events; SELECT 1", "1:1: ", "one SELECT" },
	{ "DELETE FROM engagement_events", "1:1: ", "one SELECT" },
	{ "SELECT", "1:", "without columns" },
	{ "SELECT *", "1:8: ", "no tables" },
	{ "SELECT id FRM x y", "1:15: ", "syntax error" },
	{ "", "1:1: ", "empty" },
};

static void
test_refused(void **state)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct sql_query *query = NULL;
		struct err err = { 0 };

		if (!sql_query_compile(*state, slice_str(refused[i].sql), &query, &err))
			fail_msg("accepted: %s", refused[i].sql);
		assert_int_equal(err.fate, FATE_HALT);
		if (strncmp(err.what, refused[i].place, strlen(refused[i].place)) != 0 ||
		    !strstr(err.what, refused[i].words))
			fail_msg("%s\n  says: %s\n  not:  %s... %s", refused[i].sql, err.what,
			    refused[i].place, refused[i].words);
	}
}

static void
test_literal_keeps_sqlstate(void **state)
{
	struct sql_query *query = NULL;
	struct err err = { 0 };

	assert_int_equal(
	    sql_query_compile(*state, SLICE("SELECT 'x'::int"), &query, &err), FATE_HALT);
	assert_string_equal(err.code, "22P02");
}

static char *
repeated(const char *head, const char *part, size_t count, const char *tail)
{
	size_t len = strlen(head) + count * strlen(part) + strlen(tail) + 1;
	char *text = malloc(len);
	size_t at = 0;

	assert_non_null(text);
	at += (size_t)snprintf(text, len, "%s", head);
	for (size_t i = 0; i < count; i++)
		at += (size_t)snprintf(text + at, len - at, "%s", part);
	(void)snprintf(text + at, len - at, "%s", tail);
	return text;
}

/* Shallow enough for jansson, or refused; never a dead process. */
static void
test_deep(void **state)
{
	static const struct {
		const char *head, *part, *tail;
	} shapes[] = {
		{ "SELECT 1", "+1", "" },
		{ "SELECT ", "(", "1" },
		{ "SELECT ", "-", " id FROM engagement_events" },
		{ "SELECT ", "NOT ", "true" },
		{ "SELECT 1", "::int", "" },
		{ "SELECT ", "abs(", "" },
		{ "SELECT ", "CASE WHEN true THEN ", "1" },
		{ "SELECT true", " AND true", "" },
		{ "SELECT e.id FROM engagement_events e", " JOIN content c ON true", "" },
	};

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		size_t most = (SQL_TEXT_MAX - 100) / strlen(shapes[i].part);

		for (size_t n = 100; n <= most; n = n < most && n * 10 > most ? most : n * 10) {
			char *text =
			    repeated(shapes[i].head, shapes[i].part, n, shapes[i].tail);
			struct sql_query *query = NULL;
			struct err err;

			if (!sql_query_compile(*state, slice_str(text), &query, &err))
				sql_query_free(query);
			free(text);
			if (n == most)
				break;
		}
	}
}

static void
test_sum_of_many(void **state)
{
	char *text = repeated("SELECT 1", "+1", 500, " AS x");
	struct sql_query *query = fixture_query(*state, text);
	const struct value *rows[1] = { NULL };
	struct sql_env env = { .rows = rows };
	struct value out[1];
	struct arena arena;
	struct err err;
	bool passes;

	arena_init(&arena, 1 << 16);
	assert_int_equal(sql_query_run(query, &env, &arena, out, &passes, &err), FATE_DONE);
	assert_int_equal(out[0].i, 501);
	arena_finish(&arena);
	sql_query_free(query);
}

static void
test_too_long(void **state)
{
	char *text = repeated("SELECT 1", "          ", 7000, "");
	struct sql_query *query = NULL;
	struct err err;

	assert_int_equal(sql_query_compile(*state, slice_str(text), &query, &err), FATE_HALT);
	assert_non_null(strstr(err.what, "65536"));
	assert_int_equal(
	    sql_query_compile(*state, slice_of("SELECT 1\0", 9), &query, &err), FATE_HALT);
	assert_int_equal(
	    sql_query_compile(*state, SLICE("SELECT '\xff\xfe'"), &query, &err), FATE_HALT);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_literal_keeps_sqlstate),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_sum_of_many),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
