/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "ctl/newest.h"
#include "ctl/scan.h"
#include "ctl/survey.h"
#include "link/kafka_consumer.h"

enum { LINE = 400, STEP_MS = 500, PARTS_MAX = 1024, READ_MS = 8000 };

struct check {
	struct survey *survey;
	void (*say)(const char *line);
	bool passed;
};

static void say(struct check *c, const char *fmt, ...) PRINTF(2, 3);
static void point(struct check *c, bool ok, const char *fmt, ...) PRINTF(3, 4);

static void
say(struct check *c, const char *fmt, ...)
{
	char line[LINE];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	c->say(line);
}

static void
point(struct check *c, bool ok, const char *fmt, ...)
{
	char line[LINE];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	say(c, "%s %s", ok ? "ok  " : "FAIL", line);
	if (!ok)
		c->passed = false;
}

static bool
worker_good(struct check *c, const struct survey_group *group)
{
	struct buf words = { 0 };
	struct err err = { 0 };
	int32_t owned = 0, partitions = 0;
	int64_t lag = 0;
	bool ready = false, good;

	if (survey_ready(c->survey, group->listen, &ready, &words, &err) != FATE_DONE) {
		say(c, "       %-12s %s does not answer: %s", group->worker, group->listen,
		    err.what);
		buf_finish(&words);
		return false;
	}
	if (survey_lag(c->survey, group, &lag, &owned, &partitions, &err) != FATE_DONE) {
		say(c, "       %-12s %s", group->worker, err.what);
		buf_finish(&words);
		return false;
	}
	good = ready && owned == partitions;
	say(c,
	    "       %-12s %s (%s), %s owns %" PRId32 " of %" PRId32 " partitions, lag %" PRId64,
	    group->worker, ready ? "ready" : "not ready", buf_str(&words), group->group, owned,
	    partitions, lag);
	buf_finish(&words);
	return good;
}

static void
check_workers(struct check *c)
{
	struct survey_group groups[SURVEY_GROUPS_MAX];
	size_t count = survey_groups(c->survey, groups), good = 0;

	for (size_t i = 0; i < count; i++)
		good += worker_good(c, &groups[i]);
	point(c, good == count,
	    "1 workers: %zu of %zu ready, each group owns all its partitions", good, count);
}

static void
check_source(struct check *c)
{
	struct survey *s = c->survey;
	struct buf state = { 0 }, wal_level = { 0 }, lsn = { 0 };
	bool running = false, active = false;
	struct err err = { 0 };

	if (connector_state(&s->connector, s->connect, &running, &state, &err) != FATE_DONE ||
	    survey_slot(s, &active, &wal_level, &lsn, &err) != FATE_DONE)
		point(c, false, "2 source: %s", err.what);
	else
		point(c, running && active && strcmp(buf_str(&wal_level), "logical") == 0,
		    "2 source: %s: %s; wal_level %s, slot %s, confirmed LSN %s",
		    s->connector.name, buf_str(&state), buf_str(&wal_level),
		    active ? "active" : "not active", lsn.len ? buf_str(&lsn) : "none");
	buf_finish(&state);
	buf_finish(&wal_level);
	buf_finish(&lsn);
}

static enum fate
newest_read(
    struct check *c, struct kafka_consumer *consumer, struct newest *newest, struct err *err)
{
	const char *topic = c->survey->pipeline->enrich.topic;
	struct kafka_part parts[PARTS_MAX];
	int64_t until = clock_mono_ms() + READ_MS;
	int32_t count = 0, ended = 0;
	enum fate fate = kafka_consumer_partitions(consumer, topic, READ_MS, &count, err);

	if (fate != FATE_DONE)
		return fate;
	count = count > PARTS_MAX ? PARTS_MAX : count;
	for (int32_t i = 0; i < count; i++)
		parts[i] = (struct kafka_part){ .topic = topic, .partition = i };
	fate = kafka_consumer_offsets_at(
	    consumer, KAFKA_AT_END, parts, (size_t)count, READ_MS, err);
	/* a transaction leaves a marker behind it, so look a little further back */
	for (int32_t i = 0; i < count; i++)
		parts[i].offset = parts[i].offset > 20 ? parts[i].offset - 20 : 0;
	if (fate == FATE_DONE)
		fate = kafka_consumer_assign(consumer, parts, (size_t)count, err);
	while (fate == FATE_DONE && ended < count && clock_mono_ms() < until) {
		struct kafka_message message;

		switch (kafka_consumer_poll(consumer, STEP_MS, &message, err)) {
		case KAFKA_MESSAGE: newest_add(newest, &message); break;
		case KAFKA_EOF: ended++; break;
		case KAFKA_NOTHING: break;
		case KAFKA_ERROR: fate = err->fate == FATE_HALT ? FATE_HALT : FATE_DONE; break;
		}
	}
	return fate;
}

