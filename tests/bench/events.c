/* SPDX-License-Identifier: Apache-2.0 */
/* events.c -- fills the benchmark topic.
 *
 *   events BROKERS TOPIC COUNT [RATE [FIRST]]
 *
 * COUNT events of event.h (and a tombstone behind each delete), by the key's hash over
 * the topic's partitions, with Debezium's three headers and uncompressed as Connect's
 * producer is by default. RATE: events a second, 0 for as fast as it goes. FIRST: ids
 * and LSNs go on behind that many. Prints how many messages there are. */
#include <stdio.h>

#include "base/clock.h"
#include "event.h"
#include "link/kafka_producer.h"

static struct kafka_producer *producer;
static int64_t messages;

static void
send(const char *topic, struct slice key, struct slice value)
{
	struct header headers[] = { { SLICE("__debezium.context.connectorLogicalName"),
					SLICE("bench") },
		{ SLICE("__debezium.context.taskId"), SLICE("0") },
		{ SLICE("__debezium.context.connectorName"), SLICE("postgresql") } };
	struct kafka_out out = { .topic = topic,
		.partition = KAFKA_ANY_PARTITION,
		.key = key,
		.value = value,
		.headers = headers,
		.header_count = sizeof headers / sizeof *headers };
	struct err err;

	if (kafka_producer_send(producer, &out, &err) != FATE_DONE) {
		(void)fprintf(stderr, "events: %s\n", err.what);
		exit(1);
	}
	messages++;
}

static void
generate(const char *topic, int64_t count, int64_t rate, int64_t first)
{
	int64_t began = clock_mono_ms();
	struct event_stream stream;

	event_stream_init(&stream, (uint32_t)first, (size_t)count);
	for (int64_t i = 0; i < count; i++) {
		int64_t due = rate ? began + i * 1000 / rate : 0;
		int64_t now = rate ? clock_mono_ms() : 0;

		if (due > now)
			clock_sleep_ms(due - now);
		event_next(&stream);
		send(topic, buf_view(&stream.key), buf_view(&stream.value));
		if (stream.is_delete)
			send(topic, buf_view(&stream.key), (struct slice){ 0 });
	}
	event_stream_finish(&stream);
}

int
main(int argc, char **argv)
{
	static const struct kafka_property properties[] = { { "compression.type", "none" },
		{ "linger.ms", "5" }, { "batch.num.messages", "10000" } };
	struct kafka_conf conf = { .properties = properties, .property_count = 3 };
	int64_t count = 0, rate = 0, first = 0;
	struct err err;

	if (argc < 4 || !slice_i64(slice_str(argv[3]), &count) ||
	    (argc > 4 && !slice_i64(slice_str(argv[4]), &rate)) ||
	    (argc > 5 && !slice_i64(slice_str(argv[5]), &first))) {
		(void)fprintf(stderr, "usage: events BROKERS TOPIC COUNT [RATE [FIRST]]\n");
		return 2;
	}
	conf.brokers = argv[1];
	if (kafka_producer_open(&producer, &conf, &err) == FATE_DONE) {
		generate(argv[2], count, rate, first);
		if (kafka_producer_flush(producer, 60000, &err) == FATE_DONE) {
			(void)printf("%" PRId64 "\n", messages);
			kafka_producer_close(producer);
			return 0;
		}
	}
	(void)fprintf(stderr, "events: %s\n", err.what);
	return 1;
}
