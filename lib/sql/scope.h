/* SPDX-License-Identifier: Apache-2.0 */
/* scope.h -- a statement's names tied to tables, its functions judged, its types known.
 *
 * The caller says what a table name means (and whether this principal may know it)
 * and which functions may be called; everything else follows Postgres' scope rules,
 * CTEs first. After ast_resolve() every column of a query knows its source, stars
 * stand expanded in outputs, GROUP BY and ORDER BY hold the expressions that they
 * mean. Refused: what acts besides answering, by whichever notation it is called. */
#ifndef SQL_SCOPE_H
#define SQL_SCOPE_H

#include "sql/ast.h"

enum { AST_OUTPUTS_MAX = 1664, AST_OUTPUTS_ALL_MAX = 400000 };

enum ast_function_class {
	FUNCTION_PLAIN,
	FUNCTION_AGGREGATE,
	FUNCTION_WINDOW, /* only with OVER */
	FUNCTION_WRITE,  /* changes something: nextval */
};

enum ast_result {
	RESULT_KIND,  /* always that type */
	RESULT_FIRST, /* the type of the first argument */
	RESULT_SUM,
	RESULT_AVG,
	RESULT_NUMBER, /* float8 of a float, else numeric */
	RESULT_OTHER,  /* not known here */
};

struct ast_function {
	const char *name;
	enum ast_function_class class;
	enum ast_result result;
	int kind; /* RESULT_KIND: enum type_kind */
};

/* NULL: not among the functions that only answer. */
const struct ast_function *ast_function_of(const char *name);

/* A table, query or CTE in FROM, with its columns as this level sees them. */
struct ast_source {
	const char *alias;
	unsigned number; /* from 1 within a statement; 0: the table of a filter or mask */
	const struct sql_table *table; /* NULL: a query or a CTE */
	const struct ast_cte *cte;     /* NULL: none */
	struct ast_from *from;         /* NULL: the target of a write */
	struct ast_output *columns;
	size_t column_count;
	bool *merged; /* taken into an earlier source's column by USING or NATURAL */
	bool nullable;
	bool used; /* some column of it is named */
};

struct ast_world {
	void *ctx;
	/* NULL with the refusal in trouble. from->name is no CTE. write: it is changed. */
	const struct sql_table *(*table)(
	    void *ctx, const struct ast_from *from, bool write, struct ast_trouble *trouble);
	/* May name be called? known is NULL when the list above does not have it. */
	bool (*function)(void *ctx, const char *name, const struct ast_function *known);
};

/* What the tree says at a glance. */
struct ast_facts {
	struct ast_source **tables; /* each scan of a table, in order of the text */
	size_t table_count;
	struct ast_source **written; /* tables that are changed */
	size_t written_count;
	unsigned joins;      /* a comma counts as one */
	unsigned subqueries; /* in FROM and in expressions */
	unsigned windows;
	unsigned groupings; /* levels with an aggregate, GROUP BY or HAVING */
	unsigned withs;
	int64_t param_max;
	/* Of $1 to $param_max as Postgres deduces them from where they stand; UNKNOWN's: not
	 * deduced here. */
	const struct pgtype *params;
	bool params_typed; /* every one, wherever it stands */
	bool recursive, locking, semi_join, correlated, lateral, sampled;
	bool writes;    /* INSERT, UPDATE, DELETE, MERGE anywhere, nextval */
	bool now;       /* depends on the clock */
	bool cte_scope; /* a CTE has the name of a table that is read too */
};

/* Everything made stands in the arena. false: *trouble; codes of ast_parse() and
 * UNKNOWN_TABLE, UNKNOWN_COLUMN, AMBIGUOUS, FUNCTION_NOT_ALLOWED, and the caller's. */
bool ast_resolve(struct ast_statement *statement, const struct ast_world *world,
    struct arena *arena, struct ast_facts *ret_facts, struct ast_trouble *trouble);
/* A filter or mask of one table: columns are that table's, no subqueries, no params. */
bool ast_resolve_expr(struct ast_expr *expr, struct ast_source *source,
    const struct ast_world *world, struct arena *arena, struct ast_trouble *trouble);

/* A source for a table under a name, columns filled. */
struct ast_source *ast_source_of_table(
    struct arena *arena, const struct sql_table *table, const char *alias);

/* The name that Postgres gives the column of an expression without AS. */
const char *ast_output_name(const struct ast_expr *expr);

#endif
