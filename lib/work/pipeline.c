/* SPDX-License-Identifier: Apache-2.0 */
#include "work/pipeline.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "link/yaml.h"
#include "work/memory.h"
#include "work/pipeline_ops.h"

enum { TEXTS_MAX = 512, SQL_FILE_MAX = 1 << 20 };

struct pipeline_own {
	struct yaml *yaml;
	char *texts[TEXTS_MAX]; /* resolved paths, file contents, made names */
	size_t text_count;
};

char *
pipeline_own_text(struct pipeline *p, char *text)
{
	must(text && p->own->text_count < TEXTS_MAX);
	p->own->texts[p->own->text_count++] = text;
	return text;
}

/* A path in the file is relative to the file. */
static const char *
own_path(struct pipeline *p, const char *path)
{
	char *file, *full = NULL;

	if (path[0] == '/')
		return path;
	file = strdup(p->file);
	must(file);
	must(asprintf(&full, "%s/%s", dirname(file), path) > 0);
	free(file);
	return pipeline_own_text(p, full);
}

/* An existing file's path; the error stands at the key that names it. */
enum fate
pipeline_read_path(struct pipeline *p, struct yaml_node *map, const char *key,
    enum yaml_need need, const char **ret_path, struct err *err)
{
	const char *text = NULL;
	struct yaml_node *node;
	FILE *file;
	enum fate fate = yaml_text(map, key, need, &text, err);

	if (fate != FATE_DONE || !text)
		return fate;
	node = yaml_get(map, key);
	*ret_path = own_path(p, text);
	file = fopen(*ret_path, "re");
	if (!file)
		return yaml_error(node, err, "%s: %s", *ret_path, strerror(errno));
	(void)fclose(file);
	return FATE_DONE;
}

enum fate
pipeline_load_file(struct pipeline *p, const char *path, struct slice *ret, struct err *err)
{
	struct buf buf = { 0 };
	FILE *file = fopen(path, "re");
	char block[4096];
	size_t n;

	if (!file)
		return err_set(err, FATE_HALT, "%s: %s", path, strerror(errno));
	while (buf.len < SQL_FILE_MAX && (n = fread(block, 1, sizeof block, file)) > 0)
		buf_put(&buf, block, n);
	(void)fclose(file);
	(void)buf_str(&buf);
	*ret = slice_of(pipeline_own_text(p, buf.p), buf.len);
	return FATE_DONE;
}

enum fate
pipeline_read_list(struct yaml_node *map, const char *key, enum yaml_need need,
    struct pipeline_list *ret, struct err *err)
{
	const char *const *texts = NULL;
	size_t count = 0;
	enum fate fate = yaml_texts(map, key, need, &texts, &count, err);

	if (fate != FATE_DONE || !texts)
		return fate;
	if (count == 0 || count > PIPELINE_KEYS_MAX)
		return yaml_error(yaml_get(map, key), err, "%s takes 1 to %d column names", key,
		    PIPELINE_KEYS_MAX);
	for (size_t i = 0; i < count; i++)
		ret->items[i] = texts[i];
	ret->count = count;
	return FATE_DONE;
}

static enum fate
read_postgres(struct pipeline *p, struct yaml_node *root, struct err *err)
{
	struct pipeline_postgres *pg = &p->postgres;
	struct yaml_node *map;

	*pg = (struct pipeline_postgres){ .port = 5432, .statement_timeout_ms = 10000 };
	TRY(yaml_map(root, "postgres", YAML_REQUIRED, &map, err));
	TRY(yaml_text(map, "host", YAML_REQUIRED, &pg->host, err));
	TRY(yaml_int(map, "port", YAML_OPTIONAL, 1, 65535, &pg->port, err));
	TRY(yaml_text(map, "database", YAML_REQUIRED, &pg->database, err));
	TRY(yaml_text(map, "user", YAML_REQUIRED, &pg->user, err));
	TRY(yaml_text_or_file(map, "password", YAML_OPTIONAL, &pg->password, err));
	return yaml_duration(
	    map, "statement_timeout", YAML_OPTIONAL, &pg->statement_timeout_ms, err);
}

