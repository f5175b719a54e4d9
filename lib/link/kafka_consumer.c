/* SPDX-License-Identifier: Apache-2.0 */
#include "link/kafka_consumer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "link/kafka_ops.h"

enum {
	SESSION_MS = 10000,
	MAX_POLL_MS = 300000,
	QUEUE_KBYTES = 16384,
	STABLE_WAIT_MS = 60000,
	CLOSE_STEP_MS = 100,
	SEEK_MS = 10000,
};

struct kafka_consumer {
	struct kafka_client client; /* first: librdkafka's opaque points to it */
	struct kafka_consumer_conf conf;
	rd_kafka_consumer_group_metadata_t *group_metadata; /* of the current assignment */
	struct err pending; /* what a callback could not return */
	bool has_pending;
	bool closing;
};

static const struct kafka_setting fixed[] = {
	{ "partition.assignment.strategy", "range,roundrobin" }, /* eager */
	{ "enable.auto.commit", "false" }, { "enable.auto.offset.store", "false" },
	{ "auto.offset.reset", "error" }, /* only an offset out of range gets there */
	{ "isolation.level", "read_committed" }, { "enable.partition.eof", "true" },
	{ "check.crcs", "true" }, { "heartbeat.interval.ms", "1000" },
	{ "socket.timeout.ms", "10000" }, { "fetch.wait.max.ms", "100" },
	{ "fetch.error.backoff.ms", "50" },
	{ "fetch.queue.backoff.ms", "10", .optional = true }, /* since 2.2; else 1 s */
};
enum { FIXED_COUNT = sizeof fixed / sizeof *fixed, OWN_COUNT = 7 };

static void
read_list(struct kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list,
    struct kafka_part **ret_parts)
{
	struct kafka_part *parts = calloc((size_t)list->cnt + 1, sizeof *parts);

	must(parts);
	kafka_list_read(&consumer->client, list, parts);
	*ret_parts = parts;
}

static void
set_pending(struct kafka_consumer *consumer, const struct err *err)
{
	consumer->pending = *err;
	consumer->has_pending = true;
}

static void
thaw(struct kafka_consumer *consumer)
{
	if (consumer->group_metadata)
		rd_kafka_consumer_group_metadata_destroy(consumer->group_metadata);
	consumer->group_metadata = NULL;
}

static enum fate
choose_offsets(
    struct kafka_consumer *consumer, struct kafka_part *parts, size_t count, struct err *err)
{
	if (consumer->conf.on_assign &&
	    consumer->conf.on_assign(consumer->conf.ctx, parts, count, err))
		return err->fate;
	for (size_t i = 0; i < count; i++)
		if (parts[i].offset < 0)
			return err_set(err, FATE_HALT,
			    "%s/%" PRId32 ": group %s has no committed offset: expired, or "
			    "the partition is new",
			    parts[i].topic, parts[i].partition, consumer->conf.group);
	return FATE_DONE;
}

/* librdkafka's list carries leader epochs that let it notice a truncated log; they
 * belong to the committed offsets only, so a changed offset needs a list without. */
static enum fate
assign_parts(struct kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list,
    const struct kafka_part *parts, struct err *err)
{
	rd_kafka_topic_partition_list_t *own = NULL;
	rd_kafka_resp_err_t code;

	for (int i = 0; i < list->cnt && !own; i++)
		if (parts[i].offset != list->elems[i].offset)
			own = kafka_list_new(parts, (size_t)list->cnt);
	code = rd_kafka_assign(consumer->client.rk, own ? own : list);
	if (own)
		rd_kafka_topic_partition_list_destroy(own);
	return code ? kafka_error_set(err, code, "assign") : FATE_DONE;
}

/* Explicit stable offsets: nothing is left to auto.offset.reset. The metadata is
 * taken now, so that it can never be newer than the assignment. */
