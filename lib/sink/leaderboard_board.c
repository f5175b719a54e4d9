/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "sink/leaderboard_ops.h"
#include "sink/leaderboard_script.h"

enum { ARENA_SIZE = 512 << 20, WINDOW_BUCKETS_MAX = 100000 };

static char *
text_of(const char *before, const char *key, const char *after)
{
	char *text;

	must(asprintf(&text, "%s%s%s", before, key, after) >= 0);
	return text;
}

static enum fate
conf_check(const struct leaderboard_board *conf, struct err *err)
{
	if (conf->bucket_ms <= 0 || conf->window_ms < conf->bucket_ms ||
	    conf->window_ms % conf->bucket_ms != 0 ||
	    conf->window_ms / conf->bucket_ms > WINDOW_BUCKETS_MAX)
		return err_set(err, FATE_HALT,
		    "board %s: the window must be 1 to %d whole buckets", conf->key,
		    WINDOW_BUCKETS_MAX);
	if (*conf->key == 0 || strpbrk(conf->key, "{}"))
		return err_set(err, FATE_HALT,
		    "board \"%s\": the key is a plain name, without braces (its other keys "
		    "carry it in theirs)",
		    conf->key);
	return FATE_DONE;
}

enum fate
board_open(struct board *board, const struct leaderboard_board *conf,
    const struct row_column *columns, size_t column_count, struct err *err)
{
	enum fate fate = conf_check(conf, err);

	if (fate != FATE_DONE)
		return fate;
	board->conf = conf;
	board->span = board_span_of(conf->window_ms, conf->bucket_ms);
	board->script.text = slice_str(leaderboard_script);
	board->pos_key = text_of("{", conf->key, "}:pos");
	board->meta_key = text_of("{", conf->key, "}:meta");
	board->prefix = text_of("{", conf->key, "}:");
	arena_init(&board->arena, ARENA_SIZE);
	must(asprintf(&board->definition,
		 "member %s | at %s | score %s | window %" PRId64 " | bucket %" PRId64,
		 conf->member, conf->at, conf->score, conf->window_ms, conf->bucket_ms) >= 0);
	return board_sql_open(&board->reader, conf, columns, column_count, err);
}

void
board_finish(struct board *board)
{
	board_sql_finish(&board->reader);
	free(board->pos_key);
	free(board->meta_key);
	free(board->prefix);
	free(board->definition);
	free(board->parts);
	arena_finish(&board->arena);
	fold_finish(&board->fold);
	free(board->events);
	free(board->order);
	free(board->args);
	buf_finish(&board->packed);
	*board = (struct board){ 0 };
}

static void
batch_reset(struct board *b)
{
	arena_reset(&b->arena);
	fold_reset(&b->fold);
	b->event_count = 0;
	memset(b->tallies, 0, sizeof b->tallies);
	for (size_t i = 0; i < b->part_count; i++)
		b->parts[i].next = b->parts[i].at;
}

/* --- positions --- */

/* What Redis holds for each part, -1 when it holds nothing. */
static enum fate
positions_read(struct board *b, struct redis *redis, int64_t *out, struct err *err)
{
	struct slice *argv = calloc(b->part_count + 2, sizeof *argv);
	char(*numbers)[12] = calloc(b->part_count + 1, sizeof *numbers);
	struct redis_reply reply = { 0 };
	enum fate fate;

	must(argv && numbers);
	argv[0] = SLICE("HMGET");
	argv[1] = slice_str(b->pos_key);
	for (size_t i = 0; i < b->part_count; i++) {
		(void)snprintf(
		    numbers[i], sizeof numbers[i], "%" PRId32, b->parts[i].partition);
		argv[i + 2] = slice_str(numbers[i]);
	}
	fate = redis_command(redis, argv, b->part_count + 2, &reply, err);
	for (size_t i = 0; i < b->part_count && fate == FATE_DONE; i++) {
		struct redis_reply item = redis_reply_item(&reply, i);

		out[i] = -1;
		if (item.kind == REDIS_TEXT && (!slice_i64(item.text, &out[i]) || out[i] < 0))
			fate = err_set(err, FATE_HALT, "%s holds \"%.*s\" for partition %s",
			    b->pos_key, SLICE_ARG(item.text), numbers[i]);
	}
	redis_reply_free(&reply);
	free(argv);
	free(numbers);
	return fate;
}

