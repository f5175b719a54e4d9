/* SPDX-License-Identifier: Apache-2.0 */
#include "link/kafka_txn.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "link/kafka_ops.h"

enum {
	TIMEOUT_MS = 15000,
	SOCKET_TIMEOUT_MS = 10000, /* at most timeout_ms + 100, or librdkafka refuses */
	/* The commit flushes. A partition whose records have lingered while a request of
	 * theirs is on its way keeps librdkafka's thread polling without a pause. */
	LINGER_MS = 50,
	QUEUE_MESSAGES = 200000,
	INIT_STEP_MS = 5000,
	INIT_TRIES = 5,
	INIT_PAUSE_MS = 100,
	RECREATE_PAUSE_MS = 500,
	RECREATE_MAX = 10, /* two owners of one id would fence each other for ever */
	ABORTS_MAX = 5,    /* in a row; then a fresh producer */
	METADATA_MS = 10000,
	END_TXN = 26, /* API keys of Kafka's protocol */
	TXN_OFFSET_COMMIT = 28,
};

struct kafka_txn {
	struct kafka_client client; /* first: librdkafka's opaque points to it */
	struct kafka_txn_conf conf;
	struct kafka_txn_stats stats;
	unsigned end_sent, offsets_sent; /* by librdkafka's threads: atomics only */
	int64_t began_ms;
	size_t size_max;
	unsigned recreated_in_row, aborted_in_row;
};

/* Were EndTxn or TxnOffsetCommit sent twice? The first copy may still arrive, in
 * the next transaction (KAFKA-17754), and only a new epoch keeps it out. */
