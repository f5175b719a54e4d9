/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>

#include "sql/ast_read.h"

struct ast_expr *
ast_expr_new(struct ast_reader *r, enum ast_kind kind, size_t argc, long location)
{
	struct ast_expr *e = ast_take(r, 1, sizeof(*e));

	e->kind = kind;
	e->location = location;
	e->argc = argc;
	if (argc)
		e->args = ast_take(r, argc, sizeof(struct ast_expr *));
	return e;
}

struct ast_list
ast_exprs(struct ast_reader *r, const json_t *list)
{
	struct ast_list out = { .count = json_array_size(list) };

	if (out.count)
		out.items = ast_take(r, out.count, sizeof(struct ast_expr *));
	for (size_t i = 0; i < out.count && !ast_bad(r); i++)
		out.items[i] = ast_expr(r, json_array_get(list, i));
	return out;
}

static struct ast_expr *
with_list(struct ast_reader *r, enum ast_kind kind, const json_t *list, long location)
{
	struct ast_expr *e = ast_expr_new(r, kind, 0, location);
	struct ast_list args = ast_exprs(r, list);

	e->args = args.items;
	e->argc = args.count;
	return e;
}

/* This parser's JSON leaves negative integers out, so they are read where they stand. */
static int64_t
int_const(struct ast_reader *r, const json_t *body, long location)
{
	const json_t *ival = json_object_get(json_object_get(body, "ival"), "ival");
	size_t at = location < 0 ? r->text.len : (size_t)location;
	int64_t value = 0;

	if (ival || at >= r->text.len || r->text.p[at] != '-')
		return json_integer_value(ival);
	while (at < r->text.len && !isdigit((unsigned char)r->text.p[at]))
		at++;
	for (; at < r->text.len && isdigit((unsigned char)r->text.p[at]); at++)
		value = value < INT32_MAX ? value * 10 + (r->text.p[at] - '0') : value;
	return -value;
}

static struct ast_expr *
constant(struct ast_reader *r, const json_t *body, long location)
{
	struct ast_expr *e = ast_expr_new(r, AST_NULL, 0, location);
	const json_t *part;
	char digits[24];

	if (json_is_true(json_object_get(body, "isnull")))
		return e;
	if (json_object_get(body, "ival")) {
		e->kind = AST_INT;
		e->number = int_const(r, body, location);
		(void)snprintf(digits, sizeof digits, "%lld", (long long)e->number);
		e->name = ast_keep(r, digits);
	} else if ((part = json_object_get(body, "fval"))) {
		e->kind = AST_DECIMAL;
		e->name = ast_keep(r, sql_node_text(part, "fval"));
	} else if ((part = json_object_get(body, "boolval"))) {
		e->kind = AST_BOOL;
		e->name = json_is_true(json_object_get(part, "boolval")) ? "true" : "false";
	} else if ((part = json_object_get(body, "sval"))) {
		e->kind = AST_STRING;
		e->name = ast_keep(r, sql_node_text(part, "sval"));
		e->name = e->name ? e->name : "";
	} else {
		return ast_no(
		    r->trouble, "UNSUPPORTED", location, "bit strings are not supported");
	}
	return e;
}

static struct ast_expr *
column_ref(struct ast_reader *r, const json_t *body, long location)
{
	const json_t *fields = json_object_get(body, "fields"), *last;
	size_t count = json_array_size(fields);
	struct ast_expr *e = ast_expr_new(r, AST_COLUMN, 0, location);

	if (count == 0 || count > 3)
		return ast_no(r->trouble, "UNSUPPORTED", location,
		    "a column is written with at most a schema and a table");
	if (strcmp(sql_node_tag(json_array_get(fields, count - 1), &last), "A_Star") == 0)
		e->kind = AST_STAR;
	else
		e->name = ast_keep(r, sql_node_name(fields, count - 1));
	if (count > 1)
		e->table = ast_keep(r, sql_node_name(fields, count - 2));
	if (count > 2)
		e->schema = ast_keep(r, sql_node_name(fields, 0));
	return e;
}

/* The items of a List node, or of a bare array. */
static const json_t *
items_of(const json_t *node)
{
	const json_t *body;

	if (strcmp(sql_node_tag(node, &body), "List") == 0)
		return json_object_get(body, "items");
	return json_is_array(node) ? node : NULL;
}

/* left, then the items of right. */
static struct ast_expr *
left_and_items(struct ast_reader *r, enum ast_kind kind, const json_t *body, long location)
{
	const json_t *items = items_of(json_object_get(body, "rexpr"));
	size_t count = json_array_size(items);
	struct ast_expr *e = ast_expr_new(r, kind, count + 1, location);

	e->args[0] = ast_expr(r, json_object_get(body, "lexpr"));
	for (size_t i = 0; i < count && !ast_bad(r); i++)
		e->args[i + 1] = ast_expr(r, json_array_get(items, i));
	return e;
}

