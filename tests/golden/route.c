/* SPDX-License-Identifier: Apache-2.0 */
/* route -- says where statements go and as what SQL, for the differential test.
 *
 *   route REGISTRY.yaml ROLE < statements
 * A statement is a line. The answer is a line of JSON: {"status", "reason", "detail",
 * "engine", "sql": {engine: text, ...}, "dropped": {engine: "CODE detail", ...}}, and
 * "wires": {engine: [type oid, ...]} of engines whose rows must be finished. Then a line
 * {"finish": engine, "rows": [[text or null, ...], ...]} gives {"rows"} or {"code"}.
 * A line {"sql", "params": [text or null, ...]} is a statement with parameters: the SQL has
 * them in it, "codes" says by engine why it cannot, and "params" are the types' oids. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "engine/decide.h"

enum { PARAMS_MAX = 1000 };

static json_t *
wires_of(const struct registry *registry, const struct plan *plan)
{
	json_t *wires = json_object();

	for (size_t e = 0; e < registry->engine_count; e++) {
		const struct plan_column *columns = NULL;
		json_t *oids = json_array();
		size_t count = 0;

		if (plan->finish[e])
			columns = plan_finish_wires(plan->finish[e], &count);
		for (size_t i = 0; i < count; i++)
			(void)json_array_append_new(
			    oids, json_integer((json_int_t)columns[i].type.oid));
		if (count)
			(void)json_object_set(wires, registry->engines[e].name, oids);
		json_decref(oids);
	}
	return wires;
}

static json_t *
texts_of(const struct slice *values, size_t count)
{
	json_t *row = json_array();

	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(
		    row, values[i].p ? json_stringn(values[i].p, values[i].len) : json_null());
	return row;
}

/* Rows as the engine gave them into rows as the statement has them. */
static json_t *
finished(const struct registry *registry, const struct plan *plan, const json_t *command)
{
	const char *engine = json_string_value(json_object_get(command, "finish"));
	const json_t *rows = json_object_get(command, "rows"), *row;
	int at = registry_engine(registry, engine);
	struct finish_run *run = finish_run_new(plan->finish[at]);
	json_t *out = json_array(), *said = NULL;
	size_t i, c;

	json_array_foreach(rows, i, row)
	{
		struct slice wires[64];
		const struct slice *results;
		const json_t *cell;
		struct err err;

		json_array_foreach(row, c, cell) wires[c] =
		    slice_of(json_string_value(cell), json_string_length(cell));
		if (finish_run_row(run, wires, &results, &err) != FATE_DONE) {
			said = json_pack("{s:s, s:s}", "code", err.code, "what", err.what);
			break;
		}
		(void)json_array_append_new(out, texts_of(results, plan->column_count));
	}
	finish_run_free(run);
	if (!said)
		return json_pack("{s:o}", "rows", out);
	json_decref(out);
	return said;
}

struct said {
	struct buf sql[REGISTRY_ENGINES_MAX];
	unsigned unfit;
	struct err why[REGISTRY_ENGINES_MAX];
};

/* What each candidate is asked. */
static void
say_sql(const struct registry *registry, const struct plan *plan, const struct slice *params,
    struct arena *arena, struct said *said)
{
	for (size_t e = 0; e < registry->engine_count; e++) {
		if (!plan->sql[e])
			continue;
		if (registry->engines[e].kind == ENGINE_POSTGRES || !plan->param_count)
			buf_cstr(&said->sql[e], plan->sql[e]);
		else if (plan_sql(registry, plan, (int)e, params, arena, &said->sql[e],
			     &said->why[e]) != FATE_DONE)
			said->unfit |= 1u << e;
	}
}

static json_t *
param_oids(const struct plan *plan)
{
	json_t *oids = json_array();

	for (size_t i = 0; i < plan->param_count && plan->params; i++)
		(void)json_array_append_new(
		    oids, json_integer((json_int_t)plan->params[i].oid));
	return oids;
}

