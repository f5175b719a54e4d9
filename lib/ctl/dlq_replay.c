/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/dlq_replay.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "ctl/dlq_answer.h"
#include "ctl/letters.h"

enum {
	BATCH = 50,
	BATCH_BYTES = 4 << 20,
	EARLIER_MS = 3600000,
	LINE = 1000,
	SIZE_MAX_DEFAULT = 1000000,
	SOURCE_SIZE = 400
};

/* What an earlier call sent and did not look after to the end. */
struct unsettled {
	char *key;
	size_t key_len;
	int32_t partition, out_partition;
	int64_t out_from;
};

struct replay {
	const struct pipeline *pipeline;
	const struct dlq_options *options;
	struct kafka_txn *txn; /* NULL: a dry run */
	char id[RESEND_ID_SIZE];
	struct letters letters;
	struct dlq_last last;
	struct dlq_answers answers;
	struct dlq_replay_counts counts;

	struct unsettled *unsettled;
	size_t unsettled_count, unsettled_size;
	bool *touched; /* partitions of the dead letters that have notes to settle */

	int64_t oldest_ms; /* of the chosen letters */
	int64_t *from;     /* of enrich: where their keys' newer records can lie */
	size_t chosen, mended;
	struct verify_table *done; /* what was refused and has been sent again, by its place */

	struct dlq_answer *batch[BATCH];
	struct letter_note_out notes[BATCH];
	struct kafka_out outs[2 * BATCH];
	size_t count, out_count, bytes;
};

static void say(const struct replay *r, const char *fmt, ...) PRINTF(2, 3);

static void
say(const struct replay *r, const char *fmt, ...)
{
	char line[LINE];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	r->options->say(line);
}

static void
left_tell(void *ctx, const char *topic, int64_t left)
{
	const struct replay *r = ctx;
	char text[400];

	if (!r->options->progress)
		return;
	(void)snprintf(text, sizeof text, "%zu of %zu %s, %s: %" PRId64 " records to read",
	    r->counts.sent, r->chosen, r->txn ? "sent" : "seen", topic, left);
	r->options->progress(text);
}

/* --- opening --- */

static void
on_note(void *ctx, enum letter_kind kind, const struct letter_note *note)
{
	struct replay *r = ctx;
	struct unsettled *u;
	size_t kept = 0;

	if (kind == LETTER_SETTLED) {
		for (size_t i = 0; i < r->unsettled_count; i++)
			if (r->unsettled[i].partition == note->partition)
				free(r->unsettled[i].key);
			else
				r->unsettled[kept++] = r->unsettled[i];
		r->unsettled_count = kept;
		return;
	}
	if (!note->key.p)
		return;
	if (r->unsettled_count == r->unsettled_size) {
		r->unsettled_size = r->unsettled_size ? r->unsettled_size * 2 : 256;
		r->unsettled = realloc(r->unsettled, r->unsettled_size * sizeof *r->unsettled);
		must(r->unsettled);
	}
	u = &r->unsettled[r->unsettled_count++];
	*u = (struct unsettled){ malloc(note->key.len + 1), note->key.len, note->partition,
		note->out_partition, note->out_from };
	must(u->key);
	memcpy(u->key, note->key.p, note->key.len);
}

static void
unsettled_free(struct replay *r)
{
	for (size_t i = 0; i < r->unsettled_count; i++)
		free(r->unsettled[i].key);
	free(r->unsettled);
}

static enum fate
watch_unsettled(struct replay *r, struct err *err)
{
	enum fate fate = FATE_DONE;

	for (size_t i = 0; i < r->unsettled_count && fate == FATE_DONE; i++) {
		const struct unsettled *u = &r->unsettled[i];

		r->touched[u->partition] = true;
		if ((size_t)u->out_partition >= dlq_last_partitions(&r->last))
			continue; /* of a topic that was made again since */
		fate = dlq_last_watch(
		    &r->last, slice_of(u->key, u->key_len), u->out_partition, u->out_from, err);
	}
	return fate;
}

