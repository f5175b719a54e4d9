/* SPDX-License-Identifier: Apache-2.0 */
#include "work/follow.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/must.h"
#include "link/kafka_consumer.h"
#include "wire/json.h"

enum { PARTS_MAX = 256, TIMEOUT_MS = 5000, TOPIC_SIZE = 256, ARENA_SIZE = 64 << 20 };

struct follow {
	struct enrich_plan *plan;
	struct kafka_consumer *consumer;
	char topics[SQL_SOURCES_MAX][TOPIC_SIZE]; /* "" without a topic */
	struct row_plan *rows[SQL_SOURCES_MAX];   /* reads a dimension's used columns */
	struct kafka_part parts[PARTS_MAX];       /* offset: where we stand */
	size_t part_count;
	struct arena arena;
};

enum { M_EVENTS, M_FOLLOWED };
static struct metric metrics[] = {
	{ "sluice_dimension_events_total", NULL, METRIC_COUNTER,
	    "Changes of dimension rows that the cache was told of.", 0 },
	{ "sluice_dimension_partitions", NULL, METRIC_GAUGE,
	    "Partitions of dimension topics that keep the cache true.", 0 },
};

/* A topic that is not there is no error: that dimension has only its time limit. */
static enum fate
source_add(struct follow *f, const struct work *work, size_t source, struct err *err)
{
	const struct sql_source *dimension = sql_query_source(f->plan->query, source);
	char *topic = f->topics[source];
	int32_t count = 0;
	enum fate fate;
	bool twice;

	(void)snprintf(topic, TOPIC_SIZE, "%s.%s.%s", work->pipeline->prefix, dimension->schema,
	    dimension->table);
	twice = follow_source(f, topic, 0) < source;
	fate = kafka_consumer_partitions(f->consumer, topic, TIMEOUT_MS, &count, err);
	if (fate == FATE_HALT && !kafka_wants_restart(err)) {
		topic[0] = '\0';
		return FATE_DONE;
	}
	if (fate != FATE_DONE)
		return fate;
	for (int32_t i = 0; i < count && !twice && f->part_count < PARTS_MAX; i++)
		f->parts[f->part_count++] =
		    (struct kafka_part){ .topic = topic, .partition = i };
	f->rows[source] = row_plan_new(dimension->columns, dimension->column_count);
	dimension_set_ttl(f->plan->dimensions[source], 0);
	return FATE_DONE;
}

static enum fate
start_at_ends(struct follow *f, struct err *err)
{
	enum fate fate;

	if (f->part_count == 0)
		return FATE_DONE;
	fate = kafka_consumer_offsets_at(
	    f->consumer, KAFKA_AT_END, f->parts, f->part_count, TIMEOUT_MS, err);
	if (fate == FATE_DONE)
		fate = kafka_consumer_assign(f->consumer, f->parts, f->part_count, err);
	metric_set(&metrics[M_FOLLOWED], (int64_t)f->part_count);
	return fate;
}

enum fate
follow_open(const struct work *work, struct enrich_plan *plan, struct follow **ret_follow,
    struct err *err)
{
	static bool registered;
	struct kafka_consumer_conf conf = { .queue_kbytes = 1024 };
	struct follow *f = calloc(1, sizeof *f);
	enum fate fate;

	must(f);
	if (!registered)
		metrics_register(metrics, sizeof metrics / sizeof *metrics);
	registered = true;
	f->plan = plan;
	arena_init(&f->arena, ARENA_SIZE);
	work_kafka_conf(work, &conf.common);
	fate = kafka_consumer_open(&f->consumer, &conf, err);
	for (size_t i = 1; fate == FATE_DONE && i < plan->source_count; i++)
		if (sql_query_source(plan->query, i)->needed)
			fate = source_add(f, work, i, err);
	if (fate == FATE_DONE)
		fate = start_at_ends(f, err);
	if (fate != FATE_DONE) {
		follow_close(f);
		return fate == FATE_RETRY ? err_code(err, FATE_HALT, CODE_RESTART,
						"dimension topics: Kafka did not answer")
					  : fate;
	}
	*ret_follow = f;
	return FATE_DONE;
}

void
follow_close(struct follow *f)
{
	if (!f)
		return;
	(void)kafka_consumer_close(f->consumer, TIMEOUT_MS);
	for (size_t i = 0; i < SQL_SOURCES_MAX; i++)
		row_plan_free(f->rows[i]);
	arena_finish(&f->arena);
	free(f);
}

