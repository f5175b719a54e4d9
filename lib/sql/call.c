/* SPDX-License-Identifier: Apache-2.0 */
/* Operators and functions: chosen by name and argument types, arguments converted,
 * constants folded. */
#include <string.h>

#include "sql/tree.h"

static void
settle_collation(struct sql_node *node, struct sql_node *const *args, size_t argc)
{
	for (size_t i = 0; i < argc; i++) {
		if (node->collation_explicit)
			return;
		if (args[i]->collation_explicit || args[i]->collation > node->collation)
			node->collation = args[i]->collation;
		node->collation_explicit = args[i]->collation_explicit;
	}
}

/* What Postgres calls stable: the answer may hang on the session's settings, so its
 * planner leaves such a call alone even when all arguments are constants. */
static bool
is_stable(const struct sql_node *node)
{
	enum type_kind first = node->args[0]->type.kind, to = node->type.kind;
	bool zoned = to == TYPE_TIMESTAMPTZ;

	if (node->fn == sql_cast_output)
		return first == TYPE_DATE || first == TYPE_TIMESTAMP ||
		       first == TYPE_TIMESTAMPTZ || first == TYPE_INTERVAL ||
		       first == TYPE_ENUM;
	if (node->fn == sql_cast_input)
		return to == TYPE_DATE || to == TYPE_TIME || to == TYPE_TIMESTAMP ||
		       to == TYPE_TIMESTAMPTZ || to == TYPE_INTERVAL || to == TYPE_ENUM;
	if (node->fn == sql_cast_typmod)
		return false;
	for (size_t i = 0; i < node->argc; i++)
		zoned |= node->args[i]->type.kind == TYPE_TIMESTAMPTZ;
	/* comparisons, differences and to_timestamp() hang on nothing */
	return node->loose ||
	       (zoned && to != TYPE_BOOL && to != TYPE_INTERVAL && first != TYPE_FLOAT8);
}

/* All arguments are constants: the call's value is one too, unless it fails, which it
 * may then do for each row. */
struct sql_node *
sql_fold_call(struct sql_compiler *c, struct sql_node *node)
{
	const struct value *args[SQL_ARGS_MAX];
	struct value value = { .state = VALUE_SET };
	struct buf scratch = { 0 };
	struct err ignored;
	struct sql_call call = { .arg = args,
		.argc = node->argc,
		.ret = &value,
		.arena = c->arena,
		.scratch = &scratch,
		.extra = node->extra,
		.err = &ignored };
	struct sql_node *constant;
	enum fate fate = FATE_DONE;
	size_t constants = 0;

	for (size_t i = 0; i < node->argc; i++) {
		args[i] = node->args[i]->kind == NODE_CONST ? &node->args[i]->value : NULL;
		constants += args[i] != NULL;
		if (args[i] && args[i]->state != VALUE_SET && !node->loose)
			value.state = VALUE_NULL; /* whatever the others are */
	}
	if (value.state == VALUE_SET && (constants < node->argc || is_stable(node)))
		return node;
	if (value.state == VALUE_SET)
		fate = node->fn(&call);
	buf_finish(&scratch);
	if (fate)
		return node;
	constant = sql_const(c, node->type, value, node->location);
	constant->collation = node->collation;
	constant->collation_explicit = node->collation_explicit;
	return constant;
}

static struct sql_node *
unfolded(struct sql_compiler *c, sql_fn *fn, struct pgtype type, struct sql_node **args,
    size_t argc, const struct sql_extra *extra, bool loose, long location)
{
	struct sql_node *node = sql_node_new(c, NODE_CALL, type, location);

	node->fn = fn;
	node->args = sql_alloc(c, argc * sizeof(*args));
	memcpy(node->args, args, argc * sizeof(*args));
	node->argc = argc;
	node->extra = extra;
	node->loose = loose;
	if (sql_type_is_string((int)type.kind))
		settle_collation(node, args, argc);
	return node;
}

