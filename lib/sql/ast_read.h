/* SPDX-License-Identifier: Apache-2.0 */
/* ast_read.h -- the pieces of the statement reader, for each other.
 *
 * Builders take the parser's JSON and give nodes of the arena, or NULL with the
 * refusal in reader.trouble; a missing (NULL) JSON node is NULL without one. */
#ifndef SQL_AST_READ_H
#define SQL_AST_READ_H

#include <jansson.h>

#include "sql/ast.h"
#include "sql/parse.h"

struct ast_reader {
	struct arena *arena;
	struct slice text;
	struct ast_trouble *trouble;
	unsigned depth;
};

void *ast_take(struct ast_reader *r, size_t count, size_t size); /* cleared; never NULL */
const char *ast_keep(struct ast_reader *r, const char *text);    /* "" is NULL */
/* Refuses the first member of body that is not among the words of known. */
bool ast_known(struct ast_reader *r, const char *tag, const json_t *body, const char *known);
static inline bool
ast_bad(const struct ast_reader *r)
{
	return r->trouble->code != NULL;
}
bool ast_enter(struct ast_reader *r, long location); /* counts depth; TOO_DEEP */

/* A list of {"String": ...} as names; NULL and 0 when missing. */
const char **ast_names(struct ast_reader *r, const json_t *list, size_t *ret_count);

struct ast_expr *ast_expr(struct ast_reader *r, const json_t *node);
struct ast_list ast_exprs(struct ast_reader *r, const json_t *list);
struct ast_expr *ast_expr_new(
    struct ast_reader *r, enum ast_kind kind, size_t argc, long location);
struct ast_expr *ast_call(struct ast_reader *r, const json_t *body);
struct ast_expr *ast_sublink(struct ast_reader *r, const json_t *body, long location);
struct ast_expr *ast_indirection(struct ast_reader *r, const json_t *body, long location);
struct ast_order *ast_orders(struct ast_reader *r, const json_t *list, size_t *ret_count);
void ast_window(struct ast_reader *r, const json_t *body, struct ast_window *ret);

struct ast_select *ast_select(struct ast_reader *r, const json_t *body);
struct ast_from *ast_from(struct ast_reader *r, const json_t *node);
struct ast_from *ast_range_var(struct ast_reader *r, const json_t *body);
struct ast_from **ast_froms(struct ast_reader *r, const json_t *list, size_t *ret_count);
struct ast_target *ast_targets(struct ast_reader *r, const json_t *list, size_t *ret_count);
void ast_with(struct ast_reader *r, const json_t *body, struct ast_with *ret);

struct ast_statement *ast_statement(struct ast_reader *r, const json_t *node);

#endif
