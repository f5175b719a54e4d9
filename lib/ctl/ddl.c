/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ddl.h"

#include <stdio.h>
#include <string.h>

enum { FEW_CHARACTERS = 32, DECIMAL_DIGITS_MAX = 76, TYPMOD_HEADER = 4, WINDOW = 10000 };

static void
put_name(struct buf *out, const char *name)
{
	if (*name && strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789") == strlen(name) &&
	    !strchr("0123456789", name[0])) {
		buf_cstr(out, name);
		return;
	}
	buf_byte(out, '`');
	for (; *name; name++) {
		if (*name == '`' || *name == '\\')
			buf_byte(out, '\\');
		buf_byte(out, *name);
	}
	buf_byte(out, '`');
}

/* Texts of few characters repeat: a dictionary holds them. */
static bool
is_low(struct pgtype type)
{
	if (type.kind == TYPE_ENUM)
		return true;
	return (type.kind == TYPE_VARCHAR || type.kind == TYPE_BPCHAR) &&
	       type.typmod >= TYPMOD_HEADER && type.typmod - TYPMOD_HEADER <= FEW_CHARACTERS;
}

static void
put_decimal(struct buf *out, struct pgtype type)
{
	int32_t digits = type.typmod >= TYPMOD_HEADER ? (type.typmod - TYPMOD_HEADER) >> 16 : 0;
	int32_t scale = (type.typmod - TYPMOD_HEADER) & 0x7ff;

	if (digits < 1 || digits > DECIMAL_DIGITS_MAX || scale > digits)
		buf_cstr(out, "String"); /* nothing else holds them all */
	else
		buf_printf(out, "Decimal(%d, %d)", (int)digits, (int)scale);
}

static void
put_type(struct buf *out, struct pgtype type)
{
	switch (type.kind) {
	case TYPE_BOOL: buf_cstr(out, "Bool"); return;
	case TYPE_INT2: buf_cstr(out, "Int16"); return;
	case TYPE_INT4: buf_cstr(out, "Int32"); return;
	case TYPE_INT8: buf_cstr(out, "Int64"); return;
	case TYPE_NUMERIC: put_decimal(out, type); return;
	case TYPE_FLOAT4: buf_cstr(out, "Float32"); return;
	case TYPE_FLOAT8: buf_cstr(out, "Float64"); return;
	case TYPE_UUID: buf_cstr(out, "UUID"); return;
	case TYPE_DATE: buf_cstr(out, "Date32"); return;
	case TYPE_TIMESTAMP:
	case TYPE_TIMESTAMPTZ: buf_cstr(out, "DateTime64(6, 'UTC')"); return;
	case TYPE_TEXT:
	case TYPE_VARCHAR:
	case TYPE_BPCHAR:
	case TYPE_NAME:
	case TYPE_TIME:
	case TYPE_INTERVAL:
	case TYPE_JSON:
	case TYPE_JSONB:
	case TYPE_BYTEA:
	case TYPE_ENUM:
	case TYPE_INET:
	case TYPE_CIDR:
	case TYPE_MACADDR:
	case TYPE_ARRAY:
	case TYPE_OTHER: buf_cstr(out, "String"); return;
	}
}

static const char *
codec_of(struct pgtype type)
{
	if (type.kind == TYPE_TIMESTAMP || type.kind == TYPE_TIMESTAMPTZ ||
	    type.kind == TYPE_INT8)
		return " CODEC(Delta, ZSTD(1))";
	if (type.kind == TYPE_JSON || type.kind == TYPE_JSONB || type.kind == TYPE_BYTEA)
		return " CODEC(ZSTD(3))";
	return "";
}

static bool
is_identity(const struct ddl *ddl, const char *name)
{
	for (size_t i = 0; i < ddl->identity_count; i++)
		if (strcmp(ddl->identity[i], name) == 0)
			return true;
	return false;
}

static void
put_column(struct buf *out, const struct ddl *ddl, const struct ddl_column *column)
{
	bool low = is_low(column->type);
	bool nullable = column->nullable && !is_identity(ddl, column->name);

	buf_cstr(out, "    ");
	put_name(out, column->name);
	buf_byte(out, ' ');
	if (low)
		buf_cstr(out, "LowCardinality(");
	if (nullable)
		buf_cstr(out, "Nullable(");
	put_type(out, column->type);
	if (nullable)
		buf_byte(out, ')');
	if (low)
		buf_byte(out, ')');
	buf_cstr(out, codec_of(column->type));
	buf_cstr(out, ",\n");
}

