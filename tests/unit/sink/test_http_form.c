/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sink/http_form.h"

enum { PARTITION = 2, AHEAD = HTTP_FORM_AHEAD };

static const struct row_column columns[] = { { "id", { .oid = 20, .typmod = -1 } } };
static const struct row_column wider[] = { { "id", { .oid = 1700, .typmod = -1 } } };

static bool
same(const struct sink_http_config *a, const struct sink_http_config *b)
{
	char x[SINK_FORM_SIZE], y[SINK_FORM_SIZE];

	http_form(a, x);
	http_form(b, y);
	return strcmp(x, y) == 0;
}

static void
a_form_is_what_shapes_a_rows_body(void **state)
{
	const struct sink_http_config change = { .url = "http://a" };
	const struct sink_http_config elsewhere = {
		.url = "http://b", .secrets = "x", .lanes = 3, .timeout_ms = 1, .source = "p"
	};
	const struct sink_http_config array = { .batch_rows = 1 }, arrays = { .batch_rows = 9 };
	const struct sink_http_config row = { .format = HTTP_ROW };
	const struct sink_http_config p = { .format = HTTP_CLOUDEVENTS, .source = "p" };
	const struct sink_http_config q = { .format = HTTP_CLOUDEVENTS, .source = "q" };
	const struct sink_http_config id = {
		.format = HTTP_SELECT, .select = "id", .columns = columns, .column_count = 1
	};
	struct sink_http_config other = id, typed = id;
	char form[SINK_FORM_SIZE];

	(void)state;
	assert_true(same(&change, &elsewhere));
	assert_false(same(&change, &array));
	assert_true(same(&array, &arrays));
	assert_false(same(&change, &row));
	assert_false(same(&p, &q));
	other.select = "id AS n";
	typed.columns = wider;
	assert_false(same(&id, &other));
	assert_false(same(&id, &typed));
	http_form(&array, form);
	assert_memory_equal(form, "change+array-", 13);
	assert_int_equal(strlen(form), 13 + 8);
}

static struct http_open
assigned(int64_t committed, struct sink_range frozen, int64_t end, const char *form)
{
	const struct sink_part part = { .topic = "t",
		.partition = PARTITION,
		.committed = committed,
		.frozen = frozen,
		.end = end };
	struct http_open open = { 0 };
	struct err err;

	assert_int_equal(http_open_assign(&open, &part, 1, form, false, &err), FATE_DONE);
	return open;
}

static int64_t
said(const struct http_open *open, size_t pending)
{
	struct sink_range range = { 0 };

	return http_open_range(open, PARTITION, pending, &range) ? range.end : 0;
}

static void
nothing_goes_out_before_the_group_knows(void **state)
{
	struct http_open open = assigned(7, (struct sink_range){ 0 }, 7, "a");

	(void)state;
	assert_false(http_open_short(&open));
	assert_false(http_open_changed(&open, 0));
	assert_int_equal(said(&open, 0), 0);
	http_open_add(&open, PARTITION + 1, 7, 100); /* nobody assigned that one */
	assert_false(http_open_short(&open));
	http_open_add(&open, PARTITION, 7, 100);
	http_open_add(&open, PARTITION, 8, 100);
	assert_true(http_open_short(&open) && http_open_changed(&open, 2));
	assert_int_equal(said(&open, 2), 8 + AHEAD);
	http_open_told(&open, 2);
	assert_false(http_open_short(&open) || http_open_changed(&open, 2));
	http_open_add(&open, PARTITION, 6 + AHEAD / 2, 100);
	assert_false(http_open_changed(&open, 3));
	http_open_add(&open, PARTITION, 8 + AHEAD / 2, 100); /* half of it is used */
	assert_true(http_open_changed(&open, 4) && !http_open_short(&open));
	http_open_add(&open, PARTITION, 7 + AHEAD, 100);
	assert_false(http_open_short(&open));
	http_open_add(&open, PARTITION, 8 + AHEAD, 100); /* all of it is */
	assert_true(http_open_short(&open));
	assert_int_equal(said(&open, 5), 9 + AHEAD / 2 + AHEAD);
	http_open_told(&open, 5);
	assert_false(http_open_short(&open) || http_open_changed(&open, 5));
	http_open_finish(&open);
}

