/* SPDX-License-Identifier: Apache-2.0 */
/* engine_ask -- asks one engine of a registry what lines on stdin say; answers are JSON
 * lines on stdout. The tests of the real engines drive it.
 *
 *   engine_ask REGISTRY ENGINE [POOL [QUEUE]]
 *   {"ask": "id", "sql": "...", "params": ["1", null], "write": true, "deadline_ms": 10000,
 *    "columns": ["a", "b"], "types": ["int8", 25], "pause_every": 100, "cancel_after": 5,
 *    "quiet": true}
 *   {"more": "id"}  {"cancel": "id"}  {"state": true}
 *
 * Types are names or OIDs; with fewer columns than types the others have names of their own.
 * Of an ask: {"id","columns","oids"}, {"id","row"} (not when quiet), {"id","paused": rows} and
 * {"id","end": fate, ...}, "ended_ms" after its cancel. It ends at the end of its input, once
 * nothing is under way; 2: bad arguments, 1: an engine that cannot be opened. What engine.h
 * promises of a reader's calls is asserted. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "engine/engine.h"
#include "sql/type.h"

enum { ASKS_MAX = 512, PARAMS_MAX = 64, LINE_MAX_BYTES = 1 << 20 };

struct one {
	char id[40];
	json_t *command; /* owns the texts; NULL: free */
	struct engine_query *query;
	struct slice params[PARAMS_MAX];
	struct plan_column columns[PARAMS_MAX];
	size_t column_count;
	uint64_t rows, pause_every, cancel_after;
	int64_t cancelled_us; /* when; 0: it was not */
	bool quiet, described;
};

static struct loop *loop;
static struct engine *engine;
static struct one asks[ASKS_MAX];
static struct buf out;
static bool input_over;

static void
say(void)
{
	buf_byte(&out, '\n');
	must(fwrite(out.p, 1, out.len, stdout) == out.len);
	out.len = 0;
}

static void
quote_slice(struct slice text)
{
	json_t *string = json_stringn(text.p, text.len);
	char *quoted = json_dumps(string, JSON_ENCODE_ANY);

	must(quoted); /* or it is not UTF-8 */
	buf_cstr(&out, quoted);
	free(quoted);
	json_decref(string);
}

static void
quote(const char *text)
{
	quote_slice(slice_str(text));
}

/* --- the reader --- */

static void
on_columns(void *ctx, const struct plan_column *columns, size_t count)
{
	struct one *o = ctx;

	must(o->command && !o->described);
	o->described = true;
	o->column_count = count;
	buf_cstr(&out, "{\"id\":");
	quote(o->id);
	buf_cstr(&out, ",\"columns\":[");
	for (size_t i = 0; i < count; i++) {
		buf_cstr(&out, i ? "," : "");
		quote(columns[i].name);
	}
	buf_cstr(&out, "],\"oids\":[");
	for (size_t i = 0; i < count; i++)
		buf_printf(&out, "%s%u", i ? "," : "", columns[i].type.oid);
	buf_cstr(&out, "]}");
	say();
}

static void
print_row(struct one *o, const struct slice *values)
{
	buf_cstr(&out, "{\"id\":");
	quote(o->id);
	buf_cstr(&out, ",\"row\":[");
	for (size_t i = 0; i < o->column_count; i++) {
		buf_cstr(&out, i ? "," : "");
		if (values[i].p)
			quote_slice(values[i]);
		else
			buf_cstr(&out, "null");
	}
	buf_cstr(&out, "]}");
	say();
}

static void
cancel(struct one *o)
{
	o->cancelled_us = clock_mono_us();
	engine_cancel(o->query);
}

static bool
on_row(void *ctx, const struct slice *values)
{
	struct one *o = ctx;

	must(o->command && o->described && o->cancelled_us == 0);
	o->rows++;
	if (!o->quiet)
		print_row(o, values);
	if (o->rows == o->cancel_after)
		cancel(o);
	if (!o->pause_every || o->rows % o->pause_every)
		return true;
	buf_cstr(&out, "{\"id\":");
	quote(o->id);
	buf_printf(&out, ",\"paused\":%llu}", (unsigned long long)o->rows);
	say();
	return false;
}

