/* SPDX-License-Identifier: Apache-2.0 */
/* Messages become pending records, one a route that reads their topic. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "work/crash.h"
#include "work/deliver_loop.h"
#include "work/mirror.h"

enum {
	POLL_IDLE_MS = 100,   /* nothing in hand: wait for a message */
	FULL_PAUSE_MS = 1000, /* no room for so long: pause, so that polling can go on */
	HEADERS_MAX = 64,
};

static enum fate
read_enriched(const struct kafka_message *message, struct record *record, struct err *err)
{
	struct header headers[HEADERS_MAX];
	size_t count = 0;
	enum fate fate = kafka_message_take_headers(
	    message, headers, HEADERS_MAX, &count, &record->headers, err);

	if (fate == FATE_DONE)
		fate = record_read_headers(headers, count, record, err);
	record->key = message->key;
	record->value = message->value;
	return fate;
}

/* Sent again because another worker refused it. Ours has had it; who keeps the newest state
 * of a row takes it all the same, as a compacted topic may hold nothing else of the row. */
static bool
is_others(const struct loop *loop, const struct route *route, const struct record *record)
{
	return record->replay && record->replay_for.len &&
	       !slice_eq(record->replay_for, slice_str(loop->d->work->worker)) &&
	       sink_every_change(route->sink);
}

/* RETRY: Postgres must be asked and does not answer. A refusal stands in the record. */
static enum fate
read_message(struct loop *loop, const struct route *route, const struct kafka_message *message,
    struct record *record, struct err *err)
{
	bool skip = false;
	enum fate fate;

	if (crash_guilty(message->topic, message->partition, message->offset)) {
		record->outcome = OUTCOME_REJECTED;
		record->reason = strdup(CRASH_REASON);
		return FATE_DONE;
	}
	fate = route->d->mirror ? mirror_read(route->d->mirror, message, record, &skip, err)
				: read_enriched(message, record, err);

	if (fate == FATE_RETRY || fate == FATE_HALT)
		return fate;
	if (fate == FATE_REJECT) {
		record->outcome = OUTCOME_REJECTED;
		record->reason = strdup(err->what);
		return FATE_DONE;
	}
	if (skip || is_others(loop, route, record))
		record->outcome = OUTCOME_DONE;
	if (!route->d->mirror && !record->replay &&
	    ledger_repeats(loop->ledger, record->source_partition, record->version)) {
		metric_add(&deliver_metrics[M_REPEATED], 1);
		record->outcome = OUTCOME_DONE;
	}
	return FATE_DONE;
}

static void
add_record(struct loop *loop, struct route *route, const struct kafka_message *message,
    const struct record *read, bool is_last)
{
	struct record *record =
	    ledger_add(loop->ledger, message->topic, message->partition, message->offset);
	const char *topic = record->topic;

	*record = *read;
	record->topic = topic;
	record->partition = message->partition;
	record->offset = message->offset;
	record->message = is_last ? message->handle : NULL;
	record->message_key = message->key;
	record->message_value = message->value;
	ledger_weigh(loop->ledger, record);
	if (record->outcome == OUTCOME_PENDING)
		route->round[route->round_count++] = record;
}

/* All routes read it, or none has it in hand. */
static enum fate
take_in(struct loop *loop, const struct kafka_message *message, struct err *err)
{
	struct record read[DELIVER_ROUTES_MAX];
	struct route *routes[DELIVER_ROUTES_MAX];
	size_t count = 0;
	enum fate fate = FATE_DONE;

	crash_take(message->topic, message->partition, message->offset);
	for (size_t i = 0; i < loop->d->route_count && fate == FATE_DONE; i++) {
		struct route *route = &loop->routes[i];

		if (strcmp(route->d->topic, message->topic) != 0)
			continue;
		routes[count] = route;
		read[count] = (struct record){ 0 };
		fate = read_message(loop, route, message, &read[count++], err);
	}
	must(count > 0);
	for (size_t i = 0; i < count; i++) {
		if (fate == FATE_DONE) {
			add_record(loop, routes[i], message, &read[i], i + 1 == count);
			continue;
		}
		free(read[i].text);
		free(read[i].headers);
		free(read[i].reason);
	}
	return fate;
}

static struct frozen_room *
room_find(const struct loop *loop, const char *topic, int32_t partition)
{
	for (size_t i = 0; i < loop->room_count; i++)
		if (loop->rooms[i].partition == partition &&
		    strcmp(loop->rooms[i].topic, topic) == 0)
			return &loop->rooms[i];
	return NULL;
}

void
loop_room_make(struct loop *loop, const struct sink_part *part)
{
	struct frozen_room *room = room_find(loop, part->topic, part->partition);
	size_t rows;

	if (*part->frozen.form)
		return; /* rows that go one by one; only their shape was kept */
	if (part->frozen.end <= (room ? room->end : part->committed))
		return;
	rows = (size_t)(part->frozen.end - part->committed) * loop->d->route_count;
	if (!room) {
		must(loop->room_count < LEDGER_PARTITIONS_MAX);
		room = &loop->rooms[loop->room_count++];
		*room =
		    (struct frozen_room){ .topic = part->topic, .partition = part->partition };
	}
	loop->frozen_rows += rows - room->rows;
	room->rows = rows;
	room->end = part->frozen.end;
}

