/* SPDX-License-Identifier: Apache-2.0 */
#include <hiredis/hiredis.h>
#include <openssl/sha.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "link/redis.h"
#include "link/redis_wire.h"

enum { WORDS_MAX = 16, ARGV_STACK = 64 };

struct redis_reply
redis_reply_view(struct redisReply *r)
{
	struct redis_reply reply = { .handle = r };
	switch (r->type) {
	case REDIS_REPLY_STRING: reply.kind = REDIS_TEXT; break;
	case REDIS_REPLY_STATUS: reply.kind = REDIS_STATUS; break;
	case REDIS_REPLY_ERROR: reply.kind = REDIS_ERROR; break;
	case REDIS_REPLY_INTEGER: reply.kind = REDIS_INTEGER; break;
	case REDIS_REPLY_ARRAY: reply.kind = REDIS_ARRAY; break;
	default: reply.kind = REDIS_NIL; break;
	}
	if (r->str)
		reply.text = slice_of(r->str, (size_t)r->len);
	reply.integer = r->integer;
	reply.count = r->elements;
	return reply;
}

struct redis_reply
redis_reply_item(const struct redis_reply *reply, size_t index)
{
	must(reply->kind == REDIS_ARRAY && index < reply->count);
	return redis_reply_view(((redisReply *)reply->handle)->element[index]);
}

void
redis_reply_free(struct redis_reply *reply)
{
	if (reply->handle)
		freeReplyObject(reply->handle);
	*reply = (struct redis_reply){ 0 };
}

/* "OOM command not allowed" -> "OOM". */
static struct slice
prefix_of(struct slice text)
{
	const char *blank = text.len ? memchr(text.p, ' ', text.len) : NULL;
	return blank ? slice_of(text.p, (size_t)(blank - text.p)) : text;
}

enum fate
redis_reply_fate(const struct redis_reply *reply, struct err *err)
{
	char code[ERR_CODE_SIZE];
	if (reply->kind != REDIS_ERROR)
		return FATE_DONE;
	struct slice prefix = prefix_of(reply->text);
	(void)snprintf(code, sizeof code, "%.*s", SLICE_ARG(prefix));
	return err_code(err, redis_fate(prefix), code, "redis: %.*s", SLICE_ARG(reply->text));
}

enum fate
redis_append(struct redis *redis, const struct slice *argv, size_t argc, struct err *err)
{
	const char *few[ARGV_STACK];
	size_t few_lens[ARGV_STACK];
	const char **words = few;
	size_t *lens = few_lens;
	must(argc > 0 && argc <= (1u << 24));
	if (redis->in_flight >= REDIS_PIPELINE_MAX)
		return err_set(err, FATE_RETRY, "redis: more than %d commands in flight",
		    REDIS_PIPELINE_MAX);
	enum fate fate = redis_connect(redis, err);
	if (fate != FATE_DONE)
		return fate;
	if (argc > ARGV_STACK) {
		words = calloc(argc, sizeof *words);
		lens = calloc(argc, sizeof *lens);
		must(words && lens);
	}
	for (size_t i = 0; i < argc; i++) {
		words[i] = argv[i].p ? argv[i].p : "";
		lens[i] = argv[i].len;
	}
	must(redisAppendCommandArgv(redis->context, (int)argc, words, lens) == REDIS_OK);
	if (redis->in_flight++ == 0)
		redis->deadline_ms = clock_mono_ms() + redis->command_timeout_ms;
	if (words != few) {
		free(words);
		free(lens);
	}
	return FATE_DONE;
}

/* Moves bytes both ways until a reply stands in the reader. */
static enum fate
receive(struct redis *redis, redisReply **ret_reply, struct err *err)
{
	int sent = 0;
	for (;;) {
		void *reply = NULL;
		if (redisGetReplyFromReader(redis->context, &reply) != REDIS_OK)
			return redis_lost(redis, err);
		if (reply) {
			*ret_reply = reply;
			return FATE_DONE;
		}
		if (!sent && redisBufferWrite(redis->context, &sent) != REDIS_OK)
			return redis_lost(redis, err);
		short events = sent ? POLLIN : POLLIN | POLLOUT;
		enum fate fate = redis_wait(redis, events, redis->deadline_ms, err);
		if (fate != FATE_DONE)
			return fate;
		/* Not blocking: with nothing to read it returns at once. */
		if (redisBufferRead(redis->context) != REDIS_OK)
			return redis_lost(redis, err);
	}
}

enum fate
redis_next(struct redis *redis, struct redis_reply *ret_reply, struct err *err)
{
	redisReply *reply = NULL;
	if (redis->context == NULL)
		return err_set(err, FATE_RETRY, "redis: the connection was lost");
	must(redis->in_flight > 0);
	enum fate fate = receive(redis, &reply, err);
	if (fate != FATE_DONE)
		return fate;
	redis->in_flight--;
	*ret_reply = redis_reply_view(reply);
	return FATE_DONE;
}

/* One command; an error reply is left to the caller. */
static enum fate
ask(struct redis *redis, const struct slice *argv, size_t argc, struct redis_reply *ret_reply,
    struct err *err)
{
	enum fate fate = redis_append(redis, argv, argc, err);
	if (fate != FATE_DONE)
		return fate;
	must(redis->in_flight == 1); /* no command between a pipeline's appends and replies */
	return redis_next(redis, ret_reply, err);
}

