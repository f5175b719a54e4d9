/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/bootstrap.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "link/http.h"
#include "link/kafka_admin.h"
#include "sql/query.h"
#include "work/connector.h"
#include "work/worker.h"

enum { CALL_MS = 15000, STEP_PAUSE_MS = 500, PARTS_MAX = 1024, LINE = 320 };

struct boot {
	const struct pipeline *pipeline;
	int64_t until_ms;
	void (*say)(const char *line);
	struct kafka_admin *admin;
	struct http_client *connect, *clickhouse;
	struct connector connector;
	struct sql_tables tables;
};

static void tell(struct boot *b, const char *fmt, ...) PRINTF(2, 3);

static void
tell(struct boot *b, const char *fmt, ...)
{
	char line[LINE];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	b->say(line);
}

/* A step that is tried until it is done or time is up. */
static enum fate
patiently(struct boot *b, const char *what, enum fate (*step)(struct boot *, struct err *),
    struct err *err)
{
	bool told = false;

	for (;;) {
		enum fate fate = step(b, err);

		if (fate != FATE_RETRY) {
			if (fate == FATE_REJECT)
				err->fate = fate = FATE_HALT;
			return fate == FATE_DONE ? fate : err_wrap(err, "%s", what);
		}
		if (clock_mono_ms() > b->until_ms) {
			err->fate = FATE_HALT;
			return err_wrap(err, "%s: time is up", what);
		}
		if (!told)
			tell(b, "%-12s waiting: %s", what, err->what);
		told = true;
		clock_sleep_ms(STEP_PAUSE_MS);
	}
}

static enum fate
topic_make(struct boot *b, const char *name, int32_t partitions, bool compact, struct err *err)
{
	char outage[24];
	const struct kafka_property compacted[] = { { "cleanup.policy", "compact" },
		{ "min.compaction.lag.ms", outage }, { "delete.retention.ms", outage } };
	static const struct kafka_property deleted[] = { { "cleanup.policy", "delete" } };
	struct kafka_topic_spec spec = { .name = name,
		.partitions = partitions,
		.configs = compact ? compacted : deleted,
		.config_count = compact ? 3 : 1 };
	bool created = false;
	int32_t found = 0;
	enum fate fate;

	(void)snprintf(
	    outage, sizeof outage, "%" PRId64, b->pipeline->enrich.sink_outage_max_ms);
	fate = kafka_admin_create_topic(b->admin, &spec, &created, err);
	if (fate == FATE_DONE && !created)
		fate = kafka_admin_partitions(b->admin, name, &found, err);
	if (fate != FATE_DONE)
		return fate;
	if (!created && found != partitions)
		return err_set(err, FATE_HALT,
		    "topic %s has %" PRId32 " partitions, the pipeline says %" PRId32, name,
		    found, partitions);
	if (created)
		tell(b, "%-12s %s: made, %" PRId32 " partition%s%s", "topic", name, partitions,
		    partitions == 1 ? "" : "s", compact ? ", compacted" : "");
	return FATE_DONE;
}

static bool
is_fact(const struct boot *b, struct slice table)
{
	const struct sql_table_name *fact = &b->tables.names[0];
	char name[200];

	(void)snprintf(
	    name, sizeof name, "%s.%s", fact->schema ? fact->schema : "public", fact->name);
	return b->pipeline->has_enrich && slice_eq(slice_str(name), table);
}

/* As the pipeline says of the fact or of a table that is mirrored; others have one. */
static int32_t
table_partitions(const struct boot *b, struct slice table)
{
	const struct pipeline_clickhouse *c = &b->pipeline->clickhouse;

	if (is_fact(b, table))
		return (int32_t)b->pipeline->enrich.partitions;
	for (size_t i = 0; i < c->table_count; i++)
		if (c->tables[i].from && slice_eq(slice_str(c->tables[i].from), table))
			return (int32_t)c->tables[i].partitions;
	return 1;
}

/* One topic a captured table. */
static enum fate
table_topics(struct boot *b, struct err *err)
{
	const char *list = connector_setting(&b->connector, "table.include.list");
	char topic[300];

	while (list && *list) {
		size_t len = strcspn(list, ",");
		enum fate fate;

		if (!memchr(list, '.', len))
			return err_set(err, FATE_HALT,
			    "table.include.list: %.*s is not SCHEMA.TABLE", (int)len, list);
		(void)snprintf(
		    topic, sizeof topic, "%s.%.*s", b->pipeline->prefix, (int)len, list);
		fate =
		    topic_make(b, topic, table_partitions(b, slice_of(list, len)), false, err);
		if (fate != FATE_DONE)
			return fate;
		list += len;
		list += *list == ',';
	}
	return FATE_DONE;
}

