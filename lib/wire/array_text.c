/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/array_text.h"

#include <stdlib.h>
#include <strings.h>

#include "base/must.h"
#include "wire/json.h"

struct reader {
	const char *p, *end;
	struct slice text;
	struct pgtype elem;
	struct arena *arena; /* for the elements while they are read */
	struct buf json, token;
	struct err *err;
};

static enum fate
malformed(struct reader *r)
{
	return err_code(r->err, FATE_REJECT, "22P02", "malformed array literal: \"%.*s\"",
	    SLICE_ARG(r->text));
}

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void
skip_blanks(struct reader *r)
{
	while (r->p < r->end && is_blank(*r->p))
		r->p++;
}

static bool
ends_element(char c)
{
	return c == ',' || c == '{' || c == '}';
}

/* One element's text into r->token; false when the literal ends inside it. */
static bool
take_token(struct reader *r, bool *ret_quoted)
{
	bool open = false;
	size_t solid = 0; /* length without unquoted blanks at the end */

	r->token.len = 0;
	*ret_quoted = false;
	for (; r->p < r->end && (open || !ends_element(*r->p)); r->p++) {
		char c = *r->p;

		if (c == '"') {
			open = !open;
			*ret_quoted = true;
			solid = r->token.len;
			continue;
		}
		if (c == '\\') {
			if (++r->p == r->end)
				return false;
			*ret_quoted = true;
		}
		buf_byte(&r->token, *r->p);
		if (open || c == '\\' || !is_blank(c))
			solid = r->token.len;
	}
	r->token.len = solid;
	return r->p < r->end && !open && (solid > 0 || *ret_quoted);
}

static enum fate
read_element(struct reader *r)
{
	size_t mark = arena_mark(r->arena);
	struct value v = { .state = VALUE_NULL };
	struct slice text;
	enum fate fate;
	bool quoted;

	if (!take_token(r, &quoted))
		return malformed(r);
	text = buf_view(&r->token);
	if (quoted || text.len != 4 || strncasecmp(text.p, "null", 4) != 0) {
		fate = value_from_text(r->elem, text, r->arena, &v, r->err);
		if (fate != FATE_DONE)
			return fate;
	}
	value_to_json(&r->json, r->elem, &v);
	arena_rewind(r->arena, mark);
	return FATE_DONE;
}

static enum fate
read_list(struct reader *r, int depth)
{
	enum fate fate;

	if (depth > ARRAY_DEPTH_MAX)
		return err_code(r->err, FATE_REJECT, "54000",
		    "number of array dimensions exceeds the maximum allowed (%d)",
		    ARRAY_DEPTH_MAX);
	buf_byte(&r->json, '[');
	r->p++;
	skip_blanks(r);
	while (r->p < r->end && *r->p != '}') {
		fate = *r->p == '{' ? read_list(r, depth + 1) : read_element(r);
		if (fate != FATE_DONE)
			return fate;
		skip_blanks(r);
		if (r->p == r->end || (*r->p != ',' && *r->p != '}'))
			return malformed(r);
		if (*r->p == ',') {
			buf_byte(&r->json, ',');
			r->p++;
			skip_blanks(r);
			if (r->p == r->end || *r->p == '}')
				return malformed(r);
		}
	}
	if (r->p == r->end)
		return malformed(r);
	r->p++;
	buf_byte(&r->json, ']');
	return FATE_DONE;
}

static enum fate
read_literal(struct reader *r)
{
	enum fate fate;

	skip_blanks(r);
	if (r->p < r->end && *r->p == '[') {
		while (r->p < r->end && *r->p != '=')
			r->p++;
		r->p += r->p < r->end;
		skip_blanks(r);
	}
	if (r->p == r->end || *r->p != '{')
		return malformed(r);
	fate = read_list(r, 1);
	if (fate != FATE_DONE)
		return fate;
	skip_blanks(r);
	return r->p == r->end ? FATE_DONE : malformed(r);
}

enum fate
array_from_text(struct pgtype type, struct slice text, struct arena *arena,
    struct slice *ret_json, struct err *err)
{
	struct reader r = { .p = text.p,
		.end = text.len ? text.p + text.len : text.p,
		.text = text,
		.elem = { .kind = type.elem, .elem = TYPE_OTHER, .typmod = -1 },
		.arena = arena,
		.err = err };
	enum fate fate = read_literal(&r);
	struct slice json;

	if (fate == FATE_DONE) {
		json = arena_copy(arena, buf_view(&r.json));
		if (json.p)
			*ret_json = json;
		else
			fate = err_code(
			    err, FATE_RETRY, "53200", "no room in the batch for an array");
	}
	buf_finish(&r.json);
	buf_finish(&r.token);
	return fate;
}

/* Quoted where array_out quotes: empty, NULL, blanks and the literal's own signs. */
static void
put_element(struct buf *out, struct slice text)
{
	bool quote = text.len == 0 || (text.len == 4 && strncasecmp(text.p, "null", 4) == 0);

	for (size_t i = 0; i < text.len && !quote; i++)
		quote = is_blank(text.p[i]) || ends_element(text.p[i]) || text.p[i] == '"' ||
			text.p[i] == '\\';
	if (!quote) {
		buf_slice(out, text);
		return;
	}
	buf_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\')
			buf_byte(out, '\\');
		buf_byte(out, text.p[i]);
	}
	buf_byte(out, '"');
}

static void
put_list(struct buf *out, struct pgtype elem, struct slice json, struct arena *arena)
{
	struct json_walk walk = json_walk(json);
	struct buf text = { 0 };
	const char *between = "";
	struct value v;
	struct err err;

	buf_byte(out, '{');
	for (; json_next(&walk); between = ",") {
		buf_cstr(out, between);
		arena_reset(arena);
		if (json_kind_of(walk.value) == JSON_ARRAY) {
			put_list(out, elem, walk.value, arena);
		} else if (value_from_record(elem, walk.value, arena, &v, &err) != FATE_DONE) {
			put_element(out, walk.value);
		} else if (v.state == VALUE_NULL) {
			buf_cstr(out, "NULL");
		} else {
			text.len = 0;
			value_to_text(&text, elem, &v);
			put_element(out, buf_view(&text));
		}
	}
	buf_byte(out, '}');
	buf_finish(&text);
}

void
array_to_text(struct buf *out, struct pgtype type, struct slice json)
{
	struct pgtype elem = { .kind = type.elem, .elem = TYPE_OTHER, .typmod = -1 };
	/* An element's decoded text and limbs are never longer than this. */
	struct arena arena = { .size = 2 * json.len + 256 };

	arena.base = malloc(arena.size);
	must(arena.base);
	put_list(out, elem, json, &arena);
	free(arena.base);
}
