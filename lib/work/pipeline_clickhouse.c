/* SPDX-License-Identifier: Apache-2.0 */
/* The part named clickhouse: hosts and login, and the tables with what they take. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "work/pipeline_ops.h"

enum { BATCH_ROWS_MAX = 1000000, BATCH_BYTES_MAX = 256 << 20 };

static const char *const modes[] = { "replace", "append", NULL };
static const char *const sources[] = { "enriched", "debezium", NULL };
static const char *const packs[] = { "none", "lz4", "zstd", NULL };
static const char *const truncates[] = { "stop", "ignore", NULL };

static enum fate
read_pairs(struct yaml_node *map, const char *key, struct pipeline_pair *ret, size_t max,
    size_t *ret_count, struct err *err)
{
	struct yaml_node *pairs = NULL;

	TRY(yaml_map(map, key, YAML_OPTIONAL, &pairs, err));
	if (!pairs)
		return FATE_DONE;
	if (pairs->count > max)
		return yaml_error(pairs, err, "%s takes up to %zu", key, max);
	for (size_t i = 0; i < pairs->count; i++) {
		ret[i].name = pairs->keys[i];
		TRY(yaml_text(pairs, ret[i].name, YAML_REQUIRED, &ret[i].value, err));
	}
	*ret_count = pairs->count;
	return FATE_DONE;
}

static const char *
joined(struct pipeline *p, const char *a, const char *b)
{
	char *text = NULL;

	must(asprintf(&text, "%s.%s", a, b) > 0);
	return pipeline_own_text(p, text);
}

/* What a table takes and how; the same keys for the only one and for one of many. */
static enum fate
read_table(struct pipeline *p, struct yaml_node *map, struct pipeline_table *t, struct err *err)
{
	int mode = MODE_REPLACE;

	t->partitions = 1;
	t->database = p->clickhouse.database;
	TRY(yaml_text(map, "table", YAML_REQUIRED, &t->table, err));
	TRY(yaml_choice(map, "mode", YAML_OPTIONAL, modes, &mode, err));
	t->mode = (enum pipeline_mode)mode;
	TRY(read_pairs(
	    map, "columns", t->columns, PIPELINE_COLUMNS_MAX, &t->column_count, err));
	TRY(yaml_text(map, "operation", YAML_OPTIONAL, &t->operation, err));
	t->target = joined(p, t->database, t->table);
	return FATE_DONE;
}

static enum fate
read_mirrored(
    struct pipeline *p, struct yaml_node *map, struct pipeline_table *t, struct err *err)
{
	if (map->kind != YAML_MAP)
		return yaml_error(map, err, "a table takes from, table, mode, columns ...");
	TRY(yaml_text(map, "database", YAML_OPTIONAL, &p->clickhouse.database, err));
	TRY(read_table(p, map, t, err));
	TRY(yaml_text(map, "from", YAML_REQUIRED, &t->from, err));
	if (!strchr(t->from, '.'))
		return yaml_error(yaml_get(map, "from"), err, "from takes SCHEMA.TABLE");
	TRY(yaml_int(map, "partitions", YAML_OPTIONAL, 1, 1024, &t->partitions, err));
	TRY(pipeline_read_list(map, "identity", YAML_OPTIONAL, &t->identity, err));
	TRY(pipeline_read_list(map, "skip", YAML_OPTIONAL, &t->skip, err));
	t->topic = joined(p, p->prefix, t->from);
	return FATE_DONE;
}

static enum fate
check_twice(struct pipeline_clickhouse *c, struct yaml_node *tables, struct err *err)
{
	for (size_t i = 0; i < c->table_count; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(c->tables[i].target, c->tables[k].target) == 0)
				return yaml_error(tables->items[i], err, "%s stands twice",
				    c->tables[i].target);
	return FATE_DONE;
}

