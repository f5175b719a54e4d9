/* SPDX-License-Identifier: Apache-2.0 */
/* values -- lib/wire's values on the command line, for comparison with Postgres.
 *
 * Reads lines "op TAB type TAB a TAB b", prints one line each: the result as text, or
 * "ERROR " and the SQLSTATE. Types are format_type's words (integer[] for arrays). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "wire/timestamp.h"
#include "wire/value.h"

enum { FIELDS = 4 };

struct call {
	struct slice op, type, a, b;
	struct pgtype pgtype;
	struct arena *arena;
	struct buf *out;
	struct err *err;
};

typedef enum fate binary(const struct decimal *, const struct decimal *, struct arena *,
    struct decimal *, struct err *);
typedef enum fate unary(const struct decimal *, struct arena *, struct decimal *, struct err *);
typedef enum fate placed(
    const struct decimal *, int32_t, struct arena *, struct decimal *, struct err *);
typedef enum fate to_int(const struct decimal *, int64_t *, struct err *);

static const struct {
	const char *name;
	binary *call;
} binaries[] = { { "add", decimal_add }, { "sub", decimal_sub }, { "mul", decimal_mul },
	{ "div", decimal_div }, { "mod", decimal_mod } };

static const struct {
	const char *name;
	placed *call;
} places[] = { { "round", decimal_round }, { "trunc", decimal_trunc },
	{ "typmod", decimal_apply_typmod } };

static const struct {
	const char *name;
	unary *call;
} unaries[] = { { "ceil", decimal_ceil }, { "floor", decimal_floor } };

static const struct {
	const char *name;
	to_int *call;
} ints[] = { { "int2", decimal_to_int2 }, { "int4", decimal_to_int4 },
	{ "int8", decimal_to_int8 } };

static const struct {
	const char *name;
	struct decimal (*call)(const struct decimal *);
} plains[] = { { "neg", decimal_neg }, { "abs", decimal_abs }, { "sign", decimal_sign } };

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

static bool
is(struct slice s, const char *word)
{
	return slice_eq(s, slice_str(word));
}

static bool
type_of(struct slice name, struct pgtype *ret)
{
	struct slice base = name;
	struct buf text = { 0 };
	bool array = name.len > 2 && memcmp(name.p + name.len - 2, "[]", 2) == 0, found = false;

	base.len -= array ? 2 : 0;
	for (int kind = TYPE_BOOL; kind < TYPE_ENUM && !found; kind++) {
		struct pgtype type = { .kind = (enum type_kind)kind, .typmod = -1 };

		text.len = 0;
		type_print(&text, type);
		found = slice_eq(buf_view(&text), base);
		if (found)
			*ret = type;
	}
	buf_finish(&text);
	if (array) {
		ret->elem = ret->kind;
		ret->kind = TYPE_ARRAY;
	}
	return found;
}

static enum fate
print_decimal(struct call *c, enum fate fate, const struct decimal *d)
{
	if (fate == FATE_DONE)
		decimal_print(c->out, d);
	return fate;
}

static enum fate
decimal_call(struct call *c, bool *ret_known)
{
	struct decimal a, b, r = { 0 };
	int64_t n = 0;
	enum fate fate = decimal_parse(c->a, c->arena, &a, c->err);

	*ret_known = true;
	if (fate != FATE_DONE)
		return fate;
	for (size_t i = 0; i < COUNT(binaries); i++) {
		if (is(c->op, binaries[i].name)) {
			fate = decimal_parse(c->b, c->arena, &b, c->err);
			if (fate == FATE_DONE)
				fate = binaries[i].call(&a, &b, c->arena, &r, c->err);
			return print_decimal(c, fate, &r);
		}
	}
	for (size_t i = 0; i < COUNT(places); i++) {
		if (is(c->op, places[i].name) && slice_i64(c->b, &n))
			return print_decimal(
			    c, places[i].call(&a, (int32_t)n, c->arena, &r, c->err), &r);
	}
	for (size_t i = 0; i < COUNT(unaries); i++) {
		if (is(c->op, unaries[i].name))
			return print_decimal(c, unaries[i].call(&a, c->arena, &r, c->err), &r);
	}
	for (size_t i = 0; i < COUNT(ints); i++) {
		if (is(c->op, ints[i].name)) {
			fate = ints[i].call(&a, &n, c->err);
			r = decimal_from_i64(n);
			return print_decimal(c, fate, &r);
		}
	}
	for (size_t i = 0; i < COUNT(plains); i++) {
		if (is(c->op, plains[i].name)) {
			r = plains[i].call(&a);
			return print_decimal(c, FATE_DONE, &r);
		}
	}
	*ret_known = false;
	return FATE_DONE;
}

/* The decimal as a float of the type, printed. */
static enum fate
decimal_as_float(struct call *c)
{
	struct value v = { .state = VALUE_SET };
	struct decimal d;
	float single;
	enum fate fate = decimal_parse(c->a, c->arena, &d, c->err);

	if (fate != FATE_DONE)
		return fate;
	if (c->pgtype.kind == TYPE_FLOAT8) {
		fate = decimal_to_float8(&d, &v.f, c->err);
	} else {
		fate = decimal_to_float4(&d, &single, c->err);
		if (fate == FATE_DONE)
			v.f = (double)single;
	}
	if (fate == FATE_DONE)
		value_to_text(c->out, c->pgtype, &v);
	return fate;
}

