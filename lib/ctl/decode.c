/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "sql/query.h"
#include "wire/describe.h"

enum { ARENA_SIZE = 64 << 20 };

struct table {
	const char *schema, *name;
	struct row_column *columns;
	size_t count;
};

struct tables {
	struct table items[SQL_SOURCES_MAX]; /* the fact first */
	size_t count;
};

static void
tables_finish(struct tables *tables)
{
	for (size_t i = 0; i < tables->count; i++)
		free(tables->items[i].columns);
}

static void
table_fill(struct table *table, const struct sql_table *from)
{
	*table = (struct table){
		.schema = from->schema, .name = from->name, .count = from->column_count
	};
	table->columns = calloc(table->count + 1, sizeof *table->columns);
	must(table->columns);
	for (size_t i = 0; i < table->count; i++)
		table->columns[i] =
		    (struct row_column){ from->columns[i].name, from->columns[i].type };
}

static enum fate
tables_fill(const struct decode_options *options, struct tables *tables, struct err *err)
{
	struct sql_tables names = { 0 };
	enum fate fate = sql_query_tables(options->pipeline->enrich.sql, &names, err);

	for (size_t i = 0; fate == FATE_DONE && i < names.count; i++) {
		const struct sql_table *table = sql_catalog_table(
		    options->catalog, names.names[i].schema, names.names[i].name);

		if (!table)
			fate = err_set(err, FATE_HALT, "the catalogue lacks table %s",
			    names.names[i].name);
		else
			table_fill(&tables->items[tables->count++], table);
	}
	sql_tables_free(&names);
	return fate == FATE_DONE ? fate
				 : err_wrap(err, "%s", options->pipeline->enrich.sql_file);
}

/* By the event's source; the fact when it names none. */
static struct describe_types
types_of(const struct decode_options *options, const struct tables *tables, struct slice value)
{
	struct describe_types types = { 0 };
	struct change change;
	struct err ignored;

	if (options->types)
		return (
		    struct describe_types){ options->types->columns, options->types->count };
	if (tables->count == 0 || change_read(value, &change, &ignored) != FATE_DONE)
		return types;
	for (size_t i = 0; i < tables->count; i++) {
		const struct table *table = &tables->items[i];

		if (!change.db_table.p ||
		    (slice_eq(change.db_table, slice_str(table->name)) &&
			slice_eq(change.db_schema, slice_str(table->schema))))
			return (struct describe_types){ table->columns, table->count };
	}
	return types;
}

static enum fate
line_put(FILE *out, struct buf *text, struct err *err)
{
	buf_byte(text, '\n');
	if (fwrite(text->p, 1, text->len, out) != text->len || fflush(out) != 0)
		return err_set(err, FATE_HALT, "standard output: %s", strerror(errno));
	return FATE_DONE;
}

enum fate
decode_run(
    const struct decode_options *options, struct lines *lines, FILE *out, struct err *err)
{
	struct tables tables = { 0 };
	struct slice key, value;
	struct arena arena;
	struct buf text = { 0 };
	enum fate fate = FATE_DONE;

	if (options->pipeline)
		fate = tables_fill(options, &tables, err);
	arena_init(&arena, ARENA_SIZE);
	while (fate == FATE_DONE && lines_next(lines, &key, &value)) {
		text.len = 0;
		describe_event(&text, key, value, types_of(options, &tables, value), &arena);
		fate = line_put(out, &text, err);
	}
	arena_finish(&arena);
	buf_finish(&text);
	tables_finish(&tables);
	return fate;
}
