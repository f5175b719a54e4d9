/* SPDX-License-Identifier: Apache-2.0 */
#include "work/mirror.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "wire/json.h"
#include "work/mirror_table.h"
#include "work/worker.h"

/* Too large for us is too large for ever. */
static enum fate
read_row(struct mirror *m, struct slice object, struct slice schema, struct value *values,
    struct err *err)
{
	enum fate fate = row_read(m->plan, object, schema, &m->arena, values, err);

	return fate == FATE_RETRY ? err->fate = FATE_REJECT : fate;
}

static struct value *
values_new(struct mirror *m)
{
	struct value *values = arena_alloc(&m->arena, m->source.column_count * sizeof *values);

	must(values); /* the arena's ceiling is far above a message */
	return values;
}

/* A column that neither the fields nor the pipeline file know: is it new? */
static enum fate
look_at_stranger(struct mirror *m, struct slice name, struct err *err)
{
	const struct sql_table *known = m->postgres;
	struct sql_catalog *catalog = NULL;
	char *text = strndup(name.p, name.len);
	bool is_new;
	enum fate fate;

	must(text);
	if (mirror_list_has(&m->passed, text)) {
		free(text);
		return FATE_DONE;
	}
	fate = mirror_ask_catalog(m, &catalog, err);
	is_new = fate == FATE_DONE && sql_table_column(m->postgres, text);
	m->postgres = known;
	sql_catalog_free(catalog);
	if (is_new)
		fate = err_code(err, FATE_HALT, CODE_RESTART,
		    "%s has a new column %s: the catalogue must be read again", m->table->from,
		    text);
	if (fate == FATE_DONE && m->passed.count < PIPELINE_KEYS_MAX)
		m->passed.items[m->passed.count++] = text;
	else
		free(text);
	return fate;
}

static enum fate
check_members(struct mirror *m, struct slice object, struct err *err)
{
	struct json_walk walk;

	if (json_count(object) == m->postgres->column_count)
		return FATE_DONE;
	walk = json_walk(object);
	while (json_next(&walk)) {
		bool known =
		    walk.name.len > 1 && walk.name.p[0] == '_' && walk.name.p[1] == '_';

		for (size_t i = 0; i < m->postgres->column_count && !known; i++)
			known = json_name_eq(&walk, slice_str(m->postgres->columns[i].name));
		if (!known && look_at_stranger(m, walk.name, err) != FATE_DONE)
			return err->fate;
	}
	return FATE_DONE;
}

/* Fills what the event does not tell. *ret_gone: the row is not there any more. */
static enum fate
complete(struct mirror *m, const struct value *before, struct value *values, bool *ret_gone,
    struct err *err)
{
	struct value key[SQL_KEY_COLUMNS_MAX], *row;
	size_t unset = 0;
	enum fate fate;

	for (size_t i = 0; i < m->source.column_count; i++) {
		if (values[i].state == VALUE_UNSET && before)
			values[i] = before[i];
		unset += values[i].state == VALUE_UNSET;
	}
	if (unset == 0)
		return FATE_DONE;
	for (size_t i = 0; i < m->source.key_count; i++)
		key[i] = values[m->key[i]];
	row = values_new(m);
	lookup_reset(m->lookup);
	lookup_want(m->lookup, key);
	fate = lookup_fetch(m->lookup, m->pg, &m->arena, err);
	if (fate == FATE_HALT && strcmp(err->code, "42703") == 0) /* no such column any more */
		(void)snprintf(err->code, sizeof err->code, "%s", CODE_RESTART);
	if (fate != FATE_DONE)
		return fate;
	*ret_gone = lookup_get(m->lookup, key, &m->arena, row) != DIMENSION_ROW;
	for (size_t i = 0; i < m->source.column_count && !*ret_gone; i++)
		if (values[i].state == VALUE_UNSET)
			values[i] = row[i];
	return FATE_DONE;
}

static void
put_value(struct mirror *m, size_t field, const struct value *value)
{
	if (value->state == VALUE_SET)
		value_to_json(&m->text, m->fields[field].type, value);
	else
		buf_cstr(&m->text, "null");
}

/* {"id":1}: what places the row. */
static void
put_identity(struct mirror *m, const struct value *values)
{
	for (size_t i = 0; i < m->identity_names.count; i++) {
		buf_byte(&m->text, i ? ',' : '{');
		buf_slice(&m->text, buf_view(&m->members[m->identity[i]]));
		put_value(m, m->identity[i], &values[m->identity[i]]);
	}
	buf_byte(&m->text, '}');
}

static void
put_row(struct mirror *m, const struct value *values)
{
	for (size_t i = 0; i < m->source.column_count; i++) {
		buf_byte(&m->text, i ? ',' : '{');
		buf_slice(&m->text, buf_view(&m->members[i]));
		put_value(m, i, &values[i]);
	}
	buf_byte(&m->text, '}');
}

