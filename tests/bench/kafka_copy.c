/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_copy.c -- the smallest exactly-once worker over lib/link: topic to topic.
 *
 *   kafka_copy BROKERS GROUP SLOT IN OUT BATCH [until-end]
 *
 * Partition to partition, with the source in a header, offsets in the transaction
 * and their batch's size as metadata. Starts at 0 where the group has no offset.
 * Prints a line of figures at the end. tests/integration/test_kafka.py kills it. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "link/kafka_consumer.h"
#include "link/kafka_txn.h"

enum { PARTS_MAX = 64, BATCH_MAX = 20000, LINGER_MS = 20 };

struct copy {
	const char *out_topic;
	struct kafka_consumer *consumer;
	struct kafka_txn *txn;
	struct kafka_message messages[BATCH_MAX];
	struct kafka_out outs[BATCH_MAX];
	struct header headers[BATCH_MAX];
	char sources[BATCH_MAX][64];
	size_t count, max;
	bool ended[PARTS_MAX];
	size_t assigned;
	int64_t copied;
};

static volatile sig_atomic_t stop_signal;
static struct copy copy;

static void
on_signal(int number)
{
	stop_signal = number;
}

static bool
stopping(void *ctx)
{
	(void)ctx;
	return stop_signal != 0;
}

static void
on_event(void *ctx, const struct kafka_event *event)
{
	(void)ctx;
	if (event->kind != KAFKA_EVENT_STATS)
		fprintf(stderr, "event %d %s %s: %s\n", (int)event->kind, event->client,
		    event->code, event->text);
}

static void
drop_batch(void)
{
	for (size_t i = 0; i < copy.count; i++)
		kafka_message_free(&copy.messages[i]);
	copy.count = 0;
}

static size_t
batch_parts(struct kafka_part *parts, char *metadata, size_t metadata_size)
{
	size_t count = 0;
	int n = snprintf(metadata, metadata_size, "n=%zu", copy.count);

	for (size_t i = copy.count; i-- > 0;) {
		const struct kafka_message *m = &copy.messages[i];
		size_t k = 0;

		while (k < count && parts[k].partition != m->partition)
			k++;
		if (k == count)
			parts[count++] = (struct kafka_part){ m->topic, m->partition,
				m->offset + 1, slice_of(metadata, (size_t)n) };
	}
	return count;
}

static void
prepare(size_t i)
{
	const struct kafka_message *m = &copy.messages[i];
	int n = snprintf(copy.sources[i], sizeof copy.sources[i], "%s/%" PRId32 "/%" PRId64,
	    m->topic, m->partition, m->offset);

	copy.headers[i] =
	    (struct header){ SLICE("sluice.source"), slice_of(copy.sources[i], (size_t)n) };
	copy.outs[i] = (struct kafka_out){ .topic = copy.out_topic,
		.partition = m->partition,
		.key = m->key,
		.value = m->value,
		.headers = &copy.headers[i],
		.header_count = 1 };
}

static enum kafka_verdict
run_batch(struct err *err)
{
	struct kafka_part parts[PARTS_MAX];
	char metadata[32];
	size_t part_count;
	enum kafka_verdict verdict;

	if (copy.count == 0)
		return KAFKA_GO_ON;
	for (size_t i = 0; i < copy.count; i++)
		prepare(i);
	part_count = batch_parts(parts, metadata, sizeof metadata);
	verdict = kafka_txn_run(copy.txn, kafka_outs_next,
	    &(struct kafka_outs){ copy.outs, copy.count }, copy.consumer, parts, part_count,
	    err);
	if (verdict == KAFKA_GO_ON)
		copy.copied += (int64_t)copy.count;
	else
		fprintf(stderr, "verdict %d: %s\n", (int)verdict, err->what);
	drop_batch();
	return verdict;
}

static enum fate
on_assign(void *ctx, struct kafka_part *parts, size_t count, struct err *err)
{
	(void)ctx, (void)err;
	memset(copy.ended, 0, sizeof copy.ended);
	copy.assigned = count;
	for (size_t i = 0; i < count; i++) {
		fprintf(stderr, "assigned %" PRId32 " at %" PRId64 " %.*s\n",
		    parts[i].partition, parts[i].offset, SLICE_ARG(parts[i].metadata));
		if (parts[i].offset == KAFKA_NO_OFFSET)
			parts[i].offset = 0;
	}
	return FATE_DONE;
}

static void
on_revoke(void *ctx, const struct kafka_part *parts, size_t count, bool lost)
{
	struct err err;

	(void)ctx, (void)parts, (void)count;
	if (!lost && run_batch(&err) == KAFKA_EXIT)
		_exit(3);
	drop_batch();
	copy.assigned = 0;
}

