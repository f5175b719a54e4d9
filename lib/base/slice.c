/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slice.h"

bool
slice_u64(struct slice s, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (s.len == 0)
		return false;
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