void
loop_room_pass(struct loop *loop, const char *topic, int32_t partition, int64_t position)
{
	struct frozen_room *room = room_find(loop, topic, partition);

	if (!room || position < room->end)
		return;
	loop->frozen_rows -= room->rows;
	*room = loop->rooms[--loop->room_count];
}

void
loop_rooms_clear(struct loop *loop)
{
	loop->room_count = loop->frozen_rows = 0;
}

bool
loop_has_room(const struct loop *loop)
{
	for (size_t i = 0; i < loop->d->route_count; i++)
		if (loop->routes[i].round_count >= DELIVER_ROUND_MAX)
			return false;
	if (crash_alone()) /* in pieces then: whole, it would abort the worker for ever */
		return ledger_pending(loop->ledger) == 0;
	return ledger_pending(loop->ledger) < loop->d->rows_max + loop->frozen_rows &&
	       (ledger_bytes(loop->ledger) < loop->d->bytes_max ||
		   ledger_pending(loop->ledger) < loop->frozen_rows);
}

void
loop_hold_partitions(struct loop *loop)
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
	if (loop_has_room(loop))
		loop->room_ms = clock_mono_ms();
	else if (clock_mono_ms() - loop->room_ms > FULL_PAUSE_MS)
		loop_hold_partitions(loop);
}

/* Postgres is asked again for the message that waits; partitions are held meanwhile. */
static enum fate
take_or_wait(struct loop *loop, struct kafka_message *message, struct err *err)
{
	enum fate fate = take_in(loop, message, err);

	if (fate == FATE_HALT)
		kafka_message_free(message);
	if (fate != FATE_RETRY) {
		pause_reset(&loop->stuck_pause);
		return fate;
	}
	loop->stuck = *message;
	loop->stuck_until_ms = clock_mono_ms() + pause_next_ms(&loop->stuck_pause);
	work_status(false, "waiting for Postgres: %s", err->what);
	loop_hold_partitions(loop);
	return FATE_RETRY;
}

static enum fate
take_stuck(struct loop *loop, struct err *err)
{
	struct kafka_message message = loop->stuck;

	if (!message.handle)
		return FATE_DONE;
	if (clock_mono_ms() < loop->stuck_until_ms)
		return FATE_RETRY;
	loop->stuck = (struct kafka_message){ 0 };
	return take_or_wait(loop, &message, err);
}

static void
push_rounds(struct loop *loop)
{
	for (size_t i = 0; i < loop->d->route_count; i++) {
		struct route *route = &loop->routes[i];

		if (!route->round_count)
			continue;
		sink_push(route->sink, route->round, route->round_count);
		if (crash_alone())
			sink_flush(route->sink); /* no other comes before it is done */
	}
}

static enum fate
poll_once(struct loop *loop, int64_t wait, bool *ret_more, struct err *err)
{
	struct kafka_message message;
	enum kafka_polled polled = kafka_consumer_poll(loop->consumer, wait, &message, err);

	*ret_more = polled == KAFKA_MESSAGE || polled == KAFKA_EOF;
	if (polled != KAFKA_ERROR)
		loop->polled_ms = clock_mono_ms();
	switch (polled) {
	case KAFKA_MESSAGE: return take_or_wait(loop, &message, err);
	case KAFKA_EOF:
		if (!loop->stuck.handle)
			ledger_reached(
			    loop->ledger, message.topic, message.partition, message.offset);
		return FATE_DONE;
	case KAFKA_NOTHING: return FATE_DONE;
	case KAFKA_ERROR: break;
	}
	if (err->fate == FATE_HALT)
		return FATE_HALT;
	log_event(LOG_WARN, "kafka", "why=%s", log_quote(err->what));
	return FATE_DONE;
}

enum fate
loop_gather(struct loop *loop, struct err *err)
{
	int64_t wait = loop->paused || ledger_pending(loop->ledger) ? 0 : POLL_IDLE_MS;
	enum fate fate;
	bool more = true;

	for (size_t i = 0; i < loop->d->route_count; i++)
		loop->routes[i].round_count = 0;
	watch_room(loop);
	fate = take_stuck(loop, err);
	if (fate == FATE_RETRY) { /* partitions are held: nothing but callbacks comes */
		fate = poll_once(loop, POLL_IDLE_MS, &more, err);
		more = false;
	}
	while (fate == FATE_DONE && more && (loop->paused || loop_has_room(loop))) {
		fate = poll_once(loop, wait, &more, err);
		wait = 0;
	}
	if (fate == FATE_HALT)
		return fate;
	push_rounds(loop);
	return FATE_DONE;
}
