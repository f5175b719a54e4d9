/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../stack/clickhouse/users.h"

/* printf secret | sha256sum */
#define SECRET "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"

static char path[] = "/tmp/sluice-users-XXXXXX";

static enum fate
load(const char *text, struct users *users, struct err *err)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	return users_load(path, users, err);
}

static void
names_passwords_and_rights(void **state)
{
	struct users users = { 0 };
	struct err err = { 0 };
	const struct user *user;

	(void)state;
	assert_int_equal(load("# who\n\nann " SECRET " readonly\n  bob\t" SECRET " readwrite\n",
			     &users, &err),
	    FATE_DONE);
	assert_int_equal(users.count, 2);
	user = users_find(&users, "ann", "secret");
	assert_non_null(user);
	assert_true(user->readonly);
	user = users_find(&users, "bob", "secret");
	assert_non_null(user);
	assert_false(user->readonly);
	assert_null(users_find(&users, "ann", ""));
	assert_null(users_find(&users, "ann", "Secret"));
	assert_null(users_find(&users, "default", ""));
	users_finish(&users);
}

static void
bad_lines_are_named(void **state)
{
	struct users users = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(load("# who\nann abc readonly\n", &users, &err), FATE_HALT);
	assert_non_null(strstr(err.what, ":2: ann's hash is not 64 hex digits"));
	assert_int_equal(load("ann " SECRET " reader\n", &users, &err), FATE_HALT);
	assert_non_null(strstr(err.what, ":1: reader is neither"));
	assert_int_equal(load("ann " SECRET "\n", &users, &err), FATE_HALT);
	assert_int_equal(load("ann " SECRET " readonly more\n", &users, &err), FATE_HALT);
	assert_int_equal(load("\n", &users, &err), FATE_HALT);
	assert_int_equal(users_load("/nonexistent/users", &users, &err), FATE_HALT);
}

static void
without_a_file_there_is_default(void **state)
{
	struct users users = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(users_load(NULL, &users, &err), FATE_DONE);
	assert_non_null(users_find(&users, "default", ""));
	assert_null(users_find(&users, "default", "x"));
	users_finish(&users);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_passwords_and_rights),
		cmocka_unit_test(bad_lines_are_named),
		cmocka_unit_test(without_a_file_there_is_default),
	};
	int fd = mkstemp(path);
	int failed;

	if (fd < 0)
		return 1;
	(void)close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	return failed;
}
