/* SPDX-License-Identifier: Apache-2.0 */
/* httpd_exchange.h -- a connection of libmicrohttpd and the exchange that is under way on
 * it. Private to httpd_loop.c (connections, turns), httpd_request.c (what comes) and
 * httpd_out.c (what goes).
 *
 * libmicrohttpd suspends a connection for which there is nothing to do yet: before the
 * answer, or in its middle. It does not look at the socket then; our own watch does. */
#ifndef LINK_HTTPD_EXCHANGE_H
#define LINK_HTTPD_EXCHANGE_H

#include <microhttpd.h>

#include "link/httpd_loop.h"

struct httpd_list {
	struct httpd_exchange *first, *last;
};

struct httpd_exchange {
	struct httpd_loop *server;
	struct MHD_Connection *connection;
	struct loop_watch hangup;
	struct loop_timer timer, room;
	int64_t due_us; /* 0: never; the timer may come earlier and looks again */
	struct httpd_list *list;
	struct httpd_exchange *next, *before;
	enum {
		HTTPD_IDLE,    /* no request's first line has come */
		HTTPD_HEAD,    /* it has */
		HTTPD_BODY,    /* the head is whole */
		HTTPD_ASKED,   /* the handler has it */
		HTTPD_SENDING, /* the answer is libmicrohttpd's */
	} state;
	bool suspended, hung_up, timed_out;

	/* the request */
	struct httpd_head head;
	struct buf body;
	uint64_t received; /* of the body, kept or not */
	bool has_nul, old; /* old: HTTP/1.0 */
	bool no_room;      /* for the body */
	size_t held;       /* of the server's counts: its body's, or its answer's */

	/* the answer: of out, sent bytes are taken, those up to sealed are to be taken */
	struct MHD_Response *response; /* while SENDING: the connection's */
	struct buf out, added, trailer;
	size_t sent, sealed;
	unsigned status;
	const char *content_type;
	bool asking; /* inside asked(): its return begins the answer */
	bool flushed, ended, broken, wants_room, last;
	const struct httpd_owner *owner;
	void *owner_ctx;
};

struct httpd_loop {
	struct httpd_loop_options options;
	struct loop *loop;
	struct MHD_Daemon *daemon;
	struct loop_watch watch; /* libmicrohttpd's epoll set */
	struct loop_timer turn;  /* it has more to do */
	uint16_t port;
	bool draining, woken;
	uint64_t calls;  /* of libmicrohttpd's to us */
	unsigned blind;  /* rounds without one */
	int64_t rest_us; /* until the next turn, after too many of those */
	struct httpd_list idle, busy;
	struct httpd_loop_counts counts;
};

/* Due once from now on, whatever was due before. */
void httpd_due_in(struct httpd_exchange *x, int64_t ms);
void httpd_hold(struct httpd_exchange *x, size_t bytes); /* so many now, in all */
void httpd_suspend(struct httpd_exchange *x);
void httpd_wake(struct httpd_exchange *x); /* accepts one not suspended */

/* httpd_request.c: takes the request as it comes, and asks. */
enum MHD_Result httpd_on_request(void *ctx, struct MHD_Connection *connection, const char *path,
    const char *method, const char *version, const char *data, size_t *data_len,
    void **context);

/* httpd_out.c: gives the answer to libmicrohttpd, whole or as it comes; in its handler. */
enum MHD_Result httpd_queue(struct httpd_exchange *x);
/* on_room of x->room. */
void httpd_room(void *ctx);

#endif
