/* SPDX-License-Identifier: Apache-2.0 */
/* follow.h -- keeps the dimension caches true by the dimensions' own topics.
 *
 * A consumer of its own, without a group, starts at the topics' ends (the caches are
 * empty then). follow_step() reads up to the ends as they are now and makes the cache
 * forget every row that changed. An event can be seen before its transaction is
 * visible to a snapshot, so a forgotten row remembers the transaction: a lookup whose
 * snapshot does not see it is used, but not kept. txIds are 32 bits and are compared
 * modulo 2^32. */
#ifndef WORK_FOLLOW_H
#define WORK_FOLLOW_H

#include "link/kafka_txn.h"
#include "work/enrich_plan.h"
#include "work/worker.h"

struct follow;

/* Dimensions without a topic are left to the cache's time limit. RETRY: Kafka did not
 * answer. */
enum fate follow_open(const struct work *work, struct enrich_plan *plan,
    struct follow **ret_follow, struct err *err) NODISCARD;
void follow_close(struct follow *follow); /* accepts NULL */

/* txn, with no transaction open, is asked for the ends. RETRY: Kafka did not answer; call
 * again before using the caches. */
enum fate follow_step(struct follow *follow, struct kafka_txn *txn, struct err *err) NODISCARD;

/* The sources that a followed topic tells of (a table can be joined twice): begin with
 * after 0; 0 is the end. */
size_t follow_source(const struct follow *follow, const char *topic, size_t after);
/* Its topic, or NULL. */
const char *follow_topic(const struct follow *follow, size_t source);

#endif
