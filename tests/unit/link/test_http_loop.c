/* SPDX-License-Identifier: Apache-2.0 */
/* Streams against httpd in one process, and against a socket that breaks off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "link/http_loop.h"
#include "link/httpd.h"

enum { LARGE = 3 << 20 };

static struct httpd *server;
static char base[64];

static void
echo(void *ctx, const struct httpd_request *request, struct httpd_response *response)
{
	const char *seen = httpd_header(request, "X-Seen");

	(void)ctx;
	response->headers[0].name = "X-Method";
	(void)snprintf(response->headers[0].value, sizeof response->headers[0].value, "%s %s",
	    request->method, seen ? seen : "-");
	buf_slice(&response->body, request->body);
}

static void
slow(void *ctx, const struct httpd_request *request, struct httpd_response *response)
{
	const char *drop = httpd_query(request, "drop");

	(void)ctx;
	response->delay_ms = 30000;
	response->drop = drop != NULL;
	if (drop)
		response->delay_ms = 0;
}

static void
large(void *ctx, const struct httpd_request *request, struct httpd_response *response)
{
	(void)ctx, (void)request;
	buf_grow(&response->body, LARGE);
	for (size_t i = 0; i < LARGE; i++)
		response->body.p[i] = (char)(i * 31 >> 8);
	response->body.len = LARGE;
}

static const struct httpd_route routes[] = {
	{ "*", "/echo", echo },
	{ "*", "/slow", slow },
	{ "GET", "/large", large },
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

/* One stream and what it does as it goes. */
struct seen {
	struct http_loop *client;
	struct http_stream *stream;
	int heads, ends;
	long status;
	char header[32];
	struct buf body;
	enum fate fate;
	bool unknown;
	size_t pause_every, cancel_at, last_pause;
	bool paused, more_inside;
	struct seen *starts, *cancels; /* from inside its body() */
	struct seen *follows;          /* sent when it is over: in end() or after a cancel */
};

static void go(struct seen *s, const char *url, const struct slice *body);

static void
follow(struct seen *s)
{
	if (s->follows)
		go(s->follows, "/echo", &SLICE("next"));
	s->follows = NULL;
}

static void
see_head(void *ctx, const struct http_response *response)
{
	struct seen *s = ctx;
	struct slice method = http_response_header(response, "X-Method");

	assert_int_equal(s->body.len, 0);
	s->heads++;
	s->status = response->status;
	if (method.p)
		(void)snprintf(s->header, sizeof s->header, "%.*s", SLICE_ARG(method));
}

static bool
see_body(void *ctx, struct slice bytes)
{
	struct seen *s = ctx;

	assert_false(s->paused);
	assert_int_equal(s->heads, 1);
	buf_slice(&s->body, bytes);
	if (s->starts) {
		go(s->starts, "/echo", &SLICE("from inside"));
		s->starts = NULL;
	}
	if (s->cancels) {
		http_stream_cancel(s->cancels->stream);
		s->cancels = NULL;
	}
	if (s->cancel_at && s->body.len >= s->cancel_at) {
		http_stream_cancel(s->stream);
		follow(s);
	}
	if (s->pause_every && s->body.len - s->last_pause >= s->pause_every) {
		s->last_pause = s->body.len;
		if (s->more_inside)
			http_stream_more(s->stream);
		s->paused = !s->more_inside;
		return false;
	}
	return true;
}

static void
see_end(void *ctx, const struct http_response *response, const struct err *err)
{
	struct seen *s = ctx;

	s->ends++;
	s->fate = response->fate;
	s->unknown = response->outcome_unknown;
	assert_int_equal(err->what[0] == 0, response->fate == FATE_DONE);
	http_stream_cancel(s->stream); /* has nothing left to do */
	follow(s);
	assert_int_equal(s->fate, response->fate); /* what is sent here leaves it alone */
}

static const struct http_stream_reader reader = { see_head, see_body, see_end };

static void
go(struct seen *s, const char *url, const struct slice *body)
{
	static const char *const headers[] = { "X-Seen: yes" };
	struct http_request request = { .url = url,
		.headers = headers,
		.header_count = 1,
		.body = body,
		.body_count = body != NULL };
	struct err err = { 0 };

	assert_int_equal(
	    http_loop_send(s->client, &request, &reader, s, &s->stream, &err), FATE_DONE);
	assert_int_equal(s->heads, 0);
}

struct world {
	struct loop *loop;
	struct http_loop *client;
};

