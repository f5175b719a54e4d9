/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "link/httpd.h"
#include "sink/http.h"
#include "sink/http_breaker.h"
#include "wire/json.h"

enum { KEYS = 10, ROWS = 200 };

static struct record
record_of(const char *key, const char *value, char op)
{
	return (struct record){ .topic = "enriched",
		.key = slice_str(key),
		.value = slice_str(value),
		.op = op,
		.id = SLICE("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
		.version = (UINT64_C(3) << 48) + 7,
		.ts_ms = 1795000000123,
		.source_topic = SLICE("pg.public.engagement_events") };
}

static void
expect_body(const struct record *record, const char *want)
{
	struct buf body = { 0 };
	struct slice raw;
	struct err err;

	http_body(record, &body);
	assert_string_equal(buf_str(&body), want);
	assert_int_equal(json_check(buf_view(&body), &raw, &err), FATE_DONE);
	buf_finish(&body);
}

static void
bodies_hold_the_records_bytes(void **state)
{
	struct record record =
	    record_of("{\"id\": 1}", "{\"n\":12.50, \"t\":\"\\u00e9\"}", 'c');

	(void)state;
	expect_body(&record, "{\"id\":\"ABCDEFGHIJKLMNOPQRSTUVWXYZ\",\"op\":\"c\","
			     "\"table\":\"public.engagement_events\",\"key\":{\"id\": 1},"
			     "\"row\":{\"n\":12.50, \"t\":\"\\u00e9\"},\"before\":null,"
			     "\"ts_ms\":1795000000123,\"version\":844424930131975}");
	record.before = SLICE("{\"id\":0}");
	record.value = slice_of(NULL, 0);
	record.op = 'u'; /* a row that no longer passes WHERE */
	expect_body(&record,
	    "{\"id\":\"ABCDEFGHIJKLMNOPQRSTUVWXYZ\",\"op\":\"d\","
	    "\"table\":\"public.engagement_events\",\"key\":{\"id\": 1},\"row\":null,"
	    "\"before\":{\"id\":0},\"ts_ms\":1795000000123,\"version\":844424930131975}");
	record.source_topic = SLICE("noprefix");
	record.before = slice_of(NULL, 0);
	expect_body(&record,
	    "{\"id\":\"ABCDEFGHIJKLMNOPQRSTUVWXYZ\",\"op\":\"d\",\"table\":\"noprefix\","
	    "\"key\":{\"id\": 1},\"row\":null,\"before\":null,\"ts_ms\":1795000000123,"
	    "\"version\":844424930131975}");
}

static void
bodies_are_refused_that_would_be_none(void **state)
{
	const struct record good = record_of("{\"id\":1}", "{}", 'c');
	struct record bad[6];
	struct err err = { 0 };

	(void)state;
	assert_int_equal(http_body_check(&good, &err), FATE_DONE);
	for (size_t i = 0; i < 6; i++)
		bad[i] = good;
	bad[0].id = SLICE("A\r\nx: y");
	bad[1].id = SLICE("");
	bad[2].key = SLICE("");
	bad[3].value = SLICE("[1]");
	bad[4].before = SLICE("{");
	bad[5].source_topic = SLICE("a\"b");
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(http_body_check(&bad[i], &err), FATE_REJECT);
}

static void
statuses_have_their_classes(void **state)
{
	static const struct {
		long from, to;
		enum http_class class;
	} want[] = {
		{ 100, 199, HTTP_CLASS_RETRY },
		{ 200, 299, HTTP_CLASS_DONE },
		{ 300, 399, HTTP_CLASS_DOUBT },
		{ 400, 400, HTTP_CLASS_DEAD },
		{ 401, 401, HTTP_CLASS_DOUBT },
		{ 402, 402, HTTP_CLASS_DEAD },
		{ 403, 404, HTTP_CLASS_DOUBT },
		{ 405, 407, HTTP_CLASS_DEAD },
		{ 408, 408, HTTP_CLASS_RETRY },
		{ 409, 409, HTTP_CLASS_DEAD },
		{ 410, 410, HTTP_CLASS_DOUBT },
		{ 411, 424, HTTP_CLASS_DEAD },
		{ 425, 425, HTTP_CLASS_RETRY },
		{ 426, 428, HTTP_CLASS_DEAD },
		{ 429, 429, HTTP_CLASS_RETRY },
		{ 430, 499, HTTP_CLASS_DEAD },
		{ 500, 999, HTTP_CLASS_RETRY },
	};
	const struct sink_http_config plain = { 0 };
	const struct sink_http_config with_409 = { .done_statuses = { 409 },
		.done_status_count = 1 };

	(void)state;
	for (size_t i = 0; i < sizeof want / sizeof *want; i++)
		for (long status = want[i].from; status <= want[i].to; status++)
			assert_int_equal(http_class(&plain, status), want[i].class);
	assert_int_equal(http_class(&with_409, 409), HTTP_CLASS_DONE);
}

static void
pauses_grow_to_a_bound(void **state)
{
	(void)state;
	for (unsigned attempt = 0; attempt < 100; attempt++) {
		int64_t low = back_off_ms(200, 60000, attempt, 0);
		int64_t top = attempt < 8 ? INT64_C(400) << attempt : 60000;

		assert_int_equal(low, 200);
		for (uint32_t dice = 0; dice < 1000; dice++)
			assert_in_range(
			    back_off_ms(200, 60000, attempt, dice * 4294967u), 200, top);
		assert_int_equal(back_off_ms(200, 60000, attempt, (uint32_t)(top - 200)), top);
	}
}

static void
breaker_opens_probes_and_closes(void **state)
{
	struct breaker b;
	int64_t before;

	(void)state;
	breaker_init(&b, 200, 60000);
	assert_true(breaker_allows(&b, 0, 0));
	assert_false(breaker_allows(&b, 0, 1)); /* nobody has answered yet */
	breaker_good(&b, 500);
	assert_true(breaker_allows(&b, 500, 1000));
	for (int i = 1; i < BREAKER_FAILURES; i++)
		breaker_bad(&b, 1000, -1, false, 7);
	assert_false(b.open);
	breaker_bad(&b, 1000, -1, false, 7);
	assert_true(b.open);
	before = b.not_before_ms;
	breaker_bad(&b, 1001, -1, false, 7); /* was in flight: no longer pause for it */
	assert_int_equal(b.not_before_ms, before);
	assert_false(breaker_allows(&b, before - 1, 0));
	assert_true(breaker_allows(&b, before, 0));
	assert_false(breaker_allows(&b, before, 1)); /* one at a time */
	breaker_bad(&b, before, -1, false, UINT32_MAX);
	assert_true(b.not_before_ms > before);
	breaker_good(&b, 90000);
	assert_false(b.open);
	assert_int_equal(b.good_ms, 90000);
	assert_true(breaker_allows(&b, 90000, 1000));
}

static void
breaker_respects_retry_after(void **state)
{
	struct breaker b;

	(void)state;
	breaker_init(&b, 200, 60000);
	breaker_good(&b, 900);
	breaker_bad(&b, 1000, 5000, false, 0);
	assert_false(b.open);
	assert_false(breaker_allows(&b, 5999, 0));
	assert_true(breaker_allows(&b, 6000, 10));
	breaker_bad(&b, 6000, INT64_MAX / 2, false, 0); /* absurd: an hour */
	assert_true(breaker_allows(&b, 6000 + 3600000, 0));
	breaker_init(&b, 200, 60000);
	breaker_alive(&b);
	breaker_bad(&b, 1000, -1, true, 0);
	assert_true(b.open);
	breaker_alive(&b);
	assert_false(b.open);
	assert_int_equal(b.good_ms, BREAKER_NEVER_MS);
}

/* --- the whole sink against a server in this process --- */

struct server {
	struct httpd *httpd;
	char url[64];
	unsigned count;
	unsigned fail_first;  /* so many are answered fail_status */
	unsigned fail_status; /* 0: 503 */
	unsigned seen_ids;
	char ids[ROWS * 2][32];
};

static void
on_event(void *ctx, const struct httpd_request *request, struct httpd_response *response)
{
	struct server *s = ctx;
	const char *id = httpd_header(request, "webhook-id");

	s->count++;
	response->status = s->fail_status ? s->fail_status : 503;
	if (s->count <= s->fail_first)
		return;
	response->status = 200;
	(void)snprintf(s->ids[s->seen_ids++], sizeof s->ids[0], "%s", id ? id : "");
}

static void
server_start(struct server *s)
{
	static const struct httpd_route routes[] = { { "POST", "/events", on_event } };
	const struct httpd_options options = {
		.listen = "127.0.0.1:0", .routes = routes, .route_count = 1, .ctx = s
	};
	struct err err;

	assert_int_equal(httpd_start(&options, &s->httpd, &err), FATE_DONE);
	(void)snprintf(
	    s->url, sizeof s->url, "http://127.0.0.1:%u/events", httpd_port(s->httpd));
}

struct rows {
	struct record records[ROWS];
	struct record *pointers[ROWS];
	char ids[ROWS][32], keys[ROWS][32];
};

/* Row i has id NNN and key i % KEYS. */
static struct rows *
rows_new(void)
{
	struct rows *rows = calloc(1, sizeof *rows);

	assert_non_null(rows);
	for (int i = 0; i < ROWS; i++) {
		(void)snprintf(rows->ids[i], sizeof rows->ids[i], "%03d", i);
		(void)snprintf(rows->keys[i], sizeof rows->keys[i], "{\"id\":%d}", i % KEYS);
		rows->records[i] = record_of(rows->keys[i], "{}", 'c');
		rows->records[i].id = slice_str(rows->ids[i]);
		rows->pointers[i] = &rows->records[i];
	}
	return rows;
}

static void
work_until_done(struct sink *sink)
{
	int64_t until = clock_mono_ms() + 20000;
	struct err err = { 0 };

	while (sink_pending(sink) > 0 && clock_mono_ms() < until)
		assert_int_equal(sink_work(sink, 10, &err), FATE_DONE);
	assert_int_equal(sink_pending(sink), 0);
}

static void
rows_arrive_in_order_of_their_key(void **state)
{
	struct server server = { .fail_first = 12 };
	struct rows *rows = rows_new();
	struct sink *sink = NULL;
	struct err err = { 0 };
	int last[KEYS];

	(void)state;
	server_start(&server);
	const struct sink_http_config config = { .url = server.url,
		.allow_private = true,
		.lanes = 8,
		.back_off_ms = 1,
		.pause_max_ms = 20 };
	assert_int_equal(sink_open(&sink_http, &config, &sink, &err), FATE_DONE);
	sink_push(sink, rows->pointers, ROWS);
	assert_int_equal(sink_pending(sink), ROWS);
	work_until_done(sink);
	assert_int_equal(server.seen_ids, ROWS);
	memset(last, -1, sizeof last);
	for (unsigned i = 0; i < server.seen_ids; i++) {
		int n = (int)strtol(server.ids[i], NULL, 10);

		assert_true(n > last[n % KEYS]);
		last[n % KEYS] = n;
	}
	for (int i = 0; i < ROWS; i++)
		assert_int_equal(rows->records[i].outcome, OUTCOME_DONE);
	sink_close(sink);
	httpd_stop(server.httpd);
	free(rows);
}

/* A wrong url is asked with one row after the other; none of them is given up, those that
 * were refused while it was wrong included. */
static void
a_wrong_url_costs_no_row(void **state)
{
	static const unsigned statuses[] = { 301, 401, 403, 404, 410 };

	(void)state;
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		struct server server = { .fail_first = 40, .fail_status = statuses[i] };
		struct rows *rows = rows_new();
		struct sink *sink = NULL;
		struct err err = { 0 };

		server_start(&server);
		const struct sink_http_config config = { .url = server.url,
			.allow_private = true,
			.back_off_ms = 1,
			.pause_max_ms = 4 };
		assert_int_equal(sink_open(&sink_http, &config, &sink, &err), FATE_DONE);
		sink_push(sink, rows->pointers, ROWS);
		work_until_done(sink);
		for (int n = 0; n < ROWS; n++)
			assert_int_equal(rows->records[n].outcome, OUTCOME_DONE);
		assert_int_equal(server.seen_ids, ROWS);
		assert_int_equal(server.count, ROWS + 40);
		sink_close(sink);
		httpd_stop(server.httpd);
		free(rows);
	}
}

