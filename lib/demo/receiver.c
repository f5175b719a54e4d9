/* SPDX-License-Identifier: Apache-2.0 */
#include "demo/receiver.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "demo/receiver_book.h"
#include "demo/receiver_script.h"
#include "wire/json.h"
#include "wire/webhook.h"

enum { IDS_PAGE = 4 << 20, ROUTES = 5 };

struct receiver {
	struct receiver_options options;
	struct httpd_route routes[ROUTES];
	struct httpd *httpd;
	pthread_mutex_t lock; /* of all below */
	struct webhook_keys *keys;
	struct receiver_book *book;
	struct script script;
	struct receiver_stats stats;
	struct buf key; /* scratch: table and key of the body at hand */
};

static void
say(struct httpd_response *response, unsigned status, const char *text)
{
	response->status = status;
	response->body.len = 0;
	buf_cstr(&response->body, text);
}

static struct slice
header(const struct httpd_request *request, const char *name)
{
	return slice_str(httpd_header(request, name));
}

/* A change that was delivered. */
struct delivery {
	struct slice id;
	struct slice key; /* table and key, or empty */
	uint64_t version;
};

static bool
is_array(struct slice raw)
{
	return json_kind_of(raw) == JSON_ARRAY;
}

/* An object, or an array of them. */
static bool
holds_changes(struct slice raw)
{
	struct json_walk walk;

	if (!is_array(raw))
		return json_kind_of(raw) == JSON_OBJECT;
	for (walk = json_walk(raw); json_next(&walk);)
		if (json_kind_of(walk.value) != JSON_OBJECT)
			return false;
	return true;
}

/* The headers' id and the body; false when there is none, or no changes. */
static bool
read_request(const struct httpd_request *request, struct slice *ret_id, struct slice *ret_raw)
{
	struct err err;

	*ret_id = header(request, "webhook-id");
	if (ret_id->len == 0)
		*ret_id = header(request, "Idempotency-Key");
	return ret_id->len > 0 && json_check(request->body, ret_raw, &err) == FATE_DONE &&
	       holds_changes(*ret_raw);
}

/* An object's member when it is of that kind, or an empty slice. */
static struct slice
member(struct slice object, const char *name, enum json_kind kind)
{
	struct slice value = json_member(object, slice_str(name));

	return value.p && json_kind_of(value) == kind ? value : (struct slice){ 0 };
}

/* What a change says of itself, bare or within a CloudEvent. */
static struct delivery
read_change(struct receiver *r, struct slice id, struct slice raw)
{
	struct delivery d = { .id = id };
	struct slice version;

	if (is_array(raw)) /* of things without ids: nothing is known of their keys */
		return d;
	if (member(raw, "specversion", JSON_STRING).p && member(raw, "data", JSON_OBJECT).p)
		raw = member(raw, "data", JSON_OBJECT);
	version = json_member(raw, SLICE("version"));
	if (!version.p || !slice_u64(version, &d.version))
		return d;
	r->key.len = 0;
	buf_slice(&r->key, json_member(raw, SLICE("table")));
	buf_slice(&r->key, json_member(raw, SLICE("key")));
	d.key = buf_view(&r->key);
	return d;
}

static bool
signed_well(struct receiver *r, const struct httpd_request *request)
{
	return !r->keys || webhook_verify(r->keys, header(request, "webhook-id"),
			       header(request, "webhook-timestamp"), request->body,
			       header(request, "webhook-signature"),
			       clock_wall_ms() / 1000) == WEBHOOK_GOOD;
}

/* False: there is no room for it. */
static bool
note(struct receiver *r, const struct delivery *delivery)
{
	enum book_verdict verdict =
	    receiver_book_note(r->book, delivery->id, delivery->key, delivery->version);

	switch (verdict) {
	case BOOK_FULL: return false;
	case BOOK_DUPLICATE: r->stats.duplicates++; break;
	case BOOK_BACKWARDS:
		r->stats.order_violations++;
		r->stats.distinct++;
		break;
	case BOOK_NEW: r->stats.distinct++; break;
	}
	r->stats.events++;
	return true;
}

