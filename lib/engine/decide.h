/* SPDX-License-Identifier: Apache-2.0 */
/* decide.h -- which engine answers, and why: the stages that depend on the moment.
 *
 * A decision takes a plan and the weather (how fresh, healthy, quick and dear each engine
 * is just now), chooses one engine or refuses, and carries the whole trace. It is pure:
 * the weather comes in, nothing is asked. It borrows the plan and the registry. A line of
 * governance or freshness is never crossed, not even by a forced engine. */
#ifndef ENGINE_DECIDE_H
#define ENGINE_DECIDE_H

#include "engine/plan.h"

enum { LAG_UNKNOWN = -1, ANY_STALENESS = -1 };

/* An engine just now. */
struct engine_weather {
	bool down;          /* the last health check failed */
	bool breaker_open;  /* too many of the last statements failed */
	bool quota_spent;   /* the caller's */
	int64_t lag_ms;     /* a replica's; LAG_UNKNOWN */
	uint64_t lsn;       /* a replica's: it holds every commit before; 0: not known */
	double measured_ms; /* EWMA for statements like this one; 0: never run */
	double measured_cost;
};

struct weather {
	struct engine_weather engines[REGISTRY_ENGINES_MAX];
};

struct decide_request {
	int64_t max_staleness_ms; /* ANY_STALENESS */
	uint64_t token_lsn;       /* what a replica must hold; 0: no read token was shown */
	const char *engine;       /* forced; NULL: none */
	enum routing routing;
	unsigned unfit; /* bit set: candidates to which these parameters cannot be said */
	const struct err *unfit_why; /* by engine, of those: code and sentence */
};

enum { DECIDED_REGISTRY = -2 }; /* answered from the registry itself */

struct decision {
	unsigned status;      /* 200, or what HTTP says of the refusal */
	const char *reason;   /* the code: of the rule that chose, or of the refusal */
	char detail[200];     /* of a refusal: the sentence */
	const char *sqlstate; /* of a refusal for its parameters: Postgres'; else "" */
	long offset;          /* of a refusal: the byte of the text, -1: none */
	int engine;           /* chosen; ENGINE_NONE when refused, or DECIDED_REGISTRY */
	const char *sql;      /* for that engine */
	bool degraded;        /* the engine of the rule was not to be had */
	double predicted_ms, predicted_cost; /* 0: never measured */
	struct trace trace;
};

void decide(const struct registry *registry, const struct plan *plan,
    const struct decide_request *request, const struct weather *weather,
    struct decision *ret_decision);

/* The trace, a line an item: stage, verdict, engine, CODE(detail). */
void decision_print(
    const struct registry *registry, const struct decision *decision, struct buf *out);

#endif
