/* SPDX-License-Identifier: Apache-2.0 */
/* Many requests at once from one thread, against httpd in the same process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "link/http.h"
#include "link/httpd.h"

enum { LANES = 32 };

static struct httpd *server;
static char base[64];
static int peak, now; /* requests in the server's hands; its thread alone writes */

struct seen {
	struct http_multi *multi;
	size_t answers, done, retry, unknown, again;
	int lanes[LANES];
	bool wrong;
};

static void
work(void *ctx, const struct httpd_request *request, struct httpd_response *response)
{
	(void)ctx;
	(void)slice_i64(slice_str(httpd_query(request, "ms")), &response->delay_ms);
	response->drop = httpd_query(request, "drop") != NULL;
	peak = ++now > peak ? now : peak;
	buf_slice(&response->body, request->body);
}

static const struct httpd_route routes[] = { { "POST", "/work", work } };

static int
setup(void **state)
{
	struct httpd_options o = {
		.listen = "127.0.0.1:0", .routes = routes, .route_count = 1
	};
	struct err err = { 0 };
	(void)state;
	peak = now = 0;
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

static void
count(void *ctx, const struct http_response *response, const struct err *err)
{
	struct seen *seen = ctx;
	int lane = *(int *)response->tag;
	seen->answers++;
	seen->lanes[lane]++;
	seen->done += response->fate == FATE_DONE && response->status == 200;
	seen->retry += response->fate == FATE_RETRY;
	seen->unknown += response->outcome_unknown;
	seen->wrong |= err->fate != response->fate;
	/* The body that went out came back, to its own lane. */
	if (response->fate == FATE_DONE &&
	    (response->body.len != sizeof(int) || memcmp(response->body.p, &lane, sizeof lane)))
		seen->wrong = true;
	if (seen->again) {
		struct slice body = slice_of(response->tag, sizeof(int));
		struct http_request q = {
			.url = "/work", .body = &body, .body_count = 1, .tag = response->tag
		};
		struct err no = { 0 };
		seen->again--;
		/* All are in flight but the one answered, which is free only afterwards. */
		seen->wrong |= http_multi_add(seen->multi, &q, &no) != FATE_DONE;
	}
}

static struct http_multi *
multi(struct seen *seen, struct http_options o)
{
	struct err err = { 0 };
	o.base_url = base;
	assert_int_equal(http_multi_new(&o, count, seen, &seen->multi, &err), FATE_DONE);
	return seen->multi;
}

static void
add(struct http_multi *m, const char *url, const struct slice *body, int *lane)
{
	struct http_request q = { .url = url, .body = body, .body_count = 1, .tag = lane };
	struct err err = { 0 };
	assert_int_equal(http_multi_add(m, &q, &err), FATE_DONE);
}

static void
drain(struct http_multi *m)
{
	struct err err = { 0 };
	int64_t until = clock_mono_ms() + 10000;
	while (http_multi_count(m) && clock_mono_ms() < until)
		assert_int_equal(http_multi_poll(m, 200, -1, &err), FATE_DONE);
	assert_int_equal(http_multi_count(m), 0);
}

static void
test_32_at_once(void **state)
{
	(void)state;
	struct seen seen = { 0 };
	struct http_multi *m = multi(&seen, (struct http_options){ .connection_max = LANES });
	struct slice bodies[LANES];
	int lanes[LANES], spare = 0;
	int64_t start = clock_mono_ms();
	for (int i = 0; i < LANES; i++) {
		lanes[i] = i;
		bodies[i] = slice_of((char *)&lanes[i], sizeof lanes[i]);
		add(m, "/work?ms=200", &bodies[i], &lanes[i]);
	}
	struct http_request more = { .url = "/work", .tag = &spare };
	struct err err = { 0 };
	assert_int_equal(http_multi_add(m, &more, &err), FATE_RETRY);
	assert_int_equal(http_multi_count(m), LANES);
	drain(m);
	assert_int_equal(seen.done, LANES);
	for (int i = 0; i < LANES; i++)
		assert_int_equal(seen.lanes[i], 1);
	assert_false(seen.wrong);
	assert_int_equal(peak, LANES);
	assert_true(clock_mono_ms() - start < 32 * 200 / 4); /* side by side */
	http_multi_free(m);
}

static void
test_answers_may_add(void **state)
{
	(void)state;
	struct seen seen = { .again = 3000 };
	struct http_multi *m =
	    multi(&seen, (struct http_options){ .connection_max = LANES + 1 });
	struct slice bodies[LANES];
	int lanes[LANES];
	for (int i = 0; i < LANES; i++) {
		lanes[i] = i;
		bodies[i] = slice_of((char *)&lanes[i], sizeof lanes[i]);
		add(m, "/work", &bodies[i], &lanes[i]);
	}
	drain(m);
	assert_int_equal(seen.done, 3000 + LANES);
	assert_false(seen.wrong);
	http_multi_free(m);
}

static void
test_failures_come_as_answers(void **state)
{
	(void)state;
	struct seen seen = { 0 };
	struct http_multi *m =
	    multi(&seen, (struct http_options){ .connection_max = 4, .total_timeout_ms = 150 });
	int lanes[4] = { 0, 1, 2, 3 };
	struct slice bodies[4];
	static const char *const urls[] = { "/work", "/work?ms=5000", "/work?drop", "/work" };
	for (int i = 0; i < 4; i++) {
		bodies[i] = slice_of((char *)&lanes[i], sizeof lanes[i]);
		add(m, urls[i], &bodies[i], &lanes[i]);
	}
	drain(m);
	assert_int_equal(seen.answers, 4);
	assert_int_equal(seen.done, 2);
	assert_int_equal(seen.retry, 2);
	assert_int_equal(seen.unknown, 2);
	assert_false(seen.wrong);
	http_multi_free(m);
}

static void
test_cancel_gives_no_answers(void **state)
{
	(void)state;
	struct seen seen = { 0 };
	struct http_multi *m = multi(&seen, (struct http_options){ .connection_max = 4 });
	struct err err = { 0 };
	int lane = 3;
	struct slice body = slice_of((char *)&lane, sizeof lane);
	add(m, "/work?ms=3000", &body, &lane);
	assert_int_equal(http_multi_poll(m, 50, -1, &err), FATE_DONE);
	http_multi_cancel_all(m);
	assert_int_equal(http_multi_count(m), 0);
	assert_int_equal(seen.answers, 0);
	add(m, "/work", &body, &lane); /* and it goes on */
	drain(m);
	assert_int_equal(seen.done, 1);
	add(m, "/work?ms=3000", &body, &lane);
	http_multi_free(m); /* with one in flight */
	assert_int_equal(seen.answers, 1);
}

static void
test_poll_waits_for_another_fd_and_no_longer(void **state)
{
	(void)state;
	struct seen seen = { 0 };
	struct http_multi *m = multi(&seen, (struct http_options){ .connection_max = 4 });
	struct err err = { 0 };
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	int64_t start = clock_mono_ms();
	assert_int_equal(http_multi_poll(m, 120, fds[0], &err), FATE_DONE);
	assert_true(clock_mono_ms() - start >= 119);
	assert_int_equal(write(fds[1], "x", 1), 1);
	start = clock_mono_ms();
	assert_int_equal(http_multi_poll(m, 5000, fds[0], &err), FATE_DONE);
	assert_true(clock_mono_ms() - start < 2000);
	close(fds[0]);
	close(fds[1]);
	http_multi_free(m);
	http_multi_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_32_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers_may_add, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures_come_as_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_gives_no_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_poll_waits_for_another_fd_and_no_longer, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
