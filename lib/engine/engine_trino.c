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
#include "engine/engine_trino.h"
#include "link/trino_code.h"

enum {
	TRIES_MAX = 10,
	TRY_AGAIN_MS = 100, /* times the tries so far */
	POLL_TIMEOUT_MS = 30000,
	DELETE_TIMEOUT_MS = 5000
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

	a->large = a->large || a->page.len + bytes.len > TRINO_PAGE_MAX;
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

/* Rows of the page, then the next page, then the end. */
static void
go_on(struct trino_ask *a)
{
	bool good = true;

	while (good && a->has_rows && !a->paused) {
		a->has_rows = json_next(&a->rows);
		good = !a->has_rows || trino_row_hand(a);
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
	if (trino_page_take(a)) {
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
