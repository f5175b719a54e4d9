/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine_fixture.h"

/* The cases of the router's design, by their numbers there. */
struct row {
	int number;
	const char *role, *sql;
	const char *engine; /* "-": refused */
	const char *reason;
	const char *note; /* a code that must stand in the trace; NULL: none */
};

static const struct row rows[] = {
	{ 1, "admin", "SELECT * FROM users WHERE id = 1", "postgres", "POINT_LOOKUP", NULL },
	{ 3, "admin", "SELECT * FROM users WHERE ID = 1", "postgres", "POINT_LOOKUP", NULL },
	{ 3, "admin", "SELECT * FROM users WHERE \"id\" = 1", "postgres", "POINT_LOOKUP",
	    NULL },
	{ 3, "admin", "SELECT * FROM users u WHERE u.id = $1", "postgres", "POINT_LOOKUP",
	    NULL },
	{ 3, "admin", "SELECT * FROM users WHERE 1 = id", "postgres", "POINT_LOOKUP", NULL },
	{ 4, "admin", "SELECT * FROM users WHERE id IN (1,2,3)", "postgres", "POINT_LOOKUP",
	    NULL },
	{ 7, "admin", "SELECT * FROM order_items WHERE order_id=1 AND line_no=2", "postgres",
	    "POINT_LOOKUP", NULL },
	{ 9, "admin", "SELECT * FROM order_items WHERE order_id=1", "postgres", "PK_PREFIX",
	    NULL },
	{ 10, "admin", "SELECT * FROM users WHERE user_id = 5", "postgres", "FALLBACK",
	    "NOT_KEY" },
	{ 12, "admin",
	    "SELECT * FROM users WHERE uuid = '123e4567-e89b-12d3-a456-426614174000'",
	    "postgres", "FALLBACK", "NOT_KEY" },
	{ 13, "admin", "SELECT * FROM users WHERE id = 1 OR true", "postgres", "FALLBACK",
	    "OR" },
	{ 15, "admin", "SELECT * FROM users WHERE id = 1 AND name ILIKE '%a%'", "postgres",
	    "POINT_LOOKUP", NULL },
	{ 16, "admin", "SELECT * FROM users WHERE id = (SELECT max(id) FROM users)", "postgres",
	    "FALLBACK", "NON_CONSTANT" },
	{ 17, "admin", "SELECT count(*) FROM users WHERE id = 1", "postgres", "POINT_LOOKUP",
	    NULL },
	{ 19, "admin", "SELECT * FROM orders o JOIN users u ON u.id=o.user_id WHERE o.id=1",
	    "postgres", "PK_ANCHORED_JOIN", NULL },
	{ 20, "admin", "INSERT INTO users VALUES (1,'a')", "postgres", "WRITE", NULL },
	{ 20, "analyst", "INSERT INTO users VALUES (1,'a')", "-", "WRITE_NOT_ALLOWED", NULL },
	{ 21, "admin", "INSERT INTO a SELECT b.* FROM b JOIN c ON b.id = c.id", "postgres",
	    "WRITE", NULL },
	{ 21, "admin", "INSERT INTO a SELECT id, n, n, kind FROM events", "-",
	    "CROSS_ENGINE_WRITE", NULL },
	{ 22, "admin",
	    "INSERT INTO users (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET name = "
	    "excluded.name RETURNING id",
	    "postgres", "WRITE", NULL },
	{ 24, "admin", "DELETE FROM users", "postgres", "WRITE", NULL },
	{ 24, "writer", "DELETE FROM users", "-", "REQUIRE_WHERE", NULL },
	{ 25, "admin",
	    "MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN UPDATE SET x = b.x WHEN "
	    "NOT MATCHED THEN INSERT (id) VALUES (b.id)",
	    "postgres", "WRITE", NULL },
	{ 26, "admin", "TRUNCATE users", "postgres", "DDL", NULL },
	{ 26, "admin", "DROP TABLE users", "postgres", "DDL", NULL },
	{ 26, "admin", "ALTER TABLE users ADD COLUMN z int", "postgres", "DDL", NULL },
	{ 26, "writer", "TRUNCATE users", "-", "DDL_NOT_ALLOWED", NULL },
	{ 27, "admin", "CREATE TABLE fresh (id bigint PRIMARY KEY)", "postgres", "DDL", NULL },
	{ 28, "admin", "CREATE TABLE lake.x AS SELECT id FROM lake.trips", "trino",
	    "CATALOG_TARGET", NULL },
	{ 30, "admin", "WITH d AS (DELETE FROM users RETURNING *) SELECT * FROM d", "postgres",
	    "WRITE", NULL },
	{ 32, "admin", "SELECT * FROM users FOR SHARE", "postgres", "LOCKING", NULL },
	{ 33, "admin", "SELECT COUNT(*) FROM users", "clickhouse", "AGG_NO_JOIN", NULL },
	{ 34, "admin", "SELECT role, COUNT(*) FROM users GROUP BY role", "clickhouse",
	    "AGG_NO_JOIN", NULL },
	{ 35, "admin", "SELECT role FROM users GROUP BY role", "clickhouse", "AGG_NO_JOIN",
	    NULL },
	{ 37, "admin", "SELECT DISTINCT ON (role) role, id FROM users", "postgres", "FALLBACK",
	    "CH_CANNOT_EXPRESS" },
	{ 38, "admin", "SELECT role FROM users GROUP BY role HAVING count(*)>1", "clickhouse",
	    "AGG_NO_JOIN", NULL },
	{ 39, "admin", "SELECT stddev(score) FROM users", "postgres", "AGG_NO_JOIN",
	    "CH_CANNOT_EXPRESS" },
	{ 39, "admin", "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY score) FROM users",
	    "postgres", "AGG_NO_JOIN", "CH_CANNOT_EXPRESS" },
	{ 39, "admin", "SELECT string_agg(name, ',') FROM users", "postgres", "AGG_NO_JOIN",
	    "CH_CANNOT_EXPRESS" },
	{ 39, "admin", "SELECT max(score), bool_or(score > 3) FROM users", "clickhouse",
	    "AGG_NO_JOIN", NULL },
	{ 40, "admin", "SELECT count(*) FILTER (WHERE score > 3) FROM users", "clickhouse",
	    "AGG_NO_JOIN", NULL },
	{ 42, "admin", "/* count */ SELECT * FROM users", "postgres", "FALLBACK", NULL },
	{ 42, "admin", "SELECT 'count' FROM users", "postgres", "FALLBACK", NULL },
	{ 43, "admin", "SELECT row_number() OVER (ORDER BY id) FROM users", "postgres",
	    "FALLBACK", NULL },
	{ 43, "admin", "SELECT row_number() OVER (ORDER BY id) FROM events", "clickhouse",
	    "REGISTRY", NULL },
	{ 45, "admin", "SELECT u.* FROM users u JOIN depts d ON u.id = d.id", "postgres",
	    "JOIN", NULL },
	{ 46, "admin", "SELECT u.id FROM users u JOIN patient_data p ON u.id = p.user_id",
	    "trino", "CROSS_PLACEMENT", NULL },
	{ 47, "admin", "SELECT * FROM a, b WHERE a.x=b.x", "trino", "JOIN", NULL },
	{ 49, "admin", "SELECT * FROM a NATURAL JOIN b", "trino", "JOIN", NULL },
	{ 49, "admin", "SELECT * FROM a JOIN b USING (x)", "trino", "JOIN", NULL },
	{ 49, "admin", "SELECT * FROM a CROSS JOIN b", "trino", "JOIN", NULL },
	{ 49, "admin", "SELECT a.id, l.y FROM a, LATERAL (SELECT b.y FROM b WHERE b.x = a.x) l",
	    "trino", "JOIN", NULL },
	{ 50, "admin", "SELECT a.id FROM a WHERE x IN (SELECT y FROM b)", "trino", "SEMI_JOIN",
	    "CH_CANNOT_EXPRESS" },
	{ 51, "admin", "SELECT a.id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.x=a.x)",
	    "trino", "CORRELATED", "CH_CANNOT_EXPRESS" },
	{ 54, "admin", "SELECT id, x FROM a UNION SELECT id, x FROM b", "postgres", "SETOP",
	    NULL },
	{ 55, "admin", "SELECT count(*) FROM a UNION ALL SELECT count(*) FROM b", "clickhouse",
	    "AGG_NO_JOIN", NULL },
	{ 56, "admin", "WITH t AS (SELECT * FROM users) SELECT count(*) FROM t", "clickhouse",
	    "AGG_NO_JOIN", NULL },
	{ 58, "admin",
	    "WITH RECURSIVE r AS (SELECT id, x FROM a UNION ALL SELECT a.id, a.x FROM a, r "
	    "WHERE a.x = r.id) SELECT * FROM r",
	    "postgres", "RECURSIVE", NULL },
	{ 59, "admin", "WITH secret AS (SELECT * FROM secret) SELECT * FROM secret", "postgres",
	    "FALLBACK", "CTE_SCOPE" },
	{ 59, "analyst", "WITH secret AS (SELECT * FROM secret) SELECT * FROM secret",
	    "postgres", "FALLBACK", "MASKED" },
	{ 60, "admin", "SELECT * FROM users", "postgres", "FALLBACK", NULL },
	{ 60, "admin", "SELECT * FROM users LIMIT 10", "postgres", "FALLBACK", NULL },
	{ 62, "admin", "SELECT pg_sleep(10)", "-", "FUNCTION_NOT_ALLOWED", NULL },
	{ 62, "analyst", "SELECT nextval('s')", "-", "FUNCTION_NOT_ALLOWED", NULL },
	{ 62, "admin", "SELECT nextval('s')", "postgres", "WRITE", NULL },
	{ 62, "admin", "SELECT pg_advisory_lock(1)", "-", "FUNCTION_NOT_ALLOWED", NULL },
	{ 62, "admin", "SELECT set_config('a','b',true)", "-", "FUNCTION_NOT_ALLOWED", NULL },
	{ 64, "admin", "SELECT 1; DROP TABLE users", "-", "MULTI_STATEMENT", NULL },
	{ 65, "admin", "SELECT 1;", "postgres", "NO_TABLE", NULL },
	{ 65, "admin", "SELECT 1;;;", "postgres", "NO_TABLE", NULL },
	{ 66, "admin", "", "-", "EMPTY", NULL },
	{ 66, "admin", " -- nothing\n/* at all */ ;", "-", "EMPTY", NULL },
	{ 67, "admin", "SET work_mem = 1", "-", "STATEMENT_NOT_ALLOWED", NULL },
	{ 67, "admin", "RESET work_mem", "-", "STATEMENT_NOT_ALLOWED", NULL },
	{ 67, "admin", "LISTEN x", "-", "STATEMENT_NOT_ALLOWED", NULL },
	{ 67, "admin", "LOAD 'x'", "-", "STATEMENT_NOT_ALLOWED", NULL },
	{ 67, "admin", "PREPARE p AS SELECT 1", "-", "STATEMENT_NOT_ALLOWED", NULL },
	{ 67, "admin", "EXECUTE p", "-", "STATEMENT_NOT_ALLOWED", NULL },
	{ 67, "admin", "DECLARE c CURSOR FOR SELECT 1", "-", "STATEMENT_NOT_ALLOWED", NULL },
	{ 67, "admin", "LOCK users", "-", "STATEMENT_NOT_ALLOWED", NULL },
	{ 67, "admin", "VACUUM users", "-", "STATEMENT_NOT_ALLOWED", NULL },
	{ 67, "admin", "DO $$BEGIN END$$", "-", "STATEMENT_NOT_ALLOWED", NULL },
	{ 67, "admin", "CALL f()", "-", "STATEMENT_NOT_ALLOWED", NULL },
	{ 67, "admin", "BEGIN", "-", "STATEMENT_NOT_ALLOWED", NULL },
	{ 67, "admin", "SHOW server_version", "registry", "METADATA", NULL },
	{ 67, "admin", "SHOW data_directory", "-", "STATEMENT_NOT_ALLOWED", NULL },
	{ 68, "admin", "EXPLAIN SELECT COUNT(*) FROM users", "clickhouse", "AGG_NO_JOIN",
	    NULL },
	{ 68, "admin", "EXPLAIN ANALYZE SELECT 1", "-", "STATEMENT_NOT_ALLOWED", NULL },
	{ 70, "admin", "COPY (SELECT 1) TO STDOUT", "-", "STATEMENT_NOT_ALLOWED", NULL },
	{ 71, "admin", "COPY users TO PROGRAM 'cat'", "-", "STATEMENT_NOT_ALLOWED", NULL },
	{ 72, "analyst", "SELECT * FROM information_schema.tables", "registry", "METADATA",
	    NULL },
	{ 73, "admin", "SELECT * FROM pg_stat_activity", "-", "FORBIDDEN_RELATION", NULL },
	{ 73, "admin", "SELECT most_common_vals FROM pg_catalog.pg_stats", "-",
	    "FORBIDDEN_RELATION", NULL },
	{ 75, "admin", "SELECT * FROM url('http://169.254.169.254/','CSV')", "-",
	    "TABLE_FUNCTION", NULL },
	{ 75, "admin", "SELECT * FROM read_csv('x')", "-", "TABLE_FUNCTION", NULL },
	{ 75, "admin", "SELECT * FROM dblink('x','y') AS t(a int)", "-", "TABLE_FUNCTION",
	    NULL },
	{ 76, "admin", "VALUES (1)", "postgres", "NO_TABLE", NULL },
	{ 76, "admin", "TABLE users", "postgres", "FALLBACK", NULL },
	{ 77, "admin", "SELECT * FORM users", "-", "SYNTAX", NULL },
	{ 78, "admin", "SELECT * FROM rev LIMIT 100", "duckdb", "REGISTRY", NULL },
	{ 79, "admin", "SELECT * FROM patient_data", "trino", "REGISTRY", NULL },
	{ 81, "admin", "SELECT * FROM rev1m", "duckdb", "FALLBACK", NULL },
	{ 81, "admin", "SELECT * FROM rev1m1", "trino", "SIZE", NULL },
	{ 83, "admin",
	    "SELECT 1 FROM users u JOIN depts d ON u.id=d.id JOIN orders o ON o.id=u.id",
	    "postgres", "JOIN", NULL },
	{ 83, "admin",
	    "SELECT 1 FROM users u JOIN depts d ON u.id=d.id JOIN orders o ON o.id=u.id JOIN "
	    "order_items i ON i.order_id=o.id",
	    "trino", "JOIN_TABLES", NULL },
	{ 88, "admin", "SELECT member,score FROM top10 ORDER BY score DESC LIMIT 10", "redis",
	    "LEADERBOARD", NULL },
	{ 89, "admin", "SELECT score FROM top10 WHERE member='x'", "redis", "LEADERBOARD",
	    NULL },
	{ 89, "admin", "SELECT score FROM top10 WHERE member='x' LIMIT 1", "redis",
	    "LEADERBOARD", NULL },
	{ 89, "admin", "SELECT score FROM top10 WHERE member='x' LIMIT 0", "-",
	    "LEADERBOARD_SHAPE", NULL },
	{ 89, "admin", "SELECT * FROM top10 JOIN users ON users.name = top10.member", "-",
	    "LEADERBOARD_SHAPE", NULL },
};

