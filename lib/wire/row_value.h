/* SPDX-License-Identifier: Apache-2.0 */
/* row_value.h -- one field of a Debezium row, from JSON to a value.
 *
 * The column's Postgres type says what comes out; the encoding (from a schema) or,
 * without one, the type and the JSON say how it stands there. Every mode of
 * Debezium's temporal, decimal and binary handling is read. What cannot be that
 * type is REJECT; a full arena is RETRY with code 53200. */
#ifndef WIRE_ROW_VALUE_H
#define WIRE_ROW_VALUE_H

#include "base/arena.h"
#include "base/err.h"
#include "wire/change.h"
#include "wire/placeholder.h"
#include "wire/row_schema.h"
#include "wire/value.h"

/* How a connector is set, as far as the JSON does not say it. */
struct row_context {
	const struct placeholder *placeholder;
	enum row_binary binary;
};

/* raw is a checked JSON value. What *ret_value holds after a refusal says nothing. */
enum fate row_value_read(const struct row_context *context, struct pgtype type,
    struct encoding encoding, struct slice raw, struct arena *arena, struct value *ret_value,
    struct err *err) NODISCARD;

/* Times and intervals (row_time.c), other than text. raw is a number or an object. */
enum fate row_time_read(struct pgtype type, struct encoding encoding, struct slice raw,
    struct value *ret_value, struct err *err) NODISCARD;

/* REJECT: the JSON cannot be the type. */
enum fate row_value_wrong(struct pgtype type, struct slice raw, struct err *err);

#endif