/* Of a record, as the producer would have it. */
static size_t
size_max(const struct pipeline *p)
{
	uint64_t size = SIZE_MAX_DEFAULT;

	for (size_t i = 0; i < p->kafka.property_count; i++)
		if (strcmp(p->kafka.properties[i].key, "message.max.bytes") == 0)
			(void)slice_u64(slice_str(p->kafka.properties[i].value), &size);
	return size;
}

static enum fate
replay_open(struct replay *r, struct err *err)
{
	enum fate fate =
	    r->options->dry_run ? FATE_DONE : resend_open(r->pipeline, r->id, &r->txn, err);

	r->letters.pipeline = r->pipeline;
	r->letters.all_notes = r->txn != NULL; /* none comes any more but ours */
	r->letters.on_note = on_note;
	r->letters.progress = left_tell;
	r->letters.ctx = r;
	if (fate == FATE_DONE)
		fate = letters_open(&r->letters, err);
	r->last.pipeline = r->pipeline;
	r->last.progress = left_tell;
	r->last.ctx = r;
	if (fate == FATE_DONE)
		fate = dlq_last_open(&r->last, err);
	if (fate != FATE_DONE)
		return fate;
	r->touched = calloc(r->letters.scan.count + 1, sizeof *r->touched);
	r->from = calloc(dlq_last_partitions(&r->last) + 1, sizeof *r->from);
	must(r->touched && r->from);
	r->answers.pipeline = r->pipeline;
	r->answers.last = &r->last;
	r->answers.now_ms = clock_wall_ms();
	r->answers.size_max = r->txn ? kafka_txn_size_max(r->txn) : size_max(r->pipeline);
	fate = dlq_answers_open(&r->answers, r->options->select.worker, err);
	return fate == FATE_DONE ? watch_unsettled(r, err) : fate;
}

static void
replay_close(struct replay *r)
{
	for (size_t i = 0; i < r->count; i++) {
		dlq_answer_finish(r->batch[i]);
		free(r->batch[i]);
	}
	dlq_answers_close(&r->answers);
	dlq_last_close(&r->last);
	letters_close(&r->letters);
	kafka_txn_close(r->txn);
	verify_table_free(r->done);
	unsettled_free(r);
	free(r->touched);
	free(r->from);
}

/* --- choosing --- */

/* A worker that was set back refuses the same again, and writes a second letter of it. A topic
 * that was made again has other versions, or generations, at the same places. */
static struct slice
source_of(const struct letter *letter, char *text, size_t size)
{
	struct slice version = { 0 };

	for (size_t i = 0; i < letter->header_count; i++)
		if (slice_eq(letter->headers[i].name, SLICE("sluice.version")))
			version = letter->headers[i].value;
	(void)snprintf(text, size, "%.*s/%" PRId32 "/%" PRId64 "/%" PRId64 "/%.*s",
	    SLICE_ARG(letter->topic), letter->from_partition, letter->from_offset,
	    letter->generation, SLICE_ARG(version));
	return slice_str(text);
}

static enum fate
done_add(struct replay *r, const struct letter *letter, struct err *err)
{
	char text[SOURCE_SIZE];

	if (verify_table_get(r->done, source_of(letter, text, sizeof text)))
		return FATE_DONE;
	return err_set(err, FATE_HALT, "more than %d letters were sent again", VERIFY_KEYS_MAX);
}

static bool
is_done(struct replay *r, const struct letter *letter)
{
	char text[SOURCE_SIZE];

	return verify_table_find(r->done, source_of(letter, text, sizeof text)) != NULL;
}

static enum fate
choose(void *ctx, struct kafka_message *message, const struct letter *letter,
    int64_t answered_ms, struct err *err)
{
	struct replay *r = ctx;

	(void)message;
	if (!slice_eq(letter->worker, slice_str(r->options->select.worker)))
		return FATE_DONE;
	if (answered_ms >= 0 && done_add(r, letter, err) != FATE_DONE)
		return FATE_HALT;
	if (!dlq_selects(&r->options->select, letter))
		return FATE_DONE;
	if (answered_ms >= 0) {
		r->counts.known++;
		return FATE_DONE;
	}
	r->chosen++;
	if (letter->when_ms < r->oldest_ms)
		r->oldest_ms = letter->when_ms;
	if (r->answers.of_enrich || !letter->key.p ||
	    (size_t)letter->from_partition >= dlq_last_partitions(&r->last))
		return FATE_DONE;
	return dlq_last_watch(
	    &r->last, letter->key, letter->from_partition, letter->from_offset, err);
}

