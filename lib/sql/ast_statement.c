/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "sql/ast_read.h"

static struct ast_statement *
statement_new(struct ast_reader *r, enum ast_statement_kind kind, const char *tag)
{
	struct ast_statement *s = ast_take(r, 1, sizeof(*s));

	s->kind = kind;
	s->tag = tag;
	return s;
}

/* list with one more: its size doubles as it grows. */
static void *
append(struct ast_reader *r, void *list, size_t count, void *item)
{
	void **items = list;

	if ((count & (count - 1)) == 0) { /* a power of two, or none: full */
		items = ast_take(r, count ? 2 * count : 1, sizeof(*items));
		if (count)
			memcpy(items, list, count * sizeof(*items));
	}
	items[count] = item;
	return items;
}

static void
add_expr(struct ast_reader *r, struct ast_statement *s, struct ast_expr *e)
{
	if (e)
		s->exprs.items = append(r, s->exprs.items, s->exprs.count++, e);
}

static void
add_targets(struct ast_reader *r, struct ast_statement *s, const json_t *list)
{
	size_t count;
	struct ast_target *targets = ast_targets(r, list, &count);

	for (size_t i = 0; i < count && !ast_bad(r); i++)
		add_expr(r, s, targets[i].expr);
}

static void
add_from(struct ast_reader *r, struct ast_from ***list, size_t *count, struct ast_from *from)
{
	if (from)
		*list = append(r, *list, (*count)++, from);
}

static void
written(struct ast_reader *r, struct ast_statement *s, const json_t *relation)
{
	add_from(r, &s->targets, &s->target_count, ast_range_var(r, relation));
}

static struct ast_statement *
select_statement(struct ast_reader *r, const json_t *body)
{
	struct ast_statement *s = statement_new(r, STATEMENT_SELECT, "SELECT");

	s->select = ast_select(r, body);
	return s;
}

static void
conflict(struct ast_reader *r, struct ast_statement *s, const json_t *body)
{
	const json_t *infer = json_object_get(body, "infer"), *elem;
	const json_t *elems = json_object_get(infer, "indexElems");

	s->conflict = body != NULL;
	for (size_t i = 0; i < json_array_size(elems) && !ast_bad(r); i++) {
		(void)sql_node_tag(json_array_get(elems, i), &elem);
		if (ast_known(
			r, "a conflict target", elem, "name ordering nulls_ordering expr"))
			add_expr(r, s, ast_expr(r, json_object_get(elem, "expr")));
	}
	add_expr(r, s, ast_expr(r, json_object_get(infer, "whereClause")));
	add_targets(r, s, json_object_get(body, "targetList"));
	add_expr(r, s, ast_expr(r, json_object_get(body, "whereClause")));
}

static struct ast_statement *
insert(struct ast_reader *r, const json_t *body)
{
	struct ast_statement *s = statement_new(r, STATEMENT_INSERT, "INSERT");
	const json_t *select;

	(void)sql_node_tag(json_object_get(body, "selectStmt"), &select);
	ast_with(r, json_object_get(body, "withClause"), &s->with);
	written(r, s, json_object_get(body, "relation"));
	add_targets(r, s, json_object_get(body, "cols"));
	s->select = ast_select(r, select);
	conflict(r, s, json_object_get(body, "onConflictClause"));
	s->returning =
	    ast_targets(r, json_object_get(body, "returningList"), &s->returning_count);
	return s;
}

static struct ast_statement *
update(struct ast_reader *r, const json_t *body)
{
	struct ast_statement *s = statement_new(r, STATEMENT_UPDATE, "UPDATE");

	ast_with(r, json_object_get(body, "withClause"), &s->with);
	written(r, s, json_object_get(body, "relation"));
	add_targets(r, s, json_object_get(body, "targetList"));
	s->from = ast_froms(r, json_object_get(body, "fromClause"), &s->from_count);
	s->where = ast_expr(r, json_object_get(body, "whereClause"));
	s->returning =
	    ast_targets(r, json_object_get(body, "returningList"), &s->returning_count);
	return s;
}

static struct ast_statement *
remove_rows(struct ast_reader *r, const json_t *body)
{
	struct ast_statement *s = statement_new(r, STATEMENT_DELETE, "DELETE");

	ast_with(r, json_object_get(body, "withClause"), &s->with);
	written(r, s, json_object_get(body, "relation"));
	s->from = ast_froms(r, json_object_get(body, "usingClause"), &s->from_count);
	s->where = ast_expr(r, json_object_get(body, "whereClause"));
	s->returning =
	    ast_targets(r, json_object_get(body, "returningList"), &s->returning_count);
	return s;
}

