/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/ast_read.h"

struct ast_target *
ast_targets(struct ast_reader *r, const json_t *list, size_t *ret_count)
{
	struct ast_target *targets;

	*ret_count = json_array_size(list);
	if (*ret_count == 0)
		return NULL;
	targets = ast_take(r, *ret_count, sizeof(*targets));
	for (size_t i = 0; i < *ret_count && !ast_bad(r); i++) {
		const json_t *body;
		const char *tag = sql_node_tag(json_array_get(list, i), &body);

		if (!ast_known(r, tag, body, "name val"))
			break;
		targets[i].name = ast_keep(r, sql_node_text(body, "name"));
		targets[i].expr = ast_expr(r, json_object_get(body, "val"));
	}
	return targets;
}

static void
alias(struct ast_reader *r, const json_t *body, struct ast_from *from)
{
	const json_t *a = json_object_get(body, "alias");

	from->alias = ast_keep(r, sql_node_text(a, "aliasname"));
	from->alias_columns =
	    ast_names(r, json_object_get(a, "colnames"), &from->alias_column_count);
}

struct ast_from *
ast_range_var(struct ast_reader *r, const json_t *body)
{
	struct ast_from *from = ast_take(r, 1, sizeof(*from));

	if (!ast_known(
		r, "a table", body, "catalogname schemaname relname inh relpersistence alias"))
		return NULL;
	from->kind = FROM_TABLE;
	from->location = sql_node_location(body);
	from->catalog = ast_keep(r, sql_node_text(body, "catalogname"));
	from->schema = ast_keep(r, sql_node_text(body, "schemaname"));
	from->name = ast_keep(r, sql_node_text(body, "relname"));
	from->only = !json_is_true(json_object_get(body, "inh"));
	alias(r, body, from);
	if (strcmp(sql_node_text(body, "relpersistence"), "p") != 0)
		return ast_no(r->trouble, "STATEMENT_NOT_ALLOWED", from->location,
		    "temporary and unlogged tables are not allowed");
	return from;
}

static struct ast_from *
range_query(struct ast_reader *r, const json_t *body)
{
	struct ast_from *from = ast_take(r, 1, sizeof(*from));
	const json_t *select;

	if (!ast_known(r, "a subquery", body, "lateral subquery alias"))
		return NULL;
	from->kind = FROM_QUERY;
	from->lateral = json_is_true(json_object_get(body, "lateral"));
	if (strcmp(sql_node_tag(json_object_get(body, "subquery"), &select), "SelectStmt") != 0)
		return ast_no(r->trouble, "UNSUPPORTED", -1, "a subquery is a SELECT");
	from->select = ast_select(r, select);
	alias(r, body, from);
	return from;
}

static enum ast_join_kind
join_kind(const json_t *body, const struct ast_from *from)
{
	const char *type = sql_node_text(body, "jointype");

	if (strcmp(type, "JOIN_LEFT") == 0)
		return JOIN_LEFT;
	if (strcmp(type, "JOIN_RIGHT") == 0)
		return JOIN_RIGHT;
	if (strcmp(type, "JOIN_FULL") == 0)
		return JOIN_FULL;
	return from->on || from->natural || from->using_count ? JOIN_INNER : JOIN_CROSS;
}

static struct ast_from *
join(struct ast_reader *r, const json_t *body)
{
	struct ast_from *from = ast_take(r, 1, sizeof(*from));

	if (!ast_known(r, "a join", body,
		"jointype isNatural larg rarg usingClause quals alias rtindex"))
		return NULL;
	from->kind = FROM_JOIN;
	from->natural = json_is_true(json_object_get(body, "isNatural"));
	from->left = ast_from(r, json_object_get(body, "larg"));
	from->right = ast_from(r, json_object_get(body, "rarg"));
	from->using_columns =
	    ast_names(r, json_object_get(body, "usingClause"), &from->using_count);
	from->on = ast_expr(r, json_object_get(body, "quals"));
	from->join = join_kind(body, from);
	alias(r, body, from);
	if (from->alias)
		return ast_no(
		    r->trouble, "UNSUPPORTED", -1, "an alias of a whole join is not supported");
	return from;
}

/* Functions in FROM: only noted, their names are judged by whoever resolves. */
static struct ast_from *
range_function(struct ast_reader *r, const json_t *body)
{
	struct ast_from *from = ast_take(r, 1, sizeof(*from));
	const json_t *list = json_array_get(json_object_get(body, "functions"), 0), *items;
	const json_t *call, *names;

	from->kind = FROM_FUNCTION;
	(void)sql_node_tag(list, &items);
	(void)sql_node_tag(json_array_get(json_object_get(items, "items"), 0), &call);
	names = json_object_get(call, "funcname");
	from->location = sql_node_location(call);
	from->name = ast_keep(r, sql_node_name(names, json_array_size(names) - 1));
	return ast_no(r->trouble, "TABLE_FUNCTION", from->location,
	    "a function in FROM is not allowed: %s", from->name ? from->name : "?");
}

struct ast_from *
ast_from(struct ast_reader *r, const json_t *node)
{
	const json_t *body;
	const char *tag = sql_node_tag(node, &body);
	struct ast_from *from = NULL;

	if (ast_bad(r) || !ast_enter(r, -1))
		return NULL;
	if (strcmp(tag, "RangeVar") == 0)
		from = ast_range_var(r, body);
	else if (strcmp(tag, "RangeSubselect") == 0)
		from = range_query(r, body);
	else if (strcmp(tag, "JoinExpr") == 0)
		from = join(r, body);
	else if (strcmp(tag, "RangeFunction") == 0)
		from = range_function(r, body);
	else
		from = ast_no(r->trouble, "UNSUPPORTED", sql_node_location(body),
		    "%s is not supported", tag);
	r->depth--;
	return ast_bad(r) ? NULL : from;
}

