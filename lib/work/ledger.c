/* SPDX-License-Identifier: Apache-2.0 */
#include "work/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

enum { RING_START = 256, CHUNK_RECORDS = 256 };

/* One partition's records in hand, a ring of pointers. */
struct lane {
	const char *topic;
	int32_t partition;
	int64_t position;  /* next offset to commit */
	int64_t reached;   /* end of the partition when the reader stood there */
	int64_t committed; /* what the group knows */
	uint64_t version;  /* of the newest retired record */
	struct record **ring;
	size_t size, head, count; /* size is a power of two */
};

struct fence {
	int32_t source_partition;
	uint64_t version;
	bool seen;
};

struct chunk {
	struct chunk *next;
	struct record records[CHUNK_RECORDS];
};

struct ledger {
	struct lane *lanes;
	size_t lane_count, lane_near; /* near: found last */
	struct fence *fences;
	size_t fence_count;
	struct chunk *chunks;
	struct record **free; /* stack of unused records */
	size_t free_count, free_size;
	size_t pending, bytes;
};

struct ledger *
ledger_new(void)
{
	struct ledger *ledger = calloc(1, sizeof *ledger);

	must(ledger);
	return ledger;
}

void
ledger_clear(
    struct ledger *ledger, void (*drop)(void *context, struct record *record), void *context)
{
	for (size_t i = 0; i < ledger->lane_count; i++) {
		struct lane *lane = &ledger->lanes[i];

		for (size_t n = 0; drop && n < lane->count; n++)
			drop(context, lane->ring[(lane->head + n) & (lane->size - 1)]);
		free(lane->ring);
	}
	free(ledger->lanes);
	free(ledger->fences);
	free(ledger->free);
	for (struct chunk *chunk = ledger->chunks; chunk;) {
		struct chunk *next = chunk->next;

		for (size_t i = 0; i < CHUNK_RECORDS; i++) {
			free(chunk->records[i].reason);
			free(chunk->records[i].text);
			free(chunk->records[i].headers);
		}
		free(chunk);
		chunk = next;
	}
	*ledger = (struct ledger){ 0 };
}

void
ledger_free(struct ledger *ledger)
{
	if (!ledger)
		return;
	ledger_clear(ledger, NULL, NULL);
	free(ledger);
}

static struct lane *
lane_find(struct ledger *ledger, const char *topic, int32_t partition)
{
	for (size_t n = 0; n < ledger->lane_count; n++) {
		size_t i = (ledger->lane_near + n) % ledger->lane_count;
		struct lane *lane = &ledger->lanes[i];

		if (lane->partition != partition ||
		    (lane->topic != topic && strcmp(lane->topic, topic) != 0))
			continue;
		ledger->lane_near = i;
		return lane;
	}
	return NULL;
}

void
ledger_watch(struct ledger *ledger, const char *topic, int32_t partition, int64_t position)
{
	struct lane *lane = lane_find(ledger, topic, partition);

	if (!lane) {
		must(ledger->lane_count < LEDGER_PARTITIONS_MAX);
		ledger->lanes =
		    realloc(ledger->lanes, (ledger->lane_count + 1) * sizeof *ledger->lanes);
		must(ledger->lanes);
		lane = &ledger->lanes[ledger->lane_count++];
		*lane = (struct lane){ .topic = topic, .partition = partition };
	}
	must(lane->count == 0);
	lane->position = position;
	lane->reached = position;
	lane->committed = position;
}

static void
chunk_add(struct ledger *ledger)
{
	struct chunk *chunk = calloc(1, sizeof *chunk);

	must(chunk);
	chunk->next = ledger->chunks;
	ledger->chunks = chunk;
	ledger->free_size += CHUNK_RECORDS;
	ledger->free = realloc(ledger->free, ledger->free_size * sizeof(struct record *));
	must(ledger->free);
	for (size_t i = 0; i < CHUNK_RECORDS; i++)
		ledger->free[ledger->free_count++] = &chunk->records[i];
}

static void
lane_grow(struct lane *lane)
{
	size_t size = lane->size ? lane->size * 2 : RING_START;
	struct record **ring = malloc(size * sizeof(struct record *));

	must(ring);
	for (size_t i = 0; i < lane->count; i++)
		ring[i] = lane->ring[(lane->head + i) & (lane->size - 1)];
	free(lane->ring);
	lane->ring = ring;
	lane->size = size;
	lane->head = 0;
}