static enum fate
step_topics(struct boot *b, struct err *err)
{
	char heartbeat[300];
	enum fate fate = table_topics(b, err);

	(void)snprintf(
	    heartbeat, sizeof heartbeat, "__debezium-heartbeat.%s", b->pipeline->prefix);
	if (fate == FATE_DONE)
		fate = topic_make(b, heartbeat, 1, false, err);
	if (fate == FATE_DONE && b->pipeline->has_enrich)
		fate = topic_make(b, b->pipeline->enrich.topic,
		    (int32_t)b->pipeline->enrich.partitions, true, err);
	if (fate == FATE_DONE)
		fate = topic_make(b, b->pipeline->dlq_topic, 1, false, err);
	return fate;
}

/* Of a topic that was made a moment ago the broker may have told a part only. The client
 * would keep that for a quarter of an hour: asking for the partitions renews it. */
static enum fate
first_offsets(struct boot *b, struct kafka_part *parts, size_t count, struct err *err)
{
	int32_t ignored = 0;
	enum fate fate = kafka_admin_offsets_at(b->admin, KAFKA_AT_START, parts, count, err);

	if (fate == FATE_HALT && kafka_admin_partitions(b->admin, parts->topic, &ignored,
				     &(struct err){ 0 }) == FATE_DONE)
		err->fate = fate = FATE_RETRY;
	return fate;
}

/* A partition without an offset gets the start of the topic. */
static enum fate
offsets_start(
    struct boot *b, const char *group, const char *topic, size_t count, struct err *err)
{
	struct kafka_part parts[PARTS_MAX], fresh[PARTS_MAX];
	size_t fresh_count = 0;
	struct arena arena;
	enum fate fate;

	must(count <= PARTS_MAX);
	for (size_t i = 0; i < count; i++)
		parts[i] = (struct kafka_part){ .topic = topic, .partition = (int32_t)i };
	arena_init(&arena, 1 << 20);
	fate = kafka_admin_group_offsets(b->admin, group, parts, count, &arena, err);
	for (size_t i = 0; i < count && fate == FATE_DONE; i++)
		if (parts[i].offset == KAFKA_NO_OFFSET)
			fresh[fresh_count++] =
			    (struct kafka_part){ .topic = topic, .partition = (int32_t)i };
	if (fate == FATE_DONE && fresh_count)
		fate = first_offsets(b, fresh, fresh_count, err);
	if (fate == FATE_DONE && fresh_count)
		fate = kafka_admin_set_group_offsets(b->admin, group, fresh, fresh_count, err);
	if (fate == FATE_DONE && fresh_count)
		tell(b, "%-12s %s: first offsets of %zu partitions", "group", group,
		    fresh_count);
	arena_finish(&arena);
	return fate == FATE_DONE ? fate : err_wrap(err, "group %s", group);
}

static enum fate
group_start(
    struct boot *b, const char *worker, const char *topic, size_t count, struct err *err)
{
	char group[160];

	(void)snprintf(group, sizeof group, "%s.%s", b->pipeline->name, worker);
	return offsets_start(b, group, topic, count, err);
}

/* The enriched topic, or Debezium's of each table that is mirrored. */
static enum fate
clickhouse_start(struct boot *b, struct err *err)
{
	const struct pipeline_clickhouse *c = &b->pipeline->clickhouse;
	enum fate fate = FATE_DONE;

	for (size_t i = 0; i < c->table_count && fate == FATE_DONE; i++) {
		const char *topic = c->tables[i].topic;
		size_t count = (size_t)c->tables[i].partitions;

		fate = c->group ? offsets_start(b, c->group, topic, count, err)
				: group_start(b, "clickhouse", topic, count, err);
	}
	return fate;
}

static bool
is_captured(const struct boot *b, const char *table)
{
	const char *list = connector_setting(&b->connector, "table.include.list");
	size_t len = strlen(table);

	for (; list && *list; list += strcspn(list, ","), list += *list == ',')
		if (strncmp(list, table, len) == 0 && (list[len] == ',' || list[len] == '\0'))
			return true;
	return false;
}

/* Enrich reads the fact's topic, and the dimensions' for the sake of refreshes. */
static enum fate
enrich_start(struct boot *b, struct err *err)
{
	enum fate fate = FATE_DONE;

	for (size_t i = 0; i < b->tables.count && fate == FATE_DONE; i++) {
		const struct sql_table_name *name = &b->tables.names[i];
		char table[200], topic[300];

		(void)snprintf(table, sizeof table, "%s.%s",
		    name->schema ? name->schema : "public", name->name);
		(void)snprintf(topic, sizeof topic, "%s.%s", b->pipeline->prefix, table);
		if (is_captured(b, table))
			fate = group_start(b, "enrich", topic,
			    i == 0 ? (size_t)b->pipeline->enrich.partitions : 1, err);
	}
	return fate;
}

