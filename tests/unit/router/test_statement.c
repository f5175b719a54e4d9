/* SPDX-License-Identifier: Apache-2.0 */
/* Statements over a scripted engine: what depends on the moment, which real servers do not
 * keep. The way in is HTTP; how far the replica is is said here. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/engine_ops.h"
#include "router/statement.h"
#include "wire/json.h"
#include "work/lines.h"

enum { TURNS = 3000, TURN_MS = 10 };

static const char config[] =
    "server: {anonymous: reader, token_wait: 300ms}\n"
    "engines:\n"
    "  clickhouse: {kind: clickhouse, url: \"%s\"}\n"
    "  redis: {kind: redis, url: redis://127.0.0.1}\n"
    "  postgres: {kind: postgres, url: \"%s\"}\n"
    "tables:\n"
    "  t: {columns: {id: bigint}, key: id, engines: {clickhouse: x.t}, replicas: clickhouse}\n"
    "  g: {columns: {id: bigint}, key: id, engines: {clickhouse: x.g},\n"
    "      policies: {reader: {filter: \"id > 0\"}}}\n"
    "  w: {columns: {id: bigint}, key: id, engines: {postgres: x.w}}\n"
    "  twice: {columns: {id: bigint}, key: id, engines: {clickhouse: x.b, postgres: x.b}}\n"
    "  q: {columns: {id: bigint, 'a\"b': text}, key: id, engines: {clickhouse: x.q},\n"
    "      policies: {reader: {masks: {'a\"b': \"'***'\"}}}}\n"
    "  top: {columns: {member: text, score: double precision}, engines: {redis: \"top\"}}\n"
    "roles: {reader: {write: true}, other: {}}\n";
enum { CLICKHOUSE, POSTGRES = 2 };

/* --- freshness, in the place of fresh.c --- */

static uint64_t replica_lsn;
static const struct read_token history = { .system = 1, .timeline = 1 };

enum fate
router_fresh_open(const struct registry *registry, struct loop *loop, struct loop_note *moved,
    struct router_fresh **ret_fresh, struct err *err)
{
	(void)registry, (void)loop, (void)moved, (void)ret_fresh;
	return err_set(err, FATE_HALT, "not here");
}

void
router_fresh_close(struct router_fresh *fresh)
{
	(void)fresh;
}

void
router_fresh_weather(struct router_fresh *fresh, const struct plan *plan, int64_t wall_ms,
    struct weather *weather)
{
	(void)fresh, (void)plan, (void)wall_ms;
	weather->engines[0].lag_ms = 0;
	weather->engines[0].lsn = replica_lsn;
}

int64_t
router_fresh_lag_ms(struct router_fresh *fresh, size_t engine, int64_t wall_ms)
{
	(void)fresh, (void)engine, (void)wall_ms;
	return 0;
}

bool
router_fresh_knows(struct router_fresh *fresh, const struct read_token *token)
{
	(void)fresh;
	return token->system == history.system && token->timeline == history.timeline;
}

void
router_fresh_hurry(struct router_fresh *fresh)
{
	(void)fresh;
}

void
router_fresh_log(struct router_fresh *fresh)
{
	(void)fresh;
}

/* --- the world --- */

struct world {
	struct router router;
	struct principal *who;
	char audit[64];
};

static void
engine_begin(struct router *r, size_t engine)
{
	struct engine_state state;
	struct err err;

	assert_int_equal(engine_open_ops(&engine_fail, &r->registry->engines[engine], NULL,
			     r->loop, &r->engines[engine], &err),
	    FATE_DONE);
	do {
		loop_run(r->loop, TURN_MS);
		engine_state(r->engines[engine], &state);
	} while (state.down);
}

/* The router over engines that do as the script says. */
static struct world *
world_new(const char *script)
{
	struct world *w = calloc(1, sizeof *w);
	struct router *r = &w->router;
	struct httpd_loop_options http = {
		.listen = "127.0.0.1:0", .asked = router_asked, .ctx = r, .held_max = 4000
	};
	char text[1000];
	struct err err = { 0 };

	assert_non_null(w);
	(void)snprintf(text, sizeof text, config, script, script);
	if (registry_parse("test.yaml", slice_str(text), &r->registry, &err) != FATE_DONE)
		fail_msg("%s", err.what);
	(void)snprintf(w->audit, sizeof w->audit, "/tmp/sluice_audit_XXXXXX");
	assert_true(close(mkstemp(w->audit)) == 0);
	assert_int_equal(router_audit_open(w->audit, &r->audit, &err), FATE_DONE);
	assert_int_equal(loop_new(&r->loop, &err), FATE_DONE);
	assert_int_equal(router_keys_open(r->registry, &r->keys, &err), FATE_DONE);
	assert_int_equal(router_keys_find(r->keys, (struct slice){ 0 }, &w->who), CALLER_KNOWN);
	r->kept_end = &r->kept;
	(void)snprintf(r->run, sizeof r->run, "%s", "0000000000000007");
	arena_init(&r->arena, PLAN_ARENA);
	r->measure = measure_new();
	r->plans = plan_cache_new(r->registry, 10);
	assert_int_equal(httpd_loop_open(r->loop, &http, &r->httpd, &err), FATE_DONE);
	replica_lsn = 0;
	engine_begin(r, CLICKHOUSE);
	engine_begin(r, POSTGRES);
	return w;
}

