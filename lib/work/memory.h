/* SPDX-License-Identifier: Apache-2.0 */
/* memory.h -- one number, memory_max, as the maxima of what grows with the stream.
 *
 * A worker's memory is its code and clients (MEMORY_BASE), what Kafka's client reads ahead,
 * the records in hand with what is made of them, and enrich's caches. memory_share() says
 * how much of the rest each may take; a worker process takes one worker's shares. The shares
 * reckon with what librdkafka keeps beside a message and with copies that are made on the
 * way. What is carried all the same: one record larger than its share, alone, and offsets that
 * a predecessor with a larger share froze, once. Not reckoned with: dead letters until
 * they are committed, and the keys of changed dimension rows until Postgres was asked. Pure. */
#ifndef WORK_MEMORY_H
#define WORK_MEMORY_H

#include <stdint.h>

enum { MEMORY_BASE = 32 << 20, MEMORY_LEAST = 64 << 20 };

enum memory_use {
	MEMORY_QUEUE, /* read ahead by Kafka's client */
	MEMORY_CACHE, /* enrich: all dimensions together */
	MEMORY_BATCH, /* enrich: bytes of a batch's records */
	MEMORY_BLOCK, /* clickhouse: the same */
	MEMORY_ARENA, /* enrich: what a batch is decoded and evaluated into */
	MEMORY_HAND,  /* leaderboard, http: bytes of the records in hand */
};

/* The memory_max that leaves so much for it. */
int64_t memory_wanted(enum memory_use use, int64_t bytes);
/* memory_max 0: no budget, the answer is otherwise; else the smaller of the two. */
int64_t memory_share(int64_t memory_max, enum memory_use use, int64_t otherwise);

#endif
