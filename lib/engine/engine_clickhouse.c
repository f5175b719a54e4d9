/* SPDX-License-Identifier: Apache-2.0 */
/* ClickHouse over HTTP. The user that asks has a profile with readonly=1, where ceilings
 * stand too: such a user may send no setting, so none is sent. What is cancelled is killed
 * by a second user over connections of its own. Answers are RowBinaryWithNamesAndTypes;
 * an exception in mid-answer is known by its mark, and rows stop short of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "engine/engine_ops.h"
#include "link/clickhouse_code.h"
#include "link/http_loop.h"
#include "wire/row_binary.h"

enum { TIMEOUT_MS = 24 * 3600 * 1000, EXCEPTION_MAX = 64 << 10, MARK_MAX = 64 };

struct clickhouse_engine;

struct clickhouse_ask {
	struct clickhouse_engine *engine;
	struct clickhouse_ask *next; /* of the free ones */
	struct engine_query *query;
	struct http_stream *stream; /* NULL: it has ended */
	struct buf url, held;       /* held: what has come and is not handed on */
	struct slice body, *values;
	struct row_binary rows;
	char mark[MARK_MAX];
	size_t mark_len, searched, used; /* used: of held */
	bool refused, headed, marked, paused, killed;
	struct err err; /* of the transfer, or of what came; fate DONE: none */
	uint64_t bytes_read;
	double elapsed_s;
};

/* A KILL under way. */
struct kill {
	struct kill *next, **before;
	char sql[120];
	struct slice body;
};

struct clickhouse_engine {
	struct http_loop *asker, *killer;
	struct clickhouse_ask *asks, *free;
	struct kill *kills;
	unsigned made, max;
};

/* --- killing --- */

static bool
kill_body(void *ctx, struct slice bytes)
{
	(void)ctx, (void)bytes;
	return true;
}

static void
kill_end(void *ctx, const struct http_response *response, const struct err *err)
{
	struct kill *k = ctx;

	(void)response, (void)err;
	if (k->next)
		k->next->before = k->before;
	*k->before = k->next;
	free(k);
}

/* Nothing is made of its answer: what it kills ends, or is let go by its time. */
static void
kill_send(struct clickhouse_ask *a)
{
	static const struct http_stream_reader reader = { NULL, kill_body, kill_end };
	struct clickhouse_engine *e = a->engine;
	struct kill *k = calloc(1, sizeof *k);
	struct http_request request = { .url = "/", .body_count = 1, .timeout_ms = 5000 };
	struct http_stream *stream;
	struct err err;

	must(k);
	a->killed = true;
	(void)snprintf(k->sql, sizeof k->sql, "KILL QUERY WHERE query_id = '%.36s' ASYNC",
	    a->query->ask.id);
	k->body = slice_str(k->sql);
	request.body = &k->body;
	if (http_loop_send(e->killer, &request, &reader, k, &stream, &err) != FATE_DONE) {
		free(k);
		return;
	}
	k->before = &e->kills;
	k->next = e->kills;
	if (k->next)
		k->next->before = &k->next;
	e->kills = k;
}

/* --- what comes --- */

/* The mark of an exception: its first byte's place in held, from searched on. */
static bool
find_mark(struct clickhouse_ask *a)
{
	const char *at;

	if (a->marked || a->held.len < a->searched + a->mark_len)
		return a->marked;
	at = memmem(a->held.p + a->searched, a->held.len - a->searched, a->mark, a->mark_len);
	a->marked = at != NULL;
	a->searched = at ? (size_t)(at - a->held.p) : a->held.len - a->mark_len + 1;
	return a->marked;
}

/* Until there rows may be read: a mark may still be on its way. */
static size_t
safe_len(struct clickhouse_ask *a)
{
	if (find_mark(a))
		return a->searched;
	return !a->stream ? a->held.len : a->searched > a->used ? a->searched : a->used;
}

static void
columns_tell(struct clickhouse_ask *a)
{
	const struct engine_ask *ask = &a->query->ask;
	struct row_binary *rb = &a->rows;
	struct plan_column *columns = calloc(rb->column_count + 1, sizeof *columns);

	must(columns);
	a->headed = true;
	for (size_t i = 0; i < rb->column_count; i++) {
		columns[i].name = rb->columns[i].name;
		columns[i].type = rb->columns[i].pg;
		if (i < ask->column_count)
			row_binary_expect(rb, i, ask->columns[i].type);
	}
	a->values = calloc(rb->column_count + 1, sizeof *a->values);
	must(a->values);
	if (engine_columns(a->query, columns, rb->column_count, &a->err) != FATE_DONE)
		a->paused = false;
	free(columns);
}

