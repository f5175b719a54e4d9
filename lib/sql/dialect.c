/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/dialect.h"

#include <string.h>

#include "sql/dialect_emit.h"

enum { SELECT_DEPTH_MAX = 64 };

void
emit_orders(struct emitter *em, const struct ast_order *orders, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct ast_order *o = &orders[i];
		bool first =
		    o->nulls == NULLS_FIRST || (o->nulls == NULLS_DEFAULT && o->descending);

		buf_cstr(em->out, i ? ", " : "");
		must_order(em, o->expr);
		emit_expr(em, o->expr);
		buf_printf(em->out, " %s NULLS %s", o->descending ? "DESC" : "ASC",
		    first ? "FIRST" : "LAST");
	}
}

static void
path(struct emitter *em, const struct dialect_scan *scan)
{
	if (scan->rows.p) {
		buf_slice(em->out, scan->rows);
		return;
	}
	for (size_t i = 0; i < scan->path_count; i++) {
		buf_cstr(em->out, i ? "." : "");
		dialect_name(em->out, em->d->dialect, scan->path[i]);
	}
}

/* Postgres moves nothing below OFFSET 0, the others nothing below a LIMIT, whatever it is.
 * It costs them their indexes, so it stands only where a condition could fail for a row
 * that is hidden, and so tell of it. */
static const char *
fence(const struct emitter *em)
{
	if (is(em, DIALECT_POSTGRES))
		return " OFFSET 0";
	return em->fenced ? " LIMIT 9223372036854775807" : "";
}

static void
row_filter(struct emitter *em, const struct ast_expr *filter)
{
	bool raises = em->raises;

	buf_cstr(em->out, " WHERE ");
	em->rule_alias = "q0";
	emit_expr(em, filter);
	em->raises = raises; /* it sees every row anyway */
	em->filtered = true;
}

/* Filter inside, masks outside: a mask must not see rows that the filter hides, and no
 * name of one level can mean a column of the other. */
static void
governed(struct emitter *em, const struct sql_table *table, const struct dialect_scan *scan)
{
	buf_cstr(em->out, "(SELECT ");
	for (size_t i = 0; i < table->column_count; i++) {
		const struct ast_expr *mask = scan->masks ? scan->masks[i] : NULL;

		buf_cstr(em->out, i ? ", " : "");
		em->rule_alias = "q1";
		if (mask) {
			emit_expr(em, mask);
		} else {
			buf_cstr(em->out, "q1.");
			dialect_name(em->out, em->d->dialect, table->columns[i].name);
		}
		buf_cstr(em->out, " AS ");
		dialect_name(em->out, em->d->dialect, table->columns[i].name);
	}
	buf_cstr(em->out, " FROM (SELECT ");
	for (size_t i = 0; i < table->column_count; i++) {
		buf_cstr(em->out, i ? ", q0." : "q0.");
		dialect_name(em->out, em->d->dialect, table->columns[i].name);
		buf_cstr(em->out, " AS ");
		dialect_name(em->out, em->d->dialect, table->columns[i].name);
	}
	buf_cstr(em->out, " FROM ");
	path(em, scan);
	buf_cstr(em->out, " AS q0");
	if (scan->filter)
		row_filter(em, scan->filter);
	buf_cstr(em->out, fence(em));
	buf_cstr(em->out, ") AS q1)");
	em->rule_alias = NULL;
}

static void
table(struct emitter *em, const struct ast_from *from)
{
	const struct sql_table *t = from->source->table;
	struct dialect_scan scan = { 0 };

	if (from->only && !is(em, DIALECT_POSTGRES))
		cannot(em, from->location, "ONLY");
	em->d->scan(em->d->ctx, t, &scan);
	if (scan.filter || scan.masks)
		governed(em, t, &scan);
	else
		path(em, &scan);
	buf_printf(em->out, " AS t%u", from->source->number);
}

static void emit_from(struct emitter *em, const struct ast_from *from);

