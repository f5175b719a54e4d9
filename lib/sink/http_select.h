/* SPDX-License-Identifier: Apache-2.0 */
/* http_select.h -- a body of one's own: a SQL select list over the enriched row.
 *
 * Beside the row's columns the list may name sluice_op, sluice_id, sluice_table (text),
 * sluice_ts (timestamptz) and sluice_version (bigint). Of a deleted row the key's columns
 * are there and the others NULL. Owns the compiled list and the memory of one row; columns
 * are borrowed. A row that is not decoded or that the SQL refuses is a REJECT. */
#ifndef SINK_HTTP_SELECT_H
#define SINK_HTTP_SELECT_H

#include "base/buf.h"
#include "wire/change.h"
#include "wire/record.h"

struct http_select;

/* HALT (CONFIG): the list does not compile. */
enum fate http_select_new(const char *list, const struct row_column *columns,
    size_t column_count, struct http_select **ret_select, struct err *err) NODISCARD;
void http_select_free(struct http_select *select); /* accepts NULL */

/* Appends the JSON object that the list makes of the record. */
enum fate http_select_write(struct http_select *select, const struct record *record,
    struct buf *out, struct err *err) NODISCARD;

#endif
