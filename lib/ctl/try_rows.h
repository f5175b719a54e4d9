/* SPDX-License-Identifier: Apache-2.0 */
/* try_rows.h -- the rows of a query's tables from a file, by their keys. */
#ifndef CTL_TRY_ROWS_H
#define CTL_TRY_ROWS_H

#include "work/enrich_plan.h"

struct try_rows {
	struct dimension *tables[SQL_SOURCES_MAX]; /* by source; everything is known */
	bool listed[SQL_SOURCES_MAX];              /* the file has a list for it */
};

enum fate try_rows_read(const char *path, struct enrich_plan *plan, struct try_rows *ret_rows,
    struct err *err) NODISCARD;
void try_rows_finish(struct try_rows *rows);

/* NULL: there is no such row. The row lives in the arena. */
const struct value *try_rows_find(struct try_rows *rows, struct enrich_plan *plan,
    size_t source, const struct value *key, struct arena *arena);

#endif
