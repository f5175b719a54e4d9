/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions come and go: whether the positions that the group hands out fit the topics as they
 * are now, and what becomes of what is in hand. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "work/crash.h"
#include "work/enrich_loop.h"

enum { ASK_TIMEOUT_MS = 10000 };

static enum fate
check_counts(
    struct enrich_loop *loop, const struct kafka_part *parts, size_t count, struct err *err)
{
	int64_t generation = loop->conf->generation;
	struct mark_world known;
	struct mark mark;

	for (size_t i = 0; i < count; i++) {
		if (parts[i].offset == KAFKA_NO_OFFSET)
			return err_set(err, FATE_HALT,
			    "group %s has no offset for %s/%" PRId32
			    ": offsets expired or partition new: sluicectl reset, or sluicectl "
			    "bootstrap",
			    loop->work->group, parts[i].topic, parts[i].partition);
		mark_parse(parts[i].metadata, &mark, &known);
		if (known.partitions != 0 && known.partitions != loop->source_partitions &&
		    known.generation >= generation)
			return err_set(err, FATE_HALT,
			    "%s has %" PRId32 " partitions, and had %" PRId64
			    " when this group committed: the order of a key would break",
			    parts[i].topic, loop->source_partitions, known.partitions);
		if (known.generation > generation)
			return err_set(err, FATE_HALT,
			    "generation is %" PRId64 ", and was %" PRId64
			    " when this group committed: versions would go back",
			    generation, known.generation);
	}
	return FATE_DONE;
}

static enum fate
bounds_read(struct enrich_loop *loop, int64_t at, const struct kafka_part *parts, size_t count,
    struct kafka_part *ret, struct err *err)
{
	enum fate fate;

	memcpy(ret, parts, count * sizeof *ret);
	fate = kafka_consumer_offsets_at(loop->consumer, at, ret, count, ASK_TIMEOUT_MS, err);
	if (fate == FATE_RETRY)
		return err_code(
		    err, FATE_HALT, CODE_RESTART, "assignment: offsets of the topics unknown");
	return fate;
}

/* A topic that was made again ends below what the group committed; one whose records
 * expired begins above it. */
static enum fate
check_bounds(
    struct enrich_loop *loop, const struct kafka_part *parts, size_t count, struct err *err)
{
	struct kafka_part *first = calloc(count + 1, sizeof *first);
	struct kafka_part *last = calloc(count + 1, sizeof *last);
	enum fate fate;

	must(first && last);
	fate = bounds_read(loop, KAFKA_AT_START, parts, count, first, err);
	if (fate == FATE_DONE)
		fate = bounds_read(loop, KAFKA_AT_END, parts, count, last, err);
	for (size_t i = 0; i < count && fate == FATE_DONE; i++)
		if (parts[i].offset < first[i].offset || parts[i].offset > last[i].offset)
			fate = err_set(err, FATE_HALT,
			    "%s/%" PRId32 " holds %" PRId64 " to %" PRId64
			    ", and the committed offset is %" PRId64 ": %s: sluicectl reset",
			    parts[i].topic, parts[i].partition, first[i].offset, last[i].offset,
			    parts[i].offset,
			    parts[i].offset > last[i].offset ? "the topic was made again"
							     : "offsets expired");
	free(first);
	free(last);
	return fate;
}

static enum fate
check_assigned(
    struct enrich_loop *loop, const struct kafka_part *parts, size_t count, struct err *err)
{
	enum fate fate = check_counts(loop, parts, count, err);

	if (fate == FATE_DONE && count)
		fate = check_bounds(loop, parts, count, err);
	return fate;
}

/* Until Postgres is asked again, commits say what the last ones said. */
static void
worlds_remember(struct enrich_loop *loop, const struct kafka_part *parts, size_t count)
{
	struct mark_world world;
	struct mark ignored;

	loop->gap.count = 0;
	for (size_t i = 0; i < count; i++) {
		mark_parse(parts[i].metadata, &ignored, &world);
		gap_remember(&loop->gap, &world.postgres);
	}
	if (loop->gap.count)
		enrich_batch_set_postgres(loop->batch, &loop->gap.seen[0]);
	loop->next_gap_ms = 0;
}

/* Of all that is assigned, the fact topic's partitions. */
static void
facts_assign(struct enrich_loop *loop, const struct kafka_part *parts, size_t count)
{
	struct kafka_part facts[ENRICH_PARTITIONS_MAX] = { 0 };
	size_t fact_count = 0;

	for (size_t i = 0; i < count && fact_count < ENRICH_PARTITIONS_MAX; i++)
		if (strcmp(parts[i].topic, loop->plan->fact_topic) == 0)
			facts[fact_count++] = parts[i];
	enrich_batch_assign(loop->batch, facts, fact_count);
	if (loop->refresh)
		refresh_clear(loop->refresh);
	loop->position_count = 0;
	for (size_t i = 0; i < fact_count; i++)
		enrich_position_set(loop, facts[i].partition, facts[i].offset);
	worlds_remember(loop, facts, fact_count);
	crash_keep(facts, fact_count);
}

enum fate
enrich_on_assign(void *ctx, struct kafka_part *parts, size_t count, struct err *err)
{
	struct enrich_loop *loop = ctx;
	enum fate fate = check_assigned(loop, parts, count, err);

	if (fate != FATE_DONE)
		return fate;
	facts_assign(loop, parts, count);
	loop->holding = loop->dimensions_held = false;
	metric_set(&enrich_metrics[M_PARTITIONS], (int64_t)count);
	work_status(count > 0,
	    count ? "working on %zu partitions" : "no partitions for me (%zu)", count);
	return FATE_DONE;
}

void
enrich_on_revoke(void *ctx, const struct kafka_part *parts, size_t count, bool lost)
{
	struct enrich_loop *loop = ctx;
	struct err err = { 0 };
	bool rewind;

	(void)parts;
	if (!lost && loop->reading && enrich_batch_count(loop->batch) > 0 && !work_dropping() &&
	    follow_step(loop->follow, loop->txn, &err) == FATE_DONE &&
	    enrich_batch_run(loop->batch, clock_mono_ms(), &err) == FATE_DONE &&
	    enrich_transact(loop, &rewind, &err) == FATE_HALT)
		loop->broken = err;
	enrich_batch_drop(loop->batch);
	crash_drop();
	if (loop->refresh)
		refresh_clear(loop->refresh);
	loop->position_count = 0;
	loop->holding = loop->dimensions_held = false;
	metric_set(&enrich_metrics[M_PARTITIONS], 0);
	work_status(false, "%zu partitions %s", count, lost ? "lost" : "given back");
}
