/* SPDX-License-Identifier: Apache-2.0 */
/* avg in a select list: the engine gives sum(x) and count(x), NUMERIC here divides. */
#include <string.h>

#include "sql/dialect_emit.h"

static bool
is_avg(const struct ast_expr *e)
{
	return e->kind == AST_CALL && e->call->function && !e->call->over && e->argc == 1 &&
	       e->call->function->class == FUNCTION_AGGREGATE && strcmp(e->name, "avg") == 0 &&
	       e->type.kind == TYPE_NUMERIC;
}

static bool
is_not_avg(void *ctx, struct ast_expr *e)
{
	(void)ctx;
	return !is_avg(e);
}

static bool
holds_avg(const struct ast_expr *e)
{
	union {
		const struct ast_expr *in;
		struct ast_expr *out;
	} pun = { e };

	return !ast_walk(pun.out, is_not_avg, NULL);
}

/* DISTINCT would be of sums and counts, which differ where averages do not. */
bool
must_finish(const struct emitter *em, const struct ast_select *s, bool top)
{
	if (!top || is(em, DIALECT_POSTGRES) || !em->d->finish || s->distinct)
		return false;
	for (size_t i = 0; i < s->output_count; i++) {
		if (s->outputs[i].expr && holds_avg(s->outputs[i].expr))
			return true;
	}
	return false;
}

/* --- columns of the wire --- */

static size_t
wire_begin(struct emitter *em)
{
	size_t count = em->d->finish->wires.len / sizeof(struct pgtype);

	buf_cstr(em->out, count ? ", " : "");
	return count;
}

static void
wire_end(struct emitter *em, size_t at, struct pgtype type)
{
	buf_printf(em->out, " AS w%zu", at + 1);
	buf_put(&em->d->finish->wires, &type, sizeof type);
}

static size_t
wire(struct emitter *em, const struct ast_expr *e)
{
	size_t at = wire_begin(em);

	if (class_of(e) == CLASS_OTHER && e->type.kind != TYPE_NUMERIC)
		cannot(em, e->location, "a result of this type");
	emit_expr(em, e);
	wire_end(em, at, e->type);
	return at;
}

/* sum(smallint) and sum(integer) are bigint, the other sums numeric. */
static void
average(struct emitter *em, const struct ast_expr *e)
{
	int kind = (int)e->args[0]->type.kind;
	size_t sum, count;

	sum = wire_begin(em);
	emit_part_of_avg(em, e, "sum");
	wire_end(em, sum,
	    sql_type_plain(kind == TYPE_INT2 || kind == TYPE_INT4 ? TYPE_INT8 : TYPE_NUMERIC));
	count = wire_begin(em);
	emit_part_of_avg(em, e, "count");
	wire_end(em, count, sql_type_plain(TYPE_INT8));
	buf_printf(
	    &em->d->finish->texts, "(w%zu::numeric / w%zu::numeric)", sum + 1, count + 1);
}

/* --- expressions over them --- */

static void finish(struct emitter *em, const struct ast_expr *e);

static void
literal(struct emitter *em, const struct ast_expr *e)
{
	struct buf *out = &em->d->finish->texts;

	if (e->kind == AST_STRING)
		dialect_text(out, DIALECT_POSTGRES, e->name);
	else if (e->kind == AST_NULL)
		buf_cstr(out, "NULL");
	else
		buf_printf(out, "(%s)", e->name);
}

static void
listed(struct emitter *em, const struct ast_expr *e, const char *open, const char *between,
    const char *close)
{
	struct buf *out = &em->d->finish->texts;

	buf_cstr(out, open);
	for (size_t i = 0; i < e->argc; i++) {
		buf_cstr(out, i ? between : "");
		finish(em, e->args[i]);
	}
	buf_cstr(out, close);
}

static void
operator(struct emitter *em, const struct ast_expr *e)
{
	struct buf *out = &em->d->finish->texts;

	buf_byte(out, '(');
	if (e->argc == 2)
		finish(em, e->args[0]);
	buf_printf(out, " %s ", e->name);
	finish(em, e->args[e->argc - 1]);
	buf_byte(out, ')');
}

static void
cast(struct emitter *em, const struct ast_expr *e)
{
	struct buf *out = &em->d->finish->texts;

	if (e->cast->array) {
		cannot(em, e->location, "a cast to an array");
		return;
	}
	listed(em, e, "CAST(", "", " AS ");
	buf_cstr(out, e->cast->name);
	for (size_t i = 0; i < e->cast->mod_count; i++)
		buf_printf(out, "%s%d", i ? ", " : "(", e->cast->mods[i]);
	buf_cstr(out, e->cast->mod_count ? "))" : ")");
}

static void
call(struct emitter *em, const struct ast_expr *e)
{
	const struct ast_call *c = e->call;

	if (!c->function || c->function->class == FUNCTION_AGGREGATE || c->over || c->named ||
	    c->variadic || c->star || c->distinct) {
		cannot(em, e->location, "%s over avg", e->name);
		return;
	}
	buf_cstr(&em->d->finish->texts, e->name);
	listed(em, e, "(", ", ", ")");
}

static void
case_of(struct emitter *em, const struct ast_expr *e)
{
	struct buf *out = &em->d->finish->texts;

	buf_cstr(out, "(CASE ");
	if (e->left)
		finish(em, e->left);
	for (size_t i = 0; i + 1 < e->argc; i += 2) {
		buf_cstr(out, " WHEN ");
		finish(em, e->args[i]);
		buf_cstr(out, " THEN ");
		finish(em, e->args[i + 1]);
	}
	buf_cstr(out, " ELSE ");
	finish(em, e->args[e->argc - 1]);
	buf_cstr(out, " END)");
}

/* What holds an avg is computed here, the rest by the engine. */
static void
finish(struct emitter *em, const struct ast_expr *e)
{
	struct buf *out = &em->d->finish->texts;

	if (em->trouble->code)
		return;
	if (is_avg(e))
		average(em, e);
	else if (e->kind <= AST_STRING)
		literal(em, e);
	else if (!holds_avg(e))
		buf_printf(out, "w%zu", wire(em, e) + 1);
	else if (e->kind == AST_OP)
		operator(em, e);
	else if (e->kind == AST_CALL)
		call(em, e);
	else if (e->kind == AST_CAST)
		cast(em, e);
	else if (e->kind == AST_CASE)
		case_of(em, e);
	else if (e->kind == AST_COALESCE)
		listed(em, e, "coalesce(", ", ", ")");
	else if (e->kind == AST_NULLIF)
		listed(em, e, "nullif(", ", ", ")");
	else if (e->kind == AST_IS_NULL)
		listed(em, e, "(", "", e->negate ? " IS NOT NULL)" : " IS NULL)");
	else
		cannot(em, e->location, "avg in such an expression");
}

void
emit_unfinished(struct emitter *em, const struct ast_select *s)
{
	struct dialect_finish *f = em->d->finish;

	for (size_t i = 0; i < s->output_count && !em->trouble->code; i++) {
		const struct ast_expr *e = s->outputs[i].expr;
		struct dialect_result result = { .computed = holds_avg(e), .at = f->texts.len };

		if (result.computed) {
			finish(em, e);
			buf_byte(&f->texts, '\0');
		} else {
			result.at = wire(em, e);
		}
		buf_put(&f->results, &result, sizeof result);
	}
}