static struct ast_statement *
merge(struct ast_reader *r, const json_t *body)
{
	struct ast_statement *s = statement_new(r, STATEMENT_MERGE, "MERGE");
	const json_t *clauses = json_object_get(body, "mergeWhenClauses"), *one;

	ast_with(r, json_object_get(body, "withClause"), &s->with);
	written(r, s, json_object_get(body, "relation"));
	add_from(
	    r, &s->from, &s->from_count, ast_from(r, json_object_get(body, "sourceRelation")));
	s->where = ast_expr(r, json_object_get(body, "joinCondition"));
	for (size_t i = 0; i < json_array_size(clauses) && !ast_bad(r); i++) {
		struct ast_list values;

		(void)sql_node_tag(json_array_get(clauses, i), &one);
		add_expr(r, s, ast_expr(r, json_object_get(one, "condition")));
		add_targets(r, s, json_object_get(one, "targetList"));
		values = ast_exprs(r, json_object_get(one, "values"));
		for (size_t v = 0; v < values.count; v++)
			add_expr(r, s, values.items[v]);
	}
	return s;
}

/* Every table and every expression that stands anywhere in a DDL statement. */
static void
scan(struct ast_reader *r, struct ast_statement *s, const json_t *node)
{
	static const char *const exprs[] = { "FuncCall", "A_Expr", "TypeCast", "SubLink",
		"BoolExpr", "CaseExpr", "CollateClause", "A_Indirection", "SQLValueFunction",
		"CoalesceExpr", "MinMaxExpr", "XmlExpr", "XmlSerialize", NULL };
	json_t *object = (json_t *)(uintptr_t)node; /* the iterators leave it alone */
	const json_t *body;
	const char *tag;

	if (ast_bad(r) || !ast_enter(r, -1))
		return;
	for (size_t i = 0; json_is_array(node) && i < json_array_size(node); i++)
		scan(r, s, json_array_get(node, i));
	tag = sql_node_tag(node, &body);
	for (size_t i = 0; exprs[i]; i++) {
		if (json_is_object(node) && strcmp(tag, exprs[i]) == 0) {
			add_expr(r, s, ast_expr(r, node));
			node = NULL;
			break;
		}
	}
	if (node && json_is_object(node) && json_object_get(node, "relname"))
		written(r, s, node);
	else if (node && json_is_object(node))
		for (void *i = json_object_iter(object); i;
		     i = json_object_iter_next(object, i))
			scan(r, s, json_object_iter_value(i));
	r->depth--;
}

static struct ast_statement *
ddl(struct ast_reader *r, const json_t *body, const char *tag)
{
	struct ast_statement *s = statement_new(r, STATEMENT_DDL, tag);

	scan(r, s, body);
	return s;
}

static struct ast_statement *
create_as(struct ast_reader *r, const json_t *body)
{
	struct ast_statement *s = statement_new(r, STATEMENT_CREATE_AS, "CREATE TABLE AS");
	const json_t *query, *into = json_object_get(body, "into");

	if (strcmp(sql_node_text(body, "objtype"), "OBJECT_TABLE") != 0 ||
	    strcmp(sql_node_tag(json_object_get(body, "query"), &query), "SelectStmt") != 0)
		return ast_no(r->trouble, "STATEMENT_NOT_ALLOWED", -1,
		    "only CREATE TABLE AS a SELECT is allowed");
	if (!ast_known(r, "CREATE TABLE AS", into, "rel colNames onCommit"))
		return NULL;
	written(r, s, json_object_get(into, "rel"));
	s->select = ast_select(r, query);
	return s;
}

/* The names in DROP are lists of texts: they become tables like any other. */
static struct ast_statement *
drop(struct ast_reader *r, const json_t *body)
{
	const char *type = sql_node_text(body, "removeType");
	struct ast_statement *s = statement_new(r, STATEMENT_DDL, "DROP TABLE");
	const json_t *objects = json_object_get(body, "objects"), *list;

	if (strcmp(type, "OBJECT_TABLE") != 0)
		return ast_no(
		    r->trouble, "STATEMENT_NOT_ALLOWED", -1, "only tables may be dropped");
	for (size_t i = 0; i < json_array_size(objects); i++) {
		struct ast_from *from = ast_take(r, 1, sizeof(*from));
		const json_t *names;
		size_t count;

		(void)sql_node_tag(json_array_get(objects, i), &list);
		names = json_object_get(list, "items");
		count = json_array_size(names);
		from->name = ast_keep(r, sql_node_name(names, count - 1));
		from->schema = count > 1 ? ast_keep(r, sql_node_name(names, count - 2)) : NULL;
		from->catalog = count > 2 ? ast_keep(r, sql_node_name(names, 0)) : NULL;
		add_from(r, &s->targets, &s->target_count, from);
	}
	return s;
}

