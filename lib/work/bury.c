/* SPDX-License-Identifier: Apache-2.0 */
#include "work/bury.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/must.h"
#include "link/kafka_txn.h"
#include "work/crash.h"
#include "work/deadletter.h"

struct grave {
	struct kafka_message message;
	char *reason;
	unsigned attempts;
};

struct bury {
	const struct work *work;
	struct kafka_txn *txn;
	int32_t partitions; /* of the dead-letter topic */
	struct grave *graves;
	size_t count, size;
};

static struct metric metrics[] = {
	{ "sluice_dead_letters_total", NULL, METRIC_COUNTER,
	    "Records sent to the dead-letter topic.", 0 },
};

struct bury *
bury_new(const struct work *work)
{
	struct bury *bury = calloc(1, sizeof *bury);

	must(bury);
	bury->work = work;
	metrics_register(metrics, sizeof metrics / sizeof *metrics);
	return bury;
}

void
bury_free(struct bury *bury)
{
	if (!bury)
		return;
	bury_clear(bury);
	kafka_txn_close(bury->txn);
	free(bury->graves);
	free(bury);
}

void
bury_add(struct bury *bury, const struct kafka_message *message, const char *reason,
    unsigned attempts)
{
	if (bury->count == bury->size) {
		bury->size = bury->size ? bury->size * 2 : 16;
		bury->graves = realloc(bury->graves, bury->size * sizeof *bury->graves);
		must(bury->graves);
	}
	bury->graves[bury->count++] = (struct grave){ .message = *message,
		.reason = strdup(reason ? reason : "refused"),
		.attempts = attempts };
	log_event(LOG_WARN, "dead_letter",
	    "topic=%s partition=%" PRId32 " offset=%" PRId64 " why=%s", message->topic,
	    message->partition, message->offset, log_quote(reason ? reason : "refused"));
}

size_t
bury_count(const struct bury *bury)
{
	return bury->count;
}

void
bury_clear(struct bury *bury)
{
	for (size_t i = 0; i < bury->count; i++) {
		kafka_message_free(&bury->graves[i].message);
		free(bury->graves[i].reason);
	}
	bury->count = 0;
}

static enum fate
producer_open(struct bury *bury, struct err *err)
{
	struct kafka_txn_conf conf = { .transactional_id = bury->work->member };
	enum fate fate;

	if (bury->txn)
		return FATE_DONE;
	work_kafka_conf(bury->work, &conf.common);
	fate = kafka_txn_open(&bury->txn, &conf, err);
	if (fate == FATE_DONE)
		fate = kafka_txn_partitions(
		    bury->txn, bury->work->pipeline->dlq_topic, &bury->partitions, err);
	if (fate != FATE_DONE) {
		kafka_txn_close(bury->txn);
		bury->txn = NULL;
		return err_wrap(err, "dead-letter topic %s", bury->work->pipeline->dlq_topic);
	}
	return FATE_DONE;
}

enum fate
bury_commit(struct bury *bury, struct kafka_consumer *consumer, const struct kafka_part *parts,
    size_t count, struct err *err)
{
	struct deadletter *letters;
	struct kafka_out *outs;
	enum kafka_verdict verdict;
	enum fate fate = producer_open(bury, err);

	if (fate != FATE_DONE)
		return fate;
	letters = calloc(bury->count, sizeof *letters);
	outs = calloc(bury->count, sizeof *outs);
	must(letters && outs);
	for (size_t i = 0; i < bury->count; i++) {
		const struct grave *grave = &bury->graves[i];
		bool is_crash = strcmp(grave->reason, CRASH_REASON) == 0;

		deadletter_fill(&letters[i], bury->work->pipeline->dlq_topic, bury->partitions,
		    kafka_txn_size_max(bury->txn), &grave->message,
		    &(struct deadletter_why){ bury->work->worker,
			is_crash ? "process" : "deliver", is_crash ? CRASH_CLASS : "rejected",
			grave->reason, grave->attempts, -1 });
		outs[i] = letters[i].out;
	}
	verdict = kafka_txn_run(bury->txn, kafka_outs_next,
	    &(struct kafka_outs){ outs, bury->count }, consumer, parts, count, err);
	free(letters);
	free(outs);
	switch (verdict) {
	case KAFKA_GO_ON:
		metric_add(&metrics[0], (int64_t)bury->count);
		bury_clear(bury);
		return FATE_DONE;
	case KAFKA_ABORTED:
	case KAFKA_RECREATE: err->fate = FATE_RETRY; return FATE_RETRY;
	case KAFKA_EXIT: err->fate = FATE_HALT; return FATE_HALT;
	}
	never("unknown verdict");
}
