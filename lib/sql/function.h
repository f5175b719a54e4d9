/* SPDX-License-Identifier: Apache-2.0 */
/* function.h -- operators and functions as rows of tables, and Postgres' way to
 * choose among rows of one name.
 *
 * A new function is one row plus its oracle cases. A row without fn stands for a
 * function that Postgres has and this program refuses, with the reason: it takes
 * part in the choice, so that nothing else is chosen in its place. Rules of choice:
 * PostgreSQL 15 documentation, 10.2 and 10.3 (func_select_candidate). */
#ifndef SQL_FUNCTION_H
#define SQL_FUNCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sql/program.h"
#include "sql/type.h"

enum { SQL_SIGNATURE_MAX = 4 };

enum {
	FN_ORDER = 1, /* on text only under a C collation */
	FN_CASES = 2, /* wants the case tables */
	FN_LOOSE = 4, /* not strict */
	FN_SWAP = 8,  /* Postgres defines it as the same with its two arguments swapped */
};

struct sql_function {
	const char *name; /* operators by their sign, prefix operators too */
	uint8_t result;
	uint8_t argc;
	uint8_t args[SQL_SIGNATURE_MAX];
	sql_fn *fn;
	unsigned flags;
	const char *why; /* the refusal's sentence when fn is NULL */
};

struct sql_function_table {
	const struct sql_function *rows;
	size_t count;
};
extern const struct sql_function_table sql_functions_arith, sql_functions_compare,
    sql_functions_float, sql_functions_text, sql_functions_pattern, sql_functions_time,
    sql_functions_part, sql_functions_json;

enum sql_choice { CHOICE_ONE, CHOICE_NONE, CHOICE_AMBIGUOUS, CHOICE_NO_NAME };

enum sql_choice sql_function_choose(const char *name, bool is_operator, const int *kinds,
    size_t argc, const struct sql_function **ret_function);

/* Casts beyond relabelling: pg_cast's functions, and to and from text by the types'
 * own input and output. */
enum sql_cast_context { CAST_IMPLICIT, CAST_ASSIGNMENT, CAST_EXPLICIT };
struct sql_cast {
	int from, to;
	enum sql_cast_context context;
	sql_fn *fn; /* NULL: the same representation */
};
const struct sql_cast *sql_cast_find(int from, int to);
sql_fn sql_cast_output; /* extra.from -> text as the type prints */
sql_fn sql_cast_input;  /* text -> extra.to */
sql_fn sql_cast_typmod; /* extra.to with its typmod, as an explicit cast does */

/* extract(julian from timestamp): us of the day since 1970; and date_part's float8. */
enum fate sql_julian(const struct sql_call *call, int64_t day, int64_t us);
double sql_julian_float(int64_t day, int64_t us);

/* For the functions: REJECT with Postgres' words. */
enum fate sql_out_of_range(const struct sql_call *call, const char *type);
enum fate sql_memory_full(const struct sql_call *call);
/* A copy in the arena as the result's text. */
enum fate sql_return_text(const struct sql_call *call, const char *p, size_t len);
void sql_map_case(
    struct buf *out, const struct sql_catalog_case *cases, struct slice s, bool upper);
size_t sql_char_len(unsigned char lead);             /* bytes of a UTF-8 character */
size_t sql_char_count(struct slice s);               /* characters */
struct slice sql_trim_blanks(struct slice s);        /* char(n)'s trailing blanks */
size_t sql_char_bytes(struct slice s, size_t chars); /* bytes of the first characters */

#endif
