/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/must.h"
#include "sink/leaderboard_ops.h"

enum { REWRITE_WAIT_MS = 3000, REWRITE_LOOK_MS = 20 };

struct leaderboard {
	const struct leaderboard_config *config;
	struct redis *redis;
	struct board *boards;
	uint64_t connection; /* the connection that was looked at last */
	char run_id[48];     /* of the Redis whose AOF is known to be whole */
	char asked[48];      /* run_id of the Redis that was asked for a new AOF */
};

static struct metric metrics[] = {
	[TALLY_COUNTED] = { "sluice_board_rows_total", "reason=\"counted\"", METRIC_COUNTER,
	    "Rows of the enriched topic by what a board did with them.", 0 },
	[TALLY_DELETED] = { "sluice_board_rows_total", "reason=\"deleted\"", METRIC_COUNTER, "",
	    0 },
	[TALLY_LATE] = { "sluice_board_rows_total", "reason=\"late\"", METRIC_COUNTER, "", 0 },
	[TALLY_FAR_PAST] = { "sluice_board_rows_total", "reason=\"far_past\"", METRIC_COUNTER,
	    "", 0 },
	[TALLY_FAR] = { "sluice_board_rows_total", "reason=\"far_future\"", METRIC_COUNTER, "",
	    0 },
	[TALLY_NULL_MEMBER] = { "sluice_board_rows_total", "reason=\"null_member\"",
	    METRIC_COUNTER, "", 0 },
	[TALLY_NULL_AT] = { "sluice_board_rows_total", "reason=\"null_at\"", METRIC_COUNTER, "",
	    0 },
	[TALLY_OLDER] = { "sluice_board_rows_total", "reason=\"older\"", METRIC_COUNTER, "",
	    0 },
	[TALLIES] = { "sluice_board_watermark_ms", NULL, METRIC_GAUGE,
	    "Start of the newest bucket that the first board shows, ms since 1970.", 0 },
};

static struct redis_options
login_of(const struct leaderboard_config *c)
{
	return (struct redis_options){ .url = c->url,
		.user = c->user,
		.password = c->password,
		.client_name = c->client_name };
}

static enum fate
leaderboard_secrets(void *state, const void *config, struct err *err)
{
	const struct redis_options options = login_of(config);

	return redis_set_login(((struct leaderboard *)state)->redis, &options, err);
}

static enum fate
leaderboard_open(void *state, const void *config, struct err *err)
{
	struct leaderboard *l = state;
	struct redis_options options;
	enum fate fate;

	l->config = config;
	options = login_of(l->config);
	must(l->config->board_count > 0);
	l->boards = calloc(l->config->board_count, sizeof *l->boards);
	must(l->boards);
	fate = redis_new(&options, &l->redis, err);
	for (size_t i = 0; i < l->config->board_count && fate == FATE_DONE; i++)
		fate = board_open(&l->boards[i], &l->config->boards[i], l->config->columns,
		    l->config->column_count, err);
	if (fate == FATE_DONE)
		metrics_register(metrics, sizeof metrics / sizeof *metrics);
	return fate;
}

/* --- a connection that was just made --- */

static enum fate
server_ask(struct leaderboard *l, struct redis_server *ret_server, struct err *err)
{
	enum fate fate = redis_server(l->redis, ret_server, err);

	if (fate == FATE_DONE && ret_server->loading)
		return err_set(err, FATE_RETRY, "redis: it is loading its data");
	if (fate == FATE_DONE && ret_server->replica)
		return err_set(err, FATE_RETRY, "redis: it is a replica");
	return fate;
}

static enum fate
rewrite_start(struct leaderboard *l, const struct redis_server *server, struct err *err)
{
	struct slice argv[] = { SLICE("BGREWRITEAOF") };
	struct redis_reply reply = { 0 };
	enum fate fate = redis_append(l->redis, argv, 1, err);

	if (fate == FATE_DONE)
		fate = redis_next(l->redis, &reply, err);
	if (fate == FATE_DONE)
		fate = redis_reply_fate(&reply, err);
	if (fate == FATE_DONE)
		memcpy(l->asked, server->run_id, sizeof l->asked);
	else if (reply.kind == REDIS_ERROR && strcmp(err->code, "ERR") == 0)
		fate = FATE_DONE; /* another's runs, or a snapshot's child: asked again */
	redis_reply_free(&reply);
	return fate;
}

/* After a restart, Redis 7.0 may have cut a torn tail inside a MULTI and go on
 * writing behind it, where the next restart does not look. A new AOF mends that. */
static enum fate
rewrite_wait(struct leaderboard *l, struct redis_server *server, struct err *err)
{
	int64_t until = clock_mono_ms() + REWRITE_WAIT_MS;

	while (clock_mono_ms() < until) {
		enum fate fate = FATE_DONE;

		bool asked = strcmp(l->asked, server->run_id) == 0;

		if (server->aof_rewriting)
			memcpy(l->asked, server->run_id, sizeof l->asked);
		else if (!asked)
			fate = rewrite_start(l, server, err);
		else if (server->aof_rewrite_ok)
			return FATE_DONE;
		else
			l->asked[0] = 0; /* it failed */
		clock_sleep_ms(REWRITE_LOOK_MS);
		if (fate == FATE_DONE)
			fate = server_ask(l, server, err);
		if (fate != FATE_DONE)
			return fate;
	}
	return err_set(err, FATE_RETRY, "redis: its AOF is being written anew");
}

static enum fate
run_id_known(
    struct leaderboard *l, const struct redis_server *server, bool *ret_known, struct err *err)
{
	struct redis_reply reply = { 0 };
	enum fate fate = redis_words(
	    l->redis, &reply, err, "HGET", l->boards[0].meta_key, "run_id", (char *)NULL);

