/* SPDX-License-Identifier: Apache-2.0 */
/* One insert: records into a block, the block to the server, its answer to outcomes. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/must.h"
#include "sink/clickhouse_ops.h"

enum { PUMP_ROWS = 2048, ANSWER_STEP_MS = 1000 };

/* The insert on its way goes on while the next one is made. */
static enum fate
pump(struct clickhouse *ch, struct err *err)
{
	return server_wait(ch, &ch->inserts[ch->flying], 0, err);
}

/* Rejects what cannot become rows; HALT when the table lacks a field. */
static enum fate
encode(struct clickhouse *ch, struct record *const *records, size_t count, struct err *err)
{
	struct err why = { 0 };

	native_block_clear(ch->block);
	for (size_t i = 0; i < count; i++) {
		if (records[i]->outcome != OUTCOME_PENDING)
			continue;
		if (i % PUMP_ROWS == 0 && pump(ch, err) != FATE_DONE)
			return err->fate;
		switch (rows_append(ch, records[i], i, &why)) {
		case FATE_DONE: break;
		case FATE_REJECT: sink_reject(records[i], "%s", why.what); break;
		case FATE_RETRY:
		case FATE_HALT: *err = why; return why.fate;
		}
	}
	return FATE_DONE;
}

/* topic:partition:first-last:hash. The same rows have the same token, whoever sends
 * them; hash is FNV-1a over the offsets. */
static void
token_make(struct clickhouse *ch, struct record *const *records, size_t count)
{
	const struct record *first = NULL, *last = NULL;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < count; i++) {
		if (records[i]->outcome != OUTCOME_PENDING)
			continue;
		first = first ? first : records[i];
		last = records[i];
		for (unsigned k = 0; k < 64; k += 8)
			hash = (hash ^ ((uint64_t)last->offset >> k & 255)) *
			       UINT64_C(0x100000001b3);
	}
	must(last);
	ch->token.len = 0;
	buf_printf(&ch->token, "%s:%" PRId32 ":%" PRId64 "-%" PRId64 ":%016" PRIx64,
	    first->topic, first->partition, first->offset, last->offset, hash);
}

/* The server named a row of the block: its record is refused, the others go again. */
static void
reject_named(struct clickhouse *ch, struct record *const *records,
    const struct refusal *refusal, const struct err *err)
{
	size_t row;

	if (refusal->row == 0 || refusal->row > native_column_rows(ch->counter))
		return;
	row = native_block_row(ch->block, refusal->row - 1);
	sink_reject(records[ch->row_record[row]], "%s", err->what);
}

/* Records into the block, which is described again, once, when it lacks a field. */
static enum fate
fill_block(struct clickhouse *ch, struct record *const *records, size_t count, struct err *err)
{
	struct err look = { 0 };
	bool changed;
	enum fate fate;

	if (ch->target.count == 0 && table_describe(ch, &changed, err) != FATE_DONE)
		return err->fate;
	fate = encode(ch, records, count, err);
	if (fate != FATE_HALT)
		return fate;
	if (table_describe(ch, &changed, &look) != FATE_DONE) {
		*err = look;
		return look.fate;
	}
	return changed ? encode(ch, records, count, err) : fate;
}

enum fate
clickhouse_prepare(void *state, struct record *const *records, size_t count, struct err *err)
{
	struct clickhouse *ch = state;
	struct exchange *next = &ch->inserts[!ch->flying];
	enum fate fate = fill_block(ch, records, count, err);

	ch->ready = false;
	if (fate != FATE_DONE || native_column_rows(ch->counter) == 0)
		return fate;
	if (ch->append)
		token_make(ch, records, count);
	native_block_sort(ch->block, ch->identity, ch->config.identity_count);
	next->body.len = 0;
	native_block_write(ch->block, ch->config.compression, &next->body);
	server_insert_url(ch, &next->url);
	ch->ready = true;
	return FATE_DONE;
}

