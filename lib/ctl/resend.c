/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/resend.h"

#include <stdio.h>

#include "base/must.h"

enum fate
resend_open(const struct pipeline *pipeline, char id[static RESEND_ID_SIZE],
    struct kafka_txn **ret_txn, struct err *err)
{
	struct kafka_txn_conf conf = { .common = { .brokers = pipeline->kafka.brokers,
					   .client_id = "sluicectl",
					   .properties = pipeline->kafka.properties,
					   .property_count = pipeline->kafka.property_count },
		.transactional_id = id };
	int32_t ignored;
	enum fate fate;

	(void)snprintf(id, RESEND_ID_SIZE, "%s.replay", pipeline->dlq_topic);
	fate = kafka_txn_open(ret_txn, &conf, err);
	if (fate == FATE_DONE)
		fate = kafka_txn_partitions(*ret_txn, pipeline->dlq_topic, &ignored, err);
	if (fate == FATE_DONE)
		fate = kafka_txn_partitions(*ret_txn, pipeline->enrich.topic, &ignored, err);
	return fate;
}

void
resend_fill(
    struct resend *resend, const struct header *headers, size_t count, struct slice worker)
{
	const struct header replay = { SLICE(RECORD_REPLAY), SLICE("1") };
	size_t n = 0;

	must(count <= DEADLETTER_HEADERS_MAX);
	for (size_t i = 0; i < count; i++)
		if (!slice_eq(headers[i].name, SLICE(RECORD_REPLAY)) &&
		    !slice_eq(headers[i].name, SLICE(RECORD_REPLAY_FOR)))
			resend->headers[n++] = headers[i];
	resend->headers[n++] = replay;
	if (worker.len)
		resend->headers[n++] = (struct header){ SLICE(RECORD_REPLAY_FOR), worker };
	resend->out.headers = resend->headers;
	resend->out.header_count = n;
}

/* A producer that was replaced has fenced whoever came after us, and may have sent letters
 * that we would send again: then this call goes on no more. */
enum fate
resend_commit(
    struct kafka_txn *txn, const struct kafka_out *outs, size_t count, struct err *err)
{
	struct kafka_outs all = { outs, count };
	struct kafka_txn_stats stats;

	switch (kafka_txn_run(txn, kafka_outs_next, &all, NULL, NULL, 0, err)) {
	case KAFKA_GO_ON: break;
	case KAFKA_ABORTED:
	case KAFKA_RECREATE: return err->fate = FATE_RETRY;
	case KAFKA_EXIT: return err->fate = FATE_HALT;
	}
	kafka_txn_stats(txn, &stats);
	return stats.rotated == 0
		   ? FATE_DONE
		   : err_set(err, FATE_RETRY, "the broker was asked twice for the last commit");
}