size_t
follow_source(const struct follow *f, const char *topic, size_t after)
{
	for (size_t i = after + 1; i < f->plan->source_count; i++)
		if (f->topics[i][0] && strcmp(f->topics[i], topic) == 0)
			return i;
	return 0;
}

const char *
follow_topic(const struct follow *f, size_t source)
{
	return f->topics[source][0] ? f->topics[source] : NULL;
}

/* The row that an image shows has changed. */
static void
image_changed(struct follow *f, size_t source, struct slice object, const struct change *change)
{
	const struct sql_source *dimension = sql_query_source(f->plan->query, source);
	struct value *row = arena_alloc(&f->arena, dimension->column_count * sizeof *row);
	struct value key[SQL_KEY_COLUMNS_MAX];
	struct err ignored;

	must(row);
	if (!object.p || row_read(f->rows[source], object, change->schema, &f->arena, row,
			     &ignored) != FATE_DONE)
		return;
	for (size_t i = 0; i < dimension->key_count; i++) {
		key[i] = row[dimension->key[i]];
		if (key[i].state != VALUE_SET)
			return;
	}
	if (change->has_tx_id)
		dimension_changed(f->plan->dimensions[source],
		    lookup_key(f->plan->lookups[source], key), (uint32_t)change->tx_id);
	else
		dimension_drop(
		    f->plan->dimensions[source], lookup_key(f->plan->lookups[source], key));
}

/* An event that cannot be read says that something changed, and not what: forget all. */
static void
source_apply(struct follow *f, size_t source, const struct kafka_message *message)
{
	struct change change;
	struct err ignored;

	arena_reset(&f->arena);
	if (change_read(message->value, &change, &ignored) != FATE_DONE ||
	    change.kind == CHANGE_TRUNCATE) {
		dimension_clear(f->plan->dimensions[source]);
		return;
	}
	if (change.kind != CHANGE_ROW)
		return;
	metric_add(&metrics[M_EVENTS], 1);
	image_changed(f, source, change.before, &change);
	image_changed(f, source, change.after, &change);
}

static void
apply(struct follow *f, const struct kafka_message *message)
{
	size_t source = 0;

	while ((source = follow_source(f, message->topic, source)) > 0)
		source_apply(f, source, message);
}

static struct kafka_part *
part_of(struct follow *f, const struct kafka_message *message)
{
	for (size_t i = 0; i < f->part_count; i++)
		if (f->parts[i].partition == message->partition &&
		    strcmp(f->parts[i].topic, message->topic) == 0)
			return &f->parts[i];
	never("a message of a partition that is not followed");
}

static bool
reached(const struct follow *f, const struct kafka_part *ends)
{
	for (size_t i = 0; i < f->part_count; i++)
		if (f->parts[i].offset < ends[i].offset)
			return false;
	return true;
}

/* The consumer's own connection is no place to ask for the ends: its fetch waits there. */
enum fate
follow_step(struct follow *f, struct kafka_txn *txn, struct err *err)
{
	struct kafka_part ends[PARTS_MAX];
	int64_t until = clock_mono_ms() + TIMEOUT_MS;
	struct kafka_message message;
	enum fate fate;

	if (f->part_count == 0)
		return FATE_DONE;
	memcpy(ends, f->parts, f->part_count * sizeof *ends);
	fate = kafka_txn_offsets_at(txn, KAFKA_AT_END, ends, f->part_count, TIMEOUT_MS, err);
	while (fate == FATE_DONE && !reached(f, ends)) {
		switch (kafka_consumer_poll(f->consumer, 100, &message, err)) {
		case KAFKA_MESSAGE:
			apply(f, &message);
			part_of(f, &message)->offset = message.offset + 1;
			kafka_message_free(&message);
			break;
		case KAFKA_EOF:
			if (part_of(f, &message)->offset < message.offset)
				part_of(f, &message)->offset = message.offset;
			break;
		case KAFKA_NOTHING: break;
		case KAFKA_ERROR: fate = err->fate; break;
		}
		if (fate == FATE_DONE && clock_mono_ms() > until)
			fate = err_set(
			    err, FATE_RETRY, "dimension topics: not read to their ends");
	}
	return fate;
}
