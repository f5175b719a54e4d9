/* SPDX-License-Identifier: Apache-2.0 */
#include "work/lint.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/must.h"
#include "work/catalog.h"
#include "work/worker.h"

enum { CONNECT_MS = 5000 };

void
lint_add(struct lint *lint, bool refused, struct lint_place place, const char *fmt, ...)
{
	struct lint_finding *finding = &lint->findings[lint->count];
	va_list ap;

	if (lint->count == LINT_MAX)
		return;
	*finding = (struct lint_finding){ .refused = refused,
		.file = place.file,
		.line = place.line,
		.column = place.column };
	va_start(ap, fmt);
	(void)vsnprintf(finding->what, sizeof finding->what, fmt, ap);
	va_end(ap);
	lint->count++;
}

static struct lint_place
place_of(const struct lint_input *in, struct sql_place place)
{
	return (struct lint_place){ in->pipeline->enrich.sql_file, place.line, place.column };
}

static struct lint_place
fact_place(const struct lint_input *in)
{
	return place_of(in, sql_query_source_place(in->query, 0));
}

static const struct sql_table *
fact_of(const struct lint_input *in)
{
	const struct sql_source *fact = sql_query_source(in->query, 0);
	const struct sql_table *table =
	    sql_catalog_table(in->catalog, fact->schema, fact->table);

	must(table); /* the query was compiled against it */
	return table;
}

static bool
listed(const struct pipeline_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i], name) == 0)
			return true;
	return false;
}

/* The result that the list's item i names, when it is a plain column of the fact;
 * other items have been refused when the plan was made. */
static const struct sql_column *
listed_column(const struct lint_input *in, const struct pipeline_list *list, size_t i,
    struct lint_place *ret_place)
{
	const struct sql_source *fact = sql_query_source(in->query, 0);
	size_t result, column;
	struct err ignored;

	if (query_fact_column(in->query, list->items[i], &result, &column, &ignored))
		return NULL;
	*ret_place = place_of(in, sql_query_result_place(in->query, result));
	return sql_table_column(fact_of(in), fact->columns[column].name);
}

/* A list's columns must be told by every delete. */
static void
lint_replica(const struct lint_input *in, const struct pipeline_list *list, const char *what,
    struct lint *lint)
{
	const struct sql_table *table = fact_of(in);

	for (size_t i = 0; i < list->count; i++) {
		struct lint_place place;
		const struct sql_column *column = listed_column(in, list, i, &place);

		if (column && !column->in_replica_identity)
			lint_add(lint, true, place,
			    "%s column %s is outside the replica identity, so a delete does "
			    "not "
			    "tell it: ALTER TABLE %s.%s REPLICA IDENTITY FULL",
			    what, list->items[i], table->schema, table->name);
	}
}

static bool
key_covered(
    const struct lint_input *in, const struct pipeline_list *list, const struct sql_key *key)
{
	const struct sql_table *table = fact_of(in);

	for (size_t i = 0; i < key->column_count; i++) {
		const struct sql_column *want = &table->columns[key->columns[i]];
		bool found = false;

		for (size_t n = 0; n < list->count && !found; n++) {
			struct lint_place place;

			found = listed_column(in, list, n, &place) == want;
		}
		if (!found || !want->not_null)
			return false;
	}
	return true;
}

/* Two rows may not share a record's key, nor a place in a sink. */
static void
lint_unique(const struct lint_input *in, const struct pipeline_list *list, const char *what,
    struct lint *lint)
{
	const struct sql_table *table = fact_of(in);

	for (size_t i = 0; i < table->key_count; i++)
		if (!table->keys[i].deferrable && key_covered(in, list, &table->keys[i]))
			return;
	lint_add(lint, true, fact_place(in),
	    "two rows of %s.%s may share enrich.%s: it must hold all columns of a unique key "
	    "that are NOT NULL, such as the primary key",
	    table->schema, table->name, what);
}

