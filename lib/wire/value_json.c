/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/must.h"
#include "wire/json.h"
#include "wire/scalar.h"
#include "wire/timestamp.h"
#include "wire/value.h"

/* Text that needs no escape, between quotes. */
static void
put_quoted(struct buf *out, struct pgtype type, const struct value *value)
{
	buf_byte(out, '"');
	if (type.kind == TYPE_TIMESTAMPTZ)
		timestamptz_print_rfc3339(out, value->i);
	else
		value_to_text(out, type, value);
	buf_byte(out, '"');
}

static void
put_number(struct buf *out, struct pgtype type, const struct value *value, bool finite)
{
	if (finite)
		value_to_text(out, type, value);
	else
		put_quoted(out, type, value);
}

/* \x and hex digits; the backslash is escaped. */
static void
put_bytea(struct buf *out, struct slice bytes)
{
	buf_cstr(out, "\"\\");
	bytea_print(out, bytes);
	buf_byte(out, '"');
}

void
value_to_json(struct buf *out, struct pgtype type, const struct value *value)
{
	must(value->state != VALUE_UNSET);
	if (value->state == VALUE_NULL) {
		buf_cstr(out, "null");
		return;
	}
	switch (type.kind) {
	case TYPE_BOOL: buf_cstr(out, value->b ? "true" : "false"); return;
	case TYPE_INT2:
	case TYPE_INT4:
	case TYPE_INT8: buf_i64(out, value->i); return;
	case TYPE_NUMERIC: put_number(out, type, value, decimal_is_finite(&value->d)); return;
	case TYPE_FLOAT4:
	case TYPE_FLOAT8: put_number(out, type, value, isfinite(value->f)); return;
	case TYPE_UUID:
	case TYPE_DATE:
	case TYPE_TIME:
	case TYPE_TIMESTAMP:
	case TYPE_TIMESTAMPTZ:
	case TYPE_INTERVAL: put_quoted(out, type, value); return;
	case TYPE_BYTEA: put_bytea(out, value->s); return;
	case TYPE_ARRAY: buf_slice(out, value->s); return;
	case TYPE_TEXT:
	case TYPE_VARCHAR:
	case TYPE_BPCHAR:
	case TYPE_NAME:
	case TYPE_JSON:
	case TYPE_JSONB:
	case TYPE_ENUM:
	case TYPE_INET:
	case TYPE_CIDR:
	case TYPE_MACADDR:
	case TYPE_OTHER: json_quote(out, value->s); return;
	}
	never("a type kind out of range");
}

static bool
is_number(enum type_kind kind)
{
	return kind == TYPE_INT2 || kind == TYPE_INT4 || kind == TYPE_INT8 ||
	       kind == TYPE_NUMERIC || kind == TYPE_FLOAT4 || kind == TYPE_FLOAT8;
}

static enum fate
refuse(struct pgtype type, struct slice json, struct err *err)
{
	struct buf name = { 0 };

	type_print(&name, type);
	(void)err_code(err, FATE_REJECT, "22P02", "%.60s does not hold the JSON value %.*s",
	    buf_str(&name), json.len > 80 ? 80 : (int)json.len, json.p);
	buf_finish(&name);
	return FATE_REJECT;
}

static enum fate
from_string(struct pgtype type, struct slice json, struct arena *arena, struct value *ret_value,
    struct err *err)
{
	struct slice text = json_text(json, arena);

	if (!text.p)
		return err_code(err, FATE_RETRY, "53200", "no room in the batch for a text");
	return value_from_text(type, text, arena, ret_value, err);
}

enum fate
value_from_record(struct pgtype type, struct slice json, struct arena *arena,
    struct value *ret_value, struct err *err)
{
	switch (json_kind_of(json)) {
	case JSON_NULL: *ret_value = (struct value){ .state = VALUE_NULL }; return FATE_DONE;
	case JSON_TRUE:
	case JSON_FALSE:
		if (type.kind != TYPE_BOOL)
			break;
		*ret_value = (struct value){ .state = VALUE_SET, .b = json.p[0] == 't' };
		return FATE_DONE;
	case JSON_NUMBER:
		if (!is_number(type.kind))
			break;
		return value_from_text(type, json, arena, ret_value, err);
	case JSON_STRING:
		if (type.kind == TYPE_ARRAY || type.kind == TYPE_BOOL)
			break;
		return from_string(type, json, arena, ret_value, err);
	case JSON_ARRAY:
		if (type.kind != TYPE_ARRAY)
			break;
		*ret_value = (struct value){ .state = VALUE_SET, .s = json };
		return FATE_DONE;
	case JSON_OBJECT: break;
	}
	return refuse(type, json, err);
}