static void
derived(struct emitter *em, const struct ast_select *s, const struct ast_from *from)
{
	if (from->lateral && !is(em, DIALECT_POSTGRES) && !is(em, DIALECT_TRINO))
		cannot(em, from->location, "LATERAL");
	buf_cstr(em->out, from->lateral ? "LATERAL (" : "(");
	emit_select(em, s, false);
	buf_printf(em->out, ") AS t%u", from->source->number);
}

/* USING and NATURAL as equalities of the two columns; the left one is the result. */
static void using(struct emitter *em, const struct ast_from *from)
{
	size_t conditions = 0;

	if (from->join != JOIN_INNER && from->join != JOIN_LEFT)
		cannot(em, from->location, "USING in RIGHT or FULL JOIN");
	for (size_t i = 0; i < from->using_count; i++) {
		const struct ast_seen *sides[2] = { NULL, NULL };
		struct ast_expr ends[2] = { { .kind = AST_COLUMN }, { .kind = AST_COLUMN } };
		const struct ast_from *froms[] = { from->left, from->right };

		for (size_t side = 0; side < 2; side++) {
			for (size_t c = 0; c < froms[side]->seen_count && !sides[side]; c++) {
				const struct ast_seen *seen = &froms[side]->seen[c];
				const struct ast_output *o =
				    &seen->source->columns[seen->column];

				if (strcmp(o->name, from->using_columns[i]) != 0)
					continue;
				sides[side] = seen;
				ends[side].source = seen->source;
				ends[side].column = seen->column;
				ends[side].type = o->type;
				ends[side].collation = o->collation;
			}
		}
		buf_cstr(em->out, conditions++ ? " AND " : " ON ");
		emit_compare(em, "=", &ends[0], &ends[1], from->location);
	}
	if (!conditions)
		buf_cstr(em->out, " ON true");
}

static void
join(struct emitter *em, const struct ast_from *from)
{
	static const char *const words[] = { [JOIN_CROSS] = " CROSS JOIN ",
		[JOIN_INNER] = " INNER JOIN ",
		[JOIN_LEFT] = " LEFT JOIN ",
		[JOIN_RIGHT] = " RIGHT JOIN ",
		[JOIN_FULL] = " FULL JOIN " };

	if (is(em, DIALECT_CLICKHOUSE))
		cannot(em, from->location, "join");
	buf_byte(em->out, '(');
	emit_from(em, from->left);
	buf_cstr(em->out, words[from->join]);
	emit_from(em, from->right);
	if (from->natural || from->using_count) {
		using(em, from);
	} else if (from->on) {
		buf_cstr(em->out, " ON ");
		emit_truth(em, from->on);
	}
	buf_byte(em->out, ')');
}

static void
emit_from(struct emitter *em, const struct ast_from *from)
{
	if (em->trouble->code)
		return;
	if (from->kind == FROM_JOIN)
		join(em, from);
	else if (from->kind == FROM_QUERY)
		derived(em, from->select, from);
	else if (from->kind != FROM_TABLE)
		cannot(em, from->location, "a table function");
	else if (!from->source->cte)
		table(em, from);
	else if (from->source->cte->recursive ||
		 from->source->cte->statement->kind != STATEMENT_SELECT)
		cannot(em, from->location, "a recursive or writing WITH");
	else
		derived(em, from->source->cte->statement->select, from);
}

/* Is e made of group keys, aggregates and constants only? */
static bool
grouped(const struct ast_select *s, const struct ast_expr *e)
{
	for (size_t i = 0; i < s->group.count; i++) {
		if (ast_same(s->group.items[i], e))
			return true;
	}
	if (e->kind == AST_COLUMN && e->up == 0)
		return false;
	if (e->kind == AST_CALL && !e->call->over && e->call->function &&
	    e->call->function->class == FUNCTION_AGGREGATE)
		return true;
	if (e->left && !grouped(s, e->left))
		return false;
	for (size_t i = 0; i < e->argc; i++) {
		if (!grouped(s, e->args[i]))
			return false;
	}
	return true;
}

