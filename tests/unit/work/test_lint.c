/* SPDX-License-Identifier: Apache-2.0 */
/* Every refusal and warning of lint, by one change to a pipeline that has none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "../link/kafka_mock.h"
#include "base/log.h"
#include "work/catalog.h"
#include "work/enrich_loop.h"
#include "work/lines.h"
#include "work/lint.h"

/* The file's text with the first `from` behind `after` replaced. */
static char *
changed(const char *path, const char *after, const char *from, const char *to)
{
	struct buf text = { 0 }, out = { 0 };
	struct err err;
	char *at, *result;

	assert_int_equal(file_read(path, &text, &err), FATE_DONE);
	(void)buf_str(&text);
	if (from) {
		at = strstr(text.p, after);
		at = at ? strstr(at, from) : NULL;
		if (!at)
			fail_msg("%s lacks %s behind %s", path, from, after);
		buf_put(&out, text.p, (size_t)(at - text.p));
		buf_cstr(&out, to);
		buf_cstr(&out, at + strlen(from));
	} else {
		buf_cstr(&out, text.p);
	}
	result = strdup(buf_str(&out));
	assert_non_null(result);
	buf_finish(&text);
	buf_finish(&out);
	return result;
}

struct edit {
	const char *after, *from, *to; /* from NULL: none */
};

struct setup {
	const char *sql;         /* NULL: sql/enrich/engagement.sql */
	const char *identity[3]; /* none: event_ts, id */
	const char *key;         /* NULL: id */
	struct edit catalog, connector;
	enum on_truncate on_truncate;
	enum on_dimension_change on_dimension_change;
};

static void
connector_open(const struct setup *setup, struct connector *ret)
{
	char path[] = "/tmp/sluice-lint-XXXXXX", *text;
	struct err err;
	FILE *file;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	file = fdopen(fd, "w");
	assert_non_null(file);
	text = changed("connectors/engagement.json", setup->connector.after,
	    setup->connector.from, setup->connector.to);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	free(text);
	if (connector_read(path, ret, &err))
		fail_msg("%s", err.what);
	(void)unlink(path);
}

static void
run(const struct setup *setup, struct lint *ret_lint)
{
	struct pipeline pipeline = { .prefix = "pg",
		.enrich = { .sql_file = "q.sql",
		    .key = { { setup->key ? setup->key : "id" }, 1 },
		    .identity = { { "event_ts", "id" }, 2 },
		    .on_truncate = setup->on_truncate,
		    .on_dimension_change = setup->on_dimension_change } };
	char *sql = setup->sql ? strdup(setup->sql)
			       : changed("sql/enrich/engagement.sql", "", NULL, NULL);
	char *text = changed("tests/golden/try/catalog.json", setup->catalog.after,
	    setup->catalog.from, setup->catalog.to);
	struct lint_input in = { .pipeline = &pipeline };
	struct sql_catalog *catalog = NULL;
	struct connector connector;
	struct sql_query *query = NULL;
	struct err err = { 0 };

	pipeline.enrich.sql = slice_str(sql);
	if (setup->identity[0]) {
		pipeline.enrich.identity.count = 0;
		for (size_t i = 0; setup->identity[i]; i++)
			pipeline.enrich.identity.items[pipeline.enrich.identity.count++] =
			    setup->identity[i];
	}
	if (sql_catalog_parse(slice_str(text), &catalog, &err) ||
	    query_compile(catalog, &pipeline, &query, &err))
		fail_msg("%s", err.what);
	connector_open(setup, &connector);
	in.catalog = catalog;
	in.query = query;
	in.connector = &connector;
	lint_pipeline(&in, ret_lint);
	for (size_t i = 0; i < ret_lint->count; i++) /* the connector's name goes with it */
		ret_lint->findings[i].file =
		    strcmp(ret_lint->findings[i].file, "q.sql") == 0 ? "q.sql" : "connector";
	connector_finish(&connector);
	sql_query_free(query);
	sql_catalog_free(catalog);
	free(text);
	free(sql);
}

#define FACT "\"engagement_events\""
#define ORDERS                                                                                 \
	"SELECT o.id, p.price\nFROM inventory.orders o\n"                                      \
	"  LEFT JOIN inventory.products p ON p.id = o.product_id"

