/* SPDX-License-Identifier: Apache-2.0 */
/* Constants in CASE, COALESCE and logic, as Postgres' planner simplifies them: what can
 * never be reached is gone, errors in it too. */
#include "sql/tree.h"

static bool
is_const(const struct sql_node *node)
{
	return node->kind == NODE_CONST;
}

static bool
is_true(const struct sql_node *node)
{
	return is_const(node) && node->value.state == VALUE_SET && node->value.b;
}

/* What stands in for node keeps node's type and collation. */
static struct sql_node *
stand_in(struct sql_compiler *c, struct sql_node *node, struct sql_node *by)
{
	struct sql_node *made;

	if (is_const(by)) {
		made = sql_const(c, node->type, by->value, node->location);
	} else {
		made = sql_node_new(c, NODE_RELABEL, node->type, node->location);
		made->args = sql_alloc(c, sizeof(*made->args));
		made->args[made->argc++] = by;
	}
	made->domain = node->domain;
	made->collation = node->collation;
	made->collation_explicit = node->collation_explicit;
	return made;
}

static struct sql_node *
bool_const(struct sql_compiler *c, bool b, long location)
{
	return sql_const(c, sql_type_plain(TYPE_BOOL),
	    (struct value){ .state = VALUE_SET, .b = b }, location);
}

static struct sql_node *
fold_case(struct sql_compiler *c, struct sql_node *node)
{
	struct sql_node *otherwise = node->args[node->argc - 1];
	size_t kept = 0;

	for (size_t i = 0; i + 1 < node->argc; i += 2) {
		if (is_true(node->args[i])) {
			otherwise = node->args[i + 1];
			break;
		}
		if (is_const(node->args[i]))
			continue;
		node->args[kept] = node->args[i];
		node->args[kept + 1] = node->args[i + 1];
		kept += 2;
	}
	node->args[kept] = otherwise;
	node->argc = kept + 1;
	return kept ? node : stand_in(c, node, otherwise);
}

static struct sql_node *
fold_coalesce(struct sql_compiler *c, struct sql_node *node)
{
	struct sql_node *last = node->args[node->argc - 1];
	size_t kept = 0;

	for (size_t i = 0; i < node->argc; i++) {
		struct sql_node *arg = node->args[i];

		if (is_const(arg) && arg->value.state != VALUE_SET)
			continue;
		node->args[kept++] = arg;
		if (is_const(arg))
			break;
	}
	if (kept == 0)
		return stand_in(c, node, last);
	node->argc = kept;
	return kept == 1 ? stand_in(c, node, node->args[0]) : node;
}

/* A constant false in AND, true in OR, is the answer wherever it stands. */
static struct sql_node *
fold_logic(struct sql_compiler *c, struct sql_node *node)
{
	bool decides = node->kind == NODE_OR;
	size_t kept = 0;

	for (size_t i = 0; i < node->argc; i++) {
		struct sql_node *arg = node->args[i];

		if (is_const(arg) && arg->value.state == VALUE_SET) {
			if (arg->value.b == decides)
				return bool_const(c, decides, node->location);
			continue;
		}
		node->args[kept++] = arg;
	}
	if (kept == 0)
		return bool_const(c, !decides, node->location);
	node->argc = kept;
	return kept == 1 ? node->args[0] : node;
}

/* With a NULL on either side they are not equal: the first argument is the answer. */
static struct sql_node *
fold_nullif(struct sql_compiler *c, struct sql_node *node)
{
	for (size_t i = 1; i < 3; i++) {
		if (is_const(node->args[i]) && node->args[i]->value.state != VALUE_SET)
			return stand_in(c, node, node->args[1]);
	}
	if (is_true(node->args[0]))
		return sql_const(c, node->type, (struct value){ 0 }, node->location);
	return is_const(node->args[0]) ? stand_in(c, node, node->args[1]) : node;
}

static struct sql_node *
fold_distinct(struct sql_compiler *c, struct sql_node *node)
{
	bool null[2], distinct;

	if (!is_const(node->args[1]) || !is_const(node->args[2]))
		return node;
	for (size_t i = 0; i < 2; i++)
		null[i] = node->args[i + 1]->value.state != VALUE_SET;
	if (!null[0] && !null[1] && !is_const(node->args[0]))
		return node;
	distinct = null[0] != null[1] || (!null[0] && !is_true(node->args[0]));
	return bool_const(c, distinct != node->negate, node->location);
}

static struct sql_node *
fold_test(struct sql_compiler *c, struct sql_node *node)
{
	const struct value *v = &node->args[0]->value;
	bool is;

	if (!is_const(node->args[0]))
		return node;
	if (node->kind == NODE_NOT)
		return sql_const(c, node->type, (struct value){ .state = v->state, .b = !v->b },
		    node->location);
	if (node->kind == NODE_IS_NULL)
		is = v->state != VALUE_SET;
	else
		is = v->state == node->value.state &&
		     (v->state != VALUE_SET || v->b == node->value.b);
	return bool_const(c, is != node->negate, node->location);
}

struct sql_node *
sql_fold(struct sql_compiler *c, struct sql_node *node)
{
	if (!node)
		return NULL;
	if (node->kind == NODE_CASE)
		return fold_case(c, node);
	if (node->kind == NODE_NULLIF)
		return fold_nullif(c, node);
	if (node->kind == NODE_DISTINCT)
		return fold_distinct(c, node);
	if (node->kind == NODE_COALESCE)
		return fold_coalesce(c, node);
	if (node->kind == NODE_AND || node->kind == NODE_OR)
		return fold_logic(c, node);
	if (node->kind == NODE_NOT || node->kind == NODE_IS_NULL || node->kind == NODE_IS_BOOL)
		return fold_test(c, node);
	return node;
}
