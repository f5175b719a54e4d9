/* SPDX-License-Identifier: Apache-2.0 */
#include "base/must.h"
#include "wire/json.h"
#include "wire/native_column.h"
#include "wire/native_text.h"

static enum fate
refuse(struct slice raw, const char *why, struct err *err)
{
	if (raw.len > 80)
		raw.len = 80;
	return err_set(err, FATE_REJECT, "%.*s %s", SLICE_ARG(raw), why);
}

static inline bool
is_number(struct slice raw)
{
	return raw.p[0] == '-' || (raw.p[0] >= '0' && raw.p[0] <= '9');
}

static inline bool
is_string(struct slice raw)
{
	return raw.p[0] == '"';
}

/* The text between the quotes; values of these types hold no escapes. */
static inline struct slice
inside(struct slice raw)
{
	return slice_of(raw.p + 1, raw.len - 2);
}

static enum fate
append_wide(struct native_column *column, struct slice raw, struct err *err)
{
	const struct native_type *type = column->type;
	bool decimal = type->kind == NATIVE_DECIMAL;
	unsigned char bytes[32];
	struct wide wide;
	const char *why = wide_parse(raw, decimal ? type->scale : 0, &wide);

	if (!why && (decimal ? wide.digits > type->precision
			     : !wide_fits(&wide, type->kind == NATIVE_INT, type->width)))
		why = "is out of range";
	if (why)
		return refuse(raw, why, err);
	wide_store(&wide, type->width, bytes);
	column_put(column, bytes, type->width);
	return FATE_DONE;
}

static const int64_t int_max[9] = {
	[1] = INT8_MAX, [2] = INT16_MAX, [4] = INT32_MAX, [8] = INT64_MAX
};

static enum fate
append_int(struct native_column *column, struct slice raw, struct err *err)
{
	const struct native_type *type = column->type;
	int64_t value, low, high;

	if (type->width == 1 && (raw.p[0] == 't' || raw.p[0] == 'f')) {
		value = raw.p[0] == 't';
		column_put(column, &value, 1);
		return FATE_DONE;
	}
	if (!is_number(raw))
		return refuse(raw, "is not a number", err);
	if (type->width > 8 || !small_parse(raw, 0, &value))
		return append_wide(column, raw, err);
	high = int_max[type->width];
	low = type->kind == NATIVE_INT ? -high - 1 : 0;
	if (type->kind == NATIVE_UINT)
		high = type->width == 8 ? INT64_MAX : high * 2 + 1;
	if (value < low || value > high)
		return refuse(raw, "is out of range", err);
	column_put(column, &value, type->width);
	return FATE_DONE;
}

static enum fate
append_decimal(struct native_column *column, struct slice raw, struct err *err)
{
	const struct native_type *type = column->type;
	unsigned char bytes[32];
	int64_t value;

	if (!is_number(raw))
		return refuse(raw, "is not a decimal number", err);
	if (type->scale > 18 || !small_parse(raw, type->scale, &value))
		return append_wide(column, raw, err);
	if (type->precision <= 18 &&
	    (value >= pow10_table[type->precision] || value <= -pow10_table[type->precision]))
		return refuse(raw, "is out of range", err);
	memcpy(bytes, &value, 8);
	memset(bytes + 8, value < 0 ? 0xff : 0, sizeof bytes - 8);
	column_put(column, bytes, type->width);
	return FATE_DONE;
}

static enum fate
append_float(struct native_column *column, struct slice raw, struct err *err)
{
	struct slice text = is_string(raw) ? inside(raw) : raw;
	double wide;
	float narrow;

	if (!is_number(raw) && !slice_eq(text, SLICE("NaN")) &&
	    !slice_eq(text, SLICE("Infinity")) && !slice_eq(text, SLICE("-Infinity")))
		return refuse(raw, "is not a number", err);
	if (column->type->width == 8) {
		if (!float_parse(text, &wide) || (is_number(raw) && __builtin_isinf(wide)))
			return refuse(raw, "is out of range", err);
		column_put(column, &wide, sizeof wide);
		return FATE_DONE;
	}
	if (!float32_parse(text, &narrow) || (is_number(raw) && __builtin_isinf(narrow)))
		return refuse(raw, "is out of range", err);
	column_put(column, &narrow, sizeof narrow);
	return FATE_DONE;
}

