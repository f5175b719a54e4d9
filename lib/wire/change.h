/* SPDX-License-Identifier: Apache-2.0 */
/* change.h -- one Debezium event, read lazily.
 *
 * change_read() finds the envelope's fields and leaves before and after as JSON
 * text; row_read() then takes just the columns that a query asks for. With or
 * without the {"schema","payload"} wrapper, or already unwrapped. Nothing is
 * built that was not asked for; slices borrow from the message. Formats: Debezium
 * 3.3 documentation (postgresql.adoc) and Kafka Connect's JsonConverter. */
#ifndef WIRE_CHANGE_H
#define WIRE_CHANGE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "wire/value.h"

enum change_kind {
	CHANGE_ROW,       /* op is c, u, d or r */
	CHANGE_TRUNCATE,  /* op t */
	CHANGE_TOMBSTONE, /* null value */
	CHANGE_OTHER,     /* heartbeat, logical message m, transaction BEGIN/END */
};

enum change_snapshot { SNAPSHOT_NO, SNAPSHOT_INITIAL, SNAPSHOT_INCREMENTAL };

struct change {
	enum change_kind kind;
	char op;             /* c u d r t m; 0 when the event has none */
	struct slice before; /* JSON object; p NULL when null or missing */
	struct slice after;
	struct slice schema; /* the value's schema object; p NULL without schemas */
	bool unwrapped; /* the value is the row itself: in before when it is a d, else in after
			 */
	enum change_snapshot snapshot;
	struct slice db_schema, db_table; /* as between the quotes; p NULL when missing */
	bool has_lsn, has_tx_id, has_sequence;
	int64_t lsn;      /* source.lsn */
	int64_t tx_id;    /* source.txId */
	int64_t sequence; /* sequence[0]: end LSN of the last commit */
	int64_t ts_ms;    /* source.ts_ms, commit time; 0 when missing */
	int64_t ts_us;    /* source.ts_us, or ts_ms * 1000 */
};

/* value.p NULL is a tombstone. REJECT on anything undecodable or of the wrong
 * shape, with what and where (byte offset). */
enum fate change_read(struct slice value, struct change *ret_change, struct err *err) NODISCARD;

/* For streams: remembers what the last events had in common, so that most events are
 * compared instead of scanned, and says what change_read() would. Serves one thread. */
struct change_reader;
struct change_reader *change_reader_new(void);
void change_reader_free(struct change_reader *reader); /* accepts NULL */
enum fate change_reader_read(struct change_reader *reader, struct slice value,
    struct change *ret_change, struct err *err) NODISCARD;

/* The columns a query wants of a table, in the order their values are handed out;
 * names are distinct. A plan remembers the last object's order of members and the
 * last schema, so it serves one thread and is not const. */
struct row_column {
	const char *name; /* copied */
	struct pgtype type;
};
struct row_plan;
struct row_plan *row_plan_new(const struct row_column *columns, size_t count);
void row_plan_free(struct row_plan *plan);

/* Settings of the connector that its JSON does not tell. */
enum row_binary {
	BINARY_BASE64 = 0, /* binary.handling.mode bytes, base64 and base64-url-safe */
	BINARY_HEX,
};
struct row_options {
	enum row_binary binary;
	struct slice placeholder; /* unavailable.value.placeholder; empty: Debezium's own */
};
/* HALT on a placeholder that cannot be. */
enum fate row_plan_set(
    struct row_plan *plan, const struct row_options *options, struct err *err) NODISCARD;

/* What row_read() below says of the before or after of the change that the reader has
 * read last, without a walk over it when the reader knew the event's shape. A plan goes
 * with one reader all its life. */
enum change_image { IMAGE_BEFORE, IMAGE_AFTER };
enum fate change_reader_row(const struct change_reader *reader, const struct change *change,
    enum change_image image, struct row_plan *plan, struct arena *arena,
    struct value *ret_values, struct err *err) NODISCARD;

/* Takes the plan's columns out of a checked JSON row object (before, after or a
 * key's payload) into ret_values[count]. Missing fields and unchanged-TOAST
 * placeholders are VALUE_UNSET. schema is the message's (change.schema) and may be
 * empty: the encoding is then told from the type and the JSON, in Debezium's
 * default modes; numeric then must not be base64 (decimal.handling.mode precise).
 * REJECT names the column; RETRY with code 53200: the arena is full. */
enum fate row_read(struct row_plan *plan, struct slice object, struct slice schema,
    struct arena *arena, struct value *ret_values, struct err *err) NODISCARD;

#endif
