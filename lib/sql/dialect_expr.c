/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sql/dialect_emit.h"

static void
truths(struct emitter *em, const struct ast_expr *e)
{
	buf_byte(em->out, '(');
	for (size_t i = 0; i < e->argc; i++) {
		if (i)
			buf_cstr(em->out, e->kind == AST_AND ? " AND " : " OR ");
		emit_truth(em, e->args[i]);
	}
	buf_byte(em->out, ')');
}

/* NULL and bool are one class with what stands beside them. */
static bool
same_class(const struct ast_expr *a, const struct ast_expr *b)
{
	enum value_class x = class_of(a), y = class_of(b);

	if (a->kind == AST_NULL || b->kind == AST_NULL)
		return true;
	if (x == CLASS_LITERAL || y == CLASS_LITERAL)
		return x != y && (a->kind == AST_STRING || b->kind == AST_STRING);
	if (x == CLASS_NUMERIC && y == CLASS_NUMERIC)
		return true;
	return x == y;
}

/* One side of a comparison. ClickHouse makes IN of equalities of one column and constants,
 * and there brings each number to the column's type or fails. */
static void
side(struct emitter *em, const struct ast_expr *e, const struct ast_expr *to, bool equality)
{
	bool held = equality && is(em, DIALECT_CLICKHOUSE) && to->type.kind == TYPE_NUMERIC &&
		    to->kind > AST_PARAM;

	if (held && e->kind == AST_DECIMAL && !dialect_holds(to->type, e->name))
		cannot(em, e->location, "a number of so many digits");
	else if (held && param_of(e))
		emit_param(em, param_of(e), NEED_EQUAL, to);
	else
		emit_as(em, e, to);
}

void
emit_compare(struct emitter *em, const char *op, const struct ast_expr *a,
    const struct ast_expr *b, long location)
{
	const struct ast_expr *typed = class_of(a) == CLASS_LITERAL || param_of(a) ? b : a;
	bool equality = strcmp(op, "<>") == 0 || !strchr("<>", *op);

	if (!is(em, DIALECT_POSTGRES)) {
		if (!same_class(a, b))
			cannot(em, location, "a comparison of different types");
		if (typed->type.kind == TYPE_NUMERIC && a->type.typmod != b->type.typmod)
			em->raises = true; /* brought to one scale */
		if (equality)
			must_equate(em, typed);
		else
			must_order(em, typed);
	}
	buf_byte(em->out, '(');
	side(em, a, b, equality);
	buf_printf(em->out, " %s ", op);
	side(em, b, a, equality);
	buf_byte(em->out, ')');
}

static void
in_list(struct emitter *em, const struct ast_expr *e)
{
	if (!is(em, DIALECT_POSTGRES) && e->argc > 101) {
		cannot(em, e->location, "IN with more than 100 values");
		return;
	}
	buf_byte(em->out, '(');
	for (size_t i = 1; i < e->argc && em->out->len < DIALECT_SQL_MAX; i++) {
		if (i > 1)
			buf_cstr(em->out, e->negate ? " AND " : " OR ");
		emit_compare(em, e->negate ? "<>" : "=", e->args[0], e->args[i], e->location);
	}
	buf_byte(em->out, ')');
}

static void
between(struct emitter *em, const struct ast_expr *e)
{
	if (e->number && !is(em, DIALECT_POSTGRES))
		cannot(em, e->location, "BETWEEN SYMMETRIC");
	if (e->number) {
		buf_byte(em->out, '(');
		emit_expr(em, e->args[0]);
		buf_cstr(
		    em->out, e->negate ? " NOT BETWEEN SYMMETRIC " : " BETWEEN SYMMETRIC ");
		emit_expr(em, e->args[1]);
		buf_cstr(em->out, " AND ");
		emit_expr(em, e->args[2]);
		buf_byte(em->out, ')');
		return;
	}
	buf_byte(em->out, '(');
	emit_compare(em, e->negate ? "<" : ">=", e->args[0], e->args[1], e->location);
	buf_cstr(em->out, e->negate ? " OR " : " AND ");
	emit_compare(em, e->negate ? ">" : "<=", e->args[0], e->args[2], e->location);
	buf_byte(em->out, ')');
}

