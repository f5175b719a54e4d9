/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "ctl/barrier.h"
#include "ctl/verify_side.h"
#include "work/catalog.h"

enum {
	ROW_ARENA = 64 << 20,
	TOPIC_SIZE = 300,
	REPAIRS_MAX = 10,
	SNAPSHOT_MS = 30000, /* for Debezium to send what it is asked for, or some of it */
};

struct run {
	struct verify v;
	struct barrier *barrier;
	const struct verify_options *options;
	char dimensions[SQL_SOURCES_MAX][TOPIC_SIZE]; /* topics that enrich reads as well */
	bool has[SIDES];                              /* what is compared with Postgres */
};

/* --- opening --- */

static enum fate
key_columns(struct verify *v, struct err *err)
{
	const struct pipeline_list *key = &v->pipeline->enrich.key;
	size_t column;

	for (size_t i = 0; i < key->count; i++) {
		enum fate fate =
		    query_fact_column(v->query, key->items[i], &v->key[i], &column, err);

		if (fate != FATE_DONE)
			return fate;
	}
	v->key_count = key->count;
	return FATE_DONE;
}

/* Whether facts are sent again when their dimension rows change. */
static bool
refreshes(const struct survey *survey)
{
	return survey->pipeline->enrich.on_dimension_change == DIMENSION_REFRESH &&
	       connector_setting(&survey->connector, "signal.data.collection");
}

static enum fate
query_known(struct verify *v, struct err *err)
{
	bool keep = !refreshes(v->survey);
	enum fate fate = query_open(v->survey->pg, v->pipeline, &v->query, err);

	if (fate != FATE_DONE)
		return fate;
	v->columns = sql_query_results(v->query);
	v->column_count = sql_query_result_count(v->query);
	v->compared = calloc(v->column_count + 1, sizeof *v->compared);
	v->row.at = calloc(v->column_count + 1, sizeof *v->row.at);
	must(v->compared && v->row.at);
	for (size_t i = 0; i < v->column_count; i++) {
		size_t source = 1, column;

		v->compared[i] =
		    !keep ||
		    (sql_query_result_origin(v->query, i, &source, &column) && source == 0);
	}
	return key_columns(v, err);
}

/* ClickHouse is asked when its worker runs: a group that somebody is in. */
static enum fate
clickhouse_runs(struct run *run, bool *ret_runs, struct err *err)
{
	struct survey_group groups[SURVEY_GROUPS_MAX];
	size_t count = survey_groups(run->v.survey, groups);

	*ret_runs = false;
	for (size_t i = 0; i < count; i++) {
		struct kafka_group group = { 0 };
		enum fate fate;

		if (strcmp(groups[i].worker, "clickhouse") != 0)
			continue;
		fate = kafka_admin_group(
		    run->v.survey->admin, groups[i].group, &run->v.survey->arena, &group, err);
		if (fate != FATE_DONE)
			return fate;
		*ret_runs = group.member_count > 0;
		if (!*ret_runs)
			verify_say(&run->v, "clickhouse  left out: nobody is in group %s",
			    groups[i].group);
	}
	return FATE_DONE;
}

/* Where refreshes are asked for, enrich's group reads the dimensions' topics too. */
static enum fate
barrier_begin(struct run *run, struct err *err)
{
	struct verify *v = &run->v;
	const char *topics[SQL_SOURCES_MAX];
	size_t count = 0;

	for (size_t i = 1; i < sql_query_source_count(v->query) && refreshes(v->survey); i++) {
		const struct sql_source *source = sql_query_source(v->query, i);
		char *topic = run->dimensions[count];
		int32_t partitions = 0;
		bool seen = !source->needed;
		enum fate fate;

		(void)snprintf(topic, TOPIC_SIZE, "%s.%s.%s", v->pipeline->prefix,
		    source->schema, source->table);
		fate = kafka_admin_partitions(v->survey->admin, topic, &partitions, err);
		if (fate != FATE_DONE)
			return fate;
		for (size_t n = 0; n < count && !seen; n++)
			seen = strcmp(topics[n], topic) == 0;
		if (!seen && partitions > 0)
			topics[count++] = topic;
	}
	return barrier_open(v->survey, topics, count, &run->barrier, err);
}

