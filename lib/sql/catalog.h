/* SPDX-License-Identifier: Apache-2.0 */
/* catalog.h -- what Postgres' catalogue says of the tables a query names.
 *
 * Built from one JSON document, which sql/postgres/catalog.sql writes on the live
 * Postgres ($1 text[]: names as SQL writes them; $2 bool:
 * with the case tables) or a person keeps in a file. The
 * catalogue owns everything it points to; nothing changes after parse. A document
 * of another shape is refused with the path of the wrong member. */
#ifndef SQL_CATALOG_H
#define SQL_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "wire/value.h"

enum sql_collation {                /* in the order in which one takes over from another */
	COLLATION_NONE,             /* not a text type, or a literal */
	COLLATION_BYTES,            /* the database's C.UTF-8: order by bytes, its cases */
	COLLATION_LOCALE,           /* the database's: order by locale, so equality only */
	COLLATION_C,                /* C, POSIX: order by bytes, ASCII has cases */
	COLLATION_OTHER,            /* the same with cases other than the database's */
	COLLATION_NONDETERMINISTIC, /* not even equality: refused */
};

struct sql_column {
	const char *name;
	struct pgtype type;    /* base type of a domain; typmod of the domain or column */
	const char *type_text; /* format_type(): "numeric(18,3)" */
	bool not_null;         /* also by its domain */
	bool domain;           /* declared as a domain */
	bool citext;           /* or another type that compares otherwise than text */
	bool toastable;        /* storage other than plain: may come as unchanged TOAST */
	bool in_replica_identity;
	enum sql_collation collation;
	const char *const *labels; /* of an enum, in its order */
	size_t label_count;
	uint32_t type_oid; /* as PREPARE reports it */
};

struct sql_key {
	const char *name;
	bool primary;
	bool deferrable;
	const size_t *columns; /* indexes into sql_table.columns */
	size_t column_count;
};

struct sql_index {
	const char *name;
	size_t first_column; /* leading column of an index that lookups can use */
};

struct sql_table {
	const char *schema, *name;
	char relkind;                     /* r p v m f as in pg_class */
	char replica_identity;            /* d n f i */
	int64_t row_estimate;             /* -1: never analysed */
	const struct sql_column *columns; /* in attnum order, dropped ones left out */
	size_t column_count;
	const struct sql_key *keys; /* unique, not partial, no expressions */
	size_t key_count;
	const struct sql_index *indexes;
	size_t index_count;
};

/* Case mapping of one code point where it differs from ASCII rules. */
struct sql_case {
	uint32_t from, to;
};

struct sql_catalog {
	const struct sql_table *tables;
	size_t table_count;
	const char *const *missing; /* names that were asked for and are no table */
	size_t missing_count;
	const char *database, *server_version;
	enum sql_collation default_collation; /* of the database */
	bool case_known; /* upper and lower are filled (asked of the live Postgres) */
	const struct sql_case *upper, *lower; /* sorted by from; code points above 127 */
	size_t upper_count, lower_count;
};

/* HALT names the member that is wrong. */
enum fate sql_catalog_parse(
    struct slice json, struct sql_catalog **ret_catalog, struct err *err) NODISCARD;
void sql_catalog_free(struct sql_catalog *catalog); /* accepts NULL */

/* schema NULL: public. NULL when it is not there. */
const struct sql_table *sql_catalog_table(
    const struct sql_catalog *catalog, const char *schema, const char *name);
const struct sql_column *sql_table_column(const struct sql_table *table, const char *name);

#endif
