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
	breaker_hurry(&b);
	assert_true(b.open && breaker_allows(&b, before, 0));
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
	unsigned good_first;  /* so many are taken before */
	unsigned fail_first;  /* so many are answered fail_status */
	unsigned fail_status; /* 0: 503 */
	unsigned refuse_over; /* arrays of more rows are answered 413; 0: none */
	bool refuse_bad;      /* a body with "bad" in it is answered 422 */
	unsigned rows;        /* taken, in arrays */
	char body[4096], type[64], auth[64], tenant[64], op[8];
	unsigned seen_ids;
	char ids[ROWS * 2][32];
};

static void
note(char *ret, size_t size, const char *header)
{
	(void)snprintf(ret, size, "%s", header ? header : "");
}

static unsigned
array_rows(struct slice body)
{
	struct json_walk walk = json_walk(body);
	unsigned count = 0;

	while (body.len && body.p[0] == '[' && json_next(&walk))
		count++;
	return count;
}

static void
on_event(void *ctx, const struct httpd_request *request, struct httpd_response *response)
{
	struct server *s = ctx;
	const char *id = httpd_header(request, "webhook-id");

	s->count++;
	response->status = s->fail_status ? s->fail_status : 503;
	if (s->count > s->good_first && s->count <= s->good_first + s->fail_first)
		return;
	response->status = 413;
	(void)snprintf(s->body, sizeof s->body, "%.*s", SLICE_ARG(request->body));
	if (s->refuse_over && array_rows(request->body) > s->refuse_over)
		return;
	response->status = 422;
	if (s->refuse_bad && strstr(s->body, "bad"))
		return;
	response->status = 200;
	s->rows += array_rows(request->body);
	note(s->type, sizeof s->type, httpd_header(request, "content-type"));
	note(s->auth, sizeof s->auth, httpd_header(request, "authorization"));
	note(s->tenant, sizeof s->tenant, httpd_header(request, "x-tenant"));
	note(s->op, sizeof s->op, httpd_header(request, "sluice-op"));
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

/* Pushes count rows, works until they are settled, closes. Those that are taken first are
 * answered before the others are sent: answers of many lanes come in any order. */
static void
deliver_all(struct server *server, const struct sink_http_config *config, struct rows *rows,
    size_t count)
{
	struct sink_http_config c = *config;
	struct sink *sink = NULL;
	struct err err = { 0 };

	server_start(server);
	c.url = server->url;
	c.allow_private = true;
	c.back_off_ms = 1;
	c.pause_max_ms = 20;
	if (sink_open(&sink_http, &c, &sink, &err) != FATE_DONE)
		fail_msg("%s", err.what);
	sink_push(sink, rows->pointers, server->good_first);
	work_until_done(sink);
	sink_push(sink, rows->pointers + server->good_first, count - server->good_first);
	work_until_done(sink);
	sink_close(sink);
	httpd_stop(server->httpd);
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

/* A url that goes bad while 2xx are fresh costs a bounded number of rows. */
static void
a_url_that_goes_bad_costs_few_rows(void **state)
{
	struct server server = { .good_first = 20, .fail_first = 100, .fail_status = 404 };
	const struct sink_http_config config = { .lanes = 64 };
	struct rows *rows = rows_new();
	int rejected = 0;

	(void)state;
	deliver_all(&server, &config, rows, ROWS);
	for (int i = 0; i < ROWS; i++) {
		rejected += rows->records[i].outcome == OUTCOME_REJECTED;
		free(rows->records[i].reason);
	}
	assert_int_equal(rejected, 64);
	assert_int_equal(server.seen_ids, ROWS - 64);
	free(rows);
}

/* No request goes out before the group knows that it may have. */
static void
nothing_is_sent_before_it_may_be_open(void **state)
{
	struct sink_part part = { .topic = "t", .partition = 0, .end = ROWS };
	struct sink_range range = { 0 };
	struct server server = { 0 };
	struct rows *rows = rows_new();
	struct sink *sink = NULL;
	struct err err = { 0 };

	(void)state;
	server_start(&server);
	const struct sink_http_config config = { .url = server.url, .allow_private = true };
	assert_int_equal(sink_open(&sink_http, &config, &sink, &err), FATE_DONE);
	assert_int_equal(sink_assign(sink, &part, 1, &err), FATE_DONE);
	assert_false(sink_freezing(sink) || sink_frozen(sink, "t", 0, &range));
	sink_push(sink, rows->pointers, ROWS);
	for (int i = 0; i < 5; i++)
		assert_int_equal(sink_work(sink, 10, &err), FATE_DONE);
	assert_int_equal(server.count, 0);
	assert_true(sink_freezing(sink) && sink_frozen(sink, "t", 0, &range));
	assert_true(range.end >= ROWS);
	assert_memory_equal(range.form, "change-", 7);
	sink_froze(sink);
	work_until_done(sink);
	assert_int_equal(server.seen_ids, ROWS);
	assert_false(sink_freezing(sink)); /* more may come */
	sink_flush(sink);
	assert_true(sink_freezing(sink) && !sink_frozen(sink, "t", 0, &range));
	sink_close(sink);
	httpd_stop(server.httpd);
	free(rows);
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
batches_are_halved_down_to_the_guilty_row(void **state)
{
	static const char *const bad = "{\"t\":\"bad\"}";
	const struct sink_http_config config = { .batch_rows = 50, .lanes = 2 };
	struct server server = { .refuse_over = 20, .refuse_bad = true };
	struct rows *rows = rows_new();

	(void)state;
	rows->records[77].value = slice_str(bad);
	deliver_all(&server, &config, rows, ROWS);
	for (int i = 0; i < ROWS; i++)
		assert_int_equal(
		    rows->records[i].outcome, i == 77 ? OUTCOME_REJECTED : OUTCOME_DONE);
	assert_int_equal(server.rows, ROWS - 1);
	assert_non_null(strstr(rows->records[77].reason, "422"));
	assert_true(server.count < 60); /* it was batches that went out */
	free(rows->records[77].reason);
	free(rows);
}

static void
a_batchs_id_comes_of_its_rows(void **state)
{
	const struct sink_http_config config = { .batch_rows = 10, .lanes = 1 };
	struct server server = { 0 };
	struct rows *rows = rows_new();
	struct slice ids[10];
	char want[RECORD_ID_LEN];

	(void)state;
	deliver_all(&server, &config, rows, 10);
	for (int i = 0; i < 10; i++)
		ids[i] = rows->records[i].id;
	record_id(ids, 10, want);
	assert_int_equal(server.seen_ids, 1);
	assert_int_equal(strlen(server.ids[0]), RECORD_ID_LEN);
	assert_memory_equal(server.ids[0], want, RECORD_ID_LEN);
	free(rows);
}

static void
headers_and_tokens_are_sent(void **state)
{
	static const char *const headers[] = { "X-Tenant: blue" };
	const struct sink_http_config config = {
		.headers = headers, .header_count = 1, .token = "s3cret", .format = HTTP_ROW
	};
	struct server server = { 0 };
	struct rows *rows = rows_new();

	(void)state;
	rows->records[0].value = slice_of(NULL, 0);
	deliver_all(&server, &config, rows, 1);
	assert_string_equal(server.auth, "Bearer s3cret");
	assert_string_equal(server.tenant, "blue");
	assert_string_equal(server.op, "d");
	assert_string_equal(server.body, "{\"id\":0}"); /* a deleted row's key */
	assert_string_equal(server.type, "application/json");
	free(rows);
}

static void
cloudevents_wrap_the_change(void **state)
{
	const struct sink_http_config config = { .format = HTTP_CLOUDEVENTS,
		.source = "engagement" };
	struct server server = { 0 };
	struct rows *rows = rows_new();

	(void)state;
	deliver_all(&server, &config, rows, 1);
	assert_string_equal(server.type, "application/cloudevents+json");
	assert_string_equal(server.body,
	    "{\"id\":\"000\",\"specversion\":\"1.0\","
	    "\"source\":\"/engagement/"
	    "public.engagement_events\",\"type\":\"sluice.row.created\","
	    "\"time\":\"2026-11-18T11:06:40.123000Z\","
	    "\"datacontenttype\":\"application/json\",\"data\":"
	    "{\"id\":\"000\",\"op\":\"c\",\"table\":\"public.engagement_events\","
	    "\"key\":{\"id\":0},\"row\":{},\"before\":null,\"ts_ms\":1795000000123,"
	    "\"version\":844424930131975}}");
	free(rows);
}

static const struct row_column columns[] = {
	{ "id", { .kind = TYPE_INT8, .oid = 20, .typmod = -1 } },
	{ "title", { .kind = TYPE_TEXT, .oid = 25, .typmod = -1 } },
};

static void
a_select_list_makes_the_body(void **state)
{
	const struct sink_http_config config = { .format = HTTP_SELECT,
		.select = "id, title || '!' AS title, id * 2 AS twice, sluice_op AS op",
		.columns = columns,
		.column_count = 2,
		.lanes = 1 };
	struct server server = { 0 };
	struct rows *rows = rows_new();

	(void)state;
	rows->records[0].value = SLICE("{\"id\":7,\"title\":\"o\\\"k\"}");
	deliver_all(&server, &config, rows, 1);
	assert_string_equal(
	    server.body, "{\"id\":7,\"title\":\"o\\\"k!\",\"twice\":14,\"op\":\"c\"}");
	rows->records[1].value = slice_of(NULL, 0); /* gone: its key is what is known */
	rows->records[2].value = SLICE("{\"id\":9223372036854775807}");
	server = (struct server){ 0 };
	rows->pointers[0] = &rows->records[2];
	deliver_all(&server, &config, rows, 2);
	assert_string_equal(server.body, "{\"id\":1,\"title\":null,\"twice\":2,\"op\":\"d\"}");
	assert_int_equal(server.seen_ids, 1);
	assert_int_equal(rows->records[2].outcome, OUTCOME_REJECTED);
	assert_non_null(strstr(rows->records[2].reason, "out of range"));
	free(rows->records[2].reason);
	free(rows);
}

static void
what_cannot_work_is_refused_at_open(void **state)
{
	static const char *const own[] = { "Webhook-Id: 1" };
	static const char *const split[] = { "X: a\r\nY: b" };
	static const char *const nameless[] = { "no colon" };
	static const char *const nets[] = { "10.0.0.1/8" };
	const struct sink_http_config bad[] = { { .url = "ftp://example.org" },
		{ .url = "http://example.org", .secrets = "whsec_short" },
		{ .url = "http://example.org", .headers = own, .header_count = 1 },
		{ .url = "http://example.org", .headers = split, .header_count = 1 },
		{ .url = "http://example.org", .headers = nameless, .header_count = 1 },
		{ .url = "http://example.org", .token = "a\nb" },
		{ .url = "http://example.org", .cert_file = "/x" },
		{ .url = "http://example.org", .private_nets = nets, .private_net_count = 1 },
		{ .url = "http://example.org", .format = HTTP_ROW, .batch_rows = 2 },
		{ .url = "http://example.org", .format = HTTP_SELECT, .select = "id + 1" },
		{ .url = "http://example.org", .format = HTTP_SELECT, .select = "nope" },
		{ .url = "http://example.org",
		    .format = HTTP_SELECT,
		    .select = "sluice_id AS a, sluice_op AS a" },
		{ .url = "http://example.org",
		    .format = HTTP_SELECT,
		    .select = "1 AS a FROM pg_user" } };
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
a_private_address_may_be_listed(void **state)
{
	static const char *const others[] = { "10.0.0.0/8", "127.0.0.2", "::1" };
	static const char *const ours[] = { "10.0.0.0/8", "127.0.0.0/30" };
	struct server server = { 0 };
	struct rows *rows = rows_new();
	struct err err = { 0 };

	(void)state;
	server_start(&server);
	for (int i = 0; i < 2; i++) {
		const struct sink_http_config config = { .url = server.url,
			.private_nets = i ? ours : others,
			.private_net_count = i ? 2 : 3 };
		struct sink *sink = NULL;
		enum fate fate = FATE_DONE;

		assert_int_equal(sink_open(&sink_http, &config, &sink, &err), FATE_DONE);
		sink_push(sink, rows->pointers, 1);
		for (int n = 0; n < 500 && fate == FATE_DONE && sink_pending(sink); n++)
			fate = sink_work(sink, 10, &err);
		assert_int_equal(fate, i ? FATE_DONE : FATE_HALT);
		assert_int_equal(server.count, i);
		sink_close(sink);
	}
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
		.retry_for_ms = 1000 };
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
		cmocka_unit_test(a_url_that_goes_bad_costs_few_rows),
		cmocka_unit_test(batches_are_halved_down_to_the_guilty_row),
		cmocka_unit_test(a_batchs_id_comes_of_its_rows),
		cmocka_unit_test(headers_and_tokens_are_sent),
		cmocka_unit_test(cloudevents_wrap_the_change),
		cmocka_unit_test(a_select_list_makes_the_body),
		cmocka_unit_test(a_private_address_may_be_listed),
		cmocka_unit_test(nothing_is_sent_before_it_may_be_open),
		cmocka_unit_test(drop_forgets_what_is_in_flight),
		cmocka_unit_test(what_cannot_work_is_refused_at_open),
		cmocka_unit_test(a_private_address_halts),
		cmocka_unit_test(a_row_is_given_up_in_the_end_when_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
