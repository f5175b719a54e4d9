/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "work/memory.h"
#include "work/pipeline.h"
#include "work/pipeline_ops.h"

static char folder[64];

static const char *
written(const char *text)
{
	static char path[128];
	FILE *file;

	(void)snprintf(path, sizeof path, "%s/p.yaml", folder);
	file = fopen(path, "we");
	assert_non_null(file);
	(void)fputs(text, file);
	(void)fclose(file);
	return path;
}

static int
setup(void **state)
{
	FILE *file;
	char path[128];

	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/sluice-unit-XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof path, "%s/q.sql", folder);
	file = fopen(path, "we");
	(void)fputs("SELECT 1", file);
	(void)fclose(file);
	return 0;
}

#define HEAD                                                                                   \
	"name: p\npostgres:\n  host: h\n  database: d\n  user: u\n  password: secret1\n"       \
	"kafka:\n  brokers: b:1\nsource:\n  prefix: x\n"
#define ENRICH "enrich:\n  sql: q.sql\n  topic: t\n  key: [id]\n"

static void
a_small_file_gets_its_defaults(void **state)
{
	struct pipeline *p = NULL;
	struct buf out = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(pipeline_read(written(HEAD ENRICH), &p, &err), FATE_DONE);
	assert_string_equal(p->name, "p");
	assert_string_equal(p->dlq_topic, "p.dlq");
	assert_int_equal(p->postgres.port, 5432);
	assert_int_equal(p->enrich.partitions, 4);
	assert_int_equal(p->enrich.identity.count, 1);
	assert_string_equal(p->enrich.sql.p, "SELECT 1");
	assert_false(p->has_clickhouse);
	pipeline_print(p, &out);
	assert_null(strstr(buf_str(&out), "secret1"));
	assert_non_null(strstr(buf_str(&out), "password: '***'"));
	buf_finish(&out);
	pipeline_free(p);
}

static void
refused(const char *text, const char *place, const char *word)
{
	struct pipeline *p = NULL;
	struct err err = { 0 };

	assert_int_equal(pipeline_read(written(text), &p, &err), FATE_HALT);
	if (!strstr(err.what, place) || !strstr(err.what, word))
		fail_msg("%s does not say %s and %s", err.what, place, word);
}

static void
mistakes_are_named_with_their_place(void **state)
{
	(void)state;
	refused(HEAD ENRICH "  kee: 1\n", "p.yaml:15:", "kee");
	refused(HEAD ENRICH "sinks: 1\n", "p.yaml:15:1", "sinks");
	refused(HEAD ENRICH "  partitions: many\n", "p.yaml:15:", "partitions");
	refused(HEAD "enrich:\n  sql: nowhere.sql\n  topic: t\n  key: id\n",
	    "p.yaml:12:", "nowhere.sql");
	refused(HEAD "enrich:\n  sql: q.sql\n  key: id\n", "p.yaml:", "topic");
	refused(HEAD ENRICH "  on_truncate: repair\n", "p.yaml:15:", "stop");
	refused(
	    HEAD ENRICH "  listen: ${SLUICE_UNIT_UNSET}\n", "p.yaml:15:", "SLUICE_UNIT_UNSET");
	refused(HEAD ENRICH
	    "leaderboard:\n  url: redis://r\n  boards:\n"
	    "    - {key: k, member: m, at: a, score: s, window: 25s, bucket: 10s}\n",
	    "p.yaml:18:", "multiple");
	refused("name: P!\n", "p.yaml:1:", "name");
}

