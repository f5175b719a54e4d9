/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/query.h"

#include <stdlib.h>

#include "base/must.h"
#include "sql/from.h"
#include "sql/select.h"

/* Reserved, not touched: nodes and constants of the longest text fit many times. */
enum { ARENA_SIZE = 256 * 1024 * 1024 };

struct piece { /* instructions [from, to) */
	size_t from, to;
};

/* Where a value comes from when it is a plain column. */
struct origin {
	bool column;
	size_t source, index;
};

struct lookup {
	struct piece piece;
	uint16_t slots[SQL_KEY_COLUMNS_MAX];
	struct pgtype types[SQL_KEY_COLUMNS_MAX];
	struct origin origins[SQL_KEY_COLUMNS_MAX];
};

struct sql_query {
	struct arena arena;
	struct sql_program program;
	struct sql_source *sources;
	struct lookup *lookups; /* by source; of the fact unused */
	size_t source_count;
	struct row_column *results;
	struct origin *origins;
	uint16_t *result_slots;
	size_t result_count;
	struct piece where, select;
	bool has_where;
	uint16_t where_slot;
	struct sql_place *source_places, *result_places;
};

void
sql_query_free(struct sql_query *query)
{
	if (!query)
		return;
	sql_program_finish(&query->program);
	arena_finish(&query->arena);
	free(query);
}

/* Dimensions whose columns are asked for: by the select list, by WHERE, by the key of
 * another such dimension, or because an INNER JOIN's partner must exist. */
static void
mark_needed(struct sql_compiler *c, const struct sql_node *node)
{
	if (node->kind == NODE_COLUMN)
		c->sources[node->source].needed = true;
	for (size_t i = 0; i < node->argc; i++)
		mark_needed(c, node->args[i]);
}

static void
settle_needed(struct sql_compiler *c)
{
	for (size_t s = c->source_count; s-- > 1;) {
		struct sql_scope_source *dim = &c->sources[s];

		dim->needed = dim->needed || dim->join == SQL_INNER;
		for (size_t i = 0; dim->needed && i < dim->key_count; i++)
			mark_needed(c, dim->key_exprs[i]);
	}
}

static void
use_fact_key(struct sql_compiler *c, const struct sql_key **ret_key)
{
	const struct sql_table *table = c->sources[0].table;
	const struct sql_key *best = NULL;

	for (size_t i = 0; i < table->key_count; i++) {
		if (!table->keys[i].deferrable && (!best || table->keys[i].primary))
			best = &table->keys[i];
	}
	for (size_t i = 0; best && i < best->column_count; i++)
		c->sources[0].used[best->columns[i]] = true;
	*ret_key = best;
}

static void
settle_source(struct sql_compiler *c, struct sql_query *q, size_t s, const struct sql_key *key)
{
	struct sql_scope_source *from = &c->sources[s];
	const struct sql_table *table = from->table;
	struct row_column *columns = sql_alloc(c, table->column_count * sizeof(*columns));
	size_t *indexes = sql_alloc(c, SQL_KEY_COLUMNS_MAX * sizeof(*indexes)), count = 0;
	struct sql_source *source = &q->sources[s];

	from->row_column = sql_alloc(c, table->column_count * sizeof(size_t));
	for (size_t i = 0; i < table->column_count; i++) {
		if (!from->used[i])
			continue;
		from->row_column[i] = count;
		columns[count].name = sql_keep(c, table->columns[i].name);
		columns[count++].type = table->columns[i].type;
	}
	*source = (struct sql_source){ .schema = sql_keep(c, table->schema),
		.table = sql_keep(c, table->name),
		.alias = from->alias,
		.join = from->join,
		.columns = columns,
		.column_count = count,
		.key = indexes,
		.needed = s == 0 || from->needed };
	if (s == 0 && key && key->column_count <= SQL_KEY_COLUMNS_MAX) {
		source->key_count = key->column_count;
		for (size_t i = 0; i < key->column_count; i++)
			indexes[i] = from->row_column[key->columns[i]];
	}
	for (size_t i = 0; s > 0 && i < from->key_count; i++)
		indexes[source->key_count++] = from->row_column[from->key_columns[i]];
}

static struct origin
origin_of(const struct sql_compiler *c, const struct sql_node *node)
{
	if (node->kind != NODE_COLUMN)
		return (struct origin){ 0 };
	return (struct origin){ .column = true,
		.source = node->source,
		.index = c->sources[node->source].row_column[node->column] };
}

static void
emit_lookup(struct sql_compiler *c, struct sql_query *q, size_t s)
{
	struct lookup *lookup = &q->lookups[s];
	const struct sql_scope_source *from = &c->sources[s];

	lookup->piece.from = q->program.ins_count;
	for (size_t i = 0; i < from->key_count; i++) {
		lookup->types[i] = from->table->columns[from->key_columns[i]].type;
		lookup->slots[i] = sql_emit(&q->program, c, from->key_exprs[i]);
		lookup->origins[i] = origin_of(c, from->key_exprs[i]);
	}
	lookup->piece.to = q->program.ins_count;
}

