/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/scan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"

enum { CALL_MS = 10000, POLL_MS = 500, SILENCE_MS = 30000, HEADERS_MAX = 64 };

enum fate
scan_open(
    struct scan *scan, const struct pipeline_kafka *kafka, const char *topic, struct err *err)
{
	struct kafka_consumer_conf conf = { .common = { .brokers = kafka->brokers,
						.client_id = "sluicectl",
						.properties = kafka->properties,
						.property_count = kafka->property_count } };
	int32_t count = 0;
	enum fate fate;

	*scan = (struct scan){ 0 };
	fate = kafka_consumer_open(&scan->consumer, &conf, err);
	if (fate == FATE_DONE)
		fate = kafka_consumer_partitions(scan->consumer, topic, CALL_MS, &count, err);
	if (fate != FATE_DONE)
		return fate;
	scan->count = (size_t)count;
	scan->at = calloc(scan->count + 1, sizeof *scan->at);
	scan->reach = calloc(scan->count + 1, sizeof *scan->reach);
	must(scan->at && scan->reach);
	for (int32_t i = 0; i < count; i++)
		scan->at[i] = (struct kafka_part){ .topic = topic, .partition = i };
	return scan_rewind(scan, err);
}

void
scan_close(struct scan *scan)
{
	(void)kafka_consumer_close(scan->consumer, CALL_MS);
	free(scan->at);
	free(scan->reach);
	*scan = (struct scan){ 0 };
}

static enum fate
places_take(struct scan *scan, struct err *err)
{
	return kafka_consumer_assign(scan->consumer, scan->at, scan->count, err);
}

enum fate
scan_rewind(struct scan *scan, struct err *err)
{
	enum fate fate = kafka_consumer_offsets_at(
	    scan->consumer, KAFKA_AT_START, scan->at, scan->count, CALL_MS, err);

	return fate == FATE_DONE ? places_take(scan, err) : fate;
}

enum fate
scan_from(struct scan *scan, const int64_t *from, struct err *err)
{
	struct kafka_part *starts = calloc(scan->count + 1, sizeof *starts);
	struct kafka_part *ends = calloc(scan->count + 1, sizeof *ends);
	enum fate fate;

	must(starts && ends);
	memcpy(starts, scan->at, scan->count * sizeof *starts);
	memcpy(ends, scan->at, scan->count * sizeof *ends);
	fate = kafka_consumer_offsets_at(
	    scan->consumer, KAFKA_AT_START, starts, scan->count, CALL_MS, err);
	if (fate == FATE_DONE)
		fate = kafka_consumer_offsets_at(
		    scan->consumer, KAFKA_AT_END, ends, scan->count, CALL_MS, err);
	for (size_t i = 0; i < scan->count && fate == FATE_DONE; i++) {
		scan->at[i].offset = from[i] < ends[i].offset ? from[i] : ends[i].offset;
		if (scan->at[i].offset < starts[i].offset)
			scan->at[i].offset = starts[i].offset;
	}
	free(starts);
	free(ends);
	return fate == FATE_DONE ? places_take(scan, err) : fate;
}

enum fate
scan_reach(struct scan *scan, struct err *err)
{
	struct kafka_part *ends = calloc(scan->count + 1, sizeof *ends);
	enum fate fate;

	must(ends);
	memcpy(ends, scan->at, scan->count * sizeof *ends);
	fate = kafka_consumer_high_watermarks(scan->consumer, ends, scan->count, CALL_MS, err);
	for (size_t i = 0; i < scan->count && fate == FATE_DONE; i++)
		scan->reach[i] = ends[i].offset;
	free(ends);
	return fate;
}

static enum fate
one_poll(struct scan *scan, scan_take *take, void *ctx, struct err *err)
{
	struct kafka_message message;
	enum fate fate = FATE_DONE;

	switch (kafka_consumer_poll(scan->consumer, POLL_MS, &message, err)) {
	case KAFKA_NOTHING: return FATE_DONE;
	case KAFKA_ERROR: return err->fate == FATE_HALT ? FATE_HALT : FATE_DONE;
	case KAFKA_MESSAGE:
		fate = take(ctx, &message, err);
		message.offset++;
		kafka_message_free(&message);
		break;
	case KAFKA_EOF: break;
	}
	must(message.partition >= 0 && (size_t)message.partition < scan->count);
	if (message.offset > scan->at[message.partition].offset)
		scan->at[message.partition].offset = message.offset;
	return fate;
}

