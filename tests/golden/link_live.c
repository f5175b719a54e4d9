/* SPDX-License-Identifier: Apache-2.0 */
/* link_live -- lib/link against real servers; tests/integration/test_link.py drives it.
 *
 *   link_live pg CONNINFO | redis URL | ask URL WORD... | get URL [CA_FILE]
 *
 * ask sends one command to Redis and get one request over HTTP: both print the fate,
 * the code and the sentence.
 * Prints one "ok NAME" a claim and stops with status 1 at the first that fails. It
 * leaves nothing behind but a small script in Redis' cache. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "link/http.h"
#include "link/pg.h"
#include "link/redis.h"

static struct err err;

static void
claim(bool true_, const char *what)
{
	printf("%s %s\n", true_ ? "ok" : "FAIL", what);
	if (true_)
		return;
	printf("  last error: %s %s\n", err.code, err.what);
	exit(1);
}

static bool
cell_is(const struct pg_result *r, size_t row, size_t column, const char *text)
{
	return slice_eq(pg_result_text(r, row, column), slice_str(text));
}

static void
pg_values(struct pg *pg)
{
	struct pg_result r = { 0 };
	struct slice params[] = { SLICE("a'b\"\\"), slice_of(NULL, 0), SLICE("") };
	struct pg_query q = { .sql = "SELECT $1::text, $2::text, $3::text, "
				     "'2026-01-02 03:04:05+01'::timestamptz, '\\xff'::bytea, "
				     "0.1::float8, current_setting('search_path')",
		.params = params,
		.param_count = 3 };
	claim(pg_query(pg, &q, &r, &err) == FATE_DONE, "pg query with parameters");
	claim(r.row_count == 1 && r.column_count == 7, "pg result shape");
	claim(cell_is(&r, 0, 0, "a'b\"\\"), "pg text goes both ways");
	claim(pg_result_null(&r, 0, 1) && pg_result_text(&r, 0, 1).p == NULL, "pg NULL");
	claim(!pg_result_null(&r, 0, 2) && pg_result_text(&r, 0, 2).len == 0, "pg empty text");
	claim(cell_is(&r, 0, 3, "2026-01-02 02:04:05+00"), "pg session is UTC and ISO");
	claim(cell_is(&r, 0, 4, "\\xff") && cell_is(&r, 0, 5, "0.1"), "pg bytea and float");
	claim(cell_is(&r, 0, 6, "pg_catalog"), "pg search_path");
	pg_result_clear(&r);
	params[0] = SLICE("a\0b");
	claim(pg_query(pg, &q, &r, &err) == FATE_REJECT, "pg refuses NUL");
}

static void
pg_arrays(struct pg *pg)
{
	static const char *const texts[] = { "a", "", "NULL", "{x,y}", "q\"\\'", "\xc3\xbc" };
	struct buf a = { 0 }, b = { 0 };
	pg_array_begin(&a);
	pg_array_begin(&b);
	for (size_t i = 0; i < 20000; i++) {
		char number[16];
		(void)snprintf(number, sizeof number, "%zu", i);
		pg_array_add(&a, i < 6 ? slice_str(texts[i]) : slice_str("many"));
		pg_array_add(&b, i == 7 ? slice_of(NULL, 0) : slice_str(number));
	}
	pg_array_end(&a);
	pg_array_end(&b);
	struct slice params[] = { buf_view(&a), buf_view(&b) };
	struct pg_query q = { .sql = "SELECT k, n FROM unnest($1::text[], $2::text[]::int[]) "
				     "AS t(k, n)",
		.params = params,
		.param_count = 2 };
	struct pg_result r = { 0 };
	claim(pg_query(pg, &q, &r, &err) == FATE_DONE, "pg unnest of two arrays");
	bool same = r.row_count == 20000 && pg_result_null(&r, 7, 1);
	for (size_t i = 0; same && i < 6; i++)
		same = cell_is(&r, i, 0, texts[i]);
	claim(same, "pg array elements arrive as they were");
	pg_result_clear(&r);
	buf_finish(&a);
	buf_finish(&b);
}

static void
pg_refusals(struct pg *pg)
{
	static const struct {
		const char *sql, *state;
		enum fate fate;
	} lines[] = {
		{ "SELECT 1/0", "22012", FATE_REJECT },
		{ "SELECT 'x'::int", "22P02", FATE_REJECT },
		{ "SELECT no_such_column", "42703", FATE_HALT },
		{ "SELEKT", "42601", FATE_HALT },
		{ "SELECT pg_sleep(30)", "57014", FATE_RETRY },
	};
	struct pg_result r = { 0 };
	uint64_t before = pg_connection_count(pg);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct pg_query q = { .sql = lines[i].sql };
		enum fate fate = pg_query(pg, &q, &r, &err);
		claim(fate == lines[i].fate && strcmp(err.code, lines[i].state) == 0,
		    lines[i].sql);
	}
	claim(pg_connection_count(pg) == before, "pg refusals keep the connection");
	struct pg_query kill = { .sql = "SELECT pg_terminate_backend(pg_backend_pid())" };
	claim(pg_query(pg, &kill, &r, &err) == FATE_RETRY, "pg lost connection");
	struct pg_query one = { .sql = "SELECT 1" };
	claim(pg_query(pg, &one, &r, &err) == FATE_DONE, "pg connects again by itself");
	pg_result_clear(&r);
	claim(pg_connection_count(pg) == before + 1, "pg counts connections");
}

static void
pg_describes(struct pg *pg)
{
	struct pg_result r = { 0 };
	claim(pg_describe(pg,
		  "SELECT relname AS n, 1.5::numeric(10,2) AS d FROM pg_catalog.pg_class "
		  "WHERE oid = $1",
		  &r, &err) == FATE_DONE,
	    "pg describe");
	struct pg_column n = pg_result_column(&r, 0), d = pg_result_column(&r, 1);
	claim(r.row_count == 0 && r.column_count == 2, "pg describe has columns, no rows");
	claim(
	    strcmp(n.name, "n") == 0 && n.type == 19 && n.table == 1259 && n.table_column == 2,
	    "pg column of a table");
	claim(d.type == 1700 && d.typmod == (10 << 16 | 2) + 4 && d.table == 0,
	    "pg computed column with typmod");
	claim(pg_result_param_count(&r) == 1 && pg_result_param_type(&r, 0) == 26,
	    "pg parameter type");
	pg_result_clear(&r);
	claim(pg_describe(pg, "SELECT nope", &r, &err) == FATE_HALT, "pg describe refuses");
}

static void
pg_together(struct pg *pg)
{
	struct slice key = SLICE("7");
	struct pg_query queries[] = {
		{ .sql = "SELECT $1::int + 1", .params = &key, .param_count = 1 },
		{ .sql = "SELECT pg_current_snapshot()::text, current_setting('transaction_"
			 "isolation'), current_setting('transaction_read_only')" },
		{ .sql = "SELECT generate_series(1, 50000)" },
	};
	struct pg_result r[3] = { { 0 } };
	struct buf snapshot = { 0 };
	claim(pg_read_together(pg, queries, 3, r, &snapshot, &err) == FATE_DONE,
	    "pg statements together");
	claim(cell_is(&r[0], 0, 0, "8") && r[2].row_count == 50000, "pg results in order");
	claim(cell_is(&r[1], 0, 0, buf_str(&snapshot)), "pg one snapshot for all");
	claim(cell_is(&r[1], 0, 1, "repeatable read") && cell_is(&r[1], 0, 2, "on"),
	    "pg repeatable read, read only");
	for (size_t i = 0; i < 3; i++)
		pg_result_clear(&r[i]);
	queries[1].sql = "SELECT 1/0";
	claim(pg_read_together(pg, queries, 3, r, &snapshot, &err) == FATE_REJECT &&
		  strcmp(err.code, "22012") == 0 && r[0].handle == NULL,
	    "pg all together or none");
	queries[1].sql = "CREATE TABLE link_live_no()";
	claim(pg_read_together(pg, queries, 2, r, &snapshot, &err) == FATE_RETRY &&
		  strcmp(err.code, "25006") == 0,
	    "pg read only is read only");
	queries[1].sql = "SELECT 1";
	claim(pg_read_together(pg, queries, 3, r, &snapshot, &err) == FATE_DONE,
	    "pg goes on afterwards");
	for (size_t i = 0; i < 3; i++)
		pg_result_clear(&r[i]);
	buf_finish(&snapshot);
}

static int
run_pg(const char *conninfo)
{
	struct pg_options o = { .conninfo = conninfo,
		.application_name = "link_live",
		.search_path = "pg_catalog",
		.statement_timeout_ms = 700 };
	struct pg *pg = NULL;
	claim(
	    pg_new(&o, &pg, &err) == FATE_DONE && !pg_connected(pg), "pg new connects lazily");
	pg_values(pg);
	pg_arrays(pg);
	pg_refusals(pg);
	pg_describes(pg);
	pg_together(pg);
	pg_free(pg);
	o.dbname = "no_such_database";
	claim(pg_new(&o, &pg, &err) == FATE_DONE && pg_connect(pg, &err) == FATE_HALT &&
		  strcmp(err.code, "3D000") == 0,
	    "pg absent database");
	pg_free(pg);
	return 0;
}

#define WORDS(...) redis_words(redis, &r, &err, __VA_ARGS__, (char *)NULL)

static void
redis_basics(struct redis *redis)
{
	struct redis_reply r = { 0 };
	struct slice set[] = { SLICE("SET"), SLICE("{link_live}"), SLICE("a\0b\r\n") };
	claim(redis_command(redis, set, 3, &r, &err) == FATE_DONE, "redis binary value");
	redis_reply_free(&r);
	claim(WORDS("GET", "{link_live}") == FATE_DONE && slice_eq(r.text, set[2]),
	    "redis gives it back");
	redis_reply_free(&r);
	claim(WORDS("LPUSH", "{link_live}", "x") == FATE_HALT && !strcmp(err.code, "WRONGTYPE"),
	    "redis wrong type");
	struct redis_server s = { 0 };
	claim(redis_server(redis, &s, &err) == FATE_DONE && strlen(s.run_id) == 40 &&
		  !s.loading && !s.replica,
	    "redis says who it is");
	printf("  run_id %s aof %d\n", s.run_id, s.aof_enabled);
}

static void
redis_pipelines(struct redis *redis)
{
	struct redis_reply r = { 0 };
	struct slice incr[] = { SLICE("INCR"), SLICE("{link_live}") };
	claim(WORDS("SET", "{link_live}", "0") == FATE_DONE, "redis set");
	redis_reply_free(&r);
	int64_t begin = clock_mono_us();
	bool good = true;
	for (int i = 0; i < REDIS_PIPELINE_MAX; i++)
		good &= redis_append(redis, incr, 2, &err) == FATE_DONE;
	claim(good && redis_append(redis, incr, 2, &err) == FATE_RETRY,
	    "redis pipeline is bounded");
	for (int i = 1; i <= REDIS_PIPELINE_MAX && good; i++) {
		good = redis_next(redis, &r, &err) == FATE_DONE && r.integer == i;
		redis_reply_free(&r);
	}
	claim(good, "redis 10000 replies in order");
	printf("  %.1f us a command\n",
	    (double)(clock_mono_us() - begin) / (double)REDIS_PIPELINE_MAX);
}

static void
redis_scripts(struct redis *redis)
{
	static const char *const own[] = { "MISMATCH", NULL };
	struct buf text = { 0 };
	/* The time in it makes it a script that this server has never seen. */
	buf_printf(&text,
	    "-- %lld\nif ARGV[1] == 'no' then return redis.error_reply('MISMATCH 5') end\n"
	    "return {KEYS[1], #ARGV, ARGV[#ARGV]}",
	    (long long)clock_wall_ms());
	struct redis_script s = { .own_errors = own, .text = buf_view(&text) };
	struct slice argv[201] = { SLICE("{link_live}") };
	struct redis_reply r = { 0 };
	for (size_t i = 1; i < 201; i++)
		argv[i] = SLICE("yes");
	claim(redis_eval(redis, &s, 1, argv, 201, &r, &err) == FATE_DONE && r.count == 3 &&
		  redis_reply_item(&r, 1).integer == 200,
	    "redis script is loaded and run");
	redis_reply_free(&r);
	argv[1] = SLICE("no");
	claim(redis_eval(redis, &s, 1, argv, 2, &r, &err) == FATE_DONE &&
		  r.kind == REDIS_ERROR && slice_eq(r.text, SLICE("MISMATCH 5")),
	    "redis script's own error is the caller's");
	redis_reply_free(&r);
	struct redis_script bad = { .text = SLICE("return x.y") };
	claim(
	    redis_eval(redis, &bad, 0, NULL, 0, &r, &err) == FATE_HALT, "redis broken script");
	buf_finish(&text);
}

