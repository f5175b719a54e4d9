/* SPDX-License-Identifier: Apache-2.0 */
/* mirror.h -- the changes of one captured table as records, without an enrich step.
 *
 * Types come from Postgres' catalogue at start; a record's version is its own offset
 * under the generation. Unchanged TOAST values are taken from before, else Postgres is
 * asked for the row; when it is gone the record becomes a delete, which its own d
 * follows. A column that Postgres has got since makes the worker start again. Refused:
 * a table without a primary key, and an identity that a delete does not tell. */
#ifndef WORK_MIRROR_H
#define WORK_MIRROR_H

#include "link/kafka.h"
#include "link/pg.h"
#include "wire/change.h"
#include "work/pipeline.h"

struct mirror;

/* Borrows table and pg. RETRY: Postgres cannot be reached. HALT with code CONFIG. */
enum fate mirror_open(struct pg *pg, const struct pipeline_clickhouse *conf,
    const struct pipeline_table *table, struct mirror **ret_mirror, struct err *err) NODISCARD;
void mirror_free(struct mirror *mirror); /* accepts NULL */

/* The fields of its records, and those of them that place a row. */
size_t mirror_fields(const struct mirror *mirror, const struct row_column **ret_fields);
bool mirror_field_not_null(const struct mirror *mirror, size_t field);
const struct pipeline_list *mirror_identity(const struct mirror *mirror);

/* Fills a record, its text on the heap; *ret_skip: there is nothing to write. REJECT:
 * the message. RETRY: Postgres must be asked and does not answer. HALT: a truncate, or
 * the table is not what it was (code RESTART). */
enum fate mirror_read(struct mirror *mirror, const struct kafka_message *message,
    struct record *ret_record, bool *ret_skip, struct err *err) NODISCARD;

#endif