static bool
too_long(struct sql_compiler *c, const struct sql_query *q)
{
	if (q->program.slot_count < SQL_SLOTS_MAX - 1000)
		return false;
	(void)sql_no(c, 0, "the query is too long a program");
	return true;
}

static bool
emit_results(struct sql_compiler *c, struct sql_query *q, const struct sql_result *results)
{
	q->results = sql_alloc(c, q->result_count * sizeof(*q->results));
	q->origins = sql_alloc(c, q->result_count * sizeof(*q->origins));
	q->result_slots = sql_alloc(c, q->result_count * sizeof(*q->result_slots));
	q->result_places = sql_alloc(c, q->result_count * sizeof(*q->result_places));
	q->select.from = q->program.ins_count;
	for (size_t i = 0; i < q->result_count; i++) {
		const struct sql_node *node = results[i].node;

		q->result_places[i] = sql_place_of(c->text, node->location);

		q->results[i] =
		    (struct row_column){ .name = results[i].name, .type = node->type };
		q->origins[i] = origin_of(c, node);
		q->result_slots[i] = sql_emit(&q->program, c, results[i].node);
		if (too_long(c, q))
			return false;
	}
	q->select.to = q->program.ins_count;
	return true;
}

static bool
compile_select(struct sql_compiler *c, struct sql_query *q, const json_t *select)
{
	const json_t *where = json_object_get(select, "whereClause");
	struct sql_node *condition = NULL;
	struct sql_result *results;
	const struct sql_key *key = NULL;

	if (!sql_select_clauses(c, select) ||
	    !sql_from(c, json_object_get(select, "fromClause")))
		return false;
	if (where && !(condition = sql_expr_bool(c, where, "WHERE")))
		return false;
	if (!sql_select_list(
		c, json_object_get(select, "targetList"), &results, &q->result_count))
		return false;
	if (condition)
		mark_needed(c, condition);
	for (size_t i = 0; i < q->result_count; i++)
		mark_needed(c, results[i].node);
	settle_needed(c);
	if (c->source_count)
		use_fact_key(c, &key);
	q->source_count = c->source_count;
	q->sources = sql_alloc(c, (c->source_count + 1) * sizeof(*q->sources));
	q->lookups = sql_alloc(c, (c->source_count + 1) * sizeof(*q->lookups));
	q->source_places = sql_alloc(c, (c->source_count + 1) * sizeof(*q->source_places));
	for (size_t s = 0; s < c->source_count; s++) {
		settle_source(c, q, s, key);
		q->source_places[s] = sql_place_of(c->text, c->sources[s].location);
	}
	for (size_t s = 1; s < c->source_count; s++)
		emit_lookup(c, q, s);
	q->where.from = q->program.ins_count;
	q->has_where = condition != NULL;
	if (condition)
		q->where_slot = sql_emit(&q->program, c, condition);
	q->where.to = q->program.ins_count;
	return !too_long(c, q) && emit_results(c, q, results);
}

static const struct sql_catalog_case *
keep_cases(struct sql_compiler *c)
{
	const struct sql_catalog *catalog = c->catalog;
	struct sql_catalog_case *cases = sql_alloc(c, sizeof(*cases));
	struct sql_case *upper, *lower;

	if (!catalog->case_known)
		return NULL;
	upper = sql_alloc(c, catalog->upper_count * sizeof(*upper));
	lower = sql_alloc(c, catalog->lower_count * sizeof(*lower));
	if (catalog->upper_count)
		memcpy(upper, catalog->upper, catalog->upper_count * sizeof(*upper));
	if (catalog->lower_count)
		memcpy(lower, catalog->lower, catalog->lower_count * sizeof(*lower));
	*cases = (struct sql_catalog_case){ .upper = upper,
		.lower = lower,
		.upper_count = catalog->upper_count,
		.lower_count = catalog->lower_count };
	return cases;
}

struct compile_args {
	const struct sql_catalog *catalog;
	struct slice text;
	struct sql_query *query;
};

static enum fate
compile_deep(void *arg, struct err *err)
{
	struct compile_args *args = arg;
	struct sql_compiler *c = calloc(1, sizeof(*c));
	const json_t *select;
	json_t *root = NULL;
	enum fate fate = sql_parse_select(args->text, &root, &select, err);

	must(c);
	if (!fate) {
		*c = (struct sql_compiler){ .catalog = args->catalog,
			.text = args->text,
			.arena = &args->query->arena,
			.err = err };
		c->cases = keep_cases(c);
		if (!compile_select(c, args->query, select))
			fate = FATE_HALT;
		json_decref(root);
	}
	free(c);
	return fate;
}

enum fate
sql_query_compile(const struct sql_catalog *catalog, struct slice text,
    struct sql_query **ret_query, struct err *err)
{
	struct compile_args args = { .catalog = catalog, .text = text };
	enum fate fate;

	args.query = calloc(1, sizeof(*args.query));
	must(args.query);
	arena_init(&args.query->arena, ARENA_SIZE);
	fate = sql_on_deep_stack(compile_deep, &args, err);
	if (fate) {
		sql_query_free(args.query);
		err->fate = fate;
		return fate;
	}
	*ret_query = args.query;
	return FATE_DONE;
}

