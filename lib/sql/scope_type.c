/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sql/scope_level.h"

static const struct pgtype other = { .kind = TYPE_OTHER, .typmod = -1 };

static bool
among(const char *name, const char *const *names)
{
	for (; *names; names++) {
		if (strcmp(name, *names) == 0)
			return true;
	}
	return false;
}

/* The wider of two number types; a literal takes the other's type. */
static struct pgtype
wider(struct pgtype a, struct pgtype b)
{
	static const int order[] = { TYPE_INT2, TYPE_INT4, TYPE_INT8, TYPE_NUMERIC, TYPE_FLOAT4,
		TYPE_FLOAT8 };
	int at = -1, bt = -1;

	if (sql_type_kind(a) == KIND_UNKNOWN)
		return b;
	if (sql_type_kind(b) == KIND_UNKNOWN)
		return a;
	for (int i = 0; i < (int)(sizeof order / sizeof *order); i++) {
		at = (int)a.kind == order[i] ? i : at;
		bt = (int)b.kind == order[i] ? i : bt;
	}
	if (at < 0 || bt < 0)
		return other;
	if ((at == 4 && bt != 4) || (bt == 4 && at != 4))
		return sql_type_plain(TYPE_FLOAT8);
	return sql_type_plain(order[at > bt ? at : bt]);
}

static struct pgtype
operator_type(const struct ast_expr *e)
{
	static const char *const truths[] = { "=", "<>", "!=", "<", ">", "<=", ">=", "~", "~*",
		"!~", "!~*", "~~", "!~~", "~~*", "!~~*", "?", "?|", "?&", "@>", "<@", "&&",
		NULL };
	static const char *const texts[] = { "||", "->>", "#>>", NULL };
	static const char *const numbers[] = { "+", "-", "*", "/", "%", NULL };
	struct pgtype type;

	if (among(e->name, truths))
		return sql_type_plain(TYPE_BOOL);
	if (among(e->name, texts))
		return e->args[0]->type.kind == TYPE_JSONB && strcmp(e->name, "||") == 0
			   ? e->args[0]->type
			   : sql_type_plain(TYPE_TEXT);
	if (!among(e->name, numbers))
		return other;
	type = e->argc == 1 ? e->args[0]->type : wider(e->args[0]->type, e->args[1]->type);
	type.typmod = -1;
	return type;
}

static struct pgtype
call_type(const struct ast_expr *e)
{
	const struct ast_function *f = e->call->function;
	struct pgtype arg = e->argc ? e->args[0]->type : other;
	bool floats = arg.kind == TYPE_FLOAT4 || arg.kind == TYPE_FLOAT8;
	bool numeric = arg.kind == TYPE_NUMERIC || sql_type_is_int((int)arg.kind);

	if (!f)
		return other;
	switch (f->result) {
	case RESULT_KIND: return sql_type_plain(f->kind);
	case RESULT_FIRST: return arg;
	case RESULT_SUM:
		if (arg.kind == TYPE_INT2 || arg.kind == TYPE_INT4)
			return sql_type_plain(TYPE_INT8);
		if (arg.kind == TYPE_INT8 || arg.kind == TYPE_NUMERIC)
			return sql_type_plain(TYPE_NUMERIC);
		arg.typmod = -1;
		return arg;
	case RESULT_AVG:
	case RESULT_NUMBER:
		return numeric  ? sql_type_plain(TYPE_NUMERIC)
		       : floats ? sql_type_plain(TYPE_FLOAT8)
				: other;
	case RESULT_OTHER: break;
	}
	return other;
}

bool
scope_cast_allowed(const struct ast_type_name *type, struct pgtype *ret_type)
{
	const struct sql_type *known = sql_type_of_name(type->name);

	if (type->schema && strcmp(type->schema, "pg_catalog") != 0)
		return false;
	if (!known || *type->name == '_' || known->kind == KIND_UNKNOWN)
		return false;
	*ret_type = type->array ? other : sql_type_plain(known->kind);
	if (type->array || type->mod_count == 0)
		return true;
	if (known->kind == TYPE_NUMERIC)
		ret_type->typmod = ((type->mods[0] << 16) | (type->mods[1] & 0xffff)) + 4;
	else if (known->kind == TYPE_VARCHAR || known->kind == TYPE_BPCHAR)
		ret_type->typmod = type->mods[0] + 4;
	else
		ret_type->typmod = type->mods[0];
	return true;
}

