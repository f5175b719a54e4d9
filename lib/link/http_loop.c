/* SPDX-License-Identifier: Apache-2.0 */
#include "link/http_loop.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "link/http_wire.h"

/* libcurl may not be entered again from its own callbacks: what a reader asks for there
 * is noted in the stream's state and done when libcurl has returned. */
enum state { IDLE, WAITING /* to be added */, UNDER_WAY, CANCELLED /* to be removed */ };

struct http_stream {
	struct http_transfer t; /* first: libcurl hands it back */
	struct http_loop *client;
	const struct http_stream_reader *reader;
	void *ctx;
	enum state state;
	bool headed, paused, resume;
	struct http_stream *next;
};

/* A descriptor that libcurl wants watched. */
struct socket_watch {
	struct loop_watch watch;
	struct http_loop *client;
	struct socket_watch *next, **before;
};

struct http_loop {
	struct http_settings settings;
	struct loop *loop;
	CURLM *curl;
	struct loop_timer timeout; /* libcurl's */
	struct loop_timer settle;  /* set when there is something to settle */
	bool inside;               /* libcurl */
	bool unsettled;            /* some stream waits for settle() */
	/* Twice connection_max: all may be cancelled in one turn of libcurl, which lets go of
	 * them after it, and others be sent in it. */
	struct http_stream *streams, *free;
	size_t made, count; /* count: neither ended nor cancelled */
	struct socket_watch *sockets;
};

static void settle(void *ctx);

static void
settle_soon(struct http_loop *c)
{
	c->unsettled = true;
	if (c->settle.at_us == 0)
		loop_timer_set(c->loop, &c->settle, 1);
}

/* --- what libcurl asks of us --- */

static void
act(struct http_loop *c, curl_socket_t fd, int events)
{
	int running;

	c->inside = true;
	must(curl_multi_socket_action(c->curl, fd, events, &running) == CURLM_OK);
	c->inside = false;
	settle(c);
}

static void
socket_ready(void *ctx, unsigned events)
{
	struct socket_watch *w = ctx;

	act(w->client, w->watch.fd,
	    (events & LOOP_READ ? CURL_CSELECT_IN : 0) |
		(events & LOOP_WRITE ? CURL_CSELECT_OUT : 0) |
		(events & LOOP_BROKEN ? CURL_CSELECT_ERR : 0));
}

static void
timeout_due(void *ctx)
{
	act(ctx, CURL_SOCKET_TIMEOUT, 0);
}

static int
on_timer(CURLM *curl, long wait_ms, void *ctx)
{
	struct http_loop *c = ctx;

	(void)curl;
	if (wait_ms < 0)
		loop_timer_clear(c->loop, &c->timeout);
	else
		loop_timer_set(c->loop, &c->timeout, clock_mono_us() + (int64_t)wait_ms * 1000);
	return 0;
}

static void
watch_drop(struct socket_watch *w)
{
	loop_unwatch(w->client->loop, &w->watch);
	if (w->next)
		w->next->before = w->before;
	*w->before = w->next;
	free(w);
}

static struct socket_watch *
watch_new(struct http_loop *c, curl_socket_t fd)
{
	struct socket_watch *w = calloc(1, sizeof *w);

	must(w);
	w->client = c;
	w->watch = (struct loop_watch){ .fd = fd, .ready = socket_ready, .ctx = w };
	w->before = &c->sockets;
	w->next = c->sockets;
	if (w->next)
		w->next->before = &w->next;
	c->sockets = w;
	must(curl_multi_assign(c->curl, fd, w) == CURLM_OK);
	return w;
}

static int
on_socket_change(CURL *easy, curl_socket_t fd, int what, void *ctx, void *assigned)
{
	struct http_loop *c = ctx;
	struct socket_watch *w = assigned;
	struct err err;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w)
			watch_drop(w);
		return 0;
	}
	if (!w)
		w = watch_new(c, fd);
	return loop_watch(c->loop, &w->watch,
		   (what & CURL_POLL_IN ? LOOP_READ : 0u) |
		       (what & CURL_POLL_OUT ? LOOP_WRITE : 0u),
		   &err) == FATE_DONE
		   ? 0
		   : -1;
}

static void
give_head(struct http_stream *s)
{
	if (s->headed)
		return;
	s->headed = true;
	(void)curl_easy_getinfo(s->t.easy, CURLINFO_RESPONSE_CODE, &s->t.response.status);
	if (s->reader->head)
		s->reader->head(s->ctx, &s->t.response);
}

static size_t
on_body(char *data, size_t size, size_t count, void *ctx)
{
	struct http_stream *s = ctx;

	if (s->state == CANCELLED)
		return 0;
	if (s->paused)
		return CURL_WRITEFUNC_PAUSE;
	give_head(s);
	if (s->state == CANCELLED)
		return 0;
	s->resume = false;
	if (!s->reader->body(s->ctx, slice_of(data, size * count)))
		s->paused = !s->resume;
	return size * count;
}

/* --- what readers asked for meanwhile --- */

static void
give_back(struct http_stream *s)
{
	s->state = IDLE;
	s->next = s->client->free;
	s->client->free = s;
}

static void
end_stream(struct http_stream *s, CURLcode code)
{
	struct err err = { 0 };

	(void)http_transfer_conclude(&s->t, code, &err);
	must(curl_multi_remove_handle(s->client->curl, s->t.easy) == CURLM_OK);
	if (s->state == UNDER_WAY && code == CURLE_OK)
		give_head(s);
	if (s->state == UNDER_WAY) {
		s->state = IDLE;    /* a cancel in end() has nothing to do */
		s->client->count--; /* and what is sent in it finds room */
		s->reader->end(s->ctx, &s->t.response, &err);
	}
	give_back(s);
}

