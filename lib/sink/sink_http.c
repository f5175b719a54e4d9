/* SPDX-License-Identifier: Apache-2.0 */
/* The driver that sends every change to a receiver of webhooks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "sink/http_ops.h"

enum {
	TIMEOUT_MS = 10000,
	BACK_OFF_MS = 200,
	PAUSE_MAX_MS = 60000,
	RESPONSE_MAX = 64 << 10,
	SETTLE_MS = 100, /* a look at what is in flight */
	SETTLE_MAX_MS = 3000,
};

static enum fate
multi_open(struct http_sink *s, const struct sink_http_config *c, struct http_multi **ret_multi,
    struct err *err)
{
	const struct http_options options = { .ca_file = c->ca_file,
		.cert_file = c->cert_file,
		.key_file = c->key_file,
		.http2 = c->http2,
		.deny_private = !c->allow_private,
		.private_nets = c->private_nets,
		.private_net_count = c->private_net_count,
		.total_timeout_ms = http_or_default(c->timeout_ms, TIMEOUT_MS),
		.response_max = RESPONSE_MAX,
		/* an answer's own transfer is given back after its lane sends the next */
		.connection_max = s->lanes.count + 1 };
	enum fate fate = http_multi_new(&options, http_on_answer, s, ret_multi, err);

	if (fate == FATE_HALT && !*err->code)
		(void)snprintf(err->code, sizeof err->code, "CONFIG");
	return fate;
}

static enum fate
config_check(const struct sink_http_config *c, struct err *err)
{
	if (strncmp(c->url, "http://", 7) != 0 && strncmp(c->url, "https://", 8) != 0)
		return err_code(
		    err, FATE_HALT, "CONFIG", "a url begins with http:// or https://");
	if (!c->cert_file != !c->key_file)
		return err_code(err, FATE_HALT, "CONFIG",
		    "a client's certificate and its key come together");
	if (c->format == HTTP_ROW && c->batch_rows)
		return err_code(err, FATE_HALT, "CONFIG",
		    "format row has no place for the ids of a batch's rows");
	must(c->header_count <= SINK_HTTP_HEADERS_MAX);
	for (size_t i = 0; i < c->header_count; i++)
		if (http_header_check(c->headers[i], err) != FATE_DONE)
			return FATE_HALT;
	return FATE_DONE;
}

static enum fate
secrets_open(const struct sink_http_config *c, struct webhook_keys **ret_keys,
    char **ret_authorization, struct err *err)
{
	enum fate fate = c->secrets ? webhook_keys_new(c->secrets, ret_keys, err) : FATE_DONE;

	if (fate != FATE_DONE)
		(void)snprintf(err->code, sizeof err->code, "CONFIG");
	if (fate != FATE_DONE || !c->token)
		return fate;
	must(asprintf(ret_authorization, "Authorization: Bearer %s", c->token) > 0);
	return http_header_check(*ret_authorization, err);
}

static enum fate
open_sink(void *state, const void *config, struct err *err)
{
	static bool registered;
	struct http_sink *s = state;
	enum fate fate;

	s->config = config;
	if (!registered)
		metrics_register(http_metrics, HTTP_M_COUNT);
	registered = true;
	breaker_init(&s->breaker, http_or_default(s->config->back_off_ms, BACK_OFF_MS),
	    http_or_default(s->config->pause_max_ms, PAUSE_MAX_MS));
	fate = config_check(s->config, err);
	if (fate == FATE_DONE)
		fate = secrets_open(s->config, &s->keys, &s->authorization, err);
	if (fate == FATE_DONE)
		fate = http_lanes_init(&s->lanes, s->config, err);
	if (fate == FATE_DONE)
		http_form(s->config, s->form);
	return fate == FATE_DONE ? multi_open(s, s->config, &s->multi, err) : fate;
}

/* A request borrows what it is sent with, and its connection was opened with the old
 * certificates: it is waited for a while, and the next ones get connections of their own. */
static enum fate
settle_down(struct http_sink *s, struct err *err)
{
	enum fate fate = FATE_DONE;

	int64_t until_ms = clock_mono_ms() + SETTLE_MAX_MS;

	s->still = true;
	while (
	    fate == FATE_DONE && http_multi_count(s->multi) > 0 && clock_mono_ms() < until_ms)
		fate = http_multi_poll(s->multi, SETTLE_MS, -1, err);
	s->still = false;
	return fate;
}

/* With other secrets: what was not answered is sent again, and nobody waits out a pause that
 * the old ones may have been the reason of. */
static void
begin_anew(struct http_sink *s)
{
	http_multi_cancel_all(s->multi);
	for (size_t i = 0; i < s->lanes.count; i++) {
		s->lanes.lanes[i].in_flight = false;
		s->lanes.lanes[i].due_ms = 0;
	}
	breaker_hurry(&s->breaker);
}

