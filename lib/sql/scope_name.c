/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sql/scope.h"

/* 2: a name of its own, 1: a name that something outer may better, 0: none. */
static int
name_of(const struct ast_expr *e, const char **ret_name)
{
	const char *inner = NULL;
	int strength;

	switch (e->kind) {
	case AST_COLUMN:
	case AST_CALL:
	case AST_FIELD: *ret_name = e->name; return 2;
	case AST_INDEX:
	case AST_COLLATE: return name_of(e->args[0], ret_name);
	case AST_CAST:
		strength = name_of(e->args[0], ret_name);
		if (strength < 2)
			*ret_name = e->cast->name;
		return strength < 2 ? 1 : strength;
	case AST_CASE:
		strength = name_of(e->args[e->argc - 1], ret_name);
		if (strength < 2)
			*ret_name = "case";
		return strength < 2 ? 1 : strength;
	case AST_NULLIF: *ret_name = "nullif"; return 2;
	case AST_COALESCE: *ret_name = "coalesce"; return 2;
	case AST_GREATEST: *ret_name = "greatest"; return 2;
	case AST_LEAST: *ret_name = "least"; return 2;
	case AST_GROUPING: *ret_name = "grouping"; return 2;
	case AST_EXISTS: *ret_name = "exists"; return 2;
	case AST_ARRAY:
	case AST_ARRAY_OF: *ret_name = "array"; return 2;
	case AST_ROW: *ret_name = "row"; return 2;
	case AST_NOW:
		*ret_name = strcmp(e->name, "CURRENT_DATE") == 0        ? "current_date"
			    : strcmp(e->name, "CURRENT_TIMESTAMP") == 0 ? "current_timestamp"
									: "localtimestamp";
		return 2;
	case AST_SCALAR:
		inner = e->select->output_count ? e->select->outputs[0].name : NULL;
		if (inner && strcmp(inner, "?column?") != 0)
			*ret_name = inner;
		return inner ? 2 : 0;
	case AST_BOOL:
		*ret_name = "bool"; /* Postgres' parser writes 't'::bool */
		return 1;
	case AST_NULL:
	case AST_INT:
	case AST_DECIMAL:
	case AST_STRING:
	case AST_PARAM:
	case AST_STAR:
	case AST_OP:
	case AST_AND:
	case AST_OR:
	case AST_NOT:
	case AST_IS_NULL:
	case AST_IS_BOOL:
	case AST_DISTINCT_FROM:
	case AST_IN:
	case AST_LIKE:
	case AST_BETWEEN:
	case AST_ANY:
	case AST_ALL:
	case AST_IN_SELECT:
	case AST_GROUPING_SET:
	case AST_DEFAULT: break;
	}
	return 0;
}

const char *
ast_output_name(const struct ast_expr *expr)
{
	const char *name = "?column?";

	(void)name_of(expr, &name);
	return name;
}
