/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "sql/tree.h"

enum { DEPTH_MAX = 4000 };

void *
sql_alloc(struct sql_compiler *c, size_t len)
{
	void *p = arena_alloc(c->arena, len ? len : 1);

	must(p); /* the arena is sized for the longest text */
	memset(p, 0, len);
	return p;
}

const char *
sql_keep(struct sql_compiler *c, const char *text)
{
	struct slice copy = arena_copy(c->arena, slice_str(text));

	must(copy.p);
	return copy.p;
}

struct sql_node *
sql_node_new(struct sql_compiler *c, enum sql_node_kind kind, struct pgtype type, long location)
{
	struct sql_node *node = sql_alloc(c, sizeof(*node));

	node->kind = kind;
	node->type = type;
	node->location = location;
	return node;
}

struct sql_node *
sql_const(struct sql_compiler *c, struct pgtype type, struct value value, long location)
{
	struct sql_node *node = sql_node_new(c, NODE_CONST, type, location);

	node->value = value;
	return node;
}

struct sql_node *
sql_no(struct sql_compiler *c, long location, const char *fmt, ...)
{
	char what[ERR_WHAT_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	(void)sql_refuse(c->err, c->text,
	    location < c->origin ? location : location - c->origin, "%s", what);
	return NULL;
}

const char *
sql_type_words(struct pgtype type)
{
	static _Thread_local char words[4][80];
	static _Thread_local unsigned next;
	struct buf buf = { 0 };
	char *ret = words[next++ % 4];

	if (type.oid == OID_UNKNOWN)
		return "unknown";
	type_print(&buf, type);
	(void)snprintf(ret, sizeof(words[0]), "%s", buf_str(&buf));
	buf_finish(&buf);
	return ret;
}

/* An integer constant too big for int4 arrives as text: int8 when it fits, else numeric. */
static struct sql_node *
number_const(struct sql_compiler *c, const char *text, long location)
{
	struct value value = { .state = VALUE_SET };
	int64_t i;

	if (strspn(text, "-0123456789") == strlen(text) && slice_i64(slice_str(text), &i)) {
		value.i = i;
		return sql_const(c,
		    sql_type_plain(i >= INT32_MIN && i <= INT32_MAX ? TYPE_INT4 : TYPE_INT8),
		    value, location);
	}
	if (decimal_parse(slice_str(text), c->arena, &value.d, c->err))
		return sql_no(c, location, "%s", c->err->what);
	return sql_const(c, sql_type_plain(TYPE_NUMERIC), value, location);
}

/* Past blanks, comments, parentheses and signs. */
static size_t
skip_to_digit(struct slice text, size_t at)
{
	unsigned depth = 0;

	while (at < text.len && (depth || text.p[at] < '0' || text.p[at] > '9')) {
		const char *p = text.p + at;
		bool two = at + 1 < text.len;

		if (!depth && two && p[0] == '-' && p[1] == '-') {
			while (at < text.len && text.p[at] != '\n')
				at++;
		} else if (two && p[0] == '/' && p[1] == '*') {
			depth++;
			at += 2;
		} else if (depth && two && p[0] == '*' && p[1] == '/') {
			depth--;
			at += 2;
		} else {
			at++;
		}
	}
	return at;
}

/* The parser's JSON (libpg_query 15-4.0) leaves out every integer that is not above
 * zero: what stands at a minus sign is read from the text. */
int64_t
sql_int_const(const struct sql_compiler *c, const json_t *body)
{
	const json_t *ival = json_object_get(json_object_get(body, "ival"), "ival");
	long location = sql_node_location(body) - c->origin;
	size_t at = location < 0 ? c->text.len : (size_t)location;
	int64_t value = 0;

	if (ival || at >= c->text.len || c->text.p[at] != '-')
		return json_integer_value(ival);
	at = skip_to_digit(c->text, at);
	for (; at < c->text.len && c->text.p[at] >= '0' && c->text.p[at] <= '9'; at++)
		value = value < INT32_MAX ? value * 10 + (c->text.p[at] - '0') : value;
	return -value;
}

static struct sql_node *
const_expr(struct sql_compiler *c, const json_t *body)
{
	long location = sql_node_location(body);
	struct value value = { .state = VALUE_SET };
	const json_t *part;
	struct sql_node *node;

	if (json_is_true(json_object_get(body, "isnull"))) {
		node =
		    sql_const(c, sql_type_plain(KIND_UNKNOWN), (struct value){ 0 }, location);
		node->type.oid = OID_UNKNOWN;
		return node;
	}
	if (json_object_get(body, "ival")) {
		value.i = sql_int_const(c, body);
		return sql_const(c, sql_type_plain(TYPE_INT4), value, location);
	}
	if ((part = json_object_get(body, "fval")))
		return number_const(c, sql_node_text(part, "fval"), location);
	if ((part = json_object_get(body, "boolval"))) {
		value.b = json_is_true(json_object_get(part, "boolval"));
		return sql_const(c, sql_type_plain(TYPE_BOOL), value, location);
	}
	if ((part = json_object_get(body, "sval"))) {
		value.s = slice_str(sql_keep(c, sql_node_text(part, "sval")));
		node = sql_const(c, sql_type_plain(KIND_UNKNOWN), value, location);
		node->type.oid = OID_UNKNOWN;
		return node;
	}
	return sql_no(c, location, "bit string constants are not in the subset");
}

static struct sql_node *
bool_expr(struct sql_compiler *c, const json_t *body)
{
	const char *op = sql_node_text(body, "boolop");
	const json_t *args = json_object_get(body, "args");
	bool is_and = strcmp(op, "AND_EXPR") == 0, is_not = strcmp(op, "NOT_EXPR") == 0;
	struct sql_node *node = sql_node_new(c,
	    is_not   ? NODE_NOT
	    : is_and ? NODE_AND
		     : NODE_OR,
	    sql_type_plain(TYPE_BOOL), sql_node_location(body));

	node->argc = json_array_size(args);
	node->args = sql_alloc(c, node->argc * sizeof(*node->args));
	for (size_t i = 0; i < node->argc; i++) {
		node->args[i] = sql_expr_bool(c, json_array_get(args, i),
		    is_not   ? "NOT"
		    : is_and ? "AND"
			     : "OR");
		if (!node->args[i])
			return NULL;
	}
	return node;
}

struct sql_node *
sql_expr_bool(struct sql_compiler *c, const json_t *json, const char *what)
{
	struct sql_node *node = sql_expr(c, json);

	if (!node)
		return NULL;
	if (sql_type_kind(node->type) == KIND_UNKNOWN)
		return sql_coerce(c, node, sql_type_plain(TYPE_BOOL), CAST_IMPLICIT);
	if (node->type.kind != TYPE_BOOL)
		return sql_no(c, node->location,
		    "argument of %s must be type boolean, not type %s", what,
		    sql_type_words(node->type));
	return node;
}

static struct sql_node *
null_test(struct sql_compiler *c, const json_t *body)
{
	struct sql_node *arg = sql_expr(c, json_object_get(body, "arg")), *node;

	if (!arg)
		return NULL;
	node =
	    sql_node_new(c, NODE_IS_NULL, sql_type_plain(TYPE_BOOL), sql_node_location(body));
	node->negate = strcmp(sql_node_text(body, "nulltesttype"), "IS_NOT_NULL") == 0;
	node->args = sql_alloc(c, sizeof(*node->args));
	node->args[node->argc++] = arg;
	return node;
}

static struct sql_node *
boolean_test(struct sql_compiler *c, const json_t *body)
{
	static const struct {
		const char *name;
		bool negate, null, truth;
	} tests[] = {
		{ "IS_TRUE", false, false, true },
		{ "IS_NOT_TRUE", true, false, true },
		{ "IS_FALSE", false, false, false },
		{ "IS_NOT_FALSE", true, false, false },
		{ "IS_UNKNOWN", false, true, false },
		{ "IS_NOT_UNKNOWN", true, true, false },
	};
	const char *name = sql_node_text(body, "booltesttype");
	struct sql_node *arg = sql_expr_bool(c, json_object_get(body, "arg"), "IS TRUE"), *node;

	if (!arg)
		return NULL;
	node =
	    sql_node_new(c, NODE_IS_BOOL, sql_type_plain(TYPE_BOOL), sql_node_location(body));
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (strcmp(tests[i].name, name) == 0 || (i == 0 && !*name)) {
			node->negate = tests[i].negate;
			node->value.state = tests[i].null ? VALUE_NULL : VALUE_SET;
			node->value.b = tests[i].truth;
		}
	}
	node->args = sql_alloc(c, sizeof(*node->args));
	node->args[node->argc++] = arg;
	return node;
}

