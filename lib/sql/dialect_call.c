/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sql/dialect_emit.h"

static void
arguments(struct emitter *em, const struct ast_expr *e)
{
	buf_byte(em->out, '(');
	buf_cstr(em->out, e->call->distinct ? "DISTINCT " : "");
	buf_cstr(em->out, e->call->star ? "*" : "");
	for (size_t i = 0; i < e->argc; i++) {
		buf_cstr(em->out, i ? ", " : "");
		buf_cstr(em->out, e->call->variadic && i + 1 == e->argc ? "VARIADIC " : "");
		emit_expr(em, e->args[i]);
	}
}

static void
window(struct emitter *em, const struct ast_window *w)
{
	buf_cstr(em->out, " OVER (");
	for (size_t i = 0; i < w->partition.count; i++) {
		buf_cstr(em->out, i ? ", " : "PARTITION BY ");
		must_equate(em, w->partition.items[i]);
		emit_expr(em, w->partition.items[i]);
	}
	if (w->order_count) {
		buf_cstr(em->out, w->partition.count ? " ORDER BY " : "ORDER BY ");
		emit_orders(em, w->order, w->order_count);
	}
	buf_byte(em->out, ')');
}

/* Ranks only: they are integers, and the default frame does not matter to them. */
static void
ranked(struct emitter *em, const struct ast_expr *e)
{
	static const char *const ranks[] = { "row_number", "rank", "dense_rank", NULL };
	const struct ast_window *w = e->call->over;
	bool known = false;

	for (size_t i = 0; ranks[i]; i++)
		known = known || strcmp(e->name, ranks[i]) == 0;
	if (is(em, DIALECT_CLICKHOUSE) && em->d->version && em->d->version < 21)
		cannot(em, e->location, "window");
	if (!known || w->framed || w->name || w->refname || !w->order_count)
		cannot(em, e->location, "window function %s", e->name);
	buf_printf(em->out, is(em, DIALECT_CLICKHOUSE) ? "toInt64(%s()" : "%s()", e->name);
	window(em, w);
	buf_cstr(em->out, is(em, DIALECT_CLICKHOUSE) ? ")" : "");
}

static void
postgres_call(struct emitter *em, const struct ast_expr *e)
{
	const struct ast_call *c = e->call;

	if (c->named || (c->over && (c->over->framed || c->over->name || c->over->refname))) {
		cannot(em, e->location, "named arguments, windows or frames");
		return;
	}
	if (c->function)
		buf_cstr(em->out, "pg_catalog.");
	dialect_name(em->out, DIALECT_POSTGRES, e->name);
	arguments(em, e);
	if (c->order_count) {
		buf_cstr(em->out, c->within_group ? ") WITHIN GROUP (ORDER BY " : " ORDER BY ");
		emit_orders(em, c->order, c->order_count);
	}
	buf_byte(em->out, ')');
	if (c->filter) {
		buf_cstr(em->out, " FILTER (WHERE ");
		emit_truth(em, c->filter);
		buf_byte(em->out, ')');
	}
	if (c->over)
		window(em, c->over);
}

enum { SUM_PRECISION_MAX = 24 }; /* 10^14 rows of it fit 38 digits */

/* What an aggregate's argument must be for the engines to agree. */
static void
judge_argument(struct emitter *em, const struct ast_expr *e, const char *name)
{
	const struct ast_expr *x = e->args[0];
	enum value_class class = class_of(x);

	if (strcmp(name, "count") == 0) {
		if (e->call->distinct)
			must_equate(em, x);
		else if (class == CLASS_OTHER)
			cannot(em, e->location, "count of this type");
		return;
	}
	if (e->call->distinct)
		cannot(em, e->location, "%s(DISTINCT ...)", name);
	if (*name == 'm' && class == CLASS_BOOL)
		cannot(em, e->location, "%s of a bool", name);
	else if (*name == 'm')
		must_order(em, x);
	else if (*name == 'b' && class != CLASS_BOOL)
		cannot(em, e->location, "%s of other than bool", name);
	else if (*name == 's' && class != CLASS_INT &&
		 (class != CLASS_NUMERIC || (x->type.typmod - 4) >> 16 > SUM_PRECISION_MAX))
		cannot(em, e->location, "sum of this type");
}

/* The argument, NULL where FILTER does not hold. */
static void
filtered(struct emitter *em, const struct ast_expr *e)
{
	const struct ast_expr *filter = e->call->filter;

	if (filter) {
		buf_cstr(em->out, "CASE WHEN ");
		emit_truth(em, filter);
		buf_cstr(em->out, " THEN ");
	}
	emit_expr(em, e->args[0]);
	if (filter)
		buf_cstr(em->out, " END");
}

