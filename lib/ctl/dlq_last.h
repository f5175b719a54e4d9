/* SPDX-License-Identifier: Apache-2.0 */
/* dlq_last.h -- sees to it that the last record of a key is its newest.
 *
 * The enriched topic is compacted: of a key it keeps what stands last. An old record that
 * is sent again stands behind a newer one, which would be lost to whoever reads the topic
 * from its beginning. So the keys that are sent again are watched from where their newest
 * records can lie, and a newer record that has come to lie before an old one is sent once
 * more, for nobody, behind it; again until it is so, as enrich goes on meanwhile. Compaction
 * leaves days for that (sink_outage_max), and a call that died is finished by the next.
 * About 120 bytes a key. */
#ifndef CTL_DLQ_LAST_H
#define CTL_DLQ_LAST_H

#include "ctl/scan.h"
#include "ctl/verify_table.h"
#include "link/kafka_txn.h"

struct dlq_last {
	const struct pipeline *pipeline;
	struct scan scan;
	struct verify_table *keys;
	int64_t *from; /* a partition of the enriched topic; INT64_MAX: nothing is watched */
	bool looking;
	scan_left *progress; /* or NULL */
	void *ctx;
};

/* pipeline, progress and ctx are set before. HALT: there is no such topic. */
enum fate dlq_last_open(struct dlq_last *last, struct err *err) NODISCARD;
void dlq_last_close(struct dlq_last *last); /* accepts one that did not open */
size_t dlq_last_partitions(const struct dlq_last *last);

/* Offsets of the enriched topic's partitions at a time, into ret_from. */
enum fate dlq_last_from(
    struct dlq_last *last, int64_t at_ms, int64_t *ret_from, struct err *err) NODISCARD;

/* Before the first look. HALT: too many keys, or no such partition. */
enum fate dlq_last_watch(struct dlq_last *last, struct slice key, int32_t partition,
    int64_t from, struct err *err) NODISCARD;
/* Reads on to the topic's end. */
enum fate dlq_last_look(struct dlq_last *last, struct err *err) NODISCARD;
/* Whether the topic holds a record of the key that is as new as version, or newer. */
bool dlq_last_holds(const struct dlq_last *last, struct slice key, uint64_t version);
/* Whether that record is a tombstone of this very version. */
bool dlq_last_gone(const struct dlq_last *last, struct slice key, uint64_t version);

/* Looks at all that has been written, and sends again, until each newest record is the last.
 * *ret_count: how many were sent. RETRY: it did not come to an end, or a transaction stays
 * open. */
enum fate dlq_last_mend(
    struct dlq_last *last, struct kafka_txn *txn, size_t *ret_count, struct err *err) NODISCARD;

#endif
