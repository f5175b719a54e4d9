/* SPDX-License-Identifier: Apache-2.0 */
/* type.h -- what the compiler knows of types: names, categories, implicit casts.
 *
 * The rows are PostgreSQL 15's pg_type for the types that expressions compute on;
 * everything else is carried through under its own oid. Kinds are enum type_kind
 * plus two of the compiler's own: an untyped literal, and "any" in signatures. */
#ifndef SQL_TYPE_H
#define SQL_TYPE_H

#include <stdbool.h>

#include "wire/value.h"

enum { KIND_UNKNOWN = 64, KIND_ANY = 65, KIND_PATH = 66 /* text[] */ };
enum { OID_UNKNOWN = 705, OID_TEXT = 25, OID_TEXT_ARRAY = 1009 };

struct sql_type {
	int kind;
	uint32_t oid;
	const char *name; /* pg_type.typname */
	char category;    /* pg_type.typcategory */
	bool preferred;
};

const struct sql_type *sql_type_of_kind(int kind); /* NULL for enum, array, other */
const struct sql_type *sql_type_of_name(const char *name);

char sql_type_category(int kind);
bool sql_type_preferred(int kind);
bool sql_type_is_string(int kind); /* category S */
bool sql_type_is_int(int kind);
/* May a value of this kind become that kind where an expression asks for it? */
bool sql_type_implicit(int from, int to);

struct pgtype sql_type_plain(int kind); /* with its oid, typmod -1 */
/* A kind's index for tables: the pgtype's kind, or KIND_UNKNOWN by its oid. */
int sql_type_kind(struct pgtype type);

#endif
