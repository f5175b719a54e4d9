/* SPDX-License-Identifier: Apache-2.0 */
/* Trino's client protocol. A statement is posted once and never again; its pages are
 * fetched one after the other, each when the rows before it are handed on, until a page
 * names no next one. A page that did not arrive is asked for again: its token is still
 * the same. nextUri is the credential for the result: it is followed on the configured
 * server only, and never told to anybody. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "engine/engine_ops.h"
#include "link/http_loop.h"
#include "link/trino_code.h"
#include "wire/json.h"
#include "wire/trino_text.h"

enum {
	PAGE_MAX = 32 << 20,
	TRIES_MAX = 10,
	TRY_AGAIN_MS = 100, /* times the tries so far */
	POLL_TIMEOUT_MS = 30000,
	DELETE_TIMEOUT_MS = 5000
};

struct trino_engine;

struct trino_ask {
	struct trino_engine *engine;
	struct trino_ask *next; /* of the free ones */
	struct engine_query *query;
	struct http_stream *stream; /* NULL: no request is under way */
	struct buf page, path;      /* path: of the next page; "": there is none */
	struct slice body;
	enum trino_form *columns; /* NULL: not told yet */
	size_t column_count;
	struct json_walk rows; /* of the page, those not handed on */
	struct buf texts;
	struct slice *values;
	bool posted, large, has_rows, paused, deleting;
	bool accepted, refused; /* Trino has it; and has said itself that it failed */
	unsigned tries;
	struct loop_timer again;
	char limit[80], tag[80]; /* headers of the POST */
	struct engine_end end;
	struct err err;
};

/* A DELETE whose query is not waited for. */
struct farewell {
	struct farewell *next, **before;
	struct buf path;
};

struct trino_engine {
	struct loop *loop;
	struct http_loop *http;
	struct trino_ask *asks, *free;
	struct farewell *farewells;
	size_t base_len;
	char base[256], user[128], catalog[128];
	unsigned made, max;
};

static void page_read(struct trino_ask *a);

/* --- the end --- */

static void
ask_release(struct trino_ask *a)
{
	loop_timer_clear(a->engine->loop, &a->again);
	free(a->columns);
	free(a->values);
	a->columns = NULL;
	a->values = NULL;
	a->next = a->engine->free;
	a->engine->free = a;
}

static void
finish(struct trino_ask *a)
{
	struct engine_query *query = a->query;
	struct engine_end end = a->end;
	struct err err = a->err;

	/* a statement without results has a head of no columns */
	if (err.fate == FATE_DONE && !a->columns &&
	    engine_columns(query, NULL, 0, &err) != FATE_DONE)
		err.fate = FATE_HALT;
	end.fate = err.fate;
	end.err = err.fate == FATE_DONE ? NULL : &err;
	if (err.fate != FATE_DONE && a->accepted && !a->refused)
		end.outcome_unknown = query->ask.access == ENGINE_WRITE;
	ask_release(a);
	engine_ended(query, &end);
}

/* --- leaving --- */

static bool
farewell_body(void *ctx, struct slice bytes)
{
	(void)ctx, (void)bytes;
	return true;
}

static void
farewell_end(void *ctx, const struct http_response *response, const struct err *err)
{
	struct farewell *f = ctx;

	(void)response, (void)err;
	if (f->next)
		f->next->before = f->before;
	*f->before = f->next;
	buf_finish(&f->path);
	free(f);
}

/* Tells Trino that nobody wants the rest; nobody waits for its answer either. */
static void
leave(struct trino_ask *a)
{
	static const struct http_stream_reader reader = { NULL, farewell_body, farewell_end };
	struct trino_engine *e = a->engine;
	struct farewell *f;
	struct http_stream *stream;
	const char *const headers[] = { e->user };
	struct http_request request = { .method = "DELETE",
		.headers = headers,
		.header_count = 1,
		.timeout_ms = DELETE_TIMEOUT_MS };
	struct err err;

	if (a->path.len == 0)
		return;
	f = calloc(1, sizeof *f);
	must(f);
	buf_slice(&f->path, buf_view(&a->path));
	request.url = buf_str(&f->path);
	if (http_loop_send(e->http, &request, &reader, f, &stream, &err) != FATE_DONE) {
		buf_finish(&f->path);
		free(f);
		return;
	}
	f->before = &e->farewells;
	f->next = e->farewells;
	if (f->next)
		f->next->before = &f->next;
	e->farewells = f;
}

