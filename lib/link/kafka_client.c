/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "link/kafka_ops.h"

static const struct kafka_setting shared[] = {
	{ "log.queue", "true" },            /* log lines come out of poll, on our thread */
	{ "socket.nagle.disable", "true" }, /* false before 2.10 */
	{ "socket.keepalive.enable", "true" },
	{ "reconnect.backoff.max.ms", "1000" }, /* 10 s: slow return after a broker restart */
};

/* What exactness hangs on, or what a field of our own configuration sets. */
static const char *const ours_alone[] = {
	"bootstrap.servers",
	"metadata.broker.list",
	"client.id",
	"group.id",
	"group.instance.id",
	"group.protocol",
	"partition.assignment.strategy",
	"enable.auto.commit",
	"auto.commit.enable",
	"enable.auto.offset.store",
	"enable.partition.eof",
	"auto.offset.reset",
	"isolation.level",
	"session.timeout.ms",
	"max.poll.interval.ms",
	"transactional.id",
	"transaction.timeout.ms",
	"socket.timeout.ms",
	"enable.idempotence",
	"delivery.report.only.error",
	"log.queue",
	"statistics.interval.ms",
};

bool
kafka_client_stopping(const struct kafka_client *client)
{
	return client->conf.stopping && client->conf.stopping(client->conf.stop_ctx);
}

enum fate
kafka_client_stopped(struct err *err)
{
	return kafka_restart_set(err, "told to stop");
}

void
kafka_client_event(const struct kafka_client *client, enum kafka_event_kind kind, int level,
    const char *code, const char *text)
{
	struct kafka_event event = { .kind = kind, .level = level, .code = code, .text = text };

	if (!client->conf.on_event)
		return;
	event.client = client->rk ? rd_kafka_name(client->rk) : "";
	client->conf.on_event(client->conf.event_ctx, &event);
}

static void
log_cb(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	const struct kafka_client *client = rd_kafka_opaque(rk);

	if (client)
		kafka_client_event(client, KAFKA_EVENT_LOG, level, facility, text);
}

static void
error_cb(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
	(void)rk; /* a fatal state is read again from the call that fails */
	kafka_client_event(
	    opaque, KAFKA_EVENT_ERROR, 4, rd_kafka_err2name((rd_kafka_resp_err_t)code), reason);
}

static int
stats_cb(rd_kafka_t *rk, char *json, size_t len, void *opaque)
{
	(void)rk;
	(void)len;
	kafka_client_event(opaque, KAFKA_EVENT_STATS, 7, "", json);
	return 0; /* librdkafka frees json */
}

static enum fate
set_one(
    rd_kafka_conf_t *conf, const char *key, const char *value, bool optional, struct err *err)
{
	char text[256];
	rd_kafka_conf_res_t res = rd_kafka_conf_set(conf, key, value, text, sizeof text);

	if (res == RD_KAFKA_CONF_OK || (res == RD_KAFKA_CONF_UNKNOWN && optional))
		return FATE_DONE;
	return err_set(err, FATE_HALT, "Kafka property %s: %s", key, text);
}

static enum fate
set_properties(rd_kafka_conf_t *conf, const struct kafka_conf *from, struct err *err)
{
	for (size_t i = 0; i < from->property_count; i++) {
		const struct kafka_property *property = &from->properties[i];

		for (size_t k = 0; k < sizeof ours_alone / sizeof *ours_alone; k++)
			if (strcmp(property->key, ours_alone[k]) == 0)
				return err_set(err, FATE_HALT,
				    "Kafka property %s: is not yours to set", property->key);
		if (set_one(conf, property->key, property->value, false, err))
			return err->fate;
	}
	return FATE_DONE;
}

static enum fate
set_rows(rd_kafka_conf_t *conf, const struct kafka_setting *rows, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++)
		if (rows[i].value &&
		    set_one(conf, rows[i].key, rows[i].value, rows[i].optional, err))
			return err->fate;
	return FATE_DONE;
}

enum fate
kafka_conf_build(struct kafka_client *client, const struct kafka_setting *ours, size_t count,
    rd_kafka_conf_t **ret_conf, struct err *err)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char stats[24];
	struct kafka_setting named[] = {
		{ "bootstrap.servers", client->conf.brokers },
		{ "client.id", client->conf.client_id },
		{ "statistics.interval.ms", stats },
	};

	(void)snprintf(stats, sizeof stats, "%lld", (long long)client->conf.stats_ms);
	rd_kafka_conf_set_opaque(conf, client);
	rd_kafka_conf_set_log_cb(conf, log_cb);
	rd_kafka_conf_set_error_cb(conf, error_cb);
	rd_kafka_conf_set_stats_cb(conf, stats_cb);
	if (set_rows(conf, shared, sizeof shared / sizeof *shared, err) ||
	    set_rows(conf, named, sizeof named / sizeof *named, err) ||
	    set_rows(conf, ours, count, err) || set_properties(conf, &client->conf, err)) {
		rd_kafka_conf_destroy(conf);
		return err->fate;
	}
	*ret_conf = conf;
	return FATE_DONE;
}

