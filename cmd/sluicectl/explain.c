/* SPDX-License-Identifier: Apache-2.0 */
/* sluicectl explain: where a statement would go and why, without asking any engine. */
#include <stdio.h>

#include "base/options.h"
#include "engine/decide.h"
#include "tools.h"
#include "work/worker.h"

struct explain {
	const char *role, *engine;
	int64_t max_staleness_ms;
};

static void
print(const struct registry *registry, const struct plan *plan, const struct decision *d)
{
	struct buf out = { 0 };

	buf_printf(&out, "%s %s%s%s%s\n",
	    d->engine >= 0                  ? registry->engines[d->engine].name
	    : d->engine == DECIDED_REGISTRY ? "registry"
					    : "refused",
	    d->reason, *d->detail ? " (" : "", d->detail, *d->detail ? ")" : "");
	if (d->offset >= 0)
		buf_printf(&out, "at byte %ld\n", d->offset);
	decision_print(registry, d, &out);
	for (size_t e = 0; e < registry->engine_count; e++) {
		if (plan->sql[e])
			buf_printf(&out, "%s would be asked: %s\n", registry->engines[e].name,
			    plan->sql[e]);
	}
	(void)fputs(buf_str(&out), stdout);
	buf_finish(&out);
}

static enum fate
explain(const struct registry *registry, const struct explain *how, const char *sql,
    bool *ret_decided, struct err *err)
{
	struct plan_request request = { .sql = slice_str(sql),
		.role = registry_role(registry, how->role) };
	struct decide_request wanted = { .max_staleness_ms = how->max_staleness_ms,
		.engine = how->engine,
		.routing = registry->routing };
	struct weather weather = { 0 };
	struct decision decision;
	struct arena arena;
	struct plan *plan;

	if (!request.role)
		return err_set(err, FATE_HALT, "%s: no role %s", registry->file, how->role);
	for (size_t e = 0; e < registry->engine_count; e++)
		weather.engines[e].lag_ms = LAG_UNKNOWN; /* nobody has been asked */
	arena_init(&arena, PLAN_ARENA);
	plan = plan_make(registry, &request, &arena);
	decide(registry, plan, &wanted, &weather, &decision);
	print(registry, plan, &decision);
	*ret_decided = decision.status == 200;
	plan_free(plan);
	arena_finish(&arena);
	return FATE_DONE;
}

int
explain_main(int argc, char **argv)
{
	struct explain how = { .role = "reader", .max_staleness_ms = ANY_STALENESS };
	const struct option_row rows[] = {
		{ "role", OPTION_TEXT, &how.role, "NAME",
		    "whose rights and masks hold (default: reader).", 0, 0 },
		{ "engine", OPTION_TEXT, &how.engine, "NAME", "the only engine to ask.", 0, 0 },
		{ "max-staleness", OPTION_DURATION, &how.max_staleness_ms, "TIME",
		    "how far a replica may be behind; its lag is not known here.", 0, 0 },
	};
	const struct option_table table = { "sluicectl explain",
		"Says where a statement would go and why, as what SQL, asking no engine. Exit "
		"1: "
		"refused.",
		"ROUTER.yaml SQL", 2, 2, rows, sizeof rows / sizeof *rows };
	struct registry *registry = NULL;
	enum option_verdict verdict;
	struct err err = { 0 };
	bool decided = false;
	enum fate fate;

	if (options_parse(&table, argc, argv, &verdict, &err) != FATE_DONE)
		return tool_fail("explain", &err);
	if (verdict == OPTIONS_EXIT_OK)
		return EXIT_ASKED;
	fate = registry_read(argv[1], &registry, &err);
	if (!fate)
		fate = explain(registry, &how, argv[2], &decided, &err);
	registry_free(registry);
	if (fate)
		return tool_fail("explain", &err);
	return decided ? EXIT_ASKED : 1;
}
