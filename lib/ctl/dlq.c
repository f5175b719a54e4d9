/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/dlq.h"

#include <inttypes.h>
#include <stdio.h>

#include "ctl/letters.h"

struct list {
	const struct dlq_options *options;
	struct letters letters;
	struct buf line;
	size_t open, answered;
};

static void
left_tell(void *ctx, const char *topic, int64_t left)
{
	struct list *list = ctx;
	char text[400];

	if (!list->options->progress)
		return;
	(void)snprintf(text, sizeof text, "%s: %" PRId64 " records to read", topic, left);
	list->options->progress(text);
}

static enum fate
take_letter(void *ctx, struct kafka_message *message, const struct letter *letter,
    int64_t answered_ms, struct err *err)
{
	struct list *list = ctx;
	const char *topic = list->letters.pipeline->dlq_topic;

	(void)message, (void)err;
	if (!dlq_selects(&list->options->select, letter))
		return FATE_DONE;
	if (answered_ms >= 0)
		list->answered++;
	else
		list->open++;
	if (answered_ms >= 0 && !list->options->all)
		return FATE_DONE;
	list->line.len = 0;
	if (list->options->json) {
		letter_json(letter, topic, answered_ms, &list->line);
	} else {
		letter_line(letter, topic, &list->line);
		if (answered_ms >= 0)
			buf_cstr(&list->line, " [sent again]");
	}
	list->options->say(buf_str(&list->line));
	return FATE_DONE;
}

static void
count_say(struct list *list)
{
	char text[160];

	(void)snprintf(text, sizeof text, "%zu dead letter%s%s, %zu sent again", list->open,
	    list->open == 1 ? "" : "s", list->open ? "" : " open", list->answered);
	list->options->say(text);
}

enum fate
dlq_list(const struct pipeline *pipeline, const struct dlq_options *options, size_t *ret_count,
    struct err *err)
{
	struct list list = { .options = options };
	enum fate fate;

	list.letters.pipeline = pipeline;
	list.letters.progress = left_tell;
	list.letters.ctx = &list;
	fate = letters_open(&list.letters, err);
	if (fate == FATE_DONE)
		fate = letters_each(&list.letters, take_letter, err);
	if (fate == FATE_DONE && !options->json)
		count_say(&list);
	letters_close(&list.letters);
	buf_finish(&list.line);
	if (fate == FATE_DONE)
		*ret_count = list.open;
	return fate;
}

enum fate
dlq_show(const struct pipeline *pipeline, int32_t partition, int64_t offset,
    void (*say)(const char *line), struct err *err)
{
	struct kafka_message message = { 0 };
	struct letter letter;
	struct letter_note note;
	struct buf text = { 0 };
	struct scan scan;
	enum fate fate = scan_open(&scan, &pipeline->kafka, pipeline->dlq_topic, err);

	if (fate == FATE_DONE)
		fate = scan_one(&scan, partition, offset, &message, err);
	if (fate == FATE_DONE && letter_read(&message, &letter, &note) != LETTER_DEAD)
		fate = err_set(err, FATE_HALT,
		    "%s/%" PRId32 "/%" PRId64 " is no dead letter, but a note that one was "
		    "sent again, or another's record",
		    pipeline->dlq_topic, partition, offset);
	if (fate == FATE_DONE) {
		letter_show(&letter, pipeline->dlq_topic, &text);
		say(buf_str(&text));
	}
	buf_finish(&text);
	kafka_message_free(&message);
	scan_close(&scan);
	return fate;
}
