/* SPDX-License-Identifier: Apache-2.0 */
/* The scanner against jansson over inputs like JSONTestSuite's (y_ must be taken, n_
 * refused, i_ either), over each of them cut off, and with each byte lost, doubled or
 * replaced. The comparison is the fuzzer's: both take and refuse the same texts (listed
 * exceptions there), and a walk finds what jansson has built. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../fuzz/fuzz_json.c"

struct input {
	const char *text;
	size_t len;
};
#define IN(text)                                                                               \
	{                                                                                      \
		text, sizeof(text) - 1                                                         \
	}

static const struct input taken[] = {
	IN("[[]   ]"),
	IN("[\"\"]"),
	IN("[]"),
	IN("[\"a\"]"),
	IN("[false]"),
	IN("[null, 1, \"1\", {}]"),
	IN("[null]"),
	IN("[1\n]"),
	IN(" [1]"),
	IN("[1,null,null,null,2]"),
	IN("[2] "),
	IN("[123e65]"),
	IN("[0e+1]"),
	IN("[0e1]"),
	IN("[ 4]"),
	IN("[-0.000000000000000000000000000000000000000000000000000000000000000000000000001]"),
	IN("[20e1]"),
	IN("[-0]"),
	IN("[-123]"),
	IN("[-1]"),
	IN("[1E22]"),
	IN("[1E-2]"),
	IN("[1E+2]"),
	IN("[123e45]"),
	IN("[123.456e78]"),
	IN("[1e-2]"),
	IN("[1e+2]"),
	IN("[123]"),
	IN("[123.456789]"),
	IN("{\"asd\":\"sdf\", \"dfg\":\"fgh\"}"),
	IN("{\"asd\":\"sdf\"}"),
	IN("{}"),
	IN("{\"\":0}"),
	IN("{ \"min\": -1.0e+28, \"max\": 1.0e+28 }"),
	IN("{\"x\":[{\"id\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}], \"id\": "
	   "\"xxxx\"}"),
	IN("{\"a\":[]}"),
	IN("{\"title\":\"\\u041f\\u043e\\u043b\\u0442\\u043e\\u0440\\u0430\" }"),
	IN("{\n\"a\": \"b\"\n}"),
	IN("[\"\\u0060\\u012a\\u12AB\"]"),
	IN("[\"\\uD801\\udc37\"]"),
	IN("[\"\\ud83d\\ude39\\ud83d\\udc8d\"]"),
	IN("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
	IN("[\"\\\\u0000\"]"),
	IN("[\"\\\"\"]"),
	IN("[\"a/*b*/c/*d//e\"]"),
	IN("[\"\\\\a\"]"),
	IN("[\"\\\\n\"]"),
	IN("[\"\\u0012\"]"),
	IN("[\"\\uFFFF\"]"),
	IN("[\"asd\"]"),
	IN("[ \"asd\"]"),
	IN("[\"\\uDBFF\\uDFFF\"]"),
	IN("[\"new\\u00A0line\"]"),
	IN("[\"\xf4\x8f\xbf\xbf\"]"),
	IN("[\"\xef\xbf\xbf\"]"),
	IN("[\"\\u0000\"]"),
	IN("[\"\\u002c\"]"),
	IN("[\"\xcf\x80\"]"),
	IN("[\"\xf0\x9b\xbf\xbf\"]"),
	IN("[\"asd \"]"),
	IN("\" \""),
	IN("[\"\\uD834\\uDd1e\"]"),
	IN("[\"\\u0821\"]"),
	IN("[\"\\u0123\"]"),
	IN("[\"\xe2\x80\xa8\"]"),
	IN("[\"\xe2\x80\xa9\"]"),
	IN("[\"\\u0061\\u30af\\u30EA\\u30b9\"]"),
	IN("[\"new\\u000Aline\"]"),
	IN("[\"\x7f\"]"),
	IN("[\"\\uA66D\"]"),
	IN("[\"\xe2\x8d\x82\xe3\x88\xb4\xe2\x8d\x82\"]"),
	IN("[\"a\x7f"
	   "a\"]"),
	IN("false"),
	IN("42"),
	IN("-0.1"),
	IN("null"),
	IN("\"asd\""),
	IN("true"),
	IN("\"\""),
	IN("[\"a\"]\n"),
	IN("[true]"),
	IN(" [] "),
	IN("{\"a\":{\"b\":{\"c\":[1,{\"d\":null}]}}}"),
};

static const struct input refused[] = {
	IN("[1 true]"), IN("[a\xe5]"), IN("[\"\": 1]"), IN("[\"\"],"), IN("[,1]"), IN("[1,,2]"),
	IN("[\"x\",,]"), IN("[\"x\"]]"), IN("[\"\",]"), IN("[\"x\""), IN("[x"), IN("[3[4]]"),
	IN("[\xff]"), IN("[1:2]"), IN("[,]"), IN("[-]"), IN("[   , \"\"]"),
	IN("[\"a\",\n4\n,1,"), IN("[1,]"), IN("[\"\va\"\\f]"), IN("[*]"), IN("[\"\""),
	IN("[1,"), IN("[1,\n1\n,1"), IN("[{}"), IN("[fals]"), IN("[nul]"), IN("[tru]"),
	IN("123\0"), IN("[++1234]"), IN("[+1]"), IN("[+Inf]"), IN("[-01]"), IN("[-1.0.]"),
	IN("[-2.]"), IN("[-NaN]"), IN("[.-1]"), IN("[.2e-3]"), IN("[0.1.2]"), IN("[0.3e+]"),
	IN("[0.3e]"), IN("[0.e1]"), IN("[0E+]"), IN("[0E]"), IN("[1.0e+]"), IN("[1.0e-]"),
	IN("[1.0e]"), IN("[1 000.0]"), IN("[1eE2]"), IN("[2.e+3]"), IN("[2.e-3]"), IN("[2.e3]"),
	IN("[9.e+]"), IN("[Inf]"), IN("[NaN]"), IN("[\xef\xbc\x91]"), IN("[1+2]"), IN("[0x1]"),
	IN("[0x42]"), IN("[Infinity]"), IN("[0e+-1]"), IN("[-123.123foo]"), IN("[123\xe5]"),
	IN("[1e1\xe5]"), IN("[0\xe5]\n"), IN("[-Infinity]"), IN("[-foo]"), IN("[- 1]"),
	IN("[-012]"), IN("[-.123]"), IN("[-1x]"), IN("[1ea]"), IN("[1.]"), IN("[.123]"),
	IN("[1.2a-3]"), IN("[1.8011670033376514H-308]"), IN("[012]"), IN("[\"x\", truth]"),
	IN("{[: \"x\"}\n"), IN("{\"x\", null}"), IN("{\"x\"::\"b\"}"),
	IN("{\xf0\x9f\x87\xa8\xf0\x9f\x87\xad}"), IN("{\"a\":\"a\" 123}"), IN("{key: 'value'}"),
	IN("{\"\xb9\":\"0\",}"), IN("{\"a\" b}"), IN("{:\"b\"}"), IN("{\"a\" \"b\"}"),
	IN("{\"a\":"), IN("{\"a\""), IN("{1:1}"), IN("{9999E9999:1}"),
	IN("{null:null,null:null}"), IN("{\"id\":0,,,,,}"), IN("{'a':0}"), IN("{\"id\":0,}"),
	IN("{\"a\":\"b\"}/**/"), IN("{\"a\":\"b\"}//"), IN("{\"a\":\"b\",,\"c\":\"d\"}"),
	IN("{a: \"b\"}"), IN("{\"a\":\"a"), IN("{ \"foo\" : \"bar\", \"a\" }"),
	IN("{\"a\":\"b\"}#"), IN(" "), IN("[\"\\uD800\\\"]"), IN("[\"\\uD800\\u\"]"),
	IN("[\"\\uD800\\u1\"]"), IN("[\"\\uD800\\u1x\"]"), IN("[\xc3\xa9]"), IN("[\"\\\0\"]"),
	IN("[\"\\x00\"]"), IN("[\"\\\\\\\"]"), IN("[\"\\\t\"]"), IN("[\"\\\xf0\x9f\x8c\x80\"]"),
	IN("[\"\\\"]"), IN("[\"\\u00A\"]"), IN("[\"\\uD834\\uDd\"]"),
	IN("[\"\\uD800\\uD800\\x\"]"), IN("[\"\\u\xe5\"]"), IN("[\"\\a\"]"),
	IN("[\"\\uqqqq\"]"), IN("[\"\\\xe5\"]"), IN("[\\u0020\"asd\"]"), IN("[\\n]"), IN("\""),
	IN("['single quote']"), IN("abc"), IN("[\"\\"), IN("[\"a\0a\"]"), IN("[\"new\nline\"]"),
	IN("[\"\t\"]"), IN("\"\\UA66D\""), IN("\"\"x"), IN("<.>"), IN("[<null>]"), IN("[1]x"),
	IN("[1]]"), IN("[\"asd]"), IN("a\xc3\xa5"), IN("[True]"), IN("1]"), IN("{\"x\": true,"),
	IN("[][]"), IN("]"), IN("\xef\xbb\xbf{}"), IN("\xe5"), IN("["), IN(""), IN("[\0]"),
	IN("2@"), IN("{}}"), IN("{\"\":"), IN("{\"a\":/*comment*/\"b\"}"),
	IN("{\"a\": true} \"x\""), IN("['"), IN("[\"a"), IN("[,"), IN("[{"), IN("{]"), IN("{,"),
	IN("{["), IN("{\"a"), IN("{'a'"), IN("[\"\\{[\"\\{[\"\\{[\"\\{"), IN("*"),
	IN("{\"a\":\"b\"}#{}"), IN("[\\u000A\"\"]"), IN("[1"), IN("[ false, nul"),
	IN("[ true, fals"), IN("{\"asd\":\"asd\""), IN("\xc2\x85"), IN("[\xe2\x81\xa0]"),
	IN("[\f]"), IN("{\"a\":1,\"\\u0061\":2}"),
	IN("{\"a\":\"b\",\"a\":\"c\"}"), /* y_ there: names stand once here */
	IN("{\"foo\\u0000bar\": 42}"),   /* and hold no NUL */
};

