/* SPDX-License-Identifier: Apache-2.0 */
/* enrich_loop.h -- what the files of the enrich worker share; nobody else's business.
 *
 * enrich_start.c begins it, enrich.c turns the loop, _assigned.c takes partitions and gives
 * them back, _take.c gathers messages, _commit.c has them enriched and commits. */
#ifndef WORK_ENRICH_LOOP_H
#define WORK_ENRICH_LOOP_H

#include "base/metrics.h"
#include "link/kafka_txn.h"
#include "work/enrich_batch.h"
#include "work/follow.h"
#include "work/refresh.h"
#include "work/worker.h"

enum { ENRICH_PARTITIONS_MAX = 1024 };

enum { M_TXNS, M_ABORTS, M_RETRIES, M_LAG, M_PARTITIONS, M_BATCH, M_COUNT };
extern struct metric enrich_metrics[M_COUNT];

struct enrich_loop {
	struct work *work;
	const struct pipeline_enrich *conf;
	struct pg *pg;
	struct enrich_plan *plan;
	struct kafka_txn *txn;
	struct kafka_consumer *consumer;
	struct enrich_batch *batch;
	struct follow *follow;   /* the dimensions' topics, for the caches */
	struct refresh *refresh; /* the same topics in the group; NULL: keep */
	int32_t source_partitions, out_partitions, dlq_partitions;
	struct kafka_part positions[ENRICH_PARTITIONS_MAX];
	size_t position_count;
	struct pause pause;
	int64_t linger_ms, next_lag_ms, acknowledged;
	struct gap gap;
	char *slot; /* of the connector; NULL: none is named */
	int64_t next_gap_ms;
	struct pause refresh_pause;
	int64_t refresh_ms;   /* asked again then; 0: now */
	bool holding;         /* partitions are paused, a batch waits for Postgres */
	bool dimensions_held; /* partitions of theirs are paused until keys were asked for */
	bool reading;         /* false while on_revoke may not start work */
	struct err broken;    /* a HALT found inside a callback */
};

/* --- enrich.c --- */

/* After a SIGHUP: Postgres' password is all that enrich has. */
void enrich_take_secrets(struct enrich_loop *loop);

/* --- enrich_start.c --- */

/* Waits for Postgres and compiles the query against it. */
enum fate enrich_start_plan(struct enrich_loop *loop, struct err *err) NODISCARD;
/* Where dimension changes are carried to facts: whether they can be. */
enum fate enrich_start_refresh(struct enrich_loop *loop, struct err *err) NODISCARD;
/* The topics' settings. RETRY: Kafka is away. A cluster that refuses the question (ACLs) is
 * passed over with a warning unless whole. */
enum fate enrich_lint_topics(const struct pipeline *pipeline, const struct sql_query *query,
    struct kafka_conf *conf, bool whole, struct err *err) NODISCARD;
/* Which slot the changes come from. */
enum fate enrich_start_slot(struct enrich_loop *loop, struct err *err) NODISCARD;
/* Producer, dimension topics, refresh, consumer; subscribes. The callbacks are the
 * consumer's, with loop as their ctx. */
struct kafka_consumer_conf;
enum fate enrich_start_clients(
    struct enrich_loop *loop, struct kafka_consumer_conf *conf, struct err *err) NODISCARD;

/* --- enrich_assigned.c: the consumer's callbacks --- */

/* HALT: no offset, a partition count or generation that breaks the order of a key, or an offset
 * that the topic does not hold; with the remedy. */
enum fate enrich_on_assign(
    void *ctx, struct kafka_part *parts, size_t count, struct err *err) NODISCARD;
void enrich_on_revoke(void *ctx, const struct kafka_part *parts, size_t count, bool lost);

/* --- enrich_take.c --- */

/* Until the batch is full, or old enough, or nothing comes. DONE or HALT. */
enum fate enrich_collect(struct enrich_loop *loop, struct err *err) NODISCARD;
/* Postgres is away, as err says: the batch waits for a while, the partitions are paused,
 * polling goes on. DONE or HALT. */
enum fate enrich_hold(struct enrich_loop *loop, struct err *err) NODISCARD;
void enrich_release(struct enrich_loop *loop);
/* Dimension rows may come again, once there is room for their keys. */
void enrich_dimensions_release(struct enrich_loop *loop);

/* --- enrich_commit.c --- */

void enrich_position_set(struct enrich_loop *loop, int32_t partition, int64_t offset);
/* One transaction for the batch in hand. *ret_rewind: it was undone. DONE or HALT. */
enum fate enrich_transact(
    struct enrich_loop *loop, bool *ret_rewind, struct err *err) NODISCARD;
/* Enriches what is in hand and commits it; waits for Postgres. DONE or HALT. */
enum fate enrich_finish_batch(struct enrich_loop *loop, struct err *err) NODISCARD;
/* Asks for the facts of changed dimension rows, and commits the offsets that are done. */
enum fate enrich_refresh_due(struct enrich_loop *loop, struct err *err) NODISCARD;

#endif
