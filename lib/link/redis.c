/* SPDX-License-Identifier: Apache-2.0 */
#include "link/redis.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/must.h"
#include "link/redis_wire.h"

static enum fate
put_text(char *out, size_t size, const char *text, const char *name, struct err *err)
{
	if (text == NULL || *text == 0)
		return FATE_DONE;
	if (strlen(text) >= size)
		return err_set(
		    err, FATE_HALT, "redis: %s is longer than %zu bytes", name, size - 1);
	memcpy(out, text, strlen(text) + 1);
	return FATE_DONE;
}

static enum fate
address_read(const struct redis_options *o, struct redis_address *a, struct err *err)
{
	enum fate fate = redis_address_parse(o->url, a, err);
	if (fate == FATE_DONE)
		fate = put_text(a->user, sizeof a->user, o->user, "user", err);
	if (fate == FATE_DONE)
		fate = put_text(a->password, sizeof a->password, o->password, "password", err);
	return fate;
}

enum fate
redis_set_login(struct redis *redis, const struct redis_options *options, struct err *err)
{
	struct redis_address now = { .host = "" };
	enum fate fate = address_read(options, &now, err);
	if (fate == FATE_DONE) {
		memcpy(redis->address.user, now.user, sizeof now.user);
		memcpy(redis->address.password, now.password, sizeof now.password);
	}
	explicit_bzero(&now, sizeof now);
	return fate;
}

enum fate
redis_new(const struct redis_options *options, struct redis **ret_redis, struct err *err)
{
	const struct redis_options *o = options;
	struct redis *r = calloc(1, sizeof *r);
	must(r);
	r->connect_timeout_ms = o->connect_timeout_ms ? o->connect_timeout_ms : 3000;
	r->command_timeout_ms = o->command_timeout_ms ? o->command_timeout_ms : 5000;
	enum fate fate = address_read(o, &r->address, err);
	if (fate == FATE_DONE)
		fate = put_text(
		    r->client_name, sizeof r->client_name, o->client_name, "client_name", err);
	if (fate != FATE_DONE) {
		redis_free(r);
		return fate;
	}
	*ret_redis = r;
	return FATE_DONE;
}

void
redis_free(struct redis *redis)
{
	if (redis == NULL)
		return;
	redis_disconnect(redis);
	explicit_bzero(&redis->address, sizeof redis->address);
	free(redis);
}

void
redis_disconnect(struct redis *redis)
{
	if (redis->context)
		redisFree(redis->context);
	redis->context = NULL;
	redis->in_flight = 0;
}

bool
redis_connected(const struct redis *redis)
{
	return redis->context != NULL;
}

uint64_t
redis_connection_count(const struct redis *redis)
{
	return redis->connection_count;
}

enum fate
redis_wait(struct redis *redis, short events, int64_t deadline_ms, struct err *err)
{
	for (;;) {
		int64_t left = deadline_ms - clock_mono_ms();
		struct pollfd fd = { .fd = redis->context->fd, .events = events };
		if (left <= 0) {
			redis_disconnect(redis);
			return err_set(err, FATE_RETRY, "redis: no answer in time");
		}
		int ready = poll(&fd, 1, (int)(left > 60000 ? 60000 : left));
		if (ready > 0)
			return FATE_DONE;
		if (ready < 0 && errno != EINTR) {
			redis_disconnect(redis);
			return err_set(err, FATE_RETRY, "redis: poll: %s", strerror(errno));
		}
	}
}

enum fate
redis_lost(struct redis *redis, struct err *err)
{
	const struct redisContext *c = redis->context;
	/* A reply that is no reply is another server's: only a person mends that. */
	enum fate fate = c->err == REDIS_ERR_PROTOCOL ? FATE_HALT : FATE_RETRY;
	(void)err_set(err, fate, "redis: %s", c->errstr[0] ? c->errstr : "connection lost");
	redis_disconnect(redis);
	return fate;
}

static enum fate
finish_connecting(struct redis *r, int64_t deadline_ms, struct err *err)
{
	int e = 0, on = 1;
	socklen_t len = sizeof e;
	enum fate fate = redis_wait(r, POLLOUT, deadline_ms, err);
	if (fate != FATE_DONE)
		return err_wrap(err, "connect");
	if (getsockopt(r->context->fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0)
		e = errno;
	if (e) {
		redis_disconnect(r);
		return err_set(err, FATE_RETRY, "redis: connect: %s", strerror(e));
	}
	if (r->address.host[0]) {
		(void)setsockopt(r->context->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		(void)setsockopt(r->context->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	}
	return FATE_DONE;
}

static enum fate
greet_with(struct redis *r, const struct slice *argv, size_t argc, struct err *err)
{
	struct redis_reply reply;
	enum fate fate = redis_command(r, argv, argc, &reply, err);
	if (fate == FATE_DONE)
		redis_reply_free(&reply);
	return fate;
}

/* AUTH, SELECT and CLIENT SETNAME, as far as they are asked for. */
static enum fate
greet(struct redis *r, struct err *err)
{
	const struct redis_address *a = &r->address;
	enum fate fate = FATE_DONE;
	char db[24];
	if (a->password[0] || a->user[0]) {
		struct slice full[] = { SLICE("AUTH"), slice_str(a->user),
			slice_str(a->password) };
		struct slice brief[] = { SLICE("AUTH"), slice_str(a->password) };
		fate = greet_with(r, a->user[0] ? full : brief, a->user[0] ? 3 : 2, err);
	}
	if (fate == FATE_DONE && a->db) {
		(void)snprintf(db, sizeof db, "%lld", (long long)a->db);
		struct slice argv[] = { SLICE("SELECT"), slice_str(db) };
		fate = greet_with(r, argv, 2, err);
	}
	if (fate == FATE_DONE && r->client_name[0]) {
		struct slice argv[] = { SLICE("CLIENT"), SLICE("SETNAME"),
			slice_str(r->client_name) };
		fate = greet_with(r, argv, 3, err);
	}
	return fate;
}

enum fate
redis_connect(struct redis *redis, struct err *err)
{
	const struct redis_address *a = &redis->address;
	if (redis->context)
		return FATE_DONE;
	int64_t deadline_ms = clock_mono_ms() + redis->connect_timeout_ms;
	redis->context = a->host[0] ? redisConnectNonBlock(a->host, a->port)
				    : redisConnectUnixNonBlock(a->path);
	must(redis->context);
	redis->in_flight = 0;
	if (redis->context->err)
		return redis_lost(redis, err);
	enum fate fate = finish_connecting(redis, deadline_ms, err);
	if (fate != FATE_DONE)
		return fate;
	redis->connection_count++;
	fate = greet(redis, err);
	if (fate == FATE_DONE) {
		redis->greeted = true;
		return FATE_DONE;
	}
	redis_disconnect(redis);
	if (fate == FATE_HALT && redis->greeted &&
	    (strcmp(err->code, "WRONGPASS") == 0 || strcmp(err->code, "NOAUTH") == 0))
		err->fate = fate = FATE_RETRY; /* it worked before: it is being changed */
	return fate;
}
