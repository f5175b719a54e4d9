/* SPDX-License-Identifier: Apache-2.0 */
/* enriched.c -- fills a topic with records as enrich writes them, lz4 and with headers.
 *
 *   enriched BROKERS TOPIC PARTITIONS COUNT
 *
 * Row by row in turn over the partitions; each counts its own versions. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "link/kafka_producer.h"
#include "row.h"

static struct buf key, value, source, version;

static enum fate
send(struct kafka_producer *producer, const char *topic, int64_t n, int64_t partitions,
    struct err *err)
{
	int64_t partition = n % partitions, offset = n / partitions;
	struct header headers[] = { { SLICE("sluice.source"), { 0 } },
		{ SLICE("sluice.version"), { 0 } }, { SLICE("sluice.op"), SLICE("c") },
		{ SLICE("sluice.id"), SLICE("ABCDEFGHIJKLMNOPQRSTUVWXYZ") },
		{ SLICE("sluice.ts"), SLICE("1763712000000") },
		{ SLICE("sluice.lsn"), SLICE("26785536") } };
	struct kafka_out out = { .topic = topic,
		.partition = (int32_t)partition,
		.headers = headers,
		.header_count = sizeof headers / sizeof *headers };

	key.len = value.len = source.len = version.len = 0;
	buf_printf(&key, "{\"id\":%" PRId64 "}", n + 1);
	row_make(&value, (uint64_t)n + 1);
	buf_printf(
	    &source, "pg.public.engagement_events/%" PRId64 "/%" PRId64, partition, offset);
	buf_printf(&version, "%" PRId64, offset);
	headers[0].value = buf_view(&source);
	headers[1].value = buf_view(&version);
	out.key = buf_view(&key);
	out.value = buf_view(&value);
	return kafka_producer_send(producer, &out, err);
}

int
main(int argc, char **argv)
{
	static const struct kafka_property properties[] = { { "compression.type", "lz4" },
		{ "linger.ms", "20" }, { "batch.num.messages", "10000" } };
	struct kafka_conf conf = { .properties = properties, .property_count = 3 };
	struct kafka_producer *producer = NULL;
	int64_t partitions = 0, count = 0;
	struct err err = { 0 };
	enum fate fate;

	if (argc != 5 || !slice_i64(slice_str(argv[3]), &partitions) || partitions < 1 ||
	    !slice_i64(slice_str(argv[4]), &count)) {
		(void)fprintf(stderr, "usage: enriched BROKERS TOPIC PARTITIONS COUNT\n");
		return 2;
	}
	conf.brokers = argv[1];
	fate = kafka_producer_open(&producer, &conf, &err);
	for (int64_t n = 0; n < count && fate == FATE_DONE; n++)
		fate = send(producer, argv[2], n, partitions, &err);
	if (fate == FATE_DONE)
		fate = kafka_producer_flush(producer, 60000, &err);
	if (fate != FATE_DONE)
		(void)fprintf(stderr, "enriched: %s\n", err.what);
	kafka_producer_close(producer);
	buf_finish(&key);
	buf_finish(&value);
	buf_finish(&source);
	buf_finish(&version);
	return fate == FATE_DONE ? 0 : 1;
}
