/* SPDX-License-Identifier: Apache-2.0 */
/* Casts: pg_cast's functions, typmods, and types' own input and output. */
#include <math.h>

#include "base/must.h"
#include "sql/function.h"
#include "sql/jsonb.h"
#include "wire/timestamp.h"

#define A (call->arg[0])

enum { NAME_BYTES = 63 };

enum fate
sql_memory_full(const struct sql_call *call)
{
	return err_code(call->err, FATE_RETRY, "53200", "the batch's memory is full");
}

enum fate
sql_return_text(const struct sql_call *call, const char *p, size_t len)
{
	struct slice copy = arena_copy(call->arena, slice_of(p, len));

	if (!copy.p)
		return sql_memory_full(call);
	call->ret->s = copy;
	return FATE_DONE;
}

static enum fate
int_to_int(const struct sql_call *call)
{
	if (call->extra->to.kind == TYPE_INT2 && (A->i < INT16_MIN || A->i > INT16_MAX))
		return sql_out_of_range(call, "smallint");
	if (call->extra->to.kind == TYPE_INT4 && (A->i < INT32_MIN || A->i > INT32_MAX))
		return sql_out_of_range(call, "integer");
	call->ret->i = A->i;
	return FATE_DONE;
}

static enum fate
int_to_numeric(const struct sql_call *call)
{
	call->ret->d = decimal_from_i64(A->i);
	return FATE_DONE;
}

static enum fate
int_to_float8(const struct sql_call *call)
{
	call->ret->f = (double)A->i;
	return FATE_DONE;
}

static enum fate
int_to_float4(const struct sql_call *call)
{
	call->ret->f = (double)(float)A->i;
	return FATE_DONE;
}

static enum fate
numeric_to_int(const struct sql_call *call)
{
	if (call->extra->to.kind == TYPE_INT2)
		return decimal_to_int2(&A->d, &call->ret->i, call->err);
	if (call->extra->to.kind == TYPE_INT4)
		return decimal_to_int4(&A->d, &call->ret->i, call->err);
	return decimal_to_int8(&A->d, &call->ret->i, call->err);
}

static enum fate
numeric_to_float8(const struct sql_call *call)
{
	return decimal_to_float8(&A->d, &call->ret->f, call->err);
}

static enum fate
numeric_to_float4(const struct sql_call *call)
{
	float f;
	enum fate fate = decimal_to_float4(&A->d, &f, call->err);

	if (!fate)
		call->ret->f = (double)f;
	return fate;
}

static enum fate
float8_to_numeric(const struct sql_call *call)
{
	return decimal_from_float8(A->f, call->arena, &call->ret->d, call->err);
}

static enum fate
float4_to_numeric(const struct sql_call *call)
{
	return decimal_from_float4((float)A->f, call->arena, &call->ret->d, call->err);
}

static enum fate
float8_to_float4(const struct sql_call *call)
{
	float f = (float)A->f;

	if (isinf(f) && !isinf(A->f))
		return err_code(
		    call->err, FATE_REJECT, "22003", "value out of range: overflow");
	if (f == 0.0F && A->f != 0.0)
		return err_code(
		    call->err, FATE_REJECT, "22003", "value out of range: underflow");
	call->ret->f = (double)f;
	return FATE_DONE;
}

static enum fate
float_to_int(const struct sql_call *call)
{
	static const struct {
		enum type_kind kind;
		double limit;
		const char *word;
	} widths[] = {
		{ TYPE_INT2, 0x1p15, "smallint" },
		{ TYPE_INT4, 0x1p31, "integer" },
		{ TYPE_INT8, 0x1p63, "bigint" },
	};
	double v = rint(A->f);

	for (size_t i = 0; i < 3; i++) {
		if (widths[i].kind != call->extra->to.kind)
			continue;
		if (!(v >= -widths[i].limit && v < widths[i].limit))
			return sql_out_of_range(call, widths[i].word);
	}
	call->ret->i = (int64_t)v;
	return FATE_DONE;
}

static enum fate
bool_to_int(const struct sql_call *call)
{
	call->ret->i = A->b;
	return FATE_DONE;
}

static enum fate
int_to_bool(const struct sql_call *call)
{
	call->ret->b = A->i != 0;
	return FATE_DONE;
}

