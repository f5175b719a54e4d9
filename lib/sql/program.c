/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/program.h"

#include <stdlib.h>

#include "base/must.h"

static const struct value null_value;

static void *
grown(void *p, size_t count, size_t *cap, size_t size)
{
	if (count < *cap)
		return p;
	*cap = *cap ? *cap * 2 : 32;
	p = realloc(p, *cap * size);
	must(p);
	return p;
}

void
sql_program_finish(struct sql_program *program)
{
	free(program->ins);
	free(program->slots);
	free(program->registers);
	free(program->args);
	free(program->inputs);
	buf_finish(&program->scratch);
	*program = (struct sql_program){ 0 };
}

static uint16_t
add_slot(struct sql_program *program, const struct value *value, struct value *reg)
{
	size_t cap = program->slot_cap;

	must(program->slot_count < SQL_SLOTS_MAX);
	program->slots =
	    grown(program->slots, program->slot_count, &cap, sizeof(*program->slots));
	program->registers = grown(program->registers, program->slot_count, &program->slot_cap,
	    sizeof(*program->registers));
	program->slots[program->slot_count] = value;
	program->registers[program->slot_count] = reg;
	return (uint16_t)program->slot_count++;
}

uint16_t
sql_program_const(struct sql_program *program, struct arena *arena, const struct value *value)
{
	struct value *copy = arena_alloc(arena, sizeof(*copy));

	must(copy);
	*copy = *value;
	return add_slot(program, copy, NULL);
}

uint16_t
sql_program_register(struct sql_program *program, struct arena *arena)
{
	struct value *reg = arena_alloc(arena, sizeof(*reg));

	must(reg);
	*reg = (struct value){ .state = VALUE_NULL };
	return add_slot(program, reg, reg);
}

uint16_t
sql_program_input(struct sql_program *program, size_t source, size_t column)
{
	struct sql_input *in;

	for (size_t i = 0; i < program->input_count; i++) {
		in = &program->inputs[i];
		if (in->source == source && in->column == column)
			return in->slot;
	}
	program->inputs = grown(program->inputs, program->input_count, &program->input_cap,
	    sizeof(*program->inputs));
	in = &program->inputs[program->input_count++];
	*in = (struct sql_input){ .slot = add_slot(program, &null_value, NULL),
		.source = (uint16_t)source,
		.column = (uint16_t)column };
	return in->slot;
}

size_t
sql_program_add(struct sql_program *program, struct sql_ins ins)
{
	program->ins =
	    grown(program->ins, program->ins_count, &program->ins_cap, sizeof(*program->ins));
	program->ins[program->ins_count] = ins;
	return program->ins_count++;
}

uint32_t
sql_program_args(struct sql_program *program, const uint16_t *slots, size_t count)
{
	size_t first = program->arg_count;

	for (size_t i = 0; i < count; i++) {
		program->args = grown(program->args, program->arg_count, &program->arg_cap,
		    sizeof(*program->args));
		program->args[program->arg_count++] = slots[i];
	}
	return (uint32_t)first;
}

void
sql_program_bind(struct sql_program *program, const struct sql_env *env, size_t source_count)
{
	for (size_t i = 0; i < program->input_count; i++) {
		const struct sql_input *in = &program->inputs[i];
		const struct value *row;

		if (in->source >= source_count)
			continue;
		row = env->rows[in->source];
		program->slots[in->slot] = row ? &row[in->column] : &null_value;
	}
}

static enum fate
call_many(struct sql_program *program, const struct sql_ins *ins, struct sql_call *call)
{
	const struct value *args[SQL_ARGS_MAX];

	for (size_t i = 0; i < ins->argc; i++) {
		args[i] = program->slots[program->args[ins->target + i]];
		if (args[i]->state != VALUE_SET && ins->op == OP_CALL) {
			call->ret->state = VALUE_NULL;
			return FATE_DONE;
		}
	}
	call->arg = args;
	call->argc = ins->argc;
	call->ret->state = VALUE_SET;
	return ins->fn(call);
}

static void
set_bool(struct value *ret, bool b)
{
	ret->state = VALUE_SET;
	ret->b = b;
}

static bool
is_bool(const struct value *a, const struct value *b)
{
	if (a->state != VALUE_SET || b->state != VALUE_SET)
		return a->state == b->state;
	return a->b == b->b;
}

enum fate
sql_program_run(
    struct sql_program *program, size_t from, size_t to, struct arena *arena, struct err *err)
{
	const struct value *const *slots = program->slots;
	struct sql_call call = { .arena = arena, .scratch = &program->scratch, .err = err };
	enum fate fate;

	for (size_t at = from; at < to; at++) {
		const struct sql_ins *ins = &program->ins[at];
		const struct value *pair[2] = { slots[ins->a], slots[ins->b] };
		const struct value *a = pair[0];
		struct value *ret = program->registers[ins->dst];

		switch ((enum sql_opcode)ins->op) {
		case OP_CALL2:
			if (pair[1]->state != VALUE_SET) {
				ret->state = VALUE_NULL;
				break;
			}
			__attribute__((fallthrough));
		case OP_CALL1:
			if (a->state != VALUE_SET) {
				ret->state = VALUE_NULL;
				break;
			}
			ret->state = VALUE_SET;
			call.ret = ret;
			call.arg = pair;
			call.argc = ins->argc;
			call.extra = ins->extra;
			fate = ins->fn(&call);
			if (fate)
				return fate;
			break;
		case OP_CALL:
		case OP_CALL_LOOSE:
			call.ret = ret;
			call.extra = ins->extra;
			fate = call_many(program, ins, &call);
			if (fate)
				return fate;
			break;
		case OP_MOVE: *ret = *a; break;
		case OP_JUMP: at = ins->target - 1; break;
		case OP_JUMP_UNLESS:
			if (a->state != VALUE_SET || !a->b)
				at = ins->target - 1;
			break;
		case OP_JUMP_NULL:
			if (a->state != VALUE_SET)
				at = ins->target - 1;
			break;
		case OP_JUMP_VALUE:
			*ret = *a;
			if (a->state == VALUE_SET)
				at = ins->target - 1;
			break;
		case OP_AND:
		case OP_OR:
			if (a->state != VALUE_SET) {
				ret->state = VALUE_NULL;
			} else if (a->b == (ins->op == OP_OR)) {
				set_bool(ret, a->b);
				at = ins->target - 1;
			}
			break;
		case OP_NOT:
			ret->state = a->state;
			ret->b = !a->b;
			break;
		case OP_IS_NULL: set_bool(ret, a->state != VALUE_SET); break;
		case OP_IS_NOT_NULL: set_bool(ret, a->state == VALUE_SET); break;
		case OP_IS_BOOL: set_bool(ret, is_bool(a, pair[1])); break;
		case OP_IS_NOT_BOOL: set_bool(ret, !is_bool(a, pair[1])); break;
		case OP_SET_NULL: ret->state = VALUE_NULL; break;
		}
	}
	return FATE_DONE;
}
