/* SPDX-License-Identifier: Apache-2.0 */
#include "link/pg_frame.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/must.h"

/* --- from us --- */

static void
put32(struct buf *out, uint32_t n)
{
	uint32_t net = htonl(n);

	buf_put(out, &net, sizeof net);
}

static void
put16(struct buf *out, size_t n)
{
	uint16_t net = htons((uint16_t)n);

	buf_put(out, &net, sizeof net);
}

static void
put_text(struct buf *out, const char *text)
{
	buf_put(out, text, strlen(text) + 1);
}

/* A type and a length that end() fills in. */
static size_t
begin(struct buf *out, char type)
{
	buf_byte(out, type);
	put32(out, 0);
	return out->len - 4;
}

static void
end(struct buf *out, size_t at)
{
	uint32_t net = htonl((uint32_t)(out->len - at));

	memcpy(out->p + at, &net, sizeof net);
}

void
pg_frame_parse(struct buf *out, const char *statement, const char *sql)
{
	size_t at = begin(out, 'P');

	put_text(out, statement);
	put_text(out, sql);
	put16(out, 0);
	end(out, at);
}

void
pg_frame_bind(
    struct buf *out, const char *statement, const struct slice *params, size_t param_count)
{
	size_t at = begin(out, 'B');

	must(param_count <= PG_BOUND_MAX);
	put_text(out, "");
	put_text(out, statement);
	put16(out, 0);
	put16(out, param_count);
	for (size_t i = 0; i < param_count; i++) {
		put32(out, params[i].p ? (uint32_t)params[i].len : UINT32_MAX);
		buf_slice(out, params[i]);
	}
	put16(out, 0);
	end(out, at);
}

void
pg_frame_describe(struct buf *out, const char *statement)
{
	size_t at = begin(out, 'D');

	buf_byte(out, 'S');
	put_text(out, statement);
	end(out, at);
}

void
pg_frame_execute(struct buf *out)
{
	size_t at = begin(out, 'E');

	put_text(out, "");
	put32(out, 0);
	end(out, at);
}

void
pg_frame_close(struct buf *out, const char *statement)
{
	size_t at = begin(out, 'C');

	buf_byte(out, 'S');
	put_text(out, statement);
	end(out, at);
}

void
pg_frame_sync(struct buf *out)
{
	end(out, begin(out, 'S'));
}

/* --- from the server --- */

struct reader {
	const char *p, *end;
	bool good;
};

static uint32_t
get32(struct reader *r)
{
	uint32_t net;

	if (r->end - r->p < (ptrdiff_t)sizeof net) {
		r->good = false;
		return 0;
	}
	memcpy(&net, r->p, sizeof net);
	r->p += sizeof net;
	return ntohl(net);
}

static unsigned
get16(struct reader *r)
{
	uint16_t net;

	if (r->end - r->p < (ptrdiff_t)sizeof net) {
		r->good = false;
		return 0;
	}
	memcpy(&net, r->p, sizeof net);
	r->p += sizeof net;
	return ntohs(net);
}

/* A text up to its NUL byte, which stands after it. */
static struct slice
get_text(struct reader *r)
{
	const char *nul = r->p < r->end ? memchr(r->p, 0, (size_t)(r->end - r->p)) : NULL;
	struct slice text = SLICE("");

	if (nul == NULL) {
		r->good = false;
		return text;
	}
	text = slice_of(r->p, (size_t)(nul - r->p));
	r->p = nul + 1;
	return text;
}

enum fate
pg_frame_next(struct slice in, struct pg_frame *ret_frame, size_t *ret_used, size_t *ret_wanted,
    struct err *err)
{
	struct reader r = { in.p + 1, in.p + in.len, true };
	size_t size;

	*ret_used = 0;
	*ret_wanted = 5;
	if (in.len < 5)
		return FATE_DONE;
	size = (size_t)get32(&r) + 1;
	if (size < 5 || size > PG_FRAME_MAX)
		return err_code(err, FATE_HALT, "54000",
		    "postgres: a message of %zu bytes (%d at most)", size, PG_FRAME_MAX);
	*ret_wanted = size;
	if (in.len < size)
		return FATE_DONE;
	*ret_frame = (struct pg_frame){ in.p[0], slice_of(in.p + 5, size - 5) };
	*ret_used = size;
	return FATE_DONE;
}

bool
pg_frame_row(struct slice body, struct slice *values, size_t count)
{
	struct reader r = { body.p, body.p + body.len, true };

	if (get16(&r) != count)
		return false;
	for (size_t i = 0; i < count; i++) {
		uint32_t len = get32(&r);

		if (len == UINT32_MAX) {
			values[i] = slice_of(NULL, 0);
			continue;
		}
		if (!r.good || len > (size_t)(r.end - r.p))
			return false;
		values[i] = slice_of(r.p, len);
		r.p += len;
	}
	return r.good && r.p == r.end;
}

bool
pg_frame_columns(struct slice body, struct pg_column *ret_columns, size_t *ret_count)
{
	struct reader r = { body.p, body.p + body.len, true };
	size_t count = get16(&r);

	if (count > PG_COLUMNS_MAX)
		return false;
	for (size_t i = 0; i < count; i++) {
		struct pg_column *c = &ret_columns[i];

		c->name = get_text(&r).p;
		c->table = get32(&r);
		c->table_column = (int16_t)get16(&r);
		c->type = get32(&r);
		(void)get16(&r); /* its length in bytes */
		c->typmod = (int32_t)get32(&r);
		(void)get16(&r); /* text or binary: we asked for text */
	}
	*ret_count = count;
	return r.good && r.p == r.end;
}

bool
pg_frame_complaint(struct slice body, struct pg_complaint *ret)
{
	struct reader r = { body.p, body.p + body.len, true };

	*ret = (struct pg_complaint){ .state = "XX000" };
	while (r.good && r.p < r.end && *r.p != 0) {
		char field = *r.p++;
		struct slice text = get_text(&r);
		int64_t position;

		if (field == 'C' && text.len == 5)
			memcpy(ret->state, text.p, 5);
		else if (field == 'M')
			ret->message = text;
		else if (field == 'R')
			ret->routine = text;
		else if (field == 'P' && slice_i64(text, &position))
			ret->position = (long)position;
	}
	return r.good && r.p < r.end;
}

int64_t
pg_frame_affected(struct slice tag)
{
	const char *space = memrchr(tag.p, ' ', tag.len);
	int64_t count;

	if (tag.len && tag.p[tag.len - 1] == 0)
		tag.len--;
	if (space == NULL || (tag.len >= 6 && memcmp(tag.p, "SELECT", 6) == 0))
		return -1;
	space++;
	return slice_i64(slice_of(space, tag.len - (size_t)(space - tag.p)), &count) &&
		       count >= 0
		   ? count
		   : -1;
}
