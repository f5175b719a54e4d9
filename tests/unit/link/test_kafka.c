/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kafka_mock.h"
#include "link/kafka_consumer.h"
#include "link/kafka_ops.h"
#include "link/kafka_producer.h"

static struct kafka_mock mock;

static int
setup(void **state)
{
	(void)state;
	kafka_mock_open(&mock);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	kafka_mock_close(&mock);
	return 0;
}

static void
every_row_of_the_table_sets_its_fate(void **state)
{
	size_t count;
	const struct kafka_error_row *rows = kafka_error_table(&count);

	(void)state;
	assert_true(count > 50);
	for (size_t i = 0; i < count; i++) {
		struct err err;

		assert_int_equal(
		    kafka_error_set(&err, rows[i].code, "call %d", 7), rows[i].fate);
		assert_int_equal(err.fate, rows[i].fate);
		assert_true(kafka_wants_restart(&err) == rows[i].restart);
		assert_true(!rows[i].restart || rows[i].fate == FATE_HALT);
		assert_memory_equal(err.what, "call 7: ", 8);
		assert_non_null(strstr(err.what, rows[i].why));
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(rows[k].code, rows[i].code);
	}
}

static void
fates_that_the_design_names(void **state)
{
	static const struct {
		int code;
		enum fate fate;
		bool restart;
	} cases[] = {
		{ RD_KAFKA_RESP_ERR__TRANSPORT, FATE_RETRY, false },
		{ RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT, FATE_RETRY, false },
		{ RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, FATE_RETRY, false },
		{ RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, FATE_REJECT, false },
		{ RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, FATE_HALT, true },
		{ RD_KAFKA_RESP_ERR__FENCED, FATE_HALT, true },
		{ RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, FATE_HALT, false },
		{ RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, FATE_HALT, false },
		{ 31999, FATE_RETRY, false }, /* not in the table */
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err;

		assert_int_equal(kafka_error_set(&err, cases[i].code, "x"), cases[i].fate);
		assert_true(kafka_wants_restart(&err) == cases[i].restart);
	}
}

static void
properties_that_exactness_hangs_on_are_refused(void **state)
{
	static const struct kafka_property bad[] = {
		{ "isolation.level", "read_uncommitted" },
		{ "enable.auto.commit", "true" },
		{ "transactional.id", "mine" },
		{ "no.such.property", "1" },
		{ "fetch.wait.max.ms", "soon" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct kafka_consumer_conf conf = { .common = mock.conf, .group = "g" };
		struct kafka_consumer *consumer;
		struct err err;

		conf.common.properties = &bad[i];
		conf.common.property_count = 1;
		assert_int_equal(kafka_consumer_open(&consumer, &conf, &err), FATE_HALT);
		assert_non_null(strstr(err.what, bad[i].key));
		assert_false(kafka_wants_restart(&err));
	}
}

/* Without them a small transaction takes three times as long, or ten at its worst. */
static void
what_transactions_need_to_be_fast_is_set(void **state)
{
	static const char *const want[][2] = { { "retry.backoff.ms", "5" },
		{ "delivery.report.only.error", "false" }, { "enable.idempotence", "true" },
		{ "socket.nagle.disable", "true" }, { "compression.codec", "lz4" } };
	struct kafka_client client = { .conf = mock.conf };
	char value[64];
	rd_kafka_conf_t *conf;
	struct err err;
	size_t size;

	(void)state;
	assert_int_equal(kafka_producer_conf(&client, NULL, 0, &conf, &err), FATE_DONE);
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		size = sizeof value;
		assert_int_equal(
		    rd_kafka_conf_get(conf, want[i][0], value, &size), RD_KAFKA_CONF_OK);
		assert_string_equal(value, want[i][1]);
	}
	size = sizeof value; /* deliveries are reported, or commit polls in steps of 10 ms */
	assert_int_equal(rd_kafka_conf_get(conf, "dr_msg_cb", value, &size), RD_KAFKA_CONF_OK);
	assert_string_not_equal(value, "(nil)");
	rd_kafka_conf_destroy(conf);
}

static void
send_one(struct kafka_producer *producer, const struct kafka_out *out)
{
	struct err err;

	assert_int_equal(kafka_producer_send(producer, out, &err), FATE_DONE);
}

