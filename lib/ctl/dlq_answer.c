/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/dlq_answer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "work/catalog.h"

enum fate
dlq_answers_open(struct dlq_answers *a, const char *worker, struct err *err)
{
	enum fate fate;

	a->of_enrich = strcmp(worker, "enrich") == 0;
	if (!a->of_enrich)
		return FATE_DONE;
	fate = postgres_open(a->pipeline, "sluicectl", &a->pg, err);
	if (fate == FATE_DONE)
		fate = enrich_plan_open(a->pg, a->pipeline, &a->plan, err);
	if (fate == FATE_DONE)
		fate = try_open(a->plan, a->pg, NULL, &a->try, err);
	return fate;
}

void
dlq_answers_close(struct dlq_answers *a)
{
	try_close(a->try);
	enrich_plan_free(a->plan);
	pg_free(a->pg);
}

void
dlq_answer_finish(struct dlq_answer *answer)
{
	kafka_message_free(&answer->message);
	buf_finish(&answer->text);
}

/* Always false: the letter is not sent. */
static bool because(struct dlq_answer *answer, const char *fmt, ...) PRINTF(2, 3);

static bool
because(struct dlq_answer *answer, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(answer->why, sizeof answer->why, fmt, args);
	va_end(args);
	return false;
}

#define SNAPSHOT                                                                               \
	"ask for an incremental snapshot of its row (Debezium's signal table, with an "        \
	"additional-condition)"

/* What holds for every letter. */
static bool
is_whole(const struct dlq_answers *a, struct dlq_answer *answer)
{
	const struct letter *letter = &answer->letter;
	const char *topic = a->of_enrich ? a->plan->fact_topic : a->pipeline->enrich.topic;

	if (letter->omitted.len)
		return because(answer,
		    "its %.*s had no room in the letter; it lies in %.*s/%" PRId32 "/%" PRId64
		    " while that topic keeps it: " SNAPSHOT,
		    SLICE_ARG(letter->omitted), SLICE_ARG(letter->topic),
		    letter->from_partition, letter->from_offset);
	if (!slice_eq(letter->topic, slice_str(topic)))
		return because(answer, "it came from %.*s, and %s reads %s",
		    SLICE_ARG(letter->topic), a->of_enrich ? "enrich" : "the sink", topic);
	if ((size_t)letter->from_partition >= dlq_last_partitions(a->last))
		return because(answer, "%s has no partition %" PRId32 " any more: " SNAPSHOT,
		    a->pipeline->enrich.topic, letter->from_partition);
	return true;
}

static bool
fits(const struct dlq_answers *a, struct dlq_answer *answer)
{
	size_t size = kafka_out_size(&answer->resend.out);

	if (size <= a->size_max)
		return true;
	return because(answer,
	    "the record takes %zu bytes, and %zu is what is sent at most: raise "
	    "message.max.bytes below kafka: in the pipeline file, and of the topic",
	    size, a->size_max);
}

/* --- of a sink --- */

static bool
answer_sink(const struct dlq_answers *a, struct dlq_answer *answer)
{
	const struct letter *letter = &answer->letter;
	struct record record = { 0 };
	struct err why = { 0 };

	if (record_read_headers(letter->headers, letter->header_count, &record, &why) !=
	    FATE_DONE)
		return because(
		    answer, "%s: no record of enrich, which would be refused again", why.what);
	if (!letter->key.p)
		return because(answer, "it has no key: no record of enrich");
	if (letter->value.p && !dlq_last_holds(a->last, letter->key, record.version))
		return because(answer,
		    "%s holds neither it nor a newer one: its row was deleted so long ago that "
		    "compaction has forgotten the delete, which must not be undone",
		    a->pipeline->enrich.topic);
	if (letter->value.p && dlq_last_gone(a->last, letter->key, record.version))
		return because(answer, "its row was deleted by verify --repair");
	answer->resend.out = (struct kafka_out){ .topic = a->pipeline->enrich.topic,
		.partition = letter->from_partition,
		.key = letter->key,
		.value = letter->value };
	resend_fill(&answer->resend, letter->headers, letter->header_count, letter->worker);
	return fits(a, answer);
}

/* --- of enrich --- */

static bool
same_generation(const struct dlq_answers *a, struct dlq_answer *answer)
{
	int64_t now = a->pipeline->enrich.generation, then = answer->letter.generation;

	if (then == now || (then < 0 && now == 0))
		return true;
	return because(answer,
	    "it is of generation %" PRId64 " and the pipeline's is %" PRId64
	    ": its version would win over newer rows; " SNAPSHOT,
	    then < 0 ? 0 : then, now);
}

/* The record's text is the answer's own. */
static void
record_write(const struct dlq_answers *a, struct item *item, struct dlq_answer *answer)
{
	struct header headers[ITEM_HEADERS];
	struct buf *text = &answer->text;
	struct item_text info;

	item->headers = headers;
	item_write(item, a->plan, text, &info);
	for (size_t i = 0; i < info.header_count; i++)
		headers[i].value = item_settle(headers[i].value, text);
	answer->resend.out = (struct kafka_out){ .topic = a->pipeline->enrich.topic,
		.partition = item->message.partition,
		.key = slice_of(text->p, info.value_start) };
	if (item->action == ITEM_UPSERT)
		answer->resend.out.value =
		    slice_of(text->p + info.value_start, info.headers_start - info.value_start);
	resend_fill(&answer->resend, headers, info.header_count, RESEND_FOR_ALL);
}

static enum fate
answer_event(struct dlq_answers *a, struct dlq_answer *answer, bool *ret_sends, struct err *err)
{
	const struct letter *letter = &answer->letter;
	struct item item = { .message = { .topic = a->plan->fact_topic,
				 .partition = letter->from_partition,
				 .offset = letter->from_offset,
				 .key = letter->key,
				 .value = letter->value } };
	bool old = letter->when_ms < a->now_ms - a->pipeline->enrich.sink_outage_max_ms;
	enum fate fate = try_item(a->try, &item, old, err);

	*ret_sends = false;
	if (fate != FATE_DONE)
		return err_wrap(
		    err, "letter %" PRId32 ":%" PRId64, letter->partition, letter->offset);
	switch (item.action) {
	case ITEM_SKIP: (void)because(answer, "enrich makes no record of it"); return FATE_DONE;
	case ITEM_DEAD:
		(void)because(
		    answer, "still refused: %s: %s: %s", item.stage, item.class, item.reason);
		return FATE_DONE;
	case ITEM_UPSERT:
	case ITEM_DELETE: break;
	}
	record_write(a, &item, answer);
	*ret_sends = fits(a, answer);
	return FATE_DONE;
}

enum fate
dlq_answer(struct dlq_answers *a, struct dlq_answer *answer, bool *ret_sends, struct err *err)
{
	*ret_sends = is_whole(a, answer);
	if (!*ret_sends)
		return FATE_DONE;
	if (!a->of_enrich) {
		*ret_sends = answer_sink(a, answer);
		return FATE_DONE;
	}
	*ret_sends = same_generation(a, answer);
	return *ret_sends ? answer_event(a, answer, ret_sends, err) : FATE_DONE;
}
