/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/row_value.h"

#include "wire/base64.h"
#include "wire/json.h"

enum { OID_BIT = 1560, OID_POINT = 600 };

enum fate
row_value_wrong(struct pgtype type, struct slice raw, struct err *err)
{
	struct buf name = { 0 };
	enum fate fate;

	type_print(&name, type);
	fate = err_set(err, FATE_REJECT, "%.*s%s cannot be a value of type %s",
	    raw.len > 60 ? 60 : (int)raw.len, raw.p, raw.len > 60 ? "..." : "", buf_str(&name));
	buf_finish(&name);
	return fate;
}

static enum fate
arena_full(struct err *err)
{
	return err_code(err, FATE_RETRY, "53200", "the batch's memory is full");
}

/* --- bytes --- */

static enum fate
read_base64(struct slice text, struct arena *arena, struct slice *ret_bytes, struct err *err)
{
	unsigned char *bytes = arena_alloc(arena, base64_room(text.len));
	size_t len;

	if (!bytes)
		return arena_full(err);
	if (!base64_decode(text, bytes, &len))
		return err_code(err, FATE_REJECT, "22P02", "not base64: %.*s",
		    text.len > 60 ? 60 : (int)text.len, text.p);
	*ret_bytes = slice_of((const char *)bytes, len);
	return FATE_DONE;
}

/* hex mode, and what Postgres prints: with \x before the digits. */
static enum fate
read_hex(struct slice text, struct arena *arena, struct value *ret_value, struct err *err)
{
	const struct pgtype bytea = { .kind = TYPE_BYTEA, .typmod = -1 };
	char *prefixed;

	if (text.len >= 2 && text.p[0] == '\\')
		return value_from_text(bytea, text, arena, ret_value, err);
	prefixed = arena_alloc(arena, text.len + 2);
	if (!prefixed)
		return arena_full(err);
	memcpy(prefixed, "\\x", 2);
	if (text.len)
		memcpy(prefixed + 2, text.p, text.len);
	return value_from_text(bytea, slice_of(prefixed, text.len + 2), arena, ret_value, err);
}

static enum fate
read_bytea(const struct row_context *context, struct encoding encoding, struct slice text,
    struct arena *arena, struct value *ret_value, struct err *err)
{
	struct slice bytes;
	enum fate fate;

	if ((encoding.kind != ENCODING_BYTES && context->binary == BINARY_HEX) ||
	    (text.len >= 2 && text.p[0] == '\\'))
		return read_hex(text, arena, ret_value, err);
	fate = read_base64(text, arena, &bytes, err);
	if (fate == FATE_DONE)
		*ret_value = (struct value){ .state = VALUE_SET, .s = bytes };
	return fate;
}

/* bit(n): the bytes are little-endian and lack their zero end. */
static enum fate
read_bits(struct slice text, int32_t length, struct arena *arena, struct value *ret_value,
    struct err *err)
{
	struct slice bytes;
	enum fate fate = read_base64(text, arena, &bytes, err);
	char *digits;

	if (fate != FATE_DONE)
		return fate;
	digits = arena_alloc(arena, (size_t)length + 1);
	if (!digits)
		return arena_full(err);
	for (size_t i = 0; i < (size_t)length; i++) {
		size_t bit = (size_t)length - 1 - i;
		unsigned byte = bit / 8 < bytes.len ? (unsigned char)bytes.p[bit / 8] : 0;
		digits[i] = (char)('0' + (byte >> bit % 8 & 1));
	}
	*ret_value =
	    (struct value){ .state = VALUE_SET, .s = slice_of(digits, (size_t)length) };
	return FATE_DONE;
}

/* --- numbers --- */

static enum fate
read_unscaled(struct slice text, int64_t scale, struct arena *arena, struct value *ret_value,
    struct err *err)
{
	struct slice bytes;
	enum fate fate;

