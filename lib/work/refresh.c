/* SPDX-License-Identifier: Apache-2.0 */
#include "work/refresh.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/must.h"
#include "wire/digest.h"
#include "work/worker.h"

enum {
	PARTS_MAX = 256,
	ARENA_SIZE = 64 << 20,
	STEP_MS = 1000,    /* facts are counted for so long, then the loop goes on */
	CANCELLED_MAX = 3, /* counts of one gathering; the other keys are refused with them */
};
#define CANCELLED "57014"

/* A lock on the fact table is waited out, a count that takes too long is not. */
#define COUNT_BEGIN "SET lock_timeout = 3000"
#define COUNT_END   "RESET lock_timeout"

/* Changed rows of each dimension. */
struct keys {
	struct buf texts[SQL_SOURCES_MAX]; /* SQL, each terminated: ('a'::uuid) */
	size_t count;
	bool all; /* every fact: the dimension was truncated */
};

/* What is gathered of one partition of one dimension's topic. */
struct gathering {
	const char *topic;
	int32_t partition;
	int64_t first, last; /* offsets seen */
	int64_t due_ms;      /* 0: nothing to ask for */
	struct keys keys;
	size_t source; /* the truncated one */
	bool fresh;    /* offsets not handed out yet */
	/* Together they ask for too much: key by key, as many in a signal as it may ask for. */
	bool by_key;
	size_t seen[SQL_SOURCES_MAX]; /* bytes of the keys that were counted */
	struct keys some;             /* of the next signal */
	int64_t some_facts;
	unsigned cancelled;
};

struct refresh {
	struct enrich_plan *plan;
	struct pg *pg;
	char *insert; /* the statement */
	struct row_plan *rows[SQL_SOURCES_MAX];
	size_t parents[SQL_SOURCES_MAX]; /* the source that a dimension's key comes from */
	struct gathering gatherings[PARTS_MAX];
	size_t count;
	size_t turn; /* the gathering that is asked about first */
	struct kafka_part parts[PARTS_MAX];
	struct arena arena;
	struct buf text;
};

enum { M_KEYS, M_SIGNALS, M_REFUSED };
static struct metric metrics[] = {
	{ "sluice_refresh_keys_total", NULL, METRIC_COUNTER,
	    "Changed dimension rows whose facts were asked for again.", 0 },
	{ "sluice_refresh_signals_total", NULL, METRIC_COUNTER,
	    "Rows inserted into Debezium's signal table.", 0 },
	{ "sluice_refresh_refused_total", NULL, METRIC_COUNTER,
	    "Changed dimension rows with more facts than refresh_rows_max: not asked for.", 0 },
};

static enum fate
parent_find(struct refresh *r, size_t source, struct err *err)
{
	const struct sql_source *dimension = sql_query_source(r->plan->query, source);
	size_t parent = 0, column;

	for (size_t i = 0; i < dimension->key_count; i++) {
		size_t from;

		if (!sql_query_key_origin(r->plan->query, source, i, &from, &column) ||
		    (i > 0 && from != parent))
			return err_code(err, FATE_HALT, CODE_CONFIG,
			    "%s: %s is joined by an expression, so the facts of a changed row "
			    "cannot be "
			    "found: join it by plain columns, or set on_dimension_change: keep",
			    r->plan->pipeline->enrich.sql_file, dimension->table);
		parent = from;
	}
	r->parents[source] = parent;
	return FATE_DONE;
}

static void
put_name(struct buf *out, const char *name)
{
	buf_byte(out, '"');
	for (; *name; name++) {
		if (*name == '"')
			buf_byte(out, '"');
		buf_byte(out, *name);
	}
	buf_byte(out, '"');
}

enum fate
refresh_open(struct enrich_plan *plan, struct pg *pg, const char *signal_table,
    struct refresh **ret_refresh, struct err *err)
{
	struct refresh *r = calloc(1, sizeof *r);
	const char *dot = strchr(signal_table, '.');
	enum fate fate = FATE_DONE;