static void
redis_waits(struct redis *redis)
{
	struct redis_reply r = { 0 };
	int64_t begin = clock_mono_ms();
	claim(WORDS("BLPOP", "{link_live}:none", "0") == FATE_RETRY &&
		  clock_mono_ms() - begin < 2000 && !redis_connected(redis),
	    "redis silence ends the connection");
	claim(WORDS("DEL", "{link_live}") == FATE_DONE && redis_connection_count(redis) == 2,
	    "redis connects again by itself");
	redis_reply_free(&r);
}

static int
run_redis(const char *url)
{
	struct redis_options o = {
		.url = url, .client_name = "link_live", .command_timeout_ms = 500
	};
	struct redis *redis = NULL;
	claim(redis_new(&o, &redis, &err) == FATE_DONE, "redis new");
	redis_basics(redis);
	redis_pipelines(redis);
	redis_scripts(redis);
	redis_waits(redis);
	redis_free(redis);
	o.password = "wrong";
	o.user = "nobody";
	claim(redis_new(&o, &redis, &err) == FATE_DONE &&
		  redis_connect(redis, &err) == FATE_HALT && !strcmp(err.code, "WRONGPASS"),
	    "redis wrong password");
	redis_free(redis);
	return 0;
}

static int
say(enum fate fate)
{
	printf("%s %s: %s\n", fate_name(fate), fate ? err.code : "", fate ? err.what : "");
	return 0;
}

