/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/must.h"
#include "sink/clickhouse_ops.h"

enum {
	BATCH_ROWS = 50000,
	BATCH_BYTES = 32 << 20,
	BATCH_AGE_MS = 400,
	BATCH_ROWS_LEAST = 1000, /* a batch is not made smaller than that */
	MEMORY_LIMIT_EXCEEDED = 241,
	TIMEOUT_EXCEEDED = 159,
};

struct driver {
	struct sink_clickhouse_config config; /* with defaults filled in */
	struct clickhouse ch;
};

static enum fate
check_config(const struct sink_clickhouse_config *config, struct err *err)
{
	if (config->mode != CLICKHOUSE_REPLACE)
		return err_set(err, FATE_HALT, "mode append is not supported, use replace");
	if (config->url_count == 0)
		return err_set(err, FATE_HALT, "no url");
	if (!config->table || !config->table[0])
		return err_set(err, FATE_HALT, "no table");
	if (config->identity_count == 0)
		return err_set(
		    err, FATE_HALT, "no identity: name the columns of the table's ORDER BY");
	return FATE_DONE;
}

static enum fate
clickhouse_open(void *state, const void *config, struct err *err)
{
	struct driver *driver = state;
	struct clickhouse *ch = &driver->ch;

	driver->config = *(const struct sink_clickhouse_config *)config;
	ch->config = &driver->config;
	if (check_config(ch->config, err) != FATE_DONE)
		return err->fate;
	if (!driver->config.database)
		driver->config.database = "default";
	if (!driver->config.batch_rows)
		driver->config.batch_rows = BATCH_ROWS;
	if (!driver->config.batch_bytes)
		driver->config.batch_bytes = BATCH_BYTES;
	if (!driver->config.batch_age_ms)
		driver->config.batch_age_ms = BATCH_AGE_MS;
	ch->batch_rows = driver->config.batch_rows;
	ch->identity = calloc(driver->config.identity_count, sizeof(struct native_column *));
	must(ch->identity);
	return server_open(ch, err);
}

static enum fate
clickhouse_connect(void *state, struct err *err)
{
	bool changed;

	return table_describe(&((struct driver *)state)->ch, &changed, err);
}

static void
clickhouse_limits(void *state, struct sink_batch_limits *ret_limits)
{
	const struct driver *driver = state;

	ret_limits->rows_max = driver->ch.batch_rows;
	ret_limits->bytes_max = driver->config.batch_bytes;
	ret_limits->age_ms = driver->config.batch_age_ms;
}

/* Smaller batches for a server that is short of memory or time; back to the
 * configured size by and by. Too many parts want fewer inserts, not smaller ones. */
static void
adapt(struct clickhouse *ch, enum fate fate, const struct refusal *refusal)
{
	size_t most = ch->config->batch_rows;
	size_t least = most < BATCH_ROWS_LEAST ? most : BATCH_ROWS_LEAST;

	if (fate == FATE_DONE)
		ch->batch_rows += ch->batch_rows / 8 + 1;
	else if (refusal->code == MEMORY_LIMIT_EXCEEDED || refusal->code == TIMEOUT_EXCEEDED ||
		 (refusal->code == 0 && ch->response.outcome_unknown))
		ch->batch_rows /= 2;
	if (ch->batch_rows > most)
		ch->batch_rows = most;
	if (ch->batch_rows < least)
		ch->batch_rows = least;
}

/* Rejects what cannot become rows; HALT when the table lacks a field. */
static enum fate
encode(struct clickhouse *ch, struct record *const *records, size_t count, struct err *err)
{
	struct err why = { 0 };

	native_block_clear(ch->block);
	for (size_t i = 0; i < count; i++) {
		if (records[i]->outcome != OUTCOME_PENDING)
			continue;
		switch (rows_append(ch, records[i], i, &why)) {
		case FATE_DONE: break;
		case FATE_REJECT: sink_reject(records[i], "%s", why.what); break;
		case FATE_RETRY:
		case FATE_HALT: *err = why; return why.fate;
		}
	}
	return FATE_DONE;
}

static enum fate
insert(struct clickhouse *ch, struct refusal *ret_refusal, struct err *err)
{
	enum fate fate;

	native_block_sort(ch->block, ch->identity, ch->config->identity_count);
	ch->body.len = 0;
	native_block_write(ch->block, ch->config->compression, &ch->body);
	fate = server_insert(ch, ret_refusal, err);
	adapt(ch, fate, ret_refusal);
	return fate;
}

/* The server named a row of the block: its record is refused, the others go again. */
static void
reject_named(struct clickhouse *ch, struct record *const *records,
    const struct refusal *refusal, const struct err *err)
{
	size_t row;

	if (refusal->row == 0 || refusal->row > native_column_rows(ch->version))
		return;
	row = native_block_row(ch->block, refusal->row - 1);
	sink_reject(records[ch->row_record[row]], "%s", err->what);
}

static enum fate
deliver_once(struct clickhouse *ch, struct record *const *records, size_t count,
    struct refusal *ret_refusal, struct err *err)
{
	enum fate fate = encode(ch, records, count, err);

	*ret_refusal = (struct refusal){ .verdict = CLICKHOUSE_SCHEMA };
	if (fate != FATE_DONE)
		return fate;
	if (native_column_rows(ch->version) == 0)
		return FATE_DONE;
	return insert(ch, ret_refusal, err);
}

static enum fate
clickhouse_deliver(void *state, struct record *const *records, size_t count, struct err *err)
{
	struct clickhouse *ch = &((struct driver *)state)->ch;
	struct refusal refusal;
	struct err look = { 0 };
	bool changed;
	enum fate fate;

	if (ch->target.count == 0 && table_describe(ch, &changed, err) != FATE_DONE)
		return err->fate;
	fate = deliver_once(ch, records, count, &refusal, err);
	if (fate == FATE_DONE || refusal.verdict == CLICKHOUSE_BUSY ||
	    refusal.verdict == CLICKHOUSE_WRONG)
		return fate;
	/* either a row or the table is not what it should be: look at the table first */
	if (fate == FATE_REJECT)
		reject_named(ch, records, &refusal, err);
	if (table_describe(ch, &changed, &look) != FATE_DONE) {
		*err = look;
		return look.fate;
	}
	if (!changed)
		return fate;
	fate = deliver_once(ch, records, count, &refusal, err);
	if (fate == FATE_REJECT)
		reject_named(ch, records, &refusal, err);
	return fate;
}

static void
clickhouse_close(void *state)
{
	struct clickhouse *ch = &((struct driver *)state)->ch;

	server_close(ch);
	table_close(ch);
	free(ch->identity);
	free(ch->row_record);
}

const struct sink_ops sink_clickhouse = {
	.name = "clickhouse",
	.state = sizeof(struct driver),
	.open = clickhouse_open,
	.connect = clickhouse_connect,
	.deliver = clickhouse_deliver,
	.limits = clickhouse_limits,
	.close = clickhouse_close,
};
