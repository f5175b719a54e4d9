/* SPDX-License-Identifier: Apache-2.0 */
#include "link/kafka_admin.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "link/kafka_admin_ops.h"

enum { GRACE_MS = 2000 }; /* for librdkafka to report its own timeout first */

static const struct kafka_setting settings[] = {
	{ "isolation.level", "read_committed" },
	{ "socket.timeout.ms", "10000" },
};

enum fate
kafka_admin_open(struct kafka_admin **ret_admin, const struct kafka_conf *conf,
    int64_t timeout_ms, struct err *err)
{
	struct kafka_admin *admin = calloc(1, sizeof *admin);
	rd_kafka_conf_t *rk_conf;

	must(admin && timeout_ms > 0);
	admin->client.conf = *conf;
	admin->timeout_ms = (int)timeout_ms;
	/* A consumer, because only they ask for ends as read_committed sees them. */
	if (kafka_conf_build(
		&admin->client, settings, sizeof settings / sizeof *settings, &rk_conf, err) ||
	    kafka_client_start(&admin->client, RD_KAFKA_CONSUMER, rk_conf, err)) {
		free(admin);
		return err->fate;
	}
	*ret_admin = admin;
	return FATE_DONE;
}

void
kafka_admin_close(struct kafka_admin *admin)
{
	if (!admin)
		return;
	kafka_client_finish(&admin->client);
	free(admin);
}

void
kafka_call_begin(struct kafka_admin *admin, rd_kafka_admin_op_t op, struct kafka_call *ret_call)
{
	char text[128];

	ret_call->queue = rd_kafka_queue_new(admin->client.rk);
	ret_call->options = rd_kafka_AdminOptions_new(admin->client.rk, op);
	ret_call->event = NULL;
	must(ret_call->queue && ret_call->options);
	(void)rd_kafka_AdminOptions_set_request_timeout(
	    ret_call->options, admin->timeout_ms, text, sizeof text);
	if (op == RD_KAFKA_ADMIN_OP_CREATETOPICS || op == RD_KAFKA_ADMIN_OP_DELETETOPICS)
		(void)rd_kafka_AdminOptions_set_operation_timeout(
		    ret_call->options, admin->timeout_ms, text, sizeof text);
}

/* A NULL event is a timeout, and an event with an error has no result: both are
 * errors here, so that results are never NULL. */
enum fate
kafka_call_wait(
    struct kafka_admin *admin, struct kafka_call *call, const char *what, struct err *err)
{
	rd_kafka_resp_err_t code;

	call->event = rd_kafka_queue_poll(call->queue, admin->timeout_ms + GRACE_MS);
	(void)rd_kafka_poll(admin->client.rk, 0);
	if (!call->event)
		return kafka_error_set(err, RD_KAFKA_RESP_ERR__TIMED_OUT, "%s", what);
	code = rd_kafka_event_error(call->event);
	if (code)
		return kafka_error_set(
		    err, code, "%s: %s", what, rd_kafka_event_error_string(call->event));
	return FATE_DONE;
}

void
kafka_call_end(struct kafka_call *call)
{
	if (call->event)
		rd_kafka_event_destroy(call->event);
	rd_kafka_AdminOptions_destroy(call->options);
	rd_kafka_queue_destroy(call->queue);
}

static enum fate
new_topic(const struct kafka_topic_spec *spec, rd_kafka_NewTopic_t **ret_topic, struct err *err)
{
	char text[256];
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(spec->name, spec->partitions,
	    spec->replication ? spec->replication : -1, text, sizeof text);

	if (!topic)
		return err_set(err, FATE_HALT, "topic %s: %s", spec->name, text);
	for (size_t i = 0; i < spec->config_count; i++) {
		rd_kafka_resp_err_t code = rd_kafka_NewTopic_set_config(
		    topic, spec->configs[i].key, spec->configs[i].value);

		if (code) {
			rd_kafka_NewTopic_destroy(topic);
			return kafka_error_set(err, code, "topic %s: setting %s", spec->name,
			    spec->configs[i].key);
		}
	}
	*ret_topic = topic;
	return FATE_DONE;
}

static enum fate
topic_result(const rd_kafka_topic_result_t *const *results, size_t count,
    rd_kafka_resp_err_t good, const char *what, bool *ret_was_so, struct err *err)
{
	rd_kafka_resp_err_t code;
	const char *text;

	if (count != 1)
		return err_set(err, FATE_RETRY, "%s: %zu results", what, count);
	code = rd_kafka_topic_result_error(results[0]);
	*ret_was_so = code == good;
	if (!code || code == good)
		return FATE_DONE;
	text = rd_kafka_topic_result_error_string(results[0]);
	return kafka_error_set(err, code, "%s %s: %s", what,
	    rd_kafka_topic_result_name(results[0]), text ? text : "");
}

