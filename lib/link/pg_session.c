/* SPDX-License-Identifier: Apache-2.0 */
#include "link/pg_session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/must.h"
#include "wire/scalar.h"

enum { RECEIVE_SIZE = 64 << 10, RECEIVES_A_TURN = 16 };

/* --- bytes --- */

static SSL *
tls(const struct pg_session *s)
{
	return PQsslInUse(s->pg->conn) ? PQsslStruct(s->pg->conn, "OpenSSL") : NULL;
}

static ssize_t
tls_result(SSL *ssl, int n)
{
	int why = n > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl, n);

	if (n > 0 || why == SSL_ERROR_ZERO_RETURN)
		return n > 0 ? n : 0;
	errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
	return -1;
}

static ssize_t
receive(struct pg_session *s, char *p, size_t size)
{
	SSL *ssl = tls(s);

	return ssl ? tls_result(ssl, SSL_read(ssl, p, (int)size))
		   : recv(s->watch.fd, p, size, 0);
}

static ssize_t
transmit(struct pg_session *s, const char *p, size_t size)
{
	SSL *ssl = tls(s);

	return ssl ? tls_result(ssl, SSL_write(ssl, p, (int)size))
		   : send(s->watch.fd, p, size, MSG_NOSIGNAL);
}

/* What the loop shall tell of: readers that have enough are not read for. */
static void
watch(struct pg_session *s)
{
	unsigned events =
	    (s->paused ? 0u : LOOP_READ) | (s->sent < s->out.len ? LOOP_WRITE : 0u);
	struct err err;

	must(loop_watch(s->pool->loop, &s->watch, events, &err) == FATE_DONE);
}

/* A connection that takes no more is seen by its reading side. */
static void
flush(struct pg_session *s)
{
	while (s->sent < s->out.len) {
		ssize_t n = transmit(s, s->out.p + s->sent, s->out.len - s->sent);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		s->sent = n < 0 ? s->out.len : s->sent + (size_t)n;
	}
	if (s->sent == s->out.len)
		s->out.len = s->sent = 0;
	watch(s);
}

/* --- a run begins --- */

static struct pg_statement *
statement_of(struct pg_session *s)
{
	const char *sql = s->run.sql;
	uint64_t hash = pg_text_hash(sql);
	uint64_t *seen = &s->pool->seen[hash % PG_SEEN_MAX];
	struct pg_statement *one = pg_statements_find(&s->statements, sql, hash);
	char evicted[12];

	if (one)
		return one;
	if (*seen != hash || strlen(sql) > PG_STATEMENT_TEXT_MAX) {
		*seen = hash;
		s->statements.unnamed.ready = false;
		return &s->statements.unnamed;
	}
	one = pg_statements_add(&s->statements, sql, hash, evicted);
	if (evicted[0])
		pg_frame_close(&s->out, evicted);
	return one;
}

static void
put_run(struct pg_session *s, const char *statement)
{
	pg_frame_bind(&s->out, statement, NULL, 0);
	pg_frame_execute(&s->out);
}

static const char where_it_stands[] = "SELECT pg_catalog.pg_current_wal_insert_lsn(), "
				      "(pg_catalog.pg_control_system()).system_identifier, "
				      "(pg_catalog.pg_control_checkpoint()).timeline_id";

/* A text is parsed before the transaction begins, so that a bad one leaves nothing to be
 * rolled back. */
void
pg_session_begin(struct pg_session *s)
{
	struct buf *out = &s->out;

	s->statement = statement_of(s);
	s->reused = s->statement->ready;
	if (!s->primed) {
		pg_frame_parse(out, "r", "BEGIN READ ONLY");
		pg_frame_parse(out, "c", "COMMIT");
	}
	if (s->run.write) {
		pg_frame_parse(out, "w", "BEGIN READ WRITE");
		pg_frame_parse(out, "l", where_it_stands);
	}
	if (!s->reused) {
		pg_frame_parse(out, s->statement->name, s->run.sql);
		pg_frame_describe(out, s->statement->name);
	}
	put_run(s, s->run.write ? "w" : "r");
	pg_frame_bind(out, s->statement->name, s->run.params, s->run.param_count);
	pg_frame_execute(out);
	put_run(s, "c");
	if (s->run.write)
		put_run(s, "l");
	pg_frame_sync(out);
	s->primed = true;
	s->dirty = s->dirty || s->run.write;
	s->stage = PG_STAGE_BEGIN;
	s->phase = PG_RUNNING;
	flush(s);
}

/* --- what the server says --- */

static void
run_fails(struct pg_session *s, enum fate fate, const char *state, struct slice why)
{
	if (s->end.fate != FATE_DONE)
		return;
	s->end.fate = err_code(&s->err, fate, state, "%.*s", SLICE_ARG(why));
}

/* The connection is of no use any more; what it means to the run is said here. */
static bool
lose(struct pg_session *s, enum fate fate, const char *state, const char *why)
{
	bool ran = !s->stale && (s->phase != PG_RUNNING || s->stage >= PG_STAGE_LSN);

	if (!ran && s->end.fate == FATE_DONE) {
		s->end.outcome_unknown = s->run.write && !s->stale;
		run_fails(s, fate, state, slice_str(why));
	}
	loop_unwatch(s->pool->loop, &s->watch);
	s->phase = PG_CLOSED;
	pg_session_over(s);
	return false;
}