/* Offset 0 is where a partition without a commit starts again: kafka_consumer_rewind
 * refuses that, so the first batch of all is sought by hand. */
static void
rewind_batch(void)
{
	struct kafka_part parts[PARTS_MAX];
	struct err err;
	size_t count;

	memset(copy.ended, 0, sizeof copy.ended);
	kafka_consumer_assignment(copy.consumer, parts, PARTS_MAX, &count);
	must(count <= PARTS_MAX);
	if (kafka_consumer_committed(copy.consumer, parts, count, NULL, &err) == FATE_DONE) {
		for (size_t i = 0; i < count; i++)
			if (parts[i].offset < 0)
				parts[i].offset = 0;
		if (kafka_consumer_seek(copy.consumer, parts, count, &err) == FATE_DONE)
			return;
	}
	fprintf(stderr, "rewind: %s\n", err.what);
	if (err.fate == FATE_HALT)
		_exit(3);
}

/* False: every assigned partition is at its end and nothing is in hand. */
static bool
collect(void)
{
	struct kafka_message message;
	struct err err;
	int64_t end = 0;
	size_t ended = 0;

	while (copy.count < copy.max && !stop_signal) {
		int64_t wait = copy.count ? end - clock_mono_ms() : 100;

		if (wait <= 0)
			return true;
		switch (kafka_consumer_poll(copy.consumer, wait, &message, &err)) {
		case KAFKA_NOTHING: break;
		case KAFKA_MESSAGE:
			must(message.partition < PARTS_MAX);
			end = end ? end : clock_mono_ms() + LINGER_MS;
			copy.messages[copy.count++] = message;
			break;
		case KAFKA_EOF: copy.ended[message.partition] = true; break;
		case KAFKA_ERROR:
			fprintf(stderr, "poll: %s %s\n", fate_name(err.fate), err.what);
			if (err.fate == FATE_HALT)
				_exit(kafka_wants_restart(&err) ? 3 : 4);
			break;
		}
		kafka_txn_serve(copy.txn);
		ended = 0;
		for (size_t p = 0; p < PARTS_MAX; p++)
			ended += copy.ended[p];
		if (copy.count == 0 && copy.assigned > 0 && ended == copy.assigned)
			return false;
	}
	return true;
}

static void
open_clients(char **argv)
{
	struct kafka_conf common = {
		.brokers = argv[1], .on_event = on_event, .stopping = stopping
	};
	static char id[128];
	struct kafka_txn_conf txn_conf = { .common = common, .transactional_id = id };
	struct kafka_consumer_conf consumer_conf = { .common = common,
		.group = argv[2],
		.instance = argv[3],
		.on_assign = on_assign,
		.on_revoke = on_revoke };
	const char *topics[] = { argv[4] };
	struct err err;
	enum fate fate;
	int32_t count;

	(void)snprintf(id, sizeof id, "%s-%s", argv[2], argv[3]);
	while ((fate = kafka_txn_open(&copy.txn, &txn_conf, &err)) == FATE_RETRY)
		fprintf(stderr, "open: %s\n", err.what);
	if (fate || kafka_txn_partitions(copy.txn, argv[5], &count, &err) ||
	    kafka_consumer_open(&copy.consumer, &consumer_conf, &err) ||
	    kafka_consumer_subscribe(copy.consumer, topics, 1, &err)) {
		fprintf(stderr, "open: %s\n", err.what);
		exit(3);
	}
}

int
main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct kafka_txn_stats stats;
	struct err err = { 0 };
	int64_t batch, began;

	if (argc < 7 || !slice_i64(slice_str(argv[6]), &batch) || batch < 1 ||
	    batch > BATCH_MAX) {
		fprintf(
		    stderr, "usage: kafka_copy BROKERS GROUP SLOT IN OUT BATCH [until-end]\n");
		return 2;
	}
	(void)sigaction(SIGTERM, &action, NULL);
	copy.max = (size_t)batch;
	copy.out_topic = argv[5];
	open_clients(argv);
	began = clock_mono_ms();
	while (!stop_signal && (collect() || argc < 8)) {
		enum kafka_verdict verdict = run_batch(&err);

		if (verdict == KAFKA_EXIT)
			return 3;
		if (verdict == KAFKA_ABORTED)
			rewind_batch();
	}
	if (!kafka_consumer_close(copy.consumer, 10000))
		fprintf(stderr, "close took too long\n");
	kafka_txn_stats(copy.txn, &stats);
	printf("copied=%" PRId64 " ms=%" PRId64 " commits=%" PRId64 " aborts=%" PRId64
	       " recreated=%" PRId64 " rotated=%" PRId64 "\n",
	    copy.copied, clock_mono_ms() - began, stats.commits, stats.aborts, stats.recreated,
	    stats.rotated);
	kafka_txn_close(copy.txn);
	return 0;
}
