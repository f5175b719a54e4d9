/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/must.h"
#include "engine/registry_read.h"
#include "sql/type.h"

#define TRY(call)                                                                              \
	do {                                                                                   \
		enum fate try_fate = (call);                                                   \
		if (try_fate != FATE_DONE)                                                     \
			return try_fate;                                                       \
	} while (0)

static bool
any_function(void *ctx, const char *name, const struct ast_function *known)
{
	(void)ctx, (void)name;
	return known && known->class == FUNCTION_PLAIN;
}

static const struct ast_world world_of_rules = { .function = any_function };

/* A type as SQL writes it, perhaps with COLLATE: read as NULL::type. */
static enum fate
read_column(struct registry *r, struct yaml_node *columns, const char *name,
    struct sql_column *ret, struct err *err)
{
	const char *text;
	struct buf cast = { 0 };
	struct ast_trouble trouble = { 0 };
	struct ast_expr *e = NULL;
	struct ast_source none = { .alias = "" };
	bool good;

	TRY(yaml_text(columns, name, YAML_REQUIRED, &text, err));
	buf_printf(&cast, "NULL::%s", text);
	good = ast_parse_expr(buf_view(&cast), &r->arena, &e, &trouble) &&
	       (e->kind == AST_CAST || e->kind == AST_COLLATE) &&
	       ast_resolve_expr(e, &none, &world_of_rules, &r->arena, &trouble);
	buf_finish(&cast);
	if (!good)
		return yaml_error(yaml_get(columns, name), err, "column %s: %s is no type: %s",
		    name, text, trouble.code ? trouble.what : "it is an expression");
	*ret = (struct sql_column){ .name = name, .type = e->type, .type_text = text };
	if (sql_type_is_string((int)e->type.kind))
		ret->collation = e->kind == AST_COLLATE ? e->collation : COLLATION_LOCALE;
	return FATE_DONE;
}

static enum fate
read_columns(
    struct registry *r, struct yaml_node *map, struct registry_table *t, struct err *err)
{
	struct yaml_node *columns;
	struct sql_column *list;

	TRY(yaml_map(map, "columns", YAML_REQUIRED, &columns, err));
	list = registry_take(r, columns->count, sizeof(*list));
	t->table.columns = list;
	t->table.column_count = columns->count;
	for (size_t i = 0; i < columns->count; i++)
		TRY(read_column(r, columns, columns->keys[i], &list[i], err));
	return FATE_DONE;
}

static enum fate
column_index(const struct registry_table *t, struct yaml_node *node, const char *name,
    size_t *ret, struct err *err)
{
	for (size_t i = 0; i < t->table.column_count; i++) {
		if (strcmp(t->table.columns[i].name, name) == 0) {
			*ret = i;
			return FATE_DONE;
		}
	}
	return yaml_error(node, err, "table %s has no column %s", t->table.name, name);
}

static enum fate
read_key(struct registry *r, struct yaml_node *map, struct registry_table *t, struct err *err)
{
	const char *const *names = NULL;
	size_t count = 0, *columns;
	struct sql_key *key;

	TRY(yaml_texts(map, "key", YAML_OPTIONAL, &names, &count, err));
	if (count == 0)
		return FATE_DONE;
	key = registry_take(r, 1, sizeof(*key));
	columns = registry_take(r, count, sizeof(*columns));
	for (size_t i = 0; i < count; i++)
		TRY(column_index(t, yaml_get(map, "key"), names[i], &columns[i], err));
	*key = (struct sql_key){
		.name = "key", .primary = true, .columns = columns, .column_count = count
	};
	t->table.keys = key;
	t->table.key_count = 1;
	return FATE_DONE;
}

/* "public.users" as parts. */
static enum fate
read_placement(struct registry *r, struct yaml_node *places, const char *engine,
    struct registry_table *t, struct err *err)
{
	int at = registry_engine(r, engine);
	struct registry_placement *place;
	const char *text;
	struct slice copy;

