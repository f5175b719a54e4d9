/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/http.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/must.h"
#include "base/version.h"
#include "link/http.h"
#include "sink/http_breaker.h"
#include "sink/http_form.h"
#include "sink/http_lane.h"
#include "sink/sink_ops.h"
#include "wire/webhook.h"

enum {
	TIMEOUT_MS = 10000,
	BACK_OFF_MS = 200,
	PAUSE_MAX_MS = 60000,
	TRUST_MS = 60000,
	RESPONSE_MAX = 64 << 10,
	SETTLE_MS = 100, /* a look at what is in flight */
	SETTLE_MAX_MS = 3000,
	DOUBTS_MAX = 64, /* rows refused in a row: then it is the destination all the same */
	HEADERS_OWN = 8,
	HEADERS_MAX = HEADERS_OWN + SINK_HTTP_HEADERS_MAX,
};

enum { M_DONE, M_RETRY, M_DEAD, M_DOUBT, M_NETWORK, M_IN_FLIGHT, M_BREAKER, M_OPEN };
static struct metric metrics[] = {
	{ "sluice_http_answers_total", "class=\"done\"", METRIC_COUNTER,
	    "Requests by what their answer meant.", 0 },
	{ "sluice_http_answers_total", "class=\"retry\"", METRIC_COUNTER, "", 0 },
	{ "sluice_http_answers_total", "class=\"dead\"", METRIC_COUNTER, "", 0 },
	{ "sluice_http_answers_total", "class=\"doubt\"", METRIC_COUNTER, "", 0 },
	{ "sluice_http_answers_total", "class=\"network\"", METRIC_COUNTER, "", 0 },
	{ "sluice_http_in_flight", NULL, METRIC_GAUGE, "Requests that wait for an answer.", 0 },
	{ "sluice_http_breaker_open", NULL, METRIC_GAUGE,
	    "1 while the destination is only probed.", 0 },
	{ "sluice_http_open", NULL, METRIC_GAUGE,
	    "1 while the group holds that deliveries may be open, and the body may not change.",
	    0 },
};

struct state {
	const struct sink_http_config *config;
	struct sink_http_config again; /* with other secrets, once they were taken */
	struct http_multi *multi;
	struct webhook_keys *keys;
	struct breaker breaker;
	struct http_lanes lanes;
	struct http_open open;
	char form[SINK_FORM_SIZE];
	size_t turn;             /* the lane that is looked at first */
	char *authorization;     /* the header; NULL: none */
	char why[ERR_WHAT_SIZE]; /* what the destination last did wrong */
	unsigned doubts;         /* rows given up for a doubtful answer since the last 2xx */
	bool still;              /* nothing is sent: what is in flight is waited for */
	bool halted;
	struct err halt;
};

static int64_t
or_default(int64_t value, int64_t otherwise)
{
	return value ? value : otherwise;
}

static uint32_t
throw_dice(void)
{
	uint32_t dice = 0;

	(void)!getrandom(&dice, sizeof dice, 0);
	return dice;
}

/* --- requests --- */

static const char *
content_type(const struct sink_http_config *config)
{
	if (config->format != HTTP_CLOUDEVENTS)
		return "Content-Type: application/json";
	return config->batch_rows ? "Content-Type: application/cloudevents-batch+json"
				  : "Content-Type: application/cloudevents+json";
}

/* What a lone row's op is, when its body does not say it. */
static const char *
op_line(char op)
{
	switch (op) {
	case 'c': return "sluice-op: c";
	case 'u': return "sluice-op: u";
	case 'r': return "sluice-op: r";
	default: return "sluice-op: d";
	}
}

