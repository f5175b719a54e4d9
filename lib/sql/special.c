/* SPDX-License-Identifier: Apache-2.0 */
/* CASE, COALESCE, NULLIF, GREATEST and LEAST, BETWEEN, IN, IS DISTINCT FROM: what
 * Postgres has syntax for, with its rules for the common type. */
#include <string.h>

#include "sql/tree.h"

/* The collation that several texts make together: an explicit one wins, then a
 * column's own over the database's. */
static void
join_collations(struct sql_node *node, struct sql_node **args, size_t argc)
{
	for (size_t i = 0; i < argc; i++) {
		const struct sql_node *arg = args[i];

		if (node->collation_explicit || arg->collation == COLLATION_NONE)
			continue;
		if (arg->collation_explicit || arg->collation > node->collation)
			node->collation = arg->collation;
		node->collation_explicit = arg->collation_explicit;
	}
}

static struct sql_node **
expr_list(struct sql_compiler *c, const json_t *list, size_t *ret_count)
{
	size_t count = json_array_size(list);
	struct sql_node **nodes = sql_alloc(c, (count + 1) * sizeof(*nodes));

	for (size_t i = 0; i < count; i++) {
		nodes[i] = sql_expr(c, json_array_get(list, i));
		if (!nodes[i])
			return NULL;
	}
	*ret_count = count;
	return nodes;
}

/* All nodes become one type, node's; a domain only when all are of it. False after a
 * refusal. */
static bool
unify(struct sql_compiler *c, struct sql_node *node, struct sql_node **nodes, size_t count,
    const char *what)
{
	struct pgtype type;

	if (!sql_common_type(c, nodes, count, what, &type))
		return false;
	node->domain = nodes[0]->domain;
	for (size_t i = 1; i < count && node->domain; i++)
		if (!nodes[i]->domain || strcmp(nodes[i]->domain, node->domain) != 0)
			node->domain = NULL;
	for (size_t i = 0; i < count; i++) {
		nodes[i] = sql_coerce(c, nodes[i], type, CAST_IMPLICIT);
		if (!nodes[i])
			return false;
		if (!node->domain)
			nodes[i] = sql_plain(c, nodes[i]);
	}
	type.typmod = sql_common_typmod(nodes, count);
	node->type = type;
	return true;
}

/* A subject that several comparisons share is evaluated once. */
static struct sql_node *
shared(struct sql_compiler *c, struct sql_node *node)
{
	if (sql_type_kind(node->type) == KIND_UNKNOWN && node->kind != NODE_CONST)
		node = sql_coerce(c, node, sql_type_plain(TYPE_TEXT), CAST_IMPLICIT);
	if (node && node->kind != NODE_CONST)
		node->shared = true;
	return node;
}

static struct sql_node *
case_when(struct sql_compiler *c, struct sql_node *subject, const json_t *when)
{
	const json_t *expr = json_object_get(when, "expr");
	struct sql_node *value;

	if (!subject)
		return sql_expr_bool(c, expr, "CASE/WHEN");
	value = sql_expr(c, expr);
	return value ? sql_operator(c, "=", subject, value, sql_node_location(when)) : NULL;
}

static struct sql_node *
case_subject(struct sql_compiler *c, const json_t *arg)
{
	struct sql_node *subject = sql_expr(c, arg);

	if (subject && sql_type_kind(subject->type) == KIND_UNKNOWN)
		subject = sql_coerce(c, subject, sql_type_plain(TYPE_TEXT), CAST_IMPLICIT);
	return subject ? shared(c, subject) : NULL;
}

