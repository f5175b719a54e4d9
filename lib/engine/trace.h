/* SPDX-License-Identifier: Apache-2.0 */
/* trace.h -- why a statement went where it went: one line a rule that said something.
 *
 * A trace is a bounded list that the decision appends to as it goes; codes are texts that
 * stay and that people may rely on, details are for reading. It owns nothing. */
#ifndef ENGINE_TRACE_H
#define ENGINE_TRACE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum stage {
	STAGE_ADMIT,
	STAGE_CLASSIFY,
	STAGE_RESOLVE,
	STAGE_AUTHORISE,
	STAGE_PLACEMENTS,
	STAGE_FRESHNESS,
	STAGE_DIALECT,
	STAGE_SHAPE,
	STAGE_SIZE,
	STAGE_COST,
	STAGE_HEALTH,
	STAGE_FALLBACK,
};

enum verdict {
	VERDICT_PASSED,
	VERDICT_DROPPED, /* an engine */
	VERDICT_CHOSEN,  /* an engine */
	VERDICT_REFUSED, /* the statement */
	VERDICT_NOTED,
};

enum { TRACE_MAX = 48, TRACE_ALL = -1 /* no engine in particular */ };

struct trace_item {
	enum stage stage;
	enum verdict verdict;
	int engine; /* of the registry, or TRACE_ALL */
	const char *code;
	char detail[80]; /* "" when the code says it all */
};

struct trace {
	struct trace_item items[TRACE_MAX];
	size_t count; /* what does not fit is left out */
};

void trace_add(struct trace *trace, enum stage stage, enum verdict verdict, int engine,
    const char *code, const char *fmt, ...) PRINTF(6, 7);
/* The item with this code, or NULL. */
const struct trace_item *trace_find(const struct trace *trace, const char *code);

const char *stage_name(enum stage stage);
const char *verdict_name(enum verdict verdict);
/* The HTTP status of a refusal's code; 200 for a reason. */
unsigned code_status(const char *code);

#endif
