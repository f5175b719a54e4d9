/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/registry.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "engine/registry_read.h"

enum { ARENA_SIZE = 64 << 20 };

#define TRY(call)                                                                              \
	do {                                                                                   \
		enum fate try_fate = (call);                                                   \
		if (try_fate != FATE_DONE)                                                     \
			return try_fate;                                                       \
	} while (0)

void *
registry_take(struct registry *r, size_t count, size_t size)
{
	void *p = arena_alloc(&r->arena, count * size + 1);

	must(p);
	memset(p, 0, count * size + 1);
	return p;
}

/* Only DuckDB is given a library, files and a share of memory. */
static enum fate
read_duckdb(
    struct registry *r, struct yaml_node *map, struct registry_engine *e, struct err *err)
{
	struct yaml_node *files = NULL;
	int64_t memory_mb = 0;

	TRY(yaml_text(map, "library", YAML_OPTIONAL, &e->library, err));
	TRY(yaml_int(map, "memory_mb", YAML_OPTIONAL, 16, 1 << 20, &memory_mb, err));
	e->memory_mb = (unsigned)memory_mb;
	TRY(yaml_map(map, "files", YAML_OPTIONAL, &files, err));
	if (!files)
		return FATE_DONE;
	e->files = registry_take(r, files->count, sizeof *e->files);
	for (; e->file_count < files->count; e->file_count++) {
		struct registry_file *file = &e->files[e->file_count];

		file->name = files->keys[e->file_count];
		TRY(yaml_text(files, file->name, YAML_REQUIRED, &file->path, err));
	}
	return FATE_DONE;
}

static const char *const kinds[] = { "postgres", "clickhouse", "redis", "trino", "duckdb",
	"databricks", NULL };

const char *
registry_kind(enum engine_kind kind)
{
	return kinds[kind];
}

/* It stands in headers, metrics and JSON as it is. */
static bool
is_engine_name(const char *name)
{
	size_t len =
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return len > 0 && len < 64 && !name[len];
}

static enum fate
read_engine(struct registry *r, struct yaml_node *map, const char *name, struct err *err)
{
	static const char *const prefixes[] = { "PG", "CH", "REDIS", "TRINO", "DUCKDB", "DBX" };
	struct registry_engine *e = &r->engines[r->engine_count];
	int64_t version = 0;
	int kind = ENGINE_POSTGRES;

	if (!is_engine_name(name))
		return yaml_error(
		    map, err, "an engine's name is of letters, digits, - and _, 63 at most");
	*e = (struct registry_engine){ .name = name };
	TRY(yaml_choice(map, "kind", YAML_REQUIRED, kinds, &kind, err));
	e->kind = (enum engine_kind)kind;
	e->prefix = prefixes[kind];
	TRY(yaml_int(map, "version", YAML_OPTIONAL, 0, 1000, &version, err));
	e->version = (unsigned)version;
	TRY(yaml_real(map, "price_cpu_s", YAML_OPTIONAL, 0, 1e6, &e->price_cpu_s, err));
	TRY(yaml_real(map, "price_gb_read", YAML_OPTIONAL, 0, 1e6, &e->price_gb_read, err));
	TRY(yaml_real(map, "start_up_s", YAML_OPTIONAL, 0, 86400, &e->start_up_s, err));
	TRY(yaml_text(map, "url", YAML_OPTIONAL, &e->url, err));
	TRY(yaml_text(map, "user", YAML_OPTIONAL, &e->user, err));
	TRY(yaml_text(map, "database", YAML_OPTIONAL, &e->database, err));
	TRY(yaml_text_or_file(map, "password", YAML_OPTIONAL, &e->password, err));
	if (e->kind == ENGINE_DUCKDB)
		TRY(read_duckdb(r, map, e, err));
	if (e->kind == ENGINE_CLICKHOUSE || e->kind == ENGINE_TRINO)
		TRY(yaml_text(map, "ca_file", YAML_OPTIONAL, &e->ca_file, err));
	if (e->kind == ENGINE_CLICKHOUSE) {
		TRY(yaml_text(map, "kill_user", YAML_OPTIONAL, &e->kill_user, err));
		TRY(yaml_text_or_file(
		    map, "kill_password", YAML_OPTIONAL, &e->kill_password, err));
	}
	if (registry_engine_of_kind(r, e->kind) != ENGINE_NONE)
		return yaml_error(map, err, "a second engine of kind %s", kinds[kind]);
	r->engine_count++;
	return FATE_DONE;
}

