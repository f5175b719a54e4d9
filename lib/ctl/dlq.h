/* SPDX-License-Identifier: Apache-2.0 */
/* dlq.h -- the dead letters of a pipeline, looked at.
 *
 * A letter is open until a note says that its record was sent again (letter.h). list and
 * show read and change nothing. Letters are read from the beginning of the topic to the
 * end that it has when the reading begins; what comes meanwhile is not seen. Memory is
 * bounded by the number of those that were sent again (24 bytes each). */
#ifndef CTL_DLQ_H
#define CTL_DLQ_H

#include "ctl/dlq_select.h"

struct dlq_options {
	struct dlq_select select;
	bool json;    /* list: an object a line */
	bool all;     /* list: those that were sent again, too */
	bool dry_run; /* of dlq_replay.h: say what would be sent, and what would not */
	void (*say)(const char *line);
	void (*progress)(const char *text); /* what it is at, ten times a second; or NULL */
};

/* *ret_count: of open letters that are selected. RETRY or HALT. */
enum fate dlq_list(const struct pipeline *pipeline, const struct dlq_options *options,
    size_t *ret_count, struct err *err) NODISCARD;

/* HALT: there is no letter at this place. */
enum fate dlq_show(const struct pipeline *pipeline, int32_t partition, int64_t offset,
    void (*say)(const char *line), struct err *err) NODISCARD;

#endif
