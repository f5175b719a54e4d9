/* SPDX-License-Identifier: Apache-2.0 */
/* hook.h -- the life of the http worker: one destination of a pipeline.
 *
 * Each destination is a process with a group of its own, so that a dead one costs the
 * others nothing. Postgres is asked for the enriched row's types when the body is a select
 * list, and not at all otherwise. */
#ifndef WORK_HOOK_H
#define WORK_HOOK_H

#include "work/worker.h"

enum fate hook_work_choose(
    struct work *work, const char *destination, struct err *err) NODISCARD;
enum fate hook_work_run(struct work *work, struct err *err) NODISCARD;
enum fate hook_work_check(struct work *work, struct err *err) NODISCARD;

#endif
