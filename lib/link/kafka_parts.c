/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "link/kafka_ops.h"

/* One OffsetFetch may take this long before we look at the stop flag again. */
enum { COMMITTED_STEP_MS = 2000, COMMITTED_PAUSE_MS = 20 };

rd_kafka_topic_partition_list_t *
kafka_list_new(const struct kafka_part *parts, size_t count)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);

	for (size_t i = 0; i < count; i++) {
		rd_kafka_topic_partition_t *to =
		    rd_kafka_topic_partition_list_add(list, parts[i].topic, parts[i].partition);

		to->offset = parts[i].offset;
		if (parts[i].metadata.len == 0)
			continue;
		to->metadata = rd_kafka_mem_malloc(NULL, parts[i].metadata.len);
		must(to->metadata);
		memcpy(to->metadata, parts[i].metadata.p, parts[i].metadata.len);
		to->metadata_size = parts[i].metadata.len;
	}
	return list;
}

void
kafka_list_read(struct kafka_client *client, const rd_kafka_topic_partition_list_t *list,
    struct kafka_part *parts)
{
	for (int i = 0; i < list->cnt; i++) {
		const rd_kafka_topic_partition_t *from = &list->elems[i];

		parts[i].topic = kafka_client_topic(client, from->topic, NULL);
		parts[i].partition = from->partition;
		parts[i].offset = from->offset < 0 ? KAFKA_NO_OFFSET : from->offset;
		parts[i].metadata = slice_of(from->metadata, from->metadata_size);
	}
}

rd_kafka_resp_err_t
kafka_list_error(const rd_kafka_topic_partition_list_t *list)
{
	for (int i = 0; i < list->cnt; i++)
		if (list->elems[i].err)
			return list->elems[i].err;
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

enum fate
kafka_parts_keep_metadata(
    struct kafka_part *parts, size_t count, struct arena *arena, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (parts[i].metadata.len && arena) {
			parts[i].metadata = arena_copy(arena, parts[i].metadata);
			if (!parts[i].metadata.p)
				return err_set(
				    err, FATE_HALT, "no room for the metadata of offsets");
		} else {
			parts[i].metadata = (struct slice){ 0 };
		}
	}
	return FATE_DONE;
}

/* What librdkafka remembers of a topic that was made or grew since is wrong for good: it asks
 * again only when it is told to. */
static enum fate
refresh_topics(struct kafka_client *client, const struct kafka_part *parts, size_t count,
    int64_t timeout_ms, struct err *err)
{
	enum fate fate = FATE_DONE;
	int32_t known;

	for (size_t i = 0; i < count && fate == FATE_DONE; i++)
		if (i == 0 || strcmp(parts[i].topic, parts[i - 1].topic) != 0)
			fate = kafka_client_partitions(
			    client, parts[i].topic, timeout_ms, &known, err);
	return fate;
}

static enum fate
query_offsets(struct kafka_client *client, int64_t at_ms, struct kafka_part *parts,
    size_t count, int64_t timeout_ms, struct err *err)
{
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_resp_err_t code;

	for (int tries = 0;; tries++) {
		for (size_t i = 0; i < count; i++)
			parts[i].offset = at_ms;
		list = kafka_list_new(parts, count);
		code = rd_kafka_offsets_for_times(client->rk, list, (int)timeout_ms);
		if (!code)
			code = kafka_list_error(list);
		if (code != RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || tries > 0)
			break;
		rd_kafka_topic_partition_list_destroy(list);
		if (refresh_topics(client, parts, count, timeout_ms, err))
			return err->fate;
	}
	for (size_t i = 0; i < count && !code; i++) {
		const rd_kafka_topic_partition_t *got = rd_kafka_topic_partition_list_find(
		    list, parts[i].topic, parts[i].partition);

		must(got);
		parts[i].offset = got->offset;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return code ? kafka_error_set(err, code, "offsets by time") : FATE_DONE;
}

/* By time, librdkafka says END for "no record that late". The end is asked for first: asked for
 * afterwards, it would lie behind a record that came between the two questions. */
enum fate
kafka_client_offsets_at(struct kafka_client *client, int64_t at_ms, struct kafka_part *parts,
    size_t count, int64_t timeout_ms, struct err *err)
{
	int64_t *ends = calloc(count + 1, sizeof *ends);
	enum fate fate = FATE_DONE;

	must(ends);
	if (count > 0 && at_ms >= 0) {
		fate = query_offsets(client, KAFKA_AT_END, parts, count, timeout_ms, err);
		for (size_t i = 0; i < count; i++)
			ends[i] = parts[i].offset;
	}
	if (count > 0 && fate == FATE_DONE)
		fate = query_offsets(client, at_ms, parts, count, timeout_ms, err);
	for (size_t i = 0; i < count && fate == FATE_DONE; i++) {
		if (parts[i].offset < 0 && at_ms >= 0)
			parts[i].offset = ends[i];
		if (parts[i].offset < 0)
			fate = err_set(err, FATE_RETRY, "%s/%d: no offset", parts[i].topic,
			    (int)parts[i].partition);
	}
	free(ends);
	return fate;
}

enum fate
kafka_client_stable(struct kafka_client *client, rd_kafka_topic_partition_list_t *list,
    int64_t wait_ms, struct err *err)
{
	int64_t end = clock_mono_ms() + wait_ms;

	while (list->cnt > 0) {
		rd_kafka_resp_err_t code =
		    rd_kafka_committed(client->rk, list, COMMITTED_STEP_MS);

		if (!code)
			code = kafka_list_error(list);
		if (!code)
			break;
		if (kafka_error_set(err, code, "committed offsets") == FATE_HALT)
			return FATE_HALT;
		if (kafka_client_stopping(client))
			return kafka_client_stopped(err);
		if (clock_mono_ms() >= end)
			return FATE_RETRY;
		clock_sleep_ms(COMMITTED_PAUSE_MS);
	}
	return FATE_DONE;
}
