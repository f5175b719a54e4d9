/* SPDX-License-Identifier: Apache-2.0 */
/* cache.c -- the dimension cache alone, over the columns of content that the engagement
 * query uses: how many hits a second one core takes out of 20,000 entries, and the peak
 * memory of a process that holds a million of them.
 *
 * Prints "NAME VALUE UNIT BOUND ok|MISS", the hits as the median of three runs; exit 1
 * on a MISS. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/must.h"
#include "wire/pack.h"
#include "work/dimension.h"

enum { ALL = 1000000, HOT = 20000, LOOKUPS = 5000000, RUNS = 3, COLUMNS = 3 };

static const struct row_column columns[COLUMNS] = {
	{ "id", { .kind = TYPE_UUID, .typmod = -1 } },
	{ "content_type", { .kind = TYPE_TEXT, .typmod = -1 } },
	{ "length_seconds", { .kind = TYPE_INT4, .typmod = -1 } },
};
static const char *const types[] = { "podcast", "newsletter", "video" };

static struct slice
key_of(struct buf *key, unsigned i)
{
	struct value id = { .state = VALUE_SET };

	for (unsigned b = 0; b < 16; b++)
		id.uuid[b] = (uint8_t)(i * 2654435761u >> b % 4 * 8);
	key->len = 0;
	value_pack(key, columns[0].type, &id);
	return buf_view(key);
}

static struct dimension *
filled(unsigned count)
{
	struct dimension *d = dimension_new(columns, COLUMNS, (size_t)1 << 30, 0);
	struct buf key = { 0 };

	for (unsigned i = 0; i < count; i++) {
		struct value row[COLUMNS] = { { .state = VALUE_SET }, { .state = VALUE_SET },
			{ .state = VALUE_SET } };

		row[1].s = slice_str(types[i % 3]);
		row[2].i = i % 3600;
		dimension_put(d, key_of(&key, i), row, 0);
	}
	must(dimension_count(d) == count);
	buf_finish(&key);
	return d;
}

static double
cpu_seconds(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
hits_per_second(struct dimension *d, struct arena *arena)
{
	struct value row[COLUMNS];
	struct buf key = { 0 };
	double start = cpu_seconds();
	unsigned dice = 1;

	for (unsigned i = 0; i < LOOKUPS; i++) {
		dice = dice * 1664525 + 1013904223;
		arena_reset(arena);
		must(dimension_get(d, key_of(&key, (dice >> 8) % HOT), 0, arena, row) ==
		     DIMENSION_ROW);
	}
	buf_finish(&key);
	return LOOKUPS / (cpu_seconds() - start);
}

static double
peak_mb(void)
{
	char line[256];
	FILE *status = fopen("/proc/self/status", "r");
	double kb = 0;

	must(status);
	while (fgets(line, sizeof line, status))
		if (sscanf(line, "VmHWM: %lf", &kb) == 1)
			break;
	(void)fclose(status);
	return kb / 1024;
}

static int
compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int
main(void)
{
	struct dimension *hot = filled(HOT), *all;
	struct arena arena;
	double runs[RUNS], mb;

	arena_init(&arena, 1 << 20);
	for (int i = 0; i < RUNS; i++)
		runs[i] = hits_per_second(hot, &arena) / 1e6;
	dimension_free(hot);
	qsort(runs, RUNS, sizeof *runs, compare);
	all = filled(ALL);
	mb = peak_mb();
	dimension_free(all);
	arena_finish(&arena);
	(void)printf("cache_hits %.2f M/s >=5 %s\n", runs[RUNS / 2],
	    runs[RUNS / 2] >= 5 ? "ok" : "MISS");
	(void)printf("cache_1m_rss %.0f MB <=150 %s\n", mb, mb <= 150 ? "ok" : "MISS");
	return runs[RUNS / 2] < 5 || mb > 150;
}