/* Postgres lets a column stand that depends on a grouped key; others do not. */
static void
judge_groups(struct emitter *em, const struct ast_select *s)
{
	if (is(em, DIALECT_POSTGRES) || (!s->aggregates && !s->group.count))
		return;
	for (size_t i = 0; i < s->output_count; i++) {
		if (s->outputs[i].expr && !grouped(s, s->outputs[i].expr))
			cannot(em, s->outputs[i].expr->location, "a column outside GROUP BY");
	}
	for (size_t i = 0; i < s->order_count; i++) {
		if (!grouped(s, s->order[i].expr))
			cannot(em, s->order[i].expr->location, "a column outside GROUP BY");
	}
	if (s->having && !grouped(s, s->having))
		cannot(em, s->having->location, "a column outside GROUP BY");
}

static void
output_name(struct emitter *em, const struct ast_select *s, size_t i, bool top)
{
	/* two results may have one name, which ClickHouse refuses: callers know the names */
	if (!top || !is(em, DIALECT_POSTGRES)) {
		buf_printf(em->out, " AS c%zu", i + 1);
		return;
	}
	buf_cstr(em->out, " AS ");
	dialect_name(em->out, em->d->dialect, s->outputs[i].name);
}

static void
select_list(struct emitter *em, const struct ast_select *s, bool top)
{
	buf_cstr(em->out, s->distinct ? "SELECT DISTINCT " : "SELECT ");
	if (s->distinct_on.count) {
		if (!is(em, DIALECT_POSTGRES))
			cannot(em, s->distinct_on.items[0]->location, "DISTINCT ON");
		for (size_t i = 0; i < s->distinct_on.count; i++) {
			buf_cstr(em->out, i ? ", " : "ON (");
			emit_expr(em, s->distinct_on.items[i]);
		}
		buf_cstr(em->out, ") ");
	}
	if (must_finish(em, s, top)) {
		emit_unfinished(em, s);
		return;
	}
	for (size_t i = 0; i < s->output_count; i++) {
		const struct ast_expr *e = s->outputs[i].expr;

		buf_cstr(em->out, i ? ", " : "");
		if (s->distinct)
			must_equate(em, e);
		if (!is(em, DIALECT_POSTGRES) && class_of(e) == CLASS_OTHER &&
		    e->type.kind != TYPE_NUMERIC)
			cannot(em, e->location, "a result of this type");
		emit_expr(em, e);
		output_name(em, s, i, top);
	}
	if (!s->output_count)
		cannot(em, -1, "a select list without columns");
}

static void
conditions(struct emitter *em, const struct ast_select *s)
{
	if (s->where) {
		buf_cstr(em->out, " WHERE ");
		emit_truth(em, s->where);
	}
	for (size_t i = 0; i < s->group.count; i++) {
		const struct ast_expr *key = s->group.items[i];

		buf_cstr(em->out, i ? ", " : " GROUP BY ");
		if (key->kind == AST_GROUPING_SET || key->kind == AST_ROW)
			cannot(em, key->location, "grouping sets");
		if (key->kind <= AST_PARAM)
			cannot(em, key->location, "a constant in GROUP BY");
		must_equate(em, key);
		emit_expr(em, key);
	}
	if (s->having) {
		buf_cstr(em->out, " HAVING ");
		emit_truth(em, s->having);
	}
}

static void
limits(struct emitter *em, const struct ast_select *s)
{
	const struct ast_expr *bounds[] = { s->limit, s->offset };

	for (size_t at = 0; at < 2; at++) {
		/* Trino wants OFFSET first, ClickHouse wants it last */
		size_t i = is(em, DIALECT_CLICKHOUSE) ? at : 1 - at;
		const struct ast_expr *e = bounds[i];

		if (!e || e->kind == AST_NULL)
			continue;
		buf_cstr(em->out, i ? " OFFSET " : " LIMIT ");
		if (is(em, DIALECT_POSTGRES))
			emit_expr(em, e);
		else if (param_of(e))
			emit_param(em, param_of(e), NEED_COUNT, NULL);
		else if (e->kind != AST_INT || e->number < 0)
			cannot(em, e->location, "a limit that is no constant");
		else
			buf_cstr(em->out, e->name);
	}
	if (s->with_ties)
		cannot(em, -1, "WITH TIES");
	if (s->locking)
		cannot(em, -1, "row locks");
}

