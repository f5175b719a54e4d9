/* SPDX-License-Identifier: Apache-2.0 */
/* sluicectl decode: Debezium events on standard input, one a line, as changes. */
#include <stdio.h>

#include "base/options.h"
#include "ctl/decode.h"
#include "tools.h"
#include "work/catalog.h"
#include "work/worker.h"

int
tool_fail(const char *command, const struct err *err)
{
	(void)fprintf(stderr, "sluicectl %s: %s\n", command, err->what);
	return err->fate == FATE_RETRY ? EXIT_RESTART : EXIT_CONFIG;
}

static enum fate
catalog_get(const struct pipeline *pipeline, const char *file, struct sql_catalog **ret_catalog,
    struct err *err)
{
	struct pg *pg = NULL;
	enum fate fate;

	if (file)
		return catalog_read(file, ret_catalog, err);
	fate = postgres_open(pipeline, "sluicectl", &pg, err);
	if (fate == FATE_DONE)
		fate = catalog_open(pg, pipeline, ret_catalog, err);
	pg_free(pg);
	return fate;
}

static enum fate
run(const char *pipeline_file, const char *catalog_file, const char *types_file, bool keys,
    struct err *err)
{
	struct pipeline *pipeline = NULL;
	struct sql_catalog *catalog = NULL;
	struct types types = { 0 };
	struct lines lines;
	enum fate fate = FATE_DONE;

	if (pipeline_file)
		fate = pipeline_read(pipeline_file, &pipeline, err);
	if (fate == FATE_DONE && pipeline)
		fate = catalog_get(pipeline, catalog_file, &catalog, err);
	if (fate == FATE_DONE && types_file)
		fate = types_read(types_file, &types, err);
	lines_init(&lines, stdin, keys);
	if (fate == FATE_DONE)
		fate = decode_run(
		    &(struct decode_options){ pipeline, catalog, types_file ? &types : NULL },
		    &lines, stdout, err);
	lines_finish(&lines);
	types_finish(&types);
	sql_catalog_free(catalog);
	pipeline_free(pipeline);
	return fate;
}

int
decode_main(int argc, char **argv)
{
	const char *pipeline = NULL, *catalog = NULL, *types = NULL;
	bool keys = false;
	const struct option_row rows[] = {
		{ "pipeline", OPTION_TEXT, &pipeline, "FILE",
		    "Types of the pipeline's tables, from the live Postgres.", 0, 0 },
		{ "catalog", OPTION_TEXT, &catalog, "FILE",
		    "With --pipeline: the catalogue's document in place of the live Postgres.",
		    0, 0 },
		{ "types", OPTION_TEXT, &types, "FILE",
		    "Types of the columns: {\"id\": \"bigint\", \"price\": \"numeric(10,2)\"}.",
		    0, 0 },
		{ "keys", OPTION_FLAG, &keys, NULL,
		    "A line is KEY<tab>VALUE, as kcat -K '\\t' prints it.", 0, 0 },
	};
	const struct option_table table = { "sluicectl decode",
		"Reads Debezium events from standard input, one a line, and prints each as a "
		"change or its error. Without types a value stands as its JSON does, with "
		"\"typed\":false.",
		"", 0, 0, rows, sizeof rows / sizeof *rows };
	enum option_verdict verdict;
	struct err err = { 0 };
	enum fate fate = options_parse(&table, argc, argv, &verdict, &err);

	if (fate == FATE_DONE && verdict == OPTIONS_EXIT_OK)
		return EXIT_ASKED;
	if (fate == FATE_DONE)
		fate = run(pipeline, catalog, types, keys, &err);
	return fate == FATE_DONE ? EXIT_ASKED : tool_fail("decode", &err);
}
