/* SPDX-License-Identifier: Apache-2.0 */
#include "work/dimension.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "wire/pack.h"
#include "work/snapshot.h"

enum { TABLE_START = 1024, MALLOC_COST = 16 };

struct link {
	struct link *newer, *older;
};

struct entry {
	struct link link;   /* in the ring: newer of the ring's head is the oldest */
	int64_t expires_ms; /* 0: never */
	uint32_t hash;
	uint32_t row_len; /* 0: negative */
	uint32_t changed; /* by which transaction, of an entry that knows only that */
	bool unsettled;   /* changed, and not looked up since */
	uint32_t key_len;
	char bytes[]; /* key, then packed row */
};

struct dimension {
	struct row_column *columns;
	size_t column_count;
	struct entry **table; /* open addressing, linear probing, at most half full */
	size_t size, count;
	size_t bytes, bytes_max;
	int64_t ttl_ms;
	struct link ring;
	struct buf scratch;
};

static struct entry *
entry_of(struct link *link)
{
	return (struct entry *)(void *)((char *)link - offsetof(struct entry, link));
}

struct dimension *
dimension_new(const struct row_column *columns, size_t count, size_t bytes_max, int64_t ttl_ms)
{
	struct dimension *d = calloc(1, sizeof *d);

	must(d);
	d->columns = calloc(count ? count : 1, sizeof *d->columns);
	d->table = calloc(TABLE_START, sizeof(struct entry *));
	must(d->columns && d->table);
	if (count)
		memcpy(d->columns, columns, count * sizeof *columns);
	d->column_count = count;
	d->size = TABLE_START;
	d->bytes_max = bytes_max;
	d->ttl_ms = ttl_ms;
	d->ring.newer = d->ring.older = &d->ring;
	return d;
}

void
dimension_free(struct dimension *d)
{
	if (!d)
		return;
	dimension_clear(d);
	buf_finish(&d->scratch);
	free(d->table);
	free(d->columns);
	free(d);
}

void
dimension_set_ttl(struct dimension *d, int64_t ttl_ms)
{
	d->ttl_ms = ttl_ms;
}