static enum fate
take_secrets(void *state, const void *config, struct err *err)
{
	struct http_sink *s = state;
	struct webhook_keys *keys = NULL;
	char *authorization = NULL;
	struct http_multi *multi = NULL;
	enum fate fate = config_check(config, err);

	if (fate == FATE_DONE)
		fate = secrets_open(config, &keys, &authorization, err);
	if (fate == FATE_DONE)
		fate = multi_open(s, config, &multi, err);
	if (fate == FATE_DONE)
		fate = settle_down(s, err);
	if (fate != FATE_DONE) {
		http_multi_free(multi);
		webhook_keys_free(keys);
		free(authorization);
		return fate;
	}
	begin_anew(s);
	http_multi_free(s->multi);
	webhook_keys_free(s->keys);
	free(s->authorization);
	s->multi = multi;
	s->keys = keys;
	s->authorization = authorization;
	s->again = *(const struct sink_http_config *)config;
	s->config = &s->again;
	return FATE_DONE;
}

static enum fate
assign(void *state, struct sink_part *parts, size_t count, struct err *err)
{
	struct http_sink *s = state;
	enum fate fate =
	    http_open_assign(&s->open, parts, count, s->form, s->config->drain, err);

	metric_set(&http_metrics[HTTP_M_OPEN], http_open_any(&s->open));
	return fate;
}

static void
take(struct http_sink *s, struct record *record, int64_t now_ms)
{
	http_open_add(&s->open, record->partition, record->offset, now_ms);
	http_lanes_add(&s->lanes, record);
}

static void
push(void *state, struct record *const *records, size_t count)
{
	struct http_sink *s = state;
	int64_t now_ms = clock_mono_ms();
	struct err err = { 0 };

	for (size_t i = 0; i < count; i++) {
		if (records[i]->op == 'r' && !s->config->deliver_snapshot)
			records[i]->outcome = OUTCOME_DONE;
		else if (http_body_check(records[i], &err) != FATE_DONE)
			sink_reject(records[i], "%s", err.what);
		else
			take(s, records[i], now_ms);
	}
}

static enum fate
work(void *state, int wait_ms, struct err *err)
{
	struct http_sink *s = state;
	int64_t until_ms = clock_mono_ms() + wait_ms;
	enum fate fate;

	http_send_ready(s);
	fate = s->halted ? FATE_DONE
			 : http_multi_poll(s->multi,
			       http_next_due_ms(s, until_ms) - clock_mono_ms(), -1, err);
	metric_set(&http_metrics[HTTP_M_IN_FLIGHT], (int64_t)http_multi_count(s->multi));
	metric_set(&http_metrics[HTTP_M_BREAKER], s->breaker.open);
	if (!s->halted)
		return fate;
	*err = s->halt;
	return FATE_HALT;
}

static void
drop(void *state)
{
	struct http_sink *s = state;

	if (s->multi)
		http_multi_cancel_all(s->multi);
	http_lanes_clear(&s->lanes);
}

static size_t
pending(const void *state)
{
	return ((const struct http_sink *)state)->lanes.pending;
}

static const char *
waiting(const void *state)
{
	const struct http_sink *s = state;

	return s->breaker.open && s->lanes.pending && *s->why ? s->why : NULL;
}

static enum fate
tick(void *state, int64_t wall_ms, struct err *err)
{
	struct http_sink *s = state;

	(void)wall_ms;
	(void)err;
	s->open.idle = clock_mono_ms() - s->open.used_ms >= HTTP_FORM_IDLE_MS;
	return FATE_DONE;
}

static void
flush(void *state)
{
	((struct http_sink *)state)->open.closing = true;
}

static bool
frozen(const void *state, const char *topic, int32_t partition, struct sink_range *ret_range)
{
	const struct http_sink *s = state;

	(void)topic; /* there is one */
	if (!http_open_range(&s->open, partition, s->lanes.pending, ret_range))
		return false;
	memcpy(ret_range->form, s->form, sizeof s->form);
	return true;
}

static bool
freezing(const void *state)
{
	const struct http_sink *s = state;

	return http_open_changed(&s->open, s->lanes.pending);
}

static void
froze(void *state)
{
	struct http_sink *s = state;

	http_open_told(&s->open, s->lanes.pending);
	metric_set(&http_metrics[HTTP_M_OPEN], http_open_any(&s->open));
}

static void
close_sink(void *state)
{
	struct http_sink *s = state;

	if (s->multi)
		http_multi_cancel_all(s->multi); /* what is in flight borrows from its lane */
	http_lanes_finish(&s->lanes);
	http_multi_free(s->multi);
	webhook_keys_free(s->keys);
	http_open_finish(&s->open);
	free(s->authorization);
}

const struct sink_ops sink_http = {
	.name = "http",
	.state = sizeof(struct http_sink),
	.every_change = true,
	.open = open_sink,
	.assign = assign,
	.push = push,
	.work = work,
	.drop = drop,
	.pending = pending,
	.flush = flush,
	.frozen = frozen,
	.freezing = freezing,
	.froze = froze,
	.tick = tick,
	.waiting = waiting,
	.secrets = take_secrets,
	.close = close_sink,
};
