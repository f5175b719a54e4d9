/* SPDX-License-Identifier: Apache-2.0 */
/* Any text through the router's whole way: parse, resolve, authorise, place, translate for
 * every engine, decide, and write the text itself in place of its parameters. The first byte
 * picks the role. */
#include <stdlib.h>

#include "base/must.h"
#include "engine/decide.h"

static void
fill(const struct registry *registry, const struct plan *plan, struct slice text,
    struct arena *arena)
{
	struct slice params[1000];
	struct buf out = { 0 };
	struct err err;

	for (size_t i = 0; i < plan->param_count; i++)
		params[i] = slice_of(text.p + i % (text.len + 1), i % 8);
	for (size_t i = 0; i < plan->param_count; i++)
		params[i].len = params[i].p + params[i].len > text.p + text.len
				    ? (size_t)(text.p + text.len - params[i].p)
				    : params[i].len;
	for (size_t e = 0; e < registry->engine_count; e++) {
		out.len = 0;
		if (plan->param_count && plan->sql[e] && !plan->refused &&
		    registry->engines[e].kind != ENGINE_POSTGRES)
			(void)!plan_sql(registry, plan, (int)e, params, arena, &out, &err);
	}
	buf_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct registry *registry;
	static struct arena arena;
	struct decide_request how = { .max_staleness_ms = ANY_STALENESS };
	struct plan_request request = { 0 };
	struct weather weather = { 0 };
	struct decision decision;
	struct plan *plan;
	struct err err;

	if (!registry) {
		must(!registry_read("tests/unit/engine/router.yaml", &registry, &err));
		arena_init(&arena, PLAN_ARENA);
	}
	if (size == 0)
		return 0;
	request.sql = slice_of((const char *)data + 1, size - 1);
	request.role = &registry->roles[data[0] % registry->role_count];
	plan = plan_make(registry, &request, &arena);
	decide(registry, plan, &how, &weather, &decision);
	must(decision.status >= 400 || decision.engine != ENGINE_NONE);
	fill(registry, plan, request.sql, &arena);
	plan_free(plan);
	return 0;
}