static struct ast_statement *
explain(struct ast_reader *r, const json_t *body)
{
	struct ast_statement *s = statement_new(r, STATEMENT_EXPLAIN, "EXPLAIN");
	const json_t *options = json_object_get(body, "options"), *one;

	for (size_t i = 0; i < json_array_size(options); i++) {
		(void)sql_node_tag(json_array_get(options, i), &one);
		if (strcmp(sql_node_text(one, "defname"), "analyze") == 0)
			s->analyze = true;
	}
	s->inner = ast_statement(r, json_object_get(body, "query"));
	if (s->inner && s->inner->kind == STATEMENT_EXPLAIN)
		return ast_no(r->trouble, "STATEMENT_NOT_ALLOWED", -1, "EXPLAIN of EXPLAIN");
	return s;
}

static struct ast_statement *
show(struct ast_reader *r, const json_t *body)
{
	struct ast_statement *s = statement_new(r, STATEMENT_SHOW, "SHOW");

	s->setting = ast_keep(r, sql_node_text(body, "name"));
	return s;
}

static struct ast_statement *
refused(struct ast_reader *r, const char *tag)
{
	if (strcmp(tag, "CopyStmt") == 0)
		return ast_no(r->trouble, "STATEMENT_NOT_ALLOWED", 0,
		    "COPY is not allowed: ask for the SELECT with format=csv");
	return ast_no(r->trouble, "STATEMENT_NOT_ALLOWED", 0,
	    "this kind of statement is not allowed (%.*s)",
	    (int)(strlen(tag) > 4 ? strlen(tag) - 4 : 0), tag);
}

static struct ast_statement *
statement_of(struct ast_reader *r, const char *tag, const json_t *body)
{
	static const struct {
		const char *tag, *members;
		struct ast_statement *(*build)(struct ast_reader *, const json_t *);
	} kinds[] = {
		{ "SelectStmt", NULL, select_statement },
		{ "InsertStmt",
		    "relation cols selectStmt onConflictClause returningList "
		    "withClause override",
		    insert },
		{ "UpdateStmt",
		    "relation targetList fromClause whereClause returningList "
		    "withClause",
		    update },
		{ "DeleteStmt", "relation usingClause whereClause returningList withClause",
		    remove_rows },
		{ "MergeStmt",
		    "relation sourceRelation joinCondition mergeWhenClauses "
		    "withClause",
		    merge },
		{ "CreateTableAsStmt", "query into objtype if_not_exists", create_as },
		{ "DropStmt", "objects removeType behavior missing_ok", drop },
		{ "ExplainStmt", "query options", explain },
		{ "VariableShowStmt", "name", show },
	};
	static const struct {
		const char *tag, *words;
	} ddls[] = { { "CreateStmt", "CREATE TABLE" }, { "AlterTableStmt", "ALTER TABLE" },
		{ "TruncateStmt", "TRUNCATE" }, { "IndexStmt", "CREATE INDEX" },
		{ "RenameStmt", "ALTER TABLE RENAME" } };

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (strcmp(tag, kinds[i].tag) != 0)
			continue;
		if (kinds[i].members && !ast_known(r, tag, body, kinds[i].members))
			return NULL;
		return kinds[i].build(r, body);
	}
	for (size_t i = 0; i < sizeof ddls / sizeof *ddls; i++) {
		if (strcmp(tag, ddls[i].tag) == 0)
			return ddl(r, body, ddls[i].words);
	}
	return refused(r, tag);
}

struct ast_statement *
ast_statement(struct ast_reader *r, const json_t *node)
{
	const json_t *body;
	const char *tag = sql_node_tag(node, &body);
	struct ast_statement *s;

	if (ast_bad(r) || !ast_enter(r, -1))
		return NULL;
	s = statement_of(r, tag, body);
	r->depth--;
	return ast_bad(r) ? NULL : s;
}
