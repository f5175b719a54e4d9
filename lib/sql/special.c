/* SPDX-License-Identifier: Apache-2.0 */
/* CASE, COALESCE, NULLIF, GREATEST and LEAST, BETWEEN, IN, IS DISTINCT FROM: what
 * Postgres has syntax for, with its rules for the common type. */
#include <string.h>

#include "sql/tree.h"

/* The collation that several texts make together: an explicit one wins, C only when
 * all agree on it. */
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

/* All nodes become one type; false after a refusal. */
static bool
unify(struct sql_compiler *c, struct sql_node **nodes, size_t count, const char *what,
    struct pgtype *ret_type)
{
	size_t domains = 0;

	if (!sql_common_type(c, nodes, count, what, ret_type))
		return false;
	for (size_t i = 0; i < count; i++)
		domains += nodes[i]->domain;
	for (size_t i = 0; i < count; i++) {
		nodes[i] = sql_coerce(c, nodes[i], *ret_type, CAST_IMPLICIT);
		if (!nodes[i])
			return false;
		if (domains < count)
			nodes[i] = sql_plain(c, nodes[i]);
	}
	ret_type->typmod = sql_common_typmod(nodes, count);
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
	if (!results[0] || !unify(c, results, count + 1, "CASE", &node->type))
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
	if (!node->args || !unify(c, node->args, node->argc, "COALESCE", &node->type))
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
	if (!values || !unify(c, values, count, least ? "LEAST" : "GREATEST", &node->type))
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

/* The equality of two nodes, as a call whose arguments may be looked at; a constant
 * (both sides were) is no call. */
static struct sql_node *
compared(struct sql_compiler *c, enum sql_node_kind kind, const json_t *body)
{
	struct sql_node *left, *right, *equal, *node;
	long location = sql_node_location(body);

	if (!pair(c, body, &left, &right))
		return NULL;
	left = shared(c, left);
	right = left ? shared(c, right) : NULL;
	equal = right ? sql_operator(c, "=", left, right, location) : NULL;
	if (!equal)
		return NULL;
	node = sql_node_new(c, kind, sql_type_plain(TYPE_BOOL), location);
	node->args = sql_alloc(c, 3 * sizeof(*node->args));
	node->argc = 3;
	node->args[0] = equal;
	node->args[1] = equal->argc == 2 ? equal->args[0] : left;
	node->args[2] = equal->argc == 2 ? equal->args[1] : right;
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
	join_collations(node, &node->args[1], 1);
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
		other = within(c, x, ends[1], ends[0], location);
		node = other ? sql_fold(c, logic(c, NODE_OR, node, other, location)) : NULL;
	}
	if (node && strstr(kind, "NOT"))
		node = logic(c, NODE_NOT, node, NULL, location);
	return node;
}

/* IN over a list: all constants take one common type with the subject when there is
 * one, as Postgres does by turning the list into an array; else pair by pair. */
static bool
in_common(struct sql_compiler *c, struct sql_node **nodes, size_t count)
{
	struct err kept = *c->err;
	struct pgtype type;

	if (!sql_common_type(c, nodes, count, "IN", &type)) {
		*c->err = kept;
		return true;
	}
	for (size_t i = 1; i < count; i++) {
		nodes[i] = sql_coerce(c, nodes[i], type, CAST_IMPLICIT);
		if (!nodes[i])
			return false;
	}
	return true;
}

struct sql_node *
sql_in(struct sql_compiler *c, const json_t *body)
{
	const json_t *names = json_object_get(body, "name"), *list;
	bool negate = strcmp(sql_node_name(names, 0), "<>") == 0;
	long location = sql_node_location(body);
	struct sql_node *x = sql_expr(c, json_object_get(body, "lexpr")), **nodes, **items,
			*node;
	size_t count;

	if (!x)
		return NULL;
	(void)sql_node_tag(json_object_get(body, "rexpr"), &list);
	items = expr_list(c, json_object_get(list, "items"), &count);
	if (!items)
		return NULL;
	nodes = sql_alloc(c, (count + 1) * sizeof(*nodes));
	nodes[0] = x;
	memcpy(nodes + 1, items, count * sizeof(*nodes));
	if (count > 1 && !in_common(c, nodes, count + 1))
		return NULL;
	x->shared = x->kind != NODE_CONST;
	node =
	    sql_node_new(c, negate ? NODE_AND : NODE_OR, sql_type_plain(TYPE_BOOL), location);
	node->args = sql_alloc(c, count * sizeof(*node->args));
	for (size_t i = 0; i < count; i++) {
		node->args[i] = sql_operator(c, negate ? "<>" : "=", x, nodes[i + 1], location);
		if (!node->args[i])
			return NULL;
	}
	node->argc = count;
	return node;
}