static struct world
world(struct http_options o)
{
	struct world w;
	struct err err = { 0 };

	if (!o.base_url)
		o.base_url = base;
	assert_int_equal(loop_new(&w.loop, &err), FATE_DONE);
	assert_int_equal(http_loop_new(&o, w.loop, &w.client, &err), FATE_DONE);
	return w;
}

static void
world_end(struct world *w)
{
	http_loop_free(w->client);
	loop_free(w->loop);
}

/* Runs until s has ended. */
static void
run(struct world *w, struct seen *s)
{
	int64_t until_ms = clock_mono_ms() + 20000;

	while (!s->ends && clock_mono_ms() < until_ms) {
		loop_run(w->loop, 100);
		if (s->paused) {
			s->paused = false;
			http_stream_more(s->stream);
		}
	}
	assert_int_equal(s->ends, 1);
}

static void
test_echo(void **state)
{
	struct world w = world((struct http_options){ 0 });
	struct seen a = { .client = w.client }, b = a, get = a;

	(void)state;
	go(&a, "/echo", &SLICE("one"));
	go(&b, "/echo", &SLICE("two"));
	assert_int_equal(http_loop_count(w.client), 2);
	run(&w, &a);
	run(&w, &b);
	go(&get, "/echo", NULL);
	run(&w, &get);
	assert_int_equal(http_loop_count(w.client), 0);
	assert_int_equal(a.fate, FATE_DONE);
	assert_int_equal(a.status, 200);
	assert_string_equal(a.header, "POST yes");
	assert_string_equal(buf_str(&a.body), "one");
	assert_string_equal(buf_str(&b.body), "two");
	assert_string_equal(get.header, "GET yes");
	assert_int_equal(get.heads, 1); /* a head without a body */
	buf_finish(&a.body);
	buf_finish(&b.body);
	world_end(&w);
}

static void
check_large(struct seen *s)
{
	assert_int_equal(s->fate, FATE_DONE);
	assert_int_equal(s->body.len, LARGE);
	for (size_t i = 0; i < LARGE; i++)
		if (s->body.p[i] != (char)(i * 31 >> 8))
			fail_msg("byte %zu differs", i);
	buf_finish(&s->body);
}

static void
test_pauses(void **state)
{
	struct world w = world((struct http_options){ 0 });
	struct seen s = { .client = w.client, .pause_every = 40000 },
		    t = { .client = w.client, .pause_every = 1, .more_inside = true };

	(void)state;
	go(&s, "/large", NULL);
	run(&w, &s);
	check_large(&s);
	go(&t, "/large", NULL);
	run(&w, &t);
	check_large(&t);
	world_end(&w);
}

static void
test_a_pause_stops_the_sender(void **state)
{
	struct world w = world((struct http_options){ 0 });
	struct seen s = { .client = w.client, .pause_every = 1 };
	size_t held;

	(void)state;
	go(&s, "/large", NULL);
	for (int i = 0; i < 50 && !s.paused; i++)
		loop_run(w.loop, 100);
	held = s.body.len;
	for (int i = 0; i < 20; i++)
		loop_run(w.loop, 5);
	assert_int_equal(s.body.len, held); /* and see_body would have failed */
	s.paused = false;
	s.pause_every = 0;
	http_stream_more(s.stream);
	run(&w, &s);
	check_large(&s);
	world_end(&w);
}

static void
test_cancel(void **state)
{
	struct world w = world((struct http_options){ 0 });
	struct seen inside = { .client = w.client, .cancel_at = 100000 },
		    outside = { .client = w.client }, other = outside, fresh = outside,
		    early = outside, killer = { .client = w.client, .cancels = &other };

	(void)state;
	go(&early, "/echo", NULL);
	http_stream_cancel(early.stream);
	go(&inside, "/large", NULL);
	go(&outside, "/slow", NULL);
	for (int i = 0; i < 100 && http_loop_count(w.client) > 1; i++)
		loop_run(w.loop, 50);
	assert_int_equal(http_loop_count(w.client), 1);
	http_stream_cancel(outside.stream);
	assert_int_equal(http_loop_count(w.client), 0);
	go(&other, "/slow", NULL);
	loop_run(w.loop, 10);
	go(&killer, "/echo", &SLICE("x"));
	run(&w, &killer);
	assert_int_equal(http_loop_count(w.client), 0);
	go(&fresh, "/echo", &SLICE("after"));
	run(&w, &fresh);
	assert_string_equal(buf_str(&fresh.body), "after");
	assert_int_equal(inside.ends + outside.ends + other.ends + early.ends, 0);
	buf_finish(&inside.body);
	buf_finish(&fresh.body);
	buf_finish(&killer.body);
	world_end(&w);
}