static enum fate
take_assignment(
    struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list, struct err *err)
{
	struct kafka_part *parts;
	enum fate fate;

	fate = kafka_client_stable(&consumer->client, list, consumer->conf.stable_wait_ms, err);
	if (fate == FATE_RETRY) {
		struct err why = *err;

		return kafka_restart_set(err, "no stable committed offsets: %s", why.what);
	}
	if (fate)
		return fate;
	read_list(consumer, list, &parts);
	fate = choose_offsets(consumer, parts, (size_t)list->cnt, err);
	if (!fate)
		fate = assign_parts(consumer, list, parts, err);
	free(parts);
	if (fate)
		return fate;
	/* a partition that was paused when it was last given back would stay so */
	(void)rd_kafka_resume_partitions(consumer->client.rk, list);
	thaw(consumer);
	consumer->group_metadata = rd_kafka_consumer_group_metadata(consumer->client.rk);
	return FATE_DONE;
}

static void
give_up_assignment(
    struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list, bool lost)
{
	struct kafka_part *parts;

	read_list(consumer, list, &parts);
	for (int i = 0; i < list->cnt; i++)
		parts[i].offset = KAFKA_NO_OFFSET;
	if (consumer->conf.on_revoke && consumer->group_metadata)
		consumer->conf.on_revoke(consumer->conf.ctx, parts, (size_t)list->cnt, lost);
	free(parts);
	thaw(consumer);
	(void)rd_kafka_assign(consumer->client.rk, NULL);
}

static void
rebalance_cb(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
    void *opaque)
{
	struct kafka_consumer *consumer = opaque;
	struct err err;

	if (code != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		bool lost = code != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS ||
			    rd_kafka_assignment_lost(rk) != 0;

		give_up_assignment(consumer, list, lost);
		return;
	}
	if (!consumer->closing && take_assignment(consumer, list, &err) == FATE_DONE)
		return;
	if (!consumer->closing)
		set_pending(consumer, &err);
	(void)rd_kafka_assign(rk, NULL);
}

static void
commit_cb(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
    void *opaque)
{
	struct kafka_consumer *consumer = opaque;

	(void)rk;
	if (!code && list)
		code = kafka_list_error(list);
	if (code && code != RD_KAFKA_RESP_ERR__NO_OFFSET)
		kafka_client_event(&consumer->client, KAFKA_EVENT_COMMIT, 4,
		    rd_kafka_err2name(code), rd_kafka_err2str(code));
}

/* A queued message costs some 300 bytes beside its own, which kbytes do not count,
 * so small ones are bounded by number. Before 2.2 a full queue stops fetching for a
 * second, and only a queue that is never full is fast. */
static int64_t
queue_messages(int64_t kbytes)
{
	return rd_kafka_version() < 0x020200ff ? 1000000 : kbytes * 4;
}

static enum fate
build(struct kafka_consumer *consumer, rd_kafka_conf_t **ret_conf, struct err *err)
{
	const struct kafka_consumer_conf *conf = &consumer->conf;
	char session[24], max_poll[24], kbytes[24], fetch_max[24], messages[24];
	struct kafka_setting rows[FIXED_COUNT + OWN_COUNT] = {
		/* assign() wants a group's name even when it never joins */
		{ "group.id", conf->group ? conf->group : "sluice-unused" },
		{ "group.instance.id", conf->instance }, { "session.timeout.ms", session },
		{ "max.poll.interval.ms", max_poll }, { "queued.max.messages.kbytes", kbytes },
		{ "queued.min.messages", messages },
		{ "fetch.max.bytes", fetch_max }, /* one answer must not burst the budget */
	};

	for (size_t i = 0; i < FIXED_COUNT; i++)
		rows[OWN_COUNT + i] = fixed[i];
	(void)snprintf(session, sizeof session, "%" PRId64, conf->session_ms);
	(void)snprintf(max_poll, sizeof max_poll, "%" PRId64, conf->max_poll_ms);
	(void)snprintf(kbytes, sizeof kbytes, "%" PRId64, conf->queue_kbytes);
	(void)snprintf(
	    messages, sizeof messages, "%" PRId64, queue_messages(conf->queue_kbytes));
	(void)snprintf(fetch_max, sizeof fetch_max, "%" PRId64, conf->queue_kbytes * 1024);
	if (kafka_conf_build(&consumer->client, rows, FIXED_COUNT + OWN_COUNT, ret_conf, err))
		return err->fate;
	rd_kafka_conf_set_rebalance_cb(*ret_conf, rebalance_cb);
	rd_kafka_conf_set_offset_commit_cb(*ret_conf, commit_cb);
	return FATE_DONE;
}

