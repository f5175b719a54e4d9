/* SPDX-License-Identifier: Apache-2.0 */
/* value.h -- one PostgreSQL value in memory, and the types it can have.
 *
 * A value has no type of its own: whoever holds it knows the column's type.
 * Text, bytes and big numbers are borrowed from the message or the batch arena.
 * Every text form here is what PostgreSQL prints under sql/postgres/session.sql
 * (TimeZone UTC, ISO dates, extra_float_digits 1, bytea hex). */
#ifndef WIRE_VALUE_H
#define WIRE_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "wire/decimal.h"

enum type_kind {
	TYPE_BOOL,
	TYPE_INT2,
	TYPE_INT4,
	TYPE_INT8,
	TYPE_NUMERIC,
	TYPE_FLOAT4,
	TYPE_FLOAT8,
	TYPE_TEXT,
	TYPE_VARCHAR,
	TYPE_BPCHAR,
	TYPE_NAME,
	TYPE_UUID,
	TYPE_DATE,        /* i: days since 1970-01-01; infinities INT64_MIN/MAX */
	TYPE_TIME,        /* i: microseconds since midnight, up to 24:00:00 */
	TYPE_TIMESTAMP,   /* i: microseconds since 1970-01-01 without zone */
	TYPE_TIMESTAMPTZ, /* i: microseconds since 1970-01-01 UTC */
	TYPE_INTERVAL,
	TYPE_JSON,  /* s: the text as it stands */
	TYPE_JSONB, /* s: the text that jsonb prints */
	TYPE_BYTEA, /* s: raw bytes */
	TYPE_ENUM,  /* s: label */
	TYPE_INET,  /* s: as Postgres prints it; so are CIDR and MACADDR */
	TYPE_CIDR,
	TYPE_MACADDR,
	TYPE_ARRAY, /* s: JSON array of the elements, carried through */
	TYPE_OTHER, /* s: as Postgres prints it, carried through */
};

struct pgtype {
	enum type_kind kind;
	enum type_kind elem; /* of TYPE_ARRAY */
	uint32_t oid;        /* pg_type.oid; of a domain: its base type's */
	int32_t
	    typmod; /* -1: none. numeric (p << 16 | s) + 4; varchar(n) n + 4; timestamp(p) p */
};

struct interval {
	int32_t months, days;
	int64_t us;
};

enum value_state {
	VALUE_NULL = 0,
	VALUE_SET,
	VALUE_UNSET, /* not known: unchanged TOAST, or the field is missing */
};

struct value {
	enum value_state state;
	union {
		bool b;
		int64_t i; /* int2/4/8, date, time, timestamp, timestamptz */
		double f;  /* float4/8; a float4 is kept as the float's value */
		struct slice s;
		uint8_t uuid[16];
		struct decimal d;
		struct interval iv;
	};
};

/* Text as Postgres prints it (libpq's text results) -> value. REJECT with
 * SQLSTATE 22P02/22007/22008/22003 and Postgres' wording; RETRY (53200) when the
 * arena is full. text may be kept. The typmod is not applied, json is not checked,
 * and char(n) keeps its padding as Postgres prints it (value_compare passes over
 * it). An array literal's elements go by type.elem; lower bounds are dropped. */
enum fate value_from_text(struct pgtype type, struct slice text, struct arena *arena,
    struct value *ret_value, struct err *err) NODISCARD;

/* Appends what Postgres prints for a SET value (bool: t or f, as libpq hands it out). */
void value_to_text(struct buf *out, struct pgtype type, const struct value *value);

/* Appends a JSON value in the form of the enriched topic: NULL -> null, numbers
 * digit for digit, NaN and infinities as strings, timestamptz as RFC 3339 with
 * Z and six fraction digits ("infinity" as text), bool true/false, json/jsonb as
 * a string that holds the text, arrays as they are, all else a string. */
void value_to_json(struct buf *out, struct pgtype type, const struct value *value);

/* A JSON value of the enriched topic (a whole JSON value's bytes, as json.h hands
 * it out) -> value; the inverse of value_to_json. */
enum fate value_from_record(struct pgtype type, struct slice json, struct arena *arena,
    struct value *ret_value, struct err *err) NODISCARD;

/* Order of two SET values of one type as Postgres' btree operators give it (text
 * by bytes). NaN equals NaN and is above all numbers. */
int value_compare(struct pgtype type, const struct value *a, const struct value *b);

/* From pg_type.oid of a base type; TYPE_OTHER when unknown. */
enum type_kind type_kind_of_oid(uint32_t oid);
/* The elements of an array type's oid (integer[] -> TYPE_INT4); else TYPE_OTHER. */
enum type_kind type_elem_of_oid(uint32_t array_oid);
/* Appends "integer", "numeric(18,3)", "timestamp with time zone": format_type's words. */
void type_print(struct buf *out, struct pgtype type);

#endif
