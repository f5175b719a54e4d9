/* SPDX-License-Identifier: Apache-2.0 */
/* Comparisons: one ordering a representation, six operators each. */
#include <string.h>

#include "sql/function.h"
#include "sql/jsonb.h"
#include "wire/timestamp.h"

#define A (call->arg[0])
#define B (call->arg[1])

static int
order_int(const struct sql_call *call)
{
	return (A->i > B->i) - (A->i < B->i);
}

static int
order_truth(const struct sql_call *call)
{
	return (int)A->b - (int)B->b;
}

static int
order_numeric(const struct sql_call *call)
{
	return decimal_compare(&A->d, &B->d);
}

/* NaN equals itself and is above the rest. */
static int
order_float(const struct sql_call *call)
{
	double a = A->f, b = B->f;

	if (a != a || b != b)
		return (a != a) - (b != b);
	return (a > b) - (a < b);
}

static int
order_slices(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int c = len ? memcmp(a.p, b.p, len) : 0;

	return c ? c : (a.len > b.len) - (a.len < b.len);
}

static int
order_bytes(const struct sql_call *call)
{
	return order_slices(A->s, B->s);
}

static int
order_bpchar(const struct sql_call *call)
{
	return order_slices(sql_trim_blanks(A->s), sql_trim_blanks(B->s));
}

static int
order_uuid(const struct sql_call *call)
{
	return memcmp(A->uuid, B->uuid, sizeof(A->uuid));
}

static int
order_interval(const struct sql_call *call)
{
	return interval_compare(A->iv, B->iv);
}

static decimal_small
date_us(int64_t days)
{
	if (days == TIME_INFINITY || days == TIME_NEG_INFINITY)
		return days;
	return (decimal_small)days * DAY_US;
}

static int
order_date_timestamp(const struct sql_call *call)
{
	decimal_small a = date_us(A->i), b = B->i;

	return (a > b) - (a < b);
}

static int
order_timestamp_date(const struct sql_call *call)
{
	decimal_small a = A->i, b = date_us(B->i);

	return (a > b) - (a < b);
}

static bool
equal_bytes(const struct sql_call *call)
{
	return slice_eq(A->s, B->s);
}

static bool
equal_jsonb(const struct sql_call *call)
{
	return jsonb_equal(call, A->s, B->s);
}

#define TEST(name, expr)                                                                       \
	static enum fate name(const struct sql_call *call)                                     \
	{                                                                                      \
		call->ret->b = expr;                                                           \
		return FATE_DONE;                                                              \
	}
