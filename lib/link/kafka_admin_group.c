/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: who is in them, where they stand, and where they shall begin. */
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "link/kafka_admin.h"
#include "link/kafka_admin_ops.h"

enum { UNSTABLE_WAIT_MS = 3000, UNSTABLE_PAUSE_MS = 7 };

static enum fate
no_room(struct err *err)
{
	return err_set(err, FATE_HALT, "no room for the description of a group");
}

static const char *
keep(struct arena *arena, const char *text)
{
	return arena_copy(arena, slice_str(text ? text : "")).p;
}

static enum fate
read_member(const rd_kafka_MemberDescription_t *from, struct arena *arena,
    struct kafka_member *to, struct err *err)
{
	const rd_kafka_MemberAssignment_t *assignment =
	    rd_kafka_MemberDescription_assignment(from);
	const rd_kafka_topic_partition_list_t *list =
	    assignment ? rd_kafka_MemberAssignment_partitions(assignment) : NULL;
	size_t count = list ? (size_t)list->cnt : 0;

	to->id = keep(arena, rd_kafka_MemberDescription_consumer_id(from));
	to->client_id = keep(arena, rd_kafka_MemberDescription_client_id(from));
	to->instance = keep(arena, rd_kafka_MemberDescription_group_instance_id(from));
	to->host = keep(arena, rd_kafka_MemberDescription_host(from));
	to->parts = arena_alloc(arena, (count + 1) * sizeof *to->parts);
	to->part_count = count;
	if (!to->id || !to->client_id || !to->instance || !to->host || !to->parts)
		return no_room(err);
	for (size_t i = 0; i < count; i++) {
		to->parts[i] = (struct kafka_part){
			.topic = keep(arena, list->elems[i].topic),
			.partition = list->elems[i].partition,
			.offset = KAFKA_NO_OFFSET,
		};
		if (!to->parts[i].topic)
			return no_room(err);
	}
	return FATE_DONE;
}

static enum fate
read_group(const rd_kafka_ConsumerGroupDescription_t *from, struct arena *arena,
    struct kafka_group *ret_group, struct err *err)
{
	const rd_kafka_error_t *error = rd_kafka_ConsumerGroupDescription_error(from);
	rd_kafka_resp_err_t code =
	    error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
	struct kafka_group group = { .state = "Dead" };

	if (code && code != RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND)
		return kafka_error_set(err, code, "describe group %s",
		    rd_kafka_ConsumerGroupDescription_group_id(from));
	if (!code) {
		group.state = rd_kafka_consumer_group_state_name(
		    rd_kafka_ConsumerGroupDescription_state(from));
		group.member_count = rd_kafka_ConsumerGroupDescription_member_count(from);
	}
	group.members = arena_alloc(arena, (group.member_count + 1) * sizeof *group.members);
	if (!group.members)
		return no_room(err);
	for (size_t i = 0; i < group.member_count; i++)
		if (read_member(rd_kafka_ConsumerGroupDescription_member(from, i), arena,
			&group.members[i], err))
			return err->fate;
	*ret_group = group;
	return FATE_DONE;
}

enum fate
kafka_admin_group(struct kafka_admin *admin, const char *group, struct arena *arena,
    struct kafka_group *ret_group, struct err *err)
{
	struct kafka_call call;
	enum fate fate;
	size_t count;

	kafka_call_begin(admin, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, &call);
	rd_kafka_DescribeConsumerGroups(admin->client.rk, &group, 1, call.options, call.queue);
	fate = kafka_call_wait(admin, &call, "describe group", err);
	if (!fate) {
		const rd_kafka_ConsumerGroupDescription_t **groups =
		    rd_kafka_DescribeConsumerGroups_result_groups(
			rd_kafka_event_DescribeConsumerGroups_result(call.event), &count);

		fate = count == 1
			   ? read_group(groups[0], arena, ret_group, err)
			   : err_set(err, FATE_RETRY, "describe group: %zu results", count);
	}
	kafka_call_end(&call);
	return fate;
}

/* The one group's result: its error, or a partition's. */
static enum fate
group_result(const rd_kafka_group_result_t *const *results, size_t count, const char *what,
    rd_kafka_resp_err_t good, struct err *err)
{
	const rd_kafka_topic_partition_list_t *list;
	const rd_kafka_error_t *error;
	rd_kafka_resp_err_t code;

	if (count != 1)
		return err_set(err, FATE_RETRY, "%s: %zu results", what, count);
	error = rd_kafka_group_result_error(results[0]);
	list = rd_kafka_group_result_partitions(results[0]);
	code = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
	if (!code && list)
		code = kafka_list_error(list);
	if (code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID)
		code = RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP; /* what it means to an outsider */
	if (!code || code == good)
		return FATE_DONE;
	return kafka_error_set(
	    err, code, "%s %s", what, rd_kafka_group_result_name(results[0]));
}

