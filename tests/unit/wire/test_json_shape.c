/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/json.h"
#include "wire/json_shape.h"

static const struct slice nothing;

/* Room is exactly the text's, so that a sanitizer sees a load beyond it. */
static bool
fits(const struct json_shape *shape, struct slice text, struct json_ends *ends)
{
	char *exact = malloc(text.len ? text.len : 1);
	bool fit;

	assert_non_null(exact);
	if (text.len)
		memcpy(exact, text.p, text.len);
	fit = json_shape_fits(shape, slice_of(exact, text.len), ends);
	if (fit)
		for (uint32_t i = 0; i <= shape->count; i++)
			assert_true(
			    ends->ends[i] >= exact && ends->ends[i] <= exact + text.len);
	free(exact);
	return fit;
}

static bool
is_json(struct slice text)
{
	struct slice raw;
	struct err err;

	return json_check(text, &raw, &err) == FATE_DONE;
}

#define EVENT                                                                                  \
	"{\"before\":null,\"after\":{\"id\":12345678,\"content_id\":\"0b1c4d2e-17ad-45b3-"     \
	"af2a-ae46edb4545a\",\"raw_payload\":\"{\\\"player\\\": \\\"web\\\"}\",\"long name "   \
	"of more than thirty-two bytes\":-17},\"op\":\"c\",\"ts_ms\":1763714916700123456}"
#define DIGITS "0123456789abcdef0123456789abcdef"

static const char *const texts[] = {
	"{\"id\":1}",
	"{\"a\":{},\"b\":[],\"c\":\"\"}",
	"{ \"a\" : [ 1 , -2.5e3 , true , false , null , \"x\" ] , \"b\" : { \"c\" : { } } }",
	EVENT,
	"{\"caf\xc3\xa9\":\"\xe2\x82\xac \\u20ac \\ud83d\\ude00 \\\\\",\"n\":0.125}",
	"{\"a\":\"" DIGITS DIGITS DIGITS "\"}",
};
enum { TEXTS = sizeof texts / sizeof *texts };

static void
test_fits_itself(void **state)
{
	struct json_shape shape = { 0 };
	struct json_ends ends;

	(void)state;
	for (size_t i = 0; i < TEXTS; i++) {
		struct slice text = slice_str(texts[i]);

		assert_true(is_json(text));
		assert_true(json_shape_learn(&shape, text, nothing, &ends));
		assert_ptr_equal(ends.ends[0], text.p);
		assert_true(fits(&shape, text, &ends));
		for (size_t k = 0; k < TEXTS; k++)
			assert_int_equal(fits(&shape, slice_str(texts[k]), &ends), i == k);
		for (size_t len = 0; len < text.len; len++)
			assert_false(fits(&shape, slice_of(text.p, len), &ends));
	}
	json_shape_finish(&shape);
}

/* Whatever byte changes: what fits is JSON. */
static void
test_one_byte_off(void **state)
{
	static const char bytes[] = "\"\\{}[],:0 9-+.eEntu\n\r\t\x01\x1f\x7f\x80\xc3\xe2\xff";
	struct json_shape shape = { 0 };
	struct json_ends ends;
	char copy[512];
	size_t fitted = 0;

	(void)state;
	for (size_t i = 0; i < TEXTS; i++) {
		size_t len = strlen(texts[i]);

		memcpy(copy, texts[i], len);
		assert_true(json_shape_learn(&shape, slice_of(texts[i], len), nothing, &ends));
		for (size_t at = 0; at < len; at++) {
			for (size_t b = 0; b < sizeof bytes; b++) { /* the NUL too */
				copy[at] = bytes[b];
				if (!fits(&shape, slice_of(copy, len), &ends))
					continue;
				fitted++;
				if (!is_json(slice_of(copy, len)))
					fail_msg("taken: %.*s", (int)len, copy);
			}
			copy[at] = texts[i][at];
		}
	}
	assert_true(fitted > 1000);
	json_shape_finish(&shape);
}

static struct slice
value_at(const struct json_ends *ends, size_t i, size_t len)
{
	return slice_of(ends->ends[i + 1] - len, len);
}

static void
test_other_values(void **state)
{
	struct slice learned = SLICE("{\"a\":1,\"b\":[null,\"x\"],\"c\":true}");
	struct slice text = SLICE(
	    "{\"a\":\"one\",\"b\":[-1.5,\"\\u00e9\xc3\xa9\"],\"c\":12345678901234567890}");
	struct json_shape shape = { 0 };
	struct json_ends ends;

	(void)state;
	assert_true(json_shape_learn(&shape, learned, nothing, &ends));
	assert_int_equal(shape.count, 4);
	assert_true(json_shape_fits(&shape, text, &ends));
	assert_true(slice_eq(value_at(&ends, 0, 5), SLICE("\"one\"")));
	assert_true(slice_eq(value_at(&ends, 1, 4), SLICE("-1.5")));
	assert_true(slice_eq(value_at(&ends, 2, 10), SLICE("\"\\u00e9\xc3\xa9\"")));
	assert_true(slice_eq(value_at(&ends, 3, 20), SLICE("12345678901234567890")));
	/* good JSON of another shape */
	assert_false(fits(&shape, SLICE("{\"a\":1,\"b\":[null,{}],\"c\":true}"), &ends));
	assert_false(fits(&shape, SLICE("{\"a\":1,\"b\":[null],\"c\":true}"), &ends));
	assert_false(fits(&shape, SLICE("{\"a\":1,\"b\":[null,\"x\"],\"d\":true}"), &ends));
	assert_false(fits(&shape, SLICE("{\"a\":1,\"b\":[null,\"x\"],\"c\":true} "), &ends));
	/* no JSON */
	assert_false(fits(&shape, SLICE("{\"a\":01,\"b\":[null,\"x\"],\"c\":true}"), &ends));
	assert_false(fits(&shape, SLICE("{\"a\":1,\"b\":[null,\"\x80\"],\"c\":true}"), &ends));
	assert_false(fits(&shape, SLICE("{\"a\":1,\"b\":[null,\"x],\"c\":true}"), &ends));
	json_shape_finish(&shape);
}