static void
clickhouse_aggregate(struct emitter *em, const struct ast_expr *e)
{
	static const struct {
		const char *name;
		int arg; /* enum type_kind, or -1: any */
		const char *open, *close;
	} forms[] = {
		{ "count", -1, "toInt64(count(", "))" },
		{ "sum", TYPE_INT8, "sumOrNull(toInt128(", "))" },
		{ "sum", TYPE_NUMERIC, "sumOrNull(", ")" },
		{ "sum", -1, "sumOrNull(toInt64(", "))" },
		{ "min", -1, "minOrNull(", ")" },
		{ "max", -1, "maxOrNull(", ")" },
		{ "bool_and", -1, "CAST(minOrNull(", "), 'Nullable(Bool)')" },
		{ "bool_or", -1, "CAST(maxOrNull(", "), 'Nullable(Bool)')" },
	};

	if (e->call->star && e->call->filter) {
		buf_cstr(em->out, "toInt64(countIf(");
		emit_truth(em, e->call->filter);
		buf_cstr(em->out, "))");
		return;
	}
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		if (strcmp(e->name, forms[i].name) != 0 ||
		    (forms[i].arg >= 0 && (int)e->args[0]->type.kind != forms[i].arg))
			continue;
		buf_cstr(em->out, e->call->distinct ? "toInt64(uniqExact(" : forms[i].open);
		if (!e->call->star)
			filtered(em, e);
		buf_cstr(em->out, forms[i].close);
		return;
	}
}

static void
standard_aggregate(struct emitter *em, const struct ast_expr *e)
{
	bool wide = *e->name == 's' && e->args[0]->type.kind == TYPE_INT8;

	buf_cstr(em->out, e->name);
	buf_cstr(em->out, wide ? "(CAST(" : "(");
	buf_cstr(em->out, e->call->distinct ? "DISTINCT " : "");
	if (e->call->star)
		buf_byte(em->out, '*');
	else
		emit_expr(em, e->args[0]);
	buf_cstr(em->out, wide ? " AS DECIMAL(38, 0)))" : ")");
	if (e->call->filter) {
		buf_cstr(em->out, " FILTER (WHERE ");
		emit_truth(em, e->call->filter);
		buf_byte(em->out, ')');
	}
}

static void
aggregate(struct emitter *em, const struct ast_expr *e)
{
	static const char *const known[] = { "count", "sum", "min", "max", "bool_and",
		"bool_or", NULL };
	size_t i = 0;

	while (known[i] && strcmp(known[i], e->name) != 0)
		i++;
	if (!known[i] || e->call->order_count || e->call->within_group ||
	    (e->call->star ? e->argc != 0 : e->argc != 1)) {
		cannot(em, e->location, "%s", e->name);
		return;
	}
	if (!e->call->star)
		judge_argument(em, e, e->name);
	if (em->trouble->code)
		return;
	if (is(em, DIALECT_CLICKHOUSE))
		clickhouse_aggregate(em, e);
	else
		standard_aggregate(em, e);
}

/* An engine's avg is a float or rounds: its sum and its count are exact. */
void
emit_part_of_avg(struct emitter *em, const struct ast_expr *avg, const char *name)
{
	struct ast_expr part = *avg;

	part.name = name;
	if (avg->argc == 1 && class_of(avg->args[0]) == CLASS_NUMERIC &&
	    avg->args[0]->type.typmod < 0)
		cannot(em, avg->location, "avg of this type");
	judge_argument(em, avg, "sum");
	aggregate(em, &part);
}

static bool
is_text(const struct ast_expr *e)
{
	return class_of(e) == CLASS_TEXT;
}

/* open, the argument, close */
static void
around(struct emitter *em, const char *open, const struct ast_expr *e, const char *close)
{
	buf_cstr(em->out, open);
	emit_expr(em, e);
	buf_cstr(em->out, close);
}

/* The smallest integer has no opposite: Postgres raises that, and so must it here. */
static void
absolute(struct emitter *em, const struct ast_expr *e)
{
	bool wide = e->type.kind == TYPE_INT8;

	if (!is(em, DIALECT_CLICKHOUSE)) {
		around(em, "abs(", e->args[0], ")");
		return;
	}
	around(em, wide ? "accurateCast(abs(toInt128(" : "accurateCast(abs(toInt64(",
	    e->args[0], "))");
	buf_printf(em->out, ", 'Nullable(%s)')",
	    wide                        ? "Int64"
	    : e->type.kind == TYPE_INT4 ? "Int32"
					: "Int16");
}

/* From a constant place on, for a constant length: the others differ before the first
 * character. */
