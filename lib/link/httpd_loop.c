/* SPDX-License-Identifier: Apache-2.0 */
#include "link/httpd_loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "link/httpd_wire.h"
#include "link/listen.h"

enum {
	ACCEPTS_A_TURN = 64,
	LINGER_MS = 2000,
	LINGER_MAX = 1 << 20, /* bytes that are still read from a client that was refused */
};

/* --- connections --- */

static void
list_in(struct httpd_list *list, struct httpd_exchange *x)
{
	x->next = NULL;
	x->before = list->last;
	*(list->last ? &list->last->next : &list->first) = x;
	list->last = x;
	x->list = list;
}

static void
list_out(struct httpd_exchange *x)
{
	struct httpd_list *list = x->list;

	*(x->before ? &x->before->next : &list->first) = x->next;
	*(x->next ? &x->next->before : &list->last) = x->before;
	x->list = NULL;
}

/* From one list to the other: idle ones stand in the order in which they became so. */
static void
list_move(struct httpd_list *list, struct httpd_exchange *x)
{
	if (x->list == list)
		return;
	list_out(x);
	list_in(list, x);
}

static void
connection_free(struct httpd_exchange *x)
{
	struct httpd_loop *s = x->server;

	if (s->current == x)
		s->current = NULL;
	list_out(x);
	loop_unwatch(s->loop, &x->watch);
	loop_timer_clear(s->loop, &x->timer);
	(void)close(x->watch.fd);
	buf_finish(&x->in);
	buf_finish(&x->body);
	buf_finish(&x->out);
	buf_finish(&x->added);
	s->counts.connections--;
	free(x);
}

/* Ends the connection whatever it is doing; its owner hears of it. */
static void
connection_drop(struct httpd_exchange *x)
{
	if (x->state == HTTPD_ASKED) {
		x->server->counts.left_early++;
		x->server->counts.exchanges--;
		x->state = HTTPD_IDLE;
		if (x->owner && !x->ended)
			x->owner->gone(x->owner_ctx);
	}
	connection_free(x);
}

/* One timer a connection: it is moved only when it would come too late. */
static void
due_at(struct httpd_exchange *x, int64_t at_us)
{
	x->due_us = at_us;
	if (x->timer.at_us == 0 || at_us < x->timer.at_us)
		loop_timer_set(x->server->loop, &x->timer, at_us);
}

static void
due_in(struct httpd_exchange *x, int64_t ms)
{
	due_at(x, clock_mono_us() + ms * 1000);
}

static void
watch(struct httpd_exchange *x, unsigned events)
{
	struct err err;

	if (loop_watch(x->server->loop, &x->watch, events, &err) != FATE_DONE)
		x->broken = true;
}

/* --- the end of an exchange --- */

/* The client may still be sending: closing at once would reset the connection and could
 * take the answer away from it. */
static void
linger(struct httpd_exchange *x)
{
	(void)shutdown(x->watch.fd, SHUT_WR);
	x->state = HTTPD_LINGER;
	x->lingered = 0;
	list_move(&x->server->busy, x);
	watch(x, LOOP_READ);
	due_in(x, LINGER_MS);
}

static void
become_idle(struct httpd_exchange *x)
{
	struct httpd_loop *s = x->server;

	x->state = HTTPD_IDLE;
	x->owner = NULL;
	list_move(&s->idle, x);
	if (x->in.len == 0) {
		due_in(x, s->options.idle_ms);
		if (x->in.cap > HTTPD_KEEP)
			buf_finish(&x->in);
	} else {
		/* a request that came behind the other one: not from inside this call */
		due_at(x, 1);
		loop_timer_set(s->loop, &x->timer, 1);
	}
	if (!x->watch.live || x->watch.events != LOOP_READ)
		watch(x, LOOP_READ);
}

/* The answer is out. */
static void
answered(struct httpd_exchange *x)
{
	struct httpd_loop *s = x->server;

	s->counts.exchanges--;
	x->out.len = x->sent = x->sealed = 0;
	if (x->out.cap > HTTPD_KEEP)
		buf_finish(&x->out);
	buf_finish(&x->body);
	if (x->keep_alive && !x->eof && !s->draining)
		become_idle(x);
	else
		linger(x);
}

