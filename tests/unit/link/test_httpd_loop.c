/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "link/httpd_loop.h"

/* A server and a client on one thread: the client looks while the loop turns. */
struct world {
	struct loop *loop;
	struct httpd_loop *server;
	struct httpd_exchange *held; /* of /hold */
	size_t sent;                 /* of /long: bytes written */
	bool behind, gone;
	struct buf got;
	int fd;
};

enum { LONG_BYTES = 8 << 20, PIECE = 16 << 10 };

static void
write_long(struct world *w)
{
	char piece[PIECE];

	memset(piece, 'x', sizeof piece); /* no NUL: the test looks with strstr() */
	while (w->sent < LONG_BYTES) {
		buf_put(httpd_out(w->held), piece, PIECE);
		w->sent += PIECE;
		if (!httpd_flush(w->held)) {
			w->behind = true;
			return;
		}
	}
	httpd_end(w->held, "Sluice-Error: none");
	w->held = NULL;
}

static void
on_room(void *ctx)
{
	write_long(ctx);
}

static void
on_gone(void *ctx)
{
	struct world *w = ctx;

	w->gone = true;
	w->held = NULL;
}

static const struct httpd_owner owner = { on_room, on_gone };

static void
asked(void *ctx, struct httpd_exchange *x)
{
	struct world *w = ctx;
	struct slice path = httpd_head(x)->path;
	struct buf body = httpd_take_body(x);

	if (slice_eq(path, SLICE("/hold")) || slice_eq(path, SLICE("/long"))) {
		w->held = x;
		httpd_own(x, &owner, w);
		httpd_begin(x, 200, "text/plain");
		if (slice_eq(path, SLICE("/long")))
			write_long(w);
	} else if (slice_eq(path, SLICE("/big"))) {
		httpd_begin(x, 200, "text/plain");
		while (httpd_pending(x) < LONG_BYTES)
			buf_byte(httpd_out(x), 'x');
		httpd_end(x, NULL);
	} else {
		httpd_begin(x, 200, "text/plain");
		buf_slice(httpd_out(x), path);
		buf_byte(httpd_out(x), ':');
		buf_slice(httpd_out(x), buf_view(&body));
		httpd_end(x, NULL);
	}
	buf_finish(&body);
}

