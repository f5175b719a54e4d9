/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-http: every change as a signed webhook, at least once. */
#include "sink/http.h"
#include "work/deliver.h"

enum { BYTES_IN_HAND = 64 << 20 };

static const char *
listen_of(const struct pipeline *pipeline)
{
	return pipeline->has_http ? pipeline->http.listen : NULL;
}

static struct sink_http_config
config_of(const struct pipeline *pipeline)
{
	const struct pipeline_http *h = &pipeline->http;

	return (struct sink_http_config){ .url = h->url,
		.secrets = h->secret,
		.allow_private = h->allow_private,
		.deliver_snapshot = h->deliver_snapshot,
		.lanes = (size_t)h->lanes,
		.timeout_ms = h->timeout_ms,
		.retry_for_ms = h->retry_for_ms,
		.pause_max_ms = h->pause_max_ms };
}

static struct deliver
deliver_of(struct work *work, const struct sink_http_config *config)
{
	return (struct deliver){ .work = work,
		.routes = { { .topic = work->pipeline->enrich.topic,
		    .ops = &sink_http,
		    .config = config } },
		.route_count = 1,
		.rows_max = (size_t)work->pipeline->http.in_flight_max,
		.bytes_max = BYTES_IN_HAND };
}

static enum fate
run(struct work *work, struct err *err)
{
	const struct sink_http_config config = config_of(work->pipeline);
	const struct deliver deliver = deliver_of(work, &config);

	return deliver_run(&deliver, err);
}

static enum fate
check(struct work *work, struct err *err)
{
	const struct sink_http_config config = config_of(work->pipeline);
	const struct deliver deliver = deliver_of(work, &config);

	return deliver_check(&deliver, err);
}

static const struct worker worker = {
	.name = "http",
	.prog = "sluice-http",
	.summary = "Carries every change to a webhook, signed, at least once, in order a key.",
	.listen = listen_of,
	.check = check,
	.run = run,
};

int
main(int argc, char **argv)
{
	return worker_main(&worker, argc, argv);
}