static enum fate
read_tables(struct pipeline *p, struct yaml_node *map, struct err *err)
{
	struct pipeline_clickhouse *c = &p->clickhouse;
	const char *database = c->database;
	struct yaml_node *tables;

	if (c->source == SOURCE_ENRICHED) {
		struct pipeline_table *t = &c->tables[c->table_count++];

		TRY(read_table(p, map, t, err));
		t->topic = p->enrich.topic;
		t->partitions = p->enrich.partitions;
		t->identity = p->enrich.identity;
		return FATE_DONE;
	}
	TRY(yaml_seq(map, "tables", YAML_REQUIRED, &tables, err));
	if (tables->count == 0 || tables->count > PIPELINE_TABLES_MAX)
		return yaml_error(tables, err, "1 to %d tables", PIPELINE_TABLES_MAX);
	for (; c->table_count < tables->count; c->table_count++) {
		c->database = database;
		TRY(read_mirrored(
		    p, tables->items[c->table_count], &c->tables[c->table_count], err));
	}
	c->database = database;
	tables->was_read = true;
	return check_twice(c, tables, err);
}

static enum fate
read_login(struct pipeline *p, struct yaml_node *map, struct err *err)
{
	struct pipeline_clickhouse *c = &p->clickhouse;
	const char *const *urls = NULL;

	TRY(yaml_texts(map, "url", YAML_REQUIRED, &urls, &c->url_count, err));
	if (c->url_count == 0 || c->url_count > PIPELINE_HOSTS_MAX)
		return yaml_error(
		    yaml_get(map, "url"), err, "url takes 1 to %d", PIPELINE_HOSTS_MAX);
	memcpy(c->urls, urls, c->url_count * sizeof *urls);
	c->url = c->urls[0];
	TRY(yaml_text(map, "user", YAML_OPTIONAL, &c->user, err));
	TRY(yaml_text_or_file(map, "password", YAML_OPTIONAL, &c->password, err));
	TRY(pipeline_read_path(p, map, "ca_file", YAML_OPTIONAL, &c->ca_file, err));
	TRY(yaml_text(map, "database", YAML_REQUIRED, &c->database, err));
	return read_pairs(
	    map, "settings", c->settings, PIPELINE_SETTINGS_MAX, &c->setting_count, err);
}

static enum fate
read_batch(struct pipeline_clickhouse *c, struct yaml_node *map, struct err *err)
{
	int pack = PACK_LZ4;

	TRY(yaml_choice(map, "compression", YAML_OPTIONAL, packs, &pack, err));
	c->pack = (enum pipeline_pack)pack;
	TRY(yaml_int(map, "batch_rows", YAML_OPTIONAL, 1, BATCH_ROWS_MAX, &c->batch_rows, err));
	TRY(yaml_int(
	    map, "batch_bytes", YAML_OPTIONAL, 1 << 16, BATCH_BYTES_MAX, &c->batch_bytes, err));
	TRY(yaml_duration(map, "batch_age", YAML_OPTIONAL, &c->batch_age_ms, err));
	return yaml_duration(map, "timeout", YAML_OPTIONAL, &c->timeout_ms, err);
}

enum fate
pipeline_read_clickhouse(struct pipeline *p, struct yaml_node *root, struct err *err)
{
	struct pipeline_clickhouse *c = &p->clickhouse;
	struct yaml_node *map = NULL;
	int choice = SOURCE_ENRICHED;

	*c = (struct pipeline_clickhouse){ .user = "default",
		.batch_rows = 50000,
		.batch_bytes = 16 << 20,
		.batch_age_ms = 400,
		.timeout_ms = 30000,
		.listen = "127.0.0.1:9102" };
	TRY(yaml_map(root, "clickhouse", YAML_OPTIONAL, &map, err));
	if (!map)
		return FATE_DONE;
	p->has_clickhouse = true;
	TRY(yaml_choice(map, "source", YAML_OPTIONAL, sources, &choice, err));
	c->source = (enum pipeline_source)choice;
	TRY(yaml_text(map, "group", YAML_OPTIONAL, &c->group, err));
	TRY(read_login(p, map, err));
	TRY(read_tables(p, map, err));
	c->table = c->tables[0].table;
	if (c->source == SOURCE_DEBEZIUM) {
		choice = TRUNCATE_STOP;
		TRY(yaml_choice(map, "on_truncate", YAML_OPTIONAL, truncates, &choice, err));
		c->on_truncate = (enum on_truncate)choice;
		TRY(yaml_int(map, "generation", YAML_OPTIONAL, 0, 31, &c->generation, err));
	}
	TRY(pipeline_read_path(p, map, "ddl", YAML_OPTIONAL, &c->ddl_file, err));
	if (c->ddl_file)
		TRY(pipeline_load_file(p, c->ddl_file, &c->ddl, err));
	TRY(yaml_text(map, "cluster", YAML_OPTIONAL, &c->cluster, err));
	TRY(yaml_text(map, "replica_path", YAML_OPTIONAL, &c->replica_path, err));
	TRY(read_batch(c, map, err));
	return yaml_text(map, "listen", YAML_OPTIONAL, &c->listen, err);
}

