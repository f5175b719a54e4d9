/* SPDX-License-Identifier: Apache-2.0 */
/* bench_native -- how fast a core turns enriched records into compressed Native
 * blocks: JSON in, the request's body out, without a server.
 *   bench_native [ROWS] [BATCH_ROWS]
 * prints NAME VALUE UNIT BOUND ok|MISS; exit 1 on a MISS. CPU time counts.
 *   bench_native ROWS BATCH_ROWS URL DATABASE.TABLE
 * inserts that many distinct rows through the sink and prints the seconds it took
 * and the CPU seconds of this process (clickhouse.py makes figures of them). */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/must.h"
#include "row.h"
#include "sink/clickhouse_ops.h"

enum { POOL = 20000, RATE_MIN = 600 };

static const char describe[] =
    "{\"name\":\"id\",\"type\":\"Int64\",\"default_type\":\"\"}\n"
    "{\"name\":\"content_id\",\"type\":\"UUID\",\"default_type\":\"\"}\n"
    "{\"name\":\"user_id\",\"type\":\"UUID\",\"default_type\":\"\"}\n"
    "{\"name\":\"event_type\",\"type\":\"LowCardinality(String)\",\"default_type\":\"\"}\n"
    "{\"name\":\"event_ts\",\"type\":\"DateTime64(6, 'UTC')\",\"default_type\":\"\"}\n"
    "{\"name\":\"duration_ms\",\"type\":\"Nullable(Int32)\",\"default_type\":\"\"}\n"
    "{\"name\":\"device\",\"type\":\"LowCardinality(Nullable(String))\",\"default_type\":\"\"}"
    "\n"
    "{\"name\":\"content_type\",\"type\":\"LowCardinality(Nullable(String))\","
    "\"default_type\":\"\"}\n"
    "{\"name\":\"length_seconds\",\"type\":\"Nullable(Int32)\",\"default_type\":\"\"}\n"
    "{\"name\":\"engagement_seconds\",\"type\":\"Nullable(Decimal(18, 3))\","
    "\"default_type\":\"\"}\n"
    "{\"name\":\"engagement_pct\",\"type\":\"Nullable(Decimal(18, "
    "2))\",\"default_type\":\"\"}\n"
    "{\"name\":\"raw_payload\",\"type\":\"Nullable(String)\",\"default_type\":\"\"}\n"
    "{\"name\":\"_version\",\"type\":\"UInt64\",\"default_type\":\"\"}\n"
    "{\"name\":\"_deleted\",\"type\":\"UInt8\",\"default_type\":\"\"}\n";

static struct record *pool;
static size_t pool_count;
static void
make_pool(size_t count)
{
	pool = calloc(count, sizeof *pool);
	must(pool);
	pool_count = count;
	for (uint64_t i = 0; i < count; i++) {
		struct buf row = { 0 };

		row_make(&row, i + 1);
		pool[i].value = buf_view(&row);
		pool[i].version = i;
	}
}

static void
free_pool(void)
{
	for (size_t i = 0; i < pool_count; i++)
		free((void *)(uintptr_t)pool[i].value.p);
	free(pool);
}

static double
cpu_seconds(void)
{
	struct timespec now;

	must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static const char *const identity[] = { "event_ts", "id" };
static struct native_column *identity_columns[2];

static void
encode_batch(struct clickhouse *ch, size_t from, size_t rows)
{
	struct err err = { 0 };

	native_block_clear(ch->block);
	for (size_t i = 0; i < rows; i++)
		must(rows_append(ch, &pool[(from + i) % pool_count], i, &err) == FATE_DONE);
	native_block_sort(ch->block, ch->identity, ch->config.identity_count);
	ch->inserts[0].body.len = 0;
	native_block_write(ch->block, ch->config.compression, &ch->inserts[0].body);
}

static double
rate(struct sink_clickhouse_config *config, size_t rows, size_t batch, size_t *ret_bytes)
{
	struct clickhouse ch = { .config = *config, .identity = identity_columns };
	struct target target = { 0 };
	struct err err = { 0 };
	double start, seconds;
	bool changed;

	must(target_read(slice_str(describe), &target, &err) == FATE_DONE);
	must(table_use(&ch, &target, &changed, &err) == FATE_DONE);
	encode_batch(&ch, 0, batch); /* memory is there and warm */
	*ret_bytes = 0;
	start = cpu_seconds();
	for (size_t done = 0; done < rows; done += batch) {
		encode_batch(&ch, done, batch);
		*ret_bytes += ch.inserts[0].body.len;
	}
	seconds = cpu_seconds() - start;
	table_close(&ch);
	buf_finish(&ch.inserts[0].body);
	free(ch.row_record);
	return (double)rows / seconds / 1000;
}

/* Through the whole sink, as fast as the server takes it. */
static int
insert(struct sink_clickhouse_config *config, size_t rows)
{
	struct record **pointers = calloc(rows, sizeof(struct record *));
	struct sink *sink = NULL;
	struct err err = { 0 };
	int64_t start_us = clock_mono_us();
	double cpu = cpu_seconds();
	enum fate fate;

	must(pointers);
	for (size_t i = 0; i < rows; i++)
		pointers[i] = &pool[i];
	fate = sink_open(&sink_clickhouse, config, &sink, &err);
	if (fate == FATE_DONE)
		fate = sink_connect(sink, &err);
	if (fate == FATE_DONE) {
		sink_push(sink, pointers, rows);
		sink_flush(sink);
		while (fate == FATE_DONE && sink_pending(sink) > 0)
			fate = sink_work(sink, 1000, &err);
	}
	if (fate != FATE_DONE)
		fprintf(stderr, "%s\n", err.what);
	printf("%.6f %.6f\n", (double)(clock_mono_us() - start_us) / 1e6, cpu_seconds() - cpu);
	sink_close(sink);
	free(pointers);
	return fate == FATE_DONE ? 0 : 1;
}

static int
encode(struct sink_clickhouse_config *config, size_t rows, size_t batch)
{
	size_t bytes, json = 0;
	double value;

	rows -= rows % batch;
	for (size_t i = 0; i < pool_count; i++)
		json += pool[i].value.len;
	value = rate(config, rows, batch, &bytes);
	printf("clickhouse_encode_rate %.0f krows/s >=%d %s\n", value, RATE_MIN,
	    value >= RATE_MIN ? "ok" : "MISS");
	fprintf(stderr, "%zu bytes of JSON a row, %zu of LZ4\n", json / POOL, bytes / rows);
	return value >= RATE_MIN ? 0 : 1;
}

int
main(int argc, char **argv)
{
	size_t rows = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
	size_t batch = argc > 2 ? strtoul(argv[2], NULL, 10) : 20000;
	struct sink_clickhouse_config config = {
		.identity = identity, .identity_count = 2, .compression = NATIVE_LZ4
	};
	char *dot = argc > 4 ? strchr(argv[4], '.') : NULL;
	int status;

	must(rows >= batch && batch > 0);
	make_pool(dot ? rows : POOL);
	if (dot) {
		*dot = '\0';
		config.urls = (const char *const *)&argv[3];
		config.url_count = 1;
		config.database = argv[4];
		config.table = dot + 1;
		config.batch_rows = batch;
		config.batch_bytes = SIZE_MAX;
		status = insert(&config, rows);
	} else {
		status = encode(&config, rows, batch);
	}
	free_pool();
	return status;
}
