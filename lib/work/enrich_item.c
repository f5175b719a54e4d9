/* SPDX-License-Identifier: Apache-2.0 */
#include "work/enrich_item.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/must.h"
#include "wire/json.h"

void
item_refuse(struct item *item, struct arena *arena, const char *stage, const char *class,
    const char *reason)
{
	struct slice copy = arena_copy(arena, slice_str(reason));

	item->action = ITEM_DEAD;
	item->stage = stage;
	item->class = class;
	item->reason = copy.p ? copy.p : "batch memory is full";
}

static struct value *
values_new(const struct enrich_plan *plan, struct arena *arena)
{
	struct value *values = arena_alloc(arena, plan->fact->column_count * sizeof *values);

	must(values); /* the arena's ceiling is far above a batch's bytes */
	return values;
}

/* A key's JSON object, with or without the schema wrapper. */
static struct slice
key_object(const struct item *item, struct err *err)
{
	struct slice raw, payload;

	if (!item->message.key.p || json_check(item->message.key, &raw, err) != FATE_DONE ||
	    json_kind_of(raw) != JSON_OBJECT)
		return (struct slice){ 0 };
	payload = json_member(raw, SLICE("payload"));
	if (payload.p && json_member(raw, SLICE("schema")).p &&
	    json_kind_of(payload) == JSON_OBJECT)
		return payload;
	return raw;
}

static bool
columns_known(const struct value *values, const struct plan_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (values[list->items[i].column].state == VALUE_UNSET)
			return false;
	return true;
}

/* A delete knows its key and identity from before, or from the message's key. */
static enum fate
decode_delete(
    struct item *item, const struct enrich_plan *plan, struct arena *arena, struct err *err)
{
	struct slice object = item->change.before;
	enum fate fate;

	if (!object.p)
		object = key_object(item, err);
	if (!object.p)
		return err_set(err, FATE_REJECT, "a delete with neither before nor key");
	item->fact = values_new(plan, arena);
	fate = row_read(plan->fact_row, object, item->change.schema, arena, item->fact, err);
	if (fate != FATE_DONE)
		return fate;
	if (!columns_known(item->fact, &plan->key) ||
	    !columns_known(item->fact, &plan->identity))
		return err_set(err, FATE_REJECT,
		    "a delete that does not tell the key and identity columns (REPLICA "
		    "IDENTITY?)");
	item->before = item->fact;
	item->action = ITEM_DELETE;
	return FATE_DONE;
}

static enum fate
decode_upsert(
    struct item *item, const struct enrich_plan *plan, struct arena *arena, struct err *err)
{
	enum fate fate;

	item->fact = values_new(plan, arena);
	fate = change_reader_row(plan->fact_change, &item->change, IMAGE_AFTER, plan->fact_row,
	    arena, item->fact, err);
	if (fate == FATE_DONE && item->change.before.p) {
		item->before = values_new(plan, arena);
		fate = change_reader_row(plan->fact_change, &item->change, IMAGE_BEFORE,
		    plan->fact_row, arena, item->before, err);
	}
	if (fate != FATE_DONE)
		return fate;
	for (size_t i = 0; i < plan->fact->column_count; i++) {
		if (item->fact[i].state != VALUE_UNSET)
			continue;
		if (item->before && item->before[i].state != VALUE_UNSET)
			item->fact[i] = item->before[i];
		else
			item->incomplete = true;
	}
	for (size_t i = 0; i < plan->fact->key_count; i++)
		if (item->fact[plan->fact->key[i]].state != VALUE_SET)
			return err_set(err, FATE_REJECT, "key column %s is missing or null",
			    plan->fact->columns[plan->fact->key[i]].name);
	item->action = ITEM_UPSERT;
	return FATE_DONE;
}

static enum fate
decode_kind(
    struct item *item, const struct enrich_plan *plan, struct arena *arena, struct err *err)
{
	switch (item->change.kind) {
	case CHANGE_TOMBSTONE:
	case CHANGE_OTHER: return FATE_DONE;
	case CHANGE_TRUNCATE:
		if (plan->pipeline->enrich.on_truncate == TRUNCATE_IGNORE)
			return FATE_DONE;
		return err_set(err, FATE_HALT,
		    "%s was truncated (topic %s partition %" PRId32 " offset %" PRId64
		    "): the sinks still hold its rows. on_truncate: ignore goes on, and "
		    "sluicectl verify --repair deletes what the table no longer has",
		    plan->table, item->message.topic, item->message.partition,
		    item->message.offset);
	case CHANGE_ROW:
		if (item->change.op == 'd')
			return decode_delete(item, plan, arena, err);
		return decode_upsert(item, plan, arena, err);
	}
	never("unknown change kind");
}

enum fate
item_decode(
    struct item *item, const struct enrich_plan *plan, struct arena *arena, struct err *err)
{
	struct kafka_message message = item->message;
	enum fate fate;

