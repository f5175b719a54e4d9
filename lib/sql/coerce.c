/* SPDX-License-Identifier: Apache-2.0 */
/* Type conversions that Postgres would put in: literals read as their type, implicit
 * and explicit casts, typmods, and the common type of several expressions. */
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "sql/tree.h"

bool
sql_same_type(struct pgtype a, struct pgtype b)
{
	return a.oid == b.oid;
}

static struct sql_node *
wrap(struct sql_compiler *c, struct sql_node *arg, struct pgtype type)
{
	struct sql_node *node = sql_node_new(c, NODE_RELABEL, type, arg->location);

	/* a constant stays one, but the session's zone stands between these two types */
	if (arg->kind == NODE_CONST &&
	    (type.kind == TYPE_TIMESTAMPTZ) == (arg->type.kind == TYPE_TIMESTAMPTZ)) {
		node->kind = NODE_CONST;
		node->value = arg->value;
		node->collation = arg->collation;
		node->collation_explicit = arg->collation_explicit;
		return node;
	}
	node->collation = arg->collation;
	node->collation_explicit = arg->collation_explicit;
	node->args = sql_alloc(c, sizeof(*node->args));
	node->args[node->argc++] = arg;
	return node;
}

struct sql_node *
sql_plain(struct sql_compiler *c, struct sql_node *node)
{
	struct pgtype type = node->type;

	type.typmod = -1;
	return node->domain ? wrap(c, node, type) : node;
}

static const struct sql_extra *
extra_of(struct sql_compiler *c, struct pgtype from, struct pgtype to)
{
	struct sql_extra *extra = sql_alloc(c, sizeof(*extra));

	extra->from = from;
	extra->to = to;
	extra->cases = c->cases;
	return extra;
}

static struct sql_node *
cast_call(struct sql_compiler *c, struct sql_node *node, struct pgtype to, sql_fn *fn)
{
	struct sql_node *args[1] = { node };

	return sql_call_node(
	    c, fn, to, args, 1, extra_of(c, node->type, to), false, node->location);
}

/* A literal is read by the type's input; what it refuses is refused now. */
static struct sql_node *
read_literal(struct sql_compiler *c, struct sql_node *node, struct pgtype to)
{
	struct pgtype plain = to;
	struct sql_node *read;
	struct value value = { .state = VALUE_NULL };
	const struct value *args[1] = { &node->value };
	struct sql_call call = { .arg = args,
		.argc = 1,
		.ret = &value,
		.arena = c->arena,
		.extra = extra_of(c, sql_type_plain(TYPE_TEXT), to),
		.err = c->err };
	struct buf scratch = { 0 };
	char code[ERR_CODE_SIZE];
	enum fate fate;

	plain.typmod = -1;
	if (node->value.state == VALUE_SET) {
		value.state = VALUE_SET;
		call.scratch = &scratch;
		fate = sql_cast_input(&call);
		buf_finish(&scratch);
		if (fate) {
			memcpy(code, c->err->code, sizeof(code));
			(void)sql_no(c, node->location, "%s", c->err->what);
			memcpy(c->err->code, code, sizeof(code));
			return NULL;
		}
	}
	read = sql_const(c, plain, value, node->location);
	if (sql_type_is_string((int)to.kind)) {
		read->collation = node->collation;
		read->collation_explicit = node->collation_explicit;
	}
	return read;
}

static bool
is_carried(enum type_kind kind)
{
	return kind == TYPE_ARRAY || kind == TYPE_OTHER;
}

static struct sql_node *
no_cast(struct sql_compiler *c, const struct sql_node *node, struct pgtype to)
{
	return sql_no(c, node->location, "cannot cast type %s to %s here",
	    sql_type_words(node->type), sql_type_words(to));
}

static struct sql_node *
through_text(struct sql_compiler *c, struct sql_node *node, struct pgtype to)
{
	int kind = sql_type_kind(to);

	if (sql_type_is_string(kind)) {
		if (is_carried(node->type.kind))
			return sql_no(c, node->location,
			    "type %s is carried through, not computed on",
			    sql_type_words(node->type));
		node = cast_call(c, node, sql_type_plain(TYPE_TEXT), sql_cast_output);
		return node && kind != TYPE_TEXT ? sql_coerce(c, node, to, CAST_EXPLICIT)
						 : node;
	}
	if (sql_type_is_string((int)node->type.kind)) {
		if (is_carried(to.kind) || to.kind == TYPE_ENUM || kind == TYPE_INTERVAL ||
		    kind == TYPE_INET || kind == TYPE_CIDR || kind == TYPE_MACADDR)
			return sql_no(c, node->location,
			    "a cast of text to %s is not in the subset", sql_type_words(to));
		return cast_call(c, node, to, sql_cast_input); /* char(n) with its blanks */
	}
	return no_cast(c, node, to);
}

struct sql_node *
sql_coerce(struct sql_compiler *c, struct sql_node *node, struct pgtype to,
    enum sql_cast_context context)
{
	int from = sql_type_kind(node->type), kind = sql_type_kind(to);
	const struct sql_cast *cast;

	to.typmod = -1;
	if (sql_same_type(node->type, to))
		return node;
	if (from == KIND_UNKNOWN)
		return read_literal(c, node, to);
	cast = sql_cast_find(from, kind);
	if (cast && cast->context > context)
		return no_cast(c, node, to);
	if (cast)
		return cast->fn ? cast_call(c, node, to, cast->fn) : wrap(c, node, to);
	if (context == CAST_EXPLICIT)
		return through_text(c, node, to);
	return no_cast(c, node, to);
}