static void
lint_key(const struct lint_input *in, struct lint *lint)
{
	const struct sql_table *table = fact_of(in);

	for (size_t i = 0; i < table->key_count; i++)
		if (table->keys[i].primary && table->keys[i].deferrable)
			lint_add(lint, true, fact_place(in),
			    "the primary key of %s.%s is DEFERRABLE: swapped keys come as "
			    "changes "
			    "of the wrong rows. Make constraint %s anew, NOT DEFERRABLE",
			    table->schema, table->name, table->keys[i].name);
}

static void
lint_toast(const struct lint_input *in, struct lint *lint)
{
	const struct sql_source *fact = sql_query_source(in->query, 0);
	const struct sql_table *table = fact_of(in);

	if (table->replica_identity == 'f')
		return;
	for (size_t i = 0; i < fact->column_count; i++)
		if (sql_table_column(table, fact->columns[i].name)->toastable) {
			lint_add(lint, false, fact_place(in),
			    "column %s may be large, and %s.%s is not REPLICA IDENTITY FULL: a "
			    "large value that an update leaves alone is looked up as it is "
			    "then. ALTER TABLE %s.%s REPLICA IDENTITY FULL",
			    fact->columns[i].name, table->schema, table->name, table->schema,
			    table->name);
			return;
		}
}

static bool
has_index(const struct sql_table *table, const char *column)
{
	for (size_t i = 0; i < table->index_count; i++)
		if (strcmp(table->columns[table->indexes[i].first_column].name, column) == 0)
			return true;
	return false;
}

/* A refresh selects the facts of a dimension's row. */
static void
lint_refresh(const struct lint_input *in, struct lint *lint)
{
	const struct sql_table *table = fact_of(in);

	if (in->pipeline->enrich.on_dimension_change == DIMENSION_KEEP || !in->connector ||
	    !connector_setting(in->connector, "signal.data.collection"))
		return;
	for (size_t s = 1; s < sql_query_source_count(in->query); s++) {
		const struct sql_source *dim = sql_query_source(in->query, s);
		const char *first = NULL;
		bool indexed = false;

		for (size_t k = 0; k < dim->key_count; k++) {
			size_t source, column;

			if (!sql_query_key_origin(in->query, s, k, &source, &column) ||
			    source != 0)
				continue;
			first = sql_query_source(in->query, 0)->columns[column].name;
			indexed |= has_index(table, first);
		}
		if (first && !indexed && dim->needed)
			lint_add(lint, true, place_of(in, sql_query_source_place(in->query, s)),
			    "a changed row of %s.%s has its facts sent again, and no index "
			    "finds "
			    "them: CREATE INDEX ON %s.%s (%s), or on_dimension_change: keep",
			    dim->schema, dim->table, table->schema, table->name, first);
	}
}

void
lint_pipeline(const struct lint_input *in, struct lint *ret_lint)
{
	const struct pipeline_enrich *enrich = &in->pipeline->enrich;

	ret_lint->count = 0;
	if (sql_query_source_count(in->query) == 0)
		return; /* refused when the plan is made */
	lint_key(in, ret_lint);
	lint_unique(in, &enrich->key, "key", ret_lint);
	lint_unique(in, &enrich->identity, "identity", ret_lint);
	lint_replica(in, &enrich->identity, "identity", ret_lint);
	for (size_t i = 0; i < enrich->key.count; i++) {
		struct pipeline_list one = { { enrich->key.items[i] }, 1 };

		if (!listed(&enrich->identity, enrich->key.items[i]))
			lint_replica(in, &one, "key", ret_lint);
	}
	lint_toast(in, ret_lint);
	lint_refresh(in, ret_lint);
	if (in->connector)
		lint_connector(in, ret_lint);
}

