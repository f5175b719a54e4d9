/* SPDX-License-Identifier: Apache-2.0 */
/* request.h -- the JSON body of POST /v1/query and /v1/explain, read strictly.
 *
 * The request owns the body; its texts are decoded in place and terminated, so that an
 * engine may borrow them for as long as the request lives. Refused, with a sentence: what
 * is no JSON object, an unknown or double member, a value of another kind, a NUL. */
#ifndef ROUTER_REQUEST_H
#define ROUTER_REQUEST_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "engine/decide.h"

enum { REQUEST_PARAMS_MAX = 1000 };

/* MEMBERS: a leaderboard's rows, as objects; not for the asking. */
enum answer_format { FORMAT_JSON, FORMAT_NDJSON, FORMAT_CSV, FORMAT_MEMBERS };

struct router_request {
	struct buf body;
	struct slice sql;     /* terminated */
	struct slice *params; /* heap; p NULL: NULL */
	size_t param_count;
	const char *engine; /* NULL: any */
	int64_t max_staleness_ms;
	struct slice read_token; /* p NULL: none */
	int64_t wait_ms;         /* how long the caller waits for the end; -1: until it comes */
	bool go_on;              /* what happens then: it goes on, or is cancelled */
	int64_t row_limit, byte_limit; /* 0: none */
	int64_t timeout_ms;            /* of the statement; 0: the caller's limit */
	enum answer_format format;
};

/* body becomes the request's, also when it is refused. */
enum fate router_request_read(
    struct buf body, struct router_request *ret_request, struct err *err) NODISCARD;
void router_request_finish(struct router_request *request); /* accepts a zeroed one */

#endif