static void
gone_soon(struct httpd_exchange *x)
{
	x->broken = true;
	watch(x, 0);
	due_at(x, 1);
	loop_timer_set(x->server->loop, &x->timer, 1);
}

/* --- out --- */

/* Sends what is sealed; false when the connection is broken. */
static bool
send_some(struct httpd_exchange *x)
{
	while (x->sent < x->sealed) {
		ssize_t n =
		    send(x->watch.fd, x->out.p + x->sent, x->sealed - x->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0)
			return false;
		x->sent += (size_t)n;
		x->moved = true;
	}
	return true;
}

/* Sends; the rest goes when the socket takes it. May end the exchange, and x with it. */
static void
push(struct httpd_exchange *x)
{
	if (x->broken || !send_some(x)) {
		if (x->ended)
			connection_drop(x);
		else
			gone_soon(x);
		return;
	}
	if (x->sent == x->sealed) {
		if (x->ended) {
			answered(x);
			return;
		}
		x->due_us = 0;
		httpd_rewind(x);
		/* who waits for room is told of it by the next turn */
		watch(x, (x->eof || x->in.len > HTTPD_AHEAD_MAX ? 0u : LOOP_READ) |
			     (x->wants_room ? LOOP_WRITE : 0u));
		return;
	}
	watch(x, LOOP_WRITE | (x->eof || x->in.len > HTTPD_AHEAD_MAX ? 0u : LOOP_READ));
	if (x->moved || x->due_us == 0)
		due_in(x, x->server->options.stall_ms);
	x->moved = false;
}

bool
httpd_flush(struct httpd_exchange *x)
{
	httpd_seal(x, NULL);
	push(x);
	if (x->broken || x->sealed - x->sent > HTTPD_BEHIND_MAX) {
		x->wants_room = true;
		return false;
	}
	return true;
}

void
httpd_end(struct httpd_exchange *x, const char *trailer)
{
	x->ended = true;
	httpd_seal(x, trailer ? trailer : "");
	push(x);
}

void
httpd_answer(
    struct httpd_exchange *x, unsigned status, const char *content_type, struct slice body)
{
	httpd_begin(x, status, content_type);
	buf_put(httpd_out(x), body.p, body.len);
	httpd_end(x, NULL);
}

void
httpd_break(struct httpd_exchange *x)
{
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	/* without chunks an orderly end would look like the end of the answer */
	(void)setsockopt(x->watch.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	x->ended = true;
	connection_drop(x);
}

/* --- in --- */

/* The server's own refusals: an answer, then a close. */
static void
refuse(struct httpd_exchange *x, const struct http_trouble *trouble)
{
	char text[256];

	x->server->counts.refused++;
	if (x->state != HTTPD_ASKED)
		x->server->counts.exchanges++;
	x->state = HTTPD_ASKED;
	list_move(&x->server->busy, x);
	x->keep_alive = x->head_only = false;
	x->minor = 1;
	buf_finish(&x->in);
	(void)snprintf(text, sizeof text,
	    "{\"error\":{\"code\":\"HTTP\",\"message\":\"%s\",\"status\":%u}}\n", trouble->what,
	    trouble->status);
	httpd_answer(x, trouble->status, "application/json", slice_str(text));
}

/* The request is whole: head at the start of in or in the scratch, body in x->body. */
static void
ask(struct httpd_exchange *x, struct http_head *head)
{
	struct httpd_loop *s = x->server;

	x->state = HTTPD_ASKED;
	list_move(&s->busy, x);
	s->counts.requests++;
	s->counts.exchanges++;
	x->minor = head->minor;
	x->keep_alive = head->keep_alive;
	x->head_only = slice_eq(head->method, SLICE("HEAD"));
	x->owner = NULL;
	x->due_us = 0;
	/* the last answer's end says nothing about this one, which may come much later */
	x->flushed = x->ended = x->wants_room = x->moved = false;
	s->head = head;
	s->options.asked(s->options.ctx, x);
	s->head = NULL;
}

static bool
head_ends(struct slice in, size_t from)
{
	for (size_t i = from; i < in.len;) {
		const char *lf = memchr(in.p + i, '\n', in.len - i);
		size_t at;

		if (!lf)
			return false;
		at = (size_t)(lf - in.p) + 1;
		if (at < in.len && in.p[at] == '\n')
			return true;
		if (at + 1 < in.len && in.p[at] == '\r' && in.p[at + 1] == '\n')
			return true;
		i = at;
	}
	return false;
}

static void
not_yet(struct httpd_exchange *x)
{
	if (x->state == HTTPD_IDLE) {
		x->state = HTTPD_READING;
		list_move(&x->server->busy, x);
		due_in(x, x->server->options.request_ms);
	}
}

static void
go_on(struct httpd_exchange *x, const struct http_head *head)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (head->expects_continue && !x->continued)
		(void)!send(x->watch.fd, text, sizeof text - 1, MSG_NOSIGNAL);
	x->continued = true;
}

