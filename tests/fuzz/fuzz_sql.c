/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_sql.c -- any text as a query over a small catalogue, and what compiles is run over
 * a row of edges.
 *
 * Nothing may crash or leak; a refusal is HALT and begins with a place; a run's error is
 * REJECT with an SQLSTATE, or RETRY when the arena is full. */
#include <stdlib.h>

#include "base/must.h"
#include "sql/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define COLUMN(name, type, oid, collation)                                                     \
	"{\"name\":\"" name "\",\"type\":\"" type "\",\"oid\":" oid                            \
	",\"typmod\":-1,\"typtype\":\"b\",\"base\":\"" type "\",\"collation\":\"" collation    \
	"\"}"
static const char catalog_text[] =
    "{\"database\":\"d\",\"server_version\":\"15\",\"default_collation\":\"bytes\",\"tables\":["
    "{\"schema\":\"public\",\"name\":\"t\",\"relkind\":\"r\",\"replica_identity\":\"f\","
    "\"columns\":[" COLUMN("a", "int4", "23", "none") "," COLUMN(
	"b", "int8", "20", "none") "," COLUMN("n", "numeric", "1700", "none") "," COLUMN("f",
	"float8", "701", "none") "," COLUMN("s", "text", "25", "bytes") "," COLUMN("c",
	"bpchar", "1042", "bytes") "," COLUMN("d", "date", "1082", "none") "," COLUMN("z",
	"timestamptz", "1184", "none") "," COLUMN("j", "jsonb", "3802", "none") "," COLUMN("k",
	"json", "114", "none") "," COLUMN("o", "bool", "16",
	"none") "],\"keys\":[{\"name\":\"p\",\"primary\":true,\"columns\":[\"a\"]}]}]}";

static const char *const edges[][3] = {
	/* by column: of the first, second and third row */
	{ "0", "-2147483648", "2147483647" },
	{ "1", "-9223372036854775808", "9223372036854775807" },
	{ "0.1", "NaN", "99999999999999999999999999999999999999999999.5" },
	{ "-0", "5e-324", "Infinity" },
	{ "", "a%\\\xc3\xa9", "  42 " },
	{ "  ", "ab ", "\xe2\x82\xac" },
	{ "2024-02-29", "-infinity", "0001-01-01 BC" },
	{ "2024-02-29 12:00:00+00", "infinity", "4714-11-24 00:00:00+00 BC" },
	{ "{\"a\": [1, \"x\", null]}", "-1.50", "[\"\\u00e9\", {}]" },
	{ "{\"a\":1,\"a\":\"\\u0000\"}", "\"\\ud800\"", "[]" },
	{ "true", "false", "true" },
};

static struct sql_catalog *catalog;

static void
fill(const struct sql_source *source, size_t r, struct arena *arena, struct value *row)
{
	struct err err;

	for (size_t i = 0; i < source->column_count; i++) {
		const char *name = source->columns[i].name;
		size_t column = (size_t)(strchr("abnfscdzjko", *name) - "abnfscdzjko");

		if (value_from_text(source->columns[i].type, slice_str(edges[column][r]), arena,
			&row[i], &err))
			row[i] = (struct value){ .state = VALUE_NULL };
	}
}

static void
run(struct sql_query *query, size_t r)
{
	const struct value *rows[SQL_SOURCES_MAX] = { NULL };
	struct sql_env env = { .rows = rows };
	struct value row[16], *out = calloc(sql_query_result_count(query), sizeof(*out));
	struct buf text = { 0 };
	struct arena arena;
	struct err err;
	bool passes;
	enum fate fate;

	must(out);
	arena_init(&arena, 1 << 16);
	if (sql_query_source_count(query) > 0) {
		fill(sql_query_source(query, 0), r, &arena, row);
		rows[0] = row;
	}
	fate = sql_query_run(query, &env, &arena, out, &passes, &err);
	must(fate == FATE_DONE || (fate == FATE_REJECT && err.code[0]) || fate == FATE_RETRY);
	for (size_t i = 0; !fate && passes && i < sql_query_result_count(query); i++) {
		if (out[i].state == VALUE_SET)
			value_to_text(&text, sql_query_results(query)[i].type, &out[i]);
	}
	buf_finish(&text);
	arena_finish(&arena);
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sql_query *query = NULL;
	struct sql_tables tables;
	struct slice text = slice_of((const char *)data, size);
	struct err err;
	enum fate fate;

	if (!catalog)
		must(!sql_catalog_parse(slice_str(catalog_text), &catalog, &err));
	if (!sql_query_tables(text, &tables, &err))
		sql_tables_free(&tables);
	fate = sql_query_compile(catalog, text, &query, &err);
	must(fate == FATE_DONE || fate == FATE_HALT);
	for (size_t r = 0; !fate && r < 3; r++)
		run(query, r);
	sql_query_free(query);
	return 0;
}
