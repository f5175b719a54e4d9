/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "engine/plan_make.h"

static const struct registry_policy *
policy_of(const struct maker *m, const struct ast_source *source)
{
	return registry_policy(plan_table(source), m->request->role->name);
}

/* A statement that writes is sent as it stands, so it may not touch what is hidden. */
static bool
nothing_hidden(struct maker *m)
{
	for (size_t i = 0; i < m->facts.table_count + m->facts.written_count; i++) {
		const struct ast_source *s = i < m->facts.table_count
						 ? m->facts.tables[i]
						 : m->facts.written[i - m->facts.table_count];

		if (policy_of(m, s))
			return plan_refuse(m, STAGE_AUTHORISE, "GOVERNED_WRITE",
			    s->from ? s->from->location : -1,
			    "\"%s\" has a filter or masks for role %s", s->table->name,
			    m->request->role->name);
	}
	return true;
}

static bool
may_write(struct maker *m)
{
	const struct registry_role *role = m->request->role;
	const struct ast_statement *s = m->statement;
	bool deletes = s->kind == STATEMENT_UPDATE || s->kind == STATEMENT_DELETE;

	if (m->facts.written_count && !role->write)
		return plan_refuse(m, STAGE_AUTHORISE, "WRITE_NOT_ALLOWED", -1,
		    "role %s may not write", role->name);
	if (role->require_where && deletes && !s->where)
		return plan_refuse(m, STAGE_AUTHORISE, "REQUIRE_WHERE", -1,
		    "%s without WHERE is not allowed to role %s", s->tag, role->name);
	return nothing_hidden(m);
}

static bool
may_define(struct maker *m)
{
	if (!m->request->role->ddl)
		return plan_refuse(m, STAGE_AUTHORISE, "DDL_NOT_ALLOWED", -1,
		    "%s is not allowed to role %s", m->statement->tag, m->request->role->name);
	return nothing_hidden(m);
}

static void
note_policies(struct maker *m)
{
	for (size_t i = 0; i < m->facts.table_count; i++) {
		const struct ast_source *s = m->facts.tables[i];
		const struct registry_policy *policy = policy_of(m, s);

		if (!policy)
			continue;
		m->plan->governed = true;
		m->plan->filtered = m->plan->filtered || policy->filter;
		trace_add(&m->plan->trace, STAGE_AUTHORISE, VERDICT_NOTED, TRACE_ALL,
		    policy->masks ? "MASKED" : "FILTERED", "%s for role %s", s->table->name,
		    m->request->role->name);
	}
}

/* For the audit: once each. */
static void
keep_tables(struct maker *m)
{
	size_t count = m->facts.table_count + m->facts.written_count;
	struct plan *p = m->plan;

	p->tables = calloc(count + 1, sizeof *p->tables);
	must(p->tables);
	for (size_t i = 0; i < count; i++) {
		const struct registry_table *t = plan_table(
		    i < m->facts.table_count ? m->facts.tables[i]
					     : m->facts.written[i - m->facts.table_count]);
		size_t k = 0;

		while (k < p->tables_named && p->tables[k] != t)
			k++;
		if (k == p->tables_named && t->engines) /* not one that CREATE makes */
			p->tables[p->tables_named++] = t;
	}
}

bool
plan_authorise(struct maker *m)
{
	keep_tables(m);
	if (m->plan->class == PLAN_WRITE && !may_write(m))
		return false;
	if (m->plan->class == PLAN_DDL && !may_define(m))
		return false;
	note_policies(m);
	if (m->plan->governed && m->plan->explain)
		return plan_refuse(m, STAGE_AUTHORISE, "GOVERNED_EXPLAIN", -1,
		    "EXPLAIN would count the rows that role %s may not see",
		    m->request->role->name);
	trace_add(&m->plan->trace, STAGE_AUTHORISE, VERDICT_PASSED, TRACE_ALL, "AUTHORISED",
	    "role %s", m->request->role->name);
	return true;
}