static void
one_number_bounds_everything(void **state)
{
	struct pipeline *p = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(
	    pipeline_read(written(HEAD ENRICH "memory_max: 67108864\n"), &p, &err), FATE_DONE);
	assert_true(p->enrich.cache_bytes < 11 << 20);
	assert_true(p->enrich.batch_bytes < 2 << 20);
	assert_true(MEMORY_BASE + p->enrich.cache_bytes + 6 * p->enrich.batch_bytes +
			memory_share(p->memory_max, MEMORY_QUEUE, 1 << 30) * 5 +
			memory_share(p->memory_max, MEMORY_ARENA, 1 << 30) <=
		    67108864);
	pipeline_free(p);
	assert_int_equal(pipeline_read(written(HEAD ENRICH "  cache_bytes: 1000000\n"
							   "memory_max: 1073741824\n"),
			     &p, &err),
	    FATE_DONE);
	assert_int_equal(p->enrich.cache_bytes, 1000000);
	assert_int_equal(p->enrich.batch_bytes, 8 << 20);
	pipeline_free(p);
	refused(HEAD ENRICH "memory_max: 1000000\n", "p.yaml:15:", "67108864 is the least");
	refused(HEAD ENRICH "  cache_bytes: 50000000\nmemory_max: 100000000\n",
	    "p.yaml:15:", "raise memory_max to 200221432");
	assert_int_equal(memory_share(0, MEMORY_QUEUE, 77), 77);
	assert_true(memory_share(memory_wanted(MEMORY_CACHE, 50000000), MEMORY_CACHE,
			1 << 30) >= 50000000);
}

static void
destinations_are_one_or_many(void **state)
{
	struct pipeline *p = NULL;
	struct buf out = { 0 };
	struct err err = { 0 };

	(void)state;
	if (pipeline_read(
		written(HEAD ENRICH
		    "http:\n  - {name: crm, url: 'https://a/x', listen: ':1', token: s1,\n"
		    "     headers: {X-Key: s2}, allow_private: [10.0.0.0/8, '::1'],\n"
		    "     format: cloudevents, batch_rows_max: 10, done_statuses: [409]}\n"
		    "  - {name: log, url: 'http://u:s3@b/', listen: ':2', body: 'id, 1 AS "
		    "one'}\n"),
		&p, &err) != FATE_DONE)
		fail_msg("%s", err.what);
	assert_int_equal(p->http_count, 2);
	assert_string_equal(p->http[0].worker, "http.crm");
	assert_string_equal(p->http[0].headers[0], "X-Key: s2");
	assert_int_equal(p->http[0].private_net_count, 2);
	assert_int_equal(p->http[0].done_statuses[0], 409);
	assert_int_equal(p->http[0].format, PIPELINE_HTTP_CLOUDEVENTS);
	assert_string_equal(p->http[1].body, "id, 1 AS one");
	pipeline_print(p, &out);
	for (int i = 1; i <= 3; i++) {
		char secret[] = { 's', (char)('0' + i), 0 };

		assert_null(strstr(buf_str(&out), secret));
	}
	assert_non_null(strstr(buf_str(&out), "X-Key: '***'"));
	buf_finish(&out);
	pipeline_free(p);
	refused(
	    HEAD ENRICH "http:\n  - {url: 'http://a', listen: ':1'}\n", "p.yaml:16:", "name");
	refused(HEAD ENRICH "http:\n  - {name: a, url: 'http://a'}\n", "p.yaml:16:", "listen");
	refused(HEAD ENRICH "http:\n  - {name: a, url: 'http://a', listen: ':1'}\n"
			    "  - {name: a, url: 'http://a', listen: ':2'}\n",
	    "p.yaml:17:", "another");
	refused(HEAD ENRICH "http: {url: 'http://a', format: row, body: id}\n",
	    "p.yaml:15:", "body and format");
	refused(HEAD ENRICH "http: {url: 'http://a', done_statuses: [200]}\n",
	    "p.yaml:15:", "done_statuses");
}

#define STORE "clickhouse:\n  url: http://c\n  database: d\n"