/* --- requests --- */

static bool
page_body(void *ctx, struct slice bytes)
{
	struct trino_ask *a = ctx;

	a->large = a->large || a->page.len + bytes.len > PAGE_MAX;
	if (!a->large)
		buf_slice(&a->page, bytes);
	return true;
}

static void page_end(void *ctx, const struct http_response *response, const struct err *err);

static const struct http_stream_reader page_reader = { NULL, page_body, page_end };

static void
send(struct trino_ask *a, const char *method, const char *const *headers, size_t header_count)
{
	struct trino_engine *e = a->engine;
	bool post = *method == 'P';
	struct http_request request = { .method = method,
		.url = post ? "/v1/statement" : buf_str(&a->path),
		.headers = headers,
		.header_count = header_count,
		.body = post ? &a->body : NULL,
		.body_count = post,
		.timeout_ms = *method == 'D' ? DELETE_TIMEOUT_MS : POLL_TIMEOUT_MS };

	a->page.len = 0;
	a->large = false;
	a->deleting = *method == 'D';
	if (http_loop_send(e->http, &request, &page_reader, a, &a->stream, &a->err) !=
	    FATE_DONE)
		a->stream = NULL;
}

static void
fetch(void *ctx)
{
	struct trino_ask *a = ctx;
	const char *const headers[] = { a->engine->user };

	send(a, "GET", headers, 1);
	if (!a->stream)
		finish(a);
}

static void
try_again(struct trino_ask *a, const struct http_response *response)
{
	int64_t wait_ms =
	    response->status ? http_retry_after_ms(response, clock_wall_ms()) : -1;

	a->tries++;
	if (wait_ms < 0 || wait_ms > 10000)
		wait_ms = TRY_AGAIN_MS * (int64_t)a->tries;
	loop_timer_set(a->engine->loop, &a->again, clock_mono_us() + wait_ms * 1000);
}

/* The answer to a DELETE, whatever it is: the query has been told. */
static void
deleted(struct trino_ask *a)
{
	(void)err_code(&a->err, FATE_RETRY, "57014", "trino: cancelled");
	finish(a);
}

static void
stop(struct trino_ask *a)
{
	const char *const headers[] = { a->engine->user };

	if (a->path.len)
		send(a, "DELETE", headers, 1);
	if (!a->stream)
		deleted(a);
}

static void
status_bad(struct trino_ask *a, long status)
{
	const char *code;
	enum fate fate = trino_status_fate(status, &code);

	(void)err_code(&a->err, fate, code, "trino: HTTP %ld %.*s", status,
	    a->page.len > 200 ? 200 : (int)a->page.len, a->page.p ? a->page.p : "");
	finish(a);
}

static void
page_end(void *ctx, const struct http_response *response, const struct err *err)
{
	struct trino_ask *a = ctx;
	bool first = !a->posted;

	a->stream = NULL;
	a->posted = true;
	if (a->deleting) {
		deleted(a);
	} else if (response->fate != FATE_DONE && !first && response->fate == FATE_RETRY &&
		   a->tries < TRIES_MAX) {
		try_again(a, response);
	} else if (response->fate != FATE_DONE) {
		a->err = *err;
		(void)snprintf(a->err.code, sizeof a->err.code, "08006");
		a->end.outcome_unknown =
		    a->query->ask.access == ENGINE_WRITE && response->outcome_unknown;
		finish(a);
	} else if (response->status == 200) {
		a->tries = 0;
		a->accepted = true;
		page_read(a);
	} else if (!first && trino_status_passes(response->status) && a->tries < TRIES_MAX) {
		try_again(a, response);
	} else {
		status_bad(a, response->status);
	}
}

/* --- pages --- */

static struct slice
text_member(struct slice object, const char *name)
{
	struct slice raw = json_member(object, slice_str(name));

	return raw.p && json_kind_of(raw) == JSON_STRING ? json_inner(raw)
							 : (struct slice){ 0 };
}

static int64_t
number_member(struct slice object, const char *name, int64_t otherwise)
{
	struct slice raw = json_member(object, slice_str(name));
	int64_t value;

	return raw.p && slice_i64(raw, &value) ? value : otherwise;
}