/* Hands on what there is until the reader has enough or more must come. */
static void
rows_hand(struct clickhouse_ask *a)
{
	size_t end = safe_len(a), used;
	enum row_binary_step step = ROW_BINARY_DONE;

	while (!a->paused && a->err.fate == FATE_DONE && step == ROW_BINARY_DONE) {
		struct slice rest = slice_of(a->held.p + a->used, end - a->used);

		used = 0;
		if (a->headed && (rest.len == 0 || a->rows.column_count == 0))
			break;
		step = a->headed ? row_binary_row(&a->rows, rest, &used, a->values, &a->err)
				 : row_binary_head(&a->rows, rest, &used, &a->err);
		if (step != ROW_BINARY_DONE)
			break;
		a->used += used;
		if (!a->headed)
			columns_tell(a);
		else
			a->paused = !engine_row(a->query, a->values);
	}
}

/* Without a tag the mark may be text: it is when it goes on for longer than exceptions do. */
static void
held_shrink(struct clickhouse_ask *a)
{
	if (a->marked && a->mark[0] != '\r' && a->held.len - a->searched > EXCEPTION_MAX) {
		a->marked = false;
		a->searched++;
	}
	if (a->used == 0)
		return;
	memmove(a->held.p, a->held.p + a->used, a->held.len - a->used);
	a->held.len -= a->used;
	a->searched = a->searched > a->used ? a->searched - a->used : 0;
	a->used = 0;
}

/* --- how it ends --- */

static void
ask_release(struct clickhouse_ask *a)
{
	row_binary_finish(&a->rows);
	free(a->values);
	a->values = NULL;
	if (a->held.cap > 1 << 20)
		buf_finish(&a->held);
	a->query = NULL;
	a->next = a->engine->free;
	a->engine->free = a;
}

/* "Code: 60. DB::Exception: text" in what is left. */
static void
exception_read(struct clickhouse_ask *a, size_t from, long status)
{
	struct slice text = slice_of(a->held.p + from, a->held.len - from);

	a->err = (struct err){ 0 };
	(void)clickhouse_refusal(text, status, &a->err);
}

static void
finish(struct clickhouse_ask *a)
{
	struct engine_query *query = a->query;
	struct err err;
	struct engine_end end = { .position = -1,
		.affected = -1,
		.cpu_s = a->elapsed_s,
		.bytes_read = a->bytes_read };

	if (a->err.fate == FATE_DONE && (!a->headed || a->used < a->held.len))
		(void)err_code(
		    &a->err, FATE_RETRY, "08006", "clickhouse: the answer ends inside a row");
	err = a->err;
	end.fate = err.fate;
	end.err = err.fate == FATE_DONE ? NULL : &err;
	ask_release(a);
	engine_ended(query, &end);
}

static void
see_head(void *ctx, const struct http_response *response)
{
	struct clickhouse_ask *a = ctx;
	struct slice summary = http_response_header(response, "X-ClickHouse-Summary");
	struct slice tag = http_response_header(response, "X-ClickHouse-Exception-Tag");
	uint64_t elapsed_ns = 0;

	a->refused = response->status != 200;
	(void)slice_u64_after(summary, SLICE("\"read_bytes\":\""), &a->bytes_read);
	(void)slice_u64_after(summary, SLICE("\"elapsed_ns\":\""), &elapsed_ns);
	a->elapsed_s = (double)elapsed_ns / 1e9;
	if (tag.len && tag.len <= 32)
		(void)snprintf(
		    a->mark, sizeof a->mark, "\r\n__exception__\r\n%.*s\r\n", SLICE_ARG(tag));
	else /* before 25.11 */
		(void)snprintf(a->mark, sizeof a->mark, "__exception__\r\n");
	a->mark_len = strlen(a->mark);
}

/* Hands on. false: it cannot be read, and the ask is over. */
static bool
go_on(struct clickhouse_ask *a)
{
	rows_hand(a);
	if (a->err.fate == FATE_DONE)
		return true;
	if (a->stream) {
		http_stream_cancel(a->stream);
		a->stream = NULL;
		kill_send(a);
	}
	finish(a);
	return false;
}

static bool
see_body(void *ctx, struct slice bytes)
{
	struct clickhouse_ask *a = ctx;

	if (a->refused && a->held.len > EXCEPTION_MAX)
		return true;
	held_shrink(a);
	buf_slice(&a->held, bytes);
	return a->refused || !go_on(a) || !a->paused;
}

static void
see_end(void *ctx, const struct http_response *response, const struct err *err)
{
	struct clickhouse_ask *a = ctx;

	a->stream = NULL;
	if (a->refused) {
		exception_read(a, 0, response->status);
	} else if (a->marked && (response->fate != FATE_DONE || a->mark[0] == '\r')) {
		exception_read(a, a->searched, 500);
	} else if (response->fate != FATE_DONE) {
		a->err = *err;
		(void)snprintf(a->err.code, sizeof a->err.code, "08006");
	} else {
		a->marked = false; /* text that only looks like it */
		a->searched = a->held.len;
		a->mark_len = a->held.len + 1;
		if (a->paused || !go_on(a) || a->paused)
			return;
	}
	finish(a);
}

