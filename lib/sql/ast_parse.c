/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "sql/ast_read.h"

/* A text this short cannot need more stack than a thread of any server has. */
enum { SHALLOW_TEXT = 2048 };

void *
ast_no(struct ast_trouble *trouble, const char *code, long offset, const char *fmt, ...)
{
	va_list ap;

	if (trouble->code)
		return NULL;
	trouble->code = code;
	trouble->offset = offset;
	va_start(ap, fmt);
	(void)vsnprintf(trouble->what, sizeof(trouble->what), fmt, ap);
	va_end(ap);
	return NULL;
}

void *
ast_take(struct ast_reader *r, size_t count, size_t size)
{
	void *p = arena_alloc(r->arena, count * size + 1);

	must(p); /* a text of AST_TEXT_MAX needs far less than the arena's ceiling */
	memset(p, 0, count * size + 1);
	return p;
}

const char *
ast_keep(struct ast_reader *r, const char *text)
{
	struct slice copy;

	if (!text || !*text)
		return NULL;
	copy = arena_copy(r->arena, slice_str(text));
	must(copy.p);
	return copy.p;
}

static bool
word_among(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = words; (at = strstr(at, word)) != NULL; at += len) {
		if ((at == words || at[-1] == ' ') && (at[len] == '\0' || at[len] == ' '))
			return true;
	}
	return false;
}

bool
ast_known(struct ast_reader *r, const char *tag, const json_t *body, const char *known)
{
	json_t *object = (json_t *)(uintptr_t)body; /* the iterator leaves it alone */

	for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
		const char *key = json_object_iter_key(i);

		if (strcmp(key, "location") != 0 && !word_among(known, key)) {
			ast_no(r->trouble, "UNSUPPORTED", sql_node_location(body),
			    "%s with %s is not supported", tag, key);
			return false;
		}
	}
	return true;
}

bool
ast_enter(struct ast_reader *r, long location)
{
	if (++r->depth <= AST_DEPTH_MAX)
		return true;
	ast_no(r->trouble, "TOO_DEEP", location, "nested deeper than %d levels", AST_DEPTH_MAX);
	return false;
}

const char **
ast_names(struct ast_reader *r, const json_t *list, size_t *ret_count)
{
	const char **names;

	*ret_count = json_array_size(list);
	if (*ret_count == 0)
		return NULL;
	names = ast_take(r, *ret_count, sizeof(*names));
	for (size_t i = 0; i < *ret_count; i++)
		names[i] = ast_keep(r, sql_node_name(list, i));
	return names;
}

struct parse_work {
	struct ast_reader reader;
	bool expression;
	struct ast_statement *statement;
	struct ast_expr *expr;
};

static const json_t *
only_statement(struct ast_reader *r, const json_t *root)
{
	const json_t *stmts = json_object_get(root, "stmts");

	if (json_array_size(stmts) == 0)
		return ast_no(r->trouble, "EMPTY", 0, "there is no statement in the text");
	if (json_array_size(stmts) > 1)
		return ast_no(r->trouble, "MULTI_STATEMENT",
		    (long)json_integer_value(
			json_object_get(json_array_get(stmts, 1), "stmt_location")),
		    "one statement a request, this text has %zu", json_array_size(stmts));
	return json_array_get(stmts, 0);
}

static void
read_statement(struct parse_work *work, const json_t *root)
{
	struct ast_reader *r = &work->reader;
	const json_t *raw = only_statement(r, root);
	long at, len;

	if (!raw)
		return;
	work->statement = ast_statement(r, json_object_get(raw, "stmt"));
	if (!work->statement)
		return;
	at = (long)json_integer_value(json_object_get(raw, "stmt_location"));
	len = (long)json_integer_value(json_object_get(raw, "stmt_len"));
	work->statement->end = len ? at + len : (long)r->text.len;
}

/* "SELECT expression", as the reader of filters and masks has put it. */
static void
read_expression(struct parse_work *work, const json_t *root)
{
	struct ast_statement *s;

	read_statement(work, root);
	s = work->statement;
	if (!s || s->kind != STATEMENT_SELECT || s->select->target_count != 1 ||
	    s->select->from_count || s->select->where || s->select->group.count ||
	    s->select->set || s->select->with.count || s->select->order_count)
		(void)ast_no(work->reader.trouble, "SYNTAX", 0, "one expression is wanted");
	else
		work->expr = s->select->targets[0].expr;
}

static enum fate
parse_main(void *arg, struct err *err)
{
	struct parse_work *work = arg;
	struct ast_reader *r = &work->reader;
	json_t *root = NULL;
	long offset = -1;
	enum fate fate = sql_parse_tree(r->text, &root, &offset, err);

	if (fate) {
		bool deep = strcmp(err->code, SQL_CODE_DEPTH) == 0;

		(void)ast_no(r->trouble, deep ? "TOO_DEEP" : "SYNTAX", offset, "%s", err->what);
		return FATE_DONE;
	}
	if (work->expression)
		read_expression(work, root);
	else
		read_statement(work, root);
	json_decref(root);
	return FATE_DONE;
}

static bool
text_fit(struct slice text, struct ast_trouble *trouble)
{
	const char *nul = text.len ? memchr(text.p, '\0', text.len) : NULL;

	if (text.len > AST_TEXT_MAX)
		ast_no(trouble, "TOO_LARGE", -1, "a text is at most %d bytes, this has %zu",
		    (int)AST_TEXT_MAX, text.len);
	else if (nul)
		ast_no(trouble, "BAD_TEXT", nul - text.p, "a NUL byte in the text");
	return trouble->code == NULL;
}

static bool
parse(struct parse_work *work)
{
	struct ast_trouble *trouble = work->reader.trouble;
	struct err err = { 0 };
	enum fate fate;

	*trouble = (struct ast_trouble){ .offset = -1 };
	if (!text_fit(work->reader.text, trouble))
		return false;
	if (work->reader.text.len <= SHALLOW_TEXT)
		fate = parse_main(work, &err);
	else
		fate = sql_on_deep_stack(parse_main, work, &err);
	if (fate)
		(void)ast_no(trouble, "BUSY", -1, "%s", err.what);
	return trouble->code == NULL;
}

bool
ast_parse(struct slice text, struct arena *arena, struct ast_statement **ret_statement,
    struct ast_trouble *trouble)
{
	struct parse_work work = { .reader = {
				       .arena = arena, .text = text, .trouble = trouble } };

	if (!parse(&work))
		return false;
	*ret_statement = work.statement;
	return true;
}

bool
ast_parse_expr(struct slice text, struct arena *arena, struct ast_expr **ret_expr,
    struct ast_trouble *trouble)
{
	struct parse_work work = { .reader = { .arena = arena, .trouble = trouble },
		.expression = true };
	struct buf select = { 0 };
	bool good;

	buf_printf(&select, "SELECT %.*s", SLICE_ARG(text));
	work.reader.text = buf_view(&select);
	good = parse(&work);
	buf_finish(&select);
	if (good)
		*ret_expr = work.expr;
	return good;
}