	if (fate == FATE_DONE)
		*ret_known = slice_eq(reply.text, slice_str(server->run_id));
	redis_reply_free(&reply);
	return fate;
}

static enum fate
aof_settle(struct leaderboard *l, struct redis_server *server, struct err *err)
{
	struct redis_reply reply = { 0 };
	bool known = false;
	enum fate fate = FATE_DONE;

	if (!server->aof_enabled || strcmp(server->run_id, l->run_id) == 0)
		return FATE_DONE;
	fate = run_id_known(l, server, &known, err);
	if (fate == FATE_DONE && !known)
		fate = rewrite_wait(l, server, err);
	if (fate == FATE_DONE && !known)
		fate = redis_words(l->redis, &reply, err, "HSET", l->boards[0].meta_key,
		    "run_id", server->run_id, (char *)NULL);
	redis_reply_free(&reply);
	if (fate != FATE_DONE)
		return fate;
	memcpy(l->run_id, server->run_id, sizeof l->run_id);
	return FATE_DONE;
}

/* Connected to a Redis that may be written; *ret_new: it was not so before. */
static enum fate
ready(struct leaderboard *l, bool *ret_new, struct err *err)
{
	struct redis_server server;
	enum fate fate = redis_connect(l->redis, err);

	*ret_new = false;
	if (fate != FATE_DONE || redis_connection_count(l->redis) == l->connection)
		return fate;
	fate = server_ask(l, &server, err);
	if (fate == FATE_DONE)
		fate = aof_settle(l, &server, err);
	*ret_new = fate == FATE_DONE;
	return fate;
}

/* The same, standing where we think it stands. */
static enum fate
resume(struct leaderboard *l, struct err *err)
{
	bool is_new;
	enum fate fate = ready(l, &is_new, err);

	for (size_t i = 0; i < l->config->board_count && fate == FATE_DONE; i++) {
		if (l->boards[i].moved)
			return err_set(err, FATE_RETRY, "waiting to be assigned again");
		if (is_new)
			fate = board_resync(&l->boards[i], l->redis, err);
	}
	if (fate == FATE_DONE)
		l->connection = redis_connection_count(l->redis);
	return fate;
}

/* --- the driver --- */

static enum fate
leaderboard_connect(void *state, struct err *err)
{
	struct leaderboard *l = state;
	struct redis_server server;

	return server_ask(l, &server, err);
}

static enum fate
leaderboard_assign(void *state, struct sink_part *parts, size_t count, struct err *err)
{
	struct leaderboard *l = state;
	bool is_new;
	enum fate fate = ready(l, &is_new, err);

	for (size_t i = 0; i < l->config->board_count && fate == FATE_DONE; i++)
		fate = board_assign(&l->boards[i], l->redis, parts, count, err);
	if (fate == FATE_DONE)
		l->connection = redis_connection_count(l->redis);
	return fate;
}

static enum fate
leaderboard_deliver(void *state, struct record *const *records, size_t count, struct err *err)
{
	struct leaderboard *l = state;
	enum fate fate = resume(l, err);

	for (size_t i = 0; i < l->config->board_count && fate == FATE_DONE; i++) {
		struct board *board = &l->boards[i];

		fate = board_deliver(board, l->redis, records, count, err);
		for (int t = 0; t < TALLIES && fate == FATE_DONE; t++)
			metric_add(&metrics[t], board->tallies[t]);
	}
	return fate;
}

static enum fate
leaderboard_tick(void *state, int64_t wall_ms, struct err *err)
{
	struct leaderboard *l = state;
	enum fate fate = resume(l, err);

	(void)wall_ms; /* Redis' own time rules, so that all workers share one */
	for (size_t i = 0; i < l->config->board_count && fate == FATE_DONE; i++)
		fate = board_tick(&l->boards[i], l->redis, err);
	metric_set(&metrics[TALLIES], l->boards[0].watermark * l->config->boards[0].bucket_ms);
	return fate;
}

static bool
leaderboard_moved(const void *state)
{
	const struct leaderboard *l = state;

	for (size_t i = 0; i < l->config->board_count; i++)
		if (l->boards[i].moved)
			return true;
	return false;
}

/* A row may be written an hour before its time, and counts for a window after it. */
static int64_t
leaderboard_replay_ms(const void *state)
{
	const struct leaderboard *l = state;
	int64_t longest = 0;

	for (size_t i = 0; i < l->config->board_count; i++)
		if (l->config->boards[i].window_ms > longest)
			longest = l->config->boards[i].window_ms;
	return longest + LEADERBOARD_AHEAD_MS + LEADERBOARD_LATENESS_MS;
}

static void
leaderboard_limits(void *state, struct sink_batch_limits *ret_limits)
{
	const struct leaderboard *l = state;

	ret_limits->rows_max = l->config->batch_rows;
	ret_limits->age_ms = l->config->batch_age_ms;
}

static void
leaderboard_close(void *state)
{
	struct leaderboard *l = state;

	for (size_t i = 0; l->boards && i < l->config->board_count; i++)
		board_finish(&l->boards[i]);
	free(l->boards);
	redis_free(l->redis);
}

const struct sink_ops sink_leaderboard = {
	.name = "leaderboard",
	.state = sizeof(struct leaderboard),
	.open = leaderboard_open,
	.connect = leaderboard_connect,
	.assign = leaderboard_assign,
	.deliver = leaderboard_deliver,
	.limits = leaderboard_limits,
	.tick = leaderboard_tick,
	.replay_ms = leaderboard_replay_ms,
	.moved = leaderboard_moved,
	.secrets = leaderboard_secrets,
	.close = leaderboard_close,
};
