/* SPDX-License-Identifier: Apache-2.0 */
/* ast.h -- a whole Postgres statement as a small tree: what the router decides by.
 *
 * Read from the Postgres parser's own tree; every node and text lives in the arena
 * that the caller gave. The reader knows each member of each node it takes: a node
 * or member that it does not know is refused with its place, so nothing in a text
 * can pass unseen. ast_resolve() (scope.h) then ties names to tables and gives
 * types; the reader leaves those members zero. */
#ifndef SQL_AST_H
#define SQL_AST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "sql/catalog.h"
#include "wire/value.h"

enum { AST_TEXT_MAX = 64 * 1024, AST_DEPTH_MAX = 400 };

/* Why a text was refused: a stable code, the byte it stands at (-1: none), a sentence. */
struct ast_trouble {
	const char *code; /* NULL: none */
	long offset;
	char what[200];
};

/* The first complaint stays. Always NULL, so that builders can return it. */
void *ast_no(struct ast_trouble *trouble, const char *code, long offset, const char *fmt, ...)
    PRINTF(4, 5);

enum ast_kind {
	AST_NULL,
	AST_BOOL,    /* name: true, false */
	AST_INT,     /* name: digits, perhaps with a minus; int4 */
	AST_DECIMAL, /* name: any other number as written */
	AST_STRING,  /* name: the decoded value */
	AST_PARAM,   /* number: $1 is 1 */
	AST_COLUMN,  /* name; table and schema when written */
	AST_STAR,    /* table and schema when written */
	AST_OP,      /* name; one or two args */
	AST_AND,
	AST_OR,
	AST_NOT,
	AST_IS_NULL,       /* negate */
	AST_IS_BOOL,       /* name: true, false, unknown; negate */
	AST_DISTINCT_FROM, /* negate: IS NOT DISTINCT FROM */
	AST_NULLIF,
	AST_IN,      /* args[0] among args[1..]; negate */
	AST_LIKE,    /* name: like, ilike, similar; negate; args: text, pattern */
	AST_BETWEEN, /* args: value, low, high; negate; number 1: SYMMETRIC */
	AST_ANY,     /* args[0] name ANY(args[1]) */
	AST_ALL,
	AST_CASE, /* when, result, ..., default (may be AST_NULL); left: the subject or NULL */
	AST_COALESCE,
	AST_GREATEST,
	AST_LEAST,
	AST_CAST,      /* cast */
	AST_COLLATE,   /* name, schema */
	AST_CALL,      /* name, schema, call */
	AST_EXISTS,    /* select */
	AST_SCALAR,    /* select: one column, at most one row */
	AST_ARRAY_OF,  /* select */
	AST_IN_SELECT, /* args[0] name ANY (select); number 1: ALL */
	AST_ROW,
	AST_ARRAY,
	AST_FIELD, /* (args[0]).name; name "*": all of them */
	AST_INDEX, /* args[0][args[1]] */
	AST_NOW,   /* name: current_date ... */
	AST_GROUPING,
	AST_GROUPING_SET, /* name: rollup, cube, sets, simple, empty */
	AST_DEFAULT,
};

struct ast_type_name {
	const char *schema, *name; /* "int4"; schema NULL or pg_catalog */
	int mods[2];
	size_t mod_count;
	bool array;
	bool setof;
};

struct ast_order {
	struct ast_expr *expr;
	bool descending;
	enum { NULLS_DEFAULT, NULLS_FIRST, NULLS_LAST } nulls;
};

struct ast_list {
	struct ast_expr **items;
	size_t count;
};

struct ast_window {
	const char *name, *refname; /* NULL: none */
	struct ast_list partition;
	struct ast_order *order;
	size_t order_count;
	bool framed;            /* a frame other than the default */
	struct ast_list bounds; /* expressions of the frame */
};

struct ast_call {
	bool star, distinct, within_group, variadic, named; /* named: f(a => 1) */
	struct ast_expr *filter;                            /* NULL: none */
	struct ast_order *order;
	size_t order_count;
	struct ast_window *over;             /* NULL: no window */
	const struct ast_function *function; /* resolved */
};

struct ast_expr {
	enum ast_kind kind;
	bool negate;
	long location;
	int64_t number;
	const char *name, *table, *schema;
	struct ast_expr **args;
	size_t argc;
	struct ast_expr *left; /* CASE's subject */
	struct ast_select *select;
	struct ast_call *call;
	struct ast_type_name *cast;
	/* resolved */
	struct pgtype type; /* kind KIND_UNKNOWN's plain type: an untyped literal */
	enum sql_collation collation;
	struct ast_source *source; /* AST_COLUMN, AST_STAR of one table; NULL: none */
	size_t column;             /* of the source */
	unsigned up;               /* AST_COLUMN: levels of query out; 0 is its own */
	bool whole_row;            /* AST_COLUMN that names a table */
};

struct ast_seen {
	struct ast_source *source;
	size_t column;
};

enum ast_from_kind { FROM_TABLE, FROM_QUERY, FROM_JOIN, FROM_FUNCTION };
enum ast_join_kind { JOIN_CROSS, JOIN_INNER, JOIN_LEFT, JOIN_RIGHT, JOIN_FULL };

