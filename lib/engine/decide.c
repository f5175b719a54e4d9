/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/decide.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Limits of the size rule: all are exceeded, not reached. */
enum { SIZE_ROWS = 1000000, SIZE_TABLES = 3, SIZE_AGGREGATE_ROWS = 100000 };
static const double size_score = 5.0;

struct decider {
	const struct registry *registry;
	const struct plan *plan;
	const struct decide_request *request;
	const struct weather *weather;
	struct decision *d;
	unsigned candidates;
	unsigned left;  /* bit set: engines still in */
	unsigned fresh; /* after freshness, before health */
	int order[REGISTRY_ENGINES_MAX];
	size_t order_count;
	const char *rule; /* why order[0] is first */
	char rule_detail[80];
};

static void
refuse(struct decider *x, enum stage stage, const char *code, const char *sentence)
{
	x->d->reason = code;
	x->d->status = code_status(code);
	x->d->engine = ENGINE_NONE;
	x->d->sql = NULL;
	(void)snprintf(x->d->detail, sizeof x->d->detail, "%s", sentence);
	trace_add(&x->d->trace, stage, VERDICT_REFUSED, TRACE_ALL, code, "%.70s", sentence);
}

/* "30s", "250ms" */
static const char *
span(char *out, size_t size, int64_t ms)
{
	if (ms < 0)
		(void)snprintf(out, size, "unknown");
	else if (ms % 1000 == 0)
		(void)snprintf(out, size, "%" PRId64 "s", ms / 1000);
	else
		(void)snprintf(out, size, "%" PRId64 "ms", ms);
	return out;
}

static void
drop_stale(struct decider *x, size_t e)
{
	int64_t most = x->request->max_staleness_ms, lag = x->weather->engines[e].lag_ms;
	char lag_text[32], most_text[32];

	if (most == ANY_STALENESS || (lag >= 0 && lag <= most))
		return;
	x->left &= ~(1u << e);
	trace_add(&x->d->trace, STAGE_FRESHNESS, VERDICT_DROPPED, (int)e, "STALE", "%s > %s",
	    span(lag_text, sizeof lag_text, lag), span(most_text, sizeof most_text, most));
}

/* The caller's own write is not there yet. */
static void
drop_behind(struct decider *x, size_t e)
{
	uint64_t want = x->request->token_lsn, have = x->weather->engines[e].lsn;

	if (have >= want)
		return;
	x->left &= ~(1u << e);
	trace_add(&x->d->trace, STAGE_FRESHNESS, VERDICT_DROPPED, (int)e, "BEHIND_TOKEN",
	    "%" PRIX64 "/%" PRIX64 " < %" PRIX64 "/%" PRIX64, have >> 32, have & UINT32_MAX,
	    want >> 32, want & UINT32_MAX);
}

static void
freshness(struct decider *x)
{
	for (size_t e = 0; e < x->registry->engine_count; e++) {
		if (x->left & x->plan->replicas & 1u << e)
			drop_stale(x, e);
		if (x->left & x->plan->replicas & 1u << e)
			drop_behind(x, e);
	}
	x->fresh = x->left;
}

/* Engines that could answer if the parameters were others. */
static void
drop_unfit(struct decider *x)
{
	unsigned unfit = x->request->unfit & x->plan->candidates;

	x->candidates = x->left = x->plan->candidates & ~unfit;
	for (size_t e = 0; e < x->registry->engine_count; e++) {
		if (unfit & 1u << e)
			trace_add(&x->d->trace, STAGE_DIALECT, VERDICT_DROPPED, (int)e,
			    "PARAMETER_VALUE", "%.79s", x->request->unfit_why[e].what);
	}
}

static void
prefer(struct decider *x, int engine)
{
	if (engine < 0 || !(x->candidates & 1u << engine))
		return;
	for (size_t i = 0; i < x->order_count; i++) {
		if (x->order[i] == engine)
			return;
	}
	x->order[x->order_count++] = engine;
}

static void
prefer_kind(struct decider *x, enum engine_kind kind)
{
	prefer(x, registry_engine_of_kind(x->registry, kind));
}

/* Few rows are quickest where they live, whatever is done to them; routing by the letter
 * does not know that. */
static bool
small(const struct decider *x)
{
	return x->plan->rows <= SIZE_AGGREGATE_ROWS && x->request->routing == ROUTING_COST;
}