static size_t
lane_headers(struct state *s, struct http_lane *lane, const char *headers[HEADERS_MAX])
{
	const struct sink_http_config *c = s->config;
	int64_t now_s = clock_wall_ms() / 1000;
	size_t count = 0;

	headers[count++] = content_type(c);
	headers[count++] = "User-Agent: sluice/" SLUICE_VERSION;
	headers[count++] = lane->id_line;
	headers[count++] = lane->key_line;
	(void)snprintf(
	    lane->time_line, sizeof lane->time_line, "webhook-timestamp: %" PRId64, now_s);
	headers[count++] = lane->time_line;
	if (c->format == HTTP_ROW && !c->batch_rows)
		headers[count++] = op_line(lane->op);
	if (s->keys) {
		lane->signature.len = 0;
		buf_cstr(&lane->signature, "webhook-signature: ");
		webhook_sign(s->keys, lane->id, now_s, lane->body_view, &lane->signature);
		headers[count++] = buf_str(&lane->signature);
	}
	if (s->authorization)
		headers[count++] = s->authorization;
	for (size_t i = 0; i < c->header_count; i++)
		headers[count++] = c->headers[i];
	return count;
}

static void
halt(struct state *s, const struct err *err)
{
	s->halted = true;
	s->halt = *err;
	s->halt.fate = FATE_HALT;
}

static void
lane_send(struct state *s, struct http_lane *lane)
{
	const char *headers[HEADERS_MAX];
	struct http_request request = { .method = "POST",
		.url = s->config->url,
		.headers = headers,
		.body = &lane->body_view,
		.body_count = 1,
		.tag = lane };
	const struct http_item *item = lane->head;
	struct err err = { 0 };
	enum fate fate;

	request.header_count = lane_headers(s, lane, headers);
	for (size_t i = 0; i < lane->rows; i++, item = item->next)
		item->record->attempts++;
	fate = http_multi_add(s->multi, &request, &err);
	must(fate != FATE_RETRY); /* there is room for each lane */
	if (fate == FATE_DONE)
		lane->in_flight = true;
	else
		halt(s, &err);
}

/* The body is made here, so that a lane whose rows make none is not ready. */
static bool
lane_ready(struct state *s, struct http_lane *lane, int64_t now_ms)
{
	return lane->head && !lane->in_flight && lane->due_ms <= now_ms &&
	       !http_open_short(&s->open) && http_lane_build(&s->lanes, lane, now_ms);
}

/* Sends what may be sent. The lane to begin with changes, so that probes try one row
 * after the other and a single bad one does not keep the destination closed. */
static void
send_ready(struct state *s)
{
	int64_t now_ms = clock_mono_ms();

	for (size_t i = 0; i < s->lanes.count && !s->halted; i++) {
		struct http_lane *lane = &s->lanes.lanes[(s->turn + i) % s->lanes.count];

		if (!breaker_allows(&s->breaker, now_ms, http_multi_count(s->multi)))
			break;
		if (!lane_ready(s, lane, now_ms))
			continue;
		lane_send(s, lane);
		if (s->breaker.open)
			s->turn = (size_t)(lane - s->lanes.lanes) + 1;
	}
}

/* When the next lane or the breaker is due; not after until_ms. */
static int64_t
next_due_ms(const struct state *s, int64_t until_ms)
{
	int64_t now_ms = clock_mono_ms(), due_ms = until_ms;

	if (http_open_short(&s->open))
		return now_ms; /* the worker commits what we wait for */
	if (s->breaker.open && http_multi_count(s->multi) > 0)
		return until_ms;
	for (size_t i = 0; i < s->lanes.count; i++) {
		const struct http_lane *lane = &s->lanes.lanes[i];

		if (lane->head && !lane->in_flight && lane->due_ms < due_ms)
			due_ms = lane->due_ms;
	}
	if (due_ms < s->breaker.not_before_ms)
		due_ms = s->breaker.not_before_ms;
	return due_ms < now_ms ? now_ms : due_ms > until_ms ? until_ms : due_ms;
}

/* --- answers --- */