static enum fate
step_groups(struct boot *b, struct err *err)
{
	const struct pipeline *p = b->pipeline;
	size_t count = (size_t)p->enrich.partitions;
	enum fate fate = p->has_enrich ? enrich_start(b, err) : FATE_DONE;

	if (fate == FATE_DONE && p->has_clickhouse)
		fate = clickhouse_start(b, err);
	if (fate == FATE_DONE && p->has_leaderboard)
		fate = group_start(b, "leaderboard", p->enrich.topic, count, err);
	for (size_t i = 0; i < p->http_count && fate == FATE_DONE; i++)
		fate = group_start(b, p->http[i].worker, p->enrich.topic, count, err);
	return fate;
}

static enum fate
statement_send(struct boot *b, struct slice statement, struct err *err)
{
	struct http_response response = { 0 };
	enum fate fate = http_client_send(b->clickhouse,
	    &(struct http_request){ .url = "/", .body = &statement, .body_count = 1 },
	    &response, err);

	if (fate == FATE_DONE && response.status != 200)
		fate = err_set(err,
		    response.status >= 500 && response.status != 501 ? FATE_RETRY : FATE_HALT,
		    "ClickHouse: HTTP %ld: %.*s", response.status,
		    SLICE_ARG(buf_view(&response.body)));
	http_response_finish(&response);
	return fate;
}

/* Statements of a DDL file end with ; at the end of a line. */
static enum fate
step_tables(struct boot *b, struct err *err)
{
	const char *at = b->pipeline->clickhouse.ddl.p;
	enum fate fate = FATE_DONE;

	while (fate == FATE_DONE && *at) {
		const char *end = strstr(at, ";\n");
		size_t len = end ? (size_t)(end - at) : strlen(at);

		if (strspn(at, " \n\t") < len)
			fate = statement_send(b, slice_of(at, len), err);
		at += len + (end ? 2 : 0);
	}
	return fate;
}

static enum fate
step_connector(struct boot *b, struct err *err)
{
	return connector_put(&b->connector, b->connect, err);
}

static enum fate
step_running(struct boot *b, struct err *err)
{
	struct buf state = { 0 };
	bool running = false;
	enum fate fate = connector_state(&b->connector, b->connect, &running, &state, err);

	if (fate == FATE_DONE && !running)
		fate = err_set(err, FATE_RETRY, "%s", buf_str(&state));
	buf_finish(&state);
	return fate;
}

static enum fate
boot_open(struct boot *b, struct err *err)
{
	const struct pipeline *p = b->pipeline;
	struct kafka_conf kafka = { .brokers = p->kafka.brokers,
		.client_id = "sluicectl",
		.properties = p->kafka.properties,
		.property_count = p->kafka.property_count };
	struct http_options connect = { .base_url = p->kafka.connect };
	struct http_options clickhouse = { .base_url = p->clickhouse.url,
		.ca_file = p->clickhouse.ca_file,
		.user = p->clickhouse.user,
		.password = p->clickhouse.password };
	enum fate fate;

	if (!p->connector_file || !p->kafka.connect)
		return err_set(err, FATE_HALT,
		    "%s: bootstrap needs source.connector and kafka.connect", p->file);
	fate = connector_read(p->connector_file, &b->connector, err);
	if (fate == FATE_DONE && p->has_enrich)
		fate = sql_query_tables(p->enrich.sql, &b->tables, err);
	if (fate == FATE_DONE)
		fate = kafka_admin_open(&b->admin, &kafka, CALL_MS, err);
	if (fate == FATE_DONE)
		fate = http_client_new(&connect, &b->connect, err);
	if (fate == FATE_DONE && p->has_clickhouse)
		fate = http_client_new(&clickhouse, &b->clickhouse, err);
	return fate;
}

static enum fate
boot_steps(struct boot *b, struct err *err)
{
	enum fate fate = patiently(b, "topics", step_topics, err);

	if (fate == FATE_DONE)
		fate = patiently(b, "groups", step_groups, err);
	if (fate == FATE_DONE && b->clickhouse && b->pipeline->clickhouse.ddl.p) {
		fate = patiently(b, "clickhouse", step_tables, err);
		if (fate == FATE_DONE)
			tell(b, "%-12s tables are there (%s)", "clickhouse",
			    b->pipeline->clickhouse.ddl_file);
	}
	if (fate == FATE_DONE)
		fate = patiently(b, "connector", step_connector, err);
	if (fate == FATE_DONE)
		fate = patiently(b, "connector", step_running, err);
	if (fate == FATE_DONE)
		tell(b, "%-12s %s: RUNNING", "connector", b->connector.name);
	return fate;
}

enum fate
bootstrap_run(const struct pipeline *pipeline, int64_t timeout_ms,
    void (*say)(const char *line), struct err *err)
{
	struct boot b = {
		.pipeline = pipeline, .until_ms = clock_mono_ms() + timeout_ms, .say = say
	};
	enum fate fate = boot_open(&b, err);

	if (fate == FATE_DONE)
		fate = boot_steps(&b, err);
	kafka_admin_close(b.admin);
	http_client_free(b.connect);
	http_client_free(b.clickhouse);
	connector_finish(&b.connector);
	sql_tables_free(&b.tables);
	return fate;
}
