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
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	char text[20], *p = text + sizeof(text);

	for (; rest >= 100; rest /= 100) {
		p -= 2;
		memcpy(p, pairs + rest % 100 * 2, 2);
	}
	if (rest >= 10) {
		p -= 2;
		memcpy(p, pairs + rest * 2, 2);
	} else {
		*--p = (char)('0' + rest);
	}
	if (value < 0)
		buf_byte(buf, '-');
	buf_put(buf, p, (size_t)(text + sizeof(text) - p));
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