static rd_kafka_resp_err_t
request_sent(rd_kafka_t *rk, int socket, const char *broker, int32_t id, int16_t key,
    int16_t version, int32_t correlation, size_t size, void *opaque)
{
	struct kafka_txn *txn = opaque;

	(void)rk, (void)socket, (void)broker, (void)id;
	(void)version, (void)correlation, (void)size;
	if (key == END_TXN)
		(void)__atomic_add_fetch(&txn->end_sent, 1, __ATOMIC_RELAXED);
	if (key == TXN_OFFSET_COMMIT)
		(void)__atomic_add_fetch(&txn->offsets_sent, 1, __ATOMIC_RELAXED);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t
instance_new(
    rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque, char *text, size_t text_size)
{
	(void)conf, (void)text, (void)text_size;
	return rd_kafka_interceptor_add_on_request_sent(rk, "resent", request_sent, opaque);
}

static void
reset_sent(struct kafka_txn *txn)
{
	__atomic_store_n(&txn->end_sent, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&txn->offsets_sent, 0, __ATOMIC_RELAXED);
}

static bool
resent(const struct kafka_txn *txn)
{
	return __atomic_load_n(&txn->end_sent, __ATOMIC_RELAXED) > 1 ||
	       __atomic_load_n(&txn->offsets_sent, __ATOMIC_RELAXED) > 1;
}

static void
say(const struct kafka_txn *txn, int level, const char *code, const char *text)
{
	kafka_client_event(&txn->client, KAFKA_EVENT_TXN, level, code, text);
}

static enum fate
build(struct kafka_txn *txn, rd_kafka_conf_t **ret_conf, struct err *err)
{
	const struct kafka_txn_conf *conf = &txn->conf;
	char timeout[24], socket[24], linger[24], queue[24];
	struct kafka_setting rows[] = {
		{ "transactional.id", conf->transactional_id },
		{ "transaction.timeout.ms", timeout },
		{ "socket.timeout.ms", socket },
		{ "linger.ms", linger },
		{ "queue.buffering.max.messages", queue },
	};
	int64_t socket_ms =
	    conf->timeout_ms < SOCKET_TIMEOUT_MS ? conf->timeout_ms : SOCKET_TIMEOUT_MS;

	(void)snprintf(timeout, sizeof timeout, "%" PRId64, conf->timeout_ms);
	(void)snprintf(socket, sizeof socket, "%" PRId64, socket_ms);
	(void)snprintf(linger, sizeof linger, "%" PRId64, conf->linger_ms);
	(void)snprintf(queue, sizeof queue, "%" PRId64, conf->queue_messages);
	if (kafka_producer_conf(&txn->client, rows, sizeof rows / sizeof *rows, ret_conf, err))
		return err->fate;
	(void)rd_kafka_conf_interceptor_add_on_new(*ret_conf, "resent", instance_new, txn);
	return FATE_DONE;
}

/* RETRY: no answer for INIT_TRIES steps. The predecessor is fenced by this. */
static enum fate
init_transactions(struct kafka_txn *txn, struct err *err)
{
	for (int try = 0; try < INIT_TRIES; try++) {
		rd_kafka_error_t *error =
		    rd_kafka_init_transactions(txn->client.rk, INIT_STEP_MS);
		bool again;

		(void)rd_kafka_poll(txn->client.rk, 0);
		if (!error)
			return FATE_DONE;
		again = rd_kafka_error_is_retriable(error) && !rd_kafka_error_is_fatal(error);
		(void)kafka_error_take(err, error, "init_transactions");
		if (!again)
			return err->fate;
		if (kafka_client_stopping(&txn->client))
			return kafka_client_stopped(err);
		clock_sleep_ms(INIT_PAUSE_MS);
	}
	return err->fate = FATE_RETRY;
}

static enum fate
start(struct kafka_txn *txn, struct err *err)
{
	rd_kafka_conf_t *conf;

	if (build(txn, &conf, err) ||
	    kafka_client_start(&txn->client, RD_KAFKA_PRODUCER, conf, err))
		return err->fate;
	reset_sent(txn);
	txn->client.delivery_failed = false;
	if (init_transactions(txn, err)) {
		kafka_client_stop(&txn->client);
		return err->fate;
	}
	return FATE_DONE;
}

static size_t
read_size_max(rd_kafka_t *rk)
{
	char text[32];
	size_t size = sizeof text;
	uint64_t value;
	rd_kafka_conf_res_t res =
	    rd_kafka_conf_get(rd_kafka_conf(rk), "message.max.bytes", text, &size);

	must(res == RD_KAFKA_CONF_OK && slice_u64(slice_str(text), &value));
	return value;
}

enum fate
kafka_txn_open(struct kafka_txn **ret_txn, const struct kafka_txn_conf *conf, struct err *err)
{
	struct kafka_txn *txn = calloc(1, sizeof *txn);

	must(txn && conf->transactional_id);
	txn->conf = *conf;
	txn->client.conf = conf->common;
	txn->conf.timeout_ms = conf->timeout_ms ? conf->timeout_ms : TIMEOUT_MS;
	txn->conf.linger_ms = conf->linger_ms ? conf->linger_ms : LINGER_MS;
	txn->conf.queue_messages = conf->queue_messages ? conf->queue_messages : QUEUE_MESSAGES;
	if (start(txn, err)) {
		kafka_txn_close(txn);
		return err_wrap(err, "transactional id %s", conf->transactional_id);
	}
	txn->size_max = read_size_max(txn->client.rk);
	*ret_txn = txn;
	return FATE_DONE;
}

void
kafka_txn_close(struct kafka_txn *txn)
{
	if (!txn)
		return;
	kafka_client_finish(&txn->client);
	free(txn);
}

enum fate
kafka_txn_partitions(
    struct kafka_txn *txn, const char *topic, int32_t *ret_count, struct err *err)
{
	return kafka_client_partitions(&txn->client, topic, METADATA_MS, ret_count, err);
}

enum fate
kafka_txn_offsets_at(struct kafka_txn *txn, int64_t at_ms, struct kafka_part *parts,
    size_t count, int64_t timeout_ms, struct err *err)
{
	if (!txn->client.rk)
		return err_set(err, FATE_RETRY, "the producer is gone");
	return kafka_client_offsets_at(&txn->client, at_ms, parts, count, timeout_ms, err);
}

size_t
kafka_txn_size_max(const struct kafka_txn *txn)
{
	return txn->size_max;
}

void
kafka_txn_serve(struct kafka_txn *txn)
{
	if (txn->client.rk)
		(void)rd_kafka_poll(txn->client.rk, 0);
}

void
kafka_txn_stats(const struct kafka_txn *txn, struct kafka_txn_stats *ret_stats)
{
	*ret_stats = txn->stats;
}

/* INVALID_TXN_STATE says that a straggler ended a transaction of ours: that one may
 * be torn, so it is never a mere abort. */
static enum kafka_verdict
judge(struct kafka_txn *txn, rd_kafka_error_t *error, const char *where, struct err *err)
{
	bool fatal = rd_kafka_error_is_fatal(error) ||
		     rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_INVALID_TXN_STATE;
	bool abortable = !fatal && rd_kafka_error_txn_requires_abort(error);

	say(txn, fatal ? 3 : 4, rd_kafka_error_name(error), rd_kafka_error_string(error));
	(void)kafka_error_take(err, error, where);
	return abortable ? KAFKA_ABORTED : KAFKA_RECREATE;
}

static enum kafka_verdict
begin(struct kafka_txn *txn, struct err *err)
{
	rd_kafka_error_t *error;

	reset_sent(txn);
	txn->client.delivery_failed = false;
	txn->began_ms = clock_mono_ms();
	error = rd_kafka_begin_transaction(txn->client.rk);
	return error ? judge(txn, error, "begin", err) : KAFKA_GO_ON;
}

static enum kafka_verdict
produce(struct kafka_txn *txn, const struct kafka_out *out, struct err *err)
{
	must(kafka_out_size(out) <= txn->size_max);
	switch (kafka_client_produce(&txn->client, out, txn->conf.timeout_ms, err)) {
	case FATE_DONE: return KAFKA_GO_ON;
	case FATE_RETRY: return KAFKA_ABORTED;
	case FATE_REJECT: never("sizes are checked before");
	case FATE_HALT: return kafka_wants_restart(err) ? KAFKA_RECREATE : KAFKA_EXIT;
	}
	never("unknown fate");
}

/* librdkafka retries inside; retriable comes back only when its time is over. */
static bool
same_call_again(const struct kafka_txn *txn, rd_kafka_error_t *error, int64_t limit_ms)
{
	if (!rd_kafka_error_is_retriable(error) || rd_kafka_error_is_fatal(error) ||
	    rd_kafka_error_txn_requires_abort(error) ||
	    clock_mono_ms() - txn->began_ms >= limit_ms)
		return false;
	rd_kafka_error_destroy(error);
	clock_sleep_ms(INIT_PAUSE_MS);
	return true;
}

static enum kafka_verdict
send_offsets(struct kafka_txn *txn, const rd_kafka_consumer_group_metadata_t *metadata,
    const struct kafka_part *parts, size_t count, struct err *err)
{
	rd_kafka_topic_partition_list_t *list = kafka_list_new(parts, count);
	rd_kafka_error_t *error;

	do {
		error =
		    rd_kafka_send_offsets_to_transaction(txn->client.rk, list, metadata, -1);
	} while (error && same_call_again(txn, error, txn->conf.timeout_ms));
	rd_kafka_topic_partition_list_destroy(list);
	return error ? judge(txn, error, "send offsets", err) : KAFKA_GO_ON;
}

static enum kafka_verdict
end_commit(struct kafka_txn *txn, struct err *err)
{
	rd_kafka_error_t *error;

	do {
		error = rd_kafka_commit_transaction(txn->client.rk, -1);
	} while (error && same_call_again(txn, error, 3 * txn->conf.timeout_ms));
	if (error)
		return judge(txn, error, "commit", err);
	txn->stats.commits++;
	txn->recreated_in_row = txn->aborted_in_row = 0;
	return KAFKA_GO_ON;
}

/* A new producer: it resolves whatever the old one left, committed or aborted, so
 * that committed offsets read after it are the truth. */
static enum kafka_verdict
recreate(struct kafka_txn *txn, struct err *err)
{
	for (;;) {
		kafka_client_stop(&txn->client);
		if (kafka_client_stopping(&txn->client)) {
			(void)kafka_client_stopped(err);
			return KAFKA_EXIT;
		}
		if (txn->recreated_in_row++ >= RECREATE_MAX) {
			(void)kafka_restart_set(err,
			    "producer %s replaced %d times without a commit",
			    txn->conf.transactional_id, (int)RECREATE_MAX);
			return KAFKA_EXIT;
		}
		if (start(txn, err) == FATE_DONE)
			return KAFKA_GO_ON;
		say(txn, 3, err->code, err->what);
		if (err->fate == FATE_HALT && !kafka_wants_restart(err))
			return KAFKA_EXIT;
		clock_sleep_ms(RECREATE_PAUSE_MS);
	}
}

static enum kafka_verdict
commit(struct kafka_txn *txn, struct kafka_consumer *consumer, const struct kafka_part *parts,
    size_t part_count, struct err *err)
{
	enum kafka_verdict verdict = KAFKA_GO_ON;

	if (part_count > 0) {
		const rd_kafka_consumer_group_metadata_t *metadata =
		    kafka_consumer_group_metadata(consumer);

		if (!metadata) {
			(void)err_set(err, FATE_RETRY, "the assignment is gone");
			return KAFKA_ABORTED;
		}
		verdict = send_offsets(txn, metadata, parts, part_count, err);
	}
	if (verdict == KAFKA_GO_ON)
		verdict = end_commit(txn, err);
	if (verdict != KAFKA_GO_ON || !resent(txn))
		return verdict;
	txn->stats.rotated++;
	say(txn, 4, "ROTATED", "a request that ends a transaction was sent twice");
	return recreate(txn, err);
}

static enum kafka_verdict
abort_open(struct kafka_txn *txn, struct err *err)
{
	int64_t began = clock_mono_ms();

	for (;;) {
		rd_kafka_error_t *error = rd_kafka_abort_transaction(txn->client.rk, -1);
		bool again;

		if (!error)
			break;
		again = rd_kafka_error_is_retriable(error) && !rd_kafka_error_is_fatal(error) &&
			clock_mono_ms() - began < 3 * txn->conf.timeout_ms;
		if (!again) {
			(void)judge(txn, error, "abort", err);
			return KAFKA_RECREATE;
		}
		rd_kafka_error_destroy(error);
		clock_sleep_ms(INIT_PAUSE_MS);
	}
	txn->stats.aborts++;
	if (resent(txn) || ++txn->aborted_in_row > ABORTS_MAX)
		return KAFKA_RECREATE;
	return KAFKA_ABORTED;
}

static enum kafka_verdict
recover(struct kafka_txn *txn, enum kafka_verdict verdict, struct err *err)
{
	struct err why = *err;

	switch (verdict) {
	case KAFKA_GO_ON: never("nothing to recover from");
	case KAFKA_EXIT: return KAFKA_EXIT;
	case KAFKA_ABORTED:
		if (abort_open(txn, err) == KAFKA_ABORTED)
			return KAFKA_ABORTED;
		break;
	case KAFKA_RECREATE: break;
	}
	txn->stats.recreated++;
	txn->aborted_in_row = 0;
	if (recreate(txn, err) == KAFKA_EXIT)
		return KAFKA_EXIT;
	*err = why;
	return KAFKA_ABORTED;
}

/* The records are made while librdkafka packs and sends those before them. */
static enum kafka_verdict
produce_all(struct kafka_txn *txn, kafka_txn_next *next, void *ctx, struct err *err)
{
	enum kafka_verdict verdict = KAFKA_GO_ON;
	const struct kafka_out *outs;
	size_t count;

	do {
		if (next(ctx, &outs, &count, err) != FATE_DONE) {
			struct err why = *err;

			(void)recover(txn, KAFKA_ABORTED, err);
			*err = why;
			return KAFKA_EXIT;
		}
		for (size_t i = 0; i < count && verdict == KAFKA_GO_ON; i++)
			verdict = produce(txn, &outs[i], err);
		kafka_txn_serve(txn);
	} while (count > 0 && verdict == KAFKA_GO_ON);
	return verdict;
}

enum kafka_verdict
kafka_txn_run(struct kafka_txn *txn, kafka_txn_next *next, void *ctx,
    struct kafka_consumer *consumer, const struct kafka_part *parts, size_t part_count,
    struct err *err)
{
	enum kafka_verdict verdict = begin(txn, err);

	if (verdict == KAFKA_GO_ON && next)
		verdict = produce_all(txn, next, ctx, err);
	if (verdict == KAFKA_GO_ON)
		verdict = commit(txn, consumer, parts, part_count, err);
	return verdict == KAFKA_GO_ON ? KAFKA_GO_ON : recover(txn, verdict, err);
}

enum fate
kafka_outs_next(
    void *ctx, const struct kafka_out **ret_outs, size_t *ret_count, struct err *err)
{
	struct kafka_outs *left = ctx;

	(void)err;
	*ret_outs = left->outs;
	*ret_count = left->count;
	left->count = 0;
	return FATE_DONE;
}
