/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "demo/receiver.h"
#include "demo/receiver_book.h"
#include "demo/receiver_script.h"
#include "link/http.h"

static struct slice
number(char *out, size_t size, const char *prefix, int n)
{
	int len = snprintf(out, size, "%s%d", prefix, n);

	return slice_of(out, (size_t)len);
}

static void
book_knows_ids_and_versions(void **state)
{
	struct receiver_book *book = receiver_book_new(100000);
	char id[32], key[32];

	(void)state;
	for (int i = 0; i < 20000; i++) /* past several doublings */
		assert_int_equal(receiver_book_note(book, number(id, sizeof id, "id", i),
				     number(key, sizeof key, "key", i % 100), (uint64_t)i),
		    BOOK_NEW);
	for (int i = 0; i < 20000; i++)
		assert_int_equal(receiver_book_note(book, number(id, sizeof id, "id", i),
				     number(key, sizeof key, "key", i % 100), 0),
		    BOOK_DUPLICATE);
	assert_int_equal(
	    receiver_book_note(book, SLICE("late"), SLICE("key7"), 19906), BOOK_BACKWARDS);
	assert_int_equal(
	    receiver_book_note(book, SLICE("same"), SLICE("key7"), 19907), BOOK_NEW);
	assert_int_equal(receiver_book_note(book, SLICE("free"), SLICE(""), 0), BOOK_NEW);
	assert_memory_equal(receiver_book_ids(book).p, "id0\nid1\nid2\n", 12);
	receiver_book_reset(book);
	assert_int_equal(receiver_book_ids(book).len, 0);
	assert_int_equal(receiver_book_note(book, SLICE("id0"), SLICE("key7"), 1), BOOK_NEW);
	receiver_book_free(book);
}

static void
book_refuses_when_full(void **state)
{
	struct receiver_book *book = receiver_book_new(2);

	(void)state;
	assert_int_equal(receiver_book_note(book, SLICE("a"), SLICE(""), 0), BOOK_NEW);
	assert_int_equal(receiver_book_note(book, SLICE("b"), SLICE(""), 0), BOOK_NEW);
	assert_int_equal(receiver_book_note(book, SLICE("c"), SLICE(""), 0), BOOK_FULL);
	assert_int_equal(receiver_book_note(book, SLICE("a"), SLICE(""), 0), BOOK_DUPLICATE);
	receiver_book_free(book);
}

static void
script_answers_in_order(void **state)
{
	struct script script = { 0 };
	struct script_step step;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(
	    script_read(&script,
		SLICE("[{\"status\":400,\"match\":\"bad\",\"times\":0},"
		      "{\"status\":429,\"times\":2,\"retry_after\":\"7\",\"delay_ms\":5},"
		      "{\"close\":true}]"),
		&err),
	    FATE_DONE);
	for (int i = 0; i < 2; i++) {
		assert_true(script_next(&script, SLICE("good"), &step));
		assert_int_equal(step.status, 429);
		assert_string_equal(step.retry_after, "7");
		assert_int_equal(step.delay_ms, 5);
		assert_true(script_next(&script, SLICE("a bad one"), &step));
		assert_int_equal(step.status, 400);
	}
	assert_true(script_next(&script, SLICE("good"), &step));
	assert_true(step.close && step.status == 200);
	assert_false(script_next(&script, SLICE("good"), &step));
	assert_true(script_next(&script, SLICE("bad"), &step));
}

static void
script_refuses_nonsense(void **state)
{
	static const char *const bad[] = { "", "7", "[7]", "[{\"status\":99}]",
		"{\"status\":\"200\"}", "{\"times\":-1}", "{\"colour\":1}", "{\"close\":1}",
		"{\"retry_after\":true}", "{\"retry_after\":\"a\\nb\"}", "[{]" };
	struct script script = { .count = 1 };
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(script_read(&script, slice_str(bad[i]), &err), FATE_REJECT);
	assert_int_equal(script.count, 1);
}

