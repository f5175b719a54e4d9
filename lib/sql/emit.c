/* SPDX-License-Identifier: Apache-2.0 */
/* The typed tree as instructions. A node that several share is emitted by the first
 * that needs it, which always runs before the others. */
#include "base/must.h"
#include "sql/tree.h"

static uint32_t
here(const struct sql_program *program)
{
	return (uint32_t)program->ins_count;
}

static size_t
add(struct sql_program *program, enum sql_opcode op, uint16_t dst, uint16_t a, uint16_t b)
{
	return sql_program_add(
	    program, (struct sql_ins){ .op = (uint8_t)op, .dst = dst, .a = a, .b = b });
}

static void
land(struct sql_program *program, size_t jump)
{
	program->ins[jump].target = here(program);
}

static uint16_t
emit_call(struct sql_program *program, struct sql_compiler *c, struct sql_node *node)
{
	uint16_t slots[SQL_ARGS_MAX], dst;
	struct sql_ins ins = {
		.fn = node->fn, .extra = node->extra, .argc = (uint8_t)node->argc
	};

	for (size_t i = 0; i < node->argc; i++)
		slots[i] = sql_emit(program, c, node->args[i]);
	dst = sql_program_register(program, c->arena);
	ins.dst = dst;
	if (!node->loose && (node->argc == 1 || node->argc == 2)) {
		ins.op = node->argc == 1 ? OP_CALL1 : OP_CALL2;
		ins.a = slots[0];
		ins.b = slots[node->argc - 1];
	} else {
		ins.op = node->loose ? OP_CALL_LOOSE : OP_CALL;
		ins.target = sql_program_args(program, slots, node->argc);
	}
	(void)sql_program_add(program, ins);
	return dst;
}

static uint16_t
emit_case(struct sql_program *program, struct sql_compiler *c, struct sql_node *node)
{
	uint16_t dst = sql_program_register(program, c->arena);
	size_t *ends = sql_alloc(c, node->argc * sizeof(*ends)), end_count = 0;

	for (size_t i = 0; i + 1 < node->argc; i += 2) {
		uint16_t when = sql_emit(program, c, node->args[i]);
		size_t miss = add(program, OP_JUMP_UNLESS, dst, when, 0);

		(void)add(program, OP_MOVE, dst, sql_emit(program, c, node->args[i + 1]), 0);
		ends[end_count++] = add(program, OP_JUMP, dst, 0, 0);
		land(program, miss);
	}
	(void)add(program, OP_MOVE, dst, sql_emit(program, c, node->args[node->argc - 1]), 0);
	for (size_t i = 0; i < end_count; i++)
		land(program, ends[i]);
	return dst;
}

static uint16_t
emit_coalesce(struct sql_program *program, struct sql_compiler *c, struct sql_node *node)
{
	uint16_t dst = sql_program_register(program, c->arena);
	size_t *ends = sql_alloc(c, node->argc * sizeof(*ends));

	for (size_t i = 0; i < node->argc; i++) {
		uint16_t slot = sql_emit(program, c, node->args[i]);

		ends[i] = add(program, OP_JUMP_VALUE, dst, slot, 0);
	}
	for (size_t i = 0; i < node->argc; i++)
		land(program, ends[i]);
	return dst;
}

static uint16_t
emit_logic(struct sql_program *program, struct sql_compiler *c, struct sql_node *node)
{
	enum sql_opcode op = node->kind == NODE_AND ? OP_AND : OP_OR;
	uint16_t dst = sql_program_register(program, c->arena);
	size_t *ends = sql_alloc(c, node->argc * sizeof(*ends));
	struct value neutral = { .state = VALUE_SET, .b = node->kind == NODE_AND };

	(void)add(program, OP_MOVE, dst, sql_program_const(program, c->arena, &neutral), 0);
	for (size_t i = 0; i < node->argc; i++) {
		uint16_t slot = sql_emit(program, c, node->args[i]);

		ends[i] = add(program, op, dst, slot, 0);
	}
	for (size_t i = 0; i < node->argc; i++)
		land(program, ends[i]);
	return dst;
}

/* args: equality, left, right: NULL when equal, else left. */
static uint16_t
emit_nullif(struct sql_program *program, struct sql_compiler *c, struct sql_node *node)
{
	uint16_t dst = sql_program_register(program, c->arena);
	uint16_t left = sql_emit(program, c, node->args[1]);
	uint16_t equal = sql_emit(program, c, node->args[0]);
	size_t differ;

	(void)add(program, OP_MOVE, dst, left, 0);
	differ = add(program, OP_JUMP_UNLESS, dst, equal, 0);
	(void)add(program, OP_SET_NULL, dst, 0, 0);
	land(program, differ);
	return dst;
}

