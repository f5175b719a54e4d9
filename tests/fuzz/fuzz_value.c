/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_value -- texts of every type: what is accepted prints a text that reads back as
 * an equal value, and a JSON form that is JSON and reads back as an equal value.
 *
 * The first byte is the type, the second the element type of arrays, the rest the
 * text (7 bits a byte, since Postgres hands out valid UTF-8 only). */
#include <stddef.h>
#include <stdint.h>

#include "base/must.h"
#include "wire/json.h"
#include "wire/value.h"

enum { TEXT_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arena arena;
static struct buf text, json;

static void
check_text(struct pgtype type, const struct value *value)
{
	struct value back;
	struct err err;

	text.len = 0;
	value_to_text(&text, type, value);
	must(value_from_text(type, buf_view(&text), &arena, &back, &err) == FATE_DONE);
	must(value_compare(type, value, &back) == 0);
}

static void
check_json(struct pgtype type, const struct value *value)
{
	struct value back;
	struct slice raw;
	struct err err;

	json.len = 0;
	value_to_json(&json, type, value);
	must(json_check(buf_view(&json), &raw, &err) == FATE_DONE);
	must(value_from_record(type, raw, &arena, &back, &err) == FATE_DONE);
	must(value_compare(type, value, &back) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pgtype type = { .typmod = -1 };
	char input[TEXT_MAX];
	struct value value;
	struct err err;

	if (size < 2 || size - 2 > sizeof(input))
		return 0;
	if (!arena.base)
		arena_init(&arena, (size_t)16 << 20);
	arena_reset(&arena);
	type.kind = (enum type_kind)(data[0] % (TYPE_OTHER + 1));
	type.elem = (enum type_kind)(data[1] % TYPE_ARRAY);
	for (size_t i = 2; i < size; i++)
		input[i - 2] = (char)(data[i] & 0x7f);
	if (value_from_text(type, slice_of(input, size - 2), &arena, &value, &err) != FATE_DONE)
		return 0;
	check_text(type, &value);
	check_json(type, &value);
	return 0;
}
