/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "link/http.h"
#include "link/http_wire.h"

struct http_multi {
	struct http_settings settings;
	CURLM *curl;
	http_done *done;
	void *ctx;
	struct http_transfer *transfers; /* connection_max of them, made when first used */
	struct http_transfer *free;
	size_t made;
	size_t count; /* in flight */
};

enum fate
http_multi_new(const struct http_options *options, http_done *done, void *ctx,
    struct http_multi **ret_multi, struct err *err)
{
	struct http_multi *m = calloc(1, sizeof *m);
	must(m);
	if (http_settings_init(&m->settings, options, err) != FATE_DONE) {
		http_multi_free(m);
		return FATE_HALT;
	}
	size_t max = m->settings.o.connection_max;
	m->done = done;
	m->ctx = ctx;
	m->curl = curl_multi_init();
	m->transfers = calloc(max, sizeof *m->transfers);
	must(m->transfers);
	if (m->curl == NULL) {
		http_multi_free(m);
		return err_set(err, FATE_HALT, "http: libcurl gives no multi handle");
	}
	(void)curl_multi_setopt(m->curl, CURLMOPT_MAXCONNECTS, (long)max);
	(void)curl_multi_setopt(m->curl, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)max);
	*ret_multi = m;
	return FATE_DONE;
}

void
http_multi_free(struct http_multi *multi)
{
	if (multi == NULL)
		return;
	http_multi_cancel_all(multi);
	for (size_t i = 0; i < multi->made; i++)
		http_transfer_finish(&multi->transfers[i]);
	if (multi->curl)
		curl_multi_cleanup(multi->curl);
	free(multi->transfers);
	http_settings_finish(&multi->settings);
	free(multi);
}

static enum fate
take_transfer(struct http_multi *m, struct http_transfer **ret_transfer, struct err *err)
{
	struct http_transfer *t = m->free;
	if (t) {
		m->free = t->next;
	} else if (m->made < m->settings.o.connection_max) {
		t = &m->transfers[m->made];
		enum fate fate = http_transfer_init(t, &m->settings, err);
		if (fate != FATE_DONE)
			return fate;
		m->made++;
	} else {
		return err_set(err, FATE_RETRY, "http: %zu requests are in flight", m->count);
	}
	*ret_transfer = t;
	return FATE_DONE;
}

static void
give_back(struct http_multi *m, struct http_transfer *t)
{
	t->next = m->free;
	m->free = t;
}

enum fate
http_multi_add(struct http_multi *multi, const struct http_request *request, struct err *err)
{
	struct http_transfer *t = NULL;
	enum fate fate = take_transfer(multi, &t, err);
	if (fate != FATE_DONE)
		return fate;
	fate = http_transfer_prepare(t, request, err);
	if (fate == FATE_DONE && curl_multi_add_handle(multi->curl, t->easy) != CURLM_OK)
		fate = err_set(err, FATE_HALT, "http: libcurl does not take the request");
	if (fate != FATE_DONE) {
		give_back(multi, t);
		return fate;
	}
	t->in_flight = true;
	multi->count++;
	return FATE_DONE;
}

static struct http_transfer *
transfer_of(CURL *easy)
{
	char *t = NULL;
	must(curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t) == CURLE_OK && t);
	return (struct http_transfer *)(void *)t;
}

/* Gives the answers that are there; returns how many. */
static size_t
answer(struct http_multi *m)
{
	CURLMsg *message;
	size_t given = 0;
	int left;
	while ((message = curl_multi_info_read(m->curl, &left))) {
		struct err err = { 0 };
		CURLcode code = message->data.result; /* gone after the removal */
		struct http_transfer *t = transfer_of(message->easy_handle);
		(void)http_transfer_conclude(t, code, &err);
		must(curl_multi_remove_handle(m->curl, t->easy) == CURLM_OK);
		t->in_flight = false;
		m->count--;
		m->done(m->ctx, &t->response, &err);
		give_back(m, t); /* after the answer: the callee may add others meanwhile */
		given++;
	}
	return given;
}

static enum fate
broken(CURLMcode code, struct err *err)
{
	return err_set(err, FATE_HALT, "http: libcurl: %s", curl_multi_strerror(code));
}

enum fate
http_multi_poll(struct http_multi *multi, int64_t wait_ms, int extra_fd, struct err *err)
{
	struct curl_waitfd extra = { .fd = extra_fd, .events = CURL_WAIT_POLLIN };
	int64_t until_ms = clock_mono_ms() + wait_ms;
	for (;;) {
		int running, ready = 0;
		CURLMcode code = curl_multi_perform(multi->curl, &running);
		if (code != CURLM_OK)
			return broken(code, err);
		if (answer(multi) > 0) {
			/* What the answers added starts now, not at the next call. */
			code = curl_multi_perform(multi->curl, &running);
			return code == CURLM_OK ? FATE_DONE : broken(code, err);
		}
		int64_t left = until_ms - clock_mono_ms();
		if (left <= 0)
			return FATE_DONE;
		code = curl_multi_poll(multi->curl, extra_fd < 0 ? NULL : &extra,
		    extra_fd < 0 ? 0 : 1, (int)(left > 60000 ? 60000 : left), &ready);
		if (code != CURLM_OK)
			return broken(code, err);
		if (extra_fd >= 0 && extra.revents)
			return FATE_DONE;
	}
}

size_t
http_multi_count(const struct http_multi *multi)
{
	return multi->count;
}

void
http_multi_cancel_all(struct http_multi *multi)
{
	for (size_t i = 0; i < multi->made; i++) {
		struct http_transfer *t = &multi->transfers[i];
		if (!t->in_flight)
			continue;
		must(curl_multi_remove_handle(multi->curl, t->easy) == CURLM_OK);
		t->in_flight = false;
		give_back(multi, t);
	}
	multi->count = 0;
}
