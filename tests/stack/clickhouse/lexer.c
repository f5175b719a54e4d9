/* SPDX-License-Identifier: Apache-2.0 */
#include "lexer.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct lexer {
	struct slice text;
	size_t at;  /* where the next token is looked for */
	size_t tok; /* the current token */
	size_t tok_len;
	int depth; /* of parentheses, the current token's effect included */
};

static bool
word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 128;
}

static size_t
find_from(struct slice text, size_t at, const char *needle, size_t needle_len)
{
	const char *hit =
	    at < text.len ? memmem(text.p + at, text.len - at, needle, needle_len) : NULL;

	return hit ? (size_t)(hit - text.p) + needle_len : text.len;
}

/* The end of what a quote at opens; a doubled quote or a backslash does not end it. */
static size_t
quoted_end(struct slice text, size_t at)
{
	char quote = text.p[at++];

	while (at < text.len) {
		if (text.p[at] == '\\') {
			at += 2;
		} else if (text.p[at] != quote) {
			at++;
		} else if (at + 1 < text.len && text.p[at + 1] == quote) {
			at += 2;
		} else {
			return at + 1;
		}
	}
	return text.len;
}

/* $tag$ ... $tag$, or one character when it is no heredoc. */
static size_t
heredoc_end(struct slice text, size_t at)
{
	size_t tag = at + 1;

	while (tag < text.len && word_char(text.p[tag]))
		tag++;
	if (tag >= text.len || text.p[tag] != '$')
		return at + 1;
	return find_from(text, tag + 1, text.p + at, tag + 1 - at);
}

static size_t
blank_end(struct slice text, size_t at)
{
	for (;;) {
		size_t left = text.len - at;
		const char *p = text.p + at;

		if (left == 0)
			return at;
		if (isspace((unsigned char)*p))
			at++;
		else if (left > 1 && memcmp(p, "/*", 2) == 0)
			at = find_from(text, at + 2, "*/", 2);
		else if (left > 1 && (memcmp(p, "--", 2) == 0 || memcmp(p, "# ", 2) == 0 ||
					 memcmp(p, "#!", 2) == 0))
			at = find_from(text, at, "\n", 1);
		else
			return at;
	}
}

static bool
next(struct lexer *lx)
{
	struct slice text = lx->text;
	size_t at = blank_end(text, lx->at);

	lx->tok = at;
	lx->tok_len = 0;
	lx->at = at;
	if (at >= text.len)
		return false;
	switch (text.p[at]) {
	case '\'':
	case '"':
	case '`': at = quoted_end(text, at); break;
	case '$': at = heredoc_end(text, at); break;
	case '(':
		lx->depth++;
		at++;
		break;
	case ')':
		lx->depth--;
		at++;
		break;
	default:
		if (word_char(text.p[at]))
			while (at < text.len && word_char(text.p[at]))
				at++;
		else
			at++;
	}
	lx->at = at < text.len ? at : text.len;
	lx->tok_len = lx->at - lx->tok;
	return true;
}

static bool
is(const struct lexer *lx, const char *word)
{
	return lx->tok_len == strlen(word) &&
	       strncasecmp(lx->text.p + lx->tok, word, lx->tok_len) == 0;
}

static bool
is_any(const struct lexer *lx, const char *const *words)
{
	for (; *words; words++)
		if (is(lx, *words))
			return true;
	return false;
}

static void
take_format(const struct lexer *lx, struct statement *st)
{
	if (lx->tok_len < sizeof st->format && isalpha((unsigned char)lx->text.p[lx->tok]))
		(void)snprintf(st->format, sizeof st->format, "%.*s", (int)lx->tok_len,
		    lx->text.p + lx->tok);
}

/* FORMAT is a clause only where a name follows and then the end, ";" or SETTINGS:
 * a column or alias may be called format too. */
static void
try_format(struct lexer lx, struct statement *st)
{
	struct lexer name;

	if (!next(&lx))
		return;
	name = lx;
	if (!next(&lx) || is(&lx, ";") || is(&lx, "SETTINGS"))
		take_format(&name, st);
}

/* Any function of that name counts: a column called file is not one. */
static bool
leaves_folder(struct lexer lx)
{
	static const char *const names[] = { "file", "fileCluster", "url", "urlCluster", "s3",
		"s3Cluster", "gcs", "hdfs", "remote", "remoteSecure", "cluster", "executable",
		"mysql", "postgresql", "mongodb", "redis", "odbc", "jdbc", "sqlite", NULL };

	return is_any(&lx, names) && next(&lx) && is(&lx, "(");
}

/* A clause of the query itself, not of one in parentheses. */
static void
read_clause(struct lexer *lx, struct statement *st, bool with)
{
	if (is(lx, "FORMAT")) {
		try_format(*lx, st);
	} else if (is(lx, "OUTFILE")) {
		st->outfile = true;
	} else if (with && is(lx, "INSERT")) {
		st->kind = STATEMENT_INSERT_SELECT;
		st->writes = true;
	}
}

