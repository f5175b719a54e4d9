/* SPDX-License-Identifier: Apache-2.0 */
/* What lint asks of the systems that run: the connector as Connect holds it, the publication
 * and the slot, the settings of the topics. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "work/lint.h"
#include "work/statements.h"

enum {
	ARENA_SIZE = 1 << 20,
	MOVE_MS = 5000, /* of a slot, at the least */
	MOVE_MAX_MS = 60000,
	MOVE_STEP_MS = 200,
	FLUSH_MS = 1000, /* offset.flush.interval.ms as it is wanted */
	SLACK_MS = 3000,
};

static struct lint_place
pipeline_spot(const struct pipeline *pipeline, const char *map, const char *key)
{
	struct lint_place place = { pipeline->file, 1, 1 };

	pipeline_place(pipeline, map, key, &place.line, &place.column);
	return place;
}

/* --- topics --- */

struct topics {
	const struct pipeline *pipeline;
	struct kafka_admin *admin;
	struct arena arena;
	struct lint *lint;
};

static enum fate
setting_ask(
    struct topics *t, const char *topic, const char *name, struct slice *ret, struct err *err)
{
	return kafka_admin_topic_config(t->admin, topic, name, &t->arena, ret, err);
}

/* -1 is for ever. */
static bool
shorter(struct slice text, int64_t least_ms)
{
	int64_t ms;

	return slice_i64(text, &ms) && ms >= 0 && ms < least_ms;
}

static enum fate
is_there(
    struct topics *t, const char *topic, struct lint_place place, bool *ret, struct err *err)
{
	int32_t count = 0;
	enum fate fate = kafka_admin_partitions(t->admin, topic, &count, err);

	*ret = count > 0;
	if (fate == FATE_DONE && count == 0)
		lint_add(t->lint, false, place,
		    "topic %s is not there: sluicectl bootstrap makes it", topic);
	return fate;
}

static enum fate
lint_source_topic(struct topics *t, const char *topic, struct err *err)
{
	struct lint_place place = pipeline_spot(t->pipeline, "source", "prefix");
	struct slice policy = { 0 };
	bool there = false;
	enum fate fate = is_there(t, topic, place, &there, err);

	if (fate != FATE_DONE || !there)
		return fate;
	fate = setting_ask(t, topic, "cleanup.policy", &policy, err);
	if (fate == FATE_DONE && !slice_eq(policy, SLICE("delete")))
		lint_add(t->lint, true, place,
		    "topic %s has cleanup.policy=%.*s, so changes go before they are read: "
		    "kafka-configs.sh --alter --topic %s --add-config cleanup.policy=delete",
		    topic, SLICE_ARG(policy), topic);
	return fate;
}

/* A sink that was away for sink_outage_max must still find every move and delete. */
static enum fate
lint_enriched_topic(struct topics *t, struct err *err)
{
	static const char *const lags[] = { "min.compaction.lag.ms", "delete.retention.ms" };
	const struct pipeline_enrich *e = &t->pipeline->enrich;
	struct lint_place place = pipeline_spot(t->pipeline, "enrich", "topic");
	struct slice policy = { 0 }, value = { 0 };
	bool there = false, compacts;
	enum fate fate = is_there(t, e->topic, place, &there, err);

	if (fate == FATE_DONE && there)
		fate = setting_ask(t, e->topic, "cleanup.policy", &policy, err);
	if (fate != FATE_DONE || !there)
		return fate;
	compacts = memmem(policy.p, policy.len, "compact", 7) != NULL;
	for (size_t i = 0; compacts && i < 2 && fate == FATE_DONE; i++) {
		fate = setting_ask(t, e->topic, lags[i], &value, err);
		if (fate == FATE_DONE && shorter(value, e->sink_outage_max_ms))
			lint_add(t->lint, true, place,
			    "topic %s has %s=%.*s, less than sink_outage_max: a sink that was "
			    "away misses moves and deletes: kafka-configs.sh --alter --topic "
			    "%s "
			    "--add-config %s=%" PRId64,
			    e->topic, lags[i], SLICE_ARG(value), e->topic, lags[i],
			    e->sink_outage_max_ms);
	}
	if (fate != FATE_DONE || !memmem(policy.p, policy.len, "delete", 6))
		return fate;
	fate = setting_ask(t, e->topic, "retention.ms", &value, err);
	if (fate == FATE_DONE)
		lint_add(t->lint, shorter(value, e->sink_outage_max_ms), place,
		    "topic %s has cleanup.policy=%.*s and retention.ms=%.*s: what is rebuilt "
		    "from it lacks older rows: kafka-configs.sh --alter --topic %s "
		    "--add-config cleanup.policy=compact,min.compaction.lag.ms=%" PRId64
		    ",delete.retention.ms=%" PRId64,
		    e->topic, SLICE_ARG(policy), SLICE_ARG(value), e->topic,
		    e->sink_outage_max_ms, e->sink_outage_max_ms);
	return fate;
}