struct sql_node *
sql_call_node(struct sql_compiler *c, sql_fn *fn, struct pgtype type, struct sql_node **args,
    size_t argc, const struct sql_extra *extra, bool loose, long location)
{
	return sql_fold_call(c, unfolded(c, fn, type, args, argc, extra, loose, location));
}

static bool
collation_allows(struct sql_compiler *c, const struct sql_function *f,
    struct sql_node *const *args, size_t argc, long location)
{
	struct sql_node joined = { 0 };
	bool text = false;

	for (size_t i = 0; i < argc; i++)
		text = text || sql_type_is_string((int)args[i]->type.kind);
	settle_collation(&joined, args, argc);
	if (!text || !(f->flags & (FN_ORDER | FN_CASES)))
		return true;
	if (joined.collation == COLLATION_C)
		return true;
	if ((f->flags & FN_ORDER) && joined.collation == COLLATION_BYTES)
		return true;
	if (f->flags & FN_ORDER) {
		(void)sql_no(c, location,
		    "text is ordered by a locale here: write COLLATE \"C\" to order by bytes");
		return false;
	}
	if (!c->cases || joined.collation > COLLATION_LOCALE) {
		(void)sql_no(c, location,
		    "%s() needs the database's case mapping, which is not known here: "
		    "write COLLATE \"C\" for ASCII alone",
		    f->name);
		return false;
	}
	return true;
}

static bool
deterministic(struct sql_compiler *c, struct sql_node *const *args, size_t argc, long location)
{
	for (size_t i = 0; i < argc; i++) {
		if (args[i]->collation == COLLATION_NONDETERMINISTIC) {
			(void)sql_no(c, location,
			    "the collation is nondeterministic: equal is not the same");
			return false;
		}
	}
	return true;
}

static struct sql_node *
call_function(
    struct sql_compiler *c, const struct sql_function *f, struct sql_node **args, long location)
{
	struct sql_extra *extra = sql_alloc(c, sizeof(*extra));
	struct sql_node *cast[SQL_SIGNATURE_MAX], joined = { 0 }, *node;

	if (!f->fn)
		return sql_no(
		    c, location, "%s: %s", f->name, f->why ? f->why : "not in the subset");
	if (!collation_allows(c, f, args, f->argc, location) ||
	    !deterministic(c, args, f->argc, location))
		return NULL;
	for (size_t i = 0; i < f->argc; i++) {
		cast[i] = args[i];
		if (f->args[i] != KIND_ANY)
			cast[i] =
			    sql_coerce(c, args[i], sql_type_plain(f->args[i]), CAST_IMPLICIT);
		if (!cast[i])
			return NULL;
	}
	if (f->flags & FN_SWAP) {
		struct sql_node *second = cast[0];

		cast[0] = cast[1];
		cast[1] = second;
	}
	settle_collation(&joined, args, f->argc);
	extra->from = f->argc ? cast[0]->type : sql_type_plain(TYPE_TEXT);
	extra->to = sql_type_plain(f->result);
	extra->cases = joined.collation == COLLATION_C ? NULL : c->cases;
	node =
	    unfolded(c, f->fn, extra->to, cast, f->argc, extra, f->flags & FN_LOOSE, location);
	node->name = f->name;
	return c->keep_call ? node : sql_fold_call(c, node);
}

/* Equality of types that are compared as their text: enums, inet and the like. */
static struct sql_node *
text_equality(struct sql_compiler *c, const char *name, struct sql_node *left,
    struct sql_node *right, long location)
{
	struct pgtype type =
	    sql_type_kind(left->type) == KIND_UNKNOWN ? right->type : left->type;
	struct sql_node *sides[2] = { left, right };

