/* SPDX-License-Identifier: Apache-2.0 */
/* try.h -- sluicectl try: a pipeline's SQL over events as lines, without Kafka.
 *
 * Each line comes out as the enriched record that enrich would produce, {"topic",
 * "key","value","headers"} with a null value for a tombstone, as {"skipped":why}, or
 * as {"error":{"stage","class","message"}}; a bad line is never the end. Dimensions
 * (and facts whose TOAST values an event lacks) come from the live Postgres, or from
 * a file of rows: {"public.content":[{"id":"...",...},...]} with values as Postgres
 * prints them. A line is partition 0's next offset. */
#ifndef CTL_TRY_H
#define CTL_TRY_H

#include "link/pg.h"
#include "work/enrich_item.h"
#include "work/enrich_plan.h"
#include "work/lines.h"

struct try;

/* One of pg and dims_file; borrows the plan. HALT: the file is wrong, with the place. */
enum fate try_open(struct enrich_plan *plan, struct pg *pg, const char *dims_file,
    struct try **ret_try, struct err *err) NODISCARD;
void try_close(struct try *try); /* accepts NULL */

/* Appends what becomes of one event, without a line end. RETRY or HALT: the live
 * Postgres failed. */
enum fate try_event(struct try *try, struct slice key, struct slice value, int64_t offset,
    struct buf *out, struct err *err) NODISCARD;

/* All that enrich does between a message and its record, for an item whose message is set:
 * what stands in it is good until the next call. as_now: with the values of the row as it is
 * now, and a delete when it is gone. Dimensions are asked for anew. As try_event. */
enum fate try_item(struct try *try, struct item *item, bool as_now, struct err *err) NODISCARD;

/* Until the end of lines. */
enum fate try_run(struct try *try, struct lines *lines, FILE *out, struct err *err) NODISCARD;

/* A SELECT without FROM: its row as the enriched topic would hold it, or {} when WHERE
 * is not true. HALT with place: not in the subset. REJECT with SQLSTATE: what Postgres
 * would raise. */
enum fate try_select(const char *sql, struct buf *out, struct err *err) NODISCARD;

#endif
