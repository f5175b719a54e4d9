/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "link/httpd_exchange.h"
#include "link/listen.h"

enum {
	ROUNDS_A_TURN = 8,
	BLIND_MAX = 64, /* rounds without a call of ours: the largest head takes some 30 */
	BLIND_BACK = 8, /* of them are forgotten with a round that is none */
	REST_MIN_US = 1000,
	REST_MAX_US = 32000,
	DESCRIPTORS_LEFT = 256, /* for all that is no client */
	CLOSING_MAX = 64,       /* connections that give way and those that come meanwhile */
	HEAD_MAX = 6 << 10,
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

/* One timer a connection: it is moved only when it would come too late. */
void
httpd_due_in(struct httpd_exchange *x, int64_t ms)
{
	x->due_us = clock_mono_us() + ms * 1000;
	if (x->timer.at_us == 0 || x->due_us < x->timer.at_us)
		loop_timer_set(x->server->loop, &x->timer, x->due_us);
}

/* libmicrohttpd sees the end of the socket and closes it, unless it is suspended. */
static void
cut(struct httpd_exchange *x)
{
	list_move(&x->server->busy, x); /* it gives way once */
	(void)shutdown(x->hangup.fd, SHUT_RDWR);
}

void
httpd_hold(struct httpd_exchange *x, size_t bytes)
{
	x->server->counts.held += bytes - x->held;
	x->held = bytes;
}

void
httpd_suspend(struct httpd_exchange *x)
{
	x->suspended = true;
	MHD_suspend_connection(x->connection);
}

void
httpd_wake(struct httpd_exchange *x)
{
	struct httpd_loop *s = x->server;

	if (!x->suspended)
		return;
	x->suspended = false;
	MHD_resume_connection(x->connection);
	s->woken = true;
	if (s->turn.at_us != 1)
		loop_timer_set(s->loop, &s->turn, 1);
}

/* The exchange ends without its answer. */
static void
leave(struct httpd_exchange *x)
{
	const struct httpd_owner *owner = x->owner;

	x->ended = x->broken = true;
	x->owner = NULL;
	if (owner)
		owner->gone(x->owner_ctx);
}

static void
on_hangup(void *ctx, unsigned events)
{
	struct httpd_exchange *x = ctx;

	(void)events;
	loop_unwatch(x->server->loop, &x->hangup);
	x->hung_up = true;
	if (x->state < HTTPD_ASKED || x->ended)
		return;
	leave(x);
	cut(x);
	httpd_wake(x);
}

static void
on_due(void *ctx)
{
	struct httpd_exchange *x = ctx;

	if (x->due_us == 0)
		return;
	if (x->due_us > clock_mono_us()) {
		loop_timer_set(x->server->loop, &x->timer, x->due_us);
		return;
	}
	x->due_us = 0;
	if (x->state != HTTPD_IDLE) {
		x->timed_out = true;
		x->server->counts.timed_out++;
	}
	cut(x);
}

static void
connection_new(struct httpd_loop *s, struct MHD_Connection *connection, void **ret_context)
{
	struct httpd_exchange *x = calloc(1, sizeof *x);
	struct err err;

	must(x);
	x->server = s;
	x->connection = connection;
	x->hangup = (struct loop_watch){ .fd = MHD_get_connection_info(
					     connection, MHD_CONNECTION_INFO_CONNECTION_FD)
						   ->connect_fd,
		.ready = on_hangup,
		.ctx = x };
	x->timer = (struct loop_timer){ .due = on_due, .ctx = x };
	x->room = (struct loop_timer){ .due = httpd_room, .ctx = x };
	*ret_context = x;
	list_in(&s->idle, x);
	s->counts.connections++;
	s->counts.accepted++;
	httpd_due_in(x, s->options.idle_ms);
	if (loop_watch(s->loop, &x->hangup, LOOP_HANGUP, &err) != FATE_DONE) {
		cut(x);
	} else if (s->counts.connections > s->options.connection_max) {
		s->counts.turned_away += s->idle.first == x;
		cut(s->idle.first);
	}
}

/* The request and its answer. */
static void
forget(struct httpd_exchange *x)
{
	httpd_hold(x, 0);
	buf_finish(&x->body);
	buf_finish(&x->out);
	buf_finish(&x->added);
	buf_finish(&x->trailer);
}

static void
connection_free(struct httpd_exchange *x)
{
	struct httpd_loop *s = x->server;

	list_out(x);
	loop_unwatch(s->loop, &x->hangup);
	loop_timer_clear(s->loop, &x->timer);
	loop_timer_clear(s->loop, &x->room);
	forget(x);
	s->counts.connections--;
	free(x);
}

static void
on_connection(void *ctx, struct MHD_Connection *connection, void **context,
    enum MHD_ConnectionNotificationCode what)
{
	struct httpd_loop *s = ctx;

	s->calls++;
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		connection_new(s, connection, context);
	else
		connection_free(*context);
}

/* --- between requests --- */

/* The first line is there; what is returned is the request's own. */
static void *
on_first_line(void *ctx, const char *uri, struct MHD_Connection *connection)
{
	struct httpd_loop *s = ctx;
	struct httpd_exchange *x =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
		->socket_context;

	s->calls++;
	x->state = HTTPD_HEAD;
	x->has_nul = uri && strstr(uri, "%00");
	list_move(&s->busy, x);
	httpd_due_in(x, s->options.request_ms);
	return x;
}

/* The answer is out, or it will never be. The connection may go on with the next one. */
static void
on_completed(void *ctx, struct MHD_Connection *connection, void **context,
    enum MHD_RequestTerminationCode why)
{
	struct httpd_loop *s = ctx;
	struct httpd_exchange *x = *context;

