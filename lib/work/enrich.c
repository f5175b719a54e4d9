/* SPDX-License-Identifier: Apache-2.0 */
#include "work/enrich.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/must.h"
#include "work/catalog.h"
#include "work/crash.h"
#include "work/enrich_loop.h"
#include "work/lint.h"
#include "work/memory.h"

enum {
	POLL_IDLE_MS = 100,
	LINGER_BEHIND_MS = 1000,
	LAG_EVERY_MS = 2000,
	SERVE_EVERY = 64,
	CLOSE_MS = 30000,
	KAFKA_QUEUE_BYTES = 16 << 20,
};

enum { M_TXNS, M_ABORTS, M_RETRIES, M_LAG, M_PARTITIONS, M_BATCH };
static struct metric metrics[] = {
	{ "sluice_transactions_total", NULL, METRIC_COUNTER, "Kafka transactions committed.",
	    0 },
	{ "sluice_aborts_total", NULL, METRIC_COUNTER,
	    "Kafka transactions undone; their batches were read again.", 0 },
	{ "sluice_retries_total", NULL, METRIC_COUNTER,
	    "Times that Postgres was busy or gone and the worker paused.", 0 },
	{ "sluice_lag_records", NULL, METRIC_GAUGE,
	    "Records between the committed position and the end of the topic.", 0 },
	{ "sluice_partitions", NULL, METRIC_GAUGE, "Partitions that this worker owns.", 0 },
	{ "sluice_batch_records", NULL, METRIC_GAUGE, "Records of the last batch.", 0 },
};

