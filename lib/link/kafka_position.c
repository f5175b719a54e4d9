/* SPDX-License-Identifier: Apache-2.0 */
/* What a consumer does about positions: pausing, committing, rewinding, asking. */
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "link/kafka_ops.h"

enum { GRACE_MS = 2000 }; /* for librdkafka to report its own timeout first */

static rd_kafka_topic_partition_list_t *
assigned(struct kafka_consumer *consumer)
{
	rd_kafka_topic_partition_list_t *list = NULL;

	if (rd_kafka_assignment(kafka_consumer_client(consumer)->rk, &list) || !list)
		list = rd_kafka_topic_partition_list_new(0);
	return list;
}

void
kafka_consumer_assignment(
    struct kafka_consumer *consumer, struct kafka_part *parts, size_t max, size_t *ret_count)
{
	rd_kafka_topic_partition_list_t *list = assigned(consumer);

	*ret_count = (size_t)list->cnt;
	for (int i = 0; i < list->cnt && (size_t)i < max; i++)
		parts[i] = (struct kafka_part){
			.topic = kafka_client_topic(
			    kafka_consumer_client(consumer), list->elems[i].topic, NULL),
			.partition = list->elems[i].partition,
			.offset = KAFKA_NO_OFFSET,
		};
	rd_kafka_topic_partition_list_destroy(list);
}

bool
kafka_consumer_lost(struct kafka_consumer *consumer)
{
	return rd_kafka_assignment_lost(kafka_consumer_client(consumer)->rk) != 0;
}

typedef rd_kafka_resp_err_t list_call(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list);

static enum fate
call_on(struct kafka_consumer *consumer, const struct kafka_part *parts, size_t count,
    list_call *call, const char *what, struct err *err)
{
	rd_kafka_topic_partition_list_t *list =
	    parts ? kafka_list_new(parts, count) : assigned(consumer);
	rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;

	if (list->cnt > 0)
		code = call(kafka_consumer_client(consumer)->rk, list);
	if (!code)
		code = kafka_list_error(list);
	rd_kafka_topic_partition_list_destroy(list);
	return code ? kafka_error_set(err, code, "%s", what) : FATE_DONE;
}

enum fate
kafka_consumer_pause(struct kafka_consumer *consumer, const struct kafka_part *parts,
    size_t count, struct err *err)
{
	return call_on(consumer, parts, count, rd_kafka_pause_partitions, "pause", err);
}

enum fate
kafka_consumer_resume(struct kafka_consumer *consumer, const struct kafka_part *parts,
    size_t count, struct err *err)
{
	return call_on(consumer, parts, count, rd_kafka_resume_partitions, "resume", err);
}

enum fate
kafka_consumer_rewind(struct kafka_consumer *consumer, struct err *err)
{
	struct kafka_client *client = kafka_consumer_client(consumer);
	rd_kafka_topic_partition_list_t *list = assigned(consumer);
	struct kafka_part *parts = calloc((size_t)list->cnt + 1, sizeof *parts);
	enum fate fate;

	must(parts);
	fate = kafka_client_stable(client, list, kafka_consumer_stable_wait(consumer), err);
	if (!fate) {
		kafka_list_read(client, list, parts);
		for (int i = 0; i < list->cnt && !fate; i++)
			if (parts[i].offset < 0)
				fate = err_set(err, FATE_HALT, "%s/%d: no committed offset",
				    parts[i].topic, (int)parts[i].partition);
	}
	if (!fate)
		fate = kafka_consumer_seek(consumer, parts, (size_t)list->cnt, err);
	free(parts);
	rd_kafka_topic_partition_list_destroy(list);
	return fate ? err_wrap(err, "rewind") : FATE_DONE;
}

static enum fate
commit(struct kafka_consumer *consumer, const struct kafka_part *parts, size_t count,
    bool async, struct err *err)
{
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_resp_err_t code;

	if (count == 0)
		return FATE_DONE;
	for (size_t i = 0; i < count; i++)
		must(parts[i].offset >= 0);
	list = kafka_list_new(parts, count);
	code = rd_kafka_commit(kafka_consumer_client(consumer)->rk, list, async);
	if (!code && !async)
		code = kafka_list_error(list);
	rd_kafka_topic_partition_list_destroy(list);
	return code ? kafka_error_set(err, code, "commit offsets") : FATE_DONE;
}

