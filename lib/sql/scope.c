/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/scope.h"

#include <string.h>

#include "sql/scope_level.h"

static void
add_output(struct resolver *r, struct ast_select *s, const char *name, struct ast_expr *e)
{
	if (s->output_count >= AST_OUTPUTS_MAX || !resolver_budget(r, 1)) {
		(void)ast_no(r->trouble, "TOO_LARGE", e->location, "more than %d columns",
		    AST_OUTPUTS_MAX);
		return;
	}
	s->outputs[s->output_count++] = (struct ast_output){
		.name = name, .type = e->type, .collation = e->collation, .expr = e
	};
}

static void
expand(struct resolver *r, struct level *level, const struct ast_expr *star)
{
	struct ast_select *s = level->select;
	bool found = false;

	for (size_t f = 0; f < s->from_count && !star->table; f++) {
		for (size_t i = 0; i < s->from[f]->seen_count && !resolver_bad(r); i++) {
			const struct ast_seen *seen = &s->from[f]->seen[i];

			add_output(r, s, seen->source->columns[seen->column].name,
			    scope_column(r, seen->source, seen->column, star->location));
		}
		found = true;
	}
	for (size_t f = 0; f < level->source_count && star->table; f++) {
		struct ast_source *source = level->sources[f];

		if (strcmp(source->alias, star->table) != 0)
			continue;
		found = true;
		for (size_t i = 0; i < source->column_count && !resolver_bad(r); i++)
			add_output(r, s, source->columns[i].name,
			    scope_column(r, source, i, star->location));
	}
	if (!found)
		(void)ast_no(r->trouble, "UNKNOWN_TABLE", star->location,
		    "there is no table for %s%s*", star->table ? star->table : "",
		    star->table ? "." : "");
}

/* (t).* is t.* */
static struct ast_expr *
as_star(struct ast_expr *e)
{
	if (e->kind == AST_FIELD && strcmp(e->name, "*") == 0 &&
	    e->args[0]->kind == AST_COLUMN && !e->args[0]->table) {
		e->kind = AST_STAR;
		e->table = e->args[0]->name;
		e->argc = 0;
	}
	return e;
}

void
scope_targets(struct resolver *r, struct level *level)
{
	struct ast_select *s = level->select;
	size_t most = s->target_count;

	for (size_t i = 0; i < s->target_count; i++) {
		for (size_t f = 0; f < level->source_count; f++)
			most += as_star(s->targets[i].expr)->kind == AST_STAR
				    ? level->sources[f]->column_count
				    : 0;
		if (most > AST_OUTPUTS_MAX)
			most = AST_OUTPUTS_MAX;
	}
	s->outputs = resolver_take(r, most, sizeof(*s->outputs));
	for (size_t i = 0; i < s->target_count && !resolver_bad(r); i++) {
		struct ast_expr *e = s->targets[i].expr;

		if (e->kind == AST_STAR) {
			expand(r, level, e);
			continue;
		}
		scope_expr(r, level, e);
		if (!resolver_bad(r))
			add_output(r, s,
			    s->targets[i].name ? s->targets[i].name : ast_output_name(e), e);
	}
}

static struct ast_expr *
output_at(struct resolver *r, const struct ast_select *s, const struct ast_expr *e)
{
	if (e->number >= 1 && (size_t)e->number <= s->output_count)
		return s->outputs[e->number - 1].expr;
	return ast_no(r->trouble, "SYNTAX", e->location,
	    "position %lld is not in the select list", (long long)e->number);
}

static struct ast_expr *
ambiguous(struct resolver *r, const struct ast_expr *e)
{
	return ast_no(r->trouble, "AMBIGUOUS", e->location, "\"%s\" is ambiguous", e->name);
}

/* Results of one name are one only when they are the same expression. */
static struct ast_expr *
output_named(struct resolver *r, const struct ast_select *s, const struct ast_expr *e)
{
	struct ast_expr *found = NULL;

	for (size_t i = 0; i < s->output_count; i++) {
		if (strcmp(s->outputs[i].name, e->name) != 0)
			continue;
		if (found && !ast_same(found, s->outputs[i].expr))
			return ambiguous(r, e);
		found = s->outputs[i].expr;
	}
	return found;
}

static bool
input_named(const struct level *level, const char *name)
{
	for (size_t i = 0; i < level->source_count; i++) {
		for (size_t c = 0; c < level->sources[i]->column_count; c++) {
			if (strcmp(level->sources[i]->columns[c].name, name) == 0)
				return true;
		}
	}
	return false;
}

/* GROUP BY: a position, an input column, or else a result's name. ORDER BY and DISTINCT
 * ON: a position, a result's name, or else an expression. */