static enum fate
append_bool(struct native_column *column, struct slice raw, struct err *err)
{
	bool is_true = slice_eq(raw, SLICE("true")) || slice_eq(raw, SLICE("1"));

	if (!is_true && !slice_eq(raw, SLICE("false")) && !slice_eq(raw, SLICE("0")))
		return refuse(raw, "is not true or false", err);
	column_put(column, &is_true, 1);
	return FATE_DONE;
}

/* Strings by their text, anything else as the JSON stands. */
static enum fate
append_text(struct native_column *column, struct slice raw)
{
	if (is_string(raw))
		text_unescape(&column->data, raw); /* json and jsonb travel so too */
	else
		buf_slice(&column->data, raw);
	column_text_done(column);
	return FATE_DONE;
}

static enum fate
append_fixed_string(struct native_column *column, struct slice raw, struct err *err)
{
	size_t start = column->data.len, width = column->type->width, len;

	if (is_string(raw))
		text_unescape(&column->data, raw);
	else
		buf_slice(&column->data, raw);
	len = column->data.len - start;
	if (len > width) {
		column->data.len = start;
		return refuse(raw, "is too long", err);
	}
	buf_grow(&column->data, width - len);
	memset(column->data.p + start + len, 0, width - len);
	column->data.len = start + width;
	column_row_done(column);
	return FATE_DONE;
}

static enum fate
append_uuid(struct native_column *column, struct slice raw, struct err *err)
{
	unsigned char uuid[16];

	if (!is_string(raw) || !native_uuid_parse(inside(raw), uuid))
		return refuse(raw, "is not a UUID", err);
	column_put(column, uuid, sizeof uuid);
	return FATE_DONE;
}

enum {
	DATE_DAYS_MAX = 65535,
	DATE32_DAYS_MIN = -25567, /* 1900-01-01 */
	DATE32_DAYS_MAX = 120529, /* 2299-12-31 */
};

static enum fate
append_date(struct native_column *column, struct slice raw, struct err *err)
{
	bool wide = column->type->kind == NATIVE_DATE32;
	int64_t days;

	if (!is_string(raw) || !day_parse(inside(raw), &days))
		return refuse(raw, "is not a date that fits", err);
	if (wide ? days < DATE32_DAYS_MIN || days > DATE32_DAYS_MAX
		 : days < 0 || days > DATE_DAYS_MAX)
		return refuse(raw, "is out of range", err);
	column_put(column, &days, column->type->width);
	return FATE_DONE;
}

static enum fate
append_moment(struct native_column *column, struct slice raw, struct err *err)
{
	const struct native_type *type = column->type;
	int64_t seconds, ticks;
	uint32_t ns;

	if (!is_string(raw) || !moment_parse(inside(raw), &seconds, &ns))
		return refuse(raw, "is not a time that fits", err);
	if (type->kind == NATIVE_DATETIME) {
		if (seconds < 0 || seconds > UINT32_MAX)
			return refuse(raw, "is out of range", err);
		column_put(column, &seconds, 4);
		return FATE_DONE;
	}
	if (seconds < (int64_t)DATE32_DAYS_MIN * 86400 ||
	    seconds >= (int64_t)(DATE32_DAYS_MAX + 1) * 86400 ||
	    __builtin_mul_overflow(seconds, pow10_table[type->precision], &ticks) ||
	    __builtin_add_overflow(
		ticks, (int64_t)ns / pow10_table[9 - type->precision], &ticks))
		return refuse(raw, "is out of range", err);
	column_put(column, &ticks, sizeof ticks);
	return FATE_DONE;
}

