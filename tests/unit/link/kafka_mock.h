/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_mock.h -- librdkafka's own cluster in this process, for tests of lib/link. */
#ifndef TESTS_KAFKA_MOCK_H
#define TESTS_KAFKA_MOCK_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "link/kafka.h"

struct kafka_mock {
	rd_kafka_t *host;
	rd_kafka_mock_cluster_t *cluster;
	struct kafka_conf conf; /* of its clients */
};

static inline void
kafka_mock_open(struct kafka_mock *mock)
{
	char text[256];

	mock->host = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof text);
	assert_non_null(mock->host);
	mock->cluster = rd_kafka_mock_cluster_new(mock->host, 1);
	assert_non_null(mock->cluster);
#if RD_KAFKA_VERSION >= 0x020800ff
	rd_kafka_mock_group_initial_rebalance_delay_ms(mock->cluster, 0);
#endif
	mock->conf =
	    (struct kafka_conf){ .brokers = rd_kafka_mock_cluster_bootstraps(mock->cluster) };
}

static inline void
kafka_mock_topic(struct kafka_mock *mock, const char *topic, int partitions)
{
	assert_int_equal(rd_kafka_mock_topic_create(mock->cluster, topic, partitions, 1), 0);
}

/* The next count requests of this API key are answered with code. */
static inline void
kafka_mock_fail(struct kafka_mock *mock, int16_t key, rd_kafka_resp_err_t code, size_t count)
{
	rd_kafka_resp_err_t codes[16];

	assert_true(count <= 16);
	for (size_t i = 0; i < count; i++)
		codes[i] = code;
	rd_kafka_mock_push_request_errors_array(mock->cluster, key, count, codes);
}

static inline void
kafka_mock_close(struct kafka_mock *mock)
{
	rd_kafka_mock_cluster_destroy(mock->cluster);
	rd_kafka_destroy(mock->host);
}

#endif
