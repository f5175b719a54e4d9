/* SPDX-License-Identifier: Apache-2.0 */
/* verify_table.h -- one line a key: a checksum of its row on every side.
 *
 * Keys are JSON texts ([1] or [1,"a"] without the brackets); rows are kept as 64-bit
 * checksums, so a key costs about 120 bytes however wide its rows are. It refuses more
 * than VERIFY_KEYS_MAX keys. Entries are named by index; pointers are good until the
 * next one is made. */
#ifndef CTL_VERIFY_TABLE_H
#define CTL_VERIFY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum { VERIFY_KEYS_MAX = 8 << 20 };

enum verify_side { SIDE_POSTGRES, SIDE_TOPIC, SIDE_CLICKHOUSE, SIDES };

/* A row's checksum on one side. */
#define ROW_ABSENT UINT64_C(0)
#define ROW_RAISES UINT64_C(1) /* Postgres cannot compute it: the query raises an error */
#define ROW_TWICE  UINT64_C(2) /* ClickHouse has the key in several places */

struct verify_entry {
	uint64_t rows[SIDES];
	uint64_t version;      /* of the topic's newest record */
	int64_t offset;        /* where that stands; -1: the topic has none */
	int64_t source_offset; /* of the change it came from */
	int32_t partition, source_partition;
	bool gone;          /* that is a tombstone */
	bool behind;        /* a record that is older, or what it deletes, stands behind it */
	bool asked, sent;   /* what a repair did about it */
	bool agreed[SIDES]; /* with Postgres; once is enough */
	bool excused[SIDES];
	int evidence; /* which line of evidence it has, -1: none */
	/* the table's own */
	uint64_t hash;
	size_t key_at;
	uint32_t key_len;
};

/* Whether a record of this version, a tombstone or not, is older than the newest. */
static inline bool
verify_is_older(const struct verify_entry *e, uint64_t version, bool gone)
{
	return version < e->version || (version == e->version && e->gone && !gone);
}

struct verify_table;

struct verify_table *verify_table_new(void);
void verify_table_free(struct verify_table *table); /* accepts NULL */
size_t verify_table_count(const struct verify_table *table);
struct verify_entry *verify_table_entry(struct verify_table *table, size_t i);
struct slice verify_table_key(const struct verify_table *table, const struct verify_entry *e);
struct verify_entry *verify_table_find(struct verify_table *table, struct slice key);
/* Makes it when it is not there; NULL: the table is full. */
struct verify_entry *verify_table_get(struct verify_table *table, struct slice key);

/* A checksum that goes on: begin with any number. Never one of those three. */
uint64_t verify_checksum(uint64_t sum, struct slice bytes);

#endif
