/* SPDX-License-Identifier: Apache-2.0 */
#include "work/store.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "sink/clickhouse.h"
#include "work/catalog.h"
#include "work/deliver.h"
#include "work/lint.h"
#include "work/memory.h"
#include "work/mirror.h"

enum { BATCHES_IN_HAND = 2, QUEUE_BYTES = 16 << 20 };

struct store_table {
	struct sink_clickhouse_config config, again; /* with other secrets */
	struct mirror *mirror;
	struct clickhouse_field *fields;
	struct clickhouse_rename renames[PIPELINE_COLUMNS_MAX];
	const char *identity[PIPELINE_KEYS_MAX]; /* columns */
};

struct store {
	struct pg *pg;
	struct sql_query *query; /* owns the enriched fields' names; NULL: not asked */
	struct clickhouse_setting settings[PIPELINE_SETTINGS_MAX];
	struct store_table *tables;
	size_t table_count;
	struct deliver deliver;
};

/* The column that a field goes to. */
static const char *
column_of(const struct pipeline_table *table, const char *field)
{
	for (size_t i = 0; i < table->column_count; i++)
		if (strcmp(table->columns[i].value, field) == 0)
			return table->columns[i].name;
	return field;
}

static void
fields_fill(struct store_table *t, const struct row_column *fields, size_t count)
{
	t->fields = calloc(count + 1, sizeof *t->fields);
	must(t->fields);
	for (size_t i = 0; i < count; i++)
		t->fields[i] = (struct clickhouse_field){ fields[i].name, fields[i].type };
	t->config.fields = t->fields;
	t->config.field_count = count;
}

static void
table_fill(const struct store *store, const struct pipeline_clickhouse *c,
    const struct pipeline_table *from, struct store_table *t)
{
	const struct pipeline_list *identity =
	    t->mirror ? mirror_identity(t->mirror) : &from->identity;
	const struct row_column *fields = NULL;

	t->config = (struct sink_clickhouse_config){ .urls = c->urls,
		.url_count = c->url_count,
		.user = c->user,
		.password = c->password,
		.ca_file = c->ca_file,
		.database = from->database,
		.table = from->table,
		.batch_rows = (size_t)c->batch_rows,
		.batch_bytes = (size_t)c->batch_bytes,
		.batch_age_ms = c->batch_age_ms,
		.timeout_ms = c->timeout_ms,
		.compression = c->pack == PACK_LZ4    ? NATIVE_LZ4
			       : c->pack == PACK_ZSTD ? NATIVE_ZSTD
						      : NATIVE_PLAIN,
		.settings = store->settings,
		.setting_count = c->setting_count,
		.identity = t->identity,
		.identity_count = identity->count,
		.operation = from->operation,
		.renames = t->renames,
		.rename_count = from->column_count };
	for (size_t i = 0; i < identity->count; i++)
		t->identity[i] = column_of(from, identity->items[i]);
	for (size_t i = 0; i < from->column_count; i++)
		t->renames[i] = (struct clickhouse_rename){ .field = from->columns[i].value,
			.column = from->columns[i].name };
	if (t->mirror) {
		size_t count = mirror_fields(t->mirror, &fields);

		fields_fill(t, fields, count);
	} else if (store->query) {
		fields_fill(
		    t, sql_query_results(store->query), sql_query_result_count(store->query));
	}
}

static const void *
secrets_of(void *owner, size_t route, const struct pipeline *now)
{
	struct store *store = owner;
	struct store_table *t = &store->tables[route];

	if (!now->has_clickhouse)
		return NULL;
	t->again = t->config;
	t->again.user = now->clickhouse.user;
	t->again.password = now->clickhouse.password;
	t->again.ca_file = now->clickhouse.ca_file;
	if (store->pg) /* a mirror's */
		pg_set_password(store->pg, now->postgres.password);
	return &t->again;
}

static void
store_fill(struct work *work, struct store *store)
{
	const struct pipeline_clickhouse *c = &work->pipeline->clickhouse;

	for (size_t i = 0; i < c->setting_count; i++)
		store->settings[i] =
		    (struct clickhouse_setting){ c->settings[i].name, c->settings[i].value };
	store->deliver = (struct deliver){ .work = work,
		.secrets = secrets_of,
		.owner = store,
		.route_count = c->table_count,
		.rows_max = BATCHES_IN_HAND * (size_t)c->batch_rows,
		.bytes_max = BATCHES_IN_HAND * (size_t)c->batch_bytes,
		.queue_kbytes =
		    memory_share(work->pipeline->memory_max, MEMORY_QUEUE, QUEUE_BYTES) >> 10 };
	for (size_t i = 0; i < c->table_count; i++) {
		const struct pipeline_table *from = &c->tables[i];

		table_fill(store, c, from, &store->tables[i]);
		store->deliver.routes[i] = (struct deliver_route){ .topic = from->topic,
			.name = from->target,
			.ops = from->mode == MODE_APPEND ? &sink_clickhouse_append
							 : &sink_clickhouse,
			.config = &store->tables[i].config,
			.mirror = store->tables[i].mirror };
	}
}

static enum fate
ask_postgres(struct work *work, struct store *store, struct err *err)
{
	const struct pipeline_clickhouse *c = &work->pipeline->clickhouse;
	enum fate fate = FATE_DONE;

	if (c->source == SOURCE_ENRICHED)
		return query_open(store->pg, work->pipeline, &store->query, err);
	for (size_t i = 0; i < c->table_count && fate == FATE_DONE; i++)
		if (!store->tables[i].mirror)
			fate = mirror_open(
			    store->pg, c, &c->tables[i], &store->tables[i].mirror, err);
	return fate;
}

