/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/barrier.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "wire/scalar.h"

struct probe {
	uint64_t lsn;
	int64_t wall_ms;
	bool enriched; /* enrich has passed: ends are the enriched topic's */
	bool passed[SURVEY_GROUPS_MAX];
	struct kafka_part *ends;
};

struct barrier {
	struct survey *survey;
	struct survey_group groups[SURVEY_GROUPS_MAX]; /* [0] is enrich */
	size_t group_count;
	struct kafka_part *source, *enriched; /* partitions, without offsets */
	size_t source_count, enriched_count;
	struct probe probes[BARRIER_PROBES_MAX];
	size_t probe_count;
	struct barrier_point points[SURVEY_GROUPS_MAX];
	struct kafka_part *at;
	uint64_t last_lsn, last_txns;
	bool moved;        /* the LSN has, since it was first read */
	char timeline[80]; /* system identifier and timeline */
};

bool
barrier_reached(const struct kafka_part *at, const struct kafka_part *ends, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (at[i].offset < ends[i].offset &&
		    !(at[i].offset == KAFKA_NO_OFFSET && ends[i].offset == 0))
			return false;
	return true;
}

/* Adds the topic's partitions to the list. */
static enum fate
partitions_add(struct barrier *b, const char *topic, struct kafka_part **parts, size_t *count,
    struct err *err)
{
	int32_t more = 0;
	enum fate fate = kafka_admin_partitions(b->survey->admin, topic, &more, err);

	if (fate != FATE_DONE)
		return fate;
	if (more == 0)
		return err_set(
		    err, FATE_HALT, "topic %s is not there: sluicectl bootstrap", topic);
	*parts = realloc(*parts, (*count + (size_t)more) * sizeof **parts);
	must(*parts);
	for (int32_t i = 0; i < more; i++)
		(*parts)[(*count)++] = (struct kafka_part){ .topic = topic, .partition = i };
	return FATE_DONE;
}

enum fate
barrier_open(struct survey *survey, const char *const *dimensions, size_t dimension_count,
    struct barrier **ret_barrier, struct err *err)
{
	struct barrier *b = calloc(1, sizeof *b);
	enum fate fate;
	size_t most;

	must(b && dimension_count < BARRIER_SOURCE_TOPICS_MAX);
	b->survey = survey;
	b->group_count = survey_groups(survey, b->groups);
	fate = partitions_add(b, b->groups[0].topic, &b->source, &b->source_count, err);
	for (size_t i = 0; i < dimension_count && fate == FATE_DONE; i++)
		fate = partitions_add(b, dimensions[i], &b->source, &b->source_count, err);
	if (fate == FATE_DONE)
		fate = partitions_add(
		    b, survey->pipeline->enrich.topic, &b->enriched, &b->enriched_count, err);
	if (fate != FATE_DONE) {
		barrier_close(b);
		return fate;
	}
	most = b->source_count > b->enriched_count ? b->source_count : b->enriched_count;
	b->at = calloc(most, sizeof *b->at);
	must(b->at);
	for (size_t i = 0; i < BARRIER_PROBES_MAX; i++) {
		b->probes[i].ends = calloc(most, sizeof *b->probes[i].ends);
		must(b->probes[i].ends);
	}
	*ret_barrier = b;
	return FATE_DONE;
}

void
barrier_close(struct barrier *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < BARRIER_PROBES_MAX; i++)
		free(b->probes[i].ends);
	free(b->at);
	free(b->source);
	free(b->enriched);
	free(b);
}

/* --- asking --- */

static void
forget(struct barrier *b)
{
	b->probe_count = 0;
	b->moved = false;
	memset(b->points, 0, sizeof b->points);
}

/* What was known is void when it is of another history, or of a slot that is no more: one
 * that was made again has decoded less. */
static void
slot_seen(struct barrier *b, const char *timeline, uint64_t lsn, uint64_t txns)
{
	if (strcmp(timeline, b->timeline) != 0 || lsn < b->last_lsn || txns < b->last_txns)
		forget(b);
	else if (lsn > b->last_lsn)
		b->moved = true;
	(void)snprintf(b->timeline, sizeof b->timeline, "%s", timeline);
	b->last_lsn = lsn;
	b->last_txns = txns;
}

