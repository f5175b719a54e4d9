/* SPDX-License-Identifier: Apache-2.0 */
/* The view that people see in Postgres is the query that the stream runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"

static void
file_read(struct buf *out, const char *folder, const char *name)
{
	char path[128], block[4096];
	FILE *file;
	size_t len;

	(void)snprintf(path, sizeof path, "sql/%s/%s.sql", folder, name);
	file = fopen(path, "r");
	assert_non_null(file);
	while ((len = fread(block, 1, sizeof block, file)) > 0)
		buf_put(out, block, len);
	(void)fclose(file);
	(void)buf_str(out);
}

static void
views_hold_the_text_of_the_query(void **state)
{
	static const char *const names[] = { "engagement", "orders" };

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct buf query = { 0 }, schema = { 0 };
		const char *view, *select;

		file_read(&query, "enrich", names[i]);
		file_read(&schema, "postgres", names[i]);
		view = strstr(buf_str(&schema), "CREATE OR REPLACE VIEW");
		assert_non_null(view);
		view = strstr(view, " AS\n");
		select = strstr(buf_str(&query), "\nSELECT");
		assert_non_null(view);
		assert_non_null(select);
		assert_memory_equal(view + 4, select + 1, strlen(select + 1));
		assert_int_equal(view[4 + strlen(select + 1)], ';');
		buf_finish(&query);
		buf_finish(&schema);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(views_hold_the_text_of_the_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
