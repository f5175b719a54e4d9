/* SPDX-License-Identifier: Apache-2.0 */
/* change_parts.h -- where the members of a Debezium event stand in its text.
 *
 * Between the strict pass over the text, or a known shape of it (change_reader.c), and
 * change.c, which says what the members mean. Only theirs. The slices are raw JSON
 * values that borrow from the text, p NULL when the member is missing. */
#ifndef WIRE_CHANGE_PARTS_H
#define WIRE_CHANGE_PARTS_H

#include "wire/change.h"
#include "wire/json_scan.h"
#include "wire/json_shape.h"

struct parts_source {
	struct json_picked self;
	struct slice lsn, tx_id, sequence, ts_ms, ts_us, ts_usec, snapshot, schema, table;
	struct slice ignored;
};

struct parts_envelope {
	struct json_picked self; /* known: those that an envelope or a control event has */
	struct slice before, after, op, source_raw, message;
	struct slice schema, payload_raw;
	struct slice status, id, event_count, collections, ts_ms;
	struct slice ignored; /* an envelope's, and of no use here */
	/* what ExtractNewRecordState adds to a row */
	struct slice row_op, row_deleted, row_lsn, row_tx_id, row_ts_ms, row_schema, row_table;
	struct parts_source source;
};

/* With a wrapper, inner is its payload. */
struct change_parts {
	struct parts_envelope outer, inner;
};

/* REJECT with the byte offset when text is not JSON; ret_parts starts zeroed. */
enum fate change_parts_scan(
    struct slice text, struct change_parts *ret_parts, struct err *err) NODISCARD;

/* The slices that are set, those of no use left out; no more than CHANGE_SLICES_MAX. */
enum { CHANGE_SLICES_MAX = 96 };
size_t change_parts_slices(
    struct change_parts *parts, struct slice *ret_slices[CHANGE_SLICES_MAX]);

/* Whether the event stands in a {"schema","payload"} wrapper. */
static inline bool
change_parts_wrapped(const struct change_parts *parts)
{
	return parts->outer.self.count == 2 && parts->outer.schema.p &&
	       parts->outer.payload_raw.p;
}

/* The shape of the event that a reader has read last: two with the same number have the
 * same names in the same order. 0: it was not known. */
uint32_t change_reader_shape(
    const struct change_reader *reader, const struct json_ends **ret_ends);

/* What the parts of one event say. */
enum fate change_of_parts(
    const struct change_parts *parts, struct change *ret_change, struct err *err) NODISCARD;

#endif
