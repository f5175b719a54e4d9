/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slice.h"

#include <endian.h>

enum { WORD_DIGITS = 8, SAFE_DIGITS = 19 /* any so many fit 64 bits */ };

/* Eight ASCII digits, the first in the lowest byte, at once: neighbours are joined
 * into pairs, pairs into fours, fours into one. False: one is no digit. */
static inline bool
word_digits(uint64_t word, uint64_t *ret_value)
{
	const uint64_t high = UINT64_C(0xf0f0f0f0f0f0f0f0),
		       zeros = UINT64_C(0x3030303030303030);

	if ((word & high) != zeros || ((word + UINT64_C(0x0606060606060606)) & high) != zeros)
		return false;
	word -= zeros;
	word = word * 10 + (word >> 8);
	*ret_value =
	    ((word & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064) +
		(word >> 16 & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001)) >>
	    32;
	return true;
}

bool
slice_u64(struct slice s, uint64_t *ret_value)
{
	uint64_t value = 0, word, eight;
	size_t i = 0;

	if (s.len == 0)
		return false;
	for (; s.len <= SAFE_DIGITS && s.len - i >= WORD_DIGITS; i += WORD_DIGITS) {
		memcpy(&word, s.p + i, sizeof(word));
		if (!word_digits(le64toh(word), &eight))
			return false;
		value = value * 100000000 + eight;
	}
	for (; i < s.len; i++) {
		unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';

		if (digit > 9 || value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*ret_value = value;
	return true;
}

bool
slice_i64(struct slice s, int64_t *ret_value)
{
	bool minus = s.len > 0 && s.p[0] == '-';
	uint64_t magnitude;

	if (!slice_u64(minus ? slice_of(s.p + 1, s.len - 1) : s, &magnitude))
		return false;
	if (magnitude > (uint64_t)INT64_MAX + (minus ? 1 : 0))
		return false;
	*ret_value = minus ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
	return true;
}