static void
print_end(const struct one *o, const struct engine_end *end)
{
	buf_cstr(&out, "{\"id\":");
	quote(o->id);
	buf_printf(&out,
	    ",\"end\":\"%s\",\"rows\":%llu,\"affected\":%lld,\"lsn\":%llu,\"position\":%ld,"
	    "\"unknown\":%s,\"elapsed_us\":%lld,\"cpu_s\":%g,\"bytes_read\":%llu",
	    fate_name(end->fate), (unsigned long long)end->rows, (long long)end->affected,
	    (unsigned long long)end->lsn, end->position,
	    end->outcome_unknown ? "true" : "false", (long long)end->elapsed_us, end->cpu_s,
	    (unsigned long long)end->bytes_read);
	if (o->cancelled_us)
		buf_printf(&out, ",\"ended_ms\":%lld",
		    (long long)(clock_mono_us() - o->cancelled_us) / 1000);
	if (end->err) {
		buf_cstr(&out, ",\"code\":");
		quote(end->err->code);
		buf_cstr(&out, ",\"what\":");
		quote(end->err->what);
	}
	buf_byte(&out, '}');
	say();
}

static void
on_end(void *ctx, const struct engine_end *end)
{
	struct one *o = ctx;

	must(o->command && end->rows == o->rows && (end->fate == FATE_DONE) == !end->err);
	print_end(o, end);
	json_decref(o->command);
	o->command = NULL;
}

static const struct engine_reader reader = { on_columns, on_row, on_end };

/* --- commands --- */

static size_t
texts(const json_t *array, struct slice *ret)
{
	size_t count = json_array_size(array);

	must(count <= PARAMS_MAX);
	for (size_t i = 0; i < count; i++) {
		const json_t *item = json_array_get(array, i);

		ret[i] = json_is_string(item)
			     ? slice_of(json_string_value(item), json_string_length(item))
			     : slice_of(NULL, 0);
	}
	return count;
}

static struct one *
find(const char *id)
{
	for (size_t i = 0; i < ASKS_MAX; i++) {
		if (asks[i].command && strcmp(asks[i].id, id) == 0)
			return &asks[i];
	}
	return NULL;
}

static struct one *
unused(void)
{
	for (size_t i = 0; i < ASKS_MAX; i++) {
		if (asks[i].command == NULL)
			return &asks[i];
	}
	never("too many asks");
}

static uint64_t
number(const json_t *command, const char *name, uint64_t otherwise)
{
	const json_t *n = json_object_get(command, name);

	return n ? (uint64_t)json_integer_value(n) : otherwise;
}

/* "float8" or 701; NULL: text */
static struct pgtype
type_of(const json_t *type)
{
	unsigned oid = (unsigned)json_integer_value(type);
	const struct sql_type *t;

	if (oid)
		return (
		    struct pgtype){ .kind = type_kind_of_oid(oid), .oid = oid, .typmod = -1 };
	t = sql_type_of_name(type ? json_string_value(type) : "text");
	must(t);
	return sql_type_plain(t->kind);
}

/* How many. */
static size_t
columns_of(const json_t *command, struct plan_column *ret)
{
	const json_t *names = json_object_get(command, "columns");
	const json_t *types = json_object_get(command, "types");
	size_t named = json_array_size(names), typed = json_array_size(types);
	size_t count = named > typed ? named : typed;

	must(count <= PARAMS_MAX);
	for (size_t i = 0; i < count; i++)
		ret[i] = (struct plan_column){
			.name = i < named ? json_string_value(json_array_get(names, i)) : "c",
			.type = type_of(json_array_get(types, i))
		};
	return count;
}

