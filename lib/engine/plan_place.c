/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "engine/plan_make.h"

static void
drop(struct maker *m, size_t engine, enum stage stage, const char *code, const char *detail)
{
	m->plan->candidates &= ~(1u << engine);
	trace_add(&m->plan->trace, stage, VERDICT_DROPPED, (int)engine, code, "%s", detail);
}

/* CH_CANNOT_EXPRESS and its kin: texts that stay. */
static const char *
cannot_express(enum engine_kind kind)
{
	static const char *const codes[] = { "PG_CANNOT_EXPRESS", "CH_CANNOT_EXPRESS",
		"REDIS_CANNOT_EXPRESS", "TRINO_CANNOT_EXPRESS", "DUCKDB_CANNOT_EXPRESS",
		"DBX_CANNOT_EXPRESS" };

	return codes[kind];
}

/* The engines that hold every table that is read. */
static void
place(struct maker *m)
{
	struct plan *p = m->plan;
	unsigned governed = ~0u;

	p->placed = (1u << m->registry->engine_count) - 1;
	for (size_t i = 0; i < m->facts.table_count; i++) {
		const struct registry_table *t = plan_table(m->facts.tables[i]);

		p->placed &= t->engines;
		p->replicas |= t->replicas;
		if (t->replicas && t->source == SOURCE_NONE)
			p->sourceless = true;
		else if (t->replicas)
			p->sources |= 1u << t->source;
		if (p->home == ENGINE_NONE)
			p->home = t->home;
		if (t->governed)
			governed &= t->governed;
	}
	p->candidates = p->placed;
	for (size_t e = 0; e < m->registry->engine_count; e++) {
		enum engine_kind kind = m->registry->engines[e].kind;

		if (!(p->placed & 1u << e))
			drop(m, e, STAGE_PLACEMENTS, "NOT_PLACED", "");
		else if (!(governed & 1u << e))
			drop(
			    m, e, STAGE_AUTHORISE, "GOVERNANCE", "not an engine for this data");
		else if (m->facts.table_count == 0 && kind == ENGINE_REDIS)
			drop(m, e, STAGE_PLACEMENTS, "NOT_PLACED", "a leaderboard only");
		else if (kind == ENGINE_DATABRICKS)
			drop(m, e, STAGE_PLACEMENTS, "NO_DRIVER", "databricks comes later");
	}
	if (!m->facts.table_count)
		p->home = registry_engine_of_kind(m->registry, ENGINE_POSTGRES);
}

struct scan_of {
	const struct maker *m;
	size_t engine;
};

static void
scan(void *ctx, const struct sql_table *table, struct dialect_scan *ret)
{
	const struct scan_of *of = ctx;
	const struct registry_table *t = (const struct registry_table *)(const void *)table;
	const struct registry_placement *place = &t->placements[of->engine];
	const struct registry_policy *policy = registry_policy(t, of->m->request->role->name);

	ret->path = place->path;
	ret->path_count = place->path_count;
	ret->filter = policy ? policy->filter : NULL;
	ret->masks = policy ? policy->masks : NULL;
}

/* What the engine leaves undone; false: lib/sql cannot do it either. */
static bool
finishes(struct maker *m, size_t engine, const struct dialect_finish *emitted,
    struct ast_trouble *trouble)
{
	const struct ast_select *s = m->statement->select;
	struct err err;

	if (emitted->results.len == 0)
		return true;
	if (plan_finish_new(emitted, s->outputs, s->output_count, &m->plan->finish[engine],
		&err) == FATE_DONE)
		return true;
	(void)snprintf(trouble->what, sizeof trouble->what, "%.190s", err.what);
	return false;
}

/* The SELECT as SQL of the engine, after prefix; false when it cannot be said. finished:
 * rows may be finished here; filled: parameters may come with the asking. */
static bool
translate(struct maker *m, size_t engine, const char *prefix, bool finished, bool filled,
    char **ret_sql, struct ast_trouble *trouble)
{
	const struct registry_engine *e = &m->registry->engines[engine];
	struct scan_of of = { m, engine };
	struct dialect_finish finish = { 0 };
	struct buf sql = { 0 }, holes = { 0 };
	struct dialect dialect = { .dialect = plan_dialect(e->kind),
		.version = e->version,
		.finish = finished ? &finish : NULL,
		.holes = filled ? &holes : NULL,
		.ctx = &of,
		.scan = scan };
	bool good;

	buf_cstr(&sql, prefix);
	good = dialect_emit(&dialect, m->statement->select, &sql, trouble) &&
	       finishes(m, engine, &finish, trouble);
	buf_finish(&finish.wires);
	buf_finish(&finish.results);
	buf_finish(&finish.texts);
	if (!good) {
		buf_finish(&sql);
		buf_finish(&holes);
		return false;
	}
	plan_keep_holes(m->plan, engine, &holes);
	(void)buf_str(&sql);
	*ret_sql = sql.p;
	return true;
}

/* The caller's own text, without what follows the statement. */
static char *
verbatim(const struct maker *m)
{
	size_t len = (size_t)m->outer->end;
	char *sql = strndup(m->request->sql.p, len ? len : m->request->sql.len);

	must(sql);
	return sql;
}

