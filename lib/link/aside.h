/* SPDX-License-Identifier: Apache-2.0 */
/* aside.h -- one call that blocks, made on a thread of its own, its end told on the loop.
 *
 * For what is rare and has no other way: connecting (names, TLS, password hashes),
 * PQcancel; or for one call that lasts as long as the program, which asks again and again.
 * The job is handed to the thread and back; in between nobody else touches it, or only
 * under a lock of its own.
 * A caller that no longer wants to know forgets it: the thread goes on to its end by
 * itself, even after the loop is gone; the process does not wait for it, and exits with no
 * more than its streams flushed while one is at work. Each has a thread and a descriptor,
 * so who starts them bounds them. */
#ifndef LINK_ASIDE_H
#define LINK_ASIDE_H

#include "base/err.h"
#include "link/loop.h"

struct aside;

struct aside_job {
	void (*work)(void *job);            /* on the thread */
	void (*done)(void *ctx, void *job); /* on the loop; the job is the caller's again */
	void (*drop)(void *job);            /* when forgotten, on either: frees the job */
	void *job, *ctx;
};

/* RETRY: no thread or descriptor to be had; the job was not begun and stays the caller's. */
enum fate aside_start(struct loop *loop, const struct aside_job *job, struct aside **ret_aside,
    struct err *err) NODISCARD;
/* Not after done was called. Accepts NULL. */
void aside_forget(struct aside *aside);

#endif
