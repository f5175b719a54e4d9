/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "sql/scope.h"

/* Functions that answer and do nothing else, by name; sorted. What is not here may not be
 * called unless the registry names it. */
static const struct ast_function functions[] = {
	{ "abs", FUNCTION_PLAIN, RESULT_FIRST, 0 },
	{ "age", FUNCTION_PLAIN, RESULT_KIND, TYPE_INTERVAL },
	{ "array_agg", FUNCTION_AGGREGATE, RESULT_OTHER, 0 },
	{ "array_length", FUNCTION_PLAIN, RESULT_KIND, TYPE_INT4 },
	{ "ascii", FUNCTION_PLAIN, RESULT_KIND, TYPE_INT4 },
	{ "avg", FUNCTION_AGGREGATE, RESULT_AVG, 0 },
	{ "bit_and", FUNCTION_AGGREGATE, RESULT_FIRST, 0 },
	{ "bit_or", FUNCTION_AGGREGATE, RESULT_FIRST, 0 },
	{ "bool_and", FUNCTION_AGGREGATE, RESULT_KIND, TYPE_BOOL },
	{ "bool_or", FUNCTION_AGGREGATE, RESULT_KIND, TYPE_BOOL },
	{ "btrim", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "ceil", FUNCTION_PLAIN, RESULT_NUMBER, 0 },
	{ "ceiling", FUNCTION_PLAIN, RESULT_NUMBER, 0 },
	{ "char_length", FUNCTION_PLAIN, RESULT_KIND, TYPE_INT4 },
	{ "chr", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "concat", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "concat_ws", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "corr", FUNCTION_AGGREGATE, RESULT_KIND, TYPE_FLOAT8 },
	{ "count", FUNCTION_AGGREGATE, RESULT_KIND, TYPE_INT8 },
	{ "covar_pop", FUNCTION_AGGREGATE, RESULT_KIND, TYPE_FLOAT8 },
	{ "covar_samp", FUNCTION_AGGREGATE, RESULT_KIND, TYPE_FLOAT8 },
	{ "cume_dist", FUNCTION_WINDOW, RESULT_KIND, TYPE_FLOAT8 },
	{ "date_part", FUNCTION_PLAIN, RESULT_KIND, TYPE_FLOAT8 },
	{ "date_trunc", FUNCTION_PLAIN, RESULT_OTHER, 0 },
	{ "dense_rank", FUNCTION_WINDOW, RESULT_KIND, TYPE_INT8 },
	{ "every", FUNCTION_AGGREGATE, RESULT_KIND, TYPE_BOOL },
	{ "exp", FUNCTION_PLAIN, RESULT_NUMBER, 0 },
	{ "extract", FUNCTION_PLAIN, RESULT_KIND, TYPE_NUMERIC },
	{ "first_value", FUNCTION_WINDOW, RESULT_FIRST, 0 },
	{ "floor", FUNCTION_PLAIN, RESULT_NUMBER, 0 },
	{ "format", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "initcap", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "json_agg", FUNCTION_AGGREGATE, RESULT_KIND, TYPE_JSON },
	{ "jsonb_agg", FUNCTION_AGGREGATE, RESULT_KIND, TYPE_JSONB },
	{ "jsonb_array_length", FUNCTION_PLAIN, RESULT_KIND, TYPE_INT4 },
	{ "jsonb_typeof", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "lag", FUNCTION_WINDOW, RESULT_FIRST, 0 },
	{ "last_value", FUNCTION_WINDOW, RESULT_FIRST, 0 },
	{ "lead", FUNCTION_WINDOW, RESULT_FIRST, 0 },
	{ "left", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "length", FUNCTION_PLAIN, RESULT_KIND, TYPE_INT4 },
	{ "like_escape", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "ln", FUNCTION_PLAIN, RESULT_NUMBER, 0 },
	{ "log", FUNCTION_PLAIN, RESULT_NUMBER, 0 },
	{ "lower", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "lpad", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "ltrim", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "max", FUNCTION_AGGREGATE, RESULT_FIRST, 0 },
	{ "md5", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "min", FUNCTION_AGGREGATE, RESULT_FIRST, 0 },
	{ "mod", FUNCTION_PLAIN, RESULT_FIRST, 0 },
	{ "mode", FUNCTION_AGGREGATE, RESULT_OTHER, 0 },
	{ "nextval", FUNCTION_WRITE, RESULT_KIND, TYPE_INT8 },
	{ "now", FUNCTION_PLAIN, RESULT_KIND, TYPE_TIMESTAMPTZ },
	{ "nth_value", FUNCTION_WINDOW, RESULT_FIRST, 0 },
	{ "ntile", FUNCTION_WINDOW, RESULT_KIND, TYPE_INT4 },
	{ "nullif", FUNCTION_PLAIN, RESULT_FIRST, 0 },
	{ "octet_length", FUNCTION_PLAIN, RESULT_KIND, TYPE_INT4 },
	{ "percent_rank", FUNCTION_WINDOW, RESULT_KIND, TYPE_FLOAT8 },
	{ "percentile_cont", FUNCTION_AGGREGATE, RESULT_KIND, TYPE_FLOAT8 },
	{ "percentile_disc", FUNCTION_AGGREGATE, RESULT_OTHER, 0 },
	{ "position", FUNCTION_PLAIN, RESULT_KIND, TYPE_INT4 },
	{ "power", FUNCTION_PLAIN, RESULT_NUMBER, 0 },
	{ "rank", FUNCTION_WINDOW, RESULT_KIND, TYPE_INT8 },
	{ "regr_slope", FUNCTION_AGGREGATE, RESULT_KIND, TYPE_FLOAT8 },
	{ "replace", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "reverse", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "right", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "round", FUNCTION_PLAIN, RESULT_NUMBER, 0 },
	{ "row_number", FUNCTION_WINDOW, RESULT_KIND, TYPE_INT8 },
	{ "row_to_json", FUNCTION_PLAIN, RESULT_KIND, TYPE_JSON },
	{ "rpad", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "rtrim", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "sign", FUNCTION_PLAIN, RESULT_NUMBER, 0 },
	{ "similar_to_escape", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "split_part", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "sqrt", FUNCTION_PLAIN, RESULT_NUMBER, 0 },
	{ "starts_with", FUNCTION_PLAIN, RESULT_KIND, TYPE_BOOL },
	{ "stddev", FUNCTION_AGGREGATE, RESULT_NUMBER, 0 },
	{ "stddev_pop", FUNCTION_AGGREGATE, RESULT_NUMBER, 0 },
	{ "stddev_samp", FUNCTION_AGGREGATE, RESULT_NUMBER, 0 },
	{ "string_agg", FUNCTION_AGGREGATE, RESULT_KIND, TYPE_TEXT },
	{ "strpos", FUNCTION_PLAIN, RESULT_KIND, TYPE_INT4 },
	{ "substr", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "substring", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "sum", FUNCTION_AGGREGATE, RESULT_SUM, 0 },
	{ "timezone", FUNCTION_PLAIN, RESULT_OTHER, 0 },
	{ "to_char", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "to_timestamp", FUNCTION_PLAIN, RESULT_KIND, TYPE_TIMESTAMPTZ },
	{ "trim", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "trunc", FUNCTION_PLAIN, RESULT_NUMBER, 0 },
	{ "upper", FUNCTION_PLAIN, RESULT_KIND, TYPE_TEXT },
	{ "var_pop", FUNCTION_AGGREGATE, RESULT_NUMBER, 0 },
	{ "var_samp", FUNCTION_AGGREGATE, RESULT_NUMBER, 0 },
	{ "variance", FUNCTION_AGGREGATE, RESULT_NUMBER, 0 },
};

static int
by_name(const void *name, const void *row)
{
	return strcmp(name, ((const struct ast_function *)row)->name);
}

const struct ast_function *
ast_function_of(const char *name)
{
	return bsearch(
	    name, functions, sizeof functions / sizeof *functions, sizeof *functions, by_name);
}
