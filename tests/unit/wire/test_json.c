/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/json.h"

static struct arena arena;

static const char *const good[] = {
	"null",
	" true ",
	"false",
	"0",
	"-0",
	"-0.0e-0",
	"1E400",
	"123456789012345678901234567890",
	"1.5e+3",
	"\"\"",
	"\"\\u0000\"",
	"\"\\ud83d\\ude00\"",
	"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
	"\"\x7f\"",
	"\"\xc2\x80\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"",
	"[]",
	"[ ]",
	"[1 , 2]",
	"{}",
	"{\"a\":{\"a\":1},\"b\":{\"a\":2}}",
	"{\"a\":1,\"A\":2,\"aa\":3,\"\":4}",
	"\t\r\n{ \"a\" : [ { } , [ ] ] }\n",
	"{\"0123456789abcdef0123456789\":\"0123456789abcdef\\n0123456789\"}",
};

static const char *const bad[] = {
	"",
	" ",
	"nul",
	"nulll",
	"True",
	"01",
	"-",
	"-01",
	"+1",
	".5",
	"1.",
	"1.e3",
	"1e",
	"1e+",
	"0x10",
	"NaN",
	"Infinity",
	"-Infinity",
	"\"",
	"\"abc",
	"\"\\",
	"\"\\x\"",
	"\"\\u12\"",
	"\"\\u12g4\"",
	"\"\\ud800\"",
	"\"\\ud800\\n\"",
	"\"\\ud800\\ud800\"",
	"\"\\ud800x\"",
	"\"\\udc00\"",
	"\"\n\"",
	"\"\x1f\"",
	"\"\x80\"",
	"\"\xc0\x80\"",
	"\"\xc1\xbf\"",
	"\"\xe0\x9f\xbf\"",
	"\"\xed\xa0\x80\"",
	"\"\xf0\x8f\xbf\xbf\"",
	"\"\xf4\x90\x80\x80\"",
	"\"\xf5\x80\x80\x80\"",
	"\"\xe2\x82\"",
	"\"\xf0\x9f\x98\"",
	"\xef\xbb\xbf{}",
	"[",
	"]",
	"[1",
	"[1,",
	"[1,]",
	"[,1]",
	"[1 2]",
	"[1}",
	"{",
	"}",
	"{\"a\"",
	"{\"a\":",
	"{\"a\":1",
	"{\"a\":1,",
	"{\"a\":1,}",
	"{,\"a\":1}",
	"{\"a\" 1}",
	"{\"a\":1 \"b\":2}",
	"{a:1}",
	"{'a':1}",
	"{1:1}",
	"{\"a\":1]",
	"{\"a\":1}{",
	"{} x",
	"1 2",
	"// c\n1",
	"{\"a\":1,\"a\":2}",
	"{\"a\":1,\"b\":2,\"\\u0061\":3}",
	"{\"\\u0061\":1,\"a\":2}",
	"{\"\":1,\"\":2}",
	"{\"x\":{\"\\n\":1,\"\\u000a\":2}}",
	"{\"a\\u0000\":1}",
	"[{\"k\":[{\"a\":1,\"a\":1}]}]",
};

static enum fate
check(const char *text, size_t len, struct slice *ret_raw, struct err *err)
{
	/* exactly sized, so that the sanitizer sees a step beyond the end */
	char *copy = malloc(len ? len : 1);
	enum fate fate;

	memcpy(copy, text, len);
	fate = json_check(slice_of(copy, len), ret_raw, err);
	free(copy);
	return fate;
}

static void
test_good_and_bad(void **state)
{
	struct slice raw;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (check(good[i], strlen(good[i]), &raw, &err) != FATE_DONE)
			fail_msg("refused %s: %s", good[i], err.what);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (check(bad[i], strlen(bad[i]), &raw, &err) != FATE_REJECT)
			fail_msg("took %s", bad[i]);
	assert_int_equal(check("\"a\0b\"", 5, &raw, &err), FATE_REJECT);
	assert_int_equal(check("{}\0", 3, &raw, &err), FATE_REJECT);
	assert_int_equal(check("\0", 1, &raw, &err), FATE_REJECT);
}

