/* SPDX-License-Identifier: Apache-2.0 */
/* Requests as anybody may send them: the head, and a body in chunks in two pieces. */
#include <stdlib.h>

#include "wire/http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
inside(struct slice part, struct slice whole)
{
	if (part.len && (part.p < whole.p || part.p + part.len > whole.p + whole.len))
		abort();
}

static void
read_head(struct slice in)
{
	struct http_trouble trouble = { 0 };
	struct http_head head;
	struct buf value = { 0 };
	enum http_step step = http_head_read(in, &head, &trouble);

	if (step == HTTP_BAD && (trouble.status < 400 || !trouble.what))
		abort();
	if (step == HTTP_READY) {
		if (head.size > in.len || (head.chunked && head.has_length))
			abort();
		inside(head.path, in);
		inside(head.query, in);
		for (size_t i = 0; i < head.header_count; i++)
			inside(head.headers[i].value, in);
		(void)http_query_value(head.query, "top", &value);
		(void)http_path_decode(head.path, &value);
	}
	buf_finish(&value);
}

/* In one piece and in two: the same outcome and the same bytes. */
static void
read_chunks(struct slice in, size_t cut)
{
	struct http_chunks whole = { 0 }, parts = { 0 };
	struct http_trouble trouble = { 0 };
	struct buf a = { 0 }, b = { 0 };
	size_t used_a, used_b, used;
	enum http_step step_a = http_chunks_read(&whole, in, &a, 1000, &used_a, &trouble);
	enum http_step step_b =
	    http_chunks_read(&parts, slice_of(in.p, cut), &b, 1000, &used_b, &trouble);

	if (step_b == HTTP_MORE) {
		step_b = http_chunks_read(&parts, slice_of(in.p + used_b, in.len - used_b), &b,
		    1000, &used, &trouble);
		used_b += used;
	}
	if (step_a != step_b || a.len > 1000 || used_a > in.len)
		abort();
	if (step_a == HTTP_READY && (used_a != used_b || !slice_eq(buf_view(&a), buf_view(&b))))
		abort();
	buf_finish(&a);
	buf_finish(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of((const char *)data, size);

	read_head(in);
	if (size > 1)
		read_chunks(slice_of(in.p + 1, size - 1), (size_t)data[0] % size);
	return 0;
}
