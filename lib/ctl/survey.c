/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/survey.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "sql/query.h"
#include "work/catalog.h"

enum { CALL_MS = 10000, ARENA_SIZE = 64 << 20, PARTS_MAX = 1024, RESPONSE_MAX = 256 << 20 };

static enum fate
clients_open(struct survey *s, struct err *err)
{
	const struct pipeline *p = s->pipeline;
	struct kafka_conf kafka = { .brokers = p->kafka.brokers,
		.client_id = "sluicectl",
		.properties = p->kafka.properties,
		.property_count = p->kafka.property_count };
	struct http_options plain = { .total_timeout_ms = 5000 };
	struct http_options connect = { .base_url = p->kafka.connect };
	struct http_options clickhouse = { .base_url = p->clickhouse.url,
		.ca_file = p->clickhouse.ca_file,
		.user = p->clickhouse.user,
		.password = p->clickhouse.password,
		.total_timeout_ms = 120000,
		.response_max = RESPONSE_MAX };
	struct redis_options redis = { .url = p->leaderboard.url,
		.user = p->leaderboard.user,
		.password = p->leaderboard.password };
	enum fate fate = kafka_admin_open(&s->admin, &kafka, CALL_MS, err);

	if (fate == FATE_DONE)
		fate = http_client_new(&plain, &s->http, err);
	if (fate == FATE_DONE && p->kafka.connect)
		fate = http_client_new(&connect, &s->connect, err);
	if (fate == FATE_DONE && p->has_clickhouse)
		fate = http_client_new(&clickhouse, &s->clickhouse, err);
	if (fate == FATE_DONE && p->has_leaderboard)
		fate = redis_new(&redis, &s->redis, err);
	if (fate == FATE_DONE)
		fate = postgres_open(p, "sluicectl", &s->pg, err);
	return fate;
}

static enum fate
topic_name(struct survey *s, struct err *err)
{
	struct sql_tables tables;
	enum fate fate;

	if (!s->pipeline->has_enrich)
		return FATE_DONE;
	fate = sql_query_tables(s->pipeline->enrich.sql, &tables, err);
	if (fate != FATE_DONE)
		return err_wrap(err, "%s", s->pipeline->enrich.sql_file);
	(void)snprintf(s->fact_topic, sizeof s->fact_topic, "%s.%s.%s", s->pipeline->prefix,
	    tables.names[0].schema ? tables.names[0].schema : "public", tables.names[0].name);
	sql_tables_free(&tables);
	return FATE_DONE;
}

enum fate
survey_open(const struct pipeline *pipeline, struct survey **ret_survey, struct err *err)
{
	struct survey *s = calloc(1, sizeof *s);
	enum fate fate;

	must(s);
	s->pipeline = pipeline;
	arena_init(&s->arena, ARENA_SIZE);
	fate = topic_name(s, err);
	if (fate == FATE_DONE)
		fate = clients_open(s, err);
	if (fate == FATE_DONE && pipeline->connector_file)
		fate = connector_read(pipeline->connector_file, &s->connector, err);
	if (fate != FATE_DONE) {
		survey_close(s);
		return fate;
	}
	*ret_survey = s;
	return FATE_DONE;
}

void
survey_close(struct survey *s)
{
	if (!s)
		return;
	kafka_admin_close(s->admin);
	http_client_free(s->http);
	http_client_free(s->connect);
	http_client_free(s->clickhouse);
	redis_free(s->redis);
	pg_free(s->pg);
	connector_finish(&s->connector);
	arena_finish(&s->arena);
	free(s);
}

static void
group_add(const struct survey *s, struct survey_group *groups, size_t *count,
    const char *worker, const char *topic, const char *listen)
{
	struct survey_group *g = &groups[(*count)++];

	*g = (struct survey_group){ .worker = worker, .topic = topic, .listen = listen };
	(void)snprintf(g->group, sizeof g->group, "%s.%s", s->pipeline->name, worker);
}