	must(r);
	if (!dot) {
		free(r);
		return err_code(err, FATE_HALT, CODE_CONFIG,
		    "signal.data.collection %s: it takes SCHEMA.TABLE", signal_table);
	}
	r->plan = plan;
	r->pg = pg;
	arena_init(&r->arena, ARENA_SIZE);
	metrics_register(metrics, sizeof metrics / sizeof *metrics);
	must(asprintf(&r->insert,
		 "INSERT INTO \"%.*s\".\"%s\" (id, type, data) VALUES ($1, 'execute-snapshot', "
		 "$2) "
		 "ON CONFLICT DO NOTHING",
		 (int)(dot - signal_table), signal_table, dot + 1) > 0);
	for (size_t i = 1; fate == FATE_DONE && i < plan->source_count; i++) {
		const struct sql_source *dimension = sql_query_source(plan->query, i);

		r->rows[i] = row_plan_new(dimension->columns, dimension->column_count);
		fate = parent_find(r, i, err);
		if (fate == FATE_DONE && strcmp(dimension->table, plan->fact->table) == 0 &&
		    strcmp(dimension->schema, plan->fact->schema) == 0)
			fate = err_code(err, FATE_HALT, CODE_CONFIG,
			    "%s is joined to itself, so its changes would ask for ever more of "
			    "them: set on_dimension_change: keep",
			    plan->table);
	}
	if (fate != FATE_DONE) {
		refresh_close(r);
		return fate;
	}
	*ret_refresh = r;
	return FATE_DONE;
}

static void
keys_finish(struct keys *keys)
{
	for (size_t i = 0; i < SQL_SOURCES_MAX; i++)
		buf_finish(&keys->texts[i]);
}

void
refresh_close(struct refresh *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < PARTS_MAX; i++) {
		keys_finish(&r->gatherings[i].keys);
		keys_finish(&r->gatherings[i].some);
	}
	for (size_t i = 0; i < SQL_SOURCES_MAX; i++)
		row_plan_free(r->rows[i]);
	buf_finish(&r->text);
	arena_finish(&r->arena);
	free(r->insert);
	free(r);
}

void
refresh_clear(struct refresh *r)
{
	r->count = r->turn = 0;
}

static void
keys_empty(struct keys *keys)
{
	for (size_t i = 0; i < SQL_SOURCES_MAX; i++)
		keys->texts[i].len = 0;
	keys->count = 0;
	keys->all = false;
}

static void
gathering_empty(struct gathering *g)
{
	keys_empty(&g->keys);
	keys_empty(&g->some);
	memset(g->seen, 0, sizeof g->seen);
	g->due_ms = 0;
	g->by_key = false;
	g->some_facts = 0;
	g->cancelled = 0;
}

static struct gathering *
gathering_of(struct refresh *r, const struct kafka_message *message)
{
	struct gathering *g;

	for (size_t i = 0; i < r->count; i++)
		if (r->gatherings[i].partition == message->partition &&
		    strcmp(r->gatherings[i].topic, message->topic) == 0)
			return &r->gatherings[i];
	must(r->count < PARTS_MAX);
	g = &r->gatherings[r->count++];
	g->topic = message->topic;
	g->partition = message->partition;
	g->first = message->offset;
	gathering_empty(g);
	return g;
}

/* A text literal; standard_conforming_strings is on (the default since 9.1). */
static void
put_literal(struct buf *out, struct slice text)
{
	buf_byte(out, '\'');
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] == '\'')
			buf_byte(out, '\'');
		buf_byte(out, text.p[i]);
	}
	buf_byte(out, '\'');
}

