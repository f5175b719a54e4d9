/* SPDX-License-Identifier: Apache-2.0 */
/* sql_run -- nanoseconds of processor a row of the engagement query and of the board's score.
 *   build/gcc/tests/bench/sql_run [ROWS] */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/must.h"
#include "sql/query.h"

static const char score[] = "CASE event_type WHEN 'play' THEN 1 WHEN 'finish' THEN 1 "
			    "WHEN 'click' THEN 0.2 ELSE 0 END";

static struct slice
whole_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, 1 << 20);

	must(file && text);
	size_t len = fread(text, 1, (1 << 20) - 1, file);
	(void)fclose(file);
	return slice_of(text, len);
}

static void
set(struct value *row, const struct sql_source *source, const char *name, const char *text,
    struct arena *arena)
{
	struct err err;

	for (size_t i = 0; i < source->column_count; i++) {
		if (strcmp(source->columns[i].name, name) == 0)
			must(!value_from_text(
			    source->columns[i].type, slice_str(text), arena, &row[i], &err));
	}
}

/* Of the processor, not of the wall: other programs run beside. */
static double
cpu_ns(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
bench_query(int64_t count)
{
	static const char id[] = "0b0e6a5e-0000-4000-8000-000000000001";
	struct value fact[16] = { { .state = VALUE_NULL } },
		     dim[16] = { { .state = VALUE_NULL } };
	struct value out[16], key[4];
	const struct value *rows[2] = { fact, dim };
	struct sql_env env = { .rows = rows };
	struct sql_catalog *catalog;
	struct sql_query *query;
	struct arena kept, arena;
	struct err err;
	bool passes, null;
	double start;

	arena_init(&kept, 1 << 20);
	arena_init(&arena, 1 << 20);
	must(!sql_catalog_parse(whole_file("tests/unit/sql/catalog.json"), &catalog, &err));
	must(
	    !sql_query_compile(catalog, whole_file("sql/enrich/engagement.sql"), &query, &err));
	set(fact, sql_query_source(query, 0), "id", "7", &kept);
	set(fact, sql_query_source(query, 0), "content_id", id, &kept);
	set(fact, sql_query_source(query, 0), "event_type", "finish", &kept);
	set(fact, sql_query_source(query, 0), "duration_ms", "153200", &kept);
	set(dim, sql_query_source(query, 1), "length_seconds", "1260", &kept);
	start = cpu_ns();
	for (int64_t i = 0; i < count; i++) {
		must(!sql_query_key(query, 1, &env, &arena, key, &null, &err));
		must(!sql_query_run(query, &env, &arena, out, &passes, &err));
		arena_reset(&arena);
	}
	(void)printf("sql_engagement %.1f ns/row\n", (cpu_ns() - start) / (double)count);
	sql_query_free(query);
	sql_catalog_free(catalog);
	arena_finish(&arena);
	arena_finish(&kept);
}

static void
bench_score(int64_t count)
{
	const struct row_column columns[] = { { "event_type", { TYPE_TEXT, 0, 25, -1 } } };
	const char *const texts[] = { score };
	struct value row[1] = { { .state = VALUE_SET, .s = SLICE("click") } }, out[1];
	const struct value *rows[1] = { row };
	struct sql_env env = { .rows = rows };
	struct sql_exprs *exprs;
	struct arena arena;
	struct err err;
	double start;

	arena_init(&arena, 1 << 20);
	must(!sql_exprs_compile(columns, 1, texts, 1, &exprs, &err));
	start = cpu_ns();
	for (int64_t i = 0; i < count; i++)
		must(!sql_exprs_run(exprs, &env, &arena, out, &err));
	(void)printf("sql_score %.1f ns/row\n", (cpu_ns() - start) / (double)count);
	sql_exprs_free(exprs);
	arena_finish(&arena);
}

int
main(int argc, char **argv)
{
	int64_t count = 2000000;

	if (argc > 1 && !slice_i64(slice_str(argv[1]), &count))
		return 2;
	bench_query(count);
	bench_score(count);
	return 0;
}
