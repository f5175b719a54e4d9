/* SPDX-License-Identifier: Apache-2.0 */
/* reset.h -- puts a worker's group back to a position: the remedy for "offsets expired
 * or partition new" (exit 4).
 *
 * It refuses while the group has members, since what they hold would be committed over
 * it; a worker that has just stopped is waited for. An offset outside of what a partition holds
 * becomes the nearest that it does. What was committed with the old position (replay marks,
 * version fences) goes with it, so records come again; versions keep the sinks right. Enrich's
 * positions in dimension topics are kept where they are good. After a changed partition count
 * of the source it refuses until the pipeline's generation was raised, since old records would
 * win. A board's position is in Redis: there the group's is only where a missing one starts. */
#ifndef CTL_RESET_H
#define CTL_RESET_H

#include "work/pipeline.h"

/* to: "earliest" or an offset. wait_ms: for the group's last sessions to end; they take
 * 10 s. say() gets a line a partition: from where to where. RETRY:
 * the group has members, or nobody answers. HALT: no such worker, or see above. */
enum fate reset_run(const struct pipeline *pipeline, const char *worker, const char *to,
    int64_t wait_ms, void (*say)(const char *line), struct err *err) NODISCARD;

#endif