static void
position_set(struct enrich_loop *loop, int32_t partition, int64_t offset)
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
static enum fate
transact(struct enrich_loop *loop, bool *ret_rewind, struct err *err)
{
	size_t part_count;
	const struct kafka_part *parts = enrich_batch_parts(loop->batch, &part_count);

	*ret_rewind = false;
	switch (kafka_txn_run(
	    loop->txn, records_next, loop->batch, loop->consumer, parts, part_count, err)) {
	case KAFKA_GO_ON:
		for (size_t i = 0; i < part_count; i++)
			position_set(loop, parts[i].partition, parts[i].offset);
		for (size_t i = 0; i < part_count; i++)
			crash_done(parts[i].topic, parts[i].partition, parts[i].offset);
		metric_add(&metrics[M_TXNS], 1);
		metric_set(&metrics[M_BATCH], (int64_t)enrich_batch_count(loop->batch));
		loop->acknowledged += (int64_t)enrich_batch_count(loop->batch);
		enrich_batch_accept(loop->batch);
		return FATE_DONE;
	case KAFKA_ABORTED:
	case KAFKA_RECREATE:
		log_event(LOG_WARN, "abort", "records=%zu why=%s",
		    enrich_batch_count(loop->batch), log_quote(err->what));
		metric_add(&metrics[M_ABORTS], 1);
		enrich_batch_drop(loop->batch);
		crash_drop();
		*ret_rewind = true;
		return FATE_DONE;
	case KAFKA_EXIT: err->fate = FATE_HALT; return FATE_HALT;
	}
	never("unknown verdict");
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

/* Now and then: do the changes still come from where they came from? Postgres that is away
 * is asked again later; one that cannot say is asked no more. */
static void
look_for_gap(struct enrich_loop *loop)
{
	struct gap_world now = { 0 };
	struct err err = { 0 };
	const char *why;
	enum fate fate;

	if (loop->position_count == 0 || clock_mono_ms() < loop->next_gap_ms)
		return;
	loop->next_gap_ms = clock_mono_ms() + GAP_LOOK_MS;
	fate = gap_ask(loop->pg, loop->slot, &now, &err);
	if (fate != FATE_DONE) {
		log_event(LOG_WARN, "gap", "why=%s", log_quote(err.what));
		if (fate != FATE_RETRY)
			loop->next_gap_ms = INT64_MAX;
		return;
	}
	why = gap_judge(&loop->gap, &now);
	enrich_batch_set_postgres(loop->batch, &now);
	if (why)
		work_alarm(ALARM_GAP,
		    "%s: changes of %s may never have been sent. Send a snapshot, then "
		    "sluicectl verify",
		    why, loop->plan->table);
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
		position_set(loop, facts[i].partition, facts[i].offset);
	worlds_remember(loop, facts, fact_count);
	crash_keep(facts, fact_count);
}

static enum fate
on_assign(void *ctx, struct kafka_part *parts, size_t count, struct err *err)
{
	struct enrich_loop *loop = ctx;
	enum fate fate = enrich_check_assigned(loop, parts, count, err);

	if (fate != FATE_DONE)
		return fate;
	facts_assign(loop, parts, count);
	loop->holding = false;
	metric_set(&metrics[M_PARTITIONS], (int64_t)count);
	work_status(count > 0,
	    count ? "working on %zu partitions" : "no partitions for me (%zu)", count);
	return FATE_DONE;
}

static void
on_revoke(void *ctx, const struct kafka_part *parts, size_t count, bool lost)
{
	struct enrich_loop *loop = ctx;
	struct err err = { 0 };
	bool rewind;

	(void)parts;
	if (!lost && loop->reading && enrich_batch_count(loop->batch) > 0 && !work_dropping() &&
	    follow_step(loop->follow, loop->txn, &err) == FATE_DONE &&
	    enrich_batch_run(loop->batch, clock_mono_ms(), &err) == FATE_DONE &&
	    transact(loop, &rewind, &err) == FATE_HALT)
		loop->broken = err;
	enrich_batch_drop(loop->batch);
	crash_drop();
	if (loop->refresh)
		refresh_clear(loop->refresh);
	loop->position_count = 0;
	loop->holding = false;
	metric_set(&metrics[M_PARTITIONS], 0);
	work_status(false, "%zu partitions %s", count, lost ? "lost" : "given back");
}

static bool
batch_full(const struct enrich_loop *loop)
{
	return (crash_alone() && enrich_batch_count(loop->batch) > 0) ||
	       enrich_batch_count(loop->batch) >= enrich_batch_fits(loop->batch) ||
	       (int64_t)enrich_batch_count(loop->batch) >= loop->conf->batch_rows ||
	       (int64_t)enrich_batch_bytes(loop->batch) >= loop->conf->batch_bytes;
}

/* Facts go into the batch, dimension rows to whoever asks for their facts. */
static void
take_in(struct enrich_loop *loop, struct kafka_message *message)
{
	size_t source = loop->refresh ? follow_source(loop->follow, message->topic, 0) : 0;

	if (source == 0) {
		crash_take(message->topic, message->partition, message->offset);
		enrich_batch_add(loop->batch, message);
		return;
	}
	for (; source > 0; source = follow_source(loop->follow, message->topic, source))
		refresh_take(loop->refresh, source, message, clock_mono_ms());
	kafka_message_free(message);
}

static enum fate
poll_one(struct enrich_loop *loop, int64_t wait_ms, bool *ret_more, struct err *err)
{
	struct kafka_message message;

	*ret_more = true;
	switch (kafka_consumer_poll(loop->consumer, wait_ms, &message, err)) {
	case KAFKA_MESSAGE: take_in(loop, &message); return FATE_DONE;
	case KAFKA_EOF: return FATE_DONE;
	case KAFKA_NOTHING: *ret_more = false; return FATE_DONE;
	case KAFKA_ERROR:
		*ret_more = false;
		if (err->fate == FATE_HALT)
			return FATE_HALT;
		log_event(LOG_WARN, "kafka", "why=%s", log_quote(err->what));
		return FATE_DONE;
	}
	never("unknown poll result");
}

/* Whether the batch waits no longer; *ret_wait_ms: how long the next poll may. */
static bool
collected(struct enrich_loop *loop, int64_t *until_ms, int64_t *ret_wait_ms)
{
	int64_t now = clock_mono_ms();

	*ret_wait_ms = POLL_IDLE_MS;
	if (enrich_batch_count(loop->batch) == 0)
		return false;
	if (*until_ms == 0)
		*until_ms = now + loop->linger_ms;
	*ret_wait_ms = *until_ms - now;
	return *ret_wait_ms <= 0 || work_stopping();
}

/* N messages, or T ms after the first one. While messages are there nothing waits, and
 * the clock and the producer are looked at once in SERVE_EVERY. */
static enum fate
collect(struct enrich_loop *loop, struct err *err)
{
	int64_t until = 0, wait;
	bool more = true;

	for (unsigned n = 0; !batch_full(loop); n++) {
		enum fate fate;

		wait = 0;
		if (!more || n % SERVE_EVERY == 0) {
			kafka_txn_serve(loop->txn);
			if (collected(loop, &until, &wait))
				return FATE_DONE;
			wait = more ? 0 : wait;
		}
		fate = poll_one(loop, wait, &more, err);
		if (fate != FATE_DONE || loop->broken.fate != FATE_DONE)
			return fate;
		if (!more && wait > 0 && enrich_batch_count(loop->batch) == 0)
			return FATE_DONE;
	}
	return FATE_DONE;
}

void
enrich_take_secrets(struct enrich_loop *loop)
{
	struct pipeline *now = work_secrets(loop->work);

	if (!now)
		return;
	pg_set_password(loop->pg, now->postgres.password);
	pipeline_free(now);
	work_secrets_said(NULL);
}

/* Postgres is away: the batch waits, the partitions are paused, polling goes on. */
static enum fate
hold(struct enrich_loop *loop, struct err *err)
{
	int64_t until = clock_mono_ms() + pause_next_ms(&loop->pause);
	struct err ignored;
	bool more;

	metric_add(&metrics[M_RETRIES], 1);
	work_status(false, "waiting: %s", err->what);
	if (!loop->holding &&
	    kafka_consumer_pause(loop->consumer, NULL, 0, &ignored) == FATE_DONE)
		loop->holding = true;
	while (clock_mono_ms() < until && !work_stopping()) {
		enum fate fate = poll_one(loop, POLL_IDLE_MS, &more, err);

		if (fate != FATE_DONE)
			return fate;
		work_beat();
	}
	enrich_take_secrets(loop);
	return FATE_DONE;
}

static void
release(struct enrich_loop *loop)
{
	struct err ignored;

	pause_reset(&loop->pause);
	if (!loop->holding)
		return;
	if (kafka_consumer_resume(loop->consumer, NULL, 0, &ignored) != FATE_DONE)
		return; /* tried again after the next batch */
	loop->holding = false;
	work_status(
	    true, "working on %" PRId64 " partitions", metric_get(&metrics[M_PARTITIONS]));
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

static enum fate
finish_batch(struct enrich_loop *loop, struct err *err)
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
		fate = hold(loop, err);
		if (fate != FATE_DONE)
			return fate;
	}
	release(loop);
	if (enrich_batch_count(loop->batch) == 0)
		return FATE_DONE;
	loop->linger_ms = enrich_batch_count(loop->batch) * 2 > full ? LINGER_BEHIND_MS
								     : loop->conf->linger_ms;
	fate = transact(loop, &rewind, err);
	if (fate == FATE_DONE && rewind && loop->refresh)
		refresh_clear(loop->refresh);
	return fate == FATE_DONE && rewind ? rewind_all(loop, err) : fate;
}

