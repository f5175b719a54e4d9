/* SPDX-License-Identifier: Apache-2.0 */
#include "work/deliver.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/must.h"
#include "link/kafka_consumer.h"
#include "work/bury.h"
#include "work/ledger.h"

enum {
	POLL_IDLE_MS = 100, /* nothing in hand: wait for a message */
	WORK_WAIT_MS = 10,  /* something in hand: wait for the target */
	ROUND_MAX = 2000,   /* messages taken in one round */
	COMMIT_EVERY_MS = 200,
	TICK_EVERY_MS = 1000,
	LAG_EVERY_MS = 2000,
	LAG_TIMEOUT_MS = 2000,
	FULL_PAUSE_MS = 1000, /* no room for so long: pause, so that polling can go on */
	DRAIN_MS = 20000,     /* on stop and revoke */
	ASSIGN_PATIENCE_MS = 240000,
	HEADERS_MAX = 64,
	VERSION_TEXT = 24,
};

enum {
	M_DONE,
	M_REJECTED,
	M_REPEATED,
	M_RETRIES,
	M_COMMITS,
	M_PENDING,
	M_LAG,
	M_PARTITIONS,
	M_TS
};
static struct metric metrics[] = {
	{ "sluice_records_total", "outcome=\"done\"", METRIC_COUNTER,
	    "Records of the enriched topic by what became of them.", 0 },
	{ "sluice_records_total", "outcome=\"rejected\"", METRIC_COUNTER, "", 0 },
	{ "sluice_records_total", "outcome=\"repeated\"", METRIC_COUNTER, "", 0 },
	{ "sluice_retries_total", NULL, METRIC_COUNTER,
	    "Times that the target was busy or gone and the worker paused.", 0 },
	{ "sluice_commits_total", NULL, METRIC_COUNTER, "Offset commits.", 0 },
	{ "sluice_pending_records", NULL, METRIC_GAUGE, "Records in hand, not yet done.", 0 },
	{ "sluice_lag_records", NULL, METRIC_GAUGE,
	    "Records between the committed position and the end of the topic.", 0 },
	{ "sluice_partitions", NULL, METRIC_GAUGE, "Partitions that this worker owns.", 0 },
	{ "sluice_last_commit_time_ms", NULL, METRIC_GAUGE,
	    "Postgres commit time of the newest record done, ms since 1970.", 0 },
};

struct loop {
	const struct deliver *d;
	struct sink *sink;
	struct kafka_consumer *consumer;
	struct ledger *ledger;
	struct bury *bury;
	struct record *round[ROUND_MAX];
	size_t round_count;
	struct kafka_part parts[LEDGER_PARTITIONS_MAX];
	char metadata[LEDGER_PARTITIONS_MAX][VERSION_TEXT];
	bool paused, connected, waiting;
	int64_t room_ms; /* when there last was room */
	struct pause pause;
	int64_t resume_ms, next_commit_ms, next_tick_ms, next_lag_ms;
	int64_t acknowledged;
};

static struct kafka_message
message_of(const struct record *record)
{
	return (struct kafka_message){ .topic = record->topic,
		.partition = record->partition,
		.offset = record->offset,
		.key = record->key,
		.value = record->value,
		.handle = record->message };
}

static void
free_record(void *context, struct record *record)
{
	struct kafka_message message = message_of(record);

	(void)context;
	kafka_message_free(&message);
}

static void
retire_record(void *context, struct record *record)
{
	struct loop *loop = context;
	struct kafka_message message = message_of(record);

	loop->acknowledged++;
	if (record->outcome == OUTCOME_REJECTED) {
		metric_add(&metrics[M_REJECTED], 1);
		bury_add(loop->bury, &message, record->reason, record->attempts);
		return;
	}
	metric_add(&metrics[M_DONE], 1);
	if (record->ts_ms > metric_get(&metrics[M_TS]))
		metric_set(&metrics[M_TS], record->ts_ms);
	kafka_message_free(&message);
}

/* Positions that have moved, with the version fence as metadata. */
static size_t
moved_parts(struct loop *loop)
{
	struct ledger_position at;
	size_t count = 0;

	for (size_t i = 0; ledger_position(loop->ledger, i, &at); i++) {
		int n;

		if (!at.moved)
			continue;
		n = snprintf(loop->metadata[count], VERSION_TEXT, "%" PRIu64, at.version);
		loop->parts[count] =
		    (struct kafka_part){ .topic = loop->d->work->pipeline->enrich.topic,
			    .partition = at.partition,
			    .offset = at.position,
			    .metadata =
				slice_of(loop->metadata[count], at.version ? (size_t)n : 0) };
		count++;
	}
	return count;
}

