/* SPDX-License-Identifier: Apache-2.0 */
/* loop.h -- one thread that waits for many sockets, times and other threads (epoll).
 *
 * Who registers a watch or a timer owns its struct and takes it off before it goes; the
 * loop only links them. Callbacks run on the thread that calls loop_run(), one at a time,
 * and may add, change and remove anything, themselves too. All calls but loop_post()
 * belong to that thread. It refuses nothing and has no limits of its own: who adds
 * watches bounds them. */
#ifndef LINK_LOOP_H
#define LINK_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct loop;

enum fate loop_new(
    struct loop **ret_loop, struct err *err) NODISCARD; /* HALT: no descriptors */
void loop_free(struct loop *loop);                      /* accepts NULL */

/* Waits up to wait_ms (-1: as long as nothing happens) and calls what is due. */
void loop_run(struct loop *loop, int64_t wait_ms);
/* After a turn with events loop_run() looks on for us microseconds before it sleeps, and
 * lets others have the processor meanwhile; for answers that take less than to sleep and
 * be woken, which is some 20 us on a machine that idles. Less than 1000; 0, as at first:
 * it sleeps at once. */
void loop_linger(struct loop *loop, int64_t us);

/* --- sockets --- */

enum {
	LOOP_READ = 1,
	LOOP_WRITE = 2,
	LOOP_BROKEN = 4, /* hang-up or error; always told */
	LOOP_HANGUP = 8, /* the other side sends nothing more; told when asked for */
};

struct loop_watch {
	int fd; /* -1: not watched */
	unsigned events;
	void (*ready)(void *ctx, unsigned events);
	void *ctx;
	bool live; /* the loop's */
};

/* Level-triggered. fd, ready and ctx are filled by the caller; events 0 takes it off.
 * HALT: the kernel refuses the descriptor. */
enum fate loop_watch(
    struct loop *loop, struct loop_watch *watch, unsigned events, struct err *err) NODISCARD;
/* Before the descriptor is closed; the struct may go at once. Accepts one never watched. */
void loop_unwatch(struct loop *loop, struct loop_watch *watch);

/* --- times --- */

struct loop_timer {
	void (*due)(void *ctx); /* filled by the caller, with ctx */
	void *ctx;
	int64_t at_us;                            /* clock_mono_us(); 0: not set */
	struct loop_timer *parent, *left, *right; /* the loop's */
	uint32_t weight;
};

/* Due once, not before at_us; moves it when it is set already. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t at_us);
void loop_timer_clear(struct loop *loop, struct loop_timer *timer); /* accepts one not set */

/* --- from other threads --- */

struct loop_note {
	void (*run)(void *ctx); /* filled by the caller, with ctx */
	void *ctx;
	struct loop_note *next; /* the loop's, until run is called */
	bool posted;
};

/* From any thread: run is called once on the loop's thread; posting a note that waits
 * already does nothing. The note belongs to its owner again when run begins. */
void loop_post(struct loop *loop, struct loop_note *note);
/* On the loop's thread, when nobody posts it any more: run is not called, the note may go.
 * Accepts one not posted. */
void loop_unpost(struct loop *loop, struct loop_note *note);

#endif
