/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/type.h"

#include <string.h>

static const struct sql_type types[] = {
	{ TYPE_BOOL, 16, "bool", 'B', true },
	{ TYPE_INT2, 21, "int2", 'N', false },
	{ TYPE_INT4, 23, "int4", 'N', false },
	{ TYPE_INT8, 20, "int8", 'N', false },
	{ TYPE_NUMERIC, 1700, "numeric", 'N', false },
	{ TYPE_FLOAT4, 700, "float4", 'N', false },
	{ TYPE_FLOAT8, 701, "float8", 'N', true },
	{ TYPE_TEXT, OID_TEXT, "text", 'S', true },
	{ TYPE_VARCHAR, 1043, "varchar", 'S', false },
	{ TYPE_BPCHAR, 1042, "bpchar", 'S', false },
	{ TYPE_NAME, 19, "name", 'S', false },
	{ TYPE_UUID, 2950, "uuid", 'U', false },
	{ TYPE_DATE, 1082, "date", 'D', false },
	{ TYPE_TIME, 1083, "time", 'D', false },
	{ TYPE_TIMESTAMP, 1114, "timestamp", 'D', false },
	{ TYPE_TIMESTAMPTZ, 1184, "timestamptz", 'D', true },
	{ TYPE_INTERVAL, 1186, "interval", 'T', true },
	{ TYPE_JSON, 114, "json", 'U', false },
	{ TYPE_JSONB, 3802, "jsonb", 'U', false },
	{ TYPE_BYTEA, 17, "bytea", 'U', false },
	{ TYPE_INET, 869, "inet", 'I', true },
	{ TYPE_CIDR, 650, "cidr", 'I', false },
	{ TYPE_MACADDR, 829, "macaddr", 'U', false },
	{ KIND_PATH, OID_TEXT_ARRAY, "_text", 'A', false },
	{ KIND_UNKNOWN, OID_UNKNOWN, "unknown", 'X', false },
};
enum { TYPE_ROWS = sizeof(types) / sizeof(types[0]) };

/* pg_cast rows of context 'i', among the types above. */
static const struct {
	int from, to;
} implicit[] = {
	{ TYPE_INT2, TYPE_INT4 },
	{ TYPE_INT2, TYPE_INT8 },
	{ TYPE_INT2, TYPE_NUMERIC },
	{ TYPE_INT2, TYPE_FLOAT4 },
	{ TYPE_INT2, TYPE_FLOAT8 },
	{ TYPE_INT4, TYPE_INT8 },
	{ TYPE_INT4, TYPE_NUMERIC },
	{ TYPE_INT4, TYPE_FLOAT4 },
	{ TYPE_INT4, TYPE_FLOAT8 },
	{ TYPE_INT8, TYPE_NUMERIC },
	{ TYPE_INT8, TYPE_FLOAT4 },
	{ TYPE_INT8, TYPE_FLOAT8 },
	{ TYPE_NUMERIC, TYPE_FLOAT4 },
	{ TYPE_NUMERIC, TYPE_FLOAT8 },
	{ TYPE_FLOAT4, TYPE_FLOAT8 },
	{ TYPE_TEXT, TYPE_VARCHAR },
	{ TYPE_TEXT, TYPE_BPCHAR },
	{ TYPE_TEXT, TYPE_NAME },
	{ TYPE_VARCHAR, TYPE_TEXT },
	{ TYPE_VARCHAR, TYPE_BPCHAR },
	{ TYPE_VARCHAR, TYPE_NAME },
	{ TYPE_BPCHAR, TYPE_TEXT },
	{ TYPE_BPCHAR, TYPE_VARCHAR },
	{ TYPE_BPCHAR, TYPE_NAME },
	{ TYPE_NAME, TYPE_TEXT },
	{ TYPE_DATE, TYPE_TIMESTAMP },
	{ TYPE_DATE, TYPE_TIMESTAMPTZ },
	{ TYPE_TIMESTAMP, TYPE_TIMESTAMPTZ },
	{ TYPE_TIME, TYPE_INTERVAL },
	{ TYPE_CIDR, TYPE_INET },
};

const struct sql_type *
sql_type_of_kind(int kind)
{
	for (size_t i = 0; i < TYPE_ROWS; i++) {
		if (types[i].kind == kind)
			return &types[i];
	}
	return NULL;
}

const struct sql_type *
sql_type_of_name(const char *name)
{
	if (strcmp(name, "decimal") == 0)
		name = "numeric";
	for (size_t i = 0; i < TYPE_ROWS; i++) {
		if (types[i].kind < KIND_UNKNOWN && strcmp(types[i].name, name) == 0)
			return &types[i];
	}
	return NULL;
}

char
sql_type_category(int kind)
{
	const struct sql_type *type = sql_type_of_kind(kind);

	if (type)
		return type->category;
	return kind == TYPE_ENUM ? 'E' : kind == TYPE_ARRAY ? 'A' : 'U';
}

bool
sql_type_preferred(int kind)
{
	const struct sql_type *type = sql_type_of_kind(kind);

	return type && type->preferred;
}

bool
sql_type_is_string(int kind)
{
	return kind == TYPE_TEXT || kind == TYPE_VARCHAR || kind == TYPE_BPCHAR ||
	       kind == TYPE_NAME;
}

bool
sql_type_is_int(int kind)
{
	return kind == TYPE_INT2 || kind == TYPE_INT4 || kind == TYPE_INT8;
}

bool
sql_type_implicit(int from, int to)
{
	if (from == to || to == KIND_ANY || from == KIND_UNKNOWN)
		return true;
	for (size_t i = 0; i < sizeof(implicit) / sizeof(implicit[0]); i++) {
		if (implicit[i].from == from && implicit[i].to == to)
			return true;
	}
	return false;
}

struct pgtype
sql_type_plain(int kind)
{
	const struct sql_type *type = sql_type_of_kind(kind);

	return (struct pgtype){ .kind = kind == KIND_UNKNOWN ? TYPE_TEXT
					: kind == KIND_PATH  ? TYPE_ARRAY
							     : (enum type_kind)kind,
		.elem = kind == KIND_PATH ? TYPE_TEXT : TYPE_BOOL,
		.oid = type ? type->oid : 0,
		.typmod = -1 };
}

int
sql_type_kind(struct pgtype type)
{
	if (type.oid == OID_TEXT_ARRAY)
		return KIND_PATH;
	return type.oid == OID_UNKNOWN ? KIND_UNKNOWN : (int)type.kind;
}