/* Takes the body from rest (behind the head). READY: it is whole. */
static enum http_step
take_body(struct httpd_exchange *x, const struct http_head *head, struct slice rest,
    size_t *ret_used, struct http_trouble *trouble)
{
	size_t most = x->server->options.body_max, want;

	if (head->chunked)
		return http_chunks_read(&x->chunks, rest, &x->body, most, ret_used, trouble);
	if (head->length > most) {
		*trouble = (struct http_trouble){ 413, "the body is too large" };
		return HTTP_BAD;
	}
	want = (size_t)head->length - x->body.len;
	*ret_used = rest.len < want ? rest.len : want;
	buf_put(&x->body, rest.p, *ret_used);
	return *ret_used == want ? HTTP_READY : HTTP_MORE;
}

/* One request of in; ret_used: how much of it is done with. false: nothing more to do
 * with these bytes: more are needed, an answer is under way, or the connection ended. */
static bool
take_request(struct httpd_exchange *x, struct slice in, size_t *ret_used)
{
	struct httpd_loop *s = x->server;
	struct http_trouble trouble;
	struct http_head head;
	size_t used = 0;
	enum http_step step;

	*ret_used = 0;
	if (!x->has_head && !head_ends(in, x->scanned)) {
		x->scanned = in.len > 2 ? in.len - 2 : 0;
		if (in.len <= s->options.head_max)
			return false;
		trouble = (struct http_trouble){ 431, "the head is too large" };
		refuse(x, &trouble);
		return false;
	}
	step = http_head_read(in, &head, &trouble);
	must(step != HTTP_MORE);
	if (step == HTTP_READY && head.size > s->options.head_max) {
		trouble = (struct http_trouble){ 431, "the head is too large" };
		step = HTTP_BAD;
	}
	if (step == HTTP_READY && !x->has_head) {
		x->chunks = (struct http_chunks){ 0 };
		x->body.len = 0;
		x->has_head = true;
		x->head_size = head.size;
	}
	if (step == HTTP_READY)
		step = take_body(x, &head, slice_of(in.p + x->head_size, in.len - x->head_size),
		    &used, &trouble);
	if (step == HTTP_BAD) {
		refuse(x, &trouble);
		return false;
	}
	*ret_used = used;
	if (step == HTTP_MORE) {
		go_on(x, &head);
		return false;
	}
	*ret_used = used + x->head_size;
	x->has_head = x->continued = false;
	x->scanned = 0;
	ask(x, &head);
	return true;
}

/* What is left of the bytes, for later; drop bytes behind the head are done with. */
static void
keep(struct httpd_exchange *x, struct slice rest, size_t drop)
{
	size_t head = x->has_head ? x->head_size : 0;

	buf_put(&x->in, rest.p, head);
	buf_put(&x->in, rest.p + head + drop, rest.len - head - drop);
}