struct sql_node *
sql_case(struct sql_compiler *c, const json_t *body)
{
	const json_t *whens = json_object_get(body, "args"),
		     *arg = json_object_get(body, "arg");
	const json_t *otherwise = json_object_get(body, "defresult");
	size_t count = json_array_size(whens);
	struct sql_node *node =
	    sql_node_new(c, NODE_CASE, sql_type_plain(TYPE_BOOL), sql_node_location(body));
	struct sql_node *subject = NULL;
	/* results with the default first: the order in which types are compared */
	struct sql_node **results = sql_alloc(c, (count + 1) * sizeof(*results));

	if (arg && !(subject = case_subject(c, arg)))
		return NULL;
	node->argc = 2 * count + 1;
	node->args = sql_alloc(c, node->argc * sizeof(*node->args));
	for (size_t i = 0; i < count; i++) {
		const json_t *when;

		(void)sql_node_tag(json_array_get(whens, i), &when);
		node->args[2 * i] = case_when(c, subject, when);
		if (!node->args[2 * i])
			return NULL;
		results[i + 1] = sql_expr(c, json_object_get(when, "result"));
		if (!results[i + 1])
			return NULL;
	}
	if (otherwise) {
		results[0] = sql_expr(c, otherwise);
	} else {
		results[0] = sql_const(
		    c, sql_type_plain(KIND_UNKNOWN), (struct value){ 0 }, node->location);
		results[0]->type.oid = OID_UNKNOWN;
	}
	if (!results[0] || !unify(c, node, results, count + 1, "CASE"))
		return NULL;
	for (size_t i = 0; i < count; i++)
		node->args[2 * i + 1] = results[i + 1];
	node->args[2 * count] = results[0];
	join_collations(node, results, count + 1);
	return node;
}

struct sql_node *
sql_coalesce(struct sql_compiler *c, const json_t *body)
{
	struct sql_node *node =
	    sql_node_new(c, NODE_COALESCE, sql_type_plain(TYPE_BOOL), sql_node_location(body));

	node->args = expr_list(c, json_object_get(body, "args"), &node->argc);
	if (!node->args || !unify(c, node, node->args, node->argc, "COALESCE"))
		return NULL;
	join_collations(node, node->args, node->argc);
	return node;
}

/* args: the values, then for each value but the first the call that says whether it
 * is better than the best so far; a node stands for the best in these calls. */
struct sql_node *
sql_minmax(struct sql_compiler *c, const json_t *body)
{
	bool least = strcmp(sql_node_text(body, "op"), "IS_LEAST") == 0;
	struct sql_node *node, *best, **values, *better;
	size_t count;

	values = expr_list(c, json_object_get(body, "args"), &count);
	node = sql_node_new(c, NODE_MINMAX, sql_type_plain(TYPE_BOOL), sql_node_location(body));
	if (!values || !unify(c, node, values, count, least ? "LEAST" : "GREATEST"))
		return NULL;
	join_collations(node, values, count);
	best = sql_node_new(c, NODE_RELABEL, node->type, node->location);
	best->collation = node->collation;
	best->collation_explicit = node->collation_explicit;
	best->shared = true;
	node->args = sql_alloc(c, (2 * count + 1) * sizeof(*node->args));
	node->args[node->argc++] = best;
	for (size_t i = 0; i < count; i++) {
		values[i] = shared(c, values[i]);
		better = sql_operator(c, least ? "<" : ">", values[i], best, node->location);
		if (!better)
			return NULL;
		node->args[node->argc++] = values[i];
		node->args[node->argc++] = better;
	}
	return node;
}

static bool
pair(struct sql_compiler *c, const json_t *body, struct sql_node **ret_left,
    struct sql_node **ret_right)
{
	*ret_left = sql_expr(c, json_object_get(body, "lexpr"));
	*ret_right = *ret_left ? sql_expr(c, json_object_get(body, "rexpr")) : NULL;
	return *ret_right != NULL;
}

/* Enums and the like are compared as texts, but are what they are. */
static struct sql_node *
itself(struct sql_node *side)
{
	if (side->kind == NODE_RELABEL && side->type.kind == TYPE_TEXT &&
	    !sql_type_is_string((int)side->args[0]->type.kind))
		return side->args[0];
	return side;
}

