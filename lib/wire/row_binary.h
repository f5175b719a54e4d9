/* SPDX-License-Identifier: Apache-2.0 */
/* row_binary.h -- ClickHouse's RowBinaryWithNamesAndTypes read as texts of Postgres.
 *
 * The reader is fed from the front of a growing buffer: first the head (names and types),
 * then row after row, each when all of it is there. Texts of a row live until the next
 * call and in part in the buffer that was given. Lengths and types are checked; a type
 * that has no text here is refused. The format: ClickHouse's docs, formats/RowBinary. */
#ifndef WIRE_ROW_BINARY_H
#define WIRE_ROW_BINARY_H

#include "wire/value.h"

enum { ROW_BINARY_COLUMNS_MAX = 16384, ROW_BINARY_CELL_MAX = 64 << 20 };

enum row_binary_form {
	ROW_BINARY_NOTHING,
	ROW_BINARY_BOOL,
	ROW_BINARY_SIGNED,
	ROW_BINARY_UNSIGNED,
	ROW_BINARY_FLOAT, /* 4 or 8 bytes */
	ROW_BINARY_STRING,
	ROW_BINARY_FIXED, /* a string of width bytes, zeros at its end cut */
	ROW_BINARY_UUID,
	ROW_BINARY_DATE,   /* width 2: unsigned, 4: signed */
	ROW_BINARY_MOMENT, /* of scale digits after the second; width 4: unsigned */
	ROW_BINARY_ENUM,
};

struct row_binary_column {
	const char *name; /* terminated */
	struct slice type;
	struct pgtype pg; /* what Postgres calls it */
	enum row_binary_form form;
	bool nullable, zoned;
	unsigned width, scale;
};

struct row_binary {
	struct row_binary_column *columns;
	size_t column_count;
	struct buf head;    /* names and types */
	struct buf scratch; /* the row's texts */
	struct arena arena; /* for numbers beyond 128 bits */
};

enum row_binary_step {
	ROW_BINARY_DONE, /* *ret_used bytes were taken */
	ROW_BINARY_MORE, /* not all of it is there yet */
	ROW_BINARY_BAD,  /* err: REJECT */
};

void row_binary_init(struct row_binary *rb);
void row_binary_finish(struct row_binary *rb);

enum row_binary_step row_binary_head(
    struct row_binary *rb, struct slice in, size_t *ret_used, struct err *err);
/* Before the rows: column i is printed as this type: t or f for a bool, with its zone for a
 * timestamptz. */
void row_binary_expect(struct row_binary *rb, size_t i, struct pgtype type);
/* values: column_count of them. */
enum row_binary_step row_binary_row(struct row_binary *rb, struct slice in, size_t *ret_used,
    struct slice *values, struct err *err);

#endif
