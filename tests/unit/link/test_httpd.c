/* SPDX-License-Identifier: Apache-2.0 */
/* The server alone: addresses, ports, raw requests, stopping in mid-answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/clock.h"
#include "link/httpd.h"

static void
hello(void *ctx, const struct httpd_request *request, struct httpd_response *response)
{
	const char *ms = httpd_query(request, "ms");
	buf_printf(&response->body, "hello %s, %zu", (const char *)ctx, request->body.len);
	if (ms)
		(void)slice_i64(slice_str(ms), &response->delay_ms);
}

static const struct httpd_route routes[] = { { "GET", "/hello", hello },
	{ "POST", "/hello", hello } };

static enum fate
start(const char *listen, struct httpd **ret, struct err *err)
{
	static char who[] = "you";
	struct httpd_options o = { .listen = listen,
		.routes = routes,
		.route_count = 2,
		.ctx = who,
		.connection_max = 8 };
	return httpd_start(&o, ret, err);
}

static int
connect_to(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { .tv_sec = 5 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

static void
say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* Reads until the text holds what or the connection ends. */
static void
hear(int fd, const char *what)
{
	char text[4096];
	size_t len = 0;
	ssize_t got;
	while (
	    len < sizeof text - 1 && (got = read(fd, text + len, sizeof text - 1 - len)) > 0) {
		len += (size_t)got;
		text[len] = 0;
		if (strstr(text, what))
			return;
	}
	fail_msg("no '%s' in %zu bytes", what, len);
}

static void
test_real_port_and_taken_port(void **state)
{
	(void)state;
	struct httpd *first = NULL, *second = NULL;
	struct err err = { 0 };
	char listen[40], what[80];
	assert_int_equal(start("127.0.0.1:0", &first, &err), FATE_DONE);
	assert_true(httpd_port(first) > 0);
	(void)snprintf(listen, sizeof listen, "127.0.0.1:%u", httpd_port(first));
	(void)snprintf(what, sizeof what, "listen %s: address in use", listen);
	assert_int_equal(start(listen, &second, &err), FATE_HALT);
	assert_string_equal(err.what, what);
	assert_null(second);
	httpd_stop(first);
	assert_int_equal(start(listen, &second, &err), FATE_DONE); /* free again at once */
	httpd_stop(second);
	httpd_stop(NULL);
}

static void
test_addresses(void **state)
{
	(void)state;
	static const char *const good[] = { ":0", "[::1]:0", "localhost:0", "0.0.0.0:0" };
	static const char *const bad[] = { "", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
		"127.0.0.1:65536", "127.0.0.1:-1", "name.example:1", "::1:0", "[::1:0",
		"127.0.0.1:80 " };
	struct httpd *h = NULL;
	struct err err = { 0 };
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(start(good[i], &h, &err), FATE_DONE);
		httpd_stop(h);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(start(bad[i], &h, &err), FATE_HALT);
		assert_non_null(strstr(err.what, "not ADDR:PORT"));
	}
	assert_int_equal(start("192.0.2.1:0", &h, &err), FATE_HALT); /* not ours */
}

static void
test_raw_requests(void **state)
{
	(void)state;
	struct httpd *h = NULL;
	struct err err = { 0 };
	assert_int_equal(start("127.0.0.1:0", &h, &err), FATE_DONE);
	int fd = connect_to(httpd_port(h));
	say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(fd, "hello you, 0");
	say(fd, "POST /hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	hear(fd, "hello you, 5"); /* the same connection */
	say(fd, "DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(fd, "405");
	close(fd);
	fd = connect_to(httpd_port(h));
	say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: nonsense\r\n\r\n");
	hear(fd, "400");
	close(fd);
	fd = connect_to(httpd_port(h));
	say(fd, "POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
	close(fd); /* cut in mid-body: nothing leaks (ASan looks) */
	httpd_stop(h);
}

static void
test_delay_holds_no_thread(void **state)
{
	(void)state;
	struct httpd *h = NULL;
	struct err err = { 0 };
	int slow[4];
	assert_int_equal(start("127.0.0.1:0", &h, &err), FATE_DONE);
	int64_t begin = clock_mono_ms();
	for (int i = 0; i < 4; i++) {
		char text[80];
		slow[i] = connect_to(httpd_port(h));
		(void)snprintf(text, sizeof text,
		    "GET /hello?ms=%d HTTP/1.1\r\nHost: x\r\n\r\n",
		    700 - 100 * i); /* the last asked is due first */
		say(slow[i], text);
	}
	int quick = connect_to(httpd_port(h));
	say(quick, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(quick, "hello you");
	assert_true(clock_mono_ms() - begin < 400);
	for (int i = 3; i >= 0; i--) {
		hear(slow[i], "hello you");
		assert_true(clock_mono_ms() - begin >= 700 - 100 * i);
		close(slow[i]);
	}
	assert_true(clock_mono_ms() - begin < 1500);
	close(quick);
	httpd_stop(h);
}

static void
test_stop_drops_the_delayed(void **state)
{
	(void)state;
	struct httpd *h = NULL;
	struct err err = { 0 };
	char byte;
	assert_int_equal(start("127.0.0.1:0", &h, &err), FATE_DONE);
	int fd = connect_to(httpd_port(h)), idle = connect_to(httpd_port(h));
	say(fd, "GET /hello?ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n");
	clock_sleep_ms(100);
	int64_t begin = clock_mono_ms();
	httpd_stop(h);
	assert_true(clock_mono_ms() - begin < 2000);
	assert_true(read(fd, &byte, 1) <= 0);
	close(fd);
	close(idle);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real_port_and_taken_port),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_raw_requests),
		cmocka_unit_test(test_delay_holds_no_thread),
		cmocka_unit_test(test_stop_drops_the_delayed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