static bool
identity_known(const struct mirror *m, const struct value *values)
{
	for (size_t i = 0; i < m->identity_names.count; i++)
		if (!values || values[m->identity[i]].state != VALUE_SET)
			return false;
	return true;
}

/* Key, row and place before, one after the other in one text on the heap. */
static void
write_record(
    struct mirror *m, const struct value *row, const struct value *place, struct record *record)
{
	size_t key_len, row_len = 0;

	m->text.len = 0;
	put_identity(m, row ? row : place);
	key_len = m->text.len;
	if (row) {
		put_row(m, row);
		row_len = m->text.len - key_len;
		if (place)
			put_identity(m, place);
	}
	record->text = malloc(m->text.len);
	must(record->text);
	memcpy(record->text, m->text.p, m->text.len);
	record->key = slice_of(record->text, key_len);
	if (!row)
		return;
	record->value = slice_of(record->text + key_len, row_len);
	if (place)
		record->before =
		    slice_of(record->text + key_len + row_len, m->text.len - key_len - row_len);
}

/* A key's JSON object, with or without the schema wrapper. */
static struct slice
key_object(const struct kafka_message *message, struct err *err)
{
	struct slice raw, payload;

	if (!message->key.p || json_check(message->key, &raw, err) != FATE_DONE ||
	    json_kind_of(raw) != JSON_OBJECT)
		return (struct slice){ 0 };
	payload = json_member(raw, SLICE("payload"));
	if (payload.p && json_member(raw, SLICE("schema")).p &&
	    json_kind_of(payload) == JSON_OBJECT)
		return payload;
	return raw;
}

static enum fate
read_delete(struct mirror *m, const struct kafka_message *message, const struct change *change,
    struct record *record, struct err *err)
{
	struct value *values = values_new(m);
	struct slice object = change->before.p ? change->before : key_object(message, err);
	enum fate fate =
	    object.p ? read_row(m, object, change->schema, values, err)
		     : err_set(err, FATE_REJECT, "a delete with neither before nor key");

	if (fate == FATE_DONE && !identity_known(m, values))
		fate = err_set(err, FATE_REJECT,
		    "a delete that does not tell the identity columns (REPLICA IDENTITY?)");
	if (fate == FATE_DONE)
		write_record(m, NULL, values, record);
	return fate;
}

static enum fate
read_upsert(
    struct mirror *m, const struct change *change, struct record *record, struct err *err)
{
	struct value *values = values_new(m), *before = NULL;
	bool gone = false;
	enum fate fate = check_members(m, change->after, err);

	if (fate == FATE_DONE)
		fate = read_row(m, change->after, change->schema, values, err);
	if (fate == FATE_DONE && change->before.p) {
		before = values_new(m);
		fate = read_row(m, change->before, change->schema, before, err);
	}
	for (size_t i = 0; i < m->source.key_count && fate == FATE_DONE; i++)
		if (values[m->key[i]].state != VALUE_SET)
			fate = err_set(err, FATE_REJECT, "key column %s is missing or null",
			    m->fields[m->key[i]].name);
	if (fate == FATE_DONE)
		fate = complete(m, before, values, &gone, err);
	if (fate != FATE_DONE)
		return fate;
	if (!identity_known(m, before))
		before = NULL;
	if (gone)
		write_record(m, NULL, before ? before : values, record);
	else
		write_record(m, values, before, record);
	return FATE_DONE;
}

static enum fate
read_kind(struct mirror *m, const struct kafka_message *message, const struct change *change,
    struct record *record, bool *ret_skip, struct err *err)
{
	switch (change->kind) {
	case CHANGE_TOMBSTONE:
	case CHANGE_OTHER: *ret_skip = true; return FATE_DONE;
	case CHANGE_TRUNCATE:
		*ret_skip = true;
		if (m->conf->on_truncate == TRUNCATE_IGNORE)
			return FATE_DONE;
		return err_set(err, FATE_HALT,
		    "%s was truncated (topic %s partition %" PRId32 " offset %" PRId64
		    "): ClickHouse still holds its rows. on_truncate: ignore goes on without "
		    "them",
		    m->table->from, message->topic, message->partition, message->offset);
	case CHANGE_ROW:
		if (change->op == 'd')
			return read_delete(m, message, change, record, err);
		return read_upsert(m, change, record, err);
	}
	never("unknown change kind");
}

enum fate
mirror_read(struct mirror *m, const struct kafka_message *message, struct record *record,
    bool *ret_skip, struct err *err)
{
	struct change change;
	enum fate fate = change_read(message->value, &change, err);

	if (fate == FATE_DONE)
		fate = read_kind(m, message, &change, record, ret_skip, err);
	arena_reset(&m->arena);
	if (fate != FATE_DONE)
		return fate;
	record->op = change.op;
	record->ts_ms = change.ts_ms;
	record->source_partition = message->partition;
	record->source_offset = message->offset;
	record->version = record_version((unsigned)m->conf->generation, message->offset);
	return FATE_DONE;
}
