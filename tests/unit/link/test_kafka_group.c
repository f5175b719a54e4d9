/* SPDX-License-Identifier: Apache-2.0 */
/* What a group member does with committed offsets, refusals and callers that refuse. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "kafka_mock.h"
#include "link/kafka_consumer.h"
#include "link/kafka_ops.h"
#include "link/kafka_producer.h"

enum { LIST_OFFSETS = 2, OFFSET_FETCH = 9, HEARTBEAT = 12, RECORDS = 10 };

static struct kafka_mock mock;

struct seen {
	int assigns, revokes;
	bool lost;
	int64_t offsets[2];
	int64_t start; /* what on_assign sets; KAFKA_NO_OFFSET: leaves them */
	enum fate answer;
	int64_t stop_at; /* 0: never */
};

static int
setup(void **state)
{
	struct kafka_out out = { .topic = "in", .value = SLICE("v") };
	struct kafka_producer *producer;
	struct err err;

	(void)state;
	kafka_mock_open(&mock);
	kafka_mock_topic(&mock, "in", 2);
	assert_int_equal(kafka_producer_open(&producer, &mock.conf, &err), FATE_DONE);
	for (int i = 0; i < 2 * RECORDS; i++) {
		out.partition = i % 2;
		assert_int_equal(kafka_producer_send(producer, &out, &err), FATE_DONE);
	}
	assert_int_equal(kafka_producer_flush(producer, 10000, &err), FATE_DONE);
	kafka_producer_close(producer);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	kafka_mock_close(&mock);
	return 0;
}

static enum fate
on_assign(void *ctx, struct kafka_part *parts, size_t count, struct err *err)
{
	struct seen *seen = ctx;

	seen->assigns++;
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(parts[i].topic, "in");
		seen->offsets[parts[i].partition] = parts[i].offset;
		if (seen->start != KAFKA_NO_OFFSET)
			parts[i].offset = seen->start;
	}
	return seen->answer ? err_set(err, seen->answer, "the caller says no") : FATE_DONE;
}

static void
on_revoke(void *ctx, const struct kafka_part *parts, size_t count, bool lost)
{
	struct seen *seen = ctx;

	assert_true(count == 2 && parts[0].offset == KAFKA_NO_OFFSET);
	seen->revokes++;
	seen->lost = lost;
}

static bool
stopping(void *ctx)
{
	const struct seen *seen = ctx;

	return seen->stop_at && clock_mono_ms() >= seen->stop_at;
}

static struct kafka_consumer *
join(const char *group, struct seen *seen, int64_t stable_wait_ms)
{
	struct kafka_consumer_conf conf = { .common = mock.conf,
		.group = group,
		/* How long a second member waits for a first that left; the mock of old
		 * versions delays the first join by 3 s. */
		.session_ms = RD_KAFKA_VERSION >= 0x020800ff ? 2000 : 0,
		.stable_wait_ms = stable_wait_ms,
		.on_assign = on_assign,
		.on_revoke = on_revoke,
		.ctx = seen };
	const char *topics[] = { "in" };
	struct kafka_consumer *consumer;
	struct err err;

	conf.common.stopping = stopping;
	conf.common.stop_ctx = seen;
	assert_int_equal(kafka_consumer_open(&consumer, &conf, &err), FATE_DONE);
	assert_int_equal(kafka_consumer_subscribe(consumer, topics, 1, &err), FATE_DONE);
	return consumer;
}

static enum kafka_polled
next(struct kafka_consumer *consumer, struct kafka_message *message, struct err *err)
{
	for (int i = 0; i < 150; i++) {
		enum kafka_polled polled = kafka_consumer_poll(consumer, 100, message, err);

		if (polled != KAFKA_NOTHING)
			return polled;
	}
	return KAFKA_NOTHING;
}

static void
a_partition_without_an_offset_is_refused(void **state)
{
	struct seen seen = { .start = KAFKA_NO_OFFSET };
	struct kafka_consumer *consumer = join("g-none", &seen, 0);
	struct kafka_message message;
	struct err err;

	(void)state;
	assert_int_equal(next(consumer, &message, &err), KAFKA_ERROR);
	assert_int_equal(err.fate, FATE_HALT);
	assert_false(kafka_wants_restart(&err));
	assert_non_null(strstr(err.what, "no committed offset"));
	assert_true(kafka_consumer_close(consumer, 5000));
	assert_int_equal(seen.assigns, 1);
	assert_int_equal(seen.revokes, 0); /* it never owned them */
}

