/* SPDX-License-Identifier: Apache-2.0 */
/* The client and the multi against httpd in one process, and the table of fates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "link/http.h"
#include "link/httpd.h"

static struct httpd *server;
static char base[64];

static void
echo(void *ctx, const struct httpd_request *request, struct httpd_response *response)
{
	const char *name = httpd_query(request, "name"),
		   *seen = httpd_header(request, "X-Seen");
	const char *expect = httpd_header(request, "Expect");
	(void)ctx;
	response->content_type = "application/octet-stream";
	response->headers[0].name = "X-Method";
	(void)snprintf(response->headers[0].value, sizeof response->headers[0].value,
	    "%s %s %s %s", request->method, name ? name : "-", seen ? seen : "-",
	    expect ? expect : "-");
	buf_slice(&response->body, request->body);
}

static void
status(void *ctx, const struct httpd_request *request, struct httpd_response *response)
{
	const char *code = httpd_query(request, "code"), *after = httpd_query(request, "after");
	int64_t number = 500;
	(void)ctx;
	(void)slice_i64(slice_str(code), &number);
	response->status = (unsigned)number;
	if (after) {
		response->headers[0].name = "Retry-After";
		(void)snprintf(
		    response->headers[0].value, sizeof response->headers[0].value, "%s", after);
	}
	if (number == 302) {
		response->headers[1].name = "Location";
		(void)snprintf(
		    response->headers[1].value, sizeof response->headers[1].value, "/echo");
	}
}

static void
slow(void *ctx, const struct httpd_request *request, struct httpd_response *response)
{
	const char *ms = httpd_query(request, "ms"), *drop = httpd_query(request, "drop");
	(void)ctx;
	(void)slice_i64(slice_str(ms), &response->delay_ms);
	response->drop = drop != NULL;
	buf_cstr(&response->body, "late");
}

static void
large(void *ctx, const struct httpd_request *request, struct httpd_response *response)
{
	(void)ctx, (void)request;
	buf_grow(&response->body, 300000);
	memset(response->body.p, 'x', 300000);
	response->body.len = 300000;
}

static const struct httpd_route routes[] = {
	{ "*", "/echo", echo },
	{ "GET", "/status", status },
	{ "*", "/slow", slow },
	{ "GET", "/large", large },
	{ "POST", "/prefix/*", echo },
};

static int
setup(void **state)
{
	struct httpd_options o = { .listen = "127.0.0.1:0",
		.routes = routes,
		.route_count = sizeof routes / sizeof *routes,
		.body_max = 200000 };
	struct err err = { 0 };
	(void)state;
	if (httpd_start(&o, &server, &err) != FATE_DONE)
		return -1;
	(void)snprintf(base, sizeof base, "http://127.0.0.1:%u", httpd_port(server));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	httpd_stop(server);
	return 0;
}

static struct http_client *
client(struct http_options o)
{
	struct http_client *c = NULL;
	struct err err = { 0 };
	if (o.base_url == NULL)
		o.base_url = base;
	assert_int_equal(http_client_new(&o, &c, &err), FATE_DONE);
	return c;
}

static void
header_is(const struct http_response *r, const char *name, const char *value)
{
	struct slice got = http_response_header(r, name);
	if (!slice_eq(got, slice_str(value)))
		fail_msg("%s: '%.*s' is not '%s'", name, SLICE_ARG(got), value);
}

static void
test_body_of_several_slices(void **state)
{
	(void)state;
	struct http_client *c = client((struct http_options){ 0 });
	struct http_response r = { 0 };
	struct err err = { 0 };
	char big[90000];
	memset(big, 'b', sizeof big);
	struct slice body[] = { SLICE("head "), slice_of(big, sizeof big), slice_of(NULL, 0),
		SLICE(" tail") };
	const char *headers[] = { "X-Seen: yes", "Content-Type: text/x" };
	struct http_request q = { .url = "/echo?name=a%20b",
		.headers = headers,
		.header_count = 2,
		.body = body,
		.body_count = 4 };
	for (int i = 0; i < 3; i++) { /* kept alive */
		assert_int_equal(http_client_send(c, &q, &r, &err), FATE_DONE);
		assert_int_equal(r.status, 200);
		assert_int_equal(r.body.len, sizeof big + 10);
		assert_memory_equal(r.body.p, "head bbb", 8);
		assert_memory_equal(r.body.p + r.body.len - 7, "bb tail", 7);
		header_is(&r, "x-method", "POST a b yes -");
		assert_false(r.outcome_unknown);
	}
	http_response_finish(&r);
	http_client_free(c);
}

