/* SPDX-License-Identifier: Apache-2.0 */
#include "link/pg_loop.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "link/pg_session.h"

enum { KEPT_BYTES = 256 << 10 };

/* --- the pool --- */

static char *
copied(const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	must(copy || text == NULL);
	return copy;
}

enum fate
pg_pool_open(const struct pg_options *options, size_t sessions_max, struct loop *loop,
    struct pg_pool **ret_pool, struct err *err)
{
	const struct pg_options *o = options;
	struct pg_options checked = *o;
	struct pg_pool *pool;
	struct pg *check;
	enum fate fate;

	checked.plain_or_tls = true; /* frames are read from the socket or from TLS */
	fate = pg_new(&checked, &check, err);
	if (fate != FATE_DONE)
		return fate;
	pg_free(check);
	pool = calloc(1, sizeof *pool);
	must(pool);
	pool->loop = loop;
	pool->sessions_max = sessions_max;
	pool->options = (struct pg_options){ .conninfo = copied(o->conninfo),
		.host = copied(o->host),
		.port = copied(o->port),
		.dbname = copied(o->dbname),
		.user = copied(o->user),
		.password = copied(o->password),
		.application_name = copied(o->application_name),
		.session_options =
		    copied(o->session_options ? o->session_options : PG_SESSION_OPTIONS),
		.plain_or_tls = true,
		.connect_timeout_ms = o->connect_timeout_ms };
	*ret_pool = pool;
	return FATE_DONE;
}

size_t
pg_pool_connections(const struct pg_pool *pool)
{
	return pool->session_count;
}

static void
session_free(struct pg_session *s)
{
	struct pg_session **at = &s->pool->sessions;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->pool->session_count--;
	loop_unwatch(s->pool->loop, &s->watch);
	aside_forget(s->connecting);
	aside_forget(s->cancelling);
	pg_free(s->pg);
	pg_statements_clear(&s->statements);
	buf_finish(&s->out);
	buf_finish(&s->in);
	free(s->values);
	free(s);
}

static void
forget_text(const char *text)
{
	union {
		const char *in;
		char *out;
	} pun = { text };

	if (text)
		explicit_bzero(pun.out, strlen(pun.out));
	free(pun.out);
}

void
pg_pool_close(struct pg_pool *pool)
{
	if (pool == NULL)
		return;
	while (pool->sessions) {
		must(pool->sessions->phase == PG_IDLE);
		session_free(pool->sessions);
	}
	forget_text(pool->options.conninfo);
	forget_text(pool->options.host);
	forget_text(pool->options.port);
	forget_text(pool->options.dbname);
	forget_text(pool->options.user);
	forget_text(pool->options.password);
	forget_text(pool->options.application_name);
	forget_text(pool->options.session_options);
	free(pool);
}

/* --- connecting, aside --- */

struct connect_job {
	struct pg *pg;
	enum fate fate;
	struct err err;
};

static void
connect_work(void *job)
{
	struct connect_job *c = job;

	c->fate = pg_connect(c->pg, &c->err);
}

static void
connect_drop(void *job)
{
	struct connect_job *c = job;

	pg_free(c->pg);
	free(c);
}

static void
connect_done(void *ctx, void *job)
{
	struct pg_session *s = ctx;
	struct connect_job *c = job;

	s->connecting = NULL;
	s->pg = c->pg;
	if (c->fate == FATE_DONE) {
		free(c);
		pg_session_ready(s);
		pg_session_begin(s);
		return;
	}
	s->end.fate = c->fate;
	s->err = c->err;
	free(c);
	s->phase = PG_CLOSED;
	pg_session_over(s);
}

static enum fate
session_connect(struct pg_session *s, struct err *err)
{
	struct connect_job *c = calloc(1, sizeof *c);
	struct aside_job job = { .work = connect_work,
		.done = connect_done,
		.drop = connect_drop,
		.job = c,
		.ctx = s };
	enum fate fate;

	must(c);
	fate = pg_new(&s->pool->options, &c->pg, err);
	if (fate == FATE_DONE)
		fate = aside_start(s->pool->loop, &job, &s->connecting, err);
	if (fate != FATE_DONE)
		connect_drop(c);
	return fate;
}

/* --- cancelling, aside --- */

static void
cancel_work(void *job)
{
	char why[256];

	(void)PQcancel(job, why, sizeof why);
}

static void
cancel_drop(void *job)
{
	PQfreeCancel(job);
}

