/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of any number of arguments of any type. */
#include <string.h>

#include "sql/tree.h"

/* NULL arguments are left out. */
static enum fate
concat(const struct sql_call *call)
{
	call->scratch->len = 0;
	for (size_t i = 0; i < call->argc; i++) {
		if (call->arg[i]->state == VALUE_SET)
			buf_slice(call->scratch, call->arg[i]->s);
	}
	return sql_return_text(call, call->scratch->p, call->scratch->len);
}

static enum fate
concat_ws(const struct sql_call *call)
{
	bool first = true;

	if (call->arg[0]->state != VALUE_SET) {
		call->ret->state = VALUE_NULL;
		return FATE_DONE;
	}
	call->scratch->len = 0;
	for (size_t i = 1; i < call->argc; i++) {
		if (call->arg[i]->state != VALUE_SET)
			continue;
		if (!first)
			buf_slice(call->scratch, call->arg[0]->s);
		first = false;
		buf_slice(call->scratch, call->arg[i]->s);
	}
	return sql_return_text(call, call->scratch->p, call->scratch->len);
}

static const struct {
	const char *name;
	size_t least;
	sql_fn *fn;
} rows[] = {
	{ "concat", 1, concat },
	{ "concat_ws", 2, concat_ws },
};

bool
sql_variadic_name(const char *name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].name, name) == 0)
			return true;
	}
	return false;
}

struct sql_node *
sql_variadic(struct sql_compiler *c, const char *name, struct sql_node **args, size_t argc,
    long location)
{
	size_t row = 0;

	while (strcmp(rows[row].name, name) != 0)
		row++;
	if (argc < rows[row].least)
		return sql_no(
		    c, location, "%s() wants %zu arguments or more", name, rows[row].least);
	for (size_t i = 0; i < argc; i++) {
		/* the separator is a text, the rest are anything, printed */
		args[i] = i + 1 < rows[row].least
			      ? sql_coerce(c, args[i], sql_type_plain(TYPE_TEXT), CAST_IMPLICIT)
			      : sql_as_text(c, args[i]);
		if (!args[i])
			return NULL;
	}
	return sql_call_node(c, rows[row].fn, sql_type_plain(TYPE_TEXT), args, argc,
	    sql_alloc(c, sizeof(struct sql_extra)), true, location);
}
