/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/from.h"

#include <string.h>

static bool
no(struct sql_compiler *c, long location, const char *sentence)
{
	(void)sql_no(c, location, "%s", sentence);
	return false;
}

static const char *
text_or_null(const json_t *body, const char *member)
{
	return json_string_value(json_object_get(body, member));
}

static bool
add_source(struct sql_compiler *c, const json_t *var, enum sql_join join)
{
	const char *schema = text_or_null(var, "schemaname"),
		   *name = sql_node_text(var, "relname");
	const json_t *alias = json_object_get(var, "alias");
	long location = sql_node_location(var);
	struct sql_scope_source *source;

	if (c->source_count == SQL_SOURCES_MAX)
		return no(c, location, "too many joins");
	if (text_or_null(var, "catalogname"))
		return no(c, location, "a table of another database");
	if (json_object_get(alias, "colnames"))
		return no(c, location, "column aliases of a table are not in the subset");
	source = &c->sources[c->source_count];
	*source = (struct sql_scope_source){ .join = join, .location = location };
	source->table = sql_catalog_table(c->catalog, schema, name);
	if (!source->table) {
		(void)sql_no(c, location, "relation \"%s%s%s\" does not exist",
		    schema ? schema : "", schema ? "." : "", name);
		return false;
	}
	if (!strchr("rp", source->table->relkind)) {
		(void)sql_no(
		    c, location, "\"%s\" is no table: changes come from tables alone", name);
		return false;
	}
	source->aliased = alias != NULL;
	source->alias = sql_keep(c, alias ? sql_node_text(alias, "aliasname") : name);
	for (size_t i = 0; i < c->source_count; i++) {
		if (strcmp(c->sources[i].alias, source->alias) == 0) {
			(void)sql_no(c, location, "table name \"%s\" specified more than once",
			    source->alias);
			return false;
		}
	}
	source->used = sql_alloc(c, source->table->column_count * sizeof(bool));
	source->merged = sql_alloc(c, source->table->column_count * sizeof(bool));
	c->source_count++;
	return true;
}

/* Whether values of the two types may stand for each other in a lookup. */
static bool
key_types_fit(struct pgtype column, struct pgtype expr)
{
	if (sql_type_is_int((int)column.kind))
		return sql_type_is_int((int)expr.kind);
	if (column.kind == TYPE_TEXT || column.kind == TYPE_VARCHAR)
		return expr.kind == TYPE_TEXT || expr.kind == TYPE_VARCHAR ||
		       expr.kind == TYPE_NAME;
	return column.kind == TYPE_NUMERIC || column.kind == TYPE_FLOAT4 ||
		       column.kind == TYPE_FLOAT8 || column.kind == TYPE_BPCHAR
		   ? false
		   : sql_same_type(column, expr);
}

static bool
add_key(struct sql_compiler *c, struct sql_scope_source *dim, size_t column,
    struct sql_node *expr, long location)
{
	const struct sql_column *col = &dim->table->columns[column];
	struct sql_node *equal = sql_operator(
	    c, "=", sql_column(c, c->source_count - 1, column, location), expr, location);

	if (!equal)
		return false;
	if (sql_type_kind(expr->type) == KIND_UNKNOWN)
		expr = sql_coerce(c, expr, col->type, CAST_IMPLICIT);
	if (!expr)
		return false;
	if (!key_types_fit(col->type, expr->type)) {
		(void)sql_no(c, location,
		    "a dimension's key of type %s cannot be looked up by a value of type %s",
		    sql_type_words(col->type), sql_type_words(expr->type));
		return false;
	}
	if (dim->key_count == SQL_KEY_COLUMNS_MAX)
		return no(c, location, "too many columns in a join");
	for (size_t i = 0; i < dim->key_count; i++) {
		if (dim->key_columns[i] == column)
			return no(c, location, "a key column is compared twice");
	}
	dim->key_columns[dim->key_count] = column;
	dim->key_exprs[dim->key_count++] = expr;
	return true;
}

