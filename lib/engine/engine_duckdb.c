/* SPDX-License-Identifier: Apache-2.0 */
/* DuckDB blocks: each query runs on a thread of its own with a session of its own. Rows
 * cross to the loop in batches, one being handed on while the next is made; a reader that
 * is slow stops the thread at the third. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/must.h"
#include "engine/engine_ops.h"
#include "link/duckdb.h"

enum { BATCH_BYTES = 128 << 10, INTERRUPT_EVERY_US = 20000, JOIN_STEP_MS = 2 };

struct duckdb_engine;

struct worker {
	struct duckdb_engine *engine;
	struct worker *next; /* of the free ones */
	pthread_t thread;
	struct loop_note note; /* the thread has something for the loop */
	/* The loop's: */
	struct engine_query *query; /* NULL: nobody cares any more */
	struct duck_batch *handing; /* from here on rows go to the reader */
	size_t row;
	bool told, paused;
	struct err failed; /* fate DONE: not yet */
	struct loop_timer again;
	/* Under the lock: */
	pthread_mutex_t lock;
	pthread_cond_t turn;
	bool job, stop, quit;
	struct duck_session *session;
	struct duck_batch *full;
	bool ended;
	struct err err; /* how; fate DONE: well */
	double cpu_s;
	/* The job, copied for the thread; what it makes of it. */
	struct buf sql;
	struct plan_column *columns;
	size_t column_count;
	struct buf names;
	struct duck_batch batches[2];
};

struct duckdb_engine {
	struct loop *loop;
	struct duck *duck;
	struct worker *workers, *free;
	unsigned made, max;
};

/* --- on the thread --- */

