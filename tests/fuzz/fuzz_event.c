/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_event.c -- any bytes as a Debezium event, carried through compiled queries as the
 * enrich worker does: decoded by the catalogue's types, keyed, evaluated.
 *
 * The first byte picks the query and whether the dimension has its row. Nothing may crash; a
 * result prints as JSON; a refusal has a SQLSTATE and a sentence; and the same event run
 * again, as after a Postgres that was away, gives the same bytes. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "sql/query.h"
#include "wire/change.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define COLUMN(name, type, base, oid, typmod, elem, key)                                       \
	"{\"name\":\"" name "\",\"attnum\":1,\"type\":\"" type "\",\"type_name\":\"" base      \
	"\",\"oid\":" oid ",\"typmod\":" typmod                                                \
	",\"domain\":false,\"typtype\":\"b\",\"base\":\"" base "\",\"elem\":" elem             \
	",\"labels\":null,\"not_null\":" key                                                   \
	",\"toastable\":true,\"identity\":true,\"collation\":\"C\"}"
#define TABLE(name, columns)                                                                   \
	"{\"schema\":\"public\",\"name\":\"" name                                              \
	"\",\"relkind\":\"r\",\"replica_identity\":\"f\","                                     \
	"\"row_estimate\":1,\"columns\":[" columns "],\"keys\":[{\"name\":\"" name             \
	"_pkey\",\"primary\":true,\"deferrable\":false,\"columns\":[\"id\"]}],\"indexes\":[]}"

static const char catalog_text[] =
    "{\"database\":\"x\",\"server_version\":\"15.1\",\"default_collation\":\"C\",\"missing\":[]"
    ","
    "\"case\":null,\"tables\":[" TABLE("t",
	COLUMN("id", "integer", "int4", "23", "-1", "0", "true") "," COLUMN("s", "smallint",
	    "int2", "21", "-1", "0",
	    "false") "," COLUMN("l", "bigint", "int8", "20", "-1", "0", "false") "," COLUMN("b",
	    "boolean", "bool", "16", "-1", "0", "false") "," COLUMN("n", "numeric", "numeric",
	    "1700", "-1", "0", "false") "," COLUMN("np", "numeric(10,2)", "numeric", "1700",
	    "655366", "0", "false") "," COLUMN("f", "real", "float4", "700", "-1", "0",
	    "false") "," COLUMN("g", "double precision", "float8", "701", "-1", "0",
	    "false") "," COLUMN("t", "text", "text", "25", "-1", "0", "false") "," COLUMN("c",
	    "character(3)", "bpchar", "1042", "7", "0", "false") "," COLUMN("u", "uuid", "uuid",
	    "2950", "-1", "0", "false") "," COLUMN("d", "date", "date", "1082", "-1", "0",
	    "false") "," COLUMN("ts", "timestamp without time zone", "timestamp", "1114", "-1",
	    "0", "false") "," COLUMN("tz", "timestamp with time zone", "timestamptz", "1184",
	    "-1", "0", "false") "," COLUMN("j", "jsonb", "jsonb", "3802", "-1", "0",
	    "false") "," COLUMN("k", "json", "json", "114", "-1", "0", "false") "," COLUMN("y",
	    "bytea", "bytea", "17", "-1", "0", "false") "," COLUMN("a", "text[]", "_text",
	    "1009", "-1", "25", "false")) "," TABLE("e",
	COLUMN("id", "integer", "int4", "23", "-1", "0", "true") "," COLUMN(
	    "t", "text", "text", "25", "-1", "0", "false") "," COLUMN("n", "numeric(10,2)",
	    "numeric", "1700", "655366", "0", "false")) "]}";

static const char *const texts[] = {
	"SELECT * FROM t",
	"SELECT t.id, t.s + t.l AS a, t.l * 3 AS b, t.s / NULLIF(t.id, 5) AS c, -t.l AS d, t.l "
	"% 7 AS e, "
	"abs(t.s) AS f, t.n * t.np AS g, round(t.n, 2) AS h, t.n / t.np AS i, trunc(t.np) AS "
	"j, "
	"ceil(t.n) AS k, t.f + t.g AS l, t.g::numeric AS m, t.n::float8 AS o, t.n::int AS p "
	"FROM t WHERE t.b IS NOT FALSE",
	"SELECT t.id, upper(t.t) AS a, t.t || t.c AS b, substring(t.t, t.s, 3) AS c, left(t.t, "
	"t.s) AS d, "
	"replace(t.t, t.c, 'x') AS e, split_part(t.t, ',', 2) AS f, strpos(t.t, t.c) AS g, "
	"btrim(t.t, t.c) AS h, concat_ws(t.c, t.t, t.id, t.b, t.n) AS i, t.t LIKE '%a_' AS j, "
	"char_length(t.c) AS k, t.t::int AS l, t.c = t.t AS m, right(t.t, -2) AS o FROM t",
	"SELECT t.id, t.d + 1 AS a, t.ts + interval '1 month' AS b, date_trunc('week', t.tz) "
	"AS c, "
	"extract(epoch FROM t.tz) AS d, extract(isoyear FROM t.d) AS e, t.tz::text AS f, "
	"to_timestamp(t.g) AS g, t.ts::date AS h, t.tz > t.ts AS i, t.d::timestamp AS j, "
	"date_part('dow', t.ts) AS k, t.ts - interval '2 days 03:00' AS l FROM t",
	"SELECT t.id, t.j -> 'a' AS a, t.j ->> 0 AS b, t.j #>> '{a,b}' AS c, t.j ? 'a' AS d, "
	"(t.j ->> 'n')::numeric AS e, t.k -> 'a' AS f, t.j = '1'::jsonb AS g, t.k ->> 'a' AS "
	"h, "
	"t.j::text AS i, t.y AS j, t.a AS k, t.u AS l, t.u::text AS m FROM t",
	"SELECT t.id, e.t, e.n * t.n AS x, CASE WHEN t.b THEN e.t WHEN t.s > 3 THEN 'm' ELSE "
	"t.t END AS y, "
	"COALESCE(e.n, t.np, 0) AS z, GREATEST(t.l, t.id) AS w FROM t JOIN e ON e.id = t.s "
	"WHERE t.t <> 'no'",
	"SELECT t.id, e.t, e.n FROM t LEFT JOIN e ON e.id = t.l WHERE t.n BETWEEN -5 AND 5 OR "
	"e.n IN (1, 2)",
};
enum { QUERIES = sizeof texts / sizeof *texts, RESULTS_MAX = 64 };