static void
newest_say(struct check *c, const struct kafka_message *message)
{
	struct slice value = message->value.p ? message->value : SLICE("(deleted)");
	struct record record = { 0 };
	struct err err = { 0 };

	if (scan_record(message, &record, &err) != FATE_DONE) {
		say(c, "       %s/%" PRId32 "/%" PRId64 " is no enriched record: %s",
		    message->topic, message->partition, message->offset, err.what);
		c->passed = false;
		return;
	}
	say(c, "       %.*s op %c version %" PRIu64 " %.*s", SLICE_ARG(message->key), record.op,
	    record.version, SLICE_ARG(value));
}

static void
check_topic(struct check *c)
{
	const struct pipeline *p = c->survey->pipeline;
	struct kafka_consumer_conf conf = { .common = { .brokers = p->kafka.brokers,
						.client_id = "sluicectl",
						.properties = p->kafka.properties,
						.property_count = p->kafka.property_count } };
	struct kafka_consumer *consumer = NULL;
	struct newest newest = { 0 };
	struct err err = { 0 };
	enum fate fate = kafka_consumer_open(&consumer, &conf, &err);

	if (fate == FATE_DONE)
		fate = newest_read(c, consumer, &newest, &err);
	for (size_t i = 0; i < newest.count; i++)
		newest_say(c, &newest.messages[i]);
	if (fate != FATE_DONE)
		point(c, false, "3 enriched topic %s: %s", p->enrich.topic, err.what);
	else
		point(c, newest.count > 0, "3 enriched topic %s: its last %zu records",
		    p->enrich.topic, newest.count);
	newest_free(&newest);
	(void)kafka_consumer_close(consumer, READ_MS);
}

/* Lag of enrich and of one sink. */
static enum fate
lag_of(struct check *c, const char *worker, int64_t *ret_lag, struct err *err)
{
	struct survey_group groups[SURVEY_GROUPS_MAX];
	size_t count = survey_groups(c->survey, groups);

	*ret_lag = 0;
	for (size_t i = 0; i < count; i++) {
		int32_t owned, partitions;
		int64_t lag;
		enum fate fate;

		if (i > 0 && strcmp(groups[i].worker, worker) != 0)
			continue;
		fate = survey_lag(c->survey, &groups[i], &lag, &owned, &partitions, err);
		if (fate != FATE_DONE)
			return fate;
		*ret_lag += lag;
	}
	return FATE_DONE;
}

/* Waits for a number to grow; with no lag and no growth the source is idle. */
static void
check_growth(struct check *c, const char *title, const char *worker, const char *unit,
    enum fate (*ask)(struct survey *, int64_t *, struct err *))
{
	int64_t until = clock_mono_ms() + CHECK_WAIT_MS, first = 0, now = 0, lag = 0;
	struct err err = { 0 };
	enum fate fate = ask(c->survey, &first, &err);

	now = first;
	while (fate == FATE_DONE && now == first && clock_mono_ms() < until) {
		clock_sleep_ms(STEP_MS);
		fate = ask(c->survey, &now, &err);
	}
	if (fate == FATE_DONE && now != first) {
		point(c, true, "%s: %" PRId64 " %s, and %" PRId64 " a moment later", title,
		    first, unit, now);
		return;
	}
	if (fate == FATE_DONE)
		fate = lag_of(c, worker, &lag, &err);
	if (fate != FATE_DONE)
		point(c, false, "%s: %s", title, err.what);
	else if (lag == 0)
		point(c, true, "%s: %" PRId64 " %s; the source is idle and lag is 0", title,
		    now, unit);
	else
		point(c, false,
		    "%s: %" PRId64 " %s, not growing for %d s although lag is %" PRId64, title,
		    now, unit, CHECK_WAIT_MS / 1000, lag);
}

static enum fate
ask_receiver(struct survey *s, int64_t *ret, struct err *err)
{
	return survey_receiver(s, "distinct", ret, err);
}

