/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sink.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "sink/sink_ops.h"

/* What waits for a batch driver: records and the times they were pushed at, in
 * order of arrival. The arrays keep their size between uses. */
struct queue {
	struct record **records;
	int64_t *pushed_ms;
	struct record **batch; /* what deliver() sees; shares count's bound */
	size_t count, cap;
	size_t bytes;
};

struct sink {
	const struct sink_ops *ops;
	struct queue queue;
	bool flush; /* until the queue is empty */
	alignas(max_align_t) unsigned char state[];
};

static const struct sink_batch_limits limits_default = {
	.rows_max = 10000,
	.bytes_max = (size_t)8 << 20,
	.age_ms = 0,
};

static size_t
record_bytes(const struct record *record)
{
	return record->key.len + record->value.len + record->before.len;
}

static void
queue_grow(struct queue *queue, size_t more)
{
	size_t cap = queue->cap ? queue->cap : 1024;

	while (cap < queue->count + more)
		cap *= 2;
	if (cap == queue->cap)
		return;
	queue->records = realloc(queue->records, cap * sizeof *queue->records);
	queue->pushed_ms = realloc(queue->pushed_ms, cap * sizeof *queue->pushed_ms);
	queue->batch = realloc(queue->batch, cap * sizeof *queue->batch);
	must(queue->records && queue->pushed_ms && queue->batch);
	queue->cap = cap;
}

/* Takes what is no longer pending out of the first count records. */
static void
queue_settle(struct queue *queue, size_t count)
{
	size_t kept = 0, rest = queue->count - count;

	for (size_t i = 0; i < count; i++) {
		if (queue->records[i]->outcome == OUTCOME_PENDING) {
			queue->records[kept] = queue->records[i];
			queue->pushed_ms[kept++] = queue->pushed_ms[i];
		} else {
			queue->bytes -= record_bytes(queue->records[i]);
		}
	}
	if (kept < count && rest > 0) {
		memmove(queue->records + kept, queue->records + count,
		    rest * sizeof *queue->records);
		memmove(queue->pushed_ms + kept, queue->pushed_ms + count,
		    rest * sizeof *queue->pushed_ms);
	}
	queue->count = kept + rest;
}

static void
queue_clear(struct queue *queue)
{
	queue->count = 0;
	queue->bytes = 0;
}

static bool
is_batch(const struct sink *sink)
{
	return sink->ops->push == NULL;
}

enum fate
sink_open(
    const struct sink_ops *ops, const void *config, struct sink **ret_sink, struct err *err)
{
	struct sink *sink;
	enum fate fate;

	must((ops->deliver && !ops->push) ||
	     (ops->push && ops->work && ops->drop && ops->pending));
	sink = calloc(1, sizeof *sink + ops->state);
	must(sink);
	sink->ops = ops;
	fate = ops->open ? ops->open(sink->state, config, err) : FATE_DONE;
	if (fate != FATE_DONE) {
		sink_close(sink);
		return err_wrap(err, "open sink %s", ops->name);
	}
	*ret_sink = sink;
	return FATE_DONE;
}

enum fate
sink_connect(struct sink *sink, struct err *err)
{
	if (!sink->ops->connect || sink->ops->connect(sink->state, err) == FATE_DONE)
		return FATE_DONE;
	return err_wrap(err, "connect %s", sink->ops->name);
}

enum fate
sink_assign(struct sink *sink, struct sink_part *parts, size_t count, struct err *err)
{
	must(sink_pending(sink) == 0);
	for (size_t i = 0; i < count; i++)
		parts[i].start = SINK_OFFSET_COMMITTED;
	if (!sink->ops->assign ||
	    sink->ops->assign(sink->state, parts, count, err) == FATE_DONE)
		return FATE_DONE;
	return err_wrap(err, "assign %s", sink->ops->name);
}

void
sink_push(struct sink *sink, struct record *const *records, size_t count)
{
	struct queue *queue = &sink->queue;
	int64_t now_ms;

	if (!is_batch(sink)) {
		sink->ops->push(sink->state, records, count);
		return;
	}
	now_ms = clock_mono_ms();
	queue_grow(queue, count);
	for (size_t i = 0; i < count; i++) {
		queue->records[queue->count] = records[i];
		queue->pushed_ms[queue->count++] = now_ms;
		queue->bytes += record_bytes(records[i]);
	}
}

/* Moves the pending records to the front; returns how many there are. */
static size_t
keep_pending(struct record **records, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (records[i]->outcome == OUTCOME_PENDING)
			records[kept++] = records[i];
	return kept;
}

enum fate
sink_deliver_halving(const struct sink_ops *ops, void *state, struct record **records,
    size_t count, struct err *err)
{
	struct err why = { 0 };
	enum fate fate;
	size_t half;

	for (;;) {
		size_t before = count = keep_pending(records, count);

		if (count == 0)
			return FATE_DONE;
		for (size_t i = 0; i < count; i++)
			records[i]->attempts++;
		fate = ops->deliver(state, records, count, &why);
		if (fate == FATE_DONE)
			for (size_t i = 0; i < count; i++)
				if (records[i]->outcome == OUTCOME_PENDING)
					records[i]->outcome = OUTCOME_DONE;
		if (fate != FATE_REJECT)
			break;
		count = keep_pending(records, count);
		if (count == before)
			break; /* nobody was named: look for the row */
	}
	if (fate != FATE_REJECT) {
		if (fate != FATE_DONE)
			*err = why;
		return fate;
	}
	if (count == 1) {
		sink_reject(records[0], "%s", why.what);
		return FATE_DONE;
	}
	half = count / 2;
	fate = sink_deliver_halving(ops, state, records, half, err);
	if (fate != FATE_DONE)
		return fate;
	return sink_deliver_halving(ops, state, records + half, count - half, err);
}