static void
client_open(struct world *w)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(httpd_loop_port(w->server)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int size = 64 << 10;

	w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(w->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	assert_int_equal(connect(w->fd, (struct sockaddr *)&at, sizeof at), 0);
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	struct httpd_loop_options options = { .listen = "127.0.0.1:0",
		.asked = asked,
		.ctx = w,
		.head_max = 4096,
		.body_max = 100,
		.connection_max = 2,
		.request_ms = 50,
		.idle_ms = 60000 };
	struct err err;

	assert_non_null(w);
	assert_int_equal(loop_new(&w->loop, &err), FATE_DONE);
	assert_int_equal(httpd_loop_open(w->loop, &options, &w->server, &err), FATE_DONE);
	client_open(w);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	httpd_loop_close(w->server);
	loop_free(w->loop);
	(void)close(w->fd);
	buf_finish(&w->got);
	free(w);
	return 0;
}

static void
say(struct world *w, const char *text)
{
	assert_int_equal(send(w->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Turns until what has come holds the text, or the server closed. */
static const char *
wait_for(struct world *w, const char *text)
{
	char part[64 << 10];
	int64_t until_ms = clock_mono_ms() + 10000;
	size_t looked = 0; /* no text begins before it */

	while (
	    clock_mono_ms() < until_ms && !(text && strstr(buf_str(&w->got) + looked, text))) {
		ssize_t n;

		if (text && w->got.len > strlen(text))
			looked = w->got.len - strlen(text);
		loop_run(w->loop, 5);
		n = recv(w->fd, part, sizeof part, MSG_DONTWAIT);
		if (n == 0)
			return buf_str(&w->got);
		if (n > 0)
			buf_put(&w->got, part, (size_t)n);
	}
	assert_true(text != NULL && clock_mono_ms() < until_ms);
	return buf_str(&w->got);
}

static void
requests_come_in_one_piece_or_byte_by_byte(void **state)
{
	struct world *w = *state;
	static const char post[] = "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nxy";
	static const char parts[] =
	    "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "1\r\nz\r\n0\r\n\r\n";

	say(w, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_non_null(strstr(wait_for(w, "/a:"), "Content-Length: 3\r\n\r\n/a:"));
	for (size_t i = 0; i < sizeof post - 1; i++) {
		assert_int_equal(send(w->fd, post + i, 1, 0), 1);
		loop_run(w->loop, 0);
	}
	(void)wait_for(w, "/b:xy");
	for (size_t i = 0; i < sizeof parts - 1; i++) {
		assert_int_equal(send(w->fd, parts + i, 1, 0), 1);
		loop_run(w->loop, 0);
	}
	(void)wait_for(w, "/c:z");
	assert_int_equal(httpd_loop_counts(w->server).requests, 3);
	assert_int_equal(httpd_loop_counts(w->server).accepted, 1);
}

static void
requests_behind_one_another_are_answered_in_order(void **state)
{
	struct world *w = *state;
	const char *got;

	say(w, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /hold HTTP/1.1\r\nHost: h\r\n\r\n"
	       "GET /3 HTTP/1.1\r\nHost: h\r\n\r\n");
	(void)wait_for(w, "/1:");
	while (!w->held)
		loop_run(w->loop, 5);
	assert_null(strstr(buf_str(&w->got), "/3:"));
	buf_cstr(httpd_out(w->held), "held");
	httpd_end(w->held, NULL);
	got = wait_for(w, "/3:");
	assert_true(strstr(got, "/1:") < strstr(got, "held"));
	assert_true(strstr(got, "held") < strstr(got, "/3:"));
}

static void
a_slow_client_holds_the_writer_back(void **state)
{
	struct world *w = *state;
	size_t body = 0, size;
	const char *at;

	say(w, "GET /long HTTP/1.1\r\nHost: h\r\n\r\n");
	while (!w->behind)
		loop_run(w->loop, 5);
	for (int i = 0; i < 20; i++) {
		loop_run(w->loop, 1);
		(void)httpd_flush(w->held); /* room() is owed still */
	}
	assert_true(w->sent < LONG_BYTES); /* it waits */
	w->got.len = 0;
	(void)wait_for(w, "none\r\n\r\n");
	at = strstr(buf_str(&w->got), "\r\n\r\n") + 4;
	while ((size = strtoul(at, NULL, 16)) > 0) {
		at = strstr(at, "\r\n") + 2 + size;
		assert_memory_equal(at, "\r\n", 2);
		body += size;
		at += 2;
	}
	assert_int_equal(body, LONG_BYTES);
	assert_string_equal(at, "0\r\nSluice-Error: none\r\n\r\n");
}

static void
a_client_that_leaves_is_told_of(void **state)
{
	struct world *w = *state;

	say(w, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
	while (!w->held)
		loop_run(w->loop, 5);
	(void)close(w->fd);
	for (int i = 0; i < 400 && !w->gone; i++)
		loop_run(w->loop, 5);
	assert_true(w->gone);
	assert_int_equal(httpd_loop_counts(w->server).connections, 0);
	client_open(w);
}

/* Sends text; nothing is run, and what comes is a refusal or nothing, and a close. */
static const char *
refused(struct world *w, const char *text)
{
	uint64_t requests = httpd_loop_counts(w->server).requests;
	const char *got;

	(void)close(w->fd);
	client_open(w);
	w->got.len = 0;
	say(w, text);
	got = wait_for(w, NULL);
	assert_true(w->got.len == 0 || strncmp(got, "HTTP/1.1 4", 10) == 0 ||
		    strncmp(got, "HTTP/1.1 505 ", 13) == 0);
	assert_int_equal(httpd_loop_counts(w->server).requests, requests);
	return got;
}

/* What is ours to refuse. */
static void
refused_in_json(struct world *w, const char *text, const char *status)
{
	const char *got = refused(w, text);

	assert_int_equal(strncmp(got + 9, status, 3), 0);
	assert_non_null(strstr(got, "application/json"));
	assert_non_null(strstr(got, "Connection: close"));
	assert_non_null(strstr(got, "{\"error\":{\"code\":\"HTTP\""));
}

#define POST "POST / HTTP/1.1\r\nHost: h\r\n"

static void
what_is_no_clean_request_is_refused(void **state)
{
	struct world *w = *state;
	char giant[6000];

	(void)snprintf(giant, sizeof giant, "GET / HTTP/1.1\r\nHost: h\r\nX: %05500d\r\n", 1);
	(void)refused(w, "nonsense\r\n\r\n");
	(void)refused(w, "GET / HTTP/1.1\r\n\r\n");
	(void)refused(w, "GET / HTTP/9.9\r\nHost: h\r\n\r\n");
	(void)refused(w, giant);
	(void)refused(w, POST "Content-Length: +1\r\n\r\na");
	(void)refused(w, POST "Transfer-Encoding: chunked\r\n\r\nzz\r\n");
	(void)refused(w, POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n");
	refused_in_json(
	    w, POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400");
	refused_in_json(w, POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "400");
	refused_in_json(w, POST "Transfer-Encoding: gzip, chunked\r\n\r\n", "400");
	refused_in_json(w, POST "Transfer-Encoding : chunked\r\n\r\n", "400");
	refused_in_json(w, POST "Host: i\r\nContent-Length: 0\r\n\r\n", "400");
	refused_in_json(w, "GET /a%00b HTTP/1.1\r\nHost: h\r\n\r\n", "400");
	refused_in_json(w, POST "Content-Length: 1000000000\r\n\r\n", "413");
	assert_int_equal(httpd_loop_counts(w->server).timed_out, 0);
}

static void
a_body_too_large_is_read_a_little_and_refused(void **state)
{
	struct world *w = *state;
	char text[1000];

	(void)snprintf(text, sizeof text, POST "Content-Length: 200\r\n\r\n%0200d", 1);
	refused_in_json(w, text, "413");
	(void)snprintf(
	    text, sizeof text, POST "Transfer-Encoding: chunked\r\n\r\nffff\r\n%0600d", 1);
	(void)refused(w, text);
}

static void
who_is_slow_is_closed(void **state)
{
	struct world *w = *state;

	(void)refused(w, "GET / HTTP/1.1\r\nHost");
	(void)refused(w, POST "Content-Length: 5\r\n\r\nab");
	(void)refused(w, POST "Transfer-Encoding: chunked\r\n\r\nff\r\n");
	assert_int_equal(httpd_loop_counts(w->server).timed_out, 3);
}

static void
on_tick(void *ctx)
{
	++*(int *)ctx;
}

/* libmicrohttpd has no room for the rest of such a line, and asks to be run for ever. */
static void
a_line_that_fits_nowhere_takes_no_other_s_turn(void **state)
{
	static const char *const begins[] = { "2;", "0\r\nX: ", "2\r\nab\r\n3;x=" };
	struct world *w = *state;
	struct buf text = { 0 };

	for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
		int ticks = 0;
		struct loop_timer tick = { .due = on_tick, .ctx = &ticks };
		clock_t before = clock();

		text.len = 0;
		buf_cstr(&text, POST "Transfer-Encoding: chunked\r\n\r\n");
		buf_cstr(&text, begins[i]);
		for (int n = 0; n < 20000; n++)
			buf_byte(&text, 'x');
		loop_timer_set(w->loop, &tick, clock_mono_us() + 1000);
		(void)refused(w, buf_str(&text));
		assert_int_equal(ticks, 1);
		assert_true(clock() - before < CLOCKS_PER_SEC);
	}
	assert_int_equal(httpd_loop_counts(w->server).timed_out, 2); /* a trailer is refused */
	buf_finish(&text);
}

/* The end of an answer in chunks is missing when it was broken off. */
static void
what_is_broken_off_has_no_end(void **state)
{
	struct world *w = *state;

	say(w, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
	while (!w->held)
		loop_run(w->loop, 5);
	buf_cstr(httpd_out(w->held), "half");
	assert_true(httpd_flush(w->held));
	(void)wait_for(w, "4\r\nhalf\r\n");
	httpd_break(w->held);
	assert_null(strstr(wait_for(w, NULL), "\r\n0\r\n"));
	assert_false(w->gone);
	assert_int_equal(httpd_loop_counts(w->server).exchanges, 0);
}

/* Who stays behind for good is told of too, and what waits when the server closes. */
static void
exchanges_end_with_the_server(void **state)
{
	struct world *w = *state;

	say(w, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
	while (!w->held)
		loop_run(w->loop, 5);
	httpd_loop_close(w->server);
	w->server = NULL;
	assert_true(w->gone);
}

static void
the_oldest_idle_connection_gives_way(void **state)
{
	struct world *w = *state, other = { .server = w->server }, third = other;
	char c;

	say(w, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
	(void)wait_for(w, "/a:");
	client_open(&other);
	loop_run(w->loop, 50);
	client_open(&third);
	for (int i = 0; i < 20; i++)
		loop_run(w->loop, 5);
	assert_int_equal(httpd_loop_counts(w->server).connections, 2);
	assert_int_equal(recv(w->fd, &c, 1, MSG_DONTWAIT), 0);
	(void)close(other.fd);
	(void)close(third.fd);
}

/* Until the server holds so much, of requests and answers. */
static void
wait_held(struct world *w, size_t least, size_t most)
{
	int64_t until_ms = clock_mono_ms() + 10000;
	size_t held;

	do {
		loop_run(w->loop, 5);
		held = httpd_loop_counts(w->server).held;
	} while ((held < least || held > most) && clock_mono_ms() < until_ms);
	assert_true(held >= least && held <= most);
}

/* Many bodies that come slowly and many answers that nobody takes are no memory without end. */
static void
what_is_held_has_an_end(void **state)
{
	static const char head[] = POST "Content-Length: 30000\r\n\r\n";
	static char body[30001];
	struct world w = { 0 }, other;
	struct httpd_loop_options options = { .listen = "127.0.0.1:0",
		.asked = asked,
		.ctx = &w,
		.body_max = 1 << 20,
		.held_max = 40000 };
	struct err err;

	(void)state;
	memset(body, 'b', sizeof body - 1);
	assert_int_equal(loop_new(&w.loop, &err), FATE_DONE);
	assert_int_equal(httpd_loop_open(w.loop, &options, &w.server, &err), FATE_DONE);
	other = w;
	client_open(&w);
	client_open(&other);
	say(&w, head);
	say(&w, body + 10000);
	wait_held(&w, 20000, 20000);
	say(&other, head);
	say(&other, body + 5000);
	wait_held(&w, 20000, 20000);
	say(&other, body + 25000);
	assert_non_null(strstr(wait_for(&other, "\"status\":503}}"), "Retry-After: "));
	(void)close(other.fd);

	assert_false(httpd_loop_full(w.server));
	client_open(&other); /* a small one finds room */
	say(&other, POST "Content-Length: 9\r\n\r\nsmall one");
	(void)wait_for(&other, "small one");
	say(&w, body + 20000);
	assert_non_null(strstr(wait_for(&w, body), "HTTP/1.1 200 "));
	wait_held(&w, 0, 0);

	say(&other, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
	wait_held(&w, LONG_BYTES, LONG_BYTES);
	assert_true(httpd_loop_full(w.server));
	(void)close(other.fd);
	wait_held(&w, 0, 0);
	httpd_loop_close(w.server);
	loop_free(w.loop);
	(void)close(w.fd);
	buf_finish(&w.got);
	buf_finish(&other.got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    requests_come_in_one_piece_or_byte_by_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    requests_behind_one_another_are_answered_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_slow_client_holds_the_writer_back, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_client_that_leaves_is_told_of, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_is_no_clean_request_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_body_too_large_is_read_a_little_and_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(who_is_slow_is_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_line_that_fits_nowhere_takes_no_other_s_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_broken_off_has_no_end, setup, teardown),
		cmocka_unit_test_setup_teardown(exchanges_end_with_the_server, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    the_oldest_idle_connection_gives_way, setup, teardown),
		cmocka_unit_test(what_is_held_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
