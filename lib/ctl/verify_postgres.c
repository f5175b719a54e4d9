/* SPDX-License-Identifier: Apache-2.0 */
#include "base/must.h"
#include "ctl/verify_side.h"
#include "sql/dialect.h"
#include "wire/json.h"

enum { PAGE_ROWS = 5000, KEYS_ROWS = 2000 };

static void
put_type(struct buf *out, struct pgtype type)
{
	type.typmod = -1;
	type_print(out, type);
}

/* The pipeline's own text, as a table q. */
static void
put_query(const struct verify *v, struct buf *out)
{
	struct slice text = v->pipeline->enrich.sql;

	while (text.len && strchr(" \t\r\n;", text.p[text.len - 1]))
		text.len--;
	buf_cstr(out, " FROM (\n");
	buf_slice(out, text);
	buf_cstr(out, "\n) AS q ");
}

static void
put_key(const struct verify *v, struct buf *out)
{
	for (size_t i = 0; i < v->key_count; i++) {
		buf_cstr(out, i ? ", q." : "q.");
		dialect_name(out, DIALECT_POSTGRES, v->columns[v->key[i]].name);
	}
}

/* SELECT WHAT FROM (query) q WHERE (key) > ($1 ...) ORDER BY key LIMIT n */
static void
page_sql(const struct verify *v, bool key_only, bool first, size_t limit, struct buf *out)
{
	out->len = 0;
	buf_cstr(out, "SELECT ");
	if (key_only)
		put_key(v, out);
	else
		buf_cstr(out, "q.*");
	put_query(v, out);
	if (!first) {
		buf_cstr(out, "WHERE (");
		put_key(v, out);
		buf_cstr(out, ") > (");
		for (size_t i = 0; i < v->key_count; i++) {
			buf_printf(out, "%s$%zu::", i ? ", " : "", i + 1);
			put_type(out, v->columns[v->key[i]].type);
		}
		buf_cstr(out, ") ");
	}
	buf_cstr(out, "ORDER BY ");
	put_key(v, out);
	buf_printf(out, " LIMIT %zu", limit);
	(void)buf_str(out);
}

/* The keys come as arrays of texts, one a column. */
static void
keys_sql(const struct verify *v, struct buf *out)
{
	out->len = 0;
	buf_cstr(out, "SELECT q.*");
	put_query(v, out);
	buf_cstr(out, "JOIN unnest(");
	for (size_t i = 0; i < v->key_count; i++) {
		buf_printf(out, "%s$%zu::text[]::", i ? ", " : "", i + 1);
		put_type(out, v->columns[v->key[i]].type);
		buf_cstr(out, "[]");
	}
	buf_cstr(out, ") AS k (");
	for (size_t i = 0; i < v->key_count; i++)
		buf_printf(out, "%sk%zu", i ? ", " : "", i);
	buf_cstr(out, ") ON ");
	for (size_t i = 0; i < v->key_count; i++) {
		buf_cstr(out, i ? " AND q." : "q.");
		dialect_name(out, DIALECT_POSTGRES, v->columns[v->key[i]].name);
		buf_printf(out, " = k.k%zu", i);
	}
	(void)buf_str(out);
}

static enum fate
rows_note(
    struct verify *v, enum verify_pass pass, const struct pg_result *result, struct err *err)
{
	enum fate fate = FATE_DONE;

	if (result->column_count != v->column_count)
		return err_set(err, FATE_HALT, "the query has %zu columns, not %zu",
		    result->column_count, v->column_count);
	for (size_t r = 0; r < result->row_count && fate == FATE_DONE; r++) {
		verify_row_begin(v);
		for (size_t i = 0; i < v->column_count && fate == FATE_DONE; i++)
			fate = verify_row_text(v, pg_result_text(result, r, i), err);
		if (fate == FATE_DONE)
			fate = verify_row_note(v, SIDE_POSTGRES, pass, err);
	}
	return fate;
}

/* --- the whole table, in pages by key --- */

struct page {
	struct buf sql, key[PIPELINE_KEYS_MAX]; /* texts of the last key seen */
	bool first;
	size_t limit;
};

