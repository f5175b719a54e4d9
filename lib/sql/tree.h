/* SPDX-License-Identifier: Apache-2.0 */
/* tree.h -- the typed expression tree, and the compiler that builds it.
 *
 * Nodes live in the query's arena and are immutable once built, but for the slot
 * that emission gives them. Every builder returns NULL after it has put its
 * refusal, with a place, into compiler.err. Private to lib/sql. */
#ifndef SQL_TREE_H
#define SQL_TREE_H

#include <jansson.h>

#include "sql/function.h"
#include "sql/parse.h"
#include "sql/program.h"
#include "sql/type.h"

enum sql_node_kind {
	NODE_CONST,
	NODE_COLUMN,
	NODE_CALL,
	NODE_CASE, /* when, result, when, result, ..., default */
	NODE_COALESCE,
	NODE_NULLIF,   /* equality call, first argument */
	NODE_DISTINCT, /* equality call, left, right */
	NODE_MINMAX,   /* pairs of arguments and "is better" calls, see emit.c */
	NODE_AND,
	NODE_OR,
	NODE_NOT,
	NODE_IS_NULL,
	NODE_IS_BOOL, /* value: what it is compared with */
	NODE_RELABEL, /* another type or typmod, the same value */
};

struct sql_node {
	enum sql_node_kind kind;
	struct pgtype type;
	enum sql_collation collation;
	bool collation_explicit;
	bool negate;        /* IS NOT ..., NOT DISTINCT */
	const char *domain; /* its name: the typmod shows only where the value stands alone */
	long location;
	struct sql_node **args;
	size_t argc;
	const char *name; /* NODE_CALL of a table's row: its name */
	sql_fn *fn;
	const struct sql_extra *extra;
	bool loose;
	struct value value; /* NODE_CONST, NODE_IS_BOOL */
	size_t source,
	    column;  /* NODE_COLUMN: column of the table, before the used ones are known */
	bool shared; /* emitted once, by the first that needs it */
	bool emitted;
	uint16_t slot;
};

/* A table in FROM. */
struct sql_scope_source {
	const struct sql_table *table;
	const char *alias; /* or the table's name */
	bool aliased;
	enum sql_join join;
	long location;
	bool *used;         /* by table column */
	size_t *row_column; /* table column -> used column, once settled */
	bool *merged;       /* columns that USING took into an earlier source's */
	/* the key: table columns and the expressions they are equal to */
	size_t key_count;
	size_t key_columns[SQL_KEY_COLUMNS_MAX];
	struct sql_node *key_exprs[SQL_KEY_COLUMNS_MAX];
	bool needed;
};

struct sql_compiler {
	const struct sql_catalog *catalog; /* NULL: expressions over a record */
	struct slice text;
	struct arena *arena;
	struct err *err;
	struct sql_scope_source sources[SQL_SOURCES_MAX];
	size_t source_count;
	const struct row_column *record; /* expressions: the input row */
	size_t record_count;
	const struct sql_catalog_case *cases; /* in the arena; NULL: not known */
	unsigned depth;
	bool keep_call; /* sql_operator() gives its call, even one over constants */
	long origin;    /* where text begins in what was parsed */
};

void *sql_alloc(struct sql_compiler *c, size_t len); /* cleared */
const char *sql_keep(struct sql_compiler *c, const char *text);
struct sql_node *sql_node_new(
    struct sql_compiler *c, enum sql_node_kind kind, struct pgtype type, long location);
struct sql_node *sql_const(
    struct sql_compiler *c, struct pgtype type, struct value value, long location);
/* Always NULL: the refusal is in c->err. */
struct sql_node *sql_no(struct sql_compiler *c, long location, const char *fmt, ...)
    PRINTF(3, 4);
/* "integer", "character varying(3)"; in one of four static buffers of the thread. */
const char *sql_type_words(struct pgtype type);

/* expr.c: a parser's node to a typed one. */
struct sql_node *sql_expr(struct sql_compiler *c, const json_t *node);
int64_t sql_int_const(const struct sql_compiler *c, const json_t *body);
struct sql_node *sql_expr_bool(struct sql_compiler *c, const json_t *node, const char *what);

/* fold.c: node or what it comes to; node may be NULL. */
struct sql_node *sql_fold(struct sql_compiler *c, struct sql_node *node);

/* names.c */
struct sql_node *sql_column_ref(struct sql_compiler *c, const json_t *body);
struct sql_node *sql_column(
    struct sql_compiler *c, size_t source, size_t column, long location);

/* special.c: CASE, COALESCE, NULLIF, GREATEST, LEAST, BETWEEN, IN, IS DISTINCT. */
struct sql_node *sql_case(struct sql_compiler *c, const json_t *body);
struct sql_node *sql_coalesce(struct sql_compiler *c, const json_t *body);
struct sql_node *sql_minmax(struct sql_compiler *c, const json_t *body);
struct sql_node *sql_nullif(struct sql_compiler *c, const json_t *body);
struct sql_node *sql_distinct(struct sql_compiler *c, const json_t *body, bool negate);
struct sql_node *sql_between(struct sql_compiler *c, const json_t *body, const char *kind);
struct sql_node *sql_in(struct sql_compiler *c, const json_t *body);

/* call.c: operators and functions by name and argument types. */
struct sql_node *sql_operator(struct sql_compiler *c, const char *name, struct sql_node *left,
    struct sql_node *right, long location);
struct sql_node *sql_fold_call(struct sql_compiler *c, struct sql_node *call);
struct sql_node *sql_func_call(struct sql_compiler *c, const json_t *body);
struct sql_node *sql_call_node(struct sql_compiler *c, sql_fn *fn, struct pgtype type,
    struct sql_node **args, size_t argc, const struct sql_extra *extra, bool loose,
    long location);

/* variadic.c: concat, concat_ws and what else takes any number of any type. */
bool sql_variadic_name(const char *name);
struct sql_node *sql_variadic(struct sql_compiler *c, const char *name, struct sql_node **args,
    size_t argc, long location);

/* coerce.c */
struct sql_node *sql_coerce(struct sql_compiler *c, struct sql_node *node, struct pgtype to,
    enum sql_cast_context context);
bool sql_common_type(struct sql_compiler *c, struct sql_node **nodes, size_t count,
    const char *what, struct pgtype *ret_type);
int32_t sql_common_typmod(struct sql_node **nodes, size_t count);
struct sql_node *sql_type_cast(struct sql_compiler *c, const json_t *body);
struct sql_node *sql_as_text(struct sql_compiler *c, struct sql_node *node);
/* A domain's column as its base type without typmod; others unchanged. */
struct sql_node *sql_plain(struct sql_compiler *c, struct sql_node *node);
bool sql_same_type(struct pgtype a, struct pgtype b);

/* emit.c */
uint16_t sql_emit(struct sql_program *program, struct sql_compiler *c, struct sql_node *node);

#endif
