/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/jsonb.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "sql/json_walk.h"
#include "wire/json.h"

static enum fate
bad_json(const struct sql_call *call)
{
	return err_code(call->err, FATE_REJECT, "22P02", "invalid input syntax for type json");
}

enum fate
json_from_text(const struct sql_call *call, struct slice text)
{
	if (!jwalk_check(text))
		return bad_json(call);
	call->ret->s = text;
	return FATE_DONE;
}

struct member {
	struct slice name; /* decoded */
	struct slice value;
	size_t place;
};

static int
order_members(const void *pa, const void *pb)
{
	const struct member *a = pa, *b = pb;
	int c;

	if (a->name.len != b->name.len)
		return a->name.len < b->name.len ? -1 : 1;
	c = a->name.len ? memcmp(a->name.p, b->name.p, a->name.len) : 0;
	return c ? c : (a->place > b->place) - (a->place < b->place);
}

static enum fate put_jsonb(const struct sql_call *call, struct slice value);

static enum fate
put_array(const struct sql_call *call, struct slice value)
{
	struct jwalk walk = jwalk_of(value);
	bool first = true;
	enum fate fate;

	buf_byte(call->scratch, '[');
	while (jwalk_next(&walk)) {
		if (!first)
			buf_cstr(call->scratch, ", ");
		first = false;
		fate = put_jsonb(call, walk.value);
		if (fate)
			return fate;
	}
	buf_byte(call->scratch, ']');
	return FATE_DONE;
}

static enum fate
bad_escape(const struct sql_call *call)
{
	return err_code(call->err, FATE_REJECT, "22P05", "unsupported Unicode escape sequence");
}

/* The text between the quotes, decoded. */
enum fate
jsonb_decode(const struct sql_call *call, struct slice raw, struct slice *ret_text)
{
	struct slice checked;
	struct err ignored;

	if (memchr(raw.p, '\\', raw.len) == NULL) {
		*ret_text = slice_of(raw.p + 1, raw.len - 2);
		return FATE_DONE;
	}
	if (json_check(raw, &checked, &ignored)) /* lone surrogates */
		return err_code(
		    call->err, FATE_REJECT, "22P02", "invalid input syntax for type json");
	*ret_text = json_text(checked, call->arena);
	if (!ret_text->p)
		return sql_memory_full(call);
	return memchr(ret_text->p, '\0', ret_text->len) ? bad_escape(call) : FATE_DONE;
}

static size_t
count_members(struct slice value)
{
	struct jwalk walk = jwalk_of(value);
	size_t count = 0;

	while (jwalk_next(&walk))
		count++;
	return count;
}

static enum fate
put_object(const struct sql_call *call, struct slice value)
{
	size_t count = count_members(value), n = 0;
	struct member *members = arena_alloc(call->arena, (count + 1) * sizeof(*members));
	struct jwalk walk = jwalk_of(value);
	bool first = true;
	enum fate fate;

	if (!members)
		return sql_memory_full(call);
	for (; n < count && jwalk_next(&walk); n++) {
		members[n].value = walk.value;
		members[n].place = n;
		fate = jsonb_decode(call, walk.name, &members[n].name);
		if (fate)
			return fate;
	}
	qsort(members, n, sizeof(*members), order_members);
	buf_byte(call->scratch, '{');
	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && slice_eq(members[i].name, members[i + 1].name))
			continue; /* the last of duplicates stays */
		if (!first)
			buf_cstr(call->scratch, ", ");
		first = false;
		jsonb_quote(call->scratch, members[i].name);
		buf_cstr(call->scratch, ": ");
		fate = put_jsonb(call, members[i].value);
		if (fate)
			return fate;
	}
	buf_byte(call->scratch, '}');
	return FATE_DONE;
}

void
jsonb_quote(struct buf *out, struct slice text)
{
	static const char short_for[] = {
		[8] = 'b', [9] = 't', [10] = 'n', [12] = 'f', [13] = 'r'
	};

	buf_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c == '"' || c == '\\') {
			buf_byte(out, '\\');
			buf_byte(out, (char)c);
		} else if (c < sizeof(short_for) && short_for[c]) {
			buf_byte(out, '\\');
			buf_byte(out, short_for[c]);
		} else if (c < 0x20) {
			buf_printf(out, "\\u%04x", c);
		} else {
			buf_byte(out, (char)c);
		}
	}
	buf_byte(out, '"');
}

