/* SPDX-License-Identifier: Apache-2.0 */
/* Requests leave when their lanes are due, and their answers are judged. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/must.h"
#include "base/version.h"
#include "sink/http_ops.h"

enum {
	TRUST_MS = 60000,
	DOUBTS_MAX = 64, /* rows refused in a row: then it is the destination all the same */
	HEADERS_OWN = 8,
	HEADERS_MAX = HEADERS_OWN + SINK_HTTP_HEADERS_MAX,
};

struct metric http_metrics[HTTP_M_COUNT] = {
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

static uint32_t
throw_dice(void)
{
	uint32_t dice = 0;

	(void)!getrandom(&dice, sizeof dice, 0);
	return dice;
}

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
lane_headers(struct http_sink *s, struct http_lane *lane, const char *headers[HEADERS_MAX])
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
halt(struct http_sink *s, const struct err *err)
{
	s->halted = true;
	s->halt = *err;
	s->halt.fate = FATE_HALT;
}

static void
lane_send(struct http_sink *s, struct http_lane *lane)
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
lane_ready(struct http_sink *s, struct http_lane *lane, int64_t now_ms)
{
	return lane->head && !lane->in_flight && lane->due_ms <= now_ms &&
	       !http_open_short(&s->open) && http_lane_build(&s->lanes, lane, now_ms);
}

/* Sends what may be sent. The lane to begin with changes, so that probes try one row
 * after the other and a single bad one does not keep the destination closed. */
void
http_send_ready(struct http_sink *s)
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
int64_t
http_next_due_ms(const struct http_sink *s, int64_t until_ms)
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

static void
on_done_class(struct http_sink *s, struct http_lane *lane, int64_t now_ms)
{
	bool was_open = s->breaker.open;

	breaker_good(&s->breaker, now_ms);
	s->doubts = 0;
	http_lane_settle(&s->lanes, lane, NULL);
	for (size_t i = 0; was_open && i < s->lanes.count; i++)
		s->lanes.lanes[i].due_ms = 0; /* it is back: nobody waits out an old pause */
}

static void
on_dead_class(struct http_sink *s, struct http_lane *lane, const char *why)
{
	breaker_alive(&s->breaker);
	if (!http_lane_halve(lane))
		http_lane_settle(&s->lanes, lane, why);
}

static void
on_retry_class(struct http_sink *s, struct http_lane *lane, int64_t now_ms,
    int64_t retry_after_ms, bool doubt)
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
on_status(struct http_sink *s, struct http_lane *lane, const struct http_response *response)
{
	int64_t now_ms = clock_mono_ms();
	enum http_class class = http_class(s->config, response->status);
	int64_t trust_ms = http_or_default(s->config->trust_ms, TRUST_MS);
	char why[ERR_WHAT_SIZE];

	metric_add(&http_metrics[class], 1);
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

void
http_on_answer(void *ctx, const struct http_response *response, const struct err *err)
{
	struct http_sink *s = ctx;
	struct http_lane *lane = response->tag;

	must(lane->in_flight);
	lane->in_flight = false;
	if (response->fate == FATE_DONE || (response->truncated && response->status)) {
		on_status(s, lane, response);
	} else if (never_mends(err)) {
		halt(s, err);
		return;
	} else {
		metric_add(&http_metrics[HTTP_M_NETWORK], 1);
		(void)snprintf(s->why, sizeof s->why, "%s", err->what);
		on_retry_class(s, lane, clock_mono_ms(), -1, false);
	}
	if (!s->halted && !s->still &&
	    breaker_allows(&s->breaker, clock_mono_ms(), http_multi_count(s->multi)) &&
	    lane_ready(s, lane, clock_mono_ms()))
		lane_send(s, lane);
}