enum fate
lint_settle(const struct lint *lint, struct err *err)
{
	const struct lint_finding *first = NULL;
	size_t more = 0;

	for (size_t i = 0; i < lint->count; i++) {
		const struct lint_finding *f = &lint->findings[i];

		if (!f->refused)
			log_event(LOG_WARN, "lint", "place=%s:%u:%u why=%s", f->file, f->line,
			    f->column, log_quote(f->what));
		else if (!first)
			first = f;
		else
			more++;
	}
	if (!first)
		return FATE_DONE;
	if (more)
		log_event(LOG_ERROR, "lint", "place=%s:%u:%u why=%s", first->file, first->line,
		    first->column, log_quote(first->what));
	for (size_t i = 0; more && i < lint->count; i++) {
		const struct lint_finding *f = &lint->findings[i];

		if (f->refused && f != first)
			log_event(LOG_ERROR, "lint", "place=%s:%u:%u why=%s", f->file, f->line,
			    f->column, log_quote(f->what));
	}
	return err_code(err, FATE_HALT, CODE_CONFIG, "%s:%u:%u: %s", first->file, first->line,
	    first->column, first->what);
}

/* The findings outlive what the connector's file was read into. */
static const char *
own_name(const struct pipeline *pipeline, const struct connector *c, const char *file)
{
	return c->yaml && file == yaml_name(c->yaml) ? pipeline->connector_file : file;
}

/* Connect and the publication, for a pipeline that names its connector. */
static enum fate
ask_source(
    const struct lint_input *in, struct pg *pg, bool whole, struct lint *lint, struct err *err)
{
	struct http_options options = { .base_url = in->pipeline->kafka.connect,
		.total_timeout_ms = CONNECT_MS };
	struct http_client *connect = NULL;
	enum fate fate = lint_publication(in, pg, lint, err);

	if (fate == FATE_DONE && options.base_url)
		fate = http_client_new(&options, &connect, err);
	if (fate == FATE_DONE && connect) {
		fate = lint_connect(in, connect, lint, err);
		if (fate == FATE_RETRY && !whole) {
			log_event(
			    LOG_WARN, "lint", "skipped=connect why=%s", log_quote(err->what));
			fate = FATE_DONE;
		} else if (fate != FATE_DONE) {
			(void)err_wrap(err, "connector's settings");
		}
	}
	http_client_free(connect);
	return fate == FATE_DONE && whole ? lint_slot(in, pg, lint, err) : fate;
}

enum fate
lint_source(struct pg *pg, const struct pipeline *pipeline, bool whole, struct lint *lint,
    struct err *err)
{
	struct connector connector = { 0 };
	struct lint_input in = { .pipeline = pipeline };
	struct sql_catalog *catalog = NULL;
	struct sql_query *query = NULL;
	enum fate fate = catalog_open(pg, pipeline, &catalog, err);

	if (fate == FATE_DONE)
		fate = query_compile(catalog, pipeline, &query, err);
	if (fate == FATE_DONE && pipeline->connector_file) {
		fate = connector_read(pipeline->connector_file, &connector, err);
		in.connector = &connector;
	}
	in.catalog = catalog;
	in.query = query;
	if (fate == FATE_DONE)
		lint_pipeline(&in, lint);
	if (fate == FATE_DONE && in.connector)
		fate = ask_source(&in, pg, whole, lint, err);
	for (size_t i = 0; i < lint->count; i++)
		lint->findings[i].file = own_name(pipeline, &connector, lint->findings[i].file);
	connector_finish(&connector);
	sql_query_free(query);
	sql_catalog_free(catalog);
	return fate;
}

enum fate
lint_start(struct pg *pg, const struct pipeline *pipeline, bool whole, struct err *err)
{
	struct lint *lint = calloc(1, sizeof *lint);
	enum fate fate;

	must(lint);
	fate = lint_source(pg, pipeline, whole, lint, err);
	if (fate == FATE_DONE)
		fate = lint_settle(lint, err);
	free(lint);
	return fate;
}