/* What sends a statement to Trino whatever its shape; NULL: nothing. */
static const char *
too_big(const struct decider *x)
{
	const struct plan *p = x->plan;

	if (p->table_count > SIZE_TABLES)
		return "JOIN_TABLES";
	if (p->rows > SIZE_ROWS)
		return "SIZE";
	if (small(x))
		return NULL;
	if (p->score > size_score)
		return "SCORE";
	return p->aggregate && p->table_count > 1 && p->rows > SIZE_AGGREGATE_ROWS ? "AGG_SIZE"
										   : NULL;
}

static void
size_note(struct decider *x, int trino, const char *big)
{
	const struct plan *p = x->plan;

	if (p->filtered)
		trace_add(&x->d->trace, STAGE_SIZE, VERDICT_NOTED, trino, big,
		    "%u tables, score %.1f", p->table_count, p->score);
	else
		trace_add(&x->d->trace, STAGE_SIZE, VERDICT_NOTED, trino, big,
		    "%u tables, %" PRId64 " rows, score %.1f", p->table_count, p->rows,
		    p->score);
}

/* The rule for joins and plain reads: big ones go to Trino, small ones to where the tables
 * live; by the letter, joins go to Trino and the rest to DuckDB. */
static void
by_size(struct decider *x)
{
	const struct plan *p = x->plan;
	int trino = registry_engine_of_kind(x->registry, ENGINE_TRINO);
	bool join = p->shape == SHAPE_JOIN && !small(x);
	const char *big = too_big(x);

	if (trino != ENGINE_NONE && big && (x->candidates & 1u << trino)) {
		size_note(x, trino, big);
		if (!join) {
			const struct trace_item *item = trace_find(&x->d->trace, big);

			x->rule = big;
			(void)snprintf(x->rule_detail, sizeof x->rule_detail, "%s",
			    item ? item->detail : "");
		}
		prefer(x, trino);
	}
	if (join)
		prefer(x, trino);
	else if (p->shape != SHAPE_JOIN && x->request->routing == ROUTING_LITERAL)
		prefer_kind(x, ENGINE_DUCKDB);
}

static void
order_by_shape(struct decider *x)
{
	x->rule = x->plan->rule;
	(void)snprintf(x->rule_detail, sizeof x->rule_detail, "%.79s", x->plan->detail);
	switch (x->plan->shape) {
	case SHAPE_POINT:
	case SHAPE_PREFIX:
	case SHAPE_ANCHORED:
	case SHAPE_LOCKING: prefer_kind(x, ENGINE_POSTGRES); break;
	case SHAPE_BOARD: prefer_kind(x, ENGINE_REDIS); break;
	case SHAPE_AGGREGATE: prefer_kind(x, ENGINE_CLICKHOUSE); break;
	case SHAPE_JOIN:
	case SHAPE_PLAIN:
	case SHAPE_SET: by_size(x); break;
	}
	/* then where it lives, then whoever can */
	prefer(x, x->plan->home);
	prefer_kind(x, ENGINE_POSTGRES);
	prefer_kind(x, ENGINE_DUCKDB);
	prefer_kind(x, ENGINE_TRINO);
	for (size_t e = 0; e < x->registry->engine_count; e++)
		prefer(x, (int)e);
	if (__builtin_popcount(x->plan->placed) == 1 && x->plan->table_count &&
	    x->plan->class == PLAN_READ && x->plan->shape == SHAPE_PLAIN &&
	    strcmp(x->rule, "FALLBACK") == 0)
		x->rule = "REGISTRY";
}

static bool
well(const struct decider *x, int engine, const char **ret_code)
{
	const struct engine_weather *w = &x->weather->engines[engine];

	*ret_code = w->down ? "DOWN" : w->breaker_open ? "BREAKER_OPEN" : "QUOTA_SPENT";
	return !w->down && !w->breaker_open && !w->quota_spent;
}

/* Reads whose engine is a matter of speed and price, not of what can answer at all. */
static bool
by_cost(const struct decider *x)
{
	enum plan_shape shape = x->plan->shape;

	return x->request->routing == ROUTING_COST && x->plan->class == PLAN_READ &&
	       (shape == SHAPE_AGGREGATE || shape == SHAPE_JOIN || shape == SHAPE_PLAIN ||
		   shape == SHAPE_SET);
}