enum fate
kafka_admin_create_topic(struct kafka_admin *admin, const struct kafka_topic_spec *spec,
    bool *ret_created, struct err *err)
{
	rd_kafka_NewTopic_t *topic;
	struct kafka_call call;
	enum fate fate;
	size_t count;
	bool existed;

	if (new_topic(spec, &topic, err))
		return err->fate;
	kafka_call_begin(admin, RD_KAFKA_ADMIN_OP_CREATETOPICS, &call);
	rd_kafka_CreateTopics(admin->client.rk, &topic, 1, call.options, call.queue);
	rd_kafka_NewTopic_destroy(topic);
	fate = kafka_call_wait(admin, &call, "create topic", err);
	if (!fate) {
		const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(
		    rd_kafka_event_CreateTopics_result(call.event), &count);

		fate = topic_result(results, count, RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS,
		    "create topic", &existed, err);
		if (!fate)
			*ret_created = !existed;
	}
	kafka_call_end(&call);
	return fate;
}

enum fate
kafka_admin_delete_topic(struct kafka_admin *admin, const char *topic, struct err *err)
{
	rd_kafka_DeleteTopic_t *request = rd_kafka_DeleteTopic_new(topic);
	struct kafka_call call;
	enum fate fate;
	size_t count;
	bool was_gone;

	kafka_call_begin(admin, RD_KAFKA_ADMIN_OP_DELETETOPICS, &call);
	rd_kafka_DeleteTopics(admin->client.rk, &request, 1, call.options, call.queue);
	rd_kafka_DeleteTopic_destroy(request);
	fate = kafka_call_wait(admin, &call, "delete topic", err);
	if (!fate) {
		const rd_kafka_topic_result_t **results = rd_kafka_DeleteTopics_result_topics(
		    rd_kafka_event_DeleteTopics_result(call.event), &count);

		fate = topic_result(results, count, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
		    "delete topic", &was_gone, err);
	}
	kafka_call_end(&call);
	return fate;
}

enum fate
kafka_admin_partitions(
    struct kafka_admin *admin, const char *topic, int32_t *ret_count, struct err *err)
{
	const rd_kafka_metadata_t *metadata;
	rd_kafka_topic_t *handle = rd_kafka_topic_new(admin->client.rk, topic, NULL);
	rd_kafka_resp_err_t code;

	if (!handle)
		return kafka_error_set(err, rd_kafka_last_error(), "topic %s", topic);
	code = rd_kafka_metadata(admin->client.rk, 0, handle, &metadata, admin->timeout_ms);
	rd_kafka_topic_destroy(handle);
	if (code)
		return kafka_error_set(err, code, "topic %s", topic);
	if (metadata->topic_cnt == 1)
		code = metadata->topics[0].err;
	if (metadata->topic_cnt != 1)
		code = RD_KAFKA_RESP_ERR__PARTIAL;
	else if (!code || code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
		*ret_count = code ? 0 : metadata->topics[0].partition_cnt;
	rd_kafka_metadata_destroy(metadata);
	if (code && code != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
		return kafka_error_set(err, code, "topic %s", topic);
	return FATE_DONE;
}

static enum fate
find_config(const rd_kafka_ConfigResource_t *const *resources, size_t count, const char *name,
    struct arena *arena, struct slice *ret_value, struct err *err)
{
	const rd_kafka_ConfigEntry_t **entries;
	rd_kafka_resp_err_t code;
	const char *value = NULL;
	size_t entry_count;

	if (count != 1)
		return err_set(err, FATE_RETRY, "describe topic: %zu results", count);
	code = rd_kafka_ConfigResource_error(resources[0]);
	if (code)
		return kafka_error_set(
		    err, code, "describe topic %s", rd_kafka_ConfigResource_name(resources[0]));
	entries = rd_kafka_ConfigResource_configs(resources[0], &entry_count);
	for (size_t i = 0; i < entry_count; i++)
		if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
			value = rd_kafka_ConfigEntry_value(entries[i]);
	*ret_value = value ? arena_copy(arena, slice_str(value)) : (struct slice){ 0 };
	if (value && !ret_value->p)
		return err_set(err, FATE_HALT, "describe topic: no room");
	return FATE_DONE;
}

enum fate
kafka_admin_topic_config(struct kafka_admin *admin, const char *topic, const char *name,
    struct arena *arena, struct slice *ret_value, struct err *err)
{
	rd_kafka_ConfigResource_t *resource =
	    rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
	struct kafka_call call;
	enum fate fate;
	size_t count;

	must(resource);
	kafka_call_begin(admin, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, &call);
	rd_kafka_DescribeConfigs(admin->client.rk, &resource, 1, call.options, call.queue);
	rd_kafka_ConfigResource_destroy(resource);
	fate = kafka_call_wait(admin, &call, "describe topic", err);
	if (!fate) {
		const rd_kafka_ConfigResource_t **resources =
		    rd_kafka_DescribeConfigs_result_resources(
			rd_kafka_event_DescribeConfigs_result(call.event), &count);

		fate = find_config(resources, count, name, arena, ret_value, err);
	}
	kafka_call_end(&call);
	return fate;
}

enum fate
kafka_admin_offsets_at(struct kafka_admin *admin, int64_t at_ms, struct kafka_part *parts,
    size_t count, struct err *err)
{
	return kafka_client_offsets_at(
	    &admin->client, at_ms, parts, count, admin->timeout_ms, err);
}