/* Rows of the next batch: as many as the limits allow, at least one. */
static size_t
batch_count(const struct queue *queue, const struct sink_batch_limits *limits)
{
	size_t count = 0, bytes = 0;

	while (count < queue->count && count < limits->rows_max) {
		bytes += record_bytes(queue->records[count]);
		if (count > 0 && bytes > limits->bytes_max)
			break;
		count++;
	}
	return count;
}

static enum fate
deliver_batch(struct sink *sink, const struct sink_batch_limits *limits, struct err *err)
{
	struct queue *queue = &sink->queue;
	size_t count = batch_count(queue, limits);
	enum fate fate;

	memcpy(queue->batch, queue->records, count * sizeof *queue->batch);
	fate = sink_deliver_halving(sink->ops, sink->state, queue->batch, count, err);
	queue_settle(queue, count);
	if (queue->count == 0)
		sink->flush = false;
	return fate == FATE_DONE ? FATE_DONE : err_wrap(err, "sink %s", sink->ops->name);
}

/* Milliseconds until the queue is due; 0: now. Call with something pending. */
static int64_t
due_in_ms(const struct sink *sink, const struct sink_batch_limits *limits)
{
	const struct queue *queue = &sink->queue;
	int64_t age_ms;

	if (sink->flush || queue->count >= limits->rows_max ||
	    queue->bytes >= limits->bytes_max)
		return 0;
	age_ms = clock_mono_ms() - queue->pushed_ms[0];
	return age_ms >= limits->age_ms ? 0 : limits->age_ms - age_ms;
}

static struct sink_batch_limits
limits_now(struct sink *sink)
{
	struct sink_batch_limits limits = limits_default;

	if (sink->ops->limits)
		sink->ops->limits(sink->state, &limits);
	if (limits.rows_max == 0)
		limits.rows_max = 1;
	return limits;
}

enum fate
sink_work(struct sink *sink, int wait_ms, struct err *err)
{
	int64_t end_ms;

	if (!is_batch(sink)) {
		enum fate fate = sink->ops->work(sink->state, wait_ms, err);

		return fate == FATE_DONE ? fate : err_wrap(err, "sink %s", sink->ops->name);
	}
	end_ms = clock_mono_ms() + wait_ms;
	while (sink->queue.count > 0) {
		struct sink_batch_limits limits = limits_now(sink);
		int64_t due_ms = due_in_ms(sink, &limits);
		int64_t left_ms = end_ms - clock_mono_ms();
		enum fate fate;

		if (due_ms == 0) {
			fate = deliver_batch(sink, &limits, err);
			if (fate != FATE_DONE)
				return fate;
			left_ms = end_ms - clock_mono_ms();
		} else if (left_ms > 0) {
			clock_sleep_ms(due_ms < left_ms ? due_ms : left_ms);
		}
		if (left_ms <= 0)
			break;
	}
	return FATE_DONE;
}

void
sink_flush(struct sink *sink)
{
	if (sink->ops->flush)
		sink->ops->flush(sink->state);
	sink->flush = sink->queue.count > 0;
}

void
sink_drop(struct sink *sink)
{
	if (!is_batch(sink))
		sink->ops->drop(sink->state);
	queue_clear(&sink->queue);
	sink->flush = false;
}

enum fate
sink_tick(struct sink *sink, int64_t wall_ms, struct err *err)
{
	if (!sink->ops->tick || sink->ops->tick(sink->state, wall_ms, err) == FATE_DONE)
		return FATE_DONE;
	return err_wrap(err, "sink %s", sink->ops->name);
}

int64_t
sink_replay_ms(const struct sink *sink)
{
	return sink->ops->replay_ms ? sink->ops->replay_ms(sink->state) : 0;
}

bool
sink_frozen(
    const struct sink *sink, const char *topic, int32_t partition, struct sink_range *ret_range)
{
	return sink->ops->frozen && sink->ops->frozen(sink->state, topic, partition, ret_range);
}

bool
sink_freezing(const struct sink *sink)
{
	return sink->ops->freezing && sink->ops->freezing(sink->state);
}

void
sink_froze(struct sink *sink)
{
	if (sink->ops->froze)
		sink->ops->froze(sink->state);
}

bool
sink_moved(const struct sink *sink)
{
	return sink->ops->moved && sink->ops->moved(sink->state);
}

const char *
sink_waiting(const struct sink *sink)
{
	return sink->ops->waiting ? sink->ops->waiting(sink->state) : NULL;
}

size_t
sink_pending(const struct sink *sink)
{
	return is_batch(sink) ? sink->queue.count : sink->ops->pending(sink->state);
}

const char *
sink_name(const struct sink *sink)
{
	return sink->ops->name;
}

void
sink_close(struct sink *sink)
{
	if (!sink)
		return;
	if (sink->ops->close)
		sink->ops->close(sink->state);
	free(sink->queue.records);
	free(sink->queue.pushed_ms);
	free(sink->queue.batch);
	free(sink);
}

void
sink_reject(struct record *record, const char *fmt, ...)
{
	va_list args;
	char *reason;

	va_start(args, fmt);
	must(vasprintf(&reason, fmt, args) >= 0);
	va_end(args);
	free(record->reason);
	record->reason = reason;
	record->outcome = OUTCOME_REJECTED;
}
