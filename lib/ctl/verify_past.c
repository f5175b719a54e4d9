/* SPDX-License-Identifier: Apache-2.0 */
/* What is past, so that what is not seen now is not there. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "ctl/verify_side.h"

enum { STEP_MS = 100 };

static enum fate
source_ends(struct verify *v, struct err *err)
{
	struct survey *survey = v->survey;
	struct kafka_part *parts;
	int32_t count = 0;
	enum fate fate = kafka_admin_partitions(survey->admin, survey->fact_topic, &count, err);

	parts = calloc((size_t)count + 1, sizeof *parts);
	free(v->source_ends);
	v->source_ends = calloc((size_t)count + 1, sizeof *v->source_ends);
	must(parts && v->source_ends);
	v->source_count = (size_t)count;
	for (int32_t i = 0; i < count; i++)
		parts[i] = (struct kafka_part){ .topic = survey->fact_topic, .partition = i };
	if (fate == FATE_DONE)
		fate = kafka_admin_offsets_at(
		    survey->admin, KAFKA_AT_END, parts, v->source_count, err);
	for (size_t i = 0; i < v->source_count && fate == FATE_DONE; i++)
		v->source_ends[i] = parts[i].offset;
	free(parts);
	return fate;
}

/* The first transaction that has not ended yet, or the next that will be. */
static enum fate
transaction_ask(struct verify *v, const char *sql, uint64_t *ret, struct err *err)
{
	struct pg_result result = { 0 };
	enum fate fate =
	    pg_query(v->survey->pg, &(struct pg_query){ sql, NULL, 0 }, &result, err);

	if (fate == FATE_DONE && !slice_u64(pg_result_text(&result, 0, 0), ret))
		fate = err_set(err, FATE_HALT, "Postgres' transaction is no number");
	pg_result_clear(&result);
	return fate;
}

enum fate
verify_past(struct verify *v, int64_t timeout_ms, struct err *err)
{
	int64_t until_ms = clock_mono_ms() + timeout_ms;
	uint64_t next = 0, oldest = 0;
	enum fate fate = source_ends(v, err);

	if (fate == FATE_DONE)
		fate = transaction_ask(
		    v, "SELECT pg_snapshot_xmax(pg_current_snapshot())", &next, err);
	while (fate == FATE_DONE) {
		fate = transaction_ask(
		    v, "SELECT pg_snapshot_xmin(pg_current_snapshot())", &oldest, err);
		if (fate != FATE_DONE || oldest >= next)
			break;
		verify_progress(v, "waiting for transaction %" PRIu64 " of Postgres", oldest);
		if (clock_mono_ms() >= until_ms)
			return err_set(err, FATE_RETRY,
			    "transaction %" PRIu64 " of Postgres runs on (pg_stat_activity."
			    "backend_xid): what it will leave is not known",
			    oldest);
		clock_sleep_ms(STEP_MS);
	}
	return fate;
}
