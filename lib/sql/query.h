/* SPDX-License-Identifier: Apache-2.0 */
/* query.h -- a Postgres SELECT as a program over one row and its dimensions.
 *
 * Compiled once from the text and the catalogue; typed by Postgres' own rules.
 * Anything outside the subset (design: one fact, joins on unique keys, WHERE, a
 * select list of scalar expressions) is refused with "line:column: sentence".
 * Running allocates only from the arena. A query owns what its accessors return,
 * and does not borrow from the catalogue or the text. One thread per query. */
#ifndef SQL_QUERY_H
#define SQL_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "sql/catalog.h"
#include "wire/change.h"
#include "wire/value.h"

enum { SQL_TEXT_MAX = 64 * 1024, SQL_SOURCES_MAX = 16, SQL_KEY_COLUMNS_MAX = 8 };

struct sql_query;

/* A table as the text writes it. schema is NULL when not written. */
struct sql_table_name {
	const char *schema, *name;
};
struct sql_tables {
	struct sql_table_name names[SQL_SOURCES_MAX];
	size_t count;
	char *memory; /* holds the names */
};
/* The tables a text refers to, before any catalogue is there; each once, the fact
 * first. HALT with place and sentence on what does not parse or is no SELECT. */
enum fate sql_query_tables(
    struct slice text, struct sql_tables *ret_tables, struct err *err) NODISCARD;
void sql_tables_free(struct sql_tables *tables);

/* HALT with "line:column: sentence" on anything outside the subset or wrong. */
enum fate sql_query_compile(const struct sql_catalog *catalog, struct slice text,
    struct sql_query **ret_query, struct err *err) NODISCARD;
void sql_query_free(struct sql_query *query); /* accepts NULL */

enum sql_join { SQL_FACT, SQL_LEFT, SQL_INNER };

struct sql_source {
	const char *schema, *table, *alias;
	enum sql_join join;
	/* The columns the query uses (with the key's), in the order of the rows[] values. */
	const struct row_column *columns;
	size_t column_count;
	/* Indexes into columns. Of a dimension: the unique key it is looked up by, in the
	 * order of sql_query_key()'s values, which have the types of those columns. Of the
	 * fact: its primary key (or first usable unique key); 0 when it has none. */
	const size_t *key;
	size_t key_count;
	/* Does any column but the key matter (a LEFT JOIN whose columns are never used
	 * needs no lookup)? */
	bool needed;
};
/* A place in the text, from 1; 0:0 when it has none. */
struct sql_place {
	unsigned line, column;
};
/* Where FROM names the source's table, and where result i stands. */
struct sql_place sql_query_source_place(const struct sql_query *query, size_t source);
struct sql_place sql_query_result_place(const struct sql_query *query, size_t result);
/* Source 0 is the fact; dimensions follow in join order. A query without FROM has none. */
size_t sql_query_source_count(const struct sql_query *query);
const struct sql_source *sql_query_source(const struct sql_query *query, size_t source);

/* Result columns: name and type (typmod as a PREPARE reports it). */
size_t sql_query_result_count(const struct sql_query *query);
const struct row_column *sql_query_results(const struct sql_query *query);
/* Result i is source s's column c as it stands (c indexes sql_source.columns); false
 * for any other expression. */
bool sql_query_result_origin(
    const struct sql_query *query, size_t result, size_t *ret_source, size_t *ret_column);

/* Part i of a dimension's key (source >= 1) is an earlier source's column as it stands;
 * false for any other expression. */
bool sql_query_key_origin(const struct sql_query *query, size_t source, size_t part,
    size_t *ret_source, size_t *ret_column);

/* What the live Postgres says of the same text (PQfname, PQftype, PQfmod after a
 * PREPARE). HALT names the first column that differs and how. */
struct sql_described {
	const char *name;
	uint32_t oid;
	int32_t typmod;
};
enum fate sql_query_result_text_check(const struct sql_query *query,
    const struct sql_described *columns, size_t count, struct err *err) NODISCARD;

/* rows[source]: the values of that source's used columns; NULL when a dimension has
 * no such row (its columns are then NULL). A value may not be UNSET. */
struct sql_env {
	const struct value *const *rows;
};

/* Values to look a dimension up by (source >= 1; the rows of earlier sources are in
 * env): ret_key[key_count]. *ret_null: some part is NULL (or cannot equal any value
 * of the column's type): no partner, no lookup. REJECT as below. */
enum fate sql_query_key(struct sql_query *query, size_t source, const struct sql_env *env,
    struct arena *arena, struct value *ret_key, bool *ret_null, struct err *err) NODISCARD;

/* ret_out[result_count] and whether the row passes (WHERE is true, every INNER JOIN has
 * its partner); ret_out is untouched when it does not. REJECT: the error that
 * Postgres would raise, err.code its SQLSTATE and err.what its wording. RETRY: arena full. */
enum fate sql_query_run(struct sql_query *query, const struct sql_env *env, struct arena *arena,
    struct value *ret_out, bool *ret_passes, struct err *err) NODISCARD;

/* Scalar expressions over one input row (env.rows[0], in the order of columns): the
 * leaderboard's member, at and score; no joins, no WHERE. */
struct sql_exprs;
enum fate sql_exprs_compile(const struct row_column *columns, size_t column_count,
    const char *const *texts, size_t count, struct sql_exprs **ret_exprs,
    struct err *err) NODISCARD;
/* A select list over that row: each expression has a name, a column's own or by AS. */
enum fate sql_list_compile(const struct row_column *columns, size_t column_count,
    const char *list, struct sql_exprs **ret_exprs, struct err *err) NODISCARD;
void sql_exprs_free(struct sql_exprs *exprs); /* accepts NULL */
size_t sql_exprs_count(const struct sql_exprs *exprs);
const char *sql_exprs_name(const struct sql_exprs *exprs, size_t expr); /* of a list */
struct pgtype sql_exprs_type(const struct sql_exprs *exprs, size_t expr);
/* ret_used[column_count]: the columns that any expression reads. */
void sql_exprs_used(const struct sql_exprs *exprs, bool *ret_used);
enum fate sql_exprs_run(struct sql_exprs *exprs, const struct sql_env *env, struct arena *arena,
    struct value *ret_out /* count */, struct err *err) NODISCARD;

/* The most digits after the point that an expression's exact result can have: 0 for
 * integers, 1 for a CASE over 1, 0.2 and 0. -1: not exact or not bounded (floats,
 * a division without a cast, a numeric column without typmod). */
int sql_expr_scale(const struct sql_exprs *exprs, size_t expr);

#endif
