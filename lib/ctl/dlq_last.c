/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/dlq_last.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/must.h"
#include "ctl/resend.h"

enum { CALL_MS = 10000, ROUNDS_MAX = 50, BATCH = 50 };

enum fate
dlq_last_open(struct dlq_last *last, struct err *err)
{
	const struct pipeline *p = last->pipeline;
	enum fate fate = scan_open(&last->scan, &p->kafka, p->enrich.topic, err);

	last->keys = verify_table_new();
	last->from = calloc(last->scan.count + 1, sizeof *last->from);
	must(last->from);
	for (size_t i = 0; i < last->scan.count; i++)
		last->from[i] = INT64_MAX;
	return fate;
}

void
dlq_last_close(struct dlq_last *last)
{
	scan_close(&last->scan);
	verify_table_free(last->keys);
	free(last->from);
	last->keys = NULL;
	last->from = NULL;
}

size_t
dlq_last_partitions(const struct dlq_last *last)
{
	return last->scan.count;
}

static enum fate
offsets_at(struct dlq_last *last, int64_t at_ms, struct kafka_part *ret, struct err *err)
{
	for (size_t i = 0; i < last->scan.count; i++)
		ret[i] = (struct kafka_part){ .topic = last->pipeline->enrich.topic,
			.partition = (int32_t)i };
	return kafka_consumer_offsets_at(
	    last->scan.consumer, at_ms, ret, last->scan.count, CALL_MS, err);
}

enum fate
dlq_last_from(struct dlq_last *last, int64_t at_ms, int64_t *ret_from, struct err *err)
{
	struct kafka_part *parts = calloc(last->scan.count + 1, sizeof *parts);
	enum fate fate;

	must(parts);
	fate = offsets_at(last, at_ms, parts, err);
	for (size_t i = 0; i < last->scan.count && fate == FATE_DONE; i++)
		ret_from[i] = parts[i].offset;
	free(parts);
	return fate;
}

enum fate
dlq_last_watch(
    struct dlq_last *last, struct slice key, int32_t partition, int64_t from, struct err *err)
{
	must(!last->looking);
	if (partition < 0 || (size_t)partition >= last->scan.count)
		return err_set(err, FATE_HALT, "%s has no partition %" PRId32,
		    last->pipeline->enrich.topic, partition);
	if (!verify_table_get(last->keys, key))
		return err_set(err, FATE_HALT,
		    "more than %d keys: choose fewer letters at a time", VERIFY_KEYS_MAX);
	if (from < last->from[partition])
		last->from[partition] = from;
	return FATE_DONE;
}

/* Of one version a tombstone is the newest: verify --repair deletes with the row's own. */
static enum fate
take_record(void *ctx, struct kafka_message *message, struct err *err)
{
	struct dlq_last *last = ctx;
	struct verify_entry *e =
	    message->key.p ? verify_table_find(last->keys, message->key) : NULL;
	struct record record = { 0 };
	struct err ignored;

	(void)err;
	if (!e || scan_record(message, &record, &ignored) != FATE_DONE)
		return FATE_DONE;
	e->behind = e->offset >= 0 && verify_is_older(e, record.version, !message->value.p);
	if (e->behind)
		return FATE_DONE;
	e->version = record.version;
	e->gone = !message->value.p;
	e->partition = message->partition;
	e->offset = message->offset;
	return FATE_DONE;
}

static void
left_tell(void *ctx, const char *topic, int64_t left)
{
	struct dlq_last *last = ctx;

	if (last->progress)
		last->progress(last->ctx, topic, left);
}

enum fate
dlq_last_look(struct dlq_last *last, struct err *err)
{
	enum fate fate = FATE_DONE;

	if (verify_table_count(last->keys) == 0)
		return FATE_DONE;
	if (!last->looking)
		fate = scan_from(&last->scan, last->from, err);
	last->looking = true;
	if (fate == FATE_DONE)
		fate = scan_read(&last->scan, take_record, left_tell, last, err);
	return fate == FATE_DONE ? fate
				 : err_wrap(err, "read %s", last->pipeline->enrich.topic);
}

bool
dlq_last_holds(const struct dlq_last *last, struct slice key, uint64_t version)
{
	const struct verify_entry *e = verify_table_find(last->keys, key);

	return e && e->offset >= 0 && e->version >= version;
}

bool
dlq_last_gone(const struct dlq_last *last, struct slice key, uint64_t version)
{
	const struct verify_entry *e = verify_table_find(last->keys, key);

	return e && e->offset >= 0 && e->gone && e->version == version;
}

/* What we have sent may lie behind a transaction that is open, and the end that a reader sees
 * before it: no such look says what stands last. */