static void
on_done_class(struct state *s, struct http_lane *lane, int64_t now_ms)
{
	bool was_open = s->breaker.open;

	breaker_good(&s->breaker, now_ms);
	s->doubts = 0;
	http_lane_settle(&s->lanes, lane, NULL);
	for (size_t i = 0; was_open && i < s->lanes.count; i++)
		s->lanes.lanes[i].due_ms = 0; /* it is back: nobody waits out an old pause */
}

static void
on_dead_class(struct state *s, struct http_lane *lane, const char *why)
{
	breaker_alive(&s->breaker);
	if (!http_lane_halve(lane))
		http_lane_settle(&s->lanes, lane, why);
}

static void
on_retry_class(
    struct state *s, struct http_lane *lane, int64_t now_ms, int64_t retry_after_ms, bool doubt)
{
	const struct sink_http_config *c = s->config;
	int64_t pause =
	    back_off_ms(s->breaker.base_ms, s->breaker.max_ms, lane->attempt++, throw_dice());
	char why[ERR_WHAT_SIZE + 48];

	breaker_bad(&s->breaker, now_ms, retry_after_ms, doubt, throw_dice());
	if (c->retry_for_ms > 0 && now_ms - lane->first_ms >= c->retry_for_ms) {
		(void)snprintf(why, sizeof why, "gave up after %u attempts: %s",
		    lane->head->record->attempts, s->why);
		http_lane_settle(&s->lanes, lane, why);
		return;
	}
	lane->due_ms = now_ms + (pause > retry_after_ms ? pause : retry_after_ms);
}

static void
on_status(struct state *s, struct http_lane *lane, const struct http_response *response)
{
	int64_t now_ms = clock_mono_ms();
	enum http_class class = http_class(s->config, response->status);
	int64_t trust_ms = or_default(s->config->trust_ms, TRUST_MS);
	char why[ERR_WHAT_SIZE];

	metric_add(&metrics[class], 1);
	if (class == HTTP_CLASS_DONE) {
		on_done_class(s, lane, now_ms);
		return;
	}
	http_describe(s->config, response, why, sizeof why);
	/* The destination took other rows just now, so it is this one. */
	if (class == HTTP_CLASS_DOUBT && s->doubts < DOUBTS_MAX &&
	    s->breaker.good_ms != BREAKER_NEVER_MS && now_ms - s->breaker.good_ms <= trust_ms) {
		class = HTTP_CLASS_DEAD;
		s->doubts++;
	}
	if (class == HTTP_CLASS_DEAD) {
		on_dead_class(s, lane, why);
		return;
	}
	memcpy(s->why, why, sizeof why);
	on_retry_class(s, lane, now_ms, http_retry_after_ms(response, clock_wall_ms()),
	    class == HTTP_CLASS_DOUBT);
}

/* A certificate that does not verify today may tomorrow: it is waited for. */
static bool
never_mends(const struct err *err)
{
	return err->fate == FATE_HALT && strcmp(err->code, "curl 60") != 0 &&
	       strcmp(err->code, "curl 83") != 0 && strcmp(err->code, "curl 35") != 0;
}

static void
on_answer(void *ctx, const struct http_response *response, const struct err *err)
{
	struct state *s = ctx;
	struct http_lane *lane = response->tag;

	must(lane->in_flight);
	lane->in_flight = false;
	if (response->fate == FATE_DONE || (response->truncated && response->status)) {
		on_status(s, lane, response);
	} else if (never_mends(err)) {
		halt(s, err);
		return;
	} else {
		metric_add(&metrics[M_NETWORK], 1);
		(void)snprintf(s->why, sizeof s->why, "%s", err->what);
		on_retry_class(s, lane, clock_mono_ms(), -1, false);
	}
	if (!s->halted && !s->still &&
	    breaker_allows(&s->breaker, clock_mono_ms(), http_multi_count(s->multi)) &&
	    lane_ready(s, lane, clock_mono_ms()))
		lane_send(s, lane);
}

/* --- the driver --- */

