/* SPDX-License-Identifier: Apache-2.0 */
/* call.h -- what the commands of sluicectl share: their operands and options, and how
 * they speak. A command returns the process' exit code. */
#ifndef SLUICECTL_CALL_H
#define SLUICECTL_CALL_H

#include "work/pipeline.h"

struct call {
	struct pipeline *pipeline;
	int64_t timeout_ms, settle_ms, count, delete_max;
	bool repair;
	const char *board;
	const char *worker; /* of reset */
	const char *to;
};

void call_say(const char *line);
int call_fail(const struct err *err);

int run_verify(struct call *call, struct err *err);
int run_lint(struct call *call, struct err *err);
int run_reset(struct call *call, struct err *err);

#endif
