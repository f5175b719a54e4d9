/* SPDX-License-Identifier: Apache-2.0 */
/* check.h -- is this pipeline alive? Six points, each with a line of evidence.
 *
 * Looks from outside, with clients of its own, and changes nothing. A point that
 * needs movement waits up to CHECK_WAIT_MS for it; a source that is idle with no lag
 * passes and says so. */
#ifndef CTL_CHECK_H
#define CTL_CHECK_H

#include <stdbool.h>

#include "work/pipeline.h"

enum { CHECK_WAIT_MS = 15000 };

/* say() gets one line a point ("ok   1 workers: ..." or "FAIL 1 ..."), evidence lines
 * begin with blanks. Returns whether all points passed; err only when nothing could
 * be asked at all. */
enum fate check_run(const struct pipeline *pipeline, void (*say)(const char *line),
    bool *ret_passed, struct err *err) NODISCARD;

/* Groups, lag and connector, one line each; no waiting. *ret_up: all workers are ready and own
 * their partitions, the connector runs and its slot is read. */
enum fate status_run(const struct pipeline *pipeline, void (*say)(const char *line),
    bool *ret_up, struct err *err) NODISCARD;

/* The first board's top ten. */
enum fate top_run(const struct pipeline *pipeline, const char *board, int64_t count,
    void (*say)(const char *line), struct err *err) NODISCARD;

#endif
