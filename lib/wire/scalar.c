/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/scalar.h"

#include <stdlib.h>
#include <strings.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static const char hex_digits[16] = "0123456789abcdef";

/* The value of a hex digit, or -1. */
static int
hex_value(char c)
{
	static const int8_t letters[] = { 10, 11, 12, 13, 14, 15 };

	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? letters[c - 'a'] : -1;
}

static struct slice
trim(struct slice s)
{
	while (s.len > 0 && (s.p[0] == ' ' || (s.p[0] >= '\t' && s.p[0] <= '\r')))
		s = slice_of(s.p + 1, s.len - 1);
	while (s.len > 0 &&
	       (s.p[s.len - 1] == ' ' || (s.p[s.len - 1] >= '\t' && s.p[s.len - 1] <= '\r')))
		s.len--;
	return s;
}

static enum fate
refuse(struct err *err, const char *type, struct slice text)
{
	return err_code(err, FATE_REJECT, "22P02", "invalid input syntax for type %s: \"%.*s\"",
	    type, SLICE_ARG(text));
}

enum fate
bool_parse(struct slice text, bool *ret, struct err *err)
{
	/* Any prefix of at least .least letters, as parse_bool_with_len has it. */
	static const struct {
		const char *word;
		size_t least;
		bool value;
	} words[] = { { "true", 1, true }, { "false", 1, false }, { "yes", 1, true },
		{ "no", 1, false }, { "on", 2, true }, { "off", 2, false }, { "1", 1, true },
		{ "0", 1, false } };
	struct slice s = trim(text);

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (s.len >= words[i].least && s.len <= strlen(words[i].word) &&
		    strncasecmp(s.p, words[i].word, s.len) == 0) {
			*ret = words[i].value;
			return FATE_DONE;
		}
	}
	return refuse(err, "boolean", text);
}

enum fate
int_parse(struct slice text, int bytes, int64_t *ret, struct err *err)
{
	const char *type = bytes == 2 ? "smallint" : bytes == 4 ? "integer" : "bigint";
	uint64_t limit = (uint64_t)1 << (8 * bytes - 1), value = 0;
	struct slice s = trim(text);
	bool minus = s.len > 0 && s.p[0] == '-';
	size_t i = s.len > 0 && (s.p[0] == '-' || s.p[0] == '+');

	if (i == s.len)
		return refuse(err, type, text);
	/* Too long comes before what stands behind it, as in pg_strtoint32. */
	for (; i < s.len && value <= limit; i++) {
		unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';

		if (digit > 9)
			return refuse(err, type, text);
		value = value > limit / 10 ? UINT64_MAX : value * 10 + digit;
	}
	if (value > limit - (minus ? 0 : 1))
		return err_code(err, FATE_REJECT, "22003",
		    "value \"%.*s\" is out of range for type %s", SLICE_ARG(text), type);
	*ret = minus ? (int64_t)(0 - value) : (int64_t)value;
	return FATE_DONE;
}

bool
lsn_parse(struct slice text, uint64_t *ret_lsn)
{
	char copy[24], *end;
	uint64_t high, low;

	if (text.len == 0 || text.len >= sizeof copy)
		return false;
	memcpy(copy, text.p, text.len);
	copy[text.len] = 0;
	high = strtoull(copy, &end, 16);
	if (end == copy || *end != '/' || high > UINT32_MAX)
		return false;
	text.p = end + 1;
	low = strtoull(text.p, &end, 16);
	if (end == text.p || *end || low > UINT32_MAX)
		return false;
	*ret_lsn = high << 32 | low;
	return true;
}