static void
world_free(struct world *w)
{
	struct router *r = &w->router;

	router_halt(r);
	assert_int_equal(r->statement_count, 0);
	assert_true(r->results_bytes == 0);
	plan_cache_free(r->plans);
	measure_free(r->measure);
	arena_finish(&r->arena);
	router_audit_close(r->audit);
	router_keys_close(r->keys);
	loop_free(r->loop);
	registry_free(r->registry);
	(void)unlink(w->audit);
	free(w);
}

static uint64_t
asked(const struct world *w)
{
	struct engine_state clickhouse, postgres;

	engine_state(w->router.engines[CLICKHOUSE], &clickhouse);
	engine_state(w->router.engines[POSTGRES], &postgres);
	return clickhouse.asked + postgres.asked;
}

static void
turn(struct world *w, int64_t ms)
{
	int64_t until_ms = clock_mono_ms() + ms;

	while (clock_mono_ms() < until_ms)
		loop_run(w->router.loop, TURN_MS);
}

/* --- a client --- */

static int
connected(struct world *w)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(httpd_loop_port(w->router.httpd)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	return fd;
}

static int
say(struct world *w, const char *method, const char *path, const char *body)
{
	int fd = connected(w);
	char text[2000];
	int len = snprintf(text, sizeof text,
	    "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
	    "Content-Length: %zu\r\n\r\n%s",
	    method, path, strlen(body), body);

	assert_int_equal(send(fd, text, (size_t)len, MSG_NOSIGNAL), len);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* Until n statements more than before have reached an engine. */
static void
turn_until_asked(struct world *w, uint64_t before, uint64_t n)
{
	for (int i = 0; i < TURNS && asked(w) < before + n; i++)
		loop_run(w->router.loop, TURN_MS);
	assert_int_equal(asked(w), before + n);
}

/* Everything until the connection's end. */
static char *
hear(struct world *w, int fd)
{
	static char got[20000];
	size_t len = 0;
	ssize_t n = -1;

	for (int i = 0; i < TURNS && n != 0; i++) {
		loop_run(w->router.loop, TURN_MS);
		while ((n = recv(fd, got + len, sizeof got - 1 - len, 0)) > 0)
			len += (size_t)n;
		assert_true(n == 0 || errno == EAGAIN);
	}
	(void)close(fd);
	got[len] = '\0';
	assert_true(n == 0);
	return got;
}

static int
ask_with_token(struct world *w, const char *more)
{
	struct read_token token = { history.system, history.timeline, .lsn = 10 };
	struct buf text = { 0 };
	char body[400];

	read_token_write(w->router.token_key, slice_str("anonymous"), &token, &text);
	(void)snprintf(body, sizeof body,
	    "{\"sql\": \"SELECT id FROM t\", \"read_token\": \"%s\"%s}", buf_str(&text), more);
	buf_finish(&text);
	return say(w, "POST", "/v1/query", body);
}

/* --- tests --- */

/* The replica comes in time, and its query is still running when the wait would have ended:
 * it is asked once. */
static void
test_a_wait_that_has_ended_does_not_end_again(void **state)
{
	struct world *w = world_new("rows=3 every_ms=600");
	uint64_t before = asked(w);
	const char *got;
	int fd;

	(void)state;
	w->router.registry->server.token_wait_ms = 1000;
	fd = ask_with_token(w, "");
	for (int i = 0; i < TURNS && !w->router.waiting; i++)
		loop_run(w->router.loop, TURN_MS);
	assert_non_null(w->router.waiting);
	assert_int_equal(asked(w), before);
	replica_lsn = 10;
	statements_moved(&w->router);
	got = hear(w, fd);
	assert_non_null(strstr(got, "\"row_count\":3"));
	assert_int_equal(asked(w), before + 1);
	world_free(w);
}

/* Who waits no longer than this is told so also while it is a replica that is waited for. */
static void
test_on_timeout_cancel_ends_the_wait_for_a_replica(void **state)
{
	struct world *w = world_new("rows=1");
	uint64_t before = asked(w);
	const char *got;

	(void)state;
	got = hear(
	    w, ask_with_token(w, ", \"wait_timeout\": \"50ms\", \"on_timeout\": \"cancel\""));
	assert_non_null(strstr(got, "HTTP/1.1 504 "));
	assert_non_null(strstr(got, "\"code\":\"TIMEOUT\""));
	assert_null(w->router.waiting);
	turn(w, 350); /* the wait for the replica would end */
	assert_int_equal(asked(w), before);
	assert_int_equal(w->router.statement_count, 0);
	world_free(w);
}

/* A statement's own time runs while a replica is waited for, too. */
static void
test_the_wait_for_a_replica_is_within_the_time(void **state)
{
	struct world *w = world_new("rows=1");
	const char *got;

	(void)state;
	w->router.registry->server.token_wait_ms = 600000;
	got = hear(w, ask_with_token(w, ", \"timeout\": \"50ms\""));
	assert_non_null(strstr(got, "HTTP/1.1 504 "));
	assert_non_null(strstr(got, "\"code\":\"TIMEOUT\""));
	w->who->limits.time_ms = 50;
	got = hear(w, ask_with_token(w, ""));
	assert_non_null(strstr(got, "HTTP/1.1 504 "));
	assert_null(w->router.waiting);
	world_free(w);
}

/* world_free() looks: what was counted for a kept answer and what is taken off is the same. */
static void
test_a_kept_answer_is_counted_whole(void **state)
{
	static const char *const formats[] = { "json", "ndjson", "csv" };
	struct world *w = world_new("rows=3");
	char body[200];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(body, sizeof body,
		    "{\"sql\": \"SELECT id FROM g\", \"wait_timeout\": \"20s\", "
		    "\"format\": \"%s\"}",
		    formats[i]);
		assert_non_null(
		    strstr(hear(w, say(w, "POST", "/v1/query", body)), "HTTP/1.1 200 "));
		assert_true(w->router.results_bytes == 0);
	}
	world_free(w);
}