static enum fate
slot_read(struct barrier *b, uint64_t *ret_lsn, struct err *err)
{
	struct slice param = slice_str(connector_slot(&b->survey->connector));
	struct pg_result result = { 0 };
	char timeline[sizeof b->timeline] = "";
	uint64_t txns = 0;
	enum fate fate = pg_query(b->survey->pg,
	    &(struct pg_query){
		"SELECT confirmed_flush_lsn, (pg_control_system()).system_identifier, "
		"(pg_control_checkpoint()).timeline_id, coalesce(total_txns, 0) "
		"FROM pg_replication_slots LEFT JOIN pg_stat_replication_slots "
		"USING (slot_name) WHERE slot_name = $1",
		&param, 1 },
	    &result, err);

	if (fate == FATE_DONE &&
	    (result.row_count != 1 || !lsn_parse(pg_result_text(&result, 0, 0), ret_lsn) ||
		!slice_u64(pg_result_text(&result, 0, 3), &txns))) {
		forget(b);
		fate = err_set(
		    err, FATE_RETRY, "slot %.*s has confirmed nothing", SLICE_ARG(param));
	}
	if (fate == FATE_DONE) {
		(void)snprintf(timeline, sizeof timeline, "%.*s/%.*s",
		    SLICE_ARG(pg_result_text(&result, 0, 1)),
		    SLICE_ARG(pg_result_text(&result, 0, 2)));
		slot_seen(b, timeline, *ret_lsn, txns);
	}
	pg_result_clear(&result);
	return fate;
}

static enum fate
ends_read(struct barrier *b, const struct kafka_part *of, size_t count, struct kafka_part *ret,
    struct err *err)
{
	memcpy(ret, of, count * sizeof *ret);
	return kafka_admin_offsets_at(b->survey->admin, KAFKA_AT_END, ret, count, err);
}

/* A group's applied offsets into b->at. */
static enum fate
applied_read(struct barrier *b, const struct survey_group *group, const struct kafka_part *of,
    size_t count, struct err *err)
{
	size_t mark = arena_mark(&b->survey->arena);
	enum fate fate;

	memcpy(b->at, of, count * sizeof *of);
	fate = kafka_admin_group_offsets(
	    b->survey->admin, group->group, b->at, count, &b->survey->arena, err);
	arena_rewind(&b->survey->arena, mark);
	return fate;
}

/* --- probes, oldest first --- */

static void
probe_remove(struct barrier *b, size_t i)
{
	struct kafka_part *ends = b->probes[i].ends;

	b->probe_count--;
	memmove(&b->probes[i], &b->probes[i + 1], (b->probe_count - i) * sizeof *b->probes);
	b->probes[b->probe_count] = (struct probe){ .ends = ends };
}

/* The source's ends are read after L. A full house gives up its second oldest: the
 * oldest serves who is far behind, the newest who is not. */
static enum fate
probe_begin(struct barrier *b, struct err *err)
{
	struct kafka_part *ends;
	struct probe *probe;
	int64_t wall_ms = clock_wall_ms();
	uint64_t lsn = 0;
	enum fate fate = slot_read(b, &lsn, err);

	if (fate != FATE_DONE || !b->moved)
		return fate;
	if (b->probe_count == BARRIER_PROBES_MAX)
		probe_remove(b, 1);
	probe = &b->probes[b->probe_count];
	ends = probe->ends;
	fate = ends_read(b, b->source, b->source_count, ends, err);
	if (fate != FATE_DONE)
		return fate;
	*probe = (struct probe){ .lsn = lsn, .wall_ms = wall_ms, .ends = ends };
	b->probe_count++;
	return FATE_DONE;
}

static void
point_set(struct barrier *b, size_t group, const struct probe *probe)
{
	b->points[group] = (struct barrier_point){ true, probe->lsn, probe->wall_ms };
}

static enum fate
enrich_move(struct barrier *b, struct err *err)
{
	enum fate fate = applied_read(b, &b->groups[0], b->source, b->source_count, err);

	for (size_t i = 0; i < b->probe_count && fate == FATE_DONE; i++) {
		struct probe *probe = &b->probes[i];

		if (probe->enriched || !barrier_reached(b->at, probe->ends, b->source_count))
			continue;
		fate = ends_read(b, b->enriched, b->enriched_count, probe->ends, err);
		if (fate != FATE_DONE) { /* its ends are gone */
			probe_remove(b, i);
			return fate;
		}
		probe->enriched = true;
		probe->passed[0] = true;
		point_set(b, 0, probe);
	}
	return fate;
}

