/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_admin_ops.h -- one admin request and its answer; for kafka_admin*.c only.
 *
 * Each call has a queue of its own, so that a late answer to a call that timed out
 * is never taken for the next one's. */
#ifndef LINK_KAFKA_ADMIN_OPS_H
#define LINK_KAFKA_ADMIN_OPS_H

#include "link/kafka_ops.h"

struct kafka_admin {
	struct kafka_client client; /* first: librdkafka's opaque points to it */
	int timeout_ms;
};

struct kafka_call {
	rd_kafka_queue_t *queue;
	rd_kafka_AdminOptions_t *options;
	rd_kafka_event_t *event; /* the answer, once waited for */
};

void kafka_call_begin(
    struct kafka_admin *admin, rd_kafka_admin_op_t op, struct kafka_call *ret_call);
enum fate kafka_call_wait(struct kafka_admin *admin, struct kafka_call *call, const char *what,
    struct err *err) NODISCARD;
void kafka_call_end(struct kafka_call *call); /* also after a wait that failed */

#endif
