/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/fail.h"

struct fail {
	struct sink_fail_config config;
	const char *connect;
	const char *script;
	const char *secrets;
};

static enum fate
fail_open(void *state, const void *config, struct err *err)
{
	struct fail *fail = state;

	fail->config = *(const struct sink_fail_config *)config;
	fail->connect = fail->config.connect ? fail->config.connect : "";
	fail->script = fail->config.script ? fail->config.script : "";
	fail->secrets = fail->config.secrets ? fail->config.secrets : "";
	if (fail->config.open_error)
		return err_set(err, FATE_HALT, "%s", fail->config.open_error);
	return FATE_DONE;
}

/* The next letter's fate; *ret_over when the script has none left. */
static enum fate
play(const char **script, bool *ret_over, struct err *err)
{
	char letter = **script;

	*ret_over = letter == '\0';
	if (!*ret_over)
		(*script)++;
	switch (letter) {
	case 'r': return err_set(err, FATE_RETRY, "scripted retry");
	case 'h': return err_set(err, FATE_HALT, "scripted halt");
	case 'x': return err_set(err, FATE_REJECT, "scripted reject");
	default: return FATE_DONE;
	}
}

static enum fate
fail_connect(void *state, struct err *err)
{
	struct fail *fail = state;
	bool over;

	return play(&fail->connect, &over, err);
}

static enum fate
refuse_bad_rows(struct record *const *records, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++)
		if (slice_eq(records[i]->value, SLICE("bad")))
			return err_set(err, FATE_REJECT, "a bad row");
	for (size_t i = 0; i < count; i++)
		if (slice_eq(records[i]->value, SLICE("named")))
			sink_reject(records[i], "row at offset %lld is named",
			    (long long)records[i]->offset);
	return FATE_DONE;
}

static enum fate
fail_deliver(void *state, struct record *const *records, size_t count, struct err *err)
{
	struct fail *fail = state;
	enum fate fate;
	bool over;

	fate = play(&fail->script, &over, err);
	if (over)
		fate = refuse_bad_rows(records, count, err);
	if (fail->config.seen)
		fail->config.seen(fail->config.log, records, count, fate);
	return fate;
}

static void
fail_limits(void *state, struct sink_batch_limits *ret_limits)
{
	const struct fail *fail = state;

	if (fail->config.limits.rows_max)
		*ret_limits = fail->config.limits;
}

static enum fate
fail_secrets(void *state, const void *config, struct err *err)
{
	struct fail *fail = state;
	bool over;

	(void)config;
	return play(&fail->secrets, &over, err);
}

const struct sink_ops sink_fail = {
	.name = "fail",
	.state = sizeof(struct fail),
	.open = fail_open,
	.connect = fail_connect,
	.deliver = fail_deliver,
	.limits = fail_limits,
	.secrets = fail_secrets,
};
