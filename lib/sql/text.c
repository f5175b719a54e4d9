/* SPDX-License-Identifier: Apache-2.0 */
/* Text functions; positions and lengths count characters of UTF-8. */
#include <string.h>

#include "sql/function.h"
#include "sql/jsonb.h"

#define A (call->arg[0])
#define B (call->arg[1])
#define C (call->arg[2])

size_t
sql_char_len(unsigned char lead)
{
	return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

size_t
sql_char_count(struct slice s)
{
	size_t count = 0;

	for (size_t i = 0; i < s.len; i++)
		count += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return count;
}

size_t
sql_char_bytes(struct slice s, size_t chars)
{
	size_t at = 0;

	for (; chars > 0 && at < s.len; chars--)
		at += sql_char_len((unsigned char)s.p[at]);
	return at < s.len ? at : s.len;
}

struct slice
sql_trim_blanks(struct slice s)
{
	while (s.len > 0 && s.p[s.len - 1] == ' ')
		s.len--;
	return s;
}

static enum fate
concat(const struct sql_call *call)
{
	size_t len = A->s.len + B->s.len;
	char *p = arena_alloc(call->arena, len + 1);

	if (!p)
		return sql_memory_full(call);
	if (A->s.len)
		memcpy(p, A->s.p, A->s.len);
	if (B->s.len)
		memcpy(p + A->s.len, B->s.p, B->s.len);
	p[len] = '\0';
	call->ret->s = slice_of(p, len);
	return FATE_DONE;
}

static enum fate
char_length(const struct sql_call *call)
{
	call->ret->i = (int64_t)sql_char_count(A->s);
	return FATE_DONE;
}

static enum fate
char_length_bpchar(const struct sql_call *call)
{
	call->ret->i = (int64_t)sql_char_count(sql_trim_blanks(A->s));
	return FATE_DONE;
}

static enum fate
octet_length(const struct sql_call *call)
{
	call->ret->i = (int64_t)A->s.len;
	return FATE_DONE;
}

static uint32_t
decode(const char *p, size_t len)
{
	const unsigned char *u = (const unsigned char *)p;

	if (len == 2)
		return (uint32_t)(u[0] & 0x1f) << 6 | (u[1] & 0x3f);
	if (len == 3)
		return (uint32_t)(u[0] & 0x0f) << 12 | (uint32_t)(u[1] & 0x3f) << 6 |
		       (u[2] & 0x3f);
	return (uint32_t)(u[0] & 0x07) << 18 | (uint32_t)(u[1] & 0x3f) << 12 |
	       (uint32_t)(u[2] & 0x3f) << 6 | (u[3] & 0x3f);
}

static void
put_code_point(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_byte(out, (char)c);
	} else if (c < 0x800) {
		buf_byte(out, (char)(0xc0 | c >> 6));
		buf_byte(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_byte(out, (char)(0xe0 | c >> 12));
		buf_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_byte(out, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_byte(out, (char)(0xf0 | c >> 18));
		buf_byte(out, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_byte(out, (char)(0x80 | (c & 0x3f)));
	}
}

static uint32_t
mapped(const struct sql_case *pairs, size_t count, uint32_t c)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (pairs[mid].from == c)
			return pairs[mid].to;
		if (pairs[mid].from < c)
			low = mid + 1;
		else
			high = mid;
	}
	return c;
}

void
sql_map_case(struct buf *out, const struct sql_catalog_case *cases, struct slice s, bool upper)
{
	for (size_t i = 0; i < s.len;) {
		size_t len = sql_char_len((unsigned char)s.p[i]);
		char c = s.p[i];

		if (i + len > s.len)
			len = s.len - i;
		if (len == 1 && upper && c >= 'a' && c <= 'z')
			buf_byte(out, (char)(c - 'a' + 'A'));
		else if (len == 1 && !upper && c >= 'A' && c <= 'Z')
			buf_byte(out, (char)(c - 'A' + 'a'));
		else if (len == 1 || !cases)
			buf_put(out, s.p + i, len);
		else
			put_code_point(out, upper ? mapped(cases->upper, cases->upper_count,
							decode(s.p + i, len))
						  : mapped(cases->lower, cases->lower_count,
							decode(s.p + i, len)));
		i += len;
	}
}

static enum fate
map_case(const struct sql_call *call, bool upper)
{
	call->scratch->len = 0;
	sql_map_case(call->scratch, call->extra->cases, A->s, upper);
	return sql_return_text(call, call->scratch->p, call->scratch->len);
}

static enum fate
lower(const struct sql_call *call)
{
	return map_case(call, false);
}

static enum fate
upper(const struct sql_call *call)
{
	return map_case(call, true);
}

/* Characters [from, from + count) of a text, positions from 1; both may lie outside. */
static struct slice
characters(struct slice s, int64_t from, int64_t count)
{
	int64_t end = from + count; /* both fit 33 bits */
	size_t begin_at, end_at;

	if (from < 1)
		from = 1;
	if (end <= from)
		return slice_of(s.p, 0);
	begin_at = sql_char_bytes(s, (size_t)(from - 1));
	s = slice_of(s.p + begin_at, s.len - begin_at);
	end_at = sql_char_bytes(s, (size_t)(end - from));
	return slice_of(s.p, end_at);
}

static enum fate
substring(const struct sql_call *call)
{
	int64_t count = call->argc > 2 ? C->i : (int64_t)1 << 33;

	if (count < 0)
		return err_code(
		    call->err, FATE_REJECT, "22011", "negative substring length not allowed");
	call->ret->s = characters(A->s, B->i, count);
	return FATE_DONE;
}

static enum fate
left(const struct sql_call *call)
{
	int64_t n = B->i;

	if (n < 0)
		n += (int64_t)sql_char_count(A->s);
	call->ret->s = characters(A->s, 1, n < 0 ? 0 : n);
	return FATE_DONE;
}

static enum fate
right(const struct sql_call *call)
{
	int64_t count = (int64_t)sql_char_count(A->s), skip = B->i < 0 ? -B->i : count - B->i;

	if (skip < 0)
		skip = 0;
	call->ret->s = characters(A->s, skip + 1, count);
	return FATE_DONE;
}

static bool
in_set(struct slice set, const char *p, size_t len)
{
	for (size_t i = 0; i < set.len;) {
		size_t n = sql_char_len((unsigned char)set.p[i]);

		if (n == len && i + n <= set.len && memcmp(set.p + i, p, n) == 0)
			return true;
		i += n;
	}
	return false;
}

static struct slice
trim(struct slice s, struct slice set, bool front, bool back)
{
	while (front && s.len > 0) {
		size_t len = sql_char_len((unsigned char)*s.p);

		if (len > s.len || !in_set(set, s.p, len))
			break;
		s = slice_of(s.p + len, s.len - len);
	}
	while (back && s.len > 0) {
		size_t at = s.len - 1;

		while (at > 0 && ((unsigned char)s.p[at] & 0xc0) == 0x80)
			at--;
		if (!in_set(set, s.p + at, s.len - at))
			break;
		s.len = at;
	}
	return s;
}

static enum fate
do_trim(const struct sql_call *call, bool front, bool back)
{
	call->ret->s = trim(A->s, call->argc > 1 ? B->s : SLICE(" "), front, back);
	return FATE_DONE;
}

static enum fate
btrim(const struct sql_call *call)
{
	return do_trim(call, true, true);
}

static enum fate
ltrim(const struct sql_call *call)
{
	return do_trim(call, true, false);
}

static enum fate
rtrim(const struct sql_call *call)
{
	return do_trim(call, false, true);
}

/* Byte offset of needle in s from at on; s.len when it is not there. UTF-8 cannot match
 * in the middle of a character. */
static size_t
find(struct slice s, size_t at, struct slice needle)
{
	const char *hit = memmem(s.p + at, s.len - at, needle.p, needle.len);

	return hit ? (size_t)(hit - s.p) : s.len;
}

static enum fate
replace(const struct sql_call *call)
{
	struct slice s = A->s, from = B->s, to = C->s;
	size_t at = 0;

	call->ret->s = s;
	if (s.len == 0 || from.len == 0 || find(s, 0, from) == s.len)
		return FATE_DONE;
	call->scratch->len = 0;
	while (at < s.len) {
		size_t hit = find(s, at, from);

		buf_put(call->scratch, s.p + at, hit - at);
		if (hit == s.len)
			break;
		buf_slice(call->scratch, to);
		at = hit + from.len;
	}
	return sql_return_text(call, call->scratch->p, call->scratch->len);
}

static enum fate
position(const struct sql_call *call)
{
	size_t hit;

	call->ret->i = B->s.len == 0;
	if (B->s.len == 0 || A->s.len == 0)
		return FATE_DONE;
	hit = find(A->s, 0, B->s);
	if (hit < A->s.len)
		call->ret->i = (int64_t)sql_char_count(slice_of(A->s.p, hit)) + 1;
	return FATE_DONE;
}

/* Fields between separators, the first is 1; negative ones count from the end. */
static enum fate
split_part(const struct sql_call *call)
{
	struct slice s = A->s, sep = B->s;
	int64_t n = C->i, fields = 1;
	size_t begin = 0, end;

	if (n == 0)
		return err_code(
		    call->err, FATE_REJECT, "22023", "field position must not be zero");
	call->ret->s = SLICE("");
	if (s.len == 0)
		return FATE_DONE;
	if (sep.len == 0) {
		if (n == 1 || n == -1)
			call->ret->s = s;
		return FATE_DONE;
	}
	for (size_t at = find(s, 0, sep); at < s.len; at = find(s, at + sep.len, sep))
		fields++;
	if (n < 0)
		n += fields + 1;
	if (n < 1 || n > fields)
		return FATE_DONE;
	for (end = find(s, 0, sep); n > 1; n--) {
		begin = end + sep.len;
		end = find(s, begin, sep);
	}
	call->ret->s = slice_of(s.p + begin, end - begin);
	return FATE_DONE;
}

static enum fate
starts_with(const struct sql_call *call)
{
	call->ret->b =
	    A->s.len >= B->s.len && (B->s.len == 0 || memcmp(A->s.p, B->s.p, B->s.len) == 0);
	return FATE_DONE;
}

#define T  TYPE_TEXT
#define I4 TYPE_INT4
static const struct sql_function rows[] = {
	{ "||", T, 2, { T, T }, concat },
	{ "||", TYPE_BYTEA, 2, { TYPE_BYTEA, TYPE_BYTEA }, concat },
	{ "||", TYPE_JSONB, 2, { TYPE_JSONB, TYPE_JSONB }, NULL, 0,
	    "putting jsonb together is not in the subset" },
	{ "length", I4, 1, { T }, char_length },
	{ "length", I4, 1, { TYPE_BPCHAR }, char_length_bpchar },
	{ "length", I4, 1, { TYPE_BYTEA }, octet_length },
	{ "char_length", I4, 1, { T }, char_length },
	{ "char_length", I4, 1, { TYPE_BPCHAR }, char_length_bpchar },
	{ "character_length", I4, 1, { T }, char_length },
	{ "character_length", I4, 1, { TYPE_BPCHAR }, char_length_bpchar },
	{ "octet_length", I4, 1, { T }, octet_length },
	{ "octet_length", I4, 1, { TYPE_BPCHAR }, octet_length },
	{ "octet_length", I4, 1, { TYPE_BYTEA }, octet_length },
	{ "lower", T, 1, { T }, lower, FN_CASES },
	{ "upper", T, 1, { T }, upper, FN_CASES },
	{ "substring", T, 2, { T, I4 }, substring },
	{ "substring", T, 3, { T, I4, I4 }, substring },
	{ "substring", T, 2, { T, T }, NULL, 0, "regular expressions are not in the subset" },
	{ "substring", TYPE_BYTEA, 2, { TYPE_BYTEA, I4 }, NULL, 0, "not on bytea" },
	{ "substring", TYPE_BYTEA, 3, { TYPE_BYTEA, I4, I4 }, NULL, 0, "not on bytea" },
	{ "substr", T, 2, { T, I4 }, substring },
	{ "substr", T, 3, { T, I4, I4 }, substring },
	{ "left", T, 2, { T, I4 }, left },
	{ "right", T, 2, { T, I4 }, right },
	{ "btrim", T, 1, { T }, btrim },
	{ "btrim", T, 2, { T, T }, btrim },
	{ "ltrim", T, 1, { T }, ltrim },
	{ "ltrim", T, 2, { T, T }, ltrim },
	{ "rtrim", T, 1, { T }, rtrim },
	{ "rtrim", T, 2, { T, T }, rtrim },
	{ "btrim", TYPE_BYTEA, 2, { TYPE_BYTEA, TYPE_BYTEA }, NULL, 0, "not on bytea" },
	{ "ltrim", TYPE_BYTEA, 2, { TYPE_BYTEA, TYPE_BYTEA }, NULL, 0, "not on bytea" },
	{ "rtrim", TYPE_BYTEA, 2, { TYPE_BYTEA, TYPE_BYTEA }, NULL, 0, "not on bytea" },
	{ "replace", T, 3, { T, T, T }, replace },
	{ "strpos", I4, 2, { T, T }, position },
	{ "position", I4, 2, { T, T }, position },
	{ "position", I4, 2, { TYPE_BYTEA, TYPE_BYTEA }, NULL, 0, "not on bytea" },
	{ "split_part", T, 3, { T, T, I4 }, split_part },
	{ "starts_with", TYPE_BOOL, 2, { T, T }, starts_with },
	{ "^@", TYPE_BOOL, 2, { T, T }, starts_with },
};
const struct sql_function_table sql_functions_text = { rows, sizeof(rows) / sizeof(rows[0]) };