static int64_t
records_left(const struct scan *scan, const struct kafka_part *ends)
{
	int64_t sum = 0;

	for (size_t i = 0; i < scan->count; i++)
		if (scan->at[i].offset < ends[i].offset)
			sum += ends[i].offset - scan->at[i].offset;
	return sum;
}

static enum fate
ends_find(const struct scan *scan, struct kafka_part *ends, struct err *err)
{
	enum fate fate;

	memcpy(ends, scan->at, scan->count * sizeof *ends);
	fate = kafka_consumer_offsets_at(
	    scan->consumer, KAFKA_AT_END, ends, scan->count, CALL_MS, err);
	for (size_t i = 0; i < scan->count; i++)
		if (ends[i].offset < scan->reach[i])
			ends[i].offset = scan->reach[i];
	return fate;
}

/* What comes behind the ends, of a partition that goes on, does not lengthen the wait for one
 * that does not. */
enum fate
scan_read(struct scan *scan, scan_take *take, scan_left *left, void *ctx, struct err *err)
{
	struct kafka_part *ends = calloc(scan->count + 1, sizeof *ends);
	int64_t until = 0, least = INT64_MAX, more;
	enum fate fate;

	must(ends);
	fate = ends_find(scan, ends, err);
	while (fate == FATE_DONE && (more = records_left(scan, ends)) > 0) {
		if (left)
			left(ctx, scan->at[0].topic, more);
		if (more < least)
			until = clock_mono_ms() + SILENCE_MS;
		else if (clock_mono_ms() > until)
			fate = err_set(err, FATE_RETRY,
			    "%s: nothing came for %d s, and %" PRId64
			    " records are to come: a broker is away, or a transaction open",
			    scan->at[0].topic, SILENCE_MS / 1000, more);
		least = more;
		if (fate == FATE_DONE)
			fate = one_poll(scan, take, ctx, err);
	}
	free(ends);
	return fate;
}

enum fate
scan_record(const struct kafka_message *message, struct record *ret_record, struct err *err)
{
	struct header headers[HEADERS_MAX];
	size_t count = 0;
	enum fate fate = kafka_message_headers(message, headers, HEADERS_MAX, &count, err);

	if (fate == FATE_DONE)
		fate = record_read_headers(headers, count, ret_record, err);
	return fate;
}

enum fate
scan_one(struct scan *scan, int32_t partition, int64_t offset,
    struct kafka_message *ret_message, struct err *err)
{
	const char *topic = scan->count ? scan->at[0].topic : "";
	struct kafka_part part = { .topic = topic, .partition = partition, .offset = offset };
	int64_t until = clock_mono_ms() + CALL_MS;
	enum fate fate = FATE_DONE;
	struct kafka_part start = part, end = part;

	if (partition < 0 || (size_t)partition >= scan->count)
		return err_set(err, FATE_HALT, "%s has %zu partition%s, and none is %" PRId32,
		    topic, scan->count, scan->count == 1 ? "" : "s", partition);
	fate =
	    kafka_consumer_offsets_at(scan->consumer, KAFKA_AT_START, &start, 1, CALL_MS, err);
	if (fate == FATE_DONE)
		fate = kafka_consumer_offsets_at(
		    scan->consumer, KAFKA_AT_END, &end, 1, CALL_MS, err);
	if (fate == FATE_DONE && (offset < start.offset || offset >= end.offset))
		return err_set(err, FATE_HALT,
		    "%s/%" PRId32 " holds offsets %" PRId64 " up to %" PRId64 ", not %" PRId64,
		    topic, partition, start.offset, end.offset, offset);
	if (fate == FATE_DONE)
		fate = kafka_consumer_assign(scan->consumer, &part, 1, err);
	while (fate == FATE_DONE && clock_mono_ms() < until) {
		switch (kafka_consumer_poll(scan->consumer, POLL_MS, ret_message, err)) {
		case KAFKA_NOTHING: continue;
		case KAFKA_ERROR:
			if (err->fate == FATE_HALT)
				return FATE_HALT;
			continue;
		case KAFKA_MESSAGE:
			if (ret_message->offset == offset)
				return FATE_DONE;
			kafka_message_free(ret_message);
			break;
		case KAFKA_EOF: break;
		}
		return err_set(err, FATE_HALT,
		    "%s/%" PRId32 "/%" PRId64 " is no record (the mark of a transaction, or "
		    "one that was undone)",
		    topic, partition, offset);
	}
	return fate == FATE_DONE ? err_set(err, FATE_RETRY, "%s does not answer", topic) : fate;
}