static enum fate
read_kafka(struct pipeline *p, struct yaml_node *root, struct err *err)
{
	struct pipeline_kafka *kafka = &p->kafka;
	struct yaml_node *map, *properties = NULL;

	TRY(yaml_map(root, "kafka", YAML_REQUIRED, &map, err));
	TRY(yaml_text(map, "brokers", YAML_REQUIRED, &kafka->brokers, err));
	TRY(yaml_text(map, "connect", YAML_OPTIONAL, &kafka->connect, err));
	TRY(yaml_map(map, "properties", YAML_OPTIONAL, &properties, err));
	if (!properties)
		return FATE_DONE;
	if (properties->count > PIPELINE_PROPERTIES_MAX)
		return yaml_error(
		    properties, err, "more than %d properties", PIPELINE_PROPERTIES_MAX);
	for (size_t i = 0; i < properties->count; i++) {
		struct kafka_property *property = &kafka->properties[i];

		property->key = properties->keys[i];
		TRY(yaml_text(properties, property->key, YAML_REQUIRED, &property->value, err));
	}
	kafka->property_count = properties->count;
	return FATE_DONE;
}

static enum fate
read_enrich(struct pipeline *p, struct yaml_node *root, struct err *err)
{
	static const char *const truncates[] = { "stop", "ignore", NULL };
	static const char *const changes[] = { "refresh", "keep", NULL };
	struct pipeline_enrich *e = &p->enrich;
	struct yaml_node *map = NULL;
	int choice = TRUNCATE_STOP;

	*e = (struct pipeline_enrich){ .partitions = 4,
		.refresh_rows_max = 1000000,
		.sink_outage_max_ms = INT64_C(7) * 24 * 3600 * 1000,
		.batch_rows = 10000,
		.batch_bytes = 8 << 20,
		.linger_ms = 25,
		.cache_bytes = 64 << 20,
		.cache_ttl_ms = 1000,
		.listen = "127.0.0.1:9101" };
	TRY(yaml_map(root, "enrich", YAML_OPTIONAL, &map, err));
	if (!map) {
		e->listen = NULL;
		return FATE_DONE;
	}
	p->has_enrich = true;
	TRY(pipeline_read_path(p, map, "sql", YAML_REQUIRED, &e->sql_file, err));
	TRY(pipeline_load_file(p, e->sql_file, &e->sql, err));
	TRY(yaml_text(map, "topic", YAML_REQUIRED, &e->topic, err));
	TRY(yaml_int(map, "partitions", YAML_OPTIONAL, 1, 1024, &e->partitions, err));
	TRY(pipeline_read_list(map, "key", YAML_REQUIRED, &e->key, err));
	e->identity = e->key;
	TRY(pipeline_read_list(map, "identity", YAML_OPTIONAL, &e->identity, err));
	TRY(yaml_int(map, "generation", YAML_OPTIONAL, 0, 31, &e->generation, err));
	TRY(yaml_choice(map, "on_truncate", YAML_OPTIONAL, truncates, &choice, err));
	e->on_truncate = (enum on_truncate)choice;
	choice = DIMENSION_REFRESH;
	TRY(yaml_choice(map, "on_dimension_change", YAML_OPTIONAL, changes, &choice, err));
	e->on_dimension_change = (enum on_dimension_change)choice;
	TRY(yaml_duration(map, "sink_outage_max", YAML_OPTIONAL, &e->sink_outage_max_ms, err));
	TRY(yaml_int(map, "refresh_rows_max", YAML_OPTIONAL, 1, INT64_C(1) << 40,
	    &e->refresh_rows_max, err));
	TRY(yaml_int(map, "batch_rows", YAML_OPTIONAL, 1, 100000, &e->batch_rows, err));
	TRY(yaml_int(
	    map, "batch_bytes", YAML_OPTIONAL, 1 << 16, 64 << 20, &e->batch_bytes, err));
	TRY(yaml_duration(map, "linger", YAML_OPTIONAL, &e->linger_ms, err));
	TRY(yaml_int(map, "cache_bytes", YAML_OPTIONAL, 1 << 16, INT64_C(1) << 36,
	    &e->cache_bytes, err));
	TRY(yaml_duration(map, "cache_ttl", YAML_OPTIONAL, &e->cache_ttl_ms, err));
	return yaml_text(map, "listen", YAML_OPTIONAL, &e->listen, err);
}

