/* SPDX-License-Identifier: Apache-2.0 */
/* scan.h -- a topic read by hand, without a group, to its end of a moment.
 *
 * A scan opens at the first record of every partition; each scan_read goes on from where
 * the last one ended, up to the end that read_committed sees when it begins, which lies
 * before the first open transaction; after scan_reach, at least to what had been written by
 * then. It commits nothing. The scan owns its consumer and its positions. */
#ifndef CTL_SCAN_H
#define CTL_SCAN_H

#include "link/kafka_consumer.h"
#include "wire/record.h"
#include "work/pipeline.h"

struct scan {
	struct kafka_consumer *consumer;
	struct kafka_part *at; /* what comes next, a partition */
	int64_t *reach;        /* before which no reading ends, a partition */
	size_t count;          /* of partitions */
};

/* HALT: there is no such topic. topic outlives the scan. */
enum fate scan_open(struct scan *ret_scan, const struct pipeline_kafka *kafka,
    const char *topic, struct err *err) NODISCARD;
void scan_close(struct scan *scan); /* accepts a zeroed one, and one that did not open */

/* Goes on from these offsets, one a partition, or from the first record where it is gone. A
 * partition in which nothing is wanted has INT64_MAX: it goes on from its end. */
enum fate scan_from(struct scan *scan, const int64_t *from, struct err *err) NODISCARD;
/* Goes on from the first records, as after scan_open. */
enum fate scan_rewind(struct scan *scan, struct err *err) NODISCARD;
/* The readings from now on end behind all that has been written until now, and wait for the
 * transactions that are open in it. The caller may lower .reach. */
enum fate scan_reach(struct scan *scan, struct err *err) NODISCARD;

/* take() gets each message, and may keep it by taking its handle; another fate than DONE
 * ends the reading. left() is told how many records are to come; or NULL. RETRY: it came
 * no nearer to its end for half a minute. */
typedef enum fate scan_take(void *ctx, struct kafka_message *message, struct err *err);
typedef void scan_left(void *ctx, const char *topic, int64_t left);
enum fate scan_read(
    struct scan *scan, scan_take *take, scan_left *left, void *ctx, struct err *err) NODISCARD;

/* What the headers of an enriched record say; it borrows from the message. REJECT: it is
 * none. */
enum fate scan_record(
    const struct kafka_message *message, struct record *ret_record, struct err *err) NODISCARD;

/* The one message at this place. HALT: there is none. */
enum fate scan_one(struct scan *scan, int32_t partition, int64_t offset,
    struct kafka_message *ret_message, struct err *err) NODISCARD;

#endif
