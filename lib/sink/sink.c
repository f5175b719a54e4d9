/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sink.h"

#include <stdalign.h>
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

/* The first records of the queue are on their way, those behind them are ready. */
struct sink {
	const struct sink_ops *ops;
	struct queue queue;
	size_t flying, ready;
	size_t flying_bytes;
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

/* Takes what is no longer pending out of count records; returns how many are left. */
static size_t
queue_settle(struct queue *queue, size_t from, size_t count)
{
	size_t kept = from, end = from + count, rest = queue->count - end;

	for (size_t i = from; i < end; i++) {
		if (queue->records[i]->outcome == OUTCOME_PENDING) {
			queue->records[kept] = queue->records[i];
			queue->pushed_ms[kept++] = queue->pushed_ms[i];
		} else {
			queue->bytes -= record_bytes(queue->records[i]);
		}
	}
	if (kept < end && rest > 0) {
		memmove(
		    queue->records + kept, queue->records + end, rest * sizeof *queue->records);
		memmove(queue->pushed_ms + kept, queue->pushed_ms + end,
		    rest * sizeof *queue->pushed_ms);
	}
	queue->count = kept + rest;
	return kept - from;
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

/* Rows of the next batch from there on: as many as the limits allow, at least one. */
static size_t
batch_count(const struct queue *queue, size_t from, const struct sink_batch_limits *limits)
{
	size_t count = 0, bytes = 0;

	while (from + count < queue->count && count < limits->rows_max) {
		bytes += record_bytes(queue->records[from + count]);
		if (count > 0 && bytes > limits->bytes_max)
			break;
		count++;
	}
	return count;
}

static size_t
front_bytes(const struct queue *queue, size_t count)
{
	size_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += record_bytes(queue->records[i]);
	return bytes;
}

/* What comes behind the first records is a whole batch. */
static bool
batch_full(const struct queue *queue, size_t from, size_t from_bytes,
    const struct sink_batch_limits *limits)
{
	return queue->count - from >= limits->rows_max ||
	       queue->bytes - from_bytes >= limits->bytes_max;
}

/* What is refused is looked at alone; then it is all settled or pending again. */
static enum fate
deliver_batch(struct sink *sink, size_t count, struct err *err)
{
	struct queue *queue = &sink->queue;
	enum fate fate;

	memcpy(queue->batch, queue->records, count * sizeof *queue->batch);
	fate = sink_deliver_halving(sink->ops, sink->state, queue->batch, count, err);
	(void)queue_settle(queue, 0, count);
	return fate;
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

/* Milliseconds until the queue is due; 0: now. Call with something there, none on its way. */
static int64_t
due_in_ms(const struct sink *sink, const struct sink_batch_limits *limits)
{
	const struct queue *queue = &sink->queue;
	int64_t age_ms;

	if (sink->flush || batch_full(queue, 0, 0, limits))
		return 0;
	age_ms = clock_mono_ms() - queue->pushed_ms[0];
	return age_ms >= limits->age_ms ? 0 : limits->age_ms - age_ms;
}

static void
forget_flight(struct sink *sink)
{
	if (sink->ops->forget)
		sink->ops->forget(sink->state);
	sink->flying = sink->ready = 0;
}

/* Makes the next batch ready when it is due, or, while another is on its way, full. */
static enum fate
make_ready(struct sink *sink, const struct sink_batch_limits *limits, struct err *err)
{
	struct queue *queue = &sink->queue;
	size_t from = sink->flying, count;
	enum fate fate;

	if (from == queue->count ||
	    (from ? !sink->flush && !batch_full(queue, from, sink->flying_bytes, limits)
		  : due_in_ms(sink, limits) > 0))
		return FATE_DONE;
	count = batch_count(queue, from, limits);
	for (size_t i = from; i < from + count; i++)
		queue->records[i]->attempts++;
	fate = sink->ops->prepare(sink->state, queue->records + from, count, err);
	/* the worker may let go of what was rejected */
	sink->ready = queue_settle(queue, from, count);
	return fate;
}

/* The batch that was on its way was refused, and nobody was named if all are there yet. */
static enum fate
look_for_row(struct sink *sink, size_t count, const struct err *why, struct err *err)
{
	struct queue *queue = &sink->queue;
	size_t left;
	enum fate fate;

	memcpy(queue->batch, queue->records, count * sizeof *queue->batch);
	left = sink_keep_pending(queue->batch, count);
	fate = left == count
		   ? sink_halve(sink->ops, sink->state, queue->batch, left, why, err)
		   : sink_deliver_halving(sink->ops, sink->state, queue->batch, left, err);
	(void)queue_settle(queue, 0, count);
	return fate;
}

/* Waits for what is on its way. */
static enum fate
land(struct sink *sink, int64_t wait_ms, struct err *err)
{
	struct queue *queue = &sink->queue;
	size_t count = sink->flying;
	struct err why = { 0 };
	bool there = false;
	enum fate fate =
	    sink->ops->answer(sink->state, queue->records, count, (int)wait_ms, &there, &why);

	if (!there)
		return FATE_DONE;
	sink->flying = 0;
	if (fate == FATE_DONE) {
		for (size_t i = 0; i < count; i++)
			if (queue->records[i]->outcome == OUTCOME_PENDING)
				queue->records[i]->outcome = OUTCOME_DONE;
		(void)queue_settle(queue, 0, count);
		return FATE_DONE;
	}
	forget_flight(sink);
	if (fate == FATE_REJECT)
		return look_for_row(sink, count, &why, err);
	(void)queue_settle(queue, 0, count); /* some may have been rejected all the same */
	*err = why;
	return fate;
}

/* One batch is on its way while the next is made ready. */
static enum fate
work_ahead(
    struct sink *sink, int64_t end_ms, const struct sink_batch_limits *limits, struct err *err)
{
	enum fate fate = sink->ready ? FATE_DONE : make_ready(sink, limits, err);
	int64_t left_ms = end_ms - clock_mono_ms();

	if (fate == FATE_DONE && sink->ready && !sink->flying) {
		fate = sink->ops->send(sink->state, err);
		sink->flying = sink->ready;
		sink->flying_bytes = front_bytes(&sink->queue, sink->flying);
		sink->ready = 0;
		if (fate == FATE_DONE && sink->queue.count > sink->flying)
			fate = make_ready(sink, limits, err);
		left_ms = end_ms - clock_mono_ms();
	}
	if (fate == FATE_DONE && sink->flying)
		return land(sink, left_ms > 0 ? left_ms : 0, err);
	if (fate != FATE_DONE)
		forget_flight(sink);
	return fate;
}

/* One batch after the other. */
static enum fate
work_one(struct sink *sink, const struct sink_batch_limits *limits, struct err *err)
{
	if (due_in_ms(sink, limits) > 0)
		return FATE_DONE;
	return deliver_batch(sink, batch_count(&sink->queue, 0, limits), err);
}

/* Until the next batch is due, at most until the end. */
static void
wait_for_due(const struct sink *sink, int64_t end_ms, const struct sink_batch_limits *limits)
{
	int64_t left_ms = end_ms - clock_mono_ms(), due_ms;

	if (sink->queue.count == 0 || sink->flying || left_ms <= 0)
		return;
	due_ms = due_in_ms(sink, limits);
	if (due_ms > 0)
		clock_sleep_ms(due_ms < left_ms ? due_ms : left_ms);
}

enum fate
sink_work(struct sink *sink, int wait_ms, struct err *err)
{
	int64_t end_ms = clock_mono_ms() + wait_ms;
	enum fate fate = FATE_DONE;

	if (!is_batch(sink)) {
		fate = sink->ops->work(sink->state, wait_ms, err);
		return fate == FATE_DONE ? fate : err_wrap(err, "sink %s", sink->ops->name);
	}
	while (sink->queue.count > 0 && fate == FATE_DONE) {
		struct sink_batch_limits limits = limits_now(sink);

		fate = sink->ops->prepare ? work_ahead(sink, end_ms, &limits, err)
					  : work_one(sink, &limits, err);
		if (clock_mono_ms() >= end_ms)
			break;
		if (fate == FATE_DONE)
			wait_for_due(sink, end_ms, &limits);
	}
	if (sink->queue.count == 0)
		sink->flush = false;
	return fate == FATE_DONE ? FATE_DONE : err_wrap(err, "sink %s", sink->ops->name);
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
	forget_flight(sink);
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

enum fate
sink_secrets(struct sink *sink, const void *config, struct err *err)
{
	if (!sink->ops->secrets || sink->ops->secrets(sink->state, config, err) == FATE_DONE)
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

bool
sink_every_change(const struct sink *sink)
{
	return sink->ops->every_change;
}
