/* SPDX-License-Identifier: Apache-2.0 */
#include "work/lookup.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "sql/dialect.h"
#include "wire/pack.h"

enum { KEYS_PER_STATEMENT = 5000 };

struct lookup {
	const struct sql_source *source;
	struct pgtype key_types[SQL_KEY_COLUMNS_MAX];
	struct buf sql;
	struct buf packed, text;                /* scratch */
	struct buf arrays[SQL_KEY_COLUMNS_MAX]; /* parameters being built */
	size_t in_arrays;
	struct dimension *answers; /* unbounded, lives for a batch */
	struct buf wanted;         /* packed keys, each behind its length */
	size_t wanted_count;
	struct buf snapshot;
};

static void
sql_build(struct lookup *l)
{
	const struct sql_source *s = l->source;

	buf_cstr(&l->sql, "SELECT ");
	for (size_t i = 0; i < s->column_count; i++) {
		buf_cstr(&l->sql, i ? ", t." : "t.");
		dialect_name(&l->sql, DIALECT_POSTGRES, s->columns[i].name);
	}
	buf_cstr(&l->sql, " FROM ");
	dialect_name(&l->sql, DIALECT_POSTGRES, s->schema);
	buf_byte(&l->sql, '.');
	dialect_name(&l->sql, DIALECT_POSTGRES, s->table);
	buf_cstr(&l->sql, " t JOIN unnest(");
	for (size_t i = 0; i < s->key_count; i++) {
		buf_printf(&l->sql, "%s$%zu::", i ? ", " : "", i + 1);
		type_print(&l->sql, (struct pgtype){ .kind = l->key_types[i].kind,
					.oid = l->key_types[i].oid,
					.typmod = -1 });
		buf_cstr(&l->sql, "[]");
	}
	buf_cstr(&l->sql, ") AS k(");
	for (size_t i = 0; i < s->key_count; i++)
		buf_printf(&l->sql, "%sk%zu", i ? ", " : "", i);
	buf_cstr(&l->sql, ") ON ");
	for (size_t i = 0; i < s->key_count; i++) {
		buf_cstr(&l->sql, i ? " AND t." : "t.");
		dialect_name(&l->sql, DIALECT_POSTGRES, s->columns[s->key[i]].name);
		buf_printf(&l->sql, " = k.k%zu", i);
	}
	(void)buf_str(&l->sql);
}

struct lookup *
lookup_new(const struct sql_source *source)
{
	struct lookup *l = calloc(1, sizeof *l);

	must(l);
	must(source->key_count > 0 && source->key_count <= SQL_KEY_COLUMNS_MAX);
	l->source = source;
	for (size_t i = 0; i < source->key_count; i++)
		l->key_types[i] = source->columns[source->key[i]].type;
	l->answers = dimension_new(source->columns, source->column_count, SIZE_MAX, 0);
	sql_build(l);
	return l;
}

void
lookup_free(struct lookup *l)
{
	if (!l)
		return;
	dimension_free(l->answers);
	buf_finish(&l->sql);
	buf_finish(&l->packed);
	buf_finish(&l->text);
	buf_finish(&l->wanted);
	buf_finish(&l->snapshot);
	for (size_t i = 0; i < SQL_KEY_COLUMNS_MAX; i++)
		buf_finish(&l->arrays[i]);
	free(l);
}

const char *
lookup_sql(const struct lookup *l)
{
	return l->sql.p;
}

struct slice
lookup_key(struct lookup *l, const struct value *key)
{
	l->packed.len = 0;
	for (size_t i = 0; i < l->source->key_count; i++)
		value_pack(&l->packed, l->key_types[i], &key[i]);
	return buf_view(&l->packed);
}

void
lookup_want(struct lookup *l, const struct value *key)
{
	struct slice packed = lookup_key(l, key);
	uint32_t len = (uint32_t)packed.len;

	if (dimension_get(l->answers, packed, 0, NULL, NULL) != DIMENSION_UNKNOWN)
		return;
	dimension_put(l->answers, packed, NULL, 0);
	buf_put(&l->wanted, &len, sizeof len);
	buf_slice(&l->wanted, packed);
	l->wanted_count++;
}

size_t
lookup_wanted(const struct lookup *l)
{
	return l->wanted_count;
}

