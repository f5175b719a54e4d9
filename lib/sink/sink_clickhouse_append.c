/* SPDX-License-Identifier: Apache-2.0 */
/* The driver that adds every change exactly once.
 *
 * Each partition has a queue. Its first rows become a batch: frozen (the worker commits
 * the range), then inserted under a token that the same rows always get. When nobody
 * knows how an insert ended, and when the partition was somebody else's, the table is
 * asked which offsets of the range it holds, and only the others are sent. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "sink/clickhouse_ops.h"

enum {
	INSERT_WITHIN_MS = 5000,  /* of a poll; half a session */
	REST_OF_RANGE_MS = 10000, /* a frozen range whose end does not come is cut short */
	WINDOW_MS = 600000,       /* inserts that the deduplication window must cover */
};

enum step {
	STEP_GATHER, /* no batch */
	STEP_FREEZE, /* waits for the commit of the range */
	STEP_INSERT,
	STEP_ASK, /* an insert's end is not known */
};

struct lane {
	const char *topic;
	int32_t partition;
	struct record **records;
	int64_t *pushed_ms;
	size_t count, cap, bytes;
	enum step step;
	size_t batch;             /* leading records that are the batch */
	struct sink_range frozen; /* of it; stays until the next */
	struct sink_range before; /* what a predecessor froze and did not say was done */
	bool cut; /* it did not come in one piece: no more waiting for it, nor for its token */
	struct held held; /* what the table said last */
	int64_t seen;     /* highest offset that was pushed */
};

struct append {
	struct clickhouse ch;
	struct lane *lanes;
	size_t lane_count, next;
	struct record **batch; /* what deliver() sees */
	size_t batch_cap;
	size_t pending;
	int64_t window; /* inserts whose tokens the table remembers */
	bool flush;
};

static enum fate
append_open(void *state, const void *config, struct err *err)
{
	struct append *a = state;

	return clickhouse_start(&a->ch, config, true, err);
}

static enum fate
append_connect(void *state, struct err *err)
{
	struct append *a = state;
	bool changed;
	enum fate fate = table_describe(&a->ch, &changed, err);

	return fate == FATE_DONE ? held_window(&a->ch, &a->window, err) : fate;
}

/* As many inserts as ten minutes can hold, each partition for itself. */
static enum fate
check_window(const struct append *a, size_t parts, struct err *err)
{
	int64_t needed = WINDOW_MS / a->ch.config.batch_age_ms * (int64_t)parts;

	if (a->window >= needed)
		return FATE_DONE;
	return err_set(err, FATE_HALT,
	    "table %s.%s remembers the tokens of %" PRId64 " inserts, ten minutes are %" PRId64
	    ": ALTER TABLE %s.%s MODIFY SETTING non_replicated_deduplication_window = %" PRId64,
	    a->ch.config.database, a->ch.config.table, a->window, needed, a->ch.config.database,
	    a->ch.config.table, needed);
}

static bool
is_held(const struct lane *lane, int64_t offset)
{
	return held_has(&lane->held, offset);
}

static enum fate
ask_table(struct append *a, struct lane *lane, struct sink_range range, struct err *err)
{
	return held_ask(&a->ch, lane->topic, lane->partition, range, &lane->held, err);
}

/* --- queues --- */

static void
append_drop(void *state)
{
	struct append *a = state;

	for (size_t i = 0; i < a->lane_count; i++) {
		free(a->lanes[i].records);
		free(a->lanes[i].pushed_ms);
		held_finish(&a->lanes[i].held);
	}
	free(a->lanes);
	a->lanes = NULL;
	a->lane_count = a->next = a->pending = 0;
	a->flush = false;
}

static enum fate
append_assign(void *state, struct sink_part *parts, size_t count, struct err *err)
{
	struct append *a = state;
	enum fate fate = check_window(a, count, err);

	append_drop(a);
	if (fate != FATE_DONE)
		return fate;
	a->lanes = calloc(count + 1, sizeof *a->lanes);
	must(a->lanes);
	for (size_t i = 0; i < count; i++) {
		struct lane *lane = &a->lanes[a->lane_count++];

		*lane = (struct lane){
			.topic = parts[i].topic, .partition = parts[i].partition, .seen = -1
		};
		if (parts[i].frozen.end <= parts[i].committed)
			continue;
		lane->before = parts[i].frozen;
		fate = ask_table(
		    a, lane, (struct sink_range){ parts[i].committed, lane->before.end }, err);
		if (fate != FATE_DONE)
			return fate;
	}
	return FATE_DONE;
}

