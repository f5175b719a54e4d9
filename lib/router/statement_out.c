/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "router/statement.h"
#include "wire/json.h"

/* --- the parts of every answer --- */

static const char *
engine_name(const struct statement *s)
{
	return s->engine >= 0                  ? s->router->registry->engines[s->engine].name
	       : s->engine == DECIDED_REGISTRY ? "registry"
					       : NULL;
}

/* "id":...,"engine":...,"reason":... */
static void
begin_members(const struct statement *s, struct buf *out)
{
	buf_cstr(out, "\"id\":\"");
	buf_cstr(out, s->id);
	buf_byte(out, '"');
	if (engine_name(s)) {
		buf_cstr(out, ",\"engine\":\"");
		buf_cstr(out, engine_name(s));
		buf_cstr(out, "\",\"reason\":\"");
		buf_cstr(out, s->reason);
		buf_byte(out, '"');
		if (*s->detail) {
			buf_cstr(out, ",\"detail\":");
			json_quote_any(out, slice_str(s->detail));
		}
		buf_cstr(out, s->degraded ? ",\"degraded\":true" : ",\"degraded\":false");
	}
}

static void
end_members(const struct statement *s, struct buf *out)
{
	buf_cstr(out, "\"row_count\":");
	buf_i64(out, (int64_t)s->rows);
	buf_cstr(out, s->truncated ? ",\"truncated\":true" : ",\"truncated\":false");
	buf_cstr(out, ",\"elapsed_ms\":");
	buf_millis(out, s->ended_us - s->began_us);
	if (s->affected >= 0) {
		buf_cstr(out, ",\"affected\":");
		buf_i64(out, s->affected);
	}
	if (*s->token)
		buf_printf(out, ",\"read_token\":\"%s\"", s->token);
}

static void
chunks_drop(struct statement *s)
{
	for (size_t i = 0; i < s->chunk_count; i++) {
		s->router->results_bytes -= (int64_t)s->chunks[i].rows.len;
		buf_finish(&s->chunks[i].rows);
	}
	free(s->chunks);
	s->chunks = NULL;
	s->chunk_count = 0;
}

/* --- the beginning --- */

static void
begin_stream(struct statement *s)
{
	httpd_begin(s->x, 200, answer_content_type(s->answer.format));
	if (s->answer.format == FORMAT_JSON || s->answer.format == FORMAT_MEMBERS)
		return; /* says it all itself */
	httpd_add_header(s->x, "Sluice-Query", slice_str(s->id));
	httpd_add_header(s->x, "Sluice-Engine", slice_str(engine_name(s)));
	httpd_add_header(s->x, "Sluice-Reason", slice_str(s->reason));
}

static struct chunk *
chunk_new(struct statement *s)
{
	s->chunks = realloc(s->chunks, (s->chunk_count + 1) * sizeof *s->chunks);
	must(s->chunks);
	s->chunks[s->chunk_count] = (struct chunk){ 0 };
	s->answer.rows = 0;
	return &s->chunks[s->chunk_count++];
}

static struct buf *
out_of(struct statement *s)
{
	if (s->kept)
		return &s->chunks[s->chunk_count - 1].rows;
	return s->x ? httpd_out(s->x) : NULL;
}

void
statement_tell(struct statement *s, const struct plan_column *columns, size_t count)
{
	struct buf unused = { 0 }, *out;

	s->told = true;
	if (s->kept)
		(void)chunk_new(s);
	else if (s->x)
		begin_stream(s);
	else
		return; /* nobody listens any more */
	out = out_of(s);
	must(out);
	switch (s->answer.format) {
	case FORMAT_JSON:
		if (s->kept) {
			answer_columns(&s->answer, columns, count, &s->columns);
			break;
		}
		buf_byte(out, '{');
		begin_members(s, out);
		buf_byte(out, ',');
		answer_columns(&s->answer, columns, count, out);
		buf_cstr(out, ",\"rows\":[");
		break;
	case FORMAT_NDJSON:
		buf_byte(out, '{');
		begin_members(s, out);
		buf_byte(out, ',');
		answer_columns(&s->answer, columns, count, out);
		buf_cstr(out, "}\n");
		break;
	case FORMAT_MEMBERS:
		answer_columns(&s->answer, columns, count, &unused);
		buf_finish(&unused);
		buf_byte(out, '{');
		begin_members(s, out);
		buf_cstr(out, ",\"members\":[");
		break;
	case FORMAT_CSV:
		answer_columns(&s->answer, columns, count, &unused);
		buf_finish(&unused);
		answer_csv_names(columns, count, out);
		break;
	}
	if (s->kept)
		s->router->results_bytes += (int64_t)out->len;
}