static struct ast_expr *
left_and_right(struct ast_reader *r, enum ast_kind kind, const json_t *body, long location)
{
	const json_t *left = json_object_get(body, "lexpr");
	struct ast_expr *e = ast_expr_new(r, kind, left ? 2 : 1, location);

	if (left)
		e->args[0] = ast_expr(r, left);
	e->args[left ? 1 : 0] = ast_expr(r, json_object_get(body, "rexpr"));
	return e;
}

/* An operator's name as written; OPERATOR(schema.op) only with pg_catalog. */
static const char *
operator_name(struct ast_reader *r, const json_t *body, long location)
{
	const json_t *name = json_object_get(body, "name");
	size_t count = json_array_size(name);

	if (count > 1 && strcmp(sql_node_name(name, 0), "pg_catalog") != 0)
		return ast_no(r->trouble, "FUNCTION_NOT_ALLOWED", location,
		    "operators of schema %s are not allowed", sql_node_name(name, 0));
	return ast_keep(r, sql_node_name(name, count - 1));
}

static struct ast_expr *
operation(struct ast_reader *r, const json_t *body, long location)
{
	static const struct {
		const char *kind;
		enum ast_kind ast;
		const char *name; /* NULL: the operator's own */
		bool negate, list;
		int number;
	} kinds[] = {
		{ "AEXPR_OP", AST_OP, NULL, false, false, 0 },
		{ "AEXPR_OP_ANY", AST_ANY, NULL, false, false, 0 },
		{ "AEXPR_OP_ALL", AST_ALL, NULL, false, false, 0 },
		{ "AEXPR_DISTINCT", AST_DISTINCT_FROM, NULL, false, false, 0 },
		{ "AEXPR_NOT_DISTINCT", AST_DISTINCT_FROM, NULL, true, false, 0 },
		{ "AEXPR_NULLIF", AST_NULLIF, NULL, false, false, 0 },
		{ "AEXPR_IN", AST_IN, NULL, false, true, 0 },
		{ "AEXPR_LIKE", AST_LIKE, "like", false, false, 0 },
		{ "AEXPR_ILIKE", AST_LIKE, "ilike", false, false, 0 },
		{ "AEXPR_SIMILAR", AST_LIKE, "similar", false, false, 0 },
		{ "AEXPR_BETWEEN", AST_BETWEEN, NULL, false, true, 0 },
		{ "AEXPR_NOT_BETWEEN", AST_BETWEEN, NULL, true, true, 0 },
		{ "AEXPR_BETWEEN_SYM", AST_BETWEEN, NULL, false, true, 1 },
		{ "AEXPR_NOT_BETWEEN_SYM", AST_BETWEEN, NULL, true, true, 1 },
	};
	const char *kind = sql_node_text(body, "kind");
	const char *op = operator_name(r, body, location);

	for (size_t i = 0; op && i < sizeof kinds / sizeof *kinds; i++) {
		struct ast_expr *e;

		if (strcmp(kind, kinds[i].kind) != 0)
			continue;
		e = kinds[i].list ? left_and_items(r, kinds[i].ast, body, location)
				  : left_and_right(r, kinds[i].ast, body, location);
		e->name = kinds[i].name ? kinds[i].name : op;
		e->number = kinds[i].number;
		e->negate = kinds[i].negate || (kinds[i].ast == AST_IN && *op == '<') ||
			    (kinds[i].ast == AST_LIKE && *op == '!');
		return e;
	}
	return ast_no(r->trouble, "UNSUPPORTED", location, "operator kind %s", kind);
}

static struct ast_expr *
boolean(struct ast_reader *r, const json_t *body, long location)
{
	const char *op = sql_node_text(body, "boolop");

	return with_list(r,
	    strcmp(op, "AND_EXPR") == 0  ? AST_AND
	    : strcmp(op, "OR_EXPR") == 0 ? AST_OR
					 : AST_NOT,
	    json_object_get(body, "args"), location);
}

static struct ast_expr *
one_arg(struct ast_reader *r, enum ast_kind kind, const json_t *arg, long location)
{
	struct ast_expr *e = ast_expr_new(r, kind, 1, location);

	e->args[0] = ast_expr(r, arg);
	return e;
}

static struct ast_expr *
null_test(struct ast_reader *r, const json_t *body, long location)
{
	struct ast_expr *e = one_arg(r, AST_IS_NULL, json_object_get(body, "arg"), location);

	e->negate = strcmp(sql_node_text(body, "nulltesttype"), "IS_NOT_NULL") == 0;
	return e;
}

