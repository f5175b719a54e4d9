/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "router/page.h"

static void
a_file_is_carried_whole(void **state)
{
	const struct page_file *file = page_file("/page/app.js");
	FILE *f = fopen("cmd/router/page/app.js", "r");
	char *text = malloc(1 << 20);
	size_t len;

	(void)state;
	assert_non_null(f);
	assert_non_null(text);
	len = fread(text, 1, 1 << 20, f);
	(void)fclose(f);
	assert_non_null(file);
	assert_int_equal(file->body.len, len);
	assert_memory_equal(file->body.p, text, len);
	assert_int_equal(strlen(file->etag), 18);
	free(text);
}

static void
only_what_is_carried_is_there(void **state)
{
	(void)state;
	assert_non_null(page_file("/"));
	assert_null(page_file("/page/"));
	assert_null(page_file("/page/../page/app.js"));
	assert_null(page_file(""));
}

/* Whether each path that follows `mark` in text, up to end, is served. */
static size_t
check_paths(struct slice text, const char *mark, const char *before, char end)
{
	size_t count = 0;

	for (const char *at = text.p; (at = strstr(at, mark)) != NULL; count++) {
		char path[64];
		const char *from = at + strlen(mark), *to = strchr(from, end);

		assert_non_null(to);
		(void)snprintf(path, sizeof path, "%s%.*s", before, (int)(to - from), from);
		if (!page_file(path))
			fail_msg("%s is not carried", path);
		at = to;
	}
	return count;
}

static void
what_the_page_names_is_there(void **state)
{
	(void)state;
	assert_in_range(check_paths(page_file("/")->body, "\"/page/", "/page/", '"'), 4, 9);
	assert_in_range(check_paths(page_file("/docs")->body, "\"/page/", "/page/", '"'), 4, 9);
	assert_in_range(
	    check_paths(page_file("/page/app.js")->body, "from \"./", "/page/", '"'), 6, 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_carried_whole),
		cmocka_unit_test(only_what_is_carried_is_there),
		cmocka_unit_test(what_the_page_names_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