/* The byte of sql where line and column (of characters, from 1) are; -1: nowhere. */
static long
place(const char *sql, int64_t line, int64_t column)
{
	const char *p = sql;

	for (; line > 1 && *p; p++)
		line -= *p == '\n';
	for (; column > 1 && *p; column--)
		for (p++; (*p & 0xc0) == 0x80;)
			p++;
	return line == 1 && column == 1 ? p - sql : -1;
}

/* What it tells, without the Java that is in it. */
static void
error_read(struct trino_ask *a, struct slice error)
{
	struct slice where = json_member(error, SLICE("errorLocation"));
	struct slice raw = json_member(error, SLICE("message"));
	struct slice name = text_member(error, "errorName");
	struct buf message = { 0 };
	struct err none;
	const char *code;
	enum fate fate = trino_fate(name, text_member(error, "errorType"), &code);

	a->refused = true;
	if (!raw.p || json_kind_of(raw) != JSON_STRING ||
	    trino_print(&message, TRINO_PLAIN, raw, &none) != FATE_DONE)
		message.len = 0;
	if (where.p && json_kind_of(where) == JSON_OBJECT)
		a->end.position =
		    place(a->query->ask.sql, number_member(where, "lineNumber", 0),
			number_member(where, "columnNumber", 0));
	(void)err_code(&a->err, fate, code, "trino: %.*s: %.*s", SLICE_ARG(name),
	    message.len ? (int)strcspn(buf_str(&message), "\n") : 0, buf_str(&message));
	buf_finish(&message);
}

/* The path of nextUri, if it leads to the server that was asked. */
static bool
next_take(struct trino_ask *a, struct slice uri)
{
	const struct trino_engine *e = a->engine;
	static const char statement[] = "/v1/statement/";

	a->path.len = 0;
	if (!uri.p)
		return true;
	if (uri.len < e->base_len + sizeof statement - 1 ||
	    memcmp(uri.p, e->base, e->base_len) != 0 ||
	    memcmp(uri.p + e->base_len, statement, sizeof statement - 1) != 0 ||
	    memchr(uri.p, '\\', uri.len)) {
		(void)err_code(&a->err, FATE_HALT, "08P01",
		    "trino: the next page is said to be on another server");
		return false;
	}
	buf_slice(&a->path, slice_of(uri.p + e->base_len, uri.len - e->base_len));
	return true;
}

static size_t
count_of(struct slice array)
{
	struct json_walk walk = json_walk(array);
	size_t count = 0;

	while (json_next(&walk))
		count++;
	return count;
}

/* Names are decoded one behind the other; pointers are set when all are there. */
static bool
columns_read(struct trino_ask *a, struct slice list)
{
	struct json_walk walk = json_walk(list);
	size_t count = count_of(list), *at;
	struct plan_column *told = calloc(count + 1, sizeof *told);
	struct buf names = { 0 };

	at = calloc(count + 1, sizeof *at);
	a->columns = calloc(count + 1, sizeof *a->columns);
	a->values = calloc(count + 1, sizeof *a->values);
	must(told && at && a->columns && a->values);
	a->column_count = count;
	for (size_t i = 0; json_next(&walk); i++) {
		struct slice name = json_kind_of(walk.value) == JSON_OBJECT
					? json_member(walk.value, SLICE("name"))
					: (struct slice){ 0 };
		struct err none;

		at[i] = names.len;
		if (name.p && json_kind_of(name) == JSON_STRING &&
		    trino_print(&names, TRINO_PLAIN, name, &none) != FATE_DONE)
			names.len = at[i];
		buf_byte(&names, '\0');
		a->columns[i] = name.p
				    ? trino_type(text_member(walk.value, "type"), &told[i].type)
				    : TRINO_OTHER;
	}
	for (size_t i = 0; i < count; i++)
		told[i].name = names.p + at[i];
	if (engine_columns(a->query, told, count, &a->err) != FATE_DONE)
		a->err.fate = FATE_HALT;
	free(told);
	free(at);
	buf_finish(&names);
	return a->err.fate == FATE_DONE;
}

static void
stats_read(struct trino_ask *a, struct slice stats)
{
	if (!stats.p || json_kind_of(stats) != JSON_OBJECT)
		return;
	a->end.cpu_s = (double)number_member(stats, "cpuTimeMillis", 0) / 1000;
	a->end.bytes_read = (uint64_t)number_member(stats, "physicalInputBytes", 0);
	if (a->end.bytes_read == 0)
		a->end.bytes_read = (uint64_t)number_member(stats, "processedBytes", 0);
}