static void
key_add(struct refresh *r, struct gathering *g, size_t source, const struct value *row,
    int64_t now_ms)
{
	const struct sql_source *dimension = sql_query_source(r->plan->query, source);
	struct buf *keys = &g->keys.texts[source];

	for (size_t i = 0; i < dimension->key_count; i++)
		if (row[dimension->key[i]].state != VALUE_SET)
			return;
	buf_byte(keys, '(');
	for (size_t i = 0; i < dimension->key_count; i++) {
		struct pgtype type = dimension->columns[dimension->key[i]].type;

		if (i)
			buf_byte(keys, ',');
		r->text.len = 0;
		value_to_text(&r->text, type, &row[dimension->key[i]]);
		put_literal(keys, buf_view(&r->text));
		buf_cstr(keys, "::");
		type.typmod = -1;
		type_print(keys, type);
	}
	buf_byte(keys, ')');
	buf_byte(keys, 0);
	g->keys.count++;
	if (g->due_ms == 0)
		g->due_ms = now_ms + REFRESH_GATHER_MS;
}

static struct value *
image_read(struct refresh *r, size_t source, struct slice object, const struct change *change)
{
	const struct sql_source *dimension = sql_query_source(r->plan->query, source);
	struct value *row = arena_alloc(&r->arena, dimension->column_count * sizeof *row);
	struct err ignored;

	must(row);
	if (!object.p || row_read(r->rows[source], object, change->schema, &r->arena, row,
			     &ignored) != FATE_DONE)
		return NULL;
	return row;
}

/* Does the change touch a column that the query uses? */
static bool
row_differs(
    const struct sql_source *dimension, const struct value *old, const struct value *new)
{
	for (size_t i = 0; i < dimension->column_count; i++) {
		if (old[i].state == VALUE_UNSET || new[i].state == VALUE_UNSET)
			continue;
		if (old[i].state != new[i].state ||
		    (old[i].state == VALUE_SET &&
			value_compare(dimension->columns[i].type, &old[i], &new[i]) != 0))
			return true;
	}
	return false;
}

static bool
key_differs(
    const struct sql_source *dimension, const struct value *old, const struct value *new)
{
	for (size_t i = 0; i < dimension->key_count; i++) {
		size_t column = dimension->key[i];

		if (old[column].state == VALUE_SET && new[column].state == VALUE_SET &&
		    value_compare(
			dimension->columns[column].type, &old[column], &new[column]) != 0)
			return true;
	}
	return false;
}

void
refresh_take(
    struct refresh *r, size_t source, const struct kafka_message *message, int64_t mono_ms)
{
	const struct sql_source *dimension = sql_query_source(r->plan->query, source);
	struct gathering *g = gathering_of(r, message);
	struct value *old, *new;
	struct change change;
	struct err ignored;

	g->last = message->offset;
	g->fresh = true;
	arena_reset(&r->arena);
	if (change_read(message->value, &change, &ignored) != FATE_DONE)
		return;
	if (change.kind == CHANGE_TRUNCATE) {
		g->keys.all = true;
		g->source = source;
		g->due_ms = mono_ms + REFRESH_GATHER_MS;
	}
	if (change.kind != CHANGE_ROW || change.op == 'r')
		return;
	old = image_read(r, source, change.before, &change);
	new = image_read(r, source, change.after, &change);
	if (old && new && !row_differs(dimension, old, new))
		return;
	if (new)
		key_add(r, g, source, new, mono_ms);
	if (old && (!new || key_differs(dimension, old, new)))
		key_add(r, g, source, old, mono_ms);
}

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
		put_name(&condition, from->columns[column].name);
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
			put_name(&select, from->columns[from->key[i]].name);
		}
		buf_cstr(&select, " FROM ");
		put_name(&select, from->schema);
		buf_byte(&select, '.');
		put_name(&select, from->table);
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
static void
put_facts(struct refresh *r, size_t source, struct slice keys, struct buf *filter)
{
	struct buf list = { 0 };

	put_keys(keys, &list);
	buf_cstr(filter, filter->len ? " OR " : "");
	put_condition(r, source, buf_view(&list), filter);
	buf_finish(&list);
}