static void
parts_committed(struct loop *loop, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ledger_committed(loop->ledger, loop->parts[i].partition, loop->parts[i].offset);
	if (count)
		metric_add(&metrics[M_COMMITS], 1);
}

/* Retires, buries, commits. RETRY leaves everything for the next time. */
static enum fate
settle(struct loop *loop, bool now, struct err *err)
{
	enum fate fate = FATE_DONE;
	size_t count;

	ledger_retire(loop->ledger, retire_record, loop);
	if (!now && bury_count(loop->bury) == 0 && clock_mono_ms() < loop->next_commit_ms)
		return FATE_DONE;
	loop->next_commit_ms = clock_mono_ms() + COMMIT_EVERY_MS;
	count = moved_parts(loop);
	if (bury_count(loop->bury) > 0)
		fate = bury_commit(loop->bury, loop->consumer, loop->parts, count, err);
	else if (count > 0)
		fate = kafka_consumer_commit(loop->consumer, loop->parts, count, err);
	if (fate == FATE_DONE)
		parts_committed(loop, count);
	return fate;
}

static enum fate
parts_describe(struct loop *loop, struct kafka_part *parts, size_t count, struct sink_part *out,
    struct err *err)
{
	struct kafka_part *asked = calloc(count, sizeof *asked);
	int64_t replay_ms = sink_replay_ms(loop->sink);
	enum fate fate;

	must(asked);
	memcpy(asked, parts, count * sizeof *asked);
	fate = kafka_consumer_offsets_at(
	    loop->consumer, KAFKA_AT_END, asked, count, LAG_TIMEOUT_MS * 5, err);
	for (size_t i = 0; i < count && fate == FATE_DONE; i++)
		out[i] = (struct sink_part){ .partition = parts[i].partition,
			.committed = parts[i].offset,
			.end = asked[i].offset,
			.window = asked[i].offset,
			.start = SINK_OFFSET_COMMITTED };
	if (fate == FATE_DONE && replay_ms > 0)
		fate = kafka_consumer_offsets_at(loop->consumer, clock_wall_ms() - replay_ms,
		    asked, count, LAG_TIMEOUT_MS * 5, err);
	for (size_t i = 0; i < count && fate == FATE_DONE && replay_ms > 0; i++)
		out[i].window = asked[i].offset;
	free(asked);
	if (fate == FATE_RETRY)
		return err_code(
		    err, FATE_HALT, CODE_RESTART, "assignment: end offsets unknown");
	return fate;
}

/* Asks the sink where it stands, for as long as the group lets us. */
static enum fate
assign_patiently(struct loop *loop, struct sink_part *parts, size_t count, struct err *err)
{
	int64_t until = clock_mono_ms() + ASSIGN_PATIENCE_MS;
	struct pause pause = { .max_ms = 2000 };

	for (;;) {
		enum fate fate = sink_assign(loop->sink, parts, count, err);

		if (fate != FATE_RETRY)
			return fate;
		work_status(false, "waiting for %s: %s", sink_name(loop->sink), err->what);
		if (work_stopping() || clock_mono_ms() > until)
			return err_code(err, FATE_HALT, CODE_RESTART,
			    "assignment: %s did not answer", sink_name(loop->sink));
		pause_wait(&pause);
	}
}

static enum fate
on_assign(void *ctx, struct kafka_part *parts, size_t count, struct err *err)
{
	struct loop *loop = ctx;
	struct sink_part *asked;
	enum fate fate;

	must(count <= LEDGER_PARTITIONS_MAX);
	for (size_t i = 0; i < count; i++)
		if (parts[i].offset == KAFKA_NO_OFFSET)
			return err_set(err, FATE_HALT,
			    "group %s has no offset for %s/%" PRId32
			    ": offsets expired or partition new: sluicectl reset, or sluicectl "
			    "bootstrap",
			    loop->d->work->group, parts[i].topic, parts[i].partition);
	asked = calloc(count + 1, sizeof *asked);
	must(asked);
	fate = count ? parts_describe(loop, parts, count, asked, err) : FATE_DONE;
	if (fate == FATE_DONE && count)
		fate = assign_patiently(loop, asked, count, err);
	for (size_t i = 0; i < count && fate == FATE_DONE; i++) {
		uint64_t version;

		if (asked[i].start != SINK_OFFSET_COMMITTED)
			parts[i].offset = asked[i].start;
		ledger_watch(loop->ledger, parts[i].partition, parts[i].offset);
		if (asked[i].start == SINK_OFFSET_COMMITTED &&
		    slice_u64(parts[i].metadata, &version))
			(void)ledger_repeats(loop->ledger, parts[i].partition, version);
	}
	free(asked);
	if (fate == FATE_DONE) {
		metric_set(&metrics[M_PARTITIONS], (int64_t)count);
		loop->paused = false;
		work_status(count > 0,
		    count ? "working on %zu partitions" : "no partitions for me (%zu)", count);
	}
	return fate;
}

