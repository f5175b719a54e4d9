/* SPDX-License-Identifier: Apache-2.0 */
/* sluicectl try: a pipeline's SQL over events on standard input, without Kafka. */
#include <stdio.h>

#include "base/options.h"
#include "ctl/try.h"
#include "tools.h"
#include "wire/describe.h"
#include "work/catalog.h"
#include "work/worker.h"

struct files {
	const char *pipeline, *catalog, *dims;
};

static enum fate
plan_get(const struct files *files, const struct pipeline *pipeline, struct pg *pg,
    struct enrich_plan **ret_plan, struct err *err)
{
	struct sql_catalog *catalog;
	struct sql_query *query;
	enum fate fate;

	if (!files->catalog)
		return enrich_plan_open(pg, pipeline, ret_plan, err);
	fate = catalog_read(files->catalog, &catalog, err);
	if (fate != FATE_DONE)
		return fate;
	fate = query_compile(catalog, pipeline, &query, err);
	sql_catalog_free(catalog);
	return fate == FATE_DONE ? enrich_plan_of(query, pipeline, ret_plan, err) : fate;
}

static enum fate
run(const struct files *files, bool keys, struct err *err)
{
	struct pipeline *pipeline = NULL;
	struct enrich_plan *plan = NULL;
	struct pg *pg = NULL;
	struct try *try = NULL;
	struct lines lines;
	enum fate fate = pipeline_read(files->pipeline, &pipeline, err);

	if (fate == FATE_DONE && !(files->catalog && files->dims))
		fate = postgres_open(pipeline, "sluicectl", &pg, err);
	if (fate == FATE_DONE)
		fate = plan_get(files, pipeline, pg, &plan, err);
	if (fate == FATE_DONE)
		fate = try_open(plan, files->dims ? NULL : pg, files->dims, &try, err);
	lines_init(&lines, stdin, keys);
	if (fate == FATE_DONE)
		fate = try_run(try, &lines, stdout, err);
	lines_finish(&lines);
	try_close(try);
	enrich_plan_free(plan);
	pg_free(pg);
	pipeline_free(pipeline);
	return fate;
}

static int
run_select(const char *sql)
{
	struct buf out = { 0 };
	struct err err = { 0 };
	enum fate fate = try_select(sql, &out, &err);
	int code = EXIT_ASKED;

	if (fate == FATE_REJECT) {
		describe_error(&out, "transform", err.code, err.what);
		code = 1;
	}
	if (fate == FATE_DONE || fate == FATE_REJECT)
		(void)printf("%s\n", buf_str(&out));
	else
		code = tool_fail("try", &err);
	buf_finish(&out);
	return code;
}

int
try_main(int argc, char **argv)
{
	struct files files = { 0 };
	const char *sql = NULL;
	bool keys = false;
	const struct option_row rows[] = {
		{ "catalog", OPTION_TEXT, &files.catalog, "FILE",
		    "The catalogue's document in place of the live Postgres' word on types.", 0,
		    0 },
		{ "dims", OPTION_TEXT, &files.dims, "FILE",
		    "Rows in place of the live Postgres' tables: {\"public.content\": "
		    "[{...}]}.",
		    0, 0 },
		{ "sql", OPTION_TEXT, &sql, "SELECT",
		    "Evaluate this select list, without a table, and print its row.", 0, 0 },
		{ "keys", OPTION_FLAG, &keys, NULL,
		    "A line is KEY<tab>VALUE, as kcat -K '\\t' prints it.", 0, 0 },
	};
	const struct option_table table = { "sluicectl try",
		"Takes Debezium events from standard input, one a line, through the pipeline's "
		"SQL and prints the enriched records.",
		"[PIPELINE.yaml]", 0, 1, rows, sizeof rows / sizeof *rows };
	enum option_verdict verdict;
	struct err err = { 0 };
	enum fate fate = options_parse(&table, argc, argv, &verdict, &err);

	if (fate == FATE_DONE && verdict == OPTIONS_EXIT_OK)
		return EXIT_ASKED;
	files.pipeline = argc > 1 ? argv[1] : NULL;
	if (fate == FATE_DONE && !sql == !files.pipeline)
		fate = err_set(&err, FATE_HALT, "either PIPELINE.yaml or --sql is wanted");
	if (fate == FATE_DONE && sql)
		return run_select(sql);
	if (fate == FATE_DONE)
		fate = run(&files, keys, &err);
	return fate == FATE_DONE ? EXIT_ASKED : tool_fail("try", &err);
}
