/* SPDX-License-Identifier: Apache-2.0 */
/* What ClickHouse's codes and Trino's names mean to who asks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "link/clickhouse_code.h"
#include "link/trino_code.h"

static void
test_clickhouse(void **state)
{
	static const struct {
		int code;
		enum fate fate;
		const char *sqlstate;
	} cases[] = {
		{ 60, FATE_HALT, "42P01" },
		{ 62, FATE_REJECT, "42601" },
		{ 46, FATE_REJECT, "42883" },
		{ 70, FATE_REJECT, "22003" },
		{ 153, FATE_REJECT, "22012" },
		{ 158, FATE_REJECT, "54000" },
		{ 159, FATE_RETRY, "57014" },
		{ 164, FATE_HALT, "42501" },
		{ 202, FATE_RETRY, "53300" },
		{ 241, FATE_RETRY, "53200" },
		{ 252, FATE_RETRY, "57P03" },
		{ 394, FATE_RETRY, "57014" },
		{ 516, FATE_HALT, "28P01" },
		{ 99999, FATE_REJECT, "XX000" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *code;

		assert_int_equal(clickhouse_query_fate(cases[i].code, &code), cases[i].fate);
		assert_string_equal(code, cases[i].sqlstate);
	}
}

static void
test_clickhouse_texts(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(
	    clickhouse_refusal(SLICE("Code: 60. DB::Exception: no t. (UNKNOWN_TABLE) "
				     "(version 26.7)\n12 tag"),
		404, &err),
	    FATE_HALT);
	assert_string_equal(
	    err.what, "clickhouse: Code: 60. DB::Exception: no t. (UNKNOWN_TABLE)");
	assert_int_equal(clickhouse_refusal(SLICE("<html>"), 502, &err), FATE_RETRY);
	assert_string_equal(err.code, "08006");
	assert_int_equal(clickhouse_refusal(SLICE("no"), 401, &err), FATE_HALT);
	assert_string_equal(err.code, "28P01");
	assert_int_equal(clickhouse_refusal(SLICE("Code: x"), 404, &err), FATE_HALT);
	assert_string_equal(err.code, "08P01");
}

static void
test_trino(void **state)
{
	static const struct {
		const char *name, *type;
		enum fate fate;
		const char *code;
	} cases[] = {
		{ "SYNTAX_ERROR", "USER_ERROR", FATE_REJECT, "42601" },
		{ "TABLE_NOT_FOUND", "USER_ERROR", FATE_HALT, "42P01" },
		{ "DIVISION_BY_ZERO", "USER_ERROR", FATE_REJECT, "22012" },
		{ "USER_CANCELED", "USER_ERROR", FATE_RETRY, "57014" },
		{ "NO_NODES_AVAILABLE", "INTERNAL_ERROR", FATE_RETRY, "57P03" },
		{ "CLUSTER_OUT_OF_MEMORY", "INSUFFICIENT_RESOURCES", FATE_RETRY, "53200" },
		{ "NEW_ONE", "USER_ERROR", FATE_REJECT, "42000" },
		{ "NEW_ONE", "INTERNAL_ERROR", FATE_RETRY, "XX000" },
		{ "NEW_ONE", "INSUFFICIENT_RESOURCES", FATE_RETRY, "53000" },
		{ "NEW_ONE", "EXTERNAL", FATE_RETRY, "58000" },
		{ "", "", FATE_RETRY, "XX000" },
	};
	const char *code;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(
		    trino_fate(slice_str(cases[i].name), slice_str(cases[i].type), &code),
		    cases[i].fate);
		assert_string_equal(code, cases[i].code);
	}
	assert_true(trino_status_passes(503) && trino_status_passes(429));
	assert_false(trino_status_passes(410) || trino_status_passes(500));
	assert_int_equal(trino_status_fate(401, &code), FATE_HALT);
	assert_string_equal(code, "28000");
	assert_int_equal(trino_status_fate(410, &code), FATE_RETRY);
	assert_int_equal(trino_status_fate(302, &code), FATE_HALT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clickhouse),
		cmocka_unit_test(test_clickhouse_texts),
		cmocka_unit_test(test_trino),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
