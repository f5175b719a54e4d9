/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sql/scope_level.h"

static bool
source_named(const struct ast_source *s, const struct ast_expr *e)
{
	if (strcmp(s->alias, e->table) != 0)
		return false;
	return !e->schema || (s->from && !s->from->alias && s->table &&
				 strcmp(s->table->schema, e->schema) == 0);
}

static bool
column_of(const struct ast_source *s, const char *name, size_t *ret_column)
{
	for (size_t i = 0; i < s->column_count; i++) {
		if (strcmp(s->columns[i].name, name) == 0) {
			*ret_column = i;
			return true;
		}
	}
	return false;
}

/* How many columns of the level the name means; the last one in *ret. */
static size_t
matches(const struct level *level, const struct ast_expr *e, struct ast_seen *ret)
{
	size_t found = 0, column;

	for (size_t i = 0; i < level->source_count; i++) {
		struct ast_source *s = level->sources[i];

		if (e->table && !source_named(s, e))
			continue;
		if (!column_of(s, e->name, &column) ||
		    (!e->table && s->merged && s->merged[column]))
			continue;
		*ret = (struct ast_seen){ s, column };
		found++;
	}
	return found;
}

static void
tie(struct ast_expr *e, struct ast_seen seen, unsigned up)
{
	const struct ast_output *column = &seen.source->columns[seen.column];

	e->source = seen.source;
	e->column = seen.column;
	e->up = up;
	e->type = column->type;
	e->collation = column->collation;
	seen.source->used = true;
}

/* Levels between the column's and its own are correlated. */
static void
mark_correlated(struct resolver *r, struct level *level, unsigned up)
{
	if (up)
		r->facts->correlated = true;
	for (; up && level; up--, level = level->parent) {
		if (level->select)
			level->select->correlated = true;
	}
}

static bool
whole_row(struct level *level, struct ast_expr *e)
{
	for (size_t i = 0; !e->table && i < level->source_count; i++) {
		if (strcmp(level->sources[i]->alias, e->name) == 0) {
			e->whole_row = true;
			e->source = level->sources[i];
			e->source->used = true;
			e->type = (struct pgtype){ .kind = TYPE_OTHER, .typmod = -1 };
			return true;
		}
	}
	return false;
}

static void
column(struct resolver *r, struct level *level, struct ast_expr *e)
{
	struct ast_seen seen;
	unsigned up = 0;

	for (struct level *at = level; at; at = at->parent, up++) {
		size_t found = matches(at, e, &seen);

		if (found > 1) {
			(void)ast_no(r->trouble, "AMBIGUOUS", e->location,
			    "column reference \"%s\" is ambiguous", e->name);
			return;
		}
		if (found || whole_row(at, e)) {
			if (found)
				tie(e, seen, up);
			e->up = up;
			mark_correlated(r, level, up);
			return;
		}
	}
	if (!level->loose)
		(void)ast_no(r->trouble, "UNKNOWN_COLUMN", e->location,
		    "column \"%s%s%s\" does not exist", e->table ? e->table : "",
		    e->table ? "." : "", e->name);
}

struct ast_expr *
scope_column(struct resolver *r, struct ast_source *source, size_t column_index, long location)
{
	struct ast_expr *e = resolver_take(r, 1, sizeof(*e));

	e->kind = AST_COLUMN;
	e->location = location;
	e->name = source->columns[column_index].name;
	e->table = source->alias;
	tie(e, (struct ast_seen){ source, column_index }, 0);
	return e;
}

/* A window function's and an aggregate's rules; the level's facts. */
static void
note_call(struct resolver *r, struct level *level, struct ast_expr *e)
{
	const struct ast_function *f = e->call->function;

	if (e->call->over && level->select) {
		level->select->has_windows = true;
		r->facts->windows++;
	} else if (f && f->class == FUNCTION_AGGREGATE && level->select) {
		level->select->aggregates = true;
	}
	if (f && f->class == FUNCTION_WRITE)
		r->facts->writes = true;
	if (f && (strcmp(f->name, "now") == 0 || (strcmp(f->name, "age") == 0 && e->argc < 2)))
		r->facts->now = true;
}

static void
call(struct resolver *r, struct level *level, struct ast_expr *e)
{
	const struct ast_function *known = ast_function_of(e->name);

	if (e->schema && strcmp(e->schema, "pg_catalog") != 0)
		known = NULL;
	if ((e->schema && !known) || !r->world->function(r->world->ctx, e->name, known)) {
		(void)ast_no(r->trouble, "FUNCTION_NOT_ALLOWED", e->location,
		    "function %s%s%s is not allowed", e->schema ? e->schema : "",
		    e->schema ? "." : "", e->name);
		return;
	}
	e->call->function = known;
	scope_expr(r, level, e->call->filter);
	scope_param_as(r, e->call->filter, TYPE_BOOL);
	scope_orders(r, level, e->call->order, e->call->order_count);
	if (e->call->over)
		scope_window(r, level, e->call->over);
	note_call(r, level, e);
}

