/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sql/scope_level.h"

/* The table that a statement changes, as a source of its level. */
static void
written(struct resolver *r, struct level *level, struct ast_from *from)
{
	const struct sql_table *table = r->world->table(r->world->ctx, from, true, r->trouble);

	if (!table || !resolver_budget(r, table->column_count))
		return;
	from->source =
	    ast_source_of_table(r->arena, table, from->alias ? from->alias : from->name);
	from->source->from = from;
	r->facts->written =
	    resolver_append(r, r->facts->written, r->facts->written_count++, from->source);
	if (level)
		scope_add(r, level, from->source);
}

/* ON CONFLICT names the row that was not inserted. */
static void
excluded(struct resolver *r, struct level *level, const struct ast_statement *s)
{
	struct ast_source *source;

	if (!s->conflict || resolver_bad(r))
		return;
	source = ast_source_of_table(r->arena, s->targets[0]->source->table, "excluded");
	source->merged = resolver_take(r, source->column_count, sizeof(bool));
	for (size_t i = 0; i < source->column_count; i++)
		source->merged[i] = true; /* only by its own name */
	scope_add(r, level, source);
}

/* What * means in RETURNING; of joined tables, only names that stand alone. */
static void
see_target(struct resolver *r, struct ast_from *target)
{
	struct ast_source *source = target->source;

	target->seen = resolver_take(r, source->column_count, sizeof(*target->seen));
	target->seen_count = source->column_count;
	for (size_t i = 0; i < source->column_count; i++)
		target->seen[i] = (struct ast_seen){ source, i };
}

static void
returning(struct resolver *r, struct level *level, struct ast_statement *s)
{
	struct ast_select list = { .targets = s->returning,
		.target_count = s->returning_count };

	if (resolver_bad(r) || !s->returning_count)
		return;
	/* a select list over the written table, then what was joined to it */
	list.from_count = 1;
	list.from = s->targets;
	see_target(r, s->targets[0]);
	level->select = &list;
	scope_targets(r, level);
	level->select = NULL;
	s->outputs = list.outputs;
	s->output_count = list.output_count;
}

static void
change(struct resolver *r, const struct cte_frame *ctes, struct ast_statement *s)
{
	struct level *level = resolver_take(r, 1, sizeof(*level));

	level->insert = true;
	level->ctes = scope_with(r, ctes, &s->with);
	r->facts->writes = true;
	if (resolver_bad(r))
		return;
	written(r, level, s->targets[0]);
	if (s->select)
		scope_select(r, NULL, level->ctes, s->select, true);
	excluded(r, level, s);
	for (size_t i = 0; i < s->from_count; i++) {
		r->facts->joins++;
		scope_from(r, level, s->from[i]);
	}
	scope_expr(r, level, s->where);
	for (size_t i = 0; i < s->exprs.count; i++)
		scope_expr(r, level, s->exprs.items[i]);
	returning(r, level, s);
}

/* Tables are judged, functions too; columns are Postgres' to check. */
static void
define(struct resolver *r, const struct cte_frame *ctes, struct ast_statement *s)
{
	struct level *level = resolver_take(r, 1, sizeof(*level));

	level->loose = true;
	level->ctes = ctes;
	r->facts->writes = true;
	for (size_t i = 0; i < s->target_count && !resolver_bad(r); i++)
		written(r, NULL, s->targets[i]);
	for (size_t i = 0; i < s->exprs.count; i++)
		scope_expr(r, level, s->exprs.items[i]);
	if (s->select)
		scope_select(r, NULL, ctes, s->select, false);
}

void
scope_statement(struct resolver *r, const struct cte_frame *ctes, struct ast_statement *s)
{
	switch (s->kind) {
	case STATEMENT_SELECT: scope_select(r, NULL, ctes, s->select, false); return;
	case STATEMENT_INSERT:
	case STATEMENT_UPDATE:
	case STATEMENT_DELETE:
	case STATEMENT_MERGE: change(r, ctes, s); return;
	case STATEMENT_CREATE_AS:
	case STATEMENT_DDL: define(r, ctes, s); return;
	case STATEMENT_EXPLAIN: scope_statement(r, ctes, s->inner); return;
	case STATEMENT_SHOW: return;
	}
}

bool
ast_resolve(struct ast_statement *statement, const struct ast_world *world, struct arena *arena,
    struct ast_facts *ret_facts, struct ast_trouble *trouble)
{
	struct resolver r = {
		.world = world, .arena = arena, .facts = ret_facts, .trouble = trouble
	};

	*trouble = (struct ast_trouble){ .offset = -1 };
	*ret_facts = (struct ast_facts){ 0 };
	scope_statement(&r, NULL, statement);
	scope_param_end(&r);
	return trouble->code == NULL;
}

static bool
no_subquery(void *ctx, struct ast_expr *e)
{
	if (e->select || e->kind == AST_PARAM)
		(void)ast_no(ctx, "UNSUPPORTED", e->location,
		    "neither subqueries nor parameters can stand here");
	return !e->select;
}

bool
ast_resolve_expr(struct ast_expr *expr, struct ast_source *source,
    const struct ast_world *world, struct arena *arena, struct ast_trouble *trouble)
{
	struct ast_facts facts = { 0 };
	struct resolver r = {
		.world = world, .arena = arena, .facts = &facts, .trouble = trouble
	};
	struct level *level = resolver_take(&r, 1, sizeof(*level));

	*trouble = (struct ast_trouble){ .offset = -1 };
	(void)ast_walk(expr, no_subquery, trouble);
	if (trouble->code)
		return false;
	scope_add(&r, level, source);
	scope_expr(&r, level, expr);
	return trouble->code == NULL;
}
