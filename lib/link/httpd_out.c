/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/must.h"
#include "link/httpd_wire.h"

static const char *
phrase(unsigned status)
{
	static const struct {
		unsigned status;
		const char *phrase;
	} phrases[] = {
		{ 200, "OK" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 422, "Unprocessable Content" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 499, "Client Closed Request" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
		if (phrases[i].status == status)
			return phrases[i].phrase;
	}
	return "Status";
}

/* A hole, and behind it the place for what the handler writes. */
static void
open_hole(struct httpd_exchange *x, size_t size)
{
	if (x->sent > HTTPD_BEHIND_MORE && x->sent > x->out.len / 2) {
		memmove(x->out.p, x->out.p + x->sent, x->out.len - x->sent);
		x->out.len -= x->sent;
		x->sealed -= x->sent;
		x->sent = 0;
	}
	if (x->out.cap - x->out.len < size)
		buf_grow(&x->out, size);
	x->out.len += size;
	x->hole = x->out.len;
}

void
httpd_rewind(struct httpd_exchange *x)
{
	size_t size = x->out.len - x->sealed;

	if (httpd_pending(x))
		return;
	x->out.len = x->hole = size;
	x->sent = x->sealed = 0;
}

void
httpd_begin(struct httpd_exchange *x, unsigned status, const char *content_type)
{
	must(x->state == HTTPD_ASKED);
	x->status = status;
	x->content_type = content_type;
	x->added.len = 0;
	x->flushed = x->ended = x->wants_room = x->moved = false;
	x->out.len = x->sent = x->sealed = 0;
	open_hole(x, HTTPD_HEAD_HOLE);
}

void
httpd_add_header(struct httpd_exchange *x, const char *name, struct slice value)
{
	must(!x->flushed && x->added.len + strlen(name) + value.len + 4 <= HTTPD_ADDED_MAX);
	buf_cstr(&x->added, name);
	buf_cstr(&x->added, ": ");
	buf_slice(&x->added, value);
	buf_cstr(&x->added, "\r\n");
}

struct buf *
httpd_out(struct httpd_exchange *x)
{
	return &x->out;
}

size_t
httpd_pending(const struct httpd_exchange *x)
{
	return x->out.len - x->hole;
}

bool
httpd_flushed(const struct httpd_exchange *x)
{
	return x->flushed;
}

static const char *
date(struct httpd_loop *s)
{
	int64_t now_s = clock_wall_ms() / 1000;
	time_t t = (time_t)now_s;
	struct tm tm;

	if (now_s != s->date_s) {
		s->date_s = now_s;
		must(gmtime_r(&t, &tm));
		(void)strftime(s->date, sizeof s->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	}
	return s->date;
}

static char *
text(char *at, const char *s)
{
	size_t len = strlen(s);

	memcpy(at, s, len);
	return at + len;
}

static char *
number(char *at, uint64_t n)
{
	char digits[20];
	size_t count = 0;

	do
		digits[count++] = (char)('0' + n % 10);
	while (n /= 10);
	while (count)
		*at++ = digits[--count];
	return at;
}

/* Ends in front of x->hole, with the first chunk's size when the length is open. */
static size_t
head_write(struct httpd_exchange *x, char *out, bool whole)
{
	char *at = text(out, "HTTP/1.1 ");

	at = number(at, x->status);
	*at++ = ' ';
	at = text(at, phrase(x->status));
	at = text(at, "\r\nDate: ");
	at = text(at, date(x->server));
	at = text(at, "\r\nContent-Type: ");
	at = text(at, x->content_type);
	at = text(at, "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
	if (x->added.len) {
		memcpy(at, x->added.p, x->added.len);
		at += x->added.len;
	}
	if (whole) {
		at = text(at, "Content-Length: ");
		at = number(at, httpd_pending(x));
		at = text(at, "\r\n");
	} else if (x->minor == 1) {
		at = text(at, "Transfer-Encoding: chunked\r\n");
	}
	if (!x->keep_alive)
		at = text(at, "Connection: close\r\n");
	else if (x->minor == 0)
		at = text(at, "Connection: keep-alive\r\n");
	at = text(at, "\r\n");
	return (size_t)(at - out);
}

static void
chunk_size_write(char *out, size_t size)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 8; i++)
		out[i] = digits[size >> (28 - 4 * i) & 15];
	out[8] = '\r';
	out[9] = '\n';
}

/* Puts text so that it ends where the hole ends; the bytes before it are never sent. */
static void
fill_hole(struct httpd_exchange *x, const char *bytes, size_t len)
{
	must(len <= HTTPD_HEAD_HOLE);
	memcpy(x->out.p + x->hole - len, bytes, len);
}

static void
seal_first(struct httpd_exchange *x, bool whole)
{
	char head[HTTPD_HEAD_HOLE];
	size_t len;

	if (!whole && x->minor == 0)
		x->keep_alive = false; /* the close is the end */
	len = head_write(x, head, whole);
	if (!whole && x->minor == 1) {
		must(len + HTTPD_CHUNK_HOLE <= sizeof head);
		chunk_size_write(head + len, httpd_pending(x));
		len += HTTPD_CHUNK_HOLE;
	}
	fill_hole(x, head, len);
	x->sent = x->hole - len;
	x->flushed = true;
	buf_finish(&x->added);
}

static void
seal_end(struct httpd_exchange *x, const char *trailer)
{
	buf_cstr(&x->out, "0\r\n");
	if (*trailer) {
		buf_cstr(&x->out, trailer);
		buf_cstr(&x->out, "\r\n");
	}
	buf_cstr(&x->out, "\r\n");
}

void
httpd_seal(struct httpd_exchange *x, const char *last)
{
	bool first = !x->flushed, whole = first && last;
	bool chunks = x->minor == 1 && !whole;
	char size[HTTPD_CHUNK_HOLE];

	if (!first && httpd_pending(x) == 0 && chunks) {
		/* no empty chunk: it would be the end */
		x->out.len = x->hole - HTTPD_CHUNK_HOLE;
	} else if (!first && chunks) {
		chunk_size_write(size, httpd_pending(x));
		fill_hole(x, size, sizeof size);
		buf_cstr(&x->out, "\r\n");
	} else if (first) {
		if (chunks && httpd_pending(x) == 0)
			return; /* nothing to say yet */
		seal_first(x, whole);
		if (x->head_only)
			x->out.len = x->hole;
		else if (chunks)
			buf_cstr(&x->out, "\r\n");
	}
	if (last && chunks && !x->head_only)
		seal_end(x, last);
	x->sealed = x->out.len;
	if (!last)
		open_hole(x, chunks ? HTTPD_CHUNK_HOLE : 0);
}