/* --- asking --- */

static void
url_make(struct clickhouse_ask *a)
{
	const struct engine_ask *ask = &a->query->ask;

	a->url.len = 0;
	buf_printf(&a->url, "/?default_format=RowBinaryWithNamesAndTypes&query_id=%s", ask->id);
}

static struct clickhouse_ask *
ask_take(struct clickhouse_engine *e)
{
	struct clickhouse_ask *a = e->free;

	if (a) {
		e->free = a->next;
		a->held.len = 0;
		*a = (struct clickhouse_ask){ .engine = e, .url = a->url, .held = a->held };
	} else {
		must(e->made < e->max);
		a = &e->asks[e->made++];
		*a = (struct clickhouse_ask){ .engine = e };
	}
	row_binary_init(&a->rows);
	return a;
}

static enum fate
clickhouse_start(void *self, struct engine_query *query, struct err *err)
{
	static const struct http_stream_reader reader = { see_head, see_body, see_end };
	struct clickhouse_engine *e = self;
	struct clickhouse_ask *a = ask_take(e);
	struct http_request request = {
		.body = &a->body, .body_count = 1, .timeout_ms = TIMEOUT_MS
	};
	enum fate fate;

	must(query->ask.param_count == 0);
	a->query = query;
	query->driver = a;
	a->body = slice_str(query->ask.sql);
	url_make(a);
	request.url = buf_str(&a->url);
	fate = http_loop_send(e->asker, &request, &reader, a, &a->stream, err);
	if (fate != FATE_DONE)
		ask_release(a);
	return fate;
}

static void
clickhouse_more(void *self, struct engine_query *query)
{
	struct clickhouse_ask *a = query->driver;

	(void)self;
	a->paused = false;
	if (!go_on(a) || a->paused)
		return;
	if (a->stream)
		http_stream_more(a->stream);
	else
		finish(a);
}

static void
clickhouse_cancel(void *self, struct engine_query *query)
{
	struct clickhouse_ask *a = query->driver;

	if (a->stream)
		kill_send(a);
	if (a->paused)
		clickhouse_more(self, query);
}

static void
clickhouse_abandon(void *self, struct engine_query *query)
{
	struct clickhouse_ask *a = query->driver;

	(void)self;
	if (!a->killed && a->stream)
		kill_send(a);
	if (a->stream)
		http_stream_cancel(a->stream);
	ask_release(a);
}

static void
clickhouse_close(void *self)
{
	struct clickhouse_engine *e = self;

	http_loop_free(e->asker);
	http_loop_free(e->killer);
	while (e->kills)
		kill_end(e->kills, NULL, NULL);
	for (unsigned i = 0; i < e->made; i++) {
		buf_finish(&e->asks[i].url);
		buf_finish(&e->asks[i].held);
	}
	free(e->asks);
	free(e);
}

static enum fate
clickhouse_open(const struct registry_engine *config, struct loop *loop, unsigned pool_max,
    void **ret_self, struct err *err)
{
	struct clickhouse_engine *e = calloc(1, sizeof *e);
	bool other = config->kill_user != NULL;
	struct http_options options = { .base_url =
					    config->url ? config->url : "http://127.0.0.1:8123",
		.user = config->user,
		.password = config->password,
		.ca_file = config->ca_file,
		.connection_max = pool_max };
	enum fate fate;

	must(e);
	fate = http_loop_new(&options, loop, &e->asker, err);
	options.user = other ? config->kill_user : config->user;
	options.password = other ? config->kill_password : config->password;
	if (fate == FATE_DONE)
		fate = http_loop_new(&options, loop, &e->killer, err);
	e->asks = calloc(pool_max, sizeof *e->asks);
	must(e->asks);
	e->max = pool_max;
	if (fate != FATE_DONE) {
		clickhouse_close(e);
		return fate;
	}
	*ret_self = e;
	return FATE_DONE;
}

static unsigned
clickhouse_connections(const void *self)
{
	const struct clickhouse_engine *e = self;

	return (unsigned)(http_loop_count(e->asker) + http_loop_count(e->killer));
}

const struct engine_ops engine_clickhouse = {
	.name = "clickhouse",
	.open = clickhouse_open,
	.close = clickhouse_close,
	.start = clickhouse_start,
	.more = clickhouse_more,
	.cancel = clickhouse_cancel,
	.abandon = clickhouse_abandon,
	.probe = "SELECT 1",
	.connections = clickhouse_connections,
};