/* Engines that have run statements like this one and may run it now. */
static size_t
measured(const struct decider *x, double *ret_ms_min, double *ret_cost_min)
{
	size_t count = 0;

	for (size_t e = 0; e < x->registry->engine_count; e++) {
		const struct engine_weather *w = &x->weather->engines[e];
		const char *code;

		if (!(x->left & 1u << e) || w->measured_ms <= 0 || !well(x, (int)e, &code))
			continue;
		if (!count || w->measured_ms < *ret_ms_min)
			*ret_ms_min = w->measured_ms;
		if (!count || w->measured_cost < *ret_cost_min)
			*ret_cost_min = w->measured_cost;
		count++;
	}
	return count;
}

static double
over_least(double value, double least)
{
	return least > 0 ? value / least : value > 0 ? 2 : 1;
}

/* Least of 0.5 cost/min + 0.5 time/min, once two engines have been measured. */
static void
cost(struct decider *x)
{
	double ms_min = 0, cost_min = 0, best = 0;
	int best_engine = ENGINE_NONE;

	if (!by_cost(x) || measured(x, &ms_min, &cost_min) < 2)
		return;
	for (size_t e = 0; e < x->registry->engine_count; e++) {
		const struct engine_weather *w = &x->weather->engines[e];
		const char *code;
		double score;

		if (!(x->left & 1u << e) || w->measured_ms <= 0 || !well(x, (int)e, &code))
			continue;
		score = 0.5 * over_least(w->measured_cost, cost_min) +
			0.5 * over_least(w->measured_ms, ms_min);
		trace_add(&x->d->trace, STAGE_COST, VERDICT_NOTED, (int)e, "SCORE_OF_COST",
		    "%.3f: %.1f ms, %.6f", score, w->measured_ms, w->measured_cost);
		if (best_engine == ENGINE_NONE || score < best) {
			best = score;
			best_engine = (int)e;
		}
	}
	if (best_engine == x->order[0])
		return;
	for (size_t i = 1, was = (size_t)x->order[0]; i < x->order_count; i++) {
		size_t next = (size_t)x->order[i];

		x->order[i] = (int)was;
		was = next;
		if ((int)next == best_engine)
			break;
	}
	x->order[0] = best_engine;
	x->rule = "COST";
	(void)snprintf(x->rule_detail, sizeof x->rule_detail, "%.3f", best);
}

static void
choose(struct decider *x, int engine, const char *rule, const char *detail)
{
	const struct engine_weather *w = &x->weather->engines[engine];

	x->d->status = 200;
	x->d->engine = engine;
	x->d->reason = rule;
	x->d->sql = x->plan->sql[engine];
	x->d->predicted_ms = w->measured_ms;
	x->d->predicted_cost = w->measured_cost;
	(void)snprintf(x->d->detail, sizeof x->d->detail, "%s", detail);
	trace_add(&x->d->trace, STAGE_FALLBACK, VERDICT_CHOSEN, engine, rule, "%.70s", detail);
}

/* Why this engine is not fresh enough. */
static const struct trace_item *
stale_item(const struct decider *x, int engine)
{
	static const struct trace_item none = { .code = "STALE" };

	for (size_t i = 0; i < x->d->trace.count; i++) {
		const struct trace_item *item = &x->d->trace.items[i];

		if (item->stage == STAGE_FRESHNESS && item->engine == engine)
			return item;
	}
	return &none;
}

static void
refuse_stale(struct decider *x, int engine)
{
	const char *code = stale_item(x, engine)->code;

	refuse(x, STAGE_FRESHNESS, code,
	    strcmp(code, "STALE") == 0 ? "no engine is as fresh as was asked for"
				       : "no engine holds what the read token stands for yet");
}

/* The first of the order that is fresh and well. */
static void
walk(struct decider *x)
{
	const char *code;
	int stale = ENGINE_NONE;
	bool ill = false;

	for (size_t i = 0; i < x->order_count; i++) {
		int e = x->order[i];

		if (!(x->left & 1u << e)) {
			stale = stale == ENGINE_NONE ? e : stale;
			continue;
		}
		if (!well(x, e, &code)) {
			ill = true;
			trace_add(
			    &x->d->trace, STAGE_HEALTH, VERDICT_DROPPED, e, code, "%s", "");
			continue;
		}
		x->d->degraded = ill;
		if (ill)
			choose(x, e, "FAILOVER", x->rule);
		else if (stale == x->order[0])
			choose(x, e, stale_item(x, stale)->code, stale_item(x, stale)->detail);
		else
			choose(x, e, x->rule, x->rule_detail);
		return;
	}
	if (ill)
		refuse(x, STAGE_HEALTH, "UNAVAILABLE",
		    "no engine that may answer is well just now");
	else
		refuse_stale(x, stale);
}

