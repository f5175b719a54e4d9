/* SPDX-License-Identifier: Apache-2.0 */
#include "link/redis_loop.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "link/aside.h"
#include "link/redis_wire.h"

enum { READS_A_TURN = 16 };

struct redis_request {
	struct redis_request *next;
	redis_told *told; /* NULL: forgotten */
	void *ctx;
	char *command; /* until it is in the connection's buffer */
	int len;
};

struct redis_loop {
	struct loop *loop;
	struct redis_options options; /* its texts are copies */
	struct redis *redis;          /* connected; NULL: none */
	struct aside *connecting;
	struct loop_watch watch;
	struct redis_request *first, **last; /* asked, in order */
};

static char *
copied(const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	must(copy || text == NULL);
	return copy;
}

enum fate
redis_loop_new(const struct redis_options *options, struct loop *loop,
    struct redis_loop **ret_redis, struct err *err)
{
	struct redis_loop *r;
	struct redis *check;
	enum fate fate = redis_new(options, &check, err);

	if (fate != FATE_DONE)
		return fate;
	redis_free(check);
	r = calloc(1, sizeof *r);
	must(r);
	r->loop = loop;
	r->last = &r->first;
	r->watch.fd = -1;
	r->options = *options;
	r->options.url = copied(options->url);
	r->options.user = copied(options->user);
	r->options.password = copied(options->password);
	r->options.client_name = copied(options->client_name);
	*ret_redis = r;
	return FATE_DONE;
}

bool
redis_loop_connected(const struct redis_loop *redis)
{
	return redis->redis != NULL;
}

static struct redis_request *
take_first(struct redis_loop *r)
{
	struct redis_request *request = r->first;

	r->first = request->next;
	if (r->first == NULL)
		r->last = &r->first;
	return request;
}

static void
request_free(struct redis_request *request)
{
	if (request->command)
		redisFreeCommand(request->command);
	free(request);
}

static void
disconnect(struct redis_loop *r)
{
	loop_unwatch(r->loop, &r->watch);
	aside_forget(r->connecting);
	r->connecting = NULL;
	redis_free(r->redis);
	r->redis = NULL;
}

static void
forget_text(const char *text)
{
	union {
		const char *in;
		char *out;
	} pun = { text };

	if (text)
		explicit_bzero(pun.out, strlen(pun.out));
	free(pun.out);
}

void
redis_loop_free(struct redis_loop *redis)
{
	if (redis == NULL)
		return;
	disconnect(redis);
	while (redis->first)
		request_free(take_first(redis));
	forget_text(redis->options.url);
	forget_text(redis->options.user);
	forget_text(redis->options.password);
	forget_text(redis->options.client_name);
	free(redis);
}

/* What was asked up to now ends; what is asked while it is told belongs to the next
 * connection. */
static void
lose(struct redis_loop *r, const struct err *err)
{
	struct redis_request *all = r->first;

	disconnect(r);
	r->first = NULL;
	r->last = &r->first;
	while (all) {
		struct redis_request *request = all;

		all = request->next;
		if (request->told) {
			struct redis_reply none = { .kind = REDIS_NIL };

			request->told(request->ctx, &none, err);
		}
		request_free(request);
	}
}

static void
lose_to(struct redis_loop *r, enum fate fate, const char *why)
{
	struct err err;

	(void)err_code(&err, fate, "08006", "redis: %s", why);
	lose(r, &err);
}

void
redis_loop_break(struct redis_loop *redis, const char *why)
{
	lose_to(redis, FATE_RETRY, why);
}

static redisContext *
context(const struct redis_loop *r)
{
	return r->redis->context;
}

/* Sends what it can; a connection that takes no more is seen by its reading side. */
static void
send_out(struct redis_loop *r)
{
	struct err err;
	int done = 0;
	bool good = redisBufferWrite(context(r), &done) == REDIS_OK;

	must(loop_watch(r->loop, &r->watch, LOOP_READ | (good && !done ? LOOP_WRITE : 0u),
		 &err) == FATE_DONE);
}

static void
put(struct redis_loop *r, struct redis_request *request)
{
	must(redisAppendFormattedCommand(context(r), request->command, (size_t)request->len) ==
	     REDIS_OK);
	redisFreeCommand(request->command);
	request->command = NULL;
}