	if (scale < 0 || scale > DECIMAL_SCALE_MAX)
		return err_code(
		    err, FATE_REJECT, "22003", "scale %lld is out of range", (long long)scale);
	fate = read_base64(text, arena, &bytes, err);
	if (fate != FATE_DONE)
		return fate;
	ret_value->state = VALUE_SET;
	return decimal_from_bytes(bytes, (uint32_t)scale, arena, &ret_value->d, err);
}

/* {"scale":2,"value":"base64"}, io.debezium.data.VariableScaleDecimal. */
static enum fate
read_variable_scale(const struct row_context *context, struct pgtype type, struct slice raw,
    struct arena *arena, struct value *ret_value, struct err *err)
{
	struct slice scale = json_member(raw, SLICE("scale"));
	struct slice value = json_member(raw, SLICE("value"));
	int64_t digits;

	if (!scale.p || !value.p || json_kind_of(value) != JSON_STRING ||
	    !slice_i64(scale, &digits))
		return row_value_wrong(type, raw, err);
	value = json_inner(value);
	if (slice_eq(value, context->placeholder->base64)) {
		ret_value->state = VALUE_UNSET;
		return FATE_DONE;
	}
	return read_unscaled(value, digits, arena, ret_value, err);
}

/* double mode drops the zeros that numeric(p,s) shows. */
static enum fate
apply_typmod(struct pgtype type, enum fate fate, struct arena *arena, struct value *ret_value,
    struct err *err)
{
	if (fate != FATE_DONE || ret_value->state != VALUE_SET)
		return fate;
	return decimal_apply_typmod(&ret_value->d, type.typmod, arena, &ret_value->d, err);
}

/* decimal.handling.mode=string spells special values in its own way. Without a
 * schema base64 cannot be told from digits, so it is never tried. */
static enum fate
read_numeric_text(struct pgtype type, struct encoding encoding, struct slice text,
    struct arena *arena, struct value *ret_value, struct err *err)
{
	if (encoding.kind == ENCODING_DECIMAL && encoding.param >= 0)
		return read_unscaled(text, encoding.param, arena, ret_value, err);
	if (slice_eq(text, SLICE("NAN")))
		text = SLICE("NaN");
	else if (slice_eq(text, SLICE("POSITIVE_INFINITY")))
		text = SLICE("Infinity");
	else if (slice_eq(text, SLICE("NEGATIVE_INFINITY")))
		text = SLICE("-Infinity");
	return value_from_text(type, text, arena, ret_value, err);
}

static enum fate
read_integer(struct pgtype type, struct slice text, struct arena *arena,
    struct value *ret_value, struct err *err)
{
	int64_t i;

	/* anything else than plain digits in range gets Postgres' words */
	if (!slice_i64(text, &i) || (type.kind == TYPE_INT2 && i != (int16_t)i) ||
	    (type.kind == TYPE_INT4 && i != (int32_t)i))
		return value_from_text(type, text, arena, ret_value, err);
	*ret_value = (struct value){ .state = VALUE_SET, .i = i };
	return FATE_DONE;
}

static enum fate
read_number(struct pgtype type, struct encoding encoding, struct slice raw, struct arena *arena,
    struct value *ret_value, struct err *err)
{
	switch (type.kind) {
	case TYPE_INT2:
	case TYPE_INT4:
	case TYPE_INT8: return read_integer(type, raw, arena, ret_value, err);
	case TYPE_NUMERIC:
		return apply_typmod(type, value_from_text(type, raw, arena, ret_value, err),
		    arena, ret_value, err);
	case TYPE_FLOAT4:
	case TYPE_FLOAT8: return value_from_text(type, raw, arena, ret_value, err);
	case TYPE_DATE:
	case TYPE_TIME:
	case TYPE_TIMESTAMP:
	case TYPE_INTERVAL: return row_time_read(type, encoding, raw, ret_value, err);
	case TYPE_OTHER:
	case TYPE_JSON:
	case TYPE_JSONB:
		*ret_value = (struct value){ .state = VALUE_SET, .s = raw };
		return FATE_DONE;
	case TYPE_BOOL:
	case TYPE_TEXT:
	case TYPE_VARCHAR:
	case TYPE_BPCHAR:
	case TYPE_NAME:
	case TYPE_UUID:
	case TYPE_TIMESTAMPTZ:
	case TYPE_BYTEA:
	case TYPE_ENUM:
	case TYPE_INET:
	case TYPE_CIDR:
	case TYPE_MACADDR:
	case TYPE_ARRAY: break;
	}
	return row_value_wrong(type, raw, err);
}

