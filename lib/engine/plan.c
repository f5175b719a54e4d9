/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "engine/measure.h"
#include "engine/plan_make.h"

bool
plan_refuse(
    struct maker *m, enum stage stage, const char *code, long offset, const char *fmt, ...)
{
	struct plan *p = m->plan;
	va_list ap;

	p->refused = code;
	p->offset = offset;
	va_start(ap, fmt);
	(void)vsnprintf(p->what, sizeof p->what, fmt, ap);
	va_end(ap);
	trace_add(&p->trace, stage, VERDICT_REFUSED, TRACE_ALL, code, "%s", p->what);
	return false;
}

static bool
refuse_trouble(struct maker *m, enum stage stage, const struct ast_trouble *t)
{
	return plan_refuse(m, stage, t->code, t->offset, "%s", t->what);
}

static bool
admit(struct maker *m)
{
	struct ast_trouble trouble;
	struct ast_statement *s = NULL;

	if (!ast_parse(m->request->sql, m->arena, &s, &trouble)) {
		bool kind = strcmp(trouble.code, "STATEMENT_NOT_ALLOWED") == 0;

		return refuse_trouble(m, kind ? STAGE_CLASSIFY : STAGE_ADMIT, &trouble);
	}
	m->outer = s;
	m->statement = s->kind == STATEMENT_EXPLAIN ? s->inner : s;
	trace_add(&m->plan->trace, STAGE_ADMIT, VERDICT_PASSED, TRACE_ALL, "ADMITTED",
	    "%zu bytes, one statement", m->request->sql.len);
	return true;
}

static enum plan_class
class_of_statement(const struct ast_statement *s)
{
	switch (s->kind) {
	case STATEMENT_SELECT:
	case STATEMENT_EXPLAIN: return PLAN_READ;
	case STATEMENT_INSERT:
	case STATEMENT_UPDATE:
	case STATEMENT_DELETE:
	case STATEMENT_MERGE: return PLAN_WRITE;
	case STATEMENT_CREATE_AS:
	case STATEMENT_DDL: return PLAN_DDL;
	case STATEMENT_SHOW: break;
	}
	return PLAN_METADATA;
}

/* Settings that say nothing but how values are printed. */
static bool
show(struct maker *m)
{
	static const char *const allowed[] = { "server_version", "timezone", "datestyle",
		"standard_conforming_strings", "client_encoding", "search_path", NULL };

	for (size_t i = 0; allowed[i]; i++) {
		if (m->statement->setting && strcasecmp(m->statement->setting, allowed[i]) == 0)
			return true;
	}
	return plan_refuse(m, STAGE_CLASSIFY, "STATEMENT_NOT_ALLOWED", -1,
	    "SHOW %s is not allowed", m->statement->setting ? m->statement->setting : "ALL");
}

static bool
classify(struct maker *m)
{
	static const char *const names[] = { "READ", "WRITE", "DDL", "METADATA" };
	struct plan *p = m->plan;

	p->class = class_of_statement(m->statement);
	p->explain = m->outer != m->statement;
	if (m->statement->kind == STATEMENT_SHOW && !show(m))
		return false;
	if (p->explain && (m->outer->analyze || p->class != PLAN_READ))
		return plan_refuse(m, STAGE_CLASSIFY, "STATEMENT_NOT_ALLOWED", -1,
		    "EXPLAIN is for a SELECT, without ANALYZE");
	trace_add(&p->trace, STAGE_CLASSIFY, VERDICT_PASSED, TRACE_ALL, names[p->class], "%s",
	    m->outer->tag);
	return true;
}

