/* SPDX-License-Identifier: Apache-2.0 */
/* Messages become a batch, and the partitions wait while Postgres is away. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "work/crash.h"
#include "work/enrich_loop.h"

enum {
	POLL_IDLE_MS = 100,
	SERVE_EVERY = 64,
	NO_FACT_MS = 1000, /* dimension rows are read for so long, then the loop goes on */
};

static bool
batch_full(const struct enrich_loop *loop)
{
	return (crash_alone() && enrich_batch_count(loop->batch) > 0) ||
	       enrich_batch_count(loop->batch) >= enrich_batch_fits(loop->batch) ||
	       (int64_t)enrich_batch_count(loop->batch) >= loop->conf->batch_rows ||
	       (int64_t)enrich_batch_bytes(loop->batch) >= loop->conf->batch_bytes;
}

/* What was gathered of the partition is asked for before more of it is read. */
static void
dimension_hold(struct enrich_loop *loop, const struct kafka_message *message)
{
	const struct kafka_part part = { .topic = message->topic,
		.partition = message->partition };
	struct err ignored;

	if (refresh_full(loop->refresh) &&
	    kafka_consumer_pause(loop->consumer, &part, 1, &ignored) == FATE_DONE)
		loop->dimensions_held = true;
}

void
enrich_dimensions_release(struct enrich_loop *loop)
{
	struct err ignored;

	if (loop->dimensions_held && !loop->holding && !refresh_full(loop->refresh) &&
	    kafka_consumer_resume(loop->consumer, NULL, 0, &ignored) == FATE_DONE)
		loop->dimensions_held = false;
}

/* Facts go into the batch, dimension rows to whoever asks for their facts. */
static void
take_in(struct enrich_loop *loop, struct kafka_message *message)
{
	size_t source = loop->refresh ? follow_source(loop->follow, message->topic, 0) : 0;

	if (source == 0) {
		crash_take(message->topic, message->partition, message->offset);
		enrich_batch_add(loop->batch, message);
		return;
	}
	for (; source > 0; source = follow_source(loop->follow, message->topic, source))
		refresh_take(loop->refresh, source, message, clock_mono_ms());
	dimension_hold(loop, message);
	kafka_message_free(message);
}

static enum fate
poll_one(struct enrich_loop *loop, int64_t wait_ms, bool *ret_more, struct err *err)
{
	struct kafka_message message;

	*ret_more = true;
	switch (kafka_consumer_poll(loop->consumer, wait_ms, &message, err)) {
	case KAFKA_MESSAGE: take_in(loop, &message); return FATE_DONE;
	case KAFKA_EOF: return FATE_DONE;
	case KAFKA_NOTHING: *ret_more = false; return FATE_DONE;
	case KAFKA_ERROR:
		*ret_more = false;
		if (err->fate == FATE_HALT)
			return FATE_HALT;
		log_event(LOG_WARN, "kafka", "why=%s", log_quote(err->what));
		return FATE_DONE;
	}
	never("unknown poll result");
}

/* Whether the batch waits no longer; *ret_wait_ms: how long the next poll may. */
static bool
collected(struct enrich_loop *loop, int64_t began_ms, int64_t *until_ms, int64_t *ret_wait_ms)
{
	int64_t now = clock_mono_ms();

	*ret_wait_ms = POLL_IDLE_MS;
	if (enrich_batch_count(loop->batch) == 0)
		return work_stopping() || now - began_ms >= NO_FACT_MS;
	if (*until_ms == 0)
		*until_ms = now + loop->linger_ms;
	*ret_wait_ms = *until_ms - now;
	return *ret_wait_ms <= 0 || work_stopping();
}

/* N messages, or T ms after the first one. While messages are there nothing waits, and
 * the clock and the producer are looked at once in SERVE_EVERY. */
enum fate
enrich_collect(struct enrich_loop *loop, struct err *err)
{
	int64_t began = clock_mono_ms(), until = 0, wait;
	bool more = true;

	for (unsigned n = 0; !batch_full(loop); n++) {
		enum fate fate;

		wait = 0;
		if (!more || n % SERVE_EVERY == 0) {
			kafka_txn_serve(loop->txn);
			if (collected(loop, began, &until, &wait))
				return FATE_DONE;
			wait = more ? 0 : wait;
		}
		fate = poll_one(loop, wait, &more, err);
		if (fate != FATE_DONE || loop->broken.fate != FATE_DONE)
			return fate;
		if (!more && wait > 0 && enrich_batch_count(loop->batch) == 0)
			return FATE_DONE;
	}
	return FATE_DONE;
}

/* Postgres is away: the batch waits, the partitions are paused, polling goes on. */
enum fate
enrich_hold(struct enrich_loop *loop, struct err *err)
{
	int64_t until = clock_mono_ms() + pause_next_ms(&loop->pause);
	struct err ignored;
	bool more;

	metric_add(&enrich_metrics[M_RETRIES], 1);
	work_status(false, "waiting: %s", err->what);
	if (!loop->holding &&
	    kafka_consumer_pause(loop->consumer, NULL, 0, &ignored) == FATE_DONE)
		loop->holding = true;
	while (clock_mono_ms() < until && !work_stopping()) {
		enum fate fate = poll_one(loop, POLL_IDLE_MS, &more, err);

		if (fate != FATE_DONE)
			return fate;
		work_beat();
	}
	enrich_take_secrets(loop);
	return FATE_DONE;
}

void
enrich_release(struct enrich_loop *loop)
{
	struct err ignored;

	pause_reset(&loop->pause);
	if (!loop->holding)
		return;
	if (kafka_consumer_resume(loop->consumer, NULL, 0, &ignored) != FATE_DONE)
		return; /* tried again after the next batch */
	loop->holding = false;
	work_status(true, "working on %" PRId64 " partitions",
	    metric_get(&enrich_metrics[M_PARTITIONS]));
}
