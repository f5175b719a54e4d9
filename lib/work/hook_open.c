/* SPDX-License-Identifier: Apache-2.0 */
/* What --check can tell of deliveries that a stopped worker left open. */
#include <stdlib.h>

#include "base/must.h"
#include "link/kafka_admin.h"
#include "sink/http.h"
#include "work/deliver_loop.h"
#include "work/hook_open.h"

enum { ASK_MS = 10000, ARENA = 1 << 20 };

static enum fate
ask(struct kafka_admin *admin, const struct work *work, struct kafka_part *at,
    struct kafka_part *end, size_t count, struct arena *arena, struct err *err)
{
	struct kafka_group group = { 0 };
	enum fate fate = kafka_admin_group(admin, work->group, arena, &group, err);

	if (fate == FATE_DONE && group.member_count == 0)
		fate = kafka_admin_group_offsets(admin, work->group, at, count, arena, err);
	if (fate == FATE_DONE)
		fate = kafka_admin_offsets_at(admin, KAFKA_AT_END, end, count, err);
	return fate;
}

/* The sink says whether it would take the partitions as they stand. */
static enum fate
offer(const struct sink_http_config *config, const struct kafka_part *at,
    const struct kafka_part *end, size_t count, struct err *err)
{
	struct sink_part *parts = calloc(count, sizeof *parts);
	struct sink *sink = NULL;
	enum fate fate = sink_open(&sink_http, config, &sink, err);

	must(parts);
	for (size_t i = 0; i < count; i++)
		parts[i] = (struct sink_part){ .topic = at[i].topic,
			.partition = at[i].partition,
			.committed = at[i].offset,
			.frozen = loop_metadata_frozen(at[i].metadata, DELIVER_SINK),
			.end = end[i].offset };
	if (fate == FATE_DONE)
		fate = sink_assign(sink, parts, count, err);
	sink_close(sink);
	free(parts);
	return fate;
}

static enum fate
check(struct kafka_admin *admin, const struct work *work, const struct sink_http_config *config,
    struct arena *arena, struct err *err)
{
	const char *topic = work->pipeline->enrich.topic;
	struct kafka_part *at, *end;
	int32_t count = 0;
	enum fate fate = kafka_admin_partitions(admin, topic, &count, err);

	if (fate != FATE_DONE || count == 0)
		return fate;
	at = calloc((size_t)count, sizeof *at);
	end = calloc((size_t)count, sizeof *end);
	must(at && end);
	for (int32_t i = 0; i < count; i++)
		at[i] = end[i] = (struct kafka_part){
			.topic = topic, .partition = i, .offset = KAFKA_NO_OFFSET
		};
	fate = ask(admin, work, at, end, (size_t)count, arena, err);
	if (fate == FATE_DONE)
		fate = offer(config, at, end, (size_t)count, err);
	free(at);
	free(end);
	return fate;
}

enum fate
hook_open_check(const struct work *work, const struct sink_http_config *config, struct err *err)
{
	struct kafka_admin *admin = NULL;
	struct kafka_conf conf;
	struct arena arena;
	enum fate fate;

	work_kafka_conf(work, &conf);
	fate = kafka_admin_open(&admin, &conf, ASK_MS, err);
	if (fate != FATE_DONE)
		return fate;
	arena_init(&arena, ARENA);
	fate = check(admin, work, config, &arena, err);
	arena_finish(&arena);
	kafka_admin_close(admin);
	return fate;
}
