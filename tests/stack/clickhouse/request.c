/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"

static void
random_hex(char *out, size_t digits)
{
	unsigned char bytes[16];

	must(digits <= sizeof bytes * 2);
	must(getrandom(bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes);
	for (size_t i = 0; i < digits; i++)
		out[i] = "0123456789abcdef"[(bytes[i / 2] >> (i % 2 * 4)) & 15];
	out[digits] = '\0';
}

static void
query_id_make(char out[QUERY_ID_SIZE])
{
	char hex[33];

	random_hex(hex, 32);
	(void)snprintf(out, QUERY_ID_SIZE, "%.8s-%.4s-4%.3s-a%.3s-%.12s", hex, hex + 8,
	    hex + 13, hex + 17, hex + 20);
}

struct request *
request_new(struct server *server, const char *method)
{
	struct request *request = calloc(1, sizeof *request);

	must(request);
	request->server = server;
	atomic_fetch_add(&server->active, 1);
	request->method = method;
	request->began_us = clock_mono_us();
	request->body_fd = -1;
	request->session_timeout_s = SESSION_TIMEOUT_S;
	query_id_make(request->query_id);
	random_hex(request->tag, TAG_SIZE - 1);
	return request;
}

void
request_free(struct request *request)
{
	if (!request)
		return;
	request_release(request);
	atomic_fetch_sub(&request->server->active, 1);
	buf_finish(&request->settings);
	buf_finish(&request->stream.end);
	free(request);
}

bool
request_body_add(struct request *request, const char *p, size_t len)
{
	if (request->body_fd < 0)
		request->body_fd = memfd_create("body", MFD_CLOEXEC);
	if (request->body_fd < 0)
		return false;
	request->body_len += len;
	if (request->body_len > request->server->body_max)
		return true; /* not kept; refused when it ends */
	while (len) {
		ssize_t n = write(request->body_fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

bool
request_body_map(struct request *request)
{
	void *p;

	if (request->body_len == 0)
		return true;
	p = mmap(NULL, request->body_len, PROT_READ, MAP_PRIVATE, request->body_fd, 0);
	if (p == MAP_FAILED)
		return false;
	request->body = slice_of(p, request->body_len);
	return true;
}

/* Settings of the HTTP interface itself; not the engine's business. */
static bool
is_interface_setting(const char *name)
{
	static const char *const names[] = { "wait_end_of_query", "buffer_size", "quota_key",
		"client_protocol_version", "stacktrace", "send_progress_in_http_headers",
		"enable_http_compression", "http_headers_progress_interval_ms",
		"cancel_http_readonly_queries_on_client_close", NULL };

	for (size_t i = 0; names[i]; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void
put_quoted(struct buf *buf, const char *text)
{
	buf_byte(buf, '\'');
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			buf_byte(buf, '\\');
		buf_byte(buf, *text);
	}
	buf_byte(buf, '\'');
}

static void PRINTF(2, 3) refuse(struct request *request, const char *fmt, ...)
{
	va_list ap;

	if (*request->refusal)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(request->refusal, sizeof request->refusal, fmt, ap);
	va_end(ap);
}

static void
add_setting(struct request *request, const char *name, const char *value)
{
	for (const char *p = name; *p; p++) {
		if (!isalnum((unsigned char)*p) && *p != '_') {
			refuse(request,
			    "Code: 115. DB::Exception: '%.60s' is no name of a setting. "
			    "(UNKNOWN_SETTING)",
			    name);
			return;
		}
	}
	if (request->settings.len)
		buf_cstr(&request->settings, ", ");
	buf_printf(&request->settings, "%s = ", name);
	put_quoted(&request->settings, value);
}

static void
add_param(struct request *request, const char *name, const char *value)
{
	struct engine_params *params = &request->params;

	if (params->count == ENGINE_PARAMS_MAX) {
		refuse(request,
		    "Code: 36. DB::Exception: More than %d query parameters. (BAD_ARGUMENTS)",
		    ENGINE_PARAMS_MAX);
		return;
	}
	params->names[params->count] = name;
	params->values[params->count++] = value;
}

static bool
truth(const char *value)
{
	return *value == '1' || *value == 't' || *value == 'T';
}

static void
set_timeout(struct request *request, const char *value)
{
	int64_t seconds;

	if (slice_i64(slice_str(value), &seconds) && seconds > 0 &&
	    seconds <= SESSION_TIMEOUT_MAX_S)
		request->session_timeout_s = seconds;
	else
		refuse(request,
		    "Code: 374. DB::Exception: Invalid session timeout: '%.40s'. "
		    "(INVALID_SESSION_TIMEOUT)",
		    value);
}

static void
set_query_id(struct request *request, const char *value)
{
	if (*value) /* clients send an empty one to mean: make one */
		(void)snprintf(request->query_id, sizeof request->query_id, "%s", value);
}

/* What this server cannot do is said, never ignored: a client that asked for
 * native compression could not read a plain answer. */
static bool
is_not_done_here(struct request *request, const char *name, const char *value)
{
	if (strcmp(name, "role") != 0 && strcmp(name, "compress") != 0 &&
	    strcmp(name, "decompress") != 0)
		return false;
	if (*value && strcmp(value, "0") != 0)
		refuse(request,
		    "Code: 48. DB::Exception: The embedded server does not do %s=%.40s. "
		    "(NOT_IMPLEMENTED)",
		    name, value);
	return true;
}

static enum MHD_Result
on_argument(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct request *request = cls;
	const struct {
		const char *name;
		const char **target;
	} texts[] = {
		{ "query", &request->query },
		{ "database", &request->database },
		{ "default_format", &request->format },
		{ "session_id", &request->session_id },
		{ "user", &request->user_arg },
		{ "password", &request->password_arg },
	};

	(void)kind;
	value = value ? value : "";
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		if (strcmp(name, texts[i].name) == 0) {
			*texts[i].target = value;
			return MHD_YES;
		}
	}
	if (strcmp(name, "query_id") == 0)
		set_query_id(request, value);
	else if (strcmp(name, "session_check") == 0)
		request->session_check = truth(value);
	else if (strcmp(name, "close_session") == 0)
		request->close_session = truth(value);
	else if (strcmp(name, "session_timeout") == 0)
		set_timeout(request, value);
	else if (strncmp(name, "param_", 6) == 0)
		add_param(request, name + 6, value);
	else if (*name && !is_interface_setting(name) &&
		 !is_not_done_here(request, name, value))
		add_setting(request, name, value);
	return MHD_YES;
}

static const char *
header(struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request->http, MHD_HEADER_KIND, name);
}

void
request_read_arguments(struct request *request)
{
	const char *value;

	MHD_get_connection_values(request->http, MHD_GET_ARGUMENT_KIND, on_argument, request);
	if ((value = header(request, "X-ClickHouse-Query-Id")))
		set_query_id(request, value);
	if ((value = header(request, "X-ClickHouse-Format")))
		request->format = value;
	if ((value = header(request, "X-ClickHouse-Database")) && !request->database)
		request->database = value;
	value = header(request, "Content-Encoding");
	if (value && *value && strcasecmp(value, "identity") != 0)
		request->coding = value;
	if (request->coding &&
	    strspn(request->coding, "abcdefghijklmnopqrstuvwxyz0123456789") !=
		strlen(request->coding))
		refuse(request,
		    "Code: 48. DB::Exception: Unknown Content-Encoding. (NOT_IMPLEMENTED)");
}

bool
request_authorize(struct request *request)
{
	const char *name = header(request, "X-ClickHouse-User");
	const char *password = header(request, "X-ClickHouse-Key");
	char *basic_password = NULL;
	char *basic_name = NULL;

	if (!name)
		basic_name =
		    MHD_basic_auth_get_username_password(request->http, &basic_password);
	if (basic_name) {
		name = basic_name;
		password = basic_password;
	} else if (!name) {
		name = request->user_arg;
		password = request->password_arg;
	}
	request->user = users_find(
	    &request->server->users, name ? name : "default", password ? password : "");
	MHD_free(basic_name);
	MHD_free(basic_password);
	return request->user != NULL;
}

static const char *
take_connection(struct request *request)
{
	enum session_verdict verdict = SESSION_TAKEN;

	if (!request->session_id || !*request->session_id) {
		request->conn = engine_connect();
		return request->conn ? NULL
				     : "Code: 202. DB::Exception: The engine gave no "
				       "connection. (TOO_MANY_SIMULTANEOUS_QUERIES)";
	}
	verdict = session_take(request->user, request->session_id, request->session_check,
	    request->session_timeout_s, &request->session);
	switch (verdict) {
	case SESSION_TAKEN: request->conn = request->session->conn; return NULL;
	case SESSION_LOCKED:
		return "Code: 373. DB::Exception: Session is locked by a concurrent client. "
		       "(SESSION_IS_LOCKED)";
	case SESSION_UNKNOWN:
		return "Code: 372. DB::Exception: Session not found. (SESSION_NOT_FOUND)";
	case SESSION_FULL:
		return "Code: 202. DB::Exception: Too many sessions. "
		       "(TOO_MANY_SIMULTANEOUS_QUERIES)";
	}
	never("unknown verdict");
}

/* Runs a statement whose answer does not matter; its error stays in the request. */
static const char *
run_quietly(struct request *request, struct buf *sql)
{
	struct engine_result *result = engine_query(request->conn, buf_view(sql), "Null", NULL);
	const char *error = engine_error(result);

	if (error) {
		buf_cstr(&request->stream.end, error); /* freed with the request */
		error = buf_str(&request->stream.end);
		request->stream.end.len = 0;
	}
	engine_result_free(result);
	buf_finish(sql);
	return error;
}

static const char *
use_database(struct request *request)
{
	struct buf sql = { 0 };

	if (!request->database || !*request->database ||
	    strcmp(request->database, "default") == 0)
		return NULL;
	buf_cstr(&sql, "USE `");
	for (const char *p = request->database; *p; p++) {
		if (*p == '`' || *p == '\\')
			buf_byte(&sql, '\\');
		buf_byte(&sql, *p);
	}
	buf_byte(&sql, '`');
	return run_quietly(request, &sql);
}

/* log_comment carries the query id, which the engine does not let us set. */
static const char *
apply_settings(struct request *request, bool readonly)
{
	bool already = request->session && request->session->readonly;
	struct buf sql = { 0 };
	const char *error;

	buf_cstr(&sql, "SET log_comment = ");
	put_quoted(&sql, request->query_id);
	if (request->settings.len)
		buf_printf(&sql, ", %s", buf_str(&request->settings));
	error = run_quietly(request, &sql);
	if (error || already || !(request->user->readonly || (readonly && !request->session)))
		return error;
	if (request->session)
		request->session->readonly = true;
	buf_cstr(&sql, "SET readonly = 2");
	return run_quietly(request, &sql);
}

const char *
request_prepare(struct request *request, bool readonly, unsigned *ret_status)
{
	const char *error;

	*ret_status = 0;
	if (*request->refusal)
		return request->refusal;
	if (sem_trywait(&request->server->slots) != 0) {
		*ret_status = MHD_HTTP_SERVICE_UNAVAILABLE;
		return "Code: 202. DB::Exception: Too many simultaneous queries. "
		       "(TOO_MANY_SIMULTANEOUS_QUERIES)";
	}
	request->has_slot = true;
	error = take_connection(request);
	if (!error)
		error = use_database(request);
	if (!error)
		error = apply_settings(request, readonly);
	return error;
}

void
request_release(struct request *request)
{
	struct stream *stream = &request->stream;

	engine_result_free(stream->chunk);
	if (stream->result) {
		engine_cancel(request->conn, stream->result);
		engine_result_free(stream->result);
	}
	stream->chunk = stream->result = NULL;
	if (request->session)
		session_release(request->session, request->close_session);
	else
		engine_disconnect(request->conn);
	request->session = NULL;
	request->conn = NULL;
	if (request->body.len)
		munmap((void *)(uintptr_t)request->body.p, request->body.len);
	request->body = slice_of(NULL, 0);
	if (request->body_fd >= 0)
		(void)close(request->body_fd);
	request->body_fd = -1;
	if (request->has_slot)
		(void)sem_post(&request->server->slots);
	request->has_slot = false;
}
