/* SPDX-License-Identifier: Apache-2.0 */
#include <strings.h>

#include "base/must.h"
#include "link/httpd_exchange.h"

enum {
	SWALLOWED = 4,          /* times body_max: that much is read to refuse it in words */
	HEADER_BYTES = 64,      /* that libmicrohttpd takes for each, besides its text */
	ANSWER_BYTES = 1 << 10, /* for the head of the answer */
};

/* --- the head --- */

/* What of a head says where the request ends. */
struct framing {
	unsigned hosts, lengths, codings;
	bool bad_name, bad_coding;
	uint64_t length;
	size_t memory; /* all that is kept of the head */
};

static bool
is_name(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (name[i] <= ' ' || name[i] == 127)
			return false;
	}
	return len > 0;
}

static enum MHD_Result
on_header(void *ctx, enum MHD_ValueKind kind, const char *name, size_t name_len,
    const char *value, size_t value_len)
{
	struct framing *f = ctx;

	f->memory += HEADER_BYTES;
	if (kind == MHD_COOKIE_KIND)
		f->memory += name_len + value_len + 2; /* copies */
	if (kind != MHD_HEADER_KIND)
		return MHD_YES;
	f->bad_name = f->bad_name || !is_name(name, name_len);
	if (name_len == 4 && strcasecmp(name, "Host") == 0) {
		f->hosts++;
	} else if (name_len == 14 && strcasecmp(name, "Content-Length") == 0) {
		f->lengths++;
		if (!slice_u64(slice_of(value, value_len), &f->length))
			f->length = UINT64_MAX;
	} else if (name_len == 17 && strcasecmp(name, "Transfer-Encoding") == 0) {
		f->codings++;
		f->bad_coding = strcasecmp(value, "chunked") != 0;
	}
	return MHD_YES;
}

static void
become_asked(struct httpd_exchange *x)
{
	x->state = HTTPD_ASKED;
	x->server->counts.exchanges++;
	x->due_us = 0;
}

/* An answer of our own; the connection is closed behind it. */
static enum MHD_Result
refuse(struct httpd_exchange *x, unsigned status, const char *why)
{
	x->server->counts.refused++;
	become_asked(x);
	x->asking = x->last = true;
	httpd_begin(x, status, "application/json");
	if (status == 503)
		httpd_add_header(x, "Retry-After", SLICE("1"));
	buf_printf(&x->out,
	    "{\"error\":{\"code\":\"HTTP\",\"message\":\"%s\",\"status\":%u}}\n", why, status);
	httpd_end(x, NULL);
	x->asking = false;
	return httpd_queue(x);
}

static enum MHD_Result
take_head(struct httpd_exchange *x, const char *version)
{
	const struct httpd_loop_options *o = &x->server->options;
	struct framing f = { 0 };

	x->state = HTTPD_BODY;
	x->old = strcmp(version, "HTTP/1.0") == 0;
	f.memory =
	    MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)
		->header_size;
	(void)MHD_get_connection_values_n(x->connection,
	    MHD_HEADER_KIND | MHD_COOKIE_KIND | MHD_GET_ARGUMENT_KIND, on_header, &f);
	if (x->has_nul || f.bad_name)
		return refuse(x, 400, "the request's head cannot be read");
	if (f.hosts > 1 || f.lengths > 1 || f.codings > 1 || (f.codings && f.lengths))
		return refuse(x, 400, "the request says twice what it may say once");
	if (f.codings && (f.bad_coding || x->old))
		return refuse(x, 400, "no transfer coding but chunked is known");
	if (f.memory + ANSWER_BYTES > o->head_max)
		return refuse(x, 431, "the request's head is too large");
	if (f.length > SWALLOWED * (uint64_t)o->body_max)
		return refuse(x, 413, "the body is too large");
	return MHD_YES;
}

/* --- the body, and the handler's turn --- */

/* Beyond body_max, or without room, nothing is kept; beyond SWALLOWED times body_max
 * nothing is read. */
static enum MHD_Result
take_body(struct httpd_exchange *x, const char *data, size_t *data_len)
{
	const struct httpd_loop_options *o = &x->server->options;

	x->received += *data_len;
	if (x->received > SWALLOWED * (uint64_t)o->body_max)
		return MHD_NO;
	x->no_room = x->no_room || (x->received > HTTPD_SMALL &&
				       x->server->counts.held + *data_len > o->held_max);
	if (x->no_room || x->received > o->body_max)
		buf_finish(&x->body);
	else
		buf_put(&x->body, data, *data_len);
	httpd_hold(x, x->body.len);
	*data_len = 0;
	return MHD_YES;
}

/* The request is whole. */
static enum MHD_Result
ask(struct httpd_exchange *x, const char *method, const char *path)
{
	struct httpd_loop *s = x->server;

	if (x->received > s->options.body_max)
		return refuse(x, 413, "the body is too large");
	if (x->no_room)
		return refuse(x, 503, "there is no room for the body just now");
	become_asked(x);
	s->counts.requests++;
	x->head = (struct httpd_head){ slice_str(method), slice_str(path) };
	x->asking = true;
	s->options.asked(s->options.ctx, x);
	x->asking = false;
	buf_finish(&x->body); /* who wanted it has taken it */
	if (!x->ended)
		httpd_hold(x, 0);
	if (x->ended || x->flushed)
		return httpd_queue(x);
	if (x->hung_up)
		return MHD_NO; /* on_completed() tells the owner */
	httpd_suspend(x);
	return MHD_YES;
}

/* With the head, with each piece of the body, at the end of it, and again after that
 * when the connection was woken. */
enum MHD_Result
httpd_on_request(void *ctx, struct MHD_Connection *connection, const char *path,
    const char *method, const char *version, const char *data, size_t *data_len, void **context)
{
	struct httpd_exchange *x = *context;

	(void)ctx, (void)connection;
	x->server->calls++;
	switch (x->state) {
	case HTTPD_HEAD: return take_head(x, version);
	case HTTPD_BODY: return *data_len ? take_body(x, data, data_len) : ask(x, method, path);
	case HTTPD_ASKED: return httpd_queue(x);
	case HTTPD_IDLE:
	case HTTPD_SENDING: break;
	}
	return MHD_NO;
}

/* --- what a handler asks of the request --- */

const struct httpd_head *
httpd_head(const struct httpd_exchange *x)
{
	must(x->asking);
	return &x->head;
}

static struct slice
value_of(const struct httpd_exchange *x, enum MHD_ValueKind kind, const char *name)
{
	const char *value = NULL;
	size_t len = 0;

	must(x->asking);
	if (MHD_lookup_connection_value_n(
		x->connection, kind, name, strlen(name), &value, &len) == MHD_NO)
		return slice_of(NULL, 0);
	return value ? slice_of(value, len) : SLICE("");
}

struct slice
httpd_head_value(const struct httpd_exchange *x, const char *name)
{
	return value_of(x, MHD_HEADER_KIND, name);
}

struct slice
httpd_query_value(const struct httpd_exchange *x, const char *name)
{
	return value_of(x, MHD_GET_ARGUMENT_KIND, name);
}

struct buf
httpd_take_body(struct httpd_exchange *x)
{
	struct buf body = x->body;

	x->body = (struct buf){ 0 };
	httpd_hold(x, 0);
	return body;
}

void
httpd_own(struct httpd_exchange *x, const struct httpd_owner *owner, void *ctx)
{
	x->owner = owner;
	x->owner_ctx = ctx;
}