/* One of two answers is as good; that they are the same is the comparison's affair. */
static const struct input either[] = {
	IN("[123.456e-789]"),
	IN("[0.4e00669999999999999999999999999999999999999999999999999999999969999999006]"),
	IN("[-1e+9999]"),
	IN("[1.5e+9999]"),
	IN("[-123123e100000]"),
	IN("[123123e100000]"),
	IN("[123e-10000000]"),
	IN("[-123123123123123123123123123123]"),
	IN("[100000000000000000000]"),
	IN("[9223372036854775807]"),
	IN("[9223372036854775808]"),
	IN("[-9223372036854775808]"),
	IN("[-9223372036854775809]"),
	IN("[-237462374673276894279832749832423479823246327846]"),
	IN("{\"\\uDFAA\":0}"),
	IN("[\"\\uDADA\"]"),
	IN("[\"\\uD888\\u1234\"]"),
	IN("[\"\xe6\x97\xa5\xd1\x88\xfa\"]"),
	IN("[\"\\uD800\\n\"]"),
	IN("[\"\\uDd1ea\"]"),
	IN("[\"\\uD800\\uD800\\n\"]"),
	IN("[\"\\ud800\"]"),
	IN("[\"\\ud800abc\"]"),
	IN("[\"\xff\"]"),
	IN("[\"\\uDd1e\\uD834\"]"),
	IN("[\"\xe9\"]"),
	IN("[\"\\uDFAA\"]"),
	IN("[\"\x81\"]"),
	IN("[\"\xf4\xbf\xbf\xbf\"]"),
	IN("[\"\xc0\xaf\"]"),
	IN("[\"\xfc\x83\xbf\xbf\xbf\xbf\"]"),
	IN("[\"\xfc\x80\x80\x80\x80\x80\"]"),
	IN("[\"\xe0\xff\"]"),
	IN("[\"\xed\xa0\x80\"]"),
	IN("\xef\xbb\xbf[]"),
};

