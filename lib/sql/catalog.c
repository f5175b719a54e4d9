/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/catalog.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/must.h"
#include "sql/type.h"

/* The document is read into one arena that the catalogue stands in. */
enum { ARENA_SIZE = 64 * 1024 * 1024, TABLES_MAX = 4096 };

struct owned {
	struct sql_catalog catalog;
	struct arena arena;
};

struct reader {
	struct arena *arena;
	struct err *err;
	const char *table, *column; /* where we are, for the sentence */
	bool bad;
};

static void *
take(struct reader *r, size_t count, size_t size)
{
	void *p = arena_alloc(r->arena, count * size + 1);

	must(p);
	memset(p, 0, count * size + 1);
	return p;
}

/* The first complaint stays. */
static void
complain(struct reader *r, const char *member, const char *wanted)
{
	if (!r->bad)
		(void)err_set(r->err, FATE_HALT, "catalogue: %s%s%s%s%s: %s wanted",
		    r->table ? r->table : "", r->table ? "." : "", r->column ? r->column : "",
		    r->column ? "." : "", member, wanted);
	r->bad = true;
}

static const char *
get_text(struct reader *r, const json_t *object, const char *member)
{
	const json_t *value = json_object_get(object, member);
	struct slice copy;

	if (!json_is_string(value)) {
		complain(r, member, "a string is");
		return "";
	}
	copy =
	    arena_copy(r->arena, slice_of(json_string_value(value), json_string_length(value)));
	must(copy.p);
	return copy.p;
}

static bool
get_bool(struct reader *r, const json_t *object, const char *member)
{
	const json_t *value = json_object_get(object, member);

	if (value && !json_is_boolean(value))
		complain(r, member, "true or false are");
	return json_is_true(value);
}

static int64_t
get_int(struct reader *r, const json_t *object, const char *member, int64_t otherwise)
{
	const json_t *value = json_object_get(object, member);

	if (!value || json_is_null(value))
		return otherwise;
	if (!json_is_integer(value))
		complain(r, member, "an integer is");
	return json_integer_value(value);
}

static const json_t *
get_array(struct reader *r, const json_t *object, const char *member)
{
	const json_t *value = json_object_get(object, member);

	if (value && !json_is_array(value))
		complain(r, member, "an array is");
	return json_is_array(value) ? value : NULL;
}

static enum sql_collation
get_collation(struct reader *r, const json_t *object, const char *member)
{
	static const char *const names[] = { "none", "bytes", "locale", "C", "other",
		"nondeterministic" };
	const char *name = get_text(r, object, member);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name) == 0)
			return (enum sql_collation)i;
	}
	complain(r, member, "none, C, bytes, locale, other or nondeterministic is");
	return COLLATION_NONE;
}

static struct pgtype
get_type(struct reader *r, const json_t *doc)
{
	struct pgtype type = { .typmod = (int32_t)get_int(r, doc, "typmod", -1) };
	int64_t elem = get_int(r, doc, "elem", 0);

	type.oid = (uint32_t)get_int(r, doc, "oid", 0);
	type.kind = type_kind_of_oid(type.oid);
	if (type.oid == 0)
		complain(r, "oid", "the type's oid is");
	if (strcmp(get_text(r, doc, "typtype"), "e") == 0)
		type.kind = TYPE_ENUM;
	if (elem) {
		type.kind = TYPE_ARRAY;
		type.elem = type_kind_of_oid((uint32_t)elem);
	}
	return type;
}

static void
read_labels(struct reader *r, const json_t *doc, struct sql_column *column)
{
	const json_t *labels = json_object_get(doc, "labels");
	const char **names;

	if (!json_is_array(labels))
		return;
	column->label_count = json_array_size(labels);
	names = take(r, column->label_count, sizeof(*names));
	for (size_t i = 0; i < column->label_count; i++) {
		const char *label = json_string_value(json_array_get(labels, i));

		names[i] = arena_copy(r->arena, slice_str(label ? label : "")).p;
	}
	column->labels = names;
}

static void
read_column(struct reader *r, const json_t *doc, struct sql_column *column)
{
	r->column = NULL;
	column->name = get_text(r, doc, "name");
	r->column = column->name;
	column->type = get_type(r, doc);
	column->type_oid = column->type.oid;
	column->type_text = get_text(r, doc, "type");
	column->citext = strcmp(get_text(r, doc, "base"), "citext") == 0;
	column->domain = get_bool(r, doc, "domain");
	column->not_null = get_bool(r, doc, "not_null");
	column->toastable = get_bool(r, doc, "toastable");
	column->in_replica_identity = get_bool(r, doc, "identity");
	column->collation = get_collation(r, doc, "collation");
	read_labels(r, doc, column);
	r->column = NULL;
}

static size_t
column_index(struct reader *r, const struct sql_table *table, const char *name)
{
	const struct sql_column *column = sql_table_column(table, name);

	if (column)
		return (size_t)(column - table->columns);
	complain(r, name, "a column of the table is");
	return 0;
}

static void
read_key(
    struct reader *r, const json_t *doc, const struct sql_table *table, struct sql_key *key)
{
	const json_t *names = get_array(r, doc, "columns");
	size_t *columns = take(r, json_array_size(names), sizeof(*columns));

	key->name = get_text(r, doc, "name");
	key->primary = get_bool(r, doc, "primary");
	key->deferrable = get_bool(r, doc, "deferrable");
	key->column_count = json_array_size(names);
	for (size_t i = 0; i < key->column_count; i++) {
		const char *name = json_string_value(json_array_get(names, i));

		columns[i] = column_index(r, table, name ? name : "");
	}
	key->columns = columns;
}