static struct ast_expr *
meant(struct resolver *r, struct level *level, struct ast_expr *e, bool output_first)
{
	const struct ast_select *s = level->select;
	struct ast_expr *output;

	if (e->kind == AST_INT)
		return output_at(r, s, e);
	if (e->kind == AST_COLUMN && !e->table &&
	    (output_first || !input_named(level, e->name))) {
		output = output_named(r, s, e);
		if (output || resolver_bad(r))
			return output;
	}
	if (e->kind == AST_GROUPING_SET || e->kind == AST_ROW) {
		for (size_t i = 0; i < e->argc && !resolver_bad(r); i++)
			e->args[i] = meant(r, level, e->args[i], output_first);
		return e;
	}
	scope_expr(r, level, e);
	return e;
}

static void
orders_and_groups(struct resolver *r, struct level *level)
{
	struct ast_select *s = level->select;

	for (size_t i = 0; i < s->order_count && !resolver_bad(r); i++)
		s->order[i].expr = meant(r, level, s->order[i].expr, true);
	for (size_t i = 0; i < s->group.count && !resolver_bad(r); i++)
		s->group.items[i] = meant(r, level, s->group.items[i], false);
	for (size_t i = 0; i < s->distinct_on.count && !resolver_bad(r); i++)
		s->distinct_on.items[i] = meant(r, level, s->distinct_on.items[i], true);
}

static void
value_rows(struct resolver *r, struct level *level)
{
	static const char *const names[] = { "column1", "column2", "column3", "column4",
		"column5", "column6", "column7", "column8", "column9" };
	struct ast_select *s = level->select;
	size_t width = s->values[0].count;

	s->output_count = 0;
	s->outputs = resolver_take(r, width, sizeof(*s->outputs));
	for (size_t row = 0; row < s->value_count && !resolver_bad(r); row++) {
		if (s->values[row].count != width) {
			(void)ast_no(r->trouble, "SYNTAX", -1,
			    "VALUES lists must all be the same length");
			return;
		}
		for (size_t i = 0; i < width; i++)
			scope_expr(r, level, s->values[row].items[i]);
	}
	for (size_t i = 0; i < width && !resolver_bad(r); i++) {
		s->outputs[i].name = i < 9 ? names[i] : "column";
		s->outputs[i].type = s->values[0].items[i]->type;
	}
	s->output_count = width;
}

/* The arms' results; ORDER BY may only name one of them or its position. */
static void
set_results(struct resolver *r, struct ast_select *s)
{
	const struct ast_select *left = s->left, *right = s->right;

	if (left->output_count != right->output_count) {
		(void)ast_no(r->trouble, "SYNTAX", -1,
		    "each arm of a set operation must have the same number of columns");
		return;
	}
	s->output_count = left->output_count;
	s->outputs = resolver_take(r, s->output_count, sizeof(*s->outputs));
	for (size_t i = 0; i < s->output_count; i++) {
		s->outputs[i] = left->outputs[i];
		s->outputs[i].expr = NULL;
		if (left->outputs[i].type.kind != right->outputs[i].type.kind)
			s->outputs[i].type.kind = TYPE_OTHER;
		else if (left->outputs[i].type.typmod != right->outputs[i].type.typmod)
			s->outputs[i].type.typmod = -1;
	}
	for (size_t i = 0; i < s->order_count; i++) {
		struct ast_expr *e = s->order[i].expr;
		size_t at = 0;

		while (e->kind == AST_COLUMN && !e->table && at < s->output_count &&
		       strcmp(s->outputs[at].name, e->name) != 0)
			at++;
		for (size_t o = at + 1; e->kind == AST_COLUMN && o < s->output_count; o++) {
			if (strcmp(s->outputs[o].name, e->name) == 0) {
				(void)ambiguous(r, e);
				return;
			}
		}
		if (e->kind != AST_INT && (e->kind != AST_COLUMN || at >= s->output_count)) {
			(void)ast_no(r->trouble, "UNSUPPORTED", e->location,
			    "ORDER BY of a set operation takes result columns only");
			return;
		}
		if (e->kind == AST_COLUMN)
			*e = (struct ast_expr){ .kind = AST_INT,
				.number = (int64_t)at + 1,
				.location = e->location };
	}
}