static enum fate
bool_to_text(const struct sql_call *call)
{
	call->ret->s = A->b ? SLICE("true") : SLICE("false");
	return FATE_DONE;
}

static enum fate
bpchar_to_text(const struct sql_call *call)
{
	call->ret->s = sql_trim_blanks(A->s);
	return FATE_DONE;
}

static struct slice
as_name(struct slice s)
{
	size_t len = NAME_BYTES;

	if (s.len <= NAME_BYTES)
		return s;
	while (len > 0 && ((unsigned char)s.p[len] & 0xc0) == 0x80)
		len--;
	return slice_of(s.p, len);
}

static enum fate
text_to_name(const struct sql_call *call)
{
	call->ret->s =
	    as_name(call->extra->from.kind == TYPE_BPCHAR ? sql_trim_blanks(A->s) : A->s);
	return FATE_DONE;
}

static bool
is_infinite(int64_t i)
{
	return i == TIME_INFINITY || i == TIME_NEG_INFINITY;
}

static enum fate
date_to_timestamp(const struct sql_call *call)
{
	call->ret->i = A->i;
	if (!is_infinite(A->i) && (A->i > INT64_MAX / DAY_US || A->i < INT64_MIN / DAY_US))
		return err_code(
		    call->err, FATE_REJECT, "22008", "date out of range for timestamp");
	if (!is_infinite(A->i))
		call->ret->i = A->i * DAY_US;
	return FATE_DONE;
}

static enum fate
timestamp_to_date(const struct sql_call *call)
{
	int64_t us;

	call->ret->i = is_infinite(A->i) ? A->i : timestamp_day(A->i, &us);
	return FATE_DONE;
}

static enum fate
timestamp_to_time(const struct sql_call *call)
{
	if (is_infinite(A->i)) {
		call->ret->state = VALUE_NULL;
		return FATE_DONE;
	}
	(void)timestamp_day(A->i, &call->ret->i);
	return FATE_DONE;
}

static enum fate
time_to_interval(const struct sql_call *call)
{
	call->ret->iv = (struct interval){ .us = A->i };
	return FATE_DONE;
}

static enum fate
interval_to_time(const struct sql_call *call)
{
	int64_t us = A->iv.us % DAY_US;

	call->ret->i = us < 0 ? us + DAY_US : us;
	return FATE_DONE;
}

/* With its mask, unlike the type's output. */
static enum fate
inet_to_text(const struct sql_call *call)
{
	struct slice s = A->s;

	call->ret->s = s;
	if (s.len && memchr(s.p, '/', s.len))
		return FATE_DONE;
	call->scratch->len = 0;
	buf_slice(call->scratch, s);
	buf_cstr(call->scratch, s.len && memchr(s.p, ':', s.len) ? "/128" : "/32");
	return sql_return_text(call, call->scratch->p, call->scratch->len);
}

static enum fate
json_to_jsonb(const struct sql_call *call)
{
	return jsonb_from_text(call, A->s);
}