static struct receiver *
start(const char *secrets)
{
	const struct receiver_options options = { .listen = "127.0.0.1:0",
		.path = "/events",
		.secrets = secrets,
		.ids_max = 100,
		.body_max = 1000 };
	struct receiver *receiver = NULL;
	struct err err = { 0 };

	assert_int_equal(receiver_start(&options, &receiver, &err), FATE_DONE);
	return receiver;
}

/* Sends one request to the receiver; 0: no answer. */
static long
ask(struct receiver *receiver, const char *path, const char *id, const char *body,
    struct http_response *response)
{
	struct http_options options = { .connect_timeout_ms = 2000, .total_timeout_ms = 2000 };
	struct http_client *client = NULL;
	struct err err = { 0 };
	struct slice text = slice_str(body);
	char url[64], header[64];
	const char *headers[] = { header };
	struct http_request request = { .url = url,
		.headers = headers,
		.header_count = id ? 1 : 0,
		.body = &text,
		.body_count = body ? 1 : 0 };

	(void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", receiver_port(receiver), path);
	(void)snprintf(header, sizeof header, "webhook-id: %s", id ? id : "");
	assert_int_equal(http_client_new(&options, &client, &err), FATE_DONE);
	(void)!http_client_send(client, &request, response, &err);
	http_client_free(client);
	return response->status;
}

static void
receiver_counts_what_it_processed(void **state)
{
	struct receiver *receiver = start(NULL);
	struct http_response r = { 0 };

	(void)state;
	assert_int_equal(
	    ask(receiver, "/events", "a", "{\"key\":{\"id\":1},\"version\":5}", &r), 204);
	assert_int_equal(
	    ask(receiver, "/events", "b", "{\"key\":{\"id\":1},\"version\":4}", &r), 204);
	assert_int_equal(
	    ask(receiver, "/events", "a", "{\"key\":{\"id\":1},\"version\":5}", &r), 204);
	assert_int_equal(ask(receiver, "/events", NULL, "{}", &r), 400);
	assert_int_equal(ask(receiver, "/events", "x", "{", &r), 400);
	assert_int_equal(ask(receiver, "/script", NULL,
			     "[{\"status\":429,\"retry_after\":\"3\"},{\"close\":true}]", &r),
	    200);
	assert_int_equal(ask(receiver, "/events", "c", "{}", &r), 429);
	assert_int_equal(http_retry_after_ms(&r, 0), 3000);
	assert_int_equal(ask(receiver, "/events", "c", "{}", &r), 0);
	assert_int_equal(ask(receiver, "/events", "c", "{}", &r), 204);
	assert_int_equal(ask(receiver, "/stats", NULL, NULL, &r), 200);
	assert_string_equal(buf_str(&r.body),
	    "{\"requests\":8,\"events\":5,\"distinct\":3,\"duplicates\":2,\"bad_signature\":0,"
	    "\"order_violations\":1,\"answered_ok\":4,\"answered_error\":4}\n");
	assert_int_equal(ask(receiver, "/ids", NULL, NULL, &r), 200);
	assert_string_equal(buf_str(&r.body), "a\nb\nc\n");
	assert_int_equal(ask(receiver, "/ids?offset=4", NULL, NULL, &r), 200);
	assert_string_equal(buf_str(&r.body), "c\n");
	http_response_finish(&r);
	receiver_stop(receiver);
}

static void
receiver_looks_into_arrays_and_events(void **state)
{
	struct receiver *receiver = start(NULL);
	struct http_response r = { 0 };
	struct receiver_stats stats;

	(void)state;
	assert_int_equal(ask(receiver, "/events", "one",
			     "[{\"id\":\"a\",\"key\":1,\"version\":5},{\"id\":\"b\",\"key\":1,"
			     "\"version\":6},"
			     "{\"id\":\"c\",\"key\":2,\"version\":1}]",
			     &r),
	    204);
	assert_int_equal(ask(receiver, "/events", "two",
			     "[{\"id\":\"c\",\"key\":2,\"version\":1},{\"id\":\"d\",\"key\":1,"
			     "\"version\":4}]",
			     &r),
	    204);
	receiver_stats(receiver, &stats);
	assert_int_equal(stats.events, 5);
	assert_int_equal(stats.distinct, 4);
	assert_int_equal(stats.duplicates, 1);
	assert_int_equal(stats.order_violations, 1);
	assert_int_equal(ask(receiver, "/events", "e",
			     "{\"id\":\"e\",\"specversion\":\"1.0\",\"data\":{\"key\":2,"
			     "\"version\":0}}",
			     &r),
	    204);
	assert_int_equal(
	    ask(receiver, "/events", "f", "{\"specversion\":\"1.0\",\"data\":7}", &r), 204);
	assert_int_equal(ask(receiver, "/events", "g", "[{\"id\":7},{}]", &r), 204);
	assert_int_equal(ask(receiver, "/events", "h", "[7]", &r), 400);
	assert_int_equal(ask(receiver, "/events", "i", "7", &r), 400);
	assert_int_equal(ask(receiver, "/events", "j", "[]", &r), 204);
	receiver_stats(receiver, &stats);
	assert_int_equal(stats.order_violations, 2);
	assert_int_equal(ask(receiver, "/ids", NULL, NULL, &r), 200);
	assert_string_equal(buf_str(&r.body), "a\nb\nc\nd\ne\nf\ng\n");
	http_response_finish(&r);
	receiver_stop(receiver);
}

static void
receiver_stalls_in_the_middle(void **state)
{
	struct receiver *receiver = start(NULL);
	struct http_response r = { 0 };

	(void)state;
	assert_int_equal(
	    ask(receiver, "/script", NULL, "[{\"stall_ms\":300},{\"stall_ms\":60000}]", &r),
	    200);
	assert_int_equal(ask(receiver, "/events", "a", "{}", &r), 200);
	assert_string_equal(buf_str(&r.body), "scripted\n");
	assert_true(r.elapsed_us >= 250000);
	assert_int_equal(ask(receiver, "/events", "b", "{}", &r), 200);
	assert_int_equal(r.fate, FATE_RETRY); /* the status came, the body did not */
	assert_string_equal(buf_str(&r.body), "scri");
	http_response_finish(&r);
	receiver_stop(receiver); /* and does not wait for the rest */
}

static void
receiver_refuses_unsigned(void **state)
{
	struct receiver *receiver = start("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
	struct http_response r = { 0 };
	struct receiver_stats stats;

	(void)state;
	assert_int_equal(ask(receiver, "/events", "a", "{}", &r), 401);
	receiver_stats(receiver, &stats);
	assert_int_equal(stats.bad_signature, 1);
	assert_int_equal(stats.events, 0);
	http_response_finish(&r);
	receiver_stop(receiver);
}

static void
receiver_names_the_taken_port(void **state)
{
	struct receiver *receiver = start(NULL), *second = NULL;
	char listen[32];
	struct receiver_options options = { .listen = listen, .path = "/events", .ids_max = 1 };
	struct err err = { 0 };

	(void)state;
	(void)snprintf(listen, sizeof listen, "127.0.0.1:%u", receiver_port(receiver));
	assert_int_equal(receiver_start(&options, &second, &err), FATE_HALT);
	assert_non_null(strstr(err.what, listen));
	options.path = "/stats";
	assert_int_equal(receiver_start(&options, &second, &err), FATE_HALT);
	options.path = "/events";
	options.script = "[7]";
	assert_int_equal(receiver_start(&options, &second, &err), FATE_HALT);
	assert_non_null(strstr(err.what, "script"));
	receiver_stop(receiver);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(book_knows_ids_and_versions),
		cmocka_unit_test(book_refuses_when_full),
		cmocka_unit_test(script_answers_in_order),
		cmocka_unit_test(script_refuses_nonsense),
		cmocka_unit_test(receiver_counts_what_it_processed),
		cmocka_unit_test(receiver_looks_into_arrays_and_events),
		cmocka_unit_test(receiver_stalls_in_the_middle),
		cmocka_unit_test(receiver_refuses_unsigned),
		cmocka_unit_test(receiver_names_the_taken_port),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
