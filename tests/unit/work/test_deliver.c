/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sink/fail.h"
#include "work/deliver_loop.h"

static void
assert_range(const char *metadata, const char *name, int64_t first, int64_t end)
{
	struct sink_range range = loop_metadata_frozen(slice_str(metadata), name);

	assert_int_equal(range.first, first);
	assert_int_equal(range.end, end);
}

static void
assert_form(const char *metadata, const char *form)
{
	assert_string_equal(loop_metadata_frozen(slice_str(metadata), "a.b").form, form);
}

static void
metadata_says_version_and_frozen_offsets(void **state)
{
	(void)state;
	assert_int_equal(loop_metadata_version(slice_str("")), 0);
	assert_int_equal(loop_metadata_version(slice_str("281474976710663")), 281474976710663);
	assert_int_equal(loop_metadata_version(slice_str("7;a.b=5-10")), 7);
	assert_int_equal(loop_metadata_version(slice_str("seven;a.b=5-10")), 0);
	assert_range("", "a.b", 0, 0);
	assert_range("7", "a.b", 0, 0);
	assert_range("7;a.b=5-10", "a.b", 5, 10);
	assert_range("0;a.bc=1-2;a.b=5-10;c=0-1", "a.b", 5, 10);
	assert_range("0;a.bc=1-2;a.b=5-10;c=0-1", "c", 0, 1);
	assert_range("0;a-b=5-10", "a-b", 5, 10);
	assert_range("0;a.b=5", "a.b", 0, 0);
	assert_range("0;a.b=x-10", "a.b", 0, 0);
	assert_range("7;a.b=5-10/change+array-7MZK2QWA", "a.b", 5, 10);
	assert_range("7;a.b=5-10/c;c=1-2/r", "c", 1, 2);
	assert_form("7;a.b=5-10", "");
	assert_form("7;a.b=5-10/change+array-7MZK2QWA", "change+array-7MZK2QWA");
	assert_form("7;c=1-2/row;a.b=5-10/change-A;", "change-A");
}

static const void *
secrets_of(void *owner, size_t route, const struct pipeline *now)
{
	(void)owner;
	(void)route;
	return now;
}

/* Each of three sinks is given them whatever the one before it says, and what a sink took
 * lives as long as it may borrow from it. */
static void
every_route_is_given_secrets(void **state)
{
	static const struct sink_fail_config configs[] = { { .secrets = "dd" },
		{ .secrets = "hrd" }, { .secrets = "drd" } };
	struct route routes[3] = { { .resume_ms = INT64_MAX, .pause.attempt = 9 } };
	struct deliver deliver = { .route_count = 3, .secrets = secrets_of };
	struct loop loop = { .d = &deliver, .routes = routes };
	struct pipeline *files[3];
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		routes[i].name = "x";
		assert_int_equal(
		    sink_open(&sink_fail, &configs[i], &routes[i].sink, &err), FATE_DONE);
		assert_int_equal(pipeline_read("pipelines/orders.yaml", &files[i], &err),
		    FATE_DONE); /* three times what a SIGHUP reads */
	}
	assert_int_equal(loop_give_secrets(&loop, files[0], &err), FATE_HALT);
	assert_ptr_equal(routes[0].secrets, files[0]);
	assert_null(routes[1].secrets);
	assert_ptr_equal(routes[2].secrets, files[0]);
	assert_true(routes[0].resume_ms < INT64_MAX && routes[0].pause.attempt == 0);
	assert_int_equal(loop_give_secrets(&loop, files[1], &err), FATE_RETRY);
	assert_ptr_equal(routes[0].secrets, files[1]);
	assert_null(routes[1].secrets);
	assert_ptr_equal(routes[2].secrets, files[0]);
	assert_int_equal(loop_give_secrets(&loop, files[2], &err), FATE_DONE);
	for (size_t i = 0; i < 3; i++) {
		assert_ptr_equal(routes[i].secrets, files[2]); /* the others were freed */
		sink_close(routes[i].sink);
	}
	pipeline_free(files[2]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metadata_says_version_and_frozen_offsets),
		cmocka_unit_test(every_route_is_given_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