/* Forgotten rows keep their outcome and may be pushed again. */
static void
drop_forgets_what_is_in_flight(void **state)
{
	struct server server = { 0 };
	struct rows *rows = rows_new();
	struct sink *sink = NULL;
	struct err err = { 0 };

	(void)state;
	server_start(&server);
	const struct sink_http_config config = { .url = server.url, .allow_private = true };
	assert_int_equal(sink_open(&sink_http, &config, &sink, &err), FATE_DONE);
	sink_push(sink, rows->pointers, ROWS);
	assert_int_equal(sink_work(sink, 0, &err), FATE_DONE);
	sink_drop(sink);
	assert_int_equal(sink_pending(sink), 0);
	for (int i = 0; i < ROWS; i++)
		rows->records[i].outcome = OUTCOME_PENDING;
	sink_push(sink, rows->pointers, ROWS);
	work_until_done(sink);
	sink_close(sink);
	httpd_stop(server.httpd);
	free(rows);
}

static void
what_cannot_work_is_refused_at_open(void **state)
{
	const struct sink_http_config bad[] = { { .url = "ftp://example.org" },
		{ .url = "http://example.org", .secrets = "whsec_short" } };
	struct sink *sink = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err err = { 0 };

		assert_int_equal(sink_open(&sink_http, &bad[i], &sink, &err), FATE_HALT);
		assert_string_equal(err.code, "CONFIG");
	}
}

