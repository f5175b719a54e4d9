/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "wire/change.h"

static struct change
must_read(const char *text)
{
	struct change change = { .op = '?' };
	struct err err;

	if (change_read(slice_str(text), &change, &err) != FATE_DONE)
		fail_msg("%s: %s", text, err.what);
	return change;
}

static void
must_refuse(const char *text, const char *why)
{
	struct change change = { .op = '?' };
	struct err err;

	if (change_read(slice_str(text), &change, &err) != FATE_REJECT)
		fail_msg("taken: %s", text);
	if (!strstr(err.what, why))
		fail_msg("%s: said %s", text, err.what);
	assert_int_equal(change.op, '?');
}

#define SOURCE                                                                                 \
	"\"source\":{\"ts_ms\":1685379350955,\"snapshot\":\"false\",\"sequence\":"             \
	"\"[\\\"247967255240\\\",\\\"247967257096\\\"]\",\"schema\":\"public\","               \
	"\"table\":\"t\",\"txId\":106955,\"lsn\":247967257096,\"xmin\":null}"

static void
test_envelope(void **state)
{
	struct change c = must_read("{\"before\":null,\"after\":{\"id\":1}," SOURCE
				    ",\"op\":\"c\",\"ts_ms\":5,\"transaction\":null}");

	(void)state;
	assert_int_equal(c.kind, CHANGE_ROW);
	assert_int_equal(c.op, 'c');
	assert_null(c.before.p);
	assert_true(slice_eq(c.after, SLICE("{\"id\":1}")));
	assert_null(c.schema.p);
	assert_false(c.unwrapped);
	assert_int_equal(c.snapshot, SNAPSHOT_NO);
	assert_true(slice_eq(c.db_schema, SLICE("public")));
	assert_true(slice_eq(c.db_table, SLICE("t")));
	assert_true(c.has_lsn && c.has_tx_id && c.has_sequence);
	assert_int_equal(c.lsn, 247967257096);
	assert_int_equal(c.tx_id, 106955);
	assert_int_equal(c.sequence, 247967255240);
	assert_int_equal(c.ts_ms, 1685379350955);
	assert_int_equal(c.ts_us, 1685379350955000);
}

static void
test_wrapper(void **state)
{
	struct change c =
	    must_read("{\"schema\":{\"type\":\"struct\"},\"payload\":{\"op\":\"u\","
		      "\"before\":{\"id\":1},\"after\":{\"id\":2}}}");

	(void)state;
	assert_int_equal(c.op, 'u');
	assert_true(slice_eq(c.schema, SLICE("{\"type\":\"struct\"}")));
	assert_true(slice_eq(c.before, SLICE("{\"id\":1}")));
	c = must_read("{\"payload\":{\"op\":\"d\",\"before\":{\"id\":1}},\"schema\":null}");
	assert_int_equal(c.op, 'd');
	assert_null(c.schema.p);
	/* a third member: not a wrapper, so the row itself */
	c = must_read("{\"schema\":\"s\",\"payload\":{\"op\":\"x\"},\"id\":1}");
	assert_true(c.unwrapped);
	assert_int_equal(c.op, 'c');
}

static void
test_operations(void **state)
{
	(void)state;
	assert_int_equal(must_read("{\"op\":\"r\",\"after\":{}}").kind, CHANGE_ROW);
	assert_int_equal(
	    must_read("{\"op\":\"d\",\"before\":null,\"after\":null}").kind, CHANGE_ROW);
	assert_int_equal(must_read("{\"op\":\"t\"," SOURCE "}").kind, CHANGE_TRUNCATE);
	assert_int_equal(
	    must_read("{\"op\":\"m\"," SOURCE ",\"message\":{\"prefix\":\"p\"}}").kind,
	    CHANGE_OTHER);
	assert_int_equal(must_read("{\"ts_ms\":1}").kind, CHANGE_OTHER);
	assert_int_equal(must_read("{\"status\":\"BEGIN\",\"id\":\"571:53\",\"ts_ms\":1,"
				   "\"event_count\":null,\"data_collections\":null}")
			     .kind,
	    CHANGE_OTHER);
	assert_int_equal(must_read("null").kind, CHANGE_TOMBSTONE);
	assert_int_equal(
	    must_read("{\"schema\":null,\"payload\":null}").kind, CHANGE_TOMBSTONE);
}

static void
test_tombstone(void **state)
{
	struct change c = { 0 };
	struct err err;

	(void)state;
	c.kind = CHANGE_OTHER;
	assert_int_equal(change_read((struct slice){ 0 }, &c, &err), FATE_DONE);
	assert_int_equal(c.kind, CHANGE_TOMBSTONE);
	assert_int_equal(change_read(slice_of("", 0), &c, &err), FATE_REJECT);
}