enum fate
redis_command(struct redis *redis, const struct slice *argv, size_t argc,
    struct redis_reply *ret_reply, struct err *err)
{
	struct redis_reply reply = { 0 };
	enum fate fate = ask(redis, argv, argc, &reply, err);
	if (fate != FATE_DONE)
		return fate;
	fate = redis_reply_fate(&reply, err);
	if (fate == FATE_DONE)
		*ret_reply = reply;
	else
		redis_reply_free(&reply);
	return fate;
}

enum fate
redis_words(
    struct redis *redis, struct redis_reply *ret_reply, struct err *err, const char *word, ...)
{
	struct slice argv[WORDS_MAX];
	size_t argc = 0;
	va_list args;
	va_start(args, word);
	for (; word; word = va_arg(args, const char *)) {
		must(argc < WORDS_MAX);
		argv[argc++] = slice_str(word);
	}
	va_end(args);
	return redis_command(redis, argv, argc, ret_reply, err);
}

static void
script_sha(struct redis_script *script)
{
	unsigned char digest[SHA_DIGEST_LENGTH];
	(void)SHA1((const unsigned char *)script->text.p, script->text.len, digest);
	for (size_t i = 0; i < sizeof digest; i++)
		(void)snprintf(script->sha + 2 * i, 3, "%02x", digest[i]);
}

static bool
is_own(const struct redis_script *script, const struct redis_reply *reply)
{
	struct slice prefix = prefix_of(reply->text);
	for (const char *const *own = script->own_errors; own && *own; own++)
		if (slice_eq(prefix, slice_str(*own)))
			return true;
	return false;
}

static enum fate
load(struct redis *redis, const struct redis_script *script, struct err *err)
{
	struct slice argv[] = { SLICE("SCRIPT"), SLICE("LOAD"), script->text };
	struct redis_reply reply = { 0 };
	enum fate fate = redis_command(redis, argv, 3, &reply, err);
	if (fate == FATE_DONE)
		redis_reply_free(&reply);
	return fate;
}

enum fate
redis_eval(struct redis *redis, struct redis_script *script, size_t key_count,
    const struct slice *argv, size_t argc, struct redis_reply *ret_reply, struct err *err)
{
	struct slice *all = calloc(argc + 3, sizeof *all);
	struct redis_reply reply = { 0 };
	char keys[24];
	must(all && key_count <= argc);
	if (script->sha[0] == 0)
		script_sha(script);
	(void)snprintf(keys, sizeof keys, "%zu", key_count);
	all[0] = SLICE("EVALSHA");
	all[1] = slice_str(script->sha);
	all[2] = slice_str(keys);
	if (argc)
		memcpy(all + 3, argv, argc * sizeof *all);
	enum fate fate = ask(redis, all, argc + 3, &reply, err);
	bool absent = fate == FATE_DONE && reply.kind == REDIS_ERROR &&
		      slice_eq(prefix_of(reply.text), SLICE("NOSCRIPT"));
	if (absent) {
		redis_reply_free(&reply);
		fate = load(redis, script, err);
		if (fate == FATE_DONE)
			fate = ask(redis, all, argc + 3, &reply, err);
	}
	free(all);
	if (fate == FATE_DONE && reply.kind == REDIS_ERROR && !is_own(script, &reply))
		fate = redis_reply_fate(&reply, err);
	if (fate == FATE_DONE)
		*ret_reply = reply;
	else
		redis_reply_free(&reply);
	return fate;
}

enum fate
redis_info(struct redis *redis, const char *section, struct buf *ret_text, struct err *err)
{
	struct slice argv[] = { SLICE("INFO"), slice_str(section) };
	struct redis_reply reply = { 0 };
	enum fate fate = redis_command(redis, argv, *section ? 2 : 1, &reply, err);
	if (fate != FATE_DONE)
		return fate;
	ret_text->len = 0;
	buf_slice(ret_text, reply.text);
	redis_reply_free(&reply);
	return FATE_DONE;
}

static bool
field_is(struct slice info, const char *name, const char *value)
{
	return slice_eq(redis_info_field(info, name), slice_str(value));
}

enum fate
redis_server(struct redis *redis, struct redis_server *ret_server, struct err *err)
{
	struct buf text = { 0 };
	enum fate fate = redis_info(redis, "", &text, err);
	if (fate == FATE_DONE) {
		struct redis_server s = { 0 };
		struct slice info = buf_view(&text), id = redis_info_field(info, "run_id");
		(void)snprintf(s.run_id, sizeof s.run_id, "%.*s", SLICE_ARG(id));
		s.aof_enabled = field_is(info, "aof_enabled", "1");
		s.aof_rewriting = field_is(info, "aof_rewrite_in_progress", "1") ||
				  field_is(info, "aof_rewrite_scheduled", "1");
		s.aof_rewrite_ok = field_is(info, "aof_last_bgrewrite_status", "ok");
		s.loading = field_is(info, "loading", "1");
		s.replica = field_is(info, "role", "slave");
		*ret_server = s;
	}
	buf_finish(&text);
	return fate;
}
