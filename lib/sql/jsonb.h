/* SPDX-License-Identifier: Apache-2.0 */
/* jsonb.h -- json and jsonb as texts: what jsonb_in makes of a text, equality, and the
 * operators that take parts out.
 *
 * A jsonb value here is the text that Postgres prints for it, so a part of it is a
 * slice. Rules: src/backend/utils/adt/jsonb.c of PostgreSQL 15: keys by length, then
 * bytes; of duplicates the last; numbers as numeric prints them. Private to lib/sql. */
#ifndef SQL_JSONB_H
#define SQL_JSONB_H

#include "sql/function.h"

enum fate json_from_text(const struct sql_call *call, struct slice text); /* checked only */
enum fate jsonb_from_text(const struct sql_call *call, struct slice text);
bool jsonb_equal(const struct sql_call *call, struct slice a, struct slice b);
/* A raw JSON string, decoded; REJECT when it holds \\u0000 or half a surrogate pair. */
enum fate jsonb_decode(const struct sql_call *call, struct slice raw, struct slice *ret_text);
void jsonb_quote(struct buf *out, struct slice text); /* as Postgres escapes */
sql_fn jsonb_to_scalar;                               /* jsonb -> bool or a number */

#endif
