/* SPDX-License-Identifier: Apache-2.0 */
/* A batch's two journeys: old states in, one script out. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "sink/leaderboard_ops.h"

static void
arg(struct board *b, struct slice text)
{
	if (b->arg_count == b->arg_cap) {
		b->arg_cap = b->arg_cap ? b->arg_cap * 2 : 1024;
		b->args = realloc(b->args, b->arg_cap * sizeof *b->args);
		must(b->args);
	}
	b->args[b->arg_count++] = text;
}

static struct slice
number(struct board *b, int64_t n)
{
	char digits[24], *end = digits + sizeof digits, *p = end;
	uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
	char *copy;

	do
		*--p = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (n < 0)
		*--p = '-';
	copy = arena_alloc(&b->arena, (size_t)(end - p));
	must(copy);
	memcpy(copy, p, (size_t)(end - p));
	return slice_of(copy, (size_t)(end - p));
}

static void
arg_number(struct board *b, int64_t n)
{
	arg(b, number(b, n));
}

/* --- old states --- */

static int
by_place(const void *a, const void *b, void *context)
{
	const struct fold_row *rows = context;
	const struct fold_row *x = &rows[*(const size_t *)a], *y = &rows[*(const size_t *)b];

	if (x->partition != y->partition)
		return x->partition < y->partition ? -1 : 1;
	return (x->shard > y->shard) - (x->shard < y->shard);
}

static void
order_room(struct board *b, size_t count)
{
	if (b->order_cap >= count)
		return;
	b->order_cap = count * 2;
	b->order = realloc(b->order, b->order_cap * sizeof *b->order);
	must(b->order);
}

/* Row indexes so that those of one partition and shard stand together. */
static void
order_rows(struct board *b)
{
	size_t count = b->fold.row_count;

	order_room(b, count);
	for (size_t i = 0; i < count; i++)
		b->order[i] = i;
	if (count > 1)
		qsort_r(b->order, count, sizeof *b->order, by_place, b->fold.rows);
}

/* The end of the run that starts at first. */
static size_t
run_end(const struct board *b, size_t first)
{
	size_t end = first + 1;

	while (end < b->fold.row_count &&
	       by_place(&b->order[first], &b->order[end], b->fold.rows) == 0)
		end++;
	return end;
}

static struct slice
state_place(struct board *b, bool prefixed, const struct fold_row *row, int64_t era)
{
	struct buf *t = &b->packed;

	t->len = 0;
	buf_printf(t, "%s%s%" PRId32 ":%" PRId64 ":%u", prefixed ? b->prefix : "",
	    prefixed ? "s:" : "", row->partition, era, row->shard);
	struct slice copy = arena_copy(&b->arena, buf_view(t));
	must(copy.p);
	return copy;
}

static int64_t
era_of(const struct board *b, int64_t bucket)
{
	return board_floor(bucket, b->span.era);
}

static int64_t
era_last(const struct board *b)
{
	int64_t ahead = era_of(b, b->watermark + b->span.ahead);

	return ahead < b->era_high ? ahead : b->era_high;
}

static enum fate
run_ask(struct board *b, struct redis *redis, size_t first, size_t end, int64_t era,
    struct err *err)
{
	b->arg_count = 0;
	arg(b, SLICE("HMGET"));
	arg(b, state_place(b, true, &b->fold.rows[b->order[first]], era));
	for (size_t i = first; i < end; i++)
		arg(b, b->fold.rows[b->order[i]].field);
	return redis_append(redis, b->args, b->arg_count, err);
}

static enum fate
row_take(
    struct board *b, struct fold_row *row, struct slice packed, int64_t era, struct err *err)
{
	struct board_state state;
	struct slice copy = arena_copy(&b->arena, packed);

	must(copy.p);
	if (!board_state_unpack(copy, &b->arena, &state))
		return err_set(err, FATE_HALT,
		    "%ss:%" PRId32 ":%" PRId64 ":%u holds what no board wrote", b->prefix,
		    row->partition, era, row->shard);
	fold_found(row, &state, era);
	return FATE_DONE;
}

static enum fate
run_take(struct board *b, struct redis *redis, size_t first, size_t end, int64_t era,
    struct err *err)
{
	struct redis_reply reply = { 0 };
	enum fate fate = redis_next(redis, &reply, err);

