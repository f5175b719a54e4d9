/* SPDX-License-Identifier: Apache-2.0 */
#include "link/httpd.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/must.h"
#include "link/listen.h"

/* One exchange: from the request line to the answer; MHD keeps it for us. */
struct exchange {
	struct httpd *httpd;
	struct MHD_Connection *connection;
	struct buf body;
	struct httpd_response response;
	int64_t due_ms;
	bool too_large;
	bool answered;         /* the handler has run */
	bool waiting;          /* suspended, in the list of the sleepers */
	bool stalled;          /* between the halves of its body, once */
	struct exchange *next; /* of the sleepers, by due_ms */
};

struct httpd {
	struct httpd_options options;
	struct MHD_Daemon *daemon;
	uint16_t port;
	pthread_t waker; /* resumes what is due */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct exchange *sleepers;
	bool stopping;
};

const char *
httpd_query(const struct httpd_request *request, const char *name)
{
	struct exchange *x = request->handle;
	const char *value = NULL;
	size_t len = 0;
	if (MHD_lookup_connection_value_n(x->connection, MHD_GET_ARGUMENT_KIND, name,
		strlen(name), &value, &len) == MHD_NO)
		return NULL;
	return value ? value : "";
}

const char *
httpd_header(const struct httpd_request *request, const char *name)
{
	struct exchange *x = request->handle;
	return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

static bool
path_matches(const struct httpd_route *route, const char *path)
{
	size_t len = strlen(route->path);
	if (len && route->path[len - 1] == '*')
		return strncmp(route->path, path, len - 1) == 0;
	return strcmp(route->path, path) == 0;
}

static bool
method_matches(const struct httpd_route *route, const char *method)
{
	return strcmp(route->method, "*") == 0 || strcmp(route->method, method) == 0 ||
	       (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

static void
say(struct exchange *x, unsigned status, const char *text)
{
	x->response.status = status;
	buf_cstr(&x->response.body, text);
}

static void
handle(struct exchange *x, const char *method, const char *path)
{
	const struct httpd_options *o = &x->httpd->options;
	struct httpd_request request = {
		.method = method, .path = path, .body = buf_view(&x->body), .handle = x
	};
	bool known = false;
	x->answered = true;
	x->response.status = 200;
	x->response.content_type = "text/plain; charset=utf-8";
	if (x->too_large) {
		say(x, 413, "body too large\n");
		return;
	}
	for (size_t i = 0; i < o->route_count; i++) {
		if (!path_matches(&o->routes[i], path))
			continue;
		known = true;
		if (method_matches(&o->routes[i], method)) {
			o->routes[i].handler(o->ctx, &request, &x->response);
			return;
		}
	}
	say(x, known ? 405 : 404, known ? "method not allowed\n" : "not found\n");
}

/* Puts the exchange among the sleepers by its time and suspends its connection;
 * false when the server stops: then there is no answer. */
static bool
sleep_for(struct exchange *x, int64_t ms)
{
	struct httpd *h = x->httpd;
	x->due_ms = clock_mono_ms() + ms;
	pthread_mutex_lock(&h->lock);
	bool sleeps = !h->stopping;
	if (sleeps) {
		struct exchange **at = &h->sleepers;
		while (*at && (*at)->due_ms <= x->due_ms)
			at = &(*at)->next;
		x->next = *at;
		*at = x;
		x->waiting = true;
		MHD_suspend_connection(x->connection);
		pthread_cond_signal(&h->changed);
	}
	pthread_mutex_unlock(&h->lock);
	return sleeps;
}

/* The first half of the body at once, the second when the stall is over. */
static ssize_t
read_halves(void *cls, uint64_t at, char *out, size_t max)
{
	struct exchange *x = cls;
	struct slice body = buf_view(&x->response.body);
	size_t end = x->stalled ? body.len : body.len / 2;
	if (!x->stalled && at >= end) {
		x->stalled = true;
		return sleep_for(x, x->response.stall_ms) ? 0
							  : MHD_CONTENT_READER_END_WITH_ERROR;
	}
	if (x->response.drop) /* the server stopped meanwhile */
		return MHD_CONTENT_READER_END_WITH_ERROR;
	size_t len = end - (size_t)at < max ? end - (size_t)at : max;
	memcpy(out, body.p + at, len);
	return (ssize_t)len;
}

static enum MHD_Result
queue(struct exchange *x)
{
	struct httpd_response *r = &x->response;
	if (r->drop)
		return MHD_NO; /* MHD closes the connection */
	struct MHD_Response *response =
	    r->stall_ms > 0
		? MHD_create_response_from_callback(r->body.len, 4096, read_halves, x, NULL)
		: MHD_create_response_from_buffer(
		      r->body.len, r->body.p, MHD_RESPMEM_MUST_COPY);
	must(response);
	(void)MHD_add_response_header(response, "Content-Type", r->content_type);
	for (size_t i = 0; i < HTTPD_HEADERS_MAX; i++)
		if (r->headers[i].name)
			(void)MHD_add_response_header(
			    response, r->headers[i].name, r->headers[i].value);
	enum MHD_Result queued = MHD_queue_response(x->connection, r->status, response);
	MHD_destroy_response(response);
	return queued;
}

static void *
wake_sleepers(void *arg)
{
	struct httpd *h = arg;
	pthread_mutex_lock(&h->lock);
	while (!h->stopping || h->sleepers) {
		struct exchange *x = h->sleepers;
		if (x == NULL) {
			pthread_cond_wait(&h->changed, &h->lock);
		} else if (h->stopping || x->due_ms <= clock_mono_ms()) {
			h->sleepers = x->next;
			x->waiting = false;
			if (h->stopping)
				x->response.drop = true;
			MHD_resume_connection(x->connection);
		} else {
			struct timespec until = { .tv_sec = (time_t)(x->due_ms / 1000),
				.tv_nsec = (long)(x->due_ms % 1000) * 1000000 };
			(void)pthread_cond_timedwait(&h->changed, &h->lock, &until);
		}
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

static void
take_body(struct exchange *x, const char *data, size_t len)
{
	if (x->body.len + len > x->httpd->options.body_max)
		x->too_large = true;
	else
		buf_put(&x->body, data, len);
}

/* MHD calls it once with the headers, then for each piece of the body, then with
 * none left, and again after a resume. */
static enum MHD_Result
on_request(void *cls, struct MHD_Connection *connection, const char *path, const char *method,
    const char *version, const char *data, size_t *data_len, void **con_cls)
{
	struct exchange *x = *con_cls;
	(void)version;
	if (x == NULL) {
		x = calloc(1, sizeof *x);
		must(x);
		x->httpd = cls;
		x->connection = connection;
		*con_cls = x;
		return MHD_YES;
	}
	if (*data_len) {
		take_body(x, data, *data_len);
		*data_len = 0;
		return MHD_YES;
	}
	if (!x->answered)
		handle(x, method, path);
	int64_t delay_ms = x->response.delay_ms;
	x->response.delay_ms = 0;
	if (delay_ms > 0)
		return sleep_for(x, delay_ms) ? MHD_YES : MHD_NO;
	return queue(x);
}

static void
on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
    enum MHD_RequestTerminationCode why)
{
	struct exchange *x = *con_cls;
	(void)cls, (void)connection, (void)why;
	if (x == NULL)
		return;
	must(!x->waiting); /* a suspended connection is not completed before its resume */
	buf_finish(&x->body);
	buf_finish(&x->response.body);
	free(x);
	*con_cls = NULL;
}

static void
start_waker(struct httpd *h)
{
	pthread_condattr_t attr;
	must(pthread_condattr_init(&attr) == 0);
	must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	must(pthread_cond_init(&h->changed, &attr) == 0);
	must(pthread_mutex_init(&h->lock, NULL) == 0);
	pthread_condattr_destroy(&attr);
	must(pthread_create(&h->waker, NULL, wake_sleepers, h) == 0);
}

static void
quiet(void *ctx, const char *fmt, va_list args)
{
	(void)ctx, (void)fmt, (void)args;
}

enum fate
httpd_start(const struct httpd_options *options, struct httpd **ret_httpd, struct err *err)
{
	int fd = -1;
	uint16_t port = 0;
	enum fate fate = listen_on(options->listen, &fd, &port, err);
	if (fate != FATE_DONE)
		return fate;
	struct httpd *h = calloc(1, sizeof *h);
	must(h);
	h->options = *options;
	h->port = port;
	if (h->options.body_max == 0)
		h->options.body_max = 1 << 20;
	h->daemon = MHD_start_daemon(
	    MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, port,
	    NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, quiet, NULL,
	    MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
	    MHD_OPTION_CONNECTION_LIMIT,
	    options->connection_max ? options->connection_max : 256u,
	    MHD_OPTION_CONNECTION_TIMEOUT,
	    options->idle_timeout_s ? options->idle_timeout_s : 30u,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(32 << 10), MHD_OPTION_END);
	if (h->daemon == NULL) {
		free(h); /* libmicrohttpd has closed the socket */
		return err_set(err, FATE_HALT, "listen %s: the server does not start: %s",
		    options->listen, strerror(errno));
	}
	start_waker(h);
	*ret_httpd = h;
	return FATE_DONE;
}

uint16_t
httpd_port(const struct httpd *httpd)
{
	return httpd->port;
}

void
httpd_stop(struct httpd *httpd)
{
	if (httpd == NULL)
		return;
	pthread_mutex_lock(&httpd->lock);
	httpd->stopping = true;
	pthread_cond_signal(&httpd->changed);
	pthread_mutex_unlock(&httpd->lock);
	pthread_join(httpd->waker, NULL);
	MHD_stop_daemon(httpd->daemon);
	pthread_cond_destroy(&httpd->changed);
	pthread_mutex_destroy(&httpd->lock);
	free(httpd);
}
