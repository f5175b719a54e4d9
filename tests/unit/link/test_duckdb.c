/* SPDX-License-Identifier: Apache-2.0 */
/* The table of DuckDB's errors, and what open says of a library that is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "link/duckdb.h"

static void
test_fates(void **state)
{
	static const struct {
		const char *text;
		enum fate fate;
		const char *code;
	} cases[] = {
		{ "Out of Range Error: Overflow in addition", FATE_REJECT, "22003" },
		{ "Conversion Error: Could not convert", FATE_REJECT, "22P02" },
		{ "Invalid Input Error: x", FATE_REJECT, "22023" },
		{ "Invalid type Error: x", FATE_REJECT, "42804" },
		{ "Mismatch Type Error: x", FATE_REJECT, "42804" },
		{ "Parser Error: syntax error at", FATE_REJECT, "42601" },
		{ "Syntax Error: x", FATE_REJECT, "42601" },
		{ "Binder Error: Referenced column", FATE_REJECT, "42000" },
		{ "Not implemented Error: x", FATE_REJECT, "0A000" },
		{ "INTERRUPT Error: Interrupted!", FATE_RETRY, "57014" },
		{ "Out of Memory Error: could not allocate", FATE_RETRY, "53200" },
		{ "IO Error: Could not read", FATE_RETRY, "58030" },
		{ "TransactionContext Error: x", FATE_RETRY, "40000" },
		{ "Catalog Error: Table with name x", FATE_HALT, "42P01" },
		{ "Permission Error: Cannot access file", FATE_HALT, "42501" },
		{ "FATAL Error: x", FATE_HALT, "XX000" },
		{ "INTERNAL Error: x", FATE_HALT, "XX000" },
		{ "", FATE_REJECT, "XX000" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *code;

		assert_int_equal(duck_fate(cases[i].text, &code), cases[i].fate);
		assert_string_equal(code, cases[i].code);
	}
}

static void
test_no_library(void **state)
{
	struct duck_options o = { .library = "/nowhere/libduckdb.so" };
	struct duck *duck = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(duck_open(&o, &duck, &err), FATE_HALT);
	assert_non_null(strstr(err.what, "/nowhere/libduckdb.so"));
	assert_null(duck);
	o.library = "libm.so.6";
	assert_int_equal(duck_open(&o, &duck, &err), FATE_HALT);
	assert_non_null(strstr(err.what, "has no duckdb_"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fates),
		cmocka_unit_test(test_no_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
