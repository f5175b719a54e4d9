/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/dlq_select.h"

#include <inttypes.h>
#include <string.h>

#include "base/options.h"
#include "wire/timestamp.h"

/* --- workers --- */

/* One name after the other; NULL behind the last. */
static const char *
worker_name(const struct pipeline *p, size_t i)
{
	const char *names[3 + PIPELINE_HTTP_MAX];
	size_t count = 0;

	if (p->has_enrich)
		names[count++] = "enrich";
	if (p->has_clickhouse)
		names[count++] = "clickhouse";
	if (p->has_leaderboard)
		names[count++] = "leaderboard";
	for (size_t n = 0; n < p->http_count; n++)
		names[count++] = p->http[n].worker;
	return i < count ? names[i] : NULL;
}

enum fate
dlq_select_worker(struct dlq_select *select, const struct pipeline *pipeline,
    const char *worker, struct err *err)
{
	struct buf names = { 0 };

	for (size_t i = 0; worker_name(pipeline, i); i++) {
		if (strcmp(worker_name(pipeline, i), worker) == 0) {
			select->worker = worker;
			buf_finish(&names);
			return FATE_DONE;
		}
		buf_printf(&names, "%s%s", i ? ", " : "", worker_name(pipeline, i));
	}
	err_set(err, FATE_HALT, "pipeline %s has no worker %s, but %s", pipeline->name, worker,
	    buf_str(&names));
	buf_finish(&names);
	return FATE_HALT;
}

/* --- times --- */

enum fate
dlq_select_since(struct dlq_select *select, const char *text, int64_t now_ms, struct err *err)
{
	struct err why = { 0 };
	int64_t us = 0, ms = 0;

	if (duration_parse(text, &ms)) {
		select->since_ms = now_ms > ms ? now_ms - ms : 1;
		return FATE_DONE;
	}
	if (timestamptz_parse(slice_str(text), &us, &why) != FATE_DONE || us <= 0 ||
	    us == TIME_INFINITY)
		return err_set(err, FATE_HALT,
		    "--since takes a duration (90s, 2h, 7d: so long ago) or a time "
		    "(2026-11-30T19:00:00Z), not %s",
		    text);
	select->since_ms = us / 1000;
	return FATE_DONE;
}

/* --- places --- */

static enum fate
malformed(struct slice text, struct err *err)
{
	return err_set(err, FATE_HALT,
	    "a place is PARTITION:OFFSET, as sluicectl dlq list prints it (0:17, and in a list "
	    "0:17,0:19-23), not %.*s",
	    SLICE_ARG(text));
}

/* P:O or P:O-O. */
static enum fate
range_read(struct slice text, struct dlq_range *ret, struct err *err)
{
	const char *colon = text.len ? memchr(text.p, ':', text.len) : NULL;
	struct slice first, last;
	const char *dash;
	int64_t partition;

	if (!colon)
		return malformed(text, err);
	first = slice_of(colon + 1, (size_t)(text.p + text.len - colon - 1));
	dash = first.len ? memchr(first.p, '-', first.len) : NULL;
	last = first;
	if (dash) {
		last = slice_of(dash + 1, (size_t)(first.p + first.len - dash - 1));
		first.len = (size_t)(dash - first.p);
	}
	if (!slice_i64(slice_of(text.p, (size_t)(colon - text.p)), &partition) ||
	    !slice_i64(first, &ret->first) || !slice_i64(last, &ret->last) || partition < 0 ||
	    partition > INT32_MAX || ret->first < 0 || ret->last < ret->first)
		return malformed(text, err);
	ret->partition = (int32_t)partition;
	return FATE_DONE;
}

enum fate
dlq_select_offsets(struct dlq_select *select, const char *text, struct err *err)
{
	for (;;) {
		size_t len = strcspn(text, ",");
		enum fate fate;

		if (select->range_count == DLQ_RANGES_MAX)
			return err_set(
			    err, FATE_HALT, "--offset takes %d ranges at most", DLQ_RANGES_MAX);
		fate =
		    range_read(slice_of(text, len), &select->ranges[select->range_count], err);
		if (fate != FATE_DONE)
			return fate;
		select->range_count++;
		if (text[len] == '\0')
			return FATE_DONE;
		text += len + 1;
	}
}

enum fate
dlq_place(const char *text, int32_t *ret_partition, int64_t *ret_offset, struct err *err)
{
	struct dlq_range range = { 0 };
	enum fate fate = range_read(slice_str(text), &range, err);

	if (fate != FATE_DONE)
		return fate;
	if (range.first != range.last)
		return malformed(slice_str(text), err);
	*ret_partition = range.partition;
	*ret_offset = range.first;
	return FATE_DONE;
}

/* --- the question --- */

static bool
class_is(const char *class, const struct letter *letter)
{
	struct slice said = slice_str(class), state;

	if (slice_eq(said, letter->class))
		return true;
	if (!letter->sqlstate.len)
		return false;
	if (slice_eq(said, letter->sqlstate))
		return true;
	if (said.len != letter->class.len + 1 + letter->sqlstate.len ||
	    said.p[letter->class.len] != '/')
		return false;
	state = slice_of(said.p + letter->class.len + 1, letter->sqlstate.len);
	return slice_eq(slice_of(said.p, letter->class.len), letter->class) &&
	       slice_eq(state, letter->sqlstate);
}

static bool
place_is(const struct dlq_select *select, const struct letter *letter)
{
	for (size_t i = 0; i < select->range_count; i++)
		if (select->ranges[i].partition == letter->partition &&
		    letter->offset >= select->ranges[i].first &&
		    letter->offset <= select->ranges[i].last)
			return true;
	return select->range_count == 0;
}

bool
dlq_selects(const struct dlq_select *select, const struct letter *letter)
{
	return (!select->worker || slice_eq(slice_str(select->worker), letter->worker)) &&
	       (!select->class || class_is(select->class, letter)) &&
	       letter->when_ms >= select->since_ms && place_is(select, letter);
}