static void
a_table_of_clickhouse_is_one_or_many(void **state)
{
	struct pipeline *p = NULL;
	struct buf out = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(
	    pipeline_read(written(HEAD ENRICH
			      "clickhouse:\n  url: [http://a, http://u:pw@b]\n  database: d\n"
			      "  table: t\n  mode: append\n  operation: op\n  columns: {x: y}\n"
			      "  settings: {s: 1}\n  compression: zstd\n  group: g\n"),
		&p, &err),
	    FATE_DONE);
	assert_int_equal(p->clickhouse.url_count, 2);
	assert_string_equal(p->clickhouse.url, "http://a");
	assert_int_equal(p->clickhouse.tables[0].mode, MODE_APPEND);
	assert_string_equal(p->clickhouse.tables[0].topic, "t");
	assert_string_equal(p->clickhouse.tables[0].target, "d.t");
	assert_string_equal(p->clickhouse.tables[0].columns[0].name, "x");
	assert_string_equal(p->clickhouse.tables[0].columns[0].value, "y");
	assert_string_equal(p->clickhouse.settings[0].name, "s");
	assert_int_equal(p->clickhouse.pack, PACK_ZSTD);
	pipeline_print(p, &out);
	assert_null(strstr(buf_str(&out), "pw"));
	assert_non_null(strstr(buf_str(&out), "    - 'http://a'\n"));
	buf_finish(&out);
	pipeline_free(p);
	if (pipeline_read("pipelines/inventory-mirror.yaml", &p, &err) != FATE_DONE)
		fail_msg("%s", err.what);
	assert_false(p->has_enrich);
	assert_int_equal(p->clickhouse.table_count, 4);
	assert_string_equal(p->clickhouse.group, "clickhouse_orders_group");
	assert_string_equal(p->clickhouse.tables[3].topic, "postgres-server.inventory.orders");
	assert_string_equal(p->clickhouse.tables[3].operation, "operation_type");
	pipeline_free(p);
	refused(HEAD ENRICH STORE "  table: t\n  tables: []\n", "p.yaml:19:", "tables");
	refused(HEAD STORE "  source: debezium\n  tables: [{from: orders, table: o}]\n",
	    "p.yaml:15:", "SCHEMA.TABLE");
	refused(HEAD STORE "  source: debezium\n  tables:\n    - {from: a.b, table: o}\n"
			   "    - {from: a.c, table: o}\n",
	    "p.yaml:17:", "twice");
	refused(HEAD ENRICH STORE "  source: debezium\n  tables: [{from: a.b, table: o}]\n",
	    "p.yaml:12:", "a file of its own");
	refused(HEAD STORE "  table: t\n", "p.yaml:", "enrich is missing");
}

static void
the_shipped_pipeline_is_good(void **state)
{
	struct pipeline *p = NULL;
	struct err err = { 0 };

	(void)state;
	if (pipeline_read("pipelines/engagement.yaml", &p, &err) != FATE_DONE)
		fail_msg("%s", err.what);
	assert_true(p->has_clickhouse && p->has_leaderboard && p->has_http);
	assert_string_equal(p->leaderboard.boards[0].key, "thm:top:10m");
	assert_int_equal(p->leaderboard.boards[0].window_ms, 600000);
	assert_string_equal(p->http->url, "http://127.0.0.1:8088/events");
	pipeline_free(p);
}

static void
an_address_is_shown_without_its_password(void **state)
{
	struct buf out = { 0 };

	(void)state;
	pipeline_print_url(&out, "url", "redis://:se@cret@h:6379/1");
	pipeline_print_url(&out, "url", "http://h/x");
	assert_null(strstr(buf_str(&out), "cret"));
	assert_string_equal(buf_str(&out), "url: 'redis://***@h:6379/1'\nurl: 'http://h/x'\n");
	buf_finish(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_file_gets_its_defaults),
		cmocka_unit_test(mistakes_are_named_with_their_place),
		cmocka_unit_test(one_number_bounds_everything),
		cmocka_unit_test(destinations_are_one_or_many),
		cmocka_unit_test(a_table_of_clickhouse_is_one_or_many),
		cmocka_unit_test(the_shipped_pipeline_is_good),
		cmocka_unit_test(an_address_is_shown_without_its_password),
	};

	(void)unsetenv("SLUICE_HTTP_URL");
	(void)unsetenv("SLUICE_UNIT_UNSET");
	return cmocka_run_group_tests(tests, setup, NULL);
}
