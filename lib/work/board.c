/* SPDX-License-Identifier: Apache-2.0 */
#include "work/board.h"

#include <stdio.h>

#include "sink/leaderboard.h"
#include "work/catalog.h"
#include "work/deliver.h"
#include "work/memory.h"

enum { BATCHES_IN_HAND = 4, BYTES_IN_HAND = 32 << 20, QUEUE_BYTES = 16 << 20 };

struct boards {
	struct sql_query *query; /* owns the columns */
	struct leaderboard_board boards[PIPELINE_BOARDS_MAX];
	struct leaderboard_config config, again; /* with other secrets */
	struct deliver deliver;
};

static const void *
secrets_of(void *owner, size_t route, const struct pipeline *now)
{
	struct boards *b = owner;

	(void)route;
	if (!now->has_leaderboard)
		return NULL;
	b->again = b->config;
	b->again.url = now->leaderboard.url; /* it may hold them */
	b->again.user = now->leaderboard.user;
	b->again.password = now->leaderboard.password;
	return &b->again;
}

static void
boards_fill(struct work *work, struct boards *b)
{
	const struct pipeline_leaderboard *l = &work->pipeline->leaderboard;

	for (size_t i = 0; i < l->board_count; i++)
		b->boards[i] = (struct leaderboard_board){ .key = l->boards[i].key,
			.member = l->boards[i].member,
			.at = l->boards[i].at,
			.score = l->boards[i].score,
			.top = l->boards[i].top,
			.window_ms = l->boards[i].window_ms,
			.bucket_ms = l->boards[i].bucket_ms };
	b->config = (struct leaderboard_config){ .url = l->url,
		.user = l->user,
		.password = l->password,
		.client_name = work->member,
		.boards = b->boards,
		.board_count = l->board_count,
		.batch_rows = (size_t)l->batch_rows,
		.batch_age_ms = l->batch_age_ms,
		.columns = sql_query_results(b->query),
		.column_count = sql_query_result_count(b->query) };
	b->deliver = (struct deliver){ .work = work,
		.routes = { { .topic = work->pipeline->enrich.topic,
		    .ops = &sink_leaderboard,
		    .config = &b->config } },
		.route_count = 1,
		.secrets = secrets_of,
		.owner = b,
		.rows_max = BATCHES_IN_HAND * b->config.batch_rows,
		.bytes_max = (size_t)memory_share(
		    work->pipeline->memory_max, MEMORY_HAND, BYTES_IN_HAND),
		.queue_kbytes =
		    memory_share(work->pipeline->memory_max, MEMORY_QUEUE, QUEUE_BYTES) >> 10 };
}

static enum fate
boards_open(struct work *work, struct boards *ret, struct err *err)
{
	enum fate fate = query_for_types(work, &ret->query, err);

	if (fate == FATE_DONE)
		boards_fill(work, ret);
	return fate;
}

enum fate
board_work_run(struct work *work, struct err *err)
{
	struct boards boards = { 0 };
	enum fate fate = boards_open(work, &boards, err);

	if (fate == FATE_DONE)
		fate = deliver_run(&boards.deliver, err);
	else if (fate == FATE_RETRY)
		fate = FATE_DONE; /* asked to stop while waiting */
	sql_query_free(boards.query);
	return fate;
}

enum fate
board_work_check(struct work *work, struct err *err)
{
	struct boards boards = { 0 };
	enum fate fate = boards_open(work, &boards, err);

	if (fate == FATE_DONE)
		fate = deliver_check(&boards.deliver, err);
	sql_query_free(boards.query);
	return fate;
}
