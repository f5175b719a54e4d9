/* SPDX-License-Identifier: Apache-2.0 */
/* http.h -- HTTP requests (libcurl): one at a time, or many at once from one thread.
 *
 * A client or a multi owns its connections and keeps them alive; bodies, header
 * texts and URLs are borrowed until the call returns (client) or its answer was
 * given (multi) and are not copied. Every request ends by a timeout. It never
 * follows a redirect, never takes more than response_max bytes, and when told so
 * refuses to connect to private addresses (checked on the address of the socket,
 * after resolving). What a status means is the caller's table; here only what
 * stands below HTTP becomes a fate. */
#ifndef LINK_HTTP_H
#define LINK_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* Shared by both forms; texts are copied at new. 0 and NULL take the default named. */
struct http_options {
	const char *base_url; /* put before a request's url; NULL: urls are whole */
	const char *user;     /* basic authentication; NULL: none */
	const char *password;
	const char *ca_file;   /* NULL: the system's */
	const char *cert_file; /* client certificate, PEM; NULL: none */
	const char *key_file;
	bool insecure;     /* https without verifying the peer */
	bool deny_private; /* refuse loopback, RFC 1918, link-local, ULA and the like */
	/* but for these networks or addresses: "10.1.0.0/16", "::1"; borrowed at new */
	const char *const *private_nets;
	size_t private_net_count;   /* at most HTTP_NETS_MAX */
	bool http2;                 /* offer HTTP/2 over TLS */
	int64_t connect_timeout_ms; /* 5000 */
	int64_t total_timeout_ms;   /* 30000, from the start to the last byte */
	size_t response_max;        /* bytes of body taken, 1 MB */
	size_t connection_max;      /* multi: requests in flight, 64 */
	size_t upload_max; /* bytes of body given to the socket at once, up to 2 MB; 64 kB */
};

struct http_request {
	const char *method; /* "GET", "POST", ...; NULL: POST with a body, GET without */
	const char *url;    /* after base_url; already percent-encoded */
	const char *const *headers; /* "Name: value" */
	size_t header_count;        /* up to HTTP_HEADERS_MAX */
	const struct slice *body;   /* sent one after the other */
	size_t body_count;
	int64_t timeout_ms; /* 0: total_timeout_ms */
	void *tag;          /* multi: comes back in the answer (the lane) */
};

enum { HTTP_HEADERS_MAX = 24, HTTP_NETS_MAX = 32 };

/* One answer. fate DONE: a whole response came, whatever its status. Otherwise err
 * says why; outcome_unknown tells that the request may have reached its receiver. */
struct http_response {
	enum fate fate;
	long status; /* 0: none came */
	struct buf body;
	struct buf headers; /* raw header lines of the final response, up to 16 kB */
	bool truncated;     /* the body was larger than response_max: fate is REJECT */
	bool outcome_unknown;
	int64_t elapsed_us;
	void *tag;
};

/* Value of a response header, blanks cut; p is NULL when absent. Case-insensitive. */
struct slice http_response_header(const struct http_response *response, const char *name);
/* Retry-After (seconds or HTTP-date) as ms from now_wall_ms on; -1: absent or not understood.
 */
int64_t http_retry_after_ms(const struct http_response *response, int64_t now_wall_ms);
void http_response_finish(struct http_response *response);

struct http_client;
enum fate http_client_new(const struct http_options *options, struct http_client **ret_client,
    struct err *err) NODISCARD;
void http_client_free(struct http_client *client); /* accepts NULL */

/* Blocks for at most the timeout. response is cleared first and reuses its memory.
 * RETRY: could not connect, timed out or broke off; REJECT: more than response_max;
 * HALT: a URL, certificate or address that will never do. */
enum fate http_client_send(struct http_client *client, const struct http_request *request,
    struct http_response *response, struct err *err) NODISCARD;

/* Called from http_multi_poll, once a request; the response is the callee's to read
 * until it returns. It may add requests. err is what went wrong unless fate is DONE. */
typedef void http_done(void *ctx, const struct http_response *response, const struct err *err);

struct http_multi;
enum fate http_multi_new(const struct http_options *options, http_done *done, void *ctx,
    struct http_multi **ret_multi, struct err *err) NODISCARD;
void http_multi_free(struct http_multi *multi); /* cancels all; accepts NULL */

/* RETRY when connection_max are in flight. The struct itself is copied, what it
 * points to is borrowed until the answer. */
enum fate http_multi_add(
    struct http_multi *multi, const struct http_request *request, struct err *err) NODISCARD;
/* Moves what can move and waits up to wait_ms for more, or for extra_fd (-1: none)
 * to become readable. Returns after answers were given. Only a broken libcurl is HALT. */
enum fate http_multi_poll(
    struct http_multi *multi, int64_t wait_ms, int extra_fd, struct err *err) NODISCARD;
size_t http_multi_count(const struct http_multi *multi); /* in flight */
void http_multi_cancel_all(struct http_multi *multi);    /* no answers are given */

/* Percent-encodes text for a query string or a path segment. */
void http_escape(struct buf *out, struct slice text);

struct sockaddr;
bool http_address_private(const struct sockaddr *address); /* pure; unknown families are */

/* A network: the first bits of an address, of 4 or 16 bytes. */
struct http_net {
	unsigned char address[16];
	unsigned bytes, bits;
};
/* "192.168.1.0/24", "fd00::/8" or one address. HALT: it is none, or has bits after its
 * prefix. */
enum fate http_net_read(const char *text, struct http_net *ret_net, struct err *err) NODISCARD;
bool http_net_holds(const struct http_net *net, const struct sockaddr *address);

/* The fate of a CURLcode and whether its request may have arrived; for the table's test. */
enum fate http_fate(int curl_code, bool *ret_may_have_arrived);

#endif
