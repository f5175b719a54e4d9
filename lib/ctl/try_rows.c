/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/try_rows.h"

#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "wire/json.h"
#include "work/lines.h"

enum { ARENA_SIZE = 64 << 20 };

/* Strings are decoded, all else is the text that stands there; {"a":1} is a json. */
static enum fate
value_read(struct pgtype type, struct slice raw, struct arena *arena, struct value *ret_value,
    struct err *err)
{
	enum json_kind kind = json_kind_of(raw);
	struct slice text = kind == JSON_STRING ? json_text(raw, arena) : raw;

	*ret_value = (struct value){ .state = VALUE_NULL };
	if (kind == JSON_NULL)
		return FATE_DONE;
	if (!text.p)
		return err_set(err, FATE_HALT, "the row is too large");
	return value_from_text(type, text, arena, ret_value, err);
}

static enum fate
row_add(struct enrich_plan *plan, size_t source, struct slice raw, struct try_rows *rows,
    struct arena *arena, struct err *err)
{
	const struct sql_source *s = sql_query_source(plan->query, source);
	struct value *row = arena_alloc(arena, s->column_count * sizeof *row);
	struct value key[SQL_KEY_COLUMNS_MAX];

	must(row);
	if (json_kind_of(raw) != JSON_OBJECT)
		return err_set(err, FATE_HALT, "a row is an object");
	for (size_t i = 0; i < s->column_count; i++) {
		struct slice value = json_member(raw, slice_str(s->columns[i].name));

		if (!value.p)
			return err_set(err, FATE_HALT,
			    "a row lacks column %s, which the query uses", s->columns[i].name);
		if (value_read(s->columns[i].type, value, arena, &row[i], err) != FATE_DONE)
			return err_wrap(err, "column %s", s->columns[i].name);
	}
	for (size_t i = 0; i < s->key_count; i++)
		key[i] = row[s->key[i]];
	dimension_put(rows->tables[source], lookup_key(plan->lookups[source], key), row, 0);
	return FATE_DONE;
}

static enum fate
source_read(struct enrich_plan *plan, size_t source, struct slice root, struct try_rows *rows,
    struct arena *arena, struct err *err)
{
	const struct sql_source *s = sql_query_source(plan->query, source);
	char name[200];
	struct slice list;
	struct json_walk walk;
	enum fate fate = FATE_DONE;

	(void)snprintf(name, sizeof name, "%s.%s", s->schema, s->table);
	list = json_member(root, slice_str(name));
	if (!list.p && source > 0)
		return err_set(err, FATE_HALT, "no list of rows for %s", name);
	if (!list.p)
		return FATE_DONE;
	if (json_kind_of(list) != JSON_ARRAY)
		return err_set(err, FATE_HALT, "%s: a list of rows is wanted", name);
	rows->listed[source] = true;
	walk = json_walk(list);
	for (size_t i = 0; fate == FATE_DONE && json_next(&walk); i++) {
		size_t mark = arena_mark(arena);

		fate = row_add(plan, source, walk.value, rows, arena, err);
		arena_rewind(arena, mark);
		if (fate != FATE_DONE)
			fate = err_wrap(err, "%s: row %zu", name, i + 1);
	}
	return fate;
}

enum fate
try_rows_read(
    const char *path, struct enrich_plan *plan, struct try_rows *ret_rows, struct err *err)
{
	struct buf text = { 0 };
	struct slice root = { 0 };
	struct arena arena;
	enum fate fate = file_read(path, &text, err);

	*ret_rows = (struct try_rows){ 0 };
	arena_init(&arena, ARENA_SIZE);
	if (fate == FATE_DONE)
		fate = json_check(buf_view(&text), &root, err);
	if (fate == FATE_DONE && json_kind_of(root) != JSON_OBJECT)
		fate = err_set(err, FATE_HALT, "an object of table: rows is wanted");
	for (size_t i = 0; fate == FATE_DONE && i < plan->source_count; i++) {
		const struct sql_source *s = sql_query_source(plan->query, i);

		ret_rows->tables[i] = dimension_new(s->columns, s->column_count, SIZE_MAX, 0);
		fate = source_read(plan, i, root, ret_rows, &arena, err);
	}
	arena_finish(&arena);
	buf_finish(&text);
	if (fate == FATE_DONE)
		return fate;
	try_rows_finish(ret_rows);
	err_wrap(err, "%s", path);
	return err->fate = FATE_HALT;
}

void
try_rows_finish(struct try_rows *rows)
{
	for (size_t i = 0; i < SQL_SOURCES_MAX; i++)
		dimension_free(rows->tables[i]);
	*rows = (struct try_rows){ 0 };
}

const struct value *
try_rows_find(struct try_rows *rows, struct enrich_plan *plan, size_t source,
    const struct value *key, struct arena *arena)
{
	const struct sql_source *s = sql_query_source(plan->query, source);
	struct value *row = arena_alloc(arena, s->column_count * sizeof *row);
	enum dimension_answer answer;

	must(row);
	answer = dimension_get(
	    rows->tables[source], lookup_key(plan->lookups[source], key), 0, arena, row);
	must(answer != DIMENSION_FULL);
	return answer == DIMENSION_ROW ? row : NULL;
}
