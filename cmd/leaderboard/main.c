/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-leaderboard: the enriched topic into ZSETs of Redis. */
#include "work/board.h"

static const char *
listen_of(const struct pipeline *pipeline)
{
	return pipeline->has_leaderboard ? pipeline->leaderboard.listen : NULL;
}

static const struct worker worker = {
	.name = "leaderboard",
	.prog = "sluice-leaderboard",
	.summary = "Keeps the pipeline's boards: sums of a score over the last minutes.",
	.listen = listen_of,
	.check = board_work_check,
	.run = board_work_run,
};

int
main(int argc, char **argv)
{
	return worker_main(&worker, argc, argv);
}
