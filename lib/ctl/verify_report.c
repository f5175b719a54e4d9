/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "ctl/verify_side.h"
#include "wire/json.h"

static const char *const side_names[SIDES] = { "postgres", "topic", "clickhouse" };

struct report {
	struct verify *v;
	const bool *has; /* the sides that are compared with Postgres */
	struct count {
		size_t equal, differs, missing, extra, excused;
	} counts[SIDES];
};

static size_t *
verdict_count(struct count *count, const struct verify_entry *e, enum verify_side side)
{
	if (e->rows[SIDE_POSTGRES] == ROW_ABSENT)
		return &count->extra;
	return e->rows[side] == ROW_ABSENT ? &count->missing : &count->differs;
}

static void
count_all(struct report *r)
{
	struct verify *v = r->v;

	for (size_t i = 0; i < verify_table_count(v->table); i++) {
		struct verify_entry *e = verify_table_entry(v->table, i);

		for (enum verify_side s = SIDE_TOPIC; s < SIDES; s++)
			if (e->excused[s])
				r->counts[s].excused++;
			else if (!e->agreed[s])
				++*verdict_count(&r->counts[s], e, s);
			else if (e->rows[SIDE_POSTGRES] != ROW_ABSENT)
				r->counts[s].equal++;
	}
}

static bool
counts_say(struct report *r)
{
	const struct pipeline *p = r->v->pipeline;
	bool clean = true;

	for (enum verify_side s = SIDE_TOPIC; s < SIDES; s++) {
		const struct count *c = &r->counts[s];
		bool good = c->differs + c->missing + c->extra == 0;

		if (!r->has[s])
			continue;
		clean = clean && good;
		verify_say(r->v,
		    "%-11s %s%s%s: %zu equal, %zu differ, %zu missing, %zu extra, %zu excused",
		    side_names[s], s == SIDE_TOPIC ? p->enrich.topic : p->clickhouse.database,
		    s == SIDE_TOPIC ? "" : ".", s == SIDE_TOPIC ? "" : p->clickhouse.table,
		    c->equal, c->differs, c->missing, c->extra, c->excused);
	}
	return clean;
}

/* What is left of it, and why. */
static void
left_say(struct report *r)
{
	struct verify *v = r->v;
	size_t asked = 0, stuck = 0;

	for (size_t i = 0; i < verify_table_count(v->table); i++) {
		const struct verify_entry *e = verify_table_entry(v->table, i);

		asked += verify_is_awaited(e);
		stuck += e->agreed[SIDE_TOPIC] && !e->agreed[SIDE_CLICKHOUSE];
	}
	if (asked && connector_setting(&v->survey->connector, "signal.data.collection"))
		verify_say(v,
		    "repair      asked for, and not come yet: %zu row%s. Is Debezium at "
		    "another "
		    "snapshot? sluicectl status",
		    asked, asked == 1 ? "" : "s");
	if (stuck)
		verify_say(v,
		    "repair      %zu key%s in clickhouse alone, and sending again does not "
		    "help: "
		    "it holds higher versions, or keys that the topic has forgotten. Fill it "
		    "anew (sluicectl reset PIPELINE clickhouse --to earliest, into an empty "
		    "table)",
		    stuck, stuck == 1 ? " differs" : "s differ");
}

/* An older record behind a newer one: compaction would keep the older. */
static bool
behind_say(struct report *r)
{
	struct verify *v = r->v;
	size_t behind = 0;

	for (size_t i = 0; i < verify_table_count(v->table); i++)
		behind += verify_table_entry(v->table, i)->behind;
	if (behind)
		verify_say(v,
		    "topic       an older record stands behind the newest of %zu key%s, and "
		    "compaction would keep it: verify --repair",
		    behind, behind == 1 ? "" : "s");
	return behind > 0;
}

/* --- evidence --- */

static size_t
evidence_choose(struct report *r, size_t max)
{
	struct verify *v = r->v;
	size_t chosen = 0;

	for (size_t i = 0; i < verify_table_count(v->table) && chosen < max; i++) {
		struct verify_entry *e = verify_table_entry(v->table, i);

		if (verify_wanted(e, PASS_AGAIN))
			e->evidence = (int)chosen++;
	}
	return chosen;
}

