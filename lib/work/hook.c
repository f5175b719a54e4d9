/* SPDX-License-Identifier: Apache-2.0 */
#include "work/hook.h"

#include <string.h>

#include "base/buf.h"
#include "base/must.h"
#include "sink/http.h"
#include "work/catalog.h"
#include "work/deliver.h"
#include "work/hook_open.h"
#include "work/memory.h"

/* Half a second's reading at full speed is enough to read ahead. */
enum { BYTES_IN_HAND = 64 << 20, QUEUE_BYTES = 4 << 20 };

struct hook {
	struct sql_query *query; /* owns the columns; NULL: nobody asks for them */
	const struct work *work;
	struct sink_http_config config, again; /* with other secrets */
	struct deliver deliver;
};

static enum sink_http_format
format_of(const struct pipeline_http *h)
{
	if (h->body)
		return HTTP_SELECT;
	switch (h->format) {
	case PIPELINE_HTTP_CHANGE: return HTTP_CHANGE;
	case PIPELINE_HTTP_ROW: return HTTP_ROW;
	case PIPELINE_HTTP_CLOUDEVENTS: return HTTP_CLOUDEVENTS;
	}
	never("a format out of range");
}

static const struct pipeline_http *
destination_of(const struct pipeline *p, const char *name)
{
	for (size_t i = 0; i < p->http_count; i++)
		if (name ? p->http[i].name && strcmp(p->http[i].name, name) == 0
			 : p->http_count == 1)
			return &p->http[i];
	return NULL;
}

static const void *
secrets_of(void *owner, size_t route, const struct pipeline *now)
{
	struct hook *hook = owner;
	const struct pipeline_http *h = destination_of(now, hook->work->destination->name);

	(void)route;
	if (!h)
		return NULL;
	hook->again = hook->config;
	hook->again.secrets = h->secret;
	hook->again.token = h->token;
	hook->again.headers = h->headers;
	hook->again.header_count = h->header_count;
	hook->again.ca_file = h->ca_file;
	hook->again.cert_file = h->cert_file;
	hook->again.key_file = h->key_file;
	return &hook->again;
}

static void
hook_fill(struct work *work, struct hook *hook)
{
	const struct pipeline_http *h = work->destination;
	struct sink_http_config *c = &hook->config;

	hook->work = work;
	*c = (struct sink_http_config){ .url = h->url,
		.secrets = h->secret,
		.token = h->token,
		.headers = h->headers,
		.header_count = h->header_count,
		.ca_file = h->ca_file,
		.cert_file = h->cert_file,
		.key_file = h->key_file,
		.http2 = h->http2,
		.allow_private = h->allow_private,
		.private_nets = h->private_nets,
		.private_net_count = h->private_net_count,
		.deliver_snapshot = h->deliver_snapshot,
		.drain = work->drain,
		.format = format_of(h),
		.source = work->pipeline->name,
		.select = h->body,
		.batch_rows = (size_t)h->batch_rows,
		.lanes = (size_t)h->lanes,
		.timeout_ms = h->timeout_ms,
		.retry_for_ms = h->retry_for_ms,
		.pause_max_ms = h->pause_max_ms,
		.done_status_count = h->done_status_count };
	memcpy(c->done_statuses, h->done_statuses, sizeof h->done_statuses);
	if (hook->query) {
		c->columns = sql_query_results(hook->query);
		c->column_count = sql_query_result_count(hook->query);
	}
	hook->deliver = (struct deliver){ .work = work,
		.routes = { { .topic = work->pipeline->enrich.topic,
		    .ops = &sink_http,
		    .config = c } },
		.route_count = 1,
		.secrets = secrets_of,
		.owner = hook,
		.rows_max = (size_t)h->in_flight_max,
		.bytes_max = (size_t)memory_share(
		    work->pipeline->memory_max, MEMORY_HAND, BYTES_IN_HAND),
		.queue_kbytes =
		    memory_share(work->pipeline->memory_max, MEMORY_QUEUE, QUEUE_BYTES) >> 10 };
}

static enum fate
hook_open(struct work *work, struct hook *hook, struct err *err)
{
	enum fate fate = FATE_DONE;

	_Static_assert(
	    sizeof hook->config.done_statuses == sizeof work->destination->done_statuses,
	    "as many statuses in the file as in the sink");
	if (work->destination->body)
		fate = query_for_types(work, &hook->query, err);
	if (fate == FATE_DONE)
		hook_fill(work, hook);
	return fate;
}

enum fate
hook_work_run(struct work *work, struct err *err)
{
	struct hook hook = { 0 };
	enum fate fate = hook_open(work, &hook, err);

	if (fate == FATE_DONE)
		fate = deliver_run(&hook.deliver, err);
	else if (fate == FATE_RETRY)
		fate = FATE_DONE; /* asked to stop while waiting */
	sql_query_free(hook.query);
	return fate;
}

enum fate
hook_work_check(struct work *work, struct err *err)
{
	struct hook hook = { 0 };
	enum fate fate = hook_open(work, &hook, err);

	if (fate == FATE_DONE)
		fate = deliver_check(&hook.deliver, err);
	if (fate == FATE_DONE && !work->drain)
		fate = hook_open_check(work, &hook.config, err);
	sql_query_free(hook.query);
	return fate;
}

static enum fate
which(const struct pipeline *p, const char *destination, struct err *err)
{
	struct buf names = { 0 };

	for (size_t i = 0; i < p->http_count; i++)
		buf_printf(&names, "%s%s", i ? ", " : "",
		    p->http[i].name ? p->http[i].name : "(it has one, without a name)");
	if (destination)
		(void)err_set(err, FATE_HALT, "%s has no destination %s, but %s", p->file,
		    destination, buf_str(&names));
	else
		(void)err_set(err, FATE_HALT, "--destination NAME is missing: %s has %s",
		    p->file, buf_str(&names));
	buf_finish(&names);
	return FATE_HALT;
}

enum fate
hook_work_choose(struct work *work, const char *destination, struct err *err)
{
	const struct pipeline *p = work->pipeline;
	const struct pipeline_http *found = destination_of(p, destination);

	if (!found)
		return which(p, destination, err);
	work->destination = found;
	work->worker = found->worker;
	return FATE_DONE;
}
