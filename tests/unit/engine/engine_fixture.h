/* SPDX-License-Identifier: Apache-2.0 */
/* engine_fixture.h -- the registry of tests/unit/engine/router.yaml and one statement's
 * way through it. Include after cmocka.h. */
#ifndef TESTS_ENGINE_FIXTURE_H
#define TESTS_ENGINE_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "engine/decide.h"

struct asked {
	struct plan *plan;
	struct decision decision;
};

static struct registry *fixture;
static struct arena fixture_arena;

static int
fixture_setup(void **state)
{
	struct err err;

	(void)state;
	if (registry_read("tests/unit/engine/router.yaml", &fixture, &err))
		fail_msg("%s", err.what);
	arena_init(&fixture_arena, PLAN_ARENA);
	return 0;
}

static int
fixture_teardown(void **state)
{
	(void)state;
	registry_free(fixture);
	arena_finish(&fixture_arena);
	return 0;
}

/* The weather of the fixture: all well, replicas fresh. */
static inline struct asked
ask_with(const char *role, struct slice sql, const struct decide_request *request,
    const struct weather *weather)
{
	struct plan_request plan = { .sql = sql, .role = registry_role(fixture, role) };
	struct asked asked = { .plan = plan_make(fixture, &plan, &fixture_arena) };

	assert_non_null(plan.role);
	decide(fixture, asked.plan, request, weather, &asked.decision);
	return asked;
}

static inline struct asked
ask(const char *role, const char *sql)
{
	struct decide_request request = { .max_staleness_ms = ANY_STALENESS };
	struct weather weather = { 0 };

	return ask_with(role, slice_str(sql), &request, &weather);
}

static inline const char *
engine_of(const struct asked *asked)
{
	int engine = asked->decision.engine;

	return engine == DECIDED_REGISTRY ? "registry"
	       : engine == ENGINE_NONE    ? "-"
					  : fixture->engines[engine].name;
}

static inline void
print_trace(const struct asked *asked)
{
	struct buf out = { 0 };

	decision_print(fixture, &asked->decision, &out);
	print_error("%s", buf_str(&out));
	buf_finish(&out);
}

#endif