static void
like(struct emitter *em, const struct ast_expr *e)
{
	const struct ast_expr *pattern = e->args[1], *param = NULL;
	bool similar = *e->name == 's', plain = *e->name == 'l';

	if (!is(em, DIALECT_POSTGRES)) {
		param = class_of(pattern) == CLASS_TEXT ? param_of(pattern) : NULL;
		if (!plain || class_of(e->args[0]) != CLASS_TEXT ||
		    (!param && (pattern->kind != AST_STRING || strchr(pattern->name, '\\'))))
			cannot(em, e->location, "a pattern other than LIKE with a constant");
		else if (is(em, DIALECT_CLICKHOUSE) && !param && strchr(pattern->name, '_'))
			cannot(em, e->location, "LIKE with _");
	}
	buf_byte(em->out, '(');
	emit_expr(em, e->args[0]);
	buf_cstr(em->out, e->negate ? " NOT" : "");
	buf_cstr(em->out, plain ? " LIKE " : similar ? " SIMILAR TO " : " ILIKE ");
	if (param)
		emit_param(em, param, NEED_PATTERN, NULL);
	else
		emit_expr(em, pattern);
	buf_byte(em->out, ')');
}

static void
distinct_from(struct emitter *em, const struct ast_expr *e)
{
	const struct ast_expr *a = e->args[0], *b = e->args[1];

	if (!is(em, DIALECT_CLICKHOUSE)) {
		emit_compare(em, e->negate ? "IS NOT DISTINCT FROM" : "IS DISTINCT FROM", a, b,
		    e->location);
		must_equate(em, class_of(a) == CLASS_LITERAL ? b : a);
		return;
	}
	buf_cstr(em->out, e->negate ? "(ifNull(" : "(NOT ifNull(");
	emit_compare(em, "=", a, b, e->location);
	buf_cstr(em->out, ", (isNull(");
	emit_as(em, a, b);
	buf_cstr(em->out, ") AND isNull(");
	emit_as(em, b, a);
	buf_cstr(em->out, "))))");
}

static void
is_bool(struct emitter *em, const struct ast_expr *e)
{
	bool unknown = *e->name == 'u';

	buf_byte(em->out, '(');
	if (!is(em, DIALECT_CLICKHOUSE) && !is(em, DIALECT_TRINO)) {
		emit_truth(em, e->args[0]);
		buf_printf(em->out, " IS%s %s)", e->negate ? " NOT" : "", e->name);
		return;
	}
	buf_cstr(em->out, e->negate ? "NOT " : "");
	buf_cstr(em->out, unknown ? "(" : "coalesce(");
	buf_cstr(em->out, *e->name == 'f' ? "NOT " : "");
	emit_truth(em, e->args[0]);
	buf_cstr(em->out, unknown ? " IS NULL))" : ", false))");
}

/* Engines unify scales otherwise than Postgres, or not at all; without a typmod each value
 * has its own. */
static bool
same_result(const struct ast_expr *part, const struct ast_expr *whole)
{
	if (part->kind == AST_NULL)
		return true;
	return part->type.kind == whole->type.kind &&
	       (part->type.kind != TYPE_NUMERIC ||
		   (part->type.typmod >= 0 && part->type.typmod == whole->type.typmod));
}

/* Whether a column stands in it. */
static bool
varies(const struct ast_expr *e)
{
	bool found = e->kind == AST_COLUMN || e->select || (e->left && varies(e->left));

	for (size_t i = 0; i < e->argc && !found; i++)
		found = varies(e->args[i]);
	return found;
}

/* x: NULL, or the left side of x = y. ClickHouse makes an aggregate of CASE WHEN c THEN NULL
 * ELSE x END one of x where NOT c, which leaves out what it has where c is NULL. */
static void
when(struct emitter *em, const struct ast_expr *x, const struct ast_expr *y, long location)
{
	bool clickhouse = is(em, DIALECT_CLICKHOUSE);

	buf_cstr(em->out, clickhouse ? " WHEN ifNull(" : " WHEN ");
	if (x)
		emit_compare(em, "=", x, y, location);
	else
		emit_truth(em, y);
	buf_cstr(em->out, clickhouse ? ", false)" : "");
}

static void
result(struct emitter *em, const struct ast_expr *part, const struct ast_expr *whole)
{
	if (!is(em, DIALECT_POSTGRES) && !same_result(part, whole))
		cannot(em, whole->location, "CASE with results of different types");
	if (part->kind == AST_NULL)
		emit_literal(em, part, whole->type);
	else
		emit_as(em, part, whole);
}

