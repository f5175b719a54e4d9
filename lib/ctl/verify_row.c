/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "ctl/verify_side.h"
#include "wire/json.h"

enum { PROGRESS_MS = 100, PROGRESS_TEXT = 160 };

void
verify_say(struct verify *v, const char *fmt, ...)
{
	char *line = NULL;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&line, fmt, args);
	va_end(args);
	must(n >= 0);
	v->say(line);
	free(line);
}

void
verify_progress(struct verify *v, const char *fmt, ...)
{
	char text[PROGRESS_TEXT];
	va_list args;

	if (!v->progress || clock_mono_ms() < v->next_progress_ms)
		return;
	v->next_progress_ms = clock_mono_ms() + PROGRESS_MS;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	v->progress(text);
}

void
verify_row_begin(struct verify *v)
{
	v->row.text.len = 0;
	v->row.count = 0;
	v->row.at[0] = 0;
	arena_reset(&v->arena);
}

void
verify_row_end_column(struct verify *v)
{
	must(v->row.count < v->column_count);
	v->row.at[++v->row.count] = v->row.text.len;
}

/* numeric(p,s) has its digits after the point on every side. */
static enum fate
scale_apply(struct verify *v, struct pgtype type, struct value *value, struct err *err)
{
	if (type.kind != TYPE_NUMERIC || type.typmod < 4 || value->state != VALUE_SET)
		return FATE_DONE;
	return decimal_apply_typmod(&value->d, type.typmod, &v->arena, &value->d, err);
}

enum fate
verify_row_text(struct verify *v, struct slice text, struct err *err)
{
	const struct row_column *column = &v->columns[v->row.count];
	struct value value = { 0 };
	enum fate fate = FATE_DONE;

	if (text.p)
		fate = value_from_text(column->type, text, &v->arena, &value, err);
	if (fate == FATE_DONE)
		fate = scale_apply(v, column->type, &value, err);
	if (fate != FATE_DONE) {
		err->fate = FATE_HALT;
		return err_wrap(err, "column %s", column->name);
	}
	value_to_json(&v->row.text, column->type, &value);
	verify_row_end_column(v);
	return FATE_DONE;
}

static struct slice
column_text(const struct verify *v, size_t i)
{
	return slice_of(v->row.text.p + v->row.at[i], v->row.at[i + 1] - v->row.at[i]);
}

uint64_t
verify_row_checksum(const struct verify *v)
{
	uint64_t sum = 1;

	must(v->row.count == v->column_count);
	for (size_t i = 0; i < v->column_count; i++)
		if (v->compared[i])
			sum = verify_checksum(sum, column_text(v, i));
	return sum;
}

struct slice
verify_row_key(struct verify *v)
{
	v->key_text.len = 0;
	for (size_t i = 0; i < v->key_count; i++) {
		if (i)
			buf_byte(&v->key_text, ',');
		buf_slice(&v->key_text, column_text(v, v->key[i]));
	}
	return buf_view(&v->key_text);
}

/* A key is a list of JSON values without its brackets. */
enum fate
verify_key_text(
    struct verify *v, struct slice key, size_t i, struct buf *ret_text, struct err *err)
{
	struct pgtype type = v->columns[v->key[i]].type;
	struct value value;
	struct buf list = { 0 };
	struct json_walk walk;
	enum fate fate;

	buf_printf(&list, "[%.*s]", SLICE_ARG(key));
	walk = json_walk(buf_view(&list));
	for (size_t n = 0; n <= i; n++)
		must(json_next(&walk));
	fate = value_from_record(type, walk.value, &v->arena, &value, err);
	ret_text->len = 0;
	if (fate == FATE_DONE)
		value_to_text(ret_text, type, &value);
	(void)buf_str(ret_text); /* an empty text is not NULL */
	buf_finish(&list);
	return fate;
}

void
verify_row_print(const struct verify *v, struct buf *out)
{
	for (size_t i = 0; i < v->column_count; i++) {
		buf_byte(out, i ? ',' : '{');
		json_quote(out, slice_str(v->columns[i].name));
		buf_byte(out, ':');
		buf_slice(out, column_text(v, i));
	}
	buf_byte(out, '}');
}

void
verify_row_pick(const struct verify *v, const struct pipeline_list *columns, struct buf *out)
{
	for (size_t i = 0; i < columns->count; i++) {
		size_t n = 0;

		while (strcmp(v->columns[n].name, columns->items[i]) != 0)
			must(++n < v->column_count);
		buf_byte(out, i ? ',' : '{');
		json_quote(out, slice_str(columns->items[i]));
		buf_byte(out, ':');
		buf_slice(out, column_text(v, n));
	}
	buf_byte(out, '}');
}

bool
verify_wanted(const struct verify_entry *e, enum verify_pass pass)
{
	if (pass == PASS_SHOW)
		return e->evidence >= 0;
	return !e->agreed[SIDE_TOPIC] || !e->agreed[SIDE_CLICKHOUSE];
}

enum fate
verify_row_note(struct verify *v, enum verify_side side, enum verify_pass pass, struct err *err)
{
	struct slice key = verify_row_key(v);
	struct verify_entry *e = pass == PASS_WHOLE ? verify_table_get(v->table, key)
						    : verify_table_find(v->table, key);

	if (!e)
		return pass != PASS_WHOLE
			   ? FATE_DONE
			   : err_set(err, FATE_HALT,
				 "more than %d keys: this form of verify holds no more",
				 VERIFY_KEYS_MAX);
	if (!verify_wanted(e, pass))
		return FATE_DONE;
	if (pass == PASS_PLACES) {
		v->on_row(v->on_row_ctx, e);
		return FATE_DONE;
	}
	if (pass != PASS_SHOW) {
		e->rows[side] = side == SIDE_CLICKHOUSE && e->rows[side] != ROW_ABSENT
				    ? ROW_TWICE
				    : verify_row_checksum(v);
		return FATE_DONE;
	}
	v->evidence[e->evidence][side].len = 0;
	verify_row_print(v, &v->evidence[e->evidence][side]);
	return FATE_DONE;
}

void
verify_clear(struct verify *v, enum verify_side side)
{
	for (size_t i = 0; i < verify_table_count(v->table); i++) {
		struct verify_entry *e = verify_table_entry(v->table, i);

		if (verify_wanted(e, PASS_AGAIN))
			e->rows[side] = ROW_ABSENT;
	}
}