/* Mixes eight bytes at a time by multiplication (the finaliser of MurmurHash3). */
static uint32_t
hash_of(struct slice key)
{
	uint64_t h = 0x9e3779b97f4a7c15u ^ key.len;

	for (size_t i = 0; i < key.len; i += 8) {
		uint64_t word = 0;

		memcpy(&word, key.p + i, key.len - i < 8 ? key.len - i : 8);
		h = (h ^ word) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	h *= 0xc4ceb9fe1a85ec53u;
	return (uint32_t)(h ^ (h >> 33));
}

static size_t
slot_find(const struct dimension *d, struct slice key, uint32_t hash)
{
	size_t i = hash & (d->size - 1);

	for (; d->table[i]; i = (i + 1) & (d->size - 1)) {
		const struct entry *e = d->table[i];

		if (e->hash == hash && e->key_len == key.len &&
		    memcmp(e->bytes, key.p, key.len) == 0)
			break;
	}
	return i;
}

static void
ring_remove(struct entry *e)
{
	e->link.newer->older = e->link.older;
	e->link.older->newer = e->link.newer;
}

/* The ring reads: ring.newer is the oldest entry, ring.older the newest. */
static void
ring_add_newest(struct dimension *d, struct entry *e)
{
	e->link.newer = &d->ring;
	e->link.older = d->ring.older;
	d->ring.older->newer = &e->link;
	d->ring.older = &e->link;
}

static size_t
entry_cost(const struct entry *e)
{
	return sizeof *e + e->key_len + e->row_len + MALLOC_COST + 2 * sizeof(struct entry *);
}

/* Closes the gap that a removal leaves in its run of the probe sequence. */
static void
table_close(struct dimension *d, size_t gap)
{
	size_t mask = d->size - 1;

	for (size_t i = (gap + 1) & mask; d->table[i]; i = (i + 1) & mask) {
		size_t home = d->table[i]->hash & mask;

		if (((i - home) & mask) >= ((i - gap) & mask)) {
			d->table[gap] = d->table[i];
			gap = i;
		}
	}
	d->table[gap] = NULL;
}

static void
entry_remove(struct dimension *d, size_t slot)
{
	struct entry *e = d->table[slot];

	table_close(d, slot);
	ring_remove(e);
	d->bytes -= entry_cost(e);
	d->count--;
	free(e);
}

static void
table_grow(struct dimension *d)
{
	size_t size = d->size * 2;
	struct entry **table = calloc(size, sizeof(struct entry *));

	must(table);
	for (struct link *l = d->ring.newer; l != &d->ring; l = l->newer) {
		struct entry *e = entry_of(l);
		size_t i = e->hash & (size - 1);

		while (table[i])
			i = (i + 1) & (size - 1);
		table[i] = e;
	}
	free(d->table);
	d->table = table;
	d->size = size;
}

enum dimension_answer
dimension_get(struct dimension *d, struct slice key, int64_t now_ms, struct arena *arena,
    struct value *ret_row)
{
	size_t slot = slot_find(d, key, hash_of(key));
	struct entry *e = d->table[slot];
	const char *at;

	if (!e)
		return DIMENSION_UNKNOWN;
	if (e->expires_ms && now_ms >= e->expires_ms) {
		entry_remove(d, slot);
		return DIMENSION_UNKNOWN;
	}
	if (e->link.newer != &d->ring) {
		ring_remove(e);
		ring_add_newest(d, e);
	}
	if (e->unsettled)
		return DIMENSION_UNKNOWN;
	if (e->row_len == 0)
		return DIMENSION_ABSENT;
	at = e->bytes + e->key_len;
	for (size_t i = 0; i < d->column_count; i++)
		if (!value_unpack(&at, d->columns[i].type, arena, &ret_row[i]))
			return DIMENSION_FULL;
	return DIMENSION_ROW;
}

static void
make_room(struct dimension *d, size_t more)
{
	while (d->count > 0 && d->bytes + more > d->bytes_max) {
		struct entry *oldest = entry_of(d->ring.newer);

		entry_remove(
		    d, slot_find(d, slice_of(oldest->bytes, oldest->key_len), oldest->hash));
	}
	if ((d->count + 1) * 2 > d->size)
		table_grow(d);
}

void
dimension_put(struct dimension *d, struct slice key, const struct value *row, int64_t now_ms)
{
	uint32_t hash = hash_of(key);
	struct entry *e;

	dimension_drop(d, key);
	d->scratch.len = 0;
	for (size_t i = 0; row && i < d->column_count; i++)
		value_pack(&d->scratch, d->columns[i].type, &row[i]);
	must(!row || d->scratch.len > 0);
	e = malloc(sizeof *e + key.len + d->scratch.len);
	must(e);
	*e = (struct entry){ .hash = hash,
		.key_len = (uint32_t)key.len,
		.row_len = (uint32_t)d->scratch.len,
		.expires_ms = d->ttl_ms ? now_ms + d->ttl_ms : 0 };
	memcpy(e->bytes, key.p, key.len);
	if (d->scratch.len)
		memcpy(e->bytes + key.len, d->scratch.p, d->scratch.len);
	make_room(d, entry_cost(e));
	d->table[slot_find(d, key, hash)] = e;
	ring_add_newest(d, e);
	d->bytes += entry_cost(e);
	d->count++;
}

void
dimension_changed(struct dimension *d, struct slice key, uint32_t tx_id)
{
	struct entry *e;

	dimension_put(d, key, NULL, 0);
	e = d->table[slot_find(d, key, hash_of(key))];
	e->expires_ms = 0;
	e->changed = tx_id;
	e->unsettled = true;
}

void
dimension_put_seen(struct dimension *d, struct slice key, const struct value *row,
    int64_t now_ms, struct slice snapshot)
{
	const struct entry *e = d->table[slot_find(d, key, hash_of(key))];

	if (e && e->unsettled && !snapshot_sees(snapshot, e->changed))
		return;
	dimension_put(d, key, row, now_ms);
}

void
dimension_drop(struct dimension *d, struct slice key)
{
	size_t slot = slot_find(d, key, hash_of(key));

	if (d->table[slot])
		entry_remove(d, slot);
}

void
dimension_clear(struct dimension *d)
{
	if (d->count == 0)
		return;
	for (struct link *l = d->ring.newer; l != &d->ring;) {
		struct link *next = l->newer;

		free(entry_of(l));
		l = next;
	}
	memset(d->table, 0, d->size * sizeof(struct entry *));
	d->ring.newer = d->ring.older = &d->ring;
	d->count = 0;
	d->bytes = 0;
}

size_t
dimension_count(const struct dimension *d)
{
	return d->count;
}

size_t
dimension_bytes(const struct dimension *d)
{
	return d->bytes;
}
