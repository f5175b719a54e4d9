/* SPDX-License-Identifier: Apache-2.0 */
/* buf.h -- bytes being written: grows by doubling, kept between uses.
 *
 * Zeroed is empty and valid. Growth past BUF_MAX or a refused allocation aborts:
 * callers bound what they write. buf_str() terminates without counting it. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/slice.h"

#define BUF_MAX ((size_t)1 << 31)

struct buf {
	char *p;
	size_t len;
	size_t cap;
};

void buf_grow(struct buf *buf, size_t more); /* room for more bytes after len */
void buf_printf(struct buf *buf, const char *fmt, ...) PRINTF(2, 3);
void buf_i64(struct buf *buf, int64_t value);
void buf_millis(struct buf *buf, int64_t us); /* 0 and more, as milliseconds: 12.345 */
const char *buf_str(struct buf *buf);
void buf_finish(struct buf *buf); /* frees; the buf is empty and valid again */

static inline void
buf_put(struct buf *buf, const void *p, size_t len)
{
	if (buf->cap - buf->len < len)
		buf_grow(buf, len);
	if (len)
		memcpy(buf->p + buf->len, p, len);
	buf->len += len;
}

static inline void
buf_byte(struct buf *buf, char c)
{
	if (buf->cap == buf->len)
		buf_grow(buf, 1);
	buf->p[buf->len++] = c;
}

/* Most slices are short: two halves that overlap, and no call. */
static inline void
buf_slice(struct buf *buf, struct slice s)
{
	if (s.len < 8 || s.len > 32 || buf->cap - buf->len < s.len) {
		buf_put(buf, s.p, s.len);
		return;
	}
	if (s.len > 16) {
		memcpy(buf->p + buf->len, s.p, 16);
		memcpy(buf->p + buf->len + s.len - 16, s.p + s.len - 16, 16);
	} else {
		memcpy(buf->p + buf->len, s.p, 8);
		memcpy(buf->p + buf->len + s.len - 8, s.p + s.len - 8, 8);
	}
	buf->len += s.len;
}

static inline void
buf_cstr(struct buf *buf, const char *s)
{
	buf_put(buf, s, strlen(s));
}

static inline struct slice
buf_view(const struct buf *buf)
{
	return slice_of(buf->p, buf->len);
}

#endif
