/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/registry.h"

#define ENGINES "engines:\n  postgres: {kind: postgres}\n  redis: {kind: redis}\n"
#define ROLES   "roles:\n  reader: {}\n"

/* Texts that are no registry, and what is said of them. */
static const struct {
	const char *text, *what;
} bad[] = {
	{ "engines:\n  x: {kind: oracle}\n", "r.yaml:2:" },
	{ "engines:\n  \"p\\\"g\": {kind: postgres}\n", "an engine's name is of" },
	{ "engines:\n  \"\": {kind: postgres}\n", "an engine's name is of" },
	{ "engines:\n  a: {kind: postgres}\n  b: {kind: postgres}\n",
	    "a second engine of kind postgres" },
	{ ENGINES "tables:\n  t: {columns: {id: bigint}, engines: {mars: t}}\n" ROLES,
	    "no engine mars here" },
	{ ENGINES "tables:\n  t: {columns: {id: bignum}, engines: {postgres: t}}\n" ROLES,
	    "column id: bignum is no type" },
	{ ENGINES "tables:\n  t: {columns: {id: \"int4 + 1\"}, engines: {postgres: t}}\n" ROLES,
	    "r.yaml:5:" },
	{ ENGINES
	    "tables:\n  t: {columns: {id: bigint}, key: nr, engines: {postgres: t}}\n" ROLES,
	    "table t has no column nr" },
	{ ENGINES "tables:\n  t:\n    columns: {id: bigint}\n    engines: {postgres: t}\n"
		  "    policies:\n      reader: {filter: \"ssn = 'x'\"}\n" ROLES,
	    "r.yaml:9:" },
	{ ENGINES "tables:\n  t:\n    columns: {id: bigint}\n    engines: {postgres: t}\n"
		  "    policies:\n      reader: {filter: \"id + 1\"}\n" ROLES,
	    "a filter is true or false" },
	{ ENGINES "tables:\n  t:\n    columns: {id: bigint}\n    engines: {postgres: t}\n"
		  "    policies:\n      reader: {masks: {id: \"(SELECT 1)\"}}\n" ROLES,
	    "neither subqueries nor parameters" },
	{ ENGINES "tables:\n  t:\n    columns: {id: bigint}\n    engines: {postgres: t}\n"
		  "    policies:\n      reader: {masks: {id: \"pg_sleep(1)\"}}\n" ROLES,
	    "is not allowed" },
	{ ENGINES "tables:\n  t:\n    columns: {id: bigint}\n    engines: {postgres: t}\n"
		  "    policies:\n      ghost: {filter: \"id = 1\"}\n" ROLES,
	    "no role ghost here" },
	{ ENGINES "tables:\n  t: {columns: {id: bigint}, engines: {redis: \"a:b\"}}\n" ROLES,
	    "a leaderboard has two columns" },
	{ ENGINES
	    "tables:\n  t: {columns: {m: text, s: text}, engines: {redis: \"a:b\"}}\n" ROLES,
	    "a leaderboard has two columns" },
	{ ENGINES "tables:\n  t:\n    columns: {m: text, s: double precision}\n"
		  "    engines: {redis: \"a\\nb\"}\n" ROLES,
	    "no newline" },
	{ ENGINES "tables:\n  t:\n    columns: {m: text, s: double precision}\n"
		  "    engines: {redis: a}\n"
		  "    policies:\n      reader: {filter: \"s > 1\"}\n" ROLES,
	    "neither filters nor masks" },
	{ ENGINES
	    "tables:\n  t: {columns: {id: bigint}, engines: {postgres: t}, typo: 1}\n" ROLES,
	    "typo" },
	{ ENGINES "tables:\n  t: {columns: {id: bigint}, engines: {postgres: t}}\n"
		  "roles:\n  reader: {tables: nowhere}\n",
	    "no table nowhere here" },
};

static void
mistakes_are_named_with_their_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct registry *registry = NULL;
		struct err err = { 0 };

		assert_int_equal(
		    registry_parse("r.yaml", slice_str(bad[i].text), &registry, &err),
		    FATE_HALT);
		if (!strstr(err.what, bad[i].what) || strncmp(err.what, "r.yaml:", 7) != 0)
			fail_msg("%s\n%s instead of %s", bad[i].text, err.what, bad[i].what);
	}
}

static void
the_pipeline_s_own_registry_reads(void **state)
{
	struct registry *registry = NULL;
	const struct registry_table *t;
	struct err err = { 0 };

	(void)state;
	if (registry_read("pipelines/router.yaml", &registry, &err))
		fail_msg("%s", err.what);
	t = registry_table(registry, NULL, NULL, "enriched_events");
	assert_non_null(t);
	assert_int_equal(t->home, registry_engine(registry, "postgres"));
	assert_int_equal(t->replicas, 1u << registry_engine(registry, "clickhouse"));
	assert_int_equal(t->table.columns[9].type.kind, TYPE_NUMERIC);
	assert_int_equal(t->table.columns[9].type.typmod, ((18 << 16) | 3) + 4);
	assert_string_equal(t->placements[1].path[1], "enriched_events_current");
	assert_true(registry_table(registry, NULL, NULL, "top10")->board);
	assert_null(registry_table(registry, NULL, "thm", "enriched_events"));
	registry_free(registry);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_are_named_with_their_place),
		cmocka_unit_test(the_pipeline_s_own_registry_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
