/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "router/ops.h"

void
router_weather(
    struct router *router, const struct plan *plan, unsigned failed, struct weather *ret)
{
	int64_t now_us = clock_mono_us();

	*ret = (struct weather){ 0 };
	for (size_t e = 0; e < router->registry->engine_count; e++) {
		struct engine_weather *w = &ret->engines[e];
		struct engine_state state;

		w->lag_ms = LAG_UNKNOWN;
		w->down = !router->engines[e] || (failed & 1u << e);
		if (w->down)
			continue;
		engine_state(router->engines[e], &state);
		w->down = state.down;
		w->breaker_open = state.breaker_open;
		(void)measure_get(router->measure, plan->likeness, (int)e, now_us,
		    &w->measured_ms, &w->measured_cost);
	}
	if (plan->replicas)
		router_fresh_weather(router->fresh, plan, clock_wall_ms(), ret);
}

double
router_measured(
    struct router *router, const struct plan *plan, int engine, const struct engine_end *end)
{
	const struct registry *r = router->registry;
	struct router_spent *spent = &router->spent[engine];
	double cost = measure_cost(&r->engines[engine], end), most = cost;
	double ms = (double)end->elapsed_us / 1000;
	int64_t now_us = clock_mono_us();

	if (plan->class == PLAN_READ)
		measure_add(
		    router->measure, plan->likeness, &r->engines[engine], engine, end, now_us);
	for (size_t e = 0; e < r->engine_count; e++) {
		double other_ms, other_cost;

		if (measure_get(router->measure, plan->likeness, (int)e, now_us, &other_ms,
			&other_cost) &&
		    other_cost > most)
			most = other_cost;
	}
	router->dearest += most;
	spent->cost += cost;
	spent->latency_ms = spent->latency_ms > 0 ? spent->latency_ms * 0.9 + ms * 0.1 : ms;
	return cost;
}

const struct router_error *
router_token_lsn(
    struct router *router, const struct principal *who, struct slice text, uint64_t *ret_lsn)
{
	static const struct router_error refused = { .status = 400,
		.code = "READ_TOKEN",
		.message = "the read token is none that was given to this caller here",
		.sqlstate = "" };
	struct read_token token;

	*ret_lsn = 0;
	if (!text.p)
		return NULL;
	if (!read_token_read(router->token_key, slice_str(who->name), text, &token))
		return &refused;
	*ret_lsn = router_fresh_knows(router->fresh, &token) ? token.lsn : UINT64_MAX;
	return NULL;
}