enum fate
kafka_admin_delete_group(struct kafka_admin *admin, const char *group, struct err *err)
{
	rd_kafka_DeleteGroup_t *request = rd_kafka_DeleteGroup_new(group);
	struct kafka_call call;
	enum fate fate;
	size_t count;

	kafka_call_begin(admin, RD_KAFKA_ADMIN_OP_DELETEGROUPS, &call);
	rd_kafka_DeleteGroups(admin->client.rk, &request, 1, call.options, call.queue);
	rd_kafka_DeleteGroup_destroy(request);
	fate = kafka_call_wait(admin, &call, "delete group", err);
	if (!fate) {
		const rd_kafka_group_result_t **results = rd_kafka_DeleteGroups_result_groups(
		    rd_kafka_event_DeleteGroups_result(call.event), &count);

		fate = group_result(
		    results, count, "delete group", RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND, err);
	}
	kafka_call_end(&call);
	return fate;
}

static enum fate
read_offsets(const rd_kafka_topic_partition_list_t *list, struct kafka_part *parts,
    size_t count, struct arena *arena, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		const rd_kafka_topic_partition_t *from = NULL;

		for (int k = 0; list && k < list->cnt && !from; k++)
			if (list->elems[k].partition == parts[i].partition &&
			    strcmp(list->elems[k].topic, parts[i].topic) == 0)
				from = &list->elems[k];
		parts[i].offset = from && from->offset >= 0 ? from->offset : KAFKA_NO_OFFSET;
		parts[i].metadata = (struct slice){ 0 };
		if (from)
			parts[i].metadata = slice_of(from->metadata, from->metadata_size);
	}
	return kafka_parts_keep_metadata(parts, count, arena, err);
}

static enum fate
group_offsets_once(struct kafka_admin *admin, const char *group, struct kafka_part *parts,
    size_t count, struct arena *arena, struct err *err)
{
	rd_kafka_topic_partition_list_t *list = kafka_list_new(parts, count);
	rd_kafka_ListConsumerGroupOffsets_t *request =
	    rd_kafka_ListConsumerGroupOffsets_new(group, list);
	struct kafka_call call;
	rd_kafka_error_t *error;
	enum fate fate;
	size_t result_count;

	rd_kafka_topic_partition_list_destroy(list);
	kafka_call_begin(admin, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, &call);
	error = rd_kafka_AdminOptions_set_require_stable_offsets(call.options, 1);
	must(!error);
	rd_kafka_ListConsumerGroupOffsets(
	    admin->client.rk, &request, 1, call.options, call.queue);
	rd_kafka_ListConsumerGroupOffsets_destroy(request);
	fate = kafka_call_wait(admin, &call, "group offsets", err);
	if (!fate) {
		const rd_kafka_group_result_t **results =
		    rd_kafka_ListConsumerGroupOffsets_result_groups(
			rd_kafka_event_ListConsumerGroupOffsets_result(call.event),
			&result_count);

		fate = group_result(
		    results, result_count, "group offsets", RD_KAFKA_RESP_ERR_NO_ERROR, err);
		if (!fate)
			fate = read_offsets(rd_kafka_group_result_partitions(results[0]), parts,
			    count, arena, err);
	}
	kafka_call_end(&call);
	return fate;
}

static bool
is_unstable(const struct err *err)
{
	int64_t code = 0;

	return slice_i64(slice_str(err->code), &code) &&
	       code == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT;
}

/* A worker that is busy has a transaction open most of the time, each for milliseconds. */
enum fate
kafka_admin_group_offsets(struct kafka_admin *admin, const char *group,
    struct kafka_part *parts, size_t count, struct arena *arena, struct err *err)
{
	int64_t until_ms = clock_mono_ms() + UNSTABLE_WAIT_MS;
	enum fate fate;

	for (;;) {
		fate = group_offsets_once(admin, group, parts, count, arena, err);
		if (fate != FATE_RETRY || !is_unstable(err) || clock_mono_ms() >= until_ms)
			return fate;
		clock_sleep_ms(UNSTABLE_PAUSE_MS);
	}
}

enum fate
kafka_admin_set_group_offsets(struct kafka_admin *admin, const char *group,
    const struct kafka_part *parts, size_t count, struct err *err)
{
	rd_kafka_topic_partition_list_t *list = kafka_list_new(parts, count);
	rd_kafka_AlterConsumerGroupOffsets_t *request =
	    rd_kafka_AlterConsumerGroupOffsets_new(group, list);
	struct kafka_call call;
	enum fate fate;
	size_t result_count;

	rd_kafka_topic_partition_list_destroy(list);
	kafka_call_begin(admin, RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, &call);
	rd_kafka_AlterConsumerGroupOffsets(
	    admin->client.rk, &request, 1, call.options, call.queue);
	rd_kafka_AlterConsumerGroupOffsets_destroy(request);
	fate = kafka_call_wait(admin, &call, "set group offsets", err);
	if (!fate) {
		const rd_kafka_group_result_t **results =
		    rd_kafka_AlterConsumerGroupOffsets_result_groups(
			rd_kafka_event_AlterConsumerGroupOffsets_result(call.event),
			&result_count);

		fate = group_result(results, result_count, "set group offsets",
		    RD_KAFKA_RESP_ERR_NO_ERROR, err);
	}
	kafka_call_end(&call);
	return fate;
}
