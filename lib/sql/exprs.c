/* SPDX-License-Identifier: Apache-2.0 */
/* Scalar expressions over one row, and what is known of their results' scale. */
#include <stdlib.h>

#include "base/must.h"
#include "sql/tree.h"

enum { ARENA_SIZE = 64 * 1024 * 1024, PREFIX = 7 /* "SELECT " */ };

struct sql_exprs {
	struct arena arena;
	struct sql_program program;
	size_t count;
	uint16_t *slots;
	const char **names; /* of a list */
	struct pgtype *types;
	int *scales;
	bool *used;
	size_t column_count;
};

void
sql_exprs_free(struct sql_exprs *exprs)
{
	if (!exprs)
		return;
	sql_program_finish(&exprs->program);
	arena_finish(&exprs->arena);
	free(exprs);
}

static int
max_scale(int a, int b)
{
	return a < 0 || b < 0 ? -1 : a > b ? a : b;
}

static int
const_scale(const struct sql_node *node)
{
	if (node->value.state != VALUE_SET || sql_type_is_int((int)node->type.kind))
		return 0;
	if (node->type.kind != TYPE_NUMERIC || !decimal_is_finite(&node->value.d))
		return -1;
	return node->value.d.scale;
}

static int scale_of(const struct sql_node *node);

/* The results of CASE stand at odd places, with the default last. */
static int
results_scale(const struct sql_node *node)
{
	bool is_case = node->kind == NODE_CASE;
	int scale = 0;

	for (size_t i = 0; i < node->argc; i++) {
		if (!is_case || i % 2 == 1 || i + 1 == node->argc)
			scale = max_scale(scale, scale_of(node->args[i]));
	}
	return scale;
}

/* Arithmetic that is exact: + - and * of exact operands. */
static int
call_scale(const struct sql_node *node)
{
	int a, b;

	if (node->argc == 1 && node->args[0]->type.kind != TYPE_NUMERIC &&
	    sql_type_is_int((int)node->args[0]->type.kind))
		return 0;
	if (node->fn == sql_cast_typmod || !node->name || node->argc == 0)
		return -1;
	a = scale_of(node->args[0]);
	if (node->argc == 1)
		return strchr("+-@", *node->name) ? a : -1;
	b = scale_of(node->args[1]);
	if (strcmp(node->name, "+") == 0 || strcmp(node->name, "-") == 0 ||
	    strcmp(node->name, "%") == 0)
		return max_scale(a, b);
	return strcmp(node->name, "*") == 0 && a >= 0 && b >= 0 ? a + b : -1;
}

static int
scale_of(const struct sql_node *node)
{
	if (sql_type_is_int((int)node->type.kind))
		return 0;
	if (node->type.kind != TYPE_NUMERIC)
		return -1;
	if (node->type.typmod >= 4)
		return (node->type.typmod - 4) & 0x7ff;
	switch (node->kind) {
	case NODE_CONST: return const_scale(node);
	case NODE_CASE:
	case NODE_COALESCE: return results_scale(node);
	case NODE_NULLIF: return scale_of(node->args[1]);
	case NODE_RELABEL: return node->argc ? scale_of(node->args[0]) : -1;
	case NODE_CALL: return call_scale(node);
	case NODE_COLUMN:
	case NODE_DISTINCT:
	case NODE_MINMAX:
	case NODE_AND:
	case NODE_OR:
	case NODE_NOT:
	case NODE_IS_NULL:
	case NODE_IS_BOOL: return -1;
	}
	return -1;
}

static void
mark_used(struct sql_exprs *exprs, const struct sql_node *node)
{
	if (node->kind == NODE_COLUMN)
		exprs->used[node->column] = true;
	for (size_t i = 0; i < node->argc; i++)
		mark_used(exprs, node->args[i]);
}

struct compile_args {
	const struct row_column *columns;
	size_t column_count;
	const char *text;
	struct sql_exprs *exprs;
	size_t index;
	bool list; /* named expressions, as many as there are */
};