static enum fate
run_open(struct run *run, struct err *err)
{
	struct verify *v = &run->v;
	enum fate fate = survey_open(v->pipeline, &v->survey, err);

	arena_init(&v->arena, ROW_ARENA);
	v->table = verify_table_new();
	if (fate == FATE_DONE)
		fate = query_known(v, err);
	if (fate == FATE_DONE)
		fate = barrier_begin(run, err);
	run->has[SIDE_TOPIC] = true;
	if (fate == FATE_DONE)
		fate = clickhouse_runs(run, &run->has[SIDE_CLICKHOUSE], err);
	return fate;
}

static void
run_finish(struct run *run)
{
	struct verify *v = &run->v;

	for (size_t i = 0; i < VERIFY_EVIDENCE_MAX; i++)
		for (size_t s = 0; s < SIDES; s++)
			buf_finish(&v->evidence[i][s]);
	scan_close(&v->scan);
	buf_finish(&v->row.text);
	buf_finish(&v->key_text);
	free(v->row.at);
	free(v->compared);
	free(v->source_ends);
	verify_table_free(v->table);
	arena_finish(&v->arena);
	barrier_close(run->barrier);
	sql_query_free(v->query);
	survey_close(v->survey);
}

/* --- rounds --- */

/* What agrees now is settled, whatever comes later. Returns how many keys are not. */
static size_t
settle(struct run *run)
{
	struct verify *v = &run->v;
	size_t open = 0;

	for (size_t i = 0; i < verify_table_count(v->table); i++) {
		struct verify_entry *e = verify_table_entry(v->table, i);

		for (size_t s = SIDE_TOPIC; s < SIDES; s++)
			if (!run->has[s] || e->rows[s] == e->rows[SIDE_POSTGRES])
				e->agreed[s] = true;
		open += verify_wanted(e, PASS_AGAIN);
	}
	return open;
}

/* How many of those that were asked for have not come to the topic. */
static size_t
settle_asked(struct run *run)
{
	struct verify *v = &run->v;
	size_t open = 0;

	(void)settle(run);
	for (size_t i = 0; i < verify_table_count(v->table); i++)
		open += verify_is_awaited(verify_table_entry(v->table, i));
	return open;
}

static enum fate
targets_read(struct run *run, enum verify_pass pass, bool clickhouse, struct err *err)
{
	static const char *const workers[] = { "enrich", "clickhouse" };
	struct verify *v = &run->v;
	uint64_t lsn = 0;
	enum fate fate = barrier_now(v->survey, &lsn, err);

	verify_progress(v, "waiting for the workers");
	if (fate == FATE_DONE)
		fate = barrier_wait(run->barrier, lsn, workers,
		    run->has[SIDE_CLICKHOUSE] ? 2 : 1, run->options->barrier_ms, err);
	if (fate == FATE_DONE)
		fate = verify_topic(v, pass, err);
	if (fate == FATE_DONE && clickhouse && run->has[SIDE_CLICKHOUSE])
		fate = verify_clickhouse(v, pass, err);
	return fate;
}

/* Until all agree that are counted, or settle_ms have brought none of them to it. */
static enum fate
rounds_again(
    struct run *run, size_t (*count)(struct run *run), int64_t settle_ms, struct err *err)
{
	struct verify *v = &run->v;
	int64_t moved_ms = clock_mono_ms();
	enum fate fate = FATE_DONE;

	for (size_t open = count(run); open > 0;) {
		size_t before = open;

		fate = verify_postgres(v, PASS_AGAIN, err);
		open = fate == FATE_DONE ? count(run) : 0;
		if (open > 0)
			fate = targets_read(run, PASS_AGAIN, count == settle, err);
		if (fate != FATE_DONE)
			break;
		open = count(run);
		if (open < before)
			moved_ms = clock_mono_ms();
		else if (clock_mono_ms() - moved_ms >= settle_ms)
			break;
	}
	return fate;
}

/* Postgres is read before the barrier; what changed meanwhile is ahead of it in the
 * targets, and meets it in the next reading of Postgres. */