static struct sql_node *
collate(struct sql_compiler *c, const json_t *body)
{
	const json_t *names = json_object_get(body, "collname");
	const char *name = sql_node_name(names, json_array_size(names) - 1);
	struct sql_node *arg = sql_expr(c, json_object_get(body, "arg")), *node;

	if (!arg)
		return NULL;
	if (strcmp(name, "C") != 0 && strcmp(name, "POSIX") != 0 &&
	    strcmp(name, "ucs_basic") != 0)
		return sql_no(c, sql_node_location(body),
		    "COLLATE \"%s\": only the collation \"C\" can be computed here", name);
	node = sql_node_new(c, NODE_RELABEL, arg->type, arg->location);
	node->collation = COLLATION_C;
	node->collation_explicit = true;
	if (sql_type_kind(arg->type) != KIND_UNKNOWN &&
	    !sql_type_is_string((int)arg->type.kind))
		return sql_no(c, sql_node_location(body),
		    "collations are not supported by type %s", sql_type_words(arg->type));
	if (arg->kind == NODE_CONST) { /* one without a type still is */
		node->kind = NODE_CONST;
		node->value = arg->value;
		return node;
	}
	node->args = sql_alloc(c, sizeof(*node->args));
	node->args[node->argc++] = arg;
	return node;
}