static void
the_callers_refusal_comes_out_of_poll(void **state)
{
	struct seen seen = { .start = 0, .answer = FATE_HALT };
	struct kafka_consumer *consumer = join("g-no", &seen, 0);
	struct kafka_message message;
	struct err err;

	(void)state;
	assert_int_equal(next(consumer, &message, &err), KAFKA_ERROR);
	assert_string_equal(err.what, "the caller says no");
	assert_int_equal(kafka_consumer_poll(consumer, 300, &message, &err), KAFKA_NOTHING);
	assert_true(kafka_consumer_close(consumer, 5000));
}

static void
read_from(struct kafka_consumer *consumer, int64_t start)
{
	struct kafka_message message;
	struct err err;
	bool first[2] = { true, true };

	for (int got = 0; got < 2 * (RECORDS - (int)start);) {
		enum kafka_polled polled = next(consumer, &message, &err);

		assert_true(polled == KAFKA_MESSAGE || polled == KAFKA_EOF);
		if (polled == KAFKA_EOF)
			continue;
		if (first[message.partition])
			assert_true(message.offset == start);
		first[message.partition] = false;
		kafka_message_free(&message);
		got++;
	}
}

static void
it_starts_where_the_group_stands_and_rewinds_there(void **state)
{
	struct seen seen = { .start = 2 };
	struct kafka_consumer *consumer = join("g-yes", &seen, 0);
	struct kafka_part parts[] = { { "in", 0, 7, { 0 } }, { "in", 1, 7, { 0 } } };
	size_t count;
	struct err err;

	(void)state;
	read_from(consumer, 2);
	assert_int_equal(kafka_consumer_commit(consumer, parts, 2, &err), FATE_DONE);
	assert_int_equal(kafka_consumer_rewind(consumer, &err), FATE_DONE);
	read_from(consumer, 7);
	kafka_consumer_assignment(consumer, parts, 2, &count);
	assert_int_equal(count, 2);
	assert_false(kafka_consumer_lost(consumer));
	assert_true(kafka_consumer_close(consumer, 5000));
	assert_int_equal(seen.revokes, 1);
	assert_false(seen.lost);

	seen = (struct seen){ .start = KAFKA_NO_OFFSET };
	consumer = join("g-yes", &seen, 0);
	read_from(consumer, 7);
	assert_true(seen.offsets[0] == 7 && seen.offsets[1] == 7);
	assert_true(kafka_consumer_close(consumer, 5000));
}

/* The reset that librdkafka does on its own here would start at the wrong place. */
static void
unstable_offsets_are_waited_for(void **state)
{
	struct seen seen = { .start = 1 };
	struct kafka_consumer *consumer;

	(void)state;
	kafka_mock_fail(&mock, OFFSET_FETCH, RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT, 3);
	consumer = join("g-unstable", &seen, 0);
	read_from(consumer, 1);
	assert_int_equal(seen.assigns, 1);
	assert_true(kafka_consumer_close(consumer, 5000));
}

static void
unstable_for_too_long_asks_for_a_restart(void **state)
{
	struct seen seen = { .start = 1 };
	struct kafka_consumer *consumer;
	struct kafka_message message;
	struct err err;

	(void)state;
	for (int i = 0; i < 20; i++)
		kafka_mock_fail(
		    &mock, OFFSET_FETCH, RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT, 16);
	consumer = join("g-never", &seen, 300);
	assert_int_equal(next(consumer, &message, &err), KAFKA_ERROR);
	assert_true(kafka_wants_restart(&err));
	assert_int_equal(seen.assigns, 0);
	assert_true(kafka_consumer_close(consumer, 5000));
	rd_kafka_mock_clear_request_errors(mock.cluster, OFFSET_FETCH);
}

