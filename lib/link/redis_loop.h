/* SPDX-License-Identifier: Apache-2.0 */
/* redis_loop.h -- commands to one Redis on a loop: one connection, pipelined.
 *
 * Redis answers in the order of asking, so one connection serves everybody. It is made
 * aside by redis.h (AUTH, SELECT, CLIENT SETNAME) when something is first asked and
 * nothing stands; after a loss whatever was asked ends with RETRY (it may have run) and the
 * next command connects again. A reply is whole before it is told, so ask for bounded ones.
 * It has no times of its own: who waits too long breaks the connection. */
#ifndef LINK_REDIS_LOOP_H
#define LINK_REDIS_LOOP_H

#include "link/loop.h"
#include "link/redis.h"

struct redis_loop;
struct redis_request;

/* reply is the receiver's (redis_reply_free) and may be an error reply; p NULL handle when
 * err tells that none came. */
typedef void redis_told(void *ctx, const struct redis_reply *reply, const struct err *err);

/* HALT: the url. */
enum fate redis_loop_new(const struct redis_options *options, struct loop *loop,
    struct redis_loop **ret_redis, struct err *err) NODISCARD;
void redis_loop_free(struct redis_loop *redis); /* nothing is told; accepts NULL */
bool redis_loop_connected(const struct redis_loop *redis);

/* Told exactly once, never inside; RETRY: no thread to connect. */
enum fate redis_loop_send(struct redis_loop *redis, const struct slice *argv, size_t argc,
    redis_told *told, void *ctx, struct redis_request **ret_request, struct err *err) NODISCARD;
/* Its reply will be thrown away. */
void redis_loop_forget(struct redis_request *request);
/* The connection goes; what was asked is told, inside. */
void redis_loop_break(struct redis_loop *redis, const char *why);

#endif
