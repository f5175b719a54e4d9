/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.h -- which records are in hand, and up to where a partition is done.
 *
 * Records stand in order of arrival a partition; the first pending one bounds the
 * position that may be committed. One message may stand as several records, one a
 * target; its offset is done when the last of them is. The ledger owns its records
 * from add to retire; topics are the caller's and outlive it.
 * An end-of-partition event with nothing in hand moves the position over
 * transaction markers, so that lag can reach zero. */
#ifndef WORK_LEDGER_H
#define WORK_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/record.h"

enum { LEDGER_PARTITIONS_MAX = 1024 };

struct ledger;

struct ledger *ledger_new(void);
void ledger_free(struct ledger *ledger); /* cleared before; accepts NULL */

/* A partition is watched from its start offset on; unwatch drops its records. */
void ledger_watch(
    struct ledger *ledger, const char *topic, int32_t partition, int64_t position);
/* Forgets all partitions; drop (or NULL) is called for each record still in hand. */
void ledger_clear(
    struct ledger *ledger, void (*drop)(void *context, struct record *record), void *context);

/* A new pending record, zeroed but for topic, partition and offset. */
struct record *ledger_add(
    struct ledger *ledger, const char *topic, int32_t partition, int64_t offset);

/* Counts the record's key and value bytes, once they are set. */
void ledger_weigh(struct ledger *ledger, const struct record *record);

/* The partition's reader stands at offset and everything before was handed out. */
void ledger_reached(
    struct ledger *ledger, const char *topic, int32_t partition, int64_t offset);

/* Calls retire for every leading record that is no longer pending, in order, frees
 * it and moves the position. */
void ledger_retire(
    struct ledger *ledger, void (*retire)(void *context, struct record *record), void *context);

size_t ledger_pending(const struct ledger *ledger);
size_t ledger_bytes(const struct ledger *ledger); /* key and value bytes in hand */

/* Goes over watched partitions: index 0.. until false. position is the next offset
 * to commit; moved says whether it is ahead of what ledger_committed() was told. */
struct ledger_position {
	const char *topic;
	int32_t partition;
	int64_t position;
	uint64_t version; /* of the newest record before position; 0: none yet */
	bool moved;
};
bool ledger_position(const struct ledger *ledger, size_t index, struct ledger_position *ret);
void ledger_committed(
    struct ledger *ledger, const char *topic, int32_t partition, int64_t position);

/* The version fence: true when version is not above the last one of this source
 * partition (the record repeats); else remembers it. */
bool ledger_repeats(struct ledger *ledger, int32_t source_partition, uint64_t version);

#endif