static enum fate
page_ask(struct verify *v, struct page *page, bool key_only, size_t limit,
    struct pg_result *ret_result, struct err *err)
{
	struct slice params[PIPELINE_KEYS_MAX];

	for (size_t i = 0; i < v->key_count; i++)
		params[i] = buf_view(&page->key[i]);
	page_sql(v, key_only, page->first, limit, &page->sql);
	return pg_query(v->survey->pg,
	    &(struct pg_query){ page->sql.p, params, page->first ? 0 : v->key_count },
	    ret_result, err);
}

static void
page_remember(
    struct verify *v, struct page *page, const struct pg_result *result, bool key_only)
{
	for (size_t i = 0; i < v->key_count; i++) {
		page->key[i].len = 0;
		buf_slice(&page->key[i],
		    pg_result_text(result, result->row_count - 1, key_only ? i : v->key[i]));
		(void)buf_str(&page->key[i]); /* an empty text is not NULL */
	}
	page->first = false;
}

/* The next row raises an error: its key alone can be asked for. */
static enum fate
row_that_raises(struct verify *v, struct page *page, struct err *err)
{
	struct pg_result result = { 0 };
	struct err why = *err;
	struct verify_entry *e = NULL;
	enum fate fate = page_ask(v, page, true, 1, &result, err);

	if (fate == FATE_DONE && result.row_count == 1) {
		v->key_text.len = 0;
		for (size_t i = 0; i < v->key_count && fate == FATE_DONE; i++) {
			struct pgtype type = v->columns[v->key[i]].type;
			struct value value;

			if (i)
				buf_byte(&v->key_text, ',');
			fate = value_from_text(
			    type, pg_result_text(&result, 0, i), &v->arena, &value, err);
			if (fate == FATE_DONE)
				value_to_json(&v->key_text, type, &value);
		}
		if (fate == FATE_DONE)
			e = verify_table_get(v->table, buf_view(&v->key_text));
		if (e)
			e->rows[SIDE_POSTGRES] = ROW_RAISES;
		page_remember(v, page, &result, true);
	} else if (fate == FATE_DONE) {
		*err = why;
		fate = err->fate = FATE_HALT;
	}
	pg_result_clear(&result);
	return fate;
}

static enum fate
page_read(struct verify *v, struct page *page, bool *ret_more, struct err *err)
{
	struct pg_result result = { 0 };
	enum fate fate = page_ask(v, page, false, page->limit, &result, err);

	if (fate == FATE_REJECT && page->limit > 1) {
		page->limit /= 2;
		return FATE_DONE;
	}
	if (fate == FATE_REJECT)
		return row_that_raises(v, page, err);
	if (fate == FATE_DONE)
		fate = rows_note(v, PASS_WHOLE, &result, err);
	*ret_more = fate == FATE_DONE && result.row_count == page->limit;
	verify_progress(v, "postgres: %zu keys", verify_table_count(v->table));
	if (fate == FATE_DONE && result.row_count)
		page_remember(v, page, &result, false);
	page->limit = page->limit * 2 < PAGE_ROWS ? page->limit * 2 : PAGE_ROWS;
	pg_result_clear(&result);
	return fate;
}

static enum fate
whole_read(struct verify *v, struct err *err)
{
	struct page page = { .first = true, .limit = PAGE_ROWS };
	bool more = true;
	enum fate fate = FATE_DONE;

	while (more && fate == FATE_DONE)
		fate = page_read(v, &page, &more, err);
	for (size_t i = 0; i < PIPELINE_KEYS_MAX; i++)
		buf_finish(&page.key[i]);
	buf_finish(&page.sql);
	return fate;
}

/* --- chosen keys --- */

struct batch {
	struct buf sql, columns[PIPELINE_KEYS_MAX];
	size_t first, last, count; /* entries from first to last - 1, count of them wanted */
};

static enum fate
batch_add(struct verify *v, struct batch *batch, struct slice key, struct err *err)
{
	struct buf text = { 0 };
	enum fate fate = FATE_DONE;

	for (size_t i = 0; i < v->key_count && fate == FATE_DONE; i++) {
		fate = verify_key_text(v, key, i, &text, err);
		pg_array_add(&batch->columns[i], buf_view(&text));
	}
	buf_finish(&text);
	batch->count++;
	return fate;
}