static void
put_own_columns(struct buf *out, const struct ddl *ddl)
{
	if (!ddl->append) {
		buf_cstr(out, "    _version UInt64 CODEC(Delta, ZSTD(1)),\n"
			      "    _deleted UInt8\n");
		return;
	}
	if (ddl->operation) {
		buf_cstr(out, "    ");
		put_name(out, ddl->operation);
		buf_cstr(out, " LowCardinality(String),\n");
	}
	buf_cstr(out, "    _synced_at DateTime DEFAULT now(),\n"
		      "    _topic LowCardinality(String),\n"
		      "    _partition Int32,\n"
		      "    _offset Int64 CODEC(Delta, ZSTD(1))\n");
}

static void
put_cluster(struct buf *out, const struct ddl *ddl)
{
	if (!ddl->cluster)
		return;
	buf_cstr(out, " ON CLUSTER ");
	put_name(out, ddl->cluster);
}

static void
put_place(struct buf *out, const struct ddl *ddl, const char *suffix)
{
	char name[256];

	(void)snprintf(name, sizeof name, "%s%s", ddl->table, suffix);
	put_name(out, ddl->database);
	buf_byte(out, '.');
	put_name(out, name);
}

static void
put_engine(struct buf *out, const struct ddl *ddl)
{
	buf_printf(out, ")\nENGINE = %s%sMergeTree", ddl->cluster ? "Replicated" : "",
	    ddl->append ? "" : "Replacing");
	if (ddl->cluster && ddl->replica_path)
		buf_printf(out, "('%s', '{replica}'", ddl->replica_path);
	else if (ddl->cluster)
		buf_printf(out, "('/clickhouse/tables/{shard}/%s/%s', '{replica}'",
		    ddl->database, ddl->table);
	if (!ddl->append)
		buf_cstr(out, ddl->cluster ? ", _version, _deleted" : "(_version, _deleted");
	if (ddl->cluster || !ddl->append)
		buf_byte(out, ')');
	buf_cstr(out, "\nORDER BY (");
	for (size_t i = 0; i < ddl->identity_count; i++) {
		buf_cstr(out, i ? ", " : "");
		put_name(out, ddl->identity[i]);
	}
	if (ddl->append)
		buf_cstr(out, ddl->identity_count ? ", _synced_at" : "_synced_at");
	buf_byte(out, ')');
	/* remembers the inserts of ten minutes, so that a late one is dropped */
	if (ddl->append)
		buf_printf(out, "\nSETTINGS %sreplicated_deduplication_window = %d",
		    ddl->cluster ? "" : "non_", WINDOW);
	buf_cstr(out, ";\n");
}

/* What people read: no deleted rows, no columns of ours. */
static void
put_view(struct buf *out, const struct ddl *ddl)
{
	buf_cstr(out, "\nCREATE VIEW IF NOT EXISTS ");
	put_place(out, ddl, "_current");
	put_cluster(out, ddl);
	buf_cstr(out, " AS\nSELECT ");
	for (size_t i = 0; i < ddl->column_count; i++) {
		buf_cstr(out, i ? ", " : "");
		put_name(out, ddl->columns[i].name);
	}
	buf_cstr(out, "\nFROM ");
	put_place(out, ddl, "");
	buf_cstr(out, " FINAL\nWHERE NOT _deleted;\n");
}

void
ddl_write(struct buf *out, const struct ddl *ddl)
{
	buf_cstr(out, "CREATE DATABASE IF NOT EXISTS ");
	put_name(out, ddl->database);
	put_cluster(out, ddl);
	buf_cstr(out, ";\n\nCREATE TABLE IF NOT EXISTS ");
	put_place(out, ddl, "");
	put_cluster(out, ddl);
	buf_cstr(out, "\n(\n");
	for (size_t i = 0; i < ddl->column_count; i++)
		put_column(out, ddl, &ddl->columns[i]);
	put_own_columns(out, ddl);
	put_engine(out, ddl);
	if (!ddl->append)
		put_view(out, ddl);
}
