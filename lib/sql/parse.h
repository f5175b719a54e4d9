/* SPDX-License-Identifier: Apache-2.0 */
/* parse.h -- text to the Postgres parser's tree (JSON, read by jansson), and places.
 *
 * The parser and everything that walks its tree recurse with the depth of an
 * expression, so compilers run through sql_on_deep_stack(). Texts over
 * SQL_TEXT_MAX, trees deeper than jansson reads (about a thousand operators) and
 * anything but one statement are refused. */
#ifndef SQL_PARSE_H
#define SQL_PARSE_H

#include <jansson.h>

#include "base/err.h"
#include "base/slice.h"
#include "sql/query.h"

/* Calls work(arg) on a thread of 64 MiB stack and waits for it. */
enum fate sql_on_deep_stack(
    enum fate (*work)(void *arg, struct err *err), void *arg, struct err *err);

/* The parser's whole tree of a text without NUL, whatever its statements; *ret_root owns it.
 * HALT: the sentence, and its place in *ret_offset (-1: none); code SQL_CODE_DEPTH when
 * the text may be SQL but its tree is too deep to read. */
#define SQL_CODE_DEPTH "54001"
enum fate sql_parse_tree(
    struct slice text, json_t **ret_root, long *ret_offset, struct err *err) NODISCARD;

/* The SelectStmt of a text that is one SELECT; *ret_root owns it. HALT with place. */
enum fate sql_parse_select(
    struct slice text, json_t **ret_root, const json_t **ret_select, struct err *err);

struct sql_place sql_place_of(struct slice text, long offset);
/* HALT "line:column: sentence" for a byte offset; a negative one names no place. */
enum fate sql_refuse(struct err *err, struct slice text, long offset, const char *fmt, ...)
    PRINTF(4, 5);

/* Members of the parser's nodes: {"A_Expr": {...}} -> "A_Expr" and its body. */
const char *sql_node_tag(const json_t *node, const json_t **ret_body);
const char *sql_node_text(const json_t *body, const char *member); /* "" when missing */
long sql_node_location(const json_t *body);                        /* 0 when missing */
/* Element i of a list of {"String": {"sval": ..}}; "" when it is none. */
const char *sql_node_name(const json_t *list, size_t i);

#endif
