/* SPDX-License-Identifier: Apache-2.0 */
/* signal.h -- rows of Debezium's signal table: "send these rows of this table once more".
 *
 * Each asks for an incremental snapshot of the rows that a condition in SQL names; Debezium
 * sends them as r, in their own partitions and in stream order, while everything runs. Format
 * of the row: Debezium 3.3 documentation, "Sending signals to a Debezium connector". */
#ifndef WORK_SIGNAL_H
#define WORK_SIGNAL_H

#include "base/buf.h"
#include "link/pg.h"
#include "sql/type.h"

/* The statement for the connector's signal.data.collection, SCHEMA.TABLE; heap. HALT: it is
 * none, code CONFIG. */
enum fate signal_statement(
    const char *signal_table, char **ret_statement, struct err *err) NODISCARD;

/* table: SCHEMA.TABLE. An id that stands there already asks for nothing. */
struct signal {
	const char *id, *table;
	struct slice condition;
};
enum fate signal_send(struct pg *pg, const char *statement, const struct signal *signal,
    struct err *err) NODISCARD;

/* 'text'::type, for a condition. standard_conforming_strings is on (the default since 9.1). */
void signal_put_literal(struct buf *out, struct slice text, struct pgtype type);

#endif
