/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/plan_finish.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "engine/plan.h"
#include "sql/query.h"

enum { ROW_ARENA = 4 << 20, NAME_SIZE = 12 };

struct plan_finish {
	pthread_mutex_t lock; /* a program runs one row at a time */
	struct sql_exprs *exprs;
	struct plan_column *wires;
	struct row_column *inputs; /* the same, as lib/sql has them */
	char (*names)[NAME_SIZE];
	size_t wire_count;
	struct dialect_result *results; /* at: the wire, or which expression */
	size_t result_count, expr_count;
};

struct finish_run {
	struct plan_finish *finish;
	struct arena arena;
	struct value *inputs, *outputs;
	struct slice *results;
	struct buf text;
	size_t *ends; /* in text, by expression */
};

static void
take_wires(struct plan_finish *f, const struct dialect_finish *emitted)
{
	struct pgtype type;

	f->wire_count = emitted->wires.len / sizeof type;
	f->wires = calloc(f->wire_count + 1, sizeof *f->wires);
	f->inputs = calloc(f->wire_count + 1, sizeof *f->inputs);
	f->names = calloc(f->wire_count + 1, sizeof *f->names);
	must(f->wires && f->inputs && f->names);
	for (size_t i = 0; i < f->wire_count; i++) {
		memcpy(&type, emitted->wires.p + i * sizeof type, sizeof type);
		(void)snprintf(f->names[i], NAME_SIZE, "w%u", (unsigned)i + 1);
		f->wires[i] = (struct plan_column){ .name = f->names[i], .type = type };
		f->inputs[i] = (struct row_column){ .name = f->names[i], .type = type };
	}
}

static enum fate
compile(struct plan_finish *f, const struct dialect_finish *emitted,
    const struct ast_output *outputs, struct err *err)
{
	const char **texts = calloc(f->result_count + 1, sizeof *texts);
	enum fate fate;

	must(texts);
	for (size_t i = 0; i < f->result_count; i++) {
		if (!f->results[i].computed)
			continue;
		texts[f->expr_count] = emitted->texts.p + f->results[i].at;
		f->results[i].at = f->expr_count++;
	}
	fate =
	    sql_exprs_compile(f->inputs, f->wire_count, texts, f->expr_count, &f->exprs, err);
	free(texts);
	for (size_t i = 0; i < f->result_count && fate == FATE_DONE; i++) {
		if (f->results[i].computed &&
		    sql_exprs_type(f->exprs, f->results[i].at).kind != outputs[i].type.kind)
			fate = err_set(
			    err, FATE_HALT, "an expression over avg has another type here");
	}
	return fate;
}

enum fate
plan_finish_new(const struct dialect_finish *emitted, const struct ast_output *outputs,
    size_t output_count, struct plan_finish **ret_finish, struct err *err)
{
	struct plan_finish *f = calloc(1, sizeof *f);
	enum fate fate;

	must(f);
	must(pthread_mutex_init(&f->lock, NULL) == 0);
	take_wires(f, emitted);
	f->result_count = output_count;
	f->results = calloc(output_count + 1, sizeof *f->results);
	must(f->results && emitted->results.len == output_count * sizeof *f->results);
	memcpy(f->results, emitted->results.p, emitted->results.len);
	fate = compile(f, emitted, outputs, err);
	if (fate == FATE_DONE)
		*ret_finish = f;
	else
		plan_finish_free(f);
	return fate;
}

void
plan_finish_free(struct plan_finish *finish)
{
	if (finish == NULL)
		return;
	sql_exprs_free(finish->exprs);
	free(finish->wires);
	free(finish->inputs);
	free(finish->names);
	free(finish->results);
	(void)pthread_mutex_destroy(&finish->lock);
	free(finish);
}

const struct plan_column *
plan_finish_wires(const struct plan_finish *finish, size_t *ret_count)
{
	*ret_count = finish->wire_count;
	return finish->wires;
}

struct finish_run *
finish_run_new(struct plan_finish *finish)
{
	struct finish_run *run = calloc(1, sizeof *run);

	must(run);
	run->finish = finish;
	arena_init(&run->arena, ROW_ARENA);
	run->inputs = calloc(finish->wire_count + 1, sizeof *run->inputs);
	run->outputs = calloc(finish->expr_count + 1, sizeof *run->outputs);
	run->results = calloc(finish->result_count + 1, sizeof *run->results);
	run->ends = calloc(finish->expr_count + 1, sizeof *run->ends);
	must(run->inputs && run->outputs && run->results && run->ends);
	return run;
}

void
finish_run_free(struct finish_run *run)
{
	if (run == NULL)
		return;
	arena_finish(&run->arena);
	buf_finish(&run->text);
	free(run->inputs);
	free(run->outputs);
	free(run->results);
	free(run->ends);
	free(run);
}

static enum fate
compute(struct finish_run *run, const struct slice *wires, struct err *err)
{
	struct plan_finish *f = run->finish;
	const struct value *rows[] = { run->inputs };
	struct sql_env env = { .rows = rows };
	enum fate fate = FATE_DONE;

	for (size_t i = 0; i < f->wire_count && fate == FATE_DONE; i++) {
		run->inputs[i].state = VALUE_NULL;
		if (wires[i].p)
			fate = value_from_text(
			    f->wires[i].type, wires[i], &run->arena, &run->inputs[i], err);
	}
	if (fate != FATE_DONE)
		return fate;
	must(pthread_mutex_lock(&f->lock) == 0);
	fate = sql_exprs_run(f->exprs, &env, &run->arena, run->outputs, err);
	must(pthread_mutex_unlock(&f->lock) == 0);
	return fate;
}

enum fate
finish_run_row(struct finish_run *run, const struct slice *wires,
    const struct slice **ret_results, struct err *err)
{
	struct plan_finish *f = run->finish;
	enum fate fate;

	arena_reset(&run->arena);
	run->text.len = 0;
	fate = compute(run, wires, err);
	if (fate != FATE_DONE)
		return fate;
	for (size_t i = 0; i < f->expr_count; i++) {
		if (run->outputs[i].state == VALUE_SET)
			value_to_text(
			    &run->text, sql_exprs_type(f->exprs, i), &run->outputs[i]);
		run->ends[i] = run->text.len;
	}
	buf_byte(&run->text, '\0'); /* so that an empty text has a place */
	for (size_t i = 0; i < f->result_count; i++) {
		size_t at = f->results[i].at, from;

		if (!f->results[i].computed) {
			run->results[i] = wires[at];
			continue;
		}
		from = at ? run->ends[at - 1] : 0;
		run->results[i] = run->outputs[at].state == VALUE_SET
				      ? slice_of(run->text.p + from, run->ends[at] - from)
				      : slice_of(NULL, 0);
	}
	*ret_results = run->results;
	return FATE_DONE;
}
