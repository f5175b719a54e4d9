/* SPDX-License-Identifier: Apache-2.0 */
/* Integer and numeric arithmetic, with Postgres' overflow errors. */
#include "sql/function.h"

#include "base/must.h"

enum fate
sql_out_of_range(const struct sql_call *call, const char *type)
{
	return err_code(call->err, FATE_REJECT, "22003", "%s out of range", type);
}

static enum fate
zero_division(const struct sql_call *call)
{
	return err_code(call->err, FATE_REJECT, "22012", "division by zero");
}

#define A (call->arg[0])
#define B (call->arg[1])

/* Each operation in the three widths; the operands' own widths do not matter. */
#define INT_WIDTH(bits, word)                                                                  \
	static enum fate fit##bits(const struct sql_call *call, int64_t v, bool over)          \
	{                                                                                      \
		if (over || v < INT##bits##_MIN || v > INT##bits##_MAX)                        \
			return sql_out_of_range(call, word);                                   \
		call->ret->i = v;                                                              \
		return FATE_DONE;                                                              \
	}                                                                                      \
	static enum fate add##bits(const struct sql_call *call)                                \
	{                                                                                      \
		int64_t v;                                                                     \
		bool over = __builtin_add_overflow(A->i, B->i, &v);                            \
		return fit##bits(call, v, over);                                               \
	}                                                                                      \
	static enum fate sub##bits(const struct sql_call *call)                                \
	{                                                                                      \
		int64_t v;                                                                     \
		bool over = __builtin_sub_overflow(A->i, B->i, &v);                            \
		return fit##bits(call, v, over);                                               \
	}                                                                                      \
	static enum fate mul##bits(const struct sql_call *call)                                \
	{                                                                                      \
		int64_t v;                                                                     \
		bool over = __builtin_mul_overflow(A->i, B->i, &v);                            \
		return fit##bits(call, v, over);                                               \
	}                                                                                      \
	static enum fate div##bits(const struct sql_call *call)                                \
	{                                                                                      \
		if (B->i == 0)                                                                 \
			return zero_division(call);                                            \
		if (B->i == -1)                                                                \
			return fit##bits(call, (int64_t) - (uint64_t)A->i, A->i == INT64_MIN); \
		return fit##bits(call, A->i / B->i, false);                                    \
	}                                                                                      \
	static enum fate neg##bits(const struct sql_call *call)                                \
	{                                                                                      \
		return fit##bits(call, (int64_t) - (uint64_t)A->i, A->i == INT64_MIN);         \
	}                                                                                      \
	static enum fate abs##bits(const struct sql_call *call)                                \
	{                                                                                      \
		if (A->i >= 0)                                                                 \
			return fit##bits(call, A->i, false);                                   \
		return neg##bits(call);                                                        \
	}

INT_WIDTH(16, "smallint")
INT_WIDTH(32, "integer")
INT_WIDTH(64, "bigint")

static enum fate
mod_int(const struct sql_call *call)
{
	if (B->i == 0)
		return zero_division(call);
	call->ret->i = B->i == -1 ? 0 : A->i % B->i;
	return FATE_DONE;
}

static enum fate
same(const struct sql_call *call)
{
	*call->ret = *A;
	return FATE_DONE;
}

#define NUMERIC2(name)                                                                         \
	static enum fate name##_numeric(const struct sql_call *call)                           \
	{                                                                                      \
		return decimal_##name(&A->d, &B->d, call->arena, &call->ret->d, call->err);    \
	}
NUMERIC2(add)
NUMERIC2(sub)
NUMERIC2(mul)
NUMERIC2(div)
NUMERIC2(mod)

#define NUMERIC1(name)                                                                         \
	static enum fate name##_numeric(const struct sql_call *call)                           \
	{                                                                                      \
		call->ret->d = decimal_##name(&A->d);                                          \
		return FATE_DONE;                                                              \
	}
NUMERIC1(neg)
NUMERIC1(abs)
NUMERIC1(sign)

static enum fate
ceil_numeric(const struct sql_call *call)
{
	return decimal_ceil(&A->d, call->arena, &call->ret->d, call->err);
}

static enum fate
floor_numeric(const struct sql_call *call)
{
	return decimal_floor(&A->d, call->arena, &call->ret->d, call->err);
}

/* round(d) and round(d, digits) */
static enum fate
round_numeric(const struct sql_call *call)
{
	int32_t digits = call->argc > 1 ? (int32_t)B->i : 0;

	return decimal_round(&A->d, digits, call->arena, &call->ret->d, call->err);
}

static enum fate
trunc_numeric(const struct sql_call *call)
{
	int32_t digits = call->argc > 1 ? (int32_t)B->i : 0;

	return decimal_trunc(&A->d, digits, call->arena, &call->ret->d, call->err);
}

#define I2 TYPE_INT2
#define I4 TYPE_INT4
#define I8 TYPE_INT8
#define N  TYPE_NUMERIC
#define INTS(op, f)                                                                            \
	{ op, I2, 2, { I2, I2 }, f##16 }, { op, I4, 2, { I4, I4 }, f##32 },                    \
	    { op, I8, 2, { I8, I8 }, f##64 }, { op, I4, 2, { I2, I4 }, f##32 },                \
	    { op, I4, 2, { I4, I2 }, f##32 }, { op, I8, 2, { I2, I8 }, f##64 },                \
	    { op, I8, 2, { I8, I2 }, f##64 }, { op, I8, 2, { I4, I8 }, f##64 },                \
	{                                                                                      \
		op, I8, 2, { I8, I4 }, f##64                                                   \
	}
#define INT1(op, f)                                                                            \
	{ op, I2, 1, { I2 }, f##16 }, { op, I4, 1, { I4 }, f##32 },                            \
	{                                                                                      \
		op, I8, 1, { I8 }, f##64                                                       \
	}

static const struct sql_function rows[] = {
	INTS("+", add),
	INTS("-", sub),
	INTS("*", mul),
	INTS("/", div),
	INT1("-", neg),
	INT1("abs", abs),
	INT1("@", abs),
	{ "+", I2, 1, { I2 }, same },
	{ "+", I4, 1, { I4 }, same },
	{ "+", I8, 1, { I8 }, same },
	{ "+", N, 1, { N }, same },
	{ "%", I2, 2, { I2, I2 }, mod_int },
	{ "%", I4, 2, { I4, I4 }, mod_int },
	{ "%", I8, 2, { I8, I8 }, mod_int },
	{ "%", N, 2, { N, N }, mod_numeric },
	{ "mod", I2, 2, { I2, I2 }, mod_int },
	{ "mod", I4, 2, { I4, I4 }, mod_int },
	{ "mod", I8, 2, { I8, I8 }, mod_int },
	{ "mod", N, 2, { N, N }, mod_numeric },
	{ "+", N, 2, { N, N }, add_numeric },
	{ "-", N, 2, { N, N }, sub_numeric },
	{ "*", N, 2, { N, N }, mul_numeric },
	{ "/", N, 2, { N, N }, div_numeric },
	{ "-", N, 1, { N }, neg_numeric },
	{ "abs", N, 1, { N }, abs_numeric },
	{ "@", N, 1, { N }, abs_numeric },
	{ "sign", N, 1, { N }, sign_numeric },
	{ "ceil", N, 1, { N }, ceil_numeric },
	{ "ceiling", N, 1, { N }, ceil_numeric },
	{ "floor", N, 1, { N }, floor_numeric },
	{ "round", N, 1, { N }, round_numeric },
	{ "round", N, 2, { N, I4 }, round_numeric },
	{ "trunc", N, 1, { N }, trunc_numeric },
	{ "trunc", N, 2, { N, I4 }, trunc_numeric },
	{ "trunc", TYPE_MACADDR, 1, { TYPE_MACADDR }, NULL, 0, "not on macaddr" },
};
const struct sql_function_table sql_functions_arith = { rows, sizeof(rows) / sizeof(rows[0]) };
