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

static bool
is_member(const struct ast_expr *e)
{
	return (e->kind == AST_STRING && !strchr(e->name, '\n')) || e->kind == AST_PARAM;
}

static const struct ast_expr *
member_of(const struct ast_select *s)
{
	const struct ast_expr *w = s->where;

	if (!w || w->kind != AST_OP || w->argc != 2 || strcmp(w->name, "=") != 0)
		return NULL;
	if (is_column(w->args[0], 0) && is_member(w->args[1]))
		return w->args[1];
	return is_column(w->args[1], 0) && is_member(w->args[0]) ? w->args[0] : NULL;
}

/* A line of the command: a constant, or a hole for a parameter. */
static void
line(const struct ast_expr *e, const char *otherwise, enum dialect_need need, struct buf *out,
    struct buf *holes)
{
	struct dialect_hole hole = { .need = need, .like = { .typmod = -1 } };

	buf_byte(out, '\n');
	if (!e || e->kind == AST_NULL) {
		buf_cstr(out, otherwise);
	} else if (e->kind != AST_PARAM) {
		buf_cstr(out, e->name);
	} else {
		hole.at = out->len;
		hole.param = (size_t)e->number - 1;
		hole.type = e->type;
		buf_printf(out, "$%lld", (long long)e->number);
		hole.len = out->len - hole.at;
		buf_put(holes, &hole, sizeof hole);
	}
}

static bool
is_bound(const struct ast_expr *e)
{
	return !e || e->kind == AST_NULL || e->kind == AST_PARAM ||
	       (e->kind == AST_INT && e->number >= 0);
}

/* The top of a board, or one member: one command a line, arguments as a driver reads them
 * (a key or member stands alone on its line, so that any byte but a newline may be in it).
 * A range's are OFFSET and LIMIT until plan_board_range(). */
static bool
commands(const struct ast_select *s, const char *key, struct buf *out, struct buf *holes)
{
	const struct ast_expr *member = member_of(s);
	char most[16];

	if (!is_bound(s->limit) || !is_bound(s->offset))
		return false;
	if (member && !s->order_count && !s->offset) {
		buf_printf(out, "ZSCORE\n%s", key);
		line(member, "", NEED_LINE, out, holes);
		return !s->limit || s->limit->kind == AST_NULL ||
		       (s->limit->kind == AST_INT && s->limit->number > 0);
	}
	if (s->where || s->order_count != 1 || !is_column(s->order[0].expr, 1) ||
	    s->order[0].nulls != NULLS_DEFAULT)
		return false;
	(void)snprintf(most, sizeof most, "%d", BOARD_ROWS_MAX);
	buf_printf(out, "%s\n%s", s->order[0].descending ? "ZREVRANGE" : "ZRANGE", key);
	line(s->offset, "0", NEED_COUNT, out, holes);
	line(s->limit, most, NEED_COUNT, out, holes);
	return true;
}

bool
plan_board_range(struct buf *sql)
{
	const char *limit = strrchr(buf_str(sql), '\n'), *offset = limit;
	int64_t from, count;

	if (sql->p[1] == 'S') /* ZSCORE has none */
		return true;
	must(limit);
	while (*--offset != '\n')
		;
	if (!slice_i64(slice_of(offset + 1, (size_t)(limit - offset) - 1), &from) ||
	    !slice_i64(slice_str(limit + 1), &count) || from > BOARD_ROWS_MAX || count < 1 ||
	    count > BOARD_ROWS_MAX)
		return false;
	sql->len = (size_t)(limit - sql->p);
	buf_printf(sql, "\n%lld", (long long)(from + count - 1));
	return true;
}

bool
plan_board(struct maker *m)
{
	const struct ast_select *s = m->statement->select;
	int redis = registry_engine_of_kind(m->registry, ENGINE_REDIS);
	const struct registry_table *t = plan_table(m->facts.tables[0]);
	struct buf out = { 0 }, holes = { 0 };
	struct plan *p = m->plan;

	must(redis != ENGINE_NONE);
	if (p->explain || p->governed || m->facts.table_count != 1 || !simple(s) ||
	    (m->facts.param_max && !m->facts.params_typed) ||
	    !commands(s, t->placements[redis].path[0], &out, &holes) ||
	    (holes.len == 0 && !plan_board_range(&out))) {
		buf_finish(&out);
		buf_finish(&holes);
		return plan_refuse(m, STAGE_DIALECT, "LEADERBOARD_SHAPE", -1,
		    "a leaderboard answers ORDER BY score with LIMIT up to %d, or WHERE member "
		    "= 'x'",
		    BOARD_ROWS_MAX);
	}
	(void)buf_str(&out);
	plan_keep_holes(p, (size_t)redis, &holes);
	p->sql[redis] = out.p;
	p->shape = SHAPE_BOARD;
	p->rule = "LEADERBOARD";
	return true;
}