	if (strcmp(name, "=") != 0 && strcmp(name, "<>") != 0)
		return sql_no(c, location, "%s on type %s is not in the subset", name,
		    sql_type_words(type));
	for (size_t i = 0; i < 2; i++) {
		struct sql_node *text;

		if (sql_type_kind(sides[i]->type) == KIND_UNKNOWN)
			sides[i] = sql_coerce(c, sides[i], type, CAST_IMPLICIT);
		if (!sides[i])
			return NULL;
		if (!sql_same_type(sides[i]->type, type))
			return sql_no(c, location, "operator does not exist: %s %s %s",
			    sql_type_words(left->type), name, sql_type_words(right->type));
		text = sql_node_new(
		    c, NODE_RELABEL, sql_type_plain(TYPE_TEXT), sides[i]->location);
		text->args = sql_alloc(c, sizeof(*text->args));
		text->args[text->argc++] = sides[i];
		sides[i] = text;
	}
	return sql_operator(c, name, sides[0], sides[1], location);
}

static bool
by_text(int kind)
{
	return kind == TYPE_ENUM || kind == TYPE_INET || kind == TYPE_CIDR ||
	       kind == TYPE_MACADDR;
}

static bool
has_own_concat(int kind)
{
	return kind == TYPE_JSONB || kind == TYPE_BYTEA || kind == TYPE_ARRAY ||
	       kind == KIND_UNKNOWN;
}

/* text || anything: what is no text is printed; a literal beside it is text. */
static bool
concat_text(struct sql_compiler *c, struct sql_node **left, struct sql_node **right)
{
	int a = sql_type_kind((*left)->type), b = sql_type_kind((*right)->type);
	bool text_a = sql_type_is_string(a) || (a == KIND_UNKNOWN && !has_own_concat(b));
	bool text_b = sql_type_is_string(b) || (b == KIND_UNKNOWN && !has_own_concat(a));

	if (!text_a && !text_b)
		return true;
	if (!sql_type_is_string(a))
		*left = sql_coerce(c, *left, sql_type_plain(TYPE_TEXT), CAST_EXPLICIT);
	if (*left && !sql_type_is_string(b))
		*right = sql_coerce(c, *right, sql_type_plain(TYPE_TEXT), CAST_EXPLICIT);
	return *left && *right;
}

struct sql_node *
sql_operator(struct sql_compiler *c, const char *name, struct sql_node *left,
    struct sql_node *right, long location)
{
	struct sql_node *args[2] = { left ? left : right, right };
	const struct sql_function *f = NULL;
	size_t argc = left ? 2 : 1;
	int kinds[2];

	if (strcmp(name, "!=") == 0)
		name = "<>";
	if (argc == 2 && strcmp(name, "||") == 0 && !concat_text(c, &args[0], &args[1]))
		return NULL;
	for (size_t i = 0; i < argc; i++)
		kinds[i] = sql_type_kind(args[i]->type);
	if (argc == 2 && (by_text(kinds[0]) || by_text(kinds[1])))
		return text_equality(c, name, args[0], args[1], location);
	switch (sql_function_choose(name, true, kinds, argc, &f)) {
	case CHOICE_ONE: return call_function(c, f, args, location);
	case CHOICE_NO_NAME:
		return sql_no(c, location, "operator %s is not in the subset", name);
	case CHOICE_AMBIGUOUS:
		return sql_no(c, location, "operator is not unique: %s %s %s",
		    left ? sql_type_words(left->type) : "", name, sql_type_words(right->type));
	case CHOICE_NONE: break;
	}
	return sql_no(c, location, "operator does not exist: %s%s%s %s",
	    left ? sql_type_words(left->type) : "", left ? " " : "", name,
	    sql_type_words(right->type));
}

