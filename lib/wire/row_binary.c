/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/row_binary.h"

#include <stdlib.h>

#include "base/must.h"
#include "wire/float_text.h"
#include "wire/timestamp.h"

enum { ARENA_BYTES = 64 << 10, TEXT_MAX = 160, TYPE_MAX = 1 << 20 };

struct cursor {
	const char *at, *end;
};

void
row_binary_init(struct row_binary *rb)
{
	*rb = (struct row_binary){ 0 };
	arena_init(&rb->arena, ARENA_BYTES);
}

void
row_binary_finish(struct row_binary *rb)
{
	buf_finish(&rb->head);
	buf_finish(&rb->scratch);
	arena_finish(&rb->arena);
	free(rb->columns);
	*rb = (struct row_binary){ 0 };
}

static enum row_binary_step
bad(struct err *err, const char *what)
{
	(void)err_code(err, FATE_REJECT, "08P01", "clickhouse: %s", what);
	return ROW_BINARY_BAD;
}

/* LEB128. */
static enum row_binary_step
varint(struct cursor *c, uint64_t max, uint64_t *ret, struct err *err)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 63; shift += 7) {
		unsigned char byte;

		if (c->at == c->end)
			return ROW_BINARY_MORE;
		byte = (unsigned char)*c->at++;
		value |= (uint64_t)(byte & 127) << shift;
		if (byte < 128) {
			*ret = value;
			return value <= max ? ROW_BINARY_DONE
					    : bad(err, "a length beyond all bounds");
		}
	}
	return bad(err, "a length beyond all bounds");
}

static enum row_binary_step
bytes(struct cursor *c, uint64_t len, struct slice *ret)
{
	if ((uint64_t)(c->end - c->at) < len)
		return ROW_BINARY_MORE;
	*ret = slice_of(c->at, (size_t)len);
	c->at += len;
	return ROW_BINARY_DONE;
}

/* --- types --- */

static bool
unwrap(struct slice *type, const char *name)
{
	size_t len = strlen(name);

	if (type->len < len + 2 || memcmp(type->p, name, len) != 0 || type->p[len] != '(')
		return false;
	*type = slice_of(type->p + len + 1, type->len - len - 2);
	return true;
}

/* The number at *at, which is moved behind it and a comma. */
static unsigned
number(const char **at, const char *end)
{
	unsigned value = 0;

	for (; *at < end && **at >= '0' && **at <= '9' && value < 100000; (*at)++)
		value = value * 10 + (unsigned)(**at - '0');
	while (*at < end && (**at == ',' || **at == ' '))
		(*at)++;
	return value;
}

static bool
plain_type(struct row_binary_column *c, struct slice type)
{
	static const struct {
		const char *name;
		enum row_binary_form form;
		unsigned width;
		uint32_t oid;
	} types[] = { { "Bool", ROW_BINARY_BOOL, 1, 16 }, { "Int8", ROW_BINARY_SIGNED, 1, 21 },
		{ "Int16", ROW_BINARY_SIGNED, 2, 21 }, { "Int32", ROW_BINARY_SIGNED, 4, 23 },
		{ "Int64", ROW_BINARY_SIGNED, 8, 20 },
		{ "Int128", ROW_BINARY_SIGNED, 16, 1700 },
		{ "Int256", ROW_BINARY_SIGNED, 32, 1700 },
		{ "UInt8", ROW_BINARY_UNSIGNED, 1, 21 },
		{ "UInt16", ROW_BINARY_UNSIGNED, 2, 23 },
		{ "UInt32", ROW_BINARY_UNSIGNED, 4, 20 },
		{ "UInt64", ROW_BINARY_UNSIGNED, 8, 1700 },
		{ "Float32", ROW_BINARY_FLOAT, 4, 700 },
		{ "Float64", ROW_BINARY_FLOAT, 8, 701 }, { "String", ROW_BINARY_STRING, 0, 25 },
		{ "UUID", ROW_BINARY_UUID, 16, 2950 }, { "Date", ROW_BINARY_DATE, 2, 1082 },
		{ "Date32", ROW_BINARY_DATE, 4, 1082 },
		{ "DateTime", ROW_BINARY_MOMENT, 4, 1114 },
		{ "Nothing", ROW_BINARY_NOTHING, 0, 25 } };

	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (!slice_eq(type, slice_str(types[i].name)))
			continue;
		c->form = types[i].form;
		c->width = types[i].width;
		c->pg.oid = types[i].oid;
		return true;
	}
	return false;
}

