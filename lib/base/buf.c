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
	size_t room = buf->cap - buf->len;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(room ? buf->p + buf->len : NULL, room, fmt, args);
	va_end(args);
	must(n >= 0);
	if ((size_t)n >= room) {
		buf_grow(buf, (size_t)n + 1);
		va_start(args, fmt);
		(void)vsnprintf(buf->p + buf->len, (size_t)n + 1, fmt, args);
		va_end(args);
	}
	buf->len += (size_t)n;
}

void
buf_i64(struct buf *buf, int64_t value)
{
	char digits[20], *p = digits + sizeof digits;
	uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	do
		*--p = (char)('0' + left % 10);
	while (left /= 10);
	if (value < 0)
		*--p = '-';
	buf_put(buf, p, (size_t)(digits + sizeof digits - p));
}

void
buf_millis(struct buf *buf, int64_t us)
{
	buf_i64(buf, us / 1000);
	buf_byte(buf, '.');
	for (int64_t rest = us % 1000, unit = 100; unit; unit /= 10)
		buf_byte(buf, (char)('0' + rest / unit % 10));
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