/* --- rows --- */

void
statement_flush_due(void *ctx)
{
	struct statement *s = ctx;

	if (s->x && !s->kept)
		(void)httpd_flush(s->x);
}

/* Enough. A few rows are quicker dropped than stopped; a write is never stopped. */
static void
cut_off(struct statement *s)
{
	s->truncated = true;
	if (++s->dropped == DROPPED_MAX && s->query && s->plan->class == PLAN_READ)
		engine_cancel(s->query);
}

/* Older answers make room for this one. */
static bool
room_to_keep(struct statement *s)
{
	struct router *r = s->router;

	while (r->results_bytes >= r->registry->server.results_max) {
		if (!statement_forget_oldest(r))
			return false;
	}
	return true;
}

static bool
beyond_limits(struct statement *s)
{
	return (s->row_limit && s->rows >= (uint64_t)s->row_limit) ||
	       (s->byte_limit && s->bytes >= s->byte_limit) || (s->kept && !room_to_keep(s));
}

static bool
stream_on(struct statement *s)
{
	if (httpd_pending(s->x) >= STREAM_BYTES)
		return httpd_flush(s->x);
	if (s->flush.at_us == 0)
		loop_timer_set(s->router->loop, &s->flush, clock_mono_us() + STREAM_PAUSE_US);
	return true;
}

/* The answer cannot be one; its end says so. */
static void
give_up(struct statement *s, size_t column)
{
	s->unreadable = column + 1;
	if (s->query && s->plan->class == PLAN_READ)
		engine_cancel(s->query);
}

bool
statement_row(struct statement *s, const struct slice *values)
{
	struct buf *out = out_of(s);
	size_t before, column;

	if (!out || s->unreadable)
		return true;
	if (s->truncated || beyond_limits(s)) {
		cut_off(s);
		return true;
	}
	if (s->kept && out->len >= CHUNK_BYTES)
		out = &chunk_new(s)->rows;
	before = out->len;
	if (!answer_row(&s->answer, values, out, &column)) {
		give_up(s, column);
		return true;
	}
	s->rows++;
	s->bytes += (int64_t)(out->len - before);
	if (!s->kept)
		return stream_on(s);
	s->chunks[s->chunk_count - 1].row_count++;
	s->router->results_bytes += (int64_t)(out->len - before);
	return true;
}

/* --- the end --- */

/* The exchange is over; x is not ours any more. */
static void
let_go(struct statement *s, const char *trailer)
{
	struct httpd_exchange *x = s->x;

	s->x = NULL;
	httpd_end(x, trailer);
}

void
statement_close(struct statement *s)
{
	struct buf *out;

	loop_timer_clear(s->router->loop, &s->flush);
	if (s->kept || !s->x)
		return;
	out = httpd_out(s->x);
	switch (s->answer.format) {
	case FORMAT_JSON:
	case FORMAT_MEMBERS:
		buf_cstr(out, "],");
		end_members(s, out);
		buf_cstr(out, "}\n");
		break;
	case FORMAT_NDJSON:
		buf_byte(out, '{');
		end_members(s, out);
		buf_cstr(out, "}\n");
		break;
	case FORMAT_CSV: break;
	}
	let_go(s,
	    s->truncated && s->answer.format == FORMAT_CSV ? "Sluice-Truncated: true" : NULL);
}