enum fate
lint_topics(const struct pipeline *pipeline, const struct sql_query *query,
    struct kafka_admin *admin, struct lint *lint, struct err *err)
{
	struct topics t = { .pipeline = pipeline, .admin = admin, .lint = lint };
	enum fate fate = FATE_DONE;
	char topic[300];

	arena_init(&t.arena, ARENA_SIZE);
	for (size_t i = 0; i < sql_query_source_count(query) && fate == FATE_DONE; i++) {
		const struct sql_source *source = sql_query_source(query, i);

		(void)snprintf(topic, sizeof topic, "%s.%s.%s", pipeline->prefix,
		    source->schema, source->table);
		if (i == 0 || pipeline->connector_file)
			fate = lint_source_topic(&t, topic, err);
	}
	if (fate == FATE_DONE)
		fate = lint_enriched_topic(&t, err);
	arena_finish(&t.arena);
	return fate == FATE_DONE ? fate : err_wrap(err, "settings of the topics");
}

/* --- the connector as Connect holds it --- */

/* A setting that both have, and not the same. */
static void
lint_other_settings(
    const struct connector *file, const struct connector *live, struct lint *lint)
{
	struct buf names = { 0 };

	for (size_t i = 0; i < file->config->count; i++) {
		const char *name = file->config->keys[i];
		const char *now = connector_setting(live, name);

		if (!now || strcmp(now, file->config->items[i]->text) != 0)
			buf_printf(&names, "%s%s", names.len ? ", " : "", name);
	}
	if (names.len)
		lint_add(lint, false,
		    (struct lint_place){
			yaml_name(file->yaml), file->config->line, file->config->column },
		    "Connect holds %s with other settings: %s. sluicectl bootstrap registers "
		    "the file's",
		    file->name, buf_str(&names));
	buf_finish(&names);
}

static bool
said_before(const struct lint *lint, size_t count, const char *what)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(lint->findings[i].what, what) == 0)
			return true;
	return false;
}

/* The rules for the file hold for what runs; what was said of the file is not repeated. */
static void
lint_live_connector(
    const struct lint_input *in, const struct connector *live, struct lint *lint)
{
	struct lint_input as_live = *in;
	struct lint *more = calloc(1, sizeof *more);
	size_t before = lint->count;

	must(more);
	as_live.connector = live;
	lint_connector(&as_live, more);
	for (size_t i = 0; i < more->count; i++) {
		const struct lint_finding *f = &more->findings[i];

		if (!said_before(lint, before, f->what))
			lint_add(lint, f->refused,
			    (struct lint_place){ yaml_name(in->connector->yaml),
				in->connector->config->line, in->connector->config->column },
			    "as Connect holds it: %s", f->what);
	}
	free(more);
}

enum fate
lint_connect(const struct lint_input *in, struct http_client *connect, struct lint *lint,
    struct err *err)
{
	struct connector live = { 0 };
	bool there = false;
	enum fate fate = connector_live(in->connector, connect, &live, &there, err);