static size_t
mirror_groups(const struct survey *s, struct survey_group *groups)
{
	const struct pipeline_clickhouse *c = &s->pipeline->clickhouse;
	size_t count = 0;

	for (size_t i = 0; i < c->table_count; i++) {
		size_t k = 0;

		while (k < count && strcmp(groups[k].topic, c->tables[i].topic) != 0)
			k++;
		if (k < count)
			continue;
		group_add(s, groups, &count, "clickhouse", c->tables[i].topic, c->listen);
		if (c->group)
			(void)snprintf(groups[k].group, sizeof groups[k].group, "%s", c->group);
	}
	return count;
}

size_t
survey_groups(const struct survey *s, struct survey_group *groups)
{
	const struct pipeline *p = s->pipeline;
	size_t count = 0;

	if (!p->has_enrich)
		return mirror_groups(s, groups);
	group_add(s, groups, &count, "enrich", s->fact_topic, p->enrich.listen);
	if (p->has_clickhouse) {
		group_add(
		    s, groups, &count, "clickhouse", p->enrich.topic, p->clickhouse.listen);
		if (p->clickhouse.group)
			(void)snprintf(groups[count - 1].group, sizeof groups[0].group, "%s",
			    p->clickhouse.group);
	}
	if (p->has_leaderboard)
		group_add(
		    s, groups, &count, "leaderboard", p->enrich.topic, p->leaderboard.listen);
	for (size_t i = 0; i < p->http_count; i++)
		group_add(
		    s, groups, &count, p->http[i].worker, p->enrich.topic, p->http[i].listen);
	return count;
}

static int32_t
owned_parts(const struct kafka_group *group, const char *topic)
{
	int32_t owned = 0;

	for (size_t m = 0; m < group->member_count; m++)
		for (size_t i = 0; i < group->members[m].part_count; i++)
			owned += strcmp(group->members[m].parts[i].topic, topic) == 0;
	return owned;
}

enum fate
survey_lag(struct survey *s, const struct survey_group *group, int64_t *ret_lag,
    int32_t *ret_owned, int32_t *ret_partitions, struct err *err)
{
	struct kafka_part at[PARTS_MAX], end[PARTS_MAX];
	struct kafka_group members = { 0 };
	size_t mark = arena_mark(&s->arena), count;
	int64_t lag = 0;
	enum fate fate = kafka_admin_partitions(s->admin, group->topic, ret_partitions, err);

	if (fate == FATE_DONE && (*ret_partitions == 0 || *ret_partitions > PARTS_MAX))
		return err_set(
		    err, FATE_HALT, "topic %s is not there: sluicectl bootstrap", group->topic);
	count = fate == FATE_DONE ? (size_t)*ret_partitions : 0;
	for (size_t i = 0; i < count; i++)
		at[i] = end[i] =
		    (struct kafka_part){ .topic = group->topic, .partition = (int32_t)i };
	if (fate == FATE_DONE)
		fate = kafka_admin_group(s->admin, group->group, &s->arena, &members, err);
	if (fate == FATE_DONE)
		fate = kafka_admin_group_offsets(
		    s->admin, group->group, at, count, &s->arena, err);
	if (fate == FATE_DONE)
		fate = kafka_admin_offsets_at(s->admin, KAFKA_AT_END, end, count, err);
	for (size_t i = 0; i < count && fate == FATE_DONE; i++)
		if (at[i].offset == KAFKA_NO_OFFSET)
			fate = err_set(err, FATE_HALT, "%s has no offset for partition %zu",
			    group->group, i);
		else if (end[i].offset > at[i].offset)
			lag += end[i].offset - at[i].offset;
	*ret_lag = lag;
	*ret_owned = owned_parts(&members, group->topic);
	arena_rewind(&s->arena, mark);
	return fate;
}

enum fate
survey_ready(struct survey *s, const char *address, bool *ret_ready, struct buf *ret_words,
    struct err *err)
{
	struct http_response response = { 0 };
	char url[256];
	enum fate fate;