/* Works until nothing is pending, for a bounded time. */
static void
drain(struct loop *loop)
{
	int64_t until = clock_mono_ms() + DRAIN_MS;
	struct pause pause = { .base_ms = 50, .max_ms = 1000 };
	struct err err = { 0 };

	sink_flush(loop->sink);
	while (sink_pending(loop->sink) > 0 && clock_mono_ms() < until && !work_dropping()) {
		enum fate fate = sink_work(loop->sink, WORK_WAIT_MS, &err);

		work_beat();
		if (fate == FATE_HALT || sink_waiting(loop->sink))
			break; /* what is pending will be read again */
		if (fate == FATE_RETRY)
			clock_sleep_ms(pause_next_ms(&pause));
	}
}

static void
forget(struct loop *loop)
{
	sink_drop(loop->sink);
	ledger_clear(loop->ledger, free_record, NULL);
	bury_clear(loop->bury);
	loop->round_count = 0;
}

static void
on_revoke(void *ctx, const struct kafka_part *parts, size_t count, bool lost)
{
	struct loop *loop = ctx;
	struct err err = { 0 };

	(void)parts;
	if (!lost) {
		drain(loop);
		if (settle(loop, true, &err) != FATE_DONE)
			log_event(LOG_WARN, "revoke_commit", "why=%s", log_quote(err.what));
	}
	forget(loop);
	metric_set(&metrics[M_PARTITIONS], 0);
	work_status(false, "%zu partitions %s", count, lost ? "lost" : "given back");
}

/* A message becomes a pending record, or is settled at once. */
static void
take_in(struct loop *loop, struct kafka_message *message)
{
	struct header headers[HEADERS_MAX];
	struct record *record = ledger_add(loop->ledger, message->partition, message->offset);
	struct err err = { 0 };
	size_t count = 0;
	enum fate fate = kafka_message_headers(message, headers, HEADERS_MAX, &count, &err);

	if (fate == FATE_DONE)
		fate = record_read_headers(headers, count, record, &err);
	record->topic = message->topic;
	record->partition = message->partition;
	record->offset = message->offset;
	record->key = message->key;
	record->value = message->value;
	record->message = message->handle;
	ledger_weigh(loop->ledger, record);
	if (fate != FATE_DONE) {
		record->outcome = OUTCOME_REJECTED;
		record->reason = strdup(err.what);
	} else if (!record->replay &&
		   ledger_repeats(loop->ledger, record->source_partition, record->version)) {
		metric_add(&metrics[M_REPEATED], 1);
		record->outcome = OUTCOME_DONE;
	} else {
		loop->round[loop->round_count++] = record;
	}
}

static bool
has_room(const struct loop *loop)
{
	return ledger_pending(loop->ledger) < loop->d->rows_max &&
	       ledger_bytes(loop->ledger) < loop->d->bytes_max && loop->round_count < ROUND_MAX;
}

static void
hold_partitions(struct loop *loop)
{
	struct err ignored;

	if (!loop->paused &&
	    kafka_consumer_pause(loop->consumer, NULL, 0, &ignored) == FATE_DONE)
		loop->paused = true;
}

/* A window that stays full must not keep us from polling: the group would drop us. */
static void
watch_room(struct loop *loop)
{
	if (has_room(loop))
		loop->room_ms = clock_mono_ms();
	else if (clock_mono_ms() - loop->room_ms > FULL_PAUSE_MS)
		hold_partitions(loop);
}

