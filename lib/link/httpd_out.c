/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>

#include "base/must.h"
#include "link/httpd_exchange.h"

enum {
	WHOLE_MAX = 64 << 10, /* a larger answer is handed over in pieces: its progress shows */
	PIECE = 32 << 10,
};

/* --- what the handler writes --- */

void
httpd_begin(struct httpd_exchange *x, unsigned status, const char *content_type)
{
	must(x->state == HTTPD_ASKED && !x->flushed);
	x->status = status;
	x->content_type = content_type;
	x->added.len = x->out.len = 0;
}

void
httpd_add_header(struct httpd_exchange *x, const char *name, struct slice value)
{
	must(!x->flushed);
	buf_put(&x->added, name, strlen(name) + 1);
	buf_slice(&x->added, value);
	buf_byte(&x->added, '\0');
}

struct buf *
httpd_out(struct httpd_exchange *x)
{
	return &x->out;
}

size_t
httpd_pending(const struct httpd_exchange *x)
{
	return x->out.len - x->sealed;
}

bool
httpd_flushed(const struct httpd_exchange *x)
{
	return x->flushed;
}

/* Room in out for what comes, without moving much for little. */
static void
compact(struct httpd_exchange *x)
{
	if (x->sent < x->out.len && (x->sent <= HTTPD_BEHIND_MORE || x->sent <= x->out.len / 2))
		return;
	memmove(x->out.p, x->out.p + x->sent, x->out.len - x->sent);
	x->out.len -= x->sent;
	x->sealed -= x->sent;
	x->sent = 0;
}

/* What the handler wrote may go. */
static void
seal(struct httpd_exchange *x)
{
	x->sealed = x->out.len;
	if (x->sent)
		compact(x);
	if (!x->asking)
		httpd_wake(x);
}

bool
httpd_flush(struct httpd_exchange *x)
{
	if (httpd_pending(x) == 0 && !x->flushed)
		return true;
	x->flushed = true;
	seal(x);
	if (x->sealed - x->sent <= HTTPD_BEHIND_MAX)
		return true;
	x->wants_room = true; /* until room(): a flush between says nothing about it */
	return false;
}

void
httpd_end(struct httpd_exchange *x, const char *trailer)
{
	x->ended = true;
	x->owner = NULL;
	if (trailer && x->flushed)
		buf_put(&x->trailer, trailer, strlen(trailer) + 1);
	seal(x);
	httpd_hold(x, x->out.len - x->sent);
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
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

	x->ended = x->broken = true;
	x->owner = NULL;
	/* without chunks an orderly end would look like the end of the answer: a reset */
	if (x->flushed && x->old)
		(void)connect(x->hangup.fd, &nowhere, sizeof nowhere);
	if (!x->asking)
		httpd_wake(x);
}

void
httpd_room(void *ctx)
{
	struct httpd_exchange *x = ctx;

	if (!x->wants_room || x->ended || !x->owner)
		return;
	x->wants_room = false;
	x->owner->room(x->owner_ctx);
}

/* --- what libmicrohttpd takes --- */

static void
add_trailer(struct httpd_exchange *x)
{
	char *colon = x->trailer.len ? strstr(x->trailer.p, ": ") : NULL;

	if (!colon)
		return;
	*colon = '\0';
	(void)MHD_add_response_footer(x->response, x->trailer.p, colon + 2);
}

static ssize_t
read_out(void *ctx, uint64_t at, char *to, size_t max)
{
	struct httpd_exchange *x = ctx;
	size_t n = x->sealed - x->sent < max ? x->sealed - x->sent : max;

	(void)at;
	x->server->calls++;
	if (x->broken)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (n == 0 && x->ended) {
		add_trailer(x);
		return MHD_CONTENT_READER_END_OF_STREAM;
	}
	if (n == 0) {
		x->due_us = 0;
		httpd_suspend(x);
		return 0;
	}
	memcpy(to, x->out.p + x->sent, n);
	x->sent += n;
	if (x->sent == x->out.len)
		x->out.len = x->sent = x->sealed = 0;
	httpd_due_in(x, x->server->options.stall_ms);
	if (x->wants_room && x->sealed - x->sent < HTTPD_BEHIND_MORE && x->room.at_us == 0)
		loop_timer_set(x->server->loop, &x->room, 1);
	return (ssize_t)n;
}

static void
add_headers(struct httpd_exchange *x, struct MHD_Response *response)
{
	const char *at = x->added.p, *end = at + x->added.len;

	(void)MHD_add_response_header(response, "Content-Type", x->content_type);
	(void)MHD_add_response_header(response, "Cache-Control", "no-store");
	(void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	while (at < end) {
		const char *value = at + strlen(at) + 1;

		(void)MHD_add_response_header(response, at, value);
		at = value + strlen(value) + 1;
	}
	if (x->last || x->server->draining)
		(void)MHD_add_response_header(response, "Connection", "close");
}

enum MHD_Result
httpd_queue(struct httpd_exchange *x)
{
	enum MHD_Result queued;

	if (x->broken)
		return MHD_NO; /* closes the connection */
	x->state = HTTPD_SENDING;
	if (x->flushed) {
		x->response = MHD_create_response_from_callback(
		    MHD_SIZE_UNKNOWN, x->old ? PIECE : 1, read_out, x, NULL);
	} else if (x->out.len > WHOLE_MAX) {
		x->response =
		    MHD_create_response_from_callback(x->out.len, PIECE, read_out, x, NULL);
	} else {
		x->response = MHD_create_response_from_buffer(
		    x->out.len, x->out.p, MHD_RESPMEM_MUST_FREE);
		x->out = (struct buf){ 0 };
	}
	must(x->response);
	add_headers(x, x->response);
	queued = MHD_queue_response(x->connection, x->status, x->response);
	MHD_destroy_response(x->response); /* the connection holds it */
	httpd_due_in(x, x->server->options.stall_ms);
	return queued;
}