/* A sink's letters say where their keys' newer records begin. Those of enrich do not; they
 * were written with their neighbours' records, by clocks that may differ. */
static enum fate
places_find(struct replay *r, struct err *err)
{
	int64_t at_ms = r->oldest_ms - EARLIER_MS;

	if (!r->answers.of_enrich)
		return dlq_last_look(&r->last, err);
	return dlq_last_from(&r->last, at_ms > 0 ? at_ms : KAFKA_AT_START, r->from, err);
}

/* --- sending --- */

static int64_t
out_from(const struct replay *r, const struct letter *letter)
{
	return r->answers.of_enrich &&
		       (size_t)letter->from_partition < dlq_last_partitions(&r->last)
		   ? r->from[letter->from_partition]
		   : letter->from_offset;
}

static enum fate
batch_send(struct replay *r, struct err *err)
{
	enum fate fate = FATE_DONE;

	if (r->count && r->txn)
		fate = resend_commit(r->txn, r->outs, r->out_count, err);
	for (size_t i = 0; i < r->count; i++) {
		if (fate == FATE_DONE)
			r->touched[r->batch[i]->letter.partition] = true;
		dlq_answer_finish(r->batch[i]);
		free(r->batch[i]);
	}
	if (fate == FATE_DONE) {
		r->counts.sent += r->out_count - r->count; /* a note each, and the records */
		r->counts.known += 2 * r->count - r->out_count;
	}
	r->count = r->out_count = r->bytes = 0;
	return fate;
}

/* The record of a letter goes into the transaction. */
static enum fate
record_add(struct replay *r, const struct dlq_answer *answer, struct err *err)
{
	const struct letter *letter = &answer->letter;
	const struct kafka_out *out = &answer->resend.out;
	enum fate fate = done_add(r, letter, err);

	if (fate == FATE_DONE && r->answers.of_enrich && r->txn)
		fate = dlq_last_watch(
		    &r->last, out->key, out->partition, out_from(r, letter), err);
	if (!r->txn)
		say(r, "%s %" PRId32 ":%" PRId64 " would be sent to %s/%" PRId32 ": %.*s%s",
		    r->pipeline->dlq_topic, letter->partition, letter->offset, out->topic,
		    out->partition, SLICE_ARG(out->key), out->value.p ? "" : " (a delete)");
	r->outs[r->out_count++] = *out;
	r->bytes += kafka_out_size(out);
	return fate;
}

/* Without the record, too, the letter is answered: another letter's record is its own. */
static enum fate
batch_add(struct replay *r, struct dlq_answer *answer, bool sends, struct err *err)
{
	const struct letter *letter = &answer->letter;
	struct letter_note note = { .partition = letter->partition,
		.letter = letter->offset,
		.key = sends ? answer->resend.out.key : (struct slice){ 0 },
		.out_partition = letter->from_partition,
		.out_from = out_from(r, letter) };
	enum fate fate = sends ? record_add(r, answer, err) : FATE_DONE;

	letter_note_fill(&r->notes[r->count], r->pipeline->dlq_topic, &note);
	r->outs[r->out_count++] = r->notes[r->count].out;
	r->batch[r->count++] = answer;
	return fate;
}

static enum fate
answer_letter(void *ctx, struct kafka_message *message, const struct letter *letter,
    int64_t answered_ms, struct err *err)
{
	struct replay *r = ctx;
	struct dlq_answer *answer;
	bool sends = false, done;
	enum fate fate = FATE_DONE;

	if (answered_ms >= 0 || !dlq_selects(&r->options->select, letter))
		return FATE_DONE;
	answer = calloc(1, sizeof *answer);
	must(answer);
	answer->letter = *letter;
	answer->message = *message;
	message->handle = NULL;
	done = is_done(r, letter);
	if (!done)
		fate = dlq_answer(&r->answers, answer, &sends, err);
	if (fate == FATE_DONE && (sends || done)) {
		fate = batch_add(r, answer, sends, err);
		if (fate == FATE_DONE && (r->count == BATCH || r->bytes >= BATCH_BYTES))
			fate = batch_send(r, err);
		return fate;
	}
	if (fate == FATE_DONE) {
		r->counts.stay++;
		say(r, "%s %" PRId32 ":%" PRId64 " stays: %s", r->pipeline->dlq_topic,
		    letter->partition, letter->offset, answer->why);
	}
	dlq_answer_finish(answer);
	free(answer);
	return fate;
}

