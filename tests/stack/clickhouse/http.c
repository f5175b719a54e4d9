/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "reply.h"
#include "run.h"

enum { CONNECTION_MEMORY = 1 << 20 }; /* a query may stand in the URL */

static const char too_large[] =
    "Code: 229. DB::Exception: The body is larger than --max-body. (QUERY_IS_TOO_LARGE)";

static enum MHD_Result
serve(struct request *request, const char *url)
{
	bool root = strcmp(url, "/") == 0;

	if (strcmp(url, "/ping") == 0 || strcmp(url, "/replicas_status") == 0)
		return reply_text(request, MHD_HTTP_OK, "Ok.\n");
	if (!root)
		return reply_text(request, MHD_HTTP_NOT_FOUND,
		    "There is no handle for this path. Use / or /ping for health checks.\n");
	request_read_arguments(request);
	if (request->body_len > request->server->body_max)
		return reply_error(request, too_large, 0);
	if (!request->query && strcmp(request->method, "POST") != 0)
		return reply_text(request, MHD_HTTP_OK, "Ok.\n");
	return run_request(request);
}

/* Called with the headers, then with each piece of the body, then once more. An
 * answer in the first call would keep "Expect: 100-continue" from being honoured, and
 * who is still sending would meet a closed connection instead of it. */
static enum MHD_Result
on_request(void *cls, struct MHD_Connection *http, const char *url, const char *method,
    const char *version, const char *data, size_t *data_len, void **memory)
{
	struct server *server = cls;
	struct request *request = *memory;
	enum MHD_Result queued;

	(void)version;
	if (!request) {
		*memory = request = request_new(server, method);
		request->http = http;
		return MHD_YES;
	}
	if (*data_len) {
		bool kept = request_body_add(request, data, *data_len);

		*data_len = 0;
		return kept ? MHD_YES : MHD_NO;
	}
	queued = serve(request, url);
	if (!request->streaming)
		request_release(request); /* before the client reads the answer */
	return queued;
}

static void
on_done(
    void *cls, struct MHD_Connection *http, void **memory, enum MHD_RequestTerminationCode why)
{
	struct server *server = cls;
	struct request *request = *memory;

	(void)http;
	if (!request)
		return;
	if (server->log)
		(void)fprintf(server->log, "%s %u %.1f ms, body %" PRIu64 ", %s, user %s%s\n",
		    request->method, request->status,
		    (double)(clock_mono_us() - request->began_us) / 1e3, request->body_len,
		    request->query_id, request->user ? request->user->name : "-",
		    why == MHD_REQUEST_TERMINATED_COMPLETED_OK ? "" : ", broken off");
	request_free(request);
	*memory = NULL;
}

enum fate
http_start(struct server *server, uint16_t port, struct http **ret_http, struct err *err)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct MHD_Daemon *daemon = MHD_start_daemon(
	    MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL,
	    port, NULL, NULL, on_request, server, MHD_OPTION_NOTIFY_COMPLETED, on_done, server,
	    MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t)CONNECTION_MEMORY, MHD_OPTION_END);

	if (!daemon)
		return err_set(
		    err, FATE_HALT, "port %" PRIu16 " on 127.0.0.1: %s", port, strerror(errno));
	*ret_http = (struct http *)daemon;
	return FATE_DONE;
}

void
http_quiesce(struct http *http)
{
	int fd = MHD_quiesce_daemon((struct MHD_Daemon *)http);

	if (fd >= 0)
		(void)close(fd);
}

void
http_stop(struct http *http)
{
	MHD_stop_daemon((struct MHD_Daemon *)http);
}
