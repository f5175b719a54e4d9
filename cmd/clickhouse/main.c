/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-clickhouse: the enriched topic into a ReplacingMergeTree. */
#include "sink/clickhouse.h"
#include "work/deliver.h"

enum { BATCHES_IN_HAND = 2 };

static const char *
listen_of(const struct pipeline *pipeline)
{
	return pipeline->has_clickhouse ? pipeline->clickhouse.listen : NULL;
}

static void
config_fill(const struct pipeline *pipeline, struct sink_clickhouse_config *ret)
{
	const struct pipeline_clickhouse *c = &pipeline->clickhouse;

	*ret = (struct sink_clickhouse_config){ .urls = &c->url,
		.url_count = 1,
		.user = c->user,
		.password = c->password,
		.database = c->database,
		.table = c->table,
		.batch_rows = (size_t)c->batch_rows,
		.batch_bytes = (size_t)c->batch_bytes,
		.batch_age_ms = c->batch_age_ms,
		.compression = NATIVE_LZ4,
		.identity = pipeline->enrich.identity.items,
		.identity_count = pipeline->enrich.identity.count };
}

static struct deliver
deliver_of(struct work *work, const struct sink_clickhouse_config *config)
{
	return (struct deliver){ .work = work,
		.ops = &sink_clickhouse,
		.config = config,
		.rows_max = BATCHES_IN_HAND * config->batch_rows,
		.bytes_max = BATCHES_IN_HAND * config->batch_bytes };
}

static enum fate
run(struct work *work, struct err *err)
{
	struct sink_clickhouse_config config;
	struct deliver deliver;

	config_fill(work->pipeline, &config);
	deliver = deliver_of(work, &config);
	return deliver_run(&deliver, err);
}

static enum fate
check(struct work *work, struct err *err)
{
	struct sink_clickhouse_config config;
	struct deliver deliver;

	config_fill(work->pipeline, &config);
	deliver = deliver_of(work, &config);
	return deliver_check(&deliver, err);
}

static const struct worker worker = {
	.name = "clickhouse",
	.prog = "sluice-clickhouse",
	.summary = "Carries enriched records into ClickHouse: the last state of every row.",
	.listen = listen_of,
	.check = check,
	.run = run,
};

int
main(int argc, char **argv)
{
	return worker_main(&worker, argc, argv);
}
