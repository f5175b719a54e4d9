/* SPDX-License-Identifier: Apache-2.0 */
#include "router/request.h"

#include <stdlib.h>

#include "base/must.h"
#include "base/options.h"
#include "wire/json.h"
#include "wire/json_string.h"

#define TRY(call)                                                                              \
	do {                                                                                   \
		enum fate try_fate = (call);                                                   \
		if (try_fate != FATE_DONE)                                                     \
			return try_fate;                                                       \
	} while (0)

/* Decodes a string where it stands: the text is never longer than its spelling, and the
 * closing quote makes room for the terminator. */
static enum fate
text(const char *name, struct slice raw, struct slice *ret, struct err *err)
{
	struct slice inner;
	struct json_bytes bytes;
	char *out;
	size_t len = 0;

	if (json_kind_of(raw) != JSON_STRING)
		return err_set(err, FATE_REJECT, "%s is a string", name);
	inner = json_inner(raw);
	bytes = json_bytes(inner);
	out = (char *)(uintptr_t)inner.p; /* the body is ours */
	for (int c; (c = json_byte(&bytes)) >= 0; len++) {
		if (c == '\0')
			return err_set(err, FATE_REJECT, "%s holds a NUL", name);
		out[len] = (char)c;
	}
	out[len] = '\0';
	*ret = slice_of(out, len);
	return FATE_DONE;
}

static enum fate
duration(const char *name, struct slice raw, int64_t *ret_ms, struct err *err)
{
	char number[32];
	struct slice s = raw;

	if (json_kind_of(raw) == JSON_STRING) {
		TRY(text(name, raw, &s, err));
	} else if (json_kind_of(raw) != JSON_NUMBER) {
		s.len = 0;
	}
	if (s.len == 0 || s.len >= sizeof number)
		return err_set(err, FATE_REJECT, "%s is a time: \"5s\", \"250ms\"", name);
	memcpy(number, s.p, s.len);
	number[s.len] = '\0';
	if (!duration_parse(number, ret_ms))
		return err_set(err, FATE_REJECT, "%s is a time: \"5s\", \"250ms\"", name);
	return FATE_DONE;
}

static enum fate
count(const char *name, struct slice raw, int64_t *ret, struct err *err)
{
	if (json_kind_of(raw) != JSON_NUMBER || !slice_i64(raw, ret) || *ret < 1)
		return err_set(err, FATE_REJECT, "%s is a whole number above 0", name);
	return FATE_DONE;
}

/* A number's digits, true and false, arrays and objects go as they are written. */
static enum fate
param(struct slice raw, struct slice *ret, struct err *err)
{
	if (json_kind_of(raw) == JSON_STRING)
		return text("a parameter", raw, ret, err);
	*ret = json_kind_of(raw) == JSON_NULL ? (struct slice){ 0 } : raw;
	return FATE_DONE;
}

static enum fate
params(struct router_request *r, struct slice raw, struct err *err)
{
	struct json_walk walk;
	size_t room;

	if (json_kind_of(raw) != JSON_ARRAY)
		return err_set(err, FATE_REJECT, "params is an array");
	room = json_count(raw);
	if (room > REQUEST_PARAMS_MAX)
		return err_set(err, FATE_REJECT, "params are at most %d", REQUEST_PARAMS_MAX);
	if (room == 0)
		return FATE_DONE;
	r->params = calloc(room, sizeof *r->params);
	must(r->params);
	/* what follows a string is found before the string is decoded */
	walk = json_walk(raw);
	while (json_next(&walk))
		TRY(param(walk.value, &r->params[r->param_count++], err));
	return FATE_DONE;
}

static enum fate
choice(const char *name, struct slice raw, const char *const *names, int *ret, struct err *err)
{
	struct slice s;

	TRY(text(name, raw, &s, err));
	for (int i = 0; names[i]; i++) {
		if (slice_eq(s, slice_str(names[i]))) {
			*ret = i;
			return FATE_DONE;
		}
	}
	return err_set(err, FATE_REJECT, "%s is one of %s and %s", name, names[0],
	    names[2] ? "the others of /openapi.json" : names[1]);
}

static enum fate
member(struct router_request *r, const struct json_walk *w, struct err *err)
{
	static const char *const formats[] = { "json", "ndjson", "csv", NULL };
	static const char *const ends[] = { "cancel", "continue", NULL };
	struct slice s;
	int n = 0;

	if (json_name_eq(w, SLICE("sql")))
		return text("sql", w->value, &r->sql, err);
	if (json_kind_of(w->value) == JSON_NULL)
		return FATE_DONE; /* as if it were not there */
	if (json_name_eq(w, SLICE("params")))
		return params(r, w->value, err);
	if (json_name_eq(w, SLICE("engine"))) {
		TRY(text("engine", w->value, &s, err));
		r->engine = s.p;
	} else if (json_name_eq(w, SLICE("max_staleness"))) {
		return duration("max_staleness", w->value, &r->max_staleness_ms, err);
	} else if (json_name_eq(w, SLICE("read_token"))) {
		return text("read_token", w->value, &r->read_token, err);
	} else if (json_name_eq(w, SLICE("wait_timeout"))) {
		return duration("wait_timeout", w->value, &r->wait_ms, err);
	} else if (json_name_eq(w, SLICE("timeout"))) {
		return duration("timeout", w->value, &r->timeout_ms, err);
	} else if (json_name_eq(w, SLICE("on_timeout"))) {
		TRY(choice("on_timeout", w->value, ends, &n, err));
		r->go_on = n == 1;
	} else if (json_name_eq(w, SLICE("row_limit"))) {
		return count("row_limit", w->value, &r->row_limit, err);
	} else if (json_name_eq(w, SLICE("byte_limit"))) {
		return count("byte_limit", w->value, &r->byte_limit, err);
	} else if (json_name_eq(w, SLICE("format"))) {
		TRY(choice("format", w->value, formats, &n, err));
		r->format = (enum answer_format)n;
	} else {
		s = slice_of(w->name.p, w->name.len < 64 ? w->name.len : 64);
		return err_set(err, FATE_REJECT, "unknown member \"%.*s\"", SLICE_ARG(s));
	}
	return FATE_DONE;
}

enum fate
router_request_read(struct buf body, struct router_request *ret, struct err *err)
{
	struct slice raw = { 0 };
	struct json_walk walk;

	*ret = (struct router_request){
		.body = body, .max_staleness_ms = ANY_STALENESS, .wait_ms = -1, .go_on = true
	};
	if (body.len == 0)
		return err_set(err, FATE_REJECT, "the body is a JSON object with \"sql\"");
	TRY(json_check(buf_view(&body), &raw, err));
	if (json_kind_of(raw) != JSON_OBJECT)
		return err_set(err, FATE_REJECT, "the body is a JSON object with \"sql\"");
	walk = json_walk(raw);
	while (json_next(&walk))
		TRY(member(ret, &walk, err));
	if (!ret->sql.p)
		return err_set(err, FATE_REJECT, "\"sql\" is missing");
	return FATE_DONE;
}

void
router_request_finish(struct router_request *request)
{
	buf_finish(&request->body);
	free(request->params);
	request->params = NULL;
}
