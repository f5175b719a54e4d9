/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic and ||: what overflows, or divides by nothing, where Postgres does. */
#include <string.h>

#include "sql/dialect_emit.h"

void
emit_joined(struct emitter *em, const struct ast_expr *e, const char *between)
{
	buf_byte(em->out, '(');
	for (size_t i = 0; i < e->argc; i++) {
		if (i)
			buf_cstr(em->out, between);
		emit_expr(em, e->args[i]);
	}
	buf_byte(em->out, ')');
}

/* Only columns whose every value is an integer: overflow must raise what Postgres raises. */
static void
clickhouse_arithmetic(struct emitter *em, const struct ast_expr *e)
{
	bool wide = e->type.kind == TYPE_INT8;
	const char *to = wide ? "toInt128" : "toInt64";
	const char *result = wide ? "Int64" : e->type.kind == TYPE_INT4 ? "Int32" : "Int16";

	buf_printf(em->out, "accurateCast(%s(", to);
	emit_expr(em, e->args[0]);
	buf_printf(em->out, ") %s %s(", e->name, to);
	emit_expr(em, e->args[1]);
	buf_printf(em->out, "), 'Nullable(%s)')", result);
}

/* MIN / -1 ends otherwise everywhere. false: it may be that, or 0. */
static bool
divides(const struct ast_expr *by)
{
	return (by->kind == AST_INT && by->number != 0 && by->number != -1) || param_of(by);
}

static void
emit_divisor(struct emitter *em, const struct ast_expr *by)
{
	if (param_of(by))
		emit_param(em, param_of(by), NEED_DIVISOR, NULL);
	else
		emit_expr(em, by);
}

static void
integer_division(struct emitter *em, const struct ast_expr *e)
{
	bool clickhouse = is(em, DIALECT_CLICKHOUSE);
	const struct ast_expr *by = e->args[1];

	if (!divides(by))
		cannot(em, e->location, "integer division by anything but a constant");
	buf_cstr(em->out, clickhouse ? "intDiv(" : "(");
	emit_expr(em, e->args[0]);
	buf_cstr(em->out, clickhouse ? ", " : is(em, DIALECT_DUCKDB) ? " // " : " / ");
	emit_divisor(em, by);
	buf_byte(em->out, ')');
}

static void
remainder_of(struct emitter *em, const struct ast_expr *e)
{
	if (!divides(e->args[1]))
		cannot(em, e->location, "a remainder by anything but a constant");
	buf_byte(em->out, '(');
	emit_expr(em, e->args[0]);
	buf_cstr(em->out, " % ");
	emit_divisor(em, e->args[1]);
	buf_byte(em->out, ')');
}

static void
arithmetic(struct emitter *em, const struct ast_expr *e)
{
	char op = *e->name;

	em->raises = em->raises || (op != '/' && op != '%');
	if (e->argc != 2 || class_of(e->args[0]) != CLASS_INT ||
	    class_of(e->args[1]) != CLASS_INT)
		cannot(em, e->location, "arithmetic on other than integers");
	else if (op == '/')
		integer_division(em, e);
	else if (op == '%')
		remainder_of(em, e);
	else if (is(em, DIALECT_CLICKHOUSE))
		clickhouse_arithmetic(em, e);
	else
		emit_joined(em, e, op == '+' ? " + " : op == '-' ? " - " : " * ");
}

static void
concatenation(struct emitter *em, const struct ast_expr *e)
{
	if (e->argc != 2 ||
	    (class_of(e->args[0]) != CLASS_TEXT && e->args[0]->kind != AST_STRING) ||
	    (class_of(e->args[1]) != CLASS_TEXT && e->args[1]->kind != AST_STRING)) {
		cannot(em, e->location, "|| of other than texts");
		return;
	}
	if (is(em, DIALECT_CLICKHOUSE))
		buf_cstr(em->out, "concat");
	emit_joined(em, e, is(em, DIALECT_CLICKHOUSE) ? ", " : " || ");
}

void
emit_operator(struct emitter *em, const struct ast_expr *e)
{
	static const char *const compares[] = { "=", "<>", "<", ">", "<=", ">=", NULL };

	for (size_t i = 0; compares[i] && e->argc == 2; i++) {
		if (strcmp(e->name, compares[i]) == 0) {
			emit_compare(em, e->name, e->args[0], e->args[1], e->location);
			return;
		}
	}
	if (is(em, DIALECT_POSTGRES)) {
		buf_byte(em->out, '(');
		if (e->argc == 2)
			emit_expr(em, e->args[0]);
		buf_printf(em->out, " OPERATOR(pg_catalog.%s) ", e->name);
		emit_expr(em, e->args[e->argc - 1]);
		buf_byte(em->out, ')');
	} else if (strchr("+-*/%", *e->name) && e->name[1] == '\0') {
		arithmetic(em, e);
	} else if (strcmp(e->name, "||") == 0) {
		concatenation(em, e);
	} else {
		cannot(em, e->location, "operator %s", e->name);
	}
}

/* x IN (a, b) is x = a OR x = b, NULLs and all; NOT IN is AND of <>. */
