/* SPDX-License-Identifier: Apache-2.0 */
/* sluicectl: makes a pipeline's places, and says how it is. */
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "call.h"
#include "ctl/bootstrap.h"
#include "ctl/check.h"
#include "ctl/ddl.h"
#include "router/check.h"
#include "tools.h"
#include "work/worker.h"

struct command {
	const char *name, *summary;
	int (*run)(struct call *call, struct err *err);
	int (*main)(int argc, char **argv); /* has options of its own */
};

void
call_say(const char *line)
{
	(void)printf("%s\n", line);
	(void)fflush(stdout);
}

int
call_fail(const struct err *err)
{
	(void)fprintf(stderr, "sluicectl: %s\n", err->what);
	return err->fate == FATE_RETRY ? EXIT_RESTART : EXIT_CONFIG;
}

static int
run_bootstrap(struct call *call, struct err *err)
{
	return bootstrap_run(call->pipeline, call->timeout_ms, call_say, err) == FATE_DONE
		   ? EXIT_ASKED
		   : call_fail(err);
}

static int
run_check(struct call *call, struct err *err)
{
	bool passed = false;

	if (check_run(call->pipeline, call_say, &passed, err) != FATE_DONE)
		return call_fail(err);
	return passed ? EXIT_ASKED : 1;
}

static int
check_router(const char *file, struct err *err)
{
	bool passed = false;

	if (router_check_run(file, call_say, &passed, err) != FATE_DONE)
		return call_fail(err);
	return passed ? EXIT_ASKED : 1;
}

static int
run_status(struct call *call, struct err *err)
{
	bool up = false;

	if (status_run(call->pipeline, call_say, &up, err) != FATE_DONE)
		return call_fail(err);
	return up ? EXIT_ASKED : 1;
}

static int
run_top(struct call *call, struct err *err)
{
	return top_run(call->pipeline, call->board, call->count, call_say, err) == FATE_DONE
		   ? EXIT_ASKED
		   : call_fail(err);
}

static int
run_ddl(struct call *call, struct err *err)
{
	return ddl_run(call->pipeline, call_say, err) == FATE_DONE ? EXIT_ASKED
								   : call_fail(err);
}

static const struct command commands[] = {
	{ "bootstrap",
	    "make topics, tables, first offsets and the connector; wait until it runs",
	    run_bootstrap },
	{ "lint",
	    "what keeps the pipeline from being exact, each with the SQL or setting that mends "
	    "it; also asks Connect, the publication, the slot (5 s), the topics and "
	    "ClickHouse: "
	    "exit 0 nothing refused, 1 something is, 2 wrong file, 3 not now",
	    run_lint },
	{ "check",
	    "prove that the pipeline works: six points, a line of evidence each; or that a "
	    "router does",
	    run_check },
	{ "status", "workers, lag, connector and slot: exit 0 all up, 1 something is down",
	    run_status },
	{ "ddl", "the statements that make the pipeline's tables in ClickHouse", run_ddl },
	{ "top", "the first members of a leaderboard", run_top },
	{ "verify",
	    "compare the enriched topic, and ClickHouse when its worker runs, with the "
	    "query's result in Postgres, row for row; with --repair mend what differs: exit 0 "
	    "equal, 1 differs, 2 cannot be asked, 3 not now",
	    run_verify },
	{ "reset",
	    "PIPELINE.yaml WORKER --to earliest|OFFSET: move a stopped worker's position",
	    run_reset },
	{ "dlq", "list, show, replay: the dead letters of a pipeline (dlq --help)", NULL,
	    dlq_main },
	{ "decode", "Debezium events on standard input as changes (decode --help)", NULL,
	    decode_main },
	{ "try", "the pipeline's SQL over events on standard input (try --help)", NULL,
	    try_main },
	{ "explain", "where the router would send a statement, and why (explain --help)", NULL,
	    explain_main },
	{ "query", "a statement to a running router, its answer as a table (query --help)",
	    NULL, query_main },
	{ "key", "new NAME ROLE: a key for a caller of the router (key --help)", NULL,
	    key_main },
};

static void
print_commands(void)
{
	(void)printf("\ncommands:\n");
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		(void)printf("  %-12s %s\n", commands[i].name, commands[i].summary);
}

static const struct command *
command_find(const char *name)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

int
main(int argc, char **argv)
{
	struct call call = {
		.timeout_ms = 120000, .settle_ms = 5000, .count = 10, .delete_max = 1000
	};
	const struct option_row rows[] = {
		{ "timeout", OPTION_DURATION, &call.timeout_ms, "TIME",
		    "bootstrap, verify: how long to wait for what does not answer yet or is "
		    "behind; reset: for a stopped worker's session to end, 15s at most "
		    "(default 2m).",
		    0, 0 },
		{ "settle", OPTION_DURATION, &call.settle_ms, "TIME",
		    "verify: what has come no nearer to Postgres for so long differs (default "
		    "5s).",
		    0, 0 },
		{ "repair", OPTION_FLAG, &call.repair, NULL,
		    "verify: have what differs or is missing sent again, delete what is extra, "
		    "and compare once more.",
		    0, 0 },
		{ "delete-max", OPTION_INT, &call.delete_max, "N",
		    "verify --repair: delete no extra rows if they are more than N (default "
		    "1000).",
		    0, INT64_MAX },
		{ "board", OPTION_TEXT, &call.board, "KEY",
		    "top: which board (default: the first).", 0, 0 },
		{ "count", OPTION_INT, &call.count, "N",
		    "top: how many members; verify: how many keys as evidence (default 10).", 1,
		    1000 },
		{ "to", OPTION_TEXT, &call.to, "POSITION",
		    "reset: earliest, or an offset for every partition.", 0, 0 },
	};
	const struct option_table table = { "sluicectl",
		"Makes a pipeline's places in Kafka, ClickHouse and Connect, and says how it "
		"is.",
		"COMMAND PIPELINE.yaml [WORKER]", 2, 3, rows, sizeof rows / sizeof *rows };
	const struct command *command;
	enum option_verdict verdict;
	struct err err = { 0 };
	int code;

	command = argc > 1 ? command_find(argv[1]) : NULL;
	if (command && command->main)
		return command->main(argc - 1, argv + 1);
	if (options_parse(&table, argc, argv, &verdict, &err) != FATE_DONE)
		return call_fail(&err);
	if (verdict == OPTIONS_EXIT_OK) {
		print_commands();
		return EXIT_ASKED;
	}
	command = command_find(argv[1]);
	if (!command) {
		err_set(&err, FATE_HALT, "unknown command %s: see sluicectl --help", argv[1]);
		return call_fail(&err);
	}
	call.worker = argv[3];
	if (call.worker && command->run != run_reset) {
		err_set(&err, FATE_HALT, "%s takes no operand behind the file", command->name);
		return call_fail(&err);
	}
	if (command->run == run_check && router_check_is_for(argv[2]))
		return check_router(argv[2], &err);
	if (pipeline_read(argv[2], &call.pipeline, &err) != FATE_DONE)
		return call_fail(&err);
	code = command->run(&call, &err);
	pipeline_free(call.pipeline);
	return code;
}
