/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "link/loop.h"

struct seen {
	struct loop *loop;
	struct loop_watch *other;
	unsigned events;
	int count;
};

static void
see(void *ctx, unsigned events)
{
	struct seen *s = ctx;

	s->events = events;
	s->count++;
	if (s->other)
		loop_unwatch(s->loop, s->other);
}

static struct loop *
fresh(void)
{
	struct loop *loop;
	struct err err;

	assert_int_equal(loop_new(&loop, &err), FATE_DONE);
	return loop;
}

static void
test_sockets(void **state)
{
	struct loop *loop = fresh();
	struct seen a = { .loop = loop }, b = { .loop = loop };
	struct loop_watch wa = { .ready = see, .ctx = &a }, wb = { .ready = see, .ctx = &b };
	struct err err;
	int p[2], q[2];

	(void)state;
	assert_int_equal(pipe(p) | pipe(q), 0);
	wa.fd = p[0];
	wb.fd = q[0];
	assert_int_equal(loop_watch(loop, &wa, LOOP_READ, &err), FATE_DONE);
	assert_int_equal(loop_watch(loop, &wb, LOOP_READ, &err), FATE_DONE);
	loop_run(loop, 0);
	assert_int_equal(a.count + b.count, 0);
	/* Each takes the other off: whichever comes first, the other is not called. */
	a.other = &wb;
	b.other = &wa;
	assert_int_equal(write(p[1], "x", 1) + write(q[1], "x", 1), 2);
	loop_run(loop, 1000);
	assert_int_equal(a.count + b.count, 1);
	loop_unwatch(loop, &wa);
	loop_unwatch(loop, &wb);
	loop_run(loop, 0);
	assert_int_equal(a.count + b.count, 1);
	/* The end of a pipe is told though nothing can be read. */
	a = (struct seen){ .loop = loop };
	assert_int_equal(loop_watch(loop, &wa, LOOP_READ, &err), FATE_DONE);
	close(p[1]);
	loop_run(loop, 1000);
	assert_true(a.events & LOOP_BROKEN);
	loop_unwatch(loop, &wa);
	wa.fd = -1;
	assert_int_equal(loop_watch(loop, &wa, LOOP_READ, &err), FATE_HALT);
	close(p[0]);
	close(q[0]);
	close(q[1]);
	loop_free(loop);
}

enum { TIMERS = 500 };

struct tick {
	struct loop_timer timer;
	struct ticks *all;
};

struct ticks {
	struct loop *loop;
	struct tick tick[TIMERS];
	int count;
};

static void
tick(void *ctx)
{
	struct tick *t = ctx;

	t->all->count++;
}

static void
test_timers(void **state)
{
	struct loop *loop = fresh();
	struct ticks *all = calloc(1, sizeof *all);
	int64_t now_us = clock_mono_us(), end_us;
	int cleared = 0;

	(void)state;
	assert_non_null(all);
	srand(7);
	for (int i = 0; i < TIMERS; i++) {
		struct tick *t = &all->tick[i];

		t->all = all;
		t->timer.due = tick;
		t->timer.ctx = t;
		loop_timer_set(loop, &t->timer, now_us + rand() % 20000);
	}
	/* Some move, some leave, from anywhere in the heap. */
	for (int i = 0; i < TIMERS; i += 3)
		loop_timer_set(loop, &all->tick[i].timer, now_us + rand() % 20000);
	for (int i = 0; i < TIMERS; i += 5, cleared++)
		loop_timer_clear(loop, &all->tick[i].timer);
	end_us = now_us + 5000000;
	while (all->count < TIMERS - cleared && clock_mono_us() < end_us)
		loop_run(loop, 100);
	assert_int_equal(all->count, TIMERS - cleared);
	loop_run(loop, 0);
	assert_int_equal(all->count, TIMERS - cleared);
	for (int i = 0; i < TIMERS; i++)
		assert_int_equal(all->tick[i].timer.at_us, 0);
	free(all);
	loop_free(loop);
}

