/* SPDX-License-Identifier: Apache-2.0 */
/* Errors injected one by one into a transaction, and what comes of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kafka_mock.h"
#include "link/kafka_producer.h"
#include "link/kafka_txn.h"

enum { PRODUCE = 0, INIT = 22, ADD_PARTITIONS = 24, END_TXN = 26, TXN_OFFSETS = 28 };

static struct kafka_mock mock;
static struct kafka_consumer *consumer;
static struct kafka_txn *txn;
static size_t assigned;
static size_t events;
static bool stop;

static enum fate
on_assign(void *ctx, struct kafka_part *parts, size_t count, struct err *err)
{
	(void)ctx, (void)err;
	for (size_t i = 0; i < count; i++)
		parts[i].offset = 0;
	assigned = count;
	return FATE_DONE;
}

static void
on_event(void *ctx, const struct kafka_event *event)
{
	(void)ctx;
	events += event->kind == KAFKA_EVENT_TXN;
}

static bool
stopping(void *ctx)
{
	(void)ctx;
	return stop;
}

static void
open_txn(void)
{
	struct kafka_txn_conf conf = {
		.common = mock.conf, .transactional_id = "unit-0", .timeout_ms = 8000
	};
	struct err err;

	conf.common.on_event = on_event;
	conf.common.stopping = stopping;
	assert_int_equal(kafka_txn_open(&txn, &conf, &err), FATE_DONE);
}

static int
setup(void **state)
{
	struct kafka_consumer_conf conf = { .group = "g", .on_assign = on_assign };
	const char *topics[] = { "in" };
	struct kafka_message message;
	struct err err;

	(void)state;
	kafka_mock_open(&mock);
	kafka_mock_topic(&mock, "in", 2);
	kafka_mock_topic(&mock, "out", 2);
	open_txn();
	conf.common = mock.conf;
	assert_int_equal(kafka_consumer_open(&consumer, &conf, &err), FATE_DONE);
	assert_int_equal(kafka_consumer_subscribe(consumer, topics, 1, &err), FATE_DONE);
	for (int i = 0; i < 100 && !assigned; i++)
		if (kafka_consumer_poll(consumer, 100, &message, &err) == KAFKA_ERROR)
			fail_msg("%s", err.what);
	assert_int_equal(assigned, 2);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	assert_true(kafka_consumer_close(consumer, 5000));
	kafka_txn_close(txn);
	kafka_mock_close(&mock);
	return 0;
}

static enum kafka_verdict
run(struct err *err)
{
	struct header header = { SLICE("h"), SLICE("v") };
	struct kafka_out outs[] = {
		{ "out", 0, SLICE("a"), SLICE("1"), &header, 1, 0 },
		{ "out", 1, SLICE("b"), { 0 }, NULL, 0, 0 },
	};
	static int64_t offset;
	struct kafka_part part = { "in", 1, ++offset, SLICE("meta") };

	return kafka_txn_run(
	    txn, kafka_outs_next, &(struct kafka_outs){ outs, 2 }, consumer, &part, 1, err);
}

struct injected {
	const char *name;
	int16_t key;
	rd_kafka_resp_err_t code;
	size_t count;
	enum kafka_verdict verdict;
	int aborts, recreated, rotated; /* what the statistics grow by */
};

#define ROW(key, name, ...)                                                                    \
	{                                                                                      \
#key " " #name, key, RD_KAFKA_RESP_ERR_##name, __VA_ARGS__                     \
	}

static const struct injected table[] = {
	ROW(PRODUCE, _TRANSPORT, 1, KAFKA_GO_ON, 0, 0, 0),
	ROW(PRODUCE, NOT_LEADER_FOR_PARTITION, 2, KAFKA_GO_ON, 0, 0, 0),
	ROW(PRODUCE, OUT_OF_ORDER_SEQUENCE_NUMBER, 1, KAFKA_ABORTED, 0, 1, 0),
	ROW(PRODUCE, INVALID_PRODUCER_EPOCH, 1, KAFKA_ABORTED, 0, 1, 0),
	ROW(ADD_PARTITIONS, CONCURRENT_TRANSACTIONS, 3, KAFKA_GO_ON, 0, 0, 0),
	ROW(TXN_OFFSETS, ILLEGAL_GENERATION, 1, KAFKA_ABORTED, 1, 0, 0),
	ROW(TXN_OFFSETS, UNKNOWN_MEMBER_ID, 1, KAFKA_ABORTED, 1, 0, 0),
	ROW(TXN_OFFSETS, FENCED_INSTANCE_ID, 1, KAFKA_ABORTED, 1, 0, 0),
	ROW(TXN_OFFSETS, COORDINATOR_LOAD_IN_PROGRESS, 2, KAFKA_GO_ON, 0, 0, 1),
	ROW(END_TXN, _TRANSPORT, 1, KAFKA_GO_ON, 0, 0, 1),
	ROW(END_TXN, COORDINATOR_NOT_AVAILABLE, 2, KAFKA_GO_ON, 0, 0, 1),
	ROW(END_TXN, PRODUCER_FENCED, 1, KAFKA_ABORTED, 0, 1, 0),
	ROW(END_TXN, INVALID_TXN_STATE, 1, KAFKA_ABORTED, 0, 1, 0),
	ROW(END_TXN, UNKNOWN, 1, KAFKA_ABORTED, 1, 1, 0),
};