static enum fate
look_behind_ours(struct dlq_last *last, struct err *err)
{
	enum fate fate = scan_reach(&last->scan, err);

	if (fate != FATE_DONE)
		return err_wrap(err, "read %s", last->pipeline->enrich.topic);
	for (size_t i = 0; i < last->scan.count; i++)
		if (last->from[i] == INT64_MAX)
			last->scan.reach[i] = 0;
	return dlq_last_look(last, err);
}

/* --- mending --- */

static bool
is_behind(const struct verify_entry *e)
{
	return e->offset >= 0 && e->behind;
}

/* Records on their way behind the old ones. */
struct mend {
	struct dlq_last *last;
	struct kafka_txn *txn;
	struct kafka_message messages[BATCH];
	struct resend resends[BATCH];
	struct kafka_out outs[BATCH];
	size_t count, sent;
};

static enum fate
mend_flush(struct mend *mend, struct err *err)
{
	enum fate fate =
	    mend->count ? resend_commit(mend->txn, mend->outs, mend->count, err) : FATE_DONE;

	if (fate == FATE_DONE)
		mend->sent += mend->count;
	for (size_t i = 0; i < mend->count; i++)
		kafka_message_free(&mend->messages[i]);
	mend->count = 0;
	return fate;
}

static enum fate
take_newest(void *ctx, struct kafka_message *message, struct err *err)
{
	struct mend *mend = ctx;
	const struct verify_entry *e =
	    message->key.p ? verify_table_find(mend->last->keys, message->key) : NULL;
	struct header headers[DEADLETTER_HEADERS_MAX];
	struct resend *resend = &mend->resends[mend->count];
	size_t count = 0;
	enum fate fate;

	if (!e || !is_behind(e) || e->partition != message->partition ||
	    e->offset != message->offset)
		return FATE_DONE;
	fate = kafka_message_headers(message, headers, DEADLETTER_HEADERS_MAX, &count, err);
	if (fate != FATE_DONE)
		return fate;
	resend->out = (struct kafka_out){ .topic = mend->last->pipeline->enrich.topic,
		.partition = message->partition,
		.key = message->key,
		.value = message->value };
	resend_fill(resend, headers, count, RESEND_FOR_NONE);
	if (kafka_out_size(&resend->out) > kafka_txn_size_max(mend->txn))
		return err_set(err, FATE_HALT,
		    "%s/%" PRId32 "/%" PRId64
		    " is a newer record than one that was sent again, and too large to be sent "
		    "behind it: raise message.max.bytes below kafka: in the pipeline file, and "
		    "run it again",
		    message->topic, message->partition, message->offset);
	mend->outs[mend->count] = resend->out;
	mend->messages[mend->count++] = *message;
	message->handle = NULL;
	return mend->count == BATCH ? mend_flush(mend, err) : FATE_DONE;
}

/* Where the newest records lie that have an old one behind them. */
static size_t
behind_from(const struct dlq_last *last, int64_t *ret_from)
{
	size_t count = 0;

	for (size_t i = 0; i < last->scan.count; i++)
		ret_from[i] = INT64_MAX;
	for (size_t i = 0; i < verify_table_count(last->keys); i++) {
		const struct verify_entry *e = verify_table_entry(last->keys, i);

		if (!is_behind(e))
			continue;
		count++;
		if (e->offset < ret_from[e->partition])
			ret_from[e->partition] = e->offset;
	}
	return count;
}

static enum fate
mend_round(struct mend *mend, const int64_t *from, struct err *err)
{
	const struct pipeline *p = mend->last->pipeline;
	struct scan scan;
	enum fate fate = scan_open(&scan, &p->kafka, p->enrich.topic, err);

	if (fate == FATE_DONE)
		fate = scan_from(&scan, from, err);
	if (fate == FATE_DONE)
		fate = scan_read(&scan, take_newest, NULL, mend, err);
	if (fate == FATE_DONE)
		fate = mend_flush(mend, err);
	for (size_t i = 0; i < mend->count; i++)
		kafka_message_free(&mend->messages[i]);
	mend->count = 0;
	scan_close(&scan);
	return fate;
}

enum fate
dlq_last_mend(struct dlq_last *last, struct kafka_txn *txn, size_t *ret_count, struct err *err)
{
	struct mend *mend = calloc(1, sizeof *mend);
	int64_t *from = calloc(last->scan.count + 1, sizeof *from);
	enum fate fate = look_behind_ours(last, err);
	size_t rounds = 0;

	must(mend && from);
	mend->last = last;
	mend->txn = txn;
	while (fate == FATE_DONE && behind_from(last, from) > 0) {
		if (rounds++ == ROUNDS_MAX) {
			fate = err_set(err, FATE_RETRY,
			    "newer records come faster than they can be put behind old ones");
			break;
		}
		fate = mend_round(mend, from, err);
		if (fate == FATE_DONE)
			fate = look_behind_ours(last, err);
	}
	if (fate == FATE_DONE)
		*ret_count = mend->sent;
	free(from);
	free(mend);
	return fate;
}