static int64_t
or_default(int64_t value, int64_t fallback)
{
	return value ? value : fallback;
}

enum fate
kafka_consumer_open(struct kafka_consumer **ret_consumer,
    const struct kafka_consumer_conf *conf, struct err *err)
{
	struct kafka_consumer *consumer = calloc(1, sizeof *consumer);
	rd_kafka_conf_t *rk_conf;

	must(consumer);
	consumer->conf = *conf;
	consumer->conf.session_ms = or_default(conf->session_ms, SESSION_MS);
	consumer->conf.max_poll_ms = or_default(conf->max_poll_ms, MAX_POLL_MS);
	consumer->conf.queue_kbytes = or_default(conf->queue_kbytes, QUEUE_KBYTES);
	consumer->conf.stable_wait_ms = or_default(conf->stable_wait_ms, STABLE_WAIT_MS);
	consumer->client.conf = conf->common;
	if (build(consumer, &rk_conf, err) ||
	    kafka_client_start(&consumer->client, RD_KAFKA_CONSUMER, rk_conf, err)) {
		free(consumer);
		return err->fate;
	}
	(void)rd_kafka_poll_set_consumer(consumer->client.rk);
	*ret_consumer = consumer;
	return FATE_DONE;
}

/* While closing, callbacks are not called: what would call them comes as an event. */
static void
serve_closing(struct kafka_consumer *consumer, rd_kafka_queue_t *queue)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, CLOSE_STEP_MS);

	if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
		rebalance_cb(consumer->client.rk, rd_kafka_event_error(event),
		    rd_kafka_event_topic_partition_list(event), consumer);
	if (event)
		rd_kafka_event_destroy(event);
}

bool
kafka_consumer_close(struct kafka_consumer *consumer, int64_t bound_ms)
{
	int64_t end = clock_mono_ms() + bound_ms;
	rd_kafka_queue_t *queue;
	rd_kafka_error_t *error;

	if (!consumer)
		return true;
	consumer->closing = true;
	queue = rd_kafka_queue_new(consumer->client.rk);
	error = rd_kafka_consumer_close_queue(consumer->client.rk, queue);
	if (error)
		rd_kafka_error_destroy(error); /* fatal: there is nothing to leave */
	while (!error && !rd_kafka_consumer_closed(consumer->client.rk)) {
		if (clock_mono_ms() >= end)
			return false;
		serve_closing(consumer, queue);
	}
	rd_kafka_queue_destroy(queue);
	thaw(consumer);
	kafka_client_finish(&consumer->client);
	free(consumer);
	return true;
}

enum fate
kafka_consumer_subscribe(
    struct kafka_consumer *consumer, const char *const *topics, size_t count, struct err *err)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
	rd_kafka_resp_err_t code;

	must(consumer->conf.group);
	for (size_t i = 0; i < count; i++)
		(void)rd_kafka_topic_partition_list_add(list, topics[i], RD_KAFKA_PARTITION_UA);
	code = rd_kafka_subscribe(consumer->client.rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return code ? kafka_error_set(err, code, "subscribe") : FATE_DONE;
}

enum fate
kafka_consumer_assign(struct kafka_consumer *consumer, const struct kafka_part *parts,
    size_t count, struct err *err)
{
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_resp_err_t code;

	for (size_t i = 0; i < count; i++)
		must(parts[i].offset >= 0 || parts[i].offset == KAFKA_AT_START);
	list = kafka_list_new(parts, count);
	code = rd_kafka_assign(consumer->client.rk, count ? list : NULL);
	rd_kafka_topic_partition_list_destroy(list);
	return code ? kafka_error_set(err, code, "assign") : FATE_DONE;
}

/* A refused record here would be skipped unread by polling on, so it stops us; a
 * topic that is not there yet is librdkafka's to look for again. */