/* An array's changes have ids of their own; empty: this one has none. */
static struct slice
own_id(struct slice raw)
{
	struct slice id = member(raw, "id", JSON_STRING);

	return id.p ? json_inner(id) : id;
}

static bool
each_has_an_id(struct slice raw)
{
	struct json_walk walk;

	for (walk = json_walk(raw); json_next(&walk);)
		if (own_id(walk.value).len == 0)
			return false;
	return true;
}

/* Notes what is answered well, or closed after it was read. */
static bool
process(struct receiver *r, struct slice id, struct slice raw)
{
	struct delivery delivery;
	struct json_walk walk;

	if (!is_array(raw) || !each_has_an_id(raw)) {
		delivery = read_change(r, id, raw);
		return note(r, &delivery);
	}
	for (walk = json_walk(raw); json_next(&walk);) {
		delivery = read_change(r, own_id(walk.value), walk.value);
		if (!note(r, &delivery))
			return false;
	}
	return true;
}

static void
follow(const struct script_step *step, struct httpd_response *response)
{
	response->status = step->status;
	response->delay_ms = step->delay_ms;
	response->stall_ms = step->stall_ms;
	response->drop = step->close;
	if (*step->retry_after) {
		response->headers[0].name = "Retry-After";
		(void)snprintf(response->headers[0].value, sizeof response->headers[0].value,
		    "%s", step->retry_after);
	}
	if (step->status != 204)
		buf_cstr(&response->body, "scripted\n");
}

static void
deliver(
    struct receiver *r, const struct httpd_request *request, struct httpd_response *response)
{
	struct script_step step = { .status = 204 };
	struct slice id, raw;

	if (!signed_well(r, request)) {
		r->stats.bad_signature++;
		say(response, 401, "the signature is wrong or too old\n");
		return;
	}
	if (!read_request(request, &id, &raw)) {
		say(response, 400,
		    "webhook-id and a JSON object, or an array of them, are expected\n");
		return;
	}
	(void)script_next(&r->script, request->body, &step);
	follow(&step, response);
	if (step.status < 300 && !process(r, id, raw))
		say(response, 507, "no room for more ids: POST /reset\n");
}

static void
on_delivery(void *ctx, const struct httpd_request *request, struct httpd_response *response)
{
	struct receiver *r = ctx;

	pthread_mutex_lock(&r->lock);
	r->stats.requests++;
	deliver(r, request, response);
	if (response->status < 300 && !response->drop)
		r->stats.answered_ok++;
	else
		r->stats.answered_error++;
	pthread_mutex_unlock(&r->lock);
}

static void
on_stats(void *ctx, const struct httpd_request *request, struct httpd_response *response)
{
	struct receiver_stats s;

	(void)request;
	receiver_stats(ctx, &s);
	response->content_type = "application/json";
	buf_printf(&response->body,
	    "{\"requests\":%" PRIu64 ",\"events\":%" PRIu64 ",\"distinct\":%" PRIu64
	    ",\"duplicates\":%" PRIu64 ",\"bad_signature\":%" PRIu64
	    ",\"order_violations\":%" PRIu64 ",\"answered_ok\":%" PRIu64
	    ",\"answered_error\":%" PRIu64 "}\n",
	    s.requests, s.events, s.distinct, s.duplicates, s.bad_signature, s.order_violations,
	    s.answered_ok, s.answered_error);
}

/* Ids from a byte offset on, in pages of whole lines; Sluice-Next is the next offset. */
static void
on_ids(void *ctx, const struct httpd_request *request, struct httpd_response *response)
{
	struct receiver *r = ctx;
	const char *text = httpd_query(request, "offset");
	uint64_t offset = 0;
	struct slice ids;

	if (text && !slice_u64(slice_str(text), &offset)) {
		say(response, 400, "offset takes a number of bytes\n");
		return;
	}
	pthread_mutex_lock(&r->lock);
	ids = receiver_book_ids(r->book);
	if (offset < ids.len) {
		size_t end = ids.len - offset > IDS_PAGE ? (size_t)offset + IDS_PAGE : ids.len;

		while (end > offset && ids.p[end - 1] != '\n')
			end--;
		buf_put(&response->body, ids.p + offset, end - (size_t)offset);
		if (end < ids.len) {
			response->headers[0].name = "Sluice-Next";
			(void)snprintf(response->headers[0].value,
			    sizeof response->headers[0].value, "%zu", end);
		}
	}
	pthread_mutex_unlock(&r->lock);
}

