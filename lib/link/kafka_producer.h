/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_producer.h -- an idempotent producer without transactions.
 *
 * For the generator, control messages and tests: at least once if the process
 * dies, in order and once while it lives. Delivery is certain only after
 * kafka_producer_flush returned DONE. */
#ifndef LINK_KAFKA_PRODUCER_H
#define LINK_KAFKA_PRODUCER_H

#include "link/kafka.h"

struct kafka_producer;

enum fate kafka_producer_open(struct kafka_producer **ret_producer,
    const struct kafka_conf *conf, struct err *err) NODISCARD;
void kafka_producer_close(struct kafka_producer *producer); /* drops what was not flushed */

/* Blocks while the queue is full, for up to a minute. REJECT: too large. */
enum fate kafka_producer_send(
    struct kafka_producer *producer, const struct kafka_out *out, struct err *err) NODISCARD;
/* Waits until all are acknowledged. RETRY: not all yet; REJECT or HALT: the first
 * delivery that failed since the last flush. */
enum fate kafka_producer_flush(
    struct kafka_producer *producer, int64_t timeout_ms, struct err *err) NODISCARD;
enum fate kafka_producer_partitions(struct kafka_producer *producer, const char *topic,
    int64_t timeout_ms, int32_t *ret_count, struct err *err) NODISCARD;

#endif