#define ORDERED(rep)                                                                           \
	TEST(lt_##rep, order_##rep(call) < 0)                                                  \
	TEST(le_##rep, order_##rep(call) <= 0)                                                 \
	TEST(gt_##rep, order_##rep(call) > 0)                                                  \
	TEST(ge_##rep, order_##rep(call) >= 0)
#define COMPARED(rep)                                                                          \
	ORDERED(rep)                                                                           \
	TEST(eq_##rep, order_##rep(call) == 0)                                                 \
	TEST(ne_##rep, order_##rep(call) != 0)

COMPARED(int)
COMPARED(truth)
COMPARED(numeric)
COMPARED(float)
COMPARED(bpchar)
COMPARED(uuid)
COMPARED(interval)
COMPARED(date_timestamp)
COMPARED(timestamp_date)
ORDERED(bytes)
TEST(eq_bytes, equal_bytes(call))
TEST(ne_bytes, !equal_bytes(call))
TEST(eq_jsonb, equal_jsonb(call))
TEST(ne_jsonb, !equal_jsonb(call))

#define SIX(a, b, rep, flags)                                                                  \
	{ "=", TYPE_BOOL, 2, { a, b }, eq_##rep, 0 },                                          \
	    { "<>", TYPE_BOOL, 2, { a, b }, ne_##rep, 0 },                                     \
	    { "<", TYPE_BOOL, 2, { a, b }, lt_##rep, flags },                                  \
	    { "<=", TYPE_BOOL, 2, { a, b }, le_##rep, flags },                                 \
	    { ">", TYPE_BOOL, 2, { a, b }, gt_##rep, flags },                                  \
	{                                                                                      \
		">=", TYPE_BOOL, 2, { a, b }, ge_##rep, flags                                  \
	}
#define NO_ORDER "ordering jsonb is not in the subset"

static const struct sql_function rows[] = {
	SIX(TYPE_INT4, TYPE_INT4, int, 0),
	SIX(TYPE_INT8, TYPE_INT8, int, 0),
	SIX(TYPE_INT2, TYPE_INT2, int, 0),
	SIX(TYPE_INT2, TYPE_INT4, int, 0),
	SIX(TYPE_INT4, TYPE_INT2, int, 0),
	SIX(TYPE_INT2, TYPE_INT8, int, 0),
	SIX(TYPE_INT8, TYPE_INT2, int, 0),
	SIX(TYPE_INT4, TYPE_INT8, int, 0),
	SIX(TYPE_INT8, TYPE_INT4, int, 0),
	SIX(TYPE_BOOL, TYPE_BOOL, truth, 0),
	SIX(TYPE_NUMERIC, TYPE_NUMERIC, numeric, 0),
	SIX(TYPE_FLOAT4, TYPE_FLOAT4, float, 0),
	SIX(TYPE_FLOAT8, TYPE_FLOAT8, float, 0),
	SIX(TYPE_FLOAT4, TYPE_FLOAT8, float, 0),
	SIX(TYPE_FLOAT8, TYPE_FLOAT4, float, 0),
	SIX(TYPE_TEXT, TYPE_TEXT, bytes, FN_ORDER),
	SIX(TYPE_NAME, TYPE_NAME, bytes, FN_ORDER),
	SIX(TYPE_NAME, TYPE_TEXT, bytes, FN_ORDER),
	SIX(TYPE_TEXT, TYPE_NAME, bytes, FN_ORDER),
	SIX(TYPE_BPCHAR, TYPE_BPCHAR, bpchar, FN_ORDER),
	SIX(TYPE_BYTEA, TYPE_BYTEA, bytes, 0),
	SIX(TYPE_UUID, TYPE_UUID, uuid, 0),
	SIX(TYPE_DATE, TYPE_DATE, int, 0),
	SIX(TYPE_TIME, TYPE_TIME, int, 0),
	SIX(TYPE_TIMESTAMP, TYPE_TIMESTAMP, int, 0),
	SIX(TYPE_TIMESTAMPTZ, TYPE_TIMESTAMPTZ, int, 0),
	SIX(TYPE_TIMESTAMP, TYPE_TIMESTAMPTZ, int, 0),
	SIX(TYPE_TIMESTAMPTZ, TYPE_TIMESTAMP, int, 0),
	SIX(TYPE_DATE, TYPE_TIMESTAMP, date_timestamp, 0),
	SIX(TYPE_DATE, TYPE_TIMESTAMPTZ, date_timestamp, 0),
	SIX(TYPE_TIMESTAMP, TYPE_DATE, timestamp_date, 0),
	SIX(TYPE_TIMESTAMPTZ, TYPE_DATE, timestamp_date, 0),
	SIX(TYPE_INTERVAL, TYPE_INTERVAL, interval, 0),
	{ "=", TYPE_BOOL, 2, { TYPE_JSONB, TYPE_JSONB }, eq_jsonb, 0 },
	{ "<>", TYPE_BOOL, 2, { TYPE_JSONB, TYPE_JSONB }, ne_jsonb, 0 },
	{ "<", TYPE_BOOL, 2, { TYPE_JSONB, TYPE_JSONB }, NULL, 0, NO_ORDER },
	{ "<=", TYPE_BOOL, 2, { TYPE_JSONB, TYPE_JSONB }, NULL, 0, NO_ORDER },
	{ ">", TYPE_BOOL, 2, { TYPE_JSONB, TYPE_JSONB }, NULL, 0, NO_ORDER },
	{ ">=", TYPE_BOOL, 2, { TYPE_JSONB, TYPE_JSONB }, NULL, 0, NO_ORDER },
};
const struct sql_function_table sql_functions_compare = { rows,
	sizeof(rows) / sizeof(rows[0]) };
