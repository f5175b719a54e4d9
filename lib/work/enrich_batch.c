/* SPDX-License-Identifier: Apache-2.0 */
#include "work/enrich_batch.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/must.h"
#include "wire/json.h"
#include "wire/record.h"
#include "work/crash.h"
#include "work/deadletter.h"
#include "work/enrich_item.h"
#include "work/memory.h"
#include "work/watch.h"
#include "work/worker.h"

/* OUTS_MAX: their bytes are still in the cache when librdkafka copies them. FIRST_ROWS: of the
 * first batch under a budget, before anything is known. */
enum { ARENA_SIZE = 512 << 20, PARTITIONS_MAX = 1024, OUTS_MAX = 128, FIRST_ROWS = 500 };

enum {
	M_UPSERT,
	M_TOMBSTONE,
	M_SKIPPED,
	M_DEAD,
	M_REPLAYED,
	M_SUPERSEDED,
	M_HITS,
	M_LOOKUPS,
};
static struct metric metrics[] = {
	{ "sluice_records_total", "outcome=\"upsert\"", METRIC_COUNTER,
	    "Source messages by what became of them.", 0 },
	{ "sluice_records_total", "outcome=\"tombstone\"", METRIC_COUNTER, "", 0 },
	{ "sluice_records_total", "outcome=\"skipped\"", METRIC_COUNTER, "", 0 },
	{ "sluice_records_total", "outcome=\"dead\"", METRIC_COUNTER, "", 0 },
	{ "sluice_records_total", "outcome=\"replayed\"", METRIC_COUNTER, "", 0 },
	{ "sluice_records_total", "outcome=\"superseded\"", METRIC_COUNTER, "", 0 },
	{ "sluice_dimension_hits_total", NULL, METRIC_COUNTER,
	    "Dimension rows answered by the cache.", 0 },
	{ "sluice_lookups_total", NULL, METRIC_COUNTER, "Keys asked of Postgres.", 0 },
};

struct lane {
	int32_t partition;
	bool seen; /* in this batch */
	struct mark mark, next;
	char metadata[MARK_TEXT];
};

struct enrich_batch {
	struct enrich_plan *plan;
	struct pg *pg;
	int32_t dlq_partitions;
	size_t size_max;
	int64_t source_partitions;
	struct gap_world postgres;
	size_t each; /* bytes that a record takes beside its message; 0: not known yet */
	struct arena arena;
	struct item *items;
	size_t count, size, bytes;
	size_t written;  /* items that the outs so far are of */
	struct buf text; /* keys, values and headers of the outs */
	struct kafka_out outs[OUTS_MAX];
	struct header headers[OUTS_MAX][ITEM_HEADERS];
	size_t out_count;
	struct lane lanes[PARTITIONS_MAX];
	size_t lane_count;
	struct kafka_part parts[PARTITIONS_MAX];
	int64_t counts[sizeof metrics / sizeof *metrics]; /* of this batch, until accepted */
};

struct enrich_batch *
enrich_batch_new(
    struct enrich_plan *plan, struct pg *pg, int32_t dlq_partitions, size_t size_max)
{
	struct enrich_batch *b = calloc(1, sizeof *b);

	must(b);
	b->plan = plan;
	b->pg = pg;
	b->dlq_partitions = dlq_partitions;
	b->size_max = size_max;
	arena_init(&b->arena, ARENA_SIZE);
	metrics_register(metrics, sizeof metrics / sizeof *metrics);
	/* A batch keeps thousands of librdkafka's blocks, which glibc's fast bins would
	 * join again and again: without them the worker takes a sixth less CPU. */
	(void)mallopt(M_MXFAST, 0);
	return b;
}

static void
batch_reset(struct enrich_batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		kafka_message_free(&b->items[i].message);
	b->count = 0;
	b->bytes = 0;
	b->written = 0;
	for (size_t i = 0; i < b->lane_count; i++)
		b->lanes[i].seen = false;
	for (size_t i = 0; i < b->plan->source_count; i++)
		lookup_reset(b->plan->lookups[i]);
}

void
enrich_batch_free(struct enrich_batch *b)
{
	if (!b)
		return;
	batch_reset(b);
	free(b->items);
	buf_finish(&b->text);
	arena_finish(&b->arena);
	free(b);
}

void
enrich_batch_add(struct enrich_batch *b, const struct kafka_message *message)
{
	if (b->count == b->size) {
		b->size = b->size ? b->size * 2 : 1024;
		b->items = realloc(b->items, b->size * sizeof *b->items);
		must(b->items);
	}
	b->items[b->count++].message = *message;
	b->bytes += message->key.len + message->value.len;
}