#define C_I CAST_IMPLICIT
#define C_A CAST_ASSIGNMENT
#define C_E CAST_EXPLICIT
static const struct sql_cast casts[] = {
	{ TYPE_INT2, TYPE_INT4, C_I, NULL },
	{ TYPE_INT2, TYPE_INT8, C_I, NULL },
	{ TYPE_INT4, TYPE_INT8, C_I, NULL },
	{ TYPE_INT4, TYPE_INT2, C_A, int_to_int },
	{ TYPE_INT8, TYPE_INT2, C_A, int_to_int },
	{ TYPE_INT8, TYPE_INT4, C_A, int_to_int },
	{ TYPE_INT2, TYPE_NUMERIC, C_I, int_to_numeric },
	{ TYPE_INT4, TYPE_NUMERIC, C_I, int_to_numeric },
	{ TYPE_INT8, TYPE_NUMERIC, C_I, int_to_numeric },
	{ TYPE_INT2, TYPE_FLOAT4, C_I, int_to_float4 },
	{ TYPE_INT4, TYPE_FLOAT4, C_I, int_to_float4 },
	{ TYPE_INT8, TYPE_FLOAT4, C_I, int_to_float4 },
	{ TYPE_INT2, TYPE_FLOAT8, C_I, int_to_float8 },
	{ TYPE_INT4, TYPE_FLOAT8, C_I, int_to_float8 },
	{ TYPE_INT8, TYPE_FLOAT8, C_I, int_to_float8 },
	{ TYPE_NUMERIC, TYPE_INT2, C_A, numeric_to_int },
	{ TYPE_NUMERIC, TYPE_INT4, C_A, numeric_to_int },
	{ TYPE_NUMERIC, TYPE_INT8, C_A, numeric_to_int },
	{ TYPE_NUMERIC, TYPE_FLOAT4, C_I, numeric_to_float4 },
	{ TYPE_NUMERIC, TYPE_FLOAT8, C_I, numeric_to_float8 },
	{ TYPE_FLOAT4, TYPE_FLOAT8, C_I, NULL },
	{ TYPE_FLOAT8, TYPE_FLOAT4, C_A, float8_to_float4 },
	{ TYPE_FLOAT4, TYPE_NUMERIC, C_A, float4_to_numeric },
	{ TYPE_FLOAT8, TYPE_NUMERIC, C_A, float8_to_numeric },
	{ TYPE_FLOAT4, TYPE_INT2, C_A, float_to_int },
	{ TYPE_FLOAT4, TYPE_INT4, C_A, float_to_int },
	{ TYPE_FLOAT4, TYPE_INT8, C_A, float_to_int },
	{ TYPE_FLOAT8, TYPE_INT2, C_A, float_to_int },
	{ TYPE_FLOAT8, TYPE_INT4, C_A, float_to_int },
	{ TYPE_FLOAT8, TYPE_INT8, C_A, float_to_int },
	{ TYPE_BOOL, TYPE_INT4, C_E, bool_to_int },
	{ TYPE_INT4, TYPE_BOOL, C_E, int_to_bool },
	{ TYPE_BOOL, TYPE_TEXT, C_A, bool_to_text },
	{ TYPE_BOOL, TYPE_VARCHAR, C_A, bool_to_text },
	{ TYPE_BOOL, TYPE_BPCHAR, C_A, bool_to_text },
	{ TYPE_TEXT, TYPE_VARCHAR, C_I, NULL },
	{ TYPE_TEXT, TYPE_BPCHAR, C_I, NULL },
	{ TYPE_TEXT, TYPE_NAME, C_I, text_to_name },
	{ TYPE_VARCHAR, TYPE_TEXT, C_I, NULL },
	{ TYPE_VARCHAR, TYPE_BPCHAR, C_I, NULL },
	{ TYPE_VARCHAR, TYPE_NAME, C_I, text_to_name },
	{ TYPE_BPCHAR, TYPE_TEXT, C_I, bpchar_to_text },
	{ TYPE_BPCHAR, TYPE_VARCHAR, C_I, bpchar_to_text },
	{ TYPE_BPCHAR, TYPE_NAME, C_I, text_to_name },
	{ TYPE_NAME, TYPE_TEXT, C_I, NULL },
	{ TYPE_NAME, TYPE_VARCHAR, C_A, NULL },
	{ TYPE_NAME, TYPE_BPCHAR, C_A, NULL },
	{ TYPE_DATE, TYPE_TIMESTAMP, C_I, date_to_timestamp },
	{ TYPE_DATE, TYPE_TIMESTAMPTZ, C_I, date_to_timestamp },
	{ TYPE_TIMESTAMP, TYPE_TIMESTAMPTZ, C_I, NULL },
	{ TYPE_TIMESTAMPTZ, TYPE_TIMESTAMP, C_A, NULL },
	{ TYPE_TIMESTAMP, TYPE_DATE, C_A, timestamp_to_date },
	{ TYPE_TIMESTAMPTZ, TYPE_DATE, C_A, timestamp_to_date },
	{ TYPE_TIMESTAMP, TYPE_TIME, C_A, timestamp_to_time },
	{ TYPE_TIMESTAMPTZ, TYPE_TIME, C_A, timestamp_to_time },
	{ TYPE_TIME, TYPE_INTERVAL, C_I, time_to_interval },
	{ TYPE_INTERVAL, TYPE_TIME, C_A, interval_to_time },
	{ TYPE_INET, TYPE_TEXT, C_A, inet_to_text },
	{ TYPE_INET, TYPE_VARCHAR, C_A, inet_to_text },
	{ TYPE_CIDR, TYPE_TEXT, C_A, NULL },
	{ TYPE_CIDR, TYPE_VARCHAR, C_A, NULL },
	{ TYPE_JSONB, TYPE_JSON, C_A, NULL },
	{ TYPE_JSON, TYPE_JSONB, C_A, json_to_jsonb },
	{ TYPE_JSONB, TYPE_BOOL, C_E, jsonb_to_scalar },
	{ TYPE_JSONB, TYPE_NUMERIC, C_E, jsonb_to_scalar },
	{ TYPE_JSONB, TYPE_INT2, C_E, jsonb_to_scalar },
	{ TYPE_JSONB, TYPE_INT4, C_E, jsonb_to_scalar },
	{ TYPE_JSONB, TYPE_INT8, C_E, jsonb_to_scalar },
	{ TYPE_JSONB, TYPE_FLOAT4, C_E, jsonb_to_scalar },
	{ TYPE_JSONB, TYPE_FLOAT8, C_E, jsonb_to_scalar },
};