/* The equality of two nodes, and the two as it takes them. */
static struct sql_node *
compared(struct sql_compiler *c, enum sql_node_kind kind, const json_t *body)
{
	struct sql_node *left, *right, *equal, *node;
	long location = sql_node_location(body);

	if (!pair(c, body, &left, &right))
		return NULL;
	left = shared(c, left);
	right = left ? shared(c, right) : NULL;
	if (!right)
		return NULL;
	c->keep_call = true;
	equal = sql_operator(c, "=", left, right, location);
	c->keep_call = false;
	if (!equal)
		return NULL;
	node = sql_node_new(c, kind, sql_type_plain(TYPE_BOOL), location);
	node->args = sql_alloc(c, 3 * sizeof(*node->args));
	node->argc = 3;
	node->args[0] = sql_fold_call(c, equal);
	for (size_t i = 0; i < 2; i++)
		node->args[i + 1] = itself(equal->args[i]);
	return node;
}

struct sql_node *
sql_nullif(struct sql_compiler *c, const json_t *body)
{
	struct sql_node *node = compared(c, NODE_NULLIF, body);

	if (!node)
		return NULL;
	node->args[1] =
	    sql_type_kind(node->args[1]->type) == KIND_UNKNOWN
		? sql_coerce(c, node->args[1], sql_type_plain(TYPE_TEXT), CAST_IMPLICIT)
		: node->args[1];
	if (!node->args[1])
		return NULL;
	node->args[1]->shared = node->args[1]->kind != NODE_CONST;
	node->args[1] = sql_plain(c, node->args[1]);
	node->type = node->args[1]->type;
	join_collations(node, &node->args[1], 2);
	return node;
}

struct sql_node *
sql_distinct(struct sql_compiler *c, const json_t *body, bool negate)
{
	struct sql_node *node = compared(c, NODE_DISTINCT, body);

	if (!node)
		return NULL;
	for (size_t i = 1; i < 3; i++)
		node->args[i]->shared = node->args[i]->kind != NODE_CONST;
	node->negate = negate;
	return node;
}

static struct sql_node *
logic(struct sql_compiler *c, enum sql_node_kind kind, struct sql_node *a, struct sql_node *b,
    long location)
{
	struct sql_node *node = sql_node_new(c, kind, sql_type_plain(TYPE_BOOL), location);

	node->args = sql_alloc(c, 2 * sizeof(*node->args));
	node->args[node->argc++] = a;
	if (b)
		node->args[node->argc++] = b;
	return node;
}

static struct sql_node *
within(struct sql_compiler *c, struct sql_node *x, struct sql_node *low, struct sql_node *high,
    long location)
{
	struct sql_node *above = sql_operator(c, ">=", x, low, location), *below;

	below = above ? sql_operator(c, "<=", x, high, location) : NULL;
	return below ? sql_fold(c, logic(c, NODE_AND, above, below, location)) : NULL;
}

struct sql_node *
sql_between(struct sql_compiler *c, const json_t *body, const char *kind)
{
	long location = sql_node_location(body);
	const json_t *list;
	struct sql_node *x = sql_expr(c, json_object_get(body, "lexpr")), **ends, *node, *other;
	size_t count;

	if (!x)
		return NULL;
	(void)sql_node_tag(json_object_get(body, "rexpr"), &list);
	ends = expr_list(c, json_object_get(list, "items"), &count);
	if (!ends || count != 2)
		return NULL;
	x->shared = x->kind != NODE_CONST;
	node = within(c, x, ends[0], ends[1], location);
	if (node && strstr(kind, "SYM")) {
		/* ends of its own: the first pair's may not have been evaluated */
		ends = expr_list(c, json_object_get(list, "items"), &count);
		other = ends ? within(c, x, ends[1], ends[0], location) : NULL;
		node = other ? sql_fold(c, logic(c, NODE_OR, node, other, location)) : NULL;
	}
	if (node && strstr(kind, "NOT"))
		node = logic(c, NODE_NOT, node, NULL, location);
	return node;
}

