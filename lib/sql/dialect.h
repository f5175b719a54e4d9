/* SPDX-License-Identifier: Apache-2.0 */
/* dialect.h -- a resolved SELECT as SQL of the engine that is to answer it.
 *
 * Every node is written exactly, rewritten into something that means the same, or
 * refused: what cannot be proved to give Postgres' answer is not sent. Names are
 * quoted and qualified by aliases of our own, stars stand expanded, literals are
 * written from their decoded values. Filters and masks stand at the scan of the
 * table, so that nothing around them can see what they hide.
 *
 * A parameter is written as $n and its place noted: a hole. dialect_fill() reads the
 * parameter's text as Postgres' input of the deduced type would and writes that value
 * into the hole by the very functions that write literals. No byte of a parameter gets
 * into SQL but by them: numbers, dates, truths and uuids are printed from binary values,
 * and a text's quotes (and backslashes, where they escape) are doubled, so a parameter
 * is one literal whatever it holds. What cannot be written exactly is refused, and the
 * text with its holes, which is what plans keep, holds no values at all. */
#ifndef SQL_DIALECT_H
#define SQL_DIALECT_H

#include "base/buf.h"
#include "base/err.h"
#include "sql/scope.h"

enum sql_dialect { DIALECT_POSTGRES, DIALECT_CLICKHOUSE, DIALECT_TRINO, DIALECT_DUCKDB };

enum {
	DIALECT_SQL_MAX = 1 << 20,
	DIALECT_FILLED_MAX = 192 << 10 /* ClickHouse reads 256 KiB and no more */
};

/* What a table is to the engine and to this principal. */
struct dialect_scan {
	const char *const *path; /* "thm", "users_current" */
	size_t path_count;
	struct slice rows; /* in place of a path: "(SELECT ...)" in the dialect; p NULL: none */
	const struct ast_expr *filter;       /* NULL: every row */
	const struct ast_expr *const *masks; /* by column of the table; NULL: none */
};

/* What is left to be done with an engine's rows: its avg is not Postgres', so it gives the
 * sum and the count, and expressions over what it gives make the results. */
struct dialect_result {
	bool computed;
	size_t at; /* the column on the wire, or the expression's first byte in texts */
};
struct dialect_finish {     /* zeroed by the caller, whose buffers they are */
	struct buf wires;   /* struct pgtype of each column w1, w2, ... that the engine gives */
	struct buf results; /* struct dialect_result of each; empty: rows come as they are */
	struct buf texts;   /* the expressions in Postgres' SQL, each with its NUL */
};

/* What a place asks of a parameter besides its type. */
enum dialect_need {
	NEED_VALUE,
	NEED_EQUAL,   /* of a numeric: what its type can hold (dialect_holds) */
	NEED_DIVISOR, /* neither 0 nor -1 */
	NEED_COUNT,   /* of rows or characters: from 0 */
	NEED_PLACE,   /* from 1 */
	NEED_PATTERN, /* of LIKE, where dialects agree */
	NEED_LINE,    /* in no dialect: a line of its own, as it is (plan_board.c) */
};

struct dialect_hole {
	size_t at, len; /* of "$n" in the text */
	size_t param;   /* from 0 */
	enum dialect_need need;
	struct pgtype type;
	struct pgtype like; /* a numeric: what it is compared with; typmod -1: no matter */
};

struct dialect {
	enum sql_dialect dialect;
	unsigned version;              /* major; 0: the newest */
	struct dialect_finish *finish; /* NULL: what needs one is refused */
	struct buf *holes; /* struct dialect_hole of each, in order; NULL: $n is refused */
	void *ctx;
	void (*scan)(void *ctx, const struct sql_table *table, struct dialect_scan *ret_scan);
};

/* Appends to out. The results are named as the query names them in Postgres, c1, c2, ...
 * elsewhere, and w1, w2, ... when there is something to finish. false: *trouble with code
 * CANNOT_EXPRESS, the place and what it is. */
bool dialect_emit(const struct dialect *dialect, const struct ast_select *select,
    struct buf *out, struct ast_trouble *trouble);

/* The text with its holes filled, behind what is in out. params: texts, p NULL: NULL.
 * REJECT: a text that is none of the type's (22P02, 22003, 22007, 22008), as Postgres says
 * it, or that Postgres might still read (dates in words); 0A000: a value that the dialect
 * does not hold. arena: scratch; RETRY when it is full. */
enum fate dialect_fill(enum sql_dialect dialect, struct slice sql,
    const struct dialect_hole *holes, size_t count, const struct slice *params,
    struct arena *arena, struct buf *out, struct err *err) NODISCARD;

/* "name" with the dialect's quotes. */
void dialect_name(struct buf *out, enum sql_dialect dialect, const char *name);
/* 'text' so that the dialect reads these very bytes. */
void dialect_text(struct buf *out, enum sql_dialect dialect, const char *text);

#endif
