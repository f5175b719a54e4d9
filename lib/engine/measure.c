/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/measure.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"

/* --- likeness: a hash over the tokens that are no constants --- */

struct hasher {
	uint64_t hash;
	bool constant; /* the last token was one */
	bool comma;    /* and a comma after it, not yet hashed */
};

static void
mix(struct hasher *h, unsigned char c)
{
	h->hash = (h->hash ^ c) * 1099511628211u;
}

static void
settle(struct hasher *h)
{
	if (h->comma)
		mix(h, ',');
	h->comma = h->constant = false;
}

/* A constant after a constant and a comma is of the same list. */
static void
constant(struct hasher *h)
{
	if (!h->comma) {
		settle(h);
		mix(h, '?');
		mix(h, 0);
	}
	h->comma = false;
	h->constant = true;
}

/* Past the closing quote, doubled ones inside; backslashes count where the text says E. */
static size_t
quoted(struct slice s, size_t at, bool backslashes)
{
	char quote = s.p[at++];

	for (; at < s.len; at++) {
		if (s.p[at] == '\\' && backslashes)
			at++;
		else if (s.p[at] == quote && (at + 1 >= s.len || s.p[at + 1] != quote))
			return at + 1;
		else if (s.p[at] == quote)
			at++;
	}
	return s.len;
}

/* $tag$ ... $tag$, from its first $; 0: it is none. */
static size_t
dollar_quoted(struct slice s, size_t at)
{
	size_t tag = 1;
	const char *end;

	while (
	    at + tag < s.len && (isalnum((unsigned char)s.p[at + tag]) || s.p[at + tag] == '_'))
		tag++;
	if (at + tag >= s.len || s.p[at + tag] != '$' || isdigit((unsigned char)s.p[at + 1]))
		return 0;
	tag++;
	end = memmem(s.p + at + tag, s.len - at - tag, s.p + at, tag);
	return end ? (size_t)(end - s.p) + tag : s.len;
}

/* Comments nest. */
static size_t
comment(struct slice s, size_t at)
{
	size_t depth = 0;

	if (s.p[at] == '-') {
		const char *line = memchr(s.p + at, '\n', s.len - at);

		return line ? (size_t)(line - s.p) : s.len;
	}
	for (; at + 1 < s.len; at++) {
		bool opens = s.p[at] == '/' && s.p[at + 1] == '*';
		bool closes = s.p[at] == '*' && s.p[at + 1] == '/';

		at += opens || closes;
		depth += opens;
		depth -= closes;
		if (closes && depth == 0)
			return at + 1;
	}
	return s.len;
}

static bool
is_word(unsigned char c)
{
	return isalnum(c) || c == '_' || c >= 0x80;
}

static size_t
word(struct hasher *h, struct slice s, size_t at)
{
	settle(h);
	for (; at < s.len && (is_word((unsigned char)s.p[at]) || s.p[at] == '$'); at++)
		mix(h, (unsigned char)tolower((unsigned char)s.p[at]));
	mix(h, 0);
	return at;
}

static size_t
number(struct slice s, size_t at)
{
	while (at < s.len &&
	       (is_word((unsigned char)s.p[at]) || s.p[at] == '.' ||
		   ((s.p[at] == '+' || s.p[at] == '-') && (s.p[at - 1] | 32) == 'e')))
		at++;
	return at;
}

static size_t
token(struct hasher *h, struct slice s, size_t at)
{
	unsigned char c = (unsigned char)s.p[at];
	unsigned char next = at + 1 < s.len ? (unsigned char)s.p[at + 1] : 0;
	size_t end;

	if (isspace(c))
		return at + 1;
	if ((c == '-' && next == '-') || (c == '/' && next == '*'))
		return comment(s, at);
	if (c == '\'' || (next == '\'' && strchr("eEbBxXnN", c))) {
		constant(h);
		return quoted(s, at + (c != '\''), (c | 32) == 'e');
	}
	if (isdigit(c) || (c == '.' && isdigit(next)) || (c == '$' && isdigit(next))) {
		constant(h);
		return number(s, at + (c == '$'));
	}
	if (c == '$' && (end = dollar_quoted(s, at)) != 0) {
		constant(h);
		return end;
	}
	if (is_word(c))
		return word(h, s, at);
	if (c == ',' && h->constant && !h->comma) {
		h->comma = true;
		return at + 1;
	}
	settle(h);
	end = c == '"' ? quoted(s, at, false) : at + 1;
	while (at < end)
		mix(h, (unsigned char)s.p[at++]);
	return end;
}

uint64_t
measure_likeness(struct slice sql)
{
	struct hasher h = { .hash = 14695981039346656037u };

	while (sql.len &&
	       (isspace((unsigned char)sql.p[sql.len - 1]) || sql.p[sql.len - 1] == ';'))
		sql.len--;
	for (size_t at = 0; at < sql.len;)
		at = token(&h, sql, at);
	settle(&h);
	h.hash ^= h.hash >> 32;
	return h.hash ? h.hash : 1;
}

/* --- the table --- */

enum { WAYS = 4, SETS = MEASURE_TEXTS / WAYS };

struct average {
	uint32_t count;
	int64_t at_us; /* of the last one */
	double ms, cost;
};

struct entry {
	uint64_t likeness; /* 0: free */
	uint64_t used;
	struct average by_engine[REGISTRY_ENGINES_MAX];
};

struct measure {
	uint64_t adds;
	struct entry entries[SETS][WAYS];
};

struct measure *
measure_new(void)
{
	struct measure *m = calloc(1, sizeof *m);

	must(m);
	return m;
}

void
measure_free(struct measure *measure)
{
	free(measure);
}

double
measure_cost(const struct registry_engine *config, const struct engine_end *end)
{
	double s = end->cpu_s > 0 ? end->cpu_s : (double)end->busy_us / 1e6;

	return config->price_cpu_s * s + config->price_gb_read * (double)end->bytes_read / 1e9;
}

static struct entry *
entry_of(struct measure *m, uint64_t likeness)
{
	struct entry *set = m->entries[likeness % SETS], *oldest = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].likeness == likeness)
			return &set[i];
		if (set[i].used < oldest->used)
			oldest = &set[i];
	}
	*oldest = (struct entry){ .likeness = likeness };
	return oldest;
}

/* The mean of the first five, then a fifth of what is new. */
void
measure_add(struct measure *measure, uint64_t likeness, const struct registry_engine *config,
    int engine, const struct engine_end *end, int64_t now_us)
{
	struct entry *entry = entry_of(measure, likeness);
	struct average *a = &entry->by_engine[engine];
	double part;

	entry->used = ++measure->adds;
	if (now_us - a->at_us > MEASURE_OLD_US)
		*a = (struct average){ 0 };
	a->at_us = now_us;
	a->count += a->count < 5;
	part = 1.0 / a->count;
	a->ms += part * ((double)end->busy_us / 1000 - a->ms);
	a->cost += part * (measure_cost(config, end) - a->cost);
}

bool
measure_get(const struct measure *measure, uint64_t likeness, int engine, int64_t now_us,
    double *ret_ms, double *ret_cost)
{
	const struct entry *set = measure->entries[likeness % SETS];

	for (size_t i = 0; i < WAYS; i++) {
		const struct average *a = &set[i].by_engine[engine];

		if (set[i].likeness != likeness || a->count == 0 ||
		    now_us - a->at_us > MEASURE_OLD_US)
			continue;
		*ret_ms = a->ms;
		*ret_cost = a->cost;
		return true;
	}
	return false;
}