/* CASE x WHEN y is CASE WHEN x = y. */
static void
case_expr(struct emitter *em, const struct ast_expr *e)
{
	if (is(em, DIALECT_CLICKHOUSE) && !varies(e))
		cannot(em, e->location, "CASE of constants");
	buf_cstr(em->out, "CASE");
	for (size_t i = 0; i + 1 < e->argc; i += 2) {
		when(em, e->left, e->args[i], e->location);
		buf_cstr(em->out, " THEN ");
		result(em, e->args[i + 1], e);
	}
	buf_cstr(em->out, " ELSE ");
	result(em, e->args[e->argc - 1], e);
	buf_cstr(em->out, " END");
}

static void
alternatives(struct emitter *em, const struct ast_expr *e)
{
	const char *name = e->kind == AST_COALESCE   ? "coalesce"
			   : e->kind == AST_GREATEST ? "greatest"
						     : "least";

	/* greatest(NULL, 1) is 1 in Postgres and NULL elsewhere */
	if (e->kind != AST_COALESCE && !is(em, DIALECT_POSTGRES))
		cannot(em, e->location, "%s", name);
	for (size_t i = 0; i < e->argc && !is(em, DIALECT_POSTGRES); i++) {
		if (!same_result(e->args[i], e))
			cannot(em, e->location, "%s of different types", name);
	}
	buf_cstr(em->out, name);
	buf_byte(em->out, '(');
	for (size_t i = 0; i < e->argc; i++) {
		buf_cstr(em->out, i ? ", " : "");
		emit_as(em, e->args[i], e);
	}
	buf_byte(em->out, ')');
}

static void
nullif(struct emitter *em, const struct ast_expr *e)
{
	if (is(em, DIALECT_CLICKHOUSE) && !varies(e))
		cannot(em, e->location, "nullif of constants");
	buf_cstr(em->out, "CASE");
	when(em, e->args[0], e->args[1], e->location);
	buf_cstr(em->out, " THEN NULL ELSE ");
	emit_expr(em, e->args[0]);
	buf_cstr(em->out, " END");
}

static void
column(struct emitter *em, const struct ast_expr *e)
{
	const struct ast_source *s = e->source;

	if (!s) {
		cannot(em, e->location, "a column of no table");
		return;
	}
	if (s->number == 0)
		buf_cstr(em->out, em->rule_alias);
	else
		buf_printf(em->out, "t%u", s->number);
	if (e->whole_row) {
		if (!is(em, DIALECT_POSTGRES))
			cannot(em, e->location, "a whole row");
		return;
	}
	buf_byte(em->out, '.');
	if (s->table)
		dialect_name(em->out, em->d->dialect, s->table->columns[e->column].name);
	else
		buf_printf(em->out, "c%zu", e->column + 1);
}

static void
subquery(struct emitter *em, const struct ast_expr *e)
{
	bool clickhouse = is(em, DIALECT_CLICKHOUSE);

	if (clickhouse)
		cannot(em, e->location, "a subquery in an expression");
	if (e->kind == AST_ARRAY_OF && !is(em, DIALECT_POSTGRES))
		cannot(em, e->location, "ARRAY(...)");
	if (e->kind == AST_SCALAR || (e->argc && e->args[0]->type.kind == TYPE_NUMERIC))
		em->raises = true; /* by a second row; brought to one scale */
	buf_byte(em->out, '(');
	if (e->kind == AST_IN_SELECT) {
		if (!is(em, DIALECT_POSTGRES) &&
		    (e->args[0]->kind == AST_ROW || e->select->output_count != 1 ||
			e->args[0]->type.kind != e->select->outputs[0].type.kind))
			cannot(em, e->location, "IN of different types");
		must_equate(em, e->args[0]);
		emit_expr(em, e->args[0]);
		if (strcmp(e->name, "=") == 0 && !e->number)
			buf_cstr(em->out, " IN ");
		else
			buf_printf(em->out, " %s %s ", e->name, e->number ? "ALL" : "ANY");
	}
	buf_cstr(em->out, e->kind == AST_EXISTS     ? "EXISTS ("
			  : e->kind == AST_ARRAY_OF ? "ARRAY("
						    : "(");
	emit_select(em, e->select, false);
	buf_cstr(em->out, "))");
}

