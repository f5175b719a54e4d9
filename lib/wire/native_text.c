/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/native_text.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "wire/json_string.h"

enum { WIDE_DIGITS_MAX = 78 }; /* of 2^256 */

const int64_t pow10_table[19] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000,
	1000000000, 10000000000, 100000000000, 1000000000000, 10000000000000, 100000000000000,
	1000000000000000, 10000000000000000, 100000000000000000, 1000000000000000000 };

bool
small_parse(struct slice text, unsigned scale, int64_t *ret_value)
{
	const char *p = text.p, *end = text.p + text.len;
	bool negative = p < end && *p == '-';
	unsigned fraction = 0, digit;
	uint64_t value = 0;

	p += negative;
	if (end - p > 19 || p == end)
		return false;
	for (; p < end && (digit = (unsigned)(*p - '0')) <= 9; p++)
		value = value * 10 + digit;
	if (p < end && *p == '.') {
		const char *point = p++;

		for (; p < end && (digit = (unsigned)(*p - '0')) <= 9; p++)
			value = value * 10 + digit;
		fraction = (unsigned)(p - point) - 1;
	} else if (end - text.p - negative > 18) {
		return false;
	}
	if (p != end || fraction > scale || scale - fraction > 18)
		return false;
	if (value > (uint64_t)(INT64_MAX / pow10_table[scale - fraction]))
		return false;
	value *= (uint64_t)pow10_table[scale - fraction];
	*ret_value = negative ? -(int64_t)value : (int64_t)value;
	return true;
}

__extension__ typedef unsigned __int128 wide_carry;

static bool
wide_push(struct wide *wide, unsigned digit)
{
	wide_carry carry = digit;

	for (int i = 0; i < 4; i++) {
		carry += (wide_carry)wide->limb[i] * 10;
		wide->limb[i] = (uint64_t)carry;
		carry >>= 64;
	}
	wide->digits += wide->digits > 0 || digit > 0;
	return carry == 0;
}

/* The parts of a JSON number: digits with the point left out, and the power of ten
 * that belongs to the last one. */
struct parts {
	struct slice whole, fraction;
	int64_t exponent;
	bool negative;
};

static bool
split_number(struct slice text, struct parts *ret)
{
	const char *p = text.p, *end = text.p + text.len, *from;

	*ret = (struct parts){ .negative = p < end && *p == '-' };
	p += ret->negative;
	for (from = p; p < end && *p >= '0' && *p <= '9'; p++)
		;
	ret->whole = slice_of(from, (size_t)(p - from));
	if (p < end && *p == '.') {
		for (from = ++p; p < end && *p >= '0' && *p <= '9'; p++)
			;
		ret->fraction = slice_of(from, (size_t)(p - from));
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p += 1 + (end - p > 1 && p[1] == '+');
		if (!slice_i64(slice_of(p, (size_t)(end - p)), &ret->exponent) ||
		    ret->exponent > 1000000 || ret->exponent < -1000000)
			return false;
		p = end;
	}
	return p == end && ret->whole.len > 0;
}

const char *
wide_parse(struct slice text, unsigned scale, struct wide *ret_wide)
{
	struct wide wide = { 0 };
	struct parts parts;
	int64_t shift; /* the last digit's power of ten, after scaling */
	size_t total;

	if (!split_number(text, &parts))
		return "is not a number";
	total = parts.whole.len + parts.fraction.len;
	shift = parts.exponent - (int64_t)parts.fraction.len + scale;
	for (size_t i = 0; i < total; i++) {
		char c = i < parts.whole.len ? parts.whole.p[i]
					     : parts.fraction.p[i - parts.whole.len];

		/* digits that would stand behind the point */
		if (shift < 0 && (int64_t)(total - i) <= -shift) {
			if (c != '0')
				return "has more digits after the point than fit";
		} else if (!wide_push(&wide, (unsigned)(c - '0'))) {
			return "is out of range";
		}
	}
	for (; shift > 0 && wide.digits > 0; shift--)
		if (wide.digits > WIDE_DIGITS_MAX || !wide_push(&wide, 0))
			return "is out of range";
	wide.negative = parts.negative && wide.digits > 0;
	*ret_wide = wide;
	return NULL;
}

