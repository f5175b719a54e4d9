/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"

void
buf_grow(struct buf *buf, size_t more)
{
	size_t cap = buf->cap ? buf->cap : 256;
	char *p;

	must(more <= BUF_MAX - buf->len);
	while (cap - buf->len < more)
		cap *= 2;
	p = realloc(buf->p, cap);
	must(p);
	buf->p = p;
	buf->cap = cap;
}

void
buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	must(n >= 0);
	if (buf->cap - buf->len < (size_t)n + 1)
		buf_grow(buf, (size_t)n + 1);
	va_start(args, fmt);
	(void)vsnprintf(buf->p + buf->len, (size_t)n + 1, fmt, args);
	va_end(args);
	buf->len += (size_t)n;
}

const char *
buf_str(struct buf *buf)
{
	if (buf->cap == buf->len)
		buf_grow(buf, 1);
	buf->p[buf->len] = '\0';
	return buf->p;
}

void
buf_finish(struct buf *buf)
{
	free(buf->p);
	*buf = (struct buf){ 0 };
}