static void
it_is_taken_back_when_nothing_is_in_hand(void **state)
{
	struct http_open open = assigned(7, (struct sink_range){ 0 }, 7, "a");

	(void)state;
	for (int closing = 0; closing < 2; closing++) {
		http_open_add(&open, PARTITION, 7, 100);
		http_open_told(&open, 1);
		open.closing = closing;
		open.idle = !closing;
		assert_false(http_open_changed(&open, 1)); /* it is still in hand */
		assert_int_equal(said(&open, 1), 8 + AHEAD);
		assert_true(http_open_changed(&open, 0));
		assert_int_equal(said(&open, 0), 0);
		http_open_told(&open, 0);
		assert_false(http_open_changed(&open, 0));
	}
	http_open_finish(&open);
}

static enum fate
offered(int64_t committed, int64_t frozen_end, int64_t end, bool accept, struct err *err)
{
	const struct sink_part parts[] = {
		{ .topic = "t", .partition = 1, .committed = 5, .end = 900 },
		{ .topic = "t",
		    .partition = PARTITION,
		    .committed = committed,
		    .frozen = { 3, frozen_end, "change-OLD" },
		    .end = end },
	};
	struct http_open open = { 0 };
	enum fate fate = http_open_assign(&open, parts, 2, "row-NEW", accept, err);

	http_open_finish(&open);
	return fate;
}

static void
another_form_is_refused_while_deliveries_are_open(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(offered(7, 100, 50, false, &err), FATE_HALT);
	assert_string_equal(err.code, "CONFIG");
	assert_non_null(strstr(err.what, "t/2 from 7 on are open as change-OLD and would now "
					 "be row-NEW"));
	assert_non_null(strstr(err.what, "--drain"));
	assert_int_equal(offered(7, 100, 50, true, &err), FATE_DONE);
	assert_int_equal(offered(100, 100, 200, false, &err), FATE_DONE); /* all answered */
	assert_int_equal(offered(50, 100, 50, false, &err), FATE_DONE);   /* none was there */
}

/* A worker that is killed again, before all that was open came to it, forgets nothing. */
static void
what_a_worker_before_left_open_stays_known(void **state)
{
	struct http_open open = assigned(7, (struct sink_range){ 3, 100, "a" }, 50, "a");

	(void)state;
	open.idle = true; /* Kafka is slow: nothing has come yet */
	assert_int_equal(said(&open, 0), 50);
	assert_true(http_open_changed(&open, 0));
	http_open_told(&open, 0);
	assert_false(http_open_changed(&open, 0));
	http_open_add(&open, PARTITION, 7, 100);
	assert_false(http_open_short(&open)); /* the group knows */
	http_open_told(&open, 1);
	open.idle = true;
	assert_int_equal(said(&open, 0), 50);
	http_open_add(&open, PARTITION, 49, 100);
	http_open_told(&open, 1);
	open.idle = true;
	assert_int_equal(said(&open, 0), 0);
	http_open_finish(&open);
	open = assigned(50, (struct sink_range){ 3, 100, "a" }, 50, "a"); /* all was answered */
	assert_int_equal(said(&open, 0), 0);
	http_open_finish(&open);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_form_is_what_shapes_a_rows_body),
		cmocka_unit_test(nothing_goes_out_before_the_group_knows),
		cmocka_unit_test(it_is_taken_back_when_nothing_is_in_hand),
		cmocka_unit_test(another_form_is_refused_while_deliveries_are_open),
		cmocka_unit_test(what_a_worker_before_left_open_stays_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