static enum fate
put_jsonb(const struct sql_call *call, struct slice value)
{
	struct decimal number;
	struct slice text;
	enum fate fate;

	switch (*value.p) {
	case '{': return put_object(call, value);
	case '[': return put_array(call, value);
	case '"':
		fate = jsonb_decode(call, value, &text);
		if (!fate)
			jsonb_quote(call->scratch, text);
		return fate;
	case 't':
	case 'f':
	case 'n': buf_slice(call->scratch, value); return FATE_DONE;
	default:
		fate = decimal_parse(value, call->arena, &number, call->err);
		if (!fate)
			decimal_print(call->scratch, &number);
		return fate;
	}
}

enum fate
jsonb_from_text(const struct sql_call *call, struct slice text)
{
	enum fate fate;

	if (!jwalk_check(text))
		return bad_json(call);
	call->scratch->len = 0;
	fate = put_jsonb(call, jwalk_trim(text));
	return fate ? fate : sql_return_text(call, call->scratch->p, call->scratch->len);
}

static bool
numbers_equal(const struct sql_call *call, struct slice a, struct slice b)
{
	struct decimal x, y;
	struct err ignored;
	size_t mark = arena_mark(call->arena);
	bool equal = !decimal_parse(a, call->arena, &x, &ignored) &&
		     !decimal_parse(b, call->arena, &y, &ignored) &&
		     decimal_compare(&x, &y) == 0;

	arena_rewind(call->arena, mark);
	return equal;
}

static bool
is_number(struct slice s)
{
	return s.len > 0 && strchr("-0123456789", *s.p) && *s.p;
}

/* Both are as jsonb prints them: only numbers of one value can look different. */
bool
jsonb_equal(const struct sql_call *call, struct slice a, struct slice b)
{
	struct jwalk x, y;

	if (slice_eq(a, b))
		return true;
	if (!a.len || !b.len)
		return false;
	if (is_number(a) && is_number(b))
		return numbers_equal(call, a, b);
	if (*a.p != *b.p || (*a.p != '{' && *a.p != '['))
		return false;
	x = jwalk_of(a);
	y = jwalk_of(b);
	for (;;) {
		bool more = jwalk_next(&x);

		if (more != jwalk_next(&y))
			return false;
		if (!more)
			return true;
		if (!slice_eq(x.name, y.name) || !jsonb_equal(call, x.value, y.value))
			return false;
	}
}

static enum fate
wrong_scalar(const struct sql_call *call, const char *what)
{
	static const struct {
		enum type_kind kind;
		const char *word;
	} words[] = {
		{ TYPE_BOOL, "boolean" },
		{ TYPE_NUMERIC, "numeric" },
		{ TYPE_INT2, "smallint" },
		{ TYPE_INT4, "integer" },
		{ TYPE_INT8, "bigint" },
		{ TYPE_FLOAT4, "real" },
		{ TYPE_FLOAT8, "double precision" },
	};
	const char *word = "";

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (words[i].kind == call->extra->to.kind)
			word = words[i].word;
	}
	return err_code(
	    call->err, FATE_REJECT, "22023", "cannot cast jsonb %s to type %s", what, word);
}

static enum fate
number_to(const struct sql_call *call, const struct decimal *d)
{
	float f;
	enum fate fate;

	if (call->extra->to.kind == TYPE_INT2)
		return decimal_to_int2(d, &call->ret->i, call->err);
	if (call->extra->to.kind == TYPE_INT4)
		return decimal_to_int4(d, &call->ret->i, call->err);
	if (call->extra->to.kind == TYPE_INT8)
		return decimal_to_int8(d, &call->ret->i, call->err);
	if (call->extra->to.kind == TYPE_FLOAT8)
		return decimal_to_float8(d, &call->ret->f, call->err);
	if (call->extra->to.kind == TYPE_FLOAT4) {
		fate = decimal_to_float4(d, &f, call->err);
		call->ret->f = fate ? 0 : (double)f;
		return fate;
	}
	call->ret->d = *d;
	return FATE_DONE;
}

enum fate
jsonb_to_scalar(const struct sql_call *call)
{
	struct slice s = call->arg[0]->s;
	bool to_bool = call->extra->to.kind == TYPE_BOOL;
	struct decimal d;
	enum fate fate;

	switch (s.len ? *s.p : 'n') {
	case '{': return wrong_scalar(call, "object");
	case '[': return wrong_scalar(call, "array");
	case '"': return wrong_scalar(call, "string");
	case 'n': return wrong_scalar(call, "null");
	case 't':
	case 'f':
		call->ret->b = *s.p == 't';
		return to_bool ? FATE_DONE : wrong_scalar(call, "boolean");
	default: break;
	}
	if (to_bool)
		return wrong_scalar(call, "numeric");
	fate = decimal_parse(s, call->arena, &d, call->err);
	return fate ? fate : number_to(call, &d);
}