static void
test_sends_from_inside(void **state)
{
	struct world w = world((struct http_options){ 0 });
	struct seen b = { .client = w.client }, a = { .client = w.client, .starts = &b };

	(void)state;
	go(&a, "/large", NULL);
	run(&w, &a);
	run(&w, &b);
	assert_string_equal(buf_str(&b.body), "from inside");
	check_large(&a);
	buf_finish(&b.body);
	world_end(&w);
}

static void
test_bounds(void **state)
{
	struct world w =
	    world((struct http_options){ .connection_max = 1, .total_timeout_ms = 200 });
	struct http_request request = { .url = "/echo" };
	struct http_stream *none;
	struct seen s = { .client = w.client };
	struct err err = { 0 };

	(void)state;
	go(&s, "/slow", NULL);
	assert_int_equal(
	    http_loop_send(w.client, &request, &reader, NULL, &none, &err), FATE_RETRY);
	run(&w, &s);
	assert_int_equal(s.fate, FATE_RETRY); /* its time was over */
	assert_int_equal(s.heads, 0);
	assert_true(s.unknown);
	world_end(&w);
}

static void
test_what_has_ended_leaves_its_place(void **state)
{
	struct world w = world((struct http_options){ .connection_max = 1 });
	struct seen last = { .client = w.client },
		    second = { .client = w.client, .cancel_at = 1, .follows = &last },
		    first = { .client = w.client, .follows = &second };

	(void)state;
	for (int i = 0; i < 3; i++) {
		go(&first, "/echo", &SLICE("x"));
		run(&w, &first);
		run(&w, &last);
		assert_int_equal(second.ends, 0);
		assert_int_equal(http_loop_count(w.client), 0);
		assert_string_equal(buf_str(&last.body), "next");
		buf_finish(&first.body);
		buf_finish(&second.body);
		buf_finish(&last.body);
		last = (struct seen){ .client = w.client };
		second = (struct seen){ .client = w.client, .cancel_at = 1, .follows = &last };
		first = (struct seen){ .client = w.client, .follows = &second };
	}
	world_end(&w);
}

/* Answers everything with a head that promises 100 bytes, 50 of them, and the end. */
static int
breaking(unsigned *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static void
test_breaks_off(void **state)
{
	char text[256] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nX-Method: half\r\n\r\n";
	char url[64];
	unsigned port;
	int fd = breaking(&port), peer; /* accept() waits for nobody */
	struct world w, nobody;
	struct seen s = { 0 }, lost = { 0 };

	(void)state;
	memset(text + strlen(text), 'y', 50);
	(void)snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
	w = world((struct http_options){ .base_url = url });
	s.client = w.client;
	go(&s, "/", NULL);
	for (int i = 0;
	     i < 2000 && poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) == 0; i++)
		loop_run(w.loop, 10);
	peer = accept(fd, NULL, NULL);
	assert_int_equal(write(peer, text, strlen(text)), (ssize_t)strlen(text));
	(void)shutdown(peer, SHUT_WR);
	run(&w, &s);
	assert_int_equal(s.fate, FATE_RETRY);
	assert_int_equal(s.body.len, 50);
	assert_string_equal(s.header, "half");
	assert_true(s.unknown);
	(void)close(peer);
	(void)close(fd);
	nobody = world((struct http_options){ .base_url = url });
	lost.client = nobody.client;
	go(&lost, "/", NULL);
	run(&nobody, &lost);
	assert_int_equal(lost.fate, FATE_RETRY);
	assert_false(lost.unknown); /* nobody was there to get it */
	buf_finish(&s.body);
	world_end(&w);
	world_end(&nobody);
}

static void
test_freed_under_way(void **state)
{
	struct world w = world((struct http_options){ 0 });
	struct seen a = { .client = w.client }, b = a;

	(void)state;
	go(&a, "/slow", NULL);
	loop_run(w.loop, 50);
	go(&b, "/slow", NULL);
	world_end(&w);
	assert_int_equal(a.ends + b.ends, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_pauses),
		cmocka_unit_test(test_a_pause_stops_the_sender),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_sends_from_inside),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_what_has_ended_leaves_its_place),
		cmocka_unit_test(test_breaks_off),
		cmocka_unit_test(test_freed_under_way),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