static enum fate
read_board(struct yaml_node *map, struct pipeline_board *b, struct err *err)
{
	*b = (struct pipeline_board){ .window_ms = 600000, .bucket_ms = 10000 };
	if (map->kind != YAML_MAP)
		return yaml_error(
		    map, err, "a board takes key, member, at, score, window, bucket, top");
	TRY(yaml_text(map, "key", YAML_REQUIRED, &b->key, err));
	TRY(yaml_text(map, "member", YAML_REQUIRED, &b->member, err));
	TRY(yaml_text(map, "at", YAML_REQUIRED, &b->at, err));
	TRY(yaml_text(map, "score", YAML_REQUIRED, &b->score, err));
	TRY(yaml_duration(map, "window", YAML_OPTIONAL, &b->window_ms, err));
	TRY(yaml_duration(map, "bucket", YAML_OPTIONAL, &b->bucket_ms, err));
	TRY(yaml_int(map, "top", YAML_OPTIONAL, 0, 1000000, &b->top, err));
	if (b->bucket_ms < 1000 || b->window_ms < b->bucket_ms || b->window_ms % b->bucket_ms)
		return yaml_error(
		    map, err, "window must be a multiple of bucket, and bucket at least 1s");
	return FATE_DONE;
}

static enum fate
read_leaderboard(struct pipeline *p, struct yaml_node *root, struct err *err)
{
	struct pipeline_leaderboard *l = &p->leaderboard;
	struct yaml_node *map = NULL, *boards;

	*l = (struct pipeline_leaderboard){
		.batch_rows = 5000, .batch_age_ms = 50, .listen = "127.0.0.1:9103"
	};
	TRY(yaml_map(root, "leaderboard", YAML_OPTIONAL, &map, err));
	if (!map)
		return FATE_DONE;
	p->has_leaderboard = true;
	TRY(yaml_text(map, "url", YAML_REQUIRED, &l->url, err));
	TRY(yaml_text(map, "user", YAML_OPTIONAL, &l->user, err));
	TRY(yaml_text_or_file(map, "password", YAML_OPTIONAL, &l->password, err));
	TRY(yaml_seq(map, "boards", YAML_REQUIRED, &boards, err));
	if (boards->count == 0 || boards->count > PIPELINE_BOARDS_MAX)
		return yaml_error(boards, err, "1 to %d boards", PIPELINE_BOARDS_MAX);
	for (; l->board_count < boards->count; l->board_count++) {
		TRY(read_board(boards->items[l->board_count], &l->boards[l->board_count], err));
		for (size_t i = 0; i < l->board_count; i++)
			if (strcmp(l->boards[i].key, l->boards[l->board_count].key) == 0)
				return yaml_error(boards->items[l->board_count], err,
				    "another board has this key");
	}
	boards->was_read = true;
	TRY(yaml_int(map, "batch_rows", YAML_OPTIONAL, 1, 100000, &l->batch_rows, err));
	TRY(yaml_duration(map, "batch_age", YAML_OPTIONAL, &l->batch_age_ms, err));
	return yaml_text(map, "listen", YAML_OPTIONAL, &l->listen, err);
}

static enum fate
read_source(struct pipeline *p, struct yaml_node *root, struct err *err)
{
	struct yaml_node *map;

	TRY(yaml_map(root, "source", YAML_REQUIRED, &map, err));
	TRY(yaml_text(map, "prefix", YAML_REQUIRED, &p->prefix, err));
	return pipeline_read_path(p, map, "connector", YAML_OPTIONAL, &p->connector_file, err);
}

