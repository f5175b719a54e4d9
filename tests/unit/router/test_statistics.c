/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "router/statistics.h"

static void
test_rows(void **state)
{
	static const struct {
		const char *text;
		int64_t rows;
	} lines[] = { { "1000", 1000 }, { "0", 0 },
		{ "[ { \"Plan\": { \"Node Type\": \"Append\", \"Plan Rows\": 12345, \"Plan "
		  "Width\": "
		  "8, \"Plans\": [ { \"Plan Rows\": 7 } ] } } ]",
		    12345 },
		{ "\"Plan Rows\": ", -1 }, { "", -1 }, { "-1", -1 }, { "many", -1 },
		{ "99999999999999999999", -1 } };

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		assert_int_equal(
		    router_statistics_rows(slice_str(lines[i].text)), lines[i].rows);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