static void
test_of_governed_tables_the_engine_s_words_stay_here(void **state)
{
	static const struct {
		const char *script, *code;
	} ends[] = { { "end=reject code=57014", "TIMEOUT" },
		{ "end=reject code=22012", "STATEMENT_FAILED" },
		{ "end=halt code=XX000", "ENGINE_FAILED" } };
	const char *got;

	(void)state;
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		struct world *w = world_new(ends[i].script);

		got = hear(w, say(w, "POST", "/v1/query", "{\"sql\": \"SELECT id FROM g\"}"));
		assert_non_null(strstr(got, ends[i].code));
		assert_null(strstr(got, "script"));
		world_free(w);
	}
}

/* The keys are read again while it runs: what it was allowed by is what stands on record. */
static void
test_the_record_names_the_role_of_the_beginning(void **state)
{
	struct world *w = world_new("rows=2 every_ms=100");
	uint64_t before = asked(w);
	int fd = say(w, "POST", "/v1/query", "{\"sql\": \"SELECT id FROM g\"}");
	struct buf text = { 0 };
	struct err err;

	(void)state;
	turn_until_asked(w, before, 1);
	w->who->role = registry_role(w->router.registry, "other");
	assert_non_null(strstr(hear(w, fd), "HTTP/1.1 200 "));
	assert_int_equal(file_read(w->audit, &text, &err), FATE_DONE);
	assert_non_null(strstr(buf_str(&text), "\"outcome\":\"begins\""));
	assert_non_null(strstr(buf_str(&text), "\"outcome\":\"answered\""));
	assert_non_null(strstr(buf_str(&text), "\"role\":\"reader\""));
	assert_null(strstr(buf_str(&text), "\"role\":\"other\""));
	buf_finish(&text);
	world_free(w);
}

static void
test_a_router_that_stops_begins_nothing(void **state)
{
	static const struct {
		const char *method, *path, *body;
	} asks[] = { { "POST", "/v1/query", "{\"sql\": \"SELECT id FROM g\"}" },
		{ "POST", "/v1/explain", "{\"sql\": \"SELECT id FROM g\"}" },
		{ "GET", "/v1/leaderboard/top", "" } };
	struct world *w = world_new("rows=1");
	uint64_t before = asked(w);
	const char *got;

	(void)state;
	w->router.draining = true;
	for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
		got = hear(w, say(w, asks[i].method, asks[i].path, asks[i].body));
		assert_non_null(strstr(got, "HTTP/1.1 503 "));
		assert_non_null(strstr(got, "\"code\":\"DRAINING\""));
	}
	assert_int_equal(asked(w), before);
	assert_int_equal(w->who->running, 0);
	world_free(w);
}

