/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine/plan_cache.h"
#include "engine_fixture.h"

static struct plan_request
request_of(const char *role, const char *sql)
{
	return (
	    struct plan_request){ .sql = slice_str(sql), .role = registry_role(fixture, role) };
}

static void
a_text_is_planned_once_for_a_role(void **state)
{
	struct plan_cache *cache = plan_cache_new(fixture, 8);
	struct plan_request admin = request_of("admin", "SELECT ssn FROM customers");
	struct plan_request analyst = request_of("analyst", "SELECT ssn FROM customers");
	const struct plan *first = plan_cache_take(cache, &admin, &fixture_arena);
	const struct plan *again = plan_cache_take(cache, &admin, &fixture_arena);
	const struct plan *masked = plan_cache_take(cache, &analyst, &fixture_arena);

	(void)state;
	assert_ptr_equal(first, again);
	assert_ptr_not_equal(first, masked);
	assert_non_null(strstr(masked->sql[0], "'***'"));
	assert_null(strstr(first->sql[0], "'***'"));
	assert_int_equal(plan_cache_counts(cache).hits, 1);
	plan_cache_give_back(cache, first);
	plan_cache_give_back(cache, again);
	plan_cache_give_back(cache, masked);
	plan_cache_free(cache);
}

static void
texts_and_roles_are_not_confused(void **state)
{
	struct plan_cache *cache = plan_cache_new(fixture, 8);
	struct plan_request requests[] = {
		request_of("admin", "SELECT id FROM users WHERE id = 1"),
		request_of("admin", "SELECT id FROM users WHERE id = 1000"),
		request_of("admin", "SELECT id FROM users WHERE id = $1"),
		request_of("analyst", "SELECT id FROM users WHERE id = $1"),
	};
	const struct plan *plans[4];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		plans[i] = plan_cache_take(cache, &requests[i], &fixture_arena);
	assert_int_equal(plan_cache_counts(cache).misses, 4);
	for (size_t i = 0; i < 4; i++)
		plan_cache_give_back(cache, plans[i]);
	plan_cache_free(cache);
}

static void
the_oldest_goes_but_not_from_under_its_holder(void **state)
{
	struct plan_cache *cache = plan_cache_new(fixture, 2);
	struct plan_request held = request_of("admin", "SELECT id FROM users");
	const struct plan *plan = plan_cache_take(cache, &held, &fixture_arena);
	char sql[64];

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct plan_request other = request_of("admin", sql);

		(void)snprintf(sql, sizeof sql, "SELECT id FROM users WHERE id = %d", i);
		other.sql = slice_str(sql);
		plan_cache_give_back(cache, plan_cache_take(cache, &other, &fixture_arena));
	}
	assert_int_equal(plan_cache_counts(cache).kept, 2);
	assert_string_equal(plan->sql[0], "SELECT id FROM users");
	plan_cache_give_back(cache, plan);
	plan_cache_free(cache);
}

static void
refusals_are_not_kept(void **state)
{
	struct plan_cache *cache = plan_cache_new(fixture, 8);
	struct plan_request bad = request_of("admin", "SELECT pg_sleep(1)");

	(void)state;
	for (int i = 0; i < 3; i++) {
		const struct plan *plan = plan_cache_take(cache, &bad, &fixture_arena);

		assert_string_equal(plan->refused, "FUNCTION_NOT_ALLOWED");
		plan_cache_give_back(cache, plan);
	}
	assert_int_equal(plan_cache_counts(cache).kept, 0);
	assert_int_equal(plan_cache_counts(cache).misses, 3);
	plan_cache_free(cache);
}

static void
forgotten_plans_are_made_anew(void **state)
{
	struct plan_cache *cache = plan_cache_new(fixture, 8);
	struct plan_request request = request_of("admin", "SELECT id FROM users");
	const struct plan *held = plan_cache_take(cache, &request, &fixture_arena), *fresh;

	(void)state;
	plan_cache_forget(cache);
	assert_int_equal(plan_cache_counts(cache).kept, 0);
	fresh = plan_cache_take(cache, &request, &fixture_arena);
	assert_ptr_not_equal(held, fresh);
	assert_string_equal(held->sql[0], fresh->sql[0]);
	plan_cache_give_back(cache, held);
	plan_cache_give_back(cache, fresh);
	assert_int_equal(plan_cache_counts(cache).kept, 1);
	plan_cache_free(cache);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_planned_once_for_a_role),
		cmocka_unit_test(texts_and_roles_are_not_confused),
		cmocka_unit_test(the_oldest_goes_but_not_from_under_its_holder),
		cmocka_unit_test(refusals_are_not_kept),
		cmocka_unit_test(forgotten_plans_are_made_anew),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
