/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/must.h"
#include "wire/native.h"

enum { TYPE_DEPTH_MAX = 32 };

struct scan {
	const char *at, *end;
	unsigned depth;
};

static const struct {
	const char *name;
	enum native_kind kind;
	uint32_t width;
} plain_types[] = {
	{ "Int8", NATIVE_INT, 1 },
	{ "Int16", NATIVE_INT, 2 },
	{ "Int32", NATIVE_INT, 4 },
	{ "Int64", NATIVE_INT, 8 },
	{ "Int128", NATIVE_INT, 16 },
	{ "Int256", NATIVE_INT, 32 },
	{ "UInt8", NATIVE_UINT, 1 },
	{ "UInt16", NATIVE_UINT, 2 },
	{ "UInt32", NATIVE_UINT, 4 },
	{ "UInt64", NATIVE_UINT, 8 },
	{ "UInt128", NATIVE_UINT, 16 },
	{ "UInt256", NATIVE_UINT, 32 },
	{ "Float32", NATIVE_FLOAT, 4 },
	{ "Float64", NATIVE_FLOAT, 8 },
	{ "Bool", NATIVE_BOOL, 1 },
	{ "String", NATIVE_STRING, 0 },
	{ "UUID", NATIVE_UUID, 16 },
	{ "Date", NATIVE_DATE, 2 },
	{ "Date32", NATIVE_DATE32, 4 },
	{ "DateTime", NATIVE_DATETIME, 4 },
	{ "DateTime64", NATIVE_DATETIME64, 8 },
	{ "FixedString", NATIVE_FIXED, 0 },
	{ "Decimal", NATIVE_DECIMAL, 0 },
	{ "Enum8", NATIVE_ENUM, 1 },
	{ "Enum16", NATIVE_ENUM, 2 },
	{ "IPv4", NATIVE_IPV4, 4 },
	{ "IPv6", NATIVE_IPV6, 16 },
	{ "Array", NATIVE_ARRAY, 0 },
	{ "Map", NATIVE_MAP, 0 },
	{ "JSON", NATIVE_JSON, 0 },
};

static bool parse_type(struct scan *scan, struct native_type *type);

static void
skip_blanks(struct scan *scan)
{
	while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\n'))
		scan->at++;
}

static bool
take(struct scan *scan, char c)
{
	skip_blanks(scan);
	if (scan->at == scan->end || *scan->at != c)
		return false;
	scan->at++;
	return true;
}

static struct slice
take_word(struct scan *scan)
{
	const char *start;

	skip_blanks(scan);
	start = scan->at;
	while (
	    scan->at < scan->end &&
	    ((*scan->at >= 'a' && *scan->at <= 'z') || (*scan->at >= 'A' && *scan->at <= 'Z') ||
		(*scan->at >= '0' && *scan->at <= '9') || *scan->at == '_' || *scan->at == '-'))
		scan->at++;
	return slice_of(start, (size_t)(scan->at - start));
}

static bool
take_number(struct scan *scan, int64_t low, int64_t high, int64_t *ret_value)
{
	return slice_i64(take_word(scan), ret_value) && *ret_value >= low && *ret_value <= high;
}

/* 'text' with \' \\ or '' inside; p is on the heap. */
static bool
take_quoted(struct scan *scan, struct slice *ret_text)
{
	struct buf out = { 0 };

	if (!take(scan, '\''))
		return false;
	buf_grow(&out, 1);
	while (scan->at < scan->end) {
		char c = *scan->at++;

		if (c == '\'' && (scan->at == scan->end || *scan->at != '\'')) {
			*ret_text = buf_view(&out);
			return true;
		}
		if ((c == '\\' || c == '\'') && scan->at < scan->end)
			c = *scan->at++;
		buf_byte(&out, c);
	}
	buf_finish(&out);
	return false;
}

static bool
parse_enum(struct scan *scan, struct native_type *type)
{
	int64_t limit = type->width == 1 ? INT8_MAX : INT16_MAX, value;

	if (!take(scan, '('))
		return false;
	do {
		struct slice name;

		if (!take_quoted(scan, &name))
			return false;
		type->items =
		    realloc(type->items, (type->item_count + 1) * sizeof *type->items);
		must(type->items);
		type->items[type->item_count++] = (struct native_enum){ .name = name };
		if (!take(scan, '=') || !take_number(scan, -limit - 1, limit, &value))
			return false;
		type->items[type->item_count - 1].value = (int16_t)value;
	} while (take(scan, ','));
	return take(scan, ')');
}

static bool
parse_decimal(struct scan *scan, struct native_type *type)
{
	int64_t precision, scale = 0;

	if (!take(scan, '(') || !take_number(scan, 1, 76, &precision))
		return false;
	if (take(scan, ',') && !take_number(scan, 0, precision, &scale))
		return false;
	type->precision = (uint32_t)precision;
	type->scale = (uint32_t)scale;
	type->width = precision <= 9 ? 4 : precision <= 18 ? 8 : precision <= 38 ? 16 : 32;
	return take(scan, ')');
}