/* The audit's disk is full. */
static void
test_what_cannot_be_written_down_does_not_begin(void **state)
{
	static const char *const asks[] = { "SELECT id FROM g", "INSERT INTO w VALUES (1)" };
	struct world *w = world_new("rows=1");
	uint64_t before = asked(w);
	char body[100];
	const char *got;
	struct err err;

	(void)state;
	router_audit_close(w->router.audit);
	assert_int_equal(router_audit_open("/dev/full", &w->router.audit, &err), FATE_DONE);
	for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
		(void)snprintf(body, sizeof body, "{\"sql\": \"%s\"}", asks[i]);
		got = hear(w, say(w, "POST", "/v1/query", body));
		assert_non_null(strstr(got, "HTTP/1.1 503 "));
		assert_non_null(strstr(got, "\"code\":\"AUDIT\""));
	}
	assert_int_equal(asked(w), before);
	world_free(w);
}

/* What it returned is beyond the limit, and then Postgres takes the write back. */
static void
test_a_write_that_was_cut_off_still_fails(void **state)
{
	struct world *w = world_new("rows=2 end=retry code=40001");
	const char *got = hear(w, say(w, "POST", "/v1/query",
				      "{\"sql\": \"INSERT INTO w VALUES (1), (2) "
				      "RETURNING id\", \"row_limit\": 1}"));

	(void)state;
	assert_non_null(strstr(got, "HTTP/1.1 409 "));
	assert_non_null(strstr(got, "\"code\":\"CONFLICT\""));
	assert_null(strstr(got, "\"row_count\""));
	world_free(w);
}

/* Each line is JSON, whatever a column is called. */
static void
test_the_record_of_a_masked_column_can_be_read(void **state)
{
	struct world *w = world_new("rows=1");
	struct buf text = { 0 };
	struct slice line, raw;
	struct err err;
	size_t lines = 0;

	(void)state;
	assert_non_null(strstr(
	    hear(w, say(w, "POST", "/v1/query", "{\"sql\": \"SELECT id FROM q\"}")), "200 "));
	assert_int_equal(file_read(w->audit, &text, &err), FATE_DONE);
	for (size_t at = 0; at < text.len; at += line.len + 1, lines++) {
		const char *end = memchr(text.p + at, '\n', text.len - at);

		assert_non_null(end);
		line = slice_of(text.p + at, (size_t)(end - text.p) - at);
		assert_int_equal(json_check(line, &raw, &err), FATE_DONE);
		assert_non_null(memmem(line.p, line.len, "\"q.a\\\"b\"", 8));
	}
	assert_int_equal(lines, 2);
	buf_finish(&text);
	world_free(w);
}

/* An answer is kept for minutes: not the question with it, and of one that failed only that. */
static void
test_what_is_kept_is_the_answer_alone(void **state)
{
	static const char *const scripts[] = { "rows=3", "rows=3 end=reject code=22012" };
	const char *got;

	(void)state;
	for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
		struct world *w = world_new(scripts[i]);

		got = hear(w, say(w, "POST", "/v1/query",
				  "{\"sql\": \"SELECT id FROM t WHERE id = $1\", "
				  "\"params\": [7], \"wait_timeout\": 0}"));
		assert_non_null(strstr(got, "HTTP/1.1 202 "));
		while (!w->router.kept)
			turn(w, TURN_MS);
		assert_int_equal(w->router.kept->request.body.cap, 0);
		assert_int_equal(w->router.kept->filled.cap, 0);
		assert_true((w->router.results_bytes > 0) == (i == 0));
		world_free(w);
	}
}

/* Statements that wait for a replica hold their texts: there is an end to it. */
static void
test_no_more_wait_for_a_replica_than_may(void **state)
{
	struct world *w = world_new("rows=1");
	const char *got;

	(void)state;
	w->who->limits.concurrency = 0;
	w->router.registry->server.token_wait_ms = 600000;
	for (int i = 0; i < ROUTER_WAITING_MAX; i++) {
		got = hear(w, ask_with_token(w, ", \"wait_timeout\": 0"));
		assert_non_null(strstr(got, "HTTP/1.1 202 "));
	}
	got = hear(w, ask_with_token(w, ", \"wait_timeout\": 0"));
	assert_non_null(strstr(got, "HTTP/1.1 409 "));
	assert_non_null(strstr(got, "\"code\":\"BEHIND_TOKEN\""));
	replica_lsn = 10;
	statements_moved(&w->router);
	replica_lsn = 0;
	got = hear(w, ask_with_token(w, ", \"wait_timeout\": 0"));
	assert_non_null(strstr(got, "HTTP/1.1 202 "));
	world_free(w);
}