	(void)connection;
	s->calls++;
	if (x == NULL)
		return;
	if (x->state >= HTTPD_ASKED) {
		s->counts.exchanges--;
		s->counts.left_early += why != MHD_REQUEST_TERMINATED_COMPLETED_OK;
		if (!x->ended)
			leave(x);
	} else {
		s->counts.refused += !x->timed_out && why == MHD_REQUEST_TERMINATED_WITH_ERROR;
	}
	loop_timer_clear(s->loop, &x->room);
	forget(x);
	x->state = HTTPD_IDLE;
	x->response = NULL;
	x->owner = NULL;
	x->received = x->sent = x->sealed = 0;
	x->flushed = x->ended = x->broken = x->wants_room = x->last = x->no_room = false;
	if (why != MHD_REQUEST_TERMINATED_COMPLETED_OK)
		return;
	list_move(&s->idle, x);
	httpd_due_in(x, s->options.idle_ms);
	if (s->draining)
		cut(x);
}

/* --- turns --- */

/* One round; false: there is nothing more to do. */
static bool
more_to_do(struct httpd_loop *s, bool *ret_blind)
{
	MHD_UNSIGNED_LONG_LONG wait_ms = 1;
	uint64_t calls = s->calls;

	s->woken = false;
	(void)MHD_run(s->daemon);
	if (!s->woken && (MHD_get_timeout(s->daemon, &wait_ms) == MHD_NO || wait_ms))
		return false;
	*ret_blind = !s->woken && s->calls == calls;
	if (*ret_blind)
		s->blind++;
	else
		s->blind = s->blind > BLIND_BACK ? s->blind - BLIND_BACK : 0;
	return true;
}

/* As long as libmicrohttpd has something to do, within bounds. 0.9.75 wants to be run for
 * ever when a line of a chunk or trailer does not fit into its memory: then it rests
 * between rounds, until that connection's time is over. It is never due before what others
 * wait for. */
static void
turn(struct httpd_loop *s)
{
	bool blind = false;

	for (int i = 0; i < ROUNDS_A_TURN && !(blind && s->blind > BLIND_MAX); i++) {
		if (!more_to_do(s, &blind)) {
			s->blind = 0;
			s->rest_us = 0;
			loop_timer_clear(s->loop, &s->turn);
			return;
		}
	}
	if (!blind || s->blind <= BLIND_MAX)
		s->rest_us = 0;
	else if (s->rest_us < REST_MAX_US)
		s->rest_us = s->rest_us ? s->rest_us * 2 : REST_MIN_US;
	loop_timer_set(s->loop, &s->turn, clock_mono_us() + s->rest_us);
}

static void
on_readable(void *ctx, unsigned events)
{
	(void)events;
	turn(ctx);
}

static void
on_turn(void *ctx)
{
	turn(ctx);
}

/* --- life --- */

static void
defaults(struct httpd_loop_options *o)
{
	struct rlimit files;

	o->head_max = o->head_max ? o->head_max : HEAD_MAX;
	o->body_max = o->body_max ? o->body_max : 1 << 20;
	o->held_max = o->held_max ? o->held_max : 256 << 20;
	o->connection_max = o->connection_max ? o->connection_max : 16384;
	o->request_ms = o->request_ms ? o->request_ms : 15000;
	o->idle_ms = o->idle_ms ? o->idle_ms : 75000;
	o->stall_ms = o->stall_ms ? o->stall_ms : 30000;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > 2 * DESCRIPTORS_LEFT &&
	    files.rlim_cur - DESCRIPTORS_LEFT - CLOSING_MAX < o->connection_max)
		o->connection_max = (unsigned)files.rlim_cur - DESCRIPTORS_LEFT - CLOSING_MAX;
}

static struct MHD_Daemon *
daemon_start(struct httpd_loop *s, int fd)
{
	/* no time-out of libmicrohttpd's: it begins anew with every byte */
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, s->port, NULL, NULL,
	    httpd_on_request, s, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_CONNECTION,
	    on_connection, s, MHD_OPTION_URI_LOG_CALLBACK, on_first_line, s,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_STRICT_FOR_CLIENT, 1,
	    MHD_OPTION_CONNECTION_LIMIT, s->options.connection_max + CLOSING_MAX,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, s->options.head_max, MHD_OPTION_END);
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
	s->turn = (struct loop_timer){ .due = on_turn, .ctx = s };
	s->watch = (struct loop_watch){ .fd = -1, .ready = on_readable, .ctx = s };
	s->daemon = daemon_start(s, fd);
	if (s->daemon == NULL) {
		free(s); /* libmicrohttpd has closed the socket */
		return err_set(
		    err, FATE_HALT, "listen %s: the server does not start", options->listen);
	}
	s->watch.fd = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	fate = loop_watch(loop, &s->watch, LOOP_READ, err);
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

bool
httpd_loop_full(const struct httpd_loop *server)
{
	return server->counts.held > server->options.held_max;
}

void
httpd_loop_drain(struct httpd_loop *server)
{
	if (server->draining)
		return;
	server->draining = true;
	(void)close(MHD_quiesce_daemon(server->daemon));
	while (server->idle.first)
		cut(server->idle.first);
}

void
httpd_loop_close(struct httpd_loop *server)
{
	if (server == NULL)
		return;
	httpd_loop_drain(server);
	for (struct httpd_exchange *x = server->busy.first; x; x = x->next) {
		if (x->state >= HTTPD_ASKED && !x->ended)
			leave(x);
		httpd_wake(x); /* none may be suspended when it stops */
	}
	loop_unwatch(server->loop, &server->watch);
	MHD_stop_daemon(server->daemon);
	loop_timer_clear(server->loop, &server->turn);
	free(server);
}
