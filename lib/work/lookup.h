/* SPDX-License-Identifier: Apache-2.0 */
/* lookup.h -- rows of one table by key, many keys in one statement.
 *
 * The statement is made once from the query's source: its used columns, found by
 * its unique key with = ANY($1) (several key columns: joined to unnest). Values travel
 * as parameters only. Answers come as a batch-long table of key -> row or "absent". */
#ifndef WORK_LOOKUP_H
#define WORK_LOOKUP_H

#include "link/pg.h"
#include "sql/query.h"
#include "work/dimension.h"

struct lookup;

struct lookup *lookup_new(const struct sql_source *source); /* borrows the source */
void lookup_free(struct lookup *lookup);
const char *lookup_sql(const struct lookup *lookup);

/* Wants the row of key[key_count]; wanting it twice costs nothing. */
void lookup_want(struct lookup *lookup, const struct value *key);
size_t lookup_wanted(const struct lookup *lookup);

/* Asks for all that is wanted; answers are in the table until lookup_reset. RETRY:
 * Postgres is gone or busy, nothing is lost, call again. */
enum fate lookup_fetch(
    struct lookup *lookup, struct pg *pg, struct arena *arena, struct err *err) NODISCARD;

/* After a fetch, of a key that was wanted. */
enum dimension_answer lookup_get(
    struct lookup *lookup, const struct value *key, struct arena *arena, struct value *ret_row);
void lookup_reset(struct lookup *lookup);

/* pg_current_snapshot() of the oldest statement of the last fetch. */
struct slice lookup_snapshot(const struct lookup *lookup);

/* The packed form of a key, for caches; valid until the next call. */
struct slice lookup_key(struct lookup *lookup, const struct value *key);

#endif