size_t
enrich_batch_count(const struct enrich_batch *b)
{
	return b->count;
}

size_t
enrich_batch_bytes(const struct enrich_batch *b)
{
	return b->bytes;
}

static struct lane *
lane_of(struct enrich_batch *b, int32_t partition)
{
	for (size_t i = 0; i < b->lane_count; i++)
		if (b->lanes[i].partition == partition)
			return &b->lanes[i];
	must(b->lane_count < PARTITIONS_MAX);
	b->lanes[b->lane_count] = (struct lane){ .partition = partition };
	return &b->lanes[b->lane_count++];
}

/* Debezium sends old changes again after a crash: strictly below the mark and not
 * newer in time means that all of it has passed before. */
static bool
is_replayed(struct lane *lane, const struct change *change)
{
	struct mark *mark = &lane->next;
	bool below, above;

	if (change->op == 'r' || !change->has_sequence || !change->has_lsn)
		return false;
	below = change->sequence < mark->sequence ||
		(change->sequence == mark->sequence && change->lsn < mark->lsn);
	above = change->sequence > mark->sequence ||
		(change->sequence == mark->sequence && change->lsn > mark->lsn);
	if (below && change->ts_us <= mark->ts_us)
		return true;
	if (above) {
		mark->sequence = change->sequence;
		mark->lsn = change->lsn;
	}
	if (change->ts_us > mark->ts_us)
		mark->ts_us = change->ts_us;
	return false;
}

static enum fate
decode_all(struct enrich_batch *b, struct err *err)
{
	for (size_t i = 0; i < b->count; i++) {
		struct item *item = &b->items[i];
		struct lane *lane = lane_of(b, item->message.partition);
		enum fate fate;

		if (!lane->seen) {
			lane->seen = true;
			lane->next = lane->mark;
		}
		if (crash_guilty(
			item->message.topic, item->message.partition, item->message.offset)) {
			*item = (struct item){ .message = item->message };
			item_refuse(item, &b->arena, "process", CRASH_CLASS, CRASH_REASON);
			continue;
		}
		fate = item_decode(item, b->plan, &b->arena, err);
		if (fate == FATE_HALT)
			return fate;
		if ((item->action == ITEM_UPSERT || item->action == ITEM_DELETE) &&
		    is_replayed(lane, &item->change)) {
			item->action = ITEM_SKIP;
			b->counts[M_REPLAYED]++;
			b->counts[M_SKIPPED]--;
		}
	}
	return FATE_DONE;
}

/* What cannot be read may be poison, or a column that changed: never take one for the
 * other. */
static enum fate
columns_hold(struct enrich_batch *b, int64_t mono_ms, struct err *err)
{
	struct watch *watch = b->plan->watch;

	for (size_t i = 0; i < b->count; i++)
		if (b->items[i].action == ITEM_DEAD)
			return watch_check(watch, b->pg, &b->items[i], mono_ms, err);
	return watch_due(watch, mono_ms) ? watch_check(watch, b->pg, &b->items[0], mono_ms, err)
					 : FATE_DONE;
}

/* Facts whose unchanged TOAST values are not in the event: by key from Postgres. */
static enum fate
complete_facts(struct enrich_batch *b, struct err *err)
{
	struct lookup *lookup = b->plan->lookups[0];
	const struct item *incomplete = NULL;
	enum fate fate;

	for (size_t i = b->count; i-- > 0;)
		if (b->items[i].action == ITEM_UPSERT && b->items[i].incomplete) {
			incomplete = &b->items[i]; /* the first of them in the end */
			lookup_want(lookup, item_key(incomplete, b->plan, &b->arena));
		}
	if (lookup_wanted(lookup) == 0)
		return FATE_DONE;
	b->counts[M_LOOKUPS] += (int64_t)lookup_wanted(lookup);
	fate = lookup_fetch(lookup, b->pg, &b->arena, err);
	if (fate == FATE_HALT)
		watch_explain(b->plan->watch, b->pg, incomplete, err);
	for (size_t i = 0; i < b->count && fate == FATE_DONE; i++) {
		struct item *item = &b->items[i];

		if (item->action != ITEM_UPSERT || !item->incomplete)
			continue;
		if (!item_complete(item, b->plan, &b->arena)) {
			item->action = ITEM_DELETE;
			b->counts[M_SUPERSEDED]++;
		}
	}
	return fate;
}

