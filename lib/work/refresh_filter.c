/* SPDX-License-Identifier: Apache-2.0 */
/* Which facts have the keys of changed rows, in SQL. Pure. */
#include <string.h>

#include "base/must.h"
#include "sql/dialect.h"
#include "work/refresh_ops.h"

/* "(c1, c2) IN (keys)" on the columns of the source's parent; a parent that is itself a
 * dimension is put into words by its own key. */
static void
put_condition(struct refresh *r, size_t source, struct slice inner, struct buf *out)
{
	const struct sql_source *dimension = sql_query_source(r->plan->query, source);
	size_t parent = r->parents[source], column;
	const struct sql_source *from = sql_query_source(r->plan->query, parent);
	struct buf condition = { 0 };

	buf_byte(&condition, '(');
	for (size_t i = 0; i < dimension->key_count; i++) {
		must(sql_query_key_origin(r->plan->query, source, i, &parent, &column));
		if (i)
			buf_cstr(&condition, ", ");
		dialect_name(&condition, DIALECT_POSTGRES, from->columns[column].name);
	}
	buf_cstr(&condition, ") IN (");
	buf_slice(&condition, inner);
	buf_byte(&condition, ')');
	if (parent == 0) {
		buf_slice(out, buf_view(&condition));
	} else {
		struct buf select = { 0 };

		buf_cstr(&select, "SELECT ");
		for (size_t i = 0; i < from->key_count; i++) {
			if (i)
				buf_cstr(&select, ", ");
			dialect_name(
			    &select, DIALECT_POSTGRES, from->columns[from->key[i]].name);
		}
		buf_cstr(&select, " FROM ");
		dialect_name(&select, DIALECT_POSTGRES, from->schema);
		buf_byte(&select, '.');
		dialect_name(&select, DIALECT_POSTGRES, from->table);
		buf_cstr(&select, " WHERE ");
		buf_slice(&select, buf_view(&condition));
		put_condition(r, parent, buf_view(&select), out);
		buf_finish(&select);
	}
	buf_finish(&condition);
}

/* The list of an IN; the keys are all of them or one. */
static void
put_keys(struct slice keys, struct buf *out)
{
	while (keys.len) {
		size_t len = strlen(keys.p);

		if (out->len)
			buf_byte(out, ',');
		buf_slice(out, slice_of(keys.p, len));
		keys = slice_of(keys.p + len + 1, keys.len - len - 1);
	}
}

/* "cond": the facts of these keys of the source; joined to what stands there by OR. */
void
refresh_put_facts(struct refresh *r, size_t source, struct slice keys, struct buf *filter)
{
	struct buf list = { 0 };

	put_keys(keys, &list);
	buf_cstr(filter, filter->len ? " OR " : "");
	put_condition(r, source, buf_view(&list), filter);
	buf_finish(&list);
}

void
refresh_put_filter(struct refresh *r, const struct keys *keys, struct buf *filter)
{
	if (keys->all) {
		buf_cstr(filter, "true");
		return;
	}
	for (size_t i = 1; i < r->plan->source_count; i++)
		if (keys->texts[i].len)
			refresh_put_facts(r, i, buf_view(&keys->texts[i]), filter);
}
