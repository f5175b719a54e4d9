/* SPDX-License-Identifier: Apache-2.0 */
/* plan.h -- what can be said of a statement before any engine is looked at.
 *
 * Admit, classify, resolve, authorise, placements, dialect and shape depend on the text,
 * the role and the registry alone, so a plan may be kept and used
 * again; freshness, health and cost are decide.h's and run each time. A plan owns the
 * SQL that it made for each engine and borrows nothing but texts of the registry. */
#ifndef ENGINE_PLAN_H
#define ENGINE_PLAN_H

#include "engine/plan_finish.h"
#include "engine/registry.h"
#include "engine/trace.h"

enum plan_class {
	PLAN_READ,
	PLAN_WRITE,
	PLAN_DDL,
	PLAN_METADATA, /* answered from the registry itself */
};

enum plan_shape {
	SHAPE_PLAIN,
	SHAPE_POINT,    /* every row by its key */
	SHAPE_PREFIX,   /* by the first columns of its key */
	SHAPE_ANCHORED, /* a join that starts from one row by its key */
	SHAPE_LOCKING,
	SHAPE_BOARD,
	SHAPE_AGGREGATE, /* of one table */
	SHAPE_JOIN,
	SHAPE_SET,
};

struct plan_column {
	const char *name; /* after the columns, in the same memory */
	struct pgtype type;
};

struct plan {
	const char *refused; /* NULL: a plan. Otherwise the code, and: */
	char what[200];
	long offset; /* byte of the text, -1: none */

	enum plan_class class;
	enum plan_shape shape;
	const char *rule; /* the code of the shape: POINT_LOOKUP, AGG_NO_JOIN, ... */
	char detail[80];
	unsigned placed;     /* bit set: engines that hold every table */
	unsigned candidates; /* of those, the ones that can answer exactly */
	unsigned replicas;   /* engines whose copy of some table lags */
	unsigned sources;    /* bit set, of registry.sources: what those copies come from */
	bool sourceless;     /* nothing says how far some of them are */
	int home;            /* where the first table lives; ENGINE_NONE */
	bool explain, aggregate;
	bool governed, filtered; /* by filters or masks; rows are hidden, which nobody counts */
	unsigned table_count;
	size_t param_count; /* the highest $n */
	/* Of each, as Postgres deduces it: UNKNOWN's where that is not known here. */
	struct pgtype *params;
	/* Every table that it names, read or written; of the registry. */
	const struct registry_table **tables;
	size_t tables_named;
	int64_t rows;                    /* of all tables together */
	double score;                    /* complexity */
	char *sql[REGISTRY_ENGINES_MAX]; /* by engine, for candidates; of METADATA: Postgres' */
	/* By engine: where its SQL has $n, to be filled by plan_sql(). Postgres' has none: it
	 * takes parameters. */
	struct dialect_hole *holes[REGISTRY_ENGINES_MAX];
	size_t hole_count[REGISTRY_ENGINES_MAX];
	/* By engine: what makes its rows into columns; NULL: they are. */
	struct plan_finish *finish[REGISTRY_ENGINES_MAX];
	/* A read's results, by which every engine's answer is named and printed. */
	struct plan_column *columns;
	size_t column_count;
	uint64_t likeness; /* what statements like it are measured by: measure.h */
	struct trace trace;
	void *holder; /* plan_cache's */
};

struct plan_request {
	struct slice sql;
	const struct registry_role *role;
};

/* Always gives a plan, refused or not. arena is scratch, of PLAN_ARENA bytes at least,
 * and is reset. */
enum { PLAN_ARENA = 128 << 20 };
struct plan *plan_make(
    const struct registry *registry, const struct plan_request *request, struct arena *arena);
void plan_free(struct plan *plan); /* accepts NULL */

/* A candidate's SQL with these parameters in it, for engines that are not told them apart
 * (all but Postgres): as dialect_fill(), and a parameter that stands nowhere in it must be
 * one of its type all the same. arena is scratch, and is reset. */
enum fate plan_sql(const struct registry *registry, const struct plan *plan, int engine,
    const struct slice *params, struct arena *arena, struct buf *ret_sql,
    struct err *err) NODISCARD;

#endif