static const struct {
	struct setup setup;
	bool refused;
	const char *file;
	unsigned line, column;
	const char *words;
} cases[] = {
	{ { .key = "content_id" }, true, "q.sql", 9, 6, "may share enrich.key" },
	{ { .identity = { "event_ts" } }, true, "q.sql", 9, 6, "may share enrich.identity" },
	{ { .sql = "SELECT e.id, e.event_ts\nFROM engagement_events e",
	      .catalog = { "\"name\":\"event_ts\"", "\"identity\":true",
		  "\"identity\":false" } },
	    true, "q.sql", 1, 14, "identity column event_ts is outside the replica identity" },
	{ { .sql = "SELECT e.id, e.event_ts\nFROM engagement_events e",
	      .catalog = { "\"name\":\"engagement_events_pkey\"", "\"deferrable\":false",
		  "\"deferrable\":true" } },
	    true, "q.sql", 2, 6, "the primary key of public.engagement_events is DEFERRABLE" },
	{ { .catalog = { FACT, "\"replica_identity\":\"f\"", "\"replica_identity\":\"d\"" } },
	    false, "q.sql", 9, 6, "column event_type may be large" },
	{ { .catalog = { "engagement_events_content_id", "\"column\":\"content_id\"",
		"\"column\":\"device\"" } },
	    true, "q.sql", 10, 11, "CREATE INDEX ON public.engagement_events (content_id)" },
	{ { .connector = { "", "\"topic.prefix\": \"pg\"", "\"topic.prefix\": \"pq\"" } }, true,
	    "connector", 11, 5, "the pipeline reads pg.*" },
	{ { .connector = { "", "\"plugin.name\": \"pgoutput\"",
		"\"plugin.name\": \"decoderbufs\"" } },
	    true, "connector", 13, 5, "\"plugin.name\": \"pgoutput\" is wanted" },
	{ { .connector = { "\"value.converter\"", "connect.json.JsonConverter",
		"confluent.AvroConverter" } },
	    true, "connector", 30, 5, "read as JSON alone" },
	{ { .connector = { "", "\"skipped.operations\": \"none\",", "" } }, true, "connector",
	    0, 0, "truncations are not sent" },
	{ { .connector = { "", "\"skipped.operations\": \"none\"",
		"\"skipped.operations\": \"d,t\"" },
	      .on_truncate = TRUNCATE_IGNORE },
	    true, "connector", 0, 0, "changes are not sent" },
	{ { .connector = { "", "\"skipped.operations\": \"none\"",
		"\"skipped.operations\": \"t\"" },
	      .on_truncate = TRUNCATE_IGNORE },
	    false, "connector", 0, 0, "truncations are not sent" },
	{ { .sql = ORDERS,
	      .identity = { "id" },
	      .connector = { "", "\"decimal.handling.mode\": \"string\"",
		  "\"decimal.handling.mode\": \"precise\"" } },
	    true, "connector", 0, 0, "inventory.products.price is numeric, and precise" },
	{ { .sql = ORDERS,
	      .identity = { "id" },
	      .connector = { "", "\"decimal.handling.mode\": \"string\"",
		  "\"decimal.handling.mode\": \"double\"" } },
	    true, "connector", 0, 0, "a double is not exact" },
	{ { .connector = { "", "public.engagement_events,", "" } }, true, "connector", 0, 0,
	    "lacks public.engagement_events, whose changes" },
	{ { .connector = { "", "public.content,", "" } }, false, "connector", 0, 0,
	    "lacks public.content: its changes are seen when" },
	{ { .connector = { "", "\"signal.data.collection\": \"public.sluice_signal\",", "" } },
	    false, "connector", 0, 0, "facts of a changed dimension row are not sent again" },
	{ { .connector = { "", "\"signal.enabled.channels\": \"source\"",
		"\"signal.enabled.channels\": \"kafka\"" } },
	    true, "connector", 0, 0, "signals are rows of public.sluice_signal" },
	{ { .connector = { "", "\"heartbeat.interval.ms\": \"1000\",", "" } }, false,
	    "connector", 0, 0, "as old as the heartbeat" },
	{ { .connector = { "", "\"poll.interval.ms\": \"10\",", "" } }, false, "connector", 0,
	    0, "\"poll.interval.ms\": \"10\" is wanted" },
	{ { .connector = { "", "\"tombstones.on.delete\": \"true\"",
		"\"tombstones.on.delete\": \"false\"" } },
	    false, "connector", 0, 0, "\"tombstones.on.delete\": \"true\" is wanted" },
};

