/* SPDX-License-Identifier: Apache-2.0 */
/* fresh.h -- how far the replicas are, as the router may rely on it.
 *
 * One thread a source of the registry steps the barrier of its pipeline: every second,
 * five times a second for a while after somebody has asked it to hurry. What it learns
 * stands behind a lock, and a note is posted to the router's loop whenever a replica has
 * come further. A source that does not answer makes its replicas' lag grow, then unknown:
 * what is not known is not fresh. It speaks of changes of the fact table: facts that
 * follow a changed dimension come by their own refresh, later. */
#ifndef ROUTER_FRESH_H
#define ROUTER_FRESH_H

#include "engine/decide.h"
#include "link/loop.h"
#include "wire/read_token.h"

struct router_fresh;

/* HALT: a source's pipeline file is none; RETRY: there is no thread for it. moved is posted to
 * loop when a replica has come further, or a source began or ceased to answer; all are
 * borrowed. */
enum fate router_fresh_open(const struct registry *registry, struct loop *loop,
    struct loop_note *moved, struct router_fresh **ret_fresh, struct err *err) NODISCARD;
/* Ends the threads; one that is stuck in a call is left to itself. Nothing is posted any
 * more. Accepts NULL. */
void router_fresh_close(struct router_fresh *fresh);

/* Fills lag_ms and lsn of the engines that hold replicas of the plan's tables. */
void router_fresh_weather(struct router_fresh *fresh, const struct plan *plan, int64_t wall_ms,
    struct weather *weather);
/* For /v1/engines: the largest lag of any source; LAG_UNKNOWN. */
int64_t router_fresh_lag_ms(struct router_fresh *fresh, size_t engine, int64_t wall_ms);

/* Whether the token is of the history that every barrier with an answer sees now; a token of
 * another (a restore, a failover, another server) says nothing about what stands here. */
bool router_fresh_knows(struct router_fresh *fresh, const struct read_token *token);

/* Somebody waits: look more often for the next seconds. */
void router_fresh_hurry(struct router_fresh *fresh);

/* Logs the sources that have begun or ceased to answer since; on the loop's thread. */
void router_fresh_log(struct router_fresh *fresh);

#endif
