/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "sql/scope_level.h"

void *
resolver_take(struct resolver *r, size_t count, size_t size)
{
	void *p = arena_alloc(r->arena, count * size + 1);

	must(p); /* outputs are bounded, and so is the text */
	memset(p, 0, count * size + 1);
	return p;
}

bool
resolver_budget(struct resolver *r, size_t columns)
{
	r->outputs += columns;
	if (r->outputs > AST_OUTPUTS_ALL_MAX)
		(void)ast_no(r->trouble, "TOO_LARGE", -1, "more than %d columns in all",
		    AST_OUTPUTS_ALL_MAX);
	return !resolver_bad(r);
}

void *
resolver_append(struct resolver *r, void *list, size_t count, void *item)
{
	void **items = list;

	if ((count & (count - 1)) == 0) { /* a power of two, or none: full */
		items = resolver_take(r, count ? 2 * count : 1, sizeof(*items));
		if (count)
			memcpy(items, list, count * sizeof(*items));
	}
	items[count] = item;
	return items;
}

struct ast_source *
ast_source_of_table(struct arena *arena, const struct sql_table *table, const char *alias)
{
	struct resolver r = { .arena = arena };
	struct ast_source *s = resolver_take(&r, 1, sizeof(*s));

	s->alias = alias ? alias : table->name;
	s->table = table;
	s->column_count = table->column_count;
	s->columns = resolver_take(&r, s->column_count, sizeof(*s->columns));
	for (size_t i = 0; i < s->column_count; i++) {
		s->columns[i].name = table->columns[i].name;
		s->columns[i].type = table->columns[i].type;
		s->columns[i].collation = table->columns[i].collation;
	}
	return s;
}

void
scope_add(struct resolver *r, struct level *level, struct ast_source *source)
{
	for (size_t i = 0; i < level->source_count; i++) {
		if (strcmp(level->sources[i]->alias, source->alias) == 0 && *source->alias) {
			(void)ast_no(r->trouble, "AMBIGUOUS",
			    source->from ? source->from->location : -1,
			    "table name \"%s\" specified more than once", source->alias);
			return;
		}
	}
	if (level->source_count == LEVEL_SOURCES_MAX)
		(void)ast_no(r->trouble, "TOO_LARGE", -1, "more than %d tables in a FROM",
		    LEVEL_SOURCES_MAX);
	else
		level->sources[level->source_count++] = source;
}

/* AS t(a, b) renames the first columns. */
static void
rename_columns(struct resolver *r, struct ast_source *s, const struct ast_from *from)
{
	if (from->alias_column_count > s->column_count) {
		(void)ast_no(r->trouble, "UNKNOWN_COLUMN", from->location,
		    "table \"%s\" has %zu columns available but %zu columns specified",
		    s->alias, s->column_count, from->alias_column_count);
		return;
	}
	for (size_t i = 0; i < from->alias_column_count; i++)
		s->columns[i].name = from->alias_columns[i];
}

static void
see_all(struct resolver *r, struct ast_from *from)
{
	struct ast_source *s = from->source;

	s->number = ++r->sources;
	s->merged = resolver_take(r, s->column_count, sizeof(bool));
	from->seen = resolver_take(r, s->column_count, sizeof(*from->seen));
	from->seen_count = s->column_count;
	for (size_t i = 0; i < s->column_count; i++)
		from->seen[i] = (struct ast_seen){ s, i };
}

static const struct ast_cte *
cte_named(const struct level *level, const struct ast_from *from)
{
	for (const struct cte_frame *f = level->ctes; f && !from->schema && !from->catalog;
	     f = f->next) {
		if (strcmp(f->cte->name, from->name) == 0)
			return f->cte;
	}
	return NULL;
}

static struct ast_source *
source_of_outputs(
    struct resolver *r, const char *alias, const struct ast_output *outputs, size_t count)
{
	struct ast_source *s = resolver_take(r, 1, sizeof(*s));

	s->alias = alias;
	s->column_count = count;
	s->columns = resolver_take(r, count, sizeof(*s->columns));
	for (size_t i = 0; i < count; i++) {
		s->columns[i] = outputs[i];
		s->columns[i].expr = NULL;
	}
	return s;
}

static void
table(struct resolver *r, struct level *level, struct ast_from *from)
{
	const struct ast_cte *cte = cte_named(level, from);
	const struct sql_table *known;
	const char *alias = from->alias ? from->alias : from->name;

	if (cte) {
		((struct ast_cte *)(uintptr_t)cte)->referred = true;
		if (!resolver_budget(r, cte->output_count))
			return;
		from->source = source_of_outputs(r, alias, cte->outputs, cte->output_count);
		from->source->cte = cte;
	} else {
		known = r->world->table(r->world->ctx, from, false, r->trouble);
		if (!known)
			return;
		if (!resolver_budget(r, known->column_count))
			return;
		from->source = ast_source_of_table(r->arena, known, alias);
		r->facts->tables =
		    resolver_append(r, r->facts->tables, r->facts->table_count++, from->source);
	}
	from->source->from = from;
	rename_columns(r, from->source, from);
	see_all(r, from);
	scope_add(r, level, from->source);
}

