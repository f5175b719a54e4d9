/* SPDX-License-Identifier: Apache-2.0 */
/* decide -- how long the router takes to decide, without any engine: a line a figure.
 *
 *   decide REGISTRY.yaml [ROUNDS]
 * "new" makes the plan each time, "seen" takes it from the cache; both decide. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/must.h"
#include "engine/decide.h"
#include "engine/plan_cache.h"

static const char *const texts[] = {
	"SELECT * FROM users WHERE id = 1",
	"SELECT role, count(*) FROM users WHERE score > 3 GROUP BY role ORDER BY 2 DESC",
	"SELECT u.id, u.name, d.name FROM users u JOIN depts d ON u.id = d.id WHERE u.score > "
	"3",
	"WITH t AS (SELECT id, role FROM users WHERE score > 1) SELECT role, count(*) FROM t "
	"GROUP BY role HAVING count(*) > 2",
};
enum { TEXTS = sizeof texts / sizeof *texts };

static int64_t
now_ns(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static bool
report(const char *name, int64_t *ns, size_t count, double target_us)
{
	double p50;

	qsort(ns, count, sizeof *ns, by_size);
	p50 = (double)ns[count / 2] / 1000;
	(void)printf(
	    "%s %.1f us <=%.0f %s\n", name, p50, target_us, p50 <= target_us ? "ok" : "MISS");
	return p50 <= target_us;
}

static void
measure(struct registry *registry, size_t plans_max, int64_t *ns, size_t count)
{
	struct plan_cache *cache = plan_cache_new(registry, plans_max);
	struct decide_request how = { .max_staleness_ms = ANY_STALENESS };
	struct plan_request request = { .role = &registry->roles[0] };
	struct weather weather = { 0 };
	struct decision decision;
	struct arena arena;

	arena_init(&arena, PLAN_ARENA);
	for (size_t i = 0; i < count; i++) {
		const struct plan *plan;
		int64_t start = now_ns();

		request.sql = slice_str(texts[i % TEXTS]);
		plan = plan_cache_take(cache, &request, &arena);
		decide(registry, plan, &how, &weather, &decision);
		plan_cache_give_back(cache, plan);
		ns[i] = now_ns() - start;
		must(decision.status == 200);
	}
	arena_finish(&arena);
	plan_cache_free(cache);
}

int
main(int argc, char **argv)
{
	size_t count = argc > 2 ? strtoul(argv[2], NULL, 10) : 20000;
	int64_t *ns = calloc(count + 1, sizeof *ns);
	struct registry *registry;
	struct err err;
	bool good;

	must(ns && count > 0);
	if (argc < 2 || registry_read(argv[1], &registry, &err)) {
		(void)fprintf(stderr, "%s\n", argc < 2 ? "decide REGISTRY.yaml" : err.what);
		return 2;
	}
	measure(registry, TEXTS - 1, ns, count); /* the wanted one has always just gone */
	good = report("router_decide_new_p50", ns, count, 100);
	measure(registry, TEXTS, ns, count);
	good = report("router_decide_seen_p50", ns, count, 20) && good;
	registry_free(registry);
	free(ns);
	return good ? 0 : 1;
}
