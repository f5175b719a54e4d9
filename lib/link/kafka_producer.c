/* SPDX-License-Identifier: Apache-2.0 */
#include "link/kafka_producer.h"

#include <stdlib.h>

#include "base/must.h"
#include "link/kafka_ops.h"

enum { QUEUE_FULL_MS = 60000 };

struct kafka_producer {
	struct kafka_client client; /* first: librdkafka's opaque points to it */
};

static const struct kafka_setting settings[] = {
	{ "socket.timeout.ms", "10000" },
	{ "linger.ms", "5" },
	{ "queue.buffering.max.messages", "200000" },
	{ "message.timeout.ms", "120000" },
};

enum fate
kafka_producer_open(
    struct kafka_producer **ret_producer, const struct kafka_conf *conf, struct err *err)
{
	struct kafka_producer *producer = calloc(1, sizeof *producer);
	rd_kafka_conf_t *rk_conf;

	must(producer);
	producer->client.conf = *conf;
	if (kafka_producer_conf(&producer->client, settings, sizeof settings / sizeof *settings,
		&rk_conf, err) ||
	    kafka_client_start(&producer->client, RD_KAFKA_PRODUCER, rk_conf, err)) {
		free(producer);
		return err->fate;
	}
	*ret_producer = producer;
	return FATE_DONE;
}

void
kafka_producer_close(struct kafka_producer *producer)
{
	if (!producer)
		return;
	kafka_client_finish(&producer->client);
	free(producer);
}

enum fate
kafka_producer_send(
    struct kafka_producer *producer, const struct kafka_out *out, struct err *err)
{
	(void)rd_kafka_poll(producer->client.rk, 0);
	return kafka_client_produce(&producer->client, out, QUEUE_FULL_MS, err);
}

enum fate
kafka_producer_flush(struct kafka_producer *producer, int64_t timeout_ms, struct err *err)
{
	struct kafka_client *client = &producer->client;
	rd_kafka_resp_err_t code = rd_kafka_flush(client->rk, (int)timeout_ms);
	rd_kafka_resp_err_t fatal;
	char text[ERR_WHAT_SIZE / 2];

	if (client->delivery_failed) {
		client->delivery_failed = false;
		*err = client->delivery;
		if (err->fate == FATE_RETRY) /* librdkafka has given these up: they are lost */
			err->fate = FATE_HALT;
		return err->fate;
	}
	fatal = rd_kafka_fatal_error(client->rk, text, sizeof text);
	if (fatal)
		return kafka_restart_set(err, "producer: %s", text);
	return code ? kafka_error_set(err, code, "flush") : FATE_DONE;
}

enum fate
kafka_producer_partitions(struct kafka_producer *producer, const char *topic,
    int64_t timeout_ms, int32_t *ret_count, struct err *err)
{
	return kafka_client_partitions(&producer->client, topic, timeout_ms, ret_count, err);
}
