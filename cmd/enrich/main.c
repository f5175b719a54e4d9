/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-enrich: Debezium's changes, through a Postgres query, into the enriched topic. */
#include "work/enrich.h"

static const char *
listen_of(const struct pipeline *pipeline)
{
	return pipeline->enrich.listen;
}

static const struct worker worker = {
	.name = "enrich",
	.prog = "sluice-enrich",
	.summary =
	    "Carries Debezium's changes through the pipeline's SQL into the enriched topic.",
	.listen = listen_of,
	.check = enrich_check,
	.run = enrich_run,
};

int
main(int argc, char **argv)
{
	return worker_main(&worker, argc, argv);
}