static void
express(struct maker *m, size_t engine)
{
	const struct registry_engine *e = &m->registry->engines[engine];
	struct ast_trouble trouble;
	struct plan *p = m->plan;
	const char *why;

	if (e->kind == ENGINE_POSTGRES && !p->governed) {
		p->sql[engine] = verbatim(m);
		return;
	}
	why = m->facts.locking ? "row locks"
	      : e->kind != ENGINE_POSTGRES && m->facts.param_max && !m->facts.params_typed
		  ? "a parameter whose type is not known"
		  : NULL;
	if (!why && !translate(m, engine, p->explain ? "EXPLAIN " : "", !p->explain, true,
			&p->sql[engine], &trouble))
		why = trouble.what;
	if (why)
		drop(m, engine, STAGE_DIALECT, cannot_express(e->kind), why);
}

static bool
has_board(const struct maker *m)
{
	for (size_t i = 0; i < m->facts.table_count; i++) {
		if (plan_table(m->facts.tables[i])->board)
			return true;
	}
	return false;
}

static bool
place_read(struct maker *m)
{
	struct plan *p = m->plan;

	place(m);
	if (has_board(m))
		return plan_board(m);
	for (size_t e = 0; e < m->registry->engine_count; e++) {
		if (p->candidates & 1u << e)
			express(m, e);
	}
	if (p->candidates)
		return true;
	return plan_refuse(m, p->placed ? STAGE_DIALECT : STAGE_PLACEMENTS, "NO_ENGINE", -1,
	    p->placed ? "no engine that holds these tables can answer this exactly"
		      : "no engine holds all of these tables");
}

/* The schema of a table that is to be made may belong to another engine's tables. */
static const struct registry_table *
sibling(const struct maker *m, const char *schema)
{
	for (size_t i = 0; i < m->registry->table_count; i++) {
		const struct registry_table *t = &m->registry->tables[i];

		if (strcmp(t->table.schema, schema) == 0)
			return t;
	}
	return NULL;
}

/* CREATE TABLE lake.x AS SELECT: on the engine whose schema that is. */
static bool
create_elsewhere(struct maker *m, const struct registry_table *like, size_t engine)
{
	const struct registry_placement *place_like = &like->placements[engine];
	enum sql_dialect dialect = plan_dialect(m->registry->engines[engine].kind);
	struct plan *p = m->plan;
	struct ast_trouble trouble;
	struct buf prefix = { 0 };
	bool good;

	if (m->statement->kind != STATEMENT_CREATE_AS)
		return plan_refuse(m, STAGE_PLACEMENTS, "UNSUPPORTED", -1,
		    "only CREATE TABLE AS can make a table in %s", like->table.schema);
	buf_cstr(&prefix, "CREATE TABLE ");
	for (size_t i = 0; i + 1 < place_like->path_count; i++) {
		dialect_name(&prefix, dialect, place_like->path[i]);
		buf_byte(&prefix, '.');
	}
	dialect_name(&prefix, dialect, m->statement->targets[0]->name);
	buf_cstr(&prefix, " AS ");
	good = (p->placed & 1u << engine) &&
	       translate(m, engine, buf_str(&prefix), false, false, &p->sql[engine], &trouble);
	buf_finish(&prefix);
	if (!good)
		return plan_refuse(m, STAGE_PLACEMENTS, "CROSS_ENGINE_WRITE", -1,
		    "%s cannot read all of this exactly", m->registry->engines[engine].name);
	p->candidates = 1u << engine;
	p->rule = "CATALOG_TARGET";
	return true;
}

/* Writes go to Postgres, as they were written, if all they touch lives there. */
static bool
place_write(struct maker *m)
{
	int postgres = registry_engine_of_kind(m->registry, ENGINE_POSTGRES);
	struct plan *p = m->plan;

	place(m);
	for (size_t i = 0; i < m->facts.written_count; i++) {
		const struct registry_table *t = plan_table(m->facts.written[i]);
		const struct registry_table *like =
		    t->home == ENGINE_NONE ? sibling(m, t->table.schema) : t;
		int home = like ? like->home : postgres;

		if (home != postgres && t->home == ENGINE_NONE && home != ENGINE_NONE)
			return create_elsewhere(m, like, (size_t)home);
		if (home != postgres)
			p->placed = 0;
	}
	if (postgres == ENGINE_NONE || !(p->placed & 1u << postgres))
		return plan_refuse(m, STAGE_PLACEMENTS, "CROSS_ENGINE_WRITE", -1,
		    "a write may touch tables of Postgres only");
	p->candidates = 1u << postgres;
	p->sql[postgres] = verbatim(m);
	p->rule = p->class == PLAN_DDL ? "DDL" : "WRITE";
	return true;
}

bool
plan_place(struct maker *m)
{
	bool good = m->plan->class == PLAN_READ ? place_read(m) : place_write(m);

	if (good)
		trace_add(&m->plan->trace, STAGE_DIALECT, VERDICT_PASSED, TRACE_ALL,
		    "CANDIDATES", "%d", __builtin_popcount(m->plan->candidates));
	return good;
}