static struct lane *
lane_find(const struct append *a, const char *topic, int32_t partition)
{
	for (size_t i = 0; i < a->lane_count; i++)
		if (a->lanes[i].partition == partition &&
		    (a->lanes[i].topic == topic || strcmp(a->lanes[i].topic, topic) == 0))
			return &a->lanes[i];
	return NULL;
}

static void
lane_add(struct lane *lane, struct record *record, int64_t now_ms)
{
	if (lane->count == lane->cap) {
		lane->cap = lane->cap ? lane->cap * 2 : 256;
		lane->records = realloc(lane->records, lane->cap * sizeof *lane->records);
		lane->pushed_ms = realloc(lane->pushed_ms, lane->cap * sizeof *lane->pushed_ms);
		must(lane->records && lane->pushed_ms);
	}
	lane->records[lane->count] = record;
	lane->pushed_ms[lane->count++] = now_ms;
	lane->bytes += record->key.len + record->value.len;
}

static void
append_push(void *state, struct record *const *records, size_t count)
{
	struct append *a = state;
	int64_t now_ms = clock_mono_ms();

	for (size_t i = 0; i < count; i++) {
		struct lane *lane = lane_find(a, records[i]->topic, records[i]->partition);

		must(lane);
		lane->seen = records[i]->offset;
		if (records[i]->offset < lane->before.end &&
		    is_held(lane, records[i]->offset)) {
			records[i]->outcome = OUTCOME_DONE;
			continue;
		}
		lane_add(lane, records[i], now_ms);
		a->pending++;
	}
}

/* Takes what is settled out of the batch. */
static void
lane_settle(struct append *a, struct lane *lane)
{
	size_t kept = 0;

	for (size_t i = 0; i < lane->count; i++) {
		struct record *record = lane->records[i];

		if (i < lane->batch && record->outcome != OUTCOME_PENDING) {
			lane->bytes -= record->key.len + record->value.len;
			a->pending--;
			continue;
		}
		lane->pushed_ms[kept] = lane->pushed_ms[i];
		lane->records[kept++] = record;
	}
	lane->batch -= lane->count - kept;
	lane->count = kept;
	if (lane->batch == 0)
		lane->step = STEP_GATHER;
}

/* --- batches --- */

/* Leading records below an offset. */
static size_t
count_below(const struct lane *lane, int64_t offset)
{
	size_t count = 0;

	while (count < lane->count && lane->records[count]->offset < offset)
		count++;
	return count;
}

/* What the predecessor froze goes as it did, in one piece, so that its tokens hold. */
static size_t
batch_before(struct lane *lane, int64_t now_ms)
{
	size_t count = count_below(lane, lane->before.first);

	if (count > 0)
		return count; /* refused then, and surely now */
	if (lane->seen + 1 < lane->before.end) {
		if (lane->count == 0 ||
		    (!lane->cut && now_ms - lane->pushed_ms[0] < REST_OF_RANGE_MS))
			return 0;
		lane->cut = true;
	}
	count = count_below(lane, lane->before.end);
	if (count == 0) {
		lane->frozen = lane->before;
		lane->before = (struct sink_range){ 0 };
	}
	return count;
}

static size_t
batch_due(const struct append *a, const struct lane *lane, int64_t now_ms)
{
	size_t count = 0, bytes = 0;

	if (lane->count == 0 || (!a->flush && lane->count < a->ch.batch_rows &&
				    lane->bytes < a->ch.config.batch_bytes &&
				    now_ms - lane->pushed_ms[0] < a->ch.batch_age_ms))
		return 0;
	while (count < lane->count && count < a->ch.batch_rows) {
		bytes += lane->records[count]->key.len + lane->records[count]->value.len;
		if (count > 0 && bytes > a->ch.config.batch_bytes)
			break;
		count++;
	}
	return count;
}

static void
lane_gather(struct append *a, struct lane *lane)
{
	int64_t now_ms = clock_mono_ms();

	if (lane->before.end > 0) {
		lane->batch = batch_before(lane, now_ms);
		if (lane->batch > 0) { /* the range stands there already */
			lane->step = lane->cut ? STEP_ASK : STEP_INSERT;
			return;
		}
		if (lane->before.end > 0)
			return;
	}
	lane->batch = batch_due(a, lane, now_ms);
	if (lane->batch == 0)
		return;
	lane->frozen = (struct sink_range){ lane->records[0]->offset,
		lane->records[lane->batch - 1]->offset + 1 };
	lane->step = STEP_FREEZE;
}

