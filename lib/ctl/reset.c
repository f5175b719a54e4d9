/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/reset.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "ctl/survey.h"
#include "sql/query.h"
#include "work/enrich_batch.h"

enum { STEP_MS = 250 };
enum { LINE = 800, TOPIC_SIZE = 300, EARLIEST = -1, TOPICS_MAX = SQL_SOURCES_MAX };

/* One topic that the worker's group has positions in. */
struct place {
	char topic[TOPIC_SIZE];
	struct kafka_part *old, *first, *last, *new;
	size_t count;
};

struct reset {
	struct survey *survey;
	struct survey_group group;
	struct place places[TOPICS_MAX]; /* [0]: what the worker works through */
	size_t place_count;
};

static enum fate
target_read(const char *to, int64_t *ret_to, struct err *err)
{
	*ret_to = EARLIEST;
	if (to && strcmp(to, "earliest") == 0)
		return FATE_DONE;
	if (!to || !slice_i64(slice_str(to), ret_to) || *ret_to < 0)
		return err_set(err, FATE_HALT, "reset: --to takes earliest or an offset");
	return FATE_DONE;
}

static enum fate
group_find(struct reset *r, const char *worker, struct err *err)
{
	struct survey_group groups[SURVEY_GROUPS_MAX];
	size_t count = survey_groups(r->survey, groups);

	for (size_t i = 0; i < count; i++)
		if (worker && strcmp(groups[i].worker, worker) == 0) {
			r->group = groups[i];
			return FATE_DONE;
		}
	return err_set(err, FATE_HALT, "reset: pipeline %s has no worker %s",
	    r->survey->pipeline->name, worker ? worker : "(none was named)");
}

/* A worker that has stopped stays a member (a static one) until its session ends. */
static enum fate
group_is_empty(struct reset *r, int64_t wait_ms, void (*say)(const char *line), struct err *err)
{
	int64_t until = clock_mono_ms() + wait_ms;
	char line[LINE];
	bool told = false;

	for (;;) {
		struct kafka_group group = { 0 };
		enum fate fate = kafka_admin_group(
		    r->survey->admin, r->group.group, &r->survey->arena, &group, err);

		if (fate != FATE_DONE || group.member_count == 0)
			return fate;
		if (clock_mono_ms() > until)
			return err_set(err, FATE_RETRY,
			    "group %s has %zu member%s (%s): stop its workers first",
			    r->group.group, group.member_count,
			    group.member_count == 1 ? "" : "s", group.members[0].client_id);
		if (!told) {
			(void)snprintf(line, sizeof line,
			    "%s has a member (%s): waiting for its session to end",
			    r->group.group, group.members[0].client_id);
			say(line);
		}
		told = true;
		clock_sleep_ms(STEP_MS);
	}
}

static struct kafka_part *
parts_new(const struct place *place)
{
	struct kafka_part *parts = calloc(place->count + 1, sizeof *parts);

	must(parts);
	for (size_t i = 0; i < place->count; i++)
		parts[i] =
		    (struct kafka_part){ .topic = place->topic, .partition = (int32_t)i };
	return parts;
}

/* *ret_there false: no such topic; the place is left out. */
static enum fate
place_add(struct reset *r, const char *topic, bool *ret_there, struct err *err)
{
	struct kafka_admin *admin = r->survey->admin;
	struct place *place = &r->places[r->place_count];
	int32_t count = 0;
	enum fate fate = kafka_admin_partitions(admin, topic, &count, err);

	*ret_there = count > 0;
	if (fate != FATE_DONE || count == 0)
		return fate;
	r->place_count++;
	(void)snprintf(place->topic, sizeof place->topic, "%s", topic);
	place->count = (size_t)count;
	place->old = parts_new(place);
	place->first = parts_new(place);
	place->last = parts_new(place);
	place->new = parts_new(place);
	fate = kafka_admin_group_offsets(
	    admin, r->group.group, place->old, place->count, &r->survey->arena, err);
	if (fate == FATE_DONE)
		fate = kafka_admin_offsets_at(
		    admin, KAFKA_AT_START, place->first, place->count, err);
	if (fate == FATE_DONE)
		fate =
		    kafka_admin_offsets_at(admin, KAFKA_AT_END, place->last, place->count, err);
	return fate;
}

/* Enrich has positions in its dimensions' topics as well. */
static enum fate
places_find(struct reset *r, struct err *err)
{
	const struct pipeline *p = r->survey->pipeline;
	struct sql_tables tables = { 0 };
	bool there;
	enum fate fate = place_add(r, r->group.topic, &there, err);

	if (fate == FATE_DONE && !there)
		return err_set(err, FATE_HALT, "topic %s is not there: sluicectl bootstrap",
		    r->group.topic);
	if (fate != FATE_DONE || strcmp(r->group.worker, "enrich") != 0)
		return fate;
	fate = sql_query_tables(p->enrich.sql, &tables, err);
	for (size_t i = 1; fate == FATE_DONE && i < tables.count; i++) {
		const struct sql_table_name *name = &tables.names[i];
		char topic[TOPIC_SIZE];
		bool known = false;

		(void)snprintf(topic, sizeof topic, "%s.%s.%s", p->prefix,
		    name->schema ? name->schema : "public", name->name);
		for (size_t n = 0; n < r->place_count && !known; n++)
			known = strcmp(r->places[n].topic, topic) == 0;
		if (!known && r->place_count < TOPICS_MAX)
			fate = place_add(r, topic, &there, err);
	}
	sql_tables_free(&tables);
	return fate;
}