struct record *
ledger_add(struct ledger *ledger, const char *topic, int32_t partition, int64_t offset)
{
	struct lane *lane = lane_find(ledger, topic, partition);
	struct record *record;

	must(lane);
	must(offset >= lane->position);
	if (ledger->free_count == 0)
		chunk_add(ledger);
	if (lane->count == lane->size)
		lane_grow(lane);
	record = ledger->free[--ledger->free_count];
	*record =
	    (struct record){ .topic = lane->topic, .partition = partition, .offset = offset };
	lane->ring[(lane->head + lane->count++) & (lane->size - 1)] = record;
	ledger->pending++;
	return record;
}

/* With nothing in hand, the reader's own place is the position. */
static void
lane_settle(struct lane *lane)
{
	if (lane->count == 0 && lane->reached > lane->position)
		lane->position = lane->reached;
}

void
ledger_reached(struct ledger *ledger, const char *topic, int32_t partition, int64_t offset)
{
	struct lane *lane = lane_find(ledger, topic, partition);

	if (!lane)
		return;
	if (offset > lane->reached)
		lane->reached = offset;
	lane_settle(lane);
}

/* Where to go on after a record: its own offset when another target still has it. */
static int64_t
lane_next(const struct lane *lane, int64_t offset)
{
	if (lane->count > 0 && lane->ring[lane->head]->offset == offset)
		return offset;
	return offset + 1;
}

void
ledger_retire(
    struct ledger *ledger, void (*retire)(void *context, struct record *record), void *context)
{
	for (size_t i = 0; i < ledger->lane_count; i++) {
		struct lane *lane = &ledger->lanes[i];

		while (lane->count > 0) {
			struct record *record = lane->ring[lane->head];

			if (record->outcome == OUTCOME_PENDING)
				break;
			if (record->version > lane->version && !record->replay)
				lane->version = record->version;
			lane->head = (lane->head + 1) & (lane->size - 1);
			lane->count--;
			lane->position = lane_next(lane, record->offset);
			ledger->pending--;
			ledger->bytes -= record->key.len + record->value.len;
			retire(context, record);
			free(record->reason);
			free(record->text);
			free(record->headers);
			record->reason = record->text = record->headers = NULL;
			ledger->free[ledger->free_count++] = record;
		}
		lane_settle(lane);
	}
}

void
ledger_weigh(struct ledger *ledger, const struct record *record)
{
	ledger->bytes += record->key.len + record->value.len;
}

size_t
ledger_pending(const struct ledger *ledger)
{
	return ledger->pending;
}

size_t
ledger_bytes(const struct ledger *ledger)
{
	return ledger->bytes;
}

bool
ledger_position(const struct ledger *ledger, size_t index, struct ledger_position *ret)
{
	const struct lane *lane;

	if (index >= ledger->lane_count)
		return false;
	lane = &ledger->lanes[index];
	*ret = (struct ledger_position){ .topic = lane->topic,
		.partition = lane->partition,
		.position = lane->position,
		.version = lane->version,
		.moved = lane->position > lane->committed };
	return true;
}

void
ledger_committed(struct ledger *ledger, const char *topic, int32_t partition, int64_t position)
{
	struct lane *lane = lane_find(ledger, topic, partition);

	if (lane && position > lane->committed)
		lane->committed = position;
}

bool
ledger_repeats(struct ledger *ledger, int32_t source_partition, uint64_t version)
{
	struct fence *fence = NULL;

	for (size_t i = 0; i < ledger->fence_count && !fence; i++)
		if (ledger->fences[i].source_partition == source_partition)
			fence = &ledger->fences[i];
	if (!fence) {
		ledger->fences =
		    realloc(ledger->fences, (ledger->fence_count + 1) * sizeof *ledger->fences);
		must(ledger->fences);
		fence = &ledger->fences[ledger->fence_count++];
		*fence = (struct fence){ .source_partition = source_partition };
	}
	if (fence->seen && version <= fence->version)
		return true;
	fence->seen = true;
	fence->version = version;
	return false;
}
