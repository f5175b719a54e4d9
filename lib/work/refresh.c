/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of changed dimension rows are gathered, and asked about in turn. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "work/refresh_ops.h"
#include "work/signal.h"
#include "work/worker.h"

enum {
	ARENA_SIZE = 64 << 20,
	STEP_MS = 1000, /* facts are counted for so long, then the loop goes on */
};

static enum fate
parent_find(struct refresh *r, size_t source, struct err *err)
{
	const struct sql_source *dimension = sql_query_source(r->plan->query, source);
	size_t parent = 0, column;

	for (size_t i = 0; i < dimension->key_count; i++) {
		size_t from;

		if (!sql_query_key_origin(r->plan->query, source, i, &from, &column) ||
		    (i > 0 && from != parent))
			return err_code(err, FATE_HALT, CODE_CONFIG,
			    "%s: %s is joined by an expression, so the facts of a changed row "
			    "cannot be "
			    "found: join it by plain columns, or set on_dimension_change: keep",
			    r->plan->pipeline->enrich.sql_file, dimension->table);
		parent = from;
	}
	r->parents[source] = parent;
	return FATE_DONE;
}

enum fate
refresh_open(struct enrich_plan *plan, struct pg *pg, const char *signal_table,
    struct refresh **ret_refresh, struct err *err)
{
	struct refresh *r = calloc(1, sizeof *r);
	enum fate fate;

	must(r);
	r->plan = plan;
	r->pg = pg;
	arena_init(&r->arena, ARENA_SIZE);
	metrics_register(refresh_metrics, REFRESH_M_COUNT);
	fate = signal_statement(signal_table, &r->insert, err);
	for (size_t i = 1; fate == FATE_DONE && i < plan->source_count; i++) {
		const struct sql_source *dimension = sql_query_source(plan->query, i);

		r->rows[i] = row_plan_new(dimension->columns, dimension->column_count);
		fate = parent_find(r, i, err);
		if (fate == FATE_DONE && strcmp(dimension->table, plan->fact->table) == 0 &&
		    strcmp(dimension->schema, plan->fact->schema) == 0)
			fate = err_code(err, FATE_HALT, CODE_CONFIG,
			    "%s is joined to itself, so its changes would ask for ever more of "
			    "them: set on_dimension_change: keep",
			    plan->table);
	}
	if (fate != FATE_DONE) {
		refresh_close(r);
		return fate;
	}
	*ret_refresh = r;
	return FATE_DONE;
}

static void
keys_finish(struct keys *keys)
{
	for (size_t i = 0; i < SQL_SOURCES_MAX; i++)
		buf_finish(&keys->texts[i]);
}

void
refresh_close(struct refresh *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < REFRESH_PARTS_MAX; i++) {
		keys_finish(&r->gatherings[i].keys);
		keys_finish(&r->gatherings[i].some);
	}
	for (size_t i = 0; i < SQL_SOURCES_MAX; i++)
		row_plan_free(r->rows[i]);
	buf_finish(&r->text);
	arena_finish(&r->arena);
	free(r->insert);
	free(r);
}

void
refresh_clear(struct refresh *r)
{
	r->count = r->turn = 0;
}

void
refresh_keys_empty(struct keys *keys)
{
	for (size_t i = 0; i < SQL_SOURCES_MAX; i++)
		keys->texts[i].len = 0;
	keys->count = 0;
	keys->all = false;
}

void
refresh_gathering_empty(struct gathering *g)
{
	refresh_keys_empty(&g->keys);
	refresh_keys_empty(&g->some);
	memset(g->seen, 0, sizeof g->seen);
	g->due_ms = 0;
	g->by_key = false;
	g->some_facts = 0;
	g->cancelled = 0;
}

static struct gathering *
gathering_of(struct refresh *r, const struct kafka_message *message)
{
	struct gathering *g;

	for (size_t i = 0; i < r->count; i++)
		if (r->gatherings[i].partition == message->partition &&
		    strcmp(r->gatherings[i].topic, message->topic) == 0)
			return &r->gatherings[i];
	must(r->count < REFRESH_PARTS_MAX);
	g = &r->gatherings[r->count++];
	g->topic = message->topic;
	g->partition = message->partition;
	g->first = message->offset;
	refresh_gathering_empty(g);
	return g;
}

static void
key_add(struct refresh *r, struct gathering *g, size_t source, const struct value *row,
    int64_t now_ms)
{
	const struct sql_source *dimension = sql_query_source(r->plan->query, source);
	struct buf *keys = &g->keys.texts[source];

	for (size_t i = 0; i < dimension->key_count; i++)
		if (row[dimension->key[i]].state != VALUE_SET)
			return;
	buf_byte(keys, '(');
	for (size_t i = 0; i < dimension->key_count; i++) {
		struct pgtype type = dimension->columns[dimension->key[i]].type;

		if (i)
			buf_byte(keys, ',');
		r->text.len = 0;
		value_to_text(&r->text, type, &row[dimension->key[i]]);
		signal_put_literal(keys, buf_view(&r->text), type);
	}
	buf_byte(keys, ')');
	buf_byte(keys, 0);
	g->keys.count++;
	if (g->due_ms == 0)
		g->due_ms = now_ms + REFRESH_GATHER_MS;
}

