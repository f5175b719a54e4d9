/* SPDX-License-Identifier: Apache-2.0 */
/* pg_frame.h -- messages of PostgreSQL's protocol 3.0, written and read as bytes.
 *
 * What libpq has no call for or is slow at once a connection stands: Close, one
 * description a statement, rows as views of what was received. Written from the chapter
 * "Message Formats" of the PostgreSQL 15 manual. Pure: no sockets, no state. */
#ifndef LINK_PG_FRAME_H
#define LINK_PG_FRAME_H

#include <stdbool.h>

#include "base/buf.h"
#include "link/pg.h"

enum { PG_FRAME_MAX = 64 << 20, PG_COLUMNS_MAX = 1664, PG_BOUND_MAX = 65535 };

/* --- from us; statement "": the unnamed one --- */

void pg_frame_parse(struct buf *out, const char *statement, const char *sql);
/* Into the unnamed portal; parameters and results as text. */
void pg_frame_bind(
    struct buf *out, const char *statement, const struct slice *params, size_t param_count);
void pg_frame_describe(struct buf *out, const char *statement);
void pg_frame_execute(struct buf *out);
void pg_frame_close(struct buf *out, const char *statement);
void pg_frame_sync(struct buf *out);

/* --- from the server --- */

struct pg_frame {
	char type;
	struct slice body;
};

/* Takes the first whole message of in; *ret_used is 0 when there is none yet, and then
 * *ret_wanted how many bytes it has in all (5 when not even that is known). HALT: no
 * length that a server sends, or more than PG_FRAME_MAX. */
enum fate pg_frame_next(struct slice in, struct pg_frame *ret_frame, size_t *ret_used,
    size_t *ret_wanted, struct err *err) NODISCARD;

/* Of these, false: the body is not what its type says. */
/* DataRow; values has room for count, which it must have. */
bool pg_frame_row(struct slice body, struct slice *values, size_t count);
/* RowDescription; ret_columns has room for PG_COLUMNS_MAX, names are views. */
bool pg_frame_columns(struct slice body, struct pg_column *ret_columns, size_t *ret_count);

struct pg_complaint {
	char state[6];
	struct slice message, routine; /* views */
	long position;                 /* in characters from 1; 0: not told */
};
bool pg_frame_complaint(struct slice body, struct pg_complaint *ret);
/* "INSERT 0 5" -> 5; -1 when the tag has no number or is a SELECT's. */
int64_t pg_frame_affected(struct slice tag);

#endif
