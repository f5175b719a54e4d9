/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/http_head.h"

#include <string.h>
#include <strings.h>

/* A reader of lines over one head. */
struct reader {
	const char *at, *end;
	struct http_head *head;
	struct http_trouble *trouble;
};

static enum http_step
bad(struct http_trouble *trouble, unsigned status, const char *what)
{
	*trouble = (struct http_trouble){ .status = status, .what = what };
	return HTTP_BAD;
}

/* RFC 9110's tchar. */
static bool
token_char(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool
token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!token_char(s.p[i]))
			return false;
	}
	return s.len > 0;
}

/* The next line without its CRLF. */
static enum http_step
line(struct reader *r, struct slice *ret)
{
	const char *lf = memchr(r->at, '\n', (size_t)(r->end - r->at));

	if (!lf)
		return HTTP_MORE;
	if (lf == r->at || lf[-1] != '\r')
		return bad(r->trouble, 400, "a line of the head does not end with CR LF");
	*ret = slice_of(r->at, (size_t)(lf - r->at) - 1);
	r->at = lf + 1;
	return HTTP_READY;
}

static struct slice
cut(struct slice *from, char at)
{
	const char *p = memchr(from->p, at, from->len);
	struct slice part = *from;

	if (!p)
		return (struct slice){ 0 };
	part.len = (size_t)(p - from->p);
	*from = slice_of(p + 1, from->len - part.len - 1);
	return part;
}

/* "/path?query", or the same behind "http://host". */
static bool
target(struct http_head *head, struct slice t)
{
	const char *question;

	if (t.len > 7 && strncasecmp(t.p, "http://", 7) == 0) {
		const char *slash = memchr(t.p + 7, '/', t.len - 7);

		if (!slash)
			return false;
		t = slice_of(slash, t.len - (size_t)(slash - t.p));
	}
	if (t.len == 0 || t.p[0] != '/')
		return false;
	for (size_t i = 0; i < t.len; i++) {
		if (t.p[i] <= ' ' || t.p[i] == 0x7f)
			return false; /* bytes above 0x7f too: char is signed */
	}
	question = memchr(t.p, '?', t.len);
	head->path = slice_of(t.p, question ? (size_t)(question - t.p) : t.len);
	head->query =
	    question ? slice_of(question + 1, t.len - head->path.len - 1) : (struct slice){ 0 };
	return true;
}

static enum http_step
request_line(struct reader *r)
{
	struct slice rest, where;
	enum http_step step = line(r, &rest);

	if (step != HTTP_READY)
		return step;
	r->head->method = cut(&rest, ' ');
	where = cut(&rest, ' ');
	if (!token(r->head->method) || r->head->method.len > 16)
		return bad(r->trouble, 400, "the request line has no method");
	if (!where.p || !target(r->head, where))
		return bad(r->trouble, 400, "the request line has no path");
	if (rest.len != 8 || memcmp(rest.p, "HTTP/", 5) != 0)
		return bad(r->trouble, 400, "the request line does not end with HTTP/1.1");
	if (memcmp(rest.p, "HTTP/1.", 7) != 0 || (rest.p[7] != '0' && rest.p[7] != '1'))
		return bad(r->trouble, 505, "HTTP/1.0 and HTTP/1.1 are spoken here");
	r->head->minor = (unsigned)(rest.p[7] - '0');
	return HTTP_READY;
}

