/* SPDX-License-Identifier: Apache-2.0 */
/* describe.h -- an event as a line for people and tests: sluicectl decode.
 *
 * One JSON object for any input. A change: {"op","key"?,"before","after","unset",
 * "lsn","ts_ms"} with values as Postgres prints them: numbers as numbers, bool as
 * true and false, arrays as arrays, all else as strings. Types come from the caller
 * or from the event's schema; without either a value stands as its JSON does, and
 * "typed":false says so. What has no op is {"op":null,"kind":"tombstone"|"control"}.
 * Columns that are not known are listed in unset instead of shown, and so are those
 * that the caller knows and the row lacks. A bad
 * event is {"error":{"stage","class","message"}}: there is no failure. */
#ifndef WIRE_DESCRIBE_H
#define WIRE_DESCRIBE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "wire/change.h"

/* Types that the caller knows; an empty list: only the schema's. */
struct describe_types {
	const struct row_column *columns;
	size_t count;
};

/* Appends one line without its end. value.p NULL is a tombstone; key.p NULL: no
 * key is shown. The arena holds decoded values for the while. */
void describe_event(struct buf *out, struct slice key, struct slice value,
    struct describe_types types, struct arena *arena);

/* {"error":{...}}, for other stages too. */
void describe_error(struct buf *out, const char *stage, const char *class, const char *message);

#endif
