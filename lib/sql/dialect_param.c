/* SPDX-License-Identifier: Apache-2.0 */
/* Holes for parameters, and what fills them: see dialect.h for why nothing else can. */
#include <stdio.h>
#include <string.h>

#include "sql/dialect_emit.h"
#include "wire/scalar.h"
#include "wire/timestamp.h"

enum { PRECISION_MAX = 38 };

/* Postgres is told the type: it would deduce another one where the text was rewritten. */
static void
postgres_param(struct emitter *em, const struct ast_expr *e)
{
	const struct sql_type *type = sql_type_of_kind((int)e->type.kind);

	if (sql_type_kind(e->type) == KIND_UNKNOWN || !type)
		buf_printf(em->out, "$%lld", (long long)e->number);
	else
		buf_printf(
		    em->out, "CAST($%lld AS pg_catalog.%s)", (long long)e->number, type->name);
}

void
emit_param(struct emitter *em, const struct ast_expr *param, enum dialect_need need,
    const struct ast_expr *like)
{
	enum value_class class = class_of(param);
	struct dialect_hole hole = { .at = em->out->len,
		.param = (size_t)param->number - 1,
		.need = need,
		.type = param->type,
		.like = { .typmod = -1 } };

	if (is(em, DIALECT_POSTGRES)) {
		postgres_param(em, param);
		return;
	}
	if (class == CLASS_LITERAL)
		cannot(em, param->location, "a parameter whose type is not known");
	else if (class == CLASS_OTHER || class == CLASS_FLOAT || !em->d->holes)
		cannot(em, param->location, "a parameter of this type");
	if (em->trouble->code)
		return;
	if (like && like->type.kind == TYPE_NUMERIC)
		hole.like = like->type;
	buf_printf(em->out, "$%lld", (long long)param->number);
	hole.len = em->out->len - hole.at;
	buf_put(em->d->holes, &hole, sizeof hole);
}

/* --- filling --- */

/* ClickHouse is told no NULL: see emit_expr() of one. */
static void
no_value(struct emitter *em, struct pgtype type)
{
	static const char *const names[] = {
		[TYPE_BOOL] = "BOOLEAN",
		[TYPE_INT2] = "SMALLINT",
		[TYPE_INT4] = "INTEGER",
		[TYPE_INT8] = "BIGINT",
		[TYPE_NUMERIC] = "DECIMAL(38, 0)",
		[TYPE_TEXT] = "VARCHAR",
		[TYPE_VARCHAR] = "VARCHAR",
		[TYPE_UUID] = "UUID",
		[TYPE_DATE] = "DATE",
		[TYPE_TIMESTAMP] = "TIMESTAMP",
		[TYPE_TIMESTAMPTZ] = "TIMESTAMP WITH TIME ZONE",
	};
	const char *trino = type.kind == TYPE_TIMESTAMP     ? "TIMESTAMP(6)"
			    : type.kind == TYPE_TIMESTAMPTZ ? "TIMESTAMP(6) WITH TIME ZONE"
							    : names[type.kind];

	if (is(em, DIALECT_CLICKHOUSE))
		cannot(em, -1, "NULL here");
	else
		buf_printf(em->out, "CAST(NULL AS %s)",
		    is(em, DIALECT_TRINO) ? trino : names[type.kind]);
}

static void
integer(struct emitter *em, const struct dialect_hole *hole, int64_t i)
{
	bool wide = hole->type.kind == TYPE_INT8, four = hole->type.kind == TYPE_INT4;

	if (hole->need == NEED_DIVISOR && (i == 0 || i == -1))
		cannot(em, -1, "%lld as a divisor", (long long)i);
	else if (i < 0 && (hole->need == NEED_COUNT || hole->need == NEED_PLACE))
		cannot(em, -1, "a count or place below 0");
	else if (i == 0 && hole->need == NEED_PLACE)
		cannot(em, -1, "a place below 1");
	else if (hole->need == NEED_COUNT || hole->need == NEED_PLACE)
		buf_printf(em->out, "%lld", (long long)i);
	else if (is(em, DIALECT_CLICKHOUSE))
		buf_printf(em->out, "toInt%s(%lld)",
		    wide   ? "64"
		    : four ? "32"
			   : "16",
		    (long long)i);
	else
		buf_printf(em->out, "CAST('%lld' AS %s)", (long long)i,
		    wide   ? "BIGINT"
		    : four ? "INTEGER"
			   : "SMALLINT");
}

struct size {
	int whole, scale; /* digits before the point and behind it */
};

static struct size
size_of(const char *number)
{
	const char *point = strchr(number, '.');
	int scale = point ? (int)strlen(point + 1) : 0;

	return (struct size){
		.whole = (int)strlen(number) - (*number == '-') - (point ? scale + 1 : 0),
		.scale = scale,
	};
}

