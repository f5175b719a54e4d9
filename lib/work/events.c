/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "link/kafka.h"
#include "work/worker.h"

static void
on_event(void *ctx, const struct kafka_event *event)
{
	(void)ctx;
	switch (event->kind) {
	case KAFKA_EVENT_STATS: return;
	case KAFKA_EVENT_LOG:
	case KAFKA_EVENT_ERROR:
		log_event(event->level <= 3 ? LOG_WARN : LOG_DEBUG, "kafka_client",
		    "client=%s code=%s why=%s", event->client, event->code,
		    log_quote(event->text));
		return;
	case KAFKA_EVENT_COMMIT:
	case KAFKA_EVENT_TXN:
		log_event(LOG_WARN, "kafka_txn", "client=%s code=%s why=%s", event->client,
		    event->code, log_quote(event->text));
		return;
	}
}

static bool
stopping(void *ctx)
{
	(void)ctx;
	return work_stopping();
}

void
work_kafka_conf(const struct work *work, struct kafka_conf *ret_conf)
{
	*ret_conf = (struct kafka_conf){ .brokers = work->pipeline->kafka.brokers,
		.client_id = work->member,
		.properties = work->pipeline->kafka.properties,
		.property_count = work->pipeline->kafka.property_count,
		.on_event = on_event,
		.stopping = stopping };
}
