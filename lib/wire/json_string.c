/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/json_string.h"

const bool json_simple_escapes[256] = { ['"'] = true,
	['\\'] = true,
	['/'] = true,
	['b'] = true,
	['f'] = true,
	['n'] = true,
	['r'] = true,
	['t'] = true };

int
json_hex4(const char *p, const char *end)
{
	int value = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;
		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

struct json_bytes
json_bytes(struct slice inner)
{
	return (struct json_bytes){ .at = inner.p, .end = inner.p + inner.len };
}

static void
put_utf8(struct json_bytes *bytes, uint32_t code)
{
	unsigned char *out = bytes->pending;
	unsigned n = 0;

	if (code < 0x80) {
		out[n++] = (unsigned char)code;
	} else if (code < 0x800) {
		out[n++] = (unsigned char)(0xc0 | code >> 6);
		out[n++] = (unsigned char)(0x80 | (code & 0x3f));
	} else if (code < 0x10000) {
		out[n++] = (unsigned char)(0xe0 | code >> 12);
		out[n++] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
		out[n++] = (unsigned char)(0x80 | (code & 0x3f));
	} else {
		out[n++] = (unsigned char)(0xf0 | code >> 18);
		out[n++] = (unsigned char)(0x80 | (code >> 12 & 0x3f));
		out[n++] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
		out[n++] = (unsigned char)(0x80 | (code & 0x3f));
	}
	bytes->pending_at = 0;
	bytes->pending_count = n;
}

/* at stands behind "\u". */
static void
read_unicode(struct json_bytes *bytes)
{
	uint32_t code = (uint32_t)json_hex4(bytes->at, bytes->end);

	bytes->at += 4;
	if (code >= 0xd800 && code <= 0xdbff) {
		uint32_t low = (uint32_t)json_hex4(bytes->at + 2, bytes->end);
		bytes->at += 6;
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	}
	put_utf8(bytes, code);
}

int
json_byte(struct json_bytes *bytes)
{
	char c;

	if (bytes->pending_at < bytes->pending_count)
		return bytes->pending[bytes->pending_at++];
	if (bytes->at >= bytes->end)
		return -1;
	c = *bytes->at++;
	if (c != '\\')
		return (unsigned char)c;
	c = *bytes->at++;
	switch (c) {
	case 'b': return '\b';
	case 'f': return '\f';
	case 'n': return '\n';
	case 'r': return '\r';
	case 't': return '\t';
	case 'u': read_unicode(bytes); return bytes->pending[bytes->pending_at++];
	default: return (unsigned char)c;
	}
}

static inline bool
tail_byte(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

size_t
json_utf8_len(const char *at, const char *end)
{
	const unsigned char *p = (const unsigned char *)at;
	size_t left = (size_t)(end - at);

	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		return left >= 2 && tail_byte(p[1]) ? 2 : 0;
	if (p[0] >= 0xe0 && p[0] <= 0xef) {
		if (left < 3 || !tail_byte(p[1]) || !tail_byte(p[2]))
			return 0;
		if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))
			return 0;
		return 3;
	}
	if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		if (left < 4 || !tail_byte(p[1]) || !tail_byte(p[2]) || !tail_byte(p[3]))
			return 0;
		if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}