static void
waiting_looks_at_the_stop_flag(void **state)
{
	struct seen seen = { .start = 1, .stop_at = clock_mono_ms() + 100 };
	struct kafka_consumer *consumer;
	struct kafka_message message;
	struct err err;

	(void)state;
	for (int i = 0; i < 20; i++)
		kafka_mock_fail(
		    &mock, OFFSET_FETCH, RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT, 16);
	consumer = join("g-stop", &seen, 60000);
	assert_int_equal(next(consumer, &message, &err), KAFKA_ERROR);
	assert_non_null(strstr(err.what, "told to stop"));
	assert_true(kafka_consumer_close(consumer, 5000));
	rd_kafka_mock_clear_request_errors(mock.cluster, OFFSET_FETCH);
}

static void
an_expelled_member_is_told_that_all_is_lost(void **state)
{
	struct seen seen = { .start = 0 };
	struct kafka_consumer *consumer = join("g-lost", &seen, 0);
	const rd_kafka_consumer_group_metadata_t *frozen;
	struct kafka_message message;
	struct err err;

	(void)state;
	assert_null(kafka_consumer_group_metadata(consumer));
	read_from(consumer, 0);
	frozen = kafka_consumer_group_metadata(consumer);
	assert_non_null(frozen);
	kafka_mock_fail(&mock, HEARTBEAT, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, 1);
	for (int i = 0; i < 100 && !seen.revokes; i++) {
		/* Taken at the assignment, it is never newer than that. */
		assert_ptr_equal(kafka_consumer_group_metadata(consumer), frozen);
		if (kafka_consumer_poll(consumer, 100, &message, &err) == KAFKA_MESSAGE)
			kafka_message_free(&message);
	}
	assert_true(seen.lost);
	assert_null(kafka_consumer_group_metadata(consumer));
	assert_true(kafka_consumer_close(consumer, 5000));
}

static void
a_fenced_instance_asks_for_a_restart(void **state)
{
	struct seen seen = { .start = 0 };
	struct kafka_consumer_conf conf = { .common = mock.conf,
		.group = "g-fenced",
		.instance = "0",
		.on_assign = on_assign,
		.ctx = &seen };
	const char *topics[] = { "in" };
	enum kafka_polled polled = KAFKA_NOTHING;
	struct kafka_consumer *consumer;
	struct kafka_message message;
	struct err err;

	(void)state;
	assert_int_equal(kafka_consumer_open(&consumer, &conf, &err), FATE_DONE);
	assert_int_equal(kafka_consumer_subscribe(consumer, topics, 1, &err), FATE_DONE);
	read_from(consumer, 0);
	kafka_mock_fail(&mock, HEARTBEAT, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, 1);
	for (int i = 0; i < 100 && polled != KAFKA_ERROR; i++)
		polled = kafka_consumer_poll(consumer, 100, &message, &err);
	assert_int_equal(polled, KAFKA_ERROR);
	assert_true(kafka_wants_restart(&err));
	assert_true(kafka_consumer_close(consumer, 5000));
}

/* librdkafka remembers what it knew of a topic that was made or grew since, and does not ask.
 */
static void
ends_of_a_topic_that_came_later_are_found(void **state)
{
	struct kafka_consumer_conf conf = { .common = mock.conf };
	struct kafka_part part = { .topic = "later", .partition = 1 };
	struct kafka_consumer *consumer;
	struct err err;

	(void)state;
	assert_int_equal(kafka_consumer_open(&consumer, &conf, &err), FATE_DONE);
	assert_int_equal(
	    kafka_consumer_offsets_at(consumer, KAFKA_AT_END, &part, 1, 1000, &err), FATE_HALT);
	kafka_mock_topic(&mock, "later", 2);
	if (kafka_consumer_offsets_at(consumer, KAFKA_AT_END, &part, 1, 5000, &err) !=
	    FATE_DONE)
		fail_msg("%s", err.what);
	assert_int_equal(part.offset, 0);
	assert_true(kafka_consumer_close(consumer, 5000));
}

