/* SPDX-License-Identifier: Apache-2.0 */
/* route -- says where statements go and as what SQL, for the differential test.
 *
 *   route REGISTRY.yaml ROLE < statements
 * A statement is a line. The answer is a line of JSON: {"status", "reason", "detail",
 * "engine", "sql": {engine: text, ...}, "dropped": {engine: "CODE detail", ...}}. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "engine/decide.h"

static json_t *
answer(const struct registry *registry, const struct plan *plan, const struct decision *d)
{
	json_t *sql = json_object(), *dropped = json_object();
	char why[120];

	for (size_t e = 0; e < registry->engine_count; e++) {
		if (plan->sql[e])
			(void)json_object_set_new(
			    sql, registry->engines[e].name, json_string(plan->sql[e]));
	}
	for (size_t i = 0; i < d->trace.count; i++) {
		const struct trace_item *item = &d->trace.items[i];

		if (item->verdict != VERDICT_DROPPED)
			continue;
		(void)snprintf(why, sizeof why, "%s %s", item->code, item->detail);
		(void)json_object_set_new(
		    dropped, registry->engines[item->engine].name, json_string(why));
	}
	return json_pack("{s:i, s:s, s:s, s:s, s:o, s:o}", "status", (int)d->status, "reason",
	    d->reason, "detail", d->detail, "engine",
	    d->engine >= 0 ? registry->engines[d->engine].name : "", "sql", sql, "dropped",
	    dropped);
}

static void
route(const struct registry *registry, const struct registry_role *role, struct slice sql,
    struct arena *arena)
{
	struct plan_request request = { .sql = sql, .role = role };
	struct decide_request how = { .max_staleness_ms = ANY_STALENESS,
		.routing = registry->routing };
	struct weather weather = { 0 };
	struct plan *plan = plan_make(registry, &request, arena);
	struct decision decision;
	json_t *line;

	decide(registry, plan, &how, &weather, &decision);
	line = answer(registry, plan, &decision);
	must(line && json_dumpf(line, stdout, JSON_COMPACT) == 0);
	must(putchar('\n') != EOF && fflush(stdout) == 0);
	json_decref(line);
	plan_free(plan);
}

int
main(int argc, char **argv)
{
	struct registry *registry;
	const struct registry_role *role;
	struct arena arena;
	struct err err;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (argc != 3 || registry_read(argv[1], &registry, &err)) {
		(void)fprintf(
		    stderr, "%s\n", argc != 3 ? "usage: route REGISTRY.yaml ROLE" : err.what);
		return 2;
	}
	role = registry_role(registry, argv[2]);
	must(role);
	arena_init(&arena, PLAN_ARENA);
	while ((len = getline(&line, &size, stdin)) > 0)
		route(registry, role, slice_of(line, (size_t)len - (line[len - 1] == '\n')),
		    &arena);
	free(line);
	arena_finish(&arena);
	registry_free(registry);
	return 0;
}