/* What the cache does not know is wanted. */
static enum fate
want_dimension(struct enrich_batch *b, size_t source, int64_t now_ms, struct err *err)
{
	struct enrich_plan *plan = b->plan;

	for (size_t i = 0; i < b->count; i++) {
		struct item *item = &b->items[i];
		enum fate fate;

		if (item->action != ITEM_UPSERT)
			continue;
		fate = item_want(item, plan, source, now_ms, &b->arena, err);
		if (fate == FATE_HALT)
			return fate;
		if (item->found)
			b->counts[M_HITS]++;
	}
	return FATE_DONE;
}

static enum fate
find_dimension(struct enrich_batch *b, size_t source, int64_t now_ms, struct err *err)
{
	struct enrich_plan *plan = b->plan;
	struct lookup *lookup = plan->lookups[source];
	enum fate fate = want_dimension(b, source, now_ms, err);

	if (fate != FATE_DONE)
		return fate;
	if (lookup_wanted(lookup) > 0) {
		b->counts[M_LOOKUPS] += (int64_t)lookup_wanted(lookup);
		fate = lookup_fetch(lookup, b->pg, &b->arena, err);
		if (fate == FATE_HALT)
			watch_explain(plan->watch, b->pg, &b->items[0], err);
		if (fate != FATE_DONE)
			return fate;
	}
	for (size_t i = 0; i < b->count; i++)
		if (b->items[i].action == ITEM_UPSERT && b->items[i].key)
			item_found(&b->items[i], plan, source, now_ms, &b->arena);
	return FATE_DONE;
}

/* Appends text to the batch; the outs' slices are offsets until settle_outs(). */
static struct slice
offset_slice(size_t start, const struct buf *text)
{
	return (struct slice){ .p = (const char *)(uintptr_t)(start + 1),
		.len = text->len - start };
}

static void
letter_add(struct enrich_batch *b, struct item *item)
{
	struct deadletter *letter = arena_alloc(&b->arena, sizeof *letter);

	must(letter);
	deadletter_fill(letter, b->plan->pipeline->dlq_topic, b->dlq_partitions, b->size_max,
	    &item->message,
	    &(struct deadletter_why){ "enrich", item->stage, item->class, item->reason, 1,
		b->plan->pipeline->enrich.generation });
	b->outs[b->out_count++] = letter->out;
	b->counts[M_DEAD]++;
	log_event(LOG_WARN, "dead_letter",
	    "topic=%s partition=%" PRId32 " offset=%" PRId64 " stage=%s class=%s why=%s",
	    item->message.topic, item->message.partition, item->message.offset, item->stage,
	    item->class, log_quote(item->reason));
}

static void
out_add(struct enrich_batch *b, struct item *item)
{
	struct kafka_out *out = &b->outs[b->out_count];
	struct item_text text;
	size_t start = b->text.len;

	item->headers = b->headers[b->out_count];
	item_write(item, b->plan, &b->text, &text);
	*out = (struct kafka_out){ .topic = b->plan->pipeline->enrich.topic,
		.partition = item->message.partition,
		.key = offset_slice(start, &b->text),
		.headers = item->headers,
		.header_count = text.header_count };
	out->key.len = text.value_start - start;
	if (item->action == ITEM_UPSERT)
		out->value = (struct slice){ (const char *)(uintptr_t)(text.value_start + 1),
			text.headers_start - text.value_start };
	if (kafka_out_size(out) > b->size_max) {
		b->text.len = start;
		item_refuse(item, &b->arena, "produce", "too_large",
		    "the enriched record is larger than the broker takes");
		letter_add(b, item);
		return;
	}
	item->out = out;
	b->out_count++;
	b->counts[item->action == ITEM_UPSERT ? M_UPSERT : M_TOMBSTONE]++;
}

static void
settle_outs(struct enrich_batch *b, size_t from)
{
	for (size_t i = from; i < b->written; i++) {
		struct item *item = &b->items[i];

		if (!item->out)
			continue;
		item->out->key = item_settle(item->out->key, &b->text);
		item->out->value = item_settle(item->out->value, &b->text);
		for (size_t h = 0; h < item->out->header_count; h++)
			item->headers[h].value = item_settle(item->headers[h].value, &b->text);
	}
}

