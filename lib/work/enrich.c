/* SPDX-License-Identifier: Apache-2.0 */
#include "work/enrich.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/must.h"
#include "work/catalog.h"
#include "work/enrich_loop.h"
#include "work/lint.h"
#include "work/memory.h"

enum {
	LAG_EVERY_MS = 2000,
	CLOSE_MS = 30000,
	KAFKA_QUEUE_BYTES = 16 << 20,
};

struct metric enrich_metrics[M_COUNT] = {
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
		    "%s: changes of %s may never have been sent. sluicectl verify --repair "
		    "finds "
		    "and sends them",
		    why, loop->plan->table);
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
	metric_set(&enrich_metrics[M_LAG], lag);
	work_progress(loop->acknowledged, lag);
	loop->acknowledged = 0;
}

static enum fate
turn(struct enrich_loop *loop, struct err *err)
{
	enum fate fate = enrich_collect(loop, err);

	if (fate == FATE_DONE && loop->broken.fate != FATE_DONE) {
		*err = loop->broken;
		return err->fate;
	}
	if (fate == FATE_DONE) {
		loop->reading = false;
		look_for_gap(loop);
		fate = enrich_finish_batch(loop, err);
		if (fate == FATE_DONE)
			fate = enrich_refresh_due(loop, err);
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
		.on_assign = enrich_on_assign,
		.on_revoke = enrich_on_revoke,
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
	metrics_register(enrich_metrics, M_COUNT);
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