	if (fate != FATE_DONE)
		return fate;
	if (there) {
		lint_other_settings(in->connector, &live, lint);
		lint_live_connector(in, &live, lint);
	} else {
		lint_add(lint, false,
		    (struct lint_place){ yaml_name(in->connector->yaml),
			in->connector->config->line, in->connector->config->column },
		    "Connect knows no connector %s: sluicectl bootstrap registers it",
		    in->connector->name);
	}
	connector_finish(&live);
	return FATE_DONE;
}

/* --- the publication and the slot --- */

static void
put_table(struct buf *array, const char *text, size_t len)
{
	struct buf name = { 0 };

	buf_byte(&name, '"');
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '.')
			buf_cstr(&name, "\".\"");
		else
			buf_byte(&name, text[i]);
	}
	buf_byte(&name, '"');
	pg_array_add(array, buf_view(&name));
	buf_finish(&name);
}

/* The captured tables, as far as the list names them: false when it does not name all. */
static bool
put_tables(const struct connector *c, struct buf *array)
{
	const char *list = connector_setting(c, "table.include.list");
	bool all = list != NULL;

	pg_array_begin(array);
	while (list && *list) {
		size_t len = strcspn(list, ",");

		if (len && !memchr(list, '*', len) && !memchr(list, '\\', len) &&
		    memchr(list, '.', len))
			put_table(array, list, len);
		else
			all = false;
		list += len;
		list += strspn(list, ", ");
	}
	pg_array_end(array);
	return all;
}

/* The tables that the query reads. */
static void
put_sources(const struct sql_query *query, struct buf *array)
{
	char name[200];

	for (size_t i = 0; i < sql_query_source_count(query); i++) {
		const struct sql_source *source = sql_query_source(query, i);

		(void)snprintf(name, sizeof name, "%s.%s", source->schema, source->table);
		put_table(array, name, strlen(name));
	}
}

struct publication {
	const char *name;
	struct lint_place place;
	bool ignores_truncate;
};

static void
judge_publication(
    const struct publication *p, const struct pg_result *result, struct lint *lint)
{
	struct slice via_root = pg_result_text(result, 0, 0),
		     ops = pg_result_text(result, 0, 1);
	struct slice missing = pg_result_text(result, 0, 2),
		     rows = pg_result_text(result, 0, 3);
	struct slice keep = pg_result_text(result, 0, 4), parts = pg_result_text(result, 0, 5);

	if (!via_root.p) {
		lint_add(lint, false, p->place,
		    "publication %s is not there: sql/postgres has the statement that makes it",
		    p->name);
		return;
	}
	if (missing.p)
		lint_add(lint, true, p->place,
		    "publication %s lacks captured tables: ALTER PUBLICATION %s ADD TABLE %.*s",
		    p->name, p->name, SLICE_ARG(missing));
	if (ops.p && !(p->ignores_truncate && slice_eq(ops, SLICE("truncate"))))
		lint_add(lint, true, p->place,
		    "publication %s does not send %.*s: ALTER PUBLICATION %s SET (publish = "
		    "'insert, update, delete, truncate')",
		    p->name, SLICE_ARG(ops), p->name);
	if (rows.p)
		lint_add(lint, true, p->place,
		    "publication %s sends some rows of %.*s only: ALTER PUBLICATION %s SET "
		    "TABLE without WHERE",
		    p->name, SLICE_ARG(rows), p->name);
	if (parts.p && !slice_eq(via_root, SLICE("true")))
		lint_add(lint, true, p->place,
		    "%.*s is partitioned, and its changes come under its parts' names: ALTER "
		    "PUBLICATION %s SET (publish_via_partition_root = true)",
		    SLICE_ARG(parts), p->name);
	if (slice_eq(keep, SLICE("-1")))
		lint_add(lint, false, p->place,
		    "a connector that is away keeps WAL until the disk is full: ALTER SYSTEM "
		    "SET "
		    "max_slot_wal_keep_size = '10GB', with an alarm on the slot's lag");
}