static void
every_rule_finds_its_change(void **state)
{
	struct lint lint;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		bool found = false;

		run(&cases[i].setup, &lint);
		for (size_t n = 0; n < lint.count; n++) {
			const struct lint_finding *f = &lint.findings[n];

			if (!strstr(f->what, cases[i].words))
				continue;
			found = true;
			assert_string_equal(f->file, cases[i].file);
			if (f->refused != cases[i].refused ||
			    (cases[i].line &&
				(f->line != cases[i].line || f->column != cases[i].column)))
				fail_msg("case %zu: %u:%u refused %d: %s", i, f->line,
				    f->column, f->refused, f->what);
			assert_true(f->line > 0 && f->column > 0);
		}
		if (!found)
			fail_msg("case %zu: nothing says: %s (%zu findings: %s)", i,
			    cases[i].words, lint.count,
			    lint.count ? lint.findings[0].what : "");
	}
}

static void
what_is_right_passes(void **state)
{
	static const struct setup setups[] = {
		{ 0 },
		{ .identity = { "id", "event_ts" } },
		{ .connector = { "", "\"decimal.handling.mode\": \"string\"",
		      "\"decimal.handling.mode\": \"precise\"" } }, /* no numeric column is used
								     */
		{ .catalog = { "engagement_events_content_id", "\"column\":\"content_id\"",
		      "\"column\":\"device\"" },
		    .on_dimension_change = DIMENSION_KEEP },
	};
	struct lint lint;

	(void)state;
	for (size_t i = 0; i < sizeof setups / sizeof *setups; i++) {
		run(&setups[i], &lint);
		if (lint.count)
			fail_msg("setup %zu: %s", i, lint.findings[0].what);
	}
}

/* Refused when the plan is made, before lint. */
static void
identity_is_a_column_of_the_fact(void **state)
{
	static const char *const bad[] = { "content_type", "engagement_pct", "nothing" };
	char *text = changed("tests/golden/try/catalog.json", "", NULL, NULL);
	struct pipeline *pipeline = NULL;
	struct sql_catalog *catalog = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(sql_catalog_parse(slice_str(text), &catalog, &err), FATE_DONE);
	assert_int_equal(
	    pipeline_read("pipelines/engagement.yaml", &pipeline, &err), FATE_DONE);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct sql_query *query = NULL;
		size_t result, column;

		assert_int_equal(query_compile(catalog, pipeline, &query, &err), FATE_DONE);
		assert_int_equal(
		    query_fact_column(query, bad[i], &result, &column, &err), FATE_HALT);
		assert_non_null(strstr(err.what, bad[i]));
		sql_query_free(query);
	}
	pipeline_free(pipeline);
	sql_catalog_free(catalog);
	free(text);
}

/* A cluster with ACLs that say nothing of enrich. */
static void
a_refused_question_is_skipped_at_the_start(void **state)
{
	char *text = changed("tests/golden/try/catalog.json", "", NULL, NULL);
	struct sql_catalog *catalog;
	struct sql_query *query;
	struct pipeline *pipeline;
	struct kafka_mock mock;
	struct err err = { 0 };
	char topic[300];

	(void)state;
	log_init("test", LOG_ERROR + 1);
	assert_int_equal(sql_catalog_parse(slice_str(text), &catalog, &err), FATE_DONE);
	assert_int_equal(
	    pipeline_read("pipelines/engagement.yaml", &pipeline, &err), FATE_DONE);
	assert_int_equal(query_compile(catalog, pipeline, &query, &err), FATE_DONE);
	kafka_mock_open(&mock);
	for (size_t i = 0; i < sql_query_source_count(query); i++) {
		(void)snprintf(topic, sizeof topic, "%s.%s.%s", pipeline->prefix,
		    sql_query_source(query, i)->schema, sql_query_source(query, i)->table);
		kafka_mock_topic(&mock, topic, 1);
		rd_kafka_mock_topic_set_error(
		    mock.cluster, topic, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
	}
	if (enrich_lint_topics(pipeline, query, &mock.conf, false, &err))
		fail_msg("%s", err.what);
	assert_int_equal(
	    enrich_lint_topics(pipeline, query, &mock.conf, true, &err), FATE_HALT);
	assert_non_null(strstr(err.what, "settings of the topics: "));
	kafka_mock_close(&mock);
	sql_query_free(query);
	pipeline_free(pipeline);
	sql_catalog_free(catalog);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule_finds_its_change),
		cmocka_unit_test(what_is_right_passes),
		cmocka_unit_test(identity_is_a_column_of_the_fact),
		cmocka_unit_test(a_refused_question_is_skipped_at_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
