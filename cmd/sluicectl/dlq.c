/* SPDX-License-Identifier: Apache-2.0 */
/* sluicectl dlq: the dead letters of a pipeline, looked at and sent again. */
#include "ctl/dlq_replay.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/options.h"
#include "call.h"
#include "tools.h"
#include "work/worker.h"

enum { EXIT_SOME = 1, OPERANDS_MAX = 3, PROGRESS_MS = 100 };

struct ask {
	const char *what, *file, *operand; /* operand: a worker, or a place */
	const char *since, *offsets;
	struct dlq_options options;
};

static void
progress_show(const char *text)
{
	static int64_t next_ms;

	if (*text && clock_mono_ms() < next_ms)
		return;
	next_ms = clock_mono_ms() + PROGRESS_MS;
	(void)fprintf(stderr, "\r\033[K%s", text);
	(void)fflush(stderr);
}

static void
say_beside_progress(const char *line)
{
	progress_show("");
	call_say(line);
}

static enum fate
selection_read(struct ask *ask, const struct pipeline *pipeline, struct err *err)
{
	struct dlq_select *select = &ask->options.select;
	enum fate fate = FATE_DONE;

	if (ask->operand)
		fate = dlq_select_worker(select, pipeline, ask->operand, err);
	if (fate == FATE_DONE && ask->since)
		fate = dlq_select_since(select, ask->since, clock_wall_ms(), err);
	if (fate == FATE_DONE && ask->offsets)
		fate = dlq_select_offsets(select, ask->offsets, err);
	return fate;
}

static enum fate
run_show(const struct ask *ask, const struct pipeline *pipeline, struct err *err)
{
	int32_t partition;
	int64_t offset;
	enum fate fate;

	if (!ask->operand)
		return err_set(err, FATE_HALT, "show takes a place: PIPELINE.yaml 0:17");
	fate = dlq_place(ask->operand, &partition, &offset, err);
	if (fate == FATE_DONE)
		fate = dlq_show(pipeline, partition, offset, call_say, err);
	return fate;
}

/* Somebody says which: a worker's letters are not sent again by a slip. */
static enum fate
run_replay(struct ask *ask, const struct pipeline *pipeline, int *ret_code, struct err *err)
{
	const struct dlq_select *select = &ask->options.select;
	struct dlq_replay_counts counts = { 0 };
	enum fate fate = selection_read(ask, pipeline, err);

	if (fate != FATE_DONE)
		return fate;
	if (!select->worker)
		return err_set(err, FATE_HALT, "replay takes a worker: PIPELINE.yaml WORKER");
	if (!ask->options.all && !select->class && !ask->since && !ask->offsets)
		return err_set(err, FATE_HALT,
		    "say which letters: --class CLASS, --offset P:O, --since TIME, or --all");
	fate = dlq_replay(pipeline, &ask->options, &counts, err);
	*ret_code = counts.stay || counts.sent + counts.known == 0 ? EXIT_SOME : EXIT_ASKED;
	return fate;
}

static enum fate
run(struct ask *ask, const struct pipeline *pipeline, int *ret_code, struct err *err)
{
	bool terminal = isatty(STDERR_FILENO) == 1;
	size_t count = 0;
	enum fate fate;

	ask->options.say = terminal ? say_beside_progress : call_say;
	ask->options.progress = terminal ? progress_show : NULL;
	if (strcmp(ask->what, "show") == 0)
		return run_show(ask, pipeline, err);
	if (strcmp(ask->what, "replay") == 0) {
		fate = run_replay(ask, pipeline, ret_code, err);
	} else if (strcmp(ask->what, "list") == 0) {
		fate = selection_read(ask, pipeline, err);
		if (fate == FATE_DONE)
			fate = dlq_list(pipeline, &ask->options, &count, err);
		*ret_code = count ? EXIT_SOME : EXIT_ASKED;
	} else {
		return err_set(err, FATE_HALT, "list, show or replay, not %s", ask->what);
	}
	if (terminal)
		progress_show("");
	return fate;
}

int
dlq_main(int argc, char **argv)
{
	struct ask ask = { 0 };
	const struct option_row rows[] = {
		{ "class", OPTION_TEXT, &ask.options.select.class, "CLASS",
		    "only letters of this class (rejected, expression, malformed, too_large, "
		    "crash ...), SQLSTATE (22012), or both (expression/22012).",
		    0, 0 },
		{ "since", OPTION_TEXT, &ask.since, "TIME",
		    "only letters written since: 2h (so long ago) or 2026-11-30T19:00:00Z.", 0,
		    0 },
		{ "offset", OPTION_TEXT, &ask.offsets, "P:O",
		    "only these letters, as list prints their places: 0:17, or "
		    "0:17,0:19-23,1:4.",
		    0, 0 },
		{ "all", OPTION_FLAG, &ask.options.all, NULL,
		    "list: those that were sent again, too. replay: all that were not.", 0, 0 },
		{ "dry-run", OPTION_FLAG, &ask.options.dry_run, NULL,
		    "replay: say what would be sent and what would not, and send nothing.", 0,
		    0 },
		{ "json", OPTION_FLAG, &ask.options.json, NULL, "list: an object a line.", 0,
		    0 },
	};
	const struct option_table table = { "sluicectl dlq",
		"Looks at a pipeline's dead letters, which lie in the topic NAME.dlq, and "
		"sends "
		"them again.\n"
		"  list PIPELINE.yaml [WORKER]   a line each: topic, place, time, worker, "
		"class,\n"
		"                                what was refused, key, why; exit 0 none, 1 "
		"some\n"
		"  show PIPELINE.yaml P:O        all headers of one, and its value\n"
		"  replay PIPELINE.yaml WORKER   once the cause is mended: a record each to "
		"the\n"
		"                                enriched topic, each letter once, however "
		"often "
		"it\n"
		"                                is called; a newer row wins. Exit 0 all sent, "
		"1 some\n"
		"                                stay (each says why) or none was chosen\n"
		"A letter of enrich becomes the record that enrich would make now; older than\n"
		"sink_outage_max, with its row's values of now. What is refused again is a "
		"new\n"
		"letter. A mirror's letters are not sent: ask for a snapshot of their rows.\n"
		"Exit 2: cannot be asked, 3: not now.",
		"list|show|replay PIPELINE.yaml [WORKER|P:O]", 2, OPERANDS_MAX, rows,
		sizeof rows / sizeof *rows };
	struct pipeline *pipeline = NULL;
	enum option_verdict verdict;
	struct err err = { 0 };
	int code = EXIT_ASKED;

	if (options_parse(&table, argc, argv, &verdict, &err) != FATE_DONE)
		return tool_fail("dlq", &err);
	if (verdict == OPTIONS_EXIT_OK)
		return EXIT_ASKED;
	ask.what = argv[1];
	ask.file = argv[2];
	ask.operand = argv[3];
	if (pipeline_read(ask.file, &pipeline, &err) != FATE_DONE)
		return tool_fail("dlq", &err);
	if (run(&ask, pipeline, &code, &err) != FATE_DONE)
		code = tool_fail("dlq", &err);
	pipeline_free(pipeline);
	return code;
}