/* Polls until there is nothing more to take or no room. */
static enum fate
gather(struct loop *loop, struct err *err)
{
	int64_t wait = loop->paused || ledger_pending(loop->ledger) ? 0 : POLL_IDLE_MS;
	struct kafka_message message;

	loop->round_count = 0;
	watch_room(loop);
	while (loop->paused || has_room(loop)) {
		enum kafka_polled polled =
		    kafka_consumer_poll(loop->consumer, wait, &message, err);

		wait = 0;
		switch (polled) {
		case KAFKA_MESSAGE: take_in(loop, &message); continue;
		case KAFKA_EOF:
			ledger_reached(loop->ledger, message.partition, message.offset);
			continue;
		case KAFKA_NOTHING: break;
		case KAFKA_ERROR:
			if (err->fate == FATE_HALT)
				return FATE_HALT;
			log_event(LOG_WARN, "kafka", "why=%s", log_quote(err->what));
			break;
		}
		break;
	}
	if (loop->round_count)
		sink_push(loop->sink, loop->round, loop->round_count);
	return FATE_DONE;
}

/* The target is away: keep polling (paused) so that the group keeps us. */
static enum fate
hold(struct loop *loop, struct err *err)
{
	metric_add(&metrics[M_RETRIES], 1);
	work_status(false, "waiting for %s: %s", sink_name(loop->sink), err->what);
	loop->resume_ms = clock_mono_ms() + pause_next_ms(&loop->pause);
	hold_partitions(loop);
	return FATE_DONE;
}

static void
go_on(struct loop *loop)
{
	const char *why = sink_waiting(loop->sink);
	struct err ignored;

	pause_reset(&loop->pause);
	if (why)
		work_status(false, "waiting for %s: %s", sink_name(loop->sink), why);
	else if (loop->resume_ms || loop->waiting)
		work_status(true, "working on %" PRId64 " partitions",
		    metric_get(&metrics[M_PARTITIONS]));
	loop->waiting = why != NULL;
	loop->resume_ms = 0;
	if (loop->paused && has_room(loop) &&
	    kafka_consumer_resume(loop->consumer, NULL, 0, &ignored) == FATE_DONE)
		loop->paused = false;
}

static enum fate
push_on(struct loop *loop, struct err *err)
{
	int wait = loop->round_count ? 0 : WORK_WAIT_MS;
	enum fate fate = FATE_DONE;

	if (loop->resume_ms && clock_mono_ms() < loop->resume_ms) {
		clock_sleep_ms(WORK_WAIT_MS);
		return FATE_DONE;
	}
	if (sink_pending(loop->sink) > 0)
		fate = sink_work(loop->sink, wait, err);
	if (fate == FATE_DONE && clock_mono_ms() >= loop->next_tick_ms &&
	    metric_get(&metrics[M_PARTITIONS]) > 0) {
		fate = sink_tick(loop->sink, clock_wall_ms(), err);
		loop->next_tick_ms = clock_mono_ms() + TICK_EVERY_MS;
	}
	if (fate == FATE_RETRY)
		return hold(loop, err);
	if (fate == FATE_DONE)
		go_on(loop);
	return fate;
}

/* The sink lost its place (a flushed Redis): read again from where it says. */
static enum fate
reseek(struct loop *loop, struct err *err)
{
	struct sink_part *asked;
	struct kafka_part *parts;
	size_t count = 0, limit = LEDGER_PARTITIONS_MAX;
	enum fate fate;

	parts = calloc(limit, sizeof *parts);
	asked = calloc(limit, sizeof *asked);
	must(parts && asked);
	kafka_consumer_assignment(loop->consumer, parts, limit, &count);
	forget(loop);
	fate = count ? kafka_consumer_committed(loop->consumer, parts, count, NULL, err)
		     : FATE_DONE;
	if (fate == FATE_DONE && count) {
		fate = parts_describe(loop, parts, count, asked, err);
		if (fate == FATE_DONE)
			fate = assign_patiently(loop, asked, count, err);
	}
	for (size_t i = 0; i < count && fate == FATE_DONE; i++) {
		if (asked[i].start != SINK_OFFSET_COMMITTED)
			parts[i].offset = asked[i].start;
		ledger_watch(loop->ledger, parts[i].partition, parts[i].offset);
	}
	if (fate == FATE_DONE && count)
		fate = kafka_consumer_seek(loop->consumer, parts, count, err);
	free(parts);
	free(asked);
	if (fate == FATE_RETRY)
		return err_code(
		    err, FATE_HALT, CODE_RESTART, "cannot seek after the sink moved");
	return fate;
}

