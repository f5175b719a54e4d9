/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions come and go; sinks say where they stand. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "work/crash.h"
#include "work/deliver_loop.h"

enum { ASSIGN_PATIENCE_MS = 240000 };

static const char *
own_topic(const struct loop *loop, const char *topic)
{
	for (size_t i = 0; i < loop->topic_count; i++)
		if (strcmp(loop->topics[i], topic) == 0)
			return loop->topics[i];
	never("a partition of a topic that was not subscribed");
}

static int64_t
replay_ms(const struct loop *loop)
{
	int64_t most = 0;

	for (size_t i = 0; i < loop->d->route_count; i++)
		if (sink_replay_ms(loop->routes[i].sink) > most)
			most = sink_replay_ms(loop->routes[i].sink);
	return most;
}

static enum fate
parts_describe(struct loop *loop, struct kafka_part *parts, size_t count, struct sink_part *out,
    struct err *err)
{
	struct kafka_part *asked = calloc(count, sizeof *asked);
	int64_t back_ms = replay_ms(loop);
	enum fate fate;

	must(asked);
	memcpy(asked, parts, count * sizeof *asked);
	fate = kafka_consumer_offsets_at(
	    loop->consumer, KAFKA_AT_END, asked, count, DELIVER_ASK_MS * 5, err);
	for (size_t i = 0; i < count && fate == FATE_DONE; i++)
		out[i] = (struct sink_part){ .topic = own_topic(loop, parts[i].topic),
			.partition = parts[i].partition,
			.committed = parts[i].offset,
			.end = asked[i].offset,
			.window = asked[i].offset,
			.start = SINK_OFFSET_COMMITTED };
	if (fate == FATE_DONE && back_ms > 0)
		fate = kafka_consumer_offsets_at(loop->consumer, clock_wall_ms() - back_ms,
		    asked, count, DELIVER_ASK_MS * 5, err);
	for (size_t i = 0; i < count && fate == FATE_DONE && back_ms > 0; i++)
		out[i].window = asked[i].offset;
	free(asked);
	if (fate == FATE_RETRY)
		return err_code(
		    err, FATE_HALT, CODE_RESTART, "assignment: end offsets unknown");
	return fate;
}

/* Asks the sink where it stands, for as long as the group lets us. */
static enum fate
assign_patiently(struct loop *loop, struct route *route, struct sink_part *parts, size_t count,
    struct err *err)
{
	int64_t until = clock_mono_ms() + ASSIGN_PATIENCE_MS;
	struct pause pause = { .max_ms = 2000 };

	for (;;) {
		enum fate fate = sink_assign(route->sink, parts, count, err);

		if (fate != FATE_RETRY)
			return fate;
		work_status(false, "waiting for %s: %s", sink_name(route->sink), err->what);
		if (work_stopping() || clock_mono_ms() > until)
			return err_code(err, FATE_HALT, CODE_RESTART,
			    "assignment: %s did not answer", sink_name(route->sink));
		pause_wait(&pause);
		loop_take_secrets(loop);
	}
}

/* Tells a route of its topic's partitions; where it wants to start goes into all. */
static enum fate
assign_route(struct loop *loop, struct route *route, const struct kafka_part *parts,
    struct sink_part *all, size_t count, struct err *err)
{
	struct sink_part *own = calloc(count + 1, sizeof *own);
	size_t own_count = 0;
	enum fate fate = FATE_DONE;

	must(own);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(all[i].topic, route->d->topic) != 0)
			continue;
		own[own_count] = all[i];
		own[own_count].frozen = loop_metadata_frozen(parts[i].metadata, route->name);
		loop_room_make(loop, &own[own_count++]);
	}
	if (own_count)
		fate = assign_patiently(loop, route, own, own_count, err);
	for (size_t i = 0, k = 0; i < count && fate == FATE_DONE; i++) {
		if (strcmp(all[i].topic, route->d->topic) != 0)
			continue;
		if (own[k].start != SINK_OFFSET_COMMITTED)
			all[i].start = own[k].start;
		k++;
	}
	free(own);
	return fate;
}

