/* SPDX-License-Identifier: Apache-2.0 */
/* The driver that keeps the last state of every row. */
#include "sink/clickhouse_ops.h"

static enum fate
replace_open(void *state, const void *config, struct err *err)
{
	return clickhouse_start(state, config, false, err);
}

static enum fate
replace_connect(void *state, struct err *err)
{
	bool changed;

	return table_describe(state, &changed, err);
}

static void
replace_limits(void *state, struct sink_batch_limits *ret_limits)
{
	clickhouse_limits(state, ret_limits);
}

static enum fate
replace_secrets(void *state, const void *config, struct err *err)
{
	return server_secrets(state, config, err);
}

static void
replace_close(void *state)
{
	clickhouse_finish(state);
}

const struct sink_ops sink_clickhouse = {
	.name = "clickhouse",
	.state = sizeof(struct clickhouse),
	.open = replace_open,
	.connect = replace_connect,
	.deliver = clickhouse_deliver,
	.prepare = clickhouse_prepare,
	.send = clickhouse_send,
	.answer = clickhouse_answer,
	.forget = clickhouse_forget,
	.limits = replace_limits,
	.tick = clickhouse_tick,
	.secrets = replace_secrets,
	.close = replace_close,
};