static void
set_operation(struct resolver *r, struct level *level)
{
	struct ast_select *s = level->select;

	s->left->arm = s->right->arm = true;
	scope_select(r, level->parent, level->ctes, s->left, false);
	if (resolver_bad(r))
		return;
	if (s->own_cte && !s->own_cte->outputs) {
		s->own_cte->outputs = s->left->outputs;
		s->own_cte->output_count = s->left->output_count;
		struct cte_frame self = { .next = level->ctes, .cte = s->own_cte };
		scope_select(r, level->parent, &self, s->right, false);
		s->own_cte->recursive = s->own_cte->referred;
		r->facts->recursive = r->facts->recursive || s->own_cte->referred;
		s->own_cte->referred = false;
	} else {
		scope_select(r, level->parent, level->ctes, s->right, false);
	}
	if (!resolver_bad(r))
		set_results(r, s);
}

/* The clauses in the order in which Postgres reads them: the first that says a parameter's
 * type is right. */
static void
plain_select(struct resolver *r, struct level *level)
{
	struct ast_select *s = level->select;

	for (size_t i = 0; i < s->from_count; i++) {
		r->facts->joins += i > 0;
		scope_from(r, level, s->from[i]);
	}
	if (resolver_bad(r))
		return;
	s->source_count = level->source_count;
	s->sources = resolver_take(r, s->source_count, sizeof(*s->sources));
	if (s->source_count)
		memcpy(s->sources, level->sources, s->source_count * sizeof(*s->sources));
	if (s->value_count)
		value_rows(r, level);
	else
		scope_targets(r, level);
	scope_expr(r, level, s->where);
	scope_param_as(r, s->where, TYPE_BOOL);
	scope_expr(r, level, s->having);
	scope_param_as(r, s->having, TYPE_BOOL);
	orders_and_groups(r, level);
	r->facts->groupings += s->aggregates || s->group.count || s->having;
}

/* The columns that a CTE's statement gives, under the names of the CTE's list. */
static void
cte_outputs(struct resolver *r, struct ast_cte *cte)
{
	const struct ast_statement *s = cte->statement;
	struct ast_output *outputs;
	size_t count = s->kind == STATEMENT_SELECT ? s->select->output_count : s->output_count;

	if (cte->column_count > count) {
		(void)ast_no(r->trouble, "SYNTAX", cte->location,
		    "WITH query \"%s\" has %zu columns available but %zu columns specified",
		    cte->name, count, cte->column_count);
		return;
	}
	outputs = resolver_take(r, count, sizeof(*outputs));
	for (size_t i = 0; i < count; i++) {
		outputs[i] =
		    s->kind == STATEMENT_SELECT ? s->select->outputs[i] : s->outputs[i];
		if (i < cte->column_count)
			outputs[i].name = cte->columns[i];
	}
	cte->outputs = outputs;
	cte->output_count = count;
}

/* The frames of a WITH; each CTE sees those before it. */
const struct cte_frame *
scope_with(struct resolver *r, const struct cte_frame *outer, struct ast_with *w)
{
	const struct cte_frame *frames = outer;

	r->facts->withs += w->count > 0;
	for (size_t i = 0; i < w->count && !resolver_bad(r); i++) {
		struct ast_cte *cte = &w->ctes[i];
		struct cte_frame *frame = resolver_take(r, 1, sizeof(*frame));

		if (w->recursive && cte->statement->kind == STATEMENT_SELECT &&
		    cte->statement->select->set == SET_UNION)
			cte->statement->select->own_cte = cte;
		scope_statement(r, frames, cte->statement);
		if (resolver_bad(r))
			break;
		cte_outputs(r, cte);
		for (size_t t = 0; t < r->facts->table_count; t++)
			r->facts->cte_scope =
			    r->facts->cte_scope ||
			    strcmp(r->facts->tables[t]->table->name, cte->name) == 0;
		*frame = (struct cte_frame){ .next = frames, .cte = cte };
		frames = frame;
	}
	return frames;
}

void
scope_select(struct resolver *r, struct level *parent, const struct cte_frame *ctes,
    struct ast_select *s, bool insert)
{
	struct level *level;

	if (resolver_bad(r))
		return;
	level = resolver_take(r, 1, sizeof(*level));
	*level = (struct level){ .parent = parent, .select = s, .insert = insert };
	level->ctes = scope_with(r, ctes, &s->with);
	r->facts->locking = r->facts->locking || s->locking;
	if (resolver_bad(r))
		return;
	if (s->set)
		set_operation(r, level);
	else
		plain_select(r, level);
	scope_expr(r, level, s->offset);
	scope_param_as(r, s->offset, TYPE_INT8);
	scope_expr(r, level, s->limit);
	scope_param_as(r, s->limit, TYPE_INT8);
	for (size_t i = 0; i < s->window_count; i++)
		scope_window(r, level, &s->windows[i]);
	scope_param_outputs(r, s);
}
