/* SPDX-License-Identifier: Apache-2.0 */
#include "work/health.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "link/httpd.h"

static struct {
	pthread_mutex_t lock;
	bool ready;
	char why[1024];
	int64_t acknowledged;
	int64_t lag;
	int64_t moved_ms; /* when something was acknowledged, or lag was zero */
	struct httpd *httpd;
} health = { .lock = PTHREAD_MUTEX_INITIALIZER, .why = "starting" };

void
health_ready(bool ready, const char *why)
{
	(void)pthread_mutex_lock(&health.lock);
	health.ready = ready;
	(void)snprintf(health.why, sizeof health.why, "%s", why);
	(void)pthread_mutex_unlock(&health.lock);
}

void
health_progress(int64_t acknowledged, int64_t lag, int64_t mono_ms)
{
	(void)pthread_mutex_lock(&health.lock);
	if (acknowledged > 0 || lag == 0 || health.lag == 0)
		health.moved_ms = mono_ms;
	health.acknowledged += acknowledged;
	health.lag = lag;
	(void)pthread_mutex_unlock(&health.lock);
}

static void
serve_metrics(void *ctx, const struct httpd_request *request, struct httpd_response *response)
{
	(void)ctx, (void)request;
	response->content_type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_print(&response->body);
}

static void
serve_live(void *ctx, const struct httpd_request *request, struct httpd_response *response)
{
	int64_t still_ms;
	bool stalled;

	(void)ctx, (void)request;
	(void)pthread_mutex_lock(&health.lock);
	still_ms = health.moved_ms ? clock_mono_ms() - health.moved_ms : 0;
	stalled = health.lag > 0 && still_ms > HEALTH_STALL_MS;
	(void)pthread_mutex_unlock(&health.lock);
	if (!stalled) {
		buf_cstr(&response->body, "ok\n");
		return;
	}
	response->status = 503;
	buf_printf(&response->body,
	    "nothing was acknowledged for %" PRId64 " s although there is lag\n",
	    still_ms / 1000);
}

static void
serve_ready(void *ctx, const struct httpd_request *request, struct httpd_response *response)
{
	(void)ctx, (void)request;
	(void)pthread_mutex_lock(&health.lock);
	response->status = health.ready ? 200 : 503;
	buf_printf(&response->body, "%s\n", health.why);
	(void)pthread_mutex_unlock(&health.lock);
}

enum fate
health_listen(const char *address, struct err *err)
{
	static const struct httpd_route routes[] = {
		{ "GET", "/metrics", serve_metrics },
		{ "GET", "/livez", serve_live },
		{ "GET", "/readyz", serve_ready },
	};
	static struct httpd_options options = { .routes = routes,
		.route_count = sizeof routes / sizeof *routes };

	options.listen = address;
	return httpd_start(&options, &health.httpd, err);
}

void
health_close(void)
{
	httpd_stop(health.httpd);
	health.httpd = NULL;
}
