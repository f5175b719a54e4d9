/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine_core.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* --- the breaker --- */

bool
engine_at_fault(const struct engine_end *end)
{
	static const char *const others[] = { "40", "55", "57014", "72" };
	const char *code = end->err ? end->err->code : "";

	if (end->fate == FATE_DONE || end->fate == FATE_REJECT)
		return false;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		if (strncmp(code, others[i], strlen(others[i])) == 0)
			return false;
	}
	return true;
}

void
engine_breaker_judge(struct engine *e, bool trial, bool fault, bool answered)
{
	if (trial)
		e->trial = false;
	if (fault) {
		e->failures++;
		if (trial || e->failures >= ENGINE_BREAKER_FAILURES) {
			e->open = true;
			e->open_until_us = clock_mono_us() + ENGINE_BREAKER_OPEN_MS * 1000;
		}
	} else if (answered) {
		e->failures = 0;
		e->open = e->open && !trial;
	}
}

bool
engine_breaker_lets(struct engine *e, bool *ret_trial)
{
	*ret_trial = e->open;
	if (!e->open)
		return true;
	return !e->trial && clock_mono_us() >= e->open_until_us;
}

void
engine_note_trouble(struct engine *e, const struct engine_end *end)
{
	if (end->fate != FATE_DONE && end->fate != FATE_REJECT && end->err)
		(void)snprintf(e->trouble, sizeof e->trouble, "%.119s", end->err->what);
}

/* --- the probe --- */

static void
probe_columns(void *ctx, const struct plan_column *columns, size_t count)
{
	(void)ctx, (void)columns, (void)count;
}

static bool
probe_row(void *ctx, const struct slice *values)
{
	(void)ctx, (void)values;
	return true;
}

static void
probe_judge(struct engine *e, const struct engine_end *end)
{
	e->down = end->fate != FATE_DONE;
	if (e->down)
		engine_note_trouble(e, end);
	else
		e->probe_us = clock_mono_us() - e->probe->began_us;
	if (e->probe)
		engine_query_free(e->probe);
	e->probe = NULL;
	if (!e->closing)
		loop_timer_set(e->loop, &e->probe_due,
		    clock_mono_us() + (e->down ? 500 : ENGINE_PROBE_MS) * 1000);
}

static void
probe_end(void *ctx, const struct engine_end *end)
{
	probe_judge(ctx, end);
}

/* The probe's deadline needs no cancel in the engine: its connection goes. */
static void
probe_late(void *ctx)
{
	struct engine *e = ctx;
	struct err err = { .fate = FATE_RETRY };
	struct engine_end end = { .fate = FATE_RETRY, .err = &err };

	(void)err_code(&err, FATE_RETRY, "08006", "%s: does not answer", e->config->name);
	e->ops->abandon(e->self, e->probe);
	probe_judge(e, &end);
}

void
engine_probe_due(void *ctx)
{
	static const struct engine_reader reader = { probe_columns, probe_row, probe_end };
	struct engine *e = ctx;
	struct engine_ask ask = { .sql = e->ops->probe,
		.access = ENGINE_READ,
		.deadline_us = clock_mono_us() + ENGINE_PROBE_DEADLINE_MS * 1000,
		.id = e->probe_id,
		.reader = &reader,
		.ctx = e };
	struct engine_end end = { 0 };
	struct err err;

	(void)snprintf(e->probe_id, sizeof e->probe_id, "%.16s-p%x",
	    e->options.run ? e->options.run : "", ++e->probes);
	e->probe = engine_query_new(e, &ask);
	e->probe->due.due = probe_late;
	e->probe->due.ctx = e;
	e->probe->started = true;
	end.fate = e->ops->start(e->self, e->probe, &err);
	end.err = &err;
	if (end.fate != FATE_DONE)
		probe_judge(e, &end);
	else
		loop_timer_set(e->loop, &e->probe->due, ask.deadline_us);
}