static bool
nonsense(struct pg_session *s)
{
	return lose(s, FATE_HALT, "08P01", "postgres: the server breaks the protocol");
}

static void
tell(struct pg_session *s)
{
	const struct pg_statement *one = s->statement;
	enum fate fate;

	if (s->told)
		return;
	s->told = true;
	if (one->column_count > s->value_max) {
		free(s->values);
		s->value_max = one->column_count;
		s->values = malloc(s->value_max * sizeof *s->values);
		must(s->values);
	}
	fate = s->run.handler->columns(s->run.ctx, one->columns, one->column_count, &s->err);
	if (fate != FATE_DONE) {
		s->end.fate = fate;
		s->shut = true;
		pg_session_stop(s);
	}
}

/* Of where_it_stands. A token is of use only with all three. */
static bool
on_place(struct pg_session *s, struct slice body)
{
	uint64_t lsn;
	int64_t system, timeline;
	struct slice of[3];

	if (!pg_frame_row(body, of, 3))
		return nonsense(s);
	if (lsn_parse(of[0], &lsn) && slice_i64(of[1], &system) &&
	    slice_i64(of[2], &timeline)) {
		s->end.lsn = lsn;
		s->end.system = (uint64_t)system;
		s->end.timeline = (uint32_t)timeline;
	}
	return true;
}

static bool
on_row(struct pg_session *s, struct slice body)
{
	if (s->stage == PG_STAGE_LSN)
		return on_place(s, body);
	if (s->stage != PG_STAGE_RUN || !s->statement->ready)
		return nonsense(s);
	tell(s);
	if (s->shut)
		return true;
	if (!pg_frame_row(body, s->values, s->statement->column_count))
		return nonsense(s);
	s->paused = !s->run.handler->row(s->run.ctx, s->values);
	return true;
}

static bool
on_columns(struct pg_session *s, struct slice body)
{
	static struct pg_column columns[PG_COLUMNS_MAX]; /* of the loop's one thread */
	size_t count = 0;

	if (s->phase != PG_RUNNING || s->statement->ready ||
	    (body.p && !pg_frame_columns(body, columns, &count)))
		return nonsense(s);
	pg_statement_describe(s->statement, columns, count);
	return true;
}

static bool
on_complete(struct pg_session *s, struct slice tag)
{
	if (s->phase == PG_CLEANING)
		return true;
	if (s->stage == PG_STAGE_OVER)
		return nonsense(s);
	if (s->stage == PG_STAGE_RUN) {
		tell(s);
		s->end.affected = pg_frame_affected(tag);
	}
	s->stage = s->stage == PG_STAGE_COMMIT && !s->run.write ? PG_STAGE_OVER
								: (enum pg_stage)(s->stage + 1);
	return true;
}

/* Characters from 1 to bytes from 0. */
static long
position_of(const char *sql, long characters)
{
	const char *p = sql;

	for (; *p; p++) {
		if ((*p & 0xC0) != 0x80 && --characters == 0)
			return p - sql;
	}
	return characters == 1 ? p - sql : -1;
}

/* The plan of a prepared text no longer fits the tables, or a pooler lost it. */
static bool
is_stale(const struct pg_session *s, const struct pg_complaint *c)
{
	return s->reused && !s->repeated && s->stage == PG_STAGE_RUN && !s->told &&
	       (strcmp(c->state, "26000") == 0 ||
		   (strcmp(c->state, "0A000") == 0 &&
		       slice_eq(c->routine, SLICE("RevalidateCachedQuery"))));
}

static bool
on_error(struct pg_session *s, struct slice body)
{
	struct pg_complaint c;

	if (!pg_frame_complaint(body, &c))
		return nonsense(s);
	if (s->phase != PG_RUNNING || s->discarding) {
		char why[200];

		(void)snprintf(why, sizeof why, "%.*s", SLICE_ARG(c.message));
		return lose(s, FATE_RETRY, c.state, why);
	}
	s->stale = is_stale(s, &c);
	if (s->stale || s->stage >= PG_STAGE_LSN || s->end.fate != FATE_DONE)
		return true;
	run_fails(s,
	    !s->run.write && strcmp(c.state, "25006") == 0 ? FATE_REJECT /* it writes */
							   : pg_statement_fate(c.state),
	    c.state, c.message);
	if (c.position && s->stage < PG_STAGE_COMMIT)
		s->end.position = position_of(s->run.sql, c.position);
	/* The server may have gone between the commit and its word of it. */
	s->end.outcome_unknown =
	    s->run.write && s->stage == PG_STAGE_COMMIT && strncmp(c.state, "57P", 3) == 0;
	return true;
}

static void
clean_by(struct pg_session *s, const char *sql)
{
	uint32_t size = htonl((uint32_t)(strlen(sql) + 5));

	buf_byte(&s->out, 'Q');
	buf_put(&s->out, &size, sizeof size);
	buf_put(&s->out, sql, strlen(sql) + 1);
	flush(s);
}

