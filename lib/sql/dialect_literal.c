/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "sql/dialect_emit.h"

void
cannot(struct emitter *em, long location, const char *fmt, ...)
{
	char what[120];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	(void)ast_no(em->trouble, "CANNOT_EXPRESS", location, "%s", what);
}

void
dialect_name(struct buf *out, enum sql_dialect dialect, const char *name)
{
	buf_byte(out, '"');
	for (; *name; name++) {
		if (*name == '"' || (*name == '\\' && dialect == DIALECT_CLICKHOUSE))
			buf_byte(
			    out, *name == '"' && dialect == DIALECT_CLICKHOUSE ? '\\' : *name);
		buf_byte(out, *name);
	}
	buf_byte(out, '"');
}

void
dialect_text(struct buf *out, enum sql_dialect dialect, const char *text)
{
	bool clickhouse = dialect == DIALECT_CLICKHOUSE;

	buf_byte(out, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			buf_byte(out, clickhouse ? '\\' : '\'');
		else if (*text == '\\' && clickhouse)
			buf_byte(out, '\\');
		buf_byte(out, *text);
	}
	buf_byte(out, '\'');
}

const struct ast_expr *
param_of(const struct ast_expr *e)
{
	if (e->kind == AST_CAST && !e->cast->array && !e->cast->mod_count &&
	    e->args[0]->kind == AST_PARAM && sql_type_kind(e->args[0]->type) != KIND_UNKNOWN &&
	    e->args[0]->type.kind == e->type.kind)
		return e->args[0];
	return e->kind == AST_PARAM ? e : NULL;
}

enum value_class
class_of(const struct ast_expr *e)
{
	static const enum value_class classes[] = {
		[TYPE_BOOL] = CLASS_BOOL,
		[TYPE_INT2] = CLASS_INT,
		[TYPE_INT4] = CLASS_INT,
		[TYPE_INT8] = CLASS_INT,
		[TYPE_NUMERIC] = CLASS_NUMERIC,
		[TYPE_FLOAT4] = CLASS_FLOAT,
		[TYPE_FLOAT8] = CLASS_FLOAT,
		[TYPE_TEXT] = CLASS_TEXT,
		[TYPE_VARCHAR] = CLASS_TEXT,
		[TYPE_UUID] = CLASS_UUID,
		[TYPE_DATE] = CLASS_DATE,
		[TYPE_TIMESTAMP] = CLASS_TIMESTAMP,
		[TYPE_TIMESTAMPTZ] = CLASS_TIMESTAMPTZ,
		[TYPE_OTHER] = CLASS_OTHER,
	};

	if (sql_type_kind(e->type) == KIND_UNKNOWN)
		return CLASS_LITERAL;
	if (e->type.kind == TYPE_NUMERIC && e->type.typmod < 0 && e->kind != AST_DECIMAL &&
	    !param_of(e))
		return CLASS_OTHER;
	return classes[e->type.kind];
}

void
must_equate(struct emitter *em, const struct ast_expr *e)
{
	enum value_class class = class_of(e);

	if (is(em, DIALECT_POSTGRES))
		return;
	if (class == CLASS_OTHER || class == CLASS_FLOAT || class == CLASS_LITERAL)
		cannot(em, e->location, "equality of this type");
}

void
must_order(struct emitter *em, const struct ast_expr *e)
{
	enum value_class class = class_of(e);

	if (is(em, DIALECT_POSTGRES))
		return;
	if (class == CLASS_OTHER || class == CLASS_FLOAT || class == CLASS_LITERAL ||
	    class == CLASS_UUID)
		cannot(em, e->location, "order of this type");
	if (class == CLASS_TEXT && e->collation != COLLATION_C &&
	    e->collation != COLLATION_BYTES)
		cannot(em, e->location, "order of text by locale");
}

/* Every character of text by a pattern: d is a digit, h a hexadecimal one. */
static bool
looks(const char *text, size_t len, const char *pattern)
{
	if (strlen(pattern) != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (pattern[i] == 'd'   ? !isdigit(c)
		    : pattern[i] == 'h' ? !isxdigit(c)
					: c != (unsigned char)pattern[i])
			return false;
	}
	return true;
}

/* A day that there was, in a year that every engine's types can hold. */
static bool
safe_date(const char *text)
{
	static const int days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	long year = strtol(text, NULL, 10), month = strtol(text + 5, NULL, 10),
	     day = strtol(text + 8, NULL, 10);
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return year >= 1902 && year <= 2261 && month >= 1 && month <= 12 && day >= 1 &&
	       day <= days[month - 1] && (month != 2 || day < 29 || leap);
}

static void
date_literal(struct emitter *em, const struct ast_expr *e)
{
	if (!looks(e->name, strlen(e->name), "dddd-dd-dd") || !safe_date(e->name)) {
		cannot(em, e->location, "a date not written YYYY-MM-DD");
		return;
	}
	buf_cstr(em->out, is(em, DIALECT_CLICKHOUSE) ? "toDate32(" : "DATE ");
	dialect_text(em->out, em->d->dialect, e->name);
	if (is(em, DIALECT_CLICKHOUSE))
		buf_byte(em->out, ')');
}

