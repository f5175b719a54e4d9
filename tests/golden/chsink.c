/* SPDX-License-Identifier: Apache-2.0 */
/* chsink -- feeds records to the ClickHouse sink: a line of standard input a record,
 *   {"version":7,"key":{"id":1},"value":{...}|null,"before":{...}}
 * (before may be missing), a line of standard output an outcome. For tests against
 * a real table.
 *   chsink URL DATABASE.TABLE IDENTITY[,IDENTITY...] [lz4|zstd] [BATCH_ROWS] */
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "sink/clickhouse.h"
#include "sink/sink_ops.h"
#include "wire/json.h"

enum { RECORDS_MAX = 1 << 20, IDENTITY_MAX = 8, TRIES_MAX = 20 };

static struct record *records[RECORDS_MAX];
static size_t record_count;

static struct record *
record_read(char *line, size_t len)
{
	struct record *record = calloc(1, sizeof *record);
	struct slice object, value, version;
	struct err err;

	must(record);
	if (json_check(slice_of(line, len), &object, &err) != FATE_DONE) {
		/* as it stands: the sink must refuse it */
		record->value = slice_of(line, len);
		return record;
	}
	version = json_member(object, SLICE("version"));
	must(slice_u64(version, &record->version));
	record->key = json_member(object, SLICE("key"));
	value = json_member(object, SLICE("value"));
	if (value.p && json_kind_of(value) != JSON_NULL)
		record->value = value;
	record->before = json_member(object, SLICE("before"));
	return record;
}

static void
read_all(void)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, stdin)) > 0) {
		must(record_count < RECORDS_MAX);
		records[record_count] = record_read(line, (size_t)len);
		records[record_count]->offset = (int64_t)record_count;
		record_count++;
		line = NULL; /* the record borrows it */
		size = 0;
	}
	free(line);
}

static void
run(const struct sink_clickhouse_config *config)
{
	struct sink *sink = NULL;
	struct err err = { 0 };
	enum fate fate;

	fate = sink_open(&sink_clickhouse, config, &sink, &err);
	for (int i = 0; fate == FATE_DONE && i < TRIES_MAX; i++)
		if ((fate = sink_connect(sink, &err)) != FATE_RETRY)
			break;
	if (fate == FATE_DONE) {
		sink_push(sink, records, record_count);
		sink_flush(sink);
		for (int i = 0; sink_pending(sink) > 0 && i < TRIES_MAX; i++) {
			fate = sink_work(sink, 60000, &err);
			if (fate == FATE_HALT)
				break;
		}
	}
	for (size_t i = 0; i < record_count; i++)
		if (records[i]->outcome == OUTCOME_REJECTED)
			printf("%zu rejected %s\n", i, records[i]->reason);
		else if (records[i]->outcome == OUTCOME_PENDING)
			printf("%zu pending\n", i);
	printf("%s %s\n", fate_name(fate), fate == FATE_DONE ? "" : err.what);
	sink_close(sink);
}

int
main(int argc, char **argv)
{
	const char *identity[IDENTITY_MAX];
	struct sink_clickhouse_config config = { .url_count = 1, .identity = identity };
	char *at, *table;

	if (argc < 4)
		return 2;
	config.urls = (const char *const *)&argv[1];
	table = strchr(argv[2], '.');
	must(table);
	*table = '\0';
	config.database = argv[2];
	config.table = table + 1;
	for (at = argv[3]; at && config.identity_count < IDENTITY_MAX;) {
		identity[config.identity_count++] = at;
		at = strchr(at, ',');
		if (at)
			*at++ = '\0';
	}
	if (argc > 4)
		config.compression = strcmp(argv[4], "lz4") == 0    ? NATIVE_LZ4
				     : strcmp(argv[4], "zstd") == 0 ? NATIVE_ZSTD
								    : NATIVE_PLAIN;
	if (argc > 5)
		config.batch_rows = strtoul(argv[5], NULL, 10);
	read_all();
	run(&config);
	return 0;
}