/* A string of every length, so that its end meets every place of a block and of the
 * text's end. */
static void
test_every_length(void **state)
{
	struct json_shape shape = { 0 };
	struct json_ends ends;
	char text[400];

	(void)state;
	assert_true(json_shape_learn(&shape, SLICE("{\"a\":\"\",\"b\":0}"), nothing, &ends));
	for (int len = 0; len < 200; len++) {
		int n = snprintf(text, sizeof text, "{\"a\":\"%0*d\",\"b\":%.*s}", len + 1, 7,
		    len + 1,
		    "1234567890123456789012345678901234567890123456789012345678901234567890");
		assert_true(fits(&shape, slice_of(text, (size_t)n), &ends));
		for (int at = 6; at <= 6 + len; at++) {
			char was = text[at];
			text[at] = '\\';
			assert_false(fits(&shape, slice_of(text, (size_t)n), &ends));
			text[at] = '\x1f';
			assert_false(fits(&shape, slice_of(text, (size_t)n), &ends));
			text[at] = was;
		}
	}
	json_shape_finish(&shape);
}

static void
test_fixed_part(void **state)
{
	struct slice learned =
	    SLICE("{\"schema\":{\"type\":\"struct\",\"v\":1},\"payload\":{\"a\":2}}");
	struct json_shape shape = { 0 };
	struct json_ends ends;

	(void)state;
	assert_true(json_shape_learn(&shape, learned, slice_of(learned.p + 10, 23), &ends));
	assert_int_equal(shape.count, 1);
	assert_true(fits(&shape, learned, &ends));
	assert_true(fits(&shape,
	    SLICE("{\"schema\":{\"type\":\"struct\",\"v\":1},\"payload\":{\"a\":\"x\"}}"),
	    &ends));
	assert_false(fits(&shape,
	    SLICE("{\"schema\":{\"type\":\"struct\",\"v\":2},\"payload\":{\"a\":2}}"), &ends));
	json_shape_finish(&shape);
}

/* Nothing to learn and too much to learn fit nothing, the empty text included. */
static void
test_bounds(void **state)
{
	struct json_shape shape = { 0 };
	struct json_ends ends;
	struct buf text = { 0 };

	(void)state;
	assert_false(fits(&shape, SLICE(""), &ends));
	assert_true(json_shape_learn(&shape, SLICE("{}"), nothing, &ends));
	assert_false(fits(&shape, SLICE(""), &ends));
	for (int count = JSON_SHAPE_VALUES; count <= JSON_SHAPE_VALUES + 1; count++) {
		bool learned;
		text.len = 0;
		for (int i = 0; i < count; i++)
			buf_printf(&text, "%c1", i ? ',' : '[');
		buf_byte(&text, ']');
		learned = json_shape_learn(&shape, buf_view(&text), nothing, &ends);
		assert_int_equal(learned, count == JSON_SHAPE_VALUES);
		assert_int_equal(fits(&shape, buf_view(&text), &ends), learned);
		assert_false(fits(&shape, SLICE(""), &ends));
	}
	text.len = 0;
	buf_printf(&text, "{\"%0*d\":1}", JSON_SHAPE_BYTES, 1);
	assert_false(json_shape_learn(&shape, buf_view(&text), nothing, &ends));
	assert_false(fits(&shape, buf_view(&text), &ends));
	buf_finish(&text);
	json_shape_finish(&shape);
}

/* A tighter shape takes the fixed values byte for byte, and any others. */
static void
test_tight(void **state)
{
	const struct slice learned = SLICE("{\"a\":\"x\",\"b\":[1,true,null],\"c\":-7}");
	const bool fixed[] = { true, false, true, true, false };
	struct json_shape shape = { 0 }, tight = { 0 };
	struct json_ends ends, tight_ends;

	(void)state;
	assert_true(json_shape_learn(&shape, learned, nothing, &ends));
	assert_int_equal(ends.count, 5);
	assert_true(slice_eq(json_shape_value(&shape, &ends, 1), SLICE("1")));
	assert_true(json_shape_tighten(&shape, &ends, fixed, &tight, &tight_ends));
	assert_int_equal(tight.count, 2);
	assert_ptr_equal(tight_ends.ends[2], learned.p + learned.len - 1);
	assert_true(fits(&tight, learned, &ends));
	assert_true(
	    fits(&tight, SLICE("{\"a\":\"x\",\"b\":[\"y\",true,null],\"c\":0.5}"), &ends));
	assert_false(fits(&tight, SLICE("{\"a\":\"z\",\"b\":[1,true,null],\"c\":-7}"), &ends));
	assert_false(fits(&tight, SLICE("{\"a\":\"x\",\"b\":[1,false,null],\"c\":-7}"), &ends));
	assert_false(fits(&tight, SLICE("{\"a\":\"x\",\"b\":[1x,true,null],\"c\":-7}"), &ends));
	json_shape_finish(&shape);
	json_shape_finish(&tight);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fits_itself),
		cmocka_unit_test(test_tight),
		cmocka_unit_test(test_one_byte_off),
		cmocka_unit_test(test_other_values),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_fixed_part),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
