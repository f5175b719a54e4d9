/* SPDX-License-Identifier: Apache-2.0 */
/* scope_level.h -- the levels of query that a name is looked up in. Private to scope*.c.
 *
 * A level has its sources and the CTEs of its WITH; the parents are what a correlated
 * subquery sees. Levels live on the stack of the functions that walk the tree. */
#ifndef SQL_SCOPE_LEVEL_H
#define SQL_SCOPE_LEVEL_H

#include "sql/scope.h"
#include "sql/type.h"

enum { LEVEL_SOURCES_MAX = 256 };

struct resolver {
	const struct ast_world *world;
	struct arena *arena;
	struct ast_facts *facts;
	struct ast_trouble *trouble;
	size_t outputs; /* columns made so far, all levels and sources */
	unsigned sources;
	struct pgtype *params; /* by number, what is deduced so far; NULL: none was seen */
	size_t params_open;    /* how many stand where nothing has said their type yet */
};

struct cte_frame { /* the CTEs in sight, innermost first */
	const struct cte_frame *next;
	const struct ast_cte *cte;
};

struct level {
	struct level *parent; /* whose columns a subquery may name */
	const struct cte_frame *ctes;
	struct ast_select *select; /* NULL: a write or an expression alone */
	struct ast_source *sources[LEVEL_SOURCES_MAX];
	size_t source_count;
	bool loose;  /* DDL: columns are not looked up */
	bool insert; /* DEFAULT may stand in VALUES */
	bool in_aggregate;
};

static inline bool
resolver_bad(const struct resolver *r)
{
	return r->trouble->code != NULL;
}

/* Counts columns towards AST_OUTPUTS_ALL_MAX; false with TOO_LARGE. */
bool resolver_budget(struct resolver *r, size_t columns);
/* list with one more: its size doubles as it grows. */
void *resolver_append(struct resolver *r, void *list, size_t count, void *item);
void *resolver_take(struct resolver *r, size_t count, size_t size); /* cleared */

/* scope_expr.c: resolves and types the expression; e may be NULL. */
void scope_expr(struct resolver *r, struct level *level, struct ast_expr *e);
void scope_orders(
    struct resolver *r, struct level *level, struct ast_order *orders, size_t count);
void scope_window(struct resolver *r, struct level *level, struct ast_window *w);
/* The column as an expression of its own. */
struct ast_expr *scope_column(
    struct resolver *r, struct ast_source *source, size_t column, long location);

/* scope.c */
void scope_select(struct resolver *r, struct level *parent, const struct cte_frame *ctes,
    struct ast_select *s, bool insert);

void scope_targets(struct resolver *r, struct level *level); /* of level->select */
const struct cte_frame *scope_with(
    struct resolver *r, const struct cte_frame *outer, struct ast_with *w);

/* scope_write.c: any statement. */
void scope_statement(struct resolver *r, const struct cte_frame *ctes, struct ast_statement *s);

/* scope_from.c */
void scope_from(struct resolver *r, struct level *level, struct ast_from *from);
/* Adds to the level; refuses a name that is there twice. */
void scope_add(struct resolver *r, struct level *level, struct ast_source *source);

/* scope_param.c: $n, and what stands around it says of its type. */
void scope_param(struct resolver *r, struct ast_expr *e);
/* By e, whose arguments are typed. Free where no parameter is open. */
void scope_param_around(struct resolver *r, struct ast_expr *e);
/* By a clause: WHERE, ON, LIMIT; e may be NULL. */
void scope_param_as(struct resolver *r, struct ast_expr *e, enum type_kind kind);
/* By nothing at all: what a SELECT gives is text then. */
void scope_param_outputs(struct resolver *r, struct ast_select *s);
void scope_param_end(struct resolver *r);

/* scope_type.c: the type of an expression whose arguments are typed. */
void scope_type(struct resolver *r, struct ast_expr *e);
bool scope_cast_allowed(const struct ast_type_name *type, struct pgtype *ret_type);

#endif
