/* SPDX-License-Identifier: Apache-2.0 */
/* A batch, and what was asked for dimension rows, is committed in one transaction or read
 * again. */
#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "work/crash.h"
#include "work/enrich_loop.h"

enum { LINGER_BEHIND_MS = 1000 };

void
enrich_position_set(struct enrich_loop *loop, int32_t partition, int64_t offset)
{
	for (size_t i = 0; i < loop->position_count; i++) {
		if (loop->positions[i].partition == partition) {
			loop->positions[i].offset = offset;
			return;
		}
	}
	must(loop->position_count < ENRICH_PARTITIONS_MAX);
	loop->positions[loop->position_count++] = (struct kafka_part){
		.topic = loop->plan->fact_topic, .partition = partition, .offset = offset
	};
}

static enum fate
records_next(void *ctx, const struct kafka_out **ret_outs, size_t *ret_count, struct err *err)
{
	return enrich_batch_next(ctx, ret_outs, ret_count, err);
}

/* One transaction for the batch in hand. *ret_rewind: it was undone. */
enum fate
enrich_transact(struct enrich_loop *loop, bool *ret_rewind, struct err *err)
{
	size_t part_count;
	const struct kafka_part *parts = enrich_batch_parts(loop->batch, &part_count);

	*ret_rewind = false;
	switch (kafka_txn_run(
	    loop->txn, records_next, loop->batch, loop->consumer, parts, part_count, err)) {
	case KAFKA_GO_ON:
		for (size_t i = 0; i < part_count; i++)
			enrich_position_set(loop, parts[i].partition, parts[i].offset);
		for (size_t i = 0; i < part_count; i++)
			crash_done(parts[i].topic, parts[i].partition, parts[i].offset);
		metric_add(&enrich_metrics[M_TXNS], 1);
		metric_set(&enrich_metrics[M_BATCH], (int64_t)enrich_batch_count(loop->batch));
		loop->acknowledged += (int64_t)enrich_batch_count(loop->batch);
		enrich_batch_accept(loop->batch);
		return FATE_DONE;
	case KAFKA_ABORTED:
	case KAFKA_RECREATE:
		log_event(LOG_WARN, "abort", "records=%zu why=%s",
		    enrich_batch_count(loop->batch), log_quote(err->what));
		metric_add(&enrich_metrics[M_ABORTS], 1);
		enrich_batch_drop(loop->batch);
		crash_drop();
		*ret_rewind = true;
		return FATE_DONE;
	case KAFKA_EXIT: err->fate = FATE_HALT; return FATE_HALT;
	}
	never("unknown verdict");
}

static enum fate
rewind_all(struct enrich_loop *loop, struct err *err)
{
	enum fate fate = kafka_consumer_rewind(loop->consumer, err);

	if (fate == FATE_RETRY) {
		log_event(LOG_WARN, "rewind", "why=%s", log_quote(err->what));
		return FATE_DONE; /* a rebalance follows and gives explicit offsets */
	}
	return fate;
}

enum fate
enrich_finish_batch(struct enrich_loop *loop, struct err *err)
{
	size_t full = (size_t)loop->conf->batch_rows;
	bool rewind = false;
	enum fate fate;

	while (enrich_batch_count(loop->batch) > 0) {
		fate = follow_step(loop->follow, loop->txn, err);
		if (fate == FATE_DONE)
			fate = enrich_batch_run(loop->batch, clock_mono_ms(), err);
		if (fate == FATE_DONE)
			break;
		if (fate == FATE_HALT)
			return fate;
		if (work_stopping()) { /* not committed: the next start reads it again */
			enrich_batch_drop(loop->batch);
			return FATE_DONE;
		}
		fate = enrich_hold(loop, err);
		if (fate != FATE_DONE)
			return fate;
	}
	enrich_release(loop);
	if (enrich_batch_count(loop->batch) == 0)
		return FATE_DONE;
	loop->linger_ms = enrich_batch_count(loop->batch) * 2 > full ? LINGER_BEHIND_MS
								     : loop->conf->linger_ms;
	fate = enrich_transact(loop, &rewind, err);
	if (fate == FATE_DONE && rewind && loop->refresh)
		refresh_clear(loop->refresh);
	return fate == FATE_DONE && rewind ? rewind_all(loop, err) : fate;
}

/* Asks for the facts of changed dimension rows, and commits the offsets that are done. */
enum fate
enrich_refresh_due(struct enrich_loop *loop, struct err *err)
{
	const struct kafka_part *parts;
	size_t count = 0;
	enum fate fate;

	if (!loop->refresh || clock_mono_ms() < loop->refresh_ms)
		return FATE_DONE;
	fate = refresh_step(loop->refresh, clock_mono_ms(), &parts, &count, err);
	if (fate == FATE_RETRY) {
		log_event(LOG_WARN, "refresh", "why=%s", log_quote(err->what));
		loop->refresh_ms = clock_mono_ms() + pause_next_ms(&loop->refresh_pause);
		return FATE_DONE;
	}
	pause_reset(&loop->refresh_pause);
	enrich_dimensions_release(loop);
	if (fate != FATE_DONE || count == 0)
		return fate;
	switch (kafka_txn_run(loop->txn, NULL, NULL, loop->consumer, parts, count, err)) {
	case KAFKA_GO_ON: return FATE_DONE;
	case KAFKA_ABORTED:
	case KAFKA_RECREATE: refresh_clear(loop->refresh); return rewind_all(loop, err);
	case KAFKA_EXIT: err->fate = FATE_HALT; return FATE_HALT;
	}
	never("unknown verdict");
}