bool
wide_fits(const struct wide *wide, bool is_signed, unsigned width)
{
	unsigned top = (width + 7) / 8 - 1, bits = (width % 8 ? width % 8 : 8) * 8;
	uint64_t limit = bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
	uint64_t rest = 0;

	for (unsigned i = top + 1; i < 4; i++)
		if (wide->limb[i])
			return false;
	if (!is_signed)
		return !wide->negative && wide->limb[top] <= limit;
	limit >>= 1;
	if (wide->limb[top] <= limit)
		return true;
	for (unsigned i = 0; i < top; i++)
		rest |= wide->limb[i];
	return wide->negative && wide->limb[top] == limit + 1 && rest == 0;
}

void
wide_store(const struct wide *wide, unsigned width, unsigned char *out)
{
	uint64_t limb[4];
	uint64_t carry = 1;

	for (int i = 0; i < 4; i++) {
		limb[i] = wide->limb[i];
		if (wide->negative) {
			limb[i] = ~limb[i] + carry;
			carry = carry && limb[i] == 0;
		}
	}
	memcpy(out, limb, width);
}

/* --- UUIDs --- */

/* One more than the value of a hexadecimal digit; 0: not a digit. */
static const unsigned char hex_digit[256] = { ['0'] = 1,
	['1'] = 2,
	['2'] = 3,
	['3'] = 4,
	['4'] = 5,
	['5'] = 6,
	['6'] = 7,
	['7'] = 8,
	['8'] = 9,
	['9'] = 10,
	['a'] = 11,
	['b'] = 12,
	['c'] = 13,
	['d'] = 14,
	['e'] = 15,
	['f'] = 16,
	['A'] = 11,
	['B'] = 12,
	['C'] = 13,
	['D'] = 14,
	['E'] = 15,
	['F'] = 16 };

bool
native_uuid_parse(struct slice text, unsigned char ret_uuid[16])
{
	/* where the two digits of byte i stand */
	static const unsigned char at[16] = { 0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30,
		32, 34 };
	const unsigned char *p = (const unsigned char *)text.p;
	unsigned char out[16];
	unsigned bad = 0;

	if (text.len != 36 || p[8] != '-' || p[13] != '-' || p[18] != '-' || p[23] != '-')
		return false;
	for (unsigned i = 0; i < 16; i++) {
		unsigned high = hex_digit[p[at[i]]] - 1u, low = hex_digit[p[at[i] + 1]] - 1u;

		bad |= high | low;
		out[i ^ 7] = (unsigned char)(high << 4 | (low & 15));
	}
	if (bad > 15)
		return false;
	memcpy(ret_uuid, out, 16);
	return true;
}

/* --- times --- */

/* Two digits at p, or above 99. */
static inline unsigned
two(const char *p)
{
	unsigned a = (unsigned)(p[0] - '0'), b = (unsigned)(p[1] - '0');

	return a > 9 || b > 9 ? 1000 : a * 10 + b;
}

/* Days since 1970 of a Gregorian date from year 1 on (H. Hinnant, "chrono-
 * Compatible Low-Level Date Algorithms", days_from_civil). */
static int64_t
days_of(unsigned year, unsigned month, unsigned day)
{
	unsigned y = year - (month <= 2), era = y / 400, of_era = y - era * 400;
	unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	unsigned days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;

	return (int64_t)era * 146097 + days - 719468;
}