	if (at == ENGINE_NONE)
		return yaml_error(places, err, "no engine %s here", engine);
	place = &t->placements[at];
	TRY(yaml_text(places, engine, YAML_REQUIRED, &text, err));
	copy = arena_copy(&r->arena, slice_str(text));
	must(copy.p);
	for (char *p = (char *)(uintptr_t)copy.p; p;) {
		char *dot = r->engines[at].kind == ENGINE_REDIS ? NULL : strchr(p, '.');

		if (place->path_count == 3)
			return yaml_error(places, err, "%s: more than three parts", text);
		place->path[place->path_count++] = p;
		if (dot)
			*dot++ = '\0';
		p = dot;
	}
	t->engines |= 1u << at;
	t->board = t->board || r->engines[at].kind == ENGINE_REDIS;
	return FATE_DONE;
}

static enum fate
read_engine_set(
    struct registry *r, struct yaml_node *map, const char *key, unsigned *ret, struct err *err)
{
	const char *const *names = NULL;
	size_t count = 0;

	TRY(yaml_texts(map, key, YAML_OPTIONAL, &names, &count, err));
	for (size_t i = 0; i < count; i++) {
		int at = registry_engine(r, names[i]);

		if (at == ENGINE_NONE)
			return yaml_error(
			    yaml_get(map, key), err, "no engine %s here", names[i]);
		*ret |= 1u << at;
	}
	return FATE_DONE;
}

/* What a board must be for its commands to be lines of words (plan_board.c). */
static enum fate
board_check(struct yaml_node *map, struct yaml_node *places, const struct registry_table *t,
    struct err *err)
{
	const struct sql_column *columns = t->table.columns;

	if (t->table.column_count != 2 || columns[0].type.kind != TYPE_TEXT ||
	    columns[1].type.kind != TYPE_FLOAT8 || places->count != 1)
		return yaml_error(map, err,
		    "a leaderboard has two columns, member (text) and score (double "
		    "precision), and stands in Redis alone");
	if (strchr(t->placements[t->home].path[0], '\n'))
		return yaml_error(places, err, "a leaderboard's key has no newline");
	return FATE_DONE;
}

static enum fate
read_placements(
    struct registry *r, struct yaml_node *map, struct registry_table *t, struct err *err)
{
	struct yaml_node *places;

	TRY(yaml_map(map, "engines", YAML_REQUIRED, &places, err));
	if (places->count == 0)
		return yaml_error(places, err, "table %s stands nowhere", t->table.name);
	for (size_t i = 0; i < places->count; i++)
		TRY(read_placement(r, places, places->keys[i], t, err));
	t->home = registry_engine(r, places->keys[0]);
	TRY(read_engine_set(r, map, "replicas", &t->replicas, err));
	TRY(read_engine_set(r, map, "only", &t->governed, err));
	return t->board ? board_check(map, places, t, err) : FATE_DONE;
}

static enum fate
read_source(
    struct registry *r, struct yaml_node *map, struct registry_table *t, struct err *err)
{
	const char *name = NULL;

	t->source = SOURCE_NONE;
	TRY(yaml_text(map, "source", YAML_OPTIONAL, &name, err));
	for (size_t i = 0; name && i < r->source_count; i++) {
		if (strcmp(r->sources[i].name, name) == 0)
			t->source = (int)i;
	}
	if (name && t->source == SOURCE_NONE)
		return yaml_error(yaml_get(map, "source"), err, "no source %s here", name);
	return FATE_DONE;
}

/* An expression over the table's columns. */
static enum fate
read_rule(struct registry *r, struct yaml_node *node, const char *text,
    const struct registry_table *t, const struct ast_expr **ret, struct err *err)
{
	struct ast_trouble trouble = { 0 };
	struct ast_expr *e = NULL;
	struct ast_source *source = ast_source_of_table(&r->arena, &t->table, NULL);

	if (!ast_parse_expr(slice_str(text), &r->arena, &e, &trouble) ||
	    !ast_resolve_expr(e, source, &world_of_rules, &r->arena, &trouble))
		return yaml_error(node, err, "%s: %s", text, trouble.what);
	*ret = e;
	return FATE_DONE;
}

