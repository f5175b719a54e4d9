/* SPDX-License-Identifier: Apache-2.0 */
/* engine_ask -- asks one engine of a registry what lines on stdin say; answers are JSON
 * lines on stdout. The tests of the real engines drive it.
 *
 *   engine_ask REGISTRY ENGINE [POOL [QUEUE]]
 *   {"ask": "id", "sql": "...", "params": ["1", null], "write": true, "deadline_ms": 10000,
 *    "columns": ["a", "b"], "types": ["int8", "text"], "pause_every": 100, "cancel_after": 5,
 * "quiet": true}
 *   {"more": "id"}  {"cancel": "id"}  {"state": true}
 *   {"bench": "sql", "params": [], "clients": 1, "count": 1000}
 *
 * Of an ask: {"id","columns"}, {"id","row"} (not when quiet), {"id","paused": rows} and
 * {"id","end": fate, ...}. It ends at the end of its input, once nothing is under way. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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
	bool quiet;
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
	(void)fflush(stdout);
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

static bool
on_row(void *ctx, const struct slice *values)
{
	struct one *o = ctx;

	o->rows++;
	if (!o->quiet)
		print_row(o, values);
	if (o->cancel_after && o->rows == o->cancel_after)
		engine_cancel(o->query);
	if (!o->pause_every || o->rows % o->pause_every)
		return true;
	buf_cstr(&out, "{\"id\":");
	quote(o->id);
	buf_printf(&out, ",\"paused\":%llu}", (unsigned long long)o->rows);
	say();
	return false;
}

static void
print_end(const char *id, const struct engine_end *end)
{
	buf_cstr(&out, "{\"id\":");
	quote(id);
	buf_printf(&out,
	    ",\"end\":\"%s\",\"rows\":%llu,\"affected\":%lld,\"lsn\":%llu,\"position\":%ld,"
	    "\"unknown\":%s,\"elapsed_us\":%lld,\"cpu_s\":%g,\"bytes_read\":%llu",
	    fate_name(end->fate), (unsigned long long)end->rows, (long long)end->affected,
	    (unsigned long long)end->lsn, end->position,
	    end->outcome_unknown ? "true" : "false", (long long)end->elapsed_us, end->cpu_s,
	    (unsigned long long)end->bytes_read);
	if (end->fate != FATE_DONE) {
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

	print_end(o->id, end);
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

/* "float8"; NULL: text */
static struct pgtype
type_of(const char *name)
{
	const struct sql_type *t = sql_type_of_name(name ? name : "text");

	must(t);
	return sql_type_plain(t->kind);
}

static void
do_ask(json_t *command)
{
	struct one *o = unused();
	const json_t *columns = json_object_get(command, "columns");
	const json_t *types = json_object_get(command, "types");
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
	ask.column_count = json_array_size(columns);
	for (size_t i = 0; i < ask.column_count; i++)
		o->columns[i] =
		    (struct plan_column){ .name = json_string_value(json_array_get(columns, i)),
			    .type = type_of(json_string_value(json_array_get(types, i))) };
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

/* --- bench: so many clients, each asks again when it has its answer --- */

struct client {
	struct engine_ask ask;
	struct engine_query *query;
	uint64_t *left, *running;
	int64_t *took_us; /* the next place for a time */
	uint64_t *took_count;
};

static void
bench_columns(void *ctx, const struct plan_column *columns, size_t count)
{
	(void)ctx, (void)columns, (void)count;
}

static bool
bench_row(void *ctx, const struct slice *values)
{
	(void)ctx, (void)values;
	return true;
}

static void
bench_next(struct client *c)
{
	struct err err;

	if (*c->left == 0) {
		--*c->running;
		return;
	}
	--*c->left;
	c->ask.deadline_us = clock_mono_us() + 30000000;
	must(engine_ask(engine, &c->ask, &c->query, &err) == FATE_DONE);
}

static void
bench_end(void *ctx, const struct engine_end *end)
{
	struct client *c = ctx;

	must(end->fate == FATE_DONE);
	c->took_us[(*c->took_count)++] = end->elapsed_us;
	bench_next(c);
}

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int64_t
cpu_us(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec +
	       u.ru_stime.tv_usec;
}

static void
do_bench(const json_t *command)
{
	static const struct engine_reader bench = { bench_columns, bench_row, bench_end };
	uint64_t count = number(command, "count", 1000), left = count, done = 0;
	uint64_t clients = number(command, "clients", 1), running = clients;
	struct client *all = calloc(clients, sizeof *all);
	int64_t *took_us = calloc(count, sizeof *took_us);
	int64_t began_us = clock_mono_us(), cpu = cpu_us();
	struct slice params[PARAMS_MAX];
	size_t param_count = texts(json_object_get(command, "params"), params);

	must(all && took_us && clients <= count);
	for (uint64_t i = 0; i < clients; i++) {
		all[i] = (struct client){ .left = &left,
			.running = &running,
			.took_us = took_us,
			.took_count = &done };
		all[i].ask = (struct engine_ask){ .sql = json_string_value(
						      json_object_get(command, "bench")),
			.params = params,
			.param_count = param_count,
			.access = json_is_true(json_object_get(command, "write")) ? ENGINE_WRITE
										  : ENGINE_READ,
			.id = "bench",
			.reader = &bench,
			.ctx = &all[i] };
		bench_next(&all[i]);
	}
	while (running)
		loop_run(loop, 1000);
	qsort(took_us, done, sizeof *took_us, by_size);
	buf_printf(&out,
	    "{\"bench\":{\"count\":%llu,\"seconds\":%.3f,\"cpu_us_each\":%.2f,\"p50_us\":%lld,"
	    "\"p99_us\":%lld}}",
	    (unsigned long long)done, (double)(clock_mono_us() - began_us) / 1e6,
	    (double)(cpu_us() - cpu) / (double)done, (long long)took_us[done / 2],
	    (long long)took_us[done * 99 / 100]);
	say();
	free(all);
	free(took_us);
}

static void
do_command(struct slice line)
{
	json_error_t why;
	json_t *c = json_loadb(line.p, line.len, JSON_ALLOW_NUL, &why);
	const char *more = json_string_value(json_object_get(c, "more"));
	const char *cancel = json_string_value(json_object_get(c, "cancel"));

	must(c);
	if (json_object_get(c, "ask"))
		do_ask(c);
	else if (json_object_get(c, "bench"))
		do_bench(c);
	else if (json_object_get(c, "state"))
		do_state();
	else if (more && find(more))
		engine_more(find(more)->query);
	else if (cancel && find(cancel))
		engine_cancel(find(cancel)->query);
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
	struct err err;
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
	if (loop_new(&loop, &err) != FATE_DONE ||
	    engine_open(&registry->engines[at], &options, loop, &engine, &err) != FATE_DONE ||
	    loop_watch(loop, &input, LOOP_READ, &err) != FATE_DONE) {
		(void)fprintf(stderr, "engine_ask: %s\n", err.what);
		return 2;
	}
	while (!input_over || busy())
		loop_run(loop, 1000);
	engine_close(engine);
	loop_free(loop);
	registry_free(registry);
	buf_finish(&out);
	return 0;
}
