/* SPDX-License-Identifier: Apache-2.0 */
/* enrich_loop.h -- the enrich worker's state, between its start (enrich_start.c) and its
 * life (enrich.c). Nobody else includes it. */
#ifndef WORK_ENRICH_LOOP_H
#define WORK_ENRICH_LOOP_H

#include "link/kafka_txn.h"
#include "work/enrich_batch.h"
#include "work/follow.h"
#include "work/refresh.h"
#include "work/worker.h"

enum { ENRICH_PARTITIONS_MAX = 1024 };

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
	int64_t retries; /* of the start */
	struct gap gap;
	char *slot; /* of the connector; NULL: none is named */
	int64_t next_gap_ms;
	struct pause refresh_pause;
	int64_t refresh_ms; /* asked again then; 0: now */
	bool holding;       /* partitions are paused, a batch waits for Postgres */
	bool reading;       /* false while on_revoke may not start work */
	struct err broken;  /* a HALT found inside a callback */
};

/* After a SIGHUP: Postgres' password is all that enrich has. */
void enrich_take_secrets(struct enrich_loop *loop);
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
/* HALT: no offset, a partition count or generation that breaks the order of a key, or an offset
 * that the topic does not hold; with the remedy. */
enum fate enrich_check_assigned(struct enrich_loop *loop, const struct kafka_part *parts,
    size_t count, struct err *err) NODISCARD;

#endif
