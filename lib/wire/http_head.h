/* SPDX-License-Identifier: Apache-2.0 */
/* http_head.h -- an HTTP/1 request's head and chunked body, read strictly (RFC 9112).
 *
 * Pure: bytes come in, slices of them go out. What two readers could take for two
 * different requests is refused, not repaired: bare LF, blanks around names, folded
 * lines, Content-Length beside Transfer-Encoding or twice, any coding but chunked. A
 * refusal is an HTTP status and a sentence; the connection cannot be used after it. */
#ifndef WIRE_HTTP_HEAD_H
#define WIRE_HTTP_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum { HTTP_HEADERS_MAX = 64, HTTP_CHUNK_LINE_MAX = 256 };

enum http_step {
	HTTP_MORE,  /* not all of it is there */
	HTTP_READY, /* whole */
	HTTP_BAD,   /* refused: trouble says with what status and why */
};

struct http_trouble {
	unsigned status;
	const char *what;
};

struct http_header {
	struct slice name, value; /* value without the blanks around it */
};

/* Borrows the bytes that were read. */
struct http_head {
	struct slice method;
	struct slice path;  /* from the '/', before the '?', as it was sent */
	struct slice query; /* behind the '?' */
	unsigned minor;     /* HTTP/1.minor: 0 or 1 */
	struct http_header headers[HTTP_HEADERS_MAX];
	size_t header_count;
	bool chunked, has_length, keep_alive, expects_continue;
	uint64_t length; /* of the body, when it has one */
	size_t size;     /* of the head with the empty line */
};

/* in begins with the request's first byte, or with one empty line before it. */
enum http_step http_head_read(
    struct slice in, struct http_head *ret_head, struct http_trouble *ret_trouble);

/* The value, or a slice with p NULL; names are compared without case. */
struct slice http_header(const struct http_head *head, const char *name);

/* --- a body in chunks --- */

struct http_chunks {
	enum { CHUNK_LINE, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER, CHUNK_OVER } at;
	uint64_t left; /* of the chunk under way */
	size_t line;   /* bytes of the line under way */
};

/* Takes from in what it can and appends the data to body, at most body_max bytes in all
 * (413). ret_used: how many bytes of in are done with, whatever is returned. */
enum http_step http_chunks_read(struct http_chunks *chunks, struct slice in, struct buf *body,
    size_t body_max, size_t *ret_used, struct http_trouble *ret_trouble);

/* --- the parts of a query string --- */

/* Appends the decoded value of NAME=VALUE to out; false when there is none or when a
 * %-escape is broken or holds a NUL. */
bool http_query_value(struct slice query, const char *name, struct buf *out);
/* A path without its %-escapes; false: a broken one, or a NUL. */
bool http_path_decode(struct slice path, struct buf *out);

#endif
