/* SPDX-License-Identifier: Apache-2.0 */
/* Types of parameters, as PostgreSQL 15 deduces them (parse_param.c, parse_oper.c,
 * parse_coerce.c): a $n has no type until what stands around one of its places asks for
 * one, in the order in which clauses are read, and has that type from there on. What
 * this file does not know to be so stays open, and a statement with an open place is
 * Postgres' alone. */
#include <string.h>

#include "sql/scope_level.h"

enum { PARAMS_MAX = 1000 };

static bool
is_unknown(struct pgtype type)
{
	return sql_type_kind(type) == KIND_UNKNOWN;
}

static bool
is_open(const struct ast_expr *e)
{
	return e->kind == AST_PARAM && is_unknown(e->type);
}

void
scope_param(struct resolver *r, struct ast_expr *e)
{
	e->type = sql_type_plain(KIND_UNKNOWN);
	if (e->number < 1 || e->number > PARAMS_MAX) {
		(void)ast_no(
		    r->trouble, "SYNTAX", e->location, "parameters are $1 to $%d", PARAMS_MAX);
		return;
	}
	if (!r->params) {
		r->params = resolver_take(r, PARAMS_MAX, sizeof *r->params);
		for (size_t i = 0; i < PARAMS_MAX; i++)
			r->params[i] = sql_type_plain(KIND_UNKNOWN);
	}
	if (e->number > r->facts->param_max)
		r->facts->param_max = e->number;
	e->type = r->params[e->number - 1];
	r->params_open += is_open(e);
}

/* A place that was open when another one was settled takes the same type or none. */
static void
settle(struct resolver *r, struct ast_expr *e, int kind)
{
	struct pgtype *known;

	if (!is_open(e) || kind < 0)
		return;
	known = &r->params[e->number - 1];
	if (is_unknown(*known))
		*known = sql_type_plain(kind);
	else if ((int)known->kind != kind)
		return;
	e->type = *known;
	r->params_open--;
}

void
scope_param_as(struct resolver *r, struct ast_expr *e, enum type_kind kind)
{
	if (e && r->params_open)
		settle(r, e, (int)kind);
}

static bool
is_number(int kind)
{
	return sql_type_is_int(kind) || kind == TYPE_NUMERIC || kind == TYPE_FLOAT4 ||
	       kind == TYPE_FLOAT8;
}

/* Of an operator that exists for two values of that very type, an unknown one has that
 * type too; varchar has none of its own and takes text's. */
static int
compared(const struct ast_expr *e)
{
	int kind = (int)e->type.kind;

	if (is_unknown(e->type))
		return -1;
	if (kind == TYPE_VARCHAR)
		return TYPE_TEXT;
	return is_number(kind) || kind == TYPE_BOOL || kind == TYPE_TEXT ||
		       kind == TYPE_BPCHAR || kind == TYPE_NAME || kind == TYPE_UUID ||
		       kind == TYPE_DATE || kind == TYPE_TIME || kind == TYPE_TIMESTAMP ||
		       kind == TYPE_TIMESTAMPTZ
		   ? kind
		   : -1;
}

static void
pair(struct resolver *r, struct ast_expr *a, struct ast_expr *b)
{
	settle(r, a, compared(b));
	settle(r, b, compared(a));
}

/* The kind to which both become without being asked; -1: none that is surely it. */
static int
wider(int a, int b)
{
	static const int order[] = { TYPE_INT2, TYPE_INT4, TYPE_INT8, TYPE_NUMERIC };
	int at = -1, bt = -1;

	for (int i = 0; i < 4; i++) {
		at = a == order[i] ? i : at;
		bt = b == order[i] ? i : bt;
	}
	return a == b ? a : at < 0 || bt < 0 ? -1 : order[at > bt ? at : bt];
}

