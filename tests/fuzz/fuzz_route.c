/* SPDX-License-Identifier: Apache-2.0 */
/* Any text through the router's whole way: parse, resolve, authorise, place, translate for
 * every engine, decide. The first byte picks the role. */
#include <stdlib.h>

#include "base/must.h"
#include "engine/decide.h"

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
	plan_free(plan);
	return 0;
}
