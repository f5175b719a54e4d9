/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/must.h"
#include "link/http_wire.h"

/* libcurl takes either kind of value; a refused option is our mistake, except that
 * texts are copied and memory may be short, and then there is no way on either. */
#define SET(t, option, value) must(curl_easy_setopt((t)->easy, option, value) == CURLE_OK)

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
global_init(void)
{
	must(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

static const char *
copy_text(const char *text)
{
	char *copy = text ? strdup(text) : NULL;
	must(copy || text == NULL);
	return copy;
}

static void
drop_text(const char *text)
{
	free((void *)(uintptr_t)text);
}

enum fate
http_settings_init(
    struct http_settings *settings, const struct http_options *options, struct err *err)
{
	struct http_options *o = &settings->o;
	(void)pthread_once(&once, global_init);
	*o = *options;
	o->base_url = copy_text(o->base_url);
	o->user = copy_text(o->user);
	o->password = copy_text(o->password);
	o->ca_file = copy_text(o->ca_file);
	o->cert_file = copy_text(o->cert_file);
	o->key_file = copy_text(o->key_file);
	o->connect_timeout_ms = o->connect_timeout_ms ? o->connect_timeout_ms : 5000;
	o->total_timeout_ms = o->total_timeout_ms ? o->total_timeout_ms : 30000;
	o->response_max = o->response_max ? o->response_max : (size_t)1 << 20;
	o->connection_max = o->connection_max ? o->connection_max : 64;
	if (o->private_net_count > HTTP_NETS_MAX)
		return err_set(err, FATE_HALT, "more than %d networks", HTTP_NETS_MAX);
	for (size_t i = 0; i < o->private_net_count; i++)
		if (http_net_read(o->private_nets[i], &settings->nets[i], err) != FATE_DONE)
			return FATE_HALT;
	return FATE_DONE;
}

void
http_settings_finish(struct http_settings *settings)
{
	struct http_options *o = &settings->o;
	drop_text(o->base_url);
	drop_text(o->user);
	drop_text(o->password);
	drop_text(o->ca_file);
	drop_text(o->cert_file);
	drop_text(o->key_file);
	*o = (struct http_options){ 0 };
}

static size_t
on_body(char *data, size_t size, size_t count, void *ctx)
{
	struct http_transfer *t = ctx;
	size_t len = size * count;
	if (t->response.body.len + len > t->settings->o.response_max) {
		t->response.truncated = true;
		return 0; /* CURLE_WRITE_ERROR */
	}
	buf_put(&t->response.body, data, len);
	return len;
}

/* Header lines of the last response: a status line starts a new one (100, 401). */
static size_t
on_header(char *data, size_t size, size_t count, void *ctx)
{
	struct http_transfer *t = ctx;
	struct buf *headers = &t->response.headers;
	size_t len = size * count;
	if (len > 5 && memcmp(data, "HTTP/", 5) == 0)
		headers->len = 0;
	if (headers->len + len <= HTTP_HEADER_BYTES_MAX)
		buf_put(headers, data, len);
	return len;
}

static size_t
on_read(char *out, size_t size, size_t count, void *ctx)
{
	struct http_transfer *t = ctx;
	size_t room = size * count, done = 0;
	while (room && t->body_at < t->body_count) {
		const struct slice *s = &t->body[t->body_at];
		size_t len = s->len - t->body_offset;
		if (len > room)
			len = room;
		if (len)
			memcpy(out + done, s->p + t->body_offset, len);
		done += len;
		room -= len;
		t->body_offset += len;
		if (t->body_offset == s->len) {
			t->body_at++;
			t->body_offset = 0;
		}
	}
	return done;
}

/* A kept connection that died is tried again from the start of the body. */
static int
on_seek(void *ctx, curl_off_t offset, int origin)
{
	struct http_transfer *t = ctx;
	if (origin != SEEK_SET || offset != 0)
		return CURL_SEEKFUNC_CANTSEEK;
	t->body_at = 0;
	t->body_offset = 0;
	return CURL_SEEKFUNC_OK;
}

static bool
is_denied(const struct http_settings *settings, const struct sockaddr *address)
{
	if (!settings->o.deny_private || !http_address_private(address))
		return false;
	for (size_t i = 0; i < settings->o.private_net_count; i++)
		if (http_net_holds(&settings->nets[i], address))
			return false;
	return true;
}

/* The address is looked at after resolving, so that a name cannot hide one. */
static curl_socket_t
on_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http_transfer *t = ctx;
	if (purpose == CURLSOCKTYPE_IPCXN && is_denied(t->settings, &address->addr)) {
		t->denied = true;
		return CURL_SOCKET_BAD;
	}
	t->allowed = true;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void
set_tls(struct http_transfer *t)
{
	const struct http_options *o = &t->settings->o;
	SET(t, CURLOPT_SSL_VERIFYPEER, o->insecure ? 0L : 1L);
	SET(t, CURLOPT_SSL_VERIFYHOST, o->insecure ? 0L : 2L);
	SET(t, CURLOPT_HTTP_VERSION,
	    o->http2 ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
	if (o->http2)
		SET(t, CURLOPT_PIPEWAIT, 1L); /* streams of one connection, not connections */
	if (o->ca_file)
		SET(t, CURLOPT_CAINFO, o->ca_file);
	if (o->cert_file)
		SET(t, CURLOPT_SSLCERT, o->cert_file);
	if (o->key_file)
		SET(t, CURLOPT_SSLKEY, o->key_file);
}

enum fate
http_transfer_init(
    struct http_transfer *t, const struct http_settings *settings, struct err *err)
{
	const struct http_options *o = &settings->o;
	*t = (struct http_transfer){ .settings = settings, .easy = curl_easy_init() };
	if (t->easy == NULL)
		return err_set(err, FATE_HALT, "http: libcurl gives no handle");
	SET(t, CURLOPT_NOSIGNAL, 1L);
	SET(t, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(t, CURLOPT_FOLLOWLOCATION, 0L);
	SET(t, CURLOPT_PROXY, ""); /* no proxy from the environment */
	SET(t, CURLOPT_TCP_NODELAY, 1L);
	SET(t, CURLOPT_TCP_KEEPALIVE, 1L);
	SET(t, CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout_ms);
	SET(t, CURLOPT_ERRORBUFFER, t->why);
	SET(t, CURLOPT_PRIVATE, t);
	SET(t, CURLOPT_WRITEFUNCTION, on_body);
	SET(t, CURLOPT_WRITEDATA, t);
	SET(t, CURLOPT_HEADERFUNCTION, on_header);
	SET(t, CURLOPT_HEADERDATA, t);
	SET(t, CURLOPT_READFUNCTION, on_read);
	SET(t, CURLOPT_READDATA, t);
	SET(t, CURLOPT_SEEKFUNCTION, on_seek);
	SET(t, CURLOPT_SEEKDATA, t);
	if (o->upload_max)
		SET(t, CURLOPT_UPLOAD_BUFFERSIZE, (long)o->upload_max);
	SET(t, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	SET(t, CURLOPT_OPENSOCKETDATA, t);
	if (o->user) {
		SET(t, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		SET(t, CURLOPT_USERNAME, o->user);
		SET(t, CURLOPT_PASSWORD, o->password ? o->password : "");
	}
	set_tls(t);
	return FATE_DONE;
}

void
http_transfer_finish(struct http_transfer *t)
{
	if (t->easy)
		curl_easy_cleanup(t->easy);
	buf_finish(&t->url);
	http_response_finish(&t->response);
	t->easy = NULL;
}

/* Headers as a list over the caller's texts. "Expect:" takes libcurl's own away, which
 * would cost a round trip on large bodies. */
static void
set_headers(struct http_transfer *t, const struct http_request *request)
{
	static char no_expect[] = "Expect:";
	must(request->header_count <= HTTP_HEADERS_MAX);
	t->nodes[0].data = no_expect;
	for (size_t i = 0; i < request->header_count; i++) {
		t->nodes[i].next = &t->nodes[i + 1];
		t->nodes[i + 1].data = (char *)(uintptr_t)request->headers[i];
	}
	t->nodes[request->header_count].next = NULL;
	SET(t, CURLOPT_HTTPHEADER, t->nodes);
}

static void
set_body(struct http_transfer *t, const struct http_request *request)
{
	const char *method = request->method;
	t->body = request->body;
	t->body_count = request->body_count;
	t->body_at = t->body_offset = 0;
	t->body_len = 0;
	for (size_t i = 0; i < request->body_count; i++)
		t->body_len += request->body[i].len;
	bool posts = request->body_count > 0 ||
		     (method && (strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0));
	SET(t, CURLOPT_CUSTOMREQUEST, NULL);
	SET(t, CURLOPT_HTTPGET, 1L);
	if (posts) {
		SET(t, CURLOPT_POST, 1L);
		/* One piece is sent from where it lies; several by the read callback. */
		SET(t, CURLOPT_POSTFIELDS,
		    request->body_count == 1 && request->body->p ? request->body->p
		    : t->body_len == 0                           ? ""
								 : NULL);
		SET(t, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body_len);
	} else if (method && strcmp(method, "HEAD") == 0) {
		SET(t, CURLOPT_NOBODY, 1L);
	}
	if (method)
		SET(t, CURLOPT_CUSTOMREQUEST, method);
}

enum fate
http_transfer_prepare(
    struct http_transfer *t, const struct http_request *request, struct err *err)
{
	const struct http_options *o = &t->settings->o;
	struct http_response *r = &t->response;
	t->url.len = 0;
	buf_cstr(&t->url, o->base_url ? o->base_url : "");
	buf_cstr(&t->url, request->url ? request->url : "");
	if (curl_easy_setopt(t->easy, CURLOPT_URL, buf_str(&t->url)) != CURLE_OK)
		return err_set(
		    err, FATE_HALT, "http: a url of %zu bytes is not taken", t->url.len);
	set_body(t, request);
	set_headers(t, request);
	SET(t, CURLOPT_TIMEOUT_MS,
	    (long)(request->timeout_ms ? request->timeout_ms : o->total_timeout_ms));
	r->fate = FATE_DONE;
	r->status = 0;
	r->body.len = r->headers.len = 0;
	r->truncated = r->outcome_unknown = false;
	r->elapsed_us = 0;
	r->tag = request->tag;
	t->denied = t->allowed = false;
	t->why[0] = 0;
	t->started_us = clock_mono_us();
	return FATE_DONE;
}

/* Whether any byte of the request can have left: a timeout while connecting cannot. */
static bool
was_sent(const struct http_transfer *t)
{
	long sent = 0;
	(void)curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &sent);
	return sent > 0;
}

enum fate
http_transfer_conclude(struct http_transfer *t, CURLcode code, struct err *err)
{
	struct http_response *r = &t->response;
	bool may_have_arrived;
	r->elapsed_us = clock_mono_us() - t->started_us;
	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &r->status);
	r->fate = http_fate((int)code, &may_have_arrived);
	r->outcome_unknown = may_have_arrived && was_sent(t);
	if (r->fate == FATE_DONE)
		return FATE_DONE;
	if (t->denied && !t->allowed) {
		r->fate = FATE_HALT;
		return err_code(err, FATE_HALT, "private",
		    "http: the address is private, and private addresses are not allowed");
	}
	char number[ERR_CODE_SIZE];
	(void)snprintf(number, sizeof number, "curl %d", (int)code);
	if (r->truncated)
		return err_code(err, r->fate, number,
		    "http: the response is larger than %zu bytes", t->settings->o.response_max);
	return err_code(
	    err, r->fate, number, "http: %s", t->why[0] ? t->why : curl_easy_strerror(code));
}
