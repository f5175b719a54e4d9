/* SPDX-License-Identifier: Apache-2.0 */
/* httpd.h -- a small HTTP server (libmicrohttpd) on a background thread.
 *
 * A table of routes maps method and path to a handler, which runs on the server's
 * thread: what it reads of the program must be safe for that. It owns requests and
 * responses; a handler fills the response and returns at once: a slow answer is
 * delay_ms, which holds no thread. It refuses bodies above body_max (413), unknown
 * paths (404), other methods (405) and more than connection_max connections. */
#ifndef LINK_HTTPD_H
#define LINK_HTTPD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct httpd;

struct httpd_request {
	const char *method;
	const char *path; /* without the query */
	struct slice body;
	void *handle;
};

enum { HTTPD_HEADERS_MAX = 4 };

struct httpd_response {
	unsigned status;          /* 200 */
	const char *content_type; /* "text/plain; charset=utf-8"; a text that stays */
	struct buf body;          /* owned by the server */
	struct {
		const char *name; /* a text that stays */
		char value[128];
	} headers[HTTPD_HEADERS_MAX]; /* more headers; those with a NULL name are unused */
	int64_t delay_ms;             /* answered that much later */
	int64_t stall_ms;             /* half of the body, and the rest that much later */
	bool drop;                    /* no answer: the connection is closed (after delay_ms) */
};

/* NULL when absent; "" for `?name` and `?name=`. Decoded; alive during the handler. */
const char *httpd_query(const struct httpd_request *request, const char *name);
const char *httpd_header(const struct httpd_request *request, const char *name);

typedef void httpd_handler(
    void *ctx, const struct httpd_request *request, struct httpd_response *response);

struct httpd_route {
	const char *method; /* "GET" answers HEAD too; "*" is any */
	const char *path;   /* exact; ending in '*': a prefix */
	httpd_handler *handler;
};

/* Everything it points to must outlive the server. */
struct httpd_options {
	const char *listen; /* "127.0.0.1:9101", "[::1]:0", ":9101" (all addresses) */
	const struct httpd_route *routes;
	size_t route_count;
	void *ctx;               /* given to each handler */
	size_t body_max;         /* 0: 1 MB */
	unsigned connection_max; /* 0: 256 */
	unsigned idle_timeout_s; /* 0: 30 */
};

/* HALT: an address that is none, or in use (the sentence names it). */
enum fate httpd_start(
    const struct httpd_options *options, struct httpd **ret_httpd, struct err *err) NODISCARD;
uint16_t httpd_port(const struct httpd *httpd); /* the real one when 0 was asked for */
void httpd_stop(
    struct httpd *httpd); /* drops delayed answers, joins the threads; accepts NULL */

#endif