/* Nodes that only Postgres is asked. */
static void
postgres_only(struct emitter *em, const struct ast_expr *e)
{
	static const char *const words[] = { [AST_ANY] = "ANY(array)",
		[AST_ALL] = "ALL(array)",
		[AST_ROW] = "a row",
		[AST_ARRAY] = "an array",
		[AST_INDEX] = "a subscript",
		[AST_NOW] = "the clock",
		[AST_GROUPING] = "GROUPING",
		[AST_GROUPING_SET] = "grouping sets",
		[AST_DEFAULT] = "DEFAULT" };

	if (!is(em, DIALECT_POSTGRES)) {
		cannot(em, e->location, "%s", words[e->kind] ? words[e->kind] : "this");
	} else if (e->kind == AST_ANY || e->kind == AST_ALL) {
		buf_byte(em->out, '(');
		emit_expr(em, e->args[0]);
		buf_printf(em->out, " %s %s(", e->name, e->kind == AST_ANY ? "ANY" : "ALL");
		emit_expr(em, e->args[1]);
		buf_cstr(em->out, "))");
	} else if (e->kind == AST_NOW) {
		buf_cstr(em->out, e->name);
	} else if (e->kind == AST_ROW) {
		buf_cstr(em->out, "ROW");
		emit_joined(em, e, ", ");
	} else if (e->kind == AST_INDEX) {
		buf_byte(em->out, '(');
		emit_expr(em, e->args[0]);
		buf_cstr(em->out, ")[");
		emit_expr(em, e->args[1]);
		buf_byte(em->out, ']');
	} else {
		cannot(em, e->location, "this");
	}
}

static void
emit_node(struct emitter *em, const struct ast_expr *e)
{
	switch (e->kind) {
	case AST_NULL:
		/* where a key's condition has a constant NULL, count(*) is answered from the
		 * index, which takes NULL for false: under NOT that shows */
		if (is(em, DIALECT_CLICKHOUSE))
			cannot(em, e->location, "NULL here");
		emit_literal(em, e, e->type);
		return;
	case AST_BOOL:
	case AST_INT:
	case AST_DECIMAL:
	case AST_STRING: emit_literal(em, e, e->type); return;
	case AST_COLUMN: column(em, e); return;
	case AST_OP: emit_operator(em, e); return;
	case AST_AND:
	case AST_OR: truths(em, e); return;
	case AST_NOT:
		buf_cstr(em->out, "(NOT ");
		emit_truth(em, e->args[0]);
		buf_byte(em->out, ')');
		return;
	case AST_IS_NULL:
		if (class_of(e->args[0]) == CLASS_OTHER && !is(em, DIALECT_POSTGRES))
			cannot(em, e->location, "IS NULL of this type");
		buf_byte(em->out, '(');
		emit_expr(em, e->args[0]);
		buf_cstr(em->out, e->negate ? " IS NOT NULL)" : " IS NULL)");
		return;
	case AST_IS_BOOL: is_bool(em, e); return;
	case AST_DISTINCT_FROM: distinct_from(em, e); return;
	case AST_NULLIF: nullif(em, e); return;
	case AST_IN: in_list(em, e); return;
	case AST_LIKE: like(em, e); return;
	case AST_BETWEEN: between(em, e); return;
	case AST_CASE: case_expr(em, e); return;
	case AST_COALESCE:
	case AST_GREATEST:
	case AST_LEAST: alternatives(em, e); return;
	case AST_CAST: emit_cast(em, e); return;
	case AST_COLLATE:
		emit_expr(em, e->args[0]);
		if (is(em, DIALECT_POSTGRES))
			buf_printf(em->out, " COLLATE \"%s\"", e->name);
		return;
	case AST_CALL: emit_call(em, e); return;
	case AST_EXISTS:
	case AST_SCALAR:
	case AST_ARRAY_OF:
	case AST_IN_SELECT: subquery(em, e); return;
	case AST_PARAM: emit_param(em, e, NEED_VALUE, NULL); return;
	case AST_ANY:
	case AST_ALL:
	case AST_ROW:
	case AST_ARRAY:
	case AST_INDEX:
	case AST_NOW:
	case AST_GROUPING:
	case AST_GROUPING_SET:
	case AST_DEFAULT:
	case AST_STAR:
	case AST_FIELD: postgres_only(em, e); return;
	}
}

void
emit_expr(struct emitter *em, const struct ast_expr *e)
{
	if (em->trouble->code)
		return;
	if (em->out->len > DIALECT_SQL_MAX)
		cannot(em, -1, "a statement of more than %d bytes", DIALECT_SQL_MAX);
	else
		emit_node(em, e);
}

void
emit_truth(struct emitter *em, const struct ast_expr *e)
{
	if (!is(em, DIALECT_POSTGRES) && class_of(e) != CLASS_BOOL && e->kind != AST_NULL)
		cannot(em, e->location, "a condition that is no boolean");
	else
		emit_expr(em, e);
}
