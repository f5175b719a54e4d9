/* SPDX-License-Identifier: Apache-2.0 */
/* A process that aborts, again and again: children do, and the next one reads their note. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "work/crash.h"

static char folder[64];

static int
folder_make(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/sluice-crash-XXXXXX");
	log_init("test", LOG_ERROR + 1);
	return !mkdtemp(folder) || setenv("RUNTIME_DIRECTORY", folder, 1);
}

static int
folder_remove(void **state)
{
	char path[128];

	(void)state;
	(void)snprintf(path, sizeof path, "%s/g-0.crash", folder);
	(void)unlink(path);
	return rmdir(folder);
}

/* Runs in a process of its own that ends by a signal, or well. */
static int
child(void (*life)(int arg), int arg)
{
	const struct rlimit no_core = { 0, 0 };
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)setrlimit(RLIMIT_CORE, &no_core);
		crash_open("g-0");
		life(arg);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

#define CLAIM(it)                                                                              \
	do {                                                                                   \
		if (!(it))                                                                     \
			_exit(__LINE__ % 200 + 1);                                             \
	} while (0)

/* A batch of "t"/0 from..to and one of "u"/1, with a bad one at 57. */
static void
batch_aborts(int signal_number)
{
	CLAIM(!crash_alone());
	for (int offset = 40; offset < 60; offset++)
		crash_take("t", 0, offset);
	crash_take("u", 1, 7);
	crash_done("t", 0, 50);
	(void)raise(signal_number);
}

/* One after the other until it. */
static void
one_by_one_aborts(int signal_number)
{
	CLAIM(crash_alone());
	crash_take("u", 1, 7);
	crash_done("u", 1, 8);
	for (int offset = 50; offset < 58; offset++) {
		CLAIM(crash_alone() && !crash_guilty("t", 0, offset));
		crash_take("t", 0, offset);
		if (offset < 57)
			crash_done("t", 0, offset + 1);
	}
	(void)raise(signal_number);
}

static void
the_guilty_one_is_known(int arg)
{
	(void)arg;
	CLAIM(
	    crash_guilty("t", 0, 57) && !crash_guilty("t", 0, 56) && !crash_guilty("u", 0, 57));
	CLAIM(crash_alone());
	crash_take("t", 0, 57);
	crash_done("t", 0, 58);
	CLAIM(!crash_guilty("t", 0, 57) && crash_alone());
	crash_take("t", 0, 58);
	crash_take("t", 0, 59);
	crash_done("t", 0, 60);
	CLAIM(!crash_alone());
}

static void
all_is_well(int arg)
{
	(void)arg;
	CLAIM(!crash_alone() && !crash_guilty("t", 0, 57));
}

static void
one_that_aborts_alone_is_found_out(void **state)
{
	static const int signals[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };

	(void)state;
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		for (int n = 0; n < CRASH_ABORTS; n++)
			assert_int_equal(child(batch_aborts, signals[i]), signals[i]);
		assert_int_equal(child(one_by_one_aborts, signals[i]), signals[i]);
		assert_int_equal(child(the_guilty_one_is_known, 0), 0);
		assert_int_equal(child(all_is_well, 0), 0);
	}
}

static void
kill_9_and_an_end_are_no_aborts(void **state)
{
	(void)state;
	for (int n = 0; n < CRASH_ABORTS + 2; n++)
		assert_int_equal(child(batch_aborts, SIGKILL), SIGKILL);
	assert_int_equal(child(all_is_well, 0), 0);
}

static void
other_batch_aborts(int from)
{
	for (int offset = from; offset < from + 10; offset++)
		crash_take("t", 0, offset);
	abort();
}

/* Aborts that have nothing in common are three first ones. */
static void
other_offsets_begin_anew(void **state)
{
	(void)state;
	for (int n = 0; n < CRASH_ABORTS + 1; n++)
		assert_int_equal(child(other_batch_aborts, n * 100), SIGABRT);
	assert_int_equal(child(all_is_well, 0), 0);
}

static void
a_stranger_aborts(int offset)
{
	CLAIM(crash_alone());
	crash_take("t", 0, offset);
	abort();
}

static void
the_stranger_is_suspected_alone(int offset)
{
	CLAIM(!crash_guilty("t", 0, offset) && !crash_alone());
	crash_take("t", 0, offset);
	crash_done("t", 0, offset + 1);
}

/* One that was never suspected is not guilty for being alone in hand. */
static void
a_lone_stranger_is_not_guilty(void **state)
{
	(void)state;
	for (int offset = 299; offset <= 310; offset += 11) {
		for (int n = 0; n < CRASH_ABORTS; n++)
			assert_int_equal(child(other_batch_aborts, 300), SIGABRT);
		assert_int_equal(child(a_stranger_aborts, offset), SIGABRT);
		assert_int_equal(child(the_stranger_is_suspected_alone, offset), 0);
		assert_int_equal(child(all_is_well, 0), 0);
	}
}

static void
suspects_go_to_another(int arg)
{
	static const struct kafka_part mine[] = { { .topic = "t", .partition = 1 },
		{ .topic = "u" } };

	(void)arg;
	CLAIM(crash_alone());
	crash_keep(mine, 2);
	CLAIM(!crash_alone());
}

static void
what_is_anothers_is_forgotten(void **state)
{
	(void)state;
	for (int n = 0; n < CRASH_ABORTS; n++)
		assert_int_equal(child(other_batch_aborts, 300), SIGABRT);
	assert_int_equal(child(suspects_go_to_another, 0), 0);
	assert_int_equal(child(all_is_well, 0), 0);
}

static void
an_odd_file_is_no_note(void **state)
{
	char path[128];
	FILE *file;

	(void)state;
	(void)snprintf(path, sizeof path, "%s/g-0.crash", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	for (int i = 0; i < 200000; i++)
		(void)fputc(0xff, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(child(all_is_well, 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    one_that_aborts_alone_is_found_out, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(
		    kill_9_and_an_end_are_no_aborts, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(
		    other_offsets_begin_anew, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(
		    a_lone_stranger_is_not_guilty, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(
		    what_is_anothers_is_forgotten, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(
		    an_odd_file_is_no_note, folder_make, folder_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
