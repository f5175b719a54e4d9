/* SPDX-License-Identifier: Apache-2.0 */
/* registry.h -- pipelines/router.yaml, read and checked: which engines there are, which
 * tables stand where, who may see what.
 *
 * registry_read() owns every text and tree in the struct; nothing changes afterwards but
 * row estimates, so threads may share it. A table that is not here does not exist for the
 * router. Filters and masks are SQL over the table's own columns, parsed and resolved here. An
 * unknown key, engine, type or column is refused with file, line and column. */
#ifndef ENGINE_REGISTRY_H
#define ENGINE_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/registry_server.h"
#include "link/yaml.h"
#include "sql/dialect.h"

enum {
	REGISTRY_ENGINES_MAX = 8,
	REGISTRY_TABLES_MAX = 1024,
	REGISTRY_ROLES_MAX = 64,
	REGISTRY_SOURCES_MAX = 16,      /* they are bits of an unsigned */
	REGISTRY_ROWS_UNKNOWN = 100000, /* what a table counts that nobody has counted */
};

enum engine_kind {
	ENGINE_POSTGRES,
	ENGINE_CLICKHOUSE,
	ENGINE_REDIS,
	ENGINE_TRINO,
	ENGINE_DUCKDB,
	ENGINE_DATABRICKS, /* its place: no driver yet */
};
enum { ENGINE_KINDS = ENGINE_DATABRICKS + 1, ENGINE_NONE = -1, SOURCE_NONE = -1 };

enum routing { ROUTING_COST, ROUTING_LITERAL };

/* One engine; its index in registry.engines is its name in bit sets. */
struct registry_engine {
	const char *name;
	enum engine_kind kind;
	const char *prefix; /* of reasons: "CH", as in CH_CANNOT_EXPRESS */
	unsigned version;   /* major; 0: the newest */
	double price_cpu_s, price_gb_read, start_up_s;
	const char *url, *user, *password, *database; /* NULL: not given */
	const char *ca_file;                   /* clickhouse, trino: NULL: the system's */
	const char *kill_user, *kill_password; /* clickhouse: who kills; NULL: user */
	const char *library;         /* duckdb: libduckdb.so; NULL: as dlopen finds it */
	struct registry_file *files; /* duckdb: Parquet files that are tables */
	size_t file_count;
	unsigned memory_mb; /* duckdb: of all queries together; 0: 512 */
};

struct registry_file {
	const char *name, *path; /* name: as placements call it */
};

/* Where a table stands on an engine. */
struct registry_placement {
	const char *path[3]; /* catalogue, schema, name: as many as the text has */
	size_t path_count;   /* 0: not there */
};

/* What a role sees of a table. */
struct registry_policy {
	const char *role;
	const struct ast_expr *filter;       /* NULL: every row */
	const struct ast_expr *const *masks; /* by column; NULL: none */
};

struct registry_table {
	struct sql_table table; /* schema, name, columns and the primary key */
	struct registry_placement placements[REGISTRY_ENGINES_MAX];
	unsigned engines;  /* bit set: where it stands */
	unsigned replicas; /* bit set: those that lag behind Postgres */
	int home;          /* the first engine named */
	bool rows_given;   /* in the file: it stands. The engines are asked for others */
	bool rows_known;
	bool board;        /* a leaderboard: (member, score) */
	unsigned governed; /* bit set: the only engines that may answer; 0: any */
	int source;        /* of registry.sources; SOURCE_NONE: how far it is is not known */
	struct registry_policy *policies;
	size_t policy_count;
};

/* What says how far replicas are: a pipeline, whose workers carry the changes. */
struct registry_source {
	const char *name, *file; /* file: the pipeline's, from the working directory */
};

struct registry_role {
	const char *name;
	bool write, ddl;
	bool require_where;        /* UPDATE and DELETE need WHERE */
	const char *const *tables; /* the only ones it may name; NULL: all */
	size_t table_count;
	const char *const *functions; /* besides those that only answer: nextval */
	size_t function_count;
};

struct registry {
	const char *file;
	enum routing routing;
	struct registry_engine engines[REGISTRY_ENGINES_MAX];
	size_t engine_count;
	struct registry_table *tables;
	size_t table_count;
	struct registry_role roles[REGISTRY_ROLES_MAX];
	size_t role_count;
	struct registry_source sources[REGISTRY_SOURCES_MAX];
	size_t source_count;
	struct registry_server server;
	struct arena arena;
	struct yaml *yaml;
};

enum fate registry_read(const char *file, struct registry **ret, struct err *err) NODISCARD;
/* From memory, as yaml_parse() takes it. */
enum fate registry_parse(
    const char *name, struct slice text, struct registry **ret, struct err *err) NODISCARD;
void registry_free(struct registry *registry); /* accepts NULL */

/* catalog and schema NULL: not written. NULL when there is none. */
const struct registry_table *registry_table(
    const struct registry *registry, const char *catalog, const char *schema, const char *name);
const struct registry_role *registry_role(const struct registry *registry, const char *name);
/* ENGINE_NONE when there is none. */
int registry_engine(const struct registry *registry, const char *name);
int registry_engine_of_kind(const struct registry *registry, enum engine_kind kind);
/* As the file spells it: "postgres". */
const char *registry_kind(enum engine_kind kind);
/* Does the role's list of tables hold it? */
bool registry_may_name(const struct registry_role *role, const struct registry_table *table);
/* What the role sees; NULL: everything. */
const struct registry_policy *registry_policy(
    const struct registry_table *table, const char *role);

#endif
