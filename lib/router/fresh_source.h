/* SPDX-License-Identifier: Apache-2.0 */
/* fresh_source.h -- the thread that steps the barrier of one pipeline. Only for fresh.c.
 *
 * It has a pipeline of its own and borrows nothing but the loop and the note, and these not
 * once it has been told to stop: a thread that is stuck in a call then (a broker that does
 * not answer) is left to itself, and the process goes without it (aside.h). */
#ifndef ROUTER_FRESH_SOURCE_H
#define ROUTER_FRESH_SOURCE_H

#include "ctl/barrier.h"
#include "engine/registry.h"
#include "link/loop.h"
#include "wire/read_token.h"

struct fresh_source;

enum { FRESH_TROUBLE_SIZE = 160 };

/* HALT: the file is no pipeline with an enrich; RETRY: no thread is to be had. moved is
 * posted when a worker has come further, or the systems began or ceased to answer. */
enum fate fresh_source_start(const char *file, struct loop *loop, struct loop_note *moved,
    struct fresh_source **ret_source, struct err *err) NODISCARD;
void fresh_source_stop(struct fresh_source *source); /* posts nothing more */
/* After stop: waits for its end, until then (clock_mono_ms()); it is gone for the caller. */
void fresh_source_close(struct fresh_source *source, int64_t until_ms);

/* How far the worker is that fills engines of that kind. */
struct barrier_point fresh_source_point(struct fresh_source *source, enum engine_kind kind);
bool fresh_source_feeds(enum engine_kind kind); /* whether any worker does */
/* System identifier and timeline, 0 before it knows them; no LSN. */
struct read_token fresh_source_history(struct fresh_source *source);
/* The sentence of the last failure, "" when all answers. */
void fresh_source_trouble(
    struct fresh_source *source, char ret_text[static FRESH_TROUBLE_SIZE]);
void fresh_source_hurry(struct fresh_source *source); /* more often, for some seconds */

#endif
