/* SPDX-License-Identifier: Apache-2.0 */
/* program.h -- a flat list of instructions over slots, and the loop that runs it.
 *
 * A slot points to a value: an input column, a constant, or a register that an
 * instruction fills. Instructions address slots by index; nothing is looked up by
 * name, and nothing is allocated but results in the arena. Functions are strict:
 * the loop answers NULL for them unless the instruction says otherwise. */
#ifndef SQL_PROGRAM_H
#define SQL_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "sql/query.h"
#include "wire/value.h"

/* What a function may need beside its arguments, settled at compile time. */
struct sql_extra {
	struct pgtype from, to;
	const struct sql_catalog_case *cases;
};

/* Sorted code point pairs; NULL tables map ASCII alone. */
struct sql_catalog_case {
	const struct sql_case *upper, *lower;
	size_t upper_count, lower_count;
};

struct sql_call {
	const struct value *const *arg;
	size_t argc;
	struct value *ret; /* its state is SET before the call; a function may make it NULL */
	struct arena *arena;
	struct buf *scratch;
	const struct sql_extra *extra;
	struct err *err;
};
typedef enum fate sql_fn(const struct sql_call *call);

enum sql_opcode {
	OP_CALL1,       /* dst = fn(a), strict */
	OP_CALL2,       /* dst = fn(a, b), strict */
	OP_CALL,        /* dst = fn(args...), strict */
	OP_CALL_LOOSE,  /* the same, NULLs are the function's affair */
	OP_MOVE,        /* dst = a */
	OP_JUMP,        /* to target */
	OP_JUMP_UNLESS, /* a is not true */
	OP_JUMP_NULL,   /* a is NULL */
	OP_JUMP_VALUE,  /* dst = a; to target when it is not NULL */
	OP_AND,         /* a false: dst = false, to target; a NULL: dst = NULL */
	OP_OR,          /* a true: dst = true, to target; a NULL: dst = NULL */
	OP_NOT,         /* dst = not a */
	OP_IS_NULL,     /* dst = a is NULL */
	OP_IS_NOT_NULL, /* dst = a is not NULL */
	OP_IS_BOOL,     /* dst = (a is b's truth value), NULL matching NULL; never NULL */
	OP_IS_NOT_BOOL, /* the opposite */
	OP_SET_NULL,    /* dst = NULL */
};

struct sql_ins {
	uint8_t op; /* enum sql_opcode */
	uint8_t argc;
	uint16_t dst;    /* a register's slot */
	uint16_t a, b;   /* slots */
	uint32_t target; /* instruction to go on with; of calls: first in args[] */
	sql_fn *fn;
	const struct sql_extra *extra;
};

struct sql_input { /* a slot that is a column of a source */
	uint16_t slot, source, column;
};

enum { SQL_SLOTS_MAX = 60000, SQL_ARGS_MAX = 100 };

struct sql_program {
	struct sql_ins *ins;
	size_t ins_count, ins_cap;
	const struct value **slots;
	struct value **registers; /* by slot; NULL when it is no register */
	size_t slot_count, slot_cap;
	uint16_t *args;
	size_t arg_count, arg_cap;
	struct sql_input *inputs;
	size_t input_count, input_cap;
	struct buf scratch;
};

void sql_program_finish(struct sql_program *program);

/* Builders; heap grows, constants and registers are of the arena that lives as long. */
uint16_t sql_program_const(
    struct sql_program *program, struct arena *arena, const struct value *value);
uint16_t sql_program_register(struct sql_program *program, struct arena *arena);
uint16_t sql_program_input(struct sql_program *program, size_t source, size_t column);
size_t sql_program_add(struct sql_program *program, struct sql_ins ins); /* its index */
uint32_t sql_program_args(
    struct sql_program *program, const uint16_t *slots, size_t count); /* first index */

/* Points the input slots of the first sources to the row's values; absent rows are
 * NULLs. */
void sql_program_bind(
    struct sql_program *program, const struct sql_env *env, size_t source_count);
/* Runs instructions [from, to). */
enum fate sql_program_run(struct sql_program *program, size_t from, size_t to,
    struct arena *arena, struct err *err) NODISCARD;

#endif