static bool
mentions(const struct sql_node *node, size_t source)
{
	if (node->kind == NODE_COLUMN)
		return node->source == source;
	for (size_t i = 0; i < node->argc; i++) {
		if (mentions(node->args[i], source))
			return true;
	}
	return false;
}

static bool
add_equality(struct sql_compiler *c, const json_t *qual)
{
	static const char sentence[] = "a join is on equality of the dimension's key: "
				       "dimension.column = expression, joined by AND";
	size_t last = c->source_count - 1;
	struct sql_node *left, *right, *swap;
	const json_t *body;
	const char *tag = sql_node_tag(qual, &body);
	long location = sql_node_location(body);

	if (strcmp(tag, "A_Expr") != 0 ||
	    strcmp(sql_node_text(body, "kind"), "AEXPR_OP") != 0 ||
	    strcmp(sql_node_name(json_object_get(body, "name"), 0), "=") != 0)
		return no(c, location, sentence);
	left = sql_expr(c, json_object_get(body, "lexpr"));
	right = left ? sql_expr(c, json_object_get(body, "rexpr")) : NULL;
	if (!right)
		return false;
	if (!(left->kind == NODE_COLUMN && left->source == last)) {
		swap = left;
		left = right;
		right = swap;
	}
	if (left->kind != NODE_COLUMN || left->source != last || mentions(right, last))
		return no(c, location, sentence);
	return add_key(c, &c->sources[last], left->column, right, location);
}

static bool
add_on(struct sql_compiler *c, const json_t *quals)
{
	const json_t *body;
	const char *tag = sql_node_tag(quals, &body);

	if (strcmp(tag, "BoolExpr") == 0 &&
	    strcmp(sql_node_text(body, "boolop"), "AND_EXPR") == 0) {
		const json_t *args = json_object_get(body, "args");

		for (size_t i = 0; i < json_array_size(args); i++) {
			if (!add_on(c, json_array_get(args, i)))
				return false;
		}
		return true;
	}
	return add_equality(c, quals);
}

static bool
find_before(
    const struct sql_compiler *c, const char *name, size_t *ret_source, size_t *ret_column)
{
	size_t count = 0;

	for (size_t s = 0; s + 1 < c->source_count; s++) {
		for (size_t i = 0; i < c->sources[s].table->column_count; i++) {
			if (c->sources[s].merged[i] ||
			    strcmp(c->sources[s].table->columns[i].name, name) != 0)
				continue;
			*ret_source = s;
			*ret_column = i;
			count++;
		}
	}
	return count == 1;
}

static bool
add_using(struct sql_compiler *c, const json_t *names, long location)
{
	struct sql_scope_source *dim = &c->sources[c->source_count - 1];

	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = sql_node_name(names, i);
		const struct sql_column *col = sql_table_column(dim->table, name);
		size_t source, column, own;
		struct sql_node *expr;

		if (!col || !find_before(c, name, &source, &column)) {
			(void)sql_no(c, location,
			    "column \"%s\" of USING does not stand once on both sides", name);
			return false;
		}
		own = (size_t)(col - dim->table->columns);
		expr = sql_column(c, source, column, location);
		if (!expr)
			return false;
		if (!sql_same_type(expr->type, col->type))
			return no(c, location, "columns of USING have one type here: write ON");
		if (!add_key(c, dim, own, expr, location))
			return false;
		dim->merged[own] = true;
	}
	return true;
}

static bool
is_key(const struct sql_scope_source *dim, const struct sql_key *key)
{
	size_t hits = 0;

	for (size_t k = 0; k < key->column_count; k++) {
		for (size_t i = 0; i < dim->key_count; i++)
			hits += dim->key_columns[i] == key->columns[k];
	}
	return hits == key->column_count && key->column_count == dim->key_count;
}

