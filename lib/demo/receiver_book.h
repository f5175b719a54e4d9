/* SPDX-License-Identifier: Apache-2.0 */
/* receiver_book.h -- what a receiver remembers: which ids it had, and each key's newest
 * version.
 *
 * Ids and keys are kept as 128-bit hashes in open tables that double up to
 * ids_max entries; the ids' texts stand in one buffer, in order of arrival. It refuses new ids
 * when it is full, rather than forget old ones. One thread at a time. */
#ifndef DEMO_RECEIVER_BOOK_H
#define DEMO_RECEIVER_BOOK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

struct receiver_book;

enum book_verdict {
	BOOK_NEW,
	BOOK_BACKWARDS, /* new, but its key had a higher version before */
	BOOK_DUPLICATE, /* the id came before; its version is not looked at */
	BOOK_FULL,      /* not noted */
};

struct receiver_book *receiver_book_new(size_t ids_max);
void receiver_book_free(struct receiver_book *book); /* accepts NULL */
void receiver_book_reset(struct receiver_book *book);

/* key: what names the row (its table and key); empty: order is not checked. */
enum book_verdict receiver_book_note(
    struct receiver_book *book, struct slice id, struct slice key, uint64_t version);

/* All ids so far, each ended by a newline; valid until the next note. */
struct slice receiver_book_ids(const struct receiver_book *book);

#endif
