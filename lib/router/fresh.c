/* SPDX-License-Identifier: Apache-2.0 */
#include "router/fresh.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "work/barrier.h"

enum { STEP_MS = 1000, HURRY_MS = 5000, AGAIN_MS = 2000, UNKNOWN_AFTER_MS = 600000 };

/* The worker that fills an engine of a kind; NULL: none does. */
static const char *const workers[ENGINE_KINDS] = {
	[ENGINE_CLICKHOUSE] = "clickhouse",
	[ENGINE_REDIS] = "leaderboard",
};

struct source {
	struct router_fresh *fresh;
	const struct registry_source *config;
	struct pipeline *pipeline;
	pthread_t thread;
	bool started;
	/* under the lock */
	struct barrier_point points[ENGINE_KINDS];
	uint64_t system;
	uint32_t timeline;
	char trouble[160];
	bool trouble_logged; /* the loop's */
};

struct router_fresh {
	const struct registry *registry;
	struct loop *loop;
	struct loop_note *moved;
	struct source sources[REGISTRY_SOURCES_MAX];
	pthread_mutex_t lock;
	pthread_cond_t changed; /* somebody hurries, or it ends */
	int64_t hurry_until_ms;
	bool ending;
};

/* --- a source's thread --- */

static void
say(struct source *s, const char *trouble)
{
	struct router_fresh *f = s->fresh;
	bool other;

	(void)pthread_mutex_lock(&f->lock);
	other = (*trouble == '\0') != (*s->trouble == '\0');
	(void)snprintf(s->trouble, sizeof s->trouble, "%s", trouble);
	(void)pthread_mutex_unlock(&f->lock);
	if (other)
		loop_post(f->loop, f->moved);
}

/* Puts down what the barrier knows; posts when something came further. */
static void
learn(struct source *s, const struct barrier *barrier)
{
	struct router_fresh *f = s->fresh;
	bool moved = false;

	(void)pthread_mutex_lock(&f->lock);
	barrier_history(barrier, &s->system, &s->timeline);
	for (size_t kind = 0; kind < ENGINE_KINDS; kind++) {
		struct barrier_point point = { 0 };

		if (workers[kind])
			point = barrier_at(barrier, workers[kind]);
		moved = moved || point.lsn != s->points[kind].lsn;
		s->points[kind] = point;
	}
	(void)pthread_mutex_unlock(&f->lock);
	if (moved)
		loop_post(f->loop, f->moved);
}

/* Until the next step is due; false: it ends. */
static bool
rest(struct router_fresh *f, int64_t ms)
{
	int64_t began_ms = clock_mono_ms(), now_ms;
	struct timespec until;
	bool ending;

	(void)pthread_mutex_lock(&f->lock);
	for (;;) {
		now_ms = clock_mono_ms();
		int64_t end_ms =
		    began_ms +
		    (f->hurry_until_ms > now_ms && ms > BARRIER_STEP_MS ? BARRIER_STEP_MS : ms);

		if (f->ending || now_ms >= end_ms)
			break;
		until = (struct timespec){ .tv_sec = end_ms / 1000,
			.tv_nsec = end_ms % 1000 * 1000000 };
		(void)pthread_cond_timedwait(&f->changed, &f->lock, &until);
	}
	ending = f->ending;
	(void)pthread_mutex_unlock(&f->lock);
	return !ending;
}

/* Opens everything, steps until something breaks. */
static enum fate
follow(struct source *s, struct err *err)
{
	struct survey *survey = NULL;
	struct barrier *barrier = NULL;
	enum fate fate = survey_open(s->pipeline, &survey, err);

	if (fate == FATE_DONE)
		fate = barrier_open(survey, NULL, 0, &barrier, err);
	while (fate == FATE_DONE) {
		fate = barrier_step(barrier, err);
		if (fate == FATE_DONE) {
			say(s, "");
			learn(s, barrier);
			if (!rest(s->fresh, STEP_MS))
				break;
		}
	}
	barrier_close(barrier);
	survey_close(survey);
	return fate;
}

static void *
source_run(void *ctx)
{
	struct source *s = ctx;
	struct err err = { 0 };

	while (follow(s, &err) != FATE_DONE) {
		say(s, err.what);
		if (!rest(s->fresh, AGAIN_MS))
			break;
	}
	return NULL;
}

/* --- open and close --- */

static enum fate
source_start(struct router_fresh *f, size_t i, struct err *err)
{
	struct source *s = &f->sources[i];
	enum fate fate;

	s->fresh = f;
	s->config = &f->registry->sources[i];
	fate = pipeline_read(s->config->file, &s->pipeline, err);
	if (fate == FATE_DONE && !s->pipeline->has_enrich)
		fate = err_set(err, FATE_HALT,
		    "%s has no enrich, so nothing says how far its sinks are", s->config->file);
	if (fate != FATE_DONE)
		return err_wrap(err, "source %s", s->config->name);
	must(pthread_create(&s->thread, NULL, source_run, s) == 0);
	s->started = true;
	return FATE_DONE;
}

