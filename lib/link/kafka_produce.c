/* SPDX-License-Identifier: Apache-2.0 */
/* How both producers hand records to librdkafka. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/must.h"
#include "link/kafka_ops.h"

enum { PRODUCE_METADATA_MS = 10000, QUEUE_FULL_POLL_MS = 10, SETTINGS_MAX = 24 };

/* delivery reports stay on: without them flush and commit poll in 10 ms steps. */
static void
delivery_cb(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	struct kafka_client *client = opaque;

	(void)rk;
	if (!message->err || client->delivery_failed)
		return;
	client->delivery_failed = true;
	(void)kafka_error_set(&client->delivery, message->err, "delivery to %s/%" PRId32,
	    message->rkt ? rd_kafka_topic_name(message->rkt) : "", message->partition);
}

enum fate
kafka_producer_conf(struct kafka_client *client, const struct kafka_setting *ours, size_t count,
    rd_kafka_conf_t **ret_conf, struct err *err)
{
	struct kafka_setting rows[SETTINGS_MAX] = {
		{ "enable.idempotence", "true" },
		{ "retry.backoff.ms", "5" }, /* paid whenever CONCURRENT_TRANSACTIONS */
		{ "compression.type", "lz4" },
		{ "partitioner", "murmur2_random" }, /* as Java's */
	};
	size_t fixed = 4;

	must(fixed + count <= SETTINGS_MAX);
	for (size_t i = 0; i < count; i++)
		rows[fixed + i] = ours[i];
	if (kafka_conf_build(client, rows, fixed + count, ret_conf, err))
		return err->fate;
	rd_kafka_conf_set_dr_msg_cb(*ret_conf, delivery_cb);
	return FATE_DONE;
}

/* The count is asked before: a partition beyond it is freed twice before 2.12. */
static enum fate
check_partition(
    struct kafka_client *client, const struct kafka_out *out, size_t *ret_slot, struct err *err)
{
	int32_t count;

	(void)kafka_client_topic(client, out->topic, ret_slot);
	count = client->topics[*ret_slot].partitions;
	if (count > 0 && out->partition < count)
		return FATE_DONE;
	if (kafka_client_partitions(client, out->topic, PRODUCE_METADATA_MS, &count, err))
		return err->fate;
	if (out->partition >= count)
		return err_set(err, FATE_HALT,
		    "topic %s has %" PRId32 " partitions, %" PRId32 " is not one of them",
		    out->topic, count, out->partition);
	return FATE_DONE;
}

static rd_kafka_headers_t *
copy_headers(const struct kafka_out *out)
{
	rd_kafka_headers_t *headers;

	if (out->header_count == 0)
		return NULL;
	headers = rd_kafka_headers_new(out->header_count);
	for (size_t i = 0; i < out->header_count; i++) {
		const struct header *h = &out->headers[i];
		rd_kafka_resp_err_t code = rd_kafka_header_add(headers, h->name.p,
		    (ssize_t)h->name.len, h->value.p, (ssize_t)h->value.len);

		must(!code);
	}
	return headers;
}

/* The array form, because the macros of the other one are not C17. */
static rd_kafka_resp_err_t
produce_once(struct kafka_client *client, rd_kafka_topic_t *topic, const struct kafka_out *out,
    rd_kafka_headers_t *headers)
{
	union {
		const char *in;
		void *out;
	} key = { .in = out->key.p }, value = { .in = out->value.p }; /* F_COPY: only read */
	rd_kafka_vu_t row[] = {
		{ .vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic },
		{ .vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = out->partition },
		{ .vtype = RD_KAFKA_VTYPE_KEY, .u.mem = { key.out, out->key.len } },
		{ .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { value.out, out->value.len } },
		{ .vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = out->timestamp_ms },
		{ .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
		{ .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers },
	};
	size_t count = sizeof row / sizeof *row - (headers ? 0 : 1);
	rd_kafka_error_t *error = rd_kafka_produceva(client->rk, row, count);
	rd_kafka_resp_err_t code = rd_kafka_error_code(error); /* of NULL: no error */

	if (error)
		rd_kafka_error_destroy(error);
	return code;
}

enum fate
kafka_client_produce(
    struct kafka_client *client, const struct kafka_out *out, int64_t wait_ms, struct err *err)
{
	rd_kafka_headers_t *headers;
	rd_kafka_resp_err_t code;
	int64_t end = 0;
	size_t slot;

	must(out->partition >= KAFKA_ANY_PARTITION);
	if (check_partition(client, out, &slot, err))
		return err->fate;
	headers = copy_headers(out);
	for (;;) {
		code = produce_once(client, client->topics[slot].handle, out, headers);
		if (!code)
			return FATE_DONE; /* and the headers are librdkafka's */
		if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			break;
		end = end ? end : clock_mono_ms() + wait_ms;
		if (clock_mono_ms() >= end)
			break;
		(void)rd_kafka_poll(client->rk, QUEUE_FULL_POLL_MS);
	}
	if (headers)
		rd_kafka_headers_destroy(headers);
	return kafka_error_set(err, code, "produce to %s/%" PRId32, out->topic, out->partition);
}