static unsigned
month_days(unsigned year, unsigned month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

/* p has ten bytes. */
static inline bool
date_at(const char *p, int64_t *ret_days)
{
	unsigned year = two(p) * 100 + two(p + 2);
	unsigned month = two(p + 5), day = two(p + 8);

	if (p[4] != '-' || p[7] != '-' || year - 1 > 9998 || month - 1 > 11 ||
	    day - 1 > month_days(year, month) - 1)
		return false;
	*ret_days = days_of(year, month, day);
	return true;
}

bool
day_parse(struct slice text, int64_t *ret_days)
{
	return text.len == 10 && date_at(text.p, ret_days);
}

bool
moment_parse(struct slice text, int64_t *ret_seconds, uint32_t *ret_ns)
{
	const char *p = text.p, *end = text.p + text.len;
	unsigned hour, minute, second, digit;
	uint32_t ns = 0, unit = 100000000;
	int64_t days;

	if (text.len < 19 || !date_at(p, &days) || (p[10] != 'T' && p[10] != ' ') ||
	    p[13] != ':' || p[16] != ':')
		return false;
	hour = two(p + 11);
	minute = two(p + 14);
	second = two(p + 17);
	if (hour > 23 || minute > 59 || second > 59)
		return false;
	p += 19;
	if (p < end && *p == '.') {
		const char *first = ++p;

		for (; p < end && unit && (digit = (unsigned)(*p - '0')) <= 9; unit /= 10, p++)
			ns += digit * unit;
		if (p == first)
			return false;
	}
	text = slice_of(p, (size_t)(end - p));
	if (text.len && !slice_eq(text, SLICE("Z")) && !slice_eq(text, SLICE("+00")) &&
	    !slice_eq(text, SLICE("+00:00")))
		return false;
	*ret_seconds = days * 86400 + (int64_t)(hour * 3600 + minute * 60 + second);
	*ret_ns = ns;
	return true;
}

/* --- floats and addresses: the C library wants terminated text --- */

static bool
copy_short(struct slice text, char *out, size_t size)
{
	if (text.len == 0 || text.len >= size)
		return false;
	memcpy(out, text.p, text.len);
	out[text.len] = '\0';
	return true;
}

bool
float_parse(struct slice text, double *ret_value)
{
	char copy[512], *end;
	double value;

	if (!copy_short(text, copy, sizeof copy))
		return false;
	value = strtod(copy, &end);
	if (*end != '\0')
		return false;
	*ret_value = value;
	return true;
}

bool
float32_parse(struct slice text, float *ret_value)
{
	char copy[512], *end;
	float value;

	if (!copy_short(text, copy, sizeof copy))
		return false;
	value = strtof(copy, &end);
	if (*end != '\0')
		return false;
	*ret_value = value;
	return true;
}

bool
ipv4_parse(struct slice text, unsigned char ret_bytes[4])
{
	unsigned char net[4];
	char copy[INET_ADDRSTRLEN + 4];

	if (text.len > 3 && memcmp(text.p + text.len - 3, "/32", 3) == 0)
		text.len -= 3;
	if (!copy_short(text, copy, sizeof copy) || inet_pton(AF_INET, copy, net) != 1)
		return false;
	for (int i = 0; i < 4; i++)
		ret_bytes[i] = net[3 - i];
	return true;
}

bool
ipv6_parse(struct slice text, unsigned char ret_bytes[16])
{
	char copy[INET6_ADDRSTRLEN + 5];
	unsigned char v4[4];

	if (text.len > 4 && memcmp(text.p + text.len - 4, "/128", 4) == 0)
		text.len -= 4;
	if (copy_short(text, copy, sizeof copy) && inet_pton(AF_INET6, copy, ret_bytes) == 1)
		return true;
	if (!ipv4_parse(text, v4))
		return false;
	memset(ret_bytes, 0, 10); /* mapped: ::ffff:a.b.c.d, as the server does */
	ret_bytes[10] = ret_bytes[11] = 0xff;
	for (int i = 0; i < 4; i++)
		ret_bytes[12 + i] = v4[3 - i];
	return true;
}

/* --- strings --- */

void
text_unescape(struct buf *out, struct slice raw)
{
	const char *p = raw.p + 1, *end = raw.p + raw.len - 1;

	if (out->cap - out->len < raw.len)
		buf_grow(out, raw.len); /* decoding never makes text longer */
	for (;;) {
		const char *slash = memchr(p, '\\', (size_t)(end - p));
		struct json_bytes bytes;
		size_t run = (size_t)((slash ? slash : end) - p);

		memcpy(out->p + out->len, p, run);
		out->len += run;
		if (!slash)
			return;
		if (slash[1] == '"' || slash[1] == '\\' || slash[1] == '/') {
			out->p[out->len++] = slash[1];
			p = slash + 2;
			continue;
		}
		bytes = json_bytes(slice_of(slash, (size_t)(end - slash)));
		do
			out->p[out->len++] = (char)json_byte(&bytes);
		while (bytes.pending_at < bytes.pending_count);
		p = bytes.at;
	}
}