/* false: a->err says why. */
static bool
page_take(struct trino_ask *a)
{
	struct slice page, part;

	if (a->large)
		return err_code(&a->err, FATE_REJECT, "54000",
			   "trino: a page of more than %d MB", PAGE_MAX >> 20) == FATE_DONE;
	if (json_check(buf_view(&a->page), &page, &a->err) != FATE_DONE ||
	    json_kind_of(page) != JSON_OBJECT)
		return err_code(&a->err, FATE_RETRY, "08P01",
			   "trino: an answer that is not of its protocol") == FATE_DONE;
	stats_read(a, json_member(page, SLICE("stats")));
	a->end.affected = number_member(page, "updateCount", a->end.affected);
	if (!next_take(a, text_member(page, "nextUri")))
		return false;
	part = json_member(page, SLICE("error"));
	if (part.p && json_kind_of(part) == JSON_OBJECT) {
		error_read(a, part);
		return false;
	}
	part = json_member(page, SLICE("columns"));
	if (!a->columns && part.p && json_kind_of(part) == JSON_ARRAY && !columns_read(a, part))
		return false;
	part = json_member(page, SLICE("data"));
	a->has_rows = part.p && json_kind_of(part) == JSON_ARRAY;
	if (a->has_rows)
		a->rows = json_walk(part);
	if (a->has_rows && !a->columns)
		return err_code(&a->err, FATE_RETRY, "08P01", "trino: rows without columns") ==
		       FATE_DONE;
	return true;
}

static bool
row_hand(struct trino_ask *a)
{
	struct json_walk cells;
	size_t i = 0;

	if (json_kind_of(a->rows.value) != JSON_ARRAY ||
	    count_of(a->rows.value) != a->column_count)
		return err_code(&a->err, FATE_RETRY, "08P01",
			   "trino: a row of another width") == FATE_DONE;
	a->texts.len = 0;
	for (cells = json_walk(a->rows.value); json_next(&cells); i++) {
		struct slice *v = &a->values[i];
		size_t at = a->texts.len;

		*v = slice_of(NULL, 0);
		if (json_kind_of(cells.value) == JSON_NULL)
			continue;
		if (trino_print(&a->texts, a->columns[i], cells.value, &a->err) != FATE_DONE)
			return false;
		v->p = (const char *)at + 1; /* a place, until the texts lie still */
		v->len = a->texts.len - at;
	}
	buf_grow(&a->texts, 1);
	for (i = 0; i < a->column_count; i++)
		if (a->values[i].p)
			a->values[i].p = a->texts.p + ((uintptr_t)a->values[i].p - 1);
	a->paused = !engine_row(a->query, a->values);
	return true;
}

/* Rows of the page, then the next page, then the end. */
static void
go_on(struct trino_ask *a)
{
	bool good = true;

	while (good && a->has_rows && !a->paused) {
		a->has_rows = json_next(&a->rows);
		good = !a->has_rows || row_hand(a);
	}
	if (!good) {
		leave(a);
		finish(a);
	} else if (a->paused) {
		return;
	} else if (a->path.len == 0) {
		finish(a);
	} else if (a->query->cancelled) {
		stop(a);
	} else {
		fetch(a);
	}
}

static void
page_read(struct trino_ask *a)
{
	if (page_take(a)) {
		go_on(a);
		return;
	}
	leave(a);
	finish(a);
}

/* --- asking --- */

static struct trino_ask *
ask_take(struct trino_engine *e)
{
	struct trino_ask *a = e->free, fresh = { .engine = e };

	if (a) {
		e->free = a->next;
		fresh.page = a->page;
		fresh.path = a->path;
		fresh.texts = a->texts;
	} else {
		must(e->made < e->max);
		a = &e->asks[e->made++];
	}
	*a = fresh;
	a->page.len = a->path.len = a->texts.len = 0;
	a->again = (struct loop_timer){ .due = fetch, .ctx = a };
	a->end = (struct engine_end){ .position = -1, .affected = -1 };
	return a;
}

/* Trino ends it by itself should we be gone. */
static int
seconds_left(const struct engine_ask *ask)
{
	int64_t left_s = (ask->deadline_us - clock_mono_us()) / 1000000 + 2;

	return left_s < 1 ? 1 : left_s > 86400 ? 86400 : (int)left_s;
}

