/* SPDX-License-Identifier: Apache-2.0 */
/* plan_cache.h -- plans that were made before, by text and role.
 *
 * The text itself is the key, never a fingerprint: two texts that only look alike may
 * differ in what they may do. Refusals and long texts are not kept, so nobody can fill
 * the cache with them; the plan that was used longest ago goes first. A plan that was
 * taken stays valid until it is given back, whatever happens to the cache. One cache
 * belongs to one registry; threads may share it. */
#ifndef ENGINE_PLAN_CACHE_H
#define ENGINE_PLAN_CACHE_H

#include "engine/plan.h"

enum { PLAN_CACHE_TEXT_MAX = 16 * 1024 };

struct plan_cache;

struct plan_cache_counts {
	uint64_t hits, misses;
	size_t kept;
};

struct plan_cache *plan_cache_new(const struct registry *registry, size_t plans_max);
/* Every plan has been given back. Accepts NULL. */
void plan_cache_free(struct plan_cache *cache);

/* The plan, made now when it is not there; arena is the calling thread's scratch. */
const struct plan *plan_cache_take(
    struct plan_cache *cache, const struct plan_request *request, struct arena *arena);
void plan_cache_give_back(struct plan_cache *cache, const struct plan *plan);

/* Every plan is made anew from now on: the registry's estimates have changed. */
void plan_cache_forget(struct plan_cache *cache);

struct plan_cache_counts plan_cache_counts(struct plan_cache *cache);

#endif
