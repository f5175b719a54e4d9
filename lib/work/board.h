/* SPDX-License-Identifier: Apache-2.0 */
/* board.h -- the leaderboard worker: the pipeline's boards over the enriched topic.
 *
 * The types of the enriched row come from the enrichment query itself, compiled
 * against the live Postgres at start; until Postgres answers the worker waits. */
#ifndef WORK_BOARD_H
#define WORK_BOARD_H

#include "work/worker.h"

enum fate board_work_run(struct work *work, struct err *err) NODISCARD;
enum fate board_work_check(struct work *work, struct err *err) NODISCARD;

#endif
