/* SPDX-License-Identifier: Apache-2.0 */
/* dialect_emit.h -- the pieces of the emitters, for each other. Private to dialect*.c.
 *
 * Writers append to emitter.out; a refusal goes into emitter.trouble and what was
 * written is then of no use. */
#ifndef SQL_DIALECT_EMIT_H
#define SQL_DIALECT_EMIT_H

#include "sql/dialect.h"
#include "sql/type.h"

struct emitter {
	const struct dialect *d;
	struct buf *out;
	struct ast_trouble *trouble;
	const char *rule_alias; /* of the table whose filter or mask is being written */
	unsigned depth;
	bool filtered; /* a row filter was written */
	bool raises;   /* something was written that fails for some values */
	bool fenced;   /* nothing may be moved below a filter */
};

/* Kinds of value that behave alike in comparisons. */
enum value_class {
	CLASS_OTHER, /* not known to be the same anywhere else */
	CLASS_LITERAL,
	CLASS_BOOL,
	CLASS_INT,
	CLASS_NUMERIC, /* with precision and scale */
	CLASS_FLOAT,
	CLASS_TEXT,
	CLASS_UUID,
	CLASS_DATE,
	CLASS_TIMESTAMP,
	CLASS_TIMESTAMPTZ,
};

static inline bool
is(const struct emitter *em, enum sql_dialect dialect)
{
	return em->d->dialect == dialect;
}

/* The refusal, unless one stands already. */
void cannot(struct emitter *em, long location, const char *fmt, ...) PRINTF(3, 4);
enum value_class class_of(const struct ast_expr *e);
/* Refuses keys of GROUP BY, DISTINCT, UNION and joins that engines do not equate alike. */
void must_equate(struct emitter *em, const struct ast_expr *e);
/* Refuses what engines do not order alike. */
void must_order(struct emitter *em, const struct ast_expr *e);

/* The parameter that e is, cast to its own type or not; NULL: none. */
const struct ast_expr *param_of(const struct ast_expr *e);
/* A hole for it. like NULL: no matter. */
void emit_param(struct emitter *em, const struct ast_expr *param, enum dialect_need need,
    const struct ast_expr *like);

/* Whether a numeric of that type can be this number. */
bool dialect_holds(struct pgtype type, const char *number);

void emit_expr(struct emitter *em, const struct ast_expr *e);
/* A condition: others take numbers for truths. */
void emit_truth(struct emitter *em, const struct ast_expr *e);
/* A literal as a value of that type; other expressions as they are. */
void emit_as(struct emitter *em, const struct ast_expr *e, const struct ast_expr *like);
void emit_literal(struct emitter *em, const struct ast_expr *e, struct pgtype type);
void emit_cast(struct emitter *em, const struct ast_expr *e);
void emit_call(struct emitter *em, const struct ast_expr *e);
/* dialect_operator.c */
void emit_operator(struct emitter *em, const struct ast_expr *e);
/* Its arguments in parentheses, this between them. */
void emit_joined(struct emitter *em, const struct ast_expr *e, const char *between);
void emit_compare(struct emitter *em, const char *op, const struct ast_expr *a,
    const struct ast_expr *b, long location);
void emit_orders(struct emitter *em, const struct ast_order *orders, size_t count);
/* sum(x) and count(x) of an avg(x): what is emitted for either. */
void emit_part_of_avg(struct emitter *em, const struct ast_expr *avg, const char *name);
/* dialect_finish.c: does the list hold an avg that is finished by us? */
bool must_finish(const struct emitter *em, const struct ast_select *s, bool top);
void emit_unfinished(struct emitter *em, const struct ast_select *s);
void emit_select(struct emitter *em, const struct ast_select *s, bool top);

#endif