/* Nobody knows how the insert ended: what the table holds is done. */
static enum fate
lane_ask(struct append *a, struct lane *lane, struct err *err)
{
	struct sink_range range = { lane->records[0]->offset,
		lane->records[lane->batch - 1]->offset + 1 };
	enum fate fate = ask_table(a, lane, range, err);

	if (fate != FATE_DONE)
		return fate;
	for (size_t i = 0; i < lane->batch; i++)
		if (is_held(lane, lane->records[i]->offset))
			lane->records[i]->outcome = OUTCOME_DONE;
	lane->step = STEP_INSERT;
	lane_settle(a, lane);
	return FATE_DONE;
}

static enum fate
lane_insert(struct append *a, struct lane *lane, struct err *err)
{
	enum fate fate;

	if (lane->batch > a->batch_cap) {
		a->batch_cap = lane->batch * 2;
		a->batch = realloc(a->batch, a->batch_cap * sizeof *a->batch);
		must(a->batch);
	}
	memcpy(a->batch, lane->records, lane->batch * sizeof *a->batch);
	fate =
	    sink_deliver_halving(&sink_clickhouse_append, &a->ch, a->batch, lane->batch, err);
	lane_settle(a, lane);
	if (fate != FATE_DONE && lane->batch > 0)
		lane->step = STEP_ASK;
	return fate;
}

static enum fate
lane_work(struct append *a, struct lane *lane, struct err *err)
{
	enum fate fate = FATE_DONE;

	if (lane->step == STEP_GATHER)
		lane_gather(a, lane);
	if (lane->step == STEP_ASK)
		fate = lane_ask(a, lane, err);
	if (lane->step == STEP_INSERT && fate == FATE_DONE)
		fate = lane_insert(a, lane, err);
	return fate;
}

/* When the next batch is due, at the latest after wait_ms. */
static void
wait_for_age(const struct append *a, int wait_ms)
{
	int64_t now_ms = clock_mono_ms(), wait = wait_ms;

	for (size_t i = 0; i < a->lane_count; i++) {
		const struct lane *lane = &a->lanes[i];
		int64_t due;

		if (lane->count == 0)
			continue;
		due = lane->step == STEP_GATHER
			  ? lane->pushed_ms[0] + a->ch.batch_age_ms - now_ms
			  : 0;
		wait = due < wait ? due : wait;
	}
	if (wait > 0)
		clock_sleep_ms(wait);
}

static enum fate
append_work(void *state, int wait_ms, struct err *err)
{
	struct append *a = state;
	enum fate fate = FATE_DONE;

	wait_for_age(a, wait_ms);
	a->ch.insert_until_ms = clock_mono_ms() + INSERT_WITHIN_MS;
	for (size_t i = 0; i < a->lane_count && fate == FATE_DONE; i++) {
		fate = lane_work(a, &a->lanes[a->next], err);
		a->next = (a->next + 1) % a->lane_count;
	}
	if (a->pending == 0)
		a->flush = false;
	return fate;
}

static void
append_flush(void *state)
{
	struct append *a = state;

	a->flush = a->pending > 0;
}

static size_t
append_pending(const void *state)
{
	return ((const struct append *)state)->pending;
}

/* --- what the group must know --- */

static bool
append_frozen(
    const void *state, const char *topic, int32_t partition, struct sink_range *ret_range)
{
	const struct lane *lane = lane_find(state, topic, partition);

	if (!lane)
		return false;
	*ret_range = lane->before.end > 0 ? lane->before : lane->frozen;
	return ret_range->end > 0;
}

static bool
append_freezing(const void *state)
{
	const struct append *a = state;

	for (size_t i = 0; i < a->lane_count; i++)
		if (a->lanes[i].step == STEP_FREEZE)
			return true;
	return false;
}

static void
append_froze(void *state)
{
	struct append *a = state;

	for (size_t i = 0; i < a->lane_count; i++)
		if (a->lanes[i].step == STEP_FREEZE)
			a->lanes[i].step = STEP_INSERT;
}

static enum fate
append_secrets(void *state, const void *config, struct err *err)
{
	return server_secrets(&((struct append *)state)->ch, config, err);
}

static void
append_close(void *state)
{
	struct append *a = state;

	append_drop(a);
	free(a->batch);
	clickhouse_finish(&a->ch);
}

const struct sink_ops sink_clickhouse_append = {
	.name = "clickhouse",
	.state = sizeof(struct append),
	.every_change = true,
	.open = append_open,
	.connect = append_connect,
	.assign = append_assign,
	.deliver = clickhouse_deliver,
	.push = append_push,
	.work = append_work,
	.drop = append_drop,
	.pending = append_pending,
	.flush = append_flush,
	.frozen = append_frozen,
	.freezing = append_freezing,
	.froze = append_froze,
	.tick = clickhouse_tick, /* the state begins with its clickhouse */
	.secrets = append_secrets,
	.close = append_close,
};
