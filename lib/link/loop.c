/* SPDX-License-Identifier: Apache-2.0 */
#include "link/loop.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"

enum { EVENTS_A_TURN = 256, DUE_A_TURN = 1024 };

struct loop {
	int epoll;
	int wake;                 /* eventfd that loop_post() writes */
	struct loop_timer *first; /* root of a leftist heap by at_us */
	pthread_mutex_t lock;     /* of the notes */
	struct loop_note *notes, **notes_end;
	/* The turn under way: a watch that is taken off is not called in it any more. */
	struct epoll_event events[EVENTS_A_TURN];
	int event_count;
	int64_t linger_us; /* 0: sleeps at once */
	bool busy;         /* the last turn had events */
};

enum fate
loop_new(struct loop **ret_loop, struct err *err)
{
	struct loop *loop = calloc(1, sizeof *loop);
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

	must(loop);
	loop->notes_end = &loop->notes;
	must(pthread_mutex_init(&loop->lock, NULL) == 0);
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->epoll < 0 || loop->wake < 0 ||
	    epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &event) != 0) {
		enum fate fate = err_set(err, FATE_HALT, "loop: %s", strerror(errno));

		loop_free(loop);
		return fate;
	}
	*ret_loop = loop;
	return FATE_DONE;
}

void
loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	if (loop->epoll >= 0)
		(void)close(loop->epoll);
	if (loop->wake >= 0)
		(void)close(loop->wake);
	(void)pthread_mutex_destroy(&loop->lock);
	free(loop);
}

/* --- sockets --- */

enum fate
loop_watch(struct loop *loop, struct loop_watch *watch, unsigned events, struct err *err)
{
	struct epoll_event event = { .data.ptr = watch,
		.events = (events & LOOP_READ ? (uint32_t)EPOLLIN : 0u) |
			  (events & LOOP_WRITE ? (uint32_t)EPOLLOUT : 0u) |
			  (events & LOOP_HANGUP ? (uint32_t)EPOLLRDHUP : 0u) };

	if (events == 0) {
		loop_unwatch(loop, watch);
		return FATE_DONE;
	}
	if (watch->live && watch->events == events)
		return FATE_DONE;
	if (epoll_ctl(loop->epoll, watch->live ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, watch->fd,
		&event) != 0)
		return err_set(
		    err, FATE_HALT, "loop: descriptor %d: %s", watch->fd, strerror(errno));
	watch->live = true;
	watch->events = events;
	return FATE_DONE;
}

void
loop_unwatch(struct loop *loop, struct loop_watch *watch)
{
	if (!watch->live)
		return;
	(void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->live = false;
	watch->events = 0;
	for (int i = 0; i < loop->event_count; i++) {
		if (loop->events[i].data.ptr == watch)
			loop->events[i].events = 0;
	}
}

/* --- times: a leftist heap with parents, so that any timer can leave it --- */

static uint32_t
weight(const struct loop_timer *t)
{
	return t ? t->weight : 0;
}

/* Joins two heaps; their depth on the right is logarithmic. */
static struct loop_timer *
joined(struct loop_timer *a, struct loop_timer *b)
{
	struct loop_timer *swap;

	if (a == NULL || b == NULL)
		return a ? a : b;
	if (b->at_us < a->at_us) {
		swap = a;
		a = b;
		b = swap;
	}
	a->right = joined(a->right, b);
	a->right->parent = a;
	if (weight(a->left) < weight(a->right)) {
		swap = a->left;
		a->left = a->right;
		a->right = swap;
	}
	a->weight = weight(a->right) + 1;
	return a;
}

void
loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
	struct loop_timer *rest, *up = timer->parent;

	if (timer->at_us == 0)
		return;
	rest = joined(timer->left, timer->right);
	if (rest)
		rest->parent = up;
	if (up == NULL)
		loop->first = rest;
	else if (up->left == timer)
		up->left = rest;
	else
		up->right = rest;
	for (; up; up = up->parent) {
		struct loop_timer *swap = up->left;

		if (weight(up->left) < weight(up->right)) {
			up->left = up->right;
			up->right = swap;
		}
		up->weight = weight(up->right) + 1;
	}
	timer->at_us = 0;
	timer->parent = timer->left = timer->right = NULL;
}

