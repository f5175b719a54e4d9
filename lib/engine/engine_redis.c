/* SPDX-License-Identifier: Apache-2.0 */
/* A leaderboard: plan_board.c's lines as a command, its reply as rows (member, score). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "engine/engine_ops.h"
#include "link/redis_loop.h"
#include "wire/float_text.h"

enum { WORDS_MAX = 5, COLUMNS_MAX = 64 };

struct board_ask {
	struct engine_query *query;
	struct redis_request *request; /* NULL: answered */
	struct redis_reply reply;
	size_t at;           /* next item of the reply */
	struct slice member; /* of ZSCORE, whose reply is the score alone */
};

static enum fate
board_open(const struct registry_engine *config, struct loop *loop, unsigned pool_max,
    void **ret_self, struct err *err)
{
	struct redis_options options = { .url = config->url,
		.user = config->user,
		.password = config->password,
		.client_name = "sluice-router" };
	struct redis_loop *redis;
	enum fate fate;

	(void)pool_max; /* one connection serves all */
	if (config->url == NULL)
		return err_set(err, FATE_HALT, "%s: url is missing", config->name);
	fate = redis_loop_new(&options, loop, &redis, err);
	if (fate == FATE_DONE)
		*ret_self = redis;
	return fate;
}

static void
board_close(void *self)
{
	redis_loop_free(self);
}

static size_t
words_of(const char *sql, struct slice *words)
{
	size_t count = 0;

	while (count < WORDS_MAX - 1) {
		const char *line = strchr(sql, '\n');

		words[count++] = line ? slice_of(sql, (size_t)(line - sql)) : slice_str(sql);
		if (line == NULL)
			break;
		sql = line + 1;
	}
	if (count == 4)
		words[count++] = SLICE("WITHSCORES");
	return count;
}

/* The nearest SQLSTATE. */
static const char *
state_of(const struct err *err)
{
	static const struct {
		const char *prefix, *state;
	} lines[] = { { "OOM", "53200" }, { "MISCONF", "53100" }, { "NOAUTH", "28P01" },
		{ "WRONGPASS", "28P01" }, { "NOPERM", "42501" }, { "WRONGTYPE", "42809" },
		{ "READONLY", "25006" }, { "ERR", "42601" } };

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		if (strcmp(err->code, lines[i].prefix) == 0)
			return lines[i].state;
	}
	return err->code[0] ? "57P03" : "08006";
}

static void
board_end(struct board_ask *b, const struct err *err)
{
	struct engine_query *query = b->query;
	struct engine_end end = { .position = -1, .affected = -1 };

	struct err mapped;

	if (err) {
		bool is_state = strlen(err->code) == 5 && strcspn(err->code, "0123456789") < 3;

		mapped = *err;
		(void)snprintf(mapped.code, sizeof mapped.code, "%s",
		    is_state ? err->code : state_of(err));
		end.fate = err->fate;
		end.err = &mapped;
	}
	redis_reply_free(&b->reply);
	free(b);
	engine_ended(query, &end);
}

/* As Postgres prints a float8: Redis writes 17 digits. */
static enum fate
score_of(struct slice text, struct buf *out, struct err *err)
{
	double score;
	enum fate fate = float8_parse(text, &score, err);

	out->len = 0;
	if (fate == FATE_DONE)
		float8_print(out, score);
	return fate;
}

static enum fate
board_row(struct board_ask *b, struct slice member, struct slice text, bool *ret_more,
    struct err *err)
{
	const struct engine_ask *ask = &b->query->ask;
	struct slice values[COLUMNS_MAX];
	struct buf score = { 0 };
	enum fate fate = score_of(text, &score, err);

	for (size_t i = 0; i < ask->column_count && i < COLUMNS_MAX; i++)
		values[i] =
		    ask->columns[i].type.kind == TYPE_FLOAT8 ? buf_view(&score) : member;
	if (fate == FATE_DONE)
		*ret_more = engine_row(b->query, values);
	buf_finish(&score);
	return fate;
}

/* Rows until the reader has enough or there are no more. */
static void
board_rows(struct board_ask *b)
{
	bool more = true;
	struct err err;
	enum fate fate = FATE_DONE;

	if (b->reply.kind == REDIS_TEXT && b->at++ == 0)
		fate = board_row(b, b->member, b->reply.text, &more, &err);
	while (fate == FATE_DONE && more && b->reply.kind == REDIS_ARRAY &&
	       b->at + 1 < b->reply.count) {
		struct redis_reply member = redis_reply_item(&b->reply, b->at);
		struct redis_reply score = redis_reply_item(&b->reply, b->at + 1);

		b->at += 2;
		fate = board_row(b, member.text, score.text, &more, &err);
	}
	if (fate != FATE_DONE)
		board_end(b, &err);
	else if (more)
		board_end(b, NULL);
}

static void
board_told(void *ctx, const struct redis_reply *reply, const struct err *lost)
{
	struct board_ask *b = ctx;
	struct err err;

	b->request = NULL;
	b->reply = *reply;
	if (lost) {
		board_end(b, lost);
		return;
	}
	if (redis_reply_fate(reply, &err) != FATE_DONE ||
	    engine_columns(b->query, NULL, b->query->ask.column_count, &err) != FATE_DONE) {
		board_end(b, &err);
		return;
	}
	board_rows(b);
}

static enum fate
board_start(void *self, struct engine_query *query, struct err *err)
{
	struct board_ask *b = calloc(1, sizeof *b);
	struct slice words[WORDS_MAX];
	size_t count = words_of(query->ask.sql, words);
	enum fate fate;

	must(b && query->ask.column_count <= COLUMNS_MAX && query->ask.param_count == 0);
	b->query = query;
	if (count == 3)
		b->member = words[2];
	fate = redis_loop_send(self, words, count, board_told, b, &b->request, err);
	if (fate == FATE_DONE)
		query->driver = b;
	else
		free(b);
	return fate;
}

static void
board_more(void *self, struct engine_query *query)
{
	(void)self;
	board_rows(query->driver);
}

/* A reply that is on its way is waited for: if it does not come, the connection is dead. */
static void
board_cancel(void *self, struct engine_query *query)
{
	struct board_ask *b = query->driver;

	(void)self;
	if (b->request == NULL)
		board_end(b, NULL);
}

static void
board_abandon(void *self, struct engine_query *query)
{
	struct board_ask *b = query->driver;
	bool unanswered = b->request != NULL;

	if (unanswered)
		redis_loop_forget(b->request);
	redis_reply_free(&b->reply);
	free(b);
	if (unanswered)
		redis_loop_break(self, "does not answer");
}

static unsigned
board_connections(const void *self)
{
	return redis_loop_connected(self);
}

const struct engine_ops engine_redis = { .name = "redis",
	.open = board_open,
	.close = board_close,
	.start = board_start,
	.more = board_more,
	.cancel = board_cancel,
	.abandon = board_abandon,
	.probe = "PING",
	.connections = board_connections };