static bool
decimal_type(struct row_binary_column *c, const char *at, const char *end)
{
	unsigned precision = number(&at, end);

	c->form = ROW_BINARY_SIGNED;
	c->scale = number(&at, end);
	c->width = precision <= 9 ? 4 : precision <= 18 ? 8 : precision <= 38 ? 16 : 32;
	c->pg.oid = 1700;
	c->pg.typmod = (int32_t)(precision << 16 | c->scale) + 4;
	return precision >= 1 && precision <= 76 && c->scale <= precision;
}

static bool
type_read(struct row_binary_column *c)
{
	struct slice type = c->type;

	(void)unwrap(&type, "LowCardinality");
	c->nullable = unwrap(&type, "Nullable");
	c->pg = (struct pgtype){ .typmod = -1 };
	c->type = type;
	if (plain_type(c, type))
		return true;
	if (unwrap(&type, "Decimal"))
		return decimal_type(c, type.p, type.p + type.len);
	if (unwrap(&type, "DateTime64")) {
		const char *at = type.p;

		c->form = ROW_BINARY_MOMENT;
		c->width = 8;
		c->scale = number(&at, type.p + type.len);
		c->zoned = at < type.p + type.len;
		c->pg.oid = c->zoned ? 1184 : 1114;
		return c->scale <= 9;
	}
	if (unwrap(&type, "DateTime")) {
		c->form = ROW_BINARY_MOMENT;
		c->width = 4;
		c->zoned = true;
		c->pg.oid = 1184;
		return true;
	}
	c->pg.oid = 25;
	if (unwrap(&type, "FixedString")) {
		const char *at = type.p;

		c->form = ROW_BINARY_FIXED;
		c->width = number(&at, type.p + type.len);
		return true;
	}
	c->form = ROW_BINARY_ENUM;
	c->width = unwrap(&type, "Enum8") ? 1 : 2;
	return c->width == 1 || unwrap(&type, "Enum16");
}

/* --- the head --- */

static enum row_binary_step
strings_pass(struct cursor *c, uint64_t count, struct err *err)
{
	enum row_binary_step step = ROW_BINARY_DONE;
	struct slice text;
	uint64_t len = 0;

	for (uint64_t i = 0; i < count && step == ROW_BINARY_DONE; i++) {
		step = varint(c, TYPE_MAX, &len, err);
		if (step == ROW_BINARY_DONE)
			step = bytes(c, len, &text);
	}
	return step;
}

/* Names and types, terminated, in memory that stays. */
static enum row_binary_step
head_take(struct row_binary *rb, struct cursor c, struct err *err)
{
	uint64_t len = 0;
	struct slice text = { 0 };
	size_t at = 0;

	buf_grow(&rb->head, (size_t)(c.end - c.at) + 2 * rb->column_count);
	for (size_t i = 0; i < 2 * rb->column_count; i++) {
		(void)varint(&c, TYPE_MAX, &len, err);
		(void)bytes(&c, len, &text);
		at = rb->head.len;
		buf_slice(&rb->head, text);
		buf_byte(&rb->head, '\0');
		if (i < rb->column_count)
			rb->columns[i].name = rb->head.p + at;
		else
			rb->columns[i - rb->column_count].type =
			    slice_of(rb->head.p + at, (size_t)len);
	}
	for (size_t i = 0; i < rb->column_count; i++) {
		struct slice type = rb->columns[i].type;

		if (!type_read(&rb->columns[i])) {
			(void)err_code(err, FATE_REJECT, "0A000",
			    "clickhouse: column %s has type %.*s, which is not carried",
			    rb->columns[i].name, SLICE_ARG(type));
			return ROW_BINARY_BAD;
		}
		rb->columns[i].pg.kind = type_kind_of_oid(rb->columns[i].pg.oid);
	}
	return ROW_BINARY_DONE;
}

