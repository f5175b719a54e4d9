/* SPDX-License-Identifier: Apache-2.0 */
/* router_check.h -- does a running router answer? Asked from outside, over HTTP, with the
 * key in SLUICE_KEY. Changes nothing. */
#ifndef WORK_ROUTER_CHECK_H
#define WORK_ROUTER_CHECK_H

#include <stdbool.h>

#include "base/err.h"

/* Whether the file is a router's, and no pipeline's; false when it cannot be read. */
bool router_check_is_for(const char *file);

/* /health, then SELECT 1 by every engine (of Redis: a board's first member); say() gets a
 * line a point, "ok   ..." or "FAIL ...". HALT: the file; RETRY: nobody listens. */
enum fate router_check_run(const char *file, void (*say)(const char *line), bool *ret_passed,
    struct err *err) NODISCARD;

#endif