/* ": price, line_total"; nothing when one of the two is no row. */
static void
columns_print(const struct report *r, struct slice want, struct slice have, struct buf *out)
{
	const struct verify *v = r->v;
	bool first = true;

	if (!want.len || !have.len || *want.p != '{' || *have.p != '{')
		return;
	for (size_t i = 0; i < v->column_count; i++) {
		struct slice name = slice_str(v->columns[i].name);

		if (!v->compared[i] ||
		    slice_eq(json_member(want, name), json_member(have, name)))
			continue;
		buf_printf(out, "%s%.*s", first ? ": " : ", ", SLICE_ARG(name));
		first = false;
	}
}

static void
verdict_say(struct report *r, const struct verify_entry *e, enum verify_side side)
{
	struct verify *v = r->v;
	struct buf *rows = v->evidence[e->evidence], columns = { 0 };
	struct count c = { 0 };
	const size_t *verdict = verdict_count(&c, e, side);

	if (verdict == &c.differs && e->rows[side] != ROW_TWICE)
		columns_print(
		    r, buf_view(&rows[SIDE_POSTGRES]), buf_view(&rows[side]), &columns);
	verify_say(r->v, "  [%.*s] %s %s%s", SLICE_ARG(verify_table_key(v->table, e)),
	    verdict == &c.extra          ? "is extra in"
	    : e->rows[side] == ROW_TWICE ? "stands at several places in"
	    : verdict == &c.missing      ? "is missing in"
					 : "differs in",
	    side_names[side], buf_str(&columns));
	buf_finish(&columns);
}

static void
rows_say(struct report *r, const struct verify_entry *e)
{
	struct verify *v = r->v;

	for (enum verify_side s = SIDE_POSTGRES; s < SIDES; s++) {
		struct buf *row = &v->evidence[e->evidence][s];
		struct buf where = { 0 };

		if (s != SIDE_POSTGRES && !r->has[s])
			continue;
		if (s == SIDE_TOPIC && e->offset >= 0)
			buf_printf(&where, " (%s/%" PRId32 "/%" PRId64 ")",
			    v->pipeline->enrich.topic, e->partition, e->offset);
		verify_say(r->v, "    %-11s%s%s", side_names[s],
		    row->len ? buf_str(row) : "no row", buf_str(&where));
		buf_finish(&where);
	}
}

static void
evidence_say(struct report *r)
{
	struct verify *v = r->v;
	size_t more = 0;

	for (size_t i = 0; i < verify_table_count(v->table); i++) {
		struct verify_entry *e = verify_table_entry(v->table, i);

		more += e->evidence < 0 && verify_wanted(e, PASS_AGAIN);
		if (e->evidence < 0)
			continue;
		for (enum verify_side s = SIDE_TOPIC; s < SIDES; s++)
			if (!e->agreed[s])
				verdict_say(r, e, s);
		rows_say(r, e);
	}
	if (more)
		verify_say(r->v, "  and %zu key%s more", more, more == 1 ? "" : "s");
}

enum fate
verify_report(struct verify *v, const bool has[static SIDES],
    const struct verify_options *options, bool *ret_clean, struct err *err)
{
	struct report r = { .v = v, .has = has };
	enum fate fate;
	bool behind;

	count_all(&r);
	if (options->repair)
		left_say(&r);
	behind = behind_say(&r);
	*ret_clean = counts_say(&r) && !(behind && options->repair);
	if (evidence_choose(&r, options->evidence) == 0)
		return FATE_DONE;
	fate = verify_postgres(v, PASS_SHOW, err);
	if (fate == FATE_DONE)
		fate = verify_topic_show(v, err);
	if (fate == FATE_DONE && has[SIDE_CLICKHOUSE])
		fate = verify_clickhouse(v, PASS_SHOW, err);
	if (fate == FATE_DONE)
		evidence_say(&r);
	return fate;
}