enum fate
clickhouse_send(void *state, struct err *err)
{
	struct clickhouse *ch = state;

	must(ch->ready && !ch->inserts[ch->flying].open);
	if (ch->append && clock_mono_ms() > ch->insert_until_ms)
		return err_set(err, FATE_RETRY, "the group has not heard of us for too long");
	ch->ready = false;
	ch->flying = !ch->flying;
	if (server_ask(ch, &ch->inserts[ch->flying], err) != FATE_DONE)
		return err->fate;
	return pump(ch, err);
}

void
clickhouse_forget(void *state)
{
	struct clickhouse *ch = state;

	server_cancel(ch);
	ch->ready = false;
}

/* A row or the table is not what it should be. The block may hold the next batch by now:
 * it is filled again, so that a row's number leads to its record. */
static enum fate
look_again(struct clickhouse *ch, struct record *const *records, size_t count,
    const struct refusal *refusal, bool *ret_changed, struct err *err)
{
	enum fate fate = err->fate;
	struct err look = { 0 };

	ch->ready = false;
	if (fate == FATE_REJECT && refusal->row > 0) {
		if (encode(ch, records, count, &look) == FATE_DONE) {
			native_block_sort(ch->block, ch->identity, ch->config.identity_count);
			reject_named(ch, records, refusal, err);
		}
	}
	if (table_describe(ch, ret_changed, &look) != FATE_DONE) {
		*err = look;
		return look.fate;
	}
	return fate;
}

/* What became of the insert that was on its way. */
static enum fate
judge(struct clickhouse *ch, struct refusal *ret_refusal, struct err *err)
{
	struct exchange *insert = &ch->inserts[ch->flying];
	enum fate fate = server_judge(ch, insert, ret_refusal, err);

	clickhouse_adapt(ch, fate, ret_refusal, insert->response.outcome_unknown);
	return fate;
}

/* Waits for it, however long it takes; the timeout bounds it. */
static enum fate
finish_insert(struct clickhouse *ch, struct refusal *ret_refusal, struct err *err)
{
	struct exchange *insert = &ch->inserts[ch->flying];

	while (insert->open)
		if (server_wait(ch, insert, ANSWER_STEP_MS, err) != FATE_DONE)
			return err->fate;
	return judge(ch, ret_refusal, err);
}

/* Once more, into a table that is not as it was. */
static enum fate
deliver_changed(
    struct clickhouse *ch, struct record *const *records, size_t count, struct err *err)
{
	struct refusal refusal = { 0 };
	enum fate fate = clickhouse_prepare(ch, records, count, err);

	if (fate == FATE_DONE && ch->ready)
		fate = clickhouse_send(ch, err);
	else
		return fate;
	if (fate == FATE_DONE)
		fate = finish_insert(ch, &refusal, err);
	if (fate == FATE_REJECT)
		reject_named(ch, records, &refusal, err);
	return fate;
}

enum fate
clickhouse_answer(void *state, struct record *const *records, size_t count, int wait_ms,
    bool *ret_there, struct err *err)
{
	struct clickhouse *ch = state;
	struct exchange *insert = &ch->inserts[ch->flying];
	struct refusal refusal = { 0 };
	bool changed = false;
	enum fate fate;

	*ret_there = true;
	if (server_wait(ch, insert, wait_ms, err) != FATE_DONE)
		return err->fate;
	if (insert->open) {
		*ret_there = false;
		return FATE_DONE;
	}
	fate = judge(ch, &refusal, err);
	if (fate == FATE_DONE || refusal.verdict == CLICKHOUSE_BUSY ||
	    refusal.verdict == CLICKHOUSE_WRONG)
		return fate;
	fate = look_again(ch, records, count, &refusal, &changed, err);
	return changed ? deliver_changed(ch, records, count, err) : fate;
}

enum fate
clickhouse_deliver(void *state, struct record *const *records, size_t count, struct err *err)
{
	struct clickhouse *ch = state;
	bool there = false;
	enum fate fate = clickhouse_prepare(ch, records, count, err);

	if (fate != FATE_DONE || !ch->ready)
		return fate;
	fate = clickhouse_send(ch, err);
	while (fate == FATE_DONE && !there)
		fate = clickhouse_answer(ch, records, count, ANSWER_STEP_MS, &there, err);
	return fate;
}
