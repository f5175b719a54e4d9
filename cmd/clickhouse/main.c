/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-clickhouse: the enriched topic, or Debezium's, into ClickHouse's tables. */
#include "work/store.h"

static const char *
listen_of(const struct pipeline *pipeline)
{
	return pipeline->has_clickhouse ? pipeline->clickhouse.listen : NULL;
}

static const char *
group_of(const struct pipeline *pipeline)
{
	return pipeline->clickhouse.group;
}

static const struct worker worker = {
	.name = "clickhouse",
	.prog = "sluice-clickhouse",
	.summary = "Carries records into ClickHouse: the last state of every row, or every "
		   "change once.",
	.listen = listen_of,
	.group = group_of,
	.check = store_check,
	.run = store_run,
};

int
main(int argc, char **argv)
{
	return worker_main(&worker, argc, argv);
}