/* A mirror cannot read without the types; an enriched record says what it holds, so
 * Postgres is not waited for: a field without a column then stops the first record. */
static enum fate
ask_patiently(struct work *work, struct store *store, struct err *err)
{
	bool mirror = work->pipeline->clickhouse.source == SOURCE_DEBEZIUM;
	struct pause pause = { 0 };

	for (;;) {
		enum fate fate = ask_postgres(work, store, err);

		if (fate == FATE_RETRY && !mirror && !work->check_only)
			return FATE_DONE;
		if (fate != FATE_RETRY || work->check_only || work_stopping())
			return fate;
		work_status(false, "waiting for Postgres: %s", err->what);
		pause_wait(&pause);
	}
}

static enum fate
store_open(struct work *work, struct store *store, struct err *err)
{
	enum fate fate = postgres_open(work->pipeline, work->member, &store->pg, err);

	store->table_count = work->pipeline->clickhouse.table_count;
	store->tables = calloc(store->table_count, sizeof *store->tables);
	must(store->tables);
	if (fate == FATE_DONE)
		fate = ask_patiently(work, store, err);
	if (work->pipeline->clickhouse.source == SOURCE_ENRICHED) {
		pg_free(store->pg); /* it was needed for the field list alone */
		store->pg = NULL;
	}
	if (fate == FATE_DONE)
		store_fill(work, store);
	return fate;
}

static void
store_close(struct store *store)
{
	for (size_t i = 0; i < store->table_count; i++) {
		mirror_free(store->tables[i].mirror);
		free(store->tables[i].fields);
	}
	free(store->tables);
	sql_query_free(store->query);
	pg_free(store->pg);
}

/* By the first host that answers; RETRY: none does. */
static enum fate
table_lint(const struct pipeline_clickhouse *c, const struct lint_table *table,
    struct lint *lint, struct err *err)
{
	enum fate fate = FATE_RETRY;

	for (size_t i = 0; i < c->url_count && fate == FATE_RETRY; i++) {
		const struct http_options options = { .base_url = c->urls[i],
			.user = c->user,
			.password = c->password,
			.ca_file = c->ca_file,
			.total_timeout_ms = c->timeout_ms };
		struct http_client *client = NULL;

		fate = http_client_new(&options, &client, err);
		if (fate == FATE_DONE)
			fate = lint_clickhouse(client, table, lint, err);
		http_client_free(client);
	}
	return fate;
}

static enum fate
tables_lint(
    const struct store *store, const struct pipeline *p, struct lint *lint, struct err *err)
{
	enum fate fate = FATE_DONE;

	for (size_t i = 0; i < store->table_count && fate == FATE_DONE; i++) {
		const struct sink_clickhouse_config *config = &store->tables[i].config;
		struct lint_table table = { .database = config->database,
			.table = config->table,
			.append = p->clickhouse.tables[i].mode == MODE_APPEND,
			.identity = config->identity,
			.identity_count = config->identity_count,
			.place = { p->file, 1, 1 } };

		pipeline_place(
		    p, "clickhouse", "table", &table.place.line, &table.place.column);
		fate = table_lint(&p->clickhouse, &table, lint, err);
	}
	return fate;
}

static enum fate
lint_patiently(struct work *work, struct store *store, struct err *err)
{
	struct lint *lint = calloc(1, sizeof *lint);
	struct pause pause = { 0 };
	enum fate fate;

	must(lint);
	for (;;) {
		lint->count = 0;
		fate = tables_lint(store, work->pipeline, lint, err);
		if (fate != FATE_RETRY || work->check_only || work_stopping())
			break;
		work_status(false, "waiting for ClickHouse: %s", err->what);
		pause_wait(&pause);
	}
	if (fate == FATE_DONE)
		fate = lint_settle(lint, err);
	else if (fate == FATE_HALT)
		(void)snprintf(err->code, sizeof err->code, "%s", CODE_CONFIG);
	free(lint);
	return fate;
}

enum fate
store_lint(const struct pipeline *pipeline, struct lint *lint, struct err *err)
{
	struct work work = { .pipeline = pipeline, .worker = "clickhouse", .check_only = true };
	struct store store = { 0 };
	enum fate fate = store_open(&work, &store, err);

	if (fate == FATE_DONE)
		fate = tables_lint(&store, pipeline, lint, err);
	store_close(&store);
	return fate;
}

enum fate
store_run(struct work *work, struct err *err)
{
	struct store store = { 0 };
	enum fate fate = store_open(work, &store, err);

	if (fate == FATE_DONE)
		fate = lint_patiently(work, &store, err);
	if (fate == FATE_DONE)
		fate = deliver_run(&store.deliver, err);
	else if (fate == FATE_RETRY)
		fate = FATE_DONE; /* asked to stop while waiting */
	store_close(&store);
	return fate;
}

enum fate
store_check(struct work *work, struct err *err)
{
	struct store store = { 0 };
	enum fate fate = store_open(work, &store, err);

	if (fate == FATE_DONE)
		fate = deliver_check(&store.deliver, err);
	if (fate == FATE_DONE)
		fate = lint_patiently(work, &store, err);
	store_close(&store);
	return fate;
}