static enum fate
write_item(struct enrich_batch *b, struct item *item, struct err *err)
{
	enum fate fate = FATE_DONE;

	item->out = NULL;
	if (item->action == ITEM_UPSERT)
		fate = item_evaluate(item, b->plan, &b->arena, err);
	if (fate == FATE_HALT)
		return fate;
	switch (item->action) {
	case ITEM_SKIP: b->counts[M_SKIPPED]++; break;
	case ITEM_DEAD: letter_add(b, item); break;
	case ITEM_UPSERT:
	case ITEM_DELETE: out_add(b, item); break;
	}
	return FATE_DONE;
}

enum fate
enrich_batch_next(struct enrich_batch *b, const struct kafka_out **ret_outs, size_t *ret_count,
    struct err *err)
{
	size_t from = b->written;

	b->text.len = 0;
	b->out_count = 0;
	for (; b->written < b->count && b->out_count < OUTS_MAX; b->written++)
		if (write_item(b, &b->items[b->written], err) != FATE_DONE)
			return FATE_HALT;
	settle_outs(b, from);
	*ret_outs = b->outs;
	*ret_count = b->out_count;
	return FATE_DONE;
}

/* What a record takes beside its message, the most of late. */
static void
batch_measure(struct enrich_batch *b)
{
	size_t each = b->arena.used / (b->count + 1) + sizeof *b->items;

	b->each = each > b->each - b->each / 16 ? each : b->each - b->each / 16;
}

size_t
enrich_batch_fits(const struct enrich_batch *b)
{
	int64_t memory_max = b->plan->pipeline->memory_max;
	size_t budget = (size_t)memory_share(memory_max, MEMORY_ARENA, ARENA_SIZE);
	size_t rows = b->each ? budget / b->each : FIRST_ROWS;

	if (memory_max == 0)
		return SIZE_MAX;
	return rows ? rows : 1;
}

enum fate
enrich_batch_run(struct enrich_batch *b, int64_t mono_ms, struct err *err)
{
	enum fate fate;

	arena_reset(&b->arena);
	b->written = 0;
	memset(b->counts, 0, sizeof b->counts);
	for (size_t i = 0; i < b->lane_count; i++)
		b->lanes[i].seen = false;
	for (size_t i = 0; i < b->plan->source_count; i++)
		lookup_reset(b->plan->lookups[i]);
	fate = decode_all(b, err);
	if (fate == FATE_DONE)
		fate = columns_hold(b, mono_ms, err);
	if (fate == FATE_DONE)
		fate = complete_facts(b, err);
	for (size_t s = 1; s < b->plan->source_count && fate == FATE_DONE; s++)
		fate = find_dimension(b, s, mono_ms, err);
	return fate;
}

const struct kafka_part *
enrich_batch_parts(struct enrich_batch *b, size_t *ret_count)
{
	const struct mark_world world = { b->source_partitions,
		b->plan->pipeline->enrich.generation, b->postgres };
	size_t count = 0;

	for (size_t i = 0; i < b->lane_count; i++) {
		struct lane *lane = &b->lanes[i];

		if (!lane->seen)
			continue;
		mark_print(&lane->next, &world, lane->metadata, sizeof lane->metadata);
		b->parts[count++] = (struct kafka_part){ .topic = b->plan->fact_topic,
			.partition = lane->partition,
			.metadata = slice_str(lane->metadata) };
	}
	for (size_t i = 0; i < b->count; i++)
		for (size_t p = 0; p < count; p++)
			if (b->parts[p].partition == b->items[i].message.partition)
				b->parts[p].offset = b->items[i].message.offset + 1;
	*ret_count = count;
	return b->parts;
}

void
enrich_batch_accept(struct enrich_batch *b)
{
	batch_measure(b);
	for (size_t i = 0; i < b->lane_count; i++)
		if (b->lanes[i].seen)
			b->lanes[i].mark = b->lanes[i].next;
	for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
		metric_add(&metrics[i], b->counts[i]);
	batch_reset(b);
}

void
enrich_batch_drop(struct enrich_batch *b)
{
	batch_reset(b);
}

void
enrich_batch_assign(struct enrich_batch *b, const struct kafka_part *parts, size_t count)
{
	struct mark_world ignored;

	batch_reset(b);
	b->lane_count = 0;
	for (size_t i = 0; i < count; i++)
		mark_parse(parts[i].metadata, &lane_of(b, parts[i].partition)->mark, &ignored);
}

void
enrich_batch_set_source_partitions(struct enrich_batch *b, int64_t partitions)
{
	b->source_partitions = partitions;
}

void
enrich_batch_set_postgres(struct enrich_batch *b, const struct gap_world *postgres)
{
	b->postgres = *postgres;
}