static enum fate
append_enum(struct native_column *column, struct slice raw, struct err *err)
{
	const struct native_type *type = column->type;
	struct buf text = { 0 };
	size_t i = type->item_count;

	if (is_string(raw)) {
		text_unescape(&text, raw);
		for (i = 0; i < type->item_count; i++)
			if (slice_eq(type->items[i].name, buf_view(&text)))
				break;
		buf_finish(&text);
	}
	if (i == type->item_count)
		return refuse(raw, "is not a label of the enum", err);
	column_put(column, &type->items[i].value, type->width);
	return FATE_DONE;
}

static enum fate
append_address(struct native_column *column, struct slice raw, struct err *err)
{
	unsigned char bytes[16];
	bool v4 = column->type->kind == NATIVE_IPV4;

	if (!is_string(raw) ||
	    !(v4 ? ipv4_parse(inside(raw), bytes) : ipv6_parse(inside(raw), bytes)))
		return refuse(raw, "is not an address", err);
	column_put(column, bytes, column->type->width);
	return FATE_DONE;
}

/* Elements of an array, or names and values of an object; taken back on refusal. */
static enum fate
append_elements(struct native_column *column, struct slice raw, struct err *err)
{
	size_t rows = column->elem->rows;
	struct json_walk walk = json_walk(raw);
	enum fate fate = FATE_DONE;

	while (fate == FATE_DONE && json_next(&walk)) {
		if (column->key) /* the name with its quotes around it */
			fate = native_append(
			    column->key, slice_of(walk.name.p - 1, walk.name.len + 2), err);
		if (fate == FATE_DONE)
			fate = native_append(column->elem, walk.value, err);
	}
	if (fate != FATE_DONE) {
		if (column->key)
			column_truncate(column->key, rows);
		column_truncate(column->elem, rows);
		return fate;
	}
	column_list_done(column);
	return FATE_DONE;
}

/* json, jsonb and hstore travel as a string that holds the text. */
static enum fate
append_list(struct native_column *column, struct slice raw, struct err *err)
{
	char open = column->type->kind == NATIVE_MAP ? '{' : '[';
	struct buf text = { 0 };
	struct slice inner;
	enum fate fate;

	if (raw.p[0] == open)
		return append_elements(column, raw, err);
	if (!is_string(raw))
		return refuse(raw, "is not an array or object", err);
	text_unescape(&text, raw);
	fate = json_check(buf_view(&text), &inner, err);
	if (fate == FATE_DONE)
		fate = inner.p[0] == open ? append_elements(column, inner, err)
					  : refuse(raw, "is not an array or object", err);
	buf_finish(&text);
	return fate;
}

static enum fate
append_null(struct native_column *column, struct err *err)
{
	if (!column->type->nullable)
		return err_set(err, FATE_REJECT, "null where the column takes none");
	native_append_default(column);
	return FATE_DONE;
}

enum fate
native_append(struct native_column *column, struct slice raw, struct err *err)
{
	if (raw.p[0] == 'n')
		return append_null(column, err);
	if (column->type->low) {
		enum fate fate = native_append(column->elem, raw, err);

		if (fate == FATE_DONE)
			low_append(column);
		return fate;
	}
	switch (column->type->kind) {
	case NATIVE_INT:
	case NATIVE_UINT: return append_int(column, raw, err);
	case NATIVE_FLOAT: return append_float(column, raw, err);
	case NATIVE_BOOL: return append_bool(column, raw, err);
	case NATIVE_STRING:
	case NATIVE_JSON: return append_text(column, raw);
	case NATIVE_FIXED: return append_fixed_string(column, raw, err);
	case NATIVE_UUID: return append_uuid(column, raw, err);
	case NATIVE_DATE:
	case NATIVE_DATE32: return append_date(column, raw, err);
	case NATIVE_DATETIME:
	case NATIVE_DATETIME64: return append_moment(column, raw, err);
	case NATIVE_DECIMAL: return append_decimal(column, raw, err);
	case NATIVE_ENUM: return append_enum(column, raw, err);
	case NATIVE_IPV4:
	case NATIVE_IPV6: return append_address(column, raw, err);
	case NATIVE_ARRAY:
	case NATIVE_MAP: return append_list(column, raw, err);
	}
	never("kind");
}