/* Asks for the facts of changed dimension rows, and commits the offsets that are done. */
static enum fate
refresh_due(struct enrich_loop *loop, struct err *err)
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

static void
measure_lag(struct enrich_loop *loop)
{
	struct kafka_part ends[64];
	size_t count = loop->position_count < 64 ? loop->position_count : 64;
	struct err ignored;
	int64_t lag = 0;

	if (clock_mono_ms() < loop->next_lag_ms || count == 0)
		return;
	loop->next_lag_ms = clock_mono_ms() + LAG_EVERY_MS;
	memcpy(ends, loop->positions, count * sizeof *ends);
	if (kafka_txn_offsets_at(
		loop->txn, KAFKA_AT_END, ends, count, LAG_EVERY_MS, &ignored) != FATE_DONE)
		return;
	for (size_t i = 0; i < count; i++)
		if (ends[i].offset > loop->positions[i].offset)
			lag += ends[i].offset - loop->positions[i].offset;
	metric_set(&metrics[M_LAG], lag);
	work_progress(loop->acknowledged, lag);
	loop->acknowledged = 0;
}

static enum fate
turn(struct enrich_loop *loop, struct err *err)
{
	enum fate fate = collect(loop, err);

	if (fate == FATE_DONE && loop->broken.fate != FATE_DONE) {
		*err = loop->broken;
		return err->fate;
	}
	if (fate == FATE_DONE) {
		loop->reading = false;
		look_for_gap(loop);
		fate = finish_batch(loop, err);
		if (fate == FATE_DONE)
			fate = refresh_due(loop, err);
		loop->reading = true;
	}
	measure_lag(loop);
	enrich_take_secrets(loop);
	work_beat();
	return fate;
}