/* --- looking after --- */

/* Nothing that was sent until now stands behind a newer record of its key. */
static enum fate
settle(struct replay *r, struct err *err)
{
	size_t count = 0;
	struct letter_note_out *notes = calloc(r->letters.scan.count + 1, sizeof *notes);
	struct kafka_out *outs = calloc(r->letters.scan.count + 1, sizeof *outs);
	enum fate fate = dlq_last_mend(&r->last, r->txn, &r->mended, err);

	must(notes && outs);
	for (size_t i = 0; i < r->letters.scan.count; i++) {
		if (!r->touched[i])
			continue;
		letter_settled_fill(&notes[count], r->pipeline->dlq_topic, (int32_t)i);
		outs[count] = notes[count].out;
		count++;
	}
	if (fate == FATE_DONE && count)
		fate = resend_commit(r->txn, outs, count, err);
	free(notes);
	free(outs);
	return fate;
}

static void
counts_say(const struct replay *r)
{
	char known[60] = "", mended[120] = "";

	if (r->counts.known)
		(void)snprintf(known, sizeof known, ", %zu were sent before", r->counts.known);
	if (r->mended)
		(void)snprintf(mended, sizeof mended,
		    ", %zu newer record%s put behind them again", r->mended,
		    r->mended == 1 ? "" : "s");
	say(r, "%zu of %zu dead letters of %s %s to %s, %zu stay%s%s", r->counts.sent,
	    r->chosen, r->options->select.worker, r->txn ? "sent again" : "would be sent again",
	    r->pipeline->enrich.topic, r->counts.stay, known, mended);
}

static enum fate
run(struct replay *r, struct err *err)
{
	enum fate fate = replay_open(r, err);

	if (fate == FATE_DONE)
		fate = letters_each(&r->letters, choose, err);
	if (fate == FATE_DONE)
		fate = places_find(r, err);
	if (fate == FATE_DONE && r->chosen)
		fate = letters_each(&r->letters, answer_letter, err);
	if (fate == FATE_DONE)
		fate = batch_send(r, err);
	if (fate == FATE_DONE && r->txn)
		fate = settle(r, err);
	if (fate == FATE_DONE)
		counts_say(r);
	else if (r->counts.sent && r->txn)
		say(r,
		    "%zu of %zu dead letters were sent again and noted; run it again for the "
		    "rest",
		    r->counts.sent, r->chosen);
	return fate;
}

static bool
is_mirror(const struct pipeline *p, const char *worker)
{
	return !p->has_enrich ||
	       (strcmp(worker, "clickhouse") == 0 && p->clickhouse.source == SOURCE_DEBEZIUM);
}

enum fate
dlq_replay(const struct pipeline *pipeline, const struct dlq_options *options,
    struct dlq_replay_counts *ret_counts, struct err *err)
{
	struct replay *r;
	enum fate fate;

	if (is_mirror(pipeline, options->select.worker))
		return err_set(err, FATE_HALT,
		    "a mirror's letters hold Debezium's own events: sent to their topic again "
		    "they would be new changes to whoever reads it, and bring old values back. "
		    "Mend the cause and ask for an incremental snapshot of the rows "
		    "(Debezium's "
		    "signal table, with an additional-condition on their keys)");
	r = calloc(1, sizeof *r);
	must(r && options->select.worker);
	r->pipeline = pipeline;
	r->options = options;
	r->oldest_ms = INT64_MAX;
	r->done = verify_table_new();
	fate = run(r, err);
	if (fate == FATE_DONE)
		*ret_counts = r->counts;
	replay_close(r);
	free(r);
	return fate;
}
