/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
trace_add(struct trace *trace, enum stage stage, enum verdict verdict, int engine,
    const char *code, const char *fmt, ...)
{
	struct trace_item *item = &trace->items[trace->count];
	va_list ap;

	if (trace->count == TRACE_MAX)
		return;
	*item = (struct trace_item){
		.stage = stage, .verdict = verdict, .engine = engine, .code = code
	};
	va_start(ap, fmt);
	(void)vsnprintf(item->detail, sizeof item->detail, fmt, ap);
	va_end(ap);
	trace->count++;
}

const struct trace_item *
trace_find(const struct trace *trace, const char *code)
{
	for (size_t i = 0; i < trace->count; i++) {
		if (strcmp(trace->items[i].code, code) == 0)
			return &trace->items[i];
	}
	return NULL;
}

const char *
stage_name(enum stage stage)
{
	static const char *const names[] = { "admit", "classify", "resolve", "authorise",
		"placements", "freshness", "dialect", "shape", "size", "cost", "health",
		"fallback" };

	return names[stage];
}

const char *
verdict_name(enum verdict verdict)
{
	static const char *const names[] = { "passed", "dropped", "chosen", "refused",
		"noted" };

	return names[verdict];
}

unsigned
code_status(const char *code)
{
	static const struct {
		const char *code;
		unsigned status;
	} codes[] = {
		{ "SYNTAX", 400 },
		{ "EMPTY", 400 },
		{ "MULTI_STATEMENT", 400 },
		{ "TOO_LARGE", 413 },
		{ "TOO_DEEP", 400 },
		{ "BAD_TEXT", 400 },
		{ "UNKNOWN_COLUMN", 400 },
		{ "AMBIGUOUS", 400 },
		{ "UNKNOWN_ENGINE", 400 },
		{ "STATEMENT_FAILED", 400 },
		{ "STATEMENT_NOT_ALLOWED", 403 },
		{ "FUNCTION_NOT_ALLOWED", 403 },
		{ "TYPE_NOT_ALLOWED", 403 },
		{ "TABLE_FUNCTION", 403 },
		{ "FORBIDDEN_RELATION", 403 },
		{ "WRITE_NOT_ALLOWED", 403 },
		{ "DDL_NOT_ALLOWED", 403 },
		{ "REQUIRE_WHERE", 403 },
		{ "GOVERNED_WRITE", 403 },
		{ "GOVERNED_EXPLAIN", 403 },
		{ "GOVERNANCE", 403 },
		{ "UNKNOWN_TABLE", 404 },
		{ "STALE", 409 },
		{ "BEHIND_TOKEN", 409 },
		{ "UNSUPPORTED", 422 },
		{ "CROSS_ENGINE_WRITE", 422 },
		{ "LEADERBOARD_SHAPE", 422 },
		{ "NO_ENGINE", 422 },
		{ "ENGINE_CANNOT", 422 },
		{ "BUSY", 503 },
		{ "UNAVAILABLE", 503 },
	};

	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		if (strcmp(codes[i].code, code) == 0)
			return codes[i].status;
	}
	return 200;
}
