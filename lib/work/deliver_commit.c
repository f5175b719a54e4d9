/* SPDX-License-Identifier: Apache-2.0 */
/* What is done leaves the ledger, and the group learns how far it is. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "work/crash.h"
#include "work/deliver_loop.h"

enum { COMMIT_EVERY_MS = 200, LAG_EVERY_MS = 2000 };

/* The message of a record, when this record is the last one that holds it. */
static struct kafka_message
message_of(const struct record *record)
{
	return (struct kafka_message){ .topic = record->topic,
		.partition = record->partition,
		.offset = record->offset,
		.key = record->message_key,
		.value = record->message_value,
		.handle = record->message };
}

/* One dead letter a message, however many routes refused it. */
static void
carry_refusal(struct loop *loop, struct record *record)
{
	metric_add(&deliver_metrics[M_REJECTED], 1);
	if (loop->carried_reason)
		return;
	loop->carried_reason = record->reason;
	loop->carried_attempts = record->attempts;
	record->reason = NULL;
}

static void
retire_record(void *context, struct record *record)
{
	struct loop *loop = context;
	struct kafka_message message = message_of(record);

	if (record->outcome == OUTCOME_REJECTED)
		carry_refusal(loop, record);
	else
		metric_add(&deliver_metrics[M_DONE], 1);
	if (record->ts_ms > metric_get(&deliver_metrics[M_TS]))
		metric_set(&deliver_metrics[M_TS], record->ts_ms);
	if (!message.handle)
		return; /* another route has it in hand yet */
	loop->acknowledged++;
	if (!loop->carried_reason) {
		kafka_message_free(&message);
		return;
	}
	if (record->headers)
		kafka_message_give_headers(&message, record->headers);
	bury_add(loop->bury, &message, loop->carried_reason, loop->carried_attempts);
	free(loop->carried_reason);
	loop->carried_reason = NULL;
}

/* "VERSION" or "VERSION;TARGET=FIRST-END/FORM;..."; empty when there is nothing to say. */
static struct slice
metadata_write(const struct loop *loop, const struct ledger_position *at, char *text)
{
	size_t len = (size_t)snprintf(text, DELIVER_META_SIZE, "%" PRIu64, at->version);
	bool frozen = false;

	for (size_t i = 0; i < loop->d->route_count; i++) {
		struct route *route = &loop->routes[i];
		struct sink_range range = { 0 };

		if (strcmp(route->d->topic, at->topic) != 0 ||
		    !sink_frozen(route->sink, at->topic, at->partition, &range) ||
		    range.end <= at->position)
			continue;
		len += (size_t)snprintf(text + len, DELIVER_META_SIZE - len,
		    ";%s=%" PRId64 "-%" PRId64 "%s%s", route->name, range.first, range.end,
		    *range.form ? "/" : "", range.form);
		must(len < DELIVER_META_SIZE);
		frozen = true;
	}
	return slice_of(text, at->version || frozen ? len : 0);
}

uint64_t
loop_metadata_version(struct slice metadata)
{
	const char *end = metadata.len ? memchr(metadata.p, ';', metadata.len) : NULL;
	uint64_t version = 0;

	if (end)
		metadata.len = (size_t)(end - metadata.p);
	return slice_u64(metadata, &version) ? version : 0;
}

static struct sink_range
range_read(const char *first, char *end)
{
	struct sink_range range = { 0 };
	char *form = strchr(end, '/');

	if (form)
		*form++ = '\0';
	if (!slice_i64(slice_str(first), &range.first) ||
	    !slice_i64(slice_str(end), &range.end))
		return (struct sink_range){ 0 };
	(void)snprintf(range.form, sizeof range.form, "%s", form ? form : "");
	return range;
}

struct sink_range
loop_metadata_frozen(struct slice metadata, const char *name)
{
	char text[DELIVER_META_SIZE], *save = NULL;
	size_t name_len = strlen(name);

	if (metadata.len == 0 || metadata.len >= sizeof text)
		return (struct sink_range){ 0 };
	memcpy(text, metadata.p, metadata.len);
	text[metadata.len] = '\0';
	for (char *part = strtok_r(text, ";", &save); part; part = strtok_r(NULL, ";", &save)) {
		char *dash = strchr(part, '-');

		if (strncmp(part, name, name_len) != 0 || part[name_len] != '=' ||
		    !(dash = strchr(part + name_len, '-')))
			continue;
		*dash = '\0';
		return range_read(part + name_len + 1, dash + 1);
	}
	return (struct sink_range){ 0 };
}

static bool
wants_freeze(const struct loop *loop)
{
	for (size_t i = 0; i < loop->d->route_count; i++)
		if (sink_freezing(loop->routes[i].sink))
			return true;
	return false;
}

/* Positions that have moved; all of them when something is to be frozen. */
static size_t
moved_parts(struct loop *loop, bool all)
{
	struct ledger_position at;
	size_t count = 0;

	for (size_t i = 0; ledger_position(loop->ledger, i, &at); i++) {
		if (!at.moved && !all)
			continue;
		loop->parts[count] = (struct kafka_part){ .topic = at.topic,
			.partition = at.partition,
			.offset = at.position,
			.metadata = metadata_write(loop, &at, loop->metadata[count]) };
		count++;
	}
	return count;
}

static void
parts_committed(struct loop *loop, size_t count, bool froze)
{
	for (size_t i = 0; i < count; i++)
		ledger_committed(loop->ledger, loop->parts[i].topic, loop->parts[i].partition,
		    loop->parts[i].offset);
	if (count)
		metric_add(&deliver_metrics[M_COMMITS], 1);
	for (size_t i = 0; i < loop->d->route_count && froze; i++)
		sink_froze(loop->routes[i].sink);
}

enum fate
loop_settle(struct loop *loop, bool now, struct err *err)
{
	bool freeze = wants_freeze(loop);
	struct ledger_position at;
	enum fate fate = FATE_DONE;
	size_t count;

	ledger_retire(loop->ledger, retire_record, loop);
	for (size_t i = 0; ledger_position(loop->ledger, i, &at); i++) {
		crash_done(at.topic, at.partition, at.position);
		loop_room_pass(loop, at.topic, at.partition, at.position);
	}
	if (!now && !freeze && bury_count(loop->bury) == 0 &&
	    clock_mono_ms() < loop->next_commit_ms)
		return FATE_DONE;
	loop->next_commit_ms = clock_mono_ms() + COMMIT_EVERY_MS;
	count = moved_parts(loop, freeze);
	if (bury_count(loop->bury) > 0)
		fate = bury_commit(loop->bury, loop->consumer, loop->parts, count, err);
	else if (count > 0)
		fate = kafka_consumer_commit(loop->consumer, loop->parts, count, err);
	if (fate == FATE_DONE)
		parts_committed(loop, count, freeze);
	return fate;
}

void
loop_measure_lag(struct loop *loop)
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
		    (struct kafka_part){ .topic = at.topic, .partition = at.partition };
	if (count && kafka_consumer_offsets_at(loop->consumer, KAFKA_AT_END, loop->parts, count,
			 DELIVER_ASK_MS, &ignored) != FATE_DONE)
		return;
	for (size_t i = 0; ledger_position(loop->ledger, i, &at); i++)
		if (loop->parts[i].offset > at.position)
			lag += loop->parts[i].offset - at.position;
	metric_set(&deliver_metrics[M_LAG], lag);
	work_progress(loop->acknowledged, lag);
	loop->acknowledged = 0;
}
