/* SPDX-License-Identifier: Apache-2.0 */
/* native.h -- ClickHouse blocks in the Native format, built column by column.
 *
 * A block has one builder a column; JSON values are appended straight to them by
 * the column's ClickHouse type, with our own range checks (the server clamps in
 * silence). Rows can be taken back, sorted by a key and written once, compressed.
 * Numbers that do not fit exactly, null where the column takes none and types that
 * are not listed in native_type.c are refused; fractions of a second beyond the
 * column's precision are cut. Format: ClickHouse's NativeWriter.cpp,
 * SerializationLowCardinality.cpp and SerializationObject.cpp. */
#ifndef WIRE_NATIVE_H
#define WIRE_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* --- types --- */

enum native_kind {
	NATIVE_INT,
	NATIVE_UINT,
	NATIVE_FLOAT,
	NATIVE_BOOL,
	NATIVE_STRING,
	NATIVE_FIXED, /* FixedString(width) */
	NATIVE_UUID,
	NATIVE_DATE,
	NATIVE_DATE32,
	NATIVE_DATETIME,
	NATIVE_DATETIME64,
	NATIVE_DECIMAL,
	NATIVE_ENUM,
	NATIVE_IPV4,
	NATIVE_IPV6,
	NATIVE_ARRAY, /* of elem */
	NATIVE_MAP,   /* key to elem */
	NATIVE_JSON,  /* sent as text, the server parses it */
};

struct native_enum {
	struct slice name; /* unescaped */
	int16_t value;
};

struct native_type {
	enum native_kind kind;
	bool nullable;      /* of LowCardinality: of what is inside */
	bool low;           /* LowCardinality */
	uint32_t width;     /* bytes a value; 0: String, Array, Map, JSON */
	uint32_t precision; /* DECIMAL, DATETIME64 */
	uint32_t scale;     /* DECIMAL */
	struct native_type *key, *elem;
	struct native_enum *items;
	size_t item_count;
};

/* Reads "LowCardinality(Nullable(String))" and the like, as DESCRIBE TABLE prints
 * them. HALT names the type that is not known here. */
enum fate native_type_parse(
    struct slice text, struct native_type **ret_type, struct err *err) NODISCARD;
void native_type_free(struct native_type *type); /* accepts NULL */

/* --- blocks --- */

struct native_column;
struct native_block;

enum native_pack_kind { NATIVE_PLAIN, NATIVE_LZ4, NATIVE_ZSTD };

struct native_block *native_block_new(void);
void native_block_free(struct native_block *block);  /* accepts NULL */
void native_block_clear(struct native_block *block); /* keeps columns and memory */

/* Adds a column; it gets its type's default for as many rows as the first column
 * has. HALT: the type. */
enum fate native_block_add(struct native_block *block, const char *name, struct slice type,
    struct native_column **ret_column, struct err *err) NODISCARD;

/* Appends one JSON value (a checked raw slice). REJECT leaves the column as it was. */
enum fate native_append(
    struct native_column *column, struct slice raw, struct err *err) NODISCARD;
/* Appends to a column of integers (or Bool) that holds the value; must() otherwise. */
void native_append_u64(struct native_column *column, uint64_t value);
void native_append_default(struct native_column *column); /* NULL, 0, "" or [] */

/* Whether two rows hold the same bytes. */
bool native_rows_equal(const struct native_column *column, size_t a, size_t b);

size_t native_column_rows(const struct native_column *column);
const char *native_column_name(const struct native_column *column);
const struct native_type *native_column_type(const struct native_column *column);

/* Takes rows back so that no column has more than rows. */
void native_block_truncate(struct native_block *block, size_t rows);

/* Bytes that the columns hold now. */
size_t native_block_bytes(const struct native_block *block);

/* Puts the rows into the order of these columns when it is written; equal rows keep
 * their order. Nothing happens when a column's type has no cheap order. */
void native_block_sort(
    struct native_block *block, struct native_column *const *key, size_t key_count);

/* The row that will be written as the i-th. */
size_t native_block_row(const struct native_block *block, size_t i);
struct native_column *native_block_column(const struct native_block *block, size_t i);

/* Appends the block, all columns having as many rows, to out. */
void native_block_write(
    struct native_block *block, enum native_pack_kind kind, struct buf *out);

#endif