static enum fate
read_engines(struct registry *r, struct yaml_node *root, struct err *err)
{
	struct yaml_node *map, *engine;

	TRY(yaml_map(root, "engines", YAML_REQUIRED, &map, err));
	if (map->count == 0 || map->count > REGISTRY_ENGINES_MAX)
		return yaml_error(map, err, "1 to %d engines", REGISTRY_ENGINES_MAX);
	for (size_t i = 0; i < map->count; i++) {
		TRY(yaml_map(map, map->keys[i], YAML_REQUIRED, &engine, err));
		TRY(read_engine(r, engine, map->keys[i], err));
	}
	return FATE_DONE;
}

static enum fate
read_sources(struct registry *r, struct yaml_node *root, struct err *err)
{
	struct yaml_node *map = NULL;

	TRY(yaml_map(root, "sources", YAML_OPTIONAL, &map, err));
	if (map && map->count > REGISTRY_SOURCES_MAX)
		return yaml_error(map, err, "at most %d sources", REGISTRY_SOURCES_MAX);
	for (size_t i = 0; map && i < map->count; i++) {
		struct registry_source *source = &r->sources[r->source_count++];

		source->name = map->keys[i];
		TRY(yaml_text(map, map->keys[i], YAML_REQUIRED, &source->file, err));
	}
	return FATE_DONE;
}

static enum fate
read_role(struct registry *r, struct yaml_node *map, const char *name, struct err *err)
{
	struct registry_role *role = &r->roles[r->role_count];

	*role = (struct registry_role){ .name = name };
	TRY(yaml_bool(map, "write", YAML_OPTIONAL, &role->write, err));
	TRY(yaml_bool(map, "ddl", YAML_OPTIONAL, &role->ddl, err));
	TRY(yaml_bool(map, "require_where", YAML_OPTIONAL, &role->require_where, err));
	TRY(yaml_texts(map, "tables", YAML_OPTIONAL, &role->tables, &role->table_count, err));
	TRY(yaml_texts(
	    map, "functions", YAML_OPTIONAL, &role->functions, &role->function_count, err));
	for (size_t i = 0; i < role->table_count; i++) {
		if (!registry_table(r, NULL, NULL, role->tables[i]))
			return yaml_error(yaml_get(map, "tables"), err,
			    "role %s: no table %s here", name, role->tables[i]);
	}
	r->role_count++;
	return FATE_DONE;
}

static enum fate
read_roles(struct registry *r, struct yaml_node *root, struct err *err)
{
	struct yaml_node *map, *role;

	TRY(yaml_map(root, "roles", YAML_REQUIRED, &map, err));
	if (map->count == 0 || map->count > REGISTRY_ROLES_MAX)
		return yaml_error(map, err, "1 to %d roles", REGISTRY_ROLES_MAX);
	for (size_t i = 0; i < map->count; i++) {
		TRY(yaml_map(map, map->keys[i], YAML_REQUIRED, &role, err));
		TRY(read_role(r, role, map->keys[i], err));
	}
	return FATE_DONE;
}

/* Policies name roles, roles name tables: checked once both are there. */
static enum fate
check_policies(const struct registry *r, struct yaml_node *root, struct err *err)
{
	for (size_t t = 0; t < r->table_count; t++) {
		for (size_t p = 0; p < r->tables[t].policy_count; p++) {
			const char *role = r->tables[t].policies[p].role;

			if (!registry_role(r, role))
				return yaml_error(yaml_get(root, "tables"), err,
				    "table %s: no role %s here", r->tables[t].table.name, role);
		}
	}
	return FATE_DONE;
}