static uint16_t
emit_distinct(struct sql_program *program, struct sql_compiler *c, struct sql_node *node)
{
	uint16_t dst = sql_program_register(program, c->arena), left, right, equal;
	size_t left_null, right_null, end, end2;

	left = sql_emit(program, c, node->args[1]);
	right = sql_emit(program, c, node->args[2]);
	left_null = add(program, OP_JUMP_NULL, dst, left, 0);
	right_null = add(program, OP_JUMP_NULL, dst, right, 0);
	equal = sql_emit(program, c, node->args[0]);
	(void)add(program, node->negate ? OP_MOVE : OP_NOT, dst, equal, 0);
	end = add(program, OP_JUMP, dst, 0, 0);
	land(program, right_null); /* left is no NULL: distinct */
	(void)add(program, node->negate ? OP_IS_NULL : OP_IS_NOT_NULL, dst, left, 0);
	end2 = add(program, OP_JUMP, dst, 0, 0);
	land(program, left_null); /* distinct unless right is NULL too */
	(void)add(program, node->negate ? OP_IS_NULL : OP_IS_NOT_NULL, dst, right, 0);
	land(program, end);
	land(program, end2);
	return dst;
}

/* args: the best so far, then value and "value is better" in turn. */
static uint16_t
emit_minmax(struct sql_program *program, struct sql_compiler *c, struct sql_node *node)
{
	uint16_t best = sql_program_register(program, c->arena);

	node->args[0]->slot = best;
	node->args[0]->emitted = true;
	(void)add(program, OP_MOVE, best, sql_emit(program, c, node->args[1]), 0);
	for (size_t i = 3; i + 1 < node->argc; i += 2) {
		uint16_t value = sql_emit(program, c, node->args[i]);
		size_t skip = add(program, OP_JUMP_NULL, best, value, 0);
		size_t take = add(program, OP_JUMP_NULL, best, best, 0);
		size_t worse = add(
		    program, OP_JUMP_UNLESS, best, sql_emit(program, c, node->args[i + 1]), 0);

		/* the better call was emitted before its jump was added */
		land(program, take);
		(void)add(program, OP_MOVE, best, value, 0);
		land(program, skip);
		land(program, worse);
	}
	return best;
}

static uint16_t
emit_test(struct sql_program *program, struct sql_compiler *c, struct sql_node *node)
{
	uint16_t arg = sql_emit(program, c, node->args[0]);
	uint16_t dst = sql_program_register(program, c->arena);

	if (node->kind == NODE_NOT)
		(void)add(program, OP_NOT, dst, arg, 0);
	else if (node->kind == NODE_IS_NULL)
		(void)add(program, node->negate ? OP_IS_NOT_NULL : OP_IS_NULL, dst, arg, 0);
	else
		(void)add(program, node->negate ? OP_IS_NOT_BOOL : OP_IS_BOOL, dst, arg,
		    sql_program_const(program, c->arena, &node->value));
	return dst;
}

static uint16_t
emit_node(struct sql_program *program, struct sql_compiler *c, struct sql_node *node)
{
	switch (node->kind) {
	case NODE_CONST: return sql_program_const(program, c->arena, &node->value);
	case NODE_COLUMN:
		return sql_program_input(program, node->source,
		    c->record ? node->column
			      : c->sources[node->source].row_column[node->column]);
	case NODE_CALL: return emit_call(program, c, node);
	case NODE_CASE: return emit_case(program, c, node);
	case NODE_COALESCE: return emit_coalesce(program, c, node);
	case NODE_NULLIF: return emit_nullif(program, c, node);
	case NODE_DISTINCT: return emit_distinct(program, c, node);
	case NODE_MINMAX: return emit_minmax(program, c, node);
	case NODE_AND:
	case NODE_OR: return emit_logic(program, c, node);
	case NODE_NOT:
	case NODE_IS_NULL:
	case NODE_IS_BOOL: return emit_test(program, c, node);
	case NODE_RELABEL: return sql_emit(program, c, node->args[0]);
	}
	never("a node without a kind");
}

uint16_t
sql_emit(struct sql_program *program, struct sql_compiler *c, struct sql_node *node)
{
	uint16_t slot;

	if (node->shared && node->emitted)
		return node->slot;
	slot = emit_node(program, c, node);
	node->emitted = true;
	node->slot = slot;
	return slot;
}