static enum fate
multi_open(struct state *s, const struct sink_http_config *c, struct http_multi **ret_multi,
    struct err *err)
{
	const struct http_options options = { .ca_file = c->ca_file,
		.cert_file = c->cert_file,
		.key_file = c->key_file,
		.http2 = c->http2,
		.deny_private = !c->allow_private,
		.private_nets = c->private_nets,
		.private_net_count = c->private_net_count,
		.total_timeout_ms = or_default(c->timeout_ms, TIMEOUT_MS),
		.response_max = RESPONSE_MAX,
		/* an answer's own transfer is given back after its lane sends the next */
		.connection_max = s->lanes.count + 1 };
	enum fate fate = http_multi_new(&options, on_answer, s, ret_multi, err);

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
	struct state *s = state;
	enum fate fate;

	s->config = config;
	if (!registered)
		metrics_register(metrics, sizeof metrics / sizeof *metrics);
	registered = true;
	breaker_init(&s->breaker, or_default(s->config->back_off_ms, BACK_OFF_MS),
	    or_default(s->config->pause_max_ms, PAUSE_MAX_MS));
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
settle_down(struct state *s, struct err *err)
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
begin_anew(struct state *s)
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
	struct state *s = state;
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
	struct state *s = state;
	enum fate fate =
	    http_open_assign(&s->open, parts, count, s->form, s->config->drain, err);

	metric_set(&metrics[M_OPEN], http_open_any(&s->open));
	return fate;
}

static void
take(struct state *s, struct record *record, int64_t now_ms)
{
	http_open_add(&s->open, record->partition, record->offset, now_ms);
	http_lanes_add(&s->lanes, record);
}

static void
push(void *state, struct record *const *records, size_t count)
{
	struct state *s = state;
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
	struct state *s = state;
	int64_t until_ms = clock_mono_ms() + wait_ms;
	enum fate fate;

	send_ready(s);
	fate = s->halted ? FATE_DONE
			 : http_multi_poll(
			       s->multi, next_due_ms(s, until_ms) - clock_mono_ms(), -1, err);
	metric_set(&metrics[M_IN_FLIGHT], (int64_t)http_multi_count(s->multi));
	metric_set(&metrics[M_BREAKER], s->breaker.open);
	if (!s->halted)
		return fate;
	*err = s->halt;
	return FATE_HALT;
}

static void
drop(void *state)
{
	struct state *s = state;

	if (s->multi)
		http_multi_cancel_all(s->multi);
	http_lanes_clear(&s->lanes);
}

static size_t
pending(const void *state)
{
	return ((const struct state *)state)->lanes.pending;
}

static const char *
waiting(const void *state)
{
	const struct state *s = state;

	return s->breaker.open && s->lanes.pending && *s->why ? s->why : NULL;
}

static enum fate
tick(void *state, int64_t wall_ms, struct err *err)
{
	struct state *s = state;

	(void)wall_ms;
	(void)err;
	s->open.idle = clock_mono_ms() - s->open.used_ms >= HTTP_FORM_IDLE_MS;
	return FATE_DONE;
}

static void
flush(void *state)
{
	((struct state *)state)->open.closing = true;
}

static bool
frozen(const void *state, const char *topic, int32_t partition, struct sink_range *ret_range)
{
	const struct state *s = state;

	(void)topic; /* there is one */
	if (!http_open_range(&s->open, partition, s->lanes.pending, ret_range))
		return false;
	memcpy(ret_range->form, s->form, sizeof s->form);
	return true;
}

static bool
freezing(const void *state)
{
	const struct state *s = state;

	return http_open_changed(&s->open, s->lanes.pending);
}

static void
froze(void *state)
{
	struct state *s = state;

	http_open_told(&s->open, s->lanes.pending);
	metric_set(&metrics[M_OPEN], http_open_any(&s->open));
}

static void
close_sink(void *state)
{
	struct state *s = state;

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
	.state = sizeof(struct state),
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