static enum fate
board_say(struct survey *s, const char *key, int64_t count, void (*say_line)(const char *line),
    size_t *ret_shown, struct err *err)
{
	struct redis_reply reply = { 0 };
	char last[24], line[LINE];
	enum fate fate;

	(void)snprintf(last, sizeof last, "%" PRId64, count - 1);
	fate =
	    redis_words(s->redis, &reply, err, "ZREVRANGE", key, "0", last, "WITHSCORES", NULL);
	*ret_shown = 0;
	for (size_t i = 0; fate == FATE_DONE && i + 1 < reply.count; i += 2) {
		struct redis_reply member = redis_reply_item(&reply, i);
		struct redis_reply score = redis_reply_item(&reply, i + 1);

		/* Redis prints the nearest double with 17 digits; 15 are what it can hold */
		(void)snprintf(line, sizeof line, "       %2zu  %-40.*s %.15g", ++*ret_shown,
		    SLICE_ARG(member.text), strtod(score.text.p, NULL));
		say_line(line);
	}
	redis_reply_free(&reply);
	return fate;
}

static void
check_board(struct check *c)
{
	const struct pipeline_board *board = &c->survey->pipeline->leaderboard.boards[0];
	struct redis_reply reply = { 0 };
	struct err err = { 0 };
	char meta[300];
	size_t shown = 0;
	enum fate fate = board_say(c->survey, board->key, 10, c->say, &shown, &err);

	(void)snprintf(meta, sizeof meta, "{%s}:meta", board->key);
	if (fate == FATE_DONE)
		fate = redis_words(c->survey->redis, &reply, &err, "EXISTS", meta, NULL);
	if (fate != FATE_DONE)
		point(c, false, "5 leaderboard %s: %s", board->key, err.what);
	else if (reply.integer == 0)
		point(c, false, "5 leaderboard %s: nothing was ever written (%s is missing)",
		    board->key, meta);
	else
		point(c, true, "5 leaderboard %s: %s", board->key,
		    shown ? "its first members above" : "empty: no event in its window");
	redis_reply_free(&reply);
}

enum fate
check_run(const struct pipeline *pipeline, void (*say_line)(const char *line), bool *ret_passed,
    struct err *err)
{
	struct check c = { .say = say_line, .passed = true };
	enum fate fate = survey_open(pipeline, &c.survey, err);

	if (fate != FATE_DONE)
		return fate;
	check_workers(&c);
	check_source(&c);
	if (pipeline->has_enrich)
		check_topic(&c);
	if (pipeline->has_clickhouse)
		check_growth(&c, "4 ClickHouse", "clickhouse",
		    "rows (older states count until they are merged)", survey_clickhouse_rows);
	if (pipeline->has_leaderboard)
		check_board(&c);
	if (pipeline->has_http)
		check_growth(
		    &c, "6 receiver", pipeline->http->worker, "distinct events", ask_receiver);
	survey_close(c.survey);
	*ret_passed = c.passed;
	return FATE_DONE;
}

enum fate
status_run(const struct pipeline *pipeline, void (*say_line)(const char *line), bool *ret_up,
    struct err *err)
{
	struct check c = { .say = say_line, .passed = true };
	struct survey_group groups[SURVEY_GROUPS_MAX];
	enum fate fate = survey_open(pipeline, &c.survey, err);
	size_t count;

	if (fate != FATE_DONE)
		return fate;
	count = survey_groups(c.survey, groups);
	for (size_t i = 0; i < count; i++)
		if (!worker_good(&c, &groups[i]))
			c.passed = false;
	check_source(&c);
	survey_close(c.survey);
	*ret_up = c.passed;
	return FATE_DONE;
}

enum fate
top_run(const struct pipeline *pipeline, const char *board, int64_t count,
    void (*say_line)(const char *line), struct err *err)
{
	struct survey *survey = NULL;
	size_t shown;
	enum fate fate;

	if (!pipeline->has_leaderboard)
		return err_set(err, FATE_HALT, "%s has no leaderboard", pipeline->file);
	fate = survey_open(pipeline, &survey, err);
	if (fate == FATE_DONE)
		fate = board_say(survey, board ? board : pipeline->leaderboard.boards[0].key,
		    count, say_line, &shown, err);
	survey_close(survey);
	return fate;
}