bool
sql_common_type(struct sql_compiler *c, struct sql_node **nodes, size_t count, const char *what,
    struct pgtype *ret_type)
{
	struct pgtype best = nodes[0]->type;

	for (size_t i = 1; i < count; i++) {
		int have = sql_type_kind(best), next = sql_type_kind(nodes[i]->type);

		if (next == KIND_UNKNOWN || sql_same_type(best, nodes[i]->type))
			continue;
		if (have == KIND_UNKNOWN) {
			best = nodes[i]->type;
		} else if (sql_type_category(have) != sql_type_category(next)) {
			(void)sql_no(c, nodes[i]->location,
			    "%s types %s and %s cannot be matched", what, sql_type_words(best),
			    sql_type_words(nodes[i]->type));
			return false;
		} else if (!sql_type_preferred(have) && sql_type_implicit(have, next) &&
			   !sql_type_implicit(next, have)) {
			best = nodes[i]->type;
		}
	}
	if (sql_type_kind(best) == KIND_UNKNOWN)
		best = sql_type_plain(TYPE_TEXT);
	best.typmod = -1;
	*ret_type = best;
	return true;
}

int32_t
sql_common_typmod(struct sql_node **nodes, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if (nodes[i]->type.typmod != nodes[0]->type.typmod)
			return -1;
	}
	return nodes[0]->type.typmod;
}

/* A value as concat and || see it: the type's output. */
struct sql_node *
sql_as_text(struct sql_compiler *c, struct sql_node *node)
{
	int kind = sql_type_kind(node->type);

	if (kind == KIND_UNKNOWN || kind == TYPE_TEXT || kind == TYPE_VARCHAR ||
	    kind == TYPE_NAME)
		return sql_coerce(c, node, sql_type_plain(TYPE_TEXT), CAST_IMPLICIT);
	if (is_carried(node->type.kind))
		return sql_no(c, node->location, "type %s is carried through, not computed on",
		    sql_type_words(node->type));
	return cast_call(c, node, sql_type_plain(TYPE_TEXT), sql_cast_output);
}

static bool
int_const(const struct sql_compiler *c, const json_t *list, size_t i, int64_t *ret_value)
{
	const json_t *body;
	const char *tag = sql_node_tag(json_array_get(list, i), &body);

	*ret_value = sql_int_const(c, body);
	return strcmp(tag, "A_Const") == 0 && json_object_get(body, "ival");
}

static bool
numeric_typmod(const struct sql_compiler *c, const json_t *mods, int32_t *ret_typmod)
{
	int64_t precision, scale = 0;

	if (json_array_size(mods) > 2 || !int_const(c, mods, 0, &precision) ||
	    (json_array_size(mods) == 2 && !int_const(c, mods, 1, &scale)))
		return false;
	if (precision < 1 || precision > 1000 || scale < 0 || scale > 1000)
		return false;
	*ret_typmod = (int32_t)((precision << 16 | scale) + 4);
	return true;
}

static bool
typmod_of(const struct sql_compiler *c, int kind, const json_t *mods, int32_t *ret_typmod)
{
	int64_t n;

	if (json_array_size(mods) == 0)
		return true;
	if (kind == TYPE_NUMERIC)
		return numeric_typmod(c, mods, ret_typmod);
	if (json_array_size(mods) != 1 || !int_const(c, mods, 0, &n) || n < 0)
		return false;
	if (kind == TYPE_VARCHAR || kind == TYPE_BPCHAR) {
		*ret_typmod = (int32_t)n + 4;
		return n >= 1 && n <= 10485760;
	}
	*ret_typmod = (int32_t)n;
	return (kind == TYPE_TIMESTAMP || kind == TYPE_TIMESTAMPTZ || kind == TYPE_TIME) &&
	       n <= 6;
}

static bool
type_name(struct sql_compiler *c, const json_t *body, struct pgtype *ret_type)
{
	const json_t *names = json_object_get(body, "names");
	const char *name = sql_node_name(names, json_array_size(names) - 1);
	const struct sql_type *type = sql_type_of_name(name);
	long location = sql_node_location(body);

	if (!type || json_object_get(body, "arrayBounds")) {
		(void)sql_no(c, location, "casts to type \"%s%s\" are not in the subset", name,
		    type ? "[]" : "");
		return false;
	}
	*ret_type = sql_type_plain(type->kind);
	if (!typmod_of(c, type->kind, json_object_get(body, "typmods"), &ret_type->typmod)) {
		(void)sql_no(
		    c, location, "this modifier of type \"%s\" is not in the subset", name);
		return false;
	}
	return true;
}

static struct sql_node *
apply_typmod(struct sql_compiler *c, struct sql_node *node, struct pgtype to)
{
	if (to.typmod == node->type.typmod)
		return node;
	if (to.typmod < 0)
		return wrap(c, node, to);
	return cast_call(c, node, to, sql_cast_typmod);
}

struct sql_node *
sql_type_cast(struct sql_compiler *c, const json_t *body)
{
	struct sql_node *arg = sql_expr(c, json_object_get(body, "arg"));
	struct pgtype to;

	if (!arg || !type_name(c, json_object_get(body, "typeName"), &to))
		return NULL;
	arg = sql_coerce(c, arg, to, CAST_EXPLICIT);
	return arg ? apply_typmod(c, arg, to) : NULL;
}
