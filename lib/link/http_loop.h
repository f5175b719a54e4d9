/* SPDX-License-Identifier: Apache-2.0 */
/* http_loop.h -- HTTP requests whose answers stream, on a loop (libcurl's multi_socket).
 *
 * A client owns its connections, keeps them alive and lives on one loop; all calls belong
 * to that loop's thread, and none blocks. What a request points to is borrowed until its
 * stream's end() or http_stream_cancel(). A reader may send, cancel and ask for more from
 * any of its calls. Options are http.h's, without response_max: whoever reads bounds what
 * is kept. It refuses more than connection_max requests at once. */
#ifndef LINK_HTTP_LOOP_H
#define LINK_HTTP_LOOP_H

#include "link/http.h"
#include "link/loop.h"

struct http_loop;
struct http_stream;

/* Called on the loop, never inside http_loop_send() or http_stream_more(). */
struct http_stream_reader {
	/* Once, before the body: status and headers stand. Left out when the request fails
	 * before its answer began. */
	void (*head)(void *ctx, const struct http_response *response);
	/* The next bytes, at most 16 kB; all are taken. false: nothing more is given before
	 * http_stream_more(), and the sender finds its window closing. */
	bool (*body)(void *ctx, struct slice bytes);
	/* Once, last; the stream is gone. response->fate as http_client_send() tells it: an
	 * answer that was cut off is RETRY. err is what went wrong unless that is DONE. It
	 * comes while the body is paused when the last bytes were given. */
	void (*end)(void *ctx, const struct http_response *response, const struct err *err);
};

enum fate http_loop_new(const struct http_options *options, struct loop *loop,
    struct http_loop **ret_client, struct err *err) NODISCARD;
void http_loop_free(struct http_loop *client); /* cancels all; accepts NULL */

/* RETRY (53300): connection_max requests are under way; one that ends or is cancelled is
 * none of them from then on, inside its end() too. HALT: not a request. The struct itself
 * is not kept. */
enum fate http_loop_send(struct http_loop *client, const struct http_request *request,
    const struct http_stream_reader *reader, void *ctx, struct http_stream **ret_stream,
    struct err *err) NODISCARD;
void http_stream_more(struct http_stream *stream);
/* The reader is not called any more; the connection is closed. */
void http_stream_cancel(struct http_stream *stream);
size_t http_loop_count(const struct http_loop *client); /* requests under way */

#endif
