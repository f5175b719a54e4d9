/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/metrics.h"
#include "base/must.h"
#include "router/ops.h"

static struct metric rows[] = {
	{ "sluice_router_connections", NULL, METRIC_GAUGE, "Open connections of clients.", 0 },
	{ "sluice_router_requests_total", NULL, METRIC_COUNTER, "Requests that came whole.",
	    0 },
	{ "sluice_router_refused_total", NULL, METRIC_COUNTER,
	    "Requests that were no clean HTTP, too large, too slow, or found no room.", 0 },
	{ "sluice_router_turned_away_total", NULL, METRIC_COUNTER,
	    "Connections beyond the limit.", 0 },
	{ "sluice_router_left_early_total", NULL, METRIC_COUNTER,
	    "Answers that their client did not wait for.", 0 },
	{ "sluice_router_statements", NULL, METRIC_GAUGE,
	    "Statements under way or kept to be fetched.", 0 },
	{ "sluice_router_plan_hits_total", NULL, METRIC_COUNTER, "Plans found ready made.", 0 },
	{ "sluice_router_plan_misses_total", NULL, METRIC_COUNTER, "Plans that were made.", 0 },
	{ "sluice_router_audit_failures_total", NULL, METRIC_COUNTER,
	    "Audit lines that could not be written.", 0 },
};
enum {
	CONNECTIONS,
	REQUESTS,
	REFUSED,
	TURNED_AWAY,
	LEFT_EARLY,
	STATEMENTS,
	PLAN_HITS,
	PLAN_MISSES,
	AUDIT_FAILURES,
};

/* Three rows an engine, and for what none was asked. */
enum { ANSWERED, FAILED, ELAPSED, ROWS_AN_ENGINE };
static struct metric engine_rows[ROWS_AN_ENGINE * (REGISTRY_ENGINES_MAX + 1)];
static char labels[REGISTRY_ENGINES_MAX + 1][80];
static size_t engine_count;

void
router_metrics_init(struct router *router)
{
	static const struct {
		const char *name, *help;
	} kinds[] = {
		[ANSWERED] = { "sluice_router_answered_total", "Statements answered." },
		[FAILED] = { "sluice_router_failed_total", "Statements refused or failed." },
		[ELAPSED] = { "sluice_router_elapsed_microseconds_total",
		    "Microseconds from statements' arrival to their end." },
	};
	const struct registry *r = router->registry;

	engine_count = r->engine_count;
	for (size_t e = 0; e <= engine_count; e++)
		(void)snprintf(labels[e], sizeof labels[e], "engine=\"%.60s\"",
		    e < engine_count ? r->engines[e].name : "");
	for (size_t k = 0; k < ROWS_AN_ENGINE; k++) {
		for (size_t e = 0; e <= engine_count; e++)
			engine_rows[k * (engine_count + 1) + e] =
			    (struct metric){ kinds[k].name, labels[e], METRIC_COUNTER,
				    kinds[k].help, 0 };
	}
	metrics_register(rows, sizeof rows / sizeof *rows);
	metrics_register(engine_rows, ROWS_AN_ENGINE * (engine_count + 1));
}

void
router_count_statement(int engine, bool good, int64_t elapsed_us)
{
	size_t e = engine >= 0 ? (size_t)engine : engine_count;

	metric_add(&engine_rows[(good ? ANSWERED : FAILED) * (engine_count + 1) + e], 1);
	metric_add(&engine_rows[ELAPSED * (engine_count + 1) + e], elapsed_us);
}

void
router_metrics(struct router *router, struct buf *out)
{
	struct httpd_loop_counts http = httpd_loop_counts(router->httpd);
	struct plan_cache_counts plans = plan_cache_counts(router->plans);

	metric_set(&rows[CONNECTIONS], http.connections);
	metric_set(&rows[REQUESTS], (int64_t)http.requests);
	metric_set(&rows[REFUSED], (int64_t)(http.refused + http.timed_out));
	metric_set(&rows[TURNED_AWAY], (int64_t)http.turned_away);
	metric_set(&rows[LEFT_EARLY], (int64_t)http.left_early);
	metric_set(&rows[STATEMENTS], router->statement_count);
	metric_set(&rows[PLAN_HITS], (int64_t)plans.hits);
	metric_set(&rows[PLAN_MISSES], (int64_t)plans.misses);
	metric_set(&rows[AUDIT_FAILURES], (int64_t)router_audit_failures(router->audit));
	metrics_print(out);
}