static enum fate
read_name(struct pipeline *p, struct yaml_node *root, struct err *err)
{
	char *dlq = NULL;

	TRY(yaml_text(root, "name", YAML_REQUIRED, &p->name, err));
	if (!*p->name || strlen(p->name) > 64 ||
	    strspn(p->name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != strlen(p->name))
		return yaml_error(yaml_get(root, "name"), err,
		    "a name is 1 to 64 of a-z, 0-9, - and _ (groups and topics are named after "
		    "it)");
	must(asprintf(&dlq, "%s.dlq", p->name) > 0);
	p->dlq_topic = pipeline_own_text(p, dlq);
	return FATE_DONE;
}

/* What reads the enriched topic needs somebody who writes it. */
static enum fate
check_enrich(struct pipeline *p, struct yaml_node *root, struct err *err)
{
	bool mirror = p->has_clickhouse && p->clickhouse.source == SOURCE_DEBEZIUM;

	if (p->has_enrich && mirror)
		return yaml_error(yaml_get(root, "enrich"), err,
		    "clickhouse.source is debezium: give the mirror a file of its own");
	if (p->has_enrich || (mirror && !p->has_leaderboard && !p->has_http))
		return FATE_DONE;
	return yaml_error(root, err, "enrich is missing");
}

/* A maximum that the file names must fit the budget; one that it does not name is made to. */
static enum fate
budget_one(struct pipeline *p, struct yaml_node *root, const char *map, const char *key,
    enum memory_use use, int64_t *bytes, struct err *err)
{
	struct yaml_node *part = yaml_has(root, map) ? yaml_get(root, map) : NULL;
	int64_t share = memory_share(p->memory_max, use, *bytes);

	if (share < *bytes && part && part->kind == YAML_MAP && yaml_has(part, key))
		return yaml_error(yaml_get(part, key), err,
		    "%s.%s is %" PRId64 ", and memory_max leaves %" PRId64
		    " for it: lower it, leave it out, or raise memory_max to %" PRId64,
		    map, key, *bytes, share, memory_wanted(use, *bytes));
	*bytes = share;
	return FATE_DONE;
}

static enum fate
read_memory(struct pipeline *p, struct yaml_node *root, struct err *err)
{
	TRY(yaml_int(
	    root, "memory_max", YAML_OPTIONAL, 0, INT64_C(1) << 40, &p->memory_max, err));
	if (p->memory_max == 0)
		return FATE_DONE;
	if (p->memory_max < MEMORY_LEAST)
		return yaml_error(yaml_get(root, "memory_max"), err,
		    "memory_max is %" PRId64
		    " bytes: a worker's code and clients take %d of them, "
		    "and %d is the least that leaves room for records",
		    p->memory_max, MEMORY_BASE, MEMORY_LEAST);
	TRY(budget_one(
	    p, root, "enrich", "cache_bytes", MEMORY_CACHE, &p->enrich.cache_bytes, err));
	TRY(budget_one(
	    p, root, "enrich", "batch_bytes", MEMORY_BATCH, &p->enrich.batch_bytes, err));
	return budget_one(p, root, "clickhouse", "batch_bytes", MEMORY_BLOCK,
	    &p->clickhouse.batch_bytes, err);
}

static enum fate
read_all(struct pipeline *p, struct yaml_node *root, struct err *err)
{
	TRY(read_name(p, root, err));
	TRY(read_postgres(p, root, err));
	TRY(read_kafka(p, root, err));
	TRY(read_source(p, root, err));
	TRY(read_enrich(p, root, err));
	TRY(pipeline_read_clickhouse(p, root, err));
	TRY(read_leaderboard(p, root, err));
	TRY(pipeline_read_http(p, root, err));
	TRY(check_enrich(p, root, err));
	TRY(read_memory(p, root, err));
	return yaml_check_all_read(root, err);
}

enum fate
pipeline_read(const char *file, struct pipeline **ret_pipeline, struct err *err)
{
	struct pipeline *p = calloc(1, sizeof *p);
	enum fate fate;

	must(p);
	p->own = calloc(1, sizeof *p->own);
	must(p->own);
	p->file = pipeline_own_text(p, strdup(file));
	fate = yaml_open(file, &p->own->yaml, err);
	if (fate == FATE_DONE)
		fate = read_all(p, yaml_root(p->own->yaml), err);
	if (fate != FATE_DONE) {
		pipeline_free(p);
		return fate;
	}
	*ret_pipeline = p;
	return FATE_DONE;
}

static struct yaml_node *
key_node(const struct yaml_node *map, const char *key, struct yaml_node **ret_value)
{
	for (size_t i = 0; map && map->kind == YAML_MAP && i < map->count; i++)
		if (strcmp(map->keys[i], key) == 0) {
			*ret_value = map->items[i];
			return map->key_nodes[i];
		}
	return NULL;
}

void
pipeline_place(const struct pipeline *pipeline, const char *map, const char *key,
    unsigned *ret_line, unsigned *ret_column)
{
	struct yaml_node *value = NULL, *ignored;
	struct yaml_node *node, *inner;

	if (!pipeline->own)
		return; /* a test made it */
	node = key_node(yaml_root(pipeline->own->yaml), map, &value);
	inner = key_node(value, key, &ignored);
	if (inner)
		node = inner;
	if (!node)
		return;
	*ret_line = node->line;
	*ret_column = node->column;
}

void
pipeline_free(struct pipeline *pipeline)
{
	if (!pipeline)
		return;
	for (size_t i = 0; i < pipeline->own->text_count; i++)
		free(pipeline->own->texts[i]);
	yaml_close(pipeline->own->yaml);
	free(pipeline->own);
	free(pipeline);
}
