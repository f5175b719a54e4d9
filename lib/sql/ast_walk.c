/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sql/ast.h"

static bool
walk_list(const struct ast_list *list, ast_visit *visit, void *ctx)
{
	for (size_t i = 0; i < list->count; i++) {
		if (!ast_walk(list->items[i], visit, ctx))
			return false;
	}
	return true;
}

static bool
walk_orders(struct ast_order *orders, size_t count, ast_visit *visit, void *ctx)
{
	for (size_t i = 0; i < count; i++) {
		if (!ast_walk(orders[i].expr, visit, ctx))
			return false;
	}
	return true;
}

static bool
walk_window(struct ast_window *w, ast_visit *visit, void *ctx)
{
	return walk_list(&w->partition, visit, ctx) &&
	       walk_orders(w->order, w->order_count, visit, ctx) &&
	       walk_list(&w->bounds, visit, ctx);
}

bool
ast_walk(struct ast_expr *e, ast_visit *visit, void *ctx)
{
	if (!e)
		return true;
	if (!visit(ctx, e) || !ast_walk(e->left, visit, ctx))
		return false;
	for (size_t i = 0; i < e->argc; i++) {
		if (!ast_walk(e->args[i], visit, ctx))
			return false;
	}
	if (!e->call)
		return true;
	return ast_walk(e->call->filter, visit, ctx) &&
	       walk_orders(e->call->order, e->call->order_count, visit, ctx) &&
	       (!e->call->over || walk_window(e->call->over, visit, ctx));
}

static bool
walk_from(struct ast_from *from, ast_visit *visit, void *ctx)
{
	if (from->kind != FROM_JOIN)
		return true;
	return walk_from(from->left, visit, ctx) && walk_from(from->right, visit, ctx) &&
	       ast_walk(from->on, visit, ctx);
}

static bool
walk_heads(struct ast_select *s, ast_visit *visit, void *ctx)
{
	for (size_t i = 0; i < s->target_count; i++) {
		if (!ast_walk(s->targets[i].expr, visit, ctx))
			return false;
	}
	for (size_t i = 0; i < s->from_count; i++) {
		if (!walk_from(s->from[i], visit, ctx))
			return false;
	}
	for (size_t i = 0; i < s->value_count; i++) {
		if (!walk_list(&s->values[i], visit, ctx))
			return false;
	}
	for (size_t i = 0; i < s->window_count; i++) {
		if (!walk_window(&s->windows[i], visit, ctx))
			return false;
	}
	return true;
}

bool
ast_walk_select(struct ast_select *s, ast_visit *visit, void *ctx)
{
	return walk_heads(s, visit, ctx) && walk_list(&s->distinct_on, visit, ctx) &&
	       ast_walk(s->where, visit, ctx) && walk_list(&s->group, visit, ctx) &&
	       ast_walk(s->having, visit, ctx) &&
	       walk_orders(s->order, s->order_count, visit, ctx) &&
	       ast_walk(s->limit, visit, ctx) && ast_walk(s->offset, visit, ctx);
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool
same_call(const struct ast_call *a, const struct ast_call *b)
{
	if (!a || !b)
		return a == b;
	return a->star == b->star && a->distinct == b->distinct &&
	       ast_same(a->filter, b->filter) && !a->order_count && !b->order_count &&
	       !a->over && !b->over;
}

static bool
same_cast(const struct ast_type_name *a, const struct ast_type_name *b)
{
	if (!a || !b)
		return a == b;
	return same_text(a->name, b->name) && a->array == b->array &&
	       a->mod_count == b->mod_count &&
	       memcmp(a->mods, b->mods, sizeof a->mods[0] * a->mod_count) == 0;
}

bool
ast_same(const struct ast_expr *a, const struct ast_expr *b)
{
	if (!a || !b)
		return a == b;
	if (a->kind != b->kind || a->argc != b->argc || a->negate != b->negate ||
	    a->number != b->number || a->select || b->select)
		return false;
	if (a->kind == AST_COLUMN && a->source)
		return a->source == b->source && a->column == b->column &&
		       a->whole_row == b->whole_row;
	if (!same_text(a->name, b->name) || !same_call(a->call, b->call) ||
	    !same_cast(a->cast, b->cast) || !ast_same(a->left, b->left))
		return false;
	for (size_t i = 0; i < a->argc; i++) {
		if (!ast_same(a->args[i], b->args[i]))
			return false;
	}
	return true;
}
