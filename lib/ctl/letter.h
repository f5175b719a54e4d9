/* SPDX-License-Identifier: Apache-2.0 */
/* letter.h -- what lies in PIPELINE.dlq, as it is read back: dead letters, and the notes that
 * sluicectl dlq replay leaves beside them.
 *
 * Of a letter everything borrows from the message. A note stands in the letter's own
 * partition, behind it, and is written in the transaction that sends the letter's record
 * again: a letter is answered when a note names it, and only then. */
#ifndef CTL_LETTER_H
#define CTL_LETTER_H

#include "base/buf.h"
#include "work/deadletter.h"

struct letter {
	int32_t partition; /* where it lies in the dead-letter topic, and since when */
	int64_t offset, when_ms;

	struct slice worker, stage, class, reason;
	struct slice sqlstate; /* that the reason ends in; or empty */
	struct slice topic;    /* of what was refused */
	int32_t from_partition;
	int64_t from_offset;
	int64_t generation;   /* of enrich's letters; -1: not said */
	struct slice omitted; /* what of the message was too large to be kept; or empty */

	struct slice key, value;
	struct header headers[DEADLETTER_HEADERS_MAX]; /* as they came, then the letter's own */
	size_t header_count;                           /* of those that came */
	size_t own_count;
};

/* The letter at this offset of the same partition was sent again. */
struct letter_note {
	int32_t partition;
	int64_t offset, when_ms, letter;
	struct slice key;      /* of the record that was sent; p NULL: none */
	int32_t out_partition; /* of the enriched topic, that it went to */
	int64_t out_from;      /* no record of this key that counts lies before */
};

enum letter_kind {
	LETTER_DEAD,
	LETTER_SENT,    /* a note: a letter was sent again */
	LETTER_SETTLED, /* a note: what was sent before it needs no more looking after */
	LETTER_STRANGE, /* neither; to be passed over */
};

enum letter_kind letter_read(const struct kafka_message *message, struct letter *ret_letter,
    struct letter_note *ret_note);

/* Text and headers of a note; what it says lies in it until it has been produced. */
enum { LETTER_NOTE_HEADERS = 2 };
struct letter_note_out {
	struct kafka_out out;
	struct header headers[LETTER_NOTE_HEADERS];
	char letter[24], from[40];
};
void letter_note_fill(
    struct letter_note_out *ret, const char *topic, const struct letter_note *note);
void letter_settled_fill(struct letter_note_out *ret, const char *topic, int32_t partition);

/* One line for people: place, time, worker, class, source, key and sentence. */
void letter_line(const struct letter *letter, const char *topic, struct buf *out);
/* The same for programs: a JSON object, with the whole key. answered_ms: -1, not yet. */
void letter_json(
    const struct letter *letter, const char *topic, int64_t answered_ms, struct buf *out);
/* All headers, a line each, and the value, in as many lines as it has. */
void letter_show(const struct letter *letter, const char *topic, struct buf *out);

#endif