const struct sql_cast *
sql_cast_find(int from, int to)
{
	for (size_t i = 0; i < sizeof(casts) / sizeof(casts[0]); i++) {
		if (casts[i].from == from && casts[i].to == to)
			return &casts[i];
	}
	return NULL;
}

enum fate
sql_cast_output(const struct sql_call *call)
{
	call->scratch->len = 0;
	value_to_text(call->scratch, call->extra->from, A);
	return sql_return_text(call, call->scratch->p, call->scratch->len);
}

enum fate
sql_cast_input(const struct sql_call *call)
{
	struct pgtype to = call->extra->to;

	to.typmod = -1;
	if (to.kind == TYPE_JSONB)
		return jsonb_from_text(call, A->s);
	if (to.kind == TYPE_JSON)
		return json_from_text(call, A->s);
	if (to.kind == TYPE_NAME) {
		call->ret->s = as_name(A->s);
		return FATE_DONE;
	}
	return value_from_text(to, A->s, call->arena, call->ret, call->err);
}

static enum fate
pad_blanks(const struct sql_call *call, struct slice s, size_t blanks)
{
	char *p = arena_alloc(call->arena, s.len + blanks + 1);

	if (!p)
		return sql_memory_full(call);
	if (s.len)
		memcpy(p, s.p, s.len);
	memset(p + s.len, ' ', blanks);
	p[s.len + blanks] = '\0';
	call->ret->s = slice_of(p, s.len + blanks);
	return FATE_DONE;
}

enum fate
sql_cast_typmod(const struct sql_call *call)
{
	struct pgtype to = call->extra->to;
	size_t limit = (size_t)(to.typmod - 4), bytes, chars;

	switch (to.kind) {
	case TYPE_NUMERIC:
		return decimal_apply_typmod(
		    &A->d, to.typmod, call->arena, &call->ret->d, call->err);
	case TYPE_VARCHAR:
	case TYPE_BPCHAR:
		bytes = sql_char_bytes(A->s, limit);
		call->ret->s = slice_of(A->s.p, bytes);
		if (to.kind == TYPE_VARCHAR)
			return FATE_DONE;
		chars = sql_char_count(call->ret->s);
		return chars < limit ? pad_blanks(call, call->ret->s, limit - chars)
				     : FATE_DONE;
	case TYPE_TIMESTAMP:
	case TYPE_TIMESTAMPTZ:
		call->ret->i = timestamp_round(A->i, to.typmod);
		return FATE_DONE;
	case TYPE_TIME: call->ret->i = time_round(A->i, to.typmod); return FATE_DONE;
	case TYPE_BOOL:
	case TYPE_INT2:
	case TYPE_INT4:
	case TYPE_INT8:
	case TYPE_FLOAT4:
	case TYPE_FLOAT8:
	case TYPE_TEXT:
	case TYPE_NAME:
	case TYPE_UUID:
	case TYPE_DATE:
	case TYPE_INTERVAL:
	case TYPE_JSON:
	case TYPE_JSONB:
	case TYPE_BYTEA:
	case TYPE_ENUM:
	case TYPE_INET:
	case TYPE_CIDR:
	case TYPE_MACADDR:
	case TYPE_ARRAY:
	case TYPE_OTHER: break;
	}
	never("a type without typmod");
}