/* Sums of another score or window in the same keys would be nonsense. */
static enum fate
definition_check(struct board *b, struct redis *redis, struct err *err)
{
	struct redis_reply reply = { 0 };
	enum fate fate = redis_words(redis, &reply, err, "HSETNX", b->meta_key, "definition",
	    b->definition, (char *)NULL);

	redis_reply_free(&reply);
	if (fate == FATE_DONE)
		fate = redis_words(
		    redis, &reply, err, "HGET", b->meta_key, "definition", (char *)NULL);
	if (fate != FATE_DONE)
		return fate;
	if (!slice_eq(reply.text, slice_str(b->definition)))
		fate = err_set(err, FATE_HALT,
		    "board %s was filled by another definition (%.*s): name it otherwise, or "
		    "delete its keys (%s and %s*)",
		    b->conf->key, SLICE_ARG(reply.text), b->conf->key, b->prefix);
	redis_reply_free(&reply);
	return fate;
}

/* Partitions that Redis does not know start with the window. */
static enum fate
positions_claim(struct board *b, struct redis *redis, const struct sink_part *parts,
    const int64_t *held, struct err *err)
{
	for (size_t i = 0; i < b->part_count; i++) {
		if (held[i] > parts[i].end)
			return err_set(err, FATE_HALT,
			    "board %s: position %" PRId64 " of partition %" PRId32
			    " lies beyond the topic's end %" PRId64
			    ": the topic was made anew; delete %s",
			    b->conf->key, held[i], parts[i].partition, parts[i].end,
			    b->pos_key);
		b->parts[i].at = held[i];
		b->parts[i].next = held[i] >= 0 ? held[i] : parts[i].window;
	}
	return board_run(b, redis, err);
}

static void
starts_lower(const struct board *b, struct sink_part *parts)
{
	for (size_t i = 0; i < b->part_count; i++) {
		int64_t start = b->parts[i].at;

		/* dead letters up to here may not be written yet */
		if (start > parts[i].committed)
			start = parts[i].committed;
		if (parts[i].start == SINK_OFFSET_COMMITTED || parts[i].start > start)
			parts[i].start = start;
	}
}

enum fate
board_assign(struct board *board, struct redis *redis, struct sink_part *parts, size_t count,
    struct err *err)
{
	int64_t *held = calloc(count + 1, sizeof *held);
	enum fate fate;

	must(held && count <= BOARD_PARTS_MAX);
	free(board->parts);
	board->parts = calloc(count + 1, sizeof *board->parts);
	must(board->parts);
	board->part_count = count;
	for (size_t i = 0; i < count; i++)
		board->parts[i] = (struct board_part){ .partition = parts[i].partition,
			.committed = parts[i].committed };
	batch_reset(board);
	board->moved = false;
	fate = definition_check(board, redis, err);
	if (fate == FATE_DONE && count > 0)
		fate = positions_read(board, redis, held, err);
	if (fate == FATE_DONE)
		fate = positions_claim(board, redis, parts, held, err);
	free(held);
	if (fate == FATE_DONE)
		starts_lower(board, parts);
	return fate;
}

enum fate
board_resync(struct board *board, struct redis *redis, struct err *err)
{
	int64_t *held = calloc(board->part_count + 1, sizeof *held);
	bool same = true, applied = true;
	enum fate fate = FATE_DONE;

	must(held);
	if (board->part_count > 0)
		fate = positions_read(board, redis, held, err);
	for (size_t i = 0; i < board->part_count && fate == FATE_DONE; i++) {
		same = same && held[i] == board->parts[i].at;
		applied = applied && held[i] == board->parts[i].next;
	}
	free(held);
	if (fate != FATE_DONE)
		return fate;
	if (!same && applied)
		for (size_t i = 0; i < board->part_count; i++)
			board->parts[i].at = board->parts[i].next;
	if (same || applied)
		return FATE_DONE;
	board->moved = true;
	return err_set(err, FATE_RETRY,
	    "board %s: Redis came back with other positions than this worker left there",
	    board->conf->key);
}

