/* SPDX-License-Identifier: Apache-2.0 */
/* What a table of mode append says: which offsets it holds, how many inserts it remembers. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "sink/clickhouse_ops.h"

/* SETTINGS ... name = 123, as system.tables shows an engine; -1: not there. */
static int64_t
engine_setting(const char *engine, const char *name)
{
	const char *at = strstr(engine, name);
	int64_t value = 0;

	if (!at)
		return -1;
	for (at += strlen(name); *at == ' ' || *at == '='; at++)
		;
	for (; *at >= '0' && *at <= '9' && value < INT32_MAX; at++)
		value = value * 10 + (*at - '0');
	return value;
}

enum fate
held_window(struct clickhouse *ch, int64_t *ret_inserts, struct err *err)
{
	const struct clickhouse_setting params[] = { { "param_d", ch->config.database },
		{ "param_t", ch->config.table } };
	bool replicated;
	const char *engine;
	enum fate fate = server_query(ch,
	    "SELECT engine_full FROM system.tables WHERE database = {d:String} AND name = "
	    "{t:String} FORMAT TSVRaw",
	    params, 2, err);

	if (fate != FATE_DONE)
		return fate;
	engine = buf_str(&ch->question.response.body);
	if (!strstr(engine, "MergeTree"))
		return err_set(err, FATE_HALT,
		    "table %s.%s is no MergeTree: mode append needs one", params[0].value,
		    params[1].value);
	replicated =
	    strncmp(engine, "Replicated", 10) == 0 || strncmp(engine, "Shared", 6) == 0;
	*ret_inserts = replicated
			   ? engine_setting(engine, " replicated_deduplication_window")
			   : engine_setting(engine, "non_replicated_deduplication_window");
	if (*ret_inserts < 0)
		*ret_inserts = replicated ? 10000 : 0; /* the server's defaults */
	return FATE_DONE;
}

static enum fate
read_offsets(struct slice text, struct held *held, struct err *err)
{
	const char *at = text.p, *end = text.p + text.len;
	size_t cap = 1;

	for (size_t i = 0; i < text.len; i++)
		cap += text.p[i] == '\n';
	free(held->offsets);
	held->offsets = calloc(cap, sizeof *held->offsets);
	must(held->offsets);
	for (held->count = 0; at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t len = stop ? (size_t)(stop - at) : (size_t)(end - at);

		if (!slice_i64(slice_of(at, len), &held->offsets[held->count++]))
			return err_set(err, FATE_RETRY, "no offset: %.*s", (int)len, at);
		at += len + (stop != NULL);
	}
	return FATE_DONE;
}

enum fate
held_ask(struct clickhouse *ch, const char *topic, int32_t part, struct sink_range range,
    struct held *held, struct err *err)
{
	char partition[16], first[24], end[24];
	const struct clickhouse_setting params[] = { { "param_topic", topic },
		{ "param_partition", partition }, { "param_first", first },
		{ "param_end", end } };
	struct buf query = { 0 };
	enum fate fate;

	(void)snprintf(partition, sizeof partition, "%" PRId32, part);
	(void)snprintf(first, sizeof first, "%" PRId64, range.first);
	(void)snprintf(end, sizeof end, "%" PRId64, range.end);
	buf_cstr(&query, "SELECT DISTINCT toInt64(_offset) AS o FROM ");
	name_quote(&query, ch->config.database);
	buf_byte(&query, '.');
	name_quote(&query, ch->config.table);
	buf_cstr(&query,
	    " WHERE _topic = {topic:String} AND _partition = {partition:Int32} AND _offset >= "
	    "{first:Int64} AND _offset < {end:Int64} ORDER BY o FORMAT TSV");
	fate = server_query(ch, buf_str(&query), params, 4, err);
	buf_finish(&query);
	if (fate == FATE_DONE)
		fate = read_offsets(buf_view(&ch->question.response.body), held, err);
	return fate;
}

bool
held_has(const struct held *held, int64_t offset)
{
	size_t low = 0, high = held->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (held->offsets[middle] < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < held->count && held->offsets[low] == offset;
}

void
held_finish(struct held *held)
{
	free(held->offsets);
	*held = (struct held){ 0 };
}
