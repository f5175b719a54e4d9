/* SPDX-License-Identifier: Apache-2.0 */
/* How the enrich worker starts: Postgres' word on the query first, then the producer
 * (it aborts what a predecessor left open), then the consumers. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/must.h"
#include "work/catalog.h"
#include "work/connector.h"
#include "work/enrich_loop.h"
#include "work/lint.h"

enum { LINT_MS = 10000 };

/* Postgres first: without its word on the types nothing can be read. */
enum fate
enrich_start_plan(struct enrich_loop *loop, struct err *err)
{
	struct pause pause = { 0 };

	while (!work_stopping()) {
		enum fate fate =
		    enrich_plan_open(loop->pg, loop->work->pipeline, &loop->plan, err);

		if (fate == FATE_DONE)
			fate = lint_start(loop->pg, loop->work->pipeline, false, err);
		if (fate != FATE_DONE) {
			enrich_plan_free(loop->plan);
			loop->plan = NULL;
		}
		if (fate != FATE_RETRY)
			return fate;
		work_status(false, "waiting for Postgres: %s", err->what);
		pause_wait(&pause);
		enrich_take_secrets(loop);
	}
	return FATE_DONE;
}

/* Tries until Kafka answers: a start without brokers is patience, not an exit. */
static enum fate
patiently(struct enrich_loop *loop, enum fate (*step)(struct enrich_loop *, struct err *),
    struct err *err)
{
	struct pause pause = { 0 };

	while (!work_stopping()) {
		enum fate fate = step(loop, err);

		if (fate != FATE_RETRY)
			return fate;
		work_status(false, "waiting for Kafka: %s", err->what);
		pause_wait(&pause);
	}
	return err_code(err, FATE_HALT, CODE_RESTART, "stopped");
}

static enum fate
step_producer(struct enrich_loop *loop, struct err *err)
{
	struct kafka_txn_conf conf = { .transactional_id = loop->work->member,
		.queue_messages =
		    2 * loop->conf->batch_rows < 200000 ? 200000 : 2 * loop->conf->batch_rows };

	work_kafka_conf(loop->work, &conf.common);
	return kafka_txn_open(&loop->txn, &conf, err);
}

static enum fate
step_follow(struct enrich_loop *loop, struct err *err)
{
	return follow_open(loop->work, loop->plan, &loop->follow, err);
}

static enum fate
step_partitions(struct enrich_loop *loop, struct err *err)
{
	const struct pipeline *pipeline = loop->work->pipeline;
	enum fate fate = kafka_txn_partitions(
	    loop->txn, loop->plan->fact_topic, &loop->source_partitions, err);

	if (fate == FATE_DONE)
		fate = kafka_txn_partitions(
		    loop->txn, pipeline->enrich.topic, &loop->out_partitions, err);
	if (fate == FATE_DONE)
		fate = kafka_txn_partitions(
		    loop->txn, pipeline->dlq_topic, &loop->dlq_partitions, err);
	if (fate != FATE_DONE)
		return fate;
	if (loop->out_partitions < loop->source_partitions)
		return err_code(err, FATE_HALT, CODE_CONFIG,
		    "%s has %" PRId32 " partitions and %s only %" PRId32
		    ": a record keeps its partition number",
		    loop->plan->fact_topic, loop->source_partitions, pipeline->enrich.topic,
		    loop->out_partitions);
	return FATE_DONE;
}

enum fate
enrich_lint_topics(const struct pipeline *pipeline, const struct sql_query *query,
    struct kafka_conf *conf, bool whole, struct err *err)
{
	struct lint *lint = calloc(1, sizeof *lint);
	struct kafka_admin *admin = NULL;
	enum fate fate;

