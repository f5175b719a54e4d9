/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/value.h"

#include "base/must.h"
#include "wire/timestamp.h"

/* pg_type of PostgreSQL 15: its oids never change. */
static const struct type_row {
	enum type_kind kind;
	uint32_t oid, array_oid;
	const char *name; /* format_type's, without a typmod */
} types[] = {
	{ TYPE_BOOL, 16, 1000, "boolean" },
	{ TYPE_INT2, 21, 1005, "smallint" },
	{ TYPE_INT4, 23, 1007, "integer" },
	{ TYPE_INT8, 20, 1016, "bigint" },
	{ TYPE_NUMERIC, 1700, 1231, "numeric" },
	{ TYPE_FLOAT4, 700, 1021, "real" },
	{ TYPE_FLOAT8, 701, 1022, "double precision" },
	{ TYPE_TEXT, 25, 1009, "text" },
	{ TYPE_VARCHAR, 1043, 1015, "character varying" },
	{ TYPE_BPCHAR, 1042, 1014, "bpchar" },
	{ TYPE_NAME, 19, 1003, "name" },
	{ TYPE_UUID, 2950, 2951, "uuid" },
	{ TYPE_DATE, 1082, 1182, "date" },
	{ TYPE_TIME, 1083, 1183, "time without time zone" },
	{ TYPE_TIMESTAMP, 1114, 1115, "timestamp without time zone" },
	{ TYPE_TIMESTAMPTZ, 1184, 1185, "timestamp with time zone" },
	{ TYPE_INTERVAL, 1186, 1187, "interval" },
	{ TYPE_JSON, 114, 199, "json" },
	{ TYPE_JSONB, 3802, 3807, "jsonb" },
	{ TYPE_BYTEA, 17, 1001, "bytea" },
	{ TYPE_INET, 869, 1041, "inet" },
	{ TYPE_CIDR, 650, 651, "cidr" },
	{ TYPE_MACADDR, 829, 1040, "macaddr" },
};

enum { TYPE_ROWS = sizeof(types) / sizeof(*types) };

enum type_kind
type_kind_of_oid(uint32_t oid)
{
	for (size_t i = 0; i < TYPE_ROWS; i++) {
		if (types[i].oid == oid)
			return types[i].kind;
		if (types[i].array_oid == oid)
			return TYPE_ARRAY;
	}
	return TYPE_OTHER;
}

enum type_kind
type_elem_of_oid(uint32_t array_oid)
{
	for (size_t i = 0; i < TYPE_ROWS; i++) {
		if (types[i].array_oid == array_oid)
			return types[i].kind;
	}
	return TYPE_OTHER;
}

static const char *
name_of(enum type_kind kind)
{
	for (size_t i = 0; i < TYPE_ROWS; i++) {
		if (types[i].kind == kind)
			return types[i].name;
	}
	return NULL;
}

static void
print_stamp(struct buf *out, const char *word, int32_t precision, const char *zone)
{
	buf_printf(out, "%s(%d) %s", word, precision, zone);
}

static void
print_with_typmod(struct buf *out, enum type_kind kind, int32_t typmod)
{
	const int32_t given = typmod - 4;

	if (kind == TYPE_NUMERIC)
		buf_printf(out, "numeric(%d,%d)", given >> 16 & 0xffff,
		    ((given & 0x7ff) ^ 1024) - 1024);
	else if (kind == TYPE_VARCHAR)
		buf_printf(out, "character varying(%d)", given);
	else if (kind == TYPE_BPCHAR)
		buf_printf(out, "character(%d)", given);
	else if (kind == TYPE_TIME)
		print_stamp(out, "time", typmod, "without time zone");
	else if (kind == TYPE_TIMESTAMP)
		print_stamp(out, "timestamp", typmod, "without time zone");
	else if (kind == TYPE_TIMESTAMPTZ)
		print_stamp(out, "timestamp", typmod, "with time zone");
	else
		buf_cstr(out, name_of(kind));
}

void
type_print(struct buf *out, struct pgtype type)
{
	enum type_kind kind = type.kind == TYPE_ARRAY ? type.elem : type.kind;

	if (kind == TYPE_ENUM)
		buf_cstr(out, "enum");
	else if (!name_of(kind))
		buf_printf(out, "type %u", type.oid);
	else if (type.typmod < 0)
		buf_cstr(out, name_of(kind));
	else
		print_with_typmod(out, kind, type.typmod);
	if (type.kind == TYPE_ARRAY)
		buf_cstr(out, "[]");
}

static int
compare_i64(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

/* NaN is equal to itself and above all else. */
static int
compare_double(double a, double b)
{
	bool nan_a = a != a, nan_b = b != b;

	if (nan_a || nan_b)
		return nan_a - nan_b;
	return a < b ? -1 : a > b;
}

static int
compare_bytes(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.p, b.p, len) : 0;

	if (order)
		return order < 0 ? -1 : 1;
	return a.len < b.len ? -1 : a.len > b.len;
}

/* char(n)'s padding does not count. */
static struct slice
without_padding(struct slice s)
{
	while (s.len > 0 && s.p[s.len - 1] == ' ')
		s.len--;
	return s;
}

int
value_compare(struct pgtype type, const struct value *a, const struct value *b)
{
	must(a->state == VALUE_SET && b->state == VALUE_SET);
	switch (type.kind) {
	case TYPE_BOOL: return a->b - b->b;
	case TYPE_INT2:
	case TYPE_INT4:
	case TYPE_INT8:
	case TYPE_DATE:
	case TYPE_TIME:
	case TYPE_TIMESTAMP:
	case TYPE_TIMESTAMPTZ: return compare_i64(a->i, b->i);
	case TYPE_FLOAT4:
	case TYPE_FLOAT8: return compare_double(a->f, b->f);
	case TYPE_NUMERIC: return decimal_compare(&a->d, &b->d);
	case TYPE_INTERVAL: return interval_compare(a->iv, b->iv);
	case TYPE_UUID:
		return compare_bytes(slice_of((const char *)a->uuid, sizeof(a->uuid)),
		    slice_of((const char *)b->uuid, sizeof(b->uuid)));
	case TYPE_BPCHAR: return compare_bytes(without_padding(a->s), without_padding(b->s));
	case TYPE_TEXT:
	case TYPE_VARCHAR:
	case TYPE_NAME:
	case TYPE_JSON:
	case TYPE_JSONB:
	case TYPE_BYTEA:
	case TYPE_ENUM:
	case TYPE_INET:
	case TYPE_CIDR:
	case TYPE_MACADDR:
	case TYPE_ARRAY:
	case TYPE_OTHER: return compare_bytes(a->s, b->s);
	}
	never("a type kind out of range");
}
