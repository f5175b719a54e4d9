/* SPDX-License-Identifier: Apache-2.0 */
/* httpd_loop.h -- HTTP/1.1 (libmicrohttpd) on a loop: no thread, answers that stream.
 *
 * A request comes to asked() when it is there as a whole; its exchange is answered at
 * once or later, in one piece or in many. What is written is held until the client takes
 * it: httpd_flush() says when that is enough, room() when to go on. A client that leaves
 * is told by gone(). An exchange belongs to its handler from asked() until it is ended,
 * broken or gone, and not a moment longer.
 * libmicrohttpd refuses what it cannot read, with a page of its own or a close; what two
 * readers could take for two requests is refused here, in JSON: a Content-Length beside
 * a Transfer-Encoding, either of them or Host twice, a coding that is not chunked, a name
 * that is none, %00 in a path; so is a head for which there is no room (431) and a body
 * beyond body_max (413). Bare LF and folded lines are read, as RFC 9112 allows. Who is too
 * slow, or one connection too many, is closed without a word; of those beyond
 * connection_max the one idle longest goes first. TLS is not spoken. */
#ifndef LINK_HTTPD_LOOP_H
#define LINK_HTTPD_LOOP_H

#include "base/buf.h"
#include "base/slice.h"
#include "link/loop.h"

struct httpd_loop;
struct httpd_exchange;

/* Everything it points to must outlive the server; 0: the default named. */
struct httpd_loop_options {
	const char *listen; /* as listen_on() takes it */
	void (*asked)(void *ctx, struct httpd_exchange *x);
	void *ctx;
	/* Of memory a connection, from its first request on: for a request's head and its
	 * answer's, and for a stream's pieces. 6 KiB: a head of 4 KiB in ten lines passes. */
	size_t head_max;
	size_t body_max; /* 1 MiB */
	/* Of bodies that come and of answers that have ended and are not taken, of all
	 * connections together: beyond it no body above HTTPD_SMALL is taken (503), and
	 * httpd_loop_full() tells the handler. 256 MiB. */
	size_t held_max;
	unsigned connection_max; /* 16384, or what the limit of descriptors allows */
	int64_t request_ms;      /* from its first line to its last byte: 15 s */
	int64_t idle_ms;         /* between requests, until the next one's first line: 75 s */
	int64_t stall_ms;        /* an answer of which nothing is taken: 30 s */
};

/* HALT: an address that is none, or in use. */
enum fate httpd_loop_open(struct loop *loop, const struct httpd_loop_options *options,
    struct httpd_loop **ret_server, struct err *err) NODISCARD;
uint16_t httpd_loop_port(const struct httpd_loop *server);
/* Accepts nothing more, closes what is idle, and every other connection behind its answer. */
void httpd_loop_drain(struct httpd_loop *server);
/* Closes everything; gone() is called for exchanges under way. Accepts NULL. */
void httpd_loop_close(struct httpd_loop *server);

struct httpd_loop_counts {
	unsigned connections, exchanges; /* now */
	size_t held;                     /* now: what held_max speaks of */
	uint64_t accepted, turned_away, requests, refused, timed_out, left_early;
};
struct httpd_loop_counts httpd_loop_counts(const struct httpd_loop *server);

/* What is held is beyond held_max: an answer of any size had better wait. */
bool httpd_loop_full(const struct httpd_loop *server);

/* --- the request; alive during asked() --- */

struct httpd_head {
	struct slice method;
	struct slice
	    path; /* before the '?', without its %-escapes; ends with a NUL, holds none */
};
const struct httpd_head *httpd_head(const struct httpd_exchange *x);
/* A header's value; p is NULL when there is none. */
struct slice httpd_head_value(const struct httpd_exchange *x, const char *name);
/* The decoded value of ?name=value; p is NULL when there is none. */
struct slice httpd_query_value(const struct httpd_exchange *x, const char *name);
/* The body becomes the caller's; once. */
struct buf httpd_take_body(struct httpd_exchange *x);

/* --- the answer --- */

struct httpd_owner {
	void (*room)(void *ctx); /* after httpd_flush() said false; NULL: never needed */
	void (*gone)(void *ctx); /* the exchange has ended without its answer */
};
/* For who does not answer during asked(). */
void httpd_own(struct httpd_exchange *x, const struct httpd_owner *owner, void *ctx);

/* Begins it; content_type is a text that stays. */
void httpd_begin(struct httpd_exchange *x, unsigned status, const char *content_type);
/* One more header, before anything was flushed; name is a text that stays. */
void httpd_add_header(struct httpd_exchange *x, const char *name, struct slice value);
/* Where the body is appended; look it up again after each call. */
struct buf *httpd_out(struct httpd_exchange *x);
/* Of what httpd_out() holds, the bytes that the handler wrote since the last flush. */
size_t httpd_pending(const struct httpd_exchange *x);
/* Sends what has been written, in chunks: from now on the length is open and the status
 * is out. false: the client is behind by HTTPD_BEHIND_MAX bytes; wait for room(). */
bool httpd_flush(struct httpd_exchange *x);
bool httpd_flushed(const struct httpd_exchange *x); /* the status is out */
enum { HTTPD_SMALL = 16 << 10 };
enum { HTTPD_BEHIND_MAX = 256 << 10, HTTPD_BEHIND_MORE = 64 << 10, HTTPD_TRAILER_MAX = 200 };
/* The end. trailer: "Name: value" for an answer that was flushed; NULL: none. */
void httpd_end(struct httpd_exchange *x, const char *trailer);
/* Closes the connection, so that the client sees that the answer is not whole. */
void httpd_break(struct httpd_exchange *x);
/* All of it at once. */
void httpd_answer(
    struct httpd_exchange *x, unsigned status, const char *content_type, struct slice body);

#endif
