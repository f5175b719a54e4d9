/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "engine/plan_make.h"

enum sql_dialect
plan_dialect(enum engine_kind kind)
{
	static const enum sql_dialect dialects[ENGINE_KINDS] = {
		[ENGINE_POSTGRES] = DIALECT_POSTGRES,
		[ENGINE_CLICKHOUSE] = DIALECT_CLICKHOUSE,
		[ENGINE_TRINO] = DIALECT_TRINO,
		[ENGINE_DUCKDB] = DIALECT_DUCKDB,
		[ENGINE_DATABRICKS] = DIALECT_TRINO, /* never asked: it has no driver */
	};

	return dialects[kind];
}

void
plan_keep_holes(struct plan *p, size_t engine, struct buf *holes)
{
	p->hole_count[engine] = holes->len / sizeof *p->holes[engine];
	if (!p->hole_count[engine]) {
		buf_finish(holes);
		return;
	}
	p->holes[engine] = calloc(1, holes->len);
	must(p->holes[engine]);
	memcpy(p->holes[engine], holes->p, holes->len);
	buf_finish(holes);
}

static bool
has_hole(const struct plan *plan, int engine, size_t param)
{
	for (size_t i = 0; i < plan->hole_count[engine]; i++) {
		if (plan->holes[engine][i].param == param)
			return true;
	}
	return false;
}

/* Of a CTE that nobody reads, say: Postgres reads its parameters all the same. */
static enum fate
read_unused(const struct plan *plan, int engine, const struct slice *params,
    struct arena *arena, struct err *err)
{
	for (size_t i = 0; i < plan->param_count; i++) {
		struct value ignored;
		enum fate fate;

		if (!params[i].p || has_hole(plan, engine, i))
			continue;
		if (plan->params[i].kind > TYPE_TIMESTAMPTZ)
			return err_code(err, FATE_REJECT, "0A000",
			    "$%zu: a parameter of this type that is not used", i + 1);
		fate = value_from_text(plan->params[i], params[i], arena, &ignored, err);
		if (fate != FATE_DONE)
			return err_wrap(err, "$%zu", i + 1);
	}
	return FATE_DONE;
}

enum fate
plan_sql(const struct registry *registry, const struct plan *plan, int engine,
    const struct slice *params, struct arena *arena, struct buf *ret_sql, struct err *err)
{
	enum fate fate = read_unused(plan, engine, params, arena, err);

	if (fate == FATE_DONE)
		fate = dialect_fill(plan_dialect(registry->engines[engine].kind),
		    slice_str(plan->sql[engine]), plan->holes[engine], plan->hole_count[engine],
		    params, arena, ret_sql, err);
	arena_reset(arena);
	if (fate == FATE_DONE && registry->engines[engine].kind == ENGINE_REDIS &&
	    !plan_board_range(ret_sql))
		return err_code(
		    err, FATE_REJECT, "0A000", "a leaderboard has no rows so far down");
	return fate;
}