static void
cancel_done(void *ctx, void *job)
{
	struct pg_session *s = ctx;

	PQfreeCancel(job);
	s->cancelling = NULL;
	if (s->phase == PG_SETTLED)
		pg_session_over(s);
}

void
pg_session_stop(struct pg_session *s)
{
	struct aside_job job = {
		.work = cancel_work, .done = cancel_done, .drop = cancel_drop
	};
	struct err err;

	if (s->cancelling)
		return;
	job.ctx = s;
	job.job = PQgetCancel(s->pg->conn);
	/* Without a thread the caller's patience ends it. */
	if (job.job && aside_start(s->pool->loop, &job, &s->cancelling, &err) != FATE_DONE)
		PQfreeCancel(job.job);
}

/* --- runs --- */

/* A session is used again only when no cancel can hit what it does next. */
void
pg_session_over(struct pg_session *s)
{
	struct pg_run run = s->run;
	struct pg_end end = s->end;
	struct err err;

	if (s->phase == PG_SETTLED && s->cancelling)
		return;
	if (end.fate != FATE_DONE) {
		err = s->err;
		end.err = &err;
	}
	if (s->phase == PG_CLOSED) {
		session_free(s);
	} else {
		s->phase = PG_IDLE;
		s->run.handler = NULL;
		s->used = ++s->pool->runs;
		if (s->out.cap > KEPT_BYTES && s->out.len == 0)
			buf_finish(&s->out);
		if (s->in.cap > KEPT_BYTES && s->parsed == s->in.len) {
			buf_finish(&s->in);
			s->parsed = 0;
		}
	}
	if (run.handler)
		run.handler->end(run.ctx, &end);
}

/* The one used last, so that few stay warm; writes keep to those that wrote. */
static struct pg_session *
idle_session(struct pg_pool *pool, bool write)
{
	struct pg_session *best = NULL;

	for (struct pg_session *s = pool->sessions; s; s = s->next) {
		if (s->phase != PG_IDLE)
			continue;
		if (best == NULL || (s->wrote == write) > (best->wrote == write) ||
		    ((s->wrote == write) == (best->wrote == write) && s->used > best->used))
			best = s;
	}
	return best;
}

static struct pg_session *
session_new(struct pg_pool *pool)
{
	struct pg_session *s = calloc(1, sizeof *s);

	must(s);
	s->pool = pool;
	s->watch.fd = -1;
	s->next = pool->sessions;
	pool->sessions = s;
	pool->session_count++;
	return s;
}

enum fate
pg_pool_run(struct pg_pool *pool, const struct pg_run *run, struct pg_session **ret_session,
    struct err *err)
{
	struct pg_session *s;
	bool fresh;

	for (size_t i = 0; i < run->param_count; i++) {
		if (run->params[i].len && memchr(run->params[i].p, 0, run->params[i].len))
			return err_code(
			    err, FATE_REJECT, "22021", "parameter %zu holds a NUL byte", i + 1);
	}
	s = idle_session(pool, run->write);
	fresh = s == NULL;
	if (fresh) {
		must(pool->session_count < pool->sessions_max);
		s = session_new(pool);
	}
	s->run = *run;
	s->end = (struct pg_end){ .fate = FATE_DONE, .position = -1, .affected = -1 };
	s->stale = s->repeated = s->told = s->shut = s->paused = false;
	s->wrote = run->write;
	*ret_session = s;
	if (fresh) {
		enum fate fate = session_connect(s, err);

		if (fate != FATE_DONE)
			session_free(s);
		return fate;
	}
	pg_session_begin(s);
	return FATE_DONE;
}

void
pg_run_more(struct pg_session *session)
{
	if (!session->paused)
		return;
	session->paused = false;
	pg_session_read(session);
}

void
pg_run_cancel(struct pg_session *session)
{
	struct pg_session *s = session;

	if (s->phase == PG_CONNECTING) {
		s->end.fate = err_code(
		    &s->err, FATE_RETRY, "57014", "postgres: cancelled while connecting");
		s->phase = PG_CLOSED;
		pg_session_over(s);
		return;
	}
	if (s->phase == PG_RUNNING)
		pg_session_stop(s);
	pg_run_more(s);
}

void
pg_run_abandon(struct pg_session *session)
{
	if (session->phase == PG_RUNNING)
		pg_session_stop(session);
	session_free(session);
}