static void
print_pairs(struct buf *out, const char *indent, const char *key,
    const struct pipeline_pair *pairs, size_t count)
{
	char name[96];

	if (count)
		buf_printf(out, "%s%s:\n", indent, key);
	for (size_t i = 0; i < count; i++) {
		(void)snprintf(name, sizeof name, "%s  %s", indent, pairs[i].name);
		pipeline_print_text(out, name, pairs[i].value);
	}
}

static void
print_table(struct buf *out, const struct pipeline_table *t)
{
	pipeline_print_text(out, "    - from", t->from);
	buf_printf(out, "      partitions: %" PRId64 "\n", t->partitions);
	pipeline_print_text(out, "      database", t->database);
	pipeline_print_text(out, "      table", t->table);
	pipeline_print_text(out, "      mode", modes[t->mode]);
	if (t->identity.count)
		pipeline_print_list(out, "      identity", &t->identity);
	if (t->skip.count)
		pipeline_print_list(out, "      skip", &t->skip);
	print_pairs(out, "      ", "columns", t->columns, t->column_count);
	pipeline_print_text(out, "      operation", t->operation);
}

static void
print_tables(struct buf *out, const struct pipeline_clickhouse *c)
{
	const struct pipeline_table *t = &c->tables[0];

	if (c->source == SOURCE_ENRICHED) {
		pipeline_print_text(out, "  table", t->table);
		pipeline_print_text(out, "  mode", modes[t->mode]);
		print_pairs(out, "  ", "columns", t->columns, t->column_count);
		pipeline_print_text(out, "  operation", t->operation);
		return;
	}
	pipeline_print_text(out, "  on_truncate", truncates[c->on_truncate]);
	buf_printf(out, "  generation: %" PRId64 "\n  tables:\n", c->generation);
	for (size_t i = 0; i < c->table_count; i++)
		print_table(out, &c->tables[i]);
}

void
pipeline_print_clickhouse(const struct pipeline *p, struct buf *out)
{
	const struct pipeline_clickhouse *c = &p->clickhouse;

	buf_cstr(out, "clickhouse:\n");
	pipeline_print_text(out, "  source", sources[c->source]);
	pipeline_print_text(out, "  group", c->group);
	if (c->url_count == 1)
		pipeline_print_url(out, "  url", c->url);
	else
		buf_cstr(out, "  url:\n");
	for (size_t i = 0; i < c->url_count && c->url_count > 1; i++)
		pipeline_print_url(out, "    -", c->urls[i]);
	pipeline_print_text(out, "  user", c->user);
	pipeline_print_secret(out, "  password", c->password);
	pipeline_print_text(out, "  ca_file", c->ca_file);
	pipeline_print_text(out, "  database", c->database);
	print_pairs(out, "  ", "settings", c->settings, c->setting_count);
	print_tables(out, c);
	pipeline_print_text(out, "  ddl", c->ddl_file);
	pipeline_print_text(out, "  cluster", c->cluster);
	pipeline_print_text(out, "  replica_path", c->replica_path);
	pipeline_print_text(out, "  compression", packs[c->pack]);
	buf_printf(out,
	    "  batch_rows: %" PRId64 "\n  batch_bytes: %" PRId64 "\n  batch_age: %" PRId64
	    "ms\n  timeout: %" PRId64 "ms\n",
	    c->batch_rows, c->batch_bytes, c->batch_age_ms, c->timeout_ms);
	pipeline_print_text(out, "  listen", c->listen);
}
