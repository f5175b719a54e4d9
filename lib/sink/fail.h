/* SPDX-License-Identifier: Apache-2.0 */
/* fail.h -- configuration of the scripted driver that tests use.
 *
 * Each call of deliver() takes a letter of the script: d done, r retry, h halt,
 * x reject the batch. When the script is over, any row whose value is "bad"
 * refuses its batch, a row whose value is "named" is rejected by the driver
 * itself, and all else is done. The script and the log belong to the test. */
#ifndef SINK_FAIL_H
#define SINK_FAIL_H

#include "sink/sink_ops.h"

struct sink_fail_config {
	const char *open_error; /* open() halts with it; NULL: opens */
	const char *connect;    /* one letter a connect(): d r h, then d */
	const char *script;
	const char *secrets;             /* one letter a secrets(): d r h, then d */
	struct sink_batch_limits limits; /* zeroed: the defaults */
	/* What deliver() was called with, and its answer; NULL: nobody asks. */
	void (*seen)(void *log, struct record *const *records, size_t count, enum fate fate);
	void *log;
};

#endif
