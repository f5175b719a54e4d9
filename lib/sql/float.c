/* SPDX-License-Identifier: Apache-2.0 */
/* Floating point, with the checks of PostgreSQL's utils/float.h: a finite answer out of
 * finite operands, or an error. */
#include <math.h>

#include "sql/function.h"

#define A  (call->arg[0])
#define B  (call->arg[1])
#define F4 TYPE_FLOAT4
#define F8 TYPE_FLOAT8

static enum fate
overflow(const struct sql_call *call)
{
	return err_code(call->err, FATE_REJECT, "22003", "value out of range: overflow");
}

static enum fate
underflow(const struct sql_call *call)
{
	return err_code(call->err, FATE_REJECT, "22003", "value out of range: underflow");
}

/* A float4 result is rounded to its width first. */
static enum fate
settle(const struct sql_call *call, double v, bool may_be_zero)
{
	double a = A->f, b = call->argc > 1 ? B->f : 0;

	if (call->extra->to.kind == TYPE_FLOAT4)
		v = (double)(float)v;
	if (isinf(v) && !isinf(a) && !isinf(b))
		return overflow(call);
	if (v == 0.0 && !may_be_zero)
		return underflow(call);
	call->ret->f = v;
	return FATE_DONE;
}

static enum fate
add(const struct sql_call *call)
{
	return settle(call, A->f + B->f, true);
}

static enum fate
sub(const struct sql_call *call)
{
	return settle(call, A->f - B->f, true);
}

static enum fate
mul(const struct sql_call *call)
{
	return settle(call, A->f * B->f, A->f == 0.0 || B->f == 0.0);
}

static enum fate
divide(const struct sql_call *call)
{
	if (B->f == 0.0 && !isnan(A->f))
		return err_code(call->err, FATE_REJECT, "22012", "division by zero");
	return settle(call, A->f / B->f, A->f == 0.0 || isinf(B->f));
}

static enum fate
neg(const struct sql_call *call)
{
	call->ret->f = -A->f;
	return FATE_DONE;
}

static enum fate
absolute(const struct sql_call *call)
{
	call->ret->f = fabs(A->f);
	return FATE_DONE;
}

static enum fate
same(const struct sql_call *call)
{
	call->ret->f = A->f;
	return FATE_DONE;
}

static enum fate
ceiling(const struct sql_call *call)
{
	call->ret->f = ceil(A->f);
	return FATE_DONE;
}

static enum fate
flooring(const struct sql_call *call)
{
	call->ret->f = floor(A->f);
	return FATE_DONE;
}

static enum fate
rounding(const struct sql_call *call)
{
	call->ret->f = rint(A->f);
	return FATE_DONE;
}

static enum fate
truncating(const struct sql_call *call)
{
	call->ret->f = trunc(A->f);
	return FATE_DONE;
}

static enum fate
sign(const struct sql_call *call)
{
	call->ret->f = A->f > 0 ? 1.0 : A->f < 0 ? -1.0 : 0.0;
	return FATE_DONE;
}

#define FLOATS(op, f)                                                                          \
	{ op, F4, 2, { F4, F4 }, f }, { op, F8, 2, { F8, F8 }, f },                            \
	    { op, F8, 2, { F4, F8 }, f },                                                      \
	{                                                                                      \
		op, F8, 2, { F8, F4 }, f                                                       \
	}

static const struct sql_function rows[] = {
	FLOATS("+", add),
	FLOATS("-", sub),
	FLOATS("*", mul),
	FLOATS("/", divide),
	{ "-", F4, 1, { F4 }, neg },
	{ "-", F8, 1, { F8 }, neg },
	{ "+", F4, 1, { F4 }, same },
	{ "+", F8, 1, { F8 }, same },
	{ "abs", F4, 1, { F4 }, absolute },
	{ "abs", F8, 1, { F8 }, absolute },
	{ "@", F4, 1, { F4 }, absolute },
	{ "@", F8, 1, { F8 }, absolute },
	{ "ceil", F8, 1, { F8 }, ceiling },
	{ "ceiling", F8, 1, { F8 }, ceiling },
	{ "floor", F8, 1, { F8 }, flooring },
	{ "round", F8, 1, { F8 }, rounding },
	{ "trunc", F8, 1, { F8 }, truncating },
	{ "sign", F8, 1, { F8 }, sign },
};
const struct sql_function_table sql_functions_float = { rows, sizeof(rows) / sizeof(rows[0]) };