static enum fate
read_masks(struct registry *r, struct yaml_node *masks, const struct registry_table *t,
    struct registry_policy *policy, struct err *err)
{
	const struct ast_expr **list =
	    registry_take(r, t->table.column_count, sizeof(struct ast_expr *));

	for (size_t i = 0; i < masks->count; i++) {
		struct yaml_node *node = masks->items[i];
		const char *text;
		size_t at = 0;

		TRY(yaml_text(masks, masks->keys[i], YAML_REQUIRED, &text, err));
		TRY(column_index(t, node, masks->keys[i], &at, err));
		TRY(read_rule(r, node, text, t, &list[at], err));
	}
	policy->masks = list;
	return FATE_DONE;
}

static enum fate
read_policy(struct registry *r, struct yaml_node *map, const struct registry_table *t,
    struct registry_policy *policy, struct err *err)
{
	const char *filter = NULL;
	struct yaml_node *masks = NULL;

	TRY(yaml_text(map, "filter", YAML_OPTIONAL, &filter, err));
	if (filter)
		TRY(read_rule(r, yaml_get(map, "filter"), filter, t, &policy->filter, err));
	if (policy->filter && policy->filter->type.kind != TYPE_BOOL)
		return yaml_error(yaml_get(map, "filter"), err, "a filter is true or false");
	TRY(yaml_map(map, "masks", YAML_OPTIONAL, &masks, err));
	return masks ? read_masks(r, masks, t, policy, err) : FATE_DONE;
}

static enum fate
read_policies(
    struct registry *r, struct yaml_node *map, struct registry_table *t, struct err *err)
{
	struct yaml_node *policies = NULL, *one;

	TRY(yaml_map(map, "policies", YAML_OPTIONAL, &policies, err));
	if (!policies)
		return FATE_DONE;
	if (t->board)
		return yaml_error(policies, err,
		    "a leaderboard has neither filters nor masks: roles that may not see it "
		    "name their tables without it");
	t->policies = registry_take(r, policies->count, sizeof(*t->policies));
	t->policy_count = policies->count;
	for (size_t i = 0; i < policies->count; i++) {
		t->policies[i].role = policies->keys[i];
		TRY(yaml_map(policies, policies->keys[i], YAML_REQUIRED, &one, err));
		TRY(read_policy(r, one, t, &t->policies[i], err));
	}
	return FATE_DONE;
}

/* "users" is public.users; "lake.trips" names its schema. */
static void
table_name(struct registry *r, struct registry_table *t, const char *key)
{
	struct slice copy = arena_copy(&r->arena, slice_str(key));
	char *dot = memchr(copy.p, '.', copy.len);

	must(copy.p);
	t->table.schema = dot ? copy.p : "public";
	t->table.name = dot ? dot + 1 : copy.p;
	if (dot)
		*dot = '\0';
}

static enum fate
read_table(struct registry *r, struct yaml_node *map, const char *key, struct err *err)
{
	struct registry_table *t = &r->tables[r->table_count];
	int64_t rows = -1;

	table_name(r, t, key);
	TRY(read_columns(r, map, t, err));
	TRY(read_key(r, map, t, err));
	TRY(read_placements(r, map, t, err));
	TRY(read_source(r, map, t, err));
	TRY(yaml_int(map, "rows", YAML_OPTIONAL, 0, INT64_MAX, &rows, err));
	t->rows_given = t->rows_known = rows >= 0;
	t->table.row_estimate = rows >= 0 ? rows : REGISTRY_ROWS_UNKNOWN;
	TRY(read_policies(r, map, t, err));
	r->table_count++;
	return FATE_DONE;
}

enum fate
registry_read_tables(struct registry *r, struct yaml_node *map, struct err *err)
{
	struct yaml_node *table;

	if (map->count == 0 || map->count > REGISTRY_TABLES_MAX)
		return yaml_error(map, err, "1 to %d tables", REGISTRY_TABLES_MAX);
	r->tables = registry_take(r, map->count, sizeof(*r->tables));
	for (size_t i = 0; i < map->count; i++) {
		TRY(yaml_map(map, map->keys[i], YAML_REQUIRED, &table, err));
		TRY(read_table(r, table, map->keys[i], err));
	}
	return FATE_DONE;
}