static struct sql_node *
plain_operator(struct sql_compiler *c, const json_t *body, const char *name)
{
	const json_t *lexpr = json_object_get(body, "lexpr");
	struct sql_node *left = NULL, *right;
	long location = sql_node_location(body);

	if (lexpr && !(left = sql_expr(c, lexpr)))
		return NULL;
	right = sql_expr(c, json_object_get(body, "rexpr"));
	if (!right)
		return NULL;
	return sql_operator(c, name, left, right, location);
}

static struct sql_node *
a_expr(struct sql_compiler *c, const json_t *body)
{
	const char *kind = sql_node_text(body, "kind");
	const json_t *names = json_object_get(body, "name");
	const char *name = sql_node_name(names, json_array_size(names) - 1);

	if (strcmp(kind, "AEXPR_OP") == 0 || strcmp(kind, "AEXPR_LIKE") == 0 ||
	    strcmp(kind, "AEXPR_ILIKE") == 0)
		return plain_operator(c, body, name);
	if (strcmp(kind, "AEXPR_IN") == 0)
		return sql_in(c, body);
	if (strcmp(kind, "AEXPR_NULLIF") == 0)
		return sql_nullif(c, body);
	if (strcmp(kind, "AEXPR_DISTINCT") == 0 || strcmp(kind, "AEXPR_NOT_DISTINCT") == 0)
		return sql_distinct(c, body, strcmp(kind, "AEXPR_NOT_DISTINCT") == 0);
	if (strstr(kind, "BETWEEN"))
		return sql_between(c, body, kind);
	if (strcmp(kind, "AEXPR_SIMILAR") == 0)
		return sql_no(c, sql_node_location(body),
		    "SIMILAR TO is a regular expression, which is not in the subset");
	return sql_no(c, sql_node_location(body), "ANY and ALL are not in the subset");
}

static const struct {
	const char *tag, *sentence;
} refused[] = {
	{ "SubLink", "a subquery is not in the subset: join the table on its key" },
	{ "SQLValueFunction",
	    "the answer depends on when or by whom it is asked: not in the subset" },
	{ "ParamRef", "parameters are not in the subset" },
	{ "A_ArrayExpr", "arrays are carried through, not computed on" },
	{ "A_Indirection", "array elements and fields of composites are not in the subset" },
	{ "RowExpr", "rows are not in the subset" },
	{ "GroupingFunc", "GROUPING is not in the subset" },
	{ "SetToDefault", "DEFAULT is not in the subset" },
	{ "XmlExpr", "XML is not in the subset" },
	{ "XmlSerialize", "XML is not in the subset" },
	{ "CurrentOfExpr", "CURRENT OF is not in the subset" },
};

static struct sql_node *
expr_of(struct sql_compiler *c, const char *tag, const json_t *body)
{
	static const struct {
		const char *tag;
		struct sql_node *(*make)(struct sql_compiler *, const json_t *);
	} makers[] = {
		{ "ColumnRef", sql_column_ref },
		{ "A_Const", const_expr },
		{ "A_Expr", a_expr },
		{ "BoolExpr", bool_expr },
		{ "TypeCast", sql_type_cast },
		{ "FuncCall", sql_func_call },
		{ "CaseExpr", sql_case },
		{ "CoalesceExpr", sql_coalesce },
		{ "MinMaxExpr", sql_minmax },
		{ "NullTest", null_test },
		{ "BooleanTest", boolean_test },
		{ "CollateClause", collate },
	};

	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
		if (strcmp(makers[i].tag, tag) == 0)
			return sql_fold(c, makers[i].make(c, body));
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (strcmp(refused[i].tag, tag) == 0)
			return sql_no(c, sql_node_location(body), "%s", refused[i].sentence);
	}
	return sql_no(c, sql_node_location(body), "%s is not in the subset", tag);
}

struct sql_node *
sql_expr(struct sql_compiler *c, const json_t *json)
{
	const json_t *body;
	const char *tag = sql_node_tag(json, &body);
	struct sql_node *node;

	if (c->depth >= DEPTH_MAX)
		return sql_no(c, sql_node_location(body), "the expression is nested too deep");
	c->depth++;
	node = expr_of(c, tag, body);
	c->depth--;
	return node;
}
