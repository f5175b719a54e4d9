/* SPDX-License-Identifier: Apache-2.0 */
#include "base/must.h"
#include "wire/array_text.h"
#include "wire/float_text.h"
#include "wire/scalar.h"
#include "wire/timestamp.h"
#include "wire/value.h"

static enum fate
float_from_text(enum type_kind kind, struct slice text, double *ret, struct err *err)
{
	float single;
	enum fate fate;

	if (kind == TYPE_FLOAT8)
		return float8_parse(text, ret, err);
	fate = float4_parse(text, &single, err);
	if (fate == FATE_DONE)
		*ret = (double)single;
	return fate;
}

/* Into v's union, by the type alone. */
static enum fate
read_text(struct pgtype type, struct slice text, struct arena *arena, struct value *v,
    struct err *err)
{
	switch (type.kind) {
	case TYPE_BOOL: return bool_parse(text, &v->b, err);
	case TYPE_INT2: return int_parse(text, 2, &v->i, err);
	case TYPE_INT4: return int_parse(text, 4, &v->i, err);
	case TYPE_INT8: return int_parse(text, 8, &v->i, err);
	case TYPE_NUMERIC: return decimal_parse(text, arena, &v->d, err);
	case TYPE_FLOAT4:
	case TYPE_FLOAT8: return float_from_text(type.kind, text, &v->f, err);
	case TYPE_UUID: return uuid_parse(text, v->uuid, err);
	case TYPE_DATE: return date_parse(text, &v->i, err);
	case TYPE_TIME: return time_parse(text, &v->i, err);
	case TYPE_TIMESTAMP: return timestamp_parse(text, &v->i, err);
	case TYPE_TIMESTAMPTZ: return timestamptz_parse(text, &v->i, err);
	case TYPE_INTERVAL: return interval_parse(text, &v->iv, err);
	case TYPE_BYTEA: return bytea_parse(text, arena, &v->s, err);
	case TYPE_ARRAY: return array_from_text(type, text, arena, &v->s, err);
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
	case TYPE_OTHER: v->s = text; return FATE_DONE;
	}
	never("a type kind out of range");
}

enum fate
value_from_text(struct pgtype type, struct slice text, struct arena *arena,
    struct value *ret_value, struct err *err)
{
	struct value v = { .state = VALUE_SET };
	/* An empty slice may have no address, which the parsers would count from. */
	enum fate fate = read_text(type, text.len ? text : SLICE(""), arena, &v, err);

	if (fate == FATE_DONE)
		*ret_value = v;
	return fate;
}

void
value_to_text(struct buf *out, struct pgtype type, const struct value *value)
{
	must(value->state == VALUE_SET);
	switch (type.kind) {
	case TYPE_BOOL: buf_byte(out, value->b ? 't' : 'f'); return;
	case TYPE_INT2:
	case TYPE_INT4:
	case TYPE_INT8: buf_i64(out, value->i); return;
	case TYPE_NUMERIC: decimal_print(out, &value->d); return;
	case TYPE_FLOAT4: float4_print(out, (float)value->f); return;
	case TYPE_FLOAT8: float8_print(out, value->f); return;
	case TYPE_UUID: uuid_print(out, value->uuid); return;
	case TYPE_DATE: date_print(out, value->i); return;
	case TYPE_TIME: time_print(out, value->i); return;
	case TYPE_TIMESTAMP: timestamp_print(out, value->i); return;
	case TYPE_TIMESTAMPTZ: timestamptz_print(out, value->i); return;
	case TYPE_INTERVAL: interval_print(out, value->iv); return;
	case TYPE_BYTEA: bytea_print(out, value->s); return;
	case TYPE_ARRAY: array_to_text(out, type, value->s); return;
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
	case TYPE_OTHER: buf_slice(out, value->s); return;
	}
	never("a type kind out of range");
}
