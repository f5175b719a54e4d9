/* SPDX-License-Identifier: Apache-2.0 */
#include "work/watch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "sql/dialect.h"
#include "work/statements.h"

struct watched {
	const struct sql_source *source;
	const char *column;
	char *type; /* as Postgres prints it */
};

struct watch {
	struct watched *columns;
	size_t count;
	struct buf tables, names; /* the statement's parameters */
	int64_t next_ms;
};

static void
source_add(struct watch *w, const struct sql_source *source, struct buf *table)
{
	w->columns =
	    realloc(w->columns, (w->count + source->column_count) * sizeof *w->columns);
	must(w->columns || w->count + source->column_count == 0);
	table->len = 0;
	dialect_name(table, DIALECT_POSTGRES, source->schema);
	buf_byte(table, '.');
	dialect_name(table, DIALECT_POSTGRES, source->table);
	for (size_t i = 0; i < source->column_count; i++) {
		pg_array_add(&w->tables, buf_view(table));
		pg_array_add(&w->names, slice_str(source->columns[i].name));
		w->columns[w->count++] =
		    (struct watched){ .source = source, .column = source->columns[i].name };
	}
}

static enum fate
types_ask(struct watch *w, struct pg *pg, struct pg_result *ret_result, struct err *err)
{
	const struct slice params[2] = { buf_view(&w->tables), buf_view(&w->names) };
	enum fate fate = pg_query(
	    pg, &(struct pg_query){ statement_postgres_columns, params, 2 }, ret_result, err);

	if (fate != FATE_DONE)
		return err_wrap(err, "ask for the columns' types");
	must(ret_result->row_count == w->count);
	return FATE_DONE;
}

enum fate
watch_open(
    struct pg *pg, const struct sql_query *query, struct watch **ret_watch, struct err *err)
{
	struct watch *w = calloc(1, sizeof *w);
	struct pg_result result = { 0 };
	struct buf table = { 0 };
	enum fate fate;

	must(w);
	pg_array_begin(&w->tables);
	pg_array_begin(&w->names);
	for (size_t i = 0; i < sql_query_source_count(query); i++)
		source_add(w, sql_query_source(query, i), &table);
	pg_array_end(&w->tables);
	pg_array_end(&w->names);
	buf_finish(&table);
	fate = types_ask(w, pg, &result, err);
	for (size_t i = 0; i < w->count && fate == FATE_DONE; i++) {
		const char *type = pg_result_text(&result, i, 0).p;

		w->columns[i].type = strdup(type ? type : "");
		must(w->columns[i].type);
	}
	pg_result_clear(&result);
	if (fate != FATE_DONE) {
		watch_free(w);
		return fate;
	}
	*ret_watch = w;
	return FATE_DONE;
}

void
watch_free(struct watch *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->count; i++)
		free(w->columns[i].type);
	free(w->columns);
	buf_finish(&w->tables);
	buf_finish(&w->names);
	free(w);
}

bool
watch_due(const struct watch *w, int64_t mono_ms)
{
	return mono_ms >= w->next_ms;
}

static enum fate
column_changed(
    const struct watched *column, const char *now, const struct item *item, struct err *err)
{
	int64_t lsn = item->change.has_lsn ? item->change.lsn : 0;

	return err_set(err, FATE_HALT,
	    "column %s.%s.%s was %s and %s%s: the query no longer means what it did. "
	    "Noticed at LSN %" PRIX64 "/%" PRIX64 " (%s/%" PRId32 "/%" PRId64 ")",
	    column->source->schema, column->source->table, column->column, column->type,
	    now ? "is " : "is gone (dropped or renamed)", now ? now : "", (uint64_t)lsn >> 32,
	    (uint64_t)lsn & UINT32_MAX, item->message.topic, item->message.partition,
	    item->message.offset);
}

enum fate
watch_check(
    struct watch *w, struct pg *pg, const struct item *item, int64_t mono_ms, struct err *err)
{
	struct pg_result result = { 0 };
	enum fate fate = types_ask(w, pg, &result, err);

	for (size_t i = 0; i < w->count && fate == FATE_DONE; i++) {
		const char *now = pg_result_text(&result, i, 0).p;

		if (!now || strcmp(now, w->columns[i].type) != 0)
			fate = column_changed(&w->columns[i], now, item, err);
	}
	pg_result_clear(&result);
	if (fate == FATE_DONE)
		w->next_ms = mono_ms + WATCH_MS;
	return fate;
}

void
watch_explain(struct watch *w, struct pg *pg, const struct item *item, struct err *err)
{
	struct err why = { 0 };

	if (watch_check(w, pg, item, w->next_ms - WATCH_MS, &why) == FATE_HALT)
		*err = why;
}
