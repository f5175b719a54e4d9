/* SPDX-License-Identifier: Apache-2.0 */
/* engine_trino.h -- a statement under way in Trino, for the two files of its driver.
 *
 * engine_trino.c sends the requests; engine_trino_page.c reads what a page of their answers
 * says: columns, rows, the next page, an error. */
#ifndef ENGINE_ENGINE_TRINO_H
#define ENGINE_ENGINE_TRINO_H

#include "engine/engine_ops.h"
#include "link/http_loop.h"
#include "wire/json.h"
#include "wire/trino_text.h"

enum { TRINO_PAGE_MAX = 32 << 20 };

struct trino_engine;

struct trino_ask {
	struct trino_engine *engine;
	struct trino_ask *next; /* of the free ones */
	struct engine_query *query;
	struct http_stream *stream; /* NULL: no request is under way */
	struct buf page, path;      /* path: of the next page; "": there is none */
	struct slice body;
	enum trino_form *columns; /* NULL: not told yet */
	size_t column_count;
	struct json_walk rows; /* of the page, those not handed on */
	struct buf texts;
	struct slice *values;
	bool posted, large, has_rows, paused, deleting;
	bool accepted, refused; /* Trino has it; and has said itself that it failed */
	unsigned tries;
	struct loop_timer again;
	char limit[80], tag[80]; /* headers of the POST */
	struct engine_end end;
	struct err err;
};

/* A DELETE whose query is not waited for. */
struct farewell {
	struct farewell *next, **before;
	struct buf path;
};

struct trino_engine {
	struct loop *loop;
	struct http_loop *http;
	struct trino_ask *asks, *free;
	struct farewell *farewells;
	size_t base_len;
	char base[256], user[128], catalog[128];
	unsigned made, max;
};

/* Reads the page that has come; false: a->err says why it, or the statement, is none. */
bool trino_page_take(struct trino_ask *a);
/* Hands a->rows' row on; false: a->err says why not. */
bool trino_row_hand(struct trino_ask *a);

#endif