static void
fill(const char *topic)
{
	struct header headers[] = { { SLICE("a"), SLICE("1") }, { SLICE("empty"), SLICE("") },
		{ SLICE("null"), { 0 } }, { SLICE("a"), SLICE("2") } };
	struct kafka_out outs[] = {
		{ topic, 0, SLICE("k0"), SLICE("v0"), headers, 4, 1700000000123 },
		{ topic, 0, SLICE("k1"), { 0 }, NULL, 0, 0 },
		{ topic, 0, SLICE(""), SLICE(""), NULL, 0, 0 },
		{ topic, 0, { 0 }, SLICE("v3"), NULL, 0, 0 },
	};
	struct kafka_producer *producer;
	struct err err;

	assert_int_equal(kafka_producer_open(&producer, &mock.conf, &err), FATE_DONE);
	for (size_t i = 0; i < sizeof outs / sizeof *outs; i++)
		send_one(producer, &outs[i]);
	assert_int_equal(kafka_producer_flush(producer, 10000, &err), FATE_DONE);
	outs[0].partition = 1;
	assert_int_equal(kafka_producer_send(producer, &outs[0], &err), FATE_HALT);
	assert_non_null(strstr(err.what, "has 1 partitions"));
	outs[0].topic = "absent";
	rd_kafka_mock_topic_set_error(
	    mock.cluster, "absent", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	assert_int_equal(kafka_producer_send(producer, &outs[0], &err), FATE_HALT);
	kafka_producer_close(producer);
}

/* Polls past "nothing". */
static enum kafka_polled
next(struct kafka_consumer *consumer, struct kafka_message *message, struct err *err)
{
	for (int i = 0; i < 100; i++) {
		enum kafka_polled polled = kafka_consumer_poll(consumer, 100, message, err);

		if (polled != KAFKA_NOTHING)
			return polled;
	}
	return KAFKA_NOTHING;
}

static void
expect(struct kafka_consumer *consumer, int64_t offset, struct slice key, struct slice value)
{
	struct kafka_message message;
	struct err err;

	assert_int_equal(next(consumer, &message, &err), KAFKA_MESSAGE);
	assert_true(message.offset == offset);
	assert_true(slice_eq(message.key, key) && slice_eq(message.value, value));
	assert_true(!message.key.p == !key.p);
	assert_true(!message.value.p == !value.p);
	kafka_message_free(&message);
	kafka_message_free(&message);
}

static void
expect_end(struct kafka_consumer *consumer, const char *topic, int64_t offset)
{
	struct kafka_message message;
	struct err err;

	assert_int_equal(next(consumer, &message, &err), KAFKA_EOF);
	assert_true(message.offset == offset && message.partition == 0);
	assert_string_equal(message.topic, topic);
	assert_null(message.handle);
}

/* Taken out, and given back as they were. */
static void
expect_taken(const struct kafka_message *message)
{
	struct header headers[4];
	struct err err;
	char *block;
	size_t count;

	assert_int_equal(
	    kafka_message_take_headers(message, headers, 3, &count, &block, &err), FATE_REJECT);
	assert_null(block);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    kafka_message_take_headers(message, headers, 4, &count, &block, &err),
		    FATE_DONE);
		assert_int_equal(count, 4);
		assert_true(slice_eq(headers[0].name, SLICE("a")));
		assert_true(slice_eq(headers[3].value, SLICE("2")));
		assert_true(headers[1].value.p && headers[1].value.len == 0);
		assert_null(headers[2].value.p);
		kafka_message_give_headers(message, block);
		free(block);
	}
}

static void
expect_headers(struct kafka_consumer *consumer)
{
	struct kafka_message message;
	struct header headers[4];
	struct err err;
	size_t count;

	assert_int_equal(next(consumer, &message, &err), KAFKA_MESSAGE);
	assert_true(message.timestamp_ms == 1700000000123);
	assert_int_equal(
	    kafka_message_headers(&message, headers, 3, &count, &err), FATE_REJECT);
	assert_int_equal(kafka_message_headers(&message, headers, 4, &count, &err), FATE_DONE);
	assert_int_equal(count, 4);
	assert_true(slice_eq(headers[0].name, SLICE("a")));
	assert_true(slice_eq(headers[3].value, SLICE("2")));
	assert_true(headers[1].value.p && headers[1].value.len == 0);
	assert_null(headers[2].value.p);
	expect_taken(&message);
	kafka_message_free(&message);
}