/* --- strings --- */

static enum fate
read_carried_text(struct slice text, struct value *ret_value, struct err *err)
{
	if (text.len && memchr(text.p, '\0', text.len))
		return err_code(err, FATE_REJECT, "22021",
		    "invalid byte sequence for encoding \"UTF8\": 0x00");
	*ret_value = (struct value){ .state = VALUE_SET, .s = text };
	return FATE_DONE;
}

/* isostring mode writes a Z behind dates and times, which have no zone. */
static struct slice
without_z(struct slice text)
{
	if (text.len && text.p[text.len - 1] == 'Z')
		text.len--;
	return text;
}

static enum fate
read_other_text(struct pgtype type, struct encoding encoding, struct slice text,
    struct arena *arena, struct value *ret_value, struct err *err)
{
	int32_t length = encoding.kind == ENCODING_BITS ? encoding.param
			 : type.oid == OID_BIT          ? type.typmod
							: -1;

	if (length > 0 && length < 1 << 20 && (type.oid == OID_BIT || type.oid == 0))
		return read_bits(text, length, arena, ret_value, err);
	return read_carried_text(text, ret_value, err);
}

static enum fate
read_string(const struct row_context *context, struct pgtype type, struct encoding encoding,
    struct slice raw, struct arena *arena, struct value *ret_value, struct err *err)
{
	struct slice text = json_text(raw, arena);

	if (!text.p)
		return arena_full(err);
	if (placeholder_is_text(context->placeholder, text)) {
		ret_value->state = VALUE_UNSET;
		return FATE_DONE;
	}
	switch (type.kind) {
	case TYPE_INT2:
	case TYPE_INT4:
	case TYPE_INT8: return read_integer(type, text, arena, ret_value, err);
	case TYPE_NUMERIC:
		return apply_typmod(type,
		    read_numeric_text(type, encoding, text, arena, ret_value, err), arena,
		    ret_value, err);
	case TYPE_DATE:
	case TYPE_TIME: return value_from_text(type, without_z(text), arena, ret_value, err);
	case TYPE_BYTEA: return read_bytea(context, encoding, text, arena, ret_value, err);
	case TYPE_OTHER: return read_other_text(type, encoding, text, arena, ret_value, err);
	case TYPE_BOOL:
	case TYPE_FLOAT4:
	case TYPE_FLOAT8:
	case TYPE_UUID:
	case TYPE_TIMESTAMP:
	case TYPE_TIMESTAMPTZ:
	case TYPE_INTERVAL: return value_from_text(type, text, arena, ret_value, err);
	case TYPE_TEXT:
	case TYPE_VARCHAR:
	case TYPE_BPCHAR:
	case TYPE_NAME:
	case TYPE_JSON:
	case TYPE_JSONB:
	case TYPE_ENUM:
	case TYPE_INET:
	case TYPE_CIDR:
	case TYPE_MACADDR: return read_carried_text(text, ret_value, err);
	case TYPE_ARRAY: break;
	}
	return row_value_wrong(type, raw, err);
}

/* --- the rest --- */

