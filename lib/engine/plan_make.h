/* SPDX-License-Identifier: Apache-2.0 */
/* plan_make.h -- the stages that make a plan, for each other. Private to plan*.c.
 *
 * The maker lives for one statement; its tree stands in the scratch arena. A stage that
 * refuses fills the plan's code and returns false. */
#ifndef ENGINE_PLAN_MAKE_H
#define ENGINE_PLAN_MAKE_H

#include "engine/plan.h"

struct maker {
	const struct registry *registry;
	const struct plan_request *request;
	struct arena *arena;
	struct plan *plan;
	struct ast_statement *outer; /* EXPLAIN, or the same as statement */
	struct ast_statement *statement;
	struct ast_facts facts;
	size_t metadata; /* tables of information_schema that were named */
};

/* Always false. */
bool plan_refuse(struct maker *m, enum stage stage, const char *code, long offset,
    const char *fmt, ...) PRINTF(5, 6);

/* plan_world.c: what names mean to the role. */
struct ast_world plan_world(struct maker *m);
const struct registry_table *plan_table(const struct ast_source *source);
bool plan_is_metadata(const struct ast_source *source);

/* plan_authorise.c */
bool plan_authorise(struct maker *m);

/* plan_place.c: placements, then dialect. */
bool plan_place(struct maker *m);
/* plan_params.c */
enum sql_dialect plan_dialect(enum engine_kind kind);
/* Takes the struct dialect_hole in the buf, which is finished. */
void plan_keep_holes(struct plan *plan, size_t engine, struct buf *holes);

/* plan_shape.c: POINT_LOOKUP, AGG_NO_JOIN, ...; never refuses. */
void plan_shape(struct maker *m);
/* plan_point.c: is it a look-up by key? Notes in the trace why not. */
bool plan_point(struct maker *m);
/* plan_metadata.c: the statement about the registry as a statement over its rows, for
 * Postgres to compute; false: refused, or SHOW, which has no columns yet. */
bool plan_metadata(struct maker *m);
/* plan_board.c: the statement as commands of a board, into plan.sql. */
bool plan_board(struct maker *m);
/* The OFFSET and LIMIT of a range as the first and last place; false: there is no such. */
bool plan_board_range(struct buf *sql);

#endif