/* One type for all, as of CASE's results: that of those that have one, text if none has. */
static void
alike(struct resolver *r, struct ast_expr **items, size_t count)
{
	int kind = KIND_UNKNOWN;

	for (size_t i = 0; i < count; i++) {
		int one = (int)items[i]->type.kind;

		if (is_unknown(items[i]->type))
			continue;
		if (compared(items[i]) < 0)
			return;
		kind = kind == KIND_UNKNOWN ? one : wider(kind, one);
		if (kind < 0)
			return;
	}
	for (size_t i = 0; i < count; i++)
		settle(r, items[i], kind == KIND_UNKNOWN ? TYPE_TEXT : kind);
}

static bool
is_constant(const struct ast_expr *e)
{
	return e->kind <= AST_PARAM || (e->kind == AST_CAST && is_constant(e->args[0]));
}

/* Several values without columns are an array of one type; others are compared one by one. */
static void
in_list(struct resolver *r, struct ast_expr *e)
{
	if (e->argc == 2) {
		pair(r, e->args[0], e->args[1]);
		return;
	}
	for (size_t i = 1; i < e->argc; i++) {
		if (!is_constant(e->args[i]))
			return;
	}
	alike(r, e->args, e->argc);
}

static void
truths(struct resolver *r, struct ast_expr **items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		settle(r, items[i], TYPE_BOOL);
}

/* when, result, ..., default */
static void
case_of(struct resolver *r, struct ast_expr *e)
{
	struct ast_expr **results = resolver_take(r, e->argc, sizeof *results);
	size_t count = 0;

	for (size_t i = 0; i + 1 < e->argc; i += 2) {
		if (!e->left)
			settle(r, e->args[i], TYPE_BOOL);
		else if (!is_open(e->left))
			pair(r, e->left, e->args[i]);
		results[count++] = e->args[i + 1];
	}
	results[count++] = e->args[e->argc - 1];
	alike(r, results, count);
}

static bool
is_text(const struct ast_expr *e)
{
	return !is_unknown(e->type) &&
	       (e->type.kind == TYPE_TEXT || e->type.kind == TYPE_VARCHAR);
}

/* Both are text where one is. */
static void
texts(struct resolver *r, struct ast_expr *a, struct ast_expr *b)
{
	if (is_text(a))
		settle(r, b, TYPE_TEXT);
	else if (is_text(b))
		settle(r, a, TYPE_TEXT);
}

static void
arithmetic(struct resolver *r, const struct ast_expr *e)
{
	bool floats = *e->name != '%';

	for (size_t i = 0; i < 2; i++) {
		const struct ast_expr *other = e->args[1 - i];
		int kind = compared(other);

		if (sql_type_is_int(kind) || kind == TYPE_NUMERIC ||
		    (floats && is_number(kind)))
			settle(r, e->args[i], kind);
	}
}

static void
operator(struct resolver *r, struct ast_expr *e)
{
	static const char *const compares[] = { "=", "<>", "!=", "<", ">", "<=", ">=", NULL };

	if (e->argc != 2)
		return;
	for (size_t i = 0; compares[i]; i++) {
		if (strcmp(e->name, compares[i]) == 0) {
			pair(r, e->args[0], e->args[1]);
			return;
		}
	}
	if (strchr("+-*/%", *e->name) && e->name[1] == '\0')
		arithmetic(r, e);
	else if (strcmp(e->name, "||") == 0)
		texts(r, e->args[0], e->args[1]);
}

/* One of the two numbers of substring(text, from, for) tells it from that of a pattern. */
static void
substring(struct resolver *r, struct ast_expr *e)
{
	bool number = false;

	for (size_t i = 1; i < e->argc; i++)
		number = number || e->args[i]->kind == AST_INT ||
			 (!is_open(e->args[i]) && e->args[i]->type.kind == TYPE_INT4);
	for (size_t i = 1; i < e->argc && number && is_text(e->args[0]); i++)
		settle(r, e->args[i], TYPE_INT4);
}

