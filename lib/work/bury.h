/* SPDX-License-Identifier: Apache-2.0 */
/* bury.h -- rejected records of a sink, and the transaction that buries them.
 *
 * Dead letters and the offsets that pass them are committed together, so a letter is
 * written exactly once. The producer is made with the first letter. */
#ifndef WORK_BURY_H
#define WORK_BURY_H

#include "link/kafka_consumer.h"
#include "work/worker.h"

struct bury;

struct bury *bury_new(const struct work *work);
void bury_free(struct bury *bury); /* accepts NULL */

/* Takes the message; reason is copied. */
void bury_add(struct bury *bury, const struct kafka_message *message, const char *reason,
    unsigned attempts);
size_t bury_count(const struct bury *bury);
void bury_clear(struct bury *bury); /* forgets: the records will be read again */

/* DONE: letters and offsets stand, the list is empty. RETRY: neither, call again. HALT. */
enum fate bury_commit(struct bury *bury, struct kafka_consumer *consumer,
    const struct kafka_part *parts, size_t count, struct err *err) NODISCARD;

#endif