enum fate
kafka_client_start(
    struct kafka_client *client, rd_kafka_type_t type, rd_kafka_conf_t *conf, struct err *err)
{
	char text[256];

	client->rk = rd_kafka_new(type, conf, text, sizeof text);
	if (!client->rk) {
		rd_kafka_conf_destroy(conf);
		return err_set(err, FATE_HALT, "Kafka client: %s", text);
	}
	(void)rd_kafka_set_log_queue(client->rk, NULL); /* into the queue that poll serves */
	return FATE_DONE;
}

void
kafka_client_stop(struct kafka_client *client)
{
	if (!client->rk)
		return;
	for (size_t i = 0; i < client->topic_count; i++) {
		if (client->topics[i].handle)
			rd_kafka_topic_destroy(client->topics[i].handle);
		client->topics[i].handle = NULL;
		client->topics[i].partitions = 0;
	}
	if (rd_kafka_type(client->rk) == RD_KAFKA_PRODUCER) /* else destroy may wait */
		(void)rd_kafka_purge(
		    client->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	rd_kafka_destroy(client->rk);
	client->rk = NULL;
}

void
kafka_client_finish(struct kafka_client *client)
{
	kafka_client_stop(client);
	for (size_t i = 0; i < client->topic_count; i++)
		free(client->topics[i].name);
	free(client->topics);
	client->topics = NULL;
	client->topic_count = client->topic_cap = 0;
}

static size_t
add_topic(struct kafka_client *client, const char *name)
{
	if (client->topic_count == client->topic_cap) {
		client->topic_cap = client->topic_cap ? client->topic_cap * 2 : 8;
		client->topics =
		    realloc(client->topics, client->topic_cap * sizeof *client->topics);
		must(client->topics);
	}
	client->topics[client->topic_count] = (struct kafka_topic_slot){ .name = strdup(name) };
	must(client->topics[client->topic_count].name);
	return client->topic_count++;
}

const char *
kafka_client_topic(struct kafka_client *client, const char *name, size_t *ret_slot)
{
	size_t slot = client->topic_last;

	if (slot >= client->topic_count || strcmp(client->topics[slot].name, name) != 0) {
		for (slot = 0; slot < client->topic_count; slot++)
			if (strcmp(client->topics[slot].name, name) == 0)
				break;
		if (slot == client->topic_count)
			slot = add_topic(client, name);
		client->topic_last = slot;
	}
	if (ret_slot)
		*ret_slot = slot;
	return client->topics[slot].name;
}

static enum fate
read_metadata(struct kafka_topic_slot *topic, const rd_kafka_metadata_t *metadata,
    int32_t *ret_count, struct err *err)
{
	const rd_kafka_metadata_topic_t *found;

	if (metadata->topic_cnt != 1)
		return err_set(err, FATE_RETRY, "topic %s: no metadata yet", topic->name);
	found = &metadata->topics[0];
	if (found->err)
		return kafka_error_set(err, found->err, "topic %s", topic->name);
	if (found->partition_cnt <= 0)
		return err_set(err, FATE_RETRY, "topic %s: no partitions yet", topic->name);
	*ret_count = topic->partitions = found->partition_cnt;
	return FATE_DONE;
}

enum fate
kafka_client_partitions(struct kafka_client *client, const char *name, int64_t timeout_ms,
    int32_t *ret_count, struct err *err)
{
	const rd_kafka_metadata_t *metadata;
	struct kafka_topic_slot *topic;
	rd_kafka_resp_err_t code;
	enum fate fate;
	size_t slot;

	(void)kafka_client_topic(client, name, &slot);
	topic = &client->topics[slot];
	if (!topic->handle)
		topic->handle = rd_kafka_topic_new(client->rk, name, NULL);
	if (!topic->handle)
		return kafka_error_set(err, rd_kafka_last_error(), "topic %s", name);
	code = rd_kafka_metadata(client->rk, 0, topic->handle, &metadata, (int)timeout_ms);
	if (code)
		return kafka_error_set(err, code, "topic %s", name);
	fate = read_metadata(topic, metadata, ret_count, err);
	rd_kafka_metadata_destroy(metadata);
	return fate;
}