/* It has begun, perhaps with 200: the end says that it is none. */
static void
break_off(struct statement *s, const struct router_error *error)
{
	struct buf *out = httpd_out(s->x);
	char trailer[HTTPD_TRAILER_MAX];

	if (s->answer.format == FORMAT_CSV) {
		struct httpd_exchange *x = s->x;

		s->x = NULL;
		httpd_break(x); /* nothing in CSV can say it */
		return;
	}
	if (s->answer.format != FORMAT_NDJSON)
		buf_cstr(out, "],");
	else
		buf_byte(out, '{');
	router_error_write(error, out);
	buf_cstr(out, "}\n");
	(void)snprintf(trailer, sizeof trailer, "Sluice-Error: %s", error->code);
	let_go(s, trailer);
}

void
statement_close_failed(struct statement *s, const struct router_error *error)
{
	loop_timer_clear(s->router->loop, &s->flush);
	if (s->kept) {
		chunks_drop(s); /* nobody gets them */
		s->error_status = error->status;
		buf_byte(&s->error, '{');
		router_error_write(error, &s->error);
		buf_byte(&s->error, ',');
		begin_members(s, &s->error);
		buf_cstr(&s->error, ",\"state\":\"failed\"}\n");
		return;
	}
	if (!s->x)
		return;
	if (s->told && httpd_flushed(s->x)) {
		break_off(s, error);
	} else {
		struct httpd_exchange *x = s->x;
		struct buf *out = router_error_begin(x, error);

		s->x = NULL;
		buf_byte(out, ',');
		begin_members(s, out);
		buf_cstr(out, "}\n");
		httpd_end(x, NULL);
	}
}

void
statement_out_finish(struct statement *s)
{
	chunks_drop(s);
	buf_finish(&s->columns);
	buf_finish(&s->error);
	answer_finish(&s->answer);
}

/* --- what is kept --- */

static void
show_running(struct statement *s, struct httpd_exchange *x)
{
	struct buf *out;

	httpd_begin(x, 202, "application/json");
	out = httpd_out(x);
	buf_byte(out, '{');
	begin_members(s, out);
	buf_printf(out, ",\"state\":\"%s\",\"row_count\":%" PRIu64 "}\n",
	    s->state == STATEMENT_WAITS ? "waits" : "running", s->rows);
	httpd_end(x, NULL);
}

void
statement_show(struct statement *s, struct httpd_exchange *x)
{
	struct buf *out;

	if (s->state == STATEMENT_WAITS || s->state == STATEMENT_RUNS) {
		show_running(s, x);
		return;
	}
	if (s->state == STATEMENT_FAILED) {
		httpd_answer(x, s->error_status, "application/json", buf_view(&s->error));
		return;
	}
	httpd_begin(x, 200, "application/json");
	out = httpd_out(x);
	buf_byte(out, '{');
	begin_members(s, out);
	buf_cstr(out, ",\"state\":\"answered\",");
	if (s->answer.format == FORMAT_JSON) {
		buf_slice(out, buf_view(&s->columns));
		buf_cstr(out, ",\"rows\":[");
		buf_slice(out, buf_view(&s->chunks[0].rows));
		buf_cstr(out, "],");
	}
	buf_printf(out, "\"chunk_count\":%zu,", s->chunk_count);
	end_members(s, out);
	buf_cstr(out, "}\n");
	httpd_end(x, NULL);
}

void
statement_show_chunk(struct statement *s, struct httpd_exchange *x, size_t chunk)
{
	struct buf *out;

	if (s->state != STATEMENT_ANSWERED) {
		statement_show(s, x);
		return;
	}
	if (chunk >= s->chunk_count) {
		router_refuse_plain(x, 404, "NOT_FOUND", "the answer has no such chunk");
		return;
	}
	httpd_begin(x, 200, answer_content_type(s->answer.format));
	out = httpd_out(x);
	if (s->answer.format != FORMAT_JSON) {
		buf_slice(out, buf_view(&s->chunks[chunk].rows));
		httpd_end(x, NULL);
		return;
	}
	buf_printf(out, "{\"id\":\"%s\",\"chunk\":%zu,\"chunk_count\":%zu,", s->id, chunk,
	    s->chunk_count);
	buf_slice(out, buf_view(&s->columns));
	buf_cstr(out, ",\"rows\":[");
	buf_slice(out, buf_view(&s->chunks[chunk].rows));
	buf_printf(out, "],\"row_count\":%" PRIu64 "}\n", s->chunks[chunk].row_count);
	httpd_end(x, NULL);
}