/* Every form uuid_in takes: braces, and a hyphen after any four digits. */
static bool
uuid_parse_odd(struct slice s, uint8_t *ret)
{
	const char *p = s.p, *end = s.len ? s.p + s.len : s.p;
	bool braces = p < end && *p == '{';

	p += braces;
	for (int i = 0; i < UUID_SIZE; i++) {
		int high = end - p >= 2 ? hex_value(p[0]) : -1;
		int low = end - p >= 2 ? hex_value(p[1]) : -1;

		if (high < 0 || low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
		p += 2;
		if (p < end && *p == '-' && i % 2 == 1 && i < UUID_SIZE - 1)
			p++;
	}
	if (braces && (p == end || *p++ != '}'))
		return false;
	return p == end;
}

#if defined(__SSE2__)
/* Sixteen hexadecimal digits make eight bytes; false: one is none. */
static inline bool
hex_bytes(__m128i text, uint8_t *ret)
{
	const __m128i nine = _mm_set1_epi8(9), five = _mm_set1_epi8(5);
	__m128i digit = _mm_sub_epi8(text, _mm_set1_epi8('0'));
	__m128i letter =
	    _mm_sub_epi8(_mm_or_si128(text, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
	__m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, nine), digit);
	__m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, five), letter);
	__m128i value = _mm_or_si128(_mm_and_si128(is_digit, digit),
	    _mm_and_si128(is_letter, _mm_add_epi8(letter, _mm_set1_epi8(10))));
	__m128i pairs = _mm_or_si128(_mm_slli_epi16(value, 4), _mm_srli_epi16(value, 8));

	/* in each pair the first digit is the lower byte */
	pairs = _mm_and_si128(pairs, _mm_set1_epi16(0xff));
	_mm_storel_epi64((__m128i *)(void *)ret, _mm_packus_epi16(pairs, _mm_setzero_si128()));
	return _mm_movemask_epi8(_mm_or_si128(is_digit, is_letter)) == 0xffff;
}

/* The usual form without its hyphens. */
static inline bool
uuid_parse_usual(const char *p, uint8_t *ret)
{
	char digits[2 * UUID_SIZE];
	bool good;

	memcpy(digits, p, 8);
	memcpy(digits + 8, p + 9, 4);
	memcpy(digits + 12, p + 14, 4);
	memcpy(digits + 16, p + 19, 4);
	memcpy(digits + 20, p + 24, 12);
	good = hex_bytes(_mm_loadu_si128((const __m128i *)(void *)digits), ret);
	return good &
	       hex_bytes(_mm_loadu_si128((const __m128i *)(void *)(digits + 16)), ret + 8);
}

/* Sixteen bytes as hex digits. */
static inline void
hex_print(const uint8_t bytes[UUID_SIZE], char ret[2 * UUID_SIZE])
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)bytes);
	__m128i low = _mm_and_si128(v, _mm_set1_epi8(15));
	__m128i high = _mm_and_si128(_mm_srli_epi16(v, 4), _mm_set1_epi8(15));
	__m128i pairs[] = { _mm_unpacklo_epi8(high, low), _mm_unpackhi_epi8(high, low) };

	for (int i = 0; i < 2; i++) {
		__m128i letters = _mm_and_si128(
		    _mm_cmpgt_epi8(pairs[i], _mm_set1_epi8(9)), _mm_set1_epi8('a' - '0' - 10));
		__m128i text =
		    _mm_add_epi8(_mm_add_epi8(pairs[i], _mm_set1_epi8('0')), letters);
		_mm_storeu_si128((__m128i *)(void *)(ret + 16 * i), text);
	}
}
#else
/* Where the 16 bytes of the usual form stand in its 36 characters. */
static const uint8_t uuid_places[UUID_SIZE] = { 0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28,
	30, 32, 34 };

static inline void
hex_print(const uint8_t bytes[UUID_SIZE], char ret[2 * UUID_SIZE])
{
	for (int i = 0; i < UUID_SIZE; i++) {
		ret[2 * i] = hex_digits[bytes[i] >> 4];
		ret[2 * i + 1] = hex_digits[bytes[i] & 15];
	}
}

static inline bool
uuid_parse_usual(const char *p, uint8_t *ret)
{
	int bad = 0;

	for (int i = 0; i < UUID_SIZE; i++) {
		int high = hex_value(p[uuid_places[i]]);
		int low = hex_value(p[uuid_places[i] + 1]);

		bad |= high | low;
		ret[i] = (uint8_t)((unsigned)high << 4 | (unsigned)low);
	}
	return bad >= 0;
}
#endif

