/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_json.c -- the JSON scanner against jansson.
 *
 * Both must take and refuse the same texts, and a walk over a taken text must find
 * what jansson has built: kinds, names, decoded strings, integers. Listed
 * exceptions: a NUL byte, which jansson loses behind a number; numbers beyond int64
 * or a double, which jansson refuses; nesting between our limit and jansson's. */
#include <jansson.h>
#include <stdlib.h>

#include "base/must.h"
/* both libraries have these words */
#define json_kind   sluice_json_kind
#define JSON_NULL   SLUICE_NULL
#define JSON_TRUE   SLUICE_TRUE
#define JSON_FALSE  SLUICE_FALSE
#define JSON_STRING SLUICE_STRING
#define JSON_ARRAY  SLUICE_ARRAY
#define JSON_OBJECT SLUICE_OBJECT
#include "wire/json.h"
#undef JSON_NULL
#undef JSON_TRUE
#undef JSON_FALSE
#undef JSON_STRING
#undef JSON_ARRAY
#undef JSON_OBJECT

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arena arena;

static void compare(struct slice raw, const json_t *tree);

static void
compare_object(struct slice raw, const json_t *tree)
{
	struct json_walk walk = json_walk(raw);
	size_t count = 0;

	while (json_next(&walk)) {
		struct slice name = slice_of(walk.name.p - 1, walk.name.len + 2);
		struct slice text = json_text(name, &arena);
		json_t *member = json_object_getn(tree, text.p, text.len);
		must(member);
		must(json_name_eq(&walk, text));
		must(walk.name_escaped == (memchr(walk.name.p, '\\', walk.name.len) != NULL));
		compare(walk.value, member);
		count++;
	}
	must(count == json_object_size(tree));
}

static void
compare_array(struct slice raw, const json_t *tree)
{
	struct json_walk walk = json_walk(raw);
	size_t count = 0;

	while (json_next(&walk))
		compare(walk.value, json_array_get(tree, count++));
	must(count == json_array_size(tree));
}

/* What json_quote makes of a text reads back as the text. */
static void
compare_string(struct slice raw, const json_t *tree)
{
	struct slice text = json_text(raw, &arena), back, again;
	struct buf quoted = { 0 };
	struct err err;

	must(slice_eq(text, slice_of(json_string_value(tree), json_string_length(tree))));
	json_quote(&quoted, text);
	must(json_check(buf_view(&quoted), &again, &err) == FATE_DONE);
	back = json_text(again, &arena);
	must(slice_eq(back, text));
	buf_finish(&quoted);
}

static void
compare(struct slice raw, const json_t *tree)
{
	int64_t i;

	must(tree);
	switch (json_kind_of(raw)) {
	case SLUICE_NULL: must(json_is_null(tree)); break;
	case SLUICE_TRUE: must(json_is_true(tree)); break;
	case SLUICE_FALSE: must(json_is_false(tree)); break;
	case JSON_NUMBER:
		must(json_is_number(tree));
		if (json_is_integer(tree))
			must(slice_i64(raw, &i) && i == json_integer_value(tree));
		break;
	case SLUICE_STRING:
		must(json_is_string(tree));
		compare_string(raw, tree);
		break;
	case SLUICE_ARRAY:
		must(json_is_array(tree));
		compare_array(raw, tree);
		break;
	case SLUICE_OBJECT:
		must(json_is_object(tree));
		compare_object(raw, tree);
		break;
	}
}

/* More brackets than our depth: whether they nest is not asked. */
static bool
perhaps_deep(const uint8_t *data, size_t size)
{
	size_t open = 0;

	for (size_t i = 0; i < size; i++)
		open += data[i] == '[' || data[i] == '{';
	return open > JSON_DEPTH_MAX;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice raw = { 0 };
	struct err err = { 0 };
	json_error_t refusal;
	json_t *tree;
	enum fate fate;

	if (!arena.base)
		arena_init(&arena, 16 << 20);
	arena_reset(&arena);
	fate = json_check(slice_of((const char *)data, size), &raw, &err);
	if (memchr(data, '\0', size)) {
		must(fate == FATE_REJECT);
		return 0;
	}
	tree = json_loadb((const char *)data, size,
	    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &refusal);
	if (tree && fate != FATE_DONE)
		must(perhaps_deep(data, size) && strstr(err.what, "nested"));
	if (!tree && fate == FATE_DONE)
		must(json_error_code(&refusal) == json_error_numeric_overflow);
	if (tree && fate == FATE_DONE)
		compare(raw, tree);
	json_decref(tree);
	return 0;
}
