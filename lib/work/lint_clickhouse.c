/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a table of ClickHouse keeps one row a key, and only then. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "work/lint.h"

static bool
in_list(const char *const *names, size_t count, struct slice name)
{
	for (size_t i = 0; i < count; i++)
		if (slice_eq(slice_str(names[i]), name))
			return true;
	return false;
}

/* The next of "a, f(b, c), `d`", or of "(a)" as ORDER BY (a) is told; blanks, backquotes
 * and those parentheses cut. False: no more. */
static bool
next_part(const char **at, struct slice *ret)
{
	const char *p = *at;
	int depth = 0;

	p += strspn(p, ", ");
	*at = p;
	if (!*p)
		return false;
	for (; *p && (*p != ',' || depth > 0); p++)
		depth += (*p == '(') - (*p == ')');
	*ret = slice_of(*at, (size_t)(p - *at));
	*at = p;
	if (ret->len > 2 && ret->p[0] == '(' && ret->p[ret->len - 1] == ')')
		*ret = slice_of(ret->p + 1, ret->len - 2);
	if (ret->len > 2 && ret->p[0] == '`' && ret->p[ret->len - 1] == '`')
		*ret = slice_of(ret->p + 1, ret->len - 2);
	return true;
}

/* As sets: the order of its columns changes nothing about which rows are one. */
static bool
sorted_by_identity(const struct lint_table *t, const char *sorting)
{
	struct slice part;
	size_t count = 0;

	for (const char *at = sorting; next_part(&at, &part); count++)
		if (!in_list(t->identity, t->identity_count, part))
			return false;
	return count == t->identity_count;
}

static void
put_identity(const struct lint_table *t, struct buf *out)
{
	for (size_t i = 0; i < t->identity_count; i++)
		buf_printf(out, "%s%s", i ? ", " : "", t->identity[i]);
}

static const char *
member(json_t *row, const char *name)
{
	const char *text = json_string_value(json_object_get(row, name));

	return text ? text : "";
}

static void
judge_replacing(const struct lint_table *t, json_t *row, struct lint *lint)
{
	const char *engine = member(row, "engine"), *sorting = member(row, "sorting");
	const char *full = member(row, "full");
	struct buf identity = { 0 };
	json_t *column;
	size_t i;

	put_identity(t, &identity);
	if (!strstr(engine, "MergeTree")) {
		lint_add(lint, false, t->place,
		    "%s.%s is %s: what is behind it is not looked at", t->database, t->table,
		    engine);
	} else if (!strstr(engine, "ReplacingMergeTree") ||
		   !strstr(full, "_version, _deleted)")) {
		lint_add(lint, true, t->place,
		    "%s.%s is %s, and keeps older states of a row: ENGINE = "
		    "ReplacingMergeTree(_version, _deleted)",
		    t->database, t->table, engine);
	} else if (!sorted_by_identity(t, sorting)) {
		lint_add(lint, true, t->place,
		    "%s.%s is ordered by (%s) and a row's place is (%s): rows that share the "
		    "one "
		    "and not the other replace each other or stay for ever: ORDER BY (%s), or "
		    "the "
		    "identity to fit",
		    t->database, t->table, sorting, buf_str(&identity), buf_str(&identity));
	} else {
		json_array_foreach(json_object_get(row, "columns"), i, column)
		{
			const char *name = json_string_value(column);

			if (name && !in_list(t->identity, t->identity_count, slice_str(name)))
				lint_add(lint, true, t->place,
				    "%s.%s is PARTITION BY %s, and %s does not place a row (%s "
				    "does): states of one row in two partitions never replace "
				    "each "
				    "other: partition by a function of (%s)",
				    t->database, t->table, member(row, "partition"), name,
				    buf_str(&identity), buf_str(&identity));
		}
	}
	buf_finish(&identity);
}

static void
judge(const struct lint_table *t, json_t *row, struct lint *lint)
{
	static const char *const merging[] = { "Replacing", "Collapsing", "Summing",
		"Aggregating", "Graphite", "Coalescing" };
	const char *engine = member(row, "engine");

	if (!t->append) {
		judge_replacing(t, row, lint);
		return;
	}
	for (size_t i = 0; i < sizeof merging / sizeof *merging; i++)
		if (strstr(engine, merging[i]))
			lint_add(lint, true, t->place,
			    "%s.%s is %s, which makes one row of several: mode append wants "
			    "ENGINE "
			    "= MergeTree",
			    t->database, t->table, engine);
}

static void
put_param(struct buf *url, const char *name, const char *value)
{
	buf_printf(url, "&param_%s=", name);
	http_escape(url, slice_str(value));
}

enum fate
lint_clickhouse(struct http_client *clickhouse, const struct lint_table *t, struct lint *lint,
    struct err *err)
{
	static const char sql[] =
	    "SELECT engine, engine_full AS full, sorting_key AS sorting, partition_key AS "
	    "partition, (SELECT groupArray(name) FROM system.columns WHERE database = "
	    "{d:String} "
	    "AND table = {t:String} AND is_in_partition_key) AS columns FROM system.tables "
	    "WHERE database = {d:String} AND name = {t:String} FORMAT JSONEachRow";
	struct http_response response = { 0 };
	const struct slice body = slice_str(sql);
	struct buf url = { 0 };
	enum fate fate;
	json_t *row;

	buf_cstr(&url, "/?wait_end_of_query=1");
	put_param(&url, "d", t->database);
	put_param(&url, "t", t->table);
	fate = http_client_send(clickhouse,
	    &(struct http_request){ .url = buf_str(&url), .body = &body, .body_count = 1 },
	    &response, err);
	if (fate == FATE_DONE && response.status != 200)
		fate = err_set(err, response.status >= 500 ? FATE_RETRY : FATE_HALT,
		    "ClickHouse: HTTP %ld: %.*s", response.status,
		    SLICE_ARG(buf_view(&response.body)));
	if (fate == FATE_DONE) {
		row = json_loadb(
		    response.body.p, response.body.len, JSON_DISABLE_EOF_CHECK, NULL);
		if (row)
			judge(t, row, lint);
		else
			lint_add(lint, false, t->place,
			    "%s.%s is not there: sluicectl bootstrap makes it", t->database,
			    t->table);
		json_decref(row);
	}
	http_response_finish(&response);
	buf_finish(&url);
	return fate;
}
