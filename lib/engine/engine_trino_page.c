/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "engine/engine_trino.h"
#include "link/trino_code.h"

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

/* Names are decoded one behind the other; pointers are set when all are there. */
static bool
columns_read(struct trino_ask *a, struct slice list)
{
	struct json_walk walk = json_walk(list);
	size_t count = json_count(list), *at;
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

bool
trino_page_take(struct trino_ask *a)
{
	struct slice page, part;

	if (a->large)
		return err_code(&a->err, FATE_REJECT, "54000",
			   "trino: a page of more than %d MB",
			   TRINO_PAGE_MAX >> 20) == FATE_DONE;
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

bool
trino_row_hand(struct trino_ask *a)
{
	struct json_walk cells;
	size_t i = 0;

	if (json_kind_of(a->rows.value) != JSON_ARRAY ||
	    json_count(a->rows.value) != a->column_count)
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
