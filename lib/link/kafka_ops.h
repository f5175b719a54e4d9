/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_ops.h -- what the Kafka clients share among themselves; for kafka_*.c only.
 *
 * A kafka_client is one librdkafka instance with the configuration it came from
 * and the topics it has named. Producers lose their instance and get a new one;
 * the client, its names included, stays. */
#ifndef LINK_KAFKA_OPS_H
#define LINK_KAFKA_OPS_H

#include <librdkafka/rdkafka.h>

#include "base/arena.h"
#include "link/kafka.h"
#include "link/kafka_consumer.h"

struct kafka_topic_slot {
	char *name;
	rd_kafka_topic_t *handle; /* of the current instance, or NULL */
	int32_t partitions;       /* 0: not asked yet */
};

struct kafka_client {
	rd_kafka_t *rk;
	struct kafka_conf conf;
	struct kafka_topic_slot *topics;
	size_t topic_count, topic_cap;
	size_t topic_last; /* most records go where the last one went */
	struct err delivery;
	bool delivery_failed; /* .delivery is the first failed delivery */
};

/* key=value rows from a room's own table; optional: unknown to old libraries. */
struct kafka_setting {
	const char *key, *value;
	bool optional;
};

/* A configuration with the settings all clients share, then ours, then the pipeline's. */
enum fate kafka_conf_build(struct kafka_client *client, const struct kafka_setting *ours,
    size_t count, rd_kafka_conf_t **ret_conf, struct err *err) NODISCARD;
/* Takes conf in any case. */
enum fate kafka_client_start(struct kafka_client *client, rd_kafka_type_t type,
    rd_kafka_conf_t *conf, struct err *err) NODISCARD;
void kafka_client_stop(struct kafka_client *client);   /* the instance goes, names stay */
void kafka_client_finish(struct kafka_client *client); /* names go */
bool kafka_client_stopping(const struct kafka_client *client);
enum fate kafka_client_stopped(struct err *err); /* the HALT of a call that was told to stop */
void kafka_client_event(const struct kafka_client *client, enum kafka_event_kind kind,
    int level, const char *code, const char *text);

/* The client's own copy of a topic name; index, if not NULL, gets its slot. */
const char *kafka_client_topic(struct kafka_client *client, const char *name, size_t *ret_slot);
/* Partition count from the brokers; remembered in the slot. HALT: no such topic. */
enum fate kafka_client_partitions(struct kafka_client *client, const char *name,
    int64_t timeout_ms, int32_t *ret_count, struct err *err) NODISCARD;

/* HALT with code RESTART. */
enum fate kafka_restart_set(struct err *err, const char *fmt, ...) PRINTF(2, 3);
/* From an error object, which is destroyed. */
enum fate kafka_error_take(struct err *err, rd_kafka_error_t *error, const char *what);

/* Ours <-> librdkafka's lists. */
rd_kafka_topic_partition_list_t *kafka_list_new(const struct kafka_part *parts, size_t count);
void kafka_list_read(struct kafka_client *client, const rd_kafka_topic_partition_list_t *list,
    struct kafka_part *parts); /* metadata borrows from list */
/* The first partition's error of a list, else NO_ERROR. */
rd_kafka_resp_err_t kafka_list_error(const rd_kafka_topic_partition_list_t *list);
enum fate kafka_parts_keep_metadata(
    struct kafka_part *parts, size_t count, struct arena *arena, struct err *err) NODISCARD;
enum fate kafka_client_offsets_at(struct kafka_client *client, int64_t at_ms,
    struct kafka_part *parts, size_t count, int64_t timeout_ms, struct err *err) NODISCARD;
/* Committed offsets of the client's group into list, once no transaction with offsets
 * for them is open. RETRY after wait_ms. */
enum fate kafka_client_stable(struct kafka_client *client,
    rd_kafka_topic_partition_list_t *list, int64_t wait_ms, struct err *err) NODISCARD;

/* Hands one record to librdkafka; while its queue is full, serves callbacks for up
 * to wait_ms. REJECT: too large. HALT: no such topic or partition. */
enum fate kafka_client_produce(struct kafka_client *client, const struct kafka_out *out,
    int64_t wait_ms, struct err *err) NODISCARD;
/* Settings of both producers, with delivery reports on. */
enum fate kafka_producer_conf(struct kafka_client *client, const struct kafka_setting *ours,
    size_t count, rd_kafka_conf_t **ret_conf, struct err *err) NODISCARD;

/* The metadata frozen with the assignment; NULL when nothing is assigned. */
const rd_kafka_consumer_group_metadata_t *kafka_consumer_group_metadata(
    const struct kafka_consumer *consumer);
struct kafka_client *kafka_consumer_client(struct kafka_consumer *consumer);
int64_t kafka_consumer_stable_wait(const struct kafka_consumer *consumer);

#endif