size_t
sql_query_source_count(const struct sql_query *query)
{
	return query->source_count;
}

const struct sql_source *
sql_query_source(const struct sql_query *query, size_t source)
{
	must(source < query->source_count);
	return &query->sources[source];
}

struct sql_place
sql_query_source_place(const struct sql_query *query, size_t source)
{
	must(source < query->source_count);
	return query->source_places[source];
}

struct sql_place
sql_query_result_place(const struct sql_query *query, size_t result)
{
	must(result < query->result_count);
	return query->result_places[result];
}

size_t
sql_query_result_count(const struct sql_query *query)
{
	return query->result_count;
}

const struct row_column *
sql_query_results(const struct sql_query *query)
{
	return query->results;
}

bool
sql_query_result_origin(
    const struct sql_query *query, size_t result, size_t *ret_source, size_t *ret_column)
{
	must(result < query->result_count);
	if (!query->origins[result].column)
		return false;
	*ret_source = query->origins[result].source;
	*ret_column = query->origins[result].index;
	return true;
}

bool
sql_query_key_origin(const struct sql_query *query, size_t source, size_t part,
    size_t *ret_source, size_t *ret_column)
{
	const struct origin *origin = &query->lookups[source].origins[part];

	must(source > 0 && source < query->source_count);
	must(part < query->sources[source].key_count);
	if (!origin->column)
		return false;
	*ret_source = origin->source;
	*ret_column = origin->index;
	return true;
}

static enum fate
column_check(
    size_t i, const struct row_column *own, const struct sql_described *theirs, struct err *err)
{
	struct buf words = { 0 };
	enum fate fate = FATE_DONE;

	if (strcmp(own->name, theirs->name) != 0) {
		fate = err_set(err, FATE_HALT,
		    "result column %zu is \"%s\" here and \"%s\" in Postgres", i + 1, own->name,
		    theirs->name);
	} else if (own->type.oid != theirs->oid || own->type.typmod != theirs->typmod) {
		type_print(&words, own->type);
		fate = err_set(err, FATE_HALT,
		    "result column \"%s\" is %s (oid %u, typmod %d) here and oid %u, typmod %d "
		    "in "
		    "Postgres",
		    own->name, buf_str(&words), own->type.oid, own->type.typmod, theirs->oid,
		    theirs->typmod);
	}
	buf_finish(&words);
	return fate;
}

enum fate
sql_query_result_text_check(const struct sql_query *query, const struct sql_described *columns,
    size_t count, struct err *err)
{
	if (count != query->result_count)
		return err_set(err, FATE_HALT,
		    "the query has %zu result columns here and %zu in "
		    "Postgres",
		    query->result_count, count);
	for (size_t i = 0; i < count; i++) {
		if (column_check(i, &query->results[i], &columns[i], err))
			return FATE_HALT;
	}
	return FATE_DONE;
}

/* A number beyond the key column's type equals none of its values. */
static bool
fits(struct pgtype type, const struct value *value)
{
	if (type.kind == TYPE_INT2)
		return value->i >= INT16_MIN && value->i <= INT16_MAX;
	if (type.kind == TYPE_INT4)
		return value->i >= INT32_MIN && value->i <= INT32_MAX;
	return true;
}

enum fate
sql_query_key(struct sql_query *query, size_t source, const struct sql_env *env,
    struct arena *arena, struct value *ret_key, bool *ret_null, struct err *err)
{
	const struct lookup *lookup = &query->lookups[source];
	size_t count = query->sources[source].key_count;
	enum fate fate;

	must(source > 0 && source < query->source_count);
	sql_program_bind(&query->program, env, source);
	fate =
	    sql_program_run(&query->program, lookup->piece.from, lookup->piece.to, arena, err);
	if (fate)
		return fate;
	*ret_null = false;
	for (size_t i = 0; i < count; i++) {
		ret_key[i] = *query->program.slots[lookup->slots[i]];
		if (ret_key[i].state != VALUE_SET || !fits(lookup->types[i], &ret_key[i]))
			*ret_null = true;
	}
	return FATE_DONE;
}

enum fate
sql_query_run(struct sql_query *query, const struct sql_env *env, struct arena *arena,
    struct value *ret_out, bool *ret_passes, struct err *err)
{
	struct sql_program *program = &query->program;
	const struct value *condition;
	enum fate fate;

	*ret_passes = false;
	for (size_t s = 1; s < query->source_count; s++) {
		if (query->sources[s].join == SQL_INNER && !env->rows[s])
			return FATE_DONE;
	}
	sql_program_bind(program, env, query->source_count);
	if (query->has_where) {
		fate = sql_program_run(program, query->where.from, query->where.to, arena, err);
		if (fate)
			return fate;
		condition = program->slots[query->where_slot];
		if (condition->state != VALUE_SET || !condition->b)
			return FATE_DONE;
	}
	fate = sql_program_run(program, query->select.from, query->select.to, arena, err);
	if (fate)
		return fate;
	for (size_t i = 0; i < query->result_count; i++)
		ret_out[i] = *program->slots[query->result_slots[i]];
	*ret_passes = true;
	return FATE_DONE;
}