static void
expect_row(const struct injected *row)
{
	struct kafka_txn_stats before, after;
	enum kafka_verdict verdict;
	struct err err = { 0 };

	kafka_txn_stats(txn, &before);
	kafka_mock_fail(&mock, row->key, row->code, row->count);
	verdict = run(&err);
	rd_kafka_mock_clear_request_errors(mock.cluster, row->key);
	kafka_txn_stats(txn, &after);
	if (verdict != row->verdict || after.aborts - before.aborts != row->aborts ||
	    after.recreated - before.recreated != row->recreated ||
	    after.rotated - before.rotated != row->rotated)
		fail_msg("%s: verdict %d aborts %d recreated %d rotated %d: %s", row->name,
		    (int)verdict, (int)(after.aborts - before.aborts),
		    (int)(after.recreated - before.recreated),
		    (int)(after.rotated - before.rotated), err.what);
	assert_int_equal(after.commits - before.commits, verdict == KAFKA_GO_ON);
	assert_true(verdict == KAFKA_GO_ON || err.what[0]);
	if (run(&err) != KAFKA_GO_ON)
		fail_msg("after %s: %s", row->name, err.what);
}

static void
each_error_has_its_verdict_and_the_next_batch_goes(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(run(&err), KAFKA_GO_ON);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		expect_row(&table[i]);
	assert_true(events > 5);
}

static void
offsets_and_metadata_are_committed(void **state)
{
	struct kafka_part parts[] = { { .topic = "in", .partition = 0 },
		{ .topic = "in", .partition = 1 } };
	struct arena arena;
	struct err err;

	(void)state;
	arena_init(&arena, 65536);
	assert_int_equal(run(&err), KAFKA_GO_ON);
	assert_int_equal(kafka_consumer_committed(consumer, parts, 2, &arena, &err), FATE_DONE);
	assert_true(parts[0].offset == KAFKA_NO_OFFSET);
	/* The mock coordinator takes TxnOffsetCommit but stores nothing: the broker's
	 * part is tested in tests/integration. */
	parts[1].offset = 77;
	parts[1].metadata = SLICE("n=9");
	assert_int_equal(kafka_consumer_commit(consumer, &parts[1], 1, &err), FATE_DONE);
	parts[1].offset = 0;
	assert_int_equal(kafka_consumer_committed(consumer, parts, 2, &arena, &err), FATE_DONE);
	assert_true(parts[1].offset == 77);
	assert_true(slice_eq(parts[1].metadata, SLICE("n=9")));
	assert_int_equal(kafka_consumer_rewind(consumer, &err), FATE_HALT);
	assert_non_null(strstr(err.what, "in/0"));
	arena_finish(&arena);
}

static enum fate
two_and_a_halt(void *ctx, const struct kafka_out **ret_outs, size_t *ret_count, struct err *err)
{
	static struct kafka_out out = { .topic = "out" };
	unsigned *given = ctx;

	out.value = SLICE("x");
	if ((*given)++ == 2)
		return err_set(err, FATE_HALT, "no third");
	*ret_outs = &out;
	*ret_count = 1;
	return FATE_DONE;
}

static void
a_halt_while_records_are_made_undoes_it(void **state)
{
	struct kafka_txn_stats before, after;
	unsigned given = 0;
	struct err err;

	(void)state;
	kafka_txn_stats(txn, &before);
	assert_int_equal(
	    kafka_txn_run(txn, two_and_a_halt, &given, NULL, NULL, 0, &err), KAFKA_EXIT);
	assert_string_equal(err.what, "no third");
	assert_int_equal(given, 3);
	kafka_txn_stats(txn, &after);
	assert_int_equal(after.aborts, before.aborts + 1);
	assert_int_equal(after.commits, before.commits);
	assert_int_equal(run(&err), KAFKA_GO_ON); /* the producer is whole */
}

static void
a_partition_that_is_not_there_ends_it(void **state)
{
	struct kafka_out out = { .topic = "out", .partition = 2, .value = SLICE("x") };
	struct err err;

	(void)state;
	assert_int_equal(kafka_txn_run(txn, kafka_outs_next, &(struct kafka_outs){ &out, 1 },
			     NULL, NULL, 0, &err),
	    KAFKA_EXIT);
	assert_int_equal(err.fate, FATE_HALT);
	assert_false(kafka_wants_restart(&err));
	kafka_txn_close(txn);
	open_txn();
}

