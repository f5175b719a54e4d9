/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "engine/plan_make.h"

/* Does every row of the result come out of an aggregate, through any CTE or subquery? */
static bool
aggregates(const struct ast_select *s)
{
	if (s->set)
		return aggregates(s->left) && aggregates(s->right);
	if (s->aggregates || s->group.count || s->having)
		return true;
	if (s->from_count != 1 || s->from[0]->kind == FROM_JOIN)
		return false;
	if (s->from[0]->kind == FROM_QUERY)
		return aggregates(s->from[0]->select);
	return s->from[0]->source && s->from[0]->source->cte &&
	       s->from[0]->source->cte->statement->kind == STATEMENT_SELECT &&
	       !s->from[0]->source->cte->recursive &&
	       aggregates(s->from[0]->source->cte->statement->select);
}

static void
shape(struct plan *p, enum plan_shape shape, const char *rule)
{
	p->shape = shape;
	p->rule = rule;
}

static unsigned
engines_of(const struct maker *m, enum engine_kind kind)
{
	int engine = registry_engine_of_kind(m->registry, kind);

	return engine == ENGINE_NONE ? 0 : 1u << engine;
}

static void
join(struct maker *m)
{
	struct plan *p = m->plan;
	const char *rule = m->facts.correlated && m->facts.semi_join ? "CORRELATED"
			   : m->facts.semi_join && !m->facts.joins   ? "SEMI_JOIN"
								     : "JOIN";

	if (p->placed && !(p->placed & ~engines_of(m, ENGINE_TRINO)))
		rule = "CROSS_PLACEMENT";
	shape(p, SHAPE_JOIN, rule);
}

static void
read_shape(struct maker *m)
{
	const struct ast_select *s = m->statement->select;
	const struct ast_facts *f = &m->facts;
	struct plan *p = m->plan;

	if (p->shape == SHAPE_BOARD)
		return;
	if (f->locking)
		shape(p, SHAPE_LOCKING, "LOCKING");
	else if ((p->placed & engines_of(m, ENGINE_POSTGRES)) && plan_point(m))
		return;
	else if (f->recursive)
		shape(p, SHAPE_PLAIN, "RECURSIVE");
	else if (f->joins || f->semi_join)
		join(m);
	else if (aggregates(s))
		shape(p, SHAPE_AGGREGATE, "AGG_NO_JOIN");
	else if (s->set)
		shape(p, SHAPE_SET, "SETOP");
	else
		shape(p, SHAPE_PLAIN, f->table_count ? "FALLBACK" : "NO_TABLE");
}

void
plan_shape(struct maker *m)
{
	struct plan *p = m->plan;

	if (p->class == PLAN_READ)
		read_shape(m);
	trace_add(&p->trace, STAGE_SHAPE, VERDICT_NOTED, TRACE_ALL, p->rule, "%s", p->detail);
}