enum row_binary_step
row_binary_head(struct row_binary *rb, struct slice in, size_t *ret_used, struct err *err)
{
	struct cursor c = { in.p, in.p + in.len }, names;
	uint64_t count = 0;
	enum row_binary_step step = varint(&c, ROW_BINARY_COLUMNS_MAX, &count, err);

	names = c;
	if (step == ROW_BINARY_DONE)
		step = strings_pass(&c, 2 * count, err);
	if (step != ROW_BINARY_DONE)
		return step;
	*ret_used = (size_t)(c.at - in.p);
	rb->column_count = (size_t)count;
	rb->columns = calloc(count + 1, sizeof *rb->columns);
	must(rb->columns);
	names.end = c.at;
	step = head_take(rb, names, err);
	buf_grow(&rb->scratch, TEXT_MAX * (size_t)count + 1);
	return step;
}

void
row_binary_expect(struct row_binary *rb, size_t i, struct pgtype type)
{
	struct row_binary_column *c = &rb->columns[i];

	if (type.kind == TYPE_BOOL && c->width == 1)
		c->form = ROW_BINARY_BOOL;
	if (c->form == ROW_BINARY_MOMENT)
		c->zoned = type.kind == TYPE_TIMESTAMPTZ;
	c->pg = type;
}

/* --- rows --- */

/* Little-endian. */
static int64_t
integer(const char *p, unsigned width, bool is_signed)
{
	uint64_t value = 0;

	memcpy(&value, p, width);
	if (is_signed && width < 8 && value >> (8 * width - 1))
		value |= UINT64_MAX << 8 * width;
	return (int64_t)value;
}

static void
print_small(struct buf *out, bool negative, uint64_t value)
{
	char digits[24], *p = digits + sizeof digits;

	do
		*--p = (char)('0' + value % 10);
	while (value /= 10);
	if (negative)
		*--p = '-';
	buf_put(out, p, (size_t)(digits + sizeof digits - p));
}

static bool
print_number(struct row_binary *rb, const struct row_binary_column *c, const char *p)
{
	struct decimal d;
	char turned[32];
	struct err err;

	if (c->width <= 8 && c->scale == 0) {
		int64_t v = integer(p, c->width, c->form == ROW_BINARY_SIGNED);
		bool negative = c->form == ROW_BINARY_SIGNED && v < 0;

		print_small(&rb->scratch, negative, negative ? 0 - (uint64_t)v : (uint64_t)v);
		return true;
	}
	if (c->width <= 8) {
		d = decimal_from_i128(integer(p, c->width, true), (uint16_t)c->scale);
	} else {
		for (unsigned i = 0; i < c->width; i++)
			turned[i] = p[c->width - 1 - i];
		arena_reset(&rb->arena);
		if (decimal_from_bytes(slice_of(turned, c->width), c->scale, &rb->arena, &d,
			&err) != FATE_DONE)
			return false;
	}
	decimal_print(&rb->scratch, &d);
	return true;
}

/* false: beyond what 64 bits of microseconds hold. */
static bool
print_moment(struct buf *out, const struct row_binary_column *c, const char *p)
{
	static const int64_t units[] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000,
		100000000, 1000000000 };
	int64_t v = integer(p, c->width, c->width == 8), unit, us;

	if (c->scale <= 6) {
		if (__builtin_mul_overflow(v, units[6 - c->scale], &us))
			return false;
	} else { /* to the nearest, as Postgres reads such a text */
		unit = units[c->scale - 6];
		us = v / unit;
		if (2 * (v % unit) >= unit)
			us++;
		else if (-2 * (v % unit) >= unit)
			us--;
	}
	if (c->zoned)
		timestamptz_print(out, us);
	else
		timestamp_print(out, us);
	return true;
}

static void
print_uuid(struct buf *out, const char *p)
{
	static const char hex[] = "0123456789abcdef";

	/* two little-endian halves, the upper first */
	for (unsigned i = 0; i < 16; i++) {
		unsigned char byte = (unsigned char)p[i < 8 ? 7 - i : 23 - i];

		if (i == 4 || i == 6 || i == 8 || i == 10)
			buf_byte(out, '-');
		buf_byte(out, hex[byte >> 4]);
		buf_byte(out, hex[byte & 15]);
	}
}