static const struct {
	const char *name, *sentence;
} refused[] = {
	{ "now", "the answer depends on when it is asked" },
	{ "random", "every call has another answer" },
	{ "clock_timestamp", "the answer depends on when it is asked" },
	{ "statement_timestamp", "the answer depends on when it is asked" },
	{ "transaction_timestamp", "the answer depends on when it is asked" },
	{ "timeofday", "the answer depends on when it is asked" },
	{ "age", "the answer may depend on when it is asked" },
	{ "gen_random_uuid", "every call has another answer" },
	{ "nextval", "every call has another answer" },
	{ "count", "aggregates are not in the subset: one row in, one row out" },
	{ "sum", "aggregates are not in the subset: one row in, one row out" },
	{ "avg", "aggregates are not in the subset: one row in, one row out" },
	{ "min", "aggregates are not in the subset: one row in, one row out" },
	{ "max", "aggregates are not in the subset: one row in, one row out" },
	{ "array_agg", "aggregates are not in the subset: one row in, one row out" },
	{ "string_agg", "aggregates are not in the subset: one row in, one row out" },
	{ "bool_and", "aggregates are not in the subset: one row in, one row out" },
	{ "bool_or", "aggregates are not in the subset: one row in, one row out" },
	{ "json_agg", "aggregates are not in the subset: one row in, one row out" },
	{ "jsonb_agg", "aggregates are not in the subset: one row in, one row out" },
	{ "regexp_replace", "regular expressions are not in the subset" },
	{ "regexp_match", "regular expressions are not in the subset" },
	{ "regexp_like", "regular expressions are not in the subset" },
	{ "regexp_substr", "regular expressions are not in the subset" },
	{ "sqrt", "its last digits on numeric are not reproduced here" },
	{ "power", "its last digits on numeric are not reproduced here" },
};

static bool
call_is_plain(struct sql_compiler *c, const json_t *body, const char *name, long location)
{
	static const struct {
		const char *member, *sentence;
	} extras[] = {
		{ "over", "window functions are not in the subset" },
		{ "agg_order", "aggregates are not in the subset: one row in, one row out" },
		{ "agg_filter", "aggregates are not in the subset: one row in, one row out" },
		{ "agg_star", "aggregates are not in the subset: one row in, one row out" },
		{ "agg_distinct", "aggregates are not in the subset: one row in, one row out" },
		{ "agg_within_group",
		    "aggregates are not in the subset: one row in, one row out" },
		{ "func_variadic", "VARIADIC is not in the subset" },
	};

	for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++) {
		if (json_object_get(body, extras[i].member)) {
			(void)sql_no(c, location, "%s(): %s", name, extras[i].sentence);
			return false;
		}
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (strcmp(refused[i].name, name) == 0) {
			(void)sql_no(c, location, "%s(): %s", name, refused[i].sentence);
			return false;
		}
	}
	return true;
}

struct sql_node *
sql_func_call(struct sql_compiler *c, const json_t *body)
{
	const json_t *names = json_object_get(body, "funcname"), *list;
	const char *name = sql_node_name(names, json_array_size(names) - 1);
	long location = sql_node_location(body);
	struct sql_node *args[SQL_ARGS_MAX];
	const struct sql_function *f = NULL;
	int kinds[SQL_ARGS_MAX];
	size_t argc;

	list = json_object_get(body, "args");
	argc = json_array_size(list);
	if (!call_is_plain(c, body, name, location))
		return NULL;
	if (argc > SQL_ARGS_MAX)
		return sql_no(c, location, "at most %d arguments", (int)SQL_ARGS_MAX);
	for (size_t i = 0; i < argc; i++) {
		args[i] = sql_expr(c, json_array_get(list, i));
		if (!args[i])
			return NULL;
		kinds[i] = sql_type_kind(args[i]->type);
	}
	if (sql_variadic_name(name))
		return sql_variadic(c, name, args, argc, location);
	switch (sql_function_choose(name, false, kinds, argc, &f)) {
	case CHOICE_ONE: return call_function(c, f, args, location);
	case CHOICE_NO_NAME:
		return sql_no(c, location, "function %s() is not in the subset", name);
	case CHOICE_AMBIGUOUS:
		return sql_no(c, location, "function %s() is not unique for these types", name);
	case CHOICE_NONE: break;
	}
	return sql_no(c, location, "function %s() does not exist for %s%s", name,
	    argc ? sql_type_words(args[0]->type) : "no arguments", argc > 1 ? ", ..." : "");
}