static enum fate
expr_add(struct sql_compiler *c, struct sql_exprs *exprs, size_t index, const json_t *target)
{
	struct sql_node *node = sql_expr(c, json_object_get(target, "val"));

	if (node && sql_type_kind(node->type) == KIND_UNKNOWN)
		node = sql_coerce(c, node, sql_type_plain(TYPE_TEXT), CAST_IMPLICIT);
	if (!node)
		return FATE_HALT;
	mark_used(exprs, node);
	exprs->types[index] = node->type;
	exprs->scales[index] = scale_of(node);
	exprs->slots[index] = sql_emit(&exprs->program, c, node);
	return FATE_DONE;
}

/* A list's expression is called as AS says, or as the column that it is. */
static enum fate
name_add(struct sql_compiler *c, struct sql_exprs *exprs, size_t index, const json_t *target)
{
	const json_t *val, *fields;
	const char *name = sql_node_text(target, "name");
	const char *tag = sql_node_tag(json_object_get(target, "val"), &val);
	struct slice copy;

	fields = json_object_get(val, "fields");
	if (!*name && tag && strcmp(tag, "ColumnRef") == 0 && json_array_size(fields))
		name = sql_node_name(fields, json_array_size(fields) - 1);
	if (!*name)
		return sql_refuse(c->err, c->text, sql_node_location(target) - PREFIX,
		    "this expression needs a name: AS ...");
	for (size_t i = 0; i < index; i++)
		if (strcmp(exprs->names[i], name) == 0)
			return err_set(
			    c->err, FATE_HALT, "\"%s\" stands in the list twice", name);
	copy = arena_copy(&exprs->arena, slice_of(name, strlen(name) + 1));
	must(copy.p);
	exprs->names[index] = copy.p;
	return FATE_DONE;
}

static void
exprs_reserve(struct sql_exprs *exprs, size_t count)
{
	struct arena *arena = &exprs->arena;

	exprs->count = count;
	exprs->slots = arena_alloc(arena, (count + 1) * sizeof(*exprs->slots));
	exprs->names = arena_alloc(arena, (count + 1) * sizeof(*exprs->names));
	exprs->types = arena_alloc(arena, (count + 1) * sizeof(*exprs->types));
	exprs->scales = arena_alloc(arena, (count + 1) * sizeof(*exprs->scales));
	must(exprs->slots && exprs->names && exprs->types && exprs->scales);
}

static enum fate
exprs_of_select(struct sql_compiler *c, const struct compile_args *args, const json_t *select)
{
	static const char *const only[] = { "targetList", "limitOption", "op" };
	struct sql_exprs *exprs = args->exprs;
	const json_t *list = json_object_get(select, "targetList"), *target;
	size_t known = 0, count = json_array_size(list);
	enum fate fate = FATE_DONE;

	for (size_t i = 0; i < 3; i++)
		known += json_object_get(select, only[i]) != NULL;
	(void)sql_node_tag(json_array_get(list, 0), &target);
	if (json_object_size(select) != known || count == 0 ||
	    (!args->list && (count != 1 || json_object_get(target, "name"))))
		return err_set(c->err, FATE_HALT,
		    args->list ? "a select list is wanted here"
			       : "one scalar expression is wanted here");
	if (!args->list)
		return expr_add(c, exprs, args->index, target);
	exprs_reserve(exprs, count);
	for (size_t i = 0; i < count && !fate; i++) {
		(void)sql_node_tag(json_array_get(list, i), &target);
		fate = name_add(c, exprs, i, target);
		if (!fate)
			fate = expr_add(c, exprs, i, target);
	}
	return fate;
}