void
loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t at_us)
{
	loop_timer_clear(loop, timer);
	timer->at_us = at_us > 0 ? at_us : 1;
	timer->weight = 1;
	loop->first = joined(loop->first, timer);
	loop->first->parent = NULL;
}

static void
timers_run(struct loop *loop)
{
	int64_t now_us = clock_mono_us();

	for (int i = 0; i < DUE_A_TURN && loop->first && loop->first->at_us <= now_us; i++) {
		struct loop_timer *timer = loop->first;

		loop_timer_clear(loop, timer);
		timer->due(timer->ctx);
	}
}

/* --- from other threads --- */

void
loop_post(struct loop *loop, struct loop_note *note)
{
	uint64_t one = 1;
	bool first;

	must(pthread_mutex_lock(&loop->lock) == 0);
	first = loop->notes == NULL;
	if (!note->posted) {
		note->posted = true;
		note->next = NULL;
		*loop->notes_end = note;
		loop->notes_end = &note->next;
	}
	must(pthread_mutex_unlock(&loop->lock) == 0);
	if (first)
		(void)!write(loop->wake, &one, sizeof one);
}

void
loop_unpost(struct loop *loop, struct loop_note *note)
{
	struct loop_note **at = &loop->notes;

	must(pthread_mutex_lock(&loop->lock) == 0);
	while (*at && *at != note)
		at = &(*at)->next;
	if (*at) {
		*at = note->next;
		if (*at == NULL)
			loop->notes_end = at;
		note->posted = false;
	}
	must(pthread_mutex_unlock(&loop->lock) == 0);
}

static struct loop_note *
note_take(struct loop *loop)
{
	struct loop_note *note;

	must(pthread_mutex_lock(&loop->lock) == 0);
	note = loop->notes;
	if (note) {
		loop->notes = note->next;
		if (loop->notes == NULL)
			loop->notes_end = &loop->notes;
		note->posted = false;
	}
	must(pthread_mutex_unlock(&loop->lock) == 0);
	return note;
}

static void
notes_run(struct loop *loop)
{
	uint64_t count;
	struct loop_note *note;

	(void)!read(loop->wake, &count, sizeof count);
	while ((note = note_take(loop)) != NULL)
		note->run(note->ctx);
}

/* --- a turn --- */

static int
wait_of(const struct loop *loop, int64_t wait_ms)
{
	int64_t left_ms;

	if (loop->first) {
		left_ms = (loop->first->at_us - clock_mono_us() + 999) / 1000;
		if (left_ms < 0)
			left_ms = 0;
		if (wait_ms < 0 || left_ms < wait_ms)
			wait_ms = left_ms;
	}
	return wait_ms > 3600000 ? 3600000 : (int)wait_ms;
}

void
loop_linger(struct loop *loop, int64_t us)
{
	loop->linger_us = us;
}

/* What comes soon, without sleep. */
static int
look_on(struct loop *loop)
{
	int64_t until_us = clock_mono_us() + loop->linger_us;
	int count;

	while ((count = epoll_wait(loop->epoll, loop->events, EVENTS_A_TURN, 0)) == 0 &&
	       clock_mono_us() < until_us)
		(void)sched_yield();
	return count;
}

void
loop_run(struct loop *loop, int64_t wait_ms)
{
	int wait = wait_of(loop, wait_ms), count = 0;

	if (wait && loop->busy && loop->linger_us)
		count = look_on(loop);
	if (count == 0)
		count = epoll_wait(loop->epoll, loop->events, EVENTS_A_TURN, wait);
	loop->event_count = count;
	loop->busy = count > 0;
	for (int i = 0; i < loop->event_count; i++) {
		struct loop_watch *watch = loop->events[i].data.ptr;
		uint32_t seen = loop->events[i].events;

		if (watch == NULL)
			notes_run(loop);
		else if (seen)
			watch->ready(
			    watch->ctx, (seen & EPOLLIN ? LOOP_READ : 0u) |
					    (seen & EPOLLOUT ? LOOP_WRITE : 0u) |
					    (seen & EPOLLRDHUP ? LOOP_HANGUP : 0u) |
					    (seen & (EPOLLERR | EPOLLHUP) ? LOOP_BROKEN : 0u));
	}
	loop->event_count = 0;
	timers_run(loop);
}
