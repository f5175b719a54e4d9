/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/plan_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"

struct entry {
	struct plan *plan;
	struct entry *next;          /* of its bucket */
	struct entry *older, *newer; /* of all that are kept */
	uint64_t hash;
	size_t holders; /* who has taken it and not given it back */
	bool kept;      /* in the table; otherwise it goes with its last holder */
	const struct registry_role *role;
	size_t text_len;
	char text[];
};

struct plan_cache {
	const struct registry *registry;
	pthread_mutex_t lock;
	struct entry **buckets;
	size_t bucket_count; /* a power of two */
	size_t plans_max;
	struct entry *newest, *oldest;
	struct plan_cache_counts counts;
};

struct plan_cache *
plan_cache_new(const struct registry *registry, size_t plans_max)
{
	struct plan_cache *cache = calloc(1, sizeof *cache);

	must(cache && plans_max > 0);
	cache->registry = registry;
	cache->plans_max = plans_max;
	cache->bucket_count = 16;
	while (cache->bucket_count < plans_max)
		cache->bucket_count *= 2;
	cache->buckets = calloc(cache->bucket_count, sizeof(struct entry *));
	must(cache->buckets);
	must(pthread_mutex_init(&cache->lock, NULL) == 0);
	return cache;
}

static void
entry_free(struct entry *e)
{
	plan_free(e->plan);
	free(e);
}

static uint64_t
hash_of(const struct plan_request *request)
{
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

	for (size_t i = 0; i < request->sql.len; i++)
		hash = (hash ^ (unsigned char)request->sql.p[i]) * 0x100000001b3u;
	return hash ^ (uint64_t)(uintptr_t)request->role;
}

static struct entry *
find(struct plan_cache *cache, const struct plan_request *request, uint64_t hash)
{
	struct entry *e = cache->buckets[hash & (cache->bucket_count - 1)];

	for (; e; e = e->next) {
		if (e->hash == hash && e->role == request->role &&
		    slice_eq(slice_of(e->text, e->text_len), request->sql))
			return e;
	}
	return NULL;
}

static void
unlink_age(struct plan_cache *cache, struct entry *e)
{
	*(e->older ? &e->older->newer : &cache->oldest) = e->newer;
	*(e->newer ? &e->newer->older : &cache->newest) = e->older;
	e->older = e->newer = NULL;
}

static void
link_newest(struct plan_cache *cache, struct entry *e)
{
	e->older = cache->newest;
	*(cache->newest ? &cache->newest->newer : &cache->oldest) = e;
	cache->newest = e;
}

/* Out of the table; freed now, or by its last holder. */
static void
evict(struct plan_cache *cache, struct entry *e)
{
	struct entry **at = &cache->buckets[e->hash & (cache->bucket_count - 1)];

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	unlink_age(cache, e);
	e->kept = false;
	cache->counts.kept--;
	if (!e->holders)
		entry_free(e);
}

static void
keep(struct plan_cache *cache, struct entry *e)
{
	struct entry **bucket = &cache->buckets[e->hash & (cache->bucket_count - 1)];

	if (cache->counts.kept == cache->plans_max)
		evict(cache, cache->oldest);
	e->next = *bucket;
	*bucket = e;
	e->kept = true;
	link_newest(cache, e);
	cache->counts.kept++;
}

static struct entry *
entry_new(const struct plan_request *request, uint64_t hash, struct plan *plan)
{
	struct entry *e = calloc(1, sizeof *e + request->sql.len + 1);

	must(e);
	e->plan = plan;
	plan->holder = e;
	e->hash = hash;
	e->holders = 1;
	e->role = request->role;
	e->text_len = request->sql.len;
	if (request->sql.len)
		memcpy(e->text, request->sql.p, request->sql.len);
	return e;
}

const struct plan *
plan_cache_take(
    struct plan_cache *cache, const struct plan_request *request, struct arena *arena)
{
	uint64_t hash = hash_of(request);
	struct plan *plan;
	struct entry *e;

	pthread_mutex_lock(&cache->lock);
	e = find(cache, request, hash);
	if (e) {
		e->holders++;
		cache->counts.hits++;
		unlink_age(cache, e);
		link_newest(cache, e);
	} else {
		cache->counts.misses++;
	}
	pthread_mutex_unlock(&cache->lock);
	if (e)
		return e->plan;
	plan = plan_make(cache->registry, request, arena);
	e = entry_new(request, hash, plan);
	if (plan->refused || request->sql.len > PLAN_CACHE_TEXT_MAX)
		return plan;
	pthread_mutex_lock(&cache->lock);
	if (!find(cache, request, hash)) /* another thread may have been quicker */
		keep(cache, e);
	pthread_mutex_unlock(&cache->lock);
	return plan;
}

void
plan_cache_give_back(struct plan_cache *cache, const struct plan *plan)
{
	struct entry *e = plan->holder;
	bool last;

	pthread_mutex_lock(&cache->lock);
	must(e->holders > 0);
	last = --e->holders == 0 && !e->kept;
	pthread_mutex_unlock(&cache->lock);
	if (last)
		entry_free(e);
}

void
plan_cache_forget(struct plan_cache *cache)
{
	pthread_mutex_lock(&cache->lock);
	while (cache->oldest)
		evict(cache, cache->oldest);
	pthread_mutex_unlock(&cache->lock);
}

struct plan_cache_counts
plan_cache_counts(struct plan_cache *cache)
{
	struct plan_cache_counts counts;

	pthread_mutex_lock(&cache->lock);
	counts = cache->counts;
	pthread_mutex_unlock(&cache->lock);
	return counts;
}

void
plan_cache_free(struct plan_cache *cache)
{
	if (!cache)
		return;
	while (cache->oldest) {
		must(cache->oldest->holders == 0);
		evict(cache, cache->oldest);
	}
	pthread_mutex_destroy(&cache->lock);
	free(cache->buckets);
	free(cache);
}
