/* SPDX-License-Identifier: Apache-2.0 */
/* The Julian day of a timestamp, with the fraction of its day. */
#include "sql/function.h"
#include "wire/timestamp.h"

enum { JULIAN_1970 = 2440588 };

enum fate
sql_julian(const struct sql_call *call, int64_t day, int64_t us)
{
	struct decimal whole = decimal_from_i64(day + JULIAN_1970), part = decimal_from_i64(us);
	struct decimal length = decimal_from_i64(DAY_US);
	enum fate fate = decimal_div(&part, &length, call->arena, &part, call->err);

	return fate ? fate : decimal_add(&whole, &part, call->arena, &call->ret->d, call->err);
}

/* In Postgres' order of operations. */
double
sql_julian_float(int64_t day, int64_t us)
{
	double seconds = (double)(us / 1000000) + (double)(us % 1000000) / 1000000.0;

	return (double)(day + JULIAN_1970) + seconds / 86400.0;
}