enum fate
uuid_parse(struct slice text, uint8_t ret[UUID_SIZE], struct err *err)
{
	uint8_t uuid[UUID_SIZE];
	const char *p = text.p;
	bool usual = text.len == UUID_TEXT && p[8] == '-' && p[13] == '-' && p[18] == '-' &&
		     p[23] == '-';

	if (!(usual && uuid_parse_usual(p, uuid)) && !uuid_parse_odd(text, uuid))
		return refuse(err, "uuid", text);
	memcpy(ret, uuid, sizeof(uuid));
	return FATE_DONE;
}

void
uuid_print(struct buf *out, const uint8_t uuid[UUID_SIZE])
{
	char digits[2 * UUID_SIZE], text[UUID_TEXT];

	hex_print(uuid, digits);
	text[8] = text[13] = text[18] = text[23] = '-';
	memcpy(text, digits, 8);
	memcpy(text + 9, digits + 8, 4);
	memcpy(text + 14, digits + 12, 4);
	memcpy(text + 19, digits + 16, 4);
	memcpy(text + 24, digits + 20, 12);
	buf_put(out, text, sizeof(text));
}

static enum fate
bytea_hex(struct slice s, uint8_t *to, size_t *ret_len, struct err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i += 2, n++) {
		int high, low;

		if (s.p[i] == ' ' || s.p[i] == '\n' || s.p[i] == '\t' || s.p[i] == '\r') {
			i--;
			n--;
			continue;
		}
		high = hex_value(s.p[i]);
		if (high >= 0 && i + 1 == s.len)
			return err_code(err, FATE_REJECT, "22023",
			    "invalid hexadecimal data: odd number of digits");
		low = high < 0 ? -1 : hex_value(s.p[i + 1]);
		if (low < 0)
			return err_code(err, FATE_REJECT, "22023",
			    "invalid hexadecimal digit: \"%c\"", s.p[high < 0 ? i : i + 1]);
		to[n] = (uint8_t)(high << 4 | low);
	}
	*ret_len = n;
	return FATE_DONE;
}

static bool
is_octal(const char *p)
{
	return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' &&
	       p[2] <= '7';
}

static enum fate
bytea_escape(struct slice s, uint8_t *to, size_t *ret_len, struct err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; n++) {
		const char *p = s.p + i;

		if (*p != '\\') {
			to[n] = (uint8_t)*p;
			i++;
		} else if (s.len - i >= 4 && is_octal(p + 1)) {
			to[n] = (uint8_t)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			i += 4;
		} else if (s.len - i >= 2 && p[1] == '\\') {
			to[n] = '\\';
			i += 2;
		} else {
			return err_code(
			    err, FATE_REJECT, "22P02", "invalid input syntax for type bytea");
		}
	}
	*ret_len = n;
	return FATE_DONE;
}

enum fate
bytea_parse(struct slice text, struct arena *arena, struct slice *ret_bytes, struct err *err)
{
	uint8_t *to = arena_alloc(arena, text.len + 1);
	enum fate fate;
	size_t len = 0;

	if (!to)
		return err_code(err, FATE_RETRY, "53200", "no room in the batch for a bytea");
	if (text.len >= 2 && text.p[0] == '\\' && text.p[1] == 'x')
		fate = bytea_hex(slice_of(text.p + 2, text.len - 2), to, &len, err);
	else
		fate = bytea_escape(text, to, &len, err);
	if (fate == FATE_DONE)
		*ret_bytes = slice_of((const char *)to, len);
	return fate;
}

void
bytea_print(struct buf *out, struct slice bytes)
{
	if (out->cap - out->len < 2 * bytes.len + 2)
		buf_grow(out, 2 * bytes.len + 2);
	out->p[out->len++] = '\\';
	out->p[out->len++] = 'x';
	for (size_t i = 0; i < bytes.len; i++) {
		out->p[out->len++] = hex_digits[(unsigned char)bytes.p[i] >> 4];
		out->p[out->len++] = hex_digits[(unsigned char)bytes.p[i] & 15];
	}
}