/* The join's columns are exactly a unique key; an immediate one. */
static bool
check_key(struct sql_compiler *c, const struct sql_scope_source *dim, long location)
{
	const struct sql_table *table = dim->table;

	for (size_t i = 0; i < table->key_count; i++) {
		if (!is_key(dim, &table->keys[i]))
			continue;
		if (!table->keys[i].deferrable)
			return true;
		(void)sql_no(c, location, "the key of \"%s\" is deferrable: not always unique",
		    table->name);
		return false;
	}
	(void)sql_no(c, location,
	    "the join of \"%s\" is not on a unique key of it: a row could find several "
	    "partners",
	    table->name);
	return false;
}

static bool
join_kind(struct sql_compiler *c, const json_t *body, long location, enum sql_join *ret_join)
{
	const char *type = sql_node_text(body, "jointype");

	if (json_is_true(json_object_get(body, "isNatural")))
		return no(
		    c, location, "NATURAL JOIN changes with the tables: write ON or USING");
	if (json_object_get(body, "alias"))
		return no(c, location, "an alias of a join is not in the subset");
	if (strcmp(type, "JOIN_LEFT") == 0)
		*ret_join = SQL_LEFT;
	else if (strcmp(type, "JOIN_INNER") == 0)
		*ret_join = SQL_INNER;
	else
		return no(c, location, "joins are LEFT or INNER, the fact table first");
	if (!json_object_get(body, "quals") && !json_object_get(body, "usingClause"))
		return no(c, location, "a join without a condition is not in the subset");
	return true;
}

static bool
add_join(struct sql_compiler *c, const json_t *node)
{
	const json_t *body, *var;
	const char *tag = sql_node_tag(node, &body);
	enum sql_join join = SQL_FACT;
	long location;

	if (strcmp(tag, "RangeVar") == 0)
		return add_source(c, body, SQL_FACT);
	if (strcmp(tag, "JoinExpr") != 0)
		return no(c, sql_node_location(body), "FROM holds tables alone");
	if (!add_join(c, json_object_get(body, "larg")))
		return false;
	tag = sql_node_tag(json_object_get(body, "rarg"), &var);
	location = strcmp(tag, "RangeVar") == 0 ? sql_node_location(var) : 0;
	if (strcmp(tag, "RangeVar") != 0)
		return no(
		    c, location, "what is joined is a table: no subquery, no nested join");
	if (!join_kind(c, body, location, &join) || !add_source(c, var, join))
		return false;
	if (json_object_get(body, "usingClause")
		? !add_using(c, json_object_get(body, "usingClause"), location)
		: !add_on(c, json_object_get(body, "quals")))
		return false;
	return check_key(c, &c->sources[c->source_count - 1], location);
}

bool
sql_from(struct sql_compiler *c, const json_t *from_clause)
{
	const json_t *second;

	if (json_array_size(from_clause) == 0)
		return true;
	if (json_array_size(from_clause) > 1) {
		(void)sql_node_tag(json_array_get(from_clause, 1), &second);
		return no(c, sql_node_location(second), "write joins with JOIN ... ON");
	}
	return add_join(c, json_array_get(from_clause, 0));
}

static bool
names_of(struct sql_compiler *c, const json_t *node,
    bool (*each)(void *arg, const char *schema, const char *name), void *arg)
{
	const json_t *body;
	const char *tag = sql_node_tag(node, &body);

	if (strcmp(tag, "RangeVar") == 0) {
		if (each(arg, text_or_null(body, "schemaname"), sql_node_text(body, "relname")))
			return true;
		return no(c, sql_node_location(body), "too many joins");
	}
	if (strcmp(tag, "JoinExpr") != 0)
		return no(c, sql_node_location(body), "FROM holds tables alone: no subquery");
	return names_of(c, json_object_get(body, "larg"), each, arg) &&
	       names_of(c, json_object_get(body, "rarg"), each, arg);
}

bool
sql_from_names(struct sql_compiler *c, const json_t *from_clause,
    bool (*each)(void *arg, const char *schema, const char *name), void *arg)
{
	for (size_t i = 0; i < json_array_size(from_clause); i++) {
		if (!names_of(c, json_array_get(from_clause, i), each, arg))
			return false;
	}
	return true;
}
