/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/try.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "ctl/try_rows.h"
#include "wire/describe.h"
#include "wire/json.h"
#include "work/enrich_item.h"

enum { ARENA_SIZE = 256 << 20 };

struct
try {
	struct enrich_plan *plan;
	struct pg *pg; /* NULL: rows */
	struct try_rows rows;
	struct arena arena;
	struct buf text;
};

enum fate
try_open(struct enrich_plan *plan, struct pg *pg, const char *dims_file, struct try **ret_try,
    struct err *err)
{
	struct try *try = calloc(1, sizeof *try);
	enum fate fate = FATE_DONE;

	must(try && !pg != !dims_file);
	try->plan = plan;
	try->pg = pg;
	arena_init(&try->arena, ARENA_SIZE);
	if (dims_file)
		fate = try_rows_read(dims_file, plan, &try->rows, err);
	if (fate != FATE_DONE) {
		try_close(try);
		return fate;
	}
	*ret_try = try;
	return FATE_DONE;
}

void
try_close(struct try *try)
{
	if (!try)
		return;
	try_rows_finish(&try->rows);
	arena_finish(&try->arena);
	buf_finish(&try->text);
	free(try);
}

/* The values that the event lacks, from the row as it is now. */
static enum fate
complete(struct try *try, struct item *item, struct err *err)
{
	struct lookup *lookup = try->plan->lookups[0];
	const struct value *key = item_key(item, try->plan, &try->arena), *row;
	enum fate fate;

	if (try->pg) {
		lookup_want(lookup, key);
		fate = lookup_fetch(lookup, try->pg, &try->arena, err);
		if (fate == FATE_DONE && !item_complete(item, try->plan, &try->arena))
			item->action = ITEM_DELETE;
		return fate;
	}
	if (!try->rows.listed[0]) {
		item_refuse(item, &try->arena, "transform", "incomplete",
		    "the event lacks values and the file of rows has none of its table");
		return FATE_DONE;
	}
	row = try_rows_find(&try->rows, try->plan, 0, key, &try->arena);
	if (!row)
		item->action = ITEM_DELETE;
	for (size_t i = 0; row && i < try->plan->fact->column_count; i++)
		if (item->fact[i].state == VALUE_UNSET)
			item->fact[i] = row[i];
	return FATE_DONE;
}

static enum fate
find_listed(struct try *try, struct item *item, size_t source, struct err *err)
{
	const struct sql_source *dimension = sql_query_source(try->plan->query, source);
	struct sql_env env = { item->rows };
	struct value key[SQL_KEY_COLUMNS_MAX];
	bool is_null = false;
	enum fate fate;

	item->rows[source] = NULL;
	if (!dimension->needed)
		return FATE_DONE;
	fate = sql_query_key(try->plan->query, source, &env, &try->arena, key, &is_null, err);
	if (fate == FATE_REJECT) {
		item_refuse(item, &try->arena, "transform", "expression", err->what);
		return FATE_DONE;
	}
	if (fate == FATE_DONE && !is_null)
		item->rows[source] =
		    try_rows_find(&try->rows, try->plan, source, key, &try->arena);
	return fate;
}

static enum fate
find(struct try *try, struct item *item, size_t source, struct err *err)
{
	struct lookup *lookup = try->plan->lookups[source];
	enum fate fate;

	if (!try->pg)
		return find_listed(try, item, source, err);
	fate = item_want(item, try->plan, source, clock_mono_ms(), &try->arena, err);
	if (fate == FATE_DONE && lookup_wanted(lookup) > 0)
		fate = lookup_fetch(lookup, try->pg, &try->arena, err);
	if (fate == FATE_DONE && item->action == ITEM_UPSERT && item->key)
		item_found(item, try->plan, source, clock_mono_ms(), &try->arena);
	return fate;
}

/* Of the event only the key counts. */
static void
forget_values(const struct try *try, struct item *item)
{
	const struct sql_source *fact = try->plan->fact;

	for (size_t i = 0; i < fact->column_count; i++) {
		bool in_key = false;

		for (size_t k = 0; k < fact->key_count && !in_key; k++)
			in_key = fact->key[k] == i;
		if (!in_key)
			item->fact[i].state = VALUE_UNSET;
	}
	item->incomplete = true;
}

static enum fate
transform(struct try *try, struct item *item, bool as_now, struct err *err)
{
	enum fate fate = item_decode(item, try->plan, &try->arena, err);

	if (fate == FATE_DONE && item->action == ITEM_UPSERT && as_now)
		forget_values(try, item);
	if (fate == FATE_DONE && item->action == ITEM_UPSERT && item->incomplete)
		fate = complete(try, item, err);
	for (size_t s = 1; s < try->plan->source_count && fate == FATE_DONE; s++)
		if (item->action == ITEM_UPSERT)
			fate = find(try, item, s, err);
	if (fate == FATE_DONE && item->action == ITEM_UPSERT)
		fate = item_evaluate(item, try->plan, &try->arena, err);
	return fate;
}