	(void)snprintf(url, sizeof url, "http://%s/readyz", address);
	fate = http_client_send(s->http, &(struct http_request){ .url = url }, &response, err);
	ret_words->len = 0;
	if (fate == FATE_DONE) {
		*ret_ready = response.status == 200;
		buf_put(ret_words, response.body.p,
		    response.body.len
			? response.body.len - (response.body.p[response.body.len - 1] == '\n')
			: 0);
	}
	http_response_finish(&response);
	return fate;
}

enum fate
survey_clickhouse_rows(struct survey *s, int64_t *ret_rows, struct err *err)
{
	struct http_response response = { 0 };
	struct buf query = { 0 };
	struct slice body;
	enum fate fate;

	buf_printf(&query, "SELECT count() FROM `%s`.`%s` FORMAT TSV",
	    s->pipeline->clickhouse.database, s->pipeline->clickhouse.table);
	body = buf_view(&query);
	fate = http_client_send(s->clickhouse,
	    &(struct http_request){ .url = "/", .body = &body, .body_count = 1 }, &response,
	    err);
	if (fate == FATE_DONE && response.status != 200)
		fate = err_set(err, FATE_HALT, "HTTP %ld: %.*s", response.status,
		    SLICE_ARG(buf_view(&response.body)));
	if (fate == FATE_DONE &&
	    !slice_i64(
		slice_of(response.body.p, strcspn(buf_str(&response.body), "\n")), ret_rows))
		fate = err_set(err, FATE_HALT, "ClickHouse's count is no number");
	http_response_finish(&response);
	buf_finish(&query);
	return fate;
}

/* The receiver's /stats stands beside the path that events are posted to. */
enum fate
survey_receiver(struct survey *s, const char *field, int64_t *ret_number, struct err *err)
{
	struct http_response response = { 0 };
	const char *base = s->pipeline->http->url;
	const char *path = strstr(base, "://");
	json_t *root, *number;
	char url[512];
	enum fate fate;

	path = path ? strchr(path + 3, '/') : NULL;
	(void)snprintf(
	    url, sizeof url, "%.*s/stats", path ? (int)(path - base) : (int)strlen(base), base);
	fate = http_client_send(s->http, &(struct http_request){ .url = url }, &response, err);
	if (fate == FATE_DONE && response.status != 200)
		fate = err_set(err, FATE_HALT, "%s: HTTP %ld", url, response.status);
	if (fate == FATE_DONE) {
		root = json_loadb(response.body.p, response.body.len, 0, NULL);
		number = json_object_get(root, field);
		if (json_is_integer(number))
			*ret_number = json_integer_value(number);
		else
			fate = err_set(
			    err, FATE_HALT, "%s: no number %s in the answer", url, field);
		json_decref(root);
	}
	http_response_finish(&response);
	return fate;
}

enum fate
survey_slot(struct survey *s, bool *ret_active, struct buf *ret_wal_level, struct buf *ret_lsn,
    struct err *err)
{
	struct slice param = slice_str(connector_slot(&s->connector));
	struct pg_result result = { 0 };
	enum fate fate = pg_query(s->pg,
	    &(struct pg_query){
		"SELECT current_setting('wal_level'), s.active, s.confirmed_flush_lsn "
		"FROM (SELECT) one LEFT JOIN pg_replication_slots s ON s.slot_name = $1",
		&param, 1 },
	    &result, err);

	ret_wal_level->len = 0;
	ret_lsn->len = 0;
	if (fate == FATE_DONE) {
		buf_slice(ret_wal_level, pg_result_text(&result, 0, 0));
		*ret_active = slice_eq(pg_result_text(&result, 0, 1), SLICE("t"));
		buf_slice(ret_lsn, pg_result_text(&result, 0, 2));
	}
	pg_result_clear(&result);
	return fate;
}