struct carried {
	struct sql_query *query;
	struct row_plan *fact, *dimension; /* dimension NULL: there is none */
};

static struct carried queries[QUERIES];
static struct arena arena;

static void
start(void)
{
	struct sql_catalog *catalog = NULL;
	struct err err = { 0 };

	if (queries[0].query)
		return;
	arena_init(&arena, 64 << 20);
	if (sql_catalog_parse(slice_str(catalog_text), &catalog, &err) != FATE_DONE)
		abort();
	for (size_t i = 0; i < QUERIES; i++) {
		struct carried *q = &queries[i];
		const struct sql_source *source;

		if (sql_query_compile(catalog, slice_str(texts[i]), &q->query, &err) !=
		    FATE_DONE) {
			(void)fprintf(stderr, "query %zu: %s\n", i, err.what);
			abort();
		}
		source = sql_query_source(q->query, 0);
		q->fact = row_plan_new(source->columns, source->column_count);
		if (sql_query_source_count(q->query) == 1)
			continue;
		source = sql_query_source(q->query, 1);
		q->dimension = row_plan_new(source->columns, source->column_count);
	}
	sql_catalog_free(catalog);
}

/* What a field lacks the worker looks up; here it is not there. */
static struct value *
row_of(struct row_plan *plan, const struct sql_source *source, struct slice object,
    const struct change *change)
{
	struct value *row = arena_alloc(&arena, source->column_count * sizeof *row);
	struct err err;

	must(row);
	if (!object.p || row_read(plan, object, change->schema, &arena, row, &err) != FATE_DONE)
		return NULL;
	for (size_t i = 0; i < source->column_count; i++)
		if (row[i].state == VALUE_UNSET)
			row[i].state = VALUE_NULL;
	return row;
}

static void
print(const struct sql_query *query, const struct value *results, struct buf *out)
{
	const struct row_column *columns = sql_query_results(query);

	for (size_t i = 0; i < sql_query_result_count(query); i++) {
		size_t from = out->len;
		struct slice raw;
		struct err err;

		must(results[i].state != VALUE_UNSET);
		if (results[i].state == VALUE_NULL)
			buf_cstr(out, "null");
		else
			value_to_json(out, columns[i].type, &results[i]);
		must(json_check(slice_of(out->p + from, out->len - from), &raw, &err) ==
		     FATE_DONE);
		buf_byte(out, '\n');
	}
}

static void
evaluate(
    struct carried *q, const struct value *fact, const struct value *dimension, struct buf *out)
{
	const struct value *rows[2] = { fact, NULL };
	struct sql_env env = { rows };
	struct value results[RESULTS_MAX], key[SQL_KEY_COLUMNS_MAX];
	struct err err = { 0 };
	bool passes = false, is_null = false;
	enum fate fate = FATE_DONE;

	must(sql_query_result_count(q->query) <= RESULTS_MAX);
	if (q->dimension)
		fate = sql_query_key(q->query, 1, &env, &arena, key, &is_null, &err);
	if (fate == FATE_DONE && !is_null)
		rows[1] = dimension;
	if (fate == FATE_DONE)
		fate = sql_query_run(q->query, &env, &arena, results, &passes, &err);
	if (fate == FATE_RETRY)
		return; /* the arena is full */
	must(fate == FATE_DONE || fate == FATE_REJECT);
	if (fate == FATE_REJECT) {
		must(strlen(err.code) == 5 && *err.what);
		buf_printf(out, "%s %s\n", err.code, err.what);
	} else if (passes) {
		print(q->query, results, out);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf once = { 0 }, again = { 0 };
	struct value *fact, *dimension = NULL;
	struct change change;
	struct carried *q;
	struct err err;

	start();
	if (size < 1)
		return 0;
	q = &queries[data[0] % QUERIES];
	arena_reset(&arena);
	if (change_read(slice_of((const char *)data + 1, size - 1), &change, &err) !=
		FATE_DONE ||
	    change.kind != CHANGE_ROW)
		return 0;
	fact = row_of(q->fact, sql_query_source(q->query, 0), change.after, &change);
	if (!fact)
		return 0;
	if (q->dimension && data[0] < 128)
		dimension =
		    row_of(q->dimension, sql_query_source(q->query, 1), change.before, &change);
	evaluate(q, fact, dimension, &once);
	evaluate(q, fact, dimension, &again);
	must(slice_eq(buf_view(&once), buf_view(&again)));
	buf_finish(&once);
	buf_finish(&again);
	return 0;
}