static enum fate
trino_start(void *self, struct engine_query *query, struct err *err)
{
	struct trino_engine *e = self;
	struct trino_ask *a = ask_take(e);
	const struct engine_ask *ask = &query->ask;
	const char *const headers[] = { e->user, "X-Trino-Source: sluice-router",
		"X-Trino-Client-Capabilities: PARAMETRIC_DATETIME", "X-Trino-Time-Zone: UTC",
		"Content-Type: text/plain; charset=utf-8", a->limit, a->tag, e->catalog };

	must(ask->param_count == 0);
	a->query = query;
	query->driver = a;
	(void)snprintf(a->limit, sizeof a->limit,
	    "X-Trino-Session: query_max_execution_time=%ds", seconds_left(ask));
	(void)snprintf(a->tag, sizeof a->tag, "X-Trino-Client-Tags: %.36s", ask->id);
	a->body = slice_str(ask->sql);
	send(a, "POST", headers, sizeof headers / sizeof *headers - (e->catalog[0] ? 0 : 1));
	if (a->err.fate == FATE_DONE)
		return FATE_DONE;
	*err = a->err;
	ask_release(a);
	return err->fate;
}

static void
trino_more(void *self, struct engine_query *query)
{
	struct trino_ask *a = query->driver;

	(void)self;
	a->paused = false;
	go_on(a);
}

static void
trino_cancel(void *self, struct engine_query *query)
{
	struct trino_ask *a = query->driver;

	(void)self;
	if (!a->posted)
		return; /* where to end it will be known with its answer */
	loop_timer_clear(a->engine->loop, &a->again);
	if (a->stream)
		http_stream_cancel(a->stream);
	a->stream = NULL;
	stop(a);
}

static void
trino_abandon(void *self, struct engine_query *query)
{
	struct trino_ask *a = query->driver;

	(void)self;
	if (a->stream)
		http_stream_cancel(a->stream);
	if (!a->deleting)
		leave(a);
	ask_release(a);
}

static void
trino_close(void *self)
{
	struct trino_engine *e = self;

	http_loop_free(e->http);
	while (e->farewells)
		farewell_end(e->farewells, NULL, NULL);
	for (unsigned i = 0; i < e->made; i++) {
		buf_finish(&e->asks[i].page);
		buf_finish(&e->asks[i].path);
		buf_finish(&e->asks[i].texts);
	}
	free(e->asks);
	free(e);
}

static enum fate
trino_open(const struct registry_engine *config, struct loop *loop, unsigned pool_max,
    void **ret_self, struct err *err)
{
	struct trino_engine *e = calloc(1, sizeof *e);
	const char *url = config->url ? config->url : "http://127.0.0.1:8080";
	struct http_options options = { .user = config->password ? config->user : NULL,
		.password = config->password,
		.ca_file = config->ca_file,
		.connection_max = (size_t)pool_max * 2 };
	enum fate fate;

	must(e);
	e->loop = loop;
	e->max = pool_max;
	e->base_len = strlen(url);
	while (e->base_len && url[e->base_len - 1] == '/')
		e->base_len--;
	(void)snprintf(e->base, sizeof e->base, "%.*s", (int)e->base_len, url);
	(void)snprintf(e->user, sizeof e->user, "X-Trino-User: %.100s",
	    config->user ? config->user : "sluice");
	if (config->database)
		(void)snprintf(
		    e->catalog, sizeof e->catalog, "X-Trino-Catalog: %.100s", config->database);
	options.base_url = e->base;
	e->asks = calloc(pool_max, sizeof *e->asks);
	must(e->asks);
	fate = e->base_len >= sizeof e->base
		   ? err_set(err, FATE_HALT, "trino: a url of %zu bytes", e->base_len)
		   : http_loop_new(&options, loop, &e->http, err);
	if (fate != FATE_DONE) {
		trino_close(e);
		return fate;
	}
	*ret_self = e;
	return FATE_DONE;
}

static unsigned
trino_connections(const void *self)
{
	return (unsigned)http_loop_count(((const struct trino_engine *)self)->http);
}

const struct engine_ops engine_trino = {
	.name = "trino",
	.open = trino_open,
	.close = trino_close,
	.start = trino_start,
	.more = trino_more,
	.cancel = trino_cancel,
	.abandon = trino_abandon,
	/* SELECT 1 passes on a server whose nodes may not be given work yet */
	.probe = "SELECT count(*) FROM system.runtime.nodes WHERE state = 'active'",
	.connections = trino_connections,
};
