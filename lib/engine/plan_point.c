/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "engine/plan_make.h"

enum { KEY_COLUMNS_MAX = 16, POINT_MAX = 100 };

/* How many values each key column is bound to; 0: it is not. */
struct bound {
	const struct ast_source *source;
	const struct sql_key *key;
	size_t values[KEY_COLUMNS_MAX];
	const char *why_not; /* a code, NULL: nothing to say */
};

static bool
constant(const struct ast_expr *e)
{
	if (e->kind == AST_CAST)
		return constant(e->args[0]);
	return e->kind == AST_INT || e->kind == AST_DECIMAL || e->kind == AST_STRING ||
	       e->kind == AST_BOOL || e->kind == AST_PARAM;
}

static void
bind(struct bound *b, const struct ast_expr *column, size_t values)
{
	for (size_t i = 0; i < b->key->column_count && i < KEY_COLUMNS_MAX; i++) {
		if (b->key->columns[i] == column->column)
			b->values[i] = values;
	}
}

static bool
of_table(const struct bound *b, const struct ast_expr *e)
{
	return e->kind == AST_COLUMN && e->up == 0 && !e->whole_row && e->source == b->source;
}

static void
equality(struct bound *b, const struct ast_expr *e)
{
	const struct ast_expr *column = e->args[0], *value = e->args[1];

	if (!of_table(b, column)) {
		column = e->args[1];
		value = e->args[0];
	}
	if (!of_table(b, column))
		return;
	if (constant(value))
		bind(b, column, 1);
	else if (value->kind != AST_COLUMN)
		b->why_not = "NON_CONSTANT";
}

static void
in_list(struct bound *b, const struct ast_expr *e)
{
	if (e->negate || !of_table(b, e->args[0]))
		return;
	for (size_t i = 1; i < e->argc; i++) {
		if (!constant(e->args[i])) {
			b->why_not = "NON_CONSTANT";
			return;
		}
	}
	if (e->argc - 1 > POINT_MAX)
		b->why_not = "IN_LIST_TOO_LONG";
	else
		bind(b, e->args[0], e->argc - 1);
}

/* What a condition that must hold binds. */
static void
conjunct(struct bound *b, const struct ast_expr *e)
{
	if (!e)
		return;
	if (e->kind == AST_AND) {
		for (size_t i = 0; i < e->argc; i++)
			conjunct(b, e->args[i]);
	} else if (e->kind == AST_OP && e->argc == 2 && strcmp(e->name, "=") == 0) {
		equality(b, e);
	} else if (e->kind == AST_IN) {
		in_list(b, e);
	} else if (e->kind == AST_OR) {
		b->why_not = "OR";
	}
}

static size_t
bound_prefix(const struct bound *b)
{
	size_t prefix = 0;

	while (prefix < b->key->column_count && prefix < KEY_COLUMNS_MAX && b->values[prefix])
		prefix++;
	return prefix;
}

static size_t
rows_named(const struct bound *b)
{
	size_t rows = 1;

	for (size_t i = 0; i < b->key->column_count && rows <= POINT_MAX; i++)
		rows *= b->values[i] ? b->values[i] : 1;
	return rows;
}

static void
note(struct maker *m, const char *code)
{
	trace_add(&m->plan->trace, STAGE_SHAPE, VERDICT_NOTED, TRACE_ALL, code, "no look-up");
}

static void
found(struct maker *m, enum plan_shape shape, const char *rule, const struct bound *b)
{
	struct plan *p = m->plan;

	p->shape = shape;
	p->rule = rule;
	if (shape == SHAPE_POINT && rows_named(b) > 1)
		(void)snprintf(
		    p->detail, sizeof p->detail, "n=%zu <= %d", rows_named(b), POINT_MAX);
	else if (shape == SHAPE_POINT)
		(void)snprintf(p->detail, sizeof p->detail, "%s",
		    b->key->column_count > 1 ? "composite" : "pk");
	else
		(void)snprintf(p->detail, sizeof p->detail, "%s",
		    shape == SHAPE_PREFIX ? "not unique" : b->source->table->name);
}

static bool
one_table(struct maker *m, const struct ast_select *s, const struct ast_source *source)
{
	struct bound b = { .source = source };
	size_t prefix;

	if (!source->table || !source->table->key_count)
		return false;
	b.key = &source->table->keys[0];
	conjunct(&b, s->where);
	prefix = bound_prefix(&b);
	if (prefix == b.key->column_count && rows_named(&b) <= POINT_MAX) {
		if (s->source_count == 1)
			found(m, SHAPE_POINT, "POINT_LOOKUP", &b);
		else
			found(m, SHAPE_ANCHORED, "PK_ANCHORED_JOIN", &b);
		return true;
	}
	if (prefix && s->source_count == 1) {
		found(m, SHAPE_PREFIX, "PK_PREFIX", &b);
		return true;
	}
	if (s->source_count == 1 && s->where)
		note(m, b.why_not ? b.why_not : "NOT_KEY");
	return false;
}

/* An outer join's rows do not all come from the row that WHERE names. */
static bool
outer_join(const struct ast_from *from)
{
	return from->kind == FROM_JOIN &&
	       (from->join == JOIN_RIGHT || from->join == JOIN_FULL || outer_join(from->left) ||
		   outer_join(from->right));
}

bool
plan_point(struct maker *m)
{
	const struct ast_select *s = m->statement->select;

	if (s->set || s->with.count || m->facts.subqueries || !s->source_count) {
		if (m->facts.subqueries && s->source_count == 1 && s->where &&
		    s->where->kind == AST_OP)
			note(m, "NON_CONSTANT");
		return false;
	}
	for (size_t i = 0; i < s->from_count; i++) {
		if (outer_join(s->from[i]))
			return false;
	}
	for (size_t i = 0; i < s->source_count; i++) {
		if (one_table(m, s, s->sources[i]))
			return true;
	}
	return false;
}
