/* SPDX-License-Identifier: Apache-2.0 */
/* sqleval -- runs queries of lib/sql over rows given as text, for the oracle.
 *
 *   sqleval CATALOG.json < requests
 * A request is a line {"sql": "SELECT ...", "rows": [[SOURCE, ...], ...]}; a SOURCE is
 * {"column": "text" or null, ...} or null, in the query's order. The answer is a line:
 *   {"columns": [{"name","oid","typmod"}], "rows": [["text", null, ...] or null when the
 *   row does not pass or {"code","what"}]}  or  {"refused": "...", "code": "..."}
 * Rows without "sql" stay for later requests without rows; their answer is {}. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "sql/query.h"

enum { LINE_ARENA = 64 * 1024 * 1024 };

static json_t *
refusal(const char *member, const struct err *err)
{
	return json_pack("{s:s, s:s}", member, err->what, "code", err->code);
}

static enum fate
read_source(const struct sql_source *source, const json_t *object, struct arena *arena,
    struct value **ret_row, struct err *err)
{
	struct value *row = arena_alloc(arena, (source->column_count + 1) * sizeof(*row));

	must(row);
	for (size_t i = 0; i < source->column_count; i++) {
		const json_t *text = json_object_get(object, source->columns[i].name);
		enum fate fate;

		row[i] = (struct value){ .state = VALUE_NULL };
		if (!json_is_string(text))
			continue;
		fate = value_from_text(source->columns[i].type,
		    slice_of(json_string_value(text), json_string_length(text)), arena, &row[i],
		    err);
		if (fate)
			return fate;
	}
	*ret_row = row;
	return FATE_DONE;
}

static enum fate
eval(struct sql_query *query, const json_t *sources, struct arena *arena, struct value *ret_out,
    bool *ret_passes, struct err *err)
{
	const struct value *rows[SQL_SOURCES_MAX] = { NULL };
	struct sql_env env = { .rows = rows };
	enum fate fate;

	for (size_t s = 0; s < sql_query_source_count(query); s++) {
		const json_t *object = json_array_get(sources, s);
		struct value *row = NULL;

		if (!json_is_object(object))
			continue;
		fate = read_source(sql_query_source(query, s), object, arena, &row, err);
		if (fate)
			return err_wrap(err, "test row");
		rows[s] = row;
	}
	return sql_query_run(query, &env, arena, ret_out, ret_passes, err);
}

static json_t *
answer_row(struct sql_query *query, const json_t *sources, struct arena *arena)
{
	size_t count = sql_query_result_count(query);
	struct value *out = arena_alloc(arena, count * sizeof(*out));
	struct buf text = { 0 };
	struct err err;
	bool passes;
	json_t *row;

	must(out);
	if (eval(query, sources, arena, out, &passes, &err))
		return refusal("what", &err);
	if (!passes)
		return json_null();
	row = json_array();
	for (size_t i = 0; i < count; i++) {
		text.len = 0;
		if (out[i].state == VALUE_SET)
			value_to_text(&text, sql_query_results(query)[i].type, &out[i]);
		json_array_append_new(row, out[i].state == VALUE_SET
					       ? json_stringn_nocheck(buf_str(&text), text.len)
					       : json_null());
	}
	buf_finish(&text);
	return row;
}

static json_t *kept_rows;

static json_t *
answer(const struct sql_catalog *catalog, const json_t *request, struct arena *arena)
{
	const char *sql = json_string_value(json_object_get(request, "sql"));
	const json_t *own = json_object_get(request, "rows"), *rows = own ? own : kept_rows;
	json_t *columns, *results;
	struct sql_query *query;
	struct err err = { 0 };

	if (!sql) {
		json_decref(kept_rows);
		kept_rows = json_deep_copy(rows);
		return json_object();
	}
	if (sql_query_compile(catalog, slice_str(sql), &query, &err))
		return refusal("refused", &err);
	columns = json_array();
	results = json_array();
	for (size_t i = 0; i < sql_query_result_count(query); i++) {
		const struct row_column *col = &sql_query_results(query)[i];

		json_array_append_new(
		    columns, json_pack("{s:s, s:I, s:i}", "name", col->name, "oid",
				 (json_int_t)col->type.oid, "typmod", (int)col->type.typmod));
	}
	for (size_t i = 0; i < json_array_size(rows); i++) {
		json_array_append_new(
		    results, answer_row(query, json_array_get(rows, i), arena));
		arena_reset(arena);
	}
	sql_query_free(query);
	return json_pack("{s:o, s:o}", "columns", columns, "rows", results);
}

static struct sql_catalog *
read_catalog(const char *path)
{
	struct sql_catalog *catalog;
	struct buf text = { 0 };
	struct err err;
	FILE *file = fopen(path, "r");
	size_t n;

	if (!file) {
		perror(path);
		exit(2);
	}
	do {
		buf_grow(&text, 65536);
		n = fread(text.p + text.len, 1, 65536, file);
		text.len += n;
	} while (n > 0);
	(void)fclose(file);
	if (sql_catalog_parse(buf_view(&text), &catalog, &err)) {
		(void)fprintf(stderr, "%s: %s\n", path, err.what);
		exit(2);
	}
	buf_finish(&text);
	return catalog;
}

int
main(int argc, char **argv)
{
	struct sql_catalog *catalog;
	struct arena arena;
	char *line = NULL;
	size_t cap = 0;

	if (argc != 2) {
		(void)fputs("usage: sqleval CATALOG.json < requests\n", stderr);
		return 2;
	}
	catalog = read_catalog(argv[1]);
	arena_init(&arena, LINE_ARENA);
	while (getline(&line, &cap, stdin) > 0) {
		json_t *request = json_loads(line, 0, NULL), *reply;

		reply = answer(catalog, request, &arena);
		(void)json_dumpf(reply, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
		(void)putchar('\n');
		(void)fflush(stdout);
		json_decref(reply);
		json_decref(request);
	}
	free(line);
	json_decref(kept_rows);
	arena_finish(&arena);
	sql_catalog_free(catalog);
	return 0;
}
