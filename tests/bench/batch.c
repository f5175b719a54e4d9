/* SPDX-License-Identifier: Apache-2.0 */
/* batch.c -- the work that is enrich's own, without Kafka: batches of event.h through
 * decode, lookup, query and writing, in one process; for profilers, and to count what
 * it allocates (librdkafka's own allocations are not ours to count).
 *
 *   batch PIPELINE [ROUNDS]
 *
 * Postgres answers the first round's lookups; the rounds after it are measured. Linked
 * with --wrap for malloc, calloc and realloc. Prints "NAME VALUE UNIT BOUND ok|MISS". */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "event.h"
#include "work/catalog.h"
#include "work/enrich_batch.h"

enum { EVENTS = 10000, ROUNDS = 20, SIZE_MAX_OUT = 1000000 };

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);

static int64_t allocations;

void *
__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	allocations++;
	return __real_calloc(count, size);
}

void *
__wrap_realloc(void *p, size_t size)
{
	allocations++;
	return __real_realloc(p, size);
}

static struct kafka_message messages[EVENTS];

static void
write_messages(struct arena *arena, const char *topic)
{
	struct event_stream stream;

	event_stream_init(&stream, 0, EVENTS);
	for (int64_t i = 0; i < EVENTS; i++) {
		event_next(&stream);
		messages[i] = (struct kafka_message){ .topic = topic,
			.partition = (int32_t)(i % 4),
			.offset = i / 4,
			.key = arena_copy(arena, buf_view(&stream.key)),
			.value = arena_copy(arena, buf_view(&stream.value)) };
	}
	event_stream_finish(&stream);
}

static double
cpu_seconds(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Dropped, not accepted: the marks stay, so that no round is a replay. */
static size_t
round_run(struct enrich_batch *batch, struct err *err)
{
	const struct kafka_out *outs;
	size_t count, all = 0;

	for (int i = 0; i < EVENTS; i++)
		enrich_batch_add(batch, &messages[i]);
	if (enrich_batch_run(batch, 1, err) != FATE_DONE)
		return 0;
	do {
		if (enrich_batch_next(batch, &outs, &count, err) != FATE_DONE)
			return 0;
		all += count;
	} while (count > 0);
	enrich_batch_drop(batch);
	return all;
}

static int
measure(struct enrich_batch *batch, int64_t rounds, struct err *err)
{
	double start, per_event;
	size_t produced = round_run(batch, err);
	int64_t before = allocations;

	if (produced == 0)
		return -1;
	start = cpu_seconds();
	for (int64_t i = 0; i < rounds; i++)
		must(round_run(batch, err) == produced);
	per_event = (cpu_seconds() - start) / (double)rounds / EVENTS;
	(void)printf("enrich_own_cpu %.2f s/M - -\n", per_event * 1e6);
	per_event = (double)(allocations - before) / (double)rounds / EVENTS;
	(void)printf("enrich_allocs_per_event %.4f count <=0.01 %s\n", per_event,
	    per_event <= 0.01 ? "ok" : "MISS");
	return per_event > 0.01;
}

int
main(int argc, char **argv)
{
	struct pipeline *pipeline = NULL;
	struct enrich_plan *plan = NULL;
	struct pg *pg = NULL;
	struct err err = { 0 };
	struct arena arena;
	int64_t rounds = ROUNDS;
	int missed = -1;

	must(argc > 1 && (argc < 3 || slice_i64(slice_str(argv[2]), &rounds)));
	arena_init(&arena, 64 << 20);
	if (pipeline_read(argv[1], &pipeline, &err) == FATE_DONE &&
	    postgres_open(pipeline, "bench", &pg, &err) == FATE_DONE &&
	    enrich_plan_open(pg, pipeline, &plan, &err) == FATE_DONE) {
		struct enrich_batch *batch = enrich_batch_new(plan, pg, 1, SIZE_MAX_OUT);

		dimension_set_ttl(plan->dimensions[1], 0);
		write_messages(&arena, plan->fact_topic);
		missed = measure(batch, rounds, &err);
		enrich_batch_free(batch);
	}
	if (missed < 0)
		(void)fprintf(stderr, "batch: %s\n", err.what);
	enrich_plan_free(plan);
	pg_free(pg);
	pipeline_free(pipeline);
	arena_finish(&arena);
	return missed != 0;
}
