/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "engine/engine_ops.h"

struct script {
	uint64_t rows, every_ms, times, room;
	bool hang, cancel_ignored, mute;
	enum fate start, end, probe;
	char code[ERR_CODE_SIZE];
};

struct fail {
	struct script script;
	struct loop *loop;
	uint64_t asked;
	unsigned under_way;
};

struct play {
	struct fail *fail;
	struct engine_query *query;
	struct loop_timer due;
	uint64_t given;
	bool well, told;
};

static const struct script all_well = { .rows = 1 };

/* --- the script --- */

static void
word_fate(struct slice word, const char *name, enum fate *ret)
{
	size_t len = strlen(name);

	if (word.len <= len || memcmp(word.p, name, len) != 0)
		return;
	for (int f = FATE_DONE; f <= FATE_HALT; f++) {
		if (slice_eq(slice_of(word.p + len, word.len - len),
			slice_str(fate_name((enum fate)f))))
			*ret = (enum fate)f;
	}
}

static void
word_number(struct slice word, const char *name, uint64_t *ret)
{
	size_t len = strlen(name);

	if (word.len > len && memcmp(word.p, name, len) == 0)
		must(slice_u64(slice_of(word.p + len, word.len - len), ret));
}

static struct script
script_read(const char *text)
{
	struct script s = { .code = "08006" };

	while (text && *text) {
		struct slice word = slice_of(text, strcspn(text, " "));

		word_number(word, "rows=", &s.rows);
		word_number(word, "every_ms=", &s.every_ms);
		word_number(word, "times=", &s.times);
		word_number(word, "room=", &s.room);
		word_fate(word, "start=", &s.start);
		word_fate(word, "end=", &s.end);
		word_fate(word, "probe=", &s.probe);
		s.hang = s.hang || slice_eq(word, SLICE("hang"));
		s.mute = s.mute || slice_eq(word, SLICE("mute"));
		s.cancel_ignored = s.cancel_ignored || slice_eq(word, SLICE("cancel=ignored"));
		if (word.len == 10 && memcmp(word.p, "code=", 5) == 0)
			(void)snprintf(s.code, sizeof s.code, "%.5s", word.p + 5);
		text += word.len + strspn(text + word.len, " ");
	}
	return s;
}

/* --- the driver --- */

static enum fate
fail_open(const struct registry_engine *config, struct loop *loop, unsigned pool_max,
    void **ret_self, struct err *err)
{
	struct fail *f = calloc(1, sizeof *f);

	(void)pool_max, (void)err;
	must(f);
	*f = (struct fail){ .script = script_read(config->url), .loop = loop };
	*ret_self = f;
	return FATE_DONE;
}

static void
fail_close(void *self)
{
	struct fail *f = self;

	must(f->under_way == 0);
	free(f);
}

static void
play_end(struct play *p, enum fate fate, const char *code)
{
	struct engine_query *query = p->query;
	struct engine_end end = { .fate = fate, .position = -1, .affected = -1 };
	struct err err;

	if (fate != FATE_DONE)
		(void)err_code(&err, fate, code, "fail: as the script says");
	end.err = fate == FATE_DONE ? NULL : &err;
	p->fail->under_way--;
	free(p);
	engine_ended(query, &end);
}

static bool
play_row(struct play *p)
{
	size_t count = p->query->ask.column_count ? p->query->ask.column_count : 1;
	struct slice values[32];
	char text[24];

	must(count <= sizeof values / sizeof *values);
	(void)snprintf(text, sizeof text, "%llu", (unsigned long long)++p->given);
	for (size_t i = 0; i < count; i++)
		values[i] = slice_str(text);
	return engine_row(p->query, values);
}

/* A row a turn, so that whoever waits for the loop's turn can come in between. */
static void
play_on(void *ctx)
{
	struct play *p = ctx;
	const struct script *s = p->well ? &all_well : &p->fail->script;
	struct plan_column n = { .name = "n" };
	struct err err;

	if (!p->told && !s->mute)
		must(engine_columns(p->query,
			 p->query->ask.column_count ? p->query->ask.columns : &n,
			 p->query->ask.column_count ? p->query->ask.column_count : 1,
			 &err) == FATE_DONE);
	p->told = true;
	if (p->given < s->rows) {
		if (play_row(p))
			loop_timer_set(p->fail->loop, &p->due,
			    clock_mono_us() + (int64_t)s->every_ms * 1000);
	} else if (!s->hang) {
		play_end(p, s->end, s->code);
	}
}

static enum fate
fail_start(void *self, struct engine_query *query, struct err *err)
{
	struct fail *f = self;
	bool probe = query->ask.sql == engine_fail.probe;
	bool well = probe || (f->script.times && f->asked >= f->script.times);
	enum fate fate = probe ? f->script.probe : well ? FATE_DONE : f->script.start;
	struct play *p;

	if (!probe && f->script.room && f->under_way >= f->script.room)
		return err_code(err, FATE_RETRY, "53300", "fail: no room");
	f->asked += !probe;
	if (fate != FATE_DONE)
		return err_code(err, fate, f->script.code, "fail: does not start");
	p = malloc(sizeof *p);
	must(p);
	*p = (struct play){
		.fail = f, .query = query, .due = { .due = play_on, .ctx = p }, .well = well
	};
	query->driver = p;
	f->under_way++;
	loop_timer_set(f->loop, &p->due, 1);
	return FATE_DONE;
}

static void
fail_more(void *self, struct engine_query *query)
{
	struct play *p = query->driver;

	(void)self;
	play_on(p);
}

static void
fail_cancel(void *self, struct engine_query *query)
{
	struct play *p = query->driver;

	(void)self;
	if (p->fail->script.cancel_ignored && !p->well)
		return;
	loop_timer_clear(p->fail->loop, &p->due);
	play_end(p, FATE_RETRY, "57014");
}

static void
fail_abandon(void *self, struct engine_query *query)
{
	struct fail *f = self;
	struct play *p = query->driver;

	loop_timer_clear(f->loop, &p->due);
	f->under_way--;
	free(p);
}

static unsigned
fail_connections(const void *self)
{
	return ((const struct fail *)self)->under_way;
}

const struct engine_ops engine_fail = { .name = "fail",
	.open = fail_open,
	.close = fail_close,
	.start = fail_start,
	.more = fail_more,
	.cancel = fail_cancel,
	.abandon = fail_abandon,
	.probe = "probe",
	.connections = fail_connections };
