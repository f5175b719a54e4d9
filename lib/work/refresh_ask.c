/* SPDX-License-Identifier: Apache-2.0 */
/* Postgres counts the facts of changed rows, and Debezium is asked for them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "sql/dialect.h"
#include "wire/digest.h"
#include "work/refresh_ops.h"
#include "work/signal.h"
#include "work/worker.h"

enum { CANCELLED_MAX = 3 }; /* counts of one gathering; the other keys are refused with them */
#define CANCELLED "57014"

/* A lock on the fact table is waited out, a count that takes too long is not. */
#define COUNT_BEGIN "SET lock_timeout = 3000"
#define COUNT_END   "RESET lock_timeout"

struct metric refresh_metrics[REFRESH_M_COUNT] = {
	{ "sluice_refresh_keys_total", NULL, METRIC_COUNTER,
	    "Changed dimension rows whose facts were asked for again.", 0 },
	{ "sluice_refresh_signals_total", NULL, METRIC_COUNTER,
	    "Rows inserted into Debezium's signal table.", 0 },
	{ "sluice_refresh_refused_total", NULL, METRIC_COUNTER,
	    "Changed dimension rows with more facts than refresh_rows_max: not asked for.", 0 },
};

/* How many facts the filter names, up to one more than refresh_rows_max. A count that is
 * cancelled, by statement_timeout or by hand, has found too many: trying it again would
 * keep the facts that come waiting, and find no end. */
static enum fate
count_facts(struct refresh *r, const struct buf *filter, int64_t *ret_count,
    bool *ret_cancelled, struct err *err)
{
	struct pg_result result = { 0 };
	struct buf sql = { 0 };
	int64_t most = r->plan->pipeline->enrich.refresh_rows_max;
	enum fate fate;

	buf_cstr(&sql, "SELECT count(*) FROM (SELECT FROM ");
	dialect_name(&sql, DIALECT_POSTGRES, r->plan->fact->schema);
	buf_byte(&sql, '.');
	dialect_name(&sql, DIALECT_POSTGRES, r->plan->fact->table);
	buf_cstr(&sql, " WHERE ");
	buf_slice(&sql, buf_view(filter));
	buf_printf(&sql, " LIMIT %" PRId64 ") AS facts", most + 1);
	*ret_cancelled = false;
	fate = pg_query(r->pg, &(struct pg_query){ buf_str(&sql), NULL, 0 }, &result, err);
	if (fate == FATE_DONE) {
		must(slice_i64(pg_result_text(&result, 0, 0), ret_count));
	} else if (strcmp(err->code, CANCELLED) == 0) {
		*ret_cancelled = true;
		*ret_count = most + 1;
		fate = FATE_DONE;
	}
	pg_result_clear(&result);
	buf_finish(&sql);
	return fate == FATE_DONE ? fate : err_wrap(err, "count the facts of changed rows");
}

static void
refuse(struct refresh *r, const struct sql_source *dimension, const char *what, bool cancelled,
    size_t count)
{
	char many[120];

	(void)snprintf(many, sizeof many,
	    cancelled ? "has more facts than Postgres counts in time, which is taken for more "
			"than %" PRId64
		      : "has more than %" PRId64 " facts",
	    r->plan->pipeline->enrich.refresh_rows_max);
	metric_add(&refresh_metrics[REFRESH_M_REFUSED], (int64_t)count);
	work_alarm(ALARM_REFRESH,
	    "%s.%s %s %s in %s: they are not sent again, and keep what they said before. "
	    "sluicectl verify --repair sends them, or raise enrich.refresh_rows_max",
	    dimension->schema, dimension->table, what, many, r->plan->table);
}

/* The id names the offsets; where they became several signals, what each asks for, too:
 * the next process may cut them elsewhere. */
static enum fate
signal_insert(
    struct refresh *r, const struct gathering *g, const struct keys *keys, struct err *err)
{
	char id[500], hex[DIGEST_HEX_LEN + 1] = "";
	struct buf condition = { 0 };
	struct digest digest;
	enum fate fate;

	refresh_put_filter(r, keys, &condition);
	digest = digest_of(buf_view(&condition));
	if (g->by_key)
		digest_hex(&digest, hex);
	(void)snprintf(id, sizeof id, "%s/%" PRId32 "/%" PRId64 "-%" PRId64 "%s%s", g->topic,
	    g->partition, g->first, g->last, g->by_key ? "/" : "", hex);
	fate = signal_send(r->pg, r->insert,
	    &(struct signal){ id, r->plan->table, buf_view(&condition) }, err);
	buf_finish(&condition);
	if (fate != FATE_DONE)
		return err_wrap(err, "ask Debezium for the facts of changed rows");
	metric_add(&refresh_metrics[REFRESH_M_KEYS], (int64_t)keys->count);
	metric_add(&refresh_metrics[REFRESH_M_SIGNALS], 1);
	return FATE_DONE;
}

