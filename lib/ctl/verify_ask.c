/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "ctl/verify_side.h"
#include "sql/dialect.h"
#include "work/signal.h"

enum {
	/* Connect stores the conditions of all snapshots that are to come with each offset, and
	 * refuses a record above 1 MB: above these a whole table is asked for. */
	KEYS_MAX = 5000,
	KEYS_A_SIGNAL = 1000,
	CONDITIONS_MAX = 200 << 10,
};

struct ask {
	struct verify *v;
	char *signal; /* the statement */
	int64_t now_ms;
	struct buf condition;
	size_t key_count, signal_count, condition_bytes;
};

static enum fate
ask(struct ask *a, struct slice condition, struct err *err)
{
	const struct sql_source *fact = sql_query_source(a->v->query, 0);
	char id[80], table[300];
	enum fate fate;

	(void)snprintf(
	    id, sizeof id, "sluicectl verify/%" PRId64 "/%zu", a->now_ms, a->signal_count++);
	(void)snprintf(table, sizeof table, "%s.%s", fact->schema, fact->table);
	fate = signal_send(
	    a->v->survey->pg, a->signal, &(struct signal){ id, table, condition }, err);
	return fate == FATE_DONE ? fate : err_wrap(err, "ask Debezium for rows");
}

static enum fate
keys_flush(struct ask *a, struct err *err)
{
	enum fate fate = FATE_DONE;

	if (a->key_count) {
		buf_byte(&a->condition, ')');
		fate = ask(a, buf_view(&a->condition), err);
	}
	a->condition_bytes += a->condition.len;
	a->condition.len = 0;
	a->key_count = 0;
	return fate;
}

static void
condition_begin(struct ask *a)
{
	const char *names[PIPELINE_KEYS_MAX];

	verify_fact_names(a->v, names);
	a->condition.len = 0;
	for (size_t i = 0; i < a->v->key_count; i++) {
		buf_byte(&a->condition, i ? ',' : '(');
		dialect_name(&a->condition, DIALECT_POSTGRES, names[i]);
	}
	buf_cstr(&a->condition, ") IN (");
}

static enum fate
condition_add(struct ask *a, const struct verify_entry *e, struct err *err)
{
	struct verify *v = a->v;
	struct slice key = verify_table_key(v->table, e);
	struct buf text = { 0 };
	enum fate fate = FATE_DONE;

	arena_reset(&v->arena);
	buf_cstr(&a->condition, a->key_count++ ? ",(" : "(");
	for (size_t i = 0; i < v->key_count && fate == FATE_DONE; i++) {
		fate = verify_key_text(v, key, i, &text, err);
		if (i)
			buf_byte(&a->condition, ',');
		signal_put_literal(&a->condition, buf_view(&text), v->columns[v->key[i]].type);
	}
	buf_byte(&a->condition, ')');
	buf_finish(&text);
	return fate;
}

/* Key by key, until that is too much. */
static enum fate
ask_keys(struct ask *a, struct err *err)
{
	enum fate fate = FATE_DONE;

	for (size_t i = 0; i < verify_table_count(a->v->table) && fate == FATE_DONE; i++) {
		struct verify_entry *e = verify_table_entry(a->v->table, i);

		if (!verify_is_wanting(e))
			continue;
		if (a->condition_bytes + a->condition.len > CONDITIONS_MAX)
			return ask(a, SLICE("true"), err);
		if (a->key_count == 0)
			condition_begin(a);
		fate = condition_add(a, e, err);
		if (fate == FATE_DONE && a->key_count == KEYS_A_SIGNAL)
			fate = keys_flush(a, err);
	}
	return fate == FATE_DONE ? keys_flush(a, err) : fate;
}

static enum fate
ask_all(struct ask *a, size_t count, struct err *err)
{
	const char *table =
	    connector_setting(&a->v->survey->connector, "signal.data.collection");
	enum fate fate;

	if (!table) {
		verify_say(a->v, "repair      rows that are missing or differ cannot be asked "
				 "for: the connector has no signal.data.collection");
		return FATE_DONE;
	}
	fate = signal_statement(table, &a->signal, err);
	if (fate == FATE_DONE)
		fate = count > KEYS_MAX ? ask(a, SLICE("true"), err) : ask_keys(a, err);
	return fate;
}

enum fate
verify_ask(struct verify *v, size_t *ret_asked, struct err *err)
{
	struct ask a = { .v = v, .now_ms = clock_wall_ms() };
	enum fate fate = FATE_DONE;
	size_t count = 0;

	for (size_t i = 0; i < verify_table_count(v->table); i++)
		count += verify_is_wanting(verify_table_entry(v->table, i));
	if (count)
		fate = ask_all(&a, count, err);
	if (fate == FATE_DONE && a.signal)
		*ret_asked = count;
	for (size_t i = 0; i < verify_table_count(v->table); i++) {
		struct verify_entry *e = verify_table_entry(v->table, i);

		e->asked |= verify_is_wanting(e);
	}
	free(a.signal);
	buf_finish(&a.condition);
	return fate;
}
