/* SPDX-License-Identifier: Apache-2.0 */
/* event.h -- the stream of engagement events that the benches are run on.
 *
 * Debezium 3.3's exact shape without schemas, REPLICA IDENTITY FULL: 97 % inserts, 2 %
 * updates, 1 % deletes of earlier ids; contents by Zipf's law over 10,000 of them, and
 * one event in a hundred names one that is not there. Each row is a function of its id
 * and version, so that `before` needs no memory of the text. No stream is random twice:
 * the same first id gives the same bytes. */
#ifndef BENCH_EVENT_H
#define BENCH_EVENT_H

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/must.h"

enum { EVENT_CONTENTS = 10000, EVENT_GONE = 255 };

struct event_stream {
	uint64_t dice;
	uint32_t first, ids;   /* ids are first + 1 ... first + ids */
	uint8_t *versions;     /* of each id; EVENT_GONE: deleted */
	double *zipf;          /* cumulative */
	int64_t count;         /* events so far */
	struct buf key, value; /* of the last event */
	bool is_delete;        /* a tombstone of the same key follows */
};

static inline uint64_t
event_mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static inline double
event_fraction(uint64_t x)
{
	return (double)(x >> 11) / 9007199254740992.0;
}

static inline void
event_stream_init(struct event_stream *s, uint32_t first, size_t count_max)
{
	double sum = 0;

	*s = (struct event_stream){ .first = first, .dice = first + 1 };
	s->versions = calloc(count_max + 1, 1);
	s->zipf = calloc(EVENT_CONTENTS, sizeof *s->zipf);
	must(s->versions && s->zipf);
	for (int i = 0; i < EVENT_CONTENTS; i++)
		s->zipf[i] = sum += 1 / pow(i + 1, 1.1);
	for (int i = 0; i < EVENT_CONTENTS; i++)
		s->zipf[i] /= sum;
}

static inline void
event_stream_finish(struct event_stream *s)
{
	free(s->versions);
	free(s->zipf);
	buf_finish(&s->key);
	buf_finish(&s->value);
}

static inline unsigned
event_content(const struct event_stream *s, double fraction)
{
	unsigned low = 0, high = EVENT_CONTENTS - 1;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (s->zipf[middle] < fraction)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* contents.sql makes the same ids. */
static inline void
event_row(struct event_stream *s, uint32_t id, uint8_t version)
{
	static const char *const types[] = { "play", "pause", "finish", "click" };
	static const char *const devices[] = { "ios", "android", "web-safari", "web-chrome" };
	uint64_t h = event_mix((uint64_t)id << 8 | version), g = event_mix(h);
	unsigned content = event_content(s, event_fraction(h));
	char duration[16] = "null";

	if (g % 50 != 0)
		(void)snprintf(duration, sizeof duration, "%u", (unsigned)(g >> 8) % 3600000);
	buf_printf(&s->value,
	    "{\"id\":%" PRIu32 ",\"content_id\":\"%08x-%s-4000-8000-%012x\",\"user_id\":\""
	    "%08x-0b1c-4d2e-9f3a-5b6c%08x\",\"event_type\":\"%s\",\"event_ts\":\"2026-11-21T"
	    "%02u:%02u:%02u.%06uZ\",\"duration_ms\":%s,\"device\":\"%s\",\"raw_payload\":\""
	    "{\\\"a\\\": %u}\"}",
	    id, content * 2654435761u, g % 100 == 7 ? "dead" : "c0de",
	    g % 100 == 7 ? id : content, (unsigned)(g >> 20) % 100000 * 40503u,
	    (unsigned)(g >> 20) % 100000, types[h & 3], id / 3600000 % 24, id / 60000 % 60,
	    id / 1000 % 60, id % 1000 * 1000 + version, duration, devices[h >> 2 & 3], id);
}

static inline void
event_images(struct event_stream *s, uint32_t k, char op)
{
	uint32_t id = s->first + k;

	buf_cstr(&s->value, "{\"before\":");
	if (op == 'c')
		buf_cstr(&s->value, "null");
	else
		event_row(s, id, s->versions[k]++);
	buf_cstr(&s->value, ",\"after\":");
	if (op == 'd') {
		buf_cstr(&s->value, "null");
		s->versions[k] = EVENT_GONE;
	} else {
		event_row(s, id, s->versions[k]);
	}
}

static inline void
event_next(struct event_stream *s)
{
	double which = event_fraction(event_mix(++s->dice * 0x9e3779b97f4a7c15u));
	char op = which < 0.97 || s->ids < 1000 ? 'c' : which < 0.99 ? 'u' : 'd';
	int64_t i = s->first + s->count++;
	int64_t lsn = 22325896 + i * 208, ms = 1795250923069 + i / 100;
	int64_t us = ms * 1000 + i % 1000;
	uint32_t k;

	if (op == 'c') {
		k = ++s->ids;
	} else {
		do
			k = (uint32_t)(event_mix(++s->dice) % s->ids) + 1;
		while (s->versions[k] >= EVENT_GONE - 1);
	}
	s->key.len = s->value.len = 0;
	s->is_delete = op == 'd';
	buf_printf(&s->key, "{\"id\":%" PRIu32 "}", s->first + k);
	event_images(s, k, op);
	buf_printf(&s->value,
	    ",\"source\":{\"version\":\"3.3.1.Final\",\"connector\":\"postgresql\",\"name\":"
	    "\"bench\",\"ts_ms\":%" PRId64 ",\"snapshot\":\"false\",\"db\":\"app\","
	    "\"sequence\":\"[\\\"%" PRId64 "\\\",\\\"%" PRId64 "\\\"]\",\"ts_us\":%" PRId64
	    ",\"ts_ns\":%" PRId64 ",\"schema\":\"public\",\"table\":\"engagement_events\","
	    "\"txId\":%" PRId64 ",\"lsn\":%" PRId64 ",\"xmin\":null},\"transaction\":null,",
	    ms, lsn - 104, lsn, us, us * 1000, 730 + i / 50, lsn);
	buf_printf(&s->value,
	    "\"op\":\"%c\",\"ts_ms\":%" PRId64 ",\"ts_us\":%" PRId64 ",\"ts_ns\":%" PRId64 "}",
	    op, ms + 305, us + 305000, us * 1000 + 305000000);
}

#endif