	if (fate == FATE_DONE && reply.kind == REDIS_ERROR)
		fate = redis_reply_fate(&reply, err);
	must(fate != FATE_DONE || reply.count == end - first);
	for (size_t i = first; i < end && fate == FATE_DONE; i++) {
		struct redis_reply item = redis_reply_item(&reply, i - first);

		if (item.kind == REDIS_TEXT)
			fate = row_take(b, &b->fold.rows[b->order[i]], item.text, era, err);
	}
	redis_reply_free(&reply);
	return fate;
}

enum { ASKS_MAX = 4000 }; /* in one pipeline; below REDIS_PIPELINE_MAX */

/* One pass over the runs from first on, asking or taking, up to ASKS_MAX commands.
 * *ret_end: the first row that was not reached. */
static enum fate
load_pass(struct board *b, struct redis *redis, size_t first,
    enum fate (*step)(struct board *, struct redis *, size_t, size_t, int64_t, struct err *),
    size_t *ret_end, struct err *err)
{
	int64_t low = era_of(b, b->watermark) - 1, high = era_last(b);
	enum fate fate = FATE_DONE;
	size_t end;

	for (size_t asks = 0; first < b->fold.row_count && asks < ASKS_MAX; first = end) {
		end = run_end(b, first);
		for (int64_t era = low; era <= high && fate == FATE_DONE; era++, asks++)
			fate = step(b, redis, first, end, era, err);
	}
	*ret_end = first;
	return fate;
}

enum fate
board_load(struct board *board, struct redis *redis, struct err *err)
{
	enum fate fate = FATE_DONE;
	size_t end;

	order_rows(board);
	for (size_t first = 0; first < board->fold.row_count && fate == FATE_DONE;
	     first = end) {
		fate = load_pass(board, redis, first, run_ask, &end, err);
		if (fate == FATE_DONE)
			fate = load_pass(board, redis, first, run_take, &end, err);
	}
	if (fate == FATE_DONE)
		return fate;
	redis_disconnect(redis); /* replies may still be on their way */
	return err_wrap(err, "board %s", board->conf->key);
}

/* --- the script --- */

static void
arg_positions(struct board *b)
{
	arg_number(b, (int64_t)b->part_count);
	for (size_t i = 0; i < b->part_count; i++) {
		const struct board_part *part = &b->parts[i];

		arg_number(b, part->partition);
		if (part->at < 0)
			arg(b, SLICE(""));
		else
			arg_number(b, part->at);
		arg_number(b, part->next);
	}
}

static int64_t
new_era(const struct board *b, const struct fold_row *row)
{
	return era_of(b, row->state.kind == BOARD_LIVE ? row->state.bucket : b->watermark);
}

static bool
leaves(const struct board *b, const struct fold_row *row, int64_t era)
{
	return row->changed && row->found && row->old_era == era && new_era(b, row) != era;
}

static bool
enters(const struct board *b, const struct fold_row *row, int64_t era)
{
	return row->changed && new_era(b, row) == era;
}

/* One hash: the states that enter it, and the fields that leave it. */
static bool
arg_group(struct board *b, size_t first, size_t end, int64_t era)
{
	int64_t puts = 0, dels = 0;

	for (size_t i = first; i < end; i++) {
		puts += enters(b, &b->fold.rows[b->order[i]], era);
		dels += leaves(b, &b->fold.rows[b->order[i]], era);
	}
	if (puts + dels == 0)
		return false;
	arg(b, state_place(b, false, &b->fold.rows[b->order[first]], era));
	arg_number(b, era);
	arg_number(b, puts);
	arg_number(b, dels);
	for (size_t i = first; i < end; i++) {
		const struct fold_row *row = &b->fold.rows[b->order[i]];

		if (!enters(b, row, era))
			continue;
		b->packed.len = 0;
		board_state_pack(&b->packed, &row->state);
		struct slice copy = arena_copy(&b->arena, buf_view(&b->packed));
		must(copy.p);
		arg(b, row->field);
		arg(b, copy);
	}
	for (size_t i = first; i < end; i++)
		if (leaves(b, &b->fold.rows[b->order[i]], era))
			arg(b, b->fold.rows[b->order[i]].field);
	return true;
}

static void
arg_states(struct board *b)
{
	int64_t low = era_of(b, b->watermark) - 1;
	int64_t high = era_of(b, b->watermark + b->span.ahead);
	size_t count_at = b->arg_count, count = 0;

	arg(b, SLICE("0"));
	for (size_t first = 0, end; first < b->fold.row_count; first = end) {
		end = run_end(b, first);
		for (int64_t era = low; era <= high; era++)
			count += arg_group(b, first, end, era);
	}
	b->args[count_at] = number(b, (int64_t)count);
}