static enum fate
read_server(struct registry *r, struct yaml_node *root, struct err *err)
{
	struct yaml_node *map = NULL;

	registry_server_defaults(&r->server);
	TRY(yaml_map(root, "server", YAML_OPTIONAL, &map, err));
	if (!map)
		return FATE_DONE;
	TRY(registry_read_server(&r->server, map, err));
	if (r->server.anonymous && !registry_role(r, r->server.anonymous))
		return yaml_error(
		    yaml_get(map, "anonymous"), err, "no role %s here", r->server.anonymous);
	return FATE_DONE;
}

static enum fate
read_all(struct registry *r, struct err *err)
{
	static const char *const routings[] = { "cost", "literal", NULL };
	struct yaml_node *root = yaml_root(r->yaml), *tables;
	int routing = ROUTING_COST;

	TRY(yaml_choice(root, "routing", YAML_OPTIONAL, routings, &routing, err));
	r->routing = (enum routing)routing;
	TRY(read_engines(r, root, err));
	TRY(read_sources(r, root, err));
	TRY(yaml_map(root, "tables", YAML_REQUIRED, &tables, err));
	TRY(registry_read_tables(r, tables, err));
	TRY(read_roles(r, root, err));
	TRY(check_policies(r, root, err));
	TRY(read_server(r, root, err));
	return yaml_check_all_read(root, err);
}

static enum fate
finish_read(struct yaml *yaml, struct registry **ret, struct err *err)
{
	struct registry *r = calloc(1, sizeof *r);
	enum fate fate;

	must(r);
	r->yaml = yaml;
	r->file = yaml_name(yaml);
	arena_init(&r->arena, ARENA_SIZE);
	fate = read_all(r, err);
	if (fate)
		registry_free(r);
	else
		*ret = r;
	return fate;
}

enum fate
registry_read(const char *file, struct registry **ret, struct err *err)
{
	struct yaml *yaml;

	TRY(yaml_open(file, &yaml, err));
	return finish_read(yaml, ret, err);
}

enum fate
registry_parse(const char *name, struct slice text, struct registry **ret, struct err *err)
{
	struct yaml *yaml;

	TRY(yaml_parse(name, text, NULL, NULL, &yaml, err));
	return finish_read(yaml, ret, err);
}

void
registry_free(struct registry *registry)
{
	if (!registry)
		return;
	yaml_close(registry->yaml);
	arena_finish(&registry->arena);
	free(registry);
}

const struct registry_table *
registry_table(
    const struct registry *r, const char *catalog, const char *schema, const char *name)
{
	for (size_t i = 0; !catalog && i < r->table_count; i++) {
		const struct registry_table *t = &r->tables[i];

		if (strcmp(t->table.name, name) == 0 &&
		    strcmp(t->table.schema, schema ? schema : "public") == 0)
			return t;
	}
	return NULL;
}

const struct registry_role *
registry_role(const struct registry *r, const char *name)
{
	for (size_t i = 0; i < r->role_count; i++) {
		if (strcmp(r->roles[i].name, name) == 0)
			return &r->roles[i];
	}
	return NULL;
}

int
registry_engine(const struct registry *r, const char *name)
{
	for (size_t i = 0; i < r->engine_count; i++) {
		if (strcmp(r->engines[i].name, name) == 0)
			return (int)i;
	}
	return ENGINE_NONE;
}

int
registry_engine_of_kind(const struct registry *r, enum engine_kind kind)
{
	for (size_t i = 0; i < r->engine_count; i++) {
		if (r->engines[i].kind == kind)
			return (int)i;
	}
	return ENGINE_NONE;
}

bool
registry_may_name(const struct registry_role *role, const struct registry_table *t)
{
	if (!role->tables)
		return true;
	for (size_t i = 0; i < role->table_count; i++) {
		if (strcmp(role->tables[i], t->table.name) == 0)
			return true;
	}
	return false;
}

const struct registry_policy *
registry_policy(const struct registry_table *table, const char *role)
{
	for (size_t i = 0; i < table->policy_count; i++) {
		if (strcmp(table->policies[i].role, role) == 0)
			return &table->policies[i];
	}
	return NULL;
}
