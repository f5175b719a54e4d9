/* SPDX-License-Identifier: Apache-2.0 */
/* ops.h -- what the router's files know of each other. Private to this room.
 *
 * One struct router, one loop, one thread: nothing here takes a lock. A request is an
 * exchange of httpd_loop.h; a statement lives from its POST until it has ended and, when
 * it was asked for asynchronously, until its answer was kept long enough. */
#ifndef ROUTER_OPS_H
#define ROUTER_OPS_H

#include <stdio.h>

#include "engine/decide.h"
#include "engine/engine.h"
#include "engine/measure.h"
#include "engine/plan_cache.h"
#include "link/httpd_loop.h"
#include "router/answer.h"
#include "router/audit.h"
#include "router/fresh.h"
#include "router/history.h"
#include "router/key.h"
#include "router/request.h"
#include "router/statistics.h"

struct statement;

enum {
	ROUTER_BUCKETS = 1024,
	ROUTER_WAITING_MAX = 1024, /* statements that wait for a replica */
};

/* What an engine's answers have cost since the start, and how long one takes. */
struct router_spent {
	double cost, latency_ms; /* latency: EWMA */
};

struct router {
	struct registry *registry;
	struct loop *loop;
	struct httpd_loop *httpd;
	struct engine *engines[REGISTRY_ENGINES_MAX]; /* NULL: it could not be opened: */
	char trouble[REGISTRY_ENGINES_MAX][120];
	struct plan_cache *plans;
	struct measure *measure;
	struct router_spent spent[REGISTRY_ENGINES_MAX];
	double dearest; /* what the dearest engine known for each statement would have cost */
	struct router_statistics *statistics;
	struct arena arena; /* scratch of plans */
	struct router_fresh *fresh;
	struct loop_note moved;
	unsigned char token_key[READ_TOKEN_KEY_LEN];
	struct router_keys *keys;
	struct router_audit *audit;     /* NULL: none */
	struct router_history *history; /* NULL: none */
	char policy_version[17];        /* of the registry's file: hexadecimal */
	struct statement *by_id[ROUTER_BUCKETS];
	struct statement *waiting;          /* for what their read tokens stand for */
	struct statement *kept, **kept_end; /* ended ones whose answers wait, oldest first */
	unsigned statement_count, waiting_count, kept_count;
	int64_t results_bytes; /* of answers that wait to be fetched */
	char run[17];          /* of ids: hexadecimal, this process' own */
	uint64_t last_id;
	bool draining;
};

/* --- router.c --- */

/* Closes the connections and cancels every statement, then closes the engines: what ends
 * inside is asked of none of them again. No statement is left. */
void router_halt(struct router *router);

/* --- api.c --- */

void router_asked(void *ctx, struct httpd_exchange *x);

/* May the caller begin one more? Then principal_end() ends it; false: it has been refused,
 * by its limits or because the router is being stopped. */
bool router_admit(struct router *router, struct httpd_exchange *x, struct principal *who);

/* --- refuse.c --- */

/* What every answer about an error looks like. */
struct router_error {
	unsigned status;
	const char *code, *message;
	const char *sqlstate; /* "": none */
	int64_t position;     /* character of the text, from 1; 0: none */
	int64_t retry_after_s;
};
/* From a byte of the text to the character that people count, from 1; 0: there is none. */
int64_t router_character(struct slice sql, long offset);
/* "error":{...} */
void router_error_write(const struct router_error *error, struct buf *out);
/* Begins the answer: everything but the last brace. */
struct buf *router_error_begin(struct httpd_exchange *x, const struct router_error *error);
void router_refuse(struct httpd_exchange *x, const struct router_error *error);
void router_refuse_plain(
    struct httpd_exchange *x, unsigned status, const char *code, const char *message);

/* --- statement*.c --- */

/* Owns the request from now on, and the exchange until it is answered. */
void statement_new(struct router *router, struct httpd_exchange *x, struct principal *who,
    struct router_request *request);
/* The principal's own statement; NULL: none. */
struct statement *statement_find(
    struct router *router, const struct principal *who, struct slice id);
void statement_show(struct statement *s, struct httpd_exchange *x);
void statement_show_chunk(struct statement *s, struct httpd_exchange *x, size_t chunk);
void statement_delete(struct statement *s);
/* Those that wait for a replica look again. */
void statements_moved(struct router *router);
void statements_cancel_all(struct router *router);

/* --- explain.c --- */

void router_explain(struct router *router, struct httpd_exchange *x, struct principal *who,
    const struct router_request *request);

/* --- weather.c --- */

/* An engine has answered: remembers how long it took and what it cost; returns the cost. */
double router_measured(
    struct router *router, const struct plan *plan, int engine, const struct engine_end *end);
/* Everything that decide() is told of the moment. failed: bit set of engines that have
 * just refused this very statement. */
void router_weather(struct router *router, const struct plan *plan, unsigned failed,
    struct weather *ret_weather);
/* What a read token stands for: 0 without one, UINT64_MAX when it is of another history.
 * NULL, or why it is refused. */
const struct router_error *router_token_lsn(
    struct router *router, const struct principal *who, struct slice token, uint64_t *ret_lsn);

/* --- state.c: what there is, as JSON --- */

/* As engine_state(), also of one that could not be opened. */
void router_engine_state(
    const struct router *router, size_t engine, struct engine_state *ret_state);
void router_lag_write(int64_t lag_ms, struct buf *out); /* ,"lag_ms":... */

void router_engines(struct router *router, struct buf *out);
void router_tables(struct router *router, const struct registry_role *role, struct buf *out);

/* --- print.c: --print-config, secrets masked --- */

void router_print(const struct registry *registry, FILE *out);

/* --- metrics.c --- */

void router_metrics_init(struct router *router);
void router_count_statement(int engine, bool good, int64_t elapsed_us);
void router_metrics(struct router *router, struct buf *out);

/* --- page_serve.c --- */

/* A file that the program carries; false: none of that path. */
bool router_page(struct httpd_exchange *x);
struct slice router_openapi(void);

/* --- leaderboard.c --- */

/* The first of a board: of the key in Redis, or of the table of that name. */
void router_leaderboard(struct router *router, struct httpd_exchange *x, struct principal *who,
    struct slice key, int64_t top);

#endif