static void
test_old_and_new_sources(void **state)
{
	struct change c = must_read("{\"op\":\"c\",\"after\":{},\"source\":{\"ts_usec\":"
				    "1559033904863123,\"snapshot\":true,\"txId\":null}}");

	(void)state;
	assert_int_equal(c.ts_us, 1559033904863123);
	assert_int_equal(c.ts_ms, 1559033904863);
	assert_int_equal(c.snapshot, SNAPSHOT_INITIAL);
	assert_false(c.has_tx_id || c.has_lsn || c.has_sequence);
	c = must_read(
	    "{\"op\":\"r\",\"after\":{},\"source\":{\"ts_ms\":7,\"ts_us\":7123,"
	    "\"snapshot\":\"incremental\",\"sequence\":\"[null,\\\"23\\\"]\",\"lsn\":null}}");
	assert_int_equal(c.ts_us, 7123);
	assert_int_equal(c.snapshot, SNAPSHOT_INCREMENTAL);
	assert_false(c.has_lsn || c.has_sequence);
	c = must_read(
	    "{\"op\":\"r\",\"after\":{},\"source\":{\"snapshot\":\"last\",\"lsn\":\"42\"}}");
	assert_int_equal(c.snapshot, SNAPSHOT_INITIAL);
	assert_int_equal(c.lsn, 42);
	c = must_read("{\"op\":\"c\",\"after\":{},\"source\":{\"snapshot\":false}}");
	assert_int_equal(c.snapshot, SNAPSHOT_NO);
}

static void
test_unwrapped(void **state)
{
	struct change c = must_read("{\"id\":1,\"op\":\"weird\",\"source\":\"web\"}");

	(void)state;
	assert_true(c.unwrapped);
	assert_int_equal(c.op, 'c');
	assert_true(slice_eq(c.after, SLICE("{\"id\":1,\"op\":\"weird\",\"source\":\"web\"}")));
	c = must_read(
	    "{\"id\":1,\"__op\":\"u\",\"__lsn\":9,\"__source_ts_ms\":5,\"__table\":\"t\"}");
	assert_int_equal(c.op, 'u');
	assert_int_equal(c.lsn, 9);
	assert_int_equal(c.ts_ms, 5);
	assert_true(slice_eq(c.db_table, SLICE("t")));
	c = must_read(" {\"id\":1,\"__deleted\":\"true\"} ");
	assert_int_equal(c.op, 'd');
	assert_null(c.after.p);
	assert_true(slice_eq(c.before, SLICE("{\"id\":1,\"__deleted\":\"true\"}")));
	assert_int_equal(must_read("{\"id\":1,\"__deleted\":\"false\"}").op, 'c');
	c = must_read("{\"id\":1,\"__\\u006fp\":\"r\",\"__source_lsn\":9,\"__source_txId\":8,"
		      "\"__source_table\":\"t\",\"__source_schema\":\"s\",\"\":0}");
	assert_int_equal(c.op, 'r');
	assert_int_equal(c.lsn, 9);
	assert_int_equal(c.tx_id, 8);
	assert_true(slice_eq(c.db_table, SLICE("t")));
	assert_true(slice_eq(c.db_schema, SLICE("s")));
}

static void
test_refusals(void **state)
{
	(void)state;
	must_refuse("{}", "empty object");
	must_refuse("[]", "not an object");
	must_refuse("7", "not an object");
	must_refuse("{\"schema\":null,\"payload\":7}", "payload is not an object");
	must_refuse("{\"schema\":null,\"payload\":{}}", "empty object");
	must_refuse("{\"op\":\"x\",\"after\":{}}", "op \"x\" is not one of");
	must_refuse("{\"op\":\"\",\"after\":{}}", "op \"\" is not one of");
	must_refuse("{\"op\":\"x\",\"ts_ms\":1,\"ts_us\":2,\"ts_ns\":3,\"transaction\":null}",
	    "op \"x\" is not one of");
	must_refuse("{\"op\":3,\"after\":{}}", "op is not a string");
	must_refuse("{\"before\":null,\"after\":{}}", "op is missing");
	must_refuse("{\"op\":\"c\"," SOURCE "}", "after is missing");
	must_refuse("{\"op\":\"u\",\"after\":null}", "after is null");
	must_refuse("{\"op\":\"r\",\"after\":[]}", "after is not an object");
	must_refuse("{\"op\":\"d\",\"before\":1}", "before is not an object");
	must_refuse("{\"op\":\"c\",\"after\":{},\"source\":1}", "source is not an object");
	must_refuse("{\"op\":\"c\",\"after\":{},\"source\":{\"lsn\":1.5}}",
	    "source.lsn is not a 64-bit");
	must_refuse("{\"op\":\"c\",\"after\":{},\"source\":{\"ts_ms\":9223372036854775807}}",
	    "out of range");
	must_refuse("{\"op\":\"c\",\"after\":{\"id\":1",
	    "not JSON at byte 25, where the text ends: ',' or '}' expected");
	must_refuse("{\"op\":\"c\",\"after\":{\"id\":1,\"id\":2}}", "stands twice");
	must_refuse("{\"op\":\"c\",\"op\":\"c\",\"after\":{}}", "stands twice");
	must_refuse("{\"op\":\"c\",\"after\":{}} x", "something follows");
	must_refuse("{\"id\":1,\"__op\":\"q\"}", "__op \"q\" is not one of");
}

static void
test_confluent_framing(void **state)
{
	static const char framed[] = "\0\0\0\0\x07\x02\x06"
				     "abc";
	struct change change;
	struct err err;

	(void)state;
	assert_int_equal(
	    change_read(slice_of(framed, sizeof(framed) - 1), &change, &err), FATE_REJECT);
	assert_non_null(strstr(err.what, "Confluent"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_envelope),
		cmocka_unit_test(test_wrapper),
		cmocka_unit_test(test_operations),
		cmocka_unit_test(test_tombstone),
		cmocka_unit_test(test_old_and_new_sources),
		cmocka_unit_test(test_unwrapped),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_confluent_framing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