static void
do_ask(json_t *command)
{
	struct one *o = unused();
	struct engine_end end = { .position = -1, .affected = -1 };
	struct engine_ask ask = { .sql = json_string_value(json_object_get(command, "sql")),
		.params = o->params,
		.columns = o->columns,
		.access = json_is_true(json_object_get(command, "write")) ? ENGINE_WRITE
									  : ENGINE_READ,
		.deadline_us =
		    clock_mono_us() + (int64_t)number(command, "deadline_ms", 60000) * 1000,
		.id = o->id,
		.reader = &reader,
		.ctx = o };
	struct err err;

	*o = (struct one){ .command = json_incref(command),
		.pause_every = number(command, "pause_every", 0),
		.cancel_after = number(command, "cancel_after", 0),
		.quiet = json_is_true(json_object_get(command, "quiet")) };
	(void)snprintf(
	    o->id, sizeof o->id, "%s", json_string_value(json_object_get(command, "ask")));
	ask.param_count = texts(json_object_get(command, "params"), o->params);
	ask.column_count = columns_of(command, o->columns);
	end.fate = engine_ask(engine, &ask, &o->query, &err);
	end.err = &err;
	if (end.fate != FATE_DONE)
		on_end(o, &end);
}

static void
do_state(void)
{
	struct engine_state s;

	engine_state(engine, &s);
	buf_printf(&out,
	    "{\"state\":{\"down\":%s,\"breaker_open\":%s,\"connections\":%u,\"under_way\":%u,"
	    "\"waiting\":%u,\"asked\":%llu,\"failed\":%llu,\"cancelled\":%llu,\"probe_us\":%"
	    "lld,"
	    "\"trouble\":",
	    s.down ? "true" : "false", s.breaker_open ? "true" : "false", s.connections,
	    s.under_way, s.waiting, (unsigned long long)s.asked, (unsigned long long)s.failed,
	    (unsigned long long)s.cancelled, (long long)s.probe_us);
	quote(s.trouble);
	buf_cstr(&out, "}}");
	say();
}

static void
do_command(struct slice line)
{
	json_error_t why;
	json_t *c = json_loadb(line.p, line.len, JSON_ALLOW_NUL, &why);
	const char *more = json_string_value(json_object_get(c, "more"));
	const char *cancelled = json_string_value(json_object_get(c, "cancel"));

	must(c);
	if (json_object_get(c, "ask"))
		do_ask(c);
	else if (json_object_get(c, "state"))
		do_state();
	else if (more && find(more))
		engine_more(find(more)->query);
	else if (cancelled && find(cancelled))
		cancel(find(cancelled));
	json_decref(c);
}

static void
on_input(void *ctx, unsigned events)
{
	static char line[LINE_MAX_BYTES];
	static size_t len;
	ssize_t n = read(STDIN_FILENO, line + len, sizeof line - len);
	char *end;

	(void)events;
	if (n <= 0) {
		input_over = true;
		loop_unwatch(loop, ctx);
		return;
	}
	len += (size_t)n;
	while ((end = memchr(line, '\n', len))) {
		do_command(slice_of(line, (size_t)(end - line)));
		len -= (size_t)(end + 1 - line);
		memmove(line, end + 1, len);
	}
}

static bool
busy(void)
{
	for (size_t i = 0; i < ASKS_MAX; i++) {
		if (asks[i].command)
			return true;
	}
	return false;
}

int
main(int argc, char **argv)
{
	struct engine_options options = { 0 };
	struct loop_watch input = { .fd = STDIN_FILENO, .ready = on_input };
	struct registry *registry;
	struct err err = { .what = "no such engine" };
	int at;

	if (argc < 3 || registry_read(argv[1], &registry, &err) != FATE_DONE ||
	    (at = registry_engine(registry, argv[2])) == ENGINE_NONE) {
		(void)fprintf(
		    stderr, "engine_ask REGISTRY ENGINE: %s\n", argc < 3 ? "" : err.what);
		return 2;
	}
	options.pool_max = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
	options.queue_max = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;
	input.ctx = &input;
	must(loop_new(&loop, &err) == FATE_DONE);
	if (engine_open(&registry->engines[at], &options, loop, &engine, &err) != FATE_DONE ||
	    loop_watch(loop, &input, LOOP_READ, &err) != FATE_DONE) {
		(void)fprintf(stderr, "engine_ask: %s\n", err.what);
		return 1;
	}
	while (!input_over || busy()) {
		loop_run(loop, 1000);
		must(fflush(stdout) == 0);
	}
	engine_close(engine);
	loop_free(loop);
	registry_free(registry);
	buf_finish(&out);
	return 0;
}
