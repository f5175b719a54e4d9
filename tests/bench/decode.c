/* SPDX-License-Identifier: Apache-2.0 */
/* decode.c -- how fast schemaless engagement events become six columns' values, on
 * one core, and how much faster than jansson builds its tree of the same bytes.
 *
 * Prints "NAME VALUE UNIT BOUND ok|MISS", the median of three interleaved runs;
 * exit 1 on a MISS. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "base/must.h"
#include "wire/change.h"

enum { EVENTS = 20000, ROUNDS = 25, ROUNDS_JANSSON = 2, RUNS = 3 };

static const struct row_column columns[] = {
	{ "id", { .kind = TYPE_INT8, .typmod = -1 } },
	{ "content_id", { .kind = TYPE_UUID, .typmod = -1 } },
	{ "user_id", { .kind = TYPE_UUID, .typmod = -1 } },
	{ "event_type", { .kind = TYPE_TEXT, .typmod = -1 } },
	{ "event_ts", { .kind = TYPE_TIMESTAMPTZ, .typmod = -1 } },
	{ "duration_ms", { .kind = TYPE_INT4, .typmod = -1 } },
};
enum { COLUMNS = sizeof(columns) / sizeof(*columns) };

static struct slice events[EVENTS];
static struct buf text;
static struct arena arena;

static double
cpu_seconds(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* One event as Debezium 3.3 writes it without schemas. */
static void
write_event(unsigned i)
{
	static const char *const types[] = { "play", "pause", "finish", "click" };
	static const char *const devices[] = { "ios", "android", "web-safari", "web-chrome" };
	long long lsn = 24000000LL + 312LL * i, us = 1763714916637801LL + 10007LL * i;

	buf_printf(&text,
	    "{\"before\":null,\"after\":{\"id\":%u,\"content_id\":\"%08x-17ad-45b3-af2a-"
	    "ae46edb4545a\",\"user_id\":\"%08x-0b1c-4d2e-9f3a-5b6c7d8e9f00\",\"event_type\":"
	    "\"%s\",\"event_ts\":\"2026-11-21T08:%02u:%02u.637801Z\",\"duration_ms\":%u,"
	    "\"device\":\"%s\",\"raw_payload\":\"{\\\"player\\\": \\\"web\\\", \\\"pos\\\": "
	    "%u}\"},",
	    i, i * 2654435761u, i * 40503u, types[i * 2654435761u >> 30], i / 60 % 60, i % 60,
	    i * 7919 % 600000, devices[i * 40503u >> 3 & 3], i);
	buf_printf(&text,
	    "\"source\":{\"version\":\"3.3.1.Final\",\"connector\":\"postgresql\",\"name\":"
	    "\"pg\",\"ts_ms\":%lld,\"snapshot\":\"false\",\"db\":\"app\",\"sequence\":"
	    "\"[\\\"%lld\\\",\\\"%lld\\\"]\",\"ts_us\":%lld,\"ts_ns\":"
	    "%lld000,\"schema\":\"public\",\"table\":\"engagement_events\","
	    "\"txId\":%u,\"lsn\":%lld,\"xmin\":null},\"transaction\":null,\"op\":\"c\","
	    "\"ts_ms\":%lld,\"ts_us\":%lld,\"ts_ns\":%lld456}",
	    us / 1000, lsn, lsn + 56, us, us, 700 + i, lsn + 56, us / 1000 + 63, us + 63322,
	    us + 63322);
}

static void
write_events(void)
{
	static size_t ends[EVENTS];

	for (unsigned i = 0; i < EVENTS; i++) {
		write_event(i);
		ends[i] = text.len;
	}
	for (unsigned i = 0; i < EVENTS; i++)
		events[i] =
		    slice_of(text.p + (i ? ends[i - 1] : 0), ends[i] - (i ? ends[i - 1] : 0));
}

static double
bytes_per_second(struct change_reader *reader, struct row_plan *plan)
{
	double start = cpu_seconds();
	struct value values[COLUMNS];
	struct change change;
	struct err err;

	for (int round = 0; round < ROUNDS; round++)
		for (unsigned i = 0; i < EVENTS; i++) {
			arena_reset(&arena);
			must(change_reader_read(reader, events[i], &change, &err) == FATE_DONE);
			must(change_reader_row(reader, &change, IMAGE_AFTER, plan, &arena,
				 values, &err) == FATE_DONE);
			must(values[0].i == (int64_t)i);
		}
	return (double)text.len * ROUNDS / (cpu_seconds() - start);
}

static double
bytes_per_second_jansson(void)
{
	double start = cpu_seconds();

	for (int round = 0; round < ROUNDS_JANSSON; round++)
		for (unsigned i = 0; i < EVENTS; i++) {
			json_t *tree = json_loadb(events[i].p, events[i].len,
			    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
			json_t *after = json_object_get(tree, "after");
			must(json_integer_value(json_object_get(after, "id")) == (json_int_t)i);
			json_decref(tree);
		}
	return (double)text.len * ROUNDS_JANSSON / (cpu_seconds() - start);
}

static int
compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int
figure(const char *name, double value, const char *unit, double bound)
{
	bool ok = value >= bound;

	printf("%s %.2f %s >=%.2f %s\n", name, value, unit, bound, ok ? "ok" : "MISS");
	return ok ? 0 : 1;
}

int
main(void)
{
	struct change_reader *reader = change_reader_new();
	struct row_plan *plan = row_plan_new(columns, COLUMNS);
	double ours[RUNS], ratio[RUNS];
	int missed;

	arena_init(&arena, 1 << 20);
	write_events();
	for (int run = 0; run < RUNS; run++) {
		ours[run] = bytes_per_second(reader, plan);
		ratio[run] = ours[run] / bytes_per_second_jansson();
	}
	qsort(ours, RUNS, sizeof(*ours), compare);
	qsort(ratio, RUNS, sizeof(*ratio), compare);
	missed = figure("decode_rate", ours[RUNS / 2] / 1e9, "GB/s", 1);
	missed |= figure("decode_vs_jansson", ratio[RUNS / 2], "ratio", 25);
	change_reader_free(reader);
	row_plan_free(plan);
	arena_finish(&arena);
	buf_finish(&text);
	return missed;
}
