/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/verify_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/must.h"

enum { FIRST_SLOTS = 1024, FREE = 0 };

struct verify_table {
	struct verify_entry *entries;
	size_t count, size;
	uint32_t *slots; /* entry + 1, or FREE; a power of two, at most half full */
	size_t slot_count;
	struct buf keys;
};

/* The finishing step of splitmix64. */
static uint64_t
mix(uint64_t z)
{
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t
verify_checksum(uint64_t sum, struct slice bytes)
{
	uint64_t word;

	sum = mix(sum + bytes.len + UINT64_C(0x9e3779b97f4a7c15));
	for (; bytes.len >= sizeof word; bytes.p += sizeof word, bytes.len -= sizeof word) {
		memcpy(&word, bytes.p, sizeof word);
		sum = mix(sum ^ word) + UINT64_C(0x9e3779b97f4a7c15);
	}
	word = 0;
	if (bytes.len)
		memcpy(&word, bytes.p, bytes.len);
	sum = mix(sum ^ word);
	return sum > ROW_TWICE ? sum : sum + 3;
}

struct verify_table *
verify_table_new(void)
{
	struct verify_table *t = calloc(1, sizeof *t);

	must(t);
	t->slot_count = FIRST_SLOTS;
	t->slots = calloc(t->slot_count, sizeof *t->slots);
	must(t->slots);
	return t;
}

void
verify_table_free(struct verify_table *t)
{
	if (!t)
		return;
	buf_finish(&t->keys);
	free(t->entries);
	free(t->slots);
	free(t);
}

size_t
verify_table_count(const struct verify_table *t)
{
	return t->count;
}

struct verify_entry *
verify_table_entry(struct verify_table *t, size_t i)
{
	must(i < t->count);
	return &t->entries[i];
}

struct slice
verify_table_key(const struct verify_table *t, const struct verify_entry *e)
{
	return slice_of(t->keys.p + e->key_at, e->key_len);
}

/* The key's slot, or the free one where it belongs. */
static size_t
slot_of(const struct verify_table *t, struct slice key, uint64_t hash)
{
	size_t i = (size_t)hash & (t->slot_count - 1);

	for (; t->slots[i] != FREE; i = (i + 1) & (t->slot_count - 1)) {
		const struct verify_entry *e = &t->entries[t->slots[i] - 1];

		if (e->hash == hash && slice_eq(verify_table_key(t, e), key))
			break;
	}
	return i;
}

static void
slots_double(struct verify_table *t)
{
	free(t->slots);
	t->slot_count *= 2;
	t->slots = calloc(t->slot_count, sizeof *t->slots);
	must(t->slots);
	for (size_t n = 0; n < t->count; n++) {
		size_t i = (size_t)t->entries[n].hash & (t->slot_count - 1);

		while (t->slots[i] != FREE)
			i = (i + 1) & (t->slot_count - 1);
		t->slots[i] = (uint32_t)n + 1;
	}
}

struct verify_entry *
verify_table_find(struct verify_table *t, struct slice key)
{
	size_t i = slot_of(t, key, verify_checksum(0, key));

	return t->slots[i] == FREE ? NULL : &t->entries[t->slots[i] - 1];
}

struct verify_entry *
verify_table_get(struct verify_table *t, struct slice key)
{
	uint64_t hash = verify_checksum(0, key);
	size_t i = slot_of(t, key, hash);

	if (t->slots[i] != FREE)
		return &t->entries[t->slots[i] - 1];
	if (t->count == VERIFY_KEYS_MAX || t->keys.len + key.len > BUF_MAX / 2)
		return NULL;
	if (t->count == t->size) {
		t->size = t->size ? t->size * 2 : FIRST_SLOTS;
		t->entries = realloc(t->entries, t->size * sizeof *t->entries);
		must(t->entries);
	}
	t->entries[t->count] = (struct verify_entry){ .offset = -1,
		.source_offset = -1,
		.evidence = -1,
		.hash = hash,
		.key_at = t->keys.len,
		.key_len = (uint32_t)key.len };
	buf_slice(&t->keys, key);
	t->slots[i] = (uint32_t)++t->count;
	if (t->count * 2 > t->slot_count)
		slots_double(t);
	return &t->entries[t->count - 1];
}