static enum kafka_polled
poll_error(struct kafka_consumer *consumer, const rd_kafka_message_t *message, struct err *err)
{
	const char *topic = message->rkt ? rd_kafka_topic_name(message->rkt) : "";
	rd_kafka_resp_err_t code = message->err;
	char text[ERR_WHAT_SIZE / 2];

	if (code == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED) {
		kafka_client_event(&consumer->client, KAFKA_EVENT_ERROR, 4,
		    rd_kafka_err2name(code), rd_kafka_message_errstr(message));
		return KAFKA_NOTHING; /* the revocation follows */
	}
	if (code == RD_KAFKA_RESP_ERR__FATAL)
		(void)rd_kafka_fatal_error(consumer->client.rk, text, sizeof text);
	else
		(void)snprintf(text, sizeof text, "%s", rd_kafka_message_errstr(message));
	(void)kafka_error_set(err, code, "%s/%" PRId32 " at %" PRId64 ": %s", topic,
	    message->partition, message->offset, text);
	if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
	    code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
		err->fate = FATE_RETRY;
	if (err->fate == FATE_REJECT)
		err->fate = FATE_HALT;
	return KAFKA_ERROR;
}

static void
read_message(
    struct kafka_consumer *consumer, rd_kafka_message_t *from, struct kafka_message *to)
{
	rd_kafka_timestamp_type_t type;

	to->topic = kafka_client_topic(&consumer->client, rd_kafka_topic_name(from->rkt), NULL);
	to->partition = from->partition;
	to->offset = from->offset;
	to->timestamp_ms = rd_kafka_message_timestamp(from, &type);
	to->key = slice_of(from->key, from->key_len);
	to->value = slice_of(from->payload, from->len);
	to->handle = from;
}

enum kafka_polled
kafka_consumer_poll(struct kafka_consumer *consumer, int64_t timeout_ms,
    struct kafka_message *ret_message, struct err *err)
{
	rd_kafka_message_t *message =
	    rd_kafka_consumer_poll(consumer->client.rk, (int)timeout_ms);
	enum kafka_polled polled = KAFKA_MESSAGE;

	if (consumer->has_pending) {
		consumer->has_pending = false;
		*err = consumer->pending;
		if (message) /* of an assignment that was refused */
			rd_kafka_message_destroy(message);
		return KAFKA_ERROR;
	}
	if (!message)
		return KAFKA_NOTHING;
	if (!message->err) {
		read_message(consumer, message, ret_message);
		return polled;
	}
	if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		*ret_message = (struct kafka_message){ .timestamp_ms = -1 };
		ret_message->topic = kafka_client_topic(
		    &consumer->client, rd_kafka_topic_name(message->rkt), NULL);
		ret_message->partition = message->partition;
		ret_message->offset = message->offset;
		polled = KAFKA_EOF;
	} else {
		polled = poll_error(consumer, message, err);
	}
	rd_kafka_message_destroy(message);
	return polled;
}

const rd_kafka_consumer_group_metadata_t *
kafka_consumer_group_metadata(const struct kafka_consumer *consumer)
{
	return consumer->group_metadata;
}

struct kafka_client *
kafka_consumer_client(struct kafka_consumer *consumer)
{
	return &consumer->client;
}

int64_t
kafka_consumer_stable_wait(const struct kafka_consumer *consumer)
{
	return consumer->conf.stable_wait_ms;
}

enum fate
kafka_consumer_seek(struct kafka_consumer *consumer, const struct kafka_part *parts,
    size_t count, struct err *err)
{
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
	rd_kafka_error_t *error;

	if (count == 0)
		return FATE_DONE;
	list = kafka_list_new(parts, count);
	error = rd_kafka_seek_partitions(consumer->client.rk, list, SEEK_MS);
	if (!error)
		code = kafka_list_error(list);
	rd_kafka_topic_partition_list_destroy(list);
	if (error)
		return kafka_error_take(err, error, "seek");
	if (!code)
		return FATE_DONE;
	(void)kafka_error_set(err, code, "seek");
	err->fate = FATE_RETRY; /* a partition that went away meanwhile reads as unknown */
	return FATE_RETRY;
}