/* A value that is none of its type is the caller's mistake, on every engine. */
static void
refuse_parameters(struct decider *x, int engine, const char *code)
{
	const struct err *why = &x->request->unfit_why[engine];
	bool mistake = strncmp(why->code, "22", 2) == 0;

	refuse(x, STAGE_DIALECT, mistake ? "STATEMENT_FAILED" : code, why->what);
	x->d->sqlstate = why->code;
}

static bool
forced_allowed(struct decider *x, int engine)
{
	char why[120];
	const struct trace_item *item = NULL;

	if (x->candidates & 1u << engine)
		return true;
	if (x->plan->candidates & 1u << engine) {
		refuse_parameters(x, engine, "ENGINE_CANNOT");
		return false;
	}
	for (size_t i = 0; i < x->d->trace.count; i++) {
		if (x->d->trace.items[i].engine == engine &&
		    x->d->trace.items[i].verdict == VERDICT_DROPPED)
			item = &x->d->trace.items[i];
	}
	(void)snprintf(why, sizeof why, "%s cannot answer this: %s%s%s",
	    x->registry->engines[engine].name, item ? item->code : "", item ? " " : "",
	    item ? item->detail : "");
	refuse(x, STAGE_FALLBACK,
	    item && strcmp(item->code, "GOVERNANCE") == 0 ? "GOVERNANCE" : "ENGINE_CANNOT",
	    why);
	return false;
}

static void
forced(struct decider *x)
{
	int engine = registry_engine(x->registry, x->request->engine);
	const char *code;

	if (engine == ENGINE_NONE)
		refuse(x, STAGE_FALLBACK, "UNKNOWN_ENGINE", "there is no engine of that name");
	else if (!forced_allowed(x, engine))
		return;
	else if (!(x->fresh & 1u << engine))
		refuse_stale(x, engine);
	else if (!well(x, engine, &code))
		refuse(x, STAGE_HEALTH, "UNAVAILABLE", code);
	else
		choose(x, engine, "FORCED", "");
}

void
decide(const struct registry *registry, const struct plan *plan,
    const struct decide_request *request, const struct weather *weather,
    struct decision *ret_decision)
{
	struct decider x = { .registry = registry,
		.plan = plan,
		.request = request,
		.weather = weather,
		.d = ret_decision };

	*ret_decision = (struct decision){ .engine = ENGINE_NONE,
		.offset = plan->offset,
		.sqlstate = "",
		.trace = plan->trace };
	if (plan->refused) {
		ret_decision->reason = plan->refused;
		ret_decision->status = code_status(plan->refused);
		(void)snprintf(
		    ret_decision->detail, sizeof ret_decision->detail, "%s", plan->what);
		return;
	}
	if (plan->class == PLAN_METADATA) {
		ret_decision->status = 200;
		ret_decision->reason = plan->rule;
		ret_decision->engine = DECIDED_REGISTRY;
		return;
	}
	drop_unfit(&x);
	freshness(&x);
	if (request->engine) {
		forced(&x);
		return;
	}
	if (!x.candidates) {
		refuse_parameters(&x, __builtin_ctz(request->unfit), "NO_ENGINE");
		return;
	}
	order_by_shape(&x);
	cost(&x);
	walk(&x);
}

void
decision_print(
    const struct registry *registry, const struct decision *decision, struct buf *out)
{
	for (size_t i = 0; i < decision->trace.count; i++) {
		const struct trace_item *t = &decision->trace.items[i];

		buf_printf(out, "%-10s %-8s %-10s %s%s%s%s\n", stage_name(t->stage),
		    verdict_name(t->verdict),
		    t->engine >= 0 ? registry->engines[t->engine].name : "-", t->code,
		    *t->detail ? "(" : "", t->detail, *t->detail ? ")" : "");
	}
}