static void
test_methods(void **state)
{
	(void)state;
	static const struct {
		const char *method, *seen;
		bool body;
	} cases[] = { { NULL, "GET - - -", false }, { NULL, "POST - - -", true },
		{ "POST", "POST - - -", false }, { "PUT", "PUT - - -", true },
		{ "DELETE", "DELETE - - -", false }, { "HEAD", "HEAD - - -", false },
		{ "GET", "GET - - -", false } };
	struct http_client *c = client((struct http_options){ 0 });
	struct http_response r = { 0 };
	struct err err = { 0 };
	struct slice body = SLICE("text");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct http_request q = { .method = cases[i].method,
			.url = "/echo",
			.body = &body,
			.body_count = cases[i].body };
		assert_int_equal(http_client_send(c, &q, &r, &err), FATE_DONE);
		header_is(&r, "X-Method", cases[i].seen);
		assert_int_equal(r.body.len, cases[i].body ? 4 : 0);
	}
	http_response_finish(&r);
	http_client_free(c);
}

static long
status_of(struct http_client *c, const char *method, const char *url, struct http_response *r)
{
	struct http_request q = { .method = method, .url = url };
	struct err err = { 0 };
	if (http_client_send(c, &q, r, &err) != FATE_DONE)
		fail_msg("%s: %s", url, err.what);
	return r->status;
}

static void
test_statuses_are_answers(void **state)
{
	(void)state;
	struct http_client *c = client((struct http_options){ 0 });
	struct http_response r = { 0 };
	assert_int_equal(status_of(c, "GET", "/none", &r), 404);
	assert_int_equal(status_of(c, "POST", "/status?code=200", &r), 405);
	assert_int_equal(status_of(c, "HEAD", "/large", &r), 200);
	assert_int_equal(r.body.len, 0);
	assert_int_equal(status_of(c, "POST", "/prefix/a/b", &r), 200);
	assert_int_equal(status_of(c, "GET", "/status?code=204", &r), 204);
	assert_int_equal(status_of(c, "GET", "/status?code=302", &r), 302); /* not followed */
	assert_int_equal(status_of(c, "GET", "/status?code=500", &r), 500);
	assert_true(http_retry_after_ms(&r, 0) == -1);
	assert_int_equal(status_of(c, "GET", "/status?code=429&after=7", &r), 429);
	assert_true(http_retry_after_ms(&r, 0) == 7000);
	(void)status_of(
	    c, "GET", "/status?code=503&after=Sun,%2006%20Nov%201994%2008:49:37%20GMT", &r);
	assert_true(http_retry_after_ms(&r, 784111777000 - 2500) == 2500);
	assert_true(http_retry_after_ms(&r, 784111777000 + 2500) == 0);
	(void)status_of(c, "GET", "/status?code=503&after=soon", &r);
	assert_true(http_retry_after_ms(&r, 0) == -1);
	(void)status_of(c, "GET", "/status?code=503&after=-3", &r);
	assert_true(http_retry_after_ms(&r, 0) == -1);
	http_response_finish(&r);
	http_client_free(c);
}

static void
test_request_too_large_for_server(void **state)
{
	(void)state;
	struct http_client *c = client((struct http_options){ 0 });
	struct http_response r = { 0 };
	struct err err = { 0 };
	char *big = calloc(1, 200001);
	struct slice body = slice_of(big, 200001);
	struct http_request q = { .url = "/echo", .body = &body, .body_count = 1 };
	assert_int_equal(http_client_send(c, &q, &r, &err), FATE_DONE);
	assert_int_equal(r.status, 413);
	body.len = 200000;
	assert_int_equal(http_client_send(c, &q, &r, &err), FATE_DONE);
	assert_int_equal(r.status, 200);
	free(big);
	http_response_finish(&r);
	http_client_free(c);
}

static void
test_response_cap(void **state)
{
	(void)state;
	struct http_client *c = client((struct http_options){ .response_max = 299999 });
	struct http_response r = { 0 };
	struct err err = { 0 };
	struct http_request q = { .url = "/large" };
	assert_int_equal(http_client_send(c, &q, &r, &err), FATE_REJECT);
	assert_true(r.truncated);
	assert_true(r.body.len <= 299999);
	assert_string_equal(err.what, "http: the response is larger than 299999 bytes");
	http_client_free(c);
	c = client((struct http_options){ .response_max = 300000 });
	assert_int_equal(http_client_send(c, &q, &r, &err), FATE_DONE);
	assert_int_equal(r.body.len, 300000);
	http_response_finish(&r);
	http_client_free(c);
}