/* (x).f calls a function f in Postgres when x has no such column. */
static void
field(struct resolver *r, struct ast_expr *e)
{
	struct ast_expr *arg = e->args[0];
	size_t index;

	if (arg->kind == AST_COLUMN && arg->whole_row && arg->source &&
	    strcmp(e->name, "*") != 0 && column_of(arg->source, e->name, &index)) {
		e->kind = AST_COLUMN;
		e->table = arg->source->alias;
		e->argc = 0;
		tie(e, (struct ast_seen){ arg->source, index }, arg->up);
		return;
	}
	(void)ast_no(r->trouble, "FUNCTION_NOT_ALLOWED", e->location,
	    "(...).%s is a call by attribute notation or a field of no table", e->name);
}

static void
subquery(struct resolver *r, struct level *level, struct ast_expr *e)
{
	r->facts->subqueries++;
	if (e->kind == AST_EXISTS || e->kind == AST_IN_SELECT)
		r->facts->semi_join = true;
	scope_select(r, level, level->ctes, e->select, false);
}

static void
cast(struct resolver *r, struct ast_expr *e)
{
	if (!scope_cast_allowed(e->cast, &e->type))
		(void)ast_no(r->trouble, "TYPE_NOT_ALLOWED", e->location,
		    "type %s is not allowed", e->cast->name);
}

static void
collate(struct resolver *r, const struct ast_expr *e)
{
	static const char *const known[] = { "C", "POSIX", "default", "C.UTF-8", NULL };

	for (size_t i = 0; known[i]; i++) {
		if (strcmp(e->name, known[i]) == 0 &&
		    (!e->schema || strcmp(e->schema, "pg_catalog") == 0))
			return;
	}
	(void)ast_no(r->trouble, "TYPE_NOT_ALLOWED", e->location,
	    "collation \"%s\" is not allowed", e->name);
}

static void
operator_known(struct resolver *r, const struct ast_expr *e)
{
	static const char *const known[] = { "+", "-", "*", "/", "%", "^", "=", "<>", "!=", "<",
		">", "<=", ">=", "||", "->", "->>", "#>", "#>>", "?", "?|", "?&", "@>", "<@",
		"&&", "~", "~*", "!~", "!~*", "~~", "!~~", "~~*", "!~~*", "&", "|", "#", "<<",
		">>", "@", NULL };

	for (size_t i = 0; known[i]; i++) {
		if (strcmp(e->name, known[i]) == 0)
			return;
	}
	(void)ast_no(r->trouble, "FUNCTION_NOT_ALLOWED", e->location,
	    "operator %s is not allowed", e->name);
}

/* What a node is besides its arguments. */
static void
judge(struct resolver *r, struct level *level, struct ast_expr *e)
{
	if (e->kind == AST_COLUMN)
		column(r, level, e);
	else if (e->kind == AST_STAR)
		(void)ast_no(r->trouble, "UNSUPPORTED", e->location, "* cannot stand here");
	else if (e->kind == AST_CALL)
		call(r, level, e);
	else if (e->kind == AST_FIELD)
		field(r, e);
	else if (e->kind == AST_PARAM)
		scope_param(r, e);
	else if (e->kind == AST_CAST)
		cast(r, e);
	else if (e->kind == AST_COLLATE)
		collate(r, e);
	else if (e->kind == AST_OP || e->kind == AST_ANY || e->kind == AST_ALL)
		operator_known(r, e);
	else if (e->kind == AST_NOW)
		r->facts->now = true;
	else if (e->kind == AST_DEFAULT && !level->insert)
		(void)ast_no(r->trouble, "SYNTAX", e->location,
		    "DEFAULT is not allowed in this context");
	else if (e->select)
		subquery(r, level, e);
}

void
scope_expr(struct resolver *r, struct level *level, struct ast_expr *e)
{
	if (!e || resolver_bad(r))
		return;
	scope_expr(r, level, e->left);
	for (size_t i = 0; i < e->argc; i++) {
		/* count(t.*) and row_to_json(t.*) are the whole row */
		if (e->args[i]->kind == AST_STAR && e->args[i]->table && e->kind == AST_CALL) {
			e->args[i]->kind = AST_COLUMN;
			e->args[i]->name = e->args[i]->table;
			e->args[i]->table = NULL;
		}
		scope_expr(r, level, e->args[i]);
	}
	if (resolver_bad(r))
		return;
	judge(r, level, e);
	if (resolver_bad(r))
		return;
	if (r->params_open)
		scope_param_around(r, e);
	scope_type(r, e);
}

void
scope_orders(struct resolver *r, struct level *level, struct ast_order *orders, size_t count)
{
	for (size_t i = 0; i < count; i++)
		scope_expr(r, level, orders[i].expr);
}

void
scope_window(struct resolver *r, struct level *level, struct ast_window *w)
{
	for (size_t i = 0; i < w->partition.count; i++)
		scope_expr(r, level, w->partition.items[i]);
	scope_orders(r, level, w->order, w->order_count);
	for (size_t i = 0; i < w->bounds.count; i++)
		scope_expr(r, level, w->bounds.items[i]);
}
