/* SPDX-License-Identifier: Apache-2.0 */
/* deadletter.h -- a message that will never be accepted, on its way to PIPELINE.dlq.
 *
 * Key, value and headers stay as they came; the coordinates and the reason stand in
 * headers that Kafka Connect's tools know (__connect.errors.*: Kafka's
 * DeadLetterQueueReporter) and in sluice.dlq.*. The letter borrows from the message and
 * from itself until it has been produced. */
#ifndef WORK_DEADLETTER_H
#define WORK_DEADLETTER_H

#include "link/kafka.h"

enum { DEADLETTER_HEADERS_MAX = 64, DEADLETTER_OWN = 9 };

struct deadletter {
	struct kafka_out out;
	struct header headers[DEADLETTER_HEADERS_MAX];
	char partition[12], offset[24], attempts[12];
	char reason[480];
};

/* stage: decode, lookup, transform, deliver, process. class: malformed, expression, crash ...
 * partition_count: of the dead-letter topic. */
void deadletter_fill(struct deadletter *letter, const char *topic, int32_t partition_count,
    const struct kafka_message *message, const char *sink, const char *stage, const char *class,
    const char *reason, unsigned attempts);

#endif
