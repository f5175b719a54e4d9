/* SPDX-License-Identifier: Apache-2.0 */
/* row_schema.h -- what a Kafka Connect schema says about a row's fields.
 *
 * The schema is the object that stands beside the payload (JsonConverter with
 * schemas.enable=true): of an envelope, of an unwrapped row or of a key. Semantic
 * names: Debezium 3.3, io.debezium.data and io.debezium.time; Kafka Connect,
 * org.apache.kafka.connect.data. Everything borrows from the schema's text. */
#ifndef WIRE_ROW_SCHEMA_H
#define WIRE_ROW_SCHEMA_H

#include <stdbool.h>

#include "base/slice.h"
#include "wire/value.h"

/* How a column stands in JSON. */
enum encoding_kind {
	ENCODING_PLAIN = 0, /* nothing special: told from the type and the JSON */
	ENCODING_BYTES,     /* base64 whatever the binary mode */
	ENCODING_DECIMAL,   /* base64 of the unscaled number, scale in the schema */
	ENCODING_BITS,      /* base64, little-endian, length in the schema */
	ENCODING_DATE,
	ENCODING_TIME_MS,
	ENCODING_TIME_US,
	ENCODING_TIME_NS,
	ENCODING_TIMESTAMP_MS,
	ENCODING_TIMESTAMP_US,
	ENCODING_TIMESTAMP_NS,
	ENCODING_DURATION_US,
	ENCODING_DURATION_NS,
};

struct encoding {
	enum encoding_kind kind;
	int32_t param; /* scale of DECIMAL, length of BITS; -1 when the schema has none */
};

struct schema_field {
	struct slice name; /* as between the quotes */
	struct encoding encoding;
	struct pgtype type; /* the nearest Postgres type; oid 0, typmod -1 */
};

/* The array of the row's fields, or p NULL when schema is empty or has none. */
struct slice schema_row_fields(struct slice schema);

/* One element of it; false when it names no field. */
bool schema_field_read(struct slice raw, struct schema_field *ret_field);

#endif
