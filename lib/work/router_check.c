/* SPDX-License-Identifier: Apache-2.0 */
#include "work/router_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/registry.h"
#include "link/http.h"
#include "wire/json.h"

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

/* The answer's member of that name, or its error's code, as text. */
static void
word(const struct check *c, const char *name, char *out, size_t size)
{
	struct slice raw = { 0 }, value = { 0 };
	struct err err;

	if (json_check(buf_view(&c->response.body), &raw, &err) == FATE_DONE &&
	    json_kind_of(raw) == JSON_OBJECT) {
		struct slice error = json_member(raw, SLICE("error"));

		value = json_member(raw, slice_str(name));
		if (error.p && json_kind_of(error) == JSON_OBJECT)
			value = json_member(error, SLICE("message"));
	}
	if (value.p && json_kind_of(value) == JSON_STRING)
		value = json_inner(value);
	(void)snprintf(out, size, "%.*s", SLICE_ARG(value));
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
	struct buf body = { 0 };
	enum fate fate;
	bool good;

	(void)snprintf(path, sizeof path, "/v1/query");
	if (board) {
		(void)snprintf(
		    path, sizeof path, "/v1/leaderboard/%.200s?top=1", board->table.name);
	} else {
		buf_cstr(&body, "{\"sql\":\"SELECT 1\",\"engine\":");
		json_quote(&body, slice_str(engine->name));
		buf_byte(&body, '}');
	}
	fate = ask(c, path, buf_view(&body), err);
	buf_finish(&body);
	if (fate != FATE_DONE)
		return fate;
	good = c->response.status == 200;
	word(c, "elapsed_ms", what, sizeof what);
	(void)snprintf(line, sizeof line, "%s %s%s", board ? "a board's first" : "SELECT 1",
	    good ? "in ms " : "", what);
	point(c, good, engine->name, line);
	return FATE_DONE;
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
	return fate;
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
