/* SPDX-License-Identifier: Apache-2.0 */
/* mirror_table.h -- what the mirror*.c files share; nobody else's business.
 *
 * mirror_start.c asks the catalogue what the table is and what places its rows, mirror.c
 * turns a message into a record. */
#ifndef WORK_MIRROR_TABLE_H
#define WORK_MIRROR_TABLE_H

#include "work/lookup.h"
#include "work/mirror.h"

struct mirror {
	struct pg *pg;
	const struct pipeline_clickhouse *conf;
	const struct pipeline_table *table;
	struct sql_catalog *catalog;      /* owns the names */
	const struct sql_table *postgres; /* of it */
	struct sql_source source;         /* the fields, and the primary key among them */
	struct row_column *fields;
	struct buf *members; /* "name": of each field */
	size_t *key;
	size_t identity[PIPELINE_KEYS_MAX]; /* fields that place a row */
	struct pipeline_list identity_names;
	struct row_plan *plan;
	struct lookup *lookup;
	struct pipeline_list passed; /* columns of old events that Postgres has no more */
	struct arena arena;          /* of one message */
	struct buf text;
};

bool mirror_list_has(const struct pipeline_list *list, const char *name);
/* Sets m->postgres too, which belongs to the catalogue. RETRY or HALT. */
enum fate mirror_ask_catalog(
    struct mirror *m, struct sql_catalog **ret_catalog, struct err *err) NODISCARD;

#endif
