/* SPDX-License-Identifier: Apache-2.0 */
/* check.h -- does a running router answer? Asked from outside, over HTTP, with the
 * key in SLUICE_KEY. It changes nothing but what server.check writes and takes away again. */
#ifndef ROUTER_CHECK_H
#define ROUTER_CHECK_H

#include <stdbool.h>

#include "base/err.h"

/* Whether the file is a router's, and no pipeline's; false when it cannot be read. */
bool router_check_is_for(const char *file);

/* /health, then SELECT 1 by every engine (of Redis: a board's first member), then
 * server.check: a row is written, must be seen by its read token where it is carried to,
 * and is taken away. say() gets a line a point, "ok   ..." or "FAIL ...". HALT: the file;
 * RETRY: nobody listens. */
enum fate router_check_run(const char *file, void (*say)(const char *line), bool *ret_passed,
    struct err *err) NODISCARD;

#endif