static void
plain(struct emitter *em, const struct ast_select *s, bool top)
{
	if (s->value_count || s->window_count || s->group_distinct) {
		cannot(em, -1, s->value_count ? "VALUES" : "a WINDOW clause");
		return;
	}
	judge_groups(em, s);
	select_list(em, s, top);
	if (s->from_count > 1 && is(em, DIALECT_CLICKHOUSE))
		cannot(em, -1, "join");
	for (size_t i = 0; i < s->from_count; i++) {
		buf_cstr(em->out, i ? " CROSS JOIN " : " FROM ");
		emit_from(em, s->from[i]);
	}
	conditions(em, s);
	if (s->order_count) {
		buf_cstr(em->out, " ORDER BY ");
		emit_orders(em, s->order, s->order_count);
	}
	limits(em, s);
}

/* The arms stand in a derived table, so that ORDER BY names its columns. */
static void
set_operation(struct emitter *em, const struct ast_select *s, bool top)
{
	static const char *const words[] = {
		[SET_UNION] = "UNION", [SET_INTERSECT] = "INTERSECT", [SET_EXCEPT] = "EXCEPT"
	};

	if (s->set != SET_UNION && !is(em, DIALECT_POSTGRES))
		cannot(em, -1, "%s", words[s->set]);
	buf_cstr(em->out, "SELECT ");
	for (size_t i = 0; i < s->output_count; i++) {
		struct ast_expr e = { .type = s->outputs[i].type,
			.collation = s->outputs[i].collation,
			.location = -1 };

		must_equate(em, &e);
		em->raises = em->raises || e.type.kind == TYPE_NUMERIC; /* of one scale */
		buf_printf(em->out, "%su.c%zu", i ? ", " : "", i + 1);
		output_name(em, s, i, top);
	}
	buf_cstr(em->out, " FROM ((");
	emit_select(em, s->left, false);
	buf_printf(em->out, ") %s %s (", words[s->set], s->set_all ? "ALL" : "DISTINCT");
	emit_select(em, s->right, false);
	buf_cstr(em->out, ")) AS u");
	for (size_t i = 0; i < s->order_count; i++) {
		const struct ast_order *o = &s->order[i];
		size_t at = (size_t)o->expr->number;
		struct ast_expr key = { .location = o->expr->location };
		bool first =
		    o->nulls == NULLS_FIRST || (o->nulls == NULLS_DEFAULT && o->descending);

		if (at < 1 || at > s->output_count) {
			cannot(em, o->expr->location, "a position outside the select list");
			return;
		}
		key.type = s->outputs[at - 1].type;
		key.collation = s->outputs[at - 1].collation;
		must_order(em, &key);
		buf_printf(em->out, "%su.c%zu %s NULLS %s", i ? ", " : " ORDER BY ", at,
		    o->descending ? "DESC" : "ASC", first ? "FIRST" : "LAST");
	}
	limits(em, s);
}

void
emit_select(struct emitter *em, const struct ast_select *s, bool top)
{
	if (em->trouble->code)
		return;
	if (++em->depth > SELECT_DEPTH_MAX || em->out->len > DIALECT_SQL_MAX)
		cannot(em, -1, "subqueries this deep or long");
	else if (s->set)
		set_operation(em, s, top);
	else
		plain(em, s, top);
	em->depth--;
}

bool
dialect_emit(const struct dialect *dialect, const struct ast_select *select, struct buf *out,
    struct ast_trouble *trouble)
{
	struct emitter em = { .d = dialect, .out = out, .trouble = trouble };
	size_t begin = out->len;

	*trouble = (struct ast_trouble){ .offset = -1 };
	emit_select(&em, select, true);
	if (!trouble->code && em.filtered && em.raises && !is(&em, DIALECT_POSTGRES)) {
		em.fenced = true;
		out->len = begin;
		if (dialect->holes)
			dialect->holes->len = 0;
		if (dialect->finish)
			dialect->finish->wires.len = dialect->finish->results.len =
			    dialect->finish->texts.len = 0;
		emit_select(&em, select, true);
	}
	return trouble->code == NULL;
}