struct ast_from **
ast_froms(struct ast_reader *r, const json_t *list, size_t *ret_count)
{
	struct ast_from **froms;

	*ret_count = json_array_size(list);
	froms = ast_take(r, *ret_count, sizeof(struct ast_from *));
	for (size_t i = 0; i < *ret_count && !ast_bad(r); i++)
		froms[i] = ast_from(r, json_array_get(list, i));
	return froms;
}

void
ast_with(struct ast_reader *r, const json_t *body, struct ast_with *ret)
{
	const json_t *list = json_object_get(body, "ctes");

	if (!body)
		return;
	ret->recursive = json_is_true(json_object_get(body, "recursive"));
	ret->count = json_array_size(list);
	ret->ctes = ast_take(r, ret->count, sizeof(*ret->ctes));
	for (size_t i = 0; i < ret->count && !ast_bad(r); i++) {
		struct ast_cte *cte = &ret->ctes[i];
		const json_t *one;
		const char *tag = sql_node_tag(json_array_get(list, i), &one);

		if (!ast_known(r, tag, one, "ctename aliascolnames ctematerialized ctequery"))
			return; /* SEARCH and CYCLE among them */
		cte->name = ast_keep(r, sql_node_text(one, "ctename"));
		cte->location = sql_node_location(one);
		cte->columns =
		    ast_names(r, json_object_get(one, "aliascolnames"), &cte->column_count);
		cte->statement = ast_statement(r, json_object_get(one, "ctequery"));
	}
}

static void
values(struct ast_reader *r, const json_t *list, struct ast_select *s)
{
	s->value_count = json_array_size(list);
	if (s->value_count == 0)
		return;
	s->values = ast_take(r, s->value_count, sizeof(*s->values));
	for (size_t i = 0; i < s->value_count && !ast_bad(r); i++) {
		const json_t *row;

		(void)sql_node_tag(json_array_get(list, i), &row);
		s->values[i] = ast_exprs(r, json_object_get(row, "items"));
	}
}

static void
windows(struct ast_reader *r, const json_t *list, struct ast_select *s)
{
	s->window_count = json_array_size(list);
	s->windows = ast_take(r, s->window_count, sizeof(*s->windows));
	for (size_t i = 0; i < s->window_count && !ast_bad(r); i++) {
		const json_t *one;

		(void)sql_node_tag(json_array_get(list, i), &one);
		ast_window(r, one, &s->windows[i]);
	}
}

static void
arms(struct ast_reader *r, const json_t *body, struct ast_select *s)
{
	const char *op = sql_node_text(body, "op");

	s->set = strcmp(op, "SETOP_UNION") == 0       ? SET_UNION
		 : strcmp(op, "SETOP_INTERSECT") == 0 ? SET_INTERSECT
		 : strcmp(op, "SETOP_EXCEPT") == 0    ? SET_EXCEPT
						      : SET_NONE;
	s->set_all = json_is_true(json_object_get(body, "all"));
	if (s->set) {
		s->left = ast_select(r, json_object_get(body, "larg"));
		s->right = ast_select(r, json_object_get(body, "rarg"));
	}
}

/* DISTINCT alone is a list with an empty item. */
static void
distinct(struct ast_reader *r, const json_t *list, struct ast_select *s)
{
	const json_t *body;

	s->distinct = json_array_size(list) > 0;
	if (s->distinct && *sql_node_tag(json_array_get(list, 0), &body))
		s->distinct_on = ast_exprs(r, list);
}

static void
clauses(struct ast_reader *r, const json_t *body, struct ast_select *s)
{
	ast_with(r, json_object_get(body, "withClause"), &s->with);
	arms(r, body, s);
	distinct(r, json_object_get(body, "distinctClause"), s);
	s->targets = ast_targets(r, json_object_get(body, "targetList"), &s->target_count);
	s->from = ast_froms(r, json_object_get(body, "fromClause"), &s->from_count);
	s->where = ast_expr(r, json_object_get(body, "whereClause"));
	s->group = ast_exprs(r, json_object_get(body, "groupClause"));
	s->group_distinct = json_is_true(json_object_get(body, "groupDistinct"));
	s->having = ast_expr(r, json_object_get(body, "havingClause"));
	windows(r, json_object_get(body, "windowClause"), s);
	values(r, json_object_get(body, "valuesLists"), s);
	s->order = ast_orders(r, json_object_get(body, "sortClause"), &s->order_count);
	s->limit = ast_expr(r, json_object_get(body, "limitCount"));
	s->offset = ast_expr(r, json_object_get(body, "limitOffset"));
	s->with_ties =
	    strcmp(sql_node_text(body, "limitOption"), "LIMIT_OPTION_WITH_TIES") == 0;
	s->locking = json_array_size(json_object_get(body, "lockingClause")) > 0;
}

struct ast_select *
ast_select(struct ast_reader *r, const json_t *body)
{
	struct ast_select *s;

	if (!body || ast_bad(r) || !ast_enter(r, -1))
		return NULL;
	if (json_object_get(body, "intoClause"))
		return ast_no(r->trouble, "STATEMENT_NOT_ALLOWED", -1,
		    "SELECT INTO is not allowed: write CREATE TABLE AS");
	if (!ast_known(r, "SELECT", body,
		"withClause op all larg rarg distinctClause targetList fromClause whereClause "
		"groupClause groupDistinct havingClause windowClause valuesLists sortClause "
		"limitCount limitOffset limitOption lockingClause"))
		return NULL;
	s = ast_take(r, 1, sizeof(*s));
	clauses(r, body, s);
	r->depth--;
	return ast_bad(r) ? NULL : s;
}
