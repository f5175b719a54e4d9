/* SPDX-License-Identifier: Apache-2.0 */
#include "work/connector.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"

enum fate
connector_read(const char *file, struct connector *ret_connector, struct err *err)
{
	struct connector c = { 0 };
	enum fate fate = yaml_open(file, &c.yaml, err);

	if (fate == FATE_DONE)
		fate = yaml_text(yaml_root(c.yaml), "name", YAML_REQUIRED, &c.name, err);
	if (fate == FATE_DONE)
		fate = yaml_map(yaml_root(c.yaml), "config", YAML_REQUIRED, &c.config, err);
	for (size_t i = 0; fate == FATE_DONE && i < c.config->count; i++)
		if (c.config->items[i]->kind != YAML_SCALAR)
			fate = yaml_error(
			    c.config->items[i], err, "%s takes a text", c.config->keys[i]);
	if (fate != FATE_DONE) {
		connector_finish(&c);
		return fate;
	}
	*ret_connector = c;
	return FATE_DONE;
}

void
connector_finish(struct connector *c)
{
	yaml_close(c->yaml);
	*c = (struct connector){ 0 };
}

const char *
connector_setting(const struct connector *c, const char *name)
{
	for (size_t i = 0; i < c->config->count; i++)
		if (strcmp(c->config->keys[i], name) == 0)
			return c->config->items[i]->text;
	return NULL;
}

const char *
connector_slot(const struct connector *connector)
{
	const char *name = connector_setting(connector, "slot.name");

	return name ? name : "debezium";
}

void
connector_json(const struct connector *c, struct buf *out)
{
	json_t *object = json_object();
	char *text;

	for (size_t i = 0; i < c->config->count; i++)
		must(json_object_set_new(object, c->config->keys[i],
			 json_string(c->config->items[i]->text)) == 0);
	text = json_dumps(object, 0);
	must(text);
	buf_cstr(out, text);
	free(text);
	json_decref(object);
}

enum fate
connector_put(const struct connector *c, struct http_client *connect, struct err *err)
{
	static const char *const headers[] = { "Content-Type: application/json" };
	struct buf url = { 0 }, json = { 0 };
	struct http_response response = { 0 };
	struct slice body;
	enum fate fate;

	buf_cstr(&url, "/connectors/");
	http_escape(&url, slice_str(c->name));
	buf_cstr(&url, "/config");
	connector_json(c, &json);
	body = buf_view(&json);
	fate = http_client_send(connect,
	    &(struct http_request){ .method = "PUT",
		.url = buf_str(&url),
		.headers = headers,
		.header_count = 1,
		.body = &body,
		.body_count = 1,
		.timeout_ms = 60000 },
	    &response, err);
	if (fate == FATE_DONE && response.status != 200 && response.status != 201)
		fate = err_set(err,
		    response.status >= 500 || response.status == 409 ? FATE_RETRY : FATE_HALT,
		    "Connect refuses connector %s: HTTP %ld: %.*s", c->name, response.status,
		    SLICE_ARG(buf_view(&response.body)));
	http_response_finish(&response);
	buf_finish(&url);
	buf_finish(&json);
	return fate;
}

/* JSON is YAML, but for ${, which Connect keeps for its own. */
static enum fate
live_parse(const struct connector *c, struct slice json, struct connector *ret, struct err *err)
{
	struct buf text = { 0 };
	enum fate fate;

	for (size_t i = 0; i < json.len; i++) {
		if (json.p[i] == '$' && i + 1 < json.len && json.p[i + 1] == '{')
			buf_byte(&text, '$');
		buf_byte(&text, json.p[i]);
	}
	fate = yaml_parse("Connect's answer", buf_view(&text), NULL, NULL, &ret->yaml, err);
	buf_finish(&text);
	if (fate != FATE_DONE)
		return fate;
	ret->name = c->name;
	ret->config = yaml_root(ret->yaml);
	for (size_t i = 0; i < ret->config->count && fate == FATE_DONE; i++)
		if (ret->config->items[i]->kind != YAML_SCALAR)
			fate = yaml_error(ret->config->items[i], err, "a setting is no text");
	return fate;
}

enum fate
connector_live(const struct connector *c, struct http_client *connect,
    struct connector *ret_live, bool *ret_there, struct err *err)
{
	struct http_response response = { 0 };
	struct connector live = { 0 };
	struct buf url = { 0 };
	enum fate fate;

	buf_cstr(&url, "/connectors/");
	http_escape(&url, slice_str(c->name));
	buf_cstr(&url, "/config");
	fate = http_client_send(
	    connect, &(struct http_request){ .url = buf_str(&url) }, &response, err);
	*ret_there = fate == FATE_DONE && response.status == 200;
	if (*ret_there)
		fate = live_parse(c, buf_view(&response.body), &live, err);
	else if (fate == FATE_DONE && response.status != 404)
		fate = err_set(err, FATE_RETRY, "Connect answers HTTP %ld", response.status);
	if (fate == FATE_DONE)
		*ret_live = live;
	else
		connector_finish(&live);
	http_response_finish(&response);
	buf_finish(&url);
	return fate;
}

static bool
part_running(json_t *part, const char *what, struct buf *state)
{
	const char *word = json_string_value(json_object_get(part, "state"));
	const char *trace = json_string_value(json_object_get(part, "trace"));

	buf_printf(state, "%s%s %s", state->len ? ", " : "", what, word ? word : "unknown");
	if (trace)
		buf_printf(state, " (%.*s)", (int)strcspn(trace, "\n"), trace);
	return word && strcmp(word, "RUNNING") == 0;
}

enum fate
connector_state(const struct connector *c, struct http_client *connect, bool *ret_running,
    struct buf *ret_state, struct err *err)
{
	struct http_response response = { 0 };
	struct buf url = { 0 };
	json_t *root = NULL, *tasks;
	enum fate fate;

	*ret_running = false;
	ret_state->len = 0;
	buf_cstr(&url, "/connectors/");
	http_escape(&url, slice_str(c->name));
	buf_cstr(&url, "/status");
	fate = http_client_send(
	    connect, &(struct http_request){ .url = buf_str(&url) }, &response, err);
	if (fate == FATE_DONE && response.status == 404) {
		buf_cstr(ret_state, "connector not there");
	} else if (fate == FATE_DONE && response.status != 200) {
		fate = err_set(err, FATE_RETRY, "Connect answers HTTP %ld", response.status);
	} else if (fate == FATE_DONE) {
		root = json_loadb(response.body.p, response.body.len, 0, NULL);
		tasks = json_object_get(root, "tasks");
		*ret_running =
		    part_running(json_object_get(root, "connector"), "connector", ret_state);
		if (json_array_size(tasks) == 0) {
			buf_cstr(ret_state, ", no task yet");
			*ret_running = false;
		}
		for (size_t i = 0; i < json_array_size(tasks); i++)
			if (!part_running(json_array_get(tasks, i), "task", ret_state))
				*ret_running = false;
	}
	json_decref(root);
	http_response_finish(&response);
	buf_finish(&url);
	return fate;
}