static void
read_keys(struct reader *r, const json_t *doc, struct sql_table *table)
{
	const json_t *keys = get_array(r, doc, "keys"), *indexes = get_array(r, doc, "indexes");
	struct sql_key *key = take(r, json_array_size(keys), sizeof(*key));
	struct sql_index *index = take(r, json_array_size(indexes), sizeof(*index));

	table->keys = key;
	table->key_count = json_array_size(keys);
	for (size_t i = 0; i < table->key_count; i++)
		read_key(r, json_array_get(keys, i), table, &key[i]);
	table->indexes = index;
	table->index_count = json_array_size(indexes);
	for (size_t i = 0; i < table->index_count; i++) {
		const json_t *row = json_array_get(indexes, i);

		index[i].name = get_text(r, row, "name");
		index[i].first_column = column_index(r, table, get_text(r, row, "column"));
	}
}

static char
get_letter(struct reader *r, const json_t *doc, const char *member)
{
	return *get_text(r, doc, member);
}

static void
read_table(struct reader *r, const json_t *doc, struct sql_table *table)
{
	const json_t *columns = get_array(r, doc, "columns");
	struct sql_column *column = take(r, json_array_size(columns), sizeof(*column));

	r->table = NULL;
	table->name = get_text(r, doc, "name");
	r->table = table->name;
	table->schema = get_text(r, doc, "schema");
	table->relkind = get_letter(r, doc, "relkind");
	table->replica_identity = get_letter(r, doc, "replica_identity");
	table->row_estimate = get_int(r, doc, "row_estimate", -1);
	for (size_t i = 0; i < json_array_size(columns); i++)
		read_column(r, json_array_get(columns, i), &column[i]);
	table->columns = column;
	table->column_count = json_array_size(columns);
	read_keys(r, doc, table);
	r->table = NULL;
}

static const struct sql_case *
read_case(struct reader *r, const json_t *doc, const char *member, size_t *ret_count)
{
	const json_t *pairs = get_array(r, doc, member);
	struct sql_case *cases = take(r, json_array_size(pairs), sizeof(*cases));

	*ret_count = json_array_size(pairs);
	for (size_t i = 0; i < *ret_count; i++) {
		const json_t *pair = json_array_get(pairs, i);

		cases[i].from = (uint32_t)json_integer_value(json_array_get(pair, 0));
		cases[i].to = (uint32_t)json_integer_value(json_array_get(pair, 1));
		if (cases[i].from == 0 || (i && cases[i].from <= cases[i - 1].from))
			complain(r, member, "pairs in ascending order are");
	}
	return cases;
}

static void
read_document(struct reader *r, const json_t *root, struct sql_catalog *catalog)
{
	const json_t *tables = get_array(r, root, "tables"),
		     *cases = json_object_get(root, "case");
	const json_t *missing = get_array(r, root, "missing");
	struct sql_table *table = take(r, json_array_size(tables), sizeof(*table));
	const char **names = take(r, json_array_size(missing), sizeof(*names));

	if (!tables || json_array_size(tables) > TABLES_MAX)
		complain(r, "tables", "an array of tables is");
	catalog->database = get_text(r, root, "database");
	catalog->server_version = get_text(r, root, "server_version");
	catalog->default_collation = get_collation(r, root, "default_collation");
	catalog->table_count = json_array_size(tables);
	for (size_t i = 0; i < catalog->table_count && !r->bad; i++)
		read_table(r, json_array_get(tables, i), &table[i]);
	catalog->tables = table;
	catalog->missing_count = json_array_size(missing);
	for (size_t i = 0; i < catalog->missing_count; i++) {
		const char *name = json_string_value(json_array_get(missing, i));

		names[i] = arena_copy(r->arena, slice_str(name ? name : "")).p;
	}
	catalog->missing = names;
	catalog->case_known = json_is_object(cases);
	catalog->upper = read_case(r, cases, "upper", &catalog->upper_count);
	catalog->lower = read_case(r, cases, "lower", &catalog->lower_count);
}

enum fate
sql_catalog_parse(struct slice json, struct sql_catalog **ret_catalog, struct err *err)
{
	json_error_t json_err;
	json_t *root = json_loadb(json.p ? json.p : "", json.len, 0, &json_err);
	struct owned *owned;
	struct reader r = { .err = err };

	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(err, FATE_HALT, "catalogue: no JSON object: line %d: %s",
		    root ? 1 : json_err.line, root ? "an object is wanted" : json_err.text);
	}
	owned = calloc(1, sizeof(*owned));
	must(owned);
	arena_init(&owned->arena, ARENA_SIZE + 16 * json.len);
	r.arena = &owned->arena;
	read_document(&r, root, &owned->catalog);
	json_decref(root);
	if (r.bad) {
		sql_catalog_free(&owned->catalog);
		return FATE_HALT;
	}
	*ret_catalog = &owned->catalog;
	return FATE_DONE;
}

void
sql_catalog_free(struct sql_catalog *catalog)
{
	struct owned *owned = (struct owned *)(void *)catalog; /* its first member */

	if (!owned)
		return;
	arena_finish(&owned->arena);
	free(owned);
}

const struct sql_table *
sql_catalog_table(const struct sql_catalog *catalog, const char *schema, const char *name)
{
	for (size_t i = 0; i < catalog->table_count; i++) {
		const struct sql_table *table = &catalog->tables[i];

		if (strcmp(table->name, name) == 0 &&
		    strcmp(table->schema, schema ? schema : "public") == 0)
			return table;
	}
	return NULL;
}

const struct sql_column *
sql_table_column(const struct sql_table *table, const char *name)
{
	for (size_t i = 0; i < table->column_count; i++) {
		if (strcmp(table->columns[i].name, name) == 0)
			return &table->columns[i];
	}
	return NULL;
}
