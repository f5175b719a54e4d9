/* SPDX-License-Identifier: Apache-2.0 */
/* What a mirrored table is: its columns, its key, and what places a row. */
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "wire/json.h"
#include "work/catalog.h"
#include "work/mirror_table.h"
#include "work/worker.h"

enum { ARENA_SIZE = 256 << 20 };

size_t
mirror_fields(const struct mirror *m, const struct row_column **ret_fields)
{
	*ret_fields = m->fields;
	return m->source.column_count;
}

bool
mirror_field_not_null(const struct mirror *m, size_t field)
{
	return sql_table_column(m->postgres, m->fields[field].name)->not_null;
}

const struct pipeline_list *
mirror_identity(const struct mirror *m)
{
	return &m->identity_names;
}

bool
mirror_list_has(const struct pipeline_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i], name) == 0)
			return true;
	return false;
}

static size_t
field_find(const struct mirror *m, const char *name)
{
	size_t i = 0;

	while (i < m->source.column_count && strcmp(m->fields[i].name, name) != 0)
		i++;
	return i;
}

enum fate
mirror_ask_catalog(struct mirror *m, struct sql_catalog **ret_catalog, struct err *err)
{
	const char *dot = strchr(m->table->from, '.');
	char *schema = strndup(m->table->from, (size_t)(dot - m->table->from));
	struct sql_tables tables = { .names = { { schema, dot + 1 } }, .count = 1 };
	struct sql_catalog *catalog = NULL;
	enum fate fate;

	must(schema);
	fate = catalog_ask(m->pg, &tables, &catalog, err);
	if (fate == FATE_DONE)
		m->postgres = sql_catalog_table(catalog, schema, dot + 1);
	if (fate == FATE_DONE && !m->postgres) {
		sql_catalog_free(catalog);
		fate = err_code(
		    err, FATE_HALT, CODE_CONFIG, "Postgres has no table %s", m->table->from);
	}
	free(schema);
	if (fate == FATE_DONE)
		*ret_catalog = catalog;
	return fate;
}

static void
fields_fill(struct mirror *m)
{
	const struct sql_table *t = m->postgres;
	size_t count = 0;

	m->fields = calloc(t->column_count + 1, sizeof *m->fields);
	m->members = calloc(t->column_count + 1, sizeof *m->members);
	must(m->fields && m->members);
	for (size_t i = 0; i < t->column_count; i++) {
		if (mirror_list_has(&m->table->skip, t->columns[i].name))
			continue;
		m->fields[count] =
		    (struct row_column){ t->columns[i].name, t->columns[i].type };
		json_quote(&m->members[count], slice_str(t->columns[i].name));
		buf_byte(&m->members[count++], ':');
	}
	m->source = (struct sql_source){ .schema = t->schema,
		.table = t->name,
		.columns = m->fields,
		.column_count = count };
}

static const struct sql_key *
primary_key(const struct sql_table *t)
{
	for (size_t i = 0; i < t->key_count; i++)
		if (t->keys[i].primary && !t->keys[i].deferrable)
			return &t->keys[i];
	return NULL;
}

static enum fate
key_fill(struct mirror *m, struct err *err)
{
	const struct sql_key *key = primary_key(m->postgres);

	if (!key)
		return err_code(err, FATE_HALT, CODE_CONFIG,
		    "table %s has no primary key (or a deferrable one), so its rows have no "
		    "names",
		    m->table->from);
	m->key = calloc(key->column_count, sizeof *m->key);
	must(m->key);
	for (size_t i = 0; i < key->column_count; i++) {
		const char *name = m->postgres->columns[key->columns[i]].name;

		m->key[i] = field_find(m, name);
		if (m->key[i] == m->source.column_count)
			return err_code(err, FATE_HALT, CODE_CONFIG,
			    "%s: column %s is of the primary key and cannot be skipped",
			    m->table->from, name);
		if (m->table->identity.count == 0 && i < PIPELINE_KEYS_MAX)
			m->identity_names.items[m->identity_names.count++] = name;
	}
	m->source.key = m->key;
	m->source.key_count = key->column_count;
	return FATE_DONE;
}

/* What places a row must stand in every before and delete. */
static enum fate
identity_fill(struct mirror *m, struct err *err)
{
	if (m->table->identity.count)
		m->identity_names = m->table->identity;
	for (size_t i = 0; i < m->identity_names.count; i++) {
		const char *name = m->identity_names.items[i];
		const struct sql_column *column = sql_table_column(m->postgres, name);

		m->identity[i] = field_find(m, name);
		if (!column || m->identity[i] == m->source.column_count)
			return err_code(err, FATE_HALT, CODE_CONFIG,
			    "%s: identity names %s, which is no column that is mirrored",
			    m->table->from, name);
		if (!column->in_replica_identity)
			return err_code(err, FATE_HALT, CODE_CONFIG,
			    "%s: a delete does not tell column %s of the identity: ALTER TABLE "
			    "%s REPLICA IDENTITY FULL",
			    m->table->from, name, m->table->from);
	}
	return FATE_DONE;
}

enum fate
mirror_open(struct pg *pg, const struct pipeline_clickhouse *conf,
    const struct pipeline_table *table, struct mirror **ret_mirror, struct err *err)
{
	struct mirror *m = calloc(1, sizeof *m);
	enum fate fate;

	must(m);
	m->pg = pg;
	m->conf = conf;
	m->table = table;
	arena_init(&m->arena, ARENA_SIZE);
	fate = mirror_ask_catalog(m, &m->catalog, err);
	if (fate == FATE_DONE) {
		fields_fill(m);
		fate = key_fill(m, err);
	}
	if (fate == FATE_DONE)
		fate = identity_fill(m, err);
	if (fate != FATE_DONE) {
		mirror_free(m);
		return fate;
	}
	m->plan = row_plan_new(m->fields, m->source.column_count);
	m->lookup = lookup_new(&m->source);
	*ret_mirror = m;
	return FATE_DONE;
}

void
mirror_free(struct mirror *m)
{
	if (!m)
		return;
	for (size_t i = 0; m->members && i < m->source.column_count; i++)
		buf_finish(&m->members[i]);
	for (size_t i = 0; i < m->passed.count; i++)
		free((char *)(uintptr_t)m->passed.items[i]);
	free(m->members);
	free(m->fields);
	free(m->key);
	row_plan_free(m->plan);
	lookup_free(m->lookup);
	sql_catalog_free(m->catalog);
	arena_finish(&m->arena);
	buf_finish(&m->text);
	free(m);
}
