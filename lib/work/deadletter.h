/* SPDX-License-Identifier: Apache-2.0 */
/* deadletter.h -- a message that will never be accepted, on its way to PIPELINE.dlq.
 *
 * Key, value and headers stay as they came; the coordinates and the reason stand in
 * headers that Kafka Connect's tools know (__connect.errors.*: Kafka's
 * DeadLetterQueueReporter) and in sluice.dlq.*. What the broker would not take with them is
 * left out, the value first, and the letter says so. It borrows from the message and from
 * itself until it has been produced. */
#ifndef WORK_DEADLETTER_H
#define WORK_DEADLETTER_H

#include "link/kafka.h"

enum { DEADLETTER_HEADERS_MAX = 64, DEADLETTER_OWN = 10 };

#define DEADLETTER_GENERATION "sluice.dlq.generation" /* of enrich: versions hang on it */
#define DEADLETTER_OMITTED    "sluice.dlq.omitted"    /* "value of 1040000 bytes" */

struct deadletter {
	struct kafka_out out;
	struct header headers[DEADLETTER_HEADERS_MAX];
	char partition[12], offset[24], attempts[12], generation[24], omitted[64];
	char reason[480];
};

/* Who refused a message, and why; generation: of enrich, else -1. */
struct deadletter_why {
	const char *sink, *stage, *class, *reason;
	unsigned attempts;
	int64_t generation;
};

/* stage: decode, lookup, transform, deliver, process. class: malformed, expression, crash ...
 * partition_count: of the dead-letter topic. size_max: of a produced record. */
void deadletter_fill(struct deadletter *letter, const char *topic, int32_t partition_count,
    size_t size_max, const struct kafka_message *message, const struct deadletter_why *why);

#endif