static bool
has_column(const struct sql_node *node)
{
	if (node->kind == NODE_COLUMN)
		return true;
	for (size_t i = 0; i < node->argc; i++)
		if (has_column(node->args[i]))
			return true;
	return false;
}

/* Several items without columns take one common type with the subject when there is
 * one, as Postgres makes an array of them; ret_array says whether it does. */
static bool
in_array(struct sql_compiler *c, struct sql_node *x, struct sql_node **items, size_t count,
    bool *ret_array)
{
	struct sql_node **nodes = sql_alloc(c, (count + 1) * sizeof(*nodes));
	struct err kept = *c->err;
	struct pgtype type = x->type;

	nodes[0] = x;
	memcpy(nodes + 1, items, count * sizeof(*nodes));
	*ret_array = count > 1 && sql_common_type(c, nodes, count + 1, "IN", &type);
	if (!*ret_array)
		*c->err = kept;
	for (size_t i = 0; *ret_array && i < count; i++) {
		items[i] = sql_coerce(c, items[i], type, CAST_IMPLICIT);
		if (!items[i])
			return false;
	}
	return true;
}

/* NULL, but the subject is evaluated: comparing it with an array of NULLs does not
 * fold away. */
static struct sql_node *
null_after(struct sql_compiler *c, struct sql_node *x, long location)
{
	struct sql_node *test =
	    sql_node_new(c, NODE_IS_NULL, sql_type_plain(TYPE_BOOL), location);
	struct sql_node *node = sql_node_new(c, NODE_CASE, test->type, location);
	struct sql_node *null = sql_const(c, test->type, (struct value){ 0 }, location);

	test->args = sql_alloc(c, sizeof(*test->args));
	test->args[test->argc++] = x;
	node->args = sql_alloc(c, 3 * sizeof(*node->args));
	node->args[node->argc++] = test;
	node->args[node->argc++] = null;
	node->args[node->argc++] = null;
	return node;
}

static struct sql_node *
in_item(struct sql_compiler *c, struct sql_node *x, struct sql_node *item, bool negate,
    bool array, long location)
{
	struct sql_node *node = sql_operator(c, negate ? "<>" : "=", x, item, location);

	if (!node || !array || node->kind != NODE_CONST || x->kind == NODE_CONST)
		return node;
	return null_after(c, x, location);
}

/* The items without columns, then the others, in the order of the list. */
static size_t
in_sort(struct sql_node **items, size_t count, struct sql_node **sorted)
{
	size_t plain = 0, n;

	for (size_t i = 0; i < count; i++)
		if (!has_column(items[i]))
			sorted[plain++] = items[i];
	n = plain;
	for (size_t i = 0; i < count; i++)
		if (has_column(items[i]))
			sorted[n++] = items[i];
	return plain;
}

struct sql_node *
sql_in(struct sql_compiler *c, const json_t *body)
{
	const json_t *names = json_object_get(body, "name"), *list;
	bool negate = strcmp(sql_node_name(names, 0), "<>") == 0, array;
	long location = sql_node_location(body);
	struct sql_node *x = sql_expr(c, json_object_get(body, "lexpr")), **items, **sorted;
	struct sql_node *node;
	size_t count, plain;

	if (!x)
		return NULL;
	(void)sql_node_tag(json_object_get(body, "rexpr"), &list);
	items = expr_list(c, json_object_get(list, "items"), &count);
	if (!items)
		return NULL;
	sorted = sql_alloc(c, count * sizeof(*sorted));
	plain = in_sort(items, count, sorted);
	if (!in_array(c, x, sorted, plain, &array))
		return NULL;
	x->shared = x->kind != NODE_CONST;
	node =
	    sql_node_new(c, negate ? NODE_AND : NODE_OR, sql_type_plain(TYPE_BOOL), location);
	node->args = sql_alloc(c, count * sizeof(*node->args));
	for (size_t i = 0; i < count; i++) {
		node->args[i] = in_item(c, x, sorted[i], negate, array && i < plain, location);
		if (!node->args[i])
			return NULL;
	}
	node->argc = count;
	return node;
}