	must(lint);
	fate = kafka_admin_open(&admin, conf, LINT_MS, err);
	if (fate == FATE_DONE)
		fate = lint_topics(pipeline, query, admin, lint, err);
	if (fate == FATE_HALT && admin && !whole && !kafka_wants_restart(err)) {
		log_event(LOG_WARN, "lint", "skipped=topics why=%s", log_quote(err->what));
		fate = FATE_DONE;
	}
	if (fate == FATE_DONE)
		fate = lint_settle(lint, err);
	kafka_admin_close(admin);
	free(lint);
	return fate;
}

static enum fate
step_lint(struct enrich_loop *loop, struct err *err)
{
	struct kafka_conf conf;

	work_kafka_conf(loop->work, &conf);
	return enrich_lint_topics(loop->work->pipeline, loop->plan->query, &conf, false, err);
}

/* With a signal table, changed dimension rows have their facts sent again. */
enum fate
enrich_start_refresh(struct enrich_loop *loop, struct err *err)
{
	const struct pipeline *pipeline = loop->work->pipeline;
	struct connector connector = { 0 };
	const char *table;
	enum fate fate;

	if (loop->conf->on_dimension_change == DIMENSION_KEEP || !pipeline->connector_file ||
	    loop->plan->source_count < 2)
		return FATE_DONE;
	fate = connector_read(pipeline->connector_file, &connector, err);
	if (fate != FATE_DONE)
		return fate;
	table = connector_setting(&connector, "signal.data.collection");
	if (table)
		fate = refresh_open(loop->plan, loop->pg, table, &loop->refresh, err);
	connector_finish(&connector);
	return fate;
}

enum fate
enrich_start_slot(struct enrich_loop *loop, struct err *err)
{
	const char *file = loop->work->pipeline->connector_file;
	struct connector connector = { 0 };
	enum fate fate;

	if (!file)
		return FATE_DONE;
	fate = connector_read(file, &connector, err);
	if (fate != FATE_DONE)
		return fate;
	loop->slot = strdup(connector_slot(&connector));
	must(loop->slot);
	connector_finish(&connector);
	return FATE_DONE;
}

static size_t
topics_fill(const struct enrich_loop *loop, const char **topics)
{
	size_t count = 0;

	topics[count++] = loop->plan->fact_topic;
	for (size_t i = 1; loop->refresh && i < loop->plan->source_count; i++) {
		const char *topic = follow_topic(loop->follow, i);
		bool seen = !topic;

		for (size_t n = 0; n < count && !seen; n++)
			seen = strcmp(topics[n], topic) == 0;
		if (!seen)
			topics[count++] = topic;
	}
	return count;
}

/* The producer first: it aborts what a predecessor left open. */
enum fate
enrich_start_clients(
    struct enrich_loop *loop, struct kafka_consumer_conf *consumer, struct err *err)
{
	const char *topics[SQL_SOURCES_MAX];
	enum fate fate;

	work_kafka_conf(loop->work, &consumer->common);
	work_status(false, "waiting for Kafka at %s", consumer->common.brokers);
	fate = patiently(loop, step_producer, err);
	if (fate == FATE_DONE)
		fate = patiently(loop, step_partitions, err);
	if (fate == FATE_DONE)
		fate = patiently(loop, step_lint, err);
	if (fate != FATE_DONE)
		return fate;
	loop->batch = enrich_batch_new(
	    loop->plan, loop->pg, loop->dlq_partitions, kafka_txn_size_max(loop->txn));
	enrich_batch_set_source_partitions(loop->batch, loop->source_partitions);
	fate = patiently(loop, step_follow, err);
	if (fate == FATE_DONE)
		fate = enrich_start_refresh(loop, err);
	if (fate == FATE_DONE)
		fate = enrich_start_slot(loop, err);
	if (fate != FATE_DONE)
		return fate;
	fate = kafka_consumer_open(&loop->consumer, consumer, err);
	if (fate != FATE_DONE)
		return fate;
	work_status(false, "joining group %s", loop->work->group);
	return kafka_consumer_subscribe(loop->consumer, topics, topics_fill(loop, topics), err);
}