static struct ast_expr *
bool_test(struct ast_reader *r, const json_t *body, long location)
{
	struct ast_expr *e = one_arg(r, AST_IS_BOOL, json_object_get(body, "arg"), location);
	const char *test = sql_node_text(body, "booltesttype");

	e->negate = strncmp(test, "IS_NOT_", 7) == 0;
	test += e->negate ? 7 : 3;
	e->name = strcmp(test, "TRUE") == 0    ? "true"
		  : strcmp(test, "FALSE") == 0 ? "false"
					       : "unknown";
	return e;
}

static struct ast_expr *
case_expr(struct ast_reader *r, const json_t *body, long location)
{
	const json_t *whens = json_object_get(body, "args");
	const json_t *otherwise = json_object_get(body, "defresult");
	size_t count = json_array_size(whens);
	struct ast_expr *e = ast_expr_new(r, AST_CASE, count * 2 + 1, location);

	e->left = ast_expr(r, json_object_get(body, "arg"));
	for (size_t i = 0; i < count && !ast_bad(r); i++) {
		const json_t *when;

		(void)sql_node_tag(json_array_get(whens, i), &when);
		e->args[2 * i] = ast_expr(r, json_object_get(when, "expr"));
		e->args[2 * i + 1] = ast_expr(r, json_object_get(when, "result"));
	}
	e->args[2 * count] =
	    otherwise ? ast_expr(r, otherwise) : ast_expr_new(r, AST_NULL, 0, location);
	return e;
}

static struct ast_type_name *
type_name(struct ast_reader *r, const json_t *body, long location)
{
	struct ast_type_name *t = ast_take(r, 1, sizeof(*t));
	const json_t *names = json_object_get(body, "names"), *mods, *part;
	size_t count = json_array_size(names);

	if (!ast_known(r, "a type", body, "names typemod typmods arrayBounds"))
		return NULL;
	t->name = ast_keep(r, sql_node_name(names, count - 1));
	t->schema = count > 1 ? ast_keep(r, sql_node_name(names, 0)) : NULL;
	t->array = json_object_get(body, "arrayBounds") != NULL;
	mods = json_object_get(body, "typmods");
	t->mod_count = json_array_size(mods);
	if (count > 2 || t->mod_count > 2)
		return ast_no(r->trouble, "TYPE_NOT_ALLOWED", location, "no such type");
	for (size_t i = 0; i < t->mod_count; i++) {
		struct ast_expr *mod;

		if (strcmp(sql_node_tag(json_array_get(mods, i), &part), "A_Const") != 0)
			return ast_no(r->trouble, "TYPE_NOT_ALLOWED", location, "no such type");
		mod = constant(r, part, sql_node_location(part));
		t->mods[i] = mod ? (int)mod->number : 0;
	}
	return t;
}

static struct ast_expr *
cast(struct ast_reader *r, const json_t *body, long location)
{
	struct ast_expr *e = one_arg(r, AST_CAST, json_object_get(body, "arg"), location);

	e->cast = type_name(r, json_object_get(body, "typeName"), location);
	return e;
}

static struct ast_expr *
collate(struct ast_reader *r, const json_t *body, long location)
{
	struct ast_expr *e = one_arg(r, AST_COLLATE, json_object_get(body, "arg"), location);
	const json_t *names = json_object_get(body, "collname");
	size_t count = json_array_size(names);

	e->name = ast_keep(r, sql_node_name(names, count - 1));
	e->schema = count > 1 ? ast_keep(r, sql_node_name(names, 0)) : NULL;
	return e;
}

static struct ast_expr *
now(struct ast_reader *r, const json_t *body, long location)
{
	static const char *const names[] = { "CURRENT_DATE", "CURRENT_TIMESTAMP",
		"LOCALTIMESTAMP", NULL };
	const char *op = sql_node_text(body, "op");
	struct ast_expr *e = ast_expr_new(r, AST_NOW, 0, location);

	for (size_t i = 0; names[i]; i++) {
		if (strncmp(op, "SVFOP_", 6) == 0 && strcmp(op + 6, names[i]) == 0)
			e->name = names[i];
	}
	if (!e->name)
		return ast_no(r->trouble, "FUNCTION_NOT_ALLOWED", location, "%s is not allowed",
		    strncmp(op, "SVFOP_", 6) == 0 ? op + 6 : op);
	return e;
}