static void
put_filter(struct refresh *r, const struct keys *keys, struct buf *filter)
{
	if (keys->all) {
		buf_cstr(filter, "true");
		return;
	}
	for (size_t i = 1; i < r->plan->source_count; i++)
		if (keys->texts[i].len)
			put_facts(r, i, buf_view(&keys->texts[i]), filter);
}

/* How many facts the filter names, up to one more than refresh_rows_max. A count that is
 * cancelled, by statement_timeout or by hand, has found too many: trying it again would
 * keep the facts that come waiting, and find no end. */
static enum fate
count_facts(struct refresh *r, const struct buf *filter, int64_t *ret_count,
    bool *ret_cancelled, struct err *err)
{
	struct pg_result result = { 0 };
	struct buf sql = { 0 };
	int64_t most = r->plan->pipeline->enrich.refresh_rows_max;
	enum fate fate;

	buf_cstr(&sql, "SELECT count(*) FROM (SELECT FROM ");
	put_name(&sql, r->plan->fact->schema);
	buf_byte(&sql, '.');
	put_name(&sql, r->plan->fact->table);
	buf_cstr(&sql, " WHERE ");
	buf_slice(&sql, buf_view(filter));
	buf_printf(&sql, " LIMIT %" PRId64 ") AS facts", most + 1);
	*ret_cancelled = false;
	fate = pg_query(r->pg, &(struct pg_query){ buf_str(&sql), NULL, 0 }, &result, err);
	if (fate == FATE_DONE) {
		must(slice_i64(pg_result_text(&result, 0, 0), ret_count));
	} else if (strcmp(err->code, CANCELLED) == 0) {
		*ret_cancelled = true;
		*ret_count = most + 1;
		fate = FATE_DONE;
	}
	pg_result_clear(&result);
	buf_finish(&sql);
	return fate == FATE_DONE ? fate : err_wrap(err, "count the facts of changed rows");
}

static void
refuse(struct refresh *r, const struct sql_source *dimension, const char *what, bool cancelled,
    size_t count)
{
	char many[80];

	(void)snprintf(many, sizeof many,
	    cancelled ? "has more facts than Postgres counts in time, which is taken for more "
			"than %" PRId64
		      : "has more than %" PRId64 " facts",
	    r->plan->pipeline->enrich.refresh_rows_max);
	metric_add(&metrics[M_REFUSED], (int64_t)count);
	work_alarm(ALARM_REFRESH,
	    "%s.%s %s %s in %s: they are not sent again, and keep what they said before. Send "
	    "an incremental snapshot of them, or raise enrich.refresh_rows_max",
	    dimension->schema, dimension->table, what, many, r->plan->table);
}

static char *
signal_data(struct refresh *r, const struct keys *keys)
{
	struct buf filter = { 0 };
	json_t *data;
	struct buf whole = { 0 };
	char *text;

	put_filter(r, keys, &filter);
	buf_printf(&whole, "(%s)", buf_str(&filter)); /* Debezium puts AND behind it */
	data = json_pack("{s:[s], s:s, s:[{s:s, s:s%}]}", "data-collections", r->plan->table,
	    "type", "INCREMENTAL", "additional-conditions", "data-collection", r->plan->table,
	    "filter", whole.p, whole.len);
	must(data);
	text = json_dumps(data, JSON_COMPACT);
	must(text);
	json_decref(data);
	buf_finish(&whole);
	buf_finish(&filter);
	return text;
}

/* The id names the offsets; where they became several signals, what each asks for, too:
 * the next process may cut them elsewhere. */
static enum fate
signal_insert(
    struct refresh *r, const struct gathering *g, const struct keys *keys, struct err *err)
{
	struct pg_result result = { 0 };
	struct slice params[2];
	char id[500], hex[DIGEST_HEX_LEN + 1] = "";
	char *data = signal_data(r, keys);
	struct digest digest = digest_of(slice_str(data));
	enum fate fate;

