/* SPDX-License-Identifier: Apache-2.0 */
#include "router/fresh_source.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/must.h"
#include "link/aside.h"

enum { STEP_MS = 1000, HURRY_MS = 5000, AGAIN_MS = 2000 };

/* The worker that fills an engine of a kind; NULL: none does. */
static const char *const workers[ENGINE_KINDS] = {
	[ENGINE_CLICKHOUSE] = "clickhouse",
	[ENGINE_REDIS] = "leaderboard",
};

struct fresh_source {
	struct pipeline *pipeline;
	struct aside *aside;
	struct loop *loop; /* not touched once it is ending, like moved */
	struct loop_note *moved;
	pthread_mutex_t lock; /* what follows */
	pthread_cond_t changed;
	struct barrier_point points[ENGINE_KINDS];
	uint64_t system;
	uint32_t timeline;
	char trouble[FRESH_TROUBLE_SIZE];
	int64_t hurry_until_ms;
	bool ending, ended;
};

/* --- the thread --- */

static void
hold(struct fresh_source *s)
{
	must(pthread_mutex_lock(&s->lock) == 0);
}

static void
release(struct fresh_source *s)
{
	must(pthread_mutex_unlock(&s->lock) == 0);
}

/* Held: nobody takes the loop away meanwhile. */
static void
tell_loop(struct fresh_source *s)
{
	if (!s->ending)
		loop_post(s->loop, s->moved);
}

static void
say(struct fresh_source *s, const char *trouble)
{
	hold(s);
	if ((*trouble == '\0') != (*s->trouble == '\0'))
		tell_loop(s);
	(void)snprintf(s->trouble, sizeof s->trouble, "%.159s", trouble);
	release(s);
}

/* Puts down what the barrier knows; posts when something came further. */
static void
learn(struct fresh_source *s, const struct barrier *barrier)
{
	bool moved = false;

	hold(s);
	barrier_history(barrier, &s->system, &s->timeline);
	for (size_t kind = 0; kind < ENGINE_KINDS; kind++) {
		struct barrier_point point = { 0 };

		if (workers[kind])
			point = barrier_at(barrier, workers[kind]);
		moved = moved || point.lsn != s->points[kind].lsn;
		s->points[kind] = point;
	}
	if (moved)
		tell_loop(s);
	release(s);
}

/* Held: until then, or until something has changed. */
static void
wait_until(struct fresh_source *s, int64_t until_ms)
{
	struct timespec until = { .tv_sec = until_ms / 1000,
		.tv_nsec = until_ms % 1000 * 1000000 };

	(void)pthread_cond_timedwait(&s->changed, &s->lock, &until);
}

/* Until the next step is due; false: it ends. */
static bool
rest(struct fresh_source *s, int64_t ms)
{
	int64_t began_ms = clock_mono_ms(), now_ms, end_ms;
	bool ending;

	hold(s);
	for (;;) {
		now_ms = clock_mono_ms();
		end_ms =
		    began_ms +
		    (s->hurry_until_ms > now_ms && ms > BARRIER_STEP_MS ? BARRIER_STEP_MS : ms);
		if (s->ending || now_ms >= end_ms)
			break;
		wait_until(s, end_ms);
	}
	ending = s->ending;
	release(s);
	return !ending;
}

/* Opens everything, steps until something breaks. */
static enum fate
follow(struct fresh_source *s, struct err *err)
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
			if (!rest(s, STEP_MS))
				break;
		}
	}
	barrier_close(barrier);
	survey_close(survey);
	return fate;
}

static void
source_run(void *job)
{
	struct fresh_source *s = job;
	struct err err = { 0 };

	while (follow(s, &err) != FATE_DONE) {
		say(s, err.what);
		if (!rest(s, AGAIN_MS))
			break;
	}
	hold(s);
	s->ended = true;
	must(pthread_cond_broadcast(&s->changed) == 0);
	release(s);
}

/* --- open and close --- */

static struct fresh_source *
source_new(struct loop *loop, struct loop_note *moved)
{
	struct fresh_source *s = calloc(1, sizeof *s);
	pthread_condattr_t attr;

	must(s);
	s->loop = loop;
	s->moved = moved;
	must(pthread_mutex_init(&s->lock, NULL) == 0);
	must(pthread_condattr_init(&attr) == 0);
	must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	must(pthread_cond_init(&s->changed, &attr) == 0);
	(void)pthread_condattr_destroy(&attr);
	return s;
}

static void
source_free(void *job)
{
	struct fresh_source *s = job;

	pipeline_free(s->pipeline);
	(void)pthread_cond_destroy(&s->changed);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

/* It ends by itself only when it is told to, and then nobody waits for it on the loop. */
static void
source_done(void *ctx, void *job)
{
	(void)ctx, (void)job;
	never("a source's thread ends before its owner");
}

enum fate
fresh_source_start(const char *file, struct loop *loop, struct loop_note *moved,
    struct fresh_source **ret_source, struct err *err)
{
	struct fresh_source *s = source_new(loop, moved);
	struct aside_job job = {
		.work = source_run, .done = source_done, .drop = source_free, .job = s
	};
	enum fate fate = pipeline_read(file, &s->pipeline, err);

	if (fate == FATE_DONE && !s->pipeline->has_enrich)
		fate = err_set(err, FATE_HALT,
		    "%s has no enrich, so nothing says how far its sinks are", file);
	if (fate == FATE_DONE)
		fate = aside_start(loop, &job, &s->aside, err);
	if (fate == FATE_DONE)
		*ret_source = s;
	else
		source_free(s);
	return fate;
}

void
fresh_source_stop(struct fresh_source *s)
{
	hold(s);
	s->ending = true;
	must(pthread_cond_broadcast(&s->changed) == 0);
	release(s);
}

void
fresh_source_close(struct fresh_source *s, int64_t until_ms)
{
	hold(s);
	must(s->ending);
	while (!s->ended && clock_mono_ms() < until_ms)
		wait_until(s, until_ms);
	release(s);
	aside_forget(s->aside); /* frees it, now or when its call has ended */
}

/* --- asking --- */

void
fresh_source_hurry(struct fresh_source *s)
{
	int64_t until_ms = clock_mono_ms() + HURRY_MS;

	hold(s);
	if (s->hurry_until_ms < until_ms - HURRY_MS / 2) {
		s->hurry_until_ms = until_ms;
		must(pthread_cond_broadcast(&s->changed) == 0);
	}
	release(s);
}

struct barrier_point
fresh_source_point(struct fresh_source *s, enum engine_kind kind)
{
	struct barrier_point point;

	hold(s);
	point = s->points[kind];
	release(s);
	return point;
}

struct read_token
fresh_source_history(struct fresh_source *s)
{
	struct read_token token = { 0 };

	hold(s);
	token.system = s->system;
	token.timeline = s->timeline;
	release(s);
	return token;
}

void
fresh_source_trouble(struct fresh_source *s, char ret_text[static FRESH_TROUBLE_SIZE])
{
	hold(s);
	memcpy(ret_text, s->trouble, sizeof s->trouble);
	release(s);
}

bool
fresh_source_feeds(enum engine_kind kind)
{
	return workers[kind] != NULL;
}