/* DateTime64(3) or (3, 'UTC'); DateTime or DateTime('UTC'). The zone is how a
 * column is shown; what is stored counts from 1970 UTC. */
static bool
parse_time(struct scan *scan, struct native_type *type)
{
	struct slice zone;
	int64_t precision = 3;
	bool more = true;

	if (!take(scan, '('))
		return true;
	if (type->kind == NATIVE_DATETIME64) {
		if (!take_number(scan, 0, 9, &precision))
			return false;
		more = take(scan, ',');
	}
	type->precision = (uint32_t)precision;
	if (more) {
		if (!take_quoted(scan, &zone))
			return false;
		free((void *)(uintptr_t)zone.p);
	}
	return take(scan, ')');
}

static bool
parse_fixed(struct scan *scan, struct native_type *type)
{
	int64_t width;

	if (!take(scan, '(') || !take_number(scan, 1, 1 << 20, &width))
		return false;
	type->width = (uint32_t)width;
	return take(scan, ')');
}

static struct native_type *
parse_inner(struct scan *scan)
{
	struct native_type *type = calloc(1, sizeof *type);

	must(type);
	if (parse_type(scan, type))
		return type;
	native_type_free(type);
	return NULL;
}

static bool
parse_elements(struct scan *scan, struct native_type *type)
{
	if (!take(scan, '('))
		return false;
	if (type->kind == NATIVE_MAP) {
		type->key = parse_inner(scan);
		if (!type->key || type->key->nullable || !take(scan, ','))
			return false;
	}
	type->elem = parse_inner(scan);
	return type->elem && take(scan, ')');
}

/* JSON or JSON(hints): the hints are the server's business. */
static bool
parse_json(struct scan *scan)
{
	int depth = 0;

	if (!take(scan, '('))
		return true;
	for (depth = 1; scan->at < scan->end && depth > 0; scan->at++)
		depth += *scan->at == '(' ? 1 : *scan->at == ')' ? -1 : 0;
	return depth == 0;
}

static bool
parse_arguments(struct scan *scan, struct native_type *type)
{
	switch (type->kind) {
	case NATIVE_ENUM: return parse_enum(scan, type);
	case NATIVE_DECIMAL: return parse_decimal(scan, type);
	case NATIVE_DATETIME:
	case NATIVE_DATETIME64: return parse_time(scan, type);
	case NATIVE_FIXED: return parse_fixed(scan, type);
	case NATIVE_ARRAY:
	case NATIVE_MAP: return parse_elements(scan, type);
	case NATIVE_JSON: return parse_json(scan);
	case NATIVE_INT:
	case NATIVE_UINT:
	case NATIVE_FLOAT:
	case NATIVE_BOOL:
	case NATIVE_STRING:
	case NATIVE_UUID:
	case NATIVE_DATE:
	case NATIVE_DATE32:
	case NATIVE_IPV4:
	case NATIVE_IPV6: return true;
	}
	never("kind");
}

static bool
parse_nested(struct scan *scan, struct native_type *type)
{
	struct slice word = take_word(scan);
	bool low = slice_eq(word, SLICE("LowCardinality"));

	if (low || slice_eq(word, SLICE("Nullable"))) {
		if (type->nullable || (low && type->low))
			return false;
		if (!take(scan, '(') || !parse_type(scan, type) || !take(scan, ')'))
			return false;
		if (low)
			return type->low = type->kind != NATIVE_ARRAY &&
					   type->kind != NATIVE_MAP &&
					   type->kind != NATIVE_JSON;
		if (type->nullable || type->low)
			return false;
		return type->nullable = type->kind != NATIVE_ARRAY && type->kind != NATIVE_MAP;
	}
	for (size_t i = 0; i < sizeof plain_types / sizeof plain_types[0]; i++) {
		if (!slice_eq(word, slice_str(plain_types[i].name)))
			continue;
		type->kind = plain_types[i].kind;
		type->width = plain_types[i].width;
		return parse_arguments(scan, type);
	}
	return false;
}

static bool
parse_type(struct scan *scan, struct native_type *type)
{
	bool ok;

	if (scan->depth == TYPE_DEPTH_MAX)
		return false;
	scan->depth++;
	ok = parse_nested(scan, type);
	scan->depth--;
	return ok;
}

enum fate
native_type_parse(struct slice text, struct native_type **ret_type, struct err *err)
{
	struct scan scan = { text.p, text.p + text.len, 0 };
	struct native_type *type = parse_inner(&scan);

	skip_blanks(&scan);
	if (type && scan.at == scan.end) {
		*ret_type = type;
		return FATE_DONE;
	}
	native_type_free(type);
	return err_set(
	    err, FATE_HALT, "ClickHouse type %.*s is not supported", SLICE_ARG(text));
}

void
native_type_free(struct native_type *type)
{
	if (!type)
		return;
	native_type_free(type->key);
	native_type_free(type->elem);
	for (size_t i = 0; i < type->item_count; i++)
		free((void *)(uintptr_t)type->items[i].name.p);
	free(type->items);
	free(type);
}