static void
ends_are_asked_for_and_absent_topics_named(void **state)
{
	struct kafka_consumer_conf conf = { .common = mock.conf };
	struct kafka_part parts[] = { { .topic = "in", .partition = 1 },
		{ .topic = "in", .partition = 0 } };
	struct kafka_consumer *consumer;
	struct err err;
	int32_t count;

	(void)state;
	assert_int_equal(kafka_consumer_open(&consumer, &conf, &err), FATE_DONE);
	assert_int_equal(
	    kafka_consumer_offsets_at(consumer, KAFKA_AT_END, parts, 2, 5000, &err), FATE_DONE);
	assert_true(parts[0].offset == RECORDS && parts[1].offset == RECORDS);
	assert_int_equal(
	    kafka_consumer_offsets_at(consumer, KAFKA_AT_START, parts, 2, 5000, &err),
	    FATE_DONE);
	assert_true(parts[0].offset == 0 && parts[1].offset == 0);
	assert_int_equal(
	    kafka_consumer_high_watermarks(consumer, parts, 2, 5000, &err), FATE_DONE);
	assert_true(parts[0].offset == RECORDS && parts[1].offset == RECORDS);
	parts[1].partition = 7;
	assert_int_equal(
	    kafka_consumer_high_watermarks(consumer, parts, 2, 5000, &err), FATE_HALT);
	assert_int_equal(
	    kafka_consumer_partitions(consumer, "in", 5000, &count, &err), FATE_DONE);
	assert_int_equal(count, 2);
	rd_kafka_mock_topic_set_error(
	    mock.cluster, "absent", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	assert_int_equal(
	    kafka_consumer_partitions(consumer, "absent", 5000, &count, &err), FATE_HALT);
	assert_non_null(strstr(err.what, "absent"));
	assert_true(kafka_consumer_close(consumer, 5000));
}

/* One record, a while after the question was put. */
static void *
send_late(void *ctx)
{
	struct kafka_out out = { .topic = "late", .value = SLICE("v") };
	struct err err;

	clock_sleep_ms(400);
	assert_int_equal(kafka_producer_send(ctx, &out, &err), FATE_DONE);
	assert_int_equal(kafka_producer_flush(ctx, 5000, &err), FATE_DONE);
	return NULL;
}

static void
a_record_that_comes_meanwhile_is_not_passed_over(void **state)
{
	struct kafka_consumer_conf conf = { .common = mock.conf };
	struct kafka_part part = { .topic = "late", .partition = 0 };
	struct kafka_consumer *consumer;
	struct kafka_producer *producer;
	pthread_t thread;
	struct err err;

	(void)state;
	kafka_mock_topic(&mock, "late", 1);
	assert_int_equal(kafka_producer_open(&producer, &mock.conf, &err), FATE_DONE);
	assert_int_equal(kafka_consumer_open(&consumer, &conf, &err), FATE_DONE);
	/* The first question waits for connections; the one that counts shall not. */
	assert_int_equal(
	    kafka_consumer_offsets_at(consumer, KAFKA_AT_END, &part, 1, 5000, &err), FATE_DONE);
	assert_int_equal(part.offset, 0);
	rd_kafka_mock_broker_push_request_error_rtts(
	    mock.cluster, 1, LIST_OFFSETS, 1, RD_KAFKA_RESP_ERR_NO_ERROR, 1200);
	assert_int_equal(pthread_create(&thread, NULL, send_late, producer), 0);
	assert_int_equal(
	    kafka_consumer_offsets_at(consumer, clock_wall_ms() - 60000, &part, 1, 5000, &err),
	    FATE_DONE);
	assert_int_equal(part.offset, 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(
	    kafka_consumer_offsets_at(consumer, KAFKA_AT_END, &part, 1, 5000, &err), FATE_DONE);
	assert_int_equal(part.offset, 1);
	assert_true(kafka_consumer_close(consumer, 5000));
	kafka_producer_close(producer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_partition_without_an_offset_is_refused),
		cmocka_unit_test(the_callers_refusal_comes_out_of_poll),
		cmocka_unit_test(it_starts_where_the_group_stands_and_rewinds_there),
		cmocka_unit_test(unstable_offsets_are_waited_for),
		cmocka_unit_test(unstable_for_too_long_asks_for_a_restart),
		cmocka_unit_test(waiting_looks_at_the_stop_flag),
		cmocka_unit_test(an_expelled_member_is_told_that_all_is_lost),
		cmocka_unit_test(a_fenced_instance_asks_for_a_restart),
		cmocka_unit_test(ends_of_a_topic_that_came_later_are_found),
		cmocka_unit_test(ends_are_asked_for_and_absent_topics_named),
		cmocka_unit_test(a_record_that_comes_meanwhile_is_not_passed_over),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