static void
every_case_has_its_engine_and_reason(void **state)
{
	size_t bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct row *row = &rows[i];
		struct asked asked = ask(row->role, row->sql);

		if (strcmp(engine_of(&asked), row->engine) != 0 ||
		    strcmp(asked.decision.reason, row->reason) != 0 ||
		    (row->note && !trace_find(&asked.decision.trace, row->note))) {
			print_error("case %d: %s: %s, %s instead of %s, %s%s%s\n", row->number,
			    row->sql, engine_of(&asked), asked.decision.reason, row->engine,
			    row->reason, row->note ? " with " : "", row->note ? row->note : "");
			print_trace(&asked);
			bad++;
		}
		plan_free(asked.plan);
	}
	assert_int_equal(bad, 0);
}

static void
a_long_list_is_no_look_up(void **state)
{
	struct buf sql = { 0 };
	struct asked asked;

	(void)state;
	buf_cstr(&sql, "SELECT * FROM users WHERE id IN (0");
	for (int i = 1; i < 10000; i++)
		buf_printf(&sql, ",%d", i);
	buf_cstr(&sql, ")");
	asked = ask("admin", buf_str(&sql));
	assert_string_equal(engine_of(&asked), "postgres");
	assert_string_equal(asked.decision.reason, "FALLBACK");
	assert_non_null(trace_find(&asked.decision.trace, "IN_LIST_TOO_LONG"));
	plan_free(asked.plan);
	buf_finish(&sql);
}