static void
query(struct resolver *r, struct level *level, struct ast_from *from)
{
	struct level *sees = from->lateral ? level : level->parent;

	r->facts->subqueries++;
	if (from->lateral)
		r->facts->lateral = true;
	scope_select(r, sees, level->ctes, from->select, false);
	if (resolver_bad(r))
		return;
	from->source = source_of_outputs(r, from->alias ? from->alias : "",
	    from->select->outputs, from->select->output_count);
	from->source->from = from;
	rename_columns(r, from->source, from);
	see_all(r, from);
	scope_add(r, level, from->source);
}

static const struct ast_seen *
seen_named(const struct ast_from *from, const char *name)
{
	for (size_t i = 0; i < from->seen_count; i++) {
		const struct ast_seen *seen = &from->seen[i];

		if (strcmp(seen->source->columns[seen->column].name, name) == 0)
			return seen;
	}
	return NULL;
}

/* NATURAL is USING of the names that both sides have. */
static void
natural(struct resolver *r, struct ast_from *from)
{
	from->using_columns =
	    resolver_take(r, from->left->seen_count, sizeof(*from->using_columns));
	for (size_t i = 0; i < from->left->seen_count; i++) {
		const struct ast_seen *seen = &from->left->seen[i];
		const char *name = seen->source->columns[seen->column].name;

		if (seen_named(from->right, name))
			from->using_columns[from->using_count++] = name;
	}
}

static bool
using_has(const struct ast_from *from, const struct ast_seen *seen)
{
	for (size_t i = 0; i < from->using_count; i++) {
		if (strcmp(from->using_columns[i], seen->source->columns[seen->column].name) ==
		    0)
			return true;
	}
	return false;
}

/* Merged columns first, then the rest of the left, then of the right. */
static void
see_join(struct resolver *r, struct ast_from *from)
{
	const struct ast_from *sides[] = { from->left, from->right };

	if (!resolver_budget(r, from->left->seen_count + from->right->seen_count))
		return;
	from->seen = resolver_take(
	    r, from->left->seen_count + from->right->seen_count, sizeof(*from->seen));
	for (size_t i = 0; i < from->using_count; i++) {
		const struct ast_seen *left = seen_named(from->left, from->using_columns[i]);
		const struct ast_seen *right = seen_named(from->right, from->using_columns[i]);

		if (!left || !right) {
			(void)ast_no(r->trouble, "UNKNOWN_COLUMN", from->location,
			    "column \"%s\" specified in USING is not on both sides",
			    from->using_columns[i]);
			return;
		}
		from->seen[from->seen_count++] = *left;
		right->source->merged[right->column] = true;
	}
	for (size_t side = 0; side < 2; side++) {
		for (size_t i = 0; i < sides[side]->seen_count; i++) {
			if (!using_has(from, &sides[side]->seen[i]))
				from->seen[from->seen_count++] = sides[side]->seen[i];
		}
	}
}

static void
set_nullable(struct ast_from *from)
{
	if (from->kind == FROM_JOIN) {
		set_nullable(from->left);
		set_nullable(from->right);
	} else if (from->source) {
		from->source->nullable = true;
	}
}

static void
join(struct resolver *r, struct level *level, struct ast_from *from)
{
	r->facts->joins++;
	scope_from(r, level, from->left);
	scope_from(r, level, from->right);
	if (resolver_bad(r))
		return;
	if (from->natural)
		natural(r, from);
	see_join(r, from);
	scope_expr(r, level, from->on);
	scope_param_as(r, from->on, TYPE_BOOL);
	if (from->join == JOIN_LEFT || from->join == JOIN_FULL)
		set_nullable(from->right);
	if (from->join == JOIN_RIGHT || from->join == JOIN_FULL)
		set_nullable(from->left);
}

void
scope_from(struct resolver *r, struct level *level, struct ast_from *from)
{
	if (resolver_bad(r))
		return;
	switch (from->kind) {
	case FROM_TABLE: table(r, level, from); return;
	case FROM_QUERY: query(r, level, from); return;
	case FROM_JOIN: join(r, level, from); return;
	case FROM_FUNCTION:
		(void)ast_no(r->trouble, "TABLE_FUNCTION", from->location,
		    "a function in FROM is not allowed: %s", from->name);
		return;
	}
}
