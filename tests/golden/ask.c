/* SPDX-License-Identifier: Apache-2.0 */
/* ask -- puts statements to one engine of a registry through its driver.
 *
 *   ask REGISTRY.yaml ENGINE < asks
 * An ask is a line of JSON: {"sql", "params": [text or null], "types": [oid, ...] (of the
 * results; without them the engine's own), "write", "deadline_ms" (30000), "cancel_after"
 * (rows), "cancel_ms", "pause_every" (rows), "pause_ms", "quiet" (rows are counted only)}.
 * The answer is a line: {"columns": [[name, oid], ...], "rows": [[text or null, ...]],
 * "count", "fate", "code", "what", "cpu_s", "bytes_read", "elapsed_us", "ended_ms" (after
 * the cancel), "peak_mb", "state": {"down", "breaker", "under_way", "connections"}}. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/must.h"
#include "engine/engine_ops.h"

struct asked {
	struct loop *loop;
	struct engine *engine;
	struct engine_query *query;
	json_t *columns, *rows, *answer;
	size_t column_count;
	int64_t count, cancel_after, pause_every, pause_ms, cancelled_us;
	bool quiet, ended;
	struct loop_timer resume, cancel;
};

static int64_t
number(json_t *ask, const char *name, int64_t otherwise)
{
	json_t *v = json_object_get(ask, name);

	return v ? json_integer_value(v) : otherwise;
}

static void
see_columns(void *ctx, const struct plan_column *columns, size_t count)
{
	struct asked *a = ctx;

	must(!a->columns);
	a->columns = json_array();
	a->column_count = count;
	for (size_t i = 0; i < count; i++)
		must(json_array_append_new(a->columns,
			 json_pack("[s, i]", columns[i].name, (int)columns[i].type.oid)) == 0);
}

static void
resume(void *ctx)
{
	struct asked *a = ctx;

	engine_more(a->query);
}

static void
cancel(void *ctx)
{
	struct asked *a = ctx;

	a->cancelled_us = clock_mono_us();
	engine_cancel(a->query);
}

static bool
see_row(void *ctx, const struct slice *values)
{
	struct asked *a = ctx;
	json_t *row = a->quiet ? NULL : json_array();

	must(a->columns && !a->ended && !a->cancelled_us && a->resume.at_us == 0);
	for (size_t i = 0; row && i < a->column_count; i++) {
		json_t *cell =
		    values[i].p ? json_stringn(values[i].p, values[i].len) : json_null();

		must(cell && json_array_append_new(row, cell) == 0);
	}
	if (row)
		must(json_array_append_new(a->rows, row) == 0);
	a->count++;
	if (a->count == a->cancel_after)
		cancel(a);
	if (!a->pause_every || a->count % a->pause_every)
		return true;
	loop_timer_set(a->loop, &a->resume, clock_mono_us() + a->pause_ms * 1000);
	return false;
}

static void
see_end(void *ctx, const struct engine_end *end)
{
	struct asked *a = ctx;
	struct rusage usage;

	must(!a->ended && (int64_t)end->rows == a->count &&
	     (end->fate == FATE_DONE) == (end->err == NULL));
	must(getrusage(RUSAGE_SELF, &usage) == 0);
	a->ended = true;
	a->answer = json_pack("{s:s, s:s, s:s, s:f, s:I, s:I, s:i, s:I, s:I, s:b}", "fate",
	    fate_name(end->fate), "code", end->err ? end->err->code : "", "what",
	    end->err ? end->err->what : "", "cpu_s", end->cpu_s, "bytes_read",
	    (json_int_t)end->bytes_read, "elapsed_us", (json_int_t)end->elapsed_us, "position",
	    (int)end->position, "affected", (json_int_t)end->affected, "peak_mb",
	    (json_int_t)usage.ru_maxrss / 1024, "unknown", (int)end->outcome_unknown);
	must(a->answer);
	if (a->cancelled_us)
		must(json_object_set_new(a->answer, "ended_ms",
			 json_integer((clock_mono_us() - a->cancelled_us) / 1000)) == 0);
}

static const struct engine_reader reader = { see_columns, see_row, see_end };

static void
finish(struct asked *a)
{
	struct engine_state state;

	loop_timer_clear(a->loop, &a->resume);
	loop_timer_clear(a->loop, &a->cancel);
	engine_state(a->engine, &state);
	must(json_object_set_new(a->answer, "columns", a->columns ? a->columns : json_null()) ==
		 0 &&
	     json_object_set_new(a->answer, "rows", a->rows) == 0 &&
	     json_object_set_new(a->answer, "count", json_integer(a->count)) == 0 &&
	     json_object_set_new(a->answer, "state",
		 json_pack("{s:b, s:b, s:i, s:i}", "down", state.down, "breaker",
		     state.breaker_open, "under_way", (int)state.under_way, "connections",
		     (int)state.connections)) == 0);
	must(json_dumpf(a->answer, stdout, JSON_COMPACT) == 0);
	must(putchar('\n') != EOF && fflush(stdout) == 0);
	json_decref(a->answer);
}

static size_t
texts(json_t *list, struct slice **ret)
{
	size_t count = json_array_size(list);

	*ret = calloc(count + 1, sizeof **ret);
	must(*ret);
	for (size_t i = 0; i < count; i++) {
		json_t *v = json_array_get(list, i);

		if (json_is_string(v))
			(*ret)[i] = slice_of(json_string_value(v), json_string_length(v));
	}
	return count;
}

static size_t
types(json_t *list, struct plan_column **ret)
{
	size_t count = json_array_size(list);

	*ret = calloc(count + 1, sizeof **ret);
	must(*ret);
	for (size_t i = 0; i < count; i++) {
		unsigned oid = (unsigned)json_integer_value(json_array_get(list, i));

		(*ret)[i] = (struct plan_column){ .name = "c",
			.type = { .kind = type_kind_of_oid(oid), .oid = oid, .typmod = -1 } };
	}
	return count;
}

static void
ask_one(struct loop *loop, struct engine *engine, json_t *line)
{
	struct asked a = { .loop = loop, .engine = engine, .rows = json_array() };
	struct slice *params;
	struct plan_column *columns;
	struct engine_ask ask = { .sql = json_string_value(json_object_get(line, "sql")),
		.param_count = texts(json_object_get(line, "params"), &params),
		.column_count = types(json_object_get(line, "types"), &columns),
		.access =
		    json_is_true(json_object_get(line, "write")) ? ENGINE_WRITE : ENGINE_READ,
		.deadline_us = clock_mono_us() + number(line, "deadline_ms", 30000) * 1000,
		.id = "test-ask",
		.reader = &reader,
		.ctx = &a };
	struct err err;

	must(ask.sql);
	ask.params = params;
	ask.columns = columns;
	a.cancel_after = number(line, "cancel_after", 0);
	a.pause_every = number(line, "pause_every", 0);
	a.pause_ms = number(line, "pause_ms", 1);
	a.quiet = json_is_true(json_object_get(line, "quiet"));
	a.resume = (struct loop_timer){ .due = resume, .ctx = &a };
	a.cancel = (struct loop_timer){ .due = cancel, .ctx = &a };
	if (engine_ask(engine, &ask, &a.query, &err) != FATE_DONE) {
		struct engine_end end = { .fate = err.fate, .err = &err, .position = -1 };

		see_end(&a, &end);
	} else if (json_object_get(line, "cancel_ms")) {
		loop_timer_set(
		    loop, &a.cancel, clock_mono_us() + number(line, "cancel_ms", 0) * 1000 + 1);
	}
	while (!a.ended)
		loop_run(loop, 1000);
	finish(&a);
	free(params);
	free(columns);
}

int
main(int argc, char **argv)
{
	struct registry *registry;
	struct loop *loop;
	struct engine *engine;
	struct err err;
	char *line = NULL;
	size_t size = 0;
	int at;

	if (argc != 3 || registry_read(argv[1], &registry, &err) != FATE_DONE) {
		(void)fprintf(
		    stderr, "%s\n", argc != 3 ? "usage: ask REGISTRY.yaml ENGINE" : err.what);
		return 2;
	}
	at = registry_engine(registry, argv[2]);
	must(at != ENGINE_NONE && loop_new(&loop, &err) == FATE_DONE);
	if (engine_open(&registry->engines[at], NULL, loop, &engine, &err) != FATE_DONE) {
		(void)fprintf(stderr, "%s\n", err.what);
		return 1;
	}
	while (getline(&line, &size, stdin) > 0) {
		json_t *ask = json_loads(line, 0, NULL);

		must(ask);
		ask_one(loop, engine, ask);
		json_decref(ask);
	}
	engine_close(engine);
	loop_free(loop);
	registry_free(registry);
	free(line);
	return 0;
}
