/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "ctl/verify_side.h"
#include "sql/dialect.h"
#include "wire/json.h"

enum { PAGE_ROWS = 20000 };

/* Every value as a text; pages are by a hash of the key. */
static void
page_sql(const struct verify *v, int64_t page, int64_t pages, struct buf *out)
{
	out->len = 0;
	for (size_t i = 0; i < v->column_count; i++) {
		buf_cstr(out, i ? ", " : "SELECT ");
		buf_cstr(
		    out, v->columns[i].type.kind == TYPE_ARRAY ? "toJSONString(" : "toString(");
		dialect_name(out, DIALECT_CLICKHOUSE, v->columns[i].name);
		buf_byte(out, ')');
	}
	buf_cstr(out, " FROM ");
	dialect_name(out, DIALECT_CLICKHOUSE, v->pipeline->clickhouse.database);
	buf_byte(out, '.');
	dialect_name(out, DIALECT_CLICKHOUSE, v->pipeline->clickhouse.table);
	buf_cstr(out, " FINAL WHERE NOT _deleted AND cityHash64(");
	for (size_t i = 0; i < v->key_count; i++) {
		buf_cstr(out, i ? ", " : "");
		dialect_name(out, DIALECT_CLICKHOUSE, v->columns[v->key[i]].name);
	}
	buf_printf(
	    out, ") %% %" PRId64 " = %" PRId64 " FORMAT JSONCompactEachRow", pages, page);
}

static enum fate
query_send(
    struct verify *v, const struct buf *sql, struct http_response *response, struct err *err)
{
	struct slice body = buf_view(sql);
	enum fate fate = http_client_send(v->survey->clickhouse,
	    &(struct http_request){ .url = "/", .body = &body, .body_count = 1 }, response,
	    err);

	if (fate == FATE_DONE && response->status != 200)
		fate = err_set(err, response->status >= 500 ? FATE_RETRY : FATE_HALT,
		    "HTTP %ld: %.*s", response->status, SLICE_ARG(buf_view(&response->body)));
	return fate;
}

/* An array's JSON is a text inside of the answer's; all else is a text. */
static enum fate
value_note(struct verify *v, struct slice raw, struct err *err)
{
	const struct row_column *column = &v->columns[v->row.count];
	struct slice text = { 0 };
	struct value value = { 0 };
	enum fate fate;

	if (json_kind_of(raw) != JSON_NULL)
		text = json_text(raw, &v->arena);
	if (!text.p || column->type.kind != TYPE_ARRAY)
		return verify_row_text(v, text, err);
	fate = json_check(text, &text, err);
	if (fate == FATE_DONE)
		fate = value_from_record(column->type, text, &v->arena, &value, err);
	if (fate != FATE_DONE) {
		err->fate = FATE_HALT;
		return err_wrap(err, "column %s", column->name);
	}
	value_to_json(&v->row.text, column->type, &value);
	verify_row_end_column(v);
	return FATE_DONE;
}

static enum fate
line_note(struct verify *v, struct slice line, enum verify_pass pass, struct err *err)
{
	struct json_walk walk;
	struct slice raw;
	/* an exception can stand in the body of a 200 */
	enum fate fate = json_check(line, &raw, err);

	if (fate != FATE_DONE || json_kind_of(raw) != JSON_ARRAY)
		return err_set(err, FATE_RETRY, "no row: %.*s", SLICE_ARG(line));
	verify_row_begin(v);
	walk = json_walk(raw);
	while (fate == FATE_DONE && v->row.count < v->column_count && json_next(&walk))
		fate = value_note(v, walk.value, err);
	if (fate == FATE_DONE && v->row.count != v->column_count)
		fate = err_set(err, FATE_RETRY, "a row of %zu columns", v->row.count);
	return fate == FATE_DONE ? verify_row_note(v, SIDE_CLICKHOUSE, pass, err) : fate;
}

static enum fate
lines_note(struct verify *v, struct slice body, enum verify_pass pass, struct err *err)
{
	enum fate fate = FATE_DONE;

	while (body.len && fate == FATE_DONE) {
		const char *end = memchr(body.p, '\n', body.len);
		size_t len = end ? (size_t)(end - body.p) : body.len;

		if (len)
			fate = line_note(v, slice_of(body.p, len), pass, err);
		body = slice_of(body.p + len + (end != NULL), body.len - len - (end != NULL));
	}
	return fate;
}

enum fate
verify_clickhouse(struct verify *v, enum verify_pass pass, struct err *err)
{
	struct http_response response = { 0 };
	struct buf sql = { 0 };
	int64_t rows = 0, pages;
	enum fate fate = survey_clickhouse_rows(v->survey, &rows, err);

	if (fate == FATE_DONE && pass == PASS_AGAIN)
		verify_clear(v, SIDE_CLICKHOUSE);
	pages = rows / PAGE_ROWS + 1;
	for (int64_t page = 0; page < pages && fate == FATE_DONE; page++) {
		verify_progress(v, "clickhouse: page %" PRId64 " of %" PRId64, page + 1, pages);
		page_sql(v, page, pages, &sql);
		fate = query_send(v, &sql, &response, err);
		if (fate == FATE_DONE)
			fate = lines_note(v, buf_view(&response.body), pass, err);
	}
	http_response_finish(&response);
	buf_finish(&sql);
	return fate == FATE_DONE ? fate : err_wrap(err, "ask ClickHouse");
}
