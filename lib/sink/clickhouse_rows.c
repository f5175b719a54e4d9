/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/must.h"
#include "sink/clickhouse_ops.h"
#include "wire/json_scan.h"

enum { LEARN_EVERY = 256 };

/* Fields of one JSON object on their way into one row. */
struct row {
	struct clickhouse *ch;
	struct hints *hints;
	size_t row;       /* its number in the block */
	size_t appended;  /* columns that have got their value */
	bool skip_others; /* fields that are no identity column are passed over */
};

static struct slice
column_field(const struct clickhouse *ch, const struct target_column *column)
{
	for (size_t i = 0; i < ch->config.rename_count; i++)
		if (strcmp(ch->config.renames[i].column, column->name) == 0)
			return slice_str(ch->config.renames[i].field);
	return slice_str(column->name);
}

static void
hint_set(struct hints *hints, size_t at, struct hint hint)
{
	if (at >= hints->count) {
		hints->list = realloc(hints->list, (at + 1) * sizeof *hints->list);
		must(hints->list);
		memset(hints->list + hints->count, 0,
		    (at + 1 - hints->count) * sizeof *hints->list);
		hints->count = at + 1;
	}
	hints->list[at] = hint;
	hints->shaped = 0; /* it went by the list as it was */
}

void
hints_finish(struct hints *hints)
{
	free(hints->list);
	json_shape_finish(&hints->shape);
	*hints = (struct hints){ 0 };
}

/* Columns that we fill: no field's. */
static bool
is_own(const struct clickhouse *ch, const struct native_column *column)
{
	return column &&
	       (column == ch->version || column == ch->deleted || column == ch->topic ||
		   column == ch->partition || column == ch->offset || column == ch->operation);
}

/* The column of a field by its name; HALT when there is none. */
static enum fate
find_column(struct row *row, size_t at, struct json_name name,
    struct target_column **ret_column, struct err *err)
{
	struct clickhouse *ch = row->ch;

	for (size_t i = 0; i < ch->target.count; i++) {
		struct target_column *column = &ch->target.columns[i];
		struct slice field = column_field(ch, column);

		if (!json_name_is(name, field))
			continue;
		if (is_own(ch, column->built))
			break;
		if (!column->built && !row->skip_others &&
		    table_build(ch, column, err) != FATE_DONE)
			return err->fate;
		hint_set(row->hints, at, (struct hint){ field, column });
		*ret_column = column;
		return FATE_DONE;
	}
	if (row->skip_others) {
		*ret_column = NULL;
		return FATE_DONE;
	}
	return err_set(err, FATE_HALT, "the table has no column for the field %.*s",
	    SLICE_ARG(slice_of(name.p, name.len)));
}

static bool
is_identity(const struct clickhouse *ch, const struct target_column *column)
{
	for (size_t i = 0; i < ch->config.identity_count; i++)
		if (ch->identity[i] == column->built)
			return column->built != NULL;
	return false;
}

static enum fate
append_field(
    struct row *row, const struct target_column *column, struct slice raw, struct err *err)
{
	if (native_column_rows(column->built) > row->row)
		return err_set(err, FATE_REJECT, "two fields for column %s", column->name);
	if (column->null_default && raw.p[0] == 'n')
		return err_set(
		    err, FATE_REJECT, "column %s: null where it takes none", column->name);
	if (native_append(column->built, raw, err) != FATE_DONE)
		return err_wrap(err, "column %s", column->name);
	row->appended++;
	return FATE_DONE;
}

/* The object's fields are all scalars, in the order of the hints: the next one may be the
 * same but for its values. Rows of several kinds in turn do not make us learn for ever. */
static void
learn_shape(struct hints *hints, struct slice text, size_t fields)
{
	struct json_ends ends;

	if (hints->missed++ % LEARN_EVERY != 0)
		return;
	hints->shaped = 0;
	if (text.p[0] != '{' || text.p[text.len - 1] != '}' ||
	    !json_shape_learn(&hints->shape, text, (struct slice){ 0 }, &ends) ||
	    ends.count != fields)
		return;
	for (size_t i = 0; i < fields; i++)
		if (!hints->list[i].column)
			return;
	hints->shaped = fields;
}

