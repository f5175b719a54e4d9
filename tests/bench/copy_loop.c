/* SPDX-License-Identifier: Apache-2.0 */
/* copy_loop.c -- what sluice-enrich is measured against: librdkafka alone.
 *
 *   copy_loop BROKERS ID IN OUT COUNT ROWS BYTES [bare]
 *
 * Consumes COUNT messages from the start of IN's partitions and produces the same keys
 * and values, uncounted and unread, to the same partitions of OUT: read committed in,
 * lz4 and transactions of ROWS records or BYTES out, source offsets inside, headers of
 * the number and sizes that enrich writes; bare: without headers, which tells what they
 * cost. Settings that cost CPU are the worker's. It
 * knows no rebalance and no error but exit 1. Prints "MESSAGES WALL_MS CPU_MS". */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/slice.h"

enum { PARTITIONS = 4, TIMEOUT_MS = 30000, HEADERS = 6 };

static const char *const common[][2] = { { "socket.nagle.disable", "true" },
	{ "log.queue", "false" }, { NULL, NULL } };
static const char *const consuming[][2] = { { "enable.auto.commit", "false" },
	{ "enable.auto.offset.store", "false" }, { "isolation.level", "read_committed" },
	{ "check.crcs", "true" }, { "fetch.wait.max.ms", "100" },
	{ "fetch.queue.backoff.ms", "10" }, { "queued.max.messages.kbytes", "16384" },
	{ "queued.min.messages", "65536" }, { "fetch.max.bytes", "16777216" }, { NULL, NULL } };
static const char *const producing[][2] = { { "enable.idempotence", "true" },
	{ "retry.backoff.ms", "5" }, { "compression.type", "lz4" }, { "linger.ms", "50" },
	{ "queue.buffering.max.messages", "200000" }, { NULL, NULL } };

static rd_kafka_t *consumer, *producer;
static rd_kafka_topic_t *out_topic;
static const char *in_topic;
static int64_t next[PARTITIONS];
static bool failed, bare;

static void
check(bool good, const char *what)
{
	if (good)
		return;
	(void)fprintf(stderr, "copy_loop: %s\n", what);
	exit(1);
}

static void
done(rd_kafka_error_t *error, const char *what)
{
	check(!error, error ? rd_kafka_error_string(error) : what);
}

static void
settings(rd_kafka_conf_t *conf, const char *const rows[][2])
{
	char text[256];

	for (; rows[0][0]; rows++)
		check(rd_kafka_conf_set(conf, rows[0][0], rows[0][1], text, sizeof text) ==
			  RD_KAFKA_CONF_OK,
		    rows[0][0]);
}

static void
delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	(void)rk, (void)opaque;
	failed |= message->err != 0;
}

static rd_kafka_t *
client(rd_kafka_type_t type, const char *brokers, const char *id)
{
	const char *const own[][2] = { { "bootstrap.servers", brokers },
		{ type == RD_KAFKA_CONSUMER ? "group.id" : "transactional.id", id },
		{ NULL, NULL } };
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char text[256];
	rd_kafka_t *rk;

	settings(conf, common);
	settings(conf, type == RD_KAFKA_CONSUMER ? consuming : producing);
	settings(conf, own);
	if (type == RD_KAFKA_PRODUCER)
		rd_kafka_conf_set_dr_msg_cb(conf, delivered);
	rk = rd_kafka_new(type, conf, text, sizeof text);
	check(rk, text);
	return rk;
}

static rd_kafka_topic_partition_list_t *
offsets(void)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);

	for (int32_t p = 0; p < PARTITIONS; p++)
		rd_kafka_topic_partition_list_add(list, in_topic, p)->offset = next[p];
	return list;
}