static enum fate
read_bool(struct pgtype type, struct slice raw, struct value *ret_value, struct err *err)
{
	bool yes = raw.p[0] == 't';

	*ret_value = (struct value){ .state = VALUE_SET };
	if (type.kind == TYPE_BOOL)
		ret_value->b = yes;
	else if (type.kind == TYPE_OTHER && type.oid == OID_BIT)
		ret_value->s = yes ? SLICE("1") : SLICE("0");
	else if (type.kind == TYPE_OTHER || type.kind == TYPE_JSON || type.kind == TYPE_JSONB)
		ret_value->s = raw;
	else
		return row_value_wrong(type, raw, err);
	return FATE_DONE;
}

/* {"x":1.0,"y":2.0,...} -> (1,2) */
static enum fate
read_point(struct pgtype type, struct slice raw, struct arena *arena, struct value *ret_value,
    struct err *err)
{
	const struct pgtype float8 = { .kind = TYPE_FLOAT8, .typmod = -1 };
	struct slice x = json_member(raw, SLICE("x")), y = json_member(raw, SLICE("y"));
	struct buf out = { 0 };
	struct value at[2];
	enum fate fate;

	if (!x.p || !y.p || json_kind_of(x) != JSON_NUMBER || json_kind_of(y) != JSON_NUMBER)
		return row_value_wrong(type, raw, err);
	fate = value_from_text(float8, x, arena, &at[0], err);
	if (fate == FATE_DONE)
		fate = value_from_text(float8, y, arena, &at[1], err);
	if (fate != FATE_DONE)
		return fate;
	buf_byte(&out, '(');
	value_to_text(&out, float8, &at[0]);
	buf_byte(&out, ',');
	value_to_text(&out, float8, &at[1]);
	buf_byte(&out, ')');
	*ret_value =
	    (struct value){ .state = VALUE_SET, .s = arena_copy(arena, buf_view(&out)) };
	buf_finish(&out);
	return ret_value->s.p ? FATE_DONE : arena_full(err);
}

static enum fate
read_nested(const struct row_context *context, struct pgtype type, struct encoding encoding,
    struct slice raw, struct arena *arena, struct value *ret_value, struct err *err)
{
	if (placeholder_is_nested(context->placeholder, raw)) {
		ret_value->state = VALUE_UNSET;
		return FATE_DONE;
	}
	if (type.kind == TYPE_ARRAY && raw.p[0] == '[') {
		*ret_value = (struct value){ .state = VALUE_SET, .s = raw };
		return FATE_DONE;
	}
	if (raw.p[0] == '{') {
		if (type.kind == TYPE_NUMERIC)
			return apply_typmod(type,
			    read_variable_scale(context, type, raw, arena, ret_value, err),
			    arena, ret_value, err);
		if (type.oid == OID_POINT)
			return read_point(type, raw, arena, ret_value, err);
		if (type.kind == TYPE_DATE || type.kind == TYPE_TIME ||
		    type.kind == TYPE_TIMESTAMP || type.kind == TYPE_TIMESTAMPTZ ||
		    type.kind == TYPE_INTERVAL)
			return row_time_read(type, encoding, raw, ret_value, err);
	}
	if (type.kind != TYPE_OTHER && type.kind != TYPE_JSON && type.kind != TYPE_JSONB)
		return row_value_wrong(type, raw, err);
	*ret_value = (struct value){ .state = VALUE_SET, .s = raw };
	return FATE_DONE;
}

enum fate
row_value_read(const struct row_context *context, struct pgtype type, struct encoding encoding,
    struct slice raw, struct arena *arena, struct value *ret_value, struct err *err)
{
	switch (json_kind_of(raw)) {
	case JSON_NULL: ret_value->state = VALUE_NULL; return FATE_DONE;
	case JSON_TRUE:
	case JSON_FALSE: return read_bool(type, raw, ret_value, err);
	case JSON_NUMBER: return read_number(type, encoding, raw, arena, ret_value, err);
	case JSON_STRING:
		return read_string(context, type, encoding, raw, arena, ret_value, err);
	case JSON_ARRAY:
	case JSON_OBJECT:
		return read_nested(context, type, encoding, raw, arena, ret_value, err);
	}
	never("unknown kind of JSON");
}
