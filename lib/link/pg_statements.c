/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "link/pg_session.h"

/* FNV-1a, 64 bits, eight bytes a step: only a hint, texts are compared. */
uint64_t
pg_text_hash(const char *sql)
{
	uint64_t hash = 14695981039346656037u;
	size_t len = strlen(sql), i = 0;

	for (; i + 8 <= len; i += 8) {
		uint64_t eight;

		memcpy(&eight, sql + i, sizeof eight);
		hash = (hash ^ eight) * 1099511628211u;
		hash ^= hash >> 29;
	}
	for (; i < len; i++)
		hash = (hash ^ (unsigned char)sql[i]) * 1099511628211u;
	return hash ^ hash >> 32;
}

static void
age_out(struct pg_statements *all, struct pg_statement *one)
{
	*(one->newer ? &one->newer->older : &all->newest) = one->older;
	*(one->older ? &one->older->newer : &all->oldest) = one->newer;
}

static void
age_in(struct pg_statements *all, struct pg_statement *one)
{
	one->newer = NULL;
	one->older = all->newest;
	*(all->newest ? &all->newest->newer : &all->oldest) = one;
	all->newest = one;
}

struct pg_statement *
pg_statements_find(struct pg_statements *all, const char *sql, uint64_t hash)
{
	struct pg_statement *one = all->buckets[hash % PG_STATEMENTS_MAX];

	while (one && (one->hash != hash || strcmp(one->sql, sql) != 0))
		one = one->chain;
	if (one && one != all->newest) {
		age_out(all, one);
		age_in(all, one);
	}
	return one;
}

struct pg_statement *
pg_statements_add(struct pg_statements *all, const char *sql, uint64_t hash, char evicted[12])
{
	struct pg_statement *one, **bucket = &all->buckets[hash % PG_STATEMENTS_MAX];

	evicted[0] = 0;
	if (all->count == PG_STATEMENTS_MAX) {
		memcpy(evicted, all->oldest->name, sizeof all->oldest->name);
		pg_statements_drop(all, all->oldest);
	}
	one = calloc(1, sizeof *one);
	must(one);
	one->sql = strdup(sql);
	must(one->sql);
	one->hash = hash;
	(void)snprintf(one->name, sizeof one->name, "q%u", all->named++);
	one->chain = *bucket;
	*bucket = one;
	age_in(all, one);
	all->count++;
	return one;
}

void
pg_statements_drop(struct pg_statements *all, struct pg_statement *one)
{
	struct pg_statement **at;

	one->ready = false;
	if (one == &all->unnamed)
		return;
	at = &all->buckets[one->hash % PG_STATEMENTS_MAX];
	while (*at != one)
		at = &(*at)->chain;
	*at = one->chain;
	age_out(all, one);
	all->count--;
	free(one->sql);
	free(one->columns);
	free(one);
}

void
pg_statements_clear(struct pg_statements *all)
{
	while (all->newest)
		pg_statements_drop(all, all->newest);
	free(all->unnamed.columns);
	all->unnamed = (struct pg_statement){ .ready = false };
}

void
pg_statement_describe(struct pg_statement *one, const struct pg_column *columns, size_t count)
{
	size_t bytes = 0;
	char *names;

	for (size_t i = 0; i < count; i++)
		bytes += strlen(columns[i].name) + 1;
	free(one->columns);
	one->columns = malloc(count * sizeof *columns + bytes + 1);
	must(one->columns);
	names = (char *)(one->columns + count);
	for (size_t i = 0; i < count; i++) {
		size_t size = strlen(columns[i].name) + 1;

		one->columns[i] = columns[i];
		one->columns[i].name = names;
		memcpy(names, columns[i].name, size);
		names += size;
	}
	one->column_count = count;
	one->ready = true;
}
