/* SPDX-License-Identifier: Apache-2.0 */
#include "router/check.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "engine/registry.h"
#include "link/http.h"

struct check {
	const struct registry *registry;
	struct http_client *client;
	struct http_response response;
	char url[300], authorization[200];
	void (*say)(const char *line);
	bool passed;
};

bool
router_check_is_for(const char *file)
{
	struct yaml *yaml;
	struct err err;
	bool is;

	if (yaml_open(file, &yaml, &err) != FATE_DONE)
		return false;
	is = yaml_has(yaml_root(yaml), "engines") && yaml_has(yaml_root(yaml), "tables");
	yaml_close(yaml);
	return is;
}

/* POST with a body, GET without. */
static enum fate
ask(struct check *c, const char *path, struct slice body, struct err *err)
{
	const char *headers[] = { "Content-Type: application/json", c->authorization };
	struct http_request request = { .url = path,
		.headers = headers,
		.header_count = *c->authorization ? 2 : 1,
		.body = &body,
		.body_count = body.len ? 1 : 0 };

	return http_client_send(c->client, &request, &c->response, err);
}

/* One statement; the answer as a tree, NULL when it is none. */
static enum fate
ask_sql(struct check *c, json_t *question, json_t **ret_answer, struct err *err)
{
	char *text = json_dumps(question, JSON_COMPACT);
	enum fate fate;

	must(text);
	fate = ask(c, "/v1/query", slice_str(text), err);
	free(text);
	json_decref(question);
	if (fate == FATE_DONE)
		*ret_answer = json_loadb(
		    c->response.body.p, c->response.body.len, JSON_REJECT_DUPLICATES, NULL);
	return fate;
}

/* The answer's member of that name, or its error's message, as text. */
static void
word(const struct check *c, const char *name, char *out, size_t size)
{
	json_t *answer = json_loadb(c->response.body.p, c->response.body.len, 0, NULL);
	json_t *error = json_object_get(answer, "error");
	json_t *value =
	    error ? json_object_get(error, "message") : json_object_get(answer, name);

	if (json_is_number(value))
		(void)snprintf(out, size, "%g", json_number_value(value));
	else
		(void)snprintf(
		    out, size, "%s", json_is_string(value) ? json_string_value(value) : "");
	json_decref(answer);
}

static void
point(struct check *c, bool good, const char *name, const char *what)
{
	char line[600];

	(void)snprintf(line, sizeof line, "%s %s: %s", good ? "ok  " : "FAIL", name, what);
	c->say(line);
	c->passed = c->passed && good;
}

static const struct registry_table *
board_of(const struct registry *r)
{
	for (size_t i = 0; i < r->table_count; i++) {
		if (r->tables[i].board)
			return &r->tables[i];
	}
	return NULL;
}

static enum fate
check_engine(struct check *c, const struct registry_engine *engine, struct err *err)
{
	const struct registry_table *board =
	    engine->kind == ENGINE_REDIS ? board_of(c->registry) : NULL;
	char path[300], what[300], line[400];
	json_t *answer = NULL;
	enum fate fate;
	bool good;

	if (board) {
		(void)snprintf(
		    path, sizeof path, "/v1/leaderboard/%.200s?top=1", board->table.name);
		fate = ask(c, path, (struct slice){ 0 }, err);
	} else {
		fate = ask_sql(c,
		    json_pack("{s:s, s:s}", "sql", "SELECT 1", "engine", engine->name), &answer,
		    err);
	}
	json_decref(answer);
	if (fate != FATE_DONE)
		return fate;
	good = c->response.status == 200;
	word(c, "elapsed_ms", what, sizeof what);
	(void)snprintf(line, sizeof line, "%s %s%s", board ? "a board's first" : "SELECT 1",
	    good ? "in ms " : "", what);
	point(c, good, engine->name, line);
	return FATE_DONE;
}

/* --- a write, and its read token --- */