static bool
field_value(struct slice *value)
{
	while (value->len && (value->p[0] == ' ' || value->p[0] == '\t'))
		*value = slice_of(value->p + 1, value->len - 1);
	while (
	    value->len && (value->p[value->len - 1] == ' ' || value->p[value->len - 1] == '\t'))
		value->len--;
	for (size_t i = 0; i < value->len; i++) {
		unsigned char c = (unsigned char)value->p[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static enum http_step
headers(struct reader *r)
{
	struct http_head *head = r->head;

	for (;;) {
		struct slice rest, name;
		enum http_step step = line(r, &rest);

		if (step != HTTP_READY)
			return step;
		if (rest.len == 0)
			return HTTP_READY;
		name = cut(&rest, ':');
		if (!name.p || !token(name))
			return bad(r->trouble, 400, "a header is not NAME: VALUE");
		if (!field_value(&rest))
			return bad(
			    r->trouble, 400, "a header's value holds a control character");
		if (head->header_count == HTTP_HEADERS_MAX)
			return bad(r->trouble, 431, "more than 64 headers");
		head->headers[head->header_count++] =
		    (struct http_header){ .name = name, .value = rest };
	}
}

static bool
name_is(struct slice name, const char *want)
{
	return strlen(want) == name.len && strncasecmp(name.p, want, name.len) == 0;
}

static bool
value_is(struct slice value, const char *want)
{
	return name_is(value, want);
}

static enum http_step
content_length(struct http_head *head, struct slice value, struct http_trouble *trouble)
{
	if (head->has_length)
		return bad(trouble, 400, "Content-Length stands twice");
	for (size_t i = 0; i < value.len; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return bad(trouble, 400, "Content-Length is no number");
	}
	if (value.len == 0 || !slice_u64(value, &head->length))
		return bad(trouble, 400, "Content-Length is no number");
	head->has_length = true;
	return HTTP_READY;
}

/* "keep-alive, x": whether a word stands in the list. */
static bool
list_has(struct slice list, const char *word)
{
	while (list.len) {
		const char *comma = memchr(list.p, ',', list.len);
		struct slice item =
		    slice_of(list.p, comma ? (size_t)(comma - list.p) : list.len);

		list =
		    comma ? slice_of(comma + 1, list.len - item.len - 1) : (struct slice){ 0 };
		(void)field_value(&item);
		if (value_is(item, word))
			return true;
	}
	return false;
}

static enum http_step
frame(struct http_head *head, struct http_trouble *trouble)
{
	unsigned hosts = 0;

	head->keep_alive = head->minor == 1;
	for (size_t i = 0; i < head->header_count; i++) {
		struct slice name = head->headers[i].name, value = head->headers[i].value;

		if (name_is(name, "content-length")) {
			if (content_length(head, value, trouble) == HTTP_BAD)
				return HTTP_BAD;
		} else if (name_is(name, "transfer-encoding")) {
			if (head->chunked || head->minor == 0)
				return bad(trouble, 400, "Transfer-Encoding cannot stand here");
			if (!value_is(value, "chunked"))
				return bad(trouble, 501, "the only transfer coding is chunked");
			head->chunked = true;
		} else if (name_is(name, "connection")) {
			if (list_has(value, "close"))
				head->keep_alive = false;
			else if (head->minor == 0 && list_has(value, "keep-alive"))
				head->keep_alive = true;
		} else if (name_is(name, "expect")) {
			if (!value_is(value, "100-continue"))
				return bad(trouble, 417, "only 100-continue can be expected");
			head->expects_continue = head->minor == 1;
		} else if (name_is(name, "host")) {
			hosts++;
		}
	}
	if (head->chunked && head->has_length)
		return bad(trouble, 400, "Content-Length stands beside Transfer-Encoding");
	if (hosts > 1 || (hosts == 0 && head->minor == 1))
		return bad(trouble, 400, "there must be one Host");
	return HTTP_READY;
}

enum http_step
http_head_read(struct slice in, struct http_head *ret_head, struct http_trouble *ret_trouble)
{
	struct reader r = {
		.at = in.p, .end = in.p + in.len, .head = ret_head, .trouble = ret_trouble
	};
	enum http_step step;

	if (in.len == 0)
		return HTTP_MORE;
	ret_head->header_count = 0;
	ret_head->chunked = ret_head->has_length = ret_head->expects_continue = false;
	ret_head->length = 0;
	if (in.len >= 2 && in.p[0] == '\r' && in.p[1] == '\n')
		r.at += 2; /* some clients send one behind a body */
	step = request_line(&r);
	if (step == HTTP_READY)
		step = headers(&r);
	if (step != HTTP_READY)
		return step;
	ret_head->size = (size_t)(r.at - in.p);
	return frame(ret_head, ret_trouble);
}

struct slice
http_header(const struct http_head *head, const char *name)
{
	for (size_t i = 0; i < head->header_count; i++) {
		if (name_is(head->headers[i].name, name))
			return head->headers[i].value;
	}
	return (struct slice){ 0 };
}

/* --- chunks --- */

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* "1a" or "1a;extension"; what extensions say is not for us. */
static bool
chunk_size(struct slice text, uint64_t *ret)
{
	uint64_t size = 0;
	size_t i = 0;

	for (; i < text.len && hex_digit(text.p[i]) >= 0; i++) {
		if (i == 8)
			return false;
		size = size << 4 | (uint64_t)hex_digit(text.p[i]);
	}
	if (i == 0 || (i < text.len && text.p[i] != ';'))
		return false;
	for (; i < text.len; i++) {
		if ((text.p[i] < ' ' && text.p[i] != '\t') || text.p[i] == 0x7f)
			return false;
	}
	*ret = size;
	return true;
}

/* A whole line of in from *used on, or MORE when none is there. */
static enum http_step
chunk_line(
    struct slice in, size_t *used, size_t most, struct slice *ret, struct http_trouble *trouble)
{
	const char *at = in.p + *used;
	size_t left = in.len - *used;
	const char *lf = left ? memchr(at, '\n', left) : NULL;

	if ((lf ? (size_t)(lf - at) : left) > most)
		return bad(trouble, 400, "a line between the chunks is too long");
	if (!lf)
		return HTTP_MORE;
	if (lf == at || lf[-1] != '\r')
		return bad(trouble, 400, "a line between the chunks does not end with CR LF");
	*ret = slice_of(at, (size_t)(lf - at) - 1);
	*used += (size_t)(lf - at) + 1;
	return HTTP_READY;
}

static enum http_step
chunk_begin(struct http_chunks *c, struct slice text, size_t have, size_t most,
    struct http_trouble *trouble)
{
	if (!chunk_size(text, &c->left))
		return bad(trouble, 400, "a chunk's size is no hexadecimal number");
	if (c->left > most - have)
		return bad(trouble, 413, "the body is too large");
	c->at = c->left ? CHUNK_DATA : CHUNK_TRAILER;
	return HTTP_READY;
}

enum http_step
http_chunks_read(struct http_chunks *c, struct slice in, struct buf *body, size_t body_max,
    size_t *ret_used, struct http_trouble *trouble)
{
	size_t used = 0;
	struct slice text;
	enum http_step step = HTTP_READY;

	while (step == HTTP_READY && c->at != CHUNK_OVER) {
		if (c->at == CHUNK_DATA) {
			size_t len = in.len - used < c->left ? in.len - used : (size_t)c->left;

			buf_put(body, in.p + used, len);
			used += len;
			c->left -= len;
			if (c->left)
				step = HTTP_MORE;
			else
				c->at = CHUNK_DATA_END;
			continue;
		}
		step = chunk_line(in, &used, HTTP_CHUNK_LINE_MAX, &text, trouble);
		if (step != HTTP_READY)
			break;
		if (c->at == CHUNK_DATA_END && text.len)
			step = bad(trouble, 400, "a chunk is longer than its size says");
		else if (c->at == CHUNK_DATA_END)
			c->at = CHUNK_LINE;
		else if (c->at == CHUNK_LINE)
			step = chunk_begin(c, text, body->len, body_max, trouble);
		else if (text.len == 0)
			c->at = CHUNK_OVER;
		else if (++c->line > HTTP_HEADERS_MAX)
			step = bad(trouble, 431, "too many trailers");
	}
	*ret_used = used;
	return step;
}

/* --- query strings --- */

static bool
decode(struct slice s, bool plus, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		int high, low;

		if (c == '%') {
			high = i + 1 < s.len ? hex_digit(s.p[i + 1]) : -1;
			low = i + 2 < s.len ? hex_digit(s.p[i + 2]) : -1;
			if (high < 0 || low < 0 || (high == 0 && low == 0))
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		buf_byte(out, c);
	}
	return true;
}

bool
http_query_value(struct slice query, const char *name, struct buf *out)
{
	size_t len = strlen(name);

	while (query.len) {
		const char *amp = memchr(query.p, '&', query.len);
		struct slice part =
		    slice_of(query.p, amp ? (size_t)(amp - query.p) : query.len);

		query = amp ? slice_of(amp + 1, query.len - part.len - 1) : (struct slice){ 0 };
		if (part.len < len || memcmp(part.p, name, len) != 0)
			continue;
		if (part.len == len)
			return true;
		if (part.p[len] == '=')
			return decode(
			    slice_of(part.p + len + 1, part.len - len - 1), true, out);
	}
	return false;
}

bool
http_path_decode(struct slice path, struct buf *out)
{
	return decode(path, false, out);
}