	if (g->by_key)
		digest_hex(&digest, hex);
	(void)snprintf(id, sizeof id, "%s/%" PRId32 "/%" PRId64 "-%" PRId64 "%s%s", g->topic,
	    g->partition, g->first, g->last, g->by_key ? "/" : "", hex);
	params[0] = slice_str(id);
	params[1] = slice_str(data);
	fate = pg_query(r->pg, &(struct pg_query){ r->insert, params, 2 }, &result, err);
	pg_result_clear(&result);
	free(data);
	if (fate != FATE_DONE)
		return err_wrap(err, "ask Debezium for the facts of changed rows");
	metric_add(&metrics[M_KEYS], (int64_t)keys->count);
	metric_add(&metrics[M_SIGNALS], 1);
	return FATE_DONE;
}

static enum fate
some_send(struct refresh *r, struct gathering *g, struct err *err)
{
	enum fate fate = FATE_DONE;

	if (g->some.count)
		fate = signal_insert(r, g, &g->some, err);
	if (fate != FATE_DONE)
		return fate;
	keys_empty(&g->some);
	g->some_facts = 0;
	return FATE_DONE;
}

/* Counts the facts of one key: it is refused, or goes into a signal with others. */
static enum fate
key_sift(
    struct refresh *r, struct gathering *g, size_t source, struct slice key, struct err *err)
{
	int64_t most = r->plan->pipeline->enrich.refresh_rows_max, count = 0;
	struct buf filter = { 0 };
	bool cancelled = false;
	enum fate fate;

	put_facts(r, source, key, &filter);
	fate = count_facts(r, &filter, &count, &cancelled, err);
	buf_finish(&filter);
	if (fate == FATE_DONE && count <= most && g->some_facts + count > most)
		fate = some_send(r, g, err);
	if (fate != FATE_DONE)
		return fate;
	g->cancelled += cancelled;
	if (count > most) {
		struct buf what = { 0 };

		buf_printf(&what, "%s changed and", key.p);
		refuse(
		    r, sql_query_source(r->plan->query, source), buf_str(&what), cancelled, 1);
		buf_finish(&what);
		return FATE_DONE;
	}
	buf_slice(&g->some.texts[source], key);
	g->some.count++;
	g->some_facts += count;
	return FATE_DONE;
}

/* The first key of a source that was not counted; false: all were. */
static bool
key_next(const struct refresh *r, const struct gathering *g, size_t *ret_source,
    struct slice *ret_key)
{
	for (size_t i = 1; i < r->plan->source_count; i++) {
		const struct buf *texts = &g->keys.texts[i];

		if (g->seen[i] == texts->len)
			continue;
		*ret_source = i;
		*ret_key = slice_of(texts->p + g->seen[i], strlen(texts->p + g->seen[i]) + 1);
		return true;
	}
	return false;
}

/* Postgres does not get through with counting: nobody waits for the others' turn. */
static void
rest_refuse(struct refresh *r, struct gathering *g)
{
	struct slice key;
	size_t source;

	while (key_next(r, g, &source, &key)) {
		size_t count = 0;

		for (; g->seen[source] < g->keys.texts[source].len; count++)
			g->seen[source] +=
			    strlen(g->keys.texts[source].p + g->seen[source]) + 1;
		refuse(r, sql_query_source(r->plan->query, source),
		    "changed in several rows, of which one", true, count);
	}
}

