/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/http_head.h"

static struct http_head head;
static struct http_trouble trouble;

static enum http_step
parse(const char *text)
{
	trouble = (struct http_trouble){ 0 };
	return http_head_read(slice_str(text), &head, &trouble);
}

static void
a_head_is_taken_apart(void **state)
{
	(void)state;
	assert_int_equal(
	    parse("POST /v1/query?a=1&b HTTP/1.1\r\nHost: h\r\nX-Y:  two words \t\r\n"
		  "content-LENGTH: 12\r\nConnection: x, close\r\n\r\nrest"),
	    HTTP_READY);
	assert_true(slice_eq(head.method, SLICE("POST")));
	assert_true(slice_eq(head.path, SLICE("/v1/query")));
	assert_true(slice_eq(head.query, SLICE("a=1&b")));
	assert_true(slice_eq(http_header(&head, "x-y"), SLICE("two words")));
	assert_null(http_header(&head, "x").p);
	assert_int_equal(head.length, 12);
	assert_true(head.has_length && !head.chunked && !head.keep_alive);
	assert_int_equal(
	    parse("\r\nGET http://h:1/p HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"),
	    HTTP_READY);
	assert_true(slice_eq(head.path, SLICE("/p")) && head.keep_alive && head.minor == 0);
	assert_int_equal(parse("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n"
			       "Expect: 100-continue\r\n\r\n"),
	    HTTP_READY);
	assert_true(head.chunked && head.expects_continue && head.keep_alive);
}

static void
every_beginning_of_a_head_wants_more(void **state)
{
	static const char text[] = "GET /x HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";

	(void)state;
	for (size_t len = 0; len + 1 < sizeof text - 1; len++)
		assert_int_equal(
		    http_head_read(slice_of(text, len), &head, &trouble), HTTP_MORE);
}

static void
what_two_readers_may_read_differently_is_refused(void **state)
{
	static const struct {
		const char *text;
		unsigned status;
	} cases[] = {
		{ "GET / HTTP/1.1\nHost: h\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\n\r\n", 400 },
		{ "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400 },
		{ "GET /\r\nHost: h\r\n\r\n", 400 },
		{ "G\x01T / HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET x HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505 },
		{ "GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505 },
		{ "GET / HTTP/1.1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nX: a\x01\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", 400 },
		{ "P / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
		    400 },
		{ "P / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n", 400 },
		{ "P / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\n", 400 },
		{ "P / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n",
		    400 },
		{ "P / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: "
		  "chunked\r\n\r\n",
		    400 },
		{ "P / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501 },
		{ "P / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
		  "Transfer-Encoding: chunked\r\n\r\n",
		    400 },
		{ "P / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
		{ "P / HTTP/1.1\r\nHost: h\r\nExpect: more\r\n\r\n", 417 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(parse(cases[i].text), HTTP_BAD);
		assert_int_equal(trouble.status, cases[i].status);
		assert_non_null(trouble.what);
	}
}

static enum http_step
chunks(struct http_chunks *c, const char *text, struct buf *body, size_t *used)
{
	return http_chunks_read(c, slice_str(text), body, 100, used, &trouble);
}

static void
chunks_are_joined_however_they_come(void **state)
{
	static const char text[] =
	    "5\r\nhello\r\n1;x=y\r\n \r\n5\r\nworld\r\n0\r\nT: r\r\n\r\nNEXT";
	struct buf body = { 0 }, rest = { 0 };
	struct http_chunks c = { 0 };
	size_t used;

	(void)state;
	assert_int_equal(chunks(&c, text, &body, &used), HTTP_READY);
	assert_true(slice_eq(buf_view(&body), SLICE("hello world")));
	assert_string_equal(text + used, "NEXT");
	body.len = 0;
	c = (struct http_chunks){ 0 };
	for (size_t i = 0; c.at != CHUNK_OVER; i++) { /* a byte at a time */
		buf_byte(&rest, text[i]);
		assert_int_not_equal(
		    http_chunks_read(&c, buf_view(&rest), &body, 100, &used, &trouble),
		    HTTP_BAD);
		memmove(rest.p, rest.p + used, rest.len - used);
		rest.len -= used;
	}
	assert_true(slice_eq(buf_view(&body), SLICE("hello world")));
	buf_finish(&body);
	buf_finish(&rest);
}

static void
broken_chunks_are_refused(void **state)
{
	static const char *const bad[] = { "x\r\n", "\r\n", "-1\r\n", "0x1\r\n", "1 \r\n",
		"1\n", "123456789\r\n", "1\r\nab\r\n", "1;\x01\r\n" };
	struct buf body = { 0 };
	size_t used;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct http_chunks c = { 0 };

		body.len = 0;
		assert_int_equal(chunks(&c, bad[i], &body, &used), HTTP_BAD);
		assert_int_equal(trouble.status, 400);
	}
	struct http_chunks c = { 0 };
	body.len = 0;
	assert_int_equal(chunks(&c, "65\r\n", &body, &used), HTTP_BAD);
	assert_int_equal(trouble.status, 413);
	buf_finish(&body);
}

static void
query_values_are_decoded(void **state)
{
	struct buf out = { 0 };
	struct slice query = SLICE("top=10&a%20b=1&q=x%2By+z&bad=%0&nul=%00&flag");

	(void)state;
	assert_true(http_query_value(query, "q", &out));
	assert_true(slice_eq(buf_view(&out), SLICE("x+y z")));
	out.len = 0;
	assert_true(http_query_value(query, "flag", &out) && out.len == 0);
	assert_false(http_query_value(query, "to", &out));
	assert_false(http_query_value(query, "bad", &out));
	assert_false(http_query_value(query, "nul", &out));
	buf_finish(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_is_taken_apart),
		cmocka_unit_test(every_beginning_of_a_head_wants_more),
		cmocka_unit_test(what_two_readers_may_read_differently_is_refused),
		cmocka_unit_test(chunks_are_joined_however_they_come),
		cmocka_unit_test(broken_chunks_are_refused),
		cmocka_unit_test(query_values_are_decoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
