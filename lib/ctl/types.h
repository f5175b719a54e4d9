/* SPDX-License-Identifier: Apache-2.0 */
/* types.h -- column types from a person's file: {"id": "bigint", "price":
 * "numeric(10,2)", "tags": "text[]"}, in Postgres' words or its short names.
 *
 * The list owns its names. An unknown type is refused with its column. */
#ifndef CTL_TYPES_H
#define CTL_TYPES_H

#include "base/arena.h"
#include "base/err.h"
#include "wire/change.h"

struct types {
	struct arena arena;
	struct row_column *columns;
	size_t count;
};

enum fate types_read(const char *path, struct types *ret_types, struct err *err) NODISCARD;
void types_finish(struct types *types); /* accepts a zeroed one */

/* "timestamp(3) with time zone", "int4", "varchar(10)[]". False: no such type here. */
bool type_of_words(struct slice words, struct pgtype *ret_type);

#endif