enum fate
router_fresh_open(const struct registry *registry, struct loop *loop, struct loop_note *moved,
    struct router_fresh **ret_fresh, struct err *err)
{
	struct router_fresh *f = calloc(1, sizeof *f);
	pthread_condattr_t attr;
	enum fate fate = FATE_DONE;

	must(f);
	f->registry = registry;
	f->loop = loop;
	f->moved = moved;
	must(pthread_mutex_init(&f->lock, NULL) == 0);
	must(pthread_condattr_init(&attr) == 0);
	must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	must(pthread_cond_init(&f->changed, &attr) == 0);
	(void)pthread_condattr_destroy(&attr);
	for (size_t i = 0; i < registry->source_count && fate == FATE_DONE; i++)
		fate = source_start(f, i, err);
	if (fate != FATE_DONE)
		router_fresh_close(f);
	else
		*ret_fresh = f;
	return fate;
}

void
router_fresh_close(struct router_fresh *f)
{
	if (!f)
		return;
	(void)pthread_mutex_lock(&f->lock);
	f->ending = true;
	(void)pthread_cond_broadcast(&f->changed);
	(void)pthread_mutex_unlock(&f->lock);
	for (size_t i = 0; i < f->registry->source_count; i++) {
		if (f->sources[i].started)
			(void)pthread_join(f->sources[i].thread, NULL);
		pipeline_free(f->sources[i].pipeline);
	}
	(void)pthread_cond_destroy(&f->changed);
	(void)pthread_mutex_destroy(&f->lock);
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

/* The worst of the sources, under the lock. */
static void
engine_fill(const struct router_fresh *f, unsigned sources, enum engine_kind kind,
    int64_t wall_ms, struct engine_weather *ret)
{
	ret->lag_ms = 0;
	ret->lsn = UINT64_MAX;
	for (size_t i = 0; i < f->registry->source_count; i++) {
		const struct barrier_point *point = &f->sources[i].points[kind];
		int64_t lag_ms = point_lag_ms(point, wall_ms);

		if (!(sources & 1u << i))
			continue;
		if (lag_ms == LAG_UNKNOWN || ret->lag_ms == LAG_UNKNOWN)
			ret->lag_ms = LAG_UNKNOWN;
		else if (lag_ms > ret->lag_ms)
			ret->lag_ms = lag_ms;
		if (point->lsn < ret->lsn)
			ret->lsn = point->lsn;
	}
}

void
router_fresh_weather(
    struct router_fresh *f, const struct plan *plan, int64_t wall_ms, struct weather *weather)
{
	if (!plan->replicas)
		return;
	(void)pthread_mutex_lock(&f->lock);
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
	(void)pthread_mutex_unlock(&f->lock);
}

int64_t
router_fresh_lag_ms(struct router_fresh *f, size_t engine, int64_t wall_ms)
{
	enum engine_kind kind = f->registry->engines[engine].kind;
	struct engine_weather w = { .lag_ms = LAG_UNKNOWN };

	if (!workers[kind] || f->registry->source_count == 0)
		return LAG_UNKNOWN;
	(void)pthread_mutex_lock(&f->lock);
	engine_fill(f, ~0u, kind, wall_ms, &w);
	(void)pthread_mutex_unlock(&f->lock);
	return w.lag_ms;
}

struct read_token
router_fresh_token(struct router_fresh *f, uint64_t lsn)
{
	struct read_token token = { .lsn = lsn };

	(void)pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->registry->source_count && token.system == 0; i++) {
		token.system = f->sources[i].system;
		token.timeline = f->sources[i].timeline;
	}
	(void)pthread_mutex_unlock(&f->lock);
	return token;
}

bool
router_fresh_knows(struct router_fresh *f, const struct read_token *token)
{
	struct read_token now = router_fresh_token(f, 0);

	return token->system != 0 && token->system == now.system &&
	       token->timeline == now.timeline;
}

void
router_fresh_hurry(struct router_fresh *f)
{
	int64_t until_ms = clock_mono_ms() + HURRY_MS;

	(void)pthread_mutex_lock(&f->lock);
	if (f->hurry_until_ms < until_ms - HURRY_MS / 2) {
		f->hurry_until_ms = until_ms;
		(void)pthread_cond_broadcast(&f->changed);
	}
	(void)pthread_mutex_unlock(&f->lock);
}

void
router_fresh_log(struct router_fresh *f)
{
	char trouble[160];

	for (size_t i = 0; i < f->registry->source_count; i++) {
		struct source *s = &f->sources[i];

		router_fresh_trouble(f, i, trouble, sizeof trouble);
		if (s->trouble_logged == (*trouble != '\0'))
			continue;
		s->trouble_logged = *trouble != '\0';
		if (*trouble)
			log_event(LOG_WARN, "freshness", "source=%s known=false why=%s",
			    s->config->name, log_quote(trouble));
		else
			log_event(
			    LOG_INFO, "freshness", "source=%s known=true", s->config->name);
	}
}

void
router_fresh_trouble(struct router_fresh *f, size_t source, char *ret_text, size_t size)
{
	(void)pthread_mutex_lock(&f->lock);
	(void)snprintf(ret_text, size, "%s", f->sources[source].trouble);
	(void)pthread_mutex_unlock(&f->lock);
}
