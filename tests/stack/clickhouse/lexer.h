/* SPDX-License-Identifier: Apache-2.0 */
/* lexer.h -- just enough of ClickHouse's grammar to serve a statement over HTTP.
 *
 * It finds the kind of a statement, its FORMAT, and for an INSERT where the
 * statement ends and inline data begins. Strings, quoted names, heredocs,
 * comments and parentheses are understood; expressions are not. Pure: it
 * borrows the text, allocates nothing and never refuses: what it does not know
 * is STATEMENT_OTHER, and the engine has the last word. */
#ifndef CLICKHOUSE_LEXER_H
#define CLICKHOUSE_LEXER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"

enum { FORMAT_NAME_SIZE = 64 };

enum statement_kind {
	STATEMENT_EMPTY,         /* nothing, or comments only */
	STATEMENT_SELECT,        /* SELECT or WITH ... SELECT */
	STATEMENT_INSERT_DATA,   /* rows follow: inline, or as the request's body */
	STATEMENT_INSERT_SELECT, /* rows come from a query or a file */
	STATEMENT_KILL,
	STATEMENT_DROP, /* DROP or DETACH */
	STATEMENT_OTHER,
};

struct statement {
	enum statement_kind kind;
	bool writes;  /* refused on GET and for users who may only read */
	bool many;    /* a second statement follows a semicolon */
	bool outfile; /* INTO OUTFILE: no server allows it over HTTP */
	bool outside; /* a table function that leaves the data folder: file, url, s3... */
	char format[FORMAT_NAME_SIZE]; /* FORMAT in the text (VALUES: "Values"), or "" */
	/* INSERT with data only: */
	size_t head_len;     /* the text before SETTINGS, FORMAT or VALUES */
	size_t settings_len; /* SETTINGS right after the head, or 0 */
	size_t data_at;      /* where inline data begins */
};

void statement_read(struct slice text, struct statement *ret_statement);

/* Appends text to out such that the embedded engine can run it: SYNC of KILL and
 * DROP never returns there and goes away (KILL becomes ASYNC); KILL's query_id
 * becomes the setting that carries the client's id, as a query_id cannot be set. */
void statement_tame(struct slice text, enum statement_kind kind, struct buf *out);

#endif
