/* SPDX-License-Identifier: Apache-2.0 */
/* from.h -- the FROM clause: one fact, dimensions joined on their unique keys.
 *
 * Fills compiler.sources; each ON or USING becomes the dimension's key columns and
 * the expressions they equal. What is no such join is refused. Private to lib/sql. */
#ifndef SQL_FROM_H
#define SQL_FROM_H

#include "sql/tree.h"

bool sql_from(struct sql_compiler *c, const json_t *from_clause);

/* Names in a FROM clause before any catalogue; false after a refusal. */
bool sql_from_names(struct sql_compiler *c, const json_t *from_clause,
    bool (*each)(void *arg, const char *schema, const char *name), void *arg);

#endif
