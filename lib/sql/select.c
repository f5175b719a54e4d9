/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/select.h"

#include <string.h>

static const struct {
	const char *member, *sentence;
} clauses[] = {
	{ "withClause", "WITH is not in the subset" },
	{ "distinctClause", "DISTINCT is not in the subset: one row in, one row out" },
	{ "intoClause", "INTO is not in the subset" },
	{ "groupClause", "GROUP BY is not in the subset: one row in, one row out" },
	{ "havingClause", "HAVING is not in the subset: one row in, one row out" },
	{ "windowClause", "WINDOW is not in the subset" },
	{ "valuesLists", "VALUES is not in the subset" },
	{ "sortClause", "ORDER BY is not in the subset: a stream has the source's order" },
	{ "limitOffset", "OFFSET is not in the subset" },
	{ "limitCount", "LIMIT is not in the subset" },
	{ "lockingClause", "FOR UPDATE and the like are not in the subset" },
};

/* A clause's place is its first node's that has one. */
static long
place_of(const json_t *json)
{
	const json_t *location, *value;
	const char *key;
	size_t i;
	long at;

	if (json_is_array(json)) {
		json_array_foreach(json, i, value) if ((at = place_of(value)) >= 0) return at;
		return -1;
	}
	if (!json_is_object(json))
		return -1;
	location = json_object_get(json, "location");
	if (location && json_integer_value(location) > 0)
		return (long)json_integer_value(location);
	for (void *it = json_object_iter((json_t *)(uintptr_t)json); it;
	     it = json_object_iter_next((json_t *)(uintptr_t)json, it)) {
		key = json_object_iter_key(it);
		value = json_object_iter_value(it);
		if (*key && (at = place_of(value)) >= 0)
			return at;
	}
	return -1;
}

bool
sql_select_clauses(struct sql_compiler *c, const json_t *select)
{
	const char *op = sql_node_text(select, "op");
	long at;

	if (*op && strcmp(op, "SETOP_NONE") != 0) {
		at = place_of(json_object_get(select, "rarg"));
		(void)sql_no(c, at, "UNION, INTERSECT and EXCEPT are not in the subset");
		return false;
	}
	for (size_t i = 0; i < sizeof(clauses) / sizeof(clauses[0]); i++) {
		const json_t *clause = json_object_get(select, clauses[i].member);

		if (!clause)
			continue;
		at = place_of(clause);
		(void)sql_no(c, at < 0 ? 0 : at, "%s", clauses[i].sentence);
		return false;
	}
	return true;
}

/* FigureColname: strength 2 is a name, 1 a type's name, 0 none. */
static int
figure_name(const json_t *node, const char **ret_name)
{
	static const struct {
		const char *tag, *name;
	} fixed[] = {
		{ "CoalesceExpr", "coalesce" },
		{ "RowExpr", "row" },
	};
	const json_t *body, *list;
	const char *tag = sql_node_tag(node, &body);
	int strength;

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (strcmp(fixed[i].tag, tag) == 0) {
			*ret_name = fixed[i].name;
			return 2;
		}
	}
	if (strcmp(tag, "ColumnRef") == 0 || strcmp(tag, "FuncCall") == 0) {
		list = json_object_get(body, *tag == 'C' ? "fields" : "funcname");
		*ret_name = sql_node_name(list, json_array_size(list) - 1);
		return **ret_name ? 2 : 0;
	}
	if (strcmp(tag, "A_Expr") == 0 &&
	    strcmp(sql_node_text(body, "kind"), "AEXPR_NULLIF") == 0) {
		*ret_name = "nullif";
		return 2;
	}
	if (strcmp(tag, "MinMaxExpr") == 0) {
		*ret_name =
		    strcmp(sql_node_text(body, "op"), "IS_LEAST") == 0 ? "least" : "greatest";
		return 2;
	}
	if (strcmp(tag, "CollateClause") == 0)
		return figure_name(json_object_get(body, "arg"), ret_name);
	if (strcmp(tag, "CaseExpr") == 0) {
		strength = figure_name(json_object_get(body, "defresult"), ret_name);
		if (strength <= 1)
			*ret_name = "case";
		return strength <= 1 ? 1 : strength;
	}
	if (strcmp(tag, "TypeCast") == 0) {
		strength = figure_name(json_object_get(body, "arg"), ret_name);
		if (strength > 1)
			return strength;
		list = json_object_get(json_object_get(body, "typeName"), "names");
		*ret_name = sql_node_name(list, json_array_size(list) - 1);
		return 1;
	}
	return 0;
}