static void
read_query(struct lexer *lx, struct statement *st, bool with)
{
	while (next(lx)) {
		st->outside = st->outside || leaves_folder(*lx);
		if (lx->depth > 0)
			continue;
		if (is(lx, ";")) {
			st->many = next(lx);
			return;
		}
		read_clause(lx, st, with);
	}
}

/* Inline data begins after the format's name, one ";" and the end of the line. */
static size_t
inline_data(struct slice text, size_t at)
{
	while (at < text.len && text.p[at] != '\n' && isspace((unsigned char)text.p[at]))
		at++;
	if (at < text.len && text.p[at] == ';')
		at++;
	if (at + 1 < text.len && text.p[at] == '\r' && text.p[at + 1] == '\n')
		at++;
	if (at < text.len && text.p[at] == '\n')
		at++;
	return at;
}

static void
insert_ends(struct statement *st, size_t settings_at, size_t end, size_t data_at)
{
	st->kind = STATEMENT_INSERT_DATA;
	st->head_len = settings_at ? settings_at : end;
	st->settings_len = settings_at ? end - settings_at : 0;
	st->data_at = data_at;
}

/* INSERT [INTO] [TABLE | FUNCTION] name: so that a table may be called values. */
static void
skip_target(struct lexer *lx)
{
	static const char *const noise[] = { "INTO", "TABLE", "FUNCTION", NULL };

	while (next(lx) && is_any(lx, noise))
		continue;
}

static void
read_insert(struct lexer *lx, struct statement *st)
{
	static const char *const sources[] = { "SELECT", "WITH", "INFILE", NULL };
	size_t settings_at = 0;
	bool opened = false; /* the token before was "(" */

	st->kind = STATEMENT_INSERT_SELECT;
	skip_target(lx);
	for (; next(lx); opened = is(lx, "(")) {
		if (lx->depth == (opened ? 1 : 0) && is_any(lx, sources))
			return;
		if (lx->depth != 0)
			continue;
		if (is(lx, "SETTINGS")) {
			settings_at = lx->tok;
		} else if (is(lx, "VALUES")) {
			(void)snprintf(st->format, sizeof st->format, "Values");
			insert_ends(st, settings_at, lx->tok, lx->at);
			return;
		} else if (is(lx, "FORMAT")) {
			size_t end = lx->tok;

			if (!next(lx))
				return;
			take_format(lx, st);
			insert_ends(st, settings_at, end, inline_data(lx->text, lx->at));
			return;
		} else if (is(lx, ";")) {
			break;
		}
	}
	insert_ends(st, settings_at, lx->tok, lx->text.len);
}

static enum statement_kind
kind_of(const struct lexer *lx)
{
	if (is(lx, "SELECT") || is(lx, "WITH"))
		return STATEMENT_SELECT;
	if (is(lx, "KILL"))
		return STATEMENT_KILL;
	if (is(lx, "DROP") || is(lx, "DETACH"))
		return STATEMENT_DROP;
	return STATEMENT_OTHER;
}

void
statement_read(struct slice text, struct statement *ret_statement)
{
	static const char *const reads[] = { "SELECT", "WITH", "SHOW", "DESCRIBE", "DESC",
		"EXPLAIN", "EXISTS", "CHECK", "USE", "SET", NULL };
	struct lexer lx = { .text = text };
	struct statement st = { .kind = STATEMENT_EMPTY };

	while (next(&lx) && is(&lx, "("))
		continue;
	lx.depth = 0;
	if (lx.tok_len && is(&lx, "INSERT")) {
		st.writes = true;
		read_insert(&lx, &st);
	} else if (lx.tok_len && !is(&lx, ";")) {
		st.kind = kind_of(&lx);
		st.writes = !is_any(&lx, reads);
		read_query(&lx, &st, is(&lx, "WITH"));
	}
	*ret_statement = st;
}

void
statement_tame(struct slice text, enum statement_kind kind, struct buf *out)
{
	struct lexer lx = { .text = text };
	size_t from = 0;

	while (next(&lx)) {
		const char *as = NULL;

		if (kind == STATEMENT_KILL && is(&lx, "query_id"))
			as = "Settings['log_comment']";
		else if (kind == STATEMENT_KILL && is(&lx, "SYNC"))
			as = "ASYNC";
		else if (kind == STATEMENT_DROP && is(&lx, "SYNC"))
			as = "";
		if (!as)
			continue;
		buf_put(out, text.p + from, lx.tok - from);
		buf_cstr(out, as);
		from = lx.at;
	}
	buf_put(out, text.p + from, text.len - from);
}
