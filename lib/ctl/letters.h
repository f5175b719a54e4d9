/* SPDX-License-Identifier: Apache-2.0 */
/* letters.h -- the dead letters of a pipeline, one after the other, each with whether it has
 * been answered.
 *
 * The topic is read twice: first for the notes, which lie behind their letters, then for
 * the letters. The second reading ends where the first one did. */
#ifndef CTL_LETTERS_H
#define CTL_LETTERS_H

#include "ctl/letter.h"
#include "ctl/scan.h"

struct letters_answer {
	int64_t letter, when_ms; /* the letter's offset, and when it was sent again */
	int32_t partition;
};

struct letters {
	const struct pipeline *pipeline;
	bool all_notes; /* those that lie behind an open transaction too: it is waited for */
	struct scan scan;
	int64_t *ends; /* of the first reading */
	struct letters_answer *answers;
	size_t answer_count, answer_size;
	/* Notes as they come, in the first reading; NULL: not wanted. */
	void (*on_note)(void *ctx, enum letter_kind kind, const struct letter_note *note);
	void (*progress)(void *ctx, const char *topic, int64_t left); /* or NULL */
	void *ctx;
	/* of the second reading */
	enum fate (*take)(void *ctx, struct kafka_message *message, const struct letter *letter,
	    int64_t answered_ms, struct err *err);
};

/* The first reading. pipeline, all_notes, on_note, progress and ctx are set before. RETRY:
 * a transaction stays open, and all notes are wanted. */
enum fate letters_open(struct letters *letters, struct err *err) NODISCARD;
/* The second one, as often as wanted: answered_ms is -1 for an open letter. take() may keep
 * the message by taking its handle. */
enum fate letters_each(struct letters *letters,
    enum fate (*take)(void *ctx, struct kafka_message *message, const struct letter *letter,
	int64_t answered_ms, struct err *err),
    struct err *err) NODISCARD;
void letters_close(struct letters *letters); /* accepts one that did not open */

#endif