static enum fate
append_values(struct row *row, const struct json_ends *ends, struct err *err)
{
	const struct hints *hints = row->hints;

	for (uint32_t i = 0; i < hints->shaped; i++)
		if (append_field(row, hints->list[i].column,
			json_shape_value(&hints->shape, ends, i), err) != FATE_DONE)
			return err->fate;
	return FATE_DONE;
}

/* Checks the object and appends its fields in one pass. */
static enum fate
append_members(struct row *row, struct slice text, struct err *err)
{
	struct json_scan scan;
	struct json_scan_object object;
	struct json_name name;
	struct slice raw;
	enum fate fate = FATE_DONE;
	size_t at = 0;

	json_scan_init(&scan, text);
	if (json_scan_peek(&scan) != '{' || !json_scan_open(&scan, &object)) {
		json_scan_finish(&scan);
		return err_set(err, FATE_REJECT, "not a JSON object");
	}
	for (; json_scan_member(&scan, &object, &name); at++) {
		const struct hint *hint = at < row->hints->count ? &row->hints->list[at] : NULL;
		struct target_column *column = hint ? hint->column : NULL;

		if (!json_scan_value(&scan, &raw))
			break;
		if (!column || !json_name_is(name, hint->field)) {
			fate = find_column(row, at, name, &column, err);
			if (fate != FATE_DONE)
				break;
		}
		if (row->skip_others && (!column || !is_identity(row->ch, column)))
			continue;
		fate = append_field(row, column, raw, err);
		if (fate != FATE_DONE)
			break;
	}
	if (fate == FATE_DONE) {
		(void)json_scan_end(&scan); /* the refusal tells */
		fate = json_scan_refusal(&scan, err);
	}
	json_scan_finish(&scan);
	if (fate == FATE_DONE && !row->skip_others && at > 0)
		learn_shape(row->hints, text, at);
	return fate;
}

static enum fate
append_object(struct row *row, struct slice text, struct err *err)
{
	struct json_ends ends;

	if (row->hints->shaped && json_shape_fits(&row->hints->shape, text, &ends))
		return append_values(row, &ends, err);
	return append_members(row, text, err);
}

/* A text of ours that needs no escapes: a topic's name, an operation. */
static enum fate
append_text(
    struct clickhouse *ch, struct native_column *column, struct slice text, struct err *err)
{
	ch->quoted.len = 0;
	buf_byte(&ch->quoted, '"');
	buf_slice(&ch->quoted, text);
	buf_byte(&ch->quoted, '"');
	if (native_append(column, buf_view(&ch->quoted), err) != FATE_DONE)
		return err_wrap(err, "column %s", native_column_name(column));
	return FATE_DONE;
}

/* What the record is and where it comes from; the counter last. */
static enum fate
append_own(struct clickhouse *ch, const struct record *record, bool deleted, struct err *err)
{
	if (ch->operation &&
	    append_text(ch, ch->operation, slice_of(&record->op, 1), err) != FATE_DONE)
		return err->fate;
	if (!ch->append) {
		native_append_u64(ch->deleted, deleted);
		native_append_u64(ch->version, record->version);
		return FATE_DONE;
	}
	if (append_text(ch, ch->topic, slice_str(record->topic), err) != FATE_DONE)
		return err->fate;
	native_append_u64(ch->partition, (uint64_t)record->partition);
	native_append_u64(ch->offset, (uint64_t)record->offset);
	return FATE_DONE;
}

/* Defaults where the record had nothing, then our own columns: the row is complete. */
static enum fate
finish_row(
    struct row *row, const struct record *record, size_t index, bool deleted, struct err *err)
{
	struct clickhouse *ch = row->ch;
	size_t own = (ch->append ? 3u : 2u) + (ch->operation ? 1u : 0u);

