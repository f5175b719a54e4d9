/* SPDX-License-Identifier: Apache-2.0 */
/* redis_wire.h -- what redis.c (the connection) and redis_command.c (the commands)
 * share. Only for these files and their tests. */
#ifndef LINK_REDIS_WIRE_H
#define LINK_REDIS_WIRE_H

#include "link/redis.h"

struct redisContext;
struct redisReply;

struct redis_address {
	char host[256]; /* "" with a path */
	char path[256]; /* "" with a host */
	int port;
	int64_t db;
	char user[128];
	char password[256];
};

struct redis {
	struct redisContext *context; /* NULL: none */
	struct redis_address address;
	char client_name[64];
	int64_t connect_timeout_ms;
	int64_t command_timeout_ms;
	int64_t deadline_ms; /* of the commands in flight */
	uint64_t connection_count;
	size_t in_flight; /* appended, not yet answered */
	bool greeted;     /* a login was taken once */
};

/* Of hiredis' reply, which belongs to the view from now on. */
struct redis_reply redis_reply_view(struct redisReply *reply);

/* Pure. HALT, without the password in the sentence. */
enum fate redis_address_parse(
    const char *url, struct redis_address *ret_address, struct err *err) NODISCARD;

/* Waits until the socket is ready for events; RETRY at the deadline. */
enum fate redis_wait(
    struct redis *redis, short events, int64_t deadline_ms, struct err *err) NODISCARD;

/* The connection's sentence as an error; closes it. */
enum fate redis_lost(struct redis *redis, struct err *err);

#endif