static bool
is_taken(const struct input *in)
{
	struct slice raw;
	struct err err;

	(void)LLVMFuzzerTestOneInput((const uint8_t *)in->text, in->len);
	return json_check(slice_of(in->text, in->len), &raw, &err) == FATE_DONE;
}

static void
test_suite(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
		if (!is_taken(&taken[i]))
			fail_msg("refused: %s", taken[i].text);
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (is_taken(&refused[i]))
			fail_msg("taken: %s", refused[i].text);
	for (size_t i = 0; i < sizeof either / sizeof *either; i++)
		(void)is_taken(&either[i]);
}

/* Cut at each byte; with each byte lost, doubled, or another one. */
static void
mutate(const struct input *in)
{
	static const char others[] = "\"\\{}[],:0-.eu \n\x80\xff";
	char text[256];

	assert_true(in->len + 1 < sizeof text);
	for (size_t at = 0; at < in->len; at++) {
		const uint8_t *bytes = (const uint8_t *)text;

		(void)LLVMFuzzerTestOneInput((const uint8_t *)in->text, at);
		memcpy(text, in->text, at);
		memcpy(text + at, in->text + at + 1, in->len - at - 1);
		(void)LLVMFuzzerTestOneInput(bytes, in->len - 1);
		memcpy(text + at, in->text + at, 1);
		memcpy(text + at + 1, in->text + at, in->len - at);
		(void)LLVMFuzzerTestOneInput(bytes, in->len + 1);
		memcpy(text, in->text, in->len);
		for (size_t i = 0; i + 1 < sizeof others; i++) {
			text[at] = others[i];
			(void)LLVMFuzzerTestOneInput(bytes, in->len);
		}
	}
}

static void
test_mutations(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
		mutate(&taken[i]);
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		mutate(&refused[i]);
	for (size_t i = 0; i < sizeof either / sizeof *either; i++)
		mutate(&either[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_suite),
		cmocka_unit_test(test_mutations),
	};
	int bad = cmocka_run_group_tests(tests, NULL, NULL);

	arena_finish(&arena);
	return bad;
}