/* What runs when all ends is cancelled, and no other engine is asked in place of the one
 * that closes; nobody waits for one of them, somebody for the other. */
static void
test_what_runs_at_the_end_is_cancelled(void **state)
{
	static const char *const mores[] = { "", ", \"wait_timeout\": 0" };
	struct world *w = world_new("hang rows=0");
	uint64_t before = asked(w);
	struct buf text = { 0 };
	struct err err;
	char body[100];
	int fds[2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(
		    body, sizeof body, "{\"sql\": \"SELECT id FROM twice\"%s}", mores[i]);
		fds[i] = say(w, "POST", "/v1/query", body);
	}
	turn_until_asked(w, before, 2);
	assert_int_equal(w->router.statement_count, 2);
	router_halt(&w->router);
	assert_int_equal(w->who->running, 0);
	assert_int_equal(file_read(w->audit, &text, &err), FATE_DONE);
	for (size_t i = 0, at = 0; i < 2; i++) {
		const char *line = strstr(buf_str(&text) + at, "\"outcome\":\"");

		assert_non_null(line);
		assert_memory_equal(line, "\"outcome\":\"CANCELLED\"", 21);
		at = (size_t)(line - text.p) + 21;
		assert_true((i == 1) == (strstr(text.p + at, "outcome") == NULL));
		(void)close(fds[i]);
	}
	buf_finish(&text);
	world_free(w);
}

/* Others have left it no room for answers: it says so, and that it lives. */
static void
test_without_room_for_answers_it_says_so(void **state)
{
	static const struct {
		const char *method, *path, *body;
	} asks[] = { { "POST", "/v1/query", "{\"sql\": \"SELECT id FROM t\"}" },
		{ "GET", "/v1/history", "" }, { "GET", "/page/style.css", "" } };
	static const char half[] = "POST /v1/query HTTP/1.1\r\nHost: 127.0.0.1\r\n"
				   "Content-Length: 9000\r\n\r\n";
	struct world *w = world_new("rows=1");
	uint64_t before = asked(w);
	char body[5000];
	const char *got;
	int fd = say(w, "GET", "/livez", "");

	(void)state;
	assert_non_null(strstr(hear(w, fd), "HTTP/1.1 200 "));
	fd = connected(w);
	memset(body, ' ', sizeof body);
	assert_int_equal(send(fd, half, sizeof half - 1, MSG_NOSIGNAL), sizeof half - 1);
	assert_int_equal(send(fd, body, sizeof body, MSG_NOSIGNAL), sizeof body);
	for (int i = 0; i < TURNS && !httpd_loop_full(w->router.httpd); i++)
		loop_run(w->router.loop, TURN_MS);
	for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
		got = hear(w, say(w, asks[i].method, asks[i].path, asks[i].body));
		assert_non_null(strstr(got, "HTTP/1.1 503 "));
		assert_non_null(strstr(got, "Retry-After: 1"));
		assert_non_null(strstr(got, "\"code\":\"BUSY\""));
	}
	assert_int_equal(asked(w), before);
	assert_non_null(strstr(hear(w, say(w, "GET", "/livez", "")), "HTTP/1.1 200 "));
	(void)close(fd);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_wait_that_has_ended_does_not_end_again),
		cmocka_unit_test(test_on_timeout_cancel_ends_the_wait_for_a_replica),
		cmocka_unit_test(test_the_wait_for_a_replica_is_within_the_time),
		cmocka_unit_test(test_a_kept_answer_is_counted_whole),
		cmocka_unit_test(test_of_governed_tables_the_engine_s_words_stay_here),
		cmocka_unit_test(test_the_record_names_the_role_of_the_beginning),
		cmocka_unit_test(test_a_router_that_stops_begins_nothing),
		cmocka_unit_test(test_what_cannot_be_written_down_does_not_begin),
		cmocka_unit_test(test_a_write_that_was_cut_off_still_fails),
		cmocka_unit_test(test_the_record_of_a_masked_column_can_be_read),
		cmocka_unit_test(test_what_is_kept_is_the_answer_alone),
		cmocka_unit_test(test_what_runs_at_the_end_is_cancelled),
		cmocka_unit_test(test_without_room_for_answers_it_says_so),
		cmocka_unit_test(test_no_more_wait_for_a_replica_than_may),
	};

	(void)mallopt(M_PERTURB, 0x55); /* what has been freed does not look as it was */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