static void
substring(struct emitter *em, const struct ast_expr *e)
{
	for (size_t i = 1; i < e->argc; i++) {
		if (!param_of(e->args[i]) &&
		    (e->args[i]->kind != AST_INT || e->args[i]->number < (i == 1)))
			cannot(em, e->location, "substring with such a place or length");
	}
	around(
	    em, is(em, DIALECT_CLICKHOUSE) ? "substringUTF8(" : "substring(", e->args[0], "");
	for (size_t i = 1; i < e->argc; i++) {
		buf_cstr(em->out, ", ");
		if (param_of(e->args[i]))
			emit_param(
			    em, param_of(e->args[i]), i == 1 ? NEED_PLACE : NEED_COUNT, NULL);
		else
			buf_cstr(em->out, e->args[i]->name);
	}
	buf_byte(em->out, ')');
}

/* What means the same everywhere; case mapping and the rest do not. */
static void
plain_function(struct emitter *em, const struct ast_expr *e)
{
	bool clickhouse = is(em, DIALECT_CLICKHOUSE);
	bool length = strcmp(e->name, "length") == 0 || strcmp(e->name, "char_length") == 0;
	bool part = strcmp(e->name, "substring") == 0 || strcmp(e->name, "substr") == 0;
	bool starts = strcmp(e->name, "starts_with") == 0;

	if (length && e->argc == 1 && is_text(e->args[0])) {
		around(em, clickhouse ? "toInt32(lengthUTF8(" : "length(", e->args[0],
		    clickhouse ? "))" : ")");
	} else if (starts && e->argc == 2 && is_text(e->args[0]) &&
		   (e->args[1]->kind == AST_STRING ||
		       (param_of(e->args[1]) && is_text(e->args[1])))) {
		around(em, clickhouse ? "CAST(startsWith(" : "starts_with(", e->args[0], ", ");
		around(em, "", e->args[1], clickhouse ? "), 'Nullable(Bool)')" : ")");
	} else if (part && (e->argc == 2 || e->argc == 3) && is_text(e->args[0])) {
		substring(em, e);
	} else if (strcmp(e->name, "abs") == 0 && e->argc == 1 &&
		   class_of(e->args[0]) == CLASS_INT) {
		em->raises = true;
		absolute(em, e);
	} else {
		cannot(em, e->location, "function %s", e->name);
	}
}

void
emit_call(struct emitter *em, const struct ast_expr *e)
{
	const struct ast_function *f = e->call->function;

	if (is(em, DIALECT_POSTGRES))
		postgres_call(em, e);
	else if (!f || e->call->named || e->call->variadic)
		cannot(em, e->location, "function %s", e->name);
	else if (e->call->over)
		ranked(em, e);
	else if (f->class == FUNCTION_AGGREGATE)
		aggregate(em, e);
	else
		plain_function(em, e);
}

static void
postgres_cast(struct emitter *em, const struct ast_expr *e)
{
	const struct ast_type_name *t = e->cast;

	buf_cstr(em->out, "CAST(");
	emit_expr(em, e->args[0]);
	buf_printf(em->out, " AS pg_catalog.%s", t->name);
	for (size_t i = 0; i < t->mod_count; i++)
		buf_printf(em->out, "%s%d", i ? ", " : "(", t->mods[i]);
	buf_cstr(em->out, t->mod_count ? ")" : "");
	buf_cstr(em->out, t->array ? "[])" : ")");
}

/* Literals become values of their type; integers widen or print; the rest is refused. */
void
emit_cast(struct emitter *em, const struct ast_expr *e)
{
	static const char *const names[][2] = { { "toInt16", "SMALLINT" },
		{ "toInt32", "INTEGER" }, { "toInt64", "BIGINT" } };
	const struct ast_expr *x = e->args[0];
	size_t at = e->type.kind == TYPE_INT8 ? 2 : e->type.kind == TYPE_INT4;

	if (is(em, DIALECT_POSTGRES)) {
		postgres_cast(em, e);
	} else if (e->cast->array || e->cast->mod_count) {
		cannot(em, e->location, "a cast to %s", e->cast->name);
	} else if (x->kind == AST_STRING) {
		emit_literal(em, x, e->type);
	} else if (x->type.kind == e->type.kind && class_of(x) != CLASS_LITERAL) {
		emit_expr(em, x);
	} else if (class_of(x) == CLASS_INT && e->type.kind == TYPE_TEXT) {
		around(em, is(em, DIALECT_CLICKHOUSE) ? "toString(" : "CAST(", x,
		    is(em, DIALECT_CLICKHOUSE) ? ")" : " AS VARCHAR)");
	} else if (class_of(x) == CLASS_INT && sql_type_is_int((int)e->type.kind) &&
		   x->type.kind < e->type.kind) {
		buf_cstr(em->out, is(em, DIALECT_CLICKHOUSE) ? names[at][0] : "CAST");
		buf_byte(em->out, '(');
		emit_expr(em, x);
		if (!is(em, DIALECT_CLICKHOUSE))
			buf_printf(em->out, " AS %s", names[at][1]);
		buf_byte(em->out, ')');
	} else {
		cannot(em, e->location, "a cast to %s", e->cast->name);
	}
}