/* One type for several: the first that is not a literal, when the rest agree. */
static struct pgtype
common(struct ast_expr **items, size_t count, size_t step)
{
	struct pgtype type = sql_type_plain(KIND_UNKNOWN);

	for (size_t i = step - 1; i < count; i += step) {
		struct pgtype one = items[i]->type;

		if (sql_type_kind(one) == KIND_UNKNOWN || items[i]->kind == AST_NULL)
			continue;
		if (sql_type_kind(type) == KIND_UNKNOWN)
			type = one;
		else if (type.kind != one.kind)
			type = wider(type, one);
		else if (type.typmod != one.typmod)
			type.typmod = -1;
	}
	return type;
}

/* when, result, ..., default */
static struct pgtype
case_type(const struct ast_expr *e)
{
	struct ast_expr *results[2];
	struct pgtype type = e->args[e->argc - 1]->type;
	struct ast_expr last = { .type = type, .kind = e->args[e->argc - 1]->kind };

	for (size_t i = 1; i + 1 < e->argc; i += 2) {
		results[0] = e->args[i];
		results[1] = &last;
		last.type = common(results, 2, 1);
		last.kind = AST_CASE;
	}
	return last.type;
}

static struct pgtype
constant_type(const struct ast_expr *e)
{
	int64_t value;

	if (e->kind == AST_INT)
		return sql_type_plain(TYPE_INT4);
	if (e->kind == AST_BOOL)
		return sql_type_plain(TYPE_BOOL);
	if (e->kind == AST_DECIMAL)
		return sql_type_plain(
		    slice_i64(slice_str(e->name), &value) ? TYPE_INT8 : TYPE_NUMERIC);
	return sql_type_plain(KIND_UNKNOWN);
}

static enum sql_collation
collation_of(const struct ast_expr *e)
{
	enum sql_collation collation = COLLATION_NONE;

	if (e->kind == AST_COLLATE)
		return strcmp(e->name, "C") == 0 || strcmp(e->name, "POSIX") == 0
			   ? COLLATION_C
			   : COLLATION_LOCALE;
	for (size_t i = 0; i < e->argc; i++) {
		if (e->args[i]->collation > collation)
			collation = e->args[i]->collation;
	}
	return collation;
}

static struct pgtype
now_type(const struct ast_expr *e)
{
	return sql_type_plain(strcmp(e->name, "CURRENT_DATE") == 0     ? TYPE_DATE
			      : strcmp(e->name, "LOCALTIMESTAMP") == 0 ? TYPE_TIMESTAMP
								       : TYPE_TIMESTAMPTZ);
}

static struct pgtype
type_of(const struct ast_expr *e)
{
	switch (e->kind) {
	case AST_NULL:
	case AST_BOOL:
	case AST_INT:
	case AST_DECIMAL:
	case AST_STRING: return constant_type(e);
	case AST_OP: return operator_type(e);
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
	case AST_EXISTS:
	case AST_IN_SELECT: return sql_type_plain(TYPE_BOOL);
	case AST_CALL: return call_type(e);
	case AST_CASE: return case_type(e);
	case AST_COALESCE:
	case AST_GREATEST:
	case AST_LEAST: return common(e->args, e->argc, 1);
	case AST_NULLIF:
	case AST_COLLATE: return e->args[0]->type;
	case AST_SCALAR:
		return e->select->output_count == 1 ? e->select->outputs[0].type : other;
	case AST_GROUPING: return sql_type_plain(TYPE_INT4);
	case AST_NOW: return now_type(e);
	case AST_COLUMN:
	case AST_STAR:
	case AST_PARAM:
	case AST_CAST:
	case AST_ARRAY_OF:
	case AST_ROW:
	case AST_ARRAY:
	case AST_FIELD:
	case AST_INDEX:
	case AST_GROUPING_SET:
	case AST_DEFAULT: break; /* set where they are resolved, or not known */
	}
	return e->type.kind || e->type.oid ? e->type : other;
}

void
scope_type(struct resolver *r, struct ast_expr *e)
{
	(void)r;
	e->type = type_of(e);
	if (e->kind != AST_COLUMN)
		e->collation = collation_of(e);
}
