/* SPDX-License-Identifier: Apache-2.0 */
/* sluicectl query: a statement to a running router, its answer as a table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/options.h"
#include "link/http.h"
#include "tools.h"
#include "wire/json.h"
#include "wire/json_string.h"
#include "work/worker.h"

enum { EXIT_REFUSED = 1, ANSWER_MAX = 1 << 30, WIDTH_MAX = 60 };

struct ask {
	const char *url, *key, *format, *engine, *max_staleness, *read_token;
	int64_t timeout_ms;
};

static void
member(struct buf *out, const char *name, const char *value)
{
	if (!value)
		return;
	buf_printf(out, ",\"%s\":", name);
	json_quote(out, slice_str(value));
}

static void
request_write(const struct ask *ask, int argc, char **argv, struct buf *out)
{
	bool table = strcmp(ask->format, "table") == 0;

	buf_cstr(out, "{\"sql\":");
	json_quote(out, slice_str(argv[1]));
	for (int i = 2; i < argc && argv[i]; i++) {
		buf_cstr(out, i == 2 ? ",\"params\":[" : ",");
		json_quote(out, slice_str(argv[i]));
	}
	if (argc > 2 && argv[2])
		buf_byte(out, ']');
	member(out, "format", table ? "json" : ask->format);
	member(out, "engine", ask->engine);
	member(out, "max_staleness", ask->max_staleness);
	member(out, "read_token", ask->read_token);
	buf_byte(out, '}');
}

static enum fate
send(const struct ask *ask, int argc, char **argv, struct http_response *ret, struct err *err)
{
	struct http_options options = { .base_url = ask->url,
		.total_timeout_ms = ask->timeout_ms,
		.response_max = ANSWER_MAX };
	struct http_client *client = NULL;
	struct buf body = { 0 }, authorization = { 0 };
	const char *headers[2] = { "Content-Type: application/json" };
	struct http_request request = {
		.url = "/v1/query", .headers = headers, .header_count = 1, .body_count = 1
	};
	struct slice view;
	enum fate fate;

	if (ask->key && *ask->key) {
		buf_printf(&authorization, "Authorization: Bearer %s", ask->key);
		headers[request.header_count++] = buf_str(&authorization);
	}
	request_write(ask, argc, argv, &body);
	view = buf_view(&body);
	request.body = &view;
	fate = http_client_new(&options, &client, err);
	if (fate == FATE_DONE)
		fate = http_client_send(client, &request, ret, err);
	http_client_free(client);
	buf_finish(&body);
	buf_finish(&authorization);
	return fate;
}

/* --- the table --- */

struct table {
	size_t columns, *widths;
	bool *right; /* numbers stand on the right */
	struct arena arena;
};

static struct slice
cell(struct table *t, struct slice raw)
{
	struct slice text = raw;

	if (json_kind_of(raw) == JSON_STRING)
		text = json_text(raw, &t->arena);
	else if (json_kind_of(raw) == JSON_NULL)
		text = SLICE("");
	return text;
}