static enum fate
sink_move(struct barrier *b, size_t group, struct err *err)
{
	enum fate fate =
	    applied_read(b, &b->groups[group], b->enriched, b->enriched_count, err);

	for (size_t i = 0; i < b->probe_count && fate == FATE_DONE; i++) {
		struct probe *probe = &b->probes[i];

		if (!probe->enriched || probe->passed[group] ||
		    !barrier_reached(b->at, probe->ends, b->enriched_count))
			continue;
		probe->passed[group] = true;
		point_set(b, group, probe);
	}
	return fate;
}

static bool
passed_all(const struct barrier *b, const struct probe *probe)
{
	for (size_t i = 0; i < b->group_count; i++)
		if (!probe->passed[i])
			return false;
	return true;
}

enum fate
barrier_step(struct barrier *b, struct err *err)
{
	enum fate fate = probe_begin(b, err);

	if (fate == FATE_DONE)
		fate = enrich_move(b, err);
	for (size_t i = 1; i < b->group_count && fate == FATE_DONE; i++)
		fate = sink_move(b, i, err);
	for (size_t i = b->probe_count; i-- > 0;)
		if (passed_all(b, &b->probes[i]))
			probe_remove(b, i);
	return fate;
}

struct barrier_point
barrier_at(const struct barrier *b, const char *worker)
{
	for (size_t i = 0; i < b->group_count; i++)
		if (strcmp(b->groups[i].worker, worker) == 0)
			return b->points[i];
	return (struct barrier_point){ 0 };
}

void
barrier_history(const struct barrier *b, uint64_t *ret_system, uint32_t *ret_timeline)
{
	char *end = NULL;

	*ret_system = strtoull(b->timeline, &end, 10);
	*ret_timeline = *end == '/' ? (uint32_t)strtoul(end + 1, NULL, 10) : 0;
}

/* --- waiting --- */

static const char *
who_is_behind(const struct barrier *b, uint64_t lsn, const char *const *workers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct barrier_point point = barrier_at(b, workers[i]);

		if (!point.known || point.lsn < lsn)
			return workers[i];
	}
	return NULL;
}

static enum fate
too_late(const struct barrier *b, uint64_t lsn, const char *worker, struct err *err)
{
	struct barrier_point point = barrier_at(b, worker);

	if (!b->moved)
		return err_set(err, FATE_RETRY,
		    "the slot stands at %" PRIX64 "/%" PRIX64
		    ": the connector is at its first snapshot, does not run, or has no "
		    "heartbeat.interval.ms",
		    b->last_lsn >> 32, b->last_lsn & UINT32_MAX);
	return err_set(err, FATE_RETRY,
	    "%s is not complete up to %" PRIX64 "/%" PRIX64 " (known up to %" PRIX64 "/%" PRIX64
	    ", the slot has confirmed %" PRIX64 "/%" PRIX64 ")",
	    worker, lsn >> 32, lsn & UINT32_MAX, point.lsn >> 32, point.lsn & UINT32_MAX,
	    b->last_lsn >> 32, b->last_lsn & UINT32_MAX);
}

enum fate
barrier_wait(struct barrier *b, uint64_t lsn, const char *const *workers, size_t count,
    int64_t timeout_ms, struct err *err)
{
	int64_t until = clock_mono_ms() + timeout_ms;

	for (;;) {
		enum fate fate = barrier_step(b, err);
		const char *behind = who_is_behind(b, lsn, workers, count);

		if (fate == FATE_HALT || fate == FATE_REJECT)
			return fate;
		if (!behind)
			return FATE_DONE;
		if (clock_mono_ms() >= until)
			return fate == FATE_RETRY ? err_wrap(err, "barrier")
						  : too_late(b, lsn, behind, err);
		clock_sleep_ms(BARRIER_STEP_MS);
	}
}

enum fate
barrier_now(struct survey *survey, uint64_t *ret_lsn, struct err *err)
{
	struct pg_result result = { 0 };
	enum fate fate = pg_query(survey->pg,
	    &(struct pg_query){ "SELECT pg_current_wal_insert_lsn()", NULL, 0 }, &result, err);

	if (fate == FATE_DONE && !lsn_parse(pg_result_text(&result, 0, 0), ret_lsn))
		fate = err_set(err, FATE_HALT, "Postgres' LSN is no LSN");
	pg_result_clear(&result);
	return fate;
}