static enum fate
compile_deep(void *arg, struct err *err)
{
	struct compile_args *args = arg;
	struct slice text = slice_str(args->text);
	struct sql_compiler *c = calloc(1, sizeof(*c));
	const json_t *select;
	json_t *root = NULL;
	enum fate fate = sql_parse_select(text, &root, &select, err);

	must(c);
	if (!fate) {
		/* places count from the expression, which begins after "SELECT " */
		*c =
		    (struct sql_compiler){ .text = slice_of(text.p + PREFIX, text.len - PREFIX),
			    .arena = &args->exprs->arena,
			    .err = err,
			    .origin = PREFIX,
			    .record = args->columns,
			    .record_count = args->column_count };
		fate = exprs_of_select(c, args, select);
		json_decref(root);
	}
	free(c);
	return fate;
}

static enum fate
compile_one(struct compile_args *args, const char *expr, struct err *err)
{
	struct buf text = { 0 };
	enum fate fate;

	buf_cstr(&text, "SELECT ");
	buf_cstr(&text, expr);
	args->text = buf_str(&text);
	fate = sql_on_deep_stack(compile_deep, args, err);
	buf_finish(&text);
	return fate ? err_wrap(err, "expression \"%.80s\"", expr) : FATE_DONE;
}

static struct sql_exprs *
exprs_new(size_t column_count)
{
	struct sql_exprs *exprs = calloc(1, sizeof(*exprs));

	must(exprs);
	arena_init(&exprs->arena, ARENA_SIZE);
	exprs->column_count = column_count;
	exprs->used = arena_alloc(&exprs->arena, column_count + 1);
	must(exprs->used);
	memset(exprs->used, 0, column_count + 1);
	return exprs;
}

static enum fate
exprs_give(struct sql_exprs *exprs, enum fate fate, struct sql_exprs **ret_exprs)
{
	if (fate) {
		sql_exprs_free(exprs);
		return fate;
	}
	*ret_exprs = exprs;
	return FATE_DONE;
}

enum fate
sql_exprs_compile(const struct row_column *columns, size_t column_count,
    const char *const *texts, size_t count, struct sql_exprs **ret_exprs, struct err *err)
{
	struct compile_args args = { .columns = columns,
		.column_count = column_count,
		.exprs = exprs_new(column_count) };
	enum fate fate = FATE_DONE;

	exprs_reserve(args.exprs, count);
	for (args.index = 0; args.index < count && !fate; args.index++)
		fate = compile_one(&args, texts[args.index], err);
	return exprs_give(args.exprs, fate, ret_exprs);
}

enum fate
sql_list_compile(const struct row_column *columns, size_t column_count, const char *list,
    struct sql_exprs **ret_exprs, struct err *err)
{
	struct compile_args args = { .columns = columns,
		.column_count = column_count,
		.exprs = exprs_new(column_count),
		.list = true };
	enum fate fate = compile_one(&args, list, err);

	return exprs_give(args.exprs, fate, ret_exprs);
}

size_t
sql_exprs_count(const struct sql_exprs *exprs)
{
	return exprs->count;
}

const char *
sql_exprs_name(const struct sql_exprs *exprs, size_t expr)
{
	must(expr < exprs->count);
	return exprs->names[expr];
}

struct pgtype
sql_exprs_type(const struct sql_exprs *exprs, size_t expr)
{
	must(expr < exprs->count);
	return exprs->types[expr];
}

void
sql_exprs_used(const struct sql_exprs *exprs, bool *ret_used)
{
	memcpy(ret_used, exprs->used, exprs->column_count);
}

int
sql_expr_scale(const struct sql_exprs *exprs, size_t expr)
{
	must(expr < exprs->count);
	return exprs->scales[expr];
}

enum fate
sql_exprs_run(struct sql_exprs *exprs, const struct sql_env *env, struct arena *arena,
    struct value *ret_out, struct err *err)
{
	struct sql_program *program = &exprs->program;
	enum fate fate;

	sql_program_bind(program, env, 1);
	fate = sql_program_run(program, 0, program->ins_count, arena, err);
	if (fate)
		return fate;
	for (size_t i = 0; i < exprs->count; i++)
		ret_out[i] = *program->slots[exprs->slots[i]];
	return FATE_DONE;
}
