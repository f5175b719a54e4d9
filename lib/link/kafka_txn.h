/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_txn.h -- a transactional producer: records and the offsets they came from, or neither.
 *
 * kafka_txn_run does a whole batch, whose records may be made as they are sent. What it returns
 * decides everything: after GO_ON the batch is done; after ABORTED nothing of it stands or is
 * certain, so the caller drops it and rewinds its consumer. A producer whose EndTxn or
 * TxnOffsetCommit went out twice is replaced before the next transaction: the
 * late copy would end that one (no librdkafka speaks Kafka's defence against it).
 * Open it before the consumer subscribes: that aborts the predecessor's transaction. */
#ifndef LINK_KAFKA_TXN_H
#define LINK_KAFKA_TXN_H

#include "link/kafka_consumer.h"

struct kafka_txn;

enum kafka_verdict {
	KAFKA_GO_ON = 0, /* it is done; err is untouched */
	KAFKA_ABORTED,   /* undone (or to be undone): drop the batch, rewind */
	KAFKA_RECREATE,  /* this producer is finished: inside kafka_txn.c alone */
	KAFKA_EXIT,      /* stop: exit 3, or 4 if err says so (kafka_wants_restart) */
};

struct kafka_txn_conf {
	struct kafka_conf common;
	const char *transactional_id; /* <group>-<slot>: stable, one owner */
	int64_t timeout_ms;           /* transaction.timeout.ms; 0: 15 s */
	int64_t linger_ms;            /* 0: 50; a commit flushes */
	int64_t queue_messages;       /* 0: 200000; at least twice the batch */
};

struct kafka_txn_stats {
	int64_t commits, aborts, recreated, rotated;
};

/* Fences the predecessor and aborts its transaction. RETRY: the brokers did not
 * answer for 25 s. HALT: told to stop, a property was refused, or another owner of
 * the id stands against us. */
enum fate kafka_txn_open(
    struct kafka_txn **ret_txn, const struct kafka_txn_conf *conf, struct err *err) NODISCARD;
void kafka_txn_close(
    struct kafka_txn *txn); /* an open transaction is aborted by the successor */

/* Also warms the topic up, so that the first produce is not late. HALT: no such topic. */
enum fate kafka_txn_partitions(
    struct kafka_txn *txn, const char *topic, int32_t *ret_count, struct err *err) NODISCARD;
/* As kafka_consumer_offsets_at, and sooner: a broker answers a connection's requests in
 * turn, and a consumer's stand behind a fetch that may wait for records. Not while a
 * transaction is open. RETRY also when the producer is gone. */
enum fate kafka_txn_offsets_at(struct kafka_txn *txn, int64_t at_ms, struct kafka_part *parts,
    size_t count, int64_t timeout_ms, struct err *err) NODISCARD;

/* Records whose kafka_out_size is above this are refused by must(): dead-letter them before. */
size_t kafka_txn_size_max(const struct kafka_txn *txn);

/* The next records, valid until the next call; *ret_count 0: that was all. HALT: the run undoes
 * the transaction, so that readers need not wait for it, and returns EXIT with this err. */
typedef enum fate kafka_txn_next(
    void *ctx, const struct kafka_out **ret_outs, size_t *ret_count, struct err *err);

/* begin, produce all that next gives, send offsets, commit; aborts, replaces and rotates as
 * needed. next NULL: no records. parts: the offsets to commit (next to read) with metadata,
 * under the consumer's frozen group metadata; none: only the records. Returns GO_ON, ABORTED
 * or EXIT. */
enum kafka_verdict kafka_txn_run(struct kafka_txn *txn, kafka_txn_next *next, void *ctx,
    struct kafka_consumer *consumer, const struct kafka_part *parts, size_t part_count,
    struct err *err) NODISCARD;

/* For records that are all there: kafka_txn_run() with kafka_outs_next and one of these as
 * its ctx; its count is 0 afterwards. */
struct kafka_outs {
	const struct kafka_out *outs;
	size_t count;
};
kafka_txn_next kafka_outs_next;

/* Serves callbacks between transactions; does not block. */
void kafka_txn_serve(struct kafka_txn *txn);
void kafka_txn_stats(const struct kafka_txn *txn, struct kafka_txn_stats *ret_stats);

#endif