static void
on_script(void *ctx, const struct httpd_request *request, struct httpd_response *response)
{
	struct receiver *r = ctx;
	struct err err = { 0 };
	enum fate fate;

	pthread_mutex_lock(&r->lock);
	fate = script_read(&r->script, request->body, &err);
	pthread_mutex_unlock(&r->lock);
	response->status = fate == FATE_DONE ? 200 : 400;
	buf_printf(&response->body, "%s\n", fate == FATE_DONE ? "ok" : err.what);
}

static void
on_reset(void *ctx, const struct httpd_request *request, struct httpd_response *response)
{
	struct receiver *r = ctx;

	(void)request;
	pthread_mutex_lock(&r->lock);
	receiver_book_reset(r->book);
	r->script.count = 0;
	r->stats = (struct receiver_stats){ 0 };
	pthread_mutex_unlock(&r->lock);
	say(response, 200, "ok\n");
}

static enum fate
check_path(const char *path, struct err *err)
{
	static const char *const taken[] = { "/stats", "/ids", "/script", "/reset" };

	if (path[0] != '/' || strchr(path, '*') || strchr(path, '?'))
		return err_set(err, FATE_HALT, "path %s: it takes /PATH", path);
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
		if (strcmp(path, taken[i]) == 0)
			return err_set(err, FATE_HALT, "path %s is the receiver's own", path);
	return FATE_DONE;
}

static enum fate
read_first_script(struct receiver *r, struct err *err)
{
	const char *text = r->options.script;
	enum fate fate = FATE_DONE;

	if (text)
		fate = script_read(&r->script, slice_str(text), err);
	if (fate == FATE_DONE)
		return FATE_DONE;
	err->fate = FATE_HALT;
	return err_wrap(err, "script");
}

static enum fate
listen_on(struct receiver *r, struct err *err)
{
	const struct httpd_route routes[ROUTES] = {
		{ "POST", r->options.path, on_delivery },
		{ "GET", "/stats", on_stats },
		{ "GET", "/ids", on_ids },
		{ "POST", "/script", on_script },
		{ "POST", "/reset", on_reset },
	};
	const struct httpd_options options = { .listen = r->options.listen,
		.routes = r->routes,
		.route_count = ROUTES,
		.ctx = r,
		.body_max = r->options.body_max,
		.connection_max = 1024,
		.idle_timeout_s = 120 };

	memcpy(r->routes, routes, sizeof routes);
	return httpd_start(&options, &r->httpd, err);
}

enum fate
receiver_start(
    const struct receiver_options *options, struct receiver **ret_receiver, struct err *err)
{
	struct receiver *r = calloc(1, sizeof *r);
	enum fate fate;

	must(r);
	r->options = *options;
	r->book = receiver_book_new(options->ids_max);
	must(pthread_mutex_init(&r->lock, NULL) == 0);
	fate = check_path(options->path, err);
	if (fate == FATE_DONE && options->secrets && *options->secrets)
		fate = webhook_keys_new(options->secrets, &r->keys, err);
	if (fate == FATE_DONE)
		fate = read_first_script(r, err);
	if (fate == FATE_DONE)
		fate = listen_on(r, err);
	if (fate != FATE_DONE) {
		receiver_stop(r);
		return fate;
	}
	*ret_receiver = r;
	return FATE_DONE;
}

uint16_t
receiver_port(const struct receiver *receiver)
{
	return httpd_port(receiver->httpd);
}

void
receiver_stats(struct receiver *receiver, struct receiver_stats *ret_stats)
{
	pthread_mutex_lock(&receiver->lock);
	*ret_stats = receiver->stats;
	pthread_mutex_unlock(&receiver->lock);
}

void
receiver_stop(struct receiver *receiver)
{
	if (!receiver)
		return;
	httpd_stop(receiver->httpd);
	webhook_keys_free(receiver->keys);
	receiver_book_free(receiver->book);
	pthread_mutex_destroy(&receiver->lock);
	buf_finish(&receiver->key);
	free(receiver);
}