/* Goes on where it stopped, for a while; what is still due is done at the next call. */
static enum fate
keys_sift(struct refresh *r, struct gathering *g, int64_t until_ms, struct err *err)
{
	struct slice key;
	size_t source;

	while (key_next(r, g, &source, &key)) {
		enum fate fate;

		if (g->cancelled >= CANCELLED_MAX) {
			rest_refuse(r, g);
			break;
		}
		if (clock_mono_ms() >= until_ms || work_stopping())
			return FATE_DONE;
		fate = key_sift(r, g, source, key, err);
		if (fate != FATE_DONE)
			return fate;
		g->seen[source] += key.len;
		work_beat();
	}
	if (some_send(r, g, err) != FATE_DONE)
		return err->fate;
	if (g->keys.all) { /* truncated meanwhile: that is asked for as a whole */
		g->by_key = false;
		return FATE_DONE;
	}
	gathering_empty(g);
	return FATE_DONE;
}

/* One signal for all, unless they have too many facts together. */
static enum fate
whole_sift(struct refresh *r, struct gathering *g, struct err *err)
{
	struct buf filter = { 0 };
	int64_t count = 0;
	bool cancelled = false;
	enum fate fate;

	put_filter(r, &g->keys, &filter);
	fate = count_facts(r, &filter, &count, &cancelled, err);
	buf_finish(&filter);
	if (fate != FATE_DONE)
		return fate;
	if (count > r->plan->pipeline->enrich.refresh_rows_max) {
		if (g->keys.all) {
			refuse(r, sql_query_source(r->plan->query, g->source),
			    "was truncated: it", cancelled, 1);
			gathering_empty(g);
		}
		g->by_key = g->due_ms != 0;
		return FATE_DONE;
	}
	fate = signal_insert(r, g, &g->keys, err);
	if (fate == FATE_DONE)
		gathering_empty(g);
	return fate;
}

static enum fate
ask_again(struct refresh *r, struct gathering *g, int64_t until_ms, struct err *err)
{
	enum fate fate = pg_script(r->pg, COUNT_BEGIN, err);
	struct err ignored;

	if (fate == FATE_DONE && !g->by_key)
		fate = whole_sift(r, g, err);
	if (fate == FATE_DONE && g->by_key)
		fate = keys_sift(r, g, until_ms, err);
	if (pg_connected(r->pg) && pg_script(r->pg, COUNT_END, &ignored) != FATE_DONE)
		pg_disconnect(r->pg);
	return fate;
}

static bool
is_due(const struct gathering *g, int64_t mono_ms)
{
	return g->due_ms && (mono_ms >= g->due_ms || g->keys.count >= REFRESH_KEYS_MAX);
}

/* One gathering after the other, for a while; the next call begins with the next of them. */
static enum fate
ask_due(struct refresh *r, int64_t mono_ms, struct err *err)
{
	int64_t until_ms = mono_ms + STEP_MS;
	size_t first = r->turn;

	for (size_t i = 0; i < r->count; i++) {
		struct gathering *g = &r->gatherings[(first + i) % r->count];
		enum fate fate;

		if (!is_due(g, mono_ms))
			continue;
		if (clock_mono_ms() >= until_ms || work_stopping())
			return FATE_DONE;
		fate = ask_again(r, g, until_ms, err);
		r->turn = (first + i + 1) % r->count;
		work_beat();
		if (fate != FATE_DONE)
			return fate;
	}
	return FATE_DONE;
}

enum fate
refresh_step(struct refresh *r, int64_t mono_ms, const struct kafka_part **ret_parts,
    size_t *ret_count, struct err *err)
{
	enum fate fate = ask_due(r, mono_ms, err);
	size_t count = 0;

	if (fate != FATE_DONE)
		return fate;
	for (size_t i = 0; i < r->count; i++) {
		struct gathering *g = &r->gatherings[i];

		if (!g->fresh || g->due_ms)
			continue;
		r->parts[count++] = (struct kafka_part){
			.topic = g->topic, .partition = g->partition, .offset = g->last + 1
		};
		g->fresh = false;
		g->first = g->last + 1;
	}
	*ret_parts = r->parts;
	*ret_count = count;
	return FATE_DONE;
}