/* A key that moved to another partition has its newest record there, at a lower offset:
 * versions are right again only under a higher generation, and only from now on. */
static enum fate
partitions_check(const struct reset *r, int64_t to, struct err *err)
{
	const struct place *place = &r->places[0];
	int64_t generation = r->survey->pipeline->enrich.generation;

	for (size_t i = 0; i < place->count; i++) {
		struct mark_world world;
		struct mark mark;

		mark_parse(place->old[i].metadata, &mark, &world);
		if (world.partitions == 0 || (size_t)world.partitions == place->count)
			continue;
		if (world.generation < generation && to != EARLIEST)
			continue;
		return err_set(err, FATE_HALT,
		    "%s has %zu partitions, and had %" PRId64
		    ": keys have moved, and their old records would win over newer ones. Stop "
		    "the connector until enrich has read the old partitions, raise "
		    "enrich.generation "
		    "(it is %" PRId64 ") in the pipeline file, reset --to an offset at the "
		    "end, and ask for a snapshot of "
		    "the table",
		    place->topic, place->count, world.partitions, generation);
	}
	return FATE_DONE;
}

static void
positions_choose(struct place *place, int64_t to)
{
	for (size_t i = 0; i < place->count; i++) {
		int64_t at = to;

		if (at > place->last[i].offset)
			at = place->last[i].offset;
		if (at < place->first[i].offset)
			at = place->first[i].offset;
		place->new[i].offset = at;
	}
}

/* A dimension's topic is read for refreshes only: a good position is kept. */
static void
positions_mend(struct place *place)
{
	for (size_t i = 0; i < place->count; i++) {
		int64_t at = place->old[i].offset;

		place->new[i] = place->old[i];
		if (at < place->first[i].offset || at > place->last[i].offset)
			place->new[i].offset = place->first[i].offset;
	}
}

static void
tell(const struct reset *r, const struct place *place, void (*say)(const char *line))
{
	char line[LINE], old[24], new[28];

	for (size_t i = 0; i < place->count; i++) {
		int64_t from = place->old[i].offset, to = place->new[i].offset;

		(void)snprintf(old, sizeof old, "%" PRId64, from);
		(void)snprintf(new, sizeof new, "-> %" PRId64, to);
		(void)snprintf(line, sizeof line,
		    "%s %s/%zu: %s %s (holds %" PRId64 " to %" PRId64 ")", r->group.group,
		    place->topic, i, from == KAFKA_NO_OFFSET ? "none" : old,
		    from == to ? "kept" : new, place->first[i].offset, place->last[i].offset);
		say(line);
	}
}

static void
places_free(struct reset *r)
{
	for (size_t i = 0; i < TOPICS_MAX; i++) {
		free(r->places[i].old);
		free(r->places[i].first);
		free(r->places[i].last);
		free(r->places[i].new);
	}
}

static enum fate
places_set(struct reset *r, int64_t to, void (*say)(const char *line), struct err *err)
{
	enum fate fate = FATE_DONE;

	for (size_t i = 0; i < r->place_count && fate == FATE_DONE; i++) {
		struct place *place = &r->places[i];

		if (i == 0)
			positions_choose(place, to);
		else
			positions_mend(place);
		fate = kafka_admin_set_group_offsets(
		    r->survey->admin, r->group.group, place->new, place->count, err);
		if (fate == FATE_DONE)
			tell(r, place, say);
	}
	if (fate == FATE_DONE && strcmp(r->group.worker, "leaderboard") == 0)
		say("a board goes on from its position in Redis where it has one");
	return fate;
}

enum fate
reset_run(const struct pipeline *pipeline, const char *worker, const char *to, int64_t wait_ms,
    void (*say)(const char *line), struct err *err)
{
	struct reset *r = calloc(1, sizeof *r);
	int64_t target;
	enum fate fate = target_read(to, &target, err);

	must(r);
	if (fate == FATE_DONE)
		fate = survey_open(pipeline, &r->survey, err);
	if (fate == FATE_DONE)
		fate = group_find(r, worker, err);
	if (fate == FATE_DONE)
		fate = group_is_empty(r, wait_ms, say, err);
	if (fate == FATE_DONE)
		fate = places_find(r, err);
	if (fate == FATE_DONE)
		fate = partitions_check(r, target, err);
	if (fate == FATE_DONE)
		fate = places_set(r, target, say, err);
	places_free(r);
	survey_close(r->survey);
	free(r);
	return fate;
}