static struct size
size_of_type(struct pgtype type)
{
	int scale = (type.typmod - 4) & 0xffff;

	return (struct size){ .whole = ((type.typmod - 4) >> 16) - scale, .scale = scale };
}

/* Engines compare two numerics at the larger scale, in 38 digits. */
static bool
comparable(const char *number, struct pgtype like)
{
	struct size n = size_of(number), l = size_of_type(like);

	return like.typmod < 0 || (n.whole > l.whole ? n.whole : l.whole) +
					  (n.scale > l.scale ? n.scale : l.scale) <=
				      PRECISION_MAX;
}

bool
dialect_holds(struct pgtype type, const char *number)
{
	struct size n = size_of(number), t = size_of_type(type);

	return type.typmod < 0 || (n.whole <= t.whole + (*number == '0') &&
				      n.scale <= t.scale && !strpbrk(number, "eE"));
}

/* The value as the literal that says it: digits, or what is between quotes. */
static void
spell(struct buf *out, struct pgtype type, const struct value *v)
{
	if (type.kind == TYPE_BOOL)
		buf_cstr(out, v->b ? "true" : "false");
	else if (type.kind == TYPE_TIMESTAMPTZ)
		timestamp_print(out, v->i); /* the session's zone is UTC */
	else
		value_to_text(out, type, v);
}

static void
value(struct emitter *em, const struct dialect_hole *hole, const struct value *v)
{
	struct ast_expr e = { .kind = AST_STRING, .type = hole->type, .location = -1 };
	struct buf text = { 0 };

	if (sql_type_is_int((int)hole->type.kind)) {
		integer(em, hole, v->i);
		return;
	}
	spell(&text, hole->type, v);
	e.name = buf_str(&text);
	if (hole->type.kind == TYPE_BOOL)
		e.kind = AST_BOOL;
	if (hole->type.kind == TYPE_NUMERIC)
		e.kind = AST_DECIMAL;
	if (strlen(e.name) != text.len)
		cannot(em, -1, "a text with a NUL");
	else if (hole->need == NEED_PATTERN &&
		 strpbrk(e.name, is(em, DIALECT_CLICKHOUSE) ? "\\_" : "\\"))
		cannot(em, -1, "a pattern with a backslash or, in ClickHouse, a _");
	else if (hole->need == NEED_LINE && strchr(e.name, '\n'))
		cannot(em, -1, "a text of more than a line");
	else if (hole->need == NEED_LINE)
		buf_slice(em->out, buf_view(&text));
	else if (e.kind == AST_DECIMAL &&
		 (!comparable(e.name, hole->like) ||
		     (hole->need == NEED_EQUAL && !dialect_holds(hole->like, e.name))))
		cannot(em, -1, "a number of so many digits");
	else
		emit_literal(em, &e, hole->type);
	buf_finish(&text);
}

static enum fate
fill(struct emitter *em, const struct dialect_hole *hole, struct slice param,
    struct arena *arena, struct err *err)
{
	struct value v;

	if (!param.p && hole->need == NEED_VALUE)
		no_value(em, hole->type);
	else if (!param.p)
		cannot(em, -1, "NULL here");
	else if (value_from_text(hole->type, param, arena, &v, err) != FATE_DONE)
		return err->fate;
	else
		value(em, hole, &v);
	if (em->trouble->code)
		return err_code(err, FATE_REJECT, "0A000", "%s", em->trouble->what);
	return FATE_DONE;
}

enum fate
dialect_fill(enum sql_dialect dialect, struct slice sql, const struct dialect_hole *holes,
    size_t count, const struct slice *params, struct arena *arena, struct buf *out,
    struct err *err)
{
	struct dialect d = { .dialect = dialect };
	struct ast_trouble trouble = { .offset = -1 };
	struct emitter em = { .d = &d, .out = out, .trouble = &trouble };
	size_t at = 0, before = out->len;

	for (size_t i = 0; i < count; i++) {
		enum fate fate;

		buf_put(out, sql.p + at, holes[i].at - at);
		at = holes[i].at + holes[i].len;
		fate = fill(&em, &holes[i], params[holes[i].param], arena, err);
		if (fate == FATE_REJECT)
			return err_wrap(err, "$%zu", holes[i].param + 1);
		if (fate != FATE_DONE)
			return fate;
		if (out->len - before > DIALECT_FILLED_MAX)
			break;
	}
	buf_put(out, sql.p + at, sql.len - at);
	if (out->len - before > DIALECT_FILLED_MAX)
		return err_code(err, FATE_REJECT, "0A000",
		    "a statement of more than %d bytes with its parameters",
		    DIALECT_FILLED_MAX);
	return FATE_DONE;
}
