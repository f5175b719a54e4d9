/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "engine/plan_make.h"

enum { BOARD_ROWS_MAX = 10000 };

static bool
is_column(const struct ast_expr *e, size_t column)
{
	return e && e->kind == AST_COLUMN && !e->whole_row && e->source && e->column == column;
}

/* Nothing but columns of one board, and no clause that Redis cannot do. */
static bool
simple(const struct ast_select *s)
{
	if (s->set || s->with.count || s->distinct || s->group.count || s->having ||
	    s->aggregates || s->has_windows || s->value_count || s->locking ||
	    s->from_count != 1 || s->from[0]->kind != FROM_TABLE || s->source_count != 1)
		return false;
	for (size_t i = 0; i < s->output_count; i++) {
		if (!is_column(s->outputs[i].expr, 0) && !is_column(s->outputs[i].expr, 1))
			return false;
	}
	return true;
}

static const struct ast_expr *
member_of(const struct ast_select *s)
{
	const struct ast_expr *w = s->where;

	if (!w || w->kind != AST_OP || w->argc != 2 || strcmp(w->name, "=") != 0)
		return NULL;
	if (is_column(w->args[0], 0) && w->args[1]->kind == AST_STRING)
		return w->args[1];
	return is_column(w->args[1], 0) && w->args[0]->kind == AST_STRING ? w->args[0] : NULL;
}

static bool
bounded(const struct ast_expr *e, int64_t *ret)
{
	if (!e || e->kind == AST_NULL)
		return true;
	if (e->kind != AST_INT || e->number < 0 || e->number > BOARD_ROWS_MAX)
		return false;
	*ret = e->number;
	return true;
}

/* The top of a board, or one member: one command a line, arguments as a driver reads them
 * (a key or member stands alone on its line, so that any byte but a newline may be in it). */
static bool
commands(const struct ast_select *s, const char *key, struct buf *out)
{
	const struct ast_expr *member = member_of(s);
	int64_t limit = BOARD_ROWS_MAX, offset = 0;

	if (!bounded(s->limit, &limit) || !bounded(s->offset, &offset))
		return false;
	if (member && !s->order_count && !s->offset && !strchr(member->name, '\n')) {
		buf_printf(out, "ZSCORE\n%s\n%s", key, member->name);
		return limit > 0;
	}
	if (s->where || s->order_count != 1 || !is_column(s->order[0].expr, 1) ||
	    s->order[0].nulls != NULLS_DEFAULT)
		return false;
	buf_printf(out, "%s\n%s\n%lld\n%lld", s->order[0].descending ? "ZREVRANGE" : "ZRANGE",
	    key, (long long)offset, (long long)(offset + limit - 1));
	return limit > 0;
}

bool
plan_board(struct maker *m)
{
	const struct ast_select *s = m->statement->select;
	int redis = registry_engine_of_kind(m->registry, ENGINE_REDIS);
	const struct registry_table *t = plan_table(m->facts.tables[0]);
	struct buf out = { 0 };
	struct plan *p = m->plan;

	must(redis != ENGINE_NONE);
	if (p->explain || p->governed || m->facts.table_count != 1 || !simple(s) ||
	    !commands(s, t->placements[redis].path[0], &out)) {
		buf_finish(&out);
		return plan_refuse(m, STAGE_DIALECT, "LEADERBOARD_SHAPE", -1,
		    "a leaderboard answers ORDER BY score with LIMIT up to %d, or WHERE member "
		    "= 'x'",
		    BOARD_ROWS_MAX);
	}
	(void)buf_str(&out);
	p->sql[redis] = out.p;
	p->shape = SHAPE_BOARD;
	p->rule = "LEADERBOARD";
	return true;
}