/* --- a batch --- */

static struct board_part *
part_of(struct board *b, int32_t partition)
{
	for (size_t i = 0; i < b->part_count; i++)
		if (b->parts[i].partition == partition)
			return &b->parts[i];
	never("a record of a partition that was not assigned");
}

static enum board_tally
reading_judge(struct board *b, const struct board_reading *reading, struct board_state *state)
{
	int64_t bucket;
	enum board_tally tally = TALLY_COUNTED;

	if (!reading->has_at)
		return TALLY_NULL_AT;
	if (!reading->has_member)
		return TALLY_NULL_MEMBER;
	bucket = board_floor(reading->at_us, b->span.bucket_ms * 1000);
	switch (board_place(&b->span, bucket, b->watermark)) {
	case BOARD_FAR: return TALLY_FAR;
	case BOARD_FORGOTTEN: return TALLY_FAR_PAST;
	case BOARD_LATE: tally = TALLY_LATE; break;
	case BOARD_IN: break;
	}
	state->kind = BOARD_LIVE;
	state->bucket = bucket;
	state->units = reading->units;
	state->member = reading->member;
	return tally;
}

static void
event_add(struct board *b, const struct record *record, struct board_event event)
{
	char *memory = NULL;

	if (record->key.len > BOARD_FIELD_MAX) {
		memory = arena_alloc(&b->arena, BOARD_FIELD_MAX);
		must(memory);
	}
	event.row = fold_row(&b->fold, record->partition, board_field(record->key, memory));
	if (b->event_count == b->event_cap) {
		b->event_cap = b->event_cap ? b->event_cap * 2 : 1024;
		b->events = realloc(b->events, b->event_cap * sizeof *b->events);
		must(b->events);
	}
	b->events[b->event_count++] = event;
}

/* A refused row gets a dead letter, unless the group has passed it before. */
static void
refuse(const struct board_part *part, struct record *record, const char *why)
{
	if (record->offset >= part->committed)
		sink_reject(record, "%s", why);
	else
		record->outcome = OUTCOME_DONE;
}

static void
record_take(struct board *b, struct record *record)
{
	struct board_part *part = part_of(b, record->partition);
	struct board_event event = { .state = { .version = record->version },
		.tally = TALLY_DELETED };
	struct board_reading reading;
	struct err why = { 0 };

	if (record->key.len == 0) {
		refuse(part, record, "the record has no key");
	} else if (record->value.p == NULL) {
		event.state.kind = BOARD_GUARD;
	} else if (board_sql_read(&b->reader, record->value, &b->arena, &reading, &why) !=
		   FATE_DONE) {
		refuse(part, record, why.what);
	} else {
		event.tally = reading_judge(b, &reading, &event.state);
	}
	if (record->offset < part->at)
		return; /* counted already */
	part->next = record->offset + 1;
	if (record->outcome == OUTCOME_PENDING)
		event_add(b, record, event);
}

static bool
anything_new(const struct board *b)
{
	for (size_t i = 0; i < b->part_count; i++)
		if (b->parts[i].next != b->parts[i].at)
			return true;
	return false;
}

enum fate
board_deliver(struct board *board, struct redis *redis, struct record *const *records,
    size_t count, struct err *err)
{
	enum fate fate;

	batch_reset(board);
	for (size_t i = 0; i < count; i++)
		record_take(board, records[i]);
	if (!anything_new(board))
		return FATE_DONE;
	fate = board_load(board, redis, err);
	if (fate != FATE_DONE)
		return fate;
	for (size_t i = 0; i < board->event_count; i++) {
		const struct board_event *event = &board->events[i];
		bool applied = fold_apply(&board->fold, event->row, &event->state);

		board->tallies[applied ? event->tally : TALLY_OLDER]++;
	}
	return board_run(board, redis, err);
}

enum fate
board_tick(struct board *board, struct redis *redis, struct err *err)
{
	batch_reset(board);
	return board_run(board, redis, err);
}
