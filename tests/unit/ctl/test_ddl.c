/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ctl/ddl.h"

#define TYPE(k, mod)                                                                           \
	{                                                                                      \
		.kind = (k), .typmod = (mod)                                                   \
	}

static const struct ddl_column columns[] = {
	{ "id", TYPE(TYPE_INT8, -1), false },
	{ "at", TYPE(TYPE_TIMESTAMPTZ, -1), true },
	{ "kind", TYPE(TYPE_ENUM, -1), true },
	{ "code", TYPE(TYPE_VARCHAR, 4 + 32), false },
	{ "name", TYPE(TYPE_VARCHAR, 4 + 33), true },
	{ "price", TYPE(TYPE_NUMERIC, (10 << 16 | 2) + 4), true },
	{ "any", TYPE(TYPE_NUMERIC, -1), true },
	{ "Odd`name", TYPE(TYPE_JSONB, -1), false },
};
static const char *const identity[] = { "at", "id" };

static const struct ddl plain = { .database = "thm",
	.table = "events",
	.columns = columns,
	.column_count = sizeof columns / sizeof *columns,
	.identity = identity,
	.identity_count = 2 };

#define BODY                                                                                   \
	"(\n"                                                                                  \
	"    id Int64 CODEC(Delta, ZSTD(1)),\n"                                                \
	"    at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),\n"                                 \
	"    kind LowCardinality(Nullable(String)),\n"                                         \
	"    code LowCardinality(String),\n"                                                   \
	"    name Nullable(String),\n"                                                         \
	"    price Nullable(Decimal(10, 2)),\n"                                                \
	"    any Nullable(String),\n"                                                          \
	"    `Odd\\`name` String CODEC(ZSTD(3)),\n"

static void
assert_ddl(const struct ddl *ddl, const char *text)
{
	struct buf out = { 0 };

	ddl_write(&out, ddl);
	assert_string_equal(buf_str(&out), text);
	buf_finish(&out);
}

static void
one_server_has_a_table_and_its_view(void **state)
{
	(void)state;
	assert_ddl(&plain, "CREATE DATABASE IF NOT EXISTS thm;\n\n"
			   "CREATE TABLE IF NOT EXISTS thm.events\n" BODY
			   "    _version UInt64 CODEC(Delta, ZSTD(1)),\n"
			   "    _deleted UInt8\n"
			   ")\n"
			   "ENGINE = ReplacingMergeTree(_version, _deleted)\n"
			   "ORDER BY (at, id);\n\n"
			   "CREATE VIEW IF NOT EXISTS thm.events_current AS\n"
			   "SELECT id, at, kind, code, name, price, any, `Odd\\`name`\n"
			   "FROM thm.events FINAL\n"
			   "WHERE NOT _deleted;\n");
}

static void
a_cluster_has_replicas(void **state)
{
	struct ddl ddl = plain;

	(void)state;
	ddl.cluster = "main";
	assert_ddl(&ddl,
	    "CREATE DATABASE IF NOT EXISTS thm ON CLUSTER main;\n\n"
	    "CREATE TABLE IF NOT EXISTS thm.events ON CLUSTER main\n" BODY
	    "    _version UInt64 CODEC(Delta, ZSTD(1)),\n"
	    "    _deleted UInt8\n"
	    ")\n"
	    "ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/thm/events', "
	    "'{replica}', _version, _deleted)\n"
	    "ORDER BY (at, id);\n\n"
	    "CREATE VIEW IF NOT EXISTS thm.events_current ON CLUSTER main AS\n"
	    "SELECT id, at, kind, code, name, price, any, `Odd\\`name`\n"
	    "FROM thm.events FINAL\n"
	    "WHERE NOT _deleted;\n");
}

#define APPEND                                                                                 \
	"    op LowCardinality(String),\n"                                                     \
	"    _synced_at DateTime DEFAULT now(),\n"                                             \
	"    _topic LowCardinality(String),\n"                                                 \
	"    _partition Int32,\n"                                                              \
	"    _offset Int64 CODEC(Delta, ZSTD(1))\n"                                            \
	")\n"

static void
append_remembers_its_inserts(void **state)
{
	struct ddl ddl = plain;

	(void)state;
	ddl.append = true;
	ddl.operation = "op";
	assert_ddl(&ddl,
	    "CREATE DATABASE IF NOT EXISTS thm;\n\n"
	    "CREATE TABLE IF NOT EXISTS thm.events\n" BODY APPEND "ENGINE = MergeTree\n"
	    "ORDER BY (at, id, _synced_at)\n"
	    "SETTINGS non_replicated_deduplication_window = 10000;\n");
	ddl.cluster = "main";
	ddl.replica_path = "/tables/{uuid}";
	assert_ddl(&ddl, "CREATE DATABASE IF NOT EXISTS thm ON CLUSTER main;\n\n"
			 "CREATE TABLE IF NOT EXISTS thm.events ON CLUSTER main\n" BODY APPEND
			 "ENGINE = ReplicatedMergeTree('/tables/{uuid}', '{replica}')\n"
			 "ORDER BY (at, id, _synced_at)\n"
			 "SETTINGS replicated_deduplication_window = 10000;\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_server_has_a_table_and_its_view),
		cmocka_unit_test(a_cluster_has_replicas),
		cmocka_unit_test(append_remembers_its_inserts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
