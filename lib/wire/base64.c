/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/base64.h"

static int
digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

bool
base64_decode(struct slice text, unsigned char *out, size_t *ret_len)
{
	size_t len = text.len, at = 0;
	unsigned pool = 0, bits = 0;

	if (len && len % 4 == 0 && text.p[len - 1] == '=')
		len -= text.p[len - 2] == '=' ? 2 : 1;
	if (len % 4 == 1)
		return false;
	for (size_t i = 0; i < len; i++) {
		int d = digit(text.p[i]);
		if (d < 0)
			return false;
		pool = (pool << 6 | (unsigned)d) & 0xfff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[at++] = (unsigned char)(pool >> bits);
		}
	}
	if (pool & ((1u << bits) - 1))
		return false;
	*ret_len = at;
	return true;
}
