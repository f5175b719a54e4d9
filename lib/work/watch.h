/* SPDX-License-Identifier: Apache-2.0 */
/* watch.h -- are the columns that the query uses still what they were at the start?
 *
 * A column that is dropped, renamed or given another type changes what the query means,
 * and an event without a schema shows little of it. So the catalogue is asked again when
 * an event cannot be read, when a lookup is refused, and every WATCH_MS while records
 * come: a change is a HALT that names the column and where in the stream it was noticed.
 * Columns that the query does not use are not looked at. */
#ifndef WORK_WATCH_H
#define WORK_WATCH_H

#include "link/pg.h"
#include "sql/query.h"
#include "work/enrich_item.h"

enum { WATCH_MS = 10000 };

struct watch;

/* Remembers what the columns are now; borrows the query. RETRY: Postgres is away. */
enum fate watch_open(struct pg *pg, const struct sql_query *query, struct watch **ret_watch,
    struct err *err) NODISCARD;
void watch_free(struct watch *watch); /* accepts NULL */

/* item: the record at hand. RETRY: Postgres is away. */
enum fate watch_check(struct watch *watch, struct pg *pg, const struct item *item,
    int64_t mono_ms, struct err *err) NODISCARD;
bool watch_due(const struct watch *watch, int64_t mono_ms);

/* After a lookup's HALT in err: when a column is the reason, err says that instead. */
void watch_explain(
    struct watch *watch, struct pg *pg, const struct item *item, struct err *err);

#endif