enum fate
lint_publication(const struct lint_input *in, struct pg *pg, struct lint *lint, struct err *err)
{
	const char *name = connector_setting(in->connector, "publication.name");
	struct publication p = { .name = name ? name : "dbz_publication",
		.place = lint_setting_place(in->connector, "publication.name"),
		.ignores_truncate = in->pipeline->enrich.on_truncate == TRUNCATE_IGNORE };
	struct pg_result result = { 0 };
	struct slice params[3];
	struct buf tables = { 0 }, others = { 0 };
	enum fate fate;
	bool named = put_tables(in->connector, &tables);

	pg_array_begin(&others);
	if (!named)
		put_sources(in->query, &others);
	pg_array_end(&others);
	params[0] = slice_str(p.name);
	params[1] = buf_view(&tables);
	params[2] = buf_view(&others);
	fate = pg_query(
	    pg, &(struct pg_query){ statement_postgres_publication, params, 3 }, &result, err);
	if (fate == FATE_DONE)
		judge_publication(&p, &result, lint);
	pg_result_clear(&result);
	buf_finish(&tables);
	buf_finish(&others);
	return fate == FATE_DONE ? fate : err_wrap(err, "look at the publication");
}

/* Empty: no such slot, or nobody reads it. */
static enum fate
slot_ask(struct pg *pg, const char *slot, char *ret, size_t size, struct err *err)
{
	struct slice param = slice_str(slot);
	struct pg_result result = { 0 };
	enum fate fate = pg_query(pg,
	    &(struct pg_query){ "SELECT confirmed_flush_lsn FROM pg_replication_slots "
				"WHERE slot_name = $1 AND active",
		&param, 1 },
	    &result, err);

	ret[0] = 0;
	if (fate == FATE_DONE && result.row_count == 1)
		(void)snprintf(ret, size, "%.*s", SLICE_ARG(pg_result_text(&result, 0, 0)));
	pg_result_clear(&result);
	return fate;
}

/* How long a slot may stand, by the heartbeat: its commits are what moves it when the
 * database is idle. */
static int64_t
move_ms(const struct connector *c, int64_t *ret_heartbeat_ms)
{
	const char *text = connector_setting(c, "heartbeat.interval.ms");
	int64_t wait;

	*ret_heartbeat_ms = 0; /* Debezium's default: none */
	if (text && (!slice_i64(slice_str(text), ret_heartbeat_ms) || *ret_heartbeat_ms < 0))
		*ret_heartbeat_ms = 0;
	if (*ret_heartbeat_ms > MOVE_MAX_MS)
		return MOVE_MAX_MS;
	wait = *ret_heartbeat_ms + FLUSH_MS + SLACK_MS;
	if (wait > MOVE_MAX_MS)
		return MOVE_MAX_MS;
	return wait > MOVE_MS ? wait : MOVE_MS;
}

enum fate
lint_slot(const struct lint_input *in, struct pg *pg, struct lint *lint, struct err *err)
{
	const char *slot = connector_slot(in->connector);
	struct lint_place place = lint_setting_place(in->connector, "slot.name");
	int64_t heartbeat_ms, wait_ms = move_ms(in->connector, &heartbeat_ms);
	int64_t until_ms = clock_mono_ms() + wait_ms;
	char first[40], now[40];
	enum fate fate = slot_ask(pg, slot, first, sizeof first, err);

	if (fate == FATE_DONE && !*first)
		lint_add(lint, false, place, "slot %s is not read by anybody now", slot);
	if (fate != FATE_DONE || !*first)
		return fate;
	do {
		clock_sleep_ms(MOVE_STEP_MS);
		fate = slot_ask(pg, slot, now, sizeof now, err);
	} while (fate == FATE_DONE && strcmp(first, now) == 0 && clock_mono_ms() < until_ms);
	if (fate == FATE_DONE && strcmp(first, now) == 0)
		lint_add(lint, true, place,
		    "slot %s stands at %s for %" PRId64 " s (heartbeat.interval.ms=%" PRId64
		    "), so verify and freshness stand still: offset.flush.interval.ms=1000 in "
		    "Connect's own properties, and heartbeat.interval.ms=1000 with its action "
		    "query in the connector's",
		    slot, now, wait_ms / 1000, heartbeat_ms);
	return fate;
}
