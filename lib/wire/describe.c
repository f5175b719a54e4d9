/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/describe.h"

#include "wire/json.h"
#include "wire/row_value.h"

/* While one event is written. */
struct line {
	struct buf *out;
	struct describe_types types;
	struct slice fields; /* of the schema; p NULL without one */
	struct arena *arena;
	struct buf unset; /* names, as a JSON list's inside */
	bool untyped;     /* a value stands as its JSON does */
};

void
describe_error(struct buf *out, const char *stage, const char *class, const char *message)
{
	buf_cstr(out, "{\"error\":{\"stage\":");
	json_quote(out, slice_str(stage));
	buf_cstr(out, ",\"class\":");
	json_quote(out, slice_str(class));
	buf_cstr(out, ",\"message\":");
	json_quote(out, slice_str(message));
	buf_cstr(out, "}}");
}

/* Blanks between tokens go, so that a line stays a line. */
static void
put_compact(struct buf *out, struct slice raw)
{
	bool inside = false;

	for (size_t i = 0; i < raw.len; i++) {
		char c = raw.p[i];
		if (!inside && (c == ' ' || c == '\n' || c == '\r' || c == '\t'))
			continue;
		buf_byte(out, c);
		if (inside && c == '\\')
			buf_byte(out, raw.p[++i]);
		else if (c == '"')
			inside = !inside;
	}
}

static void
put_value(struct buf *out, struct pgtype type, const struct value *value)
{
	struct buf text = { 0 };

	switch (type.kind) {
	case TYPE_BOOL:
	case TYPE_INT2:
	case TYPE_INT4:
	case TYPE_INT8:
	case TYPE_NUMERIC:
	case TYPE_FLOAT4:
	case TYPE_FLOAT8: value_to_json(out, type, value); return;
	case TYPE_ARRAY: put_compact(out, value->s); return;
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
	case TYPE_JSON:
	case TYPE_JSONB:
	case TYPE_BYTEA:
	case TYPE_ENUM:
	case TYPE_INET:
	case TYPE_CIDR:
	case TYPE_MACADDR:
	case TYPE_OTHER: break;
	}
	value_to_text(&text, type, value);
	json_quote(out, buf_view(&text));
	buf_finish(&text);
}

/* What is known of a member: the caller's type goes before the schema's. */
static bool
field_of(const struct line *line, const struct json_walk *at, struct schema_field *ret_field)
{
	struct json_walk walk;
	bool known = false;

	*ret_field = (struct schema_field){ 0 };
	if (line->fields.p) {
		walk = json_walk(line->fields);
		while (!known && json_next(&walk))
			known = schema_field_read(walk.value, ret_field) &&
				json_name_eq(at, ret_field->name);
	}
	if (!known)
		*ret_field = (struct schema_field){ 0 };
	for (size_t i = 0; i < line->types.count; i++)
		if (json_name_eq(at, slice_str(line->types.columns[i].name))) {
			ret_field->type = line->types.columns[i].type;
			return true;
		}
	return known;
}

static void
put_unset(struct line *line, const struct json_walk *at)
{
	if (line->unset.len)
		buf_byte(&line->unset, ',');
	buf_byte(&line->unset, '"');
	buf_slice(&line->unset, at->name);
	buf_byte(&line->unset, '"');
}

/* A type that nobody knows: only the placeholder is looked for. */
static bool
is_unset(const struct line *line, struct slice raw)
{
	enum json_kind kind = json_kind_of(raw);

	if (kind == JSON_STRING) {
		struct slice text = json_text(raw, line->arena);
		return text.p && placeholder_is_text(&placeholder_default, text);
	}
	return (kind == JSON_ARRAY || kind == JSON_OBJECT) &&
	       placeholder_is_nested(&placeholder_default, raw);
}

static void
put_name(struct line *line, const struct json_walk *at, bool *first)
{
	if (!*first)
		buf_byte(line->out, ',');
	*first = false;
	buf_byte(line->out, '"');
	buf_slice(line->out, at->name);
	buf_cstr(line->out, "\":");
}

/* One member of a row; unset ones are left out and listed. */
static enum fate
put_member(
    struct line *line, const struct json_walk *at, bool list, bool *first, struct err *err)
{
	static const struct row_context context = { .placeholder = &placeholder_default };
	struct schema_field field;
	struct value value = { 0 };
	bool known = field_of(line, at, &field), unset = !known && is_unset(line, at->value);