struct ast_from {
	enum ast_from_kind kind;
	long location;
	const char *catalog, *schema, *name; /* FROM_TABLE, FROM_FUNCTION's first name */
	const char *alias;                   /* NULL: none */
	const char **alias_columns;
	size_t alias_column_count;
	bool lateral, only, sampled;
	struct ast_select *select; /* FROM_QUERY */
	enum ast_join_kind join;
	bool natural;
	const char **using_columns;
	size_t using_count;
	struct ast_expr *on; /* NULL: none */
	struct ast_from *left, *right;
	/* resolved */
	struct ast_source *source; /* FROM_TABLE, FROM_QUERY */
	struct ast_seen *seen;     /* the columns that * gives, in order */
	size_t seen_count;
};

struct ast_target {
	struct ast_expr *expr;
	const char *name; /* AS name; NULL: none */
};

struct ast_cte {
	const char *name;
	const char **columns;
	size_t column_count;
	long location;
	struct ast_statement *statement;
	bool recursive; /* it refers to itself; resolved */
	bool referred;  /* somebody reads it; resolved */
	/* resolved */
	const struct ast_output *outputs;
	size_t output_count;
};

struct ast_with {
	bool recursive;
	struct ast_cte *ctes;
	size_t count;
};

enum ast_set { SET_NONE, SET_UNION, SET_INTERSECT, SET_EXCEPT };

/* A result column: its name and type. */
struct ast_output {
	const char *name;
	struct pgtype type;
	enum sql_collation collation;
	struct ast_expr *expr; /* NULL: of a set operation or VALUES */
};

struct ast_select {
	long location;
	struct ast_with with;
	enum ast_set set; /* with left and right; the members up to values are then empty */
	bool set_all;
	struct ast_select *left, *right;
	bool distinct;
	struct ast_list distinct_on;
	struct ast_target *targets;
	size_t target_count;
	struct ast_from **from;
	size_t from_count;
	struct ast_expr *where;
	struct ast_list group;
	bool group_distinct;
	struct ast_expr *having;
	struct ast_window *windows;
	size_t window_count;
	struct ast_list *values; /* rows of VALUES */
	size_t value_count;
	struct ast_order *order;
	size_t order_count;
	struct ast_expr *limit, *offset;
	bool with_ties;
	bool locking;
	/* resolved */
	struct ast_output *outputs; /* stars expanded */
	size_t output_count;
	struct ast_source **sources; /* its own FROM, in order */
	size_t source_count;
	bool aggregates; /* an aggregate of this level stands in it */
	bool has_windows;
	bool correlated;
	bool arm;                /* of a set operation */
	struct ast_cte *own_cte; /* the recursive CTE that it defines */
};

enum ast_statement_kind {
	STATEMENT_SELECT,
	STATEMENT_INSERT,
	STATEMENT_UPDATE,
	STATEMENT_DELETE,
	STATEMENT_MERGE,
	STATEMENT_CREATE_AS, /* CREATE TABLE AS; SELECT INTO is refused */
	STATEMENT_DDL,
	STATEMENT_EXPLAIN,
	STATEMENT_SHOW,
};

struct ast_statement {
	enum ast_statement_kind kind;
	const char *tag; /* as people say it: "DROP TABLE" */
	long location;
	struct ast_select *select; /* SELECT, CREATE AS; what INSERT inserts (or NULL) */
	struct ast_with with;      /* of INSERT, UPDATE, DELETE, MERGE */
	struct ast_from **targets; /* tables written, dropped, altered, made */
	size_t target_count;
	struct ast_from **from; /* UPDATE's FROM, DELETE's and MERGE's USING */
	size_t from_count;
	struct ast_expr *where;
	struct ast_list exprs; /* every other expression: SET, ON CONFLICT, actions */
	struct ast_target *returning;
	size_t returning_count;
	bool conflict;
	struct ast_statement *inner; /* EXPLAIN */
	bool analyze;
	const struct ast_output *outputs; /* of RETURNING; resolved */
	size_t output_count;
	const char *setting; /* SHOW */
	long end;            /* bytes of the text that are the statement (without ';') */
};

/* One statement of a text, in the arena. false: *trouble says why; codes SYNTAX, EMPTY,
 * MULTI_STATEMENT, TOO_LARGE, TOO_DEEP, BAD_TEXT, UNSUPPORTED, STATEMENT_NOT_ALLOWED,
 * TYPE_NOT_ALLOWED, TABLE_FUNCTION. The text may be forgotten afterwards. */
bool ast_parse(struct slice text, struct arena *arena, struct ast_statement **ret_statement,
    struct ast_trouble *trouble);
/* A scalar expression, as row filters and masks are written. */
bool ast_parse_expr(struct slice text, struct arena *arena, struct ast_expr **ret_expr,
    struct ast_trouble *trouble);

/* Calls visit on the expression and all below it (not into subqueries, which visit sees
 * as nodes with a select) until it returns false; false then. expr may be NULL. */
typedef bool ast_visit(void *ctx, struct ast_expr *expr);
bool ast_walk(struct ast_expr *expr, ast_visit *visit, void *ctx);
/* Every expression of a SELECT itself: targets, WHERE, ON, ... */
bool ast_walk_select(struct ast_select *select, ast_visit *visit, void *ctx);

/* The same expression by structure, names resolved. */
bool ast_same(const struct ast_expr *a, const struct ast_expr *b);

#endif