static void
measure_lag(struct loop *loop)
{
	struct ledger_position at;
	struct err ignored;
	size_t count = 0;
	int64_t lag = 0;

	if (clock_mono_ms() < loop->next_lag_ms)
		return;
	loop->next_lag_ms = clock_mono_ms() + LAG_EVERY_MS;
	for (size_t i = 0; ledger_position(loop->ledger, i, &at); i++, count++)
		loop->parts[count] =
		    (struct kafka_part){ .topic = loop->d->work->pipeline->enrich.topic,
			    .partition = at.partition };
	if (count && kafka_consumer_offsets_at(loop->consumer, KAFKA_AT_END, loop->parts, count,
			 LAG_TIMEOUT_MS, &ignored) != FATE_DONE)
		return;
	for (size_t i = 0; ledger_position(loop->ledger, i, &at); i++)
		if (loop->parts[i].offset > at.position)
			lag += loop->parts[i].offset - at.position;
	metric_set(&metrics[M_LAG], lag);
	work_progress(loop->acknowledged, lag);
	loop->acknowledged = 0;
}

static enum fate
turn(struct loop *loop, struct err *err)
{
	enum fate fate = gather(loop, err);

	if (fate == FATE_DONE)
		fate = push_on(loop, err);
	if (fate == FATE_DONE && sink_moved(loop->sink))
		fate = reseek(loop, err);
	if (fate == FATE_DONE) {
		fate = settle(loop, false, err);
		if (fate == FATE_RETRY) {
			log_event(LOG_WARN, "commit", "why=%s", log_quote(err->what));
			fate = FATE_DONE;
		}
	}
	metric_set(&metrics[M_PENDING], (int64_t)ledger_pending(loop->ledger));
	measure_lag(loop);
	work_beat();
	return fate;
}

static enum fate
connect_patiently(struct loop *loop, struct err *err)
{
	struct pause pause = { 0 };

	while (!work_stopping()) {
		enum fate fate = sink_connect(loop->sink, err);

		if (fate != FATE_RETRY)
			return fate;
		metric_add(&metrics[M_RETRIES], 1);
		work_status(false, "waiting for %s: %s", sink_name(loop->sink), err->what);
		pause_wait(&pause);
	}
	return FATE_DONE;
}

static enum fate
subscribe(struct loop *loop, struct err *err)
{
	const struct work *work = loop->d->work;
	const char *topics[] = { work->pipeline->enrich.topic };
	struct kafka_consumer_conf conf = { .group = work->group,
		.instance = work->member,
		.on_assign = on_assign,
		.on_revoke = on_revoke,
		.ctx = loop };
	enum fate fate;

	work_kafka_conf(work, &conf.common);
	fate = kafka_consumer_open(&loop->consumer, &conf, err);
	if (fate != FATE_DONE)
		return fate;
	work_status(false, "joining group %s", work->group);
	return kafka_consumer_subscribe(loop->consumer, topics, 1, err);
}

static enum fate
loop_run(struct loop *loop, struct err *err)
{
	enum fate fate = sink_open(loop->d->ops, loop->d->config, &loop->sink, err);

	if (fate != FATE_DONE)
		return fate;
	fate = connect_patiently(loop, err);
	if (fate == FATE_DONE && !work_stopping())
		fate = subscribe(loop, err);
	while (fate == FATE_DONE && !work_stopping())
		fate = turn(loop, err);
	if (fate == FATE_HALT && work_stopping() && strcmp(err->code, CODE_RESTART) == 0)
		fate = FATE_DONE; /* a wait was cut short because we were asked to stop */
	return fate;
}

enum fate
deliver_run(const struct deliver *deliver, struct err *err)
{
	struct loop *loop = calloc(1, sizeof *loop);
	enum fate fate;

	must(loop);
	metrics_register(metrics, sizeof metrics / sizeof *metrics);
	loop->d = deliver;
	loop->ledger = ledger_new();
	loop->bury = bury_new(deliver->work);
	fate = loop_run(loop, err);
	if (loop->consumer) {
		if (fate == FATE_HALT)
			forget(loop); /* nothing pending may be committed by the revoke */
		(void)kafka_consumer_close(loop->consumer, DRAIN_MS + 10000);
	}
	forget(loop);
	bury_free(loop->bury);
	ledger_free(loop->ledger);
	sink_close(loop->sink);
	free(loop);
	return fate;
}

enum fate
deliver_check(const struct deliver *deliver, struct err *err)
{
	struct sink *sink = NULL;
	enum fate fate = sink_open(deliver->ops, deliver->config, &sink, err);

	if (fate == FATE_DONE)
		fate = sink_connect(sink, err);
	sink_close(sink);
	return fate;
}