	if (known) {
		if (row_value_read(&context, field.type, field.encoding, at->value, line->arena,
			&value, err) != FATE_DONE)
			return err_wrap(err, "column %.*s", SLICE_ARG(at->name));
		unset = value.state == VALUE_UNSET;
	}
	if (unset) {
		if (list)
			put_unset(line, at);
		return FATE_DONE;
	}
	put_name(line, at, first);
	line->untyped |= !known;
	if (!known)
		put_compact(line->out, at->value);
	else if (value.state == VALUE_NULL)
		buf_cstr(line->out, "null");
	else
		put_value(line->out, field.type, &value);
	return FATE_DONE;
}

/* Columns that the caller knows and the row lacks. */
static void
put_missing(struct line *line, struct slice row)
{
	for (size_t i = 0; i < line->types.count; i++) {
		struct slice name = slice_str(line->types.columns[i].name);

		if (json_member(row, name).p)
			continue;
		if (line->unset.len)
			buf_byte(&line->unset, ',');
		json_quote(&line->unset, name);
	}
}

static enum fate
put_row(struct line *line, struct slice row, bool list, struct err *err)
{
	struct json_walk walk;
	bool first = true;

	if (!row.p) {
		buf_cstr(line->out, "null");
		return FATE_DONE;
	}
	buf_byte(line->out, '{');
	walk = json_walk(row);
	while (json_next(&walk))
		if (put_member(line, &walk, list, &first, err) != FATE_DONE)
			return err->fate;
	buf_byte(line->out, '}');
	if (list)
		put_missing(line, row);
	return FATE_DONE;
}

/* A key is a row of its own, with a schema of its own. */
static enum fate
put_key(struct line *line, struct slice key, struct err *err)
{
	struct slice raw = key, schema, payload;
	enum fate fate = json_check(key, &raw, err);

	if (fate != FATE_DONE)
		return fate;
	line->fields = (struct slice){ 0 };
	if (json_kind_of(raw) == JSON_OBJECT) {
		schema = json_member(raw, SLICE("schema"));
		payload = json_member(raw, SLICE("payload"));
		if (schema.p && payload.p) {
			line->fields = schema_row_fields(schema);
			raw = payload;
		}
	}
	buf_cstr(line->out, "\"key\":");
	if (json_kind_of(raw) == JSON_OBJECT)
		fate = put_row(line, raw, false, err);
	else
		put_compact(line->out, raw);
	buf_byte(line->out, ',');
	return fate;
}

static enum fate
put_change(struct line *line, struct slice key, const struct change *change, struct err *err)
{
	enum fate fate = FATE_DONE;

	buf_printf(line->out, "{\"op\":\"%c\",", change->op);
	if (key.p)
		fate = put_key(line, key, err);
	line->fields = schema_row_fields(change->schema);
	buf_cstr(line->out, "\"before\":");
	if (fate == FATE_DONE)
		fate = put_row(line, change->before, change->op == 'd', err);
	buf_cstr(line->out, ",\"after\":");
	if (fate == FATE_DONE)
		fate = put_row(line, change->after, true, err);
	buf_printf(line->out, ",\"unset\":[%.*s],", SLICE_ARG(buf_view(&line->unset)));
	if (change->has_lsn)
		buf_printf(line->out, "\"lsn\":%lld", (long long)change->lsn);
	else
		buf_cstr(line->out, "\"lsn\":null");
	if (change->ts_ms)
		buf_printf(line->out, ",\"ts_ms\":%lld", (long long)change->ts_ms);
	else
		buf_cstr(line->out, ",\"ts_ms\":null");
	if (line->untyped)
		buf_cstr(line->out, ",\"typed\":false");
	buf_byte(line->out, '}');
	return fate;
}

void
describe_event(struct buf *out, struct slice key, struct slice value,
    struct describe_types types, struct arena *arena)
{
	struct line line = { .out = out, .types = types, .arena = arena };
	size_t start = out->len, mark = arena_mark(arena);
	struct change change;
	struct err err;
	enum fate fate = change_read(value, &change, &err);

	if (fate == FATE_DONE && change.kind == CHANGE_TOMBSTONE)
		buf_cstr(out, "{\"op\":null,\"kind\":\"tombstone\"}");
	else if (fate == FATE_DONE && !change.op)
		buf_cstr(out, "{\"op\":null,\"kind\":\"control\"}");
	else if (fate == FATE_DONE)
		fate = put_change(&line, key, &change, &err);
	if (fate != FATE_DONE) {
		out->len = start;
		describe_error(
		    out, "decode", err.code[0] ? err.code : fate_name(err.fate), err.what);
	}
	buf_finish(&line.unset);
	arena_rewind(arena, mark);
}