static void
test_timeout_is_unknown_outcome(void **state)
{
	(void)state;
	struct http_client *c = client((struct http_options){ .total_timeout_ms = 100 });
	struct http_response r = { 0 };
	struct err err = { 0 };
	struct http_request q = { .url = "/slow?ms=5000" };
	int64_t start = clock_mono_ms();
	assert_int_equal(http_client_send(c, &q, &r, &err), FATE_RETRY);
	assert_true(clock_mono_ms() - start < 2000);
	assert_true(r.outcome_unknown);
	assert_int_equal(r.status, 0);
	assert_string_equal(err.code, "curl 28");
	q = (struct http_request){ .url = "/slow?ms=150", .timeout_ms = 3000 };
	start = clock_mono_ms();
	assert_int_equal(http_client_send(c, &q, &r, &err), FATE_DONE);
	assert_true(clock_mono_ms() - start >= 150);
	assert_int_equal(r.body.len, 4);
	q = (struct http_request){ .url = "/slow?drop" };
	assert_int_equal(http_client_send(c, &q, &r, &err), FATE_RETRY);
	assert_true(r.outcome_unknown);
	http_response_finish(&r);
	http_client_free(c);
}

static void
fails(struct http_options o, const char *url, enum fate fate, const char *code)
{
	struct http_client *c = client(o);
	struct http_response r = { 0 };
	struct err err = { 0 };
	struct http_request q = { .url = url };
	assert_int_equal(http_client_send(c, &q, &r, &err), fate);
	assert_int_equal(r.fate, fate);
	assert_false(r.outcome_unknown);
	assert_string_equal(err.code, code);
	http_response_finish(&r);
	http_client_free(c);
}

static void
test_cannot_connect(void **state)
{
	(void)state;
	/* A bound socket that does not listen: nobody else can take the port. */
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	char url[64];
	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	(void)snprintf(url, sizeof url, "http://127.0.0.1:%u", ntohs(a.sin_port));
	fails((struct http_options){ .base_url = url }, "/", FATE_RETRY, "curl 7");
	close(fd);
	fails((struct http_options){ .base_url = "http://no-such-host.invalid" }, "/",
	    FATE_RETRY, "curl 6");
	fails((struct http_options){ .base_url = "gopher://x" }, "/", FATE_HALT, "curl 1");
	fails((struct http_options){ .base_url = "http://" }, "", FATE_HALT, "curl 3");
}

static void
test_private_addresses_are_denied(void **state)
{
	(void)state;
	char url[64];
	fails((struct http_options){ .deny_private = true }, "/echo", FATE_HALT, "private");
	(void)snprintf(url, sizeof url, "http://localhost:%u", httpd_port(server));
	fails((struct http_options){ .deny_private = true, .base_url = url }, "/echo",
	    FATE_HALT, "private");
}

static bool
is_private(int family, const char *text)
{
	struct sockaddr_storage a = { .ss_family = (sa_family_t)family };
	void *at = family == AF_INET ? (void *)&((struct sockaddr_in *)(void *)&a)->sin_addr
				     : (void *)&((struct sockaddr_in6 *)(void *)&a)->sin6_addr;
	assert_int_equal(inet_pton(family, text, at), 1);
	return http_address_private((struct sockaddr *)(void *)&a);
}

