/* SPDX-License-Identifier: Apache-2.0 */
/* enrich_batch.h -- source messages in, enriched records (and dead letters) out.
 *
 * One batch: add the messages, then run it: decode all, look up all that is missing.
 * Then next() evaluates the query row by row and hands out some records at a time, so
 * that they go on while the rest is written. It owns its messages until reset. run()
 * may be called again after a RETRY; nothing was produced and nothing is lost. Marks (the
 * replay fence of each partition) change only by accept(). */
#ifndef WORK_ENRICH_BATCH_H
#define WORK_ENRICH_BATCH_H

#include "link/kafka.h"
#include "work/enrich_plan.h"
#include "work/mark.h"

struct enrich_batch;

/* dlq_partitions: of the dead-letter topic. size_max: of a produced record. */
struct enrich_batch *enrich_batch_new(
    struct enrich_plan *plan, struct pg *pg, int32_t dlq_partitions, size_t size_max);
void enrich_batch_free(struct enrich_batch *batch);

/* Takes the message over. */
void enrich_batch_add(struct enrich_batch *batch, const struct kafka_message *message);
size_t enrich_batch_count(const struct enrich_batch *batch);
size_t enrich_batch_bytes(const struct enrich_batch *batch);
/* How many records the memory budget lets a batch hold, by what a record has taken so far. */
size_t enrich_batch_fits(const struct enrich_batch *batch);

enum fate enrich_batch_run(
    struct enrich_batch *batch, int64_t mono_ms, struct err *err) NODISCARD;

/* The next records, which borrow from the batch until the next call; none: that was all.
 * HALT: a row that cannot be evaluated, and not for what it holds. */
enum fate enrich_batch_next(struct enrich_batch *batch, const struct kafka_out **ret_outs,
    size_t *ret_count, struct err *err) NODISCARD;

/* Next offsets to read, with the marks as metadata. */
const struct kafka_part *enrich_batch_parts(struct enrich_batch *batch, size_t *ret_count);

void enrich_batch_accept(struct enrich_batch *batch); /* committed: keep the marks, reset */
void enrich_batch_drop(struct enrich_batch *batch);   /* aborted: forget */

/* Partitions of the source topic that this worker owns now, and their marks. */
void enrich_batch_assign(
    struct enrich_batch *batch, const struct kafka_part *parts, size_t count);
void enrich_batch_set_source_partitions(struct enrich_batch *batch, int64_t partitions);
/* What every commit's metadata says from now on. */
void enrich_batch_set_postgres(struct enrich_batch *batch, const struct gap_world *postgres);

#endif
