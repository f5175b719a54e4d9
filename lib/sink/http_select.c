/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/http_select.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "sink/http_lane.h"
#include "sql/query.h"
#include "wire/json.h"

enum { SCRATCH_SIZE = 64 << 20 };
enum { COLUMN_OP, COLUMN_ID, COLUMN_TABLE, COLUMN_TS, COLUMN_VERSION, OWN_COLUMNS };

struct http_select {
	struct sql_exprs *exprs;
	struct row_column *columns; /* the row's, then our own */
	size_t row_count;
	bool *used;
	struct value *values, *out;
	struct arena scratch; /* of one row */
};

static const struct row_column own[OWN_COLUMNS] = {
	[COLUMN_OP] = { "sluice_op", { .kind = TYPE_TEXT, .oid = 25, .typmod = -1 } },
	[COLUMN_ID] = { "sluice_id", { .kind = TYPE_TEXT, .oid = 25, .typmod = -1 } },
	[COLUMN_TABLE] = { "sluice_table", { .kind = TYPE_TEXT, .oid = 25, .typmod = -1 } },
	[COLUMN_TS] = { "sluice_ts", { .kind = TYPE_TIMESTAMPTZ, .oid = 1184, .typmod = -1 } },
	[COLUMN_VERSION] = { "sluice_version", { .kind = TYPE_INT8, .oid = 20, .typmod = -1 } },
};

enum fate
http_select_new(const char *list, const struct row_column *columns, size_t column_count,
    struct http_select **ret_select, struct err *err)
{
	struct http_select *s = calloc(1, sizeof *s);
	size_t all = column_count + OWN_COLUMNS;
	enum fate fate;

	must(s);
	arena_init(&s->scratch, SCRATCH_SIZE);
	s->row_count = column_count;
	s->columns = calloc(all, sizeof *s->columns);
	s->used = calloc(all, sizeof *s->used);
	s->values = calloc(all, sizeof *s->values);
	must(s->columns && s->used && s->values);
	if (column_count)
		memcpy(s->columns, columns, column_count * sizeof *columns);
	memcpy(s->columns + column_count, own, sizeof own);
	fate = sql_list_compile(s->columns, all, list, &s->exprs, err);
	if (fate != FATE_DONE) {
		http_select_free(s);
		err->fate = FATE_HALT;
		(void)snprintf(err->code, sizeof err->code, "CONFIG");
		return err_wrap(err, "body");
	}
	sql_exprs_used(s->exprs, s->used);
	s->out = calloc(sql_exprs_count(s->exprs), sizeof *s->out);
	must(s->out);
	*ret_select = s;
	return FATE_DONE;
}

void
http_select_free(struct http_select *select)
{
	if (!select)
		return;
	sql_exprs_free(select->exprs);
	arena_finish(&select->scratch);
	free(select->columns);
	free(select->used);
	free(select->values);
	free(select->out);
	free(select);
}

/* The used columns of the row, or of the key when the row is gone. */
static enum fate
read_row(struct http_select *s, struct slice object, struct err *err)
{
	for (size_t i = 0; i < s->row_count; i++) {
		const struct row_column *column = &s->columns[i];
		struct slice json;

		s->values[i] = (struct value){ .state = VALUE_NULL };
		if (!s->used[i])
			continue;
		json = json_member(object, slice_str(column->name));
		if (json.p && value_from_record(column->type, json, &s->scratch, &s->values[i],
				  err) != FATE_DONE)
			return err_wrap(err, "column %s", column->name);
	}
	return FATE_DONE;
}

static void
read_own(struct http_select *s, const struct record *record)
{
	static const char ops[] = "cudr";
	struct value *own_values = s->values + s->row_count;
	const char *op = strchr(ops, http_op(record));

	for (size_t i = 0; i < OWN_COLUMNS; i++)
		own_values[i] = (struct value){ .state = VALUE_SET };
	must(op && *op);
	own_values[COLUMN_OP].s = slice_of(op, 1);
	own_values[COLUMN_ID].s = record->id;
	own_values[COLUMN_TABLE].s = http_table(record);
	own_values[COLUMN_TS].i = record->ts_ms * 1000;
	own_values[COLUMN_VERSION].i = (int64_t)record->version;
}

static void
print(const struct http_select *s, struct buf *out)
{
	size_t count = sql_exprs_count(s->exprs);

	buf_byte(out, '{');
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_byte(out, ',');
		json_quote(out, slice_str(sql_exprs_name(s->exprs, i)));
		buf_byte(out, ':');
		value_to_json(out, sql_exprs_type(s->exprs, i), &s->out[i]);
	}
	buf_byte(out, '}');
}

enum fate
http_select_write(
    struct http_select *select, const struct record *record, struct buf *out, struct err *err)
{
	const struct value *rows[1] = { select->values };
	struct sql_env env = { .rows = rows };
	struct slice object;
	enum fate fate =
	    json_check(record->value.p ? record->value : record->key, &object, err);

	arena_reset(&select->scratch);
	if (fate == FATE_DONE && json_kind_of(object) != JSON_OBJECT)
		fate = err_set(err, FATE_REJECT, "the row is not a JSON object");
	if (fate == FATE_DONE)
		fate = read_row(select, object, err);
	if (fate == FATE_DONE) {
		read_own(select, record);
		fate = sql_exprs_run(select->exprs, &env, &select->scratch, select->out, err);
	}
	if (fate == FATE_DONE)
		print(select, out);
	else
		err->fate = fate = FATE_REJECT; /* a row that does not fit an empty arena too */
	return fate;
}