static void
a_producer_that_may_not_begin_is_not_tried_for_ever(void **state)
{
	struct kafka_txn_conf conf = { .common = mock.conf, .transactional_id = "unit-1" };
	struct kafka_txn *other;
	struct err err;

	(void)state;
	kafka_mock_fail(
	    &mock, INIT, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 1);
	assert_int_equal(kafka_txn_open(&other, &conf, &err), FATE_HALT);
	assert_false(kafka_wants_restart(&err));
	assert_non_null(strstr(err.what, "unit-1"));
}

/* Once aborted, in case it was a moment's; librdkafka then remembers it. */
static void
a_missing_right_ends_it_at_the_second_batch(void **state)
{
	struct err err;

	(void)state;
	kafka_mock_fail(&mock, PRODUCE, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1);
	assert_int_equal(run(&err), KAFKA_ABORTED);
	assert_int_equal(run(&err), KAFKA_EXIT);
	assert_false(kafka_wants_restart(&err));
	kafka_txn_close(txn);
	open_txn();
}

static void
told_to_stop_it_does_not_recreate(void **state)
{
	struct err err;

	(void)state;
	stop = true;
	kafka_mock_fail(&mock, END_TXN, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, 1);
	assert_int_equal(run(&err), KAFKA_EXIT);
	assert_true(kafka_wants_restart(&err));
	stop = false;
	kafka_txn_close(txn);
	open_txn();
}

/* Two owners of one transactional id would fence each other for ever. */
static void
a_producer_is_replaced_ten_times_in_a_row_at_most(void **state)
{
	enum kafka_verdict verdict = KAFKA_GO_ON;
	struct kafka_txn_stats before, after;
	struct err err;
	int runs = 0;

	(void)state;
	assert_int_equal(run(&err), KAFKA_GO_ON); /* a commit begins the row anew */
	kafka_txn_stats(txn, &before);
	while (verdict != KAFKA_EXIT && runs++ < 20) {
		kafka_mock_fail(&mock, END_TXN, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, 1);
		verdict = run(&err);
		assert_int_not_equal(verdict, KAFKA_GO_ON);
	}
	rd_kafka_mock_clear_request_errors(mock.cluster, END_TXN);
	kafka_txn_stats(txn, &after);
	assert_int_equal(verdict, KAFKA_EXIT);
	assert_int_equal(runs, 11);
	assert_int_equal(after.recreated - before.recreated, 11);
	assert_int_equal(after.commits, before.commits);
	assert_true(kafka_wants_restart(&err));
	kafka_txn_close(txn);
	open_txn();
}

static void
commits_say_what_to_do(void **state)
{
	static const struct {
		rd_kafka_resp_err_t code;
		enum fate fate;
	} cases[] = {
		{ RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, FATE_RETRY },
		{ RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, FATE_RETRY },
		{ RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, FATE_HALT },
		{ RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE, FATE_HALT },
	};
	struct kafka_part part = { "in", 1, 5, { 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err = { 0 };

		kafka_mock_fail(&mock, 8, cases[i].code, 1);
		assert_int_equal(
		    kafka_consumer_commit(consumer, &part, 1, &err), cases[i].fate);
	}
}

static void
ends_are_asked_of_the_producer(void **state)
{
	struct kafka_part before[] = { { "out", 0 }, { "out", 1 } },
			  after[] = { { "out", 0 }, { "out", 1 } };
	struct err err;

	(void)state;
	assert_int_equal(
	    kafka_txn_offsets_at(txn, KAFKA_AT_END, before, 2, 5000, &err), FATE_DONE);
	assert_int_equal(run(&err), KAFKA_GO_ON);
	assert_int_equal(
	    kafka_txn_offsets_at(txn, KAFKA_AT_END, after, 2, 5000, &err), FATE_DONE);
	for (size_t i = 0; i < 2; i++)
		assert_true(before[i].offset >= 0 && after[i].offset > before[i].offset);
	assert_int_equal(
	    kafka_txn_offsets_at(txn, KAFKA_AT_START, after, 2, 5000, &err), FATE_DONE);
	assert_int_equal(after[0].offset, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_error_has_its_verdict_and_the_next_batch_goes),
		cmocka_unit_test(offsets_and_metadata_are_committed),
		cmocka_unit_test(ends_are_asked_of_the_producer),
		cmocka_unit_test(a_halt_while_records_are_made_undoes_it),
		cmocka_unit_test(a_partition_that_is_not_there_ends_it),
		cmocka_unit_test(a_producer_that_may_not_begin_is_not_tried_for_ever),
		cmocka_unit_test(a_missing_right_ends_it_at_the_second_batch),
		cmocka_unit_test(told_to_stop_it_does_not_recreate),
		cmocka_unit_test(a_producer_is_replaced_ten_times_in_a_row_at_most),
		cmocka_unit_test(commits_say_what_to_do),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