	*item = (struct item){ .message = message };
	fate = change_reader_read(plan->fact_change, message.value, &item->change, err);
	if (fate == FATE_DONE)
		fate = decode_kind(item, plan, arena, err);
	if (fate == FATE_HALT)
		return fate;
	if (fate != FATE_DONE)
		item_refuse(item, arena, "decode", "malformed", err->what);
	item->rows[0] = item->fact;
	return FATE_DONE;
}

const struct value *
item_key(const struct item *item, const struct enrich_plan *plan, struct arena *arena)
{
	struct value *key = arena_alloc(arena, plan->fact->key_count * sizeof *key);

	must(key);
	for (size_t i = 0; i < plan->fact->key_count; i++)
		key[i] = item->fact[plan->fact->key[i]];
	return key;
}

bool
item_complete(struct item *item, const struct enrich_plan *plan, struct arena *arena)
{
	struct value *row = values_new(plan, arena);
	enum dimension_answer answer =
	    lookup_get(plan->lookups[0], item_key(item, plan, arena), arena, row);

	must(answer != DIMENSION_FULL && answer != DIMENSION_UNKNOWN);
	for (size_t i = 0; i < plan->fact->column_count; i++)
		if (item->fact[i].state == VALUE_UNSET)
			item->fact[i] = answer == DIMENSION_ROW
					    ? row[i]
					    : (struct value){ .state = VALUE_NULL };
	item->incomplete = false;
	return answer == DIMENSION_ROW;
}

enum fate
item_want(struct item *item, struct enrich_plan *plan, size_t source, int64_t now_ms,
    struct arena *arena, struct err *err)
{
	const struct sql_source *dimension = sql_query_source(plan->query, source);
	struct sql_env env = { item->rows };
	struct value *key, *row;
	bool is_null = false;
	enum fate fate;

	item->key = NULL;
	item->found = false;
	item->rows[source] = NULL;
	if (!dimension->needed)
		return FATE_DONE;
	key = arena_alloc(arena, dimension->key_count * sizeof *key);
	row = arena_alloc(arena, dimension->column_count * sizeof *row);
	must(key && row);
	fate = sql_query_key(plan->query, source, &env, arena, key, &is_null, err);
	if (fate == FATE_REJECT)
		item_refuse(item, arena, "transform", "expression", err->what);
	if (fate != FATE_DONE || is_null)
		return fate == FATE_REJECT ? FATE_DONE : fate;
	if (item->change.snapshot != SNAPSHOT_INCREMENTAL) {
		enum dimension_answer answer = dimension_get(plan->dimensions[source],
		    lookup_key(plan->lookups[source], key), now_ms, arena, row);

		must(answer != DIMENSION_FULL);
		if (answer != DIMENSION_UNKNOWN) {
			item->rows[source] = answer == DIMENSION_ROW ? row : NULL;
			item->found = true;
			return FATE_DONE;
		}
	}
	item->key = key;
	lookup_want(plan->lookups[source], key);
	return FATE_DONE;
}

void
item_found(struct item *item, struct enrich_plan *plan, size_t source, int64_t now_ms,
    struct arena *arena)
{
	const struct sql_source *dimension = sql_query_source(plan->query, source);
	struct value *row = arena_alloc(arena, dimension->column_count * sizeof *row);
	enum dimension_answer answer;

	must(row);
	answer = lookup_get(plan->lookups[source], item->key, arena, row);
	must(answer == DIMENSION_ROW || answer == DIMENSION_ABSENT);
	item->rows[source] = answer == DIMENSION_ROW ? row : NULL;
	dimension_put_seen(plan->dimensions[source],
	    lookup_key(plan->lookups[source], item->key), item->rows[source], now_ms,
	    lookup_snapshot(plan->lookups[source]));
}

enum fate
item_evaluate(
    struct item *item, const struct enrich_plan *plan, struct arena *arena, struct err *err)
{
	struct sql_env env = { item->rows };
	char reason[ERR_WHAT_SIZE + 32];
	bool passes = false;
	enum fate fate;

	item->results = arena_alloc(arena, plan->result_count * sizeof *item->results);
	must(item->results);
	fate = sql_query_run(plan->query, &env, arena, item->results, &passes, err);
	if (fate == FATE_RETRY)
		return err_set(err, FATE_HALT, "batch memory is full at offset %" PRId64,
		    item->message.offset);
	if (fate == FATE_REJECT) {
		(void)snprintf(reason, sizeof reason, "%s (SQLSTATE %s)", err->what, err->code);
		item_refuse(item, arena, "transform", "expression", reason);
		return FATE_DONE;
	}
	if (fate == FATE_DONE && !passes)
		item->action = ITEM_DELETE;
	return fate;
}