/* --- connecting, aside --- */

struct connect_job {
	struct redis *redis;
	enum fate fate;
	struct err err;
};

static void
connect_work(void *job)
{
	struct connect_job *c = job;

	c->fate = redis_connect(c->redis, &c->err);
}

static void
connect_drop(void *job)
{
	struct connect_job *c = job;

	redis_free(c->redis);
	free(c);
}

static void on_event(void *ctx, unsigned events);

static void
connect_done(void *ctx, void *job)
{
	struct redis_loop *r = ctx;
	struct connect_job *c = job;

	r->connecting = NULL;
	if (c->fate != FATE_DONE) {
		struct err err = c->err;

		connect_drop(c);
		lose(r, &err);
		return;
	}
	r->redis = c->redis;
	free(c);
	r->watch = (struct loop_watch){ .fd = context(r)->fd, .ready = on_event, .ctx = r };
	for (struct redis_request *q = r->first; q; q = q->next)
		put(r, q);
	send_out(r);
}

static enum fate
connect_begin(struct redis_loop *r, struct err *err)
{
	struct connect_job *c = calloc(1, sizeof *c);
	struct aside_job job = { .work = connect_work,
		.done = connect_done,
		.drop = connect_drop,
		.job = c,
		.ctx = r };
	enum fate fate;

	must(c);
	fate = redis_new(&r->options, &c->redis, err);
	if (fate == FATE_DONE)
		fate = aside_start(r->loop, &job, &r->connecting, err);
	if (fate != FATE_DONE)
		connect_drop(c);
	return fate;
}

/* --- replies --- */

static void
tell(struct redis_loop *r, redisReply *got)
{
	struct redis_request *request = take_first(r);
	struct redis_reply reply = redis_reply_view(got);

	if (request->told)
		request->told(request->ctx, &reply, NULL);
	else
		redis_reply_free(&reply);
	request_free(request);
}

/* false: the connection is gone. */
static bool
take_replies(struct redis_loop *r)
{
	struct redis *redis = r->redis;
	void *got = NULL;

	for (;;) {
		if (redisGetReplyFromReader(context(r), &got) != REDIS_OK) {
			lose_to(r, FATE_HALT, context(r)->errstr);
			return false;
		}
		if (got == NULL)
			return true;
		if (r->first == NULL) {
			freeReplyObject(got);
			lose_to(r, FATE_HALT, "a reply that nobody asked for");
			return false;
		}
		tell(r, got);
		if (r->redis != redis) /* broken inside */
			return false;
	}
}

static void
on_event(void *ctx, unsigned events)
{
	struct redis_loop *r = ctx;

	if (events & LOOP_WRITE)
		send_out(r);
	if (!(events & (LOOP_READ | LOOP_BROKEN)))
		return;
	for (int i = 0; i < READS_A_TURN; i++) {
		size_t before = context(r)->reader->len;

		if (redisBufferRead(context(r)) != REDIS_OK) {
			lose_to(r, FATE_RETRY, context(r)->errstr);
			return;
		}
		if (context(r)->reader->len == before)
			return; /* nothing more is there */
		if (!take_replies(r))
			return;
	}
}

enum fate
redis_loop_send(struct redis_loop *redis, const struct slice *argv, size_t argc,
    redis_told *told, void *ctx, struct redis_request **ret_request, struct err *err)
{
	const char *words[16];
	size_t lens[16];
	struct redis_request *q;

	must(argc <= sizeof words / sizeof *words);
	if (redis->redis == NULL && redis->connecting == NULL) {
		enum fate fate = connect_begin(redis, err);

		if (fate != FATE_DONE)
			return fate;
	}
	q = calloc(1, sizeof *q);
	must(q);
	q->told = told;
	q->ctx = ctx;
	for (size_t i = 0; i < argc; i++) {
		words[i] = argv[i].p ? argv[i].p : "";
		lens[i] = argv[i].len;
	}
	q->len = redisFormatCommandArgv(&q->command, (int)argc, words, lens);
	must(q->len > 0);
	*redis->last = q;
	redis->last = &q->next;
	if (redis->redis) {
		put(redis, q);
		send_out(redis);
	}
	*ret_request = q;
	return FATE_DONE;
}

void
redis_loop_forget(struct redis_request *request)
{
	request->told = NULL;
}