static bool
resolve(struct maker *m)
{
	struct ast_world world = plan_world(m);
	struct ast_trouble trouble;

	if (!ast_resolve(m->statement, &world, m->arena, &m->facts, &trouble))
		return refuse_trouble(m, STAGE_RESOLVE, &trouble);
	if (m->plan->class == PLAN_READ && m->facts.writes)
		m->plan->class = PLAN_WRITE;
	if (m->plan->class == PLAN_WRITE && m->plan->explain)
		return plan_refuse(m, STAGE_CLASSIFY, "STATEMENT_NOT_ALLOWED", -1,
		    "EXPLAIN of a statement that writes");
	if (m->metadata && m->facts.table_count == m->metadata)
		m->plan->class = PLAN_METADATA;
	else if (m->metadata)
		return plan_refuse(m, STAGE_RESOLVE, "UNSUPPORTED", -1,
		    "information_schema cannot be joined to tables");
	trace_add(&m->plan->trace, STAGE_RESOLVE, VERDICT_PASSED, TRACE_ALL,
	    m->facts.cte_scope ? "CTE_SCOPE" : "RESOLVED", "%zu tables",
	    m->facts.table_count + m->facts.written_count);
	return true;
}

/* tables + 2 join + 1.5 aggregate, group by or having + 2 subquery + 2 window + 1.5 with */
static void
measure(struct maker *m)
{
	const struct ast_facts *f = &m->facts;
	struct plan *p = m->plan;

	p->table_count = (unsigned)f->table_count;
	p->param_count = (size_t)f->param_max;
	if (p->param_count) {
		p->params = calloc(p->param_count, sizeof *p->params);
		must(p->params);
		memcpy(p->params, f->params, p->param_count * sizeof *p->params);
	}
	p->aggregate = f->groupings > 0;
	for (size_t i = 0; i < f->table_count; i++)
		p->rows += f->tables[i]->table->row_estimate;
	p->score = (double)f->table_count + 2 * f->joins + 1.5 * f->groupings +
		   2 * f->subqueries + 2 * f->windows + 1.5 * f->withs;
}

/* Copies, since the tree goes with the arena. */
static void
keep_columns(struct maker *m)
{
	const struct ast_select *s = m->statement->select;
	struct plan *p = m->plan;
	size_t bytes = 0;
	char *names;

	for (size_t i = 0; i < s->output_count; i++)
		bytes += strlen(s->outputs[i].name) + 1;
	p->column_count = s->output_count;
	p->columns = calloc(1, s->output_count * sizeof *p->columns + bytes + 1);
	must(p->columns);
	names = (char *)(p->columns + s->output_count);
	for (size_t i = 0; i < s->output_count; i++) {
		size_t size = strlen(s->outputs[i].name) + 1;

		memcpy(names, s->outputs[i].name, size);
		p->columns[i] =
		    (struct plan_column){ .name = names, .type = s->outputs[i].type };
		names += size;
	}
}

static void
make(struct maker *m)
{
	struct plan *p = m->plan;

	p->offset = -1;
	p->home = ENGINE_NONE;
	if (!admit(m) || !classify(m))
		return;
	if (!resolve(m))
		return;
	if (p->class == PLAN_METADATA) {
		p->rule = "METADATA";
		if (plan_metadata(m))
			keep_columns(m);
		return;
	}
	if (!plan_authorise(m))
		return;
	measure(m);
	if (plan_place(m))
		plan_shape(m);
	if (m->statement->kind == STATEMENT_SELECT && !p->refused)
		keep_columns(m);
}

struct plan *
plan_make(
    const struct registry *registry, const struct plan_request *request, struct arena *arena)
{
	struct maker m = { .registry = registry, .request = request, .arena = arena };

	m.plan = calloc(1, sizeof *m.plan);
	must(m.plan);
	m.plan->likeness = measure_likeness(request->sql);
	make(&m);
	arena_reset(arena);
	return m.plan;
}

void
plan_free(struct plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < REGISTRY_ENGINES_MAX; i++) {
		free(plan->sql[i]);
		free(plan->holes[i]);
		plan_finish_free(plan->finish[i]);
	}
	free(plan->params);
	free(plan->columns);
	free(plan->tables);
	free(plan);
}