static struct value *
image_read(struct refresh *r, size_t source, struct slice object, const struct change *change)
{
	const struct sql_source *dimension = sql_query_source(r->plan->query, source);
	struct value *row = arena_alloc(&r->arena, dimension->column_count * sizeof *row);
	struct err ignored;

	must(row);
	if (!object.p || row_read(r->rows[source], object, change->schema, &r->arena, row,
			     &ignored) != FATE_DONE)
		return NULL;
	return row;
}

/* Does the change touch a column that the query uses? */
static bool
row_differs(
    const struct sql_source *dimension, const struct value *old, const struct value *new)
{
	for (size_t i = 0; i < dimension->column_count; i++) {
		if (old[i].state == VALUE_UNSET || new[i].state == VALUE_UNSET)
			continue;
		if (old[i].state != new[i].state ||
		    (old[i].state == VALUE_SET &&
			value_compare(dimension->columns[i].type, &old[i], &new[i]) != 0))
			return true;
	}
	return false;
}

static bool
key_differs(
    const struct sql_source *dimension, const struct value *old, const struct value *new)
{
	for (size_t i = 0; i < dimension->key_count; i++) {
		size_t column = dimension->key[i];

		if (old[column].state == VALUE_SET && new[column].state == VALUE_SET &&
		    value_compare(
			dimension->columns[column].type, &old[column], &new[column]) != 0)
			return true;
	}
	return false;
}

void
refresh_take(
    struct refresh *r, size_t source, const struct kafka_message *message, int64_t mono_ms)
{
	const struct sql_source *dimension = sql_query_source(r->plan->query, source);
	struct gathering *g = gathering_of(r, message);
	struct value *old, *new;
	struct change change;
	struct err ignored;

	g->last = message->offset;
	g->fresh = true;
	arena_reset(&r->arena);
	if (change_read(message->value, &change, &ignored) != FATE_DONE)
		return;
	if (change.kind == CHANGE_TRUNCATE) {
		g->keys.all = true;
		g->source = source;
		g->due_ms = mono_ms + REFRESH_GATHER_MS;
	}
	if (change.kind != CHANGE_ROW || change.op == 'r')
		return;
	old = image_read(r, source, change.before, &change);
	new = image_read(r, source, change.after, &change);
	if (old && new && !row_differs(dimension, old, new))
		return;
	if (new)
		key_add(r, g, source, new, mono_ms);
	if (old && (!new || key_differs(dimension, old, new)))
		key_add(r, g, source, old, mono_ms);
}

bool
refresh_full(const struct refresh *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->gatherings[i].keys.count >= REFRESH_KEYS_MAX)
			return true;
	return false;
}

static bool
is_due(const struct gathering *g, int64_t mono_ms)
{
	return g->due_ms && (mono_ms >= g->due_ms || g->keys.count >= REFRESH_KEYS_MAX);
}

/* One gathering after the other, for a while; the next call begins with the next of them. */
static enum fate
ask_due(struct refresh *r, int64_t mono_ms, struct err *err)
{
	int64_t until_ms = mono_ms + STEP_MS;
	size_t first = r->turn;

	for (size_t i = 0; i < r->count; i++) {
		struct gathering *g = &r->gatherings[(first + i) % r->count];
		enum fate fate;

		if (!is_due(g, mono_ms))
			continue;
		if (clock_mono_ms() >= until_ms || work_stopping())
			return FATE_DONE;
		fate = refresh_ask(r, g, until_ms, err);
		r->turn = (first + i + 1) % r->count;
		work_beat();
		if (fate != FATE_DONE)
			return fate;
	}
	return FATE_DONE;
}

enum fate
refresh_step(struct refresh *r, int64_t mono_ms, const struct kafka_part **ret_parts,
    size_t *ret_count, struct err *err)
{
	enum fate fate = ask_due(r, mono_ms, err);
	size_t count = 0;

	if (fate != FATE_DONE)
		return fate;
	for (size_t i = 0; i < r->count; i++) {
		struct gathering *g = &r->gatherings[i];

		if (!g->fresh || g->due_ms)
			continue;
		r->parts[count++] = (struct kafka_part){
			.topic = g->topic, .partition = g->partition, .offset = g->last + 1
		};
		g->fresh = false;
		g->first = g->last + 1;
	}
	*ret_parts = r->parts;
	*ret_count = count;
	return FATE_DONE;
}
