/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/ast_read.h"

/* What a window without a frame clause has: RANGE UNBOUNDED PRECEDING to CURRENT ROW. */
enum { FRAME_DEFAULTS = 1058 };

struct ast_order *
ast_orders(struct ast_reader *r, const json_t *list, size_t *ret_count)
{
	struct ast_order *orders;

	*ret_count = json_array_size(list);
	if (*ret_count == 0)
		return NULL;
	orders = ast_take(r, *ret_count, sizeof(*orders));
	for (size_t i = 0; i < *ret_count && !ast_bad(r); i++) {
		const json_t *body;
		const char *nulls, *tag = sql_node_tag(json_array_get(list, i), &body);

		if (!ast_known(r, tag, body, "node sortby_dir sortby_nulls"))
			return NULL; /* USING operator among them */
		nulls = sql_node_text(body, "sortby_nulls");
		orders[i].expr = ast_expr(r, json_object_get(body, "node"));
		orders[i].descending =
		    strcmp(sql_node_text(body, "sortby_dir"), "SORTBY_DESC") == 0;
		orders[i].nulls = strcmp(nulls, "SORTBY_NULLS_FIRST") == 0  ? NULLS_FIRST
				  : strcmp(nulls, "SORTBY_NULLS_LAST") == 0 ? NULLS_LAST
									    : NULLS_DEFAULT;
	}
	return orders;
}

void
ast_window(struct ast_reader *r, const json_t *body, struct ast_window *ret)
{
	struct ast_expr *bounds[2];
	size_t count = 0;

	if (!ast_known(r, "a window", body,
		"name refname partitionClause orderClause frameOptions startOffset endOffset"))
		return;
	ret->name = ast_keep(r, sql_node_text(body, "name"));
	ret->refname = ast_keep(r, sql_node_text(body, "refname"));
	ret->partition = ast_exprs(r, json_object_get(body, "partitionClause"));
	ret->order = ast_orders(r, json_object_get(body, "orderClause"), &ret->order_count);
	ret->framed =
	    json_integer_value(json_object_get(body, "frameOptions")) != FRAME_DEFAULTS;
	if (json_object_get(body, "startOffset"))
		bounds[count++] = ast_expr(r, json_object_get(body, "startOffset"));
	if (json_object_get(body, "endOffset"))
		bounds[count++] = ast_expr(r, json_object_get(body, "endOffset"));
	if (count)
		ret->bounds.items = ast_take(r, count, sizeof(struct ast_expr *));
	for (size_t i = 0; i < count; i++)
		ret->bounds.items[i] = bounds[i];
	ret->bounds.count = count;
}

static void
arguments(struct ast_reader *r, const json_t *args, struct ast_expr *e)
{
	struct ast_list list = { .count = json_array_size(args) };

	list.items = ast_take(r, list.count, sizeof(struct ast_expr *));
	for (size_t i = 0; i < list.count && !ast_bad(r); i++) {
		const json_t *body, *node = json_array_get(args, i);

		if (strcmp(sql_node_tag(node, &body), "NamedArgExpr") == 0) {
			e->call->named = true;
			node = json_object_get(body, "arg");
		}
		list.items[i] = ast_expr(r, node);
	}
	e->args = list.items;
	e->argc = list.count;
}

struct ast_expr *
ast_call(struct ast_reader *r, const json_t *body)
{
	const json_t *names = json_object_get(body, "funcname");
	size_t count = json_array_size(names);
	struct ast_expr *e = ast_expr_new(r, AST_CALL, 0, sql_node_location(body));
	const json_t *over = json_object_get(body, "over");

	e->call = ast_take(r, 1, sizeof(*e->call));
	e->name = ast_keep(r, sql_node_name(names, count - 1));
	if (count > 2)
		return ast_no(r->trouble, "FUNCTION_NOT_ALLOWED", e->location,
		    "functions of another catalogue are not allowed");
	e->schema = count > 1 ? ast_keep(r, sql_node_name(names, 0)) : NULL;
	arguments(r, json_object_get(body, "args"), e);
	e->call->star = json_is_true(json_object_get(body, "agg_star"));
	e->call->distinct = json_is_true(json_object_get(body, "agg_distinct"));
	e->call->within_group = json_is_true(json_object_get(body, "agg_within_group"));
	e->call->variadic = json_is_true(json_object_get(body, "func_variadic"));
	e->call->filter = ast_expr(r, json_object_get(body, "agg_filter"));
	e->call->order =
	    ast_orders(r, json_object_get(body, "agg_order"), &e->call->order_count);
	if (over) {
		e->call->over = ast_take(r, 1, sizeof(*e->call->over));
		ast_window(r, over, e->call->over);
	}
	return e;
}

struct ast_expr *
ast_sublink(struct ast_reader *r, const json_t *body, long location)
{
	const char *kind = sql_node_text(body, "subLinkType");
	const json_t *test = json_object_get(body, "testexpr"), *select;
	const json_t *op = json_object_get(body, "operName");
	struct ast_expr *e = ast_expr_new(r, AST_EXISTS, test ? 1 : 0, location);

	if (strcmp(sql_node_tag(json_object_get(body, "subselect"), &select), "SelectStmt") !=
	    0)
		return ast_no(r->trouble, "UNSUPPORTED", location, "a subquery is a SELECT");
	if (strcmp(kind, "EXPR_SUBLINK") == 0)
		e->kind = AST_SCALAR;
	else if (strcmp(kind, "ARRAY_SUBLINK") == 0)
		e->kind = AST_ARRAY_OF;
	else if (strcmp(kind, "ANY_SUBLINK") == 0 || strcmp(kind, "ALL_SUBLINK") == 0)
		e->kind = AST_IN_SELECT;
	else if (strcmp(kind, "EXISTS_SUBLINK") != 0)
		return ast_no(r->trouble, "UNSUPPORTED", location, "%s", kind);
	e->number = strcmp(kind, "ALL_SUBLINK") == 0;
	e->name = op ? ast_keep(r, sql_node_name(op, json_array_size(op) - 1)) : "=";
	if (test)
		e->args[0] = ast_expr(r, test);
	e->select = ast_select(r, select);
	return e;
}

/* arg, then .name or [index] one after the other. */
struct ast_expr *
ast_indirection(struct ast_reader *r, const json_t *body, long location)
{
	const json_t *steps = json_object_get(body, "indirection"), *step;
	struct ast_expr *e = ast_expr(r, json_object_get(body, "arg"));

	for (size_t i = 0; i < json_array_size(steps) && !ast_bad(r); i++) {
		const char *tag = sql_node_tag(json_array_get(steps, i), &step);
		struct ast_expr *arg = e;
		bool index = strcmp(tag, "A_Indices") == 0;

		e = ast_expr_new(r, index ? AST_INDEX : AST_FIELD, index ? 2 : 1, location);
		e->args[0] = arg;
		if (!index) {
			e->name = strcmp(tag, "A_Star") == 0
				      ? "*"
				      : ast_keep(r, sql_node_text(step, "sval"));
		} else if (ast_known(r, "a subscript", step, "uidx")) {
			e->args[1] = ast_expr(r, json_object_get(step, "uidx"));
		}
	}
	return e;
}