static enum fate
rounds(struct run *run, struct err *err)
{
	enum fate fate = verify_postgres(&run->v, PASS_WHOLE, err);

	if (fate == FATE_DONE)
		fate = targets_read(run, PASS_WHOLE, true, err);
	return fate == FATE_DONE ? rounds_again(run, settle, run->options->settle_ms, err)
				 : fate;
}

/* --- repair --- */

static size_t
extra_count(struct run *run)
{
	struct verify *v = &run->v;
	size_t count = 0;

	for (size_t i = 0; i < verify_table_count(v->table); i++)
		count += verify_is_extra(verify_table_entry(v->table, i));
	return count;
}

/* Rows that are gone may also be those of another Postgres, or that its role may not see. */
static bool
may_delete(struct run *run)
{
	size_t extra = extra_count(run);

	if (extra <= (size_t)run->options->delete_max)
		return true;
	verify_say(&run->v,
	    "repair      none of %zu extra rows is deleted, as they are more than --delete-max "
	    "%" PRId64 ": does verify ask the Postgres that the stream comes from?",
	    extra, run->options->delete_max);
	return false;
}

/* Postgres as it is after all that the topic was seen to hold. */
static enum fate
repair_look(struct run *run, struct err *err)
{
	struct verify *v = &run->v;
	enum fate fate = FATE_DONE;

	if (settle(run) > 0)
		fate = verify_past(v, run->options->barrier_ms, err);
	if (fate == FATE_DONE)
		fate = verify_postgres(v, PASS_AGAIN, err);
	if (fate == FATE_DONE && settle(run) > 0)
		fate = verify_letters(v, err);
	return fate;
}

/* What was sent is looked for behind what is being written now. */
static enum fate
repair_await(struct run *run, bool asked, struct err *err)
{
	struct verify *v = &run->v;
	enum fate fate = scan_reach(&v->scan, err);

	if (fate == FATE_DONE)
		fate = targets_read(run, PASS_AGAIN, true, err);
	if (fate == FATE_DONE)
		fate = verify_postgres(v, PASS_AGAIN, err);
	if (fate == FATE_DONE && asked)
		fate = rounds_again(run, settle_asked, SNAPSHOT_MS, err);
	if (fate == FATE_DONE)
		fate = rounds_again(run, settle, run->options->settle_ms, err);
	return fate;
}

/* A row that has come may stand in ClickHouse at an old place, too, so that takes its turn
 * after the others. */
static enum fate
repair(struct run *run, struct err *err)
{
	enum fate fate = FATE_DONE;

	for (int i = 0; i < REPAIRS_MAX && fate == FATE_DONE; i++) {
		struct verify_repaired done = { 0 };

		fate = repair_look(run, err);
		if (fate == FATE_DONE)
			fate = verify_repair(&run->v, may_delete(run), &done, err);
		if (done.asked + done.deleted + done.sent + done.mended == 0)
			break;
		verify_say(&run->v,
		    "repair      %zu asked of Debezium again, %zu extra deleted, %zu sent to "
		    "clickhouse again, %zu put behind older ones",
		    done.asked, done.deleted, done.sent, done.mended);
		if (fate == FATE_DONE)
			fate = repair_await(run, done.asked > 0, err);
	}
	return fate;
}

enum fate
verify_run(const struct pipeline *pipeline, const struct verify_options *options,
    bool *ret_clean, struct err *err)
{
	struct run *run = calloc(1, sizeof *run);
	enum fate fate;

	must(run && options->evidence <= VERIFY_EVIDENCE_MAX);
	run->v.pipeline = pipeline;
	run->v.progress = options->progress;
	run->v.say = options->say;
	run->options = options;
	fate = run_open(run, err);
	if (fate == FATE_DONE)
		fate = rounds(run, err);
	if (fate == FATE_DONE && options->repair)
		fate = repair(run, err);
	if (fate == FATE_DONE && settle(run) > 0)
		fate = verify_letters(&run->v, err);
	if (fate == FATE_DONE)
		fate = verify_report(&run->v, run->has, options, ret_clean, err);
	run_finish(run);
	free(run);
	return fate;
}
