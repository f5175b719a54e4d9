/* SPDX-License-Identifier: Apache-2.0 */
/* How large a batch is, and how long it waits: as configured, and as the server takes it. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "sink/clickhouse_ops.h"

enum {
	BATCH_ROWS = 50000,
	BATCH_BYTES = 32 << 20,
	BATCH_AGE_MS = 400,
	BATCH_ROWS_LEAST = 1000, /* a batch is not made smaller than that */
	MEMORY_LIMIT_EXCEEDED = 241,
	TIMEOUT_EXCEEDED = 159,
	TOO_MANY_PARTS = 252,
	PARTS_MANY = 300, /* active ones; a server slows inserts down at 1000 */
	PARTS_LOOK_MS = 5000,
	AGE_MOST_MS = 10000,
};

static enum fate
check_config(const struct sink_clickhouse_config *config, bool append, struct err *err)
{
	if (config->url_count == 0)
		return err_set(err, FATE_HALT, "no url");
	if (!config->table || !config->table[0])
		return err_set(err, FATE_HALT, "no table");
	if (config->identity_count == 0 && !append)
		return err_set(
		    err, FATE_HALT, "no identity: name the columns of the table's ORDER BY");
	return FATE_DONE;
}

enum fate
clickhouse_start(struct clickhouse *ch, const struct sink_clickhouse_config *config,
    bool append, struct err *err)
{
	struct sink_clickhouse_config *own = &ch->config;

	*own = *config;
	ch->append = append;
	if (check_config(own, append, err) != FATE_DONE)
		return err->fate;
	if (append)
		own->identity_count = 0;
	if (!own->database)
		own->database = "default";
	if (!own->batch_rows)
		own->batch_rows = BATCH_ROWS;
	if (!own->batch_bytes)
		own->batch_bytes = BATCH_BYTES;
	if (!own->batch_age_ms)
		own->batch_age_ms = BATCH_AGE_MS;
	ch->batch_rows = own->batch_rows;
	ch->batch_age_ms = own->batch_age_ms;
	ch->identity = calloc(own->identity_count + 1, sizeof(struct native_column *));
	must(ch->identity);
	return server_open(ch, err);
}

void
clickhouse_finish(struct clickhouse *ch)
{
	server_close(ch);
	table_close(ch);
	free(ch->identity);
	free(ch->row_record);
	buf_finish(&ch->token);
	buf_finish(&ch->quoted);
}

void
clickhouse_limits(const struct clickhouse *ch, struct sink_batch_limits *ret_limits)
{
	ret_limits->rows_max = ch->batch_rows;
	ret_limits->bytes_max = ch->config.batch_bytes;
	ret_limits->age_ms = ch->batch_age_ms;
}

/* Too many parts want fewer inserts: rows wait longer, then by and by as configured. */
static void
age_adapt(struct clickhouse *ch, bool many)
{
	int64_t least = ch->config.batch_age_ms;
	int64_t most = least > AGE_MOST_MS ? least : AGE_MOST_MS;

	ch->batch_age_ms = many ? ch->batch_age_ms * 2 : ch->batch_age_ms / 2;
	if (ch->batch_age_ms > most)
		ch->batch_age_ms = most;
	if (ch->batch_age_ms < least)
		ch->batch_age_ms = least;
}

enum fate
clickhouse_tick(void *state, int64_t wall_ms, struct err *err)
{
	struct clickhouse *ch = state;
	const struct clickhouse_setting params[] = { { "param_d", ch->config.database },
		{ "param_t", ch->config.table } };
	int64_t now_ms = clock_mono_ms(), parts;
	struct slice text;

	(void)wall_ms;
	if (now_ms < ch->next_look_ms)
		return FATE_DONE;
	ch->next_look_ms = now_ms + PARTS_LOOK_MS;
	/* a look that fails says nothing: the next insert will tell */
	if (server_query(ch,
		"SELECT count() FROM system.parts WHERE active AND database = {d:String} AND "
		"table = {t:String} FORMAT TSV",
		params, 2, err) != FATE_DONE)
		return FATE_DONE;
	text = buf_view(&ch->question.response.body);
	text.len -= text.len > 0;
	if (slice_i64(text, &parts))
		age_adapt(ch, parts >= PARTS_MANY);
	return FATE_DONE;
}

/* Smaller batches for a server that is short of memory or time; back to the
 * configured size by and by. Too many parts want fewer inserts, not smaller ones. */
void
clickhouse_adapt(
    struct clickhouse *ch, enum fate fate, const struct refusal *refusal, bool outcome_unknown)
{
	size_t most = ch->config.batch_rows;
	size_t least = most < BATCH_ROWS_LEAST ? most : BATCH_ROWS_LEAST;

	if (refusal->code == TOO_MANY_PARTS)
		age_adapt(ch, true);
	if (fate == FATE_DONE)
		ch->batch_rows += ch->batch_rows / 8 + 1;
	else if (refusal->code == MEMORY_LIMIT_EXCEEDED || refusal->code == TIMEOUT_EXCEEDED ||
		 (refusal->code == 0 && outcome_unknown))
		ch->batch_rows /= 2;
	if (ch->batch_rows > most)
		ch->batch_rows = most;
	if (ch->batch_rows < least)
		ch->batch_rows = least;
}