struct list {
	struct sql_result *rows;
	size_t count, cap;
};

static bool
add(struct sql_compiler *c, struct list *list, const char *name, struct sql_node *node)
{
	struct sql_result *rows;

	if (!node)
		return false;
	if (sql_type_kind(node->type) == KIND_UNKNOWN)
		node = sql_coerce(c, node, sql_type_plain(TYPE_TEXT), CAST_IMPLICIT);
	if (!node)
		return false;
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->rows[i].name, name) == 0) {
			(void)sql_no(c, node->location,
			    "two result columns are named \"%s\": name one with AS", name);
			return false;
		}
	}
	if (list->count == SQL_RESULTS_MAX) {
		(void)sql_no(
		    c, node->location, "more than %d result columns", (int)SQL_RESULTS_MAX);
		return false;
	}
	if (list->count == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 32;
		rows = sql_alloc(c, list->cap * sizeof(*rows));
		if (list->count)
			memcpy(rows, list->rows, list->count * sizeof(*rows));
		list->rows = rows;
	}
	list->rows[list->count++] =
	    (struct sql_result){ .name = sql_keep(c, name), .node = node };
	return true;
}

static bool
add_source_columns(
    struct sql_compiler *c, struct list *list, size_t source, bool all, long location)
{
	const struct sql_scope_source *from = &c->sources[source];

	for (size_t i = 0; i < from->table->column_count; i++) {
		if (!all && from->merged[i])
			continue;
		if (!add(c, list, from->table->columns[i].name,
			sql_column(c, source, i, location)))
			return false;
	}
	return true;
}

static bool
has_merged(const struct sql_compiler *c)
{
	for (size_t s = 0; s < c->source_count; s++) {
		for (size_t i = 0; i < c->sources[s].table->column_count; i++) {
			if (c->sources[s].merged[i])
				return true;
		}
	}
	return false;
}

static bool
add_star(struct sql_compiler *c, struct list *list, const json_t *fields, long location)
{
	size_t count = json_array_size(fields);
	const char *table = count > 1 ? sql_node_name(fields, count - 2) : NULL;
	bool any = false;

	if (!table && has_merged(c)) {
		(void)sql_no(
		    c, location, "* after USING moves columns about: name the columns");
		return false;
	}
	for (size_t s = 0; s < c->source_count; s++) {
		if (table && strcmp(c->sources[s].alias, table) != 0)
			continue;
		any = true;
		if (!add_source_columns(c, list, s, table != NULL, location))
			return false;
	}
	if (!any) {
		(void)sql_no(c, location,
		    table ? "missing FROM-clause entry for table \"%s\""
			  : "SELECT * with no tables specified%s",
		    table ? table : "");
		return false;
	}
	return true;
}

static bool
add_target(struct sql_compiler *c, struct list *list, const json_t *target)
{
	const json_t *val = json_object_get(target, "val"), *body, *last;
	const char *tag = sql_node_tag(val, &body), *name = sql_node_text(target, "name");
	const json_t *fields = json_object_get(body, "fields");

	if (strcmp(tag, "ColumnRef") == 0 &&
	    strcmp(sql_node_tag(json_array_get(fields, json_array_size(fields) - 1), &last),
		"A_Star") == 0)
		return add_star(c, list, fields, sql_node_location(body));
	if (!*name && figure_name(val, &name) == 0)
		name = "?column?";
	return add(c, list, name, sql_expr(c, val));
}

bool
sql_select_list(struct sql_compiler *c, const json_t *targets, struct sql_result **ret_results,
    size_t *ret_count)
{
	struct list list = { 0 };

	for (size_t i = 0; i < json_array_size(targets); i++) {
		const json_t *target;

		(void)sql_node_tag(json_array_get(targets, i), &target);
		if (!add_target(c, &list, target))
			return false;
	}
	if (list.count == 0) {
		(void)sql_no(c, 0, "a select list without columns");
		return false;
	}
	*ret_results = list.rows;
	*ret_count = list.count;
	return true;
}
