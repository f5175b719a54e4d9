/* SPDX-License-Identifier: Apache-2.0 */
/* sql_fixture.h -- the catalogue of tests/unit/sql/catalog.json and small helpers.
 *
 * The JSON was written by sql/postgres/catalog.sql on a PostgreSQL 15 after
 * sql/postgres/engagement.sql. Include after cmocka.h. */
#ifndef TESTS_SQL_FIXTURE_H
#define TESTS_SQL_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql/query.h"

/* A whole file of the repository, terminated; free it. */
static char *
fixture_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, 1 << 20);

	assert_non_null(file);
	assert_non_null(text);
	assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
	(void)fclose(file);
	return text;
}

static int
fixture_open(void **state)
{
	char *json = fixture_file("tests/unit/sql/catalog.json");
	struct sql_catalog *catalog;
	struct err err;

	if (sql_catalog_parse(slice_str(json), &catalog, &err))
		fail_msg("%s", err.what);
	free(json);
	*state = catalog;
	return 0;
}

static int
fixture_close(void **state)
{
	sql_catalog_free(*state);
	return 0;
}

/* Compiles and frees text. */
static inline struct sql_query *
fixture_query(const struct sql_catalog *catalog, char *text)
{
	struct sql_query *query = NULL;
	struct err err;

	if (sql_query_compile(catalog, slice_str(text), &query, &err))
		fail_msg("%s: %s", text, err.what);
	free(text);
	return query;
}

#endif
