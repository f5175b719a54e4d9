/* SPDX-License-Identifier: Apache-2.0 */
#include "router/fresh.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "router/fresh_source.h"

enum {
	UNKNOWN_AFTER_MS = 600000,
	CLOSE_MS = 500, /* for threads to end in good order */
};

struct router_fresh {
	const struct registry *registry;
	struct fresh_source *sources[REGISTRY_SOURCES_MAX];
	bool trouble_logged[REGISTRY_SOURCES_MAX];
};

enum fate
router_fresh_open(const struct registry *registry, struct loop *loop, struct loop_note *moved,
    struct router_fresh **ret_fresh, struct err *err)
{
	struct router_fresh *f = calloc(1, sizeof *f);

	must(f);
	f->registry = registry;
	for (size_t i = 0; i < registry->source_count; i++) {
		const struct registry_source *source = &registry->sources[i];

		if (fresh_source_start(source->file, loop, moved, &f->sources[i], err) ==
		    FATE_DONE)
			continue;
		router_fresh_close(f);
		return err_wrap(err, "source %s", source->name);
	}
	*ret_fresh = f;
	return FATE_DONE;
}

void
router_fresh_close(struct router_fresh *f)
{
	int64_t until_ms = clock_mono_ms() + CLOSE_MS;

	if (!f)
		return;
	for (size_t i = 0; i < REGISTRY_SOURCES_MAX && f->sources[i]; i++)
		fresh_source_stop(f->sources[i]);
	for (size_t i = 0; i < REGISTRY_SOURCES_MAX && f->sources[i]; i++)
		fresh_source_close(f->sources[i], until_ms);
	free(f);
}

/* --- asking --- */

static int64_t
point_lag_ms(const struct barrier_point *point, int64_t wall_ms)
{
	int64_t lag_ms = wall_ms - point->wall_ms;

	if (!point->known || lag_ms > UNKNOWN_AFTER_MS)
		return LAG_UNKNOWN;
	return lag_ms < 0 ? 0 : lag_ms;
}

/* The worst of the sources. */
static void
engine_fill(const struct router_fresh *f, unsigned sources, enum engine_kind kind,
    int64_t wall_ms, struct engine_weather *ret)
{
	ret->lag_ms = 0;
	ret->lsn = UINT64_MAX;
	for (size_t i = 0; i < f->registry->source_count; i++) {
		struct barrier_point point;
		int64_t lag_ms;

		if (!(sources & 1u << i))
			continue;
		point = fresh_source_point(f->sources[i], kind);
		lag_ms = point_lag_ms(&point, wall_ms);
		if (lag_ms == LAG_UNKNOWN || ret->lag_ms == LAG_UNKNOWN)
			ret->lag_ms = LAG_UNKNOWN;
		else if (lag_ms > ret->lag_ms)
			ret->lag_ms = lag_ms;
		if (point.lsn < ret->lsn)
			ret->lsn = point.lsn;
	}
}

void
router_fresh_weather(
    struct router_fresh *f, const struct plan *plan, int64_t wall_ms, struct weather *weather)
{
	for (size_t e = 0; e < f->registry->engine_count; e++) {
		struct engine_weather *w = &weather->engines[e];

		if (!(plan->replicas & 1u << e))
			continue;
		engine_fill(f, plan->sources, f->registry->engines[e].kind, wall_ms, w);
		if (plan->sourceless) {
			w->lag_ms = LAG_UNKNOWN;
			w->lsn = 0;
		}
	}
}

int64_t
router_fresh_lag_ms(struct router_fresh *f, size_t engine, int64_t wall_ms)
{
	enum engine_kind kind = f->registry->engines[engine].kind;
	struct engine_weather w = { .lag_ms = LAG_UNKNOWN };

	if (!fresh_source_feeds(kind) || f->registry->source_count == 0)
		return LAG_UNKNOWN;
	engine_fill(f, ~0u, kind, wall_ms, &w);
	return w.lag_ms;
}

bool
router_fresh_knows(struct router_fresh *f, const struct read_token *token)
{
	bool known = false;

	for (size_t i = 0; i < f->registry->source_count; i++) {
		struct read_token now = fresh_source_history(f->sources[i]);

		if (now.system == 0)
			continue;
		if (token->system != now.system || token->timeline != now.timeline)
			return false;
		known = true;
	}
	return known;
}

void
router_fresh_hurry(struct router_fresh *f)
{
	for (size_t i = 0; i < f->registry->source_count; i++)
		fresh_source_hurry(f->sources[i]);
}

void
router_fresh_log(struct router_fresh *f)
{
	char trouble[FRESH_TROUBLE_SIZE];

	for (size_t i = 0; i < f->registry->source_count; i++) {
		const char *name = f->registry->sources[i].name;

		fresh_source_trouble(f->sources[i], trouble);
		if (f->trouble_logged[i] == (*trouble != '\0'))
			continue;
		f->trouble_logged[i] = *trouble != '\0';
		if (*trouble)
			log_event(LOG_WARN, "freshness", "source=%s known=false why=%s", name,
			    log_quote(trouble));
		else
			log_event(LOG_INFO, "freshness", "source=%s known=true", name);
	}
}