/* Every request that in holds, one behind the other, until one is not answered at once. */
static void
take_requests(struct httpd_exchange *x, struct slice in)
{
	struct httpd_loop *s = x->server;
	size_t at = 0;

	s->current = x;
	while (at < in.len && (x->state == HTTPD_IDLE || x->state == HTTPD_READING)) {
		struct slice rest = slice_of(in.p + at, in.len - at);
		size_t used;
		bool asked = take_request(x, rest, &used);

		if (s->current != x)
			return;
		if (asked) {
			at += used;
			continue;
		}
		if (x->state == HTTPD_IDLE || x->state == HTTPD_READING) {
			not_yet(x);
			keep(x, rest, used);
		}
		s->current = NULL;
		return;
	}
	if (at < in.len && x->state == HTTPD_ASKED)
		buf_put(&x->in, in.p + at, in.len - at);
	s->current = NULL;
}

static void
take_kept(struct httpd_exchange *x)
{
	struct buf in = x->in;

	x->in = (struct buf){ 0 };
	take_requests(x, buf_view(&in));
	buf_finish(&in);
}

static void
readable(struct httpd_exchange *x)
{
	struct httpd_loop *s = x->server;
	ssize_t n = recv(x->watch.fd, s->scratch, sizeof s->scratch, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		x->eof = true;
		if (n == 0 && x->state == HTTPD_ASKED && x->ended)
			watch(x, LOOP_WRITE); /* the rest of the answer is still wanted */
		else
			connection_drop(x);
		return;
	}
	if (x->state == HTTPD_LINGER) {
		x->lingered += (size_t)n;
		if (x->lingered > LINGER_MAX)
			connection_drop(x);
	} else if (x->state == HTTPD_ASKED) {
		buf_put(&x->in, s->scratch, (size_t)n);
		if (x->in.len > HTTPD_AHEAD_MAX)
			watch(x, x->sent < x->sealed ? LOOP_WRITE : 0);
	} else if (x->in.len) {
		buf_put(&x->in, s->scratch, (size_t)n);
		take_kept(x);
	} else {
		take_requests(x, slice_of(s->scratch, (size_t)n));
	}
}

static void
writable(struct httpd_exchange *x)
{
	struct httpd_loop *s = x->server;

	s->current = x;
	push(x);
	if (s->current != x)
		return;
	s->current = NULL;
	if (x->state == HTTPD_ASKED && !x->ended && !x->broken && x->wants_room &&
	    x->sealed - x->sent < HTTPD_BEHIND_MORE) {
		x->wants_room = false;
		if (x->sent == x->sealed)
			watch(x, x->eof || x->in.len > HTTPD_AHEAD_MAX ? 0 : LOOP_READ);
		if (x->owner)
			x->owner->room(x->owner_ctx);
	}
}

static void
on_ready(void *ctx, unsigned events)
{
	struct httpd_exchange *x = ctx;

	if (events & LOOP_BROKEN)
		connection_drop(x);
	else if (events & LOOP_WRITE) /* what else there is comes with the next turn */
		writable(x);
	else
		readable(x);
}

static void
on_due(void *ctx)
{
	struct httpd_exchange *x = ctx;
	struct http_trouble slow = { 408, "the request did not come in time" };

	if (x->due_us == 0)
		return;
	if (x->due_us > clock_mono_us()) {
		loop_timer_set(x->server->loop, &x->timer, x->due_us);
		return;
	}
	switch (x->state) {
	case HTTPD_IDLE:
		if (x->in.len) {
			x->due_us = 0;
			take_kept(x);
			return;
		}
		break;
	case HTTPD_READING:
		x->server->counts.timed_out++;
		refuse(x, &slow);
		return;
	case HTTPD_ASKED:
		if (!x->broken && x->sent == x->sealed)
			return;
		x->server->counts.timed_out += !x->broken;
		break;
	case HTTPD_LINGER: break;
	}
	connection_drop(x);
}

/* --- accepting --- */

static void
connection_new(struct httpd_loop *s, int fd)
{
	struct httpd_exchange *x = calloc(1, sizeof *x);

	must(x);
	x->server = s;
	x->watch = (struct loop_watch){ .fd = fd, .ready = on_ready, .ctx = x };
	x->timer = (struct loop_timer){ .due = on_due, .ctx = x };
	list_in(&s->idle, x);
	s->counts.connections++;
	s->counts.accepted++;
	due_in(x, s->options.idle_ms);
	watch(x, LOOP_READ);
	if (x->broken)
		connection_drop(x);
}