static enum fate
batch_ask(struct verify *v, struct batch *batch, enum verify_pass pass, struct err *err)
{
	struct slice params[PIPELINE_KEYS_MAX];
	struct pg_result result = { 0 };
	enum fate fate;

	for (size_t i = 0; i < v->key_count; i++) {
		pg_array_end(&batch->columns[i]);
		params[i] = buf_view(&batch->columns[i]);
	}
	fate = pg_query(v->survey->pg, &(struct pg_query){ batch->sql.p, params, v->key_count },
	    &result, err);
	if (fate == FATE_DONE)
		fate = rows_note(v, pass, &result, err);
	pg_result_clear(&result);
	return fate;
}

static enum fate
batch_range(
    struct verify *v, struct batch *batch, enum verify_pass pass, size_t max, struct err *err)
{
	enum fate fate = FATE_DONE;

	batch->count = 0;
	arena_reset(&v->arena);
	for (size_t i = 0; i < v->key_count; i++) {
		batch->columns[i].len = 0;
		pg_array_begin(&batch->columns[i]);
	}
	for (batch->last = batch->first; batch->last < verify_table_count(v->table) &&
					 batch->count < max && fate == FATE_DONE;
	     batch->last++) {
		struct verify_entry *e = verify_table_entry(v->table, batch->last);

		if (verify_wanted(e, pass))
			fate = batch_add(v, batch, verify_table_key(v->table, e), err);
	}
	return fate;
}

/* One that raises an error spoils its batch: then they go one by one. */
static enum fate
batch_raises(struct verify *v, struct batch *batch, enum verify_pass pass, struct err *err)
{
	size_t end = batch->last;
	enum fate fate = FATE_DONE;

	for (; batch->first < end && fate == FATE_DONE; batch->first = batch->last) {
		fate = batch_range(v, batch, pass, 1, err);
		if (fate != FATE_DONE || batch->count == 0)
			break;
		fate = batch_ask(v, batch, pass, err);
		if (fate == FATE_REJECT) {
			struct verify_entry *e = verify_table_entry(v->table, batch->last - 1);

			e->rows[SIDE_POSTGRES] = ROW_RAISES;
			if (pass == PASS_SHOW)
				buf_printf(&v->evidence[e->evidence][SIDE_POSTGRES],
				    "raises %s: %s", err->code, err->what);
			fate = FATE_DONE;
		}
	}
	return fate;
}

static enum fate
keys_read(struct verify *v, enum verify_pass pass, struct err *err)
{
	struct batch batch = { 0 };
	enum fate fate = FATE_DONE;

	keys_sql(v, &batch.sql);
	while (batch.first < verify_table_count(v->table) && fate == FATE_DONE) {
		verify_progress(v, "postgres: keys that do not agree, %zu of %zu", batch.first,
		    verify_table_count(v->table));
		fate = batch_range(v, &batch, pass, KEYS_ROWS, err);
		if (fate == FATE_DONE && batch.count)
			fate = batch_ask(v, &batch, pass, err);
		if (fate == FATE_REJECT)
			fate = batch_raises(v, &batch, pass, err);
		batch.first = batch.last;
	}
	for (size_t i = 0; i < PIPELINE_KEYS_MAX; i++)
		buf_finish(&batch.columns[i]);
	buf_finish(&batch.sql);
	return fate;
}

enum fate
verify_postgres(struct verify *v, enum verify_pass pass, struct err *err)
{
	/* rows that are hidden from us are not gone: an error says that there are some */
	enum fate fate = pg_script(v->survey->pg, "SET row_security = off", err);

	if (fate == FATE_DONE && pass == PASS_AGAIN)
		verify_clear(v, SIDE_POSTGRES);
	if (fate == FATE_DONE)
		fate = pass == PASS_WHOLE ? whole_read(v, err) : keys_read(v, pass, err);
	return fate == FATE_DONE ? fate : err_wrap(err, "ask Postgres");
}
