/* SPDX-License-Identifier: Apache-2.0 */
/* http_wire.h -- what the client (http.c), the multi (http_multi.c) and the pure parts
 * (http_fate.c) share: one transfer on one easy handle. Only for these files. */
#ifndef LINK_HTTP_WIRE_H
#define LINK_HTTP_WIRE_H

#include <curl/curl.h>

#include "link/http.h"

enum { HTTP_HEADER_BYTES_MAX = 16 << 10 };

/* An owned copy of the options, with the defaults filled in. */
struct http_settings {
	struct http_options o;
	struct http_net nets[HTTP_NETS_MAX]; /* private, and allowed */
};

/* One request and its answer; list nodes borrow the caller's header texts. */
struct http_transfer {
	CURL *easy;
	const struct http_settings *settings;
	struct buf url;
	struct curl_slist nodes[HTTP_HEADERS_MAX + 1];
	const struct slice *body;
	size_t body_count;
	size_t body_at, body_offset; /* where the read callback stands */
	uint64_t body_len;
	int64_t started_us;
	bool denied;    /* an address of the host was private */
	bool allowed;   /* another one was not */
	bool in_flight; /* of a multi */
	struct http_response response;
	char why[CURL_ERROR_SIZE];
	struct http_transfer *next; /* of the multi's free list */
};

/* HALT: a network that is none. What was copied is for http_settings_finish all the same. */
enum fate http_settings_init(struct http_settings *settings, const struct http_options *options,
    struct err *err) NODISCARD;
void http_settings_finish(struct http_settings *settings);

enum fate http_transfer_init(
    struct http_transfer *t, const struct http_settings *settings, struct err *err) NODISCARD;
void http_transfer_finish(struct http_transfer *t);

/* Sets the handle up for request and clears the response. HALT: not a request. */
enum fate http_transfer_prepare(
    struct http_transfer *t, const struct http_request *request, struct err *err) NODISCARD;

/* Fills the response's verdict from libcurl's code; returns its fate. */
enum fate http_transfer_conclude(struct http_transfer *t, CURLcode code, struct err *err);

#endif