/* Nobody waits for its answer: the server does what is sent after it only then, and what it
 * says until it is ready again is of this. */
static void
discard(struct pg_session *s)
{
	s->discarding = true;
	s->dirty = s->primed = false;
	s->statement = NULL;
	pg_statements_clear(&s->statements);
	clean_by(s, "DISCARD ALL");
}

static void
run_again(struct pg_session *s)
{
	s->stale = false;
	s->repeated = true;
	if (s->statement->name[0])
		pg_frame_close(&s->out, s->statement->name);
	pg_statements_drop(&s->statements, s->statement);
	pg_session_begin(s);
}

/* Everything sent is answered: on to the next thing that must be. false: over, or gone. */
static bool
on_ready(struct pg_session *s, char status)
{
	if (s->statement && !s->statement->ready && !s->stale) {
		pg_statements_drop(&s->statements, s->statement);
		s->statement = NULL;
	}
	if (status != 'I') {
		s->phase = PG_CLEANING;
		clean_by(s, "ROLLBACK");
	} else if (s->stale) {
		run_again(s);
	} else {
		if (s->dirty)
			discard(s);
		s->phase = PG_SETTLED;
		pg_session_over(s);
		return false;
	}
	return true;
}

/* What DISCARD ALL says, before anything that was sent after it. */
static bool
on_discard(struct pg_session *s, const struct pg_frame *f)
{
	switch (f->type) {
	case 'E': return on_error(s, f->body);
	case 'Z': s->discarding = false; return true;
	case 'C':
	case 'N':
	case 'S':
	case 'A': return true;
	default: break;
	}
	return nonsense(s);
}

/* false: the session is over with its run, or gone. */
static bool
on_frame(struct pg_session *s, const struct pg_frame *f)
{
	if (s->discarding)
		return on_discard(s, f);
	switch (f->type) {
	case 'D': return s->phase == PG_RUNNING ? on_row(s, f->body) : nonsense(s);
	case 'C':
	case 'I': return s->phase == PG_IDLE ? nonsense(s) : on_complete(s, f->body);
	case 'T': return on_columns(s, f->body);
	case 'n': return on_columns(s, slice_of(NULL, 0));
	case 'E': return on_error(s, f->body);
	case 'Z':
		return f->body.len == 1 && s->phase != PG_IDLE ? on_ready(s, f->body.p[0])
							       : nonsense(s);
	case '1': /* ParseComplete, BindComplete, CloseComplete, ParameterDescription */
	case '2':
	case '3':
	case 't':
	case 'N': /* NoticeResponse, ParameterStatus, NotificationResponse */
	case 'S':
	case 'A': return true;
	default: break;
	}
	return nonsense(s);
}

static bool
read_frames(struct pg_session *s)
{
	struct pg_frame frame;
	size_t used, wanted;

	while (!s->paused) {
		struct slice rest = slice_of(s->in.p + s->parsed, s->in.len - s->parsed);

		struct err err;

		if (pg_frame_next(rest, &frame, &used, &wanted, &err) != FATE_DONE)
			return lose(s, err.fate, err.code, err.what);
		if (used == 0) {
			if (wanted > s->in.cap - s->parsed && wanted > RECEIVE_SIZE)
				buf_grow(&s->in, wanted - rest.len);
			break;
		}
		s->parsed += used;
		if (!on_frame(s, &frame))
			return false;
	}
	watch(s);
	return true;
}

void
pg_session_read(struct pg_session *s)
{
	(void)read_frames(s);
}

/* Room for what comes: what was parsed makes way, a partial message stays. */
static size_t
make_room(struct pg_session *s)
{
	struct buf *in = &s->in;

	if (s->parsed)
		memmove(in->p, in->p + s->parsed, in->len - s->parsed);
	in->len -= s->parsed;
	s->parsed = 0;
	if (in->cap - in->len < RECEIVE_SIZE / 4)
		buf_grow(in, RECEIVE_SIZE);
	return in->cap - in->len;
}

static void
take_in(struct pg_session *s)
{
	for (int i = 0; i < RECEIVES_A_TURN && !s->paused; i++) {
		size_t room = make_room(s);
		ssize_t n = receive(s, s->in.p + s->in.len, room);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			(void)lose(s, FATE_RETRY, "08006",
			    "postgres: the server has closed the connection");
			return;
		}
		s->in.len += (size_t)n;
		/* TLS may hold more than the socket tells of. */
		if (!read_frames(s) || ((size_t)n < room && !tls(s)))
			return;
	}
}

void
pg_session_event(void *ctx, unsigned events)
{
	struct pg_session *s = ctx;

	if (events & LOOP_WRITE)
		flush(s);
	if (events & (LOOP_READ | LOOP_BROKEN))
		take_in(s);
}

void
pg_session_ready(struct pg_session *s)
{
	s->watch = (struct loop_watch){
		.fd = PQsocket(s->pg->conn), .ready = pg_session_event, .ctx = s
	};
}