static double
thread_cpu_s(void)
{
	struct rusage u;

	must(getrusage(RUSAGE_THREAD, &u) == 0);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void
columns_note(struct worker *w)
{
	size_t count = duck_column_count(w->session), at = 0;

	w->names.len = 0;
	for (size_t i = 0; i < count; i++) {
		buf_cstr(&w->names, duck_column_name(w->session, i));
		buf_byte(&w->names, '\0');
	}
	free(w->columns);
	w->columns = calloc(count + 1, sizeof *w->columns);
	must(w->columns);
	w->column_count = count;
	for (size_t i = 0; i < count; i++) {
		unsigned oid = duck_column_oid(w->session, i);

		w->columns[i] = (struct plan_column){ .name = w->names.p + at,
			.type = { .kind = type_kind_of_oid(oid), .oid = oid, .typmod = -1 } };
		at += strlen(w->names.p + at) + 1;
	}
}

/* Waits until the batch before was taken. false: nobody wants it. */
static bool
batch_give(struct worker *w, struct duck_batch *batch)
{
	bool wanted;

	must(pthread_mutex_lock(&w->lock) == 0);
	while (w->full && !w->stop)
		must(pthread_cond_wait(&w->turn, &w->lock) == 0);
	wanted = !w->stop;
	if (wanted)
		w->full = batch;
	must(pthread_mutex_unlock(&w->lock) == 0);
	if (wanted)
		loop_post(w->engine->loop, &w->note);
	return wanted;
}

/* An empty first batch tells the columns of an answer without rows. */
static enum fate
job_run(struct worker *w, struct err *err)
{
	unsigned turn = 0;
	enum fate fate = duck_ask(w->session, w->sql.p, err);

	if (fate != FATE_DONE)
		return fate;
	columns_note(w);
	for (;;) {
		struct duck_batch *batch = &w->batches[turn++ % 2];

		fate = duck_next(w->session, BATCH_BYTES, batch, err);
		if (fate != FATE_DONE || (batch->row_count == 0 && turn > 1))
			return fate;
		if (!batch_give(w, batch))
			return err_code(err, FATE_RETRY, "57014", "duckdb: cancelled");
		if (batch->row_count == 0)
			return FATE_DONE;
	}
}

static bool
session_have(struct worker *w, struct err *err)
{
	struct duck_session *session = NULL;

	if (w->session)
		return true;
	if (duck_session_open(w->engine->duck, &session, err) != FATE_DONE)
		return false;
	must(pthread_mutex_lock(&w->lock) == 0);
	w->session = session;
	must(pthread_mutex_unlock(&w->lock) == 0);
	return true;
}

static void
job_do(struct worker *w)
{
	struct err err = { 0 };
	double before_s = thread_cpu_s();

	if (session_have(w, &err)) {
		(void)job_run(w, &err);
		duck_done(w->session);
	}
	must(pthread_mutex_lock(&w->lock) == 0);
	w->cpu_s = thread_cpu_s() - before_s;
	w->err = err;
	w->ended = true;
	must(pthread_mutex_unlock(&w->lock) == 0);
	loop_post(w->engine->loop, &w->note);
}

static void *
worker_main(void *ctx)
{
	struct worker *w = ctx;
	bool quit;

	for (;;) {
		must(pthread_mutex_lock(&w->lock) == 0);
		while (!w->job && !w->quit)
			must(pthread_cond_wait(&w->turn, &w->lock) == 0);
		quit = w->quit;
		w->job = false;
		must(pthread_mutex_unlock(&w->lock) == 0);
		if (quit)
			return NULL;
		job_do(w);
	}
}

/* --- on the loop --- */

static void
worker_release(struct worker *w)
{
	loop_timer_clear(w->engine->loop, &w->again);
	w->next = w->engine->free;
	w->engine->free = w;
}

/* The thread's current work ends soon; asked again and again, because the library forgets
 * what it hears between two statements. */
static void
worker_stop(void *ctx)
{
	struct worker *w = ctx;

	must(pthread_mutex_lock(&w->lock) == 0);
	w->stop = true;
	if (w->session && !w->ended)
		duck_interrupt(w->session);
	must(pthread_cond_signal(&w->turn) == 0);
	must(pthread_mutex_unlock(&w->lock) == 0);
	loop_timer_set(w->engine->loop, &w->again, clock_mono_us() + INTERRUPT_EVERY_US);
}

/* The batch that waits; NULL with *ret_ended: all has been handed on. */
static struct duck_batch *
batch_take(struct worker *w, bool release, bool *ret_ended)
{
	struct duck_batch *full;

	must(pthread_mutex_lock(&w->lock) == 0);
	if (release) {
		w->full = NULL;
		must(pthread_cond_signal(&w->turn) == 0);
	}
	full = w->full;
	*ret_ended = w->ended && !full;
	must(pthread_mutex_unlock(&w->lock) == 0);
	return full;
}

static void
tell_columns(struct worker *w)
{
	w->told = true;
	if (engine_columns(w->query, w->columns, w->column_count, &w->failed) != FATE_DONE)
		worker_stop(w);
}

/* false: the reader has enough for now. */
static bool
batch_hand(struct worker *w)
{
	struct duck_batch *batch = w->handing;

	if (w->query && !w->told)
		tell_columns(w);
	while (w->query && w->failed.fate == FATE_DONE && w->row < batch->row_count) {
		if (!engine_row(w->query, batch->cells + w->column_count * w->row++)) {
			w->paused = true;
			return false;
		}
	}
	return true;
}

static void
finish(struct worker *w)
{
	struct engine_query *query = w->query;
	struct err err = w->failed.fate != FATE_DONE ? w->failed : w->err;
	struct engine_end end = { .fate = err.fate,
		.err = err.fate == FATE_DONE ? NULL : &err,
		.position = -1,
		.affected = -1,
		.cpu_s = w->cpu_s };

	w->query = NULL;
	must(pthread_mutex_lock(&w->lock) == 0);
	w->ended = false;
	must(pthread_mutex_unlock(&w->lock) == 0);
	worker_release(w);
	if (query)
		engine_ended(query, &end);
}

/* Hands on what is there. */
static void
go_on(struct worker *w)
{
	bool ended = false, release = false;

	while (!w->paused) {
		if (!w->handing) {
			w->handing = batch_take(w, release, &ended);
			w->row = 0;
			release = false;
		}
		if (!w->handing)
			break;
		if (!batch_hand(w))
			return;
		w->handing = NULL;
		release = true;
	}
	if (ended)
		finish(w);
}

static void
heard(void *ctx)
{
	go_on(ctx);
}

static enum fate
worker_new(struct duckdb_engine *e, struct err *err)
{
	struct worker *w = &e->workers[e->made];

	*w = (struct worker){ .engine = e };
	w->note = (struct loop_note){ .run = heard, .ctx = w };
	w->again = (struct loop_timer){ .due = worker_stop, .ctx = w };
	must(pthread_mutex_init(&w->lock, NULL) == 0);
	must(pthread_cond_init(&w->turn, NULL) == 0);
	if (pthread_create(&w->thread, NULL, worker_main, w) != 0)
		return err_code(err, FATE_RETRY, "53000", "duckdb: no thread to be had");
	e->made++;
	w->next = e->free;
	e->free = w;
	return FATE_DONE;
}

/* The ask's text in memory of the worker's: it may be gone before the thread is. */
static void
job_copy(struct worker *w, const struct engine_ask *ask)
{
	must(ask->param_count == 0);
	w->sql.len = 0;
	buf_put(&w->sql, ask->sql, strlen(ask->sql) + 1);
}

static enum fate
duckdb_start(void *self, struct engine_query *query, struct err *err)
{
	struct duckdb_engine *e = self;
	struct worker *w;

	if (!e->free && e->made == e->max)
		return err_code(err, FATE_RETRY, "53300", "duckdb: every thread is busy");
	if (!e->free && worker_new(e, err) != FATE_DONE)
		return err->fate;
	w = e->free;
	e->free = w->next;
	w->query = query;
	query->driver = w;
	w->handing = NULL;
	w->told = w->paused = false;
	w->failed = (struct err){ 0 };
	job_copy(w, &query->ask);
	must(pthread_mutex_lock(&w->lock) == 0);
	w->full = NULL;
	w->ended = w->stop = false;
	w->job = true;
	must(pthread_cond_signal(&w->turn) == 0);
	must(pthread_mutex_unlock(&w->lock) == 0);
	return FATE_DONE;
}

static void
duckdb_more(void *self, struct engine_query *query)
{
	struct worker *w = query->driver;

	(void)self;
	w->paused = false;
	go_on(w);
}

static void
duckdb_cancel(void *self, struct engine_query *query)
{
	struct worker *w = query->driver;

	worker_stop(w);
	duckdb_more(self, query);
}

static void
duckdb_abandon(void *self, struct engine_query *query)
{
	((struct worker *)query->driver)->query = NULL;
	duckdb_cancel(self, query);
}

static enum fate
duckdb_open(const struct registry_engine *config, struct loop *loop, unsigned pool_max,
    void **ret_self, struct err *err)
{
	struct duckdb_engine *e = calloc(1, sizeof *e);
	struct duck_file *files = calloc(config->file_count + 1, sizeof *files);
	struct duck_options options = { .library = config->library,
		.database = config->database,
		.files = files,
		.file_count = config->file_count,
		.memory_mb = config->memory_mb };
	enum fate fate;

	must(e && files);
	for (size_t i = 0; i < config->file_count; i++)
		files[i] = (struct duck_file){ config->files[i].name, config->files[i].path };
	fate = duck_open(&options, &e->duck, err);
	free(files);
	if (fate != FATE_DONE) {
		free(e);
		return fate;
	}
	e->loop = loop;
	e->max = pool_max;
	e->workers = calloc(pool_max, sizeof *e->workers);
	must(e->workers);
	*ret_self = e;
	return FATE_DONE;
}

static void
worker_end(struct worker *w)
{
	must(pthread_mutex_lock(&w->lock) == 0);
	w->quit = true;
	must(pthread_mutex_unlock(&w->lock) == 0);
	worker_stop(w);
	while (pthread_tryjoin_np(w->thread, NULL) != 0) {
		clock_sleep_ms(JOIN_STEP_MS);
		worker_stop(w);
	}
	loop_timer_clear(w->engine->loop, &w->again);
	loop_unpost(w->engine->loop, &w->note);
	duck_session_close(w->session);
	(void)pthread_cond_destroy(&w->turn);
	(void)pthread_mutex_destroy(&w->lock);
	for (size_t i = 0; i < 2; i++)
		duck_batch_finish(&w->batches[i]);
	buf_finish(&w->sql);
	buf_finish(&w->names);
	free(w->columns);
}

static void
duckdb_close(void *self)
{
	struct duckdb_engine *e = self;

	for (unsigned i = 0; i < e->made; i++)
		worker_end(&e->workers[i]);
	duck_close(e->duck);
	free(e->workers);
	free(e);
}

static unsigned
duckdb_connections(const void *self)
{
	return ((const struct duckdb_engine *)self)->made;
}

const struct engine_ops engine_duckdb = {
	.name = "duckdb",
	.open = duckdb_open,
	.close = duckdb_close,
	.start = duckdb_start,
	.more = duckdb_more,
	.cancel = duckdb_cancel,
	.abandon = duckdb_abandon,
	.probe = "SELECT 1",
	.connections = duckdb_connections,
};