enum fate
kafka_consumer_commit(struct kafka_consumer *consumer, const struct kafka_part *parts,
    size_t count, struct err *err)
{
	return commit(consumer, parts, count, false, err);
}

enum fate
kafka_consumer_commit_async(struct kafka_consumer *consumer, const struct kafka_part *parts,
    size_t count, struct err *err)
{
	return commit(consumer, parts, count, true, err);
}

enum fate
kafka_consumer_committed(struct kafka_consumer *consumer, struct kafka_part *parts,
    size_t count, struct arena *arena, struct err *err)
{
	struct kafka_client *client = kafka_consumer_client(consumer);
	rd_kafka_topic_partition_list_t *list = kafka_list_new(parts, count);
	enum fate fate;

	fate = kafka_client_stable(client, list, kafka_consumer_stable_wait(consumer), err);
	if (!fate) {
		kafka_list_read(client, list, parts);
		fate = kafka_parts_keep_metadata(parts, count, arena, err);
	}
	rd_kafka_topic_partition_list_destroy(list);
	return fate;
}

enum fate
kafka_consumer_offsets_at(struct kafka_consumer *consumer, int64_t at_ms,
    struct kafka_part *parts, size_t count, int64_t timeout_ms, struct err *err)
{
	return kafka_client_offsets_at(
	    kafka_consumer_client(consumer), at_ms, parts, count, timeout_ms, err);
}

static enum fate
ends_read(rd_kafka_event_t *event, struct kafka_part *parts, size_t count, struct err *err)
{
	const rd_kafka_ListOffsetsResultInfo_t **infos;
	size_t info_count;

	infos = rd_kafka_ListOffsets_result_infos(
	    rd_kafka_event_ListOffsets_result(event), &info_count);
	for (size_t i = 0; i < count; i++)
		parts[i].offset = KAFKA_NO_OFFSET;
	for (size_t i = 0; i < info_count; i++) { /* a broker's after the other's */
		const rd_kafka_topic_partition_t *got =
		    rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);

		if (got->err)
			return kafka_error_set(err, got->err, "ends");
		for (size_t k = 0; k < count; k++)
			if (parts[k].partition == got->partition &&
			    strcmp(parts[k].topic, got->topic) == 0)
				parts[k].offset = got->offset;
	}
	for (size_t i = 0; i < count; i++)
		if (parts[i].offset < 0)
			return err_set(err, FATE_RETRY, "%s/%d: no end", parts[i].topic,
			    (int)parts[i].partition);
	return FATE_DONE;
}

/* Asked as an administrator does, whose questions say what they mean by an end; a consumer's
 * own are all of its isolation level. */
enum fate
kafka_consumer_high_watermarks(struct kafka_consumer *consumer, struct kafka_part *parts,
    size_t count, int64_t timeout_ms, struct err *err)
{
	rd_kafka_t *rk = kafka_consumer_client(consumer)->rk;
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_AdminOptions_t *options =
	    rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_LISTOFFSETS);
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_event_t *event;
	rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
	char text[128];
	enum fate fate;

	must(queue && options && count > 0);
	for (size_t i = 0; i < count; i++)
		parts[i].offset = RD_KAFKA_OFFSET_SPEC_LATEST;
	list = kafka_list_new(parts, count);
	(void)rd_kafka_AdminOptions_set_request_timeout(
	    options, (int)timeout_ms, text, sizeof text);
	rd_kafka_ListOffsets(rk, list, options, queue); /* READ_UNCOMMITTED, unless told */
	rd_kafka_topic_partition_list_destroy(list);
	event = rd_kafka_queue_poll(queue, (int)timeout_ms + GRACE_MS);
	if (event)
		code = rd_kafka_event_error(event);
	fate = code ? kafka_error_set(err, code, "ends") : ends_read(event, parts, count, err);
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_queue_destroy(queue);
	return fate;
}

enum fate
kafka_consumer_partitions(struct kafka_consumer *consumer, const char *topic,
    int64_t timeout_ms, int32_t *ret_count, struct err *err)
{
	return kafka_client_partitions(
	    kafka_consumer_client(consumer), topic, timeout_ms, ret_count, err);
}
