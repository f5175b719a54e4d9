/* SPDX-License-Identifier: Apache-2.0 */
/* The tables a text names, before any catalogue. */
#include <stdlib.h>

#include "base/must.h"
#include "sql/from.h"

struct names_args {
	struct slice text;
	struct sql_tables *tables;
	size_t used; /* of tables->memory, which is as long as the text and its NULs */
};

static const char *
keep(struct names_args *args, const char *name)
{
	size_t len;
	char *copy = args->tables->memory + args->used;

	if (!name)
		return NULL;
	len = strlen(name) + 1;
	memcpy(copy, name, len);
	args->used += len;
	return copy;
}

static bool
same_name(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool
each_name(void *arg, const char *schema, const char *name)
{
	struct names_args *args = arg;
	struct sql_tables *tables = args->tables;

	for (size_t i = 0; i < tables->count; i++) {
		if (same_name(tables->names[i].schema, schema) &&
		    same_name(tables->names[i].name, name))
			return true;
	}
	if (tables->count == SQL_SOURCES_MAX)
		return false;
	tables->names[tables->count].schema = keep(args, schema);
	tables->names[tables->count++].name = keep(args, name);
	return true;
}

static enum fate
names_deep(void *arg, struct err *err)
{
	struct names_args *args = arg;
	struct sql_compiler *c = calloc(1, sizeof(*c));
	const json_t *select;
	json_t *root = NULL;
	enum fate fate = sql_parse_select(args->text, &root, &select, err);

	must(c);
	if (!fate) {
		*c = (struct sql_compiler){ .text = args->text, .err = err };
		if (!sql_from_names(c, json_object_get(select, "fromClause"), each_name, args))
			fate = FATE_HALT;
		json_decref(root);
	}
	free(c);
	return fate;
}

enum fate
sql_query_tables(struct slice text, struct sql_tables *ret_tables, struct err *err)
{
	struct sql_tables tables = { 0 };
	struct names_args args = { .text = text, .tables = &tables };
	enum fate fate;

	/* an identifier in the tree is no longer than in the text, but for U&"" escapes */
	tables.memory = calloc(2, text.len + 64);
	must(tables.memory);
	fate = sql_on_deep_stack(names_deep, &args, err);
	if (fate) {
		free(tables.memory);
		return fate;
	}
	*ret_tables = tables;
	return FATE_DONE;
}

void
sql_tables_free(struct sql_tables *tables)
{
	free(tables->memory);
	*tables = (struct sql_tables){ 0 };
}