/* Every prefix of a document is refused: nothing is ever complete too early. */
static void
test_prefixes(void **state)
{
	static const char doc[] = "{\"a\":[1,-2.5e3,\"x\\u00e9\\ud83d\\ude00\xc3\xa9\",true,"
				  "null],\"bb\":{\"c\":false,\"0123456789abcdef\":\"\"}}";
	struct slice raw;
	struct err err;

	(void)state;
	for (size_t len = 0; len < sizeof(doc) - 1; len++)
		assert_int_equal(check(doc, len, &raw, &err), FATE_REJECT);
	assert_int_equal(check(doc, sizeof(doc) - 1, &raw, &err), FATE_DONE);
}

static void
test_offset_and_blanks(void **state)
{
	struct slice raw = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(json_check(SLICE("  {\"a\": 1}\n"), &raw, &err), FATE_DONE);
	assert_true(slice_eq(raw, SLICE("{\"a\": 1}")));
	raw = SLICE("untouched");
	assert_int_equal(json_check(SLICE("{\"a\": \"\x01\"}"), &raw, &err), FATE_REJECT);
	assert_string_equal(
	    err.what, "not JSON at byte 7: a control character inside a string");
	assert_true(slice_eq(raw, SLICE("untouched")));
	assert_int_equal(
	    json_check(SLICE("{\"a\":1,\"b\":2,\"a\":3}"), &raw, &err), FATE_REJECT);
	assert_string_equal(err.what, "not JSON at byte 13: a member's name stands twice");
}

static void
test_depth(void **state)
{
	char text[2 * (JSON_DEPTH_MAX + 1)];
	struct slice raw;
	struct err err;

	(void)state;
	for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		assert_int_equal(check(text, 2 * depth, &raw, &err),
		    depth <= JSON_DEPTH_MAX ? FATE_DONE : FATE_REJECT);
	}
}

/* An object of count members m0..; twice puts the name of one of them again. */
static enum fate
big_object(size_t count, long twice, bool escaped)
{
	struct buf text = { 0 };
	struct slice raw;
	struct err err;
	enum fate fate;

	for (size_t i = 0; i < count; i++)
		buf_printf(&text, "%s\"m%zu\":{\"m1\":%zu}", i ? "," : "{", i, i);
	if (twice >= 0)
		buf_printf(&text, ",\"%s%ld\":0", escaped ? "\\u006d" : "m", twice);
	buf_cstr(&text, "}");
	fate = check(text.p, text.len, &raw, &err);
	buf_finish(&text);
	return fate;
}

static void
test_duplicates_in_large_objects(void **state)
{
	static const size_t sizes[] = { 1, 2, 31, 32, 33, 34, 127, 128, 129, 1000, 50000 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		size_t n = sizes[i];
		assert_int_equal(big_object(n, -1, false), FATE_DONE);
		for (int escaped = 0; escaped < 2; escaped++) {
			assert_int_equal(big_object(n, 0, escaped), FATE_REJECT);
			assert_int_equal(big_object(n, (long)n / 2, escaped), FATE_REJECT);
			assert_int_equal(big_object(n, (long)n - 1, escaped), FATE_REJECT);
			assert_int_equal(big_object(n, (long)n, escaped), FATE_DONE);
		}
	}
}

static void
test_walk(void **state)
{
	struct slice object =
	    SLICE("{ \"a\" : 1 , \"b\\n\":\"x,}\\\"y\" ,\"c\":[1,{\"d\":\"]\"}],"
		  "\"e\":{\"f\":{}},\"g\":null }");
	struct json_walk walk = json_walk(object);

	(void)state;
	assert_true(json_next(&walk));
	assert_true(slice_eq(walk.name, SLICE("a")));
	assert_true(slice_eq(walk.value, SLICE("1")));
	assert_false(walk.name_escaped);
	assert_true(json_next(&walk));
	assert_true(walk.name_escaped);
	assert_true(json_name_eq(&walk, SLICE("b\n")));
	assert_false(json_name_eq(&walk, SLICE("b")));
	assert_true(slice_eq(walk.value, SLICE("\"x,}\\\"y\"")));
	assert_true(json_next(&walk));
	assert_true(slice_eq(walk.value, SLICE("[1,{\"d\":\"]\"}]")));
	assert_true(json_next(&walk));
	assert_true(slice_eq(walk.value, SLICE("{\"f\":{}}")));
	assert_true(json_next(&walk));
	assert_true(slice_eq(walk.value, SLICE("null")));
	assert_false(json_next(&walk));
	assert_false(json_next(&walk));
	assert_true(slice_eq(json_member(object, SLICE("g")), SLICE("null")));
	assert_true(slice_eq(json_member(object, SLICE("b\n")), SLICE("\"x,}\\\"y\"")));
	assert_null(json_member(object, SLICE("f")).p);
}

