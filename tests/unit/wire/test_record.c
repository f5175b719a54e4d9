/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "wire/record.h"

#define TEXT(s)                                                                                \
	{                                                                                      \
		.p = "" s, .len = sizeof(s) - 1                                                \
	}
#define HEADER(n, v)                                                                           \
	{                                                                                      \
		.name = TEXT(n), .value = TEXT(v)                                              \
	}
#define ID "AAAAAAAAAAAAAAAAAAAAAAAA27"

static const struct header full[] = {
	HEADER("other", "x"),
	HEADER("sluice.source", "pg.public.e-v_t/3/42"),
	HEADER("sluice.version", "562949953421354"),
	HEADER("sluice.op", "u"),
	HEADER("sluice.id", ID),
	HEADER("sluice.ts", "1685379350955"),
	HEADER("sluice.lsn", "247967257096"),
	HEADER("sluice.before", "{\"id\":1}"),
	HEADER("sluice.replay", "1"),
	HEADER("sluice.replay.worker", "http.a"),
};
enum { FULL = sizeof(full) / sizeof(*full) };

static void
test_headers(void **state)
{
	struct record record = { .offset = 9, .key = SLICE("{\"id\":1}") };
	struct err err;

	(void)state;
	assert_int_equal(record_read_headers(full, FULL, &record, &err), FATE_DONE);
	assert_true(slice_eq(record.source_topic, SLICE("pg.public.e-v_t")));
	assert_int_equal(record.source_partition, 3);
	assert_int_equal(record.source_offset, 42);
	assert_true(record.version == record_version(2, 42));
	assert_int_equal(record.op, 'u');
	assert_true(slice_eq(record.id, SLICE(ID)));
	assert_int_equal(record.ts_ms, 1685379350955);
	assert_true(slice_eq(record.lsn, SLICE("247967257096")));
	assert_true(slice_eq(record.before, SLICE("{\"id\":1}")));
	assert_true(record.replay);
	assert_true(slice_eq(record.replay_for, SLICE("http.a")));
	/* what the caller has set stays; what the headers lack is cleared */
	assert_int_equal(record.offset, 9);
	assert_true(slice_eq(record.key, SLICE("{\"id\":1}")));
	assert_int_equal(record_read_headers(full, 6, &record, &err), FATE_DONE);
	assert_false(record.replay || record.before.p || record.lsn.p || record.replay_for.p);
}

static void
test_missing_headers(void **state)
{
	struct record record = { 0 };
	struct header headers[FULL];
	struct err err;

	(void)state;
	for (size_t missing = 1; missing <= 5; missing++) {
		memcpy(headers, full, sizeof(full));
		headers[missing].name = SLICE("x");
		assert_int_equal(
		    record_read_headers(headers, FULL, &record, &err), FATE_REJECT);
		assert_non_null(strstr(err.what, full[missing].name.p));
		assert_non_null(strstr(err.what, "is missing"));
	}
	assert_null(record.id.p);
	memcpy(headers, full, sizeof(full));
	headers[0] = full[2];
	assert_int_equal(record_read_headers(headers, FULL, &record, &err), FATE_REJECT);
	assert_string_equal(err.what, "header sluice.version stands twice");
}

static void
test_malformed_headers(void **state)
{
	static const struct header bad[] = {
		HEADER("sluice.source", ""),
		HEADER("sluice.source", "t"),
		HEADER("sluice.source", "t/1"),
		HEADER("sluice.source", "/1/2"),
		HEADER("sluice.source", "t/-1/2"),
		HEADER("sluice.source", "t/1/-2"),
		HEADER("sluice.source", "t/1/2/3"),
		HEADER("sluice.source", "t/2147483648/2"),
		HEADER("sluice.source", "t/1/"),
		HEADER("sluice.version", ""),
		HEADER("sluice.version", "-1"),
		HEADER("sluice.version", "9007199254740992"),
		HEADER("sluice.op", "t"),
		HEADER("sluice.op", ""),
		HEADER("sluice.op", "cc"),
		HEADER("sluice.op", "\0"),
		HEADER("sluice.id", "AAAA"),
		HEADER("sluice.id", "AAAAAAAAAAAAAAAAAAAAAAAA21"),
		HEADER("sluice.ts", "1.5"),
		HEADER("sluice.ts", ""),
		HEADER("sluice.lsn", "0/16B3748"),
	};
	struct record record = { 0 };
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct header headers[FULL];
		memcpy(headers, full, sizeof(full));
		for (size_t k = 0; k < FULL; k++)
			if (slice_eq(headers[k].name, bad[i].name))
				headers[k].value = bad[i].value;
		if (record_read_headers(headers, FULL, &record, &err) != FATE_REJECT)
			fail_msg("took %s %s", bad[i].name.p, bad[i].value.p);
		assert_non_null(strstr(err.what, bad[i].name.p));
	}
}

/* Expected by Python: base64.b32encode(hashlib.sha256(b"".join(
 * struct.pack(">I", len(p)) + p for p in parts)).digest()[:16]) without padding. */
static void
test_id(void **state)
{
	const struct slice abc1[] = { SLICE("abc"), { 0 }, SLICE("1") };
	const struct slice ab_c[] = { SLICE("ab"), SLICE("c") };
	const struct slice a_bc[] = { SLICE("a"), SLICE("bc") };
	char id[RECORD_ID_LEN];

	(void)state;
	for (int again = 0; again < 2; again++) {
		record_id(abc1, 3, id);
		assert_memory_equal(id, "WLBLHXIRDVETYZJZASSMEVPCRU", RECORD_ID_LEN);
		record_id(ab_c, 2, id);
		assert_memory_equal(id, "6KJZ7EBQC3S3WKNR4STBZW6TOY", RECORD_ID_LEN);
		record_id(a_bc, 2, id);
		assert_memory_equal(id, "WU2M4FVMTSFTNAR7HGRZLTUOBY", RECORD_ID_LEN);
		record_id(NULL, 0, id);
		assert_memory_equal(id, "4OYMIQUY7QOBJGX36TEJS35ZEQ", RECORD_ID_LEN);
	}
}

static void
test_version_stays_exact_in_a_double(void **state)
{
	(void)state;
	assert_true(record_version(0, 7) == 7);
	assert_true(
	    record_version(GENERATION_MAX, (INT64_C(1) << 48) - 1) == (UINT64_C(1) << 53) - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_missing_headers),
		cmocka_unit_test(test_malformed_headers),
		cmocka_unit_test(test_id),
		cmocka_unit_test(test_version_stays_exact_in_a_double),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
