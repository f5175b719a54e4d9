/* SPDX-License-Identifier: Apache-2.0 */
/* Column references: which source a name belongs to, and what its column allows. */
#include <string.h>

#include "sql/tree.h"

struct found {
	size_t source, column;
	size_t count;
};

static bool
source_answers(const struct sql_scope_source *source, const char *schema, const char *table)
{
	if (schema && (source->aliased || strcmp(source->table->schema, schema) != 0))
		return false;
	return !table || strcmp(source->alias, table) == 0;
}

static void
find(const struct sql_compiler *c, const char *schema, const char *table, const char *name,
    struct found *found)
{
	for (size_t s = 0; s < c->source_count; s++) {
		const struct sql_scope_source *source = &c->sources[s];

		if (!source_answers(source, schema, table))
			continue;
		for (size_t i = 0; i < source->table->column_count; i++) {
			if (strcmp(source->table->columns[i].name, name) != 0)
				continue;
			if (!table && source->merged[i])
				continue; /* USING: the earlier source's column stands for both
					   */
			found->source = s;
			found->column = i;
			found->count++;
		}
	}
}

struct sql_node *
sql_column(struct sql_compiler *c, size_t source, size_t column, long location)
{
	struct sql_scope_source *from = &c->sources[source];
	const struct sql_column *col = &from->table->columns[column];
	struct sql_node *node;

	if (col->citext)
		return sql_no(c, location,
		    "column \"%s\" is of type %s, whose comparisons are not in the subset",
		    col->name, col->type_text);
	if (col->type.kind == TYPE_INTERVAL)
		return sql_no(c, location,
		    "column \"%s\" is an interval: Debezium does not send intervals exactly",
		    col->name);
	node = sql_node_new(c, NODE_COLUMN, col->type, location);
	node->source = source;
	node->column = column;
	node->collation = col->collation;
	node->domain = col->domain ? sql_keep(c, col->type_text) : NULL;
	from->used[column] = true;
	return node;
}

static struct sql_node *
record_column(struct sql_compiler *c, const char *name, long location)
{
	struct sql_node *node;

	for (size_t i = 0; i < c->record_count; i++) {
		if (strcmp(c->record[i].name, name) != 0)
			continue;
		node = sql_node_new(c, NODE_COLUMN, c->record[i].type, location);
		node->column = i;
		if (sql_type_is_string((int)node->type.kind))
			node->collation = COLLATION_LOCALE;
		return node;
	}
	return sql_no(c, location, "column \"%s\" does not exist in the enriched row", name);
}

struct sql_node *
sql_column_ref(struct sql_compiler *c, const json_t *body)
{
	const json_t *fields = json_object_get(body, "fields");
	long location = sql_node_location(body);
	size_t count = json_array_size(fields);
	const char *name = sql_node_name(fields, count - 1);
	const char *table = count > 1 ? sql_node_name(fields, count - 2) : NULL;
	const char *schema = count > 2 ? sql_node_name(fields, count - 3) : NULL;
	struct found found = { 0 };

	if (!*name)
		return sql_no(c, location, "* stands alone in the select list");
	if (count > 3)
		return sql_no(c, location, "at most schema.table.column");
	if (c->record) {
		if (count > 1)
			return sql_no(c, location, "the enriched row's columns have no table");
		return record_column(c, name, location);
	}
	find(c, schema, table, name, &found);
	if (found.count > 1)
		return sql_no(c, location, "column reference \"%s\" is ambiguous", name);
	if (found.count == 1)
		return sql_column(c, found.source, found.column, location);
	for (size_t s = 0; table && s < c->source_count; s++) {
		if (source_answers(&c->sources[s], schema, table))
			return sql_no(c, location, "column %s.%s does not exist", table, name);
	}
	if (table)
		return sql_no(c, location, "missing FROM-clause entry for table \"%s\"", table);
	return sql_no(c, location, "column \"%s\" does not exist", name);
}
