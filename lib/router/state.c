/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "router/ops.h"
#include "wire/json.h"

void
router_engine_state(const struct router *router, size_t engine, struct engine_state *ret)
{
	if (router->engines[engine]) {
		engine_state(router->engines[engine], ret);
		return;
	}
	*ret = (struct engine_state){ .down = true };
	(void)snprintf(ret->trouble, sizeof ret->trouble, "%s", router->trouble[engine]);
}

void
router_lag_write(int64_t lag_ms, struct buf *out)
{
	if (lag_ms == LAG_UNKNOWN)
		buf_cstr(out, ",\"lag_ms\":null");
	else
		buf_printf(out, ",\"lag_ms\":%" PRId64, lag_ms);
}

static void
engine_write(struct router *router, size_t e, struct buf *out)
{
	const struct registry_engine *config = &router->registry->engines[e];
	struct engine_state state;
	int64_t lag_ms = router_fresh_lag_ms(router->fresh, e, clock_wall_ms());

	router_engine_state(router, e, &state);
	buf_cstr(out, "{\"name\":");
	json_quote(out, slice_str(config->name));
	buf_printf(out, ",\"kind\":\"%s\",\"down\":%s,\"breaker\":\"%s\"",
	    registry_kind(config->kind), state.down ? "true" : "false",
	    state.breaker_open ? "open" : "closed");
	if (*state.trouble && (state.down || state.breaker_open)) {
		buf_cstr(out, ",\"trouble\":");
		json_quote_any(out, slice_str(state.trouble));
	}
	router_lag_write(lag_ms, out);
	buf_printf(out, ",\"latency_ms\":%.3f,\"cost\":%.9g", router->spent[e].latency_ms,
	    router->spent[e].cost);
	buf_printf(out,
	    ",\"probe_ms\":%.3f,\"connections\":%u,\"under_way\":%u,\"waiting\":%u"
	    ",\"asked\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"cancelled\":%" PRIu64
	    ",\"price_cpu_s\":%.9g,\"price_gb_read\":%.9g,\"start_up_s\":%.9g}",
	    (double)state.probe_us / 1000, state.connections, state.under_way, state.waiting,
	    state.asked, state.failed, state.cancelled, config->price_cpu_s,
	    config->price_gb_read, config->start_up_s);
}

void
router_engines(struct router *router, struct buf *out)
{
	double cost = 0;

	buf_cstr(out, "{\"engines\":[");
	for (size_t e = 0; e < router->registry->engine_count; e++) {
		if (e)
			buf_byte(out, ',');
		engine_write(router, e, out);
		cost += router->spent[e].cost;
	}
	buf_printf(out, "],\"cost\":%.9g,\"dearest\":%.9g,\"saved\":%.9g}\n", cost,
	    router->dearest, router->dearest - cost);
}

static void
engine_names(const struct registry *r, unsigned set, struct buf *out)
{
	const char *between = "";

	buf_byte(out, '[');
	for (size_t e = 0; e < r->engine_count; e++) {
		if (!(set & 1u << e))
			continue;
		buf_cstr(out, between);
		json_quote(out, slice_str(r->engines[e].name));
		between = ",";
	}
	buf_byte(out, ']');
}

static void
column_write(const struct registry_table *t, const struct registry_policy *policy, size_t i,
    struct buf *out)
{
	const struct sql_column *c = &t->table.columns[i];

	buf_cstr(out, i ? ",{\"name\":" : "{\"name\":");
	json_quote(out, slice_str(c->name));
	buf_cstr(out, ",\"type\":\"");
	type_print(out, c->type);
	buf_byte(out, '"');
	if (policy && policy->masks && policy->masks[i])
		buf_cstr(out, ",\"masked\":true");
	buf_byte(out, '}');
}

static void
table_write(const struct registry *r, const struct registry_table *t,
    const struct registry_role *role, struct buf *out)
{
	const struct registry_policy *policy = registry_policy(t, role->name);

	buf_cstr(out, "{\"schema\":");
	json_quote(out, slice_str(t->table.schema));
	buf_cstr(out, ",\"name\":");
	json_quote(out, slice_str(t->table.name));
	buf_cstr(out, ",\"columns\":[");
	for (size_t i = 0; i < t->table.column_count; i++)
		column_write(t, policy, i, out);
	buf_cstr(out, "],\"key\":[");
	for (size_t i = 0; t->table.key_count && i < t->table.keys[0].column_count; i++) {
		if (i)
			buf_byte(out, ',');
		json_quote(out, slice_str(t->table.columns[t->table.keys[0].columns[i]].name));
	}
	buf_cstr(out, "],\"engines\":");
	engine_names(r, t->engines, out);
	buf_cstr(out, ",\"replicas\":");
	engine_names(r, t->replicas, out);
	buf_printf(out, ",\"filtered\":%s", policy && policy->filter ? "true" : "false");
	if (t->board)
		buf_cstr(out, ",\"board\":true");
	if (t->rows_known && !(policy && policy->filter)) /* of rows that it may not count */
		buf_printf(out, ",\"rows_estimated\":%" PRId64, t->table.row_estimate);
	buf_byte(out, '}');
}

void
router_tables(struct router *router, const struct registry_role *role, struct buf *out)
{
	const struct registry *r = router->registry;
	const char *between = "";

	buf_cstr(out, "{\"tables\":[");
	for (size_t i = 0; i < r->table_count; i++) {
		if (!registry_may_name(role, &r->tables[i]))
			continue;
		buf_cstr(out, between);
		table_write(r, &r->tables[i], role, out);
		between = ",";
	}
	buf_cstr(out, "]}\n");
}