/* 'label' = number, ... with backslashes: the label of number. */
static bool
print_label(struct buf *out, struct slice type, int64_t number)
{
	const char *p = type.p, *end = type.p + type.len;
	size_t began = out->len;

	while (p < end) {
		bool negative;
		int64_t found = 0;

		out->len = began;
		while (p < end && *p != '\'')
			p++;
		for (p++; p < end && *p != '\''; p++) {
			if (*p == '\\' && p + 1 < end)
				p++;
			if (out->len - began == TEXT_MAX)
				return false;
			buf_byte(out, *p);
		}
		for (p++; p < end && (*p == ' ' || *p == '='); p++)
			;
		negative = p < end && *p == '-';
		for (p += negative; p < end && *p >= '0' && *p <= '9' && found < 100000; p++)
			found = found * 10 + (*p - '0');
		if ((negative ? -found : found) == number)
			return true;
	}
	return false;
}

static bool
cell_print(struct row_binary *rb, const struct row_binary_column *c, const char *p)
{
	struct buf *out = &rb->scratch;
	float narrow;
	double wide;

	switch (c->form) {
	case ROW_BINARY_BOOL: buf_byte(out, *p ? 't' : 'f'); return true;
	case ROW_BINARY_SIGNED:
	case ROW_BINARY_UNSIGNED: return print_number(rb, c, p);
	case ROW_BINARY_FLOAT:
		if (c->width == 4) {
			memcpy(&narrow, p, 4);
			float4_print(out, narrow);
		} else {
			memcpy(&wide, p, 8);
			float8_print(out, wide);
		}
		return true;
	case ROW_BINARY_UUID: print_uuid(out, p); return true;
	case ROW_BINARY_DATE: date_print(out, integer(p, c->width, c->width == 4)); return true;
	case ROW_BINARY_MOMENT: return print_moment(out, c, p);
	case ROW_BINARY_ENUM: return print_label(out, c->type, integer(p, c->width, true));
	case ROW_BINARY_NOTHING:
	case ROW_BINARY_STRING:
	case ROW_BINARY_FIXED: return false;
	}
	never("form");
}

static enum row_binary_step
text_cell(
    const struct row_binary_column *c, struct cursor *at, struct slice *ret, struct err *err)
{
	uint64_t len = c->width;
	enum row_binary_step step = c->form == ROW_BINARY_STRING
					? varint(at, ROW_BINARY_CELL_MAX, &len, err)
					: ROW_BINARY_DONE;

	if (step == ROW_BINARY_DONE)
		step = bytes(at, len, ret);
	while (step == ROW_BINARY_DONE && c->form == ROW_BINARY_FIXED && ret->len &&
	       ret->p[ret->len - 1] == '\0')
		ret->len--;
	return step;
}

static enum row_binary_step
cell(struct row_binary *rb, const struct row_binary_column *c, struct cursor *at,
    struct slice *ret, struct err *err)
{
	size_t began = rb->scratch.len;
	struct slice raw = { 0 };

	if (c->nullable) {
		if (at->at == at->end)
			return ROW_BINARY_MORE;
		if (*at->at++) {
			*ret = slice_of(NULL, 0);
			return ROW_BINARY_DONE;
		}
	}
	if (c->form == ROW_BINARY_STRING || c->form == ROW_BINARY_FIXED)
		return text_cell(c, at, ret, err);
	if (bytes(at, c->width, &raw) != ROW_BINARY_DONE)
		return ROW_BINARY_MORE;
	if (!cell_print(rb, c, raw.p))
		return bad(err, "a value that its type does not have");
	*ret = slice_of(rb->scratch.p + began, rb->scratch.len - began);
	return ROW_BINARY_DONE;
}

enum row_binary_step
row_binary_row(struct row_binary *rb, struct slice in, size_t *ret_used, struct slice *values,
    struct err *err)
{
	struct cursor at = { in.p, in.p + in.len };
	enum row_binary_step step = ROW_BINARY_DONE;

	rb->scratch.len = 0; /* has room for every column: nothing moves */
	for (size_t i = 0; i < rb->column_count && step == ROW_BINARY_DONE; i++)
		step = cell(rb, &rb->columns[i], &at, &values[i], err);
	*ret_used = (size_t)(at.at - in.p);
	return step;
}