/* The only value of an answer; false: it has none. */
static bool
only_number(json_t *answer, int64_t *ret)
{
	json_t *value = json_array_get(json_array_get(json_object_get(answer, "rows"), 0), 0);

	*ret = json_integer_value(value);
	return json_is_integer(value);
}

/* The row that was written must be seen where it is carried to, by whoever shows the
 * token; the read waits for it as long as the router waits. */
static enum fate
check_seen(struct check *c, int64_t id, const char *token, struct err *err)
{
	const struct registry_check *how = &c->registry->server.check;
	char what[300], line[400];
	json_t *answer = NULL;
	int64_t seen = 0;
	enum fate fate = ask_sql(c,
	    json_pack("{s:s, s:s, s:s}", "sql", how->read, "engine", how->engine, "read_token",
		token),
	    &answer, err);
	bool good = fate == FATE_DONE && c->response.status == 200 &&
		    only_number(answer, &seen) && seen >= id;

	word(c, "elapsed_ms", what, sizeof what);
	if (good)
		(void)snprintf(line, sizeof line,
		    "row %" PRId64 ", just written, is in %s; read with its token in ms %s", id,
		    how->engine, what);
	else
		(void)snprintf(line, sizeof line,
		    "row %" PRId64 ", just written, is not seen in %s: %s", id, how->engine,
		    c->response.status == 200 ? "the answer lacks it" : what);
	if (fate == FATE_DONE)
		point(c, good, "read token", line);
	json_decref(answer);
	return fate;
}

static enum fate
check_token(struct check *c, struct err *err)
{
	const struct registry_check *how = &c->registry->server.check;
	json_t *answer = NULL, *undone = NULL;
	const char *token;
	char what[300];
	int64_t id = 0;
	enum fate fate;

	if (!how->write)
		return FATE_DONE;
	fate = ask_sql(c, json_pack("{s:s}", "sql", how->write), &answer, err);
	if (fate != FATE_DONE)
		return fate;
	token = json_string_value(json_object_get(answer, "read_token"));
	if (c->response.status != 200 || !token || !only_number(answer, &id)) {
		word(c, "reason", what, sizeof what);
		point(c, false, "write", what);
		json_decref(answer);
		return FATE_DONE;
	}
	fate = check_seen(c, id, token, err);
	json_decref(answer);
	if (fate == FATE_DONE && how->undo)
		fate = ask_sql(c,
		    json_pack("{s:s, s:[I]}", "sql", how->undo, "params", (json_int_t)id),
		    &undone, err);
	json_decref(undone);
	return fate;
}

static enum fate
run(struct check *c, struct err *err)
{
	enum fate fate = ask(c, "/health", (struct slice){ 0 }, err);
	char what[300];

	if (fate != FATE_DONE)
		return err_wrap(err, "router at %s", c->url);
	word(c, "status", what, sizeof what);
	point(c, c->response.status == 200, "health", what);
	for (size_t e = 0; e < c->registry->engine_count && fate == FATE_DONE; e++)
		fate = check_engine(c, &c->registry->engines[e], err);
	return fate == FATE_DONE ? check_token(c, err) : fate;
}

enum fate
router_check_run(
    const char *file, void (*say)(const char *line), bool *ret_passed, struct err *err)
{
	struct check c = { .say = say, .passed = true };
	const char *url = getenv("SLUICE_ROUTER"), *key = getenv("SLUICE_KEY");
	struct http_options options = { .base_url = c.url };
	struct registry *registry;
	enum fate fate = registry_read(file, &registry, err);

	if (fate != FATE_DONE)
		return fate;
	c.registry = registry;
	(void)snprintf(c.url, sizeof c.url, "%s%.250s", url ? "" : "http://",
	    url ? url : registry->server.listen);
	if (key)
		(void)snprintf(c.authorization, sizeof c.authorization,
		    "Authorization: Bearer %.100s", key);
	fate = http_client_new(&options, &c.client, err);
	if (fate == FATE_DONE)
		fate = run(&c, err);
	http_response_finish(&c.response);
	http_client_free(c.client);
	registry_free(registry);
	*ret_passed = c.passed;
	return fate;
}