static enum fate
row_take(struct lookup *l, const struct pg_result *result, size_t row, struct arena *arena,
    struct err *err)
{
	const struct sql_source *s = l->source;
	struct value *values = arena_alloc(arena, s->column_count * sizeof *values);
	struct value key[SQL_KEY_COLUMNS_MAX];

	if (!values)
		return err_set(err, FATE_HALT, "lookup of %s: batch memory is full", s->table);
	for (size_t i = 0; i < s->column_count; i++) {
		enum fate fate;

		values[i] = (struct value){ .state = VALUE_NULL };
		if (pg_result_null(result, row, i))
			continue;
		fate = value_from_text(
		    s->columns[i].type, pg_result_text(result, row, i), arena, &values[i], err);
		if (fate != FATE_DONE) {
			err->fate = FATE_HALT;
			return err_wrap(err, "lookup of %s.%s", s->table, s->columns[i].name);
		}
	}
	for (size_t i = 0; i < s->key_count; i++)
		key[i] = values[s->key[i]];
	dimension_put(l->answers, lookup_key(l, key), values, 0);
	return FATE_DONE;
}

static enum fate
statement_run(struct lookup *l, struct pg *pg, bool first, struct arena *arena, struct err *err)
{
	struct slice params[SQL_KEY_COLUMNS_MAX];
	struct pg_result result = { 0 };
	struct pg_query query = { l->sql.p, params, l->source->key_count };
	enum fate fate;

	for (size_t i = 0; i < l->source->key_count; i++) {
		pg_array_end(&l->arrays[i]);
		params[i] = buf_view(&l->arrays[i]);
	}
	l->in_arrays = 0;
	fate = pg_read_together(pg, &query, 1, &result, first ? &l->snapshot : &l->text, err);
	for (size_t row = 0; fate == FATE_DONE && row < result.row_count; row++) {
		size_t mark = arena_mark(arena);

		fate = row_take(l, &result, row, arena, err);
		arena_rewind(arena, mark); /* the answers hold a copy */
	}
	pg_result_clear(&result);
	return fate == FATE_DONE ? fate : err_wrap(err, "look up %s", l->source->table);
}

static enum fate
key_add(struct lookup *l, const char *packed, struct arena *arena, struct err *err)
{
	if (l->in_arrays++ == 0)
		for (size_t i = 0; i < l->source->key_count; i++) {
			l->arrays[i].len = 0;
			pg_array_begin(&l->arrays[i]);
		}
	for (size_t i = 0; i < l->source->key_count; i++) {
		struct value value;

		if (!value_unpack(&packed, l->key_types[i], arena, &value))
			return err_set(err, FATE_HALT, "lookup: batch memory is full");
		l->text.len = 0;
		value_to_text(&l->text, l->key_types[i], &value);
		pg_array_add(&l->arrays[i], buf_view(&l->text));
	}
	return FATE_DONE;
}

enum fate
lookup_fetch(struct lookup *l, struct pg *pg, struct arena *arena, struct err *err)
{
	const char *at = l->wanted.p, *end = at + l->wanted.len;
	enum fate fate = FATE_DONE;
	bool first = true;

	l->in_arrays = 0;
	while (fate == FATE_DONE && at < end) {
		size_t mark = arena_mark(arena);
		uint32_t len;

		memcpy(&len, at, sizeof len);
		fate = key_add(l, at + sizeof len, arena, err);
		arena_rewind(arena, mark);
		at += sizeof len + len;
		if (fate == FATE_DONE && (l->in_arrays == KEYS_PER_STATEMENT || at == end)) {
			fate = statement_run(l, pg, first, arena, err);
			first = false;
		}
	}
	if (fate == FATE_DONE) {
		l->wanted.len = 0;
		l->wanted_count = 0;
	}
	return fate;
}

enum dimension_answer
lookup_get(
    struct lookup *l, const struct value *key, struct arena *arena, struct value *ret_row)
{
	return dimension_get(l->answers, lookup_key(l, key), 0, arena, ret_row);
}

void
lookup_reset(struct lookup *l)
{
	dimension_clear(l->answers);
	l->wanted.len = 0;
	l->wanted_count = 0;
}

struct slice
lookup_snapshot(const struct lookup *l)
{
	return buf_view(&l->snapshot);
}
