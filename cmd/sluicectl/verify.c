/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/verify.h"

#include <stdio.h>
#include <unistd.h>

#include "call.h"
#include "ctl/reset.h"
#include "work/worker.h"

enum { EXIT_DIFFERENT = 1, SESSION_END_MS = 15000 };

static void
progress_show(const char *text)
{
	(void)fprintf(stderr, "\r\033[K%s", text);
}

static void
progress_wipe(void)
{
	progress_show("");
	(void)fflush(stderr);
}

static void
say_beside_progress(const char *line)
{
	progress_wipe();
	call_say(line);
}

int
run_verify(struct call *call, struct err *err)
{
	bool clean = false, terminal = isatty(STDERR_FILENO) == 1;
	struct verify_options options = { .barrier_ms = call->timeout_ms,
		.settle_ms = call->settle_ms,
		.repair = call->repair,
		.delete_max = call->delete_max,
		.evidence = (size_t)call->count < VERIFY_EVIDENCE_MAX ? (size_t)call->count
								      : VERIFY_EVIDENCE_MAX,
		.say = terminal ? say_beside_progress : call_say,
		.progress = terminal ? progress_show : NULL };
	enum fate fate;

	if (!call->pipeline->has_enrich) {
		err_set(
		    err, FATE_HALT, "%s has no query to compare with", call->pipeline->file);
		return call_fail(err);
	}
	fate = verify_run(call->pipeline, &options, &clean, err);

	if (terminal)
		progress_wipe();
	if (fate != FATE_DONE)
		return call_fail(err);
	return clean ? EXIT_ASKED : EXIT_DIFFERENT;
}

int
run_reset(struct call *call, struct err *err)
{
	int64_t wait_ms = call->timeout_ms < SESSION_END_MS ? call->timeout_ms : SESSION_END_MS;

	return reset_run(call->pipeline, call->worker, call->to, wait_ms, call_say, err) ==
		       FATE_DONE
		   ? EXIT_ASKED
		   : call_fail(err);
}
