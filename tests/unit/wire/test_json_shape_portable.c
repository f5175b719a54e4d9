/* SPDX-License-Identifier: Apache-2.0 */
/* test_json_shape.c over the loops that stand in where there is no SSE2. The definitions
 * here come before the library's. */
#define JSON_PORTABLE
#include "../../../lib/wire/json_scan.c"
#include "../../../lib/wire/json_shape.c"
#include "test_json_shape.c"