static enum fate
float_as_decimal(struct call *c, const struct value *v)
{
	struct decimal d = { 0 };
	enum fate fate = c->pgtype.kind == TYPE_FLOAT8
			     ? decimal_from_float8(v->f, c->arena, &d, c->err)
			     : decimal_from_float4((float)v->f, c->arena, &d, c->err);

	return print_decimal(c, fate, &d);
}

/* Through the record's JSON and back: text again. */
static enum fate
through_record(struct call *c, const struct value *v, bool show_json)
{
	struct buf json = { 0 };
	struct value back;
	enum fate fate;

	value_to_json(&json, c->pgtype, v);
	fate = value_from_record(c->pgtype, buf_view(&json), c->arena, &back, c->err);
	if (fate == FATE_DONE && show_json)
		buf_slice(c->out, buf_view(&json));
	else if (fate == FATE_DONE)
		value_to_text(c->out, c->pgtype, &back);
	buf_finish(&json);
	return fate;
}

static enum fate
value_call(struct call *c, bool *ret_known)
{
	struct value a, b;
	int64_t n;
	enum fate fate;

	*ret_known = true;
	if (is(c->op, "float"))
		return decimal_as_float(c);
	fate = value_from_text(c->pgtype, c->a, c->arena, &a, c->err);
	if (fate != FATE_DONE)
		return fate;
	if (is(c->op, "text")) {
		value_to_text(c->out, c->pgtype, &a);
	} else if (is(c->op, "record") || is(c->op, "json")) {
		return through_record(c, &a, is(c->op, "json"));
	} else if (is(c->op, "numeric")) {
		return float_as_decimal(c, &a);
	} else if (is(c->op, "cmp")) {
		fate = value_from_text(c->pgtype, c->b, c->arena, &b, c->err);
		if (fate == FATE_DONE)
			buf_printf(c->out, "%d", value_compare(c->pgtype, &a, &b));
	} else if (is(c->op, "precision") && slice_i64(c->b, &n)) {
		a.i = c->pgtype.kind == TYPE_TIME ? time_round(a.i, (int32_t)n)
						  : timestamp_round(a.i, (int32_t)n);
		value_to_text(c->out, c->pgtype, &a);
	} else {
		*ret_known = false;
	}
	return fate;
}

static bool
answer(struct call *c)
{
	bool known = true;
	enum fate fate;

	if (is(c->op, "type")) { /* a: oid, b: typmod */
		int64_t oid, typmod;

		if (!slice_i64(c->a, &oid) || !slice_i64(c->b, &typmod))
			return false;
		type_print(c->out, (struct pgtype){ .kind = type_kind_of_oid((uint32_t)oid),
				       .elem = type_elem_of_oid((uint32_t)oid),
				       .oid = (uint32_t)oid,
				       .typmod = (int32_t)typmod });
		return true;
	}
	if (!type_of(c->type, &c->pgtype))
		return false;
	fate = value_call(c, &known);
	if (!known)
		fate = decimal_call(c, &known);
	if (fate != FATE_DONE) {
		c->out->len = 0;
		buf_printf(c->out, "ERROR %s", c->err->code);
	}
	return known;
}

static void
split(char *line, struct slice *fields)
{
	char *p = line;

	line[strcspn(line, "\n")] = '\0';
	for (int i = 0; i < FIELDS; i++) {
		char *tab = strchr(p, '\t');

		fields[i] = slice_of(p, tab ? (size_t)(tab - p) : strlen(p));
		p = tab ? tab + 1 : p + strlen(p);
	}
}

int
main(void)
{
	struct slice fields[FIELDS];
	struct buf out = { 0 };
	struct arena arena;
	struct err err;
	char *line = NULL;
	size_t size = 0;
	bool good = true;

	arena_init(&arena, (size_t)64 << 20);
	while (good && getline(&line, &size, stdin) > 0) {
		struct call call = { .arena = &arena, .out = &out, .err = &err };

		split(line, fields);
		call.op = fields[0];
		call.type = fields[1];
		call.a = fields[2];
		call.b = fields[3];
		out.len = 0;
		arena_reset(&arena);
		good = answer(&call);
		if (good)
			printf("%s\n", buf_str(&out));
		else
			fprintf(stderr, "values: cannot read: %s\n", line);
	}
	free(line);
	buf_finish(&out);
	arena_finish(&arena);
	return good ? 0 : 2;
}