static struct ast_expr *
grouping_set(struct ast_reader *r, const json_t *body, long location)
{
	static const char *const names[][2] = { { "GROUPING_SET_ROLLUP", "rollup" },
		{ "GROUPING_SET_CUBE", "cube" }, { "GROUPING_SET_SETS", "sets" },
		{ "GROUPING_SET_SIMPLE", "simple" }, { "GROUPING_SET_EMPTY", "empty" } };
	struct ast_expr *e =
	    with_list(r, AST_GROUPING_SET, json_object_get(body, "content"), location);

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(sql_node_text(body, "kind"), names[i][0]) == 0)
			e->name = names[i][1];
	}
	return e;
}

static struct ast_expr *
param(struct ast_reader *r, const json_t *body, long location)
{
	struct ast_expr *e = ast_expr_new(r, AST_PARAM, 0, location);

	e->number = json_integer_value(json_object_get(body, "number"));
	return e;
}

static struct ast_expr *
multi_assign(struct ast_reader *r, const json_t *body, long location)
{
	(void)location;
	return ast_expr(r, json_object_get(body, "source"));
}

static struct ast_expr *
set_default(struct ast_reader *r, const json_t *body, long location)
{
	(void)body;
	return ast_expr_new(r, AST_DEFAULT, 0, location);
}

static struct ast_expr *
function_call(struct ast_reader *r, const json_t *body, long location)
{
	(void)location;
	return ast_call(r, body);
}

/* Nodes that are a list of arguments and nothing else of note. */
static struct ast_expr *
listed(struct ast_reader *r, const char *tag, const json_t *body, long location)
{
	static const struct {
		const char *tag, *member;
		enum ast_kind kind;
	} lists[] = {
		{ "CoalesceExpr", "args", AST_COALESCE },
		{ "RowExpr", "args", AST_ROW },
		{ "A_ArrayExpr", "elements", AST_ARRAY },
		{ "GroupingFunc", "args", AST_GROUPING },
		{ "List", "items", AST_ROW },
	};

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		if (strcmp(tag, lists[i].tag) == 0)
			return with_list(
			    r, lists[i].kind, json_object_get(body, lists[i].member), location);
	}
	return with_list(r,
	    strcmp(sql_node_text(body, "op"), "IS_LEAST") == 0 ? AST_LEAST : AST_GREATEST,
	    json_object_get(body, "args"), location);
}

static const struct {
	const char *tag, *members;
	struct ast_expr *(*build)(struct ast_reader *, const json_t *, long); /* NULL: listed */
} builders[] = {
	{ "A_Const", "ival fval boolval sval bsval isnull", constant },
	{ "ColumnRef", "fields", column_ref },
	{ "A_Expr", "kind name lexpr rexpr", operation },
	{ "BoolExpr", "boolop args", boolean },
	{ "FuncCall",
	    "funcname args agg_order agg_filter over agg_within_group agg_star "
	    "agg_distinct func_variadic funcformat",
	    function_call },
	{ "TypeCast", "arg typeName", cast },
	{ "NullTest", "arg nulltesttype", null_test },
	{ "BooleanTest", "arg booltesttype", bool_test },
	{ "CaseExpr", "arg args defresult", case_expr },
	{ "SubLink", "subLinkType testexpr operName subselect", ast_sublink },
	{ "ParamRef", "number", param },
	{ "CollateClause", "arg collname", collate },
	{ "A_Indirection", "arg indirection", ast_indirection },
	{ "SQLValueFunction", "op typmod", now },
	{ "GroupingSet", "kind content", grouping_set },
	{ "MultiAssignRef", "source colno ncolumns", multi_assign },
	{ "SetToDefault", "typeId typeMod collation", set_default },
	{ "CoalesceExpr", "args", NULL },
	{ "MinMaxExpr", "op args", NULL },
	{ "RowExpr", "args row_format", NULL },
	{ "A_ArrayExpr", "elements", NULL },
	{ "GroupingFunc", "args", NULL },
	{ "List", "items", NULL },
};

struct ast_expr *
ast_expr(struct ast_reader *r, const json_t *node)
{
	const json_t *body;
	const char *tag;
	struct ast_expr *e = NULL;
	long at;

	if (!node || ast_bad(r))
		return NULL;
	tag = sql_node_tag(node, &body);
	at = sql_node_location(body);
	if (!ast_enter(r, at))
		return NULL;
	for (size_t i = 0; i < sizeof builders / sizeof *builders; i++) {
		if (strcmp(tag, builders[i].tag) != 0)
			continue;
		if (ast_known(r, tag, body, builders[i].members))
			e = builders[i].build ? builders[i].build(r, body, at)
					      : listed(r, tag, body, at);
		r->depth--;
		return ast_bad(r) ? NULL : e;
	}
	return ast_no(r->trouble, "UNSUPPORTED", at, "%s is not supported", tag);
}
