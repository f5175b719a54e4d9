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

static void
take(struct loop *loop, int64_t first, int64_t end)
{
	for (; first < end; first++) {
		struct record *record = ledger_add(loop->ledger, "t", 0, first);

		record->value = SLICE("0123456789");
		ledger_weigh(loop->ledger, record);
	}
}

/* What a predecessor froze fits in, whatever the limits are, and they hold again once it is
 * done. */
static void
frozen_offsets_have_room_until_they_are_done(void **state)
{
	struct deliver deliver = { .route_count = 2, .rows_max = 4, .bytes_max = 40 };
	struct frozen_room rooms[2];
	struct route routes[2] = { 0 };
	struct loop loop = {
		.d = &deliver, .ledger = ledger_new(), .rooms = rooms, .routes = routes
	};
	struct sink_part part = { .topic = "t", .committed = 10, .frozen = { 5, 20, "" } };

	(void)state;
	ledger_watch(loop.ledger, "t", 0, 10);
	loop_room_make(&loop, &(struct sink_part){ .topic = "t", .partition = 1 }); /* none */
	loop_room_make(&loop, &part);
	assert_int_equal(loop.frozen_rows, 20); /* ten offsets, a record for each target */
	part.frozen.end = 15;                   /* the other target has less of it */
	loop_room_make(&loop, &part);
	assert_int_equal(loop.frozen_rows, 20);
	part.frozen = (struct sink_range){ 5, 90, "row" }; /* not in one piece */
	loop_room_make(&loop, &part);
	assert_int_equal(loop.frozen_rows, 20);
	take(&loop, 10, 29);
	assert_true(loop_has_room(&loop)); /* 19 records of ten bytes */
	take(&loop, 29, 30);
	assert_false(loop_has_room(&loop)); /* all of it came */
	loop_room_pass(&loop, "t", 0, 19);
	assert_int_equal(loop.frozen_rows, 20);
	loop_room_pass(&loop, "t", 1, 20);
	assert_int_equal(loop.frozen_rows, 20);
	loop_room_pass(&loop, "t", 0, 20);
	assert_int_equal(loop.frozen_rows, 0);
	ledger_clear(loop.ledger, NULL, NULL);
	ledger_watch(loop.ledger, "t", 0, 30);
	take(&loop, 30, 33);
	assert_true(loop_has_room(&loop));
	take(&loop, 33, 34);
	assert_false(loop_has_room(&loop)); /* bytes_max, and rows_max */
	ledger_clear(loop.ledger, NULL, NULL);
	ledger_free(loop.ledger);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metadata_says_version_and_frozen_offsets),
		cmocka_unit_test(every_route_is_given_secrets),
		cmocka_unit_test(frozen_offsets_have_room_until_they_are_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