static void
null_and_empty_travel_apart_and_ends_are_told(void **state)
{
	struct kafka_consumer_conf conf = { .common = mock.conf };
	struct kafka_part part = { .topic = "t", .offset = 0 };
	struct kafka_consumer *consumer;
	struct kafka_message message;
	struct err err;

	(void)state;
	kafka_mock_topic(&mock, "t", 1);
	fill("t");
	assert_int_equal(kafka_consumer_open(&consumer, &conf, &err), FATE_DONE);
	assert_int_equal(kafka_consumer_assign(consumer, &part, 1, &err), FATE_DONE);
	expect_headers(consumer);
	expect(consumer, 1, SLICE("k1"), (struct slice){ 0 });
	expect(consumer, 2, SLICE(""), SLICE(""));
	expect(consumer, 3, (struct slice){ 0 }, SLICE("v3"));
	expect_end(consumer, "t", 4);

	part.offset = 3;
	assert_int_equal(kafka_consumer_seek(consumer, &part, 1, &err), FATE_DONE);
	expect(consumer, 3, (struct slice){ 0 }, SLICE("v3"));
	expect_end(consumer, "t", 4);

	assert_int_equal(kafka_consumer_pause(consumer, NULL, 0, &err), FATE_DONE);
	assert_int_equal(kafka_consumer_seek(consumer, &part, 1, &err), FATE_DONE);
	assert_int_equal(kafka_consumer_poll(consumer, 300, &message, &err), KAFKA_NOTHING);
	assert_int_equal(kafka_consumer_resume(consumer, NULL, 0, &err), FATE_DONE);
	expect(consumer, 3, (struct slice){ 0 }, SLICE("v3"));
	assert_true(kafka_consumer_close(consumer, 5000));
}

static void
an_offset_that_is_gone_stops_the_reader(void **state)
{
	struct kafka_consumer_conf conf = { .common = mock.conf };
	struct kafka_part part = { .topic = "t", .offset = 1000 };
	struct kafka_consumer *consumer;
	struct kafka_message message;
	struct err err;

	(void)state;
	assert_int_equal(kafka_consumer_open(&consumer, &conf, &err), FATE_DONE);
	assert_int_equal(kafka_consumer_assign(consumer, &part, 1, &err), FATE_DONE);
	assert_int_equal(next(consumer, &message, &err), KAFKA_ERROR);
	assert_int_equal(err.fate, FATE_HALT);
	assert_false(kafka_wants_restart(&err));
	assert_true(kafka_consumer_close(consumer, 5000));
}

struct heard {
	pthread_t thread;
	size_t logs, errors, stats;
};

static void
on_event(void *ctx, const struct kafka_event *event)
{
	struct heard *heard = ctx;

	assert_true(pthread_equal(pthread_self(), heard->thread));
	assert_true(event->client[0] && event->code && event->text[0]);
	heard->logs += event->kind == KAFKA_EVENT_LOG;
	heard->errors += event->kind == KAFKA_EVENT_ERROR;
	heard->stats += event->kind == KAFKA_EVENT_STATS && event->text[0] == '{';
}

static void
what_librdkafka_says_comes_out_of_poll_on_our_thread(void **state)
{
	struct heard heard = { .thread = pthread_self() };
	struct kafka_property property = { "debug", "broker" };
	struct kafka_consumer_conf conf = { .common = { .brokers = "127.0.0.1:1",
						.properties = &property,
						.property_count = 1,
						.stats_ms = 50,
						.on_event = on_event,
						.event_ctx = &heard } };
	struct kafka_consumer *consumer;
	struct kafka_message message;
	struct err err;

	(void)state;
	assert_int_equal(kafka_consumer_open(&consumer, &conf, &err), FATE_DONE);
	for (int i = 0; i < 100 && !(heard.logs && heard.errors && heard.stats); i++)
		assert_int_equal(
		    kafka_consumer_poll(consumer, 50, &message, &err), KAFKA_NOTHING);
	assert_true(heard.logs && heard.errors && heard.stats);
	assert_true(kafka_consumer_close(consumer, 5000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_of_the_table_sets_its_fate),
		cmocka_unit_test(fates_that_the_design_names),
		cmocka_unit_test(properties_that_exactness_hangs_on_are_refused),
		cmocka_unit_test(what_transactions_need_to_be_fast_is_set),
		cmocka_unit_test(null_and_empty_travel_apart_and_ends_are_told),
		cmocka_unit_test(an_offset_that_is_gone_stops_the_reader),
		cmocka_unit_test(what_librdkafka_says_comes_out_of_poll_on_our_thread),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
