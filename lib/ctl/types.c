/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/types.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "wire/json.h"
#include "work/lines.h"

enum { ARENA_SIZE = 4 << 20, COLUMNS_MAX = 1600, WORDS_MAX = 80 };

static const struct {
	const char *words;
	uint32_t oid;
} names[] = {
	{ "bool", 16 },
	{ "boolean", 16 },
	{ "bytea", 17 },
	{ "name", 19 },
	{ "int8", 20 },
	{ "bigint", 20 },
	{ "int2", 21 },
	{ "smallint", 21 },
	{ "int4", 23 },
	{ "int", 23 },
	{ "integer", 23 },
	{ "text", 25 },
	{ "json", 114 },
	{ "cidr", 650 },
	{ "float4", 700 },
	{ "real", 700 },
	{ "float8", 701 },
	{ "double precision", 701 },
	{ "macaddr", 829 },
	{ "inet", 869 },
	{ "bpchar", 1042 },
	{ "char", 1042 },
	{ "character", 1042 },
	{ "varchar", 1043 },
	{ "character varying", 1043 },
	{ "date", 1082 },
	{ "time", 1083 },
	{ "time without time zone", 1083 },
	{ "timestamp", 1114 },
	{ "timestamp without time zone", 1114 },
	{ "timestamptz", 1184 },
	{ "timestamp with time zone", 1184 },
	{ "interval", 1186 },
	{ "numeric", 1700 },
	{ "decimal", 1700 },
	{ "uuid", 2950 },
	{ "jsonb", 3802 },
};

/* Takes "(18,3)" out of the words; false when it is no such thing. */
static bool
take_modifier(char *words, long *ret_numbers, size_t *ret_count)
{
	char *open = strchr(words, '('), *close = open ? strchr(open, ')') : NULL, *at = open;

	*ret_count = 0;
	if (!open)
		return true;
	if (!close)
		return false;
	do {
		char *end;

		ret_numbers[*ret_count] = strtol(at + 1, &end, 10);
		if (end == at + 1 || ret_numbers[*ret_count] < 0)
			return false;
		++*ret_count;
		at = end;
	} while (*at == ',' && *ret_count < 2);
	if (at != close)
		return false;
	memmove(open, close + 1, strlen(close + 1) + 1);
	return true;
}

static void
set_typmod(struct pgtype *type, const long *numbers, size_t count)
{
	if (count == 0)
		return;
	if (type->kind == TYPE_NUMERIC)
		type->typmod = (int32_t)((numbers[0] << 16 | (count > 1 ? numbers[1] : 0)) + 4);
	else if (type->kind == TYPE_VARCHAR || type->kind == TYPE_BPCHAR)
		type->typmod = (int32_t)numbers[0] + 4;
	else
		type->typmod = (int32_t)numbers[0];
}

bool
type_of_words(struct slice words, struct pgtype *ret_type)
{
	char text[WORDS_MAX];
	long numbers[2];
	size_t count, len = words.len;
	bool array = len > 2 && memcmp(words.p + len - 2, "[]", 2) == 0;

	if (array)
		len -= 2;
	if (len >= sizeof text)
		return false;
	for (size_t i = 0; i < len; i++)
		text[i] = (char)(words.p[i] >= 'A' && words.p[i] <= 'Z' ? words.p[i] + 32
									: words.p[i]);
	text[len] = '\0';
	if (!take_modifier(text, numbers, &count))
		return false;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(names[i].words, text) != 0)
			continue;
		*ret_type = (struct pgtype){ .kind = type_kind_of_oid(names[i].oid),
			.oid = names[i].oid,
			.typmod = -1 };
		set_typmod(ret_type, numbers, count);
		if (array)
			*ret_type = (struct pgtype){
				.kind = TYPE_ARRAY, .elem = ret_type->kind, .typmod = -1
			};
		return true;
	}
	return false;
}

static enum fate
column_read(struct types *types, const struct json_walk *walk, struct err *err)
{
	struct row_column *column = &types->columns[types->count];
	struct slice words, name;

	if (types->count == COLUMNS_MAX)
		return err_set(err, FATE_HALT, "more than %d columns", (int)COLUMNS_MAX);
	if (walk->name_escaped || json_kind_of(walk->value) != JSON_STRING)
		return err_set(err, FATE_HALT, "column %.*s: a type's name is wanted",
		    SLICE_ARG(walk->name));
	words = json_text(walk->value, &types->arena);
	name = arena_copy(&types->arena, walk->name);
	must(words.p && name.p);
	if (!type_of_words(words, &column->type))
		return err_set(err, FATE_HALT, "column %s: type \"%.*s\" is not known here",
		    name.p, SLICE_ARG(words));
	column->name = name.p;
	types->count++;
	return FATE_DONE;
}

enum fate
types_read(const char *path, struct types *ret, struct err *err)
{
	struct buf text = { 0 };
	struct slice raw = { 0 };
	struct json_walk walk;
	enum fate fate = file_read(path, &text, err);

	*ret = (struct types){ .columns = calloc(COLUMNS_MAX, sizeof *ret->columns) };
	must(ret->columns);
	arena_init(&ret->arena, ARENA_SIZE);
	if (fate == FATE_DONE)
		fate = json_check(buf_view(&text), &raw, err);
	if (fate == FATE_DONE && json_kind_of(raw) != JSON_OBJECT)
		fate = err_set(err, FATE_HALT, "an object of column: type is wanted");
	if (fate == FATE_DONE) {
		walk = json_walk(raw);
		while (fate == FATE_DONE && json_next(&walk))
			fate = column_read(ret, &walk, err);
	}
	buf_finish(&text);
	if (fate == FATE_DONE)
		return fate;
	types_finish(ret);
	err_wrap(err, "%s", path);
	return err->fate = FATE_HALT;
}

void
types_finish(struct types *types)
{
	free(types->columns);
	arena_finish(&types->arena);
	*types = (struct types){ 0 };
}
