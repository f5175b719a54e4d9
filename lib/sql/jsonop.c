/* SPDX-License-Identifier: Apache-2.0 */
/* -> ->> #> #>> and ? on json and jsonb: parts are slices of the text. */
#include <stdlib.h>
#include <string.h>

#include "sql/json_walk.h"
#include "sql/jsonb.h"

#define A (call->arg[0])
#define B (call->arg[1])

static enum fate
name_is(const struct sql_call *call, struct slice raw, struct slice name, bool *ret_same)
{
	struct slice text;
	enum fate fate;

	*ret_same = raw.len == name.len + 2 && memcmp(raw.p + 1, name.p, name.len) == 0;
	if (*ret_same || !memchr(raw.p, '\\', raw.len))
		return FATE_DONE;
	fate = jsonb_decode(call, raw, &text);
	*ret_same = !fate && slice_eq(text, name);
	return fate;
}

/* The member of that name, the last of several; p NULL when there is none. */
static enum fate
member(
    const struct sql_call *call, struct slice json, struct slice name, struct slice *ret_value)
{
	struct jwalk walk = jwalk_of(json);
	bool same;
	enum fate fate;

	*ret_value = (struct slice){ 0 };
	while (walk.object && jwalk_next(&walk)) {
		fate = name_is(call, walk.name, name, &same);
		if (fate)
			return fate;
		if (same)
			*ret_value = walk.value;
	}
	return FATE_DONE;
}

static struct slice
element(struct slice json, int64_t index)
{
	struct jwalk walk = jwalk_of(json);
	int64_t count = 0;

	if (walk.object)
		return (struct slice){ 0 };
	for (struct jwalk all = walk; index < 0 && jwalk_next(&all);)
		count++;
	if (index < 0)
		index += count;
	while (index >= 0 && jwalk_next(&walk)) {
		if (index-- == 0)
			return walk.value;
	}
	return (struct slice){ 0 };
}

static enum fate
give_json(const struct sql_call *call, struct slice value)
{
	if (!value.p)
		call->ret->state = VALUE_NULL;
	call->ret->s = value;
	return FATE_DONE;
}

/* As ->> gives it: null is NULL, a string is its text, all else as it stands. */
static enum fate
give_text(const struct sql_call *call, struct slice value)
{
	if (!value.p || *value.p == 'n') {
		call->ret->state = VALUE_NULL;
		return FATE_DONE;
	}
	if (*value.p == '"')
		return jsonb_decode(call, value, &call->ret->s);
	call->ret->s = value;
	return FATE_DONE;
}

static enum fate
give(const struct sql_call *call, struct slice value)
{
	return call->extra->to.kind == TYPE_TEXT ? give_text(call, value)
						 : give_json(call, value);
}

/* Postgres decodes every string of a json on its way: one that is no text is an error
 * wherever it stands. A jsonb holds none. */
static enum fate
check_escapes(const struct sql_call *call)
{
	const char *p = A->s.p, *end = p + A->s.len, *start;
	size_t mark = arena_mark(call->arena);
	enum fate fate = FATE_DONE;
	struct slice text;

	if (call->extra->from.kind != TYPE_JSON || A->s.len == 0 ||
	    !memmem(p, A->s.len, "\\u", 2))
		return FATE_DONE;
	while (!fate && (start = memchr(p, '"', (size_t)(end - p))) != NULL) {
		for (p = start + 1; p < end && *p != '"'; p++)
			p += *p == '\\';
		if (p >= end)
			break;
		p++;
		fate = jsonb_decode(call, slice_of(start, (size_t)(p - start)), &text);
		arena_rewind(call->arena, mark);
	}
	return fate;
}

static enum fate
get_member(const struct sql_call *call)
{
	struct slice value = { 0 };
	enum fate fate = check_escapes(call);

	if (!fate)
		fate = member(call, A->s, B->s, &value);
	return fate ? fate : give(call, value);
}

/* A jsonb scalar is an array of one, as Postgres keeps it. */
static enum fate
get_element(const struct sql_call *call)
{
	struct slice json = jwalk_trim(A->s);
	enum fate fate = check_escapes(call);

	if (fate)
		return fate;
	if (call->extra->from.kind == TYPE_JSONB && json.len && *json.p != '{' &&
	    *json.p != '[')
		return give(call, B->i == 0 || B->i == -1 ? json : (struct slice){ 0 });
	return give(call, element(A->s, B->i));
}

static bool
step_index(struct slice text, int64_t *ret_index)
{
	if (text.len && *text.p == '+')
		text = slice_of(text.p + 1, text.len - 1);
	return slice_i64(text, ret_index) && *ret_index >= INT32_MIN && *ret_index <= INT32_MAX;
}

/* The path is carried as a JSON array of strings. */
static enum fate
get_path(const struct sql_call *call)
{
	struct jwalk path = jwalk_of(B->s);
	struct slice value = jwalk_trim(A->s), text;
	int64_t index;
	enum fate fate = check_escapes(call);

	if (fate)
		return fate;
	while (value.p && jwalk_next(&path)) {
		if (*path.value.p == 'n') {
			value = (struct slice){ 0 };
			break;
		}
		fate = jsonb_decode(call, path.value, &text);
		if (!fate && *value.p == '{')
			fate = member(call, value, text, &value);
		else if (!fate && *value.p == '[' && step_index(text, &index))
			value = element(value, index);
		else
			value = (struct slice){ 0 };
		if (fate)
			return fate;
	}
	return give(call, value);
}

/* A member's name, or a string among an array's elements, or the string itself. */
static enum fate
exists(const struct sql_call *call)
{
	struct slice json = jwalk_trim(A->s), value;
	struct jwalk walk = jwalk_of(json);
	enum fate fate = FATE_DONE;

	call->ret->b = false;
	if (json.len && *json.p == '"')
		return name_is(call, json, B->s, &call->ret->b);
	if (walk.object) {
		fate = member(call, json, B->s, &value);
		call->ret->b = !fate && value.p;
		return fate;
	}
	while (!fate && !call->ret->b && jwalk_next(&walk)) {
		if (*walk.value.p == '"')
			fate = name_is(call, walk.value, B->s, &call->ret->b);
	}
	return fate;
}

#define J  TYPE_JSON
#define JB TYPE_JSONB
#define T  TYPE_TEXT
#define I4 TYPE_INT4
static const struct sql_function rows[] = {
	{ "->", JB, 2, { JB, T }, get_member },
	{ "->", JB, 2, { JB, I4 }, get_element },
	{ "->", J, 2, { J, T }, get_member },
	{ "->", J, 2, { J, I4 }, get_element },
	{ "->>", T, 2, { JB, T }, get_member },
	{ "->>", T, 2, { JB, I4 }, get_element },
	{ "->>", T, 2, { J, T }, get_member },
	{ "->>", T, 2, { J, I4 }, get_element },
	{ "#>", JB, 2, { JB, KIND_PATH }, get_path },
	{ "#>", J, 2, { J, KIND_PATH }, get_path },
	{ "#>>", T, 2, { JB, KIND_PATH }, get_path },
	{ "#>>", T, 2, { J, KIND_PATH }, get_path },
	{ "?", TYPE_BOOL, 2, { JB, T }, exists },
	{ "-", JB, 2, { JB, T }, NULL, 0, "changing jsonb is not in the subset" },
	{ "-", JB, 2, { JB, I4 }, NULL, 0, "changing jsonb is not in the subset" },
};
const struct sql_function_table sql_functions_json = { rows, sizeof(rows) / sizeof(rows[0]) };
