/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_admin.h -- topics, groups and offsets, for bootstrap, check, verify and tests.
 *
 * Every call waits for its answer, up to the timeout given at open, and can be
 * made again: creating what exists and deleting what is gone are DONE. It sets
 * topic settings at creation only and never alters them later. */
#ifndef LINK_KAFKA_ADMIN_H
#define LINK_KAFKA_ADMIN_H

#include "base/arena.h"
#include "link/kafka.h"

struct kafka_admin;

enum fate kafka_admin_open(struct kafka_admin **ret_admin, const struct kafka_conf *conf,
    int64_t timeout_ms, struct err *err) NODISCARD;
void kafka_admin_close(struct kafka_admin *admin);

struct kafka_topic_spec {
	const char *name;
	int32_t partitions;
	int32_t replication; /* 0: the broker's default */
	const struct kafka_property *configs;
	size_t config_count;
};
/* An existing topic is left as it is: *ret_created is false. */
enum fate kafka_admin_create_topic(struct kafka_admin *admin,
    const struct kafka_topic_spec *spec, bool *ret_created, struct err *err) NODISCARD;
enum fate kafka_admin_delete_topic(
    struct kafka_admin *admin, const char *topic, struct err *err) NODISCARD;
/* *ret_count 0: no such topic. */
enum fate kafka_admin_partitions(struct kafka_admin *admin, const char *topic,
    int32_t *ret_count, struct err *err) NODISCARD;
/* A setting's value as the broker prints it, copied into arena; p NULL: no such setting. */
enum fate kafka_admin_topic_config(struct kafka_admin *admin, const char *topic,
    const char *name, struct arena *arena, struct slice *ret_value, struct err *err) NODISCARD;

struct kafka_member {
	const char *id, *client_id, *instance, *host; /* instance "": dynamic */
	struct kafka_part *parts;                     /* what it owns; no offsets */
	size_t part_count;
};
struct kafka_group {
	const char *state; /* Empty, Stable, PreparingRebalance, CompletingRebalance, Dead */
	struct kafka_member *members;
	size_t member_count;
};
/* All in arena. A group that does not exist is Dead and has no members. */
enum fate kafka_admin_group(struct kafka_admin *admin, const char *group, struct arena *arena,
    struct kafka_group *ret_group, struct err *err) NODISCARD;
enum fate kafka_admin_delete_group(
    struct kafka_admin *admin, const char *group, struct err *err) NODISCARD;

/* Fills offset (KAFKA_NO_OFFSET: none) and metadata (in arena). Waits up to 3 s for a
 * transaction with offsets of the group to end, then RETRY. */
enum fate kafka_admin_group_offsets(struct kafka_admin *admin, const char *group,
    struct kafka_part *parts, size_t count, struct arena *arena, struct err *err) NODISCARD;
/* Commits for a group without members. RETRY: it has some. */
enum fate kafka_admin_set_group_offsets(struct kafka_admin *admin, const char *group,
    const struct kafka_part *parts, size_t count, struct err *err) NODISCARD;
/* As kafka_consumer_offsets_at. */
enum fate kafka_admin_offsets_at(struct kafka_admin *admin, int64_t at_ms,
    struct kafka_part *parts, size_t count, struct err *err) NODISCARD;

#endif
