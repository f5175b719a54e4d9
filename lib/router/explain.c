/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "router/ops.h"
#include "wire/json.h"

static void
member(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, ",\"%s\":", name);
	json_quote_any(out, slice_str(value));
}

static void
trace_write(const struct registry *registry, const struct trace *trace, struct buf *out)
{
	buf_cstr(out, ",\"trace\":[");
	for (size_t i = 0; i < trace->count; i++) {
		const struct trace_item *t = &trace->items[i];

		buf_printf(out, "%s{\"stage\":\"%s\",\"verdict\":\"%s\"", i ? "," : "",
		    stage_name(t->stage), verdict_name(t->verdict));
		if (t->engine >= 0)
			member(out, "engine", registry->engines[t->engine].name);
		member(out, "code", t->code);
		if (*t->detail)
			member(out, "detail", t->detail);
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
}

/* The last item that dropped this engine. */
static const struct trace_item *
dropped_by(const struct trace *trace, int engine)
{
	const struct trace_item *found = NULL;

	for (size_t i = 0; i < trace->count; i++) {
		if (trace->items[i].engine == engine &&
		    trace->items[i].verdict == VERDICT_DROPPED)
			found = &trace->items[i];
	}
	return found;
}

/* What engines would be asked with the parameters that came. */
struct said {
	struct buf sql[REGISTRY_ENGINES_MAX];
	unsigned filled, unfit;
	struct err why[REGISTRY_ENGINES_MAX];
};

static void
say(struct router *router, const struct plan *plan, const struct router_request *request,
    struct said *said)
{
	const struct registry *r = router->registry;

	if (!plan->param_count || plan->refused || request->param_count != plan->param_count)
		return;
	for (size_t e = 0; e < r->engine_count; e++) {
		if (!(plan->candidates & 1u << e) || r->engines[e].kind == ENGINE_POSTGRES)
			continue;
		if (plan_sql(r, plan, (int)e, request->params, &router->arena, &said->sql[e],
			&said->why[e]) == FATE_DONE)
			said->filled |= 1u << e;
		else
			said->unfit |= 1u << e;
	}
}

static void
sql_write(struct said *said, int engine, const char *sql, struct buf *out)
{
	if (engine >= 0 && (said->filled & 1u << engine))
		member(out, "sql", buf_str(&said->sql[engine]));
	else if (sql && (engine < 0 || !(said->unfit & 1u << engine)))
		member(out, "sql", sql);
}

static void
engine_write(const struct router *router, const struct plan *plan, const struct decision *d,
    const struct weather *weather, struct said *said, int e, struct buf *out)
{
	const struct registry_engine *config = &router->registry->engines[e];
	const struct engine_weather *w = &weather->engines[e];
	const struct trace_item *item = dropped_by(&d->trace, e);
	bool candidate = (plan->candidates & ~said->unfit) & 1u << e;

	buf_printf(out, "%s{\"candidate\":%s,\"chosen\":%s", e ? "," : "",
	    candidate ? "true" : "false", d->engine == e ? "true" : "false");
	member(out, "name", config->name);
	member(out, "kind", registry_kind(config->kind));
	if (item) {
		member(out, "dropped_at", stage_name(item->stage));
		member(out, "dropped_by", item->code);
		member(out, "dropped_because", item->detail);
	}
	router_lag_write(w->lag_ms, out);
	buf_printf(out, ",\"replica\":%s,\"down\":%s,\"breaker\":\"%s\"",
	    plan->replicas & 1u << e ? "true" : "false", w->down ? "true" : "false",
	    w->breaker_open ? "open" : "closed");
	if (w->measured_ms > 0)
		buf_printf(out, ",\"predicted_ms\":%.3f,\"predicted_cost\":%.9g",
		    w->measured_ms, w->measured_cost);
	sql_write(said, e, plan->sql[e], out);
	buf_byte(out, '}');
}

static void
decision_write(const struct router *router, const struct router_request *request,
    const struct plan *plan, const struct decision *d, const struct weather *weather,
    struct said *said, struct buf *out)
{
	static const char *const classes[] = { "read", "write", "ddl", "metadata" };
	const struct registry *registry = router->registry;

	buf_printf(out, "{\"status\":%u", d->status);
	if (d->status == 200)
		member(out, "engine",
		    d->engine >= 0 ? registry->engines[d->engine].name : "registry");
	else
		buf_cstr(out, ",\"engine\":null");
	if (d->offset >= 0)
		buf_printf(
		    out, ",\"position\":%" PRId64, router_character(request->sql, d->offset));
	member(out, "reason", d->reason);
	member(out, "detail", d->detail);
	buf_printf(out, ",\"degraded\":%s", d->degraded ? "true" : "false");
	if (!plan->refused)
		buf_printf(out,
		    ",\"class\":\"%s\",\"governed\":%s,\"score\":%.1f,\"parameters\":%zu",
		    classes[plan->class], plan->governed ? "true" : "false", plan->score,
		    plan->param_count);
	if (!plan->refused && !plan->filtered)
		buf_printf(out, ",\"rows_estimated\":%" PRId64, plan->rows);
	if (d->predicted_ms > 0)
		buf_printf(out, ",\"predicted_ms\":%.3f,\"predicted_cost\":%.9g",
		    d->predicted_ms, d->predicted_cost);
	sql_write(said, d->engine, d->sql, out);
	trace_write(registry, &d->trace, out);
	buf_cstr(out, ",\"engines\":[");
	for (size_t e = 0; e < registry->engine_count; e++)
		engine_write(router, plan, d, weather, said, (int)e, out);
	buf_cstr(out, "]}\n");
}

void
router_explain(struct router *router, struct httpd_exchange *x, struct principal *who,
    const struct router_request *request)
{
	struct plan_request planned = { .sql = request->sql, .role = who->role };
	struct decide_request wanted = { .max_staleness_ms = request->max_staleness_ms,
		.engine = request->engine,
		.routing = router->registry->routing };
	const struct router_error *error =
	    router_token_lsn(router, who, request->read_token, &wanted.token_lsn);
	const struct plan *plan;
	struct weather weather;
	struct decision d;
	struct said said = { 0 };

	if (error) {
		router_refuse(x, error);
		return;
	}
	plan = plan_cache_take(router->plans, &planned, &router->arena);
	say(router, plan, request, &said);
	wanted.unfit = said.unfit;
	wanted.unfit_why = said.why;
	router_weather(router, plan, 0, &weather);
	decide(router->registry, plan, &wanted, &weather, &d);
	httpd_begin(x, 200, "application/json");
	decision_write(router, request, plan, &d, &weather, &said, httpd_out(x));
	for (size_t e = 0; e < REGISTRY_ENGINES_MAX; e++)
		buf_finish(&said.sql[e]);
	plan_cache_give_back(router->plans, plan);
	httpd_end(x, NULL);
}
