/* SPDX-License-Identifier: Apache-2.0 */
#include "demo/receiver_book.h"

#include <stdlib.h>

#include "base/must.h"

enum { SLOTS_FIRST = 4096 };

struct hash {
	uint64_t a, b; /* a is odd: 0 marks a free slot */
};

struct slot {
	struct hash hash;
	uint64_t version;
};

struct table {
	struct slot *slots;
	size_t count, slot_count; /* a power of two, at most half full */
};

struct receiver_book {
	struct table ids, keys;
	struct buf texts;
	size_t ids_max;
};

/* Two 64-bit hashes that feed each other. Nobody attacks a mock: it need not be secret,
 * only wide. */
static struct hash
hash_of(struct slice text)
{
	uint64_t a = UINT64_C(0xcbf29ce484222325) ^ text.len, b = UINT64_C(0x9e3779b97f4a7c15);

	for (size_t i = 0; i < text.len; i++) {
		a = (a ^ (unsigned char)text.p[i]) * UINT64_C(0x100000001b3);
		b = ((b << 23 | b >> 41) ^ a) * UINT64_C(0x9fb21c651e98df25);
	}
	a = (a ^ a >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return (struct hash){ a | 1, b ^ b >> 29 };
}

/* The slot that holds hash, or the empty one where it would stand. */
static struct slot *
slot_of(const struct table *table, struct hash hash)
{
	size_t i = (size_t)(hash.b >> 8) & (table->slot_count - 1);

	while (table->slots[i].hash.a &&
	       (table->slots[i].hash.a != hash.a || table->slots[i].hash.b != hash.b))
		i = (i + 1) & (table->slot_count - 1);
	return &table->slots[i];
}

static void
table_init(struct table *table, size_t slot_count)
{
	table->slots = calloc(slot_count, sizeof *table->slots);
	must(table->slots);
	table->slot_count = slot_count;
	table->count = 0;
}

static void
table_double(struct table *table)
{
	struct table old = *table;

	table_init(table, old.slot_count * 2);
	for (size_t i = 0; i < old.slot_count; i++)
		if (old.slots[i].hash.a)
			*slot_of(table, old.slots[i].hash) = old.slots[i];
	table->count = old.count;
	free(old.slots);
}

/* Finds text's slot or makes one; NULL when there are max of them. */
static struct slot *
table_put(struct table *table, struct slice text, size_t max, bool *ret_new)
{
	struct hash hash = hash_of(text);
	struct slot *slot = slot_of(table, hash);

	*ret_new = !slot->hash.a;
	if (!*ret_new)
		return slot;
	if (table->count >= max)
		return NULL;
	if ((table->count + 1) * 2 > table->slot_count) {
		table_double(table);
		slot = slot_of(table, hash);
	}
	slot->hash = hash;
	table->count++;
	return slot;
}

struct receiver_book *
receiver_book_new(size_t ids_max)
{
	struct receiver_book *book = calloc(1, sizeof *book);

	must(book);
	book->ids_max = ids_max;
	table_init(&book->ids, SLOTS_FIRST);
	table_init(&book->keys, SLOTS_FIRST);
	return book;
}

void
receiver_book_free(struct receiver_book *book)
{
	if (!book)
		return;
	free(book->ids.slots);
	free(book->keys.slots);
	buf_finish(&book->texts);
	free(book);
}

void
receiver_book_reset(struct receiver_book *book)
{
	free(book->ids.slots);
	free(book->keys.slots);
	table_init(&book->ids, SLOTS_FIRST);
	table_init(&book->keys, SLOTS_FIRST);
	book->texts.len = 0;
}

enum book_verdict
receiver_book_note(
    struct receiver_book *book, struct slice id, struct slice key, uint64_t version)
{
	struct slot *slot;
	bool is_new;

	if (!table_put(&book->ids, id, book->ids_max, &is_new))
		return BOOK_FULL;
	if (!is_new)
		return BOOK_DUPLICATE;
	buf_slice(&book->texts, id);
	buf_byte(&book->texts, '\n');
	if (key.len == 0)
		return BOOK_NEW;
	slot = table_put(&book->keys, key, book->ids_max, &is_new);
	must(slot); /* there are at most as many keys as ids */
	if (!is_new && version < slot->version)
		return BOOK_BACKWARDS;
	slot->version = version;
	return BOOK_NEW;
}

struct slice
receiver_book_ids(const struct receiver_book *book)
{
	return buf_view(&book->texts);
}