static enum fate
some_send(struct refresh *r, struct gathering *g, struct err *err)
{
	enum fate fate = FATE_DONE;

	if (g->some.count)
		fate = signal_insert(r, g, &g->some, err);
	if (fate != FATE_DONE)
		return fate;
	refresh_keys_empty(&g->some);
	g->some_facts = 0;
	return FATE_DONE;
}

/* Counts the facts of one key: it is refused, or goes into a signal with others. */
static enum fate
key_sift(
    struct refresh *r, struct gathering *g, size_t source, struct slice key, struct err *err)
{
	int64_t most = r->plan->pipeline->enrich.refresh_rows_max, count = 0;
	struct buf filter = { 0 };
	bool cancelled = false;
	enum fate fate;

	refresh_put_facts(r, source, key, &filter);
	fate = count_facts(r, &filter, &count, &cancelled, err);
	buf_finish(&filter);
	if (fate == FATE_DONE && count <= most && g->some_facts + count > most)
		fate = some_send(r, g, err);
	if (fate != FATE_DONE)
		return fate;
	g->cancelled += cancelled;
	if (count > most) {
		struct buf what = { 0 };

		buf_printf(&what, "%s changed and", key.p);
		refuse(
		    r, sql_query_source(r->plan->query, source), buf_str(&what), cancelled, 1);
		buf_finish(&what);
		return FATE_DONE;
	}
	buf_slice(&g->some.texts[source], key);
	g->some.count++;
	g->some_facts += count;
	return FATE_DONE;
}

/* The first key of a source that was not counted; false: all were. */
static bool
key_next(const struct refresh *r, const struct gathering *g, size_t *ret_source,
    struct slice *ret_key)
{
	for (size_t i = 1; i < r->plan->source_count; i++) {
		const struct buf *texts = &g->keys.texts[i];

		if (g->seen[i] == texts->len)
			continue;
		*ret_source = i;
		*ret_key = slice_of(texts->p + g->seen[i], strlen(texts->p + g->seen[i]) + 1);
		return true;
	}
	return false;
}

/* Postgres does not get through with counting: nobody waits for the others' turn. */
static void
rest_refuse(struct refresh *r, struct gathering *g)
{
	struct slice key;
	size_t source;

	while (key_next(r, g, &source, &key)) {
		size_t count = 0;

		for (; g->seen[source] < g->keys.texts[source].len; count++)
			g->seen[source] +=
			    strlen(g->keys.texts[source].p + g->seen[source]) + 1;
		refuse(r, sql_query_source(r->plan->query, source),
		    "changed in several rows, of which one", true, count);
	}
}

/* Goes on where it stopped, for a while; what is still due is done at the next call. */
static enum fate
keys_sift(struct refresh *r, struct gathering *g, int64_t until_ms, struct err *err)
{
	struct slice key;
	size_t source;

	while (key_next(r, g, &source, &key)) {
		enum fate fate;

		if (g->cancelled >= CANCELLED_MAX) {
			rest_refuse(r, g);
			break;
		}
		if (clock_mono_ms() >= until_ms || work_stopping())
			return FATE_DONE;
		fate = key_sift(r, g, source, key, err);
		if (fate != FATE_DONE)
			return fate;
		g->seen[source] += key.len;
		work_beat();
	}
	if (some_send(r, g, err) != FATE_DONE)
		return err->fate;
	if (g->keys.all) { /* truncated meanwhile: that is asked for as a whole */
		g->by_key = false;
		return FATE_DONE;
	}
	refresh_gathering_empty(g);
	return FATE_DONE;
}

/* One signal for all, unless they have too many facts together. */
static enum fate
whole_sift(struct refresh *r, struct gathering *g, struct err *err)
{
	struct buf filter = { 0 };
	int64_t count = 0;
	bool cancelled = false;
	enum fate fate;

	refresh_put_filter(r, &g->keys, &filter);
	fate = count_facts(r, &filter, &count, &cancelled, err);
	buf_finish(&filter);
	if (fate != FATE_DONE)
		return fate;
	if (count > r->plan->pipeline->enrich.refresh_rows_max) {
		if (g->keys.all) {
			refuse(r, sql_query_source(r->plan->query, g->source),
			    "was truncated: it", cancelled, 1);
			refresh_gathering_empty(g);
		}
		g->by_key = g->due_ms != 0;
		return FATE_DONE;
	}
	fate = signal_insert(r, g, &g->keys, err);
	if (fate == FATE_DONE)
		refresh_gathering_empty(g);
	return fate;
}

enum fate
refresh_ask(struct refresh *r, struct gathering *g, int64_t until_ms, struct err *err)
{
	enum fate fate = pg_script(r->pg, COUNT_BEGIN, err);
	struct err ignored;

	if (fate == FATE_DONE && !g->by_key)
		fate = whole_sift(r, g, err);
	if (fate == FATE_DONE && g->by_key)
		fate = keys_sift(r, g, until_ms, err);
	if (pg_connected(r->pg) && pg_script(r->pg, COUNT_END, &ignored) != FATE_DONE)
		pg_disconnect(r->pg);
	return fate;
}
