/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/letters.h"

#include <stdlib.h>

#include "base/must.h"

static int
answer_compare(const void *a, const void *b)
{
	const struct letters_answer *x = a, *y = b;

	if (x->partition != y->partition)
		return x->partition < y->partition ? -1 : 1;
	return x->letter < y->letter ? -1 : x->letter > y->letter;
}

static int64_t
answered_ms(const struct letters *letters, const struct letter *letter)
{
	struct letters_answer want = { .letter = letter->offset,
		.partition = letter->partition };
	const struct letters_answer *found = NULL;

	if (letters->answer_count)
		found = bsearch(&want, letters->answers, letters->answer_count,
		    sizeof *letters->answers, answer_compare);
	return found ? found->when_ms : -1;
}

static void
answer_add(struct letters *letters, const struct letter_note *note)
{
	if (letters->answer_count == letters->answer_size) {
		letters->answer_size = letters->answer_size ? letters->answer_size * 2 : 256;
		letters->answers =
		    realloc(letters->answers, letters->answer_size * sizeof *letters->answers);
		must(letters->answers);
	}
	letters->answers[letters->answer_count++] = (struct letters_answer){
		.letter = note->letter, .when_ms = note->when_ms, .partition = note->partition
	};
}

static enum fate
take_note(void *ctx, struct kafka_message *message, struct err *err)
{
	struct letters *letters = ctx;
	struct letter letter;
	struct letter_note note;
	enum letter_kind kind = letter_read(message, &letter, &note);

	(void)err;
	if (kind == LETTER_SENT)
		answer_add(letters, &note);
	if ((kind == LETTER_SENT || kind == LETTER_SETTLED) && letters->on_note)
		letters->on_note(letters->ctx, kind, &note);
	return FATE_DONE;
}

static enum fate
take_letter(void *ctx, struct kafka_message *message, struct err *err)
{
	struct letters *letters = ctx;
	struct letter letter;
	struct letter_note note;

	if (message->offset >= letters->ends[message->partition] ||
	    letter_read(message, &letter, &note) != LETTER_DEAD)
		return FATE_DONE;
	return letters->take(
	    letters->ctx, message, &letter, answered_ms(letters, &letter), err);
}

static void
left_tell(void *ctx, const char *topic, int64_t left)
{
	struct letters *letters = ctx;

	if (letters->progress)
		letters->progress(letters->ctx, topic, left);
}

enum fate
letters_open(struct letters *letters, struct err *err)
{
	const struct pipeline *p = letters->pipeline;
	enum fate fate = scan_open(&letters->scan, &p->kafka, p->dlq_topic, err);

	if (fate == FATE_DONE && letters->all_notes)
		fate = scan_reach(&letters->scan, err);
	if (fate == FATE_DONE)
		fate = scan_read(&letters->scan, take_note, left_tell, letters, err);
	if (fate != FATE_DONE)
		return err_wrap(err, "dead letters");
	letters->ends = calloc(letters->scan.count + 1, sizeof *letters->ends);
	must(letters->ends);
	for (size_t i = 0; i < letters->scan.count; i++)
		letters->ends[i] = letters->scan.at[i].offset;
	if (letters->answer_count)
		qsort(letters->answers, letters->answer_count, sizeof *letters->answers,
		    answer_compare);
	return FATE_DONE;
}

enum fate
letters_each(struct letters *letters,
    enum fate (*take)(void *ctx, struct kafka_message *message, const struct letter *letter,
	int64_t answered_ms, struct err *err),
    struct err *err)
{
	enum fate fate = scan_rewind(&letters->scan, err);

	letters->take = take;
	if (fate == FATE_DONE)
		fate = scan_read(&letters->scan, take_letter, left_tell, letters, err);
	return fate == FATE_DONE ? fate : err_wrap(err, "dead letters");
}

void
letters_close(struct letters *letters)
{
	scan_close(&letters->scan);
	free(letters->ends);
	free(letters->answers);
	letters->ends = NULL;
	letters->answers = NULL;
}
