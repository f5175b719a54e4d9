/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slice.h"

#include <endian.h>

enum { WORD_DIGITS = 8, SAFE_DIGITS = 19 /* any so many fit 64 bits */ };

static const uint64_t zeros = UINT64_C(0x3030303030303030);

/* Eight ASCII digits, the first in the lowest byte, at once: neighbours are joined
 * into pairs, pairs into fours, fours into one. Bits in *bad: one is no digit. */
static inline uint64_t
word_digits(uint64_t word, uint64_t *bad)
{
	const uint64_t high = UINT64_C(0xf0f0f0f0f0f0f0f0);

	*bad |= ((word ^ zeros) | ((word + UINT64_C(0x0606060606060606)) ^ zeros)) & high;
	word -= zeros;
	word = word * 10 + (word >> 8);
	return ((word & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064) +
		   (word >> 16 & UINT64_C(0x000000ff000000ff)) *
		       UINT64_C(0x0000271000000001)) >>
	       32;
}

static inline uint64_t
load(const char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return le64toh(word);
}

static inline bool
few_digits(const char *p, size_t len, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)(unsigned char)p[i] - '0';

		if (digit > 9)
			return false;
		value = value * 10 + digit;
	}
	*ret_value = value;
	return true;
}

/* Up to SAFE_DIGITS: nothing can overflow. Behind whole words the last digits are
 * loaded with those before them, which then count as zeros. */
static inline bool
safe_digits(const char *p, size_t len, uint64_t *ret_value)
{
	static const uint64_t tens[WORD_DIGITS] = { 1, 10, 100, 1000, 10000, 100000, 1000000,
		10000000 };
	uint64_t bad = 0, value, behind;
	size_t rest = len % WORD_DIGITS;

	if (len < WORD_DIGITS)
		return few_digits(p, len, ret_value);
	value = word_digits(load(p), &bad);
	if (len >= 2 * WORD_DIGITS)
		value = value * 100000000 + word_digits(load(p + WORD_DIGITS), &bad);
	if (rest) {
		behind = UINT64_MAX << 8 * (WORD_DIGITS - rest);
		value = value * tens[rest] +
			word_digits(
			    (load(p + len - WORD_DIGITS) & behind) | (zeros & ~behind), &bad);
	}
	*ret_value = value;
	return bad == 0;
}

static inline bool
parse(struct slice s, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (s.len == 0)
		return false;
	if (s.len <= SAFE_DIGITS)
		return safe_digits(s.p, s.len, ret_value);
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';

		if (digit > 9 || value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*ret_value = value;
	return true;
}

bool
slice_u64(struct slice s, uint64_t *ret_value)
{
	return parse(s, ret_value);
}

bool
slice_u64_after(struct slice s, struct slice words, uint64_t *ret_value)
{
	const char *at = s.len ? memmem(s.p, s.len, words.p, words.len) : NULL;
	size_t len = 0;

	if (!at)
		return false;
	at += words.len;
	while (at + len < s.p + s.len && at[len] >= '0' && at[len] <= '9')
		len++;
	return parse(slice_of(at, len), ret_value);
}

bool
slice_i64(struct slice s, int64_t *ret_value)
{
	bool minus = s.len > 0 && s.p[0] == '-';
	uint64_t magnitude;

	if (!parse(minus ? slice_of(s.p + 1, s.len - 1) : s, &magnitude))
		return false;
	if (magnitude > (uint64_t)INT64_MAX + (minus ? 1 : 0))
		return false;
	*ret_value = minus ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
	return true;
}