static void
test_private_networks(void **state)
{
	(void)state;
	static const char *const closed[] = { "0.0.0.0", "10.1.2.3", "100.64.0.1",
		"100.100.100.200", "127.0.0.1", "127.255.255.255", "169.254.169.254",
		"172.16.0.1", "172.31.255.255", "192.0.0.192", "192.168.1.1", "198.18.0.1",
		"224.0.0.1", "255.255.255.255" };
	static const char *const open[] = { "1.1.1.1", "9.255.255.255", "11.0.0.0",
		"100.63.0.1", "100.128.0.0", "126.0.0.1", "128.0.0.1", "169.253.0.1",
		"172.15.0.1", "172.32.0.1", "192.167.0.1", "192.169.0.1", "198.17.0.1",
		"223.255.255.255" };
	static const char *const closed6[] = { "::", "::1", "fc00::1", "fdff::1",
		"fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "::ffff:127.0.0.1",
		"::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1" };
	static const char *const open6[] = { "2606:4700::1111", "2001:db8::1", "::ffff:1.1.1.1",
		"64:ff9b::101:101", "2002:101:101::" };
	for (size_t i = 0; i < sizeof closed / sizeof *closed; i++)
		assert_true(is_private(AF_INET, closed[i]));
	for (size_t i = 0; i < sizeof open / sizeof *open; i++)
		assert_false(is_private(AF_INET, open[i]));
	for (size_t i = 0; i < sizeof closed6 / sizeof *closed6; i++)
		assert_true(is_private(AF_INET6, closed6[i]));
	for (size_t i = 0; i < sizeof open6 / sizeof *open6; i++)
		assert_false(is_private(AF_INET6, open6[i]));
	struct sockaddr other = { .sa_family = AF_UNIX };
	assert_true(http_address_private(&other));
}

static void
test_fates(void **state)
{
	(void)state;
	static const struct {
		int code;
		enum fate fate;
		bool arrived;
	} lines[] = {
		{ CURLE_OK, FATE_DONE, false },
		{ CURLE_COULDNT_RESOLVE_HOST, FATE_RETRY, false },
		{ CURLE_COULDNT_RESOLVE_PROXY, FATE_RETRY, false },
		{ CURLE_COULDNT_CONNECT, FATE_RETRY, false },
		{ CURLE_SSL_CONNECT_ERROR, FATE_RETRY, false },
		{ CURLE_OPERATION_TIMEDOUT, FATE_RETRY, true },
		{ CURLE_SEND_ERROR, FATE_RETRY, true }, { CURLE_RECV_ERROR, FATE_RETRY, true },
		{ CURLE_GOT_NOTHING, FATE_RETRY, true },
		{ CURLE_PARTIAL_FILE, FATE_RETRY, true }, { CURLE_HTTP2, FATE_RETRY, true },
		{ CURLE_HTTP2_STREAM, FATE_RETRY, true },
		{ CURLE_SEND_FAIL_REWIND, FATE_RETRY, true }, { CURLE_AGAIN, FATE_RETRY, true },
		{ CURLE_BAD_CONTENT_ENCODING, FATE_RETRY, true },
		{ CURLE_WEIRD_SERVER_REPLY, FATE_RETRY, true },
		{ CURLE_OUT_OF_MEMORY, FATE_RETRY, true },
		{ CURLE_NO_CONNECTION_AVAILABLE, FATE_RETRY, false },
		{ CURLE_WRITE_ERROR, FATE_REJECT, true },
		{ CURLE_FILESIZE_EXCEEDED, FATE_REJECT, true },
		{ CURLE_PEER_FAILED_VERIFICATION, FATE_HALT, false },
		{ CURLE_SSL_CERTPROBLEM, FATE_HALT, false },
		{ CURLE_SSL_CACERT_BADFILE, FATE_HALT, false },
		{ CURLE_SSL_CIPHER, FATE_HALT, false },
		{ CURLE_SSL_ISSUER_ERROR, FATE_HALT, false },
		{ CURLE_UNSUPPORTED_PROTOCOL, FATE_HALT, false },
		{ CURLE_URL_MALFORMAT, FATE_HALT, false },
		{ CURLE_TELNET_OPTION_SYNTAX, FATE_HALT, true }, /* any other */
	};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		bool arrived = !lines[i].arrived;
		assert_int_equal(http_fate(lines[i].code, &arrived), lines[i].fate);
		assert_int_equal(arrived, lines[i].arrived);
	}
}

static void
test_escape(void **state)
{
	(void)state;
	struct buf out = { 0 };
	http_escape(&out, SLICE("aZ9-_.~ /?&=+%\xc3\xbc\n"));
	assert_string_equal(buf_str(&out), "aZ9-_.~%20%2F%3F%26%3D%2B%25%C3%BC%0A");
	buf_finish(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_body_of_several_slices),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_statuses_are_answers),
		cmocka_unit_test(test_request_too_large_for_server),
		cmocka_unit_test(test_response_cap),
		cmocka_unit_test(test_timeout_is_unknown_outcome),
		cmocka_unit_test(test_cannot_connect),
		cmocka_unit_test(test_private_addresses_are_denied),
		cmocka_unit_test(test_private_networks),
		cmocka_unit_test(test_fates),
		cmocka_unit_test(test_escape),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
