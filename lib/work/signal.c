/* SPDX-License-Identifier: Apache-2.0 */
#include "work/signal.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "work/worker.h"

enum fate
signal_statement(const char *signal_table, char **ret_statement, struct err *err)
{
	const char *dot = strchr(signal_table, '.');

	if (!dot)
		return err_code(err, FATE_HALT, CODE_CONFIG,
		    "signal.data.collection %s: it takes SCHEMA.TABLE", signal_table);
	must(asprintf(ret_statement,
		 "INSERT INTO \"%.*s\".\"%s\" (id, type, data) VALUES ($1, 'execute-snapshot', "
		 "$2) ON CONFLICT DO NOTHING",
		 (int)(dot - signal_table), signal_table, dot + 1) > 0);
	return FATE_DONE;
}

/* In brackets: Debezium puts AND behind the condition. */
static char *
data_make(const struct signal *signal)
{
	struct buf whole = { 0 };
	json_t *data;
	char *text;

	buf_byte(&whole, '(');
	buf_slice(&whole, signal->condition);
	buf_byte(&whole, ')');
	data = json_pack("{s:[s], s:s, s:[{s:s, s:s%}]}", "data-collections", signal->table,
	    "type", "INCREMENTAL", "additional-conditions", "data-collection", signal->table,
	    "filter", whole.p, whole.len);
	must(data);
	text = json_dumps(data, JSON_COMPACT);
	must(text);
	json_decref(data);
	buf_finish(&whole);
	return text;
}

enum fate
signal_send(struct pg *pg, const char *statement, const struct signal *signal, struct err *err)
{
	struct pg_result result = { 0 };
	char *data = data_make(signal);
	struct slice params[] = { slice_str(signal->id), slice_str(data) };
	enum fate fate = pg_query(pg, &(struct pg_query){ statement, params, 2 }, &result, err);

	pg_result_clear(&result);
	free(data);
	return fate;
}

void
signal_put_literal(struct buf *out, struct slice text, struct pgtype type)
{
	buf_byte(out, '\'');
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] == '\'')
			buf_byte(out, '\'');
		buf_byte(out, text.p[i]);
	}
	buf_cstr(out, "'::");
	type.typmod = -1;
	type_print(out, type);
}