/* Asks all sinks, then watches each partition from where it starts. */
static enum fate
parts_start(struct loop *loop, struct kafka_part *parts, size_t count, struct err *err)
{
	struct sink_part *asked = calloc(count + 1, sizeof *asked);
	enum fate fate = FATE_DONE;

	must(asked);
	loop_rooms_clear(loop);
	if (count)
		fate = parts_describe(loop, parts, count, asked, err);
	for (size_t r = 0; r < loop->d->route_count && fate == FATE_DONE && count; r++)
		fate = assign_route(loop, &loop->routes[r], parts, asked, count, err);
	for (size_t i = 0; i < count && fate == FATE_DONE; i++) {
		uint64_t version = loop_metadata_version(parts[i].metadata);

		if (asked[i].start != SINK_OFFSET_COMMITTED)
			parts[i].offset = asked[i].start;
		else if (version > 0)
			(void)ledger_repeats(loop->ledger, parts[i].partition, version);
		ledger_watch(loop->ledger, asked[i].topic, parts[i].partition, parts[i].offset);
	}
	free(asked);
	return fate;
}

enum fate
loop_on_assign(void *ctx, struct kafka_part *parts, size_t count, struct err *err)
{
	struct loop *loop = ctx;
	enum fate fate;

	must(count <= LEDGER_PARTITIONS_MAX);
	for (size_t i = 0; i < count; i++)
		if (parts[i].offset == KAFKA_NO_OFFSET)
			return err_set(err, FATE_HALT,
			    "group %s has no offset for %s/%" PRId32
			    ": offsets expired or partition new: sluicectl reset, or sluicectl "
			    "bootstrap",
			    loop->d->work->group, parts[i].topic, parts[i].partition);
	fate = parts_start(loop, parts, count, err);
	crash_keep(parts, count);
	if (fate == FATE_DONE) {
		metric_set(&deliver_metrics[M_PARTITIONS], (int64_t)count);
		loop->paused = false;
		work_status(count > 0,
		    count ? "working on %zu partitions" : "no partitions for me (%zu)", count);
	}
	return fate;
}

void
loop_on_revoke(void *ctx, const struct kafka_part *parts, size_t count, bool lost)
{
	struct loop *loop = ctx;
	struct err err = { 0 };

	(void)parts;
	if (!lost) {
		loop_drain(loop);
		if (loop_settle(loop, true, &err) != FATE_DONE)
			log_event(LOG_WARN, "revoke_commit", "why=%s", log_quote(err.what));
	}
	loop_forget(loop);
	metric_set(&deliver_metrics[M_PARTITIONS], 0);
	work_status(false, "%zu partitions %s", count, lost ? "lost" : "given back");
}

enum fate
loop_reseek(struct loop *loop, struct err *err)
{
	struct kafka_part *parts;
	struct arena arena;
	size_t count = 0, limit = LEDGER_PARTITIONS_MAX;
	enum fate fate;

	parts = calloc(limit, sizeof *parts);
	must(parts);
	arena_init(&arena, 1 << 20);
	kafka_consumer_assignment(loop->consumer, parts, limit, &count);
	loop_forget(loop);
	fate = count ? kafka_consumer_committed(loop->consumer, parts, count, &arena, err)
		     : FATE_DONE;
	if (fate == FATE_DONE)
		fate = parts_start(loop, parts, count, err);
	if (fate == FATE_DONE && count)
		fate = kafka_consumer_seek(loop->consumer, parts, count, err);
	free(parts);
	arena_finish(&arena);
	if (fate == FATE_RETRY)
		return err_code(
		    err, FATE_HALT, CODE_RESTART, "cannot seek after the sink moved");
	return fate;
}