static void
commit(void)
{
	rd_kafka_topic_partition_list_t *list = offsets();
	rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata(consumer);

	done(
	    rd_kafka_send_offsets_to_transaction(producer, list, group, TIMEOUT_MS), "offsets");
	done(rd_kafka_commit_transaction(producer, TIMEOUT_MS), "commit");
	check(!failed, "a message was not delivered");
	rd_kafka_consumer_group_metadata_destroy(group);
	rd_kafka_topic_partition_list_destroy(list);
}

/* sluice.source, version, op, id, ts and lsn: the sizes that enrich's have. */
static rd_kafka_headers_t *
headers_of(const rd_kafka_message_t *message)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(HEADERS);
	char source[300];
	int len = snprintf(source, sizeof source, "%s/%" PRId32 "/%" PRId64, in_topic,
	    message->partition, message->offset);

	rd_kafka_header_add(headers, "sluice.source", 13, source, len);
	rd_kafka_header_add(headers, "sluice.version", 14, source + len - 6, 6);
	rd_kafka_header_add(headers, "sluice.op", 9, "c", 1);
	rd_kafka_header_add(headers, "sluice.id", 9, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", 26);
	rd_kafka_header_add(headers, "sluice.ts", 9, "1795250923069", 13);
	rd_kafka_header_add(headers, "sluice.lsn", 10, "123456789", 9);
	return headers;
}

static void
forward(const rd_kafka_message_t *m)
{
	rd_kafka_vu_t row[] = {
		{ .vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = out_topic },
		{ .vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = m->partition },
		{ .vtype = RD_KAFKA_VTYPE_KEY, .u.mem = { m->key, m->key_len } },
		{ .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { m->payload, m->len } },
		{ .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
		{ .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = bare ? NULL : headers_of(m) },
	};

	done(rd_kafka_produceva(producer, row, sizeof row / sizeof *row - bare), "produce");
	next[m->partition] = m->offset + 1;
}

static void
loop(int64_t count, int64_t rows_max, int64_t bytes_max)
{
	int64_t rows = 0, bytes = 0;

	for (int64_t seen = 0; seen < count;) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(consumer, 100);

		if (!m)
			continue;
		check(!m->err, rd_kafka_message_errstr(m));
		if (rows == 0)
			done(rd_kafka_begin_transaction(producer), "begin");
		forward(m);
		seen++;
		rows++;
		bytes += (int64_t)(m->len + m->key_len);
		rd_kafka_message_destroy(m);
		(void)rd_kafka_poll(producer, 0);
		if (rows < rows_max && bytes < bytes_max && seen < count)
			continue;
		commit();
		rows = bytes = 0;
	}
}

static int64_t
number(const char *text)
{
	int64_t n = 0;

	check(slice_i64(slice_str(text), &n), "not a number");
	return n;
}

static int64_t
cpu_ms(void)
{
	struct rusage use;

	(void)getrusage(RUSAGE_SELF, &use);
	return (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000 +
	       (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1000;
}

int
main(int argc, char **argv)
{
	rd_kafka_topic_partition_list_t *list;
	int64_t began;

	check(argc == 8 || argc == 9,
	    "usage: copy_loop BROKERS ID IN OUT COUNT ROWS BYTES [bare]");
	bare = argc == 9;
	in_topic = argv[3];
	consumer = client(RD_KAFKA_CONSUMER, argv[1], argv[2]);
	producer = client(RD_KAFKA_PRODUCER, argv[1], argv[2]);
	out_topic = rd_kafka_topic_new(producer, argv[4], NULL);
	done(rd_kafka_init_transactions(producer, TIMEOUT_MS), "init");
	(void)rd_kafka_poll_set_consumer(consumer);
	list = offsets();
	check(!rd_kafka_assign(consumer, list), "assign");
	rd_kafka_topic_partition_list_destroy(list);
	began = clock_mono_ms();
	loop(number(argv[5]), number(argv[6]), number(argv[7]));
	(void)printf(
	    "%s %" PRId64 " %" PRId64 "\n", argv[5], clock_mono_ms() - began, cpu_ms());
	(void)fflush(stdout);
	_exit(0);
}