static void
details_say_how_the_key_was_found(void **state)
{
	static const char *const details[][2] = {
		{ "SELECT * FROM users WHERE id = 1", "pk" },
		{ "SELECT * FROM users WHERE id IN (1,2,3)", "n=3 <= 100" },
		{ "SELECT * FROM order_items WHERE order_id=1 AND line_no=2", "composite" },
		{ "SELECT * FROM order_items WHERE order_id=1", "not unique" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof details / sizeof *details; i++) {
		struct asked asked = ask("admin", details[i][0]);

		assert_string_equal(asked.decision.detail, details[i][1]);
		plan_free(asked.plan);
	}
}

static void
joins_by_the_letter_go_to_trino(void **state)
{
	struct decide_request request = { .max_staleness_ms = ANY_STALENESS,
		.routing = ROUTING_LITERAL };
	struct weather weather = { 0 };
	struct asked asked = ask_with("admin",
	    SLICE("SELECT u.* FROM users u JOIN depts d ON u.id = d.id"), &request, &weather);

	(void)state;
	assert_string_equal(engine_of(&asked), "trino");
	assert_string_equal(asked.decision.reason, "JOIN");
	plan_free(asked.plan);
}

static void
stale_replicas_do_not_answer(void **state)
{
	struct decide_request request = { .max_staleness_ms = 5000 };
	struct weather weather = { 0 };
	struct asked asked;

	(void)state;
	weather.engines[1].lag_ms = 30000;
	asked = ask_with("admin", SLICE("SELECT count(*) FROM users"), &request, &weather);
	assert_string_equal(engine_of(&asked), "postgres");
	assert_string_equal(asked.decision.reason, "STALE");
	assert_string_equal(asked.decision.detail, "30s > 5s");
	plan_free(asked.plan);
	weather.engines[1].lag_ms = LAG_UNKNOWN; /* what is not known is not fresh */
	asked = ask_with("admin", SLICE("SELECT count(*) FROM users"), &request, &weather);
	assert_string_equal(engine_of(&asked), "postgres");
	plan_free(asked.plan);
	request.engine = "clickhouse"; /* nor may force cross that line */
	asked = ask_with("admin", SLICE("SELECT count(*) FROM users"), &request, &weather);
	assert_int_equal(asked.decision.status, 409);
	plan_free(asked.plan);
	request.engine = NULL;
	asked = ask_with("admin", SLICE("SELECT count(*) FROM events"), &request, &weather);
	assert_int_equal(asked.decision.status, 409);
	plan_free(asked.plan);
	weather.engines[1].lag_ms = 5000;
	asked = ask_with("admin", SLICE("SELECT count(*) FROM users"), &request, &weather);
	assert_string_equal(engine_of(&asked), "clickhouse");
	plan_free(asked.plan);
}

/* The caller's own write: only what holds it may answer. */
static void
a_read_token_waits_for_the_replica(void **state)
{
	struct decide_request request = { .max_staleness_ms = ANY_STALENESS,
		.token_lsn = 0x1600000100 };
	struct weather weather = { 0 };
	struct asked asked;

	(void)state;
	weather.engines[1].lsn = 0x1600000100;
	asked = ask_with("admin", SLICE("SELECT count(*) FROM users"), &request, &weather);
	assert_string_equal(engine_of(&asked), "clickhouse");
	plan_free(asked.plan);
	weather.engines[1].lsn = 0x16000000FF;
	asked = ask_with("admin", SLICE("SELECT count(*) FROM users"), &request, &weather);
	assert_string_equal(engine_of(&asked), "postgres");
	assert_string_equal(asked.decision.reason, "BEHIND_TOKEN");
	assert_string_equal(asked.decision.detail, "16/FF < 16/100");
	plan_free(asked.plan);
	request.engine = "clickhouse";
	asked = ask_with("admin", SLICE("SELECT count(*) FROM users"), &request, &weather);
	assert_int_equal(asked.decision.status, 409);
	assert_string_equal(asked.decision.reason, "BEHIND_TOKEN");
	plan_free(asked.plan);
}

static void
an_open_breaker_fails_over_and_says_so(void **state)
{
	struct decide_request request = { .max_staleness_ms = ANY_STALENESS };
	struct weather weather = { 0 };
	struct asked asked;

	(void)state;
	weather.engines[1].breaker_open = true;
	asked = ask_with("admin", SLICE("SELECT count(*) FROM users"), &request, &weather);
	assert_string_equal(engine_of(&asked), "postgres");
	assert_string_equal(asked.decision.reason, "FAILOVER");
	assert_true(asked.decision.degraded);
	assert_non_null(trace_find(&asked.decision.trace, "BREAKER_OPEN"));
	plan_free(asked.plan);
	asked = ask_with("admin", SLICE("SELECT count(*) FROM events"), &request, &weather);
	assert_int_equal(asked.decision.status, 503);
	plan_free(asked.plan);
}

static void
governance_beats_force(void **state)
{
	struct decide_request request = { .max_staleness_ms = ANY_STALENESS,
		.engine = "duckdb" };
	struct weather weather = { 0 };
	struct asked asked =
	    ask_with("analyst", SLICE("SELECT patient FROM diseases"), &request, &weather);

	(void)state;
	assert_string_equal(asked.decision.reason, "FORCED");
	assert_non_null(strstr(asked.decision.sql, "'***' AS \"patient\""));
	plan_free(asked.plan);
	asked = ask_with("admin", SLICE("SELECT word FROM vault"), &request, &weather);
	assert_int_equal(asked.decision.status, 403);
	assert_string_equal(asked.decision.reason, "GOVERNANCE");
	plan_free(asked.plan);
	request.engine = "clickhouse";
	asked = ask_with("admin", SLICE("SELECT stddev(score) FROM users"), &request, &weather);
	assert_int_equal(asked.decision.status, 422);
	plan_free(asked.plan);
}

static void
measured_cost_and_time_may_better_the_rule(void **state)
{
	struct decide_request request = { .max_staleness_ms = ANY_STALENESS };
	struct weather weather = { 0 };
	struct asked asked;

	(void)state;
	weather.engines[0] =
	    (struct engine_weather){ .measured_ms = 4, .measured_cost = 0.00001 };
	weather.engines[1] =
	    (struct engine_weather){ .measured_ms = 40, .measured_cost = 0.00002 };
	asked = ask_with("admin", SLICE("SELECT count(*) FROM users"), &request, &weather);
	assert_string_equal(engine_of(&asked), "postgres");
	assert_string_equal(asked.decision.reason, "COST");
	plan_free(asked.plan);
	weather.engines[0].measured_ms = 0; /* one measured engine proves nothing */
	asked = ask_with("admin", SLICE("SELECT count(*) FROM users"), &request, &weather);
	assert_string_equal(engine_of(&asked), "clickhouse");
	plan_free(asked.plan);
}

static void
an_old_clickhouse_has_no_windows(void **state)
{
	struct registry *now = fixture;
	struct asked asked;
	struct err err;

	(void)state;
	assert_int_equal(setenv("CH_VERSION", "18", 1), 0);
	if (registry_read("tests/unit/engine/router.yaml", &fixture, &err))
		fail_msg("%s", err.what);
	asked = ask("admin", "SELECT row_number() OVER (ORDER BY id) FROM events");
	assert_int_equal(asked.decision.status, 422);
	assert_string_equal(
	    trace_find(&asked.decision.trace, "CH_CANNOT_EXPRESS")->detail, "window");
	plan_free(asked.plan);
	registry_free(fixture);
	fixture = now;
	assert_int_equal(unsetenv("CH_VERSION"), 0);
}

static void
a_syntax_error_has_its_place(void **state)
{
	struct asked asked = ask("admin", "SELECT * FORM users");

	(void)state;
	assert_int_equal(asked.decision.status, 400);
	assert_int_equal(asked.decision.offset, 9);
	plan_free(asked.plan);
}

static void
a_narrow_role_does_not_learn_what_there_is(void **state)
{
	static const char *const texts[] = { "SELECT * FROM orders", "SELECT * FROM nowhere" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct asked asked = ask("narrow", texts[i]);

		assert_string_equal(asked.decision.reason, "UNKNOWN_TABLE");
		assert_int_equal(asked.decision.status, 404);
		plan_free(asked.plan);
	}
}

static void
boards_become_commands(void **state)
{
	struct asked asked =
	    ask("admin", "SELECT member, score FROM top10 ORDER BY score DESC LIMIT 10");

	(void)state;
	assert_string_equal(asked.decision.sql, "ZREVRANGE\nthm:top:10m\n0\n9");
	plan_free(asked.plan);
	asked = ask("admin", "SELECT score FROM top10 WHERE member = 'it''s'");
	assert_string_equal(asked.decision.sql, "ZSCORE\nthm:top:10m\nit's");
	plan_free(asked.plan);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_has_its_engine_and_reason),
		cmocka_unit_test(a_long_list_is_no_look_up),
		cmocka_unit_test(details_say_how_the_key_was_found),
		cmocka_unit_test(joins_by_the_letter_go_to_trino),
		cmocka_unit_test(stale_replicas_do_not_answer),
		cmocka_unit_test(a_read_token_waits_for_the_replica),
		cmocka_unit_test(an_open_breaker_fails_over_and_says_so),
		cmocka_unit_test(governance_beats_force),
		cmocka_unit_test(measured_cost_and_time_may_better_the_rule),
		cmocka_unit_test(an_old_clickhouse_has_no_windows),
		cmocka_unit_test(a_syntax_error_has_its_place),
		cmocka_unit_test(a_narrow_role_does_not_learn_what_there_is),
		cmocka_unit_test(boards_become_commands),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
