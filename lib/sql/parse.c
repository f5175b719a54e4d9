/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/parse.h"

#include <pg_query.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "sql/query.h"

enum { DEEP_STACK = 64 * 1024 * 1024 };

struct deep_call {
	enum fate (*work)(void *arg, struct err *err);
	void *arg;
	struct err *err;
	enum fate fate;
};

static void *
deep_main(void *arg)
{
	struct deep_call *call = arg;

	call->fate = call->work(call->arg, call->err);
	return NULL;
}

enum fate
sql_on_deep_stack(enum fate (*work)(void *arg, struct err *err), void *arg, struct err *err)
{
	struct deep_call call = { .work = work, .arg = arg, .err = err };
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	must(pthread_attr_init(&attr) == 0);
	must(pthread_attr_setstacksize(&attr, DEEP_STACK) == 0);
	rc = pthread_create(&thread, &attr, deep_main, &call);
	must(pthread_attr_destroy(&attr) == 0);
	if (rc != 0)
		return err_set(err, FATE_RETRY, "no thread to compile SQL on");
	must(pthread_join(thread, NULL) == 0);
	return call.fate;
}

struct sql_place
sql_place_of(struct slice text, long offset)
{
	struct sql_place place = { 1, 1 };

	if (offset < 0)
		return (struct sql_place){ 0 };
	for (size_t i = 0; i < (size_t)offset && i < text.len; i++) {
		if (text.p[i] == '\n') {
			place.line++;
			place.column = 1;
		} else if (((unsigned char)text.p[i] & 0xc0) != 0x80) {
			place.column++;
		}
	}
	return place;
}

enum fate
sql_refuse(struct err *err, struct slice text, long offset, const char *fmt, ...)
{
	struct sql_place place = sql_place_of(text, offset);
	char what[ERR_WHAT_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (offset < 0)
		return err_set(err, FATE_HALT, "%s", what);
	return err_set(err, FATE_HALT, "%u:%u: %s", place.line, place.column, what);
}

/* The parser counts characters from 1; places are byte offsets. */
static long
offset_of_char(struct slice text, int cursor)
{
	size_t i = 0;

	for (int chars = 1; i < text.len && chars <= cursor; i++) {
		if (((unsigned char)text.p[i] & 0xc0) != 0x80 && chars++ == cursor)
			break;
	}
	return cursor > 0 ? (long)i : -1;
}

enum fate
sql_parse_tree(struct slice text, json_t **ret_root, long *ret_offset, struct err *err)
{
	PgQueryParseResult result;
	json_error_t json_err;
	enum fate fate = FATE_DONE;
	char *copy = malloc(text.len + 1);

	must(copy);
	memcpy(copy, text.p, text.len);
	copy[text.len] = '\0';
	result = pg_query_parse(copy);
	if (result.error) {
		*ret_offset = offset_of_char(text, result.error->cursorpos);
		fate = err_set(err, FATE_HALT, "%s", result.error->message);
	} else {
		*ret_root = json_loads(result.parse_tree, JSON_ALLOW_NUL, &json_err);
		*ret_offset = 0;
		if (!*ret_root)
			fate = err_code(err, FATE_HALT, SQL_CODE_DEPTH,
			    "the expression is nested too deep, or no UTF-8 (%s)",
			    json_err.text);
	}
	pg_query_free_parse_result(result);
	free(copy);
	return fate;
}

enum fate
sql_parse_select(
    struct slice text, json_t **ret_root, const json_t **ret_select, struct err *err)
{
	const json_t *stmts, *select;
	json_t *root = NULL;
	const char *tag;
	struct err why;
	long offset = 0;

	if (text.len > SQL_TEXT_MAX)
		return err_set(err, FATE_HALT,
		    "1:1: a query text is at most %d bytes, this has %zu", (int)SQL_TEXT_MAX,
		    text.len);
	if (text.len == 0 || memchr(text.p, '\0', text.len))
		return err_set(
		    err, FATE_HALT, "1:1: a query text is neither empty nor holds NUL");
	if (sql_parse_tree(text, &root, &offset, &why))
		return sql_refuse(err, text, offset, "%s", why.what);
	stmts = json_object_get(root, "stmts");
	tag = sql_node_tag(json_object_get(json_array_get(stmts, 0), "stmt"), &select);
	if (json_array_size(stmts) != 1 || strcmp(tag, "SelectStmt") != 0) {
		json_decref(root);
		return sql_refuse(err, text, 0, "one SELECT statement is wanted here");
	}
	*ret_root = root;
	*ret_select = select;
	return FATE_DONE;
}

const char *
sql_node_tag(const json_t *node, const json_t **ret_body)
{
	/* jansson's iterator wants a mutable object and leaves it alone */
	void *iter = json_object_iter((json_t *)(uintptr_t)node);

	*ret_body = iter ? json_object_iter_value(iter) : NULL;
	return iter ? json_object_iter_key(iter) : "";
}

const char *
sql_node_text(const json_t *body, const char *member)
{
	const char *s = json_string_value(json_object_get(body, member));

	return s ? s : "";
}

long
sql_node_location(const json_t *body)
{
	return (long)json_integer_value(json_object_get(body, "location"));
}

const char *
sql_node_name(const json_t *list, size_t i)
{
	const json_t *body;
	const char *tag = sql_node_tag(json_array_get(list, i), &body);

	return strcmp(tag, "String") == 0 ? sql_node_text(body, "sval") : "";
}
