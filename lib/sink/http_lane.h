/* SPDX-License-Identifier: Apache-2.0 */
/* http_lane.h -- the records of some keys in order, and the request of the first of them.
 *
 * A lane has one request in flight at most. It owns its items' memory (a free list in the
 * set) and the body; records are borrowed. A body holds the first `rows` items, one when
 * bodies are no arrays; a record that makes no body is rejected and leaves the lane while
 * it is built. There is no I/O here. */
#ifndef SINK_HTTP_LANE_H
#define SINK_HTTP_LANE_H

#include "sink/http.h"
#include "sink/http_select.h"
#include "wire/record.h"

enum { HTTP_LINE_SIZE = 96 };

/* A record that waits in its lane. */
struct http_item {
	struct record *record;
	struct http_item *next;
};

struct http_lane {
	struct http_item *head, **tail;
	bool in_flight;
	size_t rows;      /* items from head on that the body holds; 0: none is built */
	size_t most;      /* items of the next body: halved when refused */
	unsigned attempt; /* of this body */
	int64_t due_ms, first_ms;
	struct buf body, signature;
	struct slice body_view; /* what the request borrows */
	struct slice id;        /* in id_line */
	char op;                /* of a body of one */
	char id_line[HTTP_LINE_SIZE], key_line[HTTP_LINE_SIZE], time_line[HTTP_LINE_SIZE];
};

/* All lanes of a sink. */
struct http_lanes {
	const struct sink_http_config *config;
	struct http_select *select; /* with HTTP_SELECT */
	struct http_lane *lanes;
	size_t count;
	struct http_item *free_items;
	size_t pending;
};

/* HALT: a wrong select list. */
enum fate http_lanes_init(
    struct http_lanes *lanes, const struct sink_http_config *config, struct err *err) NODISCARD;
void http_lanes_finish(struct http_lanes *lanes); /* accepts a zeroed one */

void http_lanes_add(struct http_lanes *lanes, struct record *record);
void http_lanes_clear(struct http_lanes *lanes); /* forgets all records */

/* Makes the body of the first items; false when the lane is empty (all may have been
 * rejected on the way). Does nothing when a body stands. */
bool http_lane_build(struct http_lanes *lanes, struct http_lane *lane, int64_t now_ms);

/* The body's rows are settled: DONE, or rejected with why when it is given. */
void http_lane_settle(struct http_lanes *lanes, struct http_lane *lane, const char *why);

/* The body was refused: false when it held one row, else the next one holds half of it. */
bool http_lane_halve(struct http_lane *lane);

/* A status and the printable beginning of what came with it, unless that holds a secret of
 * the configuration. */
struct http_response;
void http_describe(const struct sink_http_config *config, const struct http_response *response,
    char *ret, size_t size);

/* schema.table of the change; its op as receivers see it. */
struct slice http_table(const struct record *record);
char http_op(const struct record *record);

#endif