static void
turn_away(struct httpd_loop *s, int fd)
{
	static const char full[] =
	    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
	    "Content-Length: 72\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
	    "{\"error\":{\"code\":\"HTTP\",\"message\":\"too many "
	    "connections\",\"status\":503}}\n";

	s->counts.turned_away++;
	(void)!send(fd, full, sizeof full - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)close(fd);
}

/* No descriptors are left: the one idle longest gives its own, or everybody waits. */
static bool
descriptors_short(struct httpd_loop *s)
{
	if (s->idle.first) {
		connection_drop(s->idle.first);
		return true;
	}
	loop_unwatch(s->loop, &s->listener);
	loop_timer_set(s->loop, &s->again, clock_mono_us() + 100000);
	return false;
}

static void
on_accept(void *ctx, unsigned events)
{
	struct httpd_loop *s = ctx;

	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = accept4(s->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
			if (!descriptors_short(s))
				return;
			continue;
		}
		if (fd < 0)
			return;
		if (s->counts.connections >= s->options.connection_max && s->idle.first)
			connection_drop(s->idle.first);
		if (s->counts.connections >= s->options.connection_max)
			turn_away(s, fd);
		else
			connection_new(s, fd);
	}
}

static void
accept_again(void *ctx)
{
	struct httpd_loop *s = ctx;
	struct err err;

	if (!s->draining && loop_watch(s->loop, &s->listener, LOOP_READ, &err) != FATE_DONE)
		loop_timer_set(s->loop, &s->again, clock_mono_us() + 100000);
}

/* --- life --- */

static void
defaults(struct httpd_loop_options *o)
{
	o->head_max = o->head_max ? o->head_max : 16 << 10;
	o->body_max = o->body_max ? o->body_max : 1 << 20;
	o->connection_max = o->connection_max ? o->connection_max : 16384;
	o->request_ms = o->request_ms ? o->request_ms : 15000;
	o->idle_ms = o->idle_ms ? o->idle_ms : 75000;
	o->stall_ms = o->stall_ms ? o->stall_ms : 30000;
}

enum fate
httpd_loop_open(struct loop *loop, const struct httpd_loop_options *options,
    struct httpd_loop **ret_server, struct err *err)
{
	struct httpd_loop *s;
	uint16_t port = 0;
	int fd = -1;
	enum fate fate = listen_on(options->listen, &fd, &port, err);

	if (fate != FATE_DONE)
		return fate;
	s = calloc(1, sizeof *s);
	must(s);
	s->options = *options;
	defaults(&s->options);
	s->loop = loop;
	s->port = port;
	s->listener = (struct loop_watch){ .fd = fd, .ready = on_accept, .ctx = s };
	s->again = (struct loop_timer){ .due = accept_again, .ctx = s };
	fate = loop_watch(loop, &s->listener, LOOP_READ, err);
	if (fate == FATE_DONE)
		*ret_server = s;
	else
		httpd_loop_close(s);
	return fate;
}

uint16_t
httpd_loop_port(const struct httpd_loop *server)
{
	return server->port;
}

struct httpd_loop_counts
httpd_loop_counts(const struct httpd_loop *server)
{
	return server->counts;
}

void
httpd_loop_drain(struct httpd_loop *server)
{
	if (server->draining)
		return;
	server->draining = true;
	loop_timer_clear(server->loop, &server->again);
	loop_unwatch(server->loop, &server->listener);
	(void)close(server->listener.fd);
	server->listener.fd = -1;
	while (server->idle.first)
		connection_drop(server->idle.first);
}

void
httpd_loop_close(struct httpd_loop *server)
{
	if (server == NULL)
		return;
	httpd_loop_drain(server);
	while (server->busy.first)
		connection_drop(server->busy.first);
	free(server);
}

const struct http_head *
httpd_head(const struct httpd_exchange *x)
{
	must(x->server->head);
	return x->server->head;
}

struct buf
httpd_take_body(struct httpd_exchange *x)
{
	struct buf body = x->body;

	x->body = (struct buf){ 0 };
	return body;
}

void
httpd_own(struct httpd_exchange *x, const struct httpd_owner *owner, void *ctx)
{
	x->owner = owner;
	x->owner_ctx = ctx;
}
