/* SPDX-License-Identifier: Apache-2.0 */
#include "router/answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "wire/json.h"
#include "wire/json_string.h"

enum kind { KIND_TEXT, KIND_NUMBER, KIND_BOOL, KIND_JSON };

static enum kind
kind_of(struct pgtype type)
{
	switch (type.kind) {
	case TYPE_BOOL: return KIND_BOOL;
	case TYPE_INT2:
	case TYPE_INT4:
	case TYPE_INT8:
	case TYPE_NUMERIC:
	case TYPE_FLOAT4:
	case TYPE_FLOAT8: return KIND_NUMBER;
	case TYPE_JSON:
	case TYPE_JSONB: return KIND_JSON;
	case TYPE_TEXT:
	case TYPE_VARCHAR:
	case TYPE_BPCHAR:
	case TYPE_NAME:
	case TYPE_UUID:
	case TYPE_DATE:
	case TYPE_TIME:
	case TYPE_TIMESTAMP:
	case TYPE_TIMESTAMPTZ:
	case TYPE_INTERVAL:
	case TYPE_BYTEA:
	case TYPE_ENUM:
	case TYPE_INET:
	case TYPE_CIDR:
	case TYPE_MACADDR:
	case TYPE_ARRAY:
	case TYPE_OTHER: break;
	}
	return KIND_TEXT;
}

void
answer_columns(
    struct answer *a, const struct plan_column *columns, size_t count, struct buf *out)
{
	a->kinds = malloc(count + 1);
	must(a->kinds);
	a->column_count = count;
	buf_cstr(out, "\"columns\":[");
	for (size_t i = 0; i < count; i++) {
		a->kinds[i] = (unsigned char)kind_of(columns[i].type);
		buf_cstr(out, i ? ",{\"name\":" : "{\"name\":");
		json_quote(out, slice_str(columns[i].name));
		buf_cstr(out, ",\"type\":\"");
		type_print(out, columns[i].type);
		buf_cstr(out, "\"}");
	}
	buf_byte(out, ']');
}

/* "-1.50", "1e+20": JSON spells a number as Postgres prints it; "NaN" is none. */
static bool
number(struct slice s)
{
	size_t sign = s.len && s.p[0] == '-';

	return s.len > sign && s.p[sign] >= '0' && s.p[sign] <= '9';
}

/* Line ends between the tokens of a json value would end an NDJSON line. */
static void
put_json(struct slice s, struct buf *out)
{
	struct slice raw = { 0 };
	struct err err;
	size_t from = out->len;

	if (json_check(s, &raw, &err) != FATE_DONE) {
		json_quote(out, s);
		return;
	}
	buf_slice(out, raw);
	for (size_t i = from; i < out->len; i++) {
		if ((unsigned char)out->p[i] < ' ')
			out->p[i] = ' ';
	}
}

static bool
is_utf8(struct slice s)
{
	const char *p = s.p, *end = p + s.len;
	uint64_t eight;
	size_t len;

	while (p < end) {
		if (end - p >= 8) {
			memcpy(&eight, p, 8);
			if (!(eight & UINT64_C(0x8080808080808080))) {
				p += 8;
				continue;
			}
		}
		len = (unsigned char)*p < 0x80 ? 1 : json_utf8_len(p, end);
		if (len == 0)
			return false;
		p += len;
	}
	return true;
}

static void
json_value(enum kind kind, struct slice s, struct buf *out)
{
	if (!s.p)
		buf_put(out, "null", 4);
	else if (kind == KIND_NUMBER && number(s))
		buf_slice(out, s);
	else if (kind == KIND_BOOL && s.len)
		buf_cstr(out, s.p[0] == 't' ? "true" : "false");
	else if (kind == KIND_JSON)
		put_json(s, out);
	else
		json_quote(out, s);
}

static bool
csv_plain(struct slice s)
{
	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (c == ',' || c == '"' || c == '\n' || c == '\r')
			return false;
	}
	return s.p[0] != ' ' && s.p[s.len - 1] != ' ' && !slice_eq(s, SLICE("\\."));
}

static void
csv_value(struct slice s, struct buf *out)
{
	if (!s.p)
		return;
	if (csv_plain(s)) {
		buf_slice(out, s);
		return;
	}
	buf_byte(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"')
			buf_byte(out, '"');
		buf_byte(out, s.p[i]);
	}
	buf_byte(out, '"');
}

void
answer_csv_names(const struct plan_column *columns, size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_byte(out, ',');
		csv_value(slice_str(columns[i].name), out);
	}
	buf_byte(out, '\n');
}

bool
answer_row(struct answer *a, const struct slice *values, struct buf *out, size_t *ret_column)
{
	for (size_t i = 0; i < a->column_count; i++) {
		if (!values[i].p || is_utf8(values[i]))
			continue;
		*ret_column = i;
		return false;
	}
	if (a->format == FORMAT_CSV) {
		for (size_t i = 0; i < a->column_count; i++) {
			if (i)
				buf_byte(out, ',');
			csv_value(values[i], out);
		}
		buf_byte(out, '\n');
	} else if (a->format == FORMAT_MEMBERS) {
		buf_cstr(out, a->rows ? ",{\"member\":" : "{\"member\":");
		json_value((enum kind)a->kinds[0], values[0], out);
		buf_cstr(out, ",\"score\":");
		json_value((enum kind)a->kinds[1], values[1], out);
		buf_byte(out, '}');
	} else {
		if (a->format == FORMAT_JSON && a->rows)
			buf_byte(out, ',');
		buf_byte(out, '[');
		for (size_t i = 0; i < a->column_count; i++) {
			if (i)
				buf_byte(out, ',');
			json_value((enum kind)a->kinds[i], values[i], out);
		}
		buf_byte(out, ']');
		if (a->format == FORMAT_NDJSON)
			buf_byte(out, '\n');
	}
	a->rows++;
	return true;
}

void
answer_finish(struct answer *a)
{
	free(a->kinds);
	a->kinds = NULL;
}

const char *
answer_content_type(enum answer_format format)
{
	switch (format) {
	case FORMAT_JSON:
	case FORMAT_MEMBERS: return "application/json";
	case FORMAT_NDJSON: return "application/x-ndjson";
	case FORMAT_CSV: break;
	}
	return "text/csv; charset=utf-8";
}