static int
run_ask(const char *url, char **words, size_t count)
{
	struct redis_options o = { .url = url, .command_timeout_ms = 1000 };
	struct redis_reply r = { 0 };
	struct slice argv[16];
	struct redis *redis = NULL;
	for (size_t i = 0; i < count && i < 16; i++)
		argv[i] = slice_str(words[i]);
	claim(redis_new(&o, &redis, &err) == FATE_DONE, "redis url");
	int status = say(redis_command(redis, argv, count < 16 ? count : 16, &r, &err));
	redis_reply_free(&r);
	redis_free(redis);
	return status;
}

static int
run_get(const char *url, const char *ca_file)
{
	struct http_options o = { .ca_file = ca_file, .total_timeout_ms = 3000 };
	struct http_request q = { .url = url };
	struct http_response r = { 0 };
	struct http_client *client = NULL;
	claim(http_client_new(&o, &client, &err) == FATE_DONE, "http client");
	int status = say(http_client_send(client, &q, &r, &err));
	printf("status %ld unknown %d\n", r.status, r.outcome_unknown);
	http_response_finish(&r);
	http_client_free(client);
	return status;
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "pg") == 0)
		return run_pg(argv[2]);
	if (argc == 3 && strcmp(argv[1], "redis") == 0)
		return run_redis(argv[2]);
	if (argc > 3 && strcmp(argv[1], "ask") == 0)
		return run_ask(argv[2], argv + 3, (size_t)argc - 3);
	if (argc > 2 && strcmp(argv[1], "get") == 0)
		return run_get(argv[2], argv[3]);
	fprintf(stderr, "usage: see the head of link_live.c\n");
	return 2;
}