static void
put_record(struct try *try, struct item *item, struct buf *out)
{
	struct header headers[ITEM_HEADERS];
	struct item_text info;

	try->text.len = 0;
	item->headers = headers;
	item_write(item, try->plan, &try->text, &info);
	buf_cstr(out, "{\"topic\":");
	json_quote(out, slice_str(try->plan->pipeline->enrich.topic));
	buf_cstr(out, ",\"key\":");
	buf_put(out, try->text.p, info.value_start);
	buf_cstr(out, ",\"value\":");
	if (item->action == ITEM_UPSERT)
		buf_put(
		    out, try->text.p + info.value_start, info.headers_start - info.value_start);
	else
		buf_cstr(out, "null");
	buf_cstr(out, ",\"headers\":");
	for (size_t i = 0; i < info.header_count; i++) {
		buf_byte(out, i ? ',' : '{');
		json_quote(out, headers[i].name);
		buf_byte(out, ':');
		json_quote(out, item_settle(headers[i].value, &try->text));
	}
	buf_cstr(out, "}}");
}

static const char *
why_skipped(const struct item *item)
{
	switch (item->change.kind) {
	case CHANGE_TOMBSTONE: return "tombstone";
	case CHANGE_TRUNCATE: return "truncate";
	case CHANGE_OTHER:
	case CHANGE_ROW: break;
	}
	return "control";
}

enum fate
try_item(struct try *try, struct item *item, bool as_now, struct err *err)
{
	arena_reset(&try->arena);
	for (size_t i = 0; i < try->plan->source_count; i++) {
		lookup_reset(try->plan->lookups[i]);
		if (try->plan->dimensions[i])
			dimension_clear(try->plan->dimensions[i]);
	}
	return transform(try, item, as_now, err);
}

enum fate
try_event(struct try *try, struct slice key, struct slice value, int64_t offset,
    struct buf *out, struct err *err)
{
	struct item item = { .message = { .topic = try->plan->fact_topic,
				 .offset = offset,
				 .key = key,
				 .value = value } };
	bool truncated;
	enum fate fate;

	arena_reset(&try->arena);
	for (size_t i = 0; i < try->plan->source_count; i++)
		lookup_reset(try->plan->lookups[i]);
	fate = transform(try, &item, false, err);
	truncated = fate == FATE_HALT && item.change.kind == CHANGE_TRUNCATE;
	if (fate != FATE_DONE && !truncated)
		return fate;
	if (truncated)
		describe_error(out, "decode", "truncate", err->what);
	else if (item.action == ITEM_DEAD)
		describe_error(out, item.stage, item.class, item.reason);
	else if (item.action == ITEM_SKIP)
		buf_printf(out, "{\"skipped\":\"%s\"}", why_skipped(&item));
	else
		put_record(try, &item, out);
	return FATE_DONE;
}

enum fate
try_run(struct try *try, struct lines *lines, FILE *out, struct err *err)
{
	struct slice key, value;
	struct buf text = { 0 };
	enum fate fate = FATE_DONE;

	while (fate == FATE_DONE && lines_next(lines, &key, &value)) {
		text.len = 0;
		fate = try_event(try, key, value, lines->number, &text, err);
		if (fate != FATE_DONE)
			break;
		buf_byte(&text, '\n');
		if (fwrite(text.p, 1, text.len, out) != text.len || fflush(out) != 0)
			fate = err_set(err, FATE_HALT, "standard output: %s", strerror(errno));
	}
	buf_finish(&text);
	return fate;
}

static enum fate
select_put(struct sql_query *query, struct buf *out, struct err *err)
{
	size_t count = sql_query_result_count(query);
	struct value *values = calloc(count, sizeof *values);
	const struct value *const none[1] = { NULL };
	struct sql_env env = { none };
	struct arena arena;
	bool passes = false;
	enum fate fate;

	must(values);
	arena_init(&arena, ARENA_SIZE);
	fate = sql_query_run(query, &env, &arena, values, &passes, err);
	if (fate == FATE_DONE)
		buf_byte(out, '{');
	for (size_t i = 0; fate == FATE_DONE && passes && i < count; i++) {
		if (i)
			buf_byte(out, ',');
		json_quote(out, slice_str(sql_query_results(query)[i].name));
		buf_byte(out, ':');
		value_to_json(out, sql_query_results(query)[i].type, &values[i]);
	}
	if (fate == FATE_DONE)
		buf_byte(out, '}');
	arena_finish(&arena);
	free(values);
	return fate;
}

enum fate
try_select(const char *sql, struct buf *out, struct err *err)
{
	static const char empty[] = "{\"database\":\"\",\"server_version\":\"15\","
				    "\"default_collation\":\"locale\",\"tables\":[]}";
	struct sql_catalog *catalog;
	struct sql_query *query;
	enum fate fate = sql_catalog_parse(slice_str(empty), &catalog, err);

	must(fate == FATE_DONE);
	fate = sql_query_compile(catalog, slice_str(sql), &query, err);
	if (fate == FATE_DONE) {
		fate = select_put(query, out, err);
		sql_query_free(query);
	}
	sql_catalog_free(catalog);
	return fate;
}
