/* SPDX-License-Identifier: Apache-2.0 */
/* select.h -- the select list: stars expanded, columns named as Postgres names them,
 * and the clauses that are refused. Private to lib/sql. */
#ifndef SQL_SELECT_H
#define SQL_SELECT_H

#include "sql/tree.h"

enum { SQL_RESULTS_MAX = 1664 }; /* as in Postgres */

struct sql_result {
	const char *name;
	struct sql_node *node;
};

/* False after a refusal of a clause that is outside the subset. */
bool sql_select_clauses(struct sql_compiler *c, const json_t *select);
/* False after a refusal. The results are in the arena. */
bool sql_select_list(struct sql_compiler *c, const json_t *targets,
    struct sql_result **ret_results, size_t *ret_count);

#endif