static size_t
characters(struct slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static void
measure(struct table *t, struct slice row, bool by_name)
{
	struct json_walk walk = json_walk(row);

	for (size_t i = 0; i < t->columns && json_next(&walk); i++) {
		struct slice text =
		    cell(t, by_name ? json_member(walk.value, SLICE("name")) : walk.value);
		size_t width = characters(text);

		if (width > t->widths[i])
			t->widths[i] = width < WIDTH_MAX ? width : WIDTH_MAX;
		if (!by_name && json_kind_of(walk.value) == JSON_NUMBER)
			t->right[i] = true;
	}
	arena_reset(&t->arena);
}

/* Control characters would move the terminal's cursor, or more. */
static void
put_text(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		(void)putchar((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f ? ' ' : s.p[i]);
}

static void
put_row(struct table *t, struct slice row, bool by_name)
{
	struct json_walk walk = json_walk(row);

	for (size_t i = 0; i < t->columns && json_next(&walk); i++) {
		struct slice text =
		    cell(t, by_name ? json_member(walk.value, SLICE("name")) : walk.value);
		size_t width = characters(text);
		int pad = width < t->widths[i] ? (int)(t->widths[i] - width) : 0;

		if (i)
			(void)fputs("  ", stdout);
		if (t->right[i])
			(void)printf("%*s", pad, "");
		put_text(text);
		if (!t->right[i] && i + 1 < t->columns)
			(void)printf("%*s", pad, "");
	}
	(void)putchar('\n');
	arena_reset(&t->arena);
}

static void
put_rule(const struct table *t)
{
	for (size_t i = 0; i < t->columns; i++) {
		(void)fputs(i ? "  " : "", stdout);
		for (size_t k = 0; k < t->widths[i]; k++)
			(void)putchar('-');
	}
	(void)putchar('\n');
}

static void
put_table(struct slice columns, struct slice rows)
{
	struct table t = { .columns = json_count(columns) };
	struct json_walk walk;

	t.widths = calloc(t.columns + 1, sizeof *t.widths);
	t.right = calloc(t.columns + 1, sizeof *t.right);
	must(t.widths && t.right);
	arena_init(&t.arena, (size_t)1 << 30);
	measure(&t, columns, true);
	walk = json_walk(rows);
	while (json_next(&walk))
		measure(&t, walk.value, false);
	if (t.columns) {
		put_row(&t, columns, true);
		put_rule(&t);
	}
	walk = json_walk(rows);
	while (json_next(&walk))
		put_row(&t, walk.value, false);
	arena_finish(&t.arena);
	free(t.widths);
	free(t.right);
}

static void
put_value(struct slice raw, FILE *out)
{
	struct json_bytes bytes = json_bytes(raw);

	if (json_kind_of(raw) == JSON_STRING)
		bytes = json_bytes(json_inner(raw));
	for (int c; (c = json_byte(&bytes)) >= 0;)
		(void)fputc(c < ' ' || c == 0x7f ? ' ' : c, out);
}

static void
put_member(struct slice answer, const char *label, const char *name)
{
	struct slice raw = json_member(answer, slice_str(name));

	if (!raw.p)
		return;
	(void)fputs(label, stderr);
	put_value(raw, stderr);
}

/* The rows on standard output, what the router says of them on standard error. */
static void
show_table(struct slice answer)
{
	struct slice columns = json_member(answer, SLICE("columns"));
	struct slice rows = json_member(answer, SLICE("rows"));

	if (columns.p && rows.p)
		put_table(columns, rows);
	(void)fflush(stdout);
	put_member(answer, "-- ", "row_count");
	put_member(answer, " rows from ", "engine");
	put_member(answer, ": ", "reason");
	put_member(answer, " ", "detail");
	put_member(answer, ", ms ", "elapsed_ms");
	put_member(answer, ", affected ", "affected");
	put_member(answer, "\n-- read token ", "read_token");
	if (json_member(answer, SLICE("truncated")).p &&
	    json_kind_of(json_member(answer, SLICE("truncated"))) == JSON_TRUE)
		(void)fputs(", cut off", stderr);
	(void)fputc('\n', stderr);
}

/* "sluicectl query: UNKNOWN_TABLE: relation ..."; the exit code. */
static int
show_error(struct slice answer, long status)
{
	struct slice error = json_member(answer, SLICE("error"));

	(void)fputs("sluicectl query: ", stderr);
	if (error.p && json_kind_of(error) == JSON_OBJECT) {
		put_member(error, "", "code");
		put_member(error, ": ", "message");
		put_member(error, " (SQLSTATE ", "sqlstate");
		(void)fputs(json_member(error, SLICE("sqlstate")).p ? ")" : "", stderr);
		put_member(error, " at character ", "position");
	} else {
		(void)fprintf(stderr, "the router answered with status %ld", status);
	}
	(void)fputc('\n', stderr);
	return status == 503 || status == 429 ? EXIT_RESTART : EXIT_REFUSED;
}

static int
show(const struct ask *ask, const struct http_response *response)
{
	bool table = strcmp(ask->format, "table") == 0, json;
	struct slice answer = { 0 };
	struct err err;

	json = json_check(buf_view(&response->body), &answer, &err) == FATE_DONE &&
	       json_kind_of(answer) == JSON_OBJECT;
	if (response->status != 200 || (json && json_member(answer, SLICE("error")).p)) {
		if (json)
			return show_error(answer, response->status);
		(void)fprintf(stderr, "sluicectl query: status %ld\n", response->status);
		return EXIT_REFUSED;
	}
	if (table && json)
		show_table(answer);
	else
		(void)fwrite(response->body.p, 1, response->body.len, stdout);
	/* a failure after the first rows */
	if (http_response_header(response, "sluice-error").p)
		return EXIT_REFUSED;
	return EXIT_ASKED;
}

int
query_main(int argc, char **argv)
{
	const char *url = getenv("SLUICE_ROUTER");
	struct ask ask = { .url = url ? url : "http://127.0.0.1:8000",
		.key = getenv("SLUICE_KEY"),
		.format = "table",
		.timeout_ms = 300000 };
	const struct option_row rows[] = {
		{ "url", OPTION_TEXT, &ask.url, "URL",
		    "the router (default: SLUICE_ROUTER, or http://127.0.0.1:8000). The key is "
		    "SLUICE_KEY of the environment.",
		    0, 0 },
		{ "format", OPTION_TEXT, &ask.format, "FORMAT",
		    "table, json, ndjson or csv (default table).", 0, 0 },
		{ "engine", OPTION_TEXT, &ask.engine, "NAME", "the only engine to ask.", 0, 0 },
		{ "max-staleness", OPTION_TEXT, &ask.max_staleness, "TIME",
		    "how far a replica may be behind.", 0, 0 },
		{ "read-token", OPTION_TEXT, &ask.read_token, "TOKEN",
		    "what a write answered with: the answer includes it.", 0, 0 },
		{ "timeout", OPTION_DURATION, &ask.timeout_ms, "TIME",
		    "how long to wait for the answer (default 5m).", 0, 0 },
	};
	const struct option_table table = { "sluicectl query",
		"Asks a running router. Exit 1: refused or failed, 3: not now.",
		"SQL [VALUE OF $1] [...]", 1, 100, rows, sizeof rows / sizeof *rows };
	struct http_response response = { 0 };
	enum option_verdict verdict;
	struct err err = { 0 };
	int code;

	if (options_parse(&table, argc, argv, &verdict, &err) != FATE_DONE)
		return tool_fail("query", &err);
	if (verdict == OPTIONS_EXIT_OK)
		return EXIT_ASKED;
	if (send(&ask, argc, argv, &response, &err) == FATE_DONE)
		code = show(&ask, &response);
	else
		code = tool_fail("query", &err);
	http_response_finish(&response);
	return code;
}