/* Functions of which there is but one for such a first argument. */
static void
call(struct resolver *r, struct ast_expr *e)
{
	static const struct {
		const char *name;
		bool text; /* the first argument; else numeric */
		enum type_kind rest;
	} known[] = {
		{ "substr", true, TYPE_INT4 },
		{ "left", true, TYPE_INT4 },
		{ "right", true, TYPE_INT4 },
		{ "starts_with", true, TYPE_TEXT },
		{ "round", false, TYPE_INT4 },
		{ "trunc", false, TYPE_INT4 },
	};

	if (strcmp(e->name, "substring") == 0)
		substring(r, e);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (strcmp(e->name, known[i].name) != 0 || e->argc < 2 || e->call->named ||
		    e->call->variadic ||
		    (known[i].text ? !is_text(e->args[0])
				   : e->args[0]->type.kind != TYPE_NUMERIC))
			continue;
		for (size_t a = 1; a < e->argc; a++)
			settle(r, e->args[a], (int)known[i].rest);
	}
}

/* $1 IN (SELECT x ...) */
static void
among(struct resolver *r, struct ast_expr *e)
{
	struct ast_expr x;

	if (e->argc != 1 || e->select->output_count != 1 || strcmp(e->name, "=") != 0)
		return;
	x = (struct ast_expr){ .kind = AST_COLUMN, .type = e->select->outputs[0].type };
	settle(r, e->args[0], compared(&x));
}

void
scope_param_around(struct resolver *r, struct ast_expr *e)
{
	switch (e->kind) {
	case AST_OP: operator(r, e); return;
	case AST_AND:
	case AST_OR:
	case AST_NOT:
	case AST_IS_BOOL: truths(r, e->args, e->argc); return;
	case AST_DISTINCT_FROM:
	case AST_NULLIF: pair(r, e->args[0], e->args[1]); return;
	case AST_BETWEEN:
		pair(r, e->args[0], e->args[1]);
		if (!is_open(e->args[0])) /* of two that are open, Postgres makes text */
			pair(r, e->args[0], e->args[2]);
		return;
	case AST_IN: in_list(r, e); return;
	case AST_LIKE:
		if (*e->name != 's' && e->argc == 2)
			texts(r, e->args[0], e->args[1]);
		return;
	case AST_CASE: case_of(r, e); return;
	case AST_COALESCE:
	case AST_GREATEST:
	case AST_LEAST: alike(r, e->args, e->argc); return;
	case AST_CAST:
		if (!e->cast->array)
			settle(r, e->args[0], (int)e->type.kind);
		return;
	case AST_CALL: call(r, e); return;
	case AST_IN_SELECT: among(r, e); return;
	case AST_NULL:
	case AST_BOOL:
	case AST_INT:
	case AST_DECIMAL:
	case AST_STRING:
	case AST_PARAM:
	case AST_COLUMN:
	case AST_STAR:
	case AST_IS_NULL:
	case AST_ANY:
	case AST_ALL:
	case AST_COLLATE:
	case AST_EXISTS:
	case AST_SCALAR:
	case AST_ARRAY_OF:
	case AST_ROW:
	case AST_ARRAY:
	case AST_FIELD:
	case AST_INDEX:
	case AST_NOW:
	case AST_GROUPING:
	case AST_GROUPING_SET:
	case AST_DEFAULT: return; /* they ask for nothing that is known here */
	}
}

void
scope_param_outputs(struct resolver *r, struct ast_select *s)
{
	for (size_t i = 0; i < s->output_count && r->params_open && !s->arm; i++) {
		struct ast_expr *e = s->outputs[i].expr;

		if (!e || !is_open(e))
			continue;
		settle(r, e, TYPE_TEXT);
		s->outputs[i].type = e->type;
	}
}

void
scope_param_end(struct resolver *r)
{
	struct ast_facts *f = r->facts;

	f->params = r->params;
	f->params_typed = r->params_open == 0;
	for (int64_t i = 0; i < f->param_max; i++)
		f->params_typed = f->params_typed && !is_unknown(r->params[i]);
}