static enum fate
loop_run(struct enrich_loop *loop, struct err *err)
{
	struct kafka_consumer_conf conf = { .group = loop->work->group,
		.instance = loop->work->member,
		.queue_kbytes = memory_share(loop->work->pipeline->memory_max, MEMORY_QUEUE,
				    KAFKA_QUEUE_BYTES) >>
				10,
		.on_assign = on_assign,
		.on_revoke = on_revoke,
		.ctx = loop };
	enum fate fate =
	    postgres_open(loop->work->pipeline, loop->work->member, &loop->pg, err);

	if (fate == FATE_DONE)
		fate = enrich_start_plan(loop, err);
	if (fate == FATE_DONE && !work_stopping())
		fate = enrich_start_clients(loop, &conf, err);
	while (fate == FATE_DONE && !work_stopping())
		fate = turn(loop, err);
	if (fate == FATE_HALT && work_stopping() && kafka_wants_restart(err))
		fate = FATE_DONE; /* a wait was cut short because we were asked to stop */
	return fate;
}

enum fate
enrich_run(struct work *work, struct err *err)
{
	struct enrich_loop *loop = calloc(1, sizeof *loop);
	enum fate fate;

	must(loop);
	metrics_register(metrics, sizeof metrics / sizeof *metrics);
	loop->work = work;
	loop->conf = &work->pipeline->enrich;
	loop->linger_ms = loop->conf->linger_ms;
	loop->reading = true;
	fate = loop_run(loop, err);
	loop->reading = fate == FATE_DONE;
	if (loop->consumer)
		(void)kafka_consumer_close(loop->consumer, CLOSE_MS);
	refresh_close(loop->refresh);
	follow_close(loop->follow);
	enrich_batch_free(loop->batch);
	kafka_txn_close(loop->txn);
	enrich_plan_free(loop->plan);
	pg_free(loop->pg);
	free(loop->slot);
	free(loop);
	return fate;
}

enum fate
enrich_check(struct work *work, struct err *err)
{
	struct enrich_loop loop = { .work = work, .conf = &work->pipeline->enrich };
	enum fate fate = postgres_open(work->pipeline, work->member, &loop.pg, err);

	if (fate == FATE_DONE)
		fate = enrich_plan_open(loop.pg, work->pipeline, &loop.plan, err);
	if (fate == FATE_DONE)
		fate = lint_start(loop.pg, work->pipeline, false, err);
	if (fate == FATE_DONE)
		fate = enrich_start_refresh(&loop, err);
	if (fate == FATE_DONE) {
		struct kafka_conf conf;

		work_kafka_conf(work, &conf);
		fate = enrich_lint_topics(work->pipeline, loop.plan->query, &conf, true, err);
	}
	refresh_close(loop.refresh);
	enrich_plan_free(loop.plan);
	pg_free(loop.pg);
	return fate;
}