static int
by_bucket(const void *a, const void *b, void *context)
{
	const struct fold_net *nets = context;
	int64_t x = nets[*(const size_t *)a].bucket, y = nets[*(const size_t *)b].bucket;

	return (x > y) - (x < y);
}

/* Indexes of the nets that change anything in a bucket that counts, by bucket. */
static size_t
order_nets(struct board *b)
{
	size_t count = 0;

	order_room(b, b->fold.net_count);
	for (size_t i = 0; i < b->fold.net_count; i++) {
		const struct fold_net *net = &b->fold.nets[i];

		if ((net->units != 0 || net->rows != 0) &&
		    net->bucket > b->watermark - b->span.window)
			b->order[count++] = i;
	}
	if (count > 1)
		qsort_r(b->order, count, sizeof *b->order, by_bucket, b->fold.nets);
	return count;
}

/* Groups of one bucket: its members, then their units, then their rows. */
static void
arg_nets(struct board *b)
{
	size_t count_at = b->arg_count, groups = 0, count = order_nets(b), end;
	const struct fold_net *nets = b->fold.nets;

	arg(b, SLICE("0"));
	for (size_t first = 0; first < count; first = end, groups++) {
		for (end = first + 1; end < count; end++)
			if (nets[b->order[end]].bucket != nets[b->order[first]].bucket)
				break;
		arg_number(b, nets[b->order[first]].bucket);
		arg_number(b, (int64_t)(end - first));
		for (size_t i = first; i < end; i++)
			arg(b, nets[b->order[i]].member);
		for (size_t i = first; i < end; i++)
			arg_number(b, nets[b->order[i]].units);
		for (size_t i = first; i < end; i++)
			arg_number(b, nets[b->order[i]].rows);
	}
	b->args[count_at] = number(b, (int64_t)groups);
}

/* The newest bucket that counts; 0 when there is none. */
static int64_t
newest(const struct board *b)
{
	int64_t bucket = 0;

	for (size_t i = 0; i < b->fold.net_count; i++)
		if (b->fold.nets[i].rows > 0 && b->fold.nets[i].bucket > bucket)
			bucket = b->fold.nets[i].bucket;
	return bucket;
}

static void
args_fill(struct board *b)
{
	int64_t divisor = 1;

	for (int i = 0; i < b->reader.scale; i++)
		divisor *= 10;
	b->arg_count = 0;
	arg(b, slice_str(b->pos_key));
	arg(b, slice_str(b->conf->key));
	arg(b, slice_str(b->meta_key));
	arg(b, slice_str(b->prefix));
	arg_number(b, b->span.bucket_ms);
	arg_number(b, b->span.window);
	arg_number(b, b->span.ahead);
	arg_number(b, b->span.era);
	arg_number(b, BOARD_SHARDS);
	arg_number(b, divisor);
	arg_number(b, newest(b));
	arg_number(b, b->conf->top);
	arg_positions(b);
	arg_states(b);
	arg_nets(b);
}

/* Is Redis where the batch would have brought it? Then somebody brought it there:
 * this batch, whose answer was lost. */
static bool
already_there(const struct board *b, const struct redis_reply *reply)
{
	if (reply->count != b->part_count + 1)
		return false;
	for (size_t i = 0; i < b->part_count; i++) {
		struct redis_reply item = redis_reply_item(reply, i + 1);
		int64_t at;

		if (!slice_i64(item.text, &at) || at != b->parts[i].next)
			return false;
	}
	return true;
}

static enum fate
reply_read(struct board *b, const struct redis_reply *reply, struct err *err)
{
	struct slice word = redis_reply_item(reply, 0).text;

	if (slice_eq(word, SLICE("OK"))) {
		b->watermark = redis_reply_item(reply, 1).integer;
		b->era_high = redis_reply_item(reply, 2).integer;
	} else if (!already_there(b, reply)) {
		b->moved = true;
		return err_set(err, FATE_RETRY,
		    "board %s: Redis holds other positions than this worker left there",
		    b->conf->key);
	}
	for (size_t i = 0; i < b->part_count; i++)
		b->parts[i].at = b->parts[i].next;
	return FATE_DONE;
}

enum fate
board_run(struct board *board, struct redis *redis, struct err *err)
{
	struct redis_reply reply = { 0 };
	enum fate fate;

	args_fill(board);
	fate = redis_eval(redis, &board->script, 3, board->args, board->arg_count, &reply, err);
	if (fate != FATE_DONE)
		return err_wrap(err, "board %s", board->conf->key);
	fate = reply_read(board, &reply, err);
	redis_reply_free(&reply);
	return fate;
}