struct order {
	int64_t times[3];
	int count;
	struct loop_timer timers[3];
};

static void
note_time(void *ctx)
{
	struct order *o = ctx;

	o->times[o->count++] = clock_mono_us();
}

static void
test_timers_are_not_early(void **state)
{
	struct loop *loop = fresh();
	struct order o = { 0 };
	int64_t now_us = clock_mono_us();

	(void)state;
	for (int i = 0; i < 3; i++) {
		o.timers[i] = (struct loop_timer){ .due = note_time, .ctx = &o };
		loop_timer_set(loop, &o.timers[i], now_us + 3000 * (3 - i));
	}
	while (o.count < 3)
		loop_run(loop, -1);
	for (int i = 0; i < 3; i++)
		assert_true(o.times[i] >= now_us + 3000 * (i + 1));
	loop_free(loop);
}

struct post {
	struct loop *loop;
	struct loop_note note;
	int runs;
};

static void
ran(void *ctx)
{
	struct post *p = ctx;

	p->runs++;
}

static void *
poster(void *ctx)
{
	struct post *p = ctx;

	loop_post(p->loop, &p->note);
	return NULL;
}

static void
test_notes(void **state)
{
	struct loop *loop = fresh();
	struct post p = { .loop = loop };
	pthread_t thread;

	(void)state;
	p.note = (struct loop_note){ .run = ran, .ctx = &p };
	for (int i = 1; i <= 100; i++) {
		assert_int_equal(pthread_create(&thread, NULL, poster, &p), 0);
		while (p.runs < i)
			loop_run(loop, -1);
		assert_int_equal(pthread_join(thread, NULL), 0);
	}
	loop_post(loop, &p.note);
	loop_post(loop, &p.note); /* waits already */
	loop_run(loop, 0);
	loop_run(loop, 0);
	assert_int_equal(p.runs, 101);
	loop_post(loop, &p.note);
	loop_unpost(loop, &p.note);
	loop_unpost(loop, &p.note);
	loop_run(loop, 0);
	assert_int_equal(p.runs, 101);
	loop_post(loop, &p.note);
	loop_run(loop, 0);
	assert_int_equal(p.runs, 102);
	loop_free(loop);
}

/* It looks on no longer than it was told to wait, sees what comes meanwhile, and sleeps. */
static void
test_lingering(void **state)
{
	struct loop *loop = fresh();
	struct post p = { .loop = loop };
	pthread_t thread;
	int64_t began_us, least_us = INT64_MAX;
	struct timespec cpu, cpu_then;

	(void)state;
	p.note = (struct loop_note){ .run = ran, .ctx = &p };
	loop_linger(loop, 900);
	for (int i = 1; i <= 100; i++) {
		assert_int_equal(pthread_create(&thread, NULL, poster, &p), 0);
		while (p.runs < i)
			loop_run(loop, -1);
		assert_int_equal(pthread_join(thread, NULL), 0);
	}
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
	began_us = clock_mono_us();
	loop_run(loop, 300);
	assert_true(clock_mono_us() - began_us >= 300000);
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu_then);
	assert_true(
	    (cpu_then.tv_sec - cpu.tv_sec) * 1000000000L + cpu_then.tv_nsec - cpu.tv_nsec <
	    100000000L);
	for (int i = 0; i < 20; i++) {
		int64_t took_us;

		loop_post(loop, &p.note);
		loop_run(loop, 0);
		began_us = clock_mono_us();
		loop_run(loop, 0); /* has events behind it, and is not to wait */
		took_us = clock_mono_us() - began_us;
		least_us = took_us < least_us ? took_us : least_us;
	}
	assert_int_equal(p.runs, 120);
	assert_true(least_us < 900);
	loop_free(loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_timers),
		cmocka_unit_test(test_timers_are_not_early),
		cmocka_unit_test(test_notes),
		cmocka_unit_test(test_lingering),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