static void
a_private_address_halts(void **state)
{
	struct server server = { 0 };
	struct rows *rows = rows_new();
	struct sink *sink = NULL;
	struct err err = { 0 };
	enum fate fate = FATE_DONE;

	(void)state;
	server_start(&server);
	const struct sink_http_config config = { .url = server.url };
	assert_int_equal(sink_open(&sink_http, &config, &sink, &err), FATE_DONE);
	sink_push(sink, rows->pointers, 1);
	for (int i = 0; i < 100 && fate == FATE_DONE; i++)
		fate = sink_work(sink, 10, &err);
	assert_int_equal(fate, FATE_HALT);
	assert_non_null(strstr(err.what, "private"));
	assert_int_equal(server.count, 0);
	assert_int_equal(rows->records[0].outcome, OUTCOME_PENDING);
	sink_close(sink);
	httpd_stop(server.httpd);
	free(rows);
}

static void
a_row_is_given_up_in_the_end_when_told(void **state)
{
	struct server server = { .fail_first = UINT32_MAX };
	struct rows *rows = rows_new();
	struct sink *sink = NULL;
	struct err err = { 0 };

	(void)state;
	server_start(&server);
	const struct sink_http_config config = { .url = server.url,
		.allow_private = true,
		.back_off_ms = 5,
		.pause_max_ms = 10,
		.retry_for_ms = 100 };
	assert_int_equal(sink_open(&sink_http, &config, &sink, &err), FATE_DONE);
	sink_push(sink, rows->pointers, 1);
	work_until_done(sink);
	assert_int_equal(rows->records[0].outcome, OUTCOME_REJECTED);
	assert_non_null(strstr(rows->records[0].reason, "503"));
	assert_true(rows->records[0].attempts >= 5);
	free(rows->records[0].reason);
	sink_close(sink);
	httpd_stop(server.httpd);
	free(rows);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_hold_the_records_bytes),
		cmocka_unit_test(bodies_are_refused_that_would_be_none),
		cmocka_unit_test(statuses_have_their_classes),
		cmocka_unit_test(pauses_grow_to_a_bound),
		cmocka_unit_test(breaker_opens_probes_and_closes),
		cmocka_unit_test(breaker_respects_retry_after),
		cmocka_unit_test(rows_arrive_in_order_of_their_key),
		cmocka_unit_test(a_wrong_url_costs_no_row),
		cmocka_unit_test(drop_forgets_what_is_in_flight),
		cmocka_unit_test(what_cannot_work_is_refused_at_open),
		cmocka_unit_test(a_private_address_halts),
		cmocka_unit_test(a_row_is_given_up_in_the_end_when_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