	if (row->appended + own < ch->built_count)
		for (size_t i = 0; i < ch->built_count; i++) {
			struct native_column *column = native_block_column(ch->block, i);

			if (native_column_rows(column) == row->row && !is_own(ch, column))
				native_append_default(column);
		}
	if (append_own(ch, record, deleted, err) != FATE_DONE)
		return err->fate;
	if (row->row >= ch->row_record_cap) {
		ch->row_record_cap = ch->row_record_cap ? ch->row_record_cap * 2 : 4096;
		ch->row_record =
		    realloc(ch->row_record, ch->row_record_cap * sizeof *ch->row_record);
		must(ch->row_record);
	}
	ch->row_record[row->row] = (uint32_t)index;
	return FATE_DONE;
}

static enum fate
append_upsert(struct clickhouse *ch, const struct record *record, size_t index, struct err *err)
{
	struct row row = {
		.ch = ch, .hints = &ch->value_hints, .row = native_column_rows(ch->counter)
	};

	if (append_object(&row, record->value, err) != FATE_DONE)
		return err->fate;
	for (size_t i = 0; i < ch->config.identity_count; i++)
		if (native_column_rows(ch->identity[i]) == row.row)
			return err_set(
			    err, FATE_REJECT, "column %s is missing", ch->config.identity[i]);
	return finish_row(&row, record, index, false, err);
}

/* A deleted row at the place that text, a JSON object, names. */
static enum fate
append_deleted(struct clickhouse *ch, const struct record *record, size_t index,
    struct slice text, struct hints *hints, struct err *err)
{
	struct row row = { .ch = ch,
		.hints = hints,
		.row = native_column_rows(ch->counter),
		.skip_others = true };

	if (append_object(&row, text, err) != FATE_DONE)
		return err_wrap(err, "the place before the change");
	if (row.appended < ch->config.identity_count)
		return err_set(err, FATE_REJECT,
		    "the place before the change is not wholly known: %.*s", SLICE_ARG(text));
	return finish_row(&row, record, index, true, err);
}

/* Every change is a row; a delete has its key, and defaults beside it. */
static enum fate
append_change(struct clickhouse *ch, const struct record *record, size_t index, struct err *err)
{
	bool deleted = !record->value.p;
	struct row row = { .ch = ch,
		.hints = deleted ? &ch->key_hints : &ch->value_hints,
		.row = native_column_rows(ch->counter) };

	if (append_object(&row, deleted ? record->key : record->value, err) != FATE_DONE)
		return err->fate;
	return finish_row(&row, record, index, deleted, err);
}

/* By the bytes that the table would hold, so that what it cannot tell apart is one
 * place: a deleted row must never hide the new one. */
static bool
same_place(const struct clickhouse *ch, size_t a, size_t b)
{
	for (size_t i = 0; i < ch->config.identity_count; i++)
		if (!native_rows_equal(ch->identity[i], a, b))
			return false;
	return true;
}

static enum fate
append_record(struct clickhouse *ch, const struct record *record, size_t index, struct err *err)
{
	size_t row = native_column_rows(ch->counter);
	bool has_before = record->before.len > 0;

	if (ch->append)
		return append_change(ch, record, index, err);
	if (!record->value.p)
		return has_before ? append_deleted(ch, record, index, record->before,
					&ch->before_hints, err)
				  : append_deleted(
					ch, record, index, record->key, &ch->key_hints, err);
	if (append_upsert(ch, record, index, err) != FATE_DONE)
		return err->fate;
	if (!has_before)
		return FATE_DONE;
	if (append_deleted(ch, record, index, record->before, &ch->before_hints, err) !=
	    FATE_DONE)
		return err->fate;
	if (same_place(ch, row, row + 1))
		native_block_truncate(ch->block, row + 1);
	return FATE_DONE;
}

enum fate
rows_append(struct clickhouse *ch, const struct record *record, size_t index, struct err *err)
{
	size_t row = native_column_rows(ch->counter);
	enum fate fate = append_record(ch, record, index, err);

	if (fate != FATE_DONE)
		native_block_truncate(ch->block, row);
	return fate;
}