static void
stream_settle(struct http_stream *s)
{
	struct http_loop *c = s->client;
	CURLcode code;

	if (s->state == CANCELLED) {
		must(curl_multi_remove_handle(c->curl, s->t.easy) == CURLM_OK);
		give_back(s);
	} else if (s->state == WAITING) {
		s->state = UNDER_WAY;
		must(curl_multi_add_handle(c->curl, s->t.easy) == CURLM_OK);
	} else if (s->state == UNDER_WAY && s->paused && s->resume) {
		s->paused = false;
		c->inside = true;
		code = curl_easy_pause(s->t.easy, CURLPAUSE_CONT); /* may give bytes */
		c->inside = false;
		if (code != CURLE_OK && s->state == UNDER_WAY)
			end_stream(s, code);
		settle_soon(c);
	}
}

static void
settle(void *ctx)
{
	struct http_loop *c = ctx;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(c->curl, &left))) {
		char *t = NULL;
		CURLcode code = message->data.result;

		must(
		    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t) == CURLE_OK &&
		    t);
		end_stream((struct http_stream *)(void *)t, code);
	}
	if (!c->unsettled)
		return;
	c->unsettled = false;
	for (size_t i = 0; i < c->made; i++)
		stream_settle(&c->streams[i]);
	if (!c->unsettled)
		loop_timer_clear(c->loop, &c->settle);
}

/* --- who asks --- */

enum fate
http_loop_new(const struct http_options *options, struct loop *loop,
    struct http_loop **ret_client, struct err *err)
{
	struct http_loop *c = calloc(1, sizeof *c);
	size_t max;

	must(c);
	c->loop = loop;
	c->timeout = (struct loop_timer){ .due = timeout_due, .ctx = c };
	c->settle = (struct loop_timer){ .due = settle, .ctx = c };
	if (http_settings_init(&c->settings, options, err) != FATE_DONE) {
		http_loop_free(c);
		return FATE_HALT;
	}
	max = c->settings.o.connection_max;
	c->streams = calloc(2 * max, sizeof *c->streams);
	c->curl = curl_multi_init();
	must(c->streams && c->curl);
	(void)curl_multi_setopt(c->curl, CURLMOPT_MAXCONNECTS, (long)max);
	(void)curl_multi_setopt(c->curl, CURLMOPT_SOCKETFUNCTION, on_socket_change);
	(void)curl_multi_setopt(c->curl, CURLMOPT_SOCKETDATA, c);
	(void)curl_multi_setopt(c->curl, CURLMOPT_TIMERFUNCTION, on_timer);
	(void)curl_multi_setopt(c->curl, CURLMOPT_TIMERDATA, c);
	*ret_client = c;
	return FATE_DONE;
}

void
http_loop_free(struct http_loop *client)
{
	if (client == NULL)
		return;
	for (size_t i = 0; i < client->made; i++) {
		struct http_stream *s = &client->streams[i];

		if (s->state == UNDER_WAY || s->state == CANCELLED)
			must(curl_multi_remove_handle(client->curl, s->t.easy) == CURLM_OK);
	}
	/* Closing a connection calls back through the handle that used it last. */
	if (client->curl)
		(void)curl_multi_cleanup(client->curl);
	for (size_t i = 0; i < client->made; i++)
		http_transfer_finish(&client->streams[i].t);
	while (client->sockets)
		watch_drop(client->sockets);
	loop_timer_clear(client->loop, &client->timeout);
	loop_timer_clear(client->loop, &client->settle);
	free(client->streams);
	http_settings_finish(&client->settings);
	free(client);
}

static enum fate
stream_take(struct http_loop *c, struct http_stream **ret_stream, struct err *err)
{
	struct http_stream *s = c->free;
	enum fate fate;

	if (c->count >= c->settings.o.connection_max)
		return err_code(
		    err, FATE_RETRY, "53300", "http: %zu requests are under way", c->count);
	if (s) {
		c->free = s->next;
	} else {
		must(c->made < 2 * c->settings.o.connection_max);
		s = &c->streams[c->made];
		fate = http_transfer_init(&s->t, &c->settings, err);
		if (fate != FATE_DONE)
			return fate;
		s->client = c;
		must(curl_easy_setopt(s->t.easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
		     curl_easy_setopt(s->t.easy, CURLOPT_WRITEDATA, s) == CURLE_OK);
		c->made++;
	}
	*ret_stream = s;
	return FATE_DONE;
}

enum fate
http_loop_send(struct http_loop *client, const struct http_request *request,
    const struct http_stream_reader *reader, void *ctx, struct http_stream **ret_stream,
    struct err *err)
{
	struct http_stream *s = NULL;
	enum fate fate = stream_take(client, &s, err);

	if (fate != FATE_DONE)
		return fate;
	fate = http_transfer_prepare(&s->t, request, err);
	if (fate != FATE_DONE) {
		give_back(s);
		return fate;
	}
	s->reader = reader;
	s->ctx = ctx;
	s->headed = s->paused = s->resume = false;
	s->state = WAITING;
	client->count++;
	settle_soon(client);
	*ret_stream = s;
	return FATE_DONE;
}

void
http_stream_more(struct http_stream *stream)
{
	stream->resume = true;
	if (stream->paused)
		settle_soon(stream->client);
}

void
http_stream_cancel(struct http_stream *stream)
{
	if (stream->state == IDLE || stream->state == CANCELLED)
		return;
	stream->client->count--;
	if (stream->state == WAITING) {
		give_back(stream);
		return;
	}
	stream->state = CANCELLED;
	if (stream->client->inside)
		settle_soon(stream->client);
	else
		stream_settle(stream);
}

size_t
http_loop_count(const struct http_loop *client)
{
	return client->count;
}