static json_t *
answer(const struct registry *registry, const struct plan *plan, struct said *said,
    const struct decision *d)
{
	json_t *sql = json_object(), *dropped = json_object(), *codes = json_object();
	char why[120];

	for (size_t e = 0; e < registry->engine_count; e++) {
		const char *name = registry->engines[e].name;

		if (said->unfit & 1u << e)
			(void)json_object_set_new(codes, name, json_string(said->why[e].code));
		else if (plan->sql[e])
			(void)json_object_set_new(
			    sql, name, json_string(buf_str(&said->sql[e])));
		buf_finish(&said->sql[e]);
	}
	for (size_t i = 0; i < d->trace.count; i++) {
		const struct trace_item *item = &d->trace.items[i];

		if (item->verdict != VERDICT_DROPPED)
			continue;
		(void)snprintf(why, sizeof why, "%s %s", item->code, item->detail);
		(void)json_object_set_new(
		    dropped, registry->engines[item->engine].name, json_string(why));
	}
	return json_pack("{s:o, s:o, s:o, s:i, s:s, s:s, s:s, s:o, s:o}", "wires",
	    wires_of(registry, plan), "params", param_oids(plan), "codes", codes, "status",
	    (int)d->status, "reason", d->reason, "detail", d->detail, "engine",
	    d->engine >= 0 ? registry->engines[d->engine].name : "", "sql", sql, "dropped",
	    dropped);
}

static void
say(json_t *line)
{
	must(line && json_dumpf(line, stdout, JSON_COMPACT) == 0);
	must(putchar('\n') != EOF && fflush(stdout) == 0);
	json_decref(line);
}

static struct plan *
route(const struct registry *registry, const struct registry_role *role, struct slice sql,
    const struct slice *params, struct arena *arena)
{
	struct plan_request request = { .sql = sql, .role = role };
	struct decide_request how = { .max_staleness_ms = ANY_STALENESS,
		.routing = registry->routing };
	struct weather weather = { 0 };
	struct plan *plan = plan_make(registry, &request, arena);
	struct decision decision;
	struct said said = { 0 };

	say_sql(registry, plan, params, arena, &said);
	how.unfit = said.unfit;
	how.unfit_why = said.why;
	decide(registry, plan, &how, &weather, &decision);
	say(answer(registry, plan, &said, &decision));
	return plan;
}

/* The texts of a JSON array; NULL is no text. */
static void
take_params(const json_t *list, struct slice *params)
{
	const json_t *one;
	size_t i;

	must(json_array_size(list) <= PARAMS_MAX);
	json_array_foreach(list, i, one) params[i] =
	    slice_of(json_string_value(one), json_string_length(one));
}

static struct plan *
route_command(const struct registry *registry, const struct registry_role *role,
    const json_t *command, struct arena *arena)
{
	struct slice params[PARAMS_MAX] = { 0 };
	const char *sql = json_string_value(json_object_get(command, "sql"));

	must(sql);
	take_params(json_object_get(command, "params"), params);
	return route(registry, role, slice_str(sql), params, arena);
}

int
main(int argc, char **argv)
{
	static const struct slice none[PARAMS_MAX];
	struct registry *registry;
	const struct registry_role *role;
	struct plan *plan = NULL;
	struct arena arena;
	struct err err;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (argc != 3 || registry_read(argv[1], &registry, &err)) {
		(void)fprintf(
		    stderr, "%s\n", argc != 3 ? "usage: route REGISTRY.yaml ROLE" : err.what);
		return 2;
	}
	role = registry_role(registry, argv[2]);
	must(role);
	arena_init(&arena, PLAN_ARENA);
	while ((len = getline(&line, &size, stdin)) > 0) {
		struct slice text = slice_of(line, (size_t)len - (line[len - 1] == '\n'));

		if (*line == '{') {
			json_t *command = json_loadb(text.p, text.len, 0, NULL);

			if (json_object_get(command, "finish")) {
				say(finished(registry, plan, command));
			} else {
				plan_free(plan);
				plan = route_command(registry, role, command, &arena);
			}
			json_decref(command);
			continue;
		}
		plan_free(plan);
		plan = route(registry, role, text, none, &arena);
	}
	plan_free(plan);
	free(line);
	arena_finish(&arena);
	registry_free(registry);
	return 0;
}
