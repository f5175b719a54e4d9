/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "work/crash.h"
#include "work/deliver_loop.h"

enum {
	WORK_WAIT_MS = 10, /* something in hand: wait for the target */
	TICK_EVERY_MS = 1000,
	DRAIN_MS = 20000, /* on stop and revoke */
	SESSION_MS = 10000,
	PUSH_WITHIN_MS = SESSION_MS / 2, /* of a poll */
};

struct metric deliver_metrics[M_COUNT] = {
	{ "sluice_records_total", "outcome=\"done\"", METRIC_COUNTER,
	    "Records of the topics read, by what became of them.", 0 },
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

static void
free_record(void *context, struct record *record)
{
	struct kafka_message message = { .handle = record->message };

	(void)context;
	kafka_message_free(&message);
}

void
loop_forget(struct loop *loop)
{
	for (size_t i = 0; i < loop->d->route_count; i++) {
		if (loop->routes[i].sink)
			sink_drop(loop->routes[i].sink);
		loop->routes[i].round_count = 0;
	}
	ledger_clear(loop->ledger, free_record, NULL);
	bury_clear(loop->bury);
	crash_drop();
	if (loop->stuck.handle)
		kafka_message_free(&loop->stuck);
	free(loop->carried_reason);
	loop->carried_reason = NULL;
}

static size_t
pending(const struct loop *loop)
{
	size_t count = 0;

	for (size_t i = 0; i < loop->d->route_count; i++)
		count += sink_pending(loop->routes[i].sink);
	return count;
}

/* False: this route gets nothing done any more. */
static bool
drain_route(struct loop *loop, struct route *route, struct pause *pause)
{
	struct err err = { 0 };
	enum fate fate = FATE_DONE;

	if (sink_pending(route->sink) > 0)
		fate = sink_work(route->sink, WORK_WAIT_MS, &err);
	if (fate == FATE_HALT || sink_waiting(route->sink))
		return false; /* what is pending will be read again */
	if (fate == FATE_RETRY)
		clock_sleep_ms(pause_next_ms(pause));
	if (sink_freezing(route->sink) && loop_settle(loop, true, &err) == FATE_HALT)
		return false;
	return true;
}

void
loop_drain(struct loop *loop)
{
	int64_t until = clock_mono_ms() + DRAIN_MS;
	struct pause pause = { .base_ms = 50, .max_ms = 1000 };
	bool goes_on = true;

	for (size_t i = 0; i < loop->d->route_count; i++)
		sink_flush(loop->routes[i].sink);
	while (goes_on && pending(loop) > 0 && clock_mono_ms() < until && !work_dropping()) {
		goes_on = false;
		for (size_t i = 0; i < loop->d->route_count; i++)
			goes_on |= sink_pending(loop->routes[i].sink) > 0 &&
				   drain_route(loop, &loop->routes[i], &pause);
		work_beat();
	}
}

/* The target is away: keep polling (paused) so that the group keeps us. */
static void
hold(struct loop *loop, struct route *route, struct err *err)
{
	metric_add(&deliver_metrics[M_RETRIES], 1);
	work_status(false, "waiting for %s: %s", sink_name(route->sink), err->what);
	route->resume_ms = clock_mono_ms() + pause_next_ms(&route->pause);
	loop_hold_partitions(loop);
}

static void
go_on(struct route *route)
{
	const char *why = sink_waiting(route->sink);

	pause_reset(&route->pause);
	if (why)
		work_status(false, "waiting for %s: %s", sink_name(route->sink), why);
	else if (route->resume_ms || route->waiting)
		work_status(true, "working on %" PRId64 " partitions",
		    metric_get(&deliver_metrics[M_PARTITIONS]));
	route->waiting = why != NULL;
	route->resume_ms = 0;
}

/* Nobody waits and there is room: messages may come again. */
static void
resume_partitions(struct loop *loop)
{
	struct err ignored;

	if (!loop->paused || !loop_has_room(loop) || loop->stuck.handle)
		return;
	for (size_t i = 0; i < loop->d->route_count; i++)
		if (loop->routes[i].resume_ms)
			return;
	if (kafka_consumer_resume(loop->consumer, NULL, 0, &ignored) == FATE_DONE)
		loop->paused = false;
}

static enum fate
push_route(struct loop *loop, struct route *route, int wait, bool tick, struct err *err)
{
	enum fate fate = FATE_DONE;

	if (route->resume_ms && clock_mono_ms() < route->resume_ms)
		return FATE_DONE;
	if (sink_pending(route->sink) > 0)
		fate = sink_work(route->sink, wait, err);
	if (fate == FATE_DONE && tick)
		fate = sink_tick(route->sink, clock_wall_ms(), err);
	if (fate == FATE_RETRY) {
		hold(loop, route, err);
		return FATE_DONE;
	}
	if (fate == FATE_DONE)
		go_on(route);
	return fate;
}

/* No route may insert for a worker that the group has given up: it must have polled
 * within the session's time. */
static enum fate
push_on(struct loop *loop, struct err *err)
{
	bool came = false, waiting = false, tick;
	enum fate fate = FATE_DONE;

	for (size_t i = 0; i < loop->d->route_count; i++) {
		came |= loop->routes[i].round_count > 0;
		waiting |= loop->routes[i].resume_ms > 0;
	}
	tick = clock_mono_ms() >= loop->next_tick_ms &&
	       metric_get(&deliver_metrics[M_PARTITIONS]) > 0;
	if (tick)
		loop->next_tick_ms = clock_mono_ms() + TICK_EVERY_MS;
	for (size_t i = 0; i < loop->d->route_count && fate == FATE_DONE; i++) {
		if (clock_mono_ms() - loop->polled_ms > PUSH_WITHIN_MS)
			break;
		fate = push_route(
		    loop, &loop->routes[i], came || i > 0 ? 0 : WORK_WAIT_MS, tick, err);
	}
	if (waiting)
		clock_sleep_ms(WORK_WAIT_MS);
	resume_partitions(loop);
	return fate;
}

/* Once no sink borrows from it. */
static void
secrets_release(struct loop *loop, struct pipeline *secrets)
{
	for (size_t i = 0; i < loop->d->route_count; i++)
		if (loop->routes[i].secrets == secrets)
			return;
	pipeline_free(secrets);
}

static enum fate
secrets_give(struct loop *loop, size_t i, struct pipeline *now, struct err *err)
{
	struct route *route = &loop->routes[i];
	const void *config = loop->d->secrets(loop->d->owner, i, now);
	struct pipeline *before = route->secrets;
	enum fate fate;

	if (!config)
		return err_set(err, FATE_HALT, "%s has %s no more", now->file, route->name);
	fate = sink_secrets(route->sink, config, err);
	if (fate != FATE_DONE)
		return fate;
	route->secrets = now;
	if (before)
		secrets_release(loop, before);
	return FATE_DONE;
}

/* Nobody waits out a pause that the old ones may have been the reason of. */
static void
hurry(struct loop *loop)
{
	for (size_t i = 0; i < loop->d->route_count; i++) {
		struct route *route = &loop->routes[i];

		pause_reset(&route->pause);
		if (route->resume_ms)
			route->resume_ms = clock_mono_ms();
	}
	pause_reset(&loop->stuck_pause);
	loop->stuck_until_ms = 0;
}

/* Each sink is given them, whatever the others say: one that refuses goes on with what it has.
 */
enum fate
loop_give_secrets(struct loop *loop, struct pipeline *now, struct err *err)
{
	enum fate worst = FATE_DONE;

	for (size_t i = 0; i < loop->d->route_count; i++) {
		struct err why = { 0 };

		if (secrets_give(loop, i, now, &why) != FATE_DONE &&
		    (worst == FATE_DONE || why.fate == FATE_RETRY)) {
			*err = why;
			worst = why.fate;
		}
		work_beat();
	}
	secrets_release(loop, now);
	hurry(loop);
	return worst;
}

void
loop_take_secrets(struct loop *loop)
{
	struct pipeline *now = work_secrets(loop->d->work);
	struct err err = { 0 };

	if (now)
		work_secrets_said(
		    loop_give_secrets(loop, now, &err) == FATE_DONE ? NULL : &err);
}

static enum fate
turn(struct loop *loop, struct err *err)
{
	enum fate fate = loop_gather(loop, err);

	loop_take_secrets(loop);
	if (fate == FATE_DONE)
		fate = push_on(loop, err);
	for (size_t i = 0; i < loop->d->route_count && fate == FATE_DONE; i++)
		if (sink_moved(loop->routes[i].sink)) {
			fate = loop_reseek(loop, err);
			break;
		}
	if (fate == FATE_DONE) {
		fate = loop_settle(loop, false, err);
		if (fate == FATE_RETRY) {
			log_event(LOG_WARN, "commit", "why=%s", log_quote(err->what));
			fate = FATE_DONE;
		}
	}
	metric_set(&deliver_metrics[M_PENDING], (int64_t)ledger_pending(loop->ledger));
	loop_measure_lag(loop);
	work_beat();
	return fate;
}

static enum fate
connect_patiently(struct loop *loop, struct route *route, struct err *err)
{
	struct pause pause = { 0 };

	while (!work_stopping()) {
		enum fate fate = sink_connect(route->sink, err);

		if (fate != FATE_RETRY)
			return fate;
		metric_add(&deliver_metrics[M_RETRIES], 1);
		work_status(false, "waiting for %s: %s", sink_name(route->sink), err->what);
		pause_wait(&pause);
		loop_take_secrets(loop);
	}
	return FATE_DONE;
}

static enum fate
subscribe(struct loop *loop, struct err *err)
{
	const struct work *work = loop->d->work;
	struct kafka_consumer_conf conf = { .group = work->group,
		.instance = work->member,
		.session_ms = SESSION_MS,
		.queue_kbytes = loop->d->queue_kbytes,
		.on_assign = loop_on_assign,
		.on_revoke = loop_on_revoke,
		.ctx = loop };
	enum fate fate;

	work_kafka_conf(work, &conf.common);
	fate = kafka_consumer_open(&loop->consumer, &conf, err);
	if (fate != FATE_DONE)
		return fate;
	work_status(false, "joining group %s", work->group);
	return kafka_consumer_subscribe(loop->consumer, loop->topics, loop->topic_count, err);
}

static enum fate
loop_run(struct loop *loop, struct err *err)
{
	enum fate fate = FATE_DONE;

	for (size_t i = 0; i < loop->d->route_count && fate == FATE_DONE; i++) {
		struct route *route = &loop->routes[i];

		fate = sink_open(route->d->ops, route->d->config, &route->sink, err);
	}
	for (size_t i = 0; i < loop->d->route_count && fate == FATE_DONE; i++)
		fate = connect_patiently(loop, &loop->routes[i], err);
	if (fate == FATE_HALT && strcmp(err->code, CODE_RESTART) != 0)
		(void)snprintf(err->code, sizeof err->code, "%s", CODE_CONFIG);
	if (fate == FATE_DONE && !work_stopping())
		fate = subscribe(loop, err);
	while (fate == FATE_DONE && !work_stopping())
		fate = turn(loop, err);
	if (fate == FATE_HALT && work_stopping() && strcmp(err->code, CODE_RESTART) == 0)
		fate = FATE_DONE; /* a wait was cut short because we were asked to stop */
	return fate;
}

static struct loop *
loop_new(const struct deliver *deliver)
{
	struct loop *loop = calloc(1, sizeof *loop);

	must(loop && deliver->route_count > 0 && deliver->route_count <= DELIVER_ROUTES_MAX);
	loop->d = deliver;
	loop->routes = calloc(deliver->route_count, sizeof *loop->routes);
	loop->metadata = calloc(LEDGER_PARTITIONS_MAX, sizeof *loop->metadata);
	loop->rooms = calloc(LEDGER_PARTITIONS_MAX, sizeof *loop->rooms);
	must(loop->routes && loop->metadata && loop->rooms);
	for (size_t i = 0; i < deliver->route_count; i++) {
		const struct deliver_route *d = &deliver->routes[i];
		size_t k = 0;

		loop->routes[i].d = d;
		loop->routes[i].name = d->name ? d->name : DELIVER_SINK;
		while (k < loop->topic_count && strcmp(loop->topics[k], d->topic) != 0)
			k++;
		if (k == loop->topic_count)
			loop->topics[loop->topic_count++] = d->topic;
	}
	loop->ledger = ledger_new();
	loop->bury = bury_new(deliver->work);
	return loop;
}

static void
loop_free(struct loop *loop)
{
	loop_forget(loop);
	bury_free(loop->bury);
	ledger_free(loop->ledger);
	for (size_t i = 0; i < loop->d->route_count; i++)
		sink_close(loop->routes[i].sink);
	for (size_t i = 0; i < loop->d->route_count; i++) {
		struct pipeline *secrets = loop->routes[i].secrets;

		loop->routes[i].secrets = NULL;
		if (secrets)
			secrets_release(loop, secrets);
	}
	free(loop->routes);
	free(loop->metadata);
	free(loop->rooms);
	free(loop);
}

enum fate
deliver_run(const struct deliver *deliver, struct err *err)
{
	struct loop *loop = loop_new(deliver);
	enum fate fate;

	metrics_register(deliver_metrics, M_COUNT);
	fate = loop_run(loop, err);
	if (loop->consumer) {
		if (fate == FATE_HALT)
			loop_forget(loop); /* nothing pending may be committed by the revoke */
		(void)kafka_consumer_close(loop->consumer, DRAIN_MS + 10000);
	}
	loop_free(loop);
	return fate;
}

enum fate
deliver_check(const struct deliver *deliver, struct err *err)
{
	enum fate fate = FATE_DONE;

	for (size_t i = 0; i < deliver->route_count && fate == FATE_DONE; i++) {
		struct sink *sink = NULL;

		fate = sink_open(deliver->routes[i].ops, deliver->routes[i].config, &sink, err);
		if (fate == FATE_DONE)
			fate = sink_connect(sink, err);
		sink_close(sink);
	}
	return fate;
}