/* A wanted name holds no escapes, even when it looks as if: found by fuzz_json. */
static void
test_escaped_name_against_backslashes(void **state)
{
	struct json_walk walk = json_walk(SLICE("{\"a\":1,\"\\\\u061\":2}"));

	(void)state;
	assert_true(json_next(&walk) && json_next(&walk));
	assert_true(json_name_eq(&walk, SLICE("\\u061")));
	assert_false(json_name_eq(&walk, SLICE("\\\\u061")));
	assert_false(json_name_eq(&walk, SLICE("\\u06")));
}

static void
test_walk_array(void **state)
{
	struct json_walk walk = json_walk(SLICE("[ 1 ,[ ] , \"a\\\\\",{}]"));
	static const char *const want[] = { "1", "[ ]", "\"a\\\\\"", "{}" };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_true(json_next(&walk));
		assert_true(slice_eq(walk.value, slice_str(want[i])));
	}
	assert_false(json_next(&walk));
	walk = json_walk(SLICE("[ ]"));
	assert_false(json_next(&walk));
	walk = json_walk(SLICE("{ }"));
	assert_false(json_next(&walk));
}

static void
test_text(void **state)
{
	struct arena small;

	(void)state;
	assert_true(slice_eq(json_text(SLICE("\"plain\""), &arena), SLICE("plain")));
	assert_non_null(json_text(SLICE("\"\""), &arena).p);
	assert_true(slice_eq(
	    json_text(SLICE("\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\n\\/\\u0000z\""), &arena),
	    SLICE("A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n/\0z")));
	arena_init(&small, 4096);
	(void)arena_alloc(&small, 4096);
	assert_null(json_text(SLICE("\"\\n\""), &small).p);
	arena_finish(&small);
}

/* What json_quote writes, json_check takes and json_text reads back: all bytes. */
static void
test_quote_round_trip(void **state)
{
	struct buf out = { 0 };
	char all[128];
	struct slice raw;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)i;
	json_quote(&out, slice_of(all, sizeof(all)));
	assert_int_equal(json_check(buf_view(&out), &raw, &err), FATE_DONE);
	assert_true(slice_eq(json_text(raw, &arena), slice_of(all, sizeof(all))));
	out.len = 0;
	json_quote(&out, SLICE("a\"b\\c\x01\xc3\xa9"));
	assert_true(slice_eq(buf_view(&out), SLICE("\"a\\\"b\\\\c\\u0001\xc3\xa9\"")));
	out.len = 0;
	json_quote(&out, (struct slice){ 0 });
	assert_true(slice_eq(buf_view(&out), SLICE("\"\"")));
	buf_finish(&out);
}

/* A sentence that was cut within a character, and one that never was text. */
static void
test_quote_any(void **state)
{
	const struct {
		struct slice text, quoted;
	} cases[] = {
		{ SLICE("caf\xc3\xa9 \"\xf0\x9f\x98\x80\"\n"),
		    SLICE("\"caf\xc3\xa9 \\\"\xf0\x9f\x98\x80\\\"\\n\"") },
		{ SLICE("caf\xc3"), SLICE("\"caf\xef\xbf\xbd\"") },
		{ SLICE("\xf0\x9f\x98"), SLICE("\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"") },
		{ SLICE("a\xff\xfe-b\xed\xa0\x80"),
		    SLICE("\"a\xef\xbf\xbd\xef\xbf\xbd-b\xef\xbf\xbd\xef\xbf\xbd"
			  "\xef\xbf\xbd\"") },
		{ SLICE(""), SLICE("\"\"") },
	};
	struct buf out = { 0 };
	struct slice raw;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		out.len = 0;
		json_quote_any(&out, cases[i].text);
		assert_true(slice_eq(buf_view(&out), cases[i].quoted));
		assert_int_equal(json_check(buf_view(&out), &raw, &err), FATE_DONE);
	}
	buf_finish(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_and_bad),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_offset_and_blanks),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_duplicates_in_large_objects),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_walk_array),
		cmocka_unit_test(test_escaped_name_against_backslashes),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_quote_round_trip),
		cmocka_unit_test(test_quote_any),
	};
	int failed;

	arena_init(&arena, 1 << 20);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_finish(&arena);
	return failed;
}