/* YYYY-MM-DD, perhaps HH:MM:SS, perhaps .ffffff; the session's zone is UTC. */
static void
timestamp_literal(struct emitter *em, const struct ast_expr *e, bool zoned)
{
	const char *t = e->name, *fraction = strchr(t, '.');
	size_t len = fraction ? (size_t)(fraction - t) : strlen(t);
	size_t digits = fraction ? strspn(fraction + 1, "0123456789") : 0;
	char full[32];

	if (fraction && (digits == 0 || digits > 6 || fraction[1 + digits]))
		len = 0;
	if ((!looks(t, len, "dddd-dd-dd") && !looks(t, len, "dddd-dd-dd dd:dd:dd")) ||
	    !safe_date(t) ||
	    (len > 10 && (strtol(t + 11, NULL, 10) > 23 || t[14] > '5' || t[17] > '5'))) {
		cannot(em, e->location, "a timestamp not written YYYY-MM-DD HH:MM:SS");
		return;
	}
	(void)snprintf(full, sizeof full, "%.10s %.8s.%-6.*s", t,
	    len > 10 ? t + 11 : "00:00:00", (int)digits, fraction ? fraction + 1 : "");
	for (char *c = full + 20; *c; c++)
		*c = *c == ' ' ? '0' : *c;
	if (is(em, DIALECT_CLICKHOUSE))
		buf_printf(em->out, "toDateTime64('%s', 6, 'UTC')", full);
	else if (zoned && is(em, DIALECT_DUCKDB))
		buf_printf(em->out, "TIMESTAMPTZ '%s+00'", full);
	else
		buf_printf(em->out, "TIMESTAMP '%s%s'", full, zoned ? " UTC" : "");
}

static void
uuid_literal(struct emitter *em, const struct ast_expr *e)
{
	if (!looks(e->name, strlen(e->name), "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh"))
		cannot(em, e->location, "a uuid not written in full");
	else if (is(em, DIALECT_CLICKHOUSE))
		buf_printf(em->out, "toUUID('%s')", e->name);
	else
		buf_printf(em->out, "CAST('%s' AS UUID)", e->name);
}

static void
string_literal(struct emitter *em, const struct ast_expr *e, struct pgtype type)
{
	if (sql_type_kind(type) == KIND_UNKNOWN || type.kind == TYPE_TEXT ||
	    type.kind == TYPE_VARCHAR)
		dialect_text(em->out, em->d->dialect, e->name);
	else if (type.kind == TYPE_DATE)
		date_literal(em, e);
	else if (type.kind == TYPE_TIMESTAMP || type.kind == TYPE_TIMESTAMPTZ)
		timestamp_literal(em, e, type.kind == TYPE_TIMESTAMPTZ);
	else if (type.kind == TYPE_UUID)
		uuid_literal(em, e);
	else
		cannot(em, e->location, "a text literal as this type");
}

static void
number_literal(struct emitter *em, const struct ast_expr *e)
{
	const char *point = strchr(e->name, '.');
	size_t scale = point ? strlen(point + 1) : 0;
	bool minus = *e->name == '-';
	const char *digits = e->name + minus;

	if (e->type.kind != TYPE_NUMERIC && is(em, DIALECT_CLICKHOUSE))
		buf_printf(em->out, "toInt64(%s)", e->name);
	else if (e->type.kind != TYPE_NUMERIC)
		buf_printf(em->out, "CAST(%s AS BIGINT)", e->name);
	else if (strspn(digits, "0123456789.") != strlen(digits) || strlen(digits) > 30)
		cannot(em, e->location, "a number with an exponent or more than 30 digits");
	else if (is(em, DIALECT_CLICKHOUSE))
		buf_printf(em->out, "toDecimal128('%s%s%s', %zu)", minus ? "-" : "",
		    *digits == '.' ? "0" : "", digits, scale);
	else
		buf_printf(em->out, minus ? "(%s)" : "%s", e->name);
}

static void
plain_literal(struct emitter *em, const struct ast_expr *e)
{
	if (e->kind == AST_INT || e->kind == AST_DECIMAL)
		buf_printf(em->out, *e->name == '-' ? "(%s)" : "%s", e->name);
	else if (e->kind == AST_STRING)
		dialect_text(em->out, em->d->dialect, e->name);
	else
		buf_cstr(em->out, e->kind == AST_NULL ? "NULL" : e->name);
}

void
emit_literal(struct emitter *em, const struct ast_expr *e, struct pgtype type)
{
	if (is(em, DIALECT_POSTGRES))
		plain_literal(em, e);
	else if (e->kind == AST_STRING)
		string_literal(em, e, type);
	else if (e->kind == AST_DECIMAL)
		number_literal(em, e);
	else if (e->kind == AST_INT && is(em, DIALECT_CLICKHOUSE))
		buf_printf(em->out, "toInt32(%s)", e->name);
	else if (e->kind == AST_INT && is(em, DIALECT_DUCKDB)) /* 1 would be a TINYINT */
		buf_printf(em->out, "CAST(%s AS INTEGER)", e->name);
	else
		plain_literal(em, e);
}

void
emit_as(struct emitter *em, const struct ast_expr *e, const struct ast_expr *like)
{
	const struct ast_expr *param = is(em, DIALECT_POSTGRES) ? NULL : param_of(e);

	if (e->kind == AST_STRING)
		emit_literal(em, e, like->type);
	else if (param)
		emit_param(em, param, NEED_VALUE, like);
	else
		emit_expr(em, e);
}
