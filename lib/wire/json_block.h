/* SPDX-License-Identifier: Apache-2.0 */
/* json_block.h -- sixteen bytes of JSON at a time, with the SSE2 that every x86-64
 * has; elsewhere, and with JSON_PORTABLE, loops over single bytes do the same.
 *
 * Only the JSON readers' business. Whoever calls makes sure that the bytes a
 * function loads stand inside the text. */
#ifndef WIRE_JSON_BLOCK_H
#define WIRE_JSON_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "wire/json_string.h"

#if defined(__SSE2__) && !defined(JSON_PORTABLE)
#define JSON_SIMD 1
#include <emmintrin.h>

enum { JSON_BLOCK = 16 };

static inline __m128i
json_block_load(const char *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* A bit a byte in which the two differ. Loads 16 of each. */
static inline unsigned
json_block_differ(const char *p, const char *q)
{
	return 0xffffu ^ (unsigned)_mm_movemask_epi8(
			     _mm_cmpeq_epi8(json_block_load(p), json_block_load(q)));
}

/* A bit a byte that is a quote, a backslash, a control or not ASCII. Loads 16. */
static inline unsigned
json_block_stops(const char *p)
{
	__m128i v = json_block_load(p);
	/* signed: bytes from 0x80 up are below a blank too */
	__m128i odd = _mm_cmplt_epi8(v, _mm_set1_epi8(' '));
	__m128i end = _mm_or_si128(
	    _mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));

	return (unsigned)_mm_movemask_epi8(_mm_or_si128(odd, end));
}

/* The masks of json_block_stops() one by one; bit 16 is none's. Loads 16. */
struct json_stops {
	unsigned quotes, backslashes, odd;
};
static inline struct json_stops
json_block_each_stop(const char *p)
{
	__m128i v = json_block_load(p);

	return (struct json_stops){
		(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('"'))),
		(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))),
		(unsigned)_mm_movemask_epi8(_mm_cmplt_epi8(v, _mm_set1_epi8(' '))),
	};
}

/* In a block with backslashes, no two of them neighbours and each before a quote: the
 * first byte that is neither plain nor so escaped, or JSON_BLOCK, or one more when the
 * last byte's backslash escapes the next. -1: there are other escapes. Loads 17. */
static inline int
json_block_escaped_quotes(const char *p)
{
	struct json_stops stops = json_block_each_stop(p);
	unsigned escaped = stops.backslashes << 1;
	unsigned end = (stops.quotes & ~escaped) | stops.odd | 1u << JSON_BLOCK;
	unsigned before = end ^ (end - 1); /* the bits up to the first of end */

	stops.quotes |= (unsigned)(p[JSON_BLOCK] == '"') << JSON_BLOCK;
	if (escaped & before & ~stops.quotes)
		return -1;
	return __builtin_ctz(end) + (int)(escaped >> JSON_BLOCK & before >> JSON_BLOCK);
}

/* A bit a byte that is a quote, a backslash or a control: to be escaped. Loads 16. */
static inline unsigned
json_block_escaped(const char *p)
{
	__m128i v = json_block_load(p);
	__m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
	__m128i end = _mm_or_si128(
	    _mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));

	return (unsigned)_mm_movemask_epi8(_mm_or_si128(control, end));
}

/* The quote that ends up to 31 plain bytes, or NULL. Loads 32. */
static inline const char *
json_block_quote(const char *p)
{
	unsigned mask = json_block_stops(p);

	if (!mask) {
		p += JSON_BLOCK;
		mask = json_block_stops(p);
		if (!mask)
			return NULL;
	}
	p += __builtin_ctz(mask);
	return *p == '"' ? p : NULL;
}

/* A bit a byte that is no digit, and bit 16. Loads 16. */
static inline unsigned
json_block_not_digits(const char *p)
{
	__m128i from_zero = _mm_sub_epi8(json_block_load(p), _mm_set1_epi8('0'));
	__m128i above_nine = _mm_subs_epu8(from_zero, _mm_set1_epi8(9));
	__m128i digits = _mm_cmpeq_epi8(above_nine, _mm_setzero_si128());

	return ~(unsigned)_mm_movemask_epi8(digits) | 1u << JSON_BLOCK;
}

/* Behind the run of digits at p, or up to 32 of them. Loads 32. */
static inline const char *
json_block_digits_end(const char *p)
{
	int n = __builtin_ctz(json_block_not_digits(p));

	if (n == JSON_BLOCK)
		n += __builtin_ctz(json_block_not_digits(p + JSON_BLOCK));
	return p + n;
}

/* Behind the integer at p; NULL when it is none, has a fraction or an exponent or
 * is long. Loads 34 at most. */
static inline const char *
json_block_integer(const char *p)
{
	const char *end;

	p += *p == '-';
	end = json_block_digits_end(p);
	if (end == p || end - p == 2 * JSON_BLOCK || (*p == '0' && end - p > 1) ||
	    *end == '.' || (*end | 0x20) == 'e')
		return NULL;
	return end;
}
#endif

/* The first byte from p on that is no plain byte and no two-byte escape. */
static inline const char *
json_plain_end(const char *p, const char *end, bool *escaped)
{
#if defined(JSON_SIMD)
	while (end - p > JSON_BLOCK) {
		unsigned mask = json_block_stops(p), i = 0;
		if (mask && p[__builtin_ctz(mask)] == '\\') {
			int n = json_block_escaped_quotes(p);
			if (n >= 0) {
				*escaped = true;
				p += n;
				if (n < JSON_BLOCK)
					return p;
				continue;
			}
		}
		for (; mask; mask &= ~(3u << i)) {
			i = (unsigned)__builtin_ctz(mask);
			if (p[i] != '\\' || !json_simple_escapes[(unsigned char)p[i + 1]])
				return p + i;
			*escaped = true;
			if (i == JSON_BLOCK - 1)
				p++; /* the escape's second byte is the next block's first */
		}
		p += JSON_BLOCK;
	}
#endif
	for (; p < end && *p != '"' && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80;
	     p++) {
		if (*p != '\\')
			continue;
		if (end - p < 2 || !json_simple_escapes[(unsigned char)p[1]])
			break;
		*escaped = true;
		p++;
	}
	return p;
}

/* Behind a value that needs no careful look: a string without odd bytes, an integer
 * or null; else NULL, as always within JSON_SIMPLE_ROOM of the end. */
enum { JSON_SIMPLE_ROOM = 34 };
static inline const char *
json_simple_end(const char *p, const char *end)
{
#if defined(JSON_SIMD)
	bool escaped;

	if (end - p <= JSON_SIMPLE_ROOM)
		return NULL;
	if (*p == '"') {
		p = json_plain_end(p + 1, end, &escaped);
		return p < end && *p == '"' ? p + 1 : NULL;
	}
	if (*p == '-' || (*p >= '0' && *p <= '9'))
		return json_block_integer(p);
	return memcmp(p, "null", 4) == 0 ? p + 4 : NULL;
#else
	(void)p;
	(void)end;
	return NULL;
#endif
}

#endif
