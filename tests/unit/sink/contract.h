/* SPDX-License-Identifier: Apache-2.0 */
/* contract.h -- the promises of sink.h, asked of a driver; include cmocka first.
 *
 * The caller gives a configuration that opens and connects, and fills in the records
 * (offset, partition 3 and outcome are set): good ones, which must all become DONE.
 * RETRY on the way is fine, and so is REJECTED while the records come for the first
 * time (scripted drivers). */
#ifndef TESTS_UNIT_SINK_CONTRACT_H
#define TESTS_UNIT_SINK_CONTRACT_H

#include <stdlib.h>

#include "sink/sink.h"
#include "sink/sink_ops.h"

enum { CONTRACT_ROWS = 16, CONTRACT_PARTITION = 3 };

typedef void contract_fill(struct record *record, size_t i);

struct contract {
	struct record records[CONTRACT_ROWS];
	struct record *pointers[CONTRACT_ROWS];
};

static inline void
contract_make(struct contract *c, contract_fill *fill)
{
	for (size_t i = 0; i < CONTRACT_ROWS; i++) {
		free(c->records[i].reason);
		c->records[i] = (struct record){ .offset = 7 + (int64_t)i,
			.partition = CONTRACT_PARTITION,
			.version = 7 + i };
		fill(&c->records[i], i);
		c->pointers[i] = &c->records[i];
	}
}

static inline size_t
contract_count(const struct contract *c, enum outcome outcome)
{
	size_t n = 0;

	for (size_t i = 0; i < CONTRACT_ROWS; i++)
		n += c->records[i].outcome == outcome;
	return n;
}

static inline void
contract_settle(struct sink *sink)
{
	struct err err;

	sink_flush(sink);
	for (int i = 0; sink_pending(sink) > 0; i++) {
		enum fate fate = sink_work(sink, 20, &err);

		assert_true(i < 1000);
		assert_true(fate == FATE_DONE || fate == FATE_RETRY);
		if (sink_freezing(sink))
			sink_froze(sink);
	}
}

static inline struct sink *
contract_open(const struct sink_ops *ops, const void *config)
{
	struct sink_part part = { .partition = CONTRACT_PARTITION, .committed = 7, .end = 7 };
	struct err err = { .what = "untouched" };
	struct sink *sink;

	assert_int_equal(sink_open(ops, config, &sink, &err), FATE_DONE);
	assert_string_equal(sink_name(sink), ops->name);
	assert_int_equal(sink_connect(sink, &err), FATE_DONE);
	assert_int_equal(sink_assign(sink, &part, 1, &err), FATE_DONE);
	if (!ops->assign)
		assert_int_equal(part.start, SINK_OFFSET_COMMITTED);
	assert_int_equal(sink_pending(sink), 0);
	assert_int_equal(sink_work(sink, 0, &err), FATE_DONE); /* nothing to do */
	assert_int_equal(sink_tick(sink, 1000, &err), FATE_DONE);
	assert_string_equal(err.what, "untouched");
	assert_true(sink_replay_ms(sink) >= 0);
	return sink;
}

static inline void
contract_check(const struct sink_ops *ops, const void *config, contract_fill *fill)
{
	struct sink *sink = contract_open(ops, config);
	struct contract c = { 0 };

	/* every record gets an outcome, a refused one a reason */
	contract_make(&c, fill);
	sink_push(sink, c.pointers, 1);
	sink_push(sink, c.pointers + 1, CONTRACT_ROWS - 1);
	assert_int_equal(sink_pending(sink), CONTRACT_ROWS);
	contract_settle(sink);
	assert_int_equal(contract_count(&c, OUTCOME_PENDING), 0);
	for (size_t i = 0; i < CONTRACT_ROWS; i++)
		assert_int_equal(
		    c.records[i].outcome == OUTCOME_REJECTED, c.records[i].reason != NULL);

	/* the same again changes nothing */
	contract_make(&c, fill);
	sink_push(sink, c.pointers, CONTRACT_ROWS);
	contract_settle(sink);
	assert_int_equal(contract_count(&c, OUTCOME_DONE), CONTRACT_ROWS);

	/* what was dropped is not touched any more, and what is pending at the end neither */
	contract_make(&c, fill);
	sink_push(sink, c.pointers, CONTRACT_ROWS);
	sink_drop(sink);
	assert_int_equal(sink_pending(sink), 0);
	contract_settle(sink);
	assert_int_equal(contract_count(&c, OUTCOME_PENDING), CONTRACT_ROWS);
	sink_push(sink, c.pointers, CONTRACT_ROWS);
	sink_close(sink);
	assert_int_equal(contract_count(&c, OUTCOME_PENDING), CONTRACT_ROWS);
	contract_make(&c, fill); /* frees reasons */
}

#endif
