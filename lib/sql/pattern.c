/* SPDX-License-Identifier: Apache-2.0 */
/* LIKE and ILIKE. Backtracks to the last % alone, which is enough: what an earlier %
 * could take, the last one can take too. */
#include <string.h>

#include "sql/function.h"

#define A (call->arg[0])
#define B (call->arg[1])

struct match {
	struct slice s, p; /* text and pattern */
	size_t at, pat;
	size_t star_at, star_pat; /* where to go on after the last % takes one more */
	bool star;
};

static size_t
step(struct slice s, size_t at)
{
	size_t len = sql_char_len((unsigned char)s.p[at]);

	return at + len < s.len ? at + len : s.len;
}

static bool
same_char(struct match *m)
{
	size_t a = step(m->s, m->at), b = step(m->p, m->pat);

	if (a - m->at != b - m->pat || memcmp(m->s.p + m->at, m->p.p + m->pat, a - m->at) != 0)
		return false;
	m->at = a;
	m->pat = b;
	return true;
}

/* One step of the pattern at one character of the text; false when they differ. */
static bool
match_one(struct match *m, bool *ret_bad)
{
	if (m->pat >= m->p.len)
		return false;
	if (m->p.p[m->pat] == '_') {
		m->at = step(m->s, m->at);
		m->pat++;
		return true;
	}
	if (m->p.p[m->pat] == '\\') {
		if (m->pat + 1 >= m->p.len) {
			*ret_bad = true;
			return false;
		}
		m->pat++;
	}
	return same_char(m);
}

static enum fate
like(const struct sql_call *call, struct slice text, struct slice pattern, bool *ret_matches)
{
	struct match m = { .s = text, .p = pattern };
	bool bad = false;

	while (m.at < m.s.len) {
		if (m.pat < m.p.len && m.p.p[m.pat] == '%') {
			m.star = true;
			m.star_at = m.at;
			m.star_pat = ++m.pat;
			if (m.pat == m.p.len)
				break;
			continue;
		}
		if (match_one(&m, &bad))
			continue;
		if (bad)
			return err_code(call->err, FATE_REJECT, "22025",
			    "LIKE pattern must not end with escape character");
		if (!m.star) {
			*ret_matches = false;
			return FATE_DONE;
		}
		m.star_at = step(m.s, m.star_at);
		m.at = m.star_at;
		m.pat = m.star_pat;
	}
	while (m.pat < m.p.len && m.p.p[m.pat] == '%')
		m.pat++;
	*ret_matches = m.pat == m.p.len;
	return FATE_DONE;
}

static enum fate
is_like(const struct sql_call *call)
{
	return like(call, A->s, B->s, &call->ret->b);
}

static enum fate
is_not_like(const struct sql_call *call)
{
	enum fate fate = like(call, A->s, B->s, &call->ret->b);

	call->ret->b = !call->ret->b;
	return fate;
}

/* Both sides in lower case, then LIKE. */
static enum fate
ilike(const struct sql_call *call, bool *ret_matches)
{
	size_t len;

	call->scratch->len = 0;
	sql_map_case(call->scratch, call->extra->cases, A->s, false);
	len = call->scratch->len;
	sql_map_case(call->scratch, call->extra->cases, B->s, false);
	return like(call, slice_of(call->scratch->p, len),
	    slice_of(call->scratch->p + len, call->scratch->len - len), ret_matches);
}

static enum fate
is_ilike(const struct sql_call *call)
{
	return ilike(call, &call->ret->b);
}

static enum fate
is_not_ilike(const struct sql_call *call)
{
	enum fate fate = ilike(call, &call->ret->b);

	call->ret->b = !call->ret->b;
	return fate;
}

/* LIKE ... ESCAPE: the pattern with a backslash in the escape's place. */
static enum fate
like_escape(const struct sql_call *call)
{
	struct slice p = A->s, esc = B->s;

	if (sql_char_count(esc) > 1)
		return err_code(call->err, FATE_REJECT, "22019", "invalid escape string");
	call->scratch->len = 0;
	for (size_t i = 0; i < p.len;) {
		size_t next = step(p, i);
		struct slice c = slice_of(p.p + i, next - i);

		i = next;
		if (esc.len && slice_eq(c, esc)) {
			buf_byte(call->scratch, '\\');
			if (i >= p.len)
				break;
			next = step(p, i); /* whatever follows is plain */
			buf_put(call->scratch, p.p + i, next - i);
			i = next;
			continue;
		}
		if (*c.p == '\\')
			buf_byte(call->scratch, '\\');
		buf_slice(call->scratch, c);
	}
	return sql_return_text(call, call->scratch->p, call->scratch->len);
}

#define T     TYPE_TEXT
#define BP    TYPE_BPCHAR
#define NM    TYPE_NAME
#define REGEX "regular expressions are not in the subset"
#define THREE(op, fn, flags)                                                                   \
	{ op, TYPE_BOOL, 2, { T, T }, fn, flags }, { op, TYPE_BOOL, 2, { BP, T }, fn, flags }, \
	{                                                                                      \
		op, TYPE_BOOL, 2, { NM, T }, fn, flags                                         \
	}
static const struct sql_function rows[] = {
	THREE("~~", is_like, 0),
	THREE("!~~", is_not_like, 0),
	THREE("~~*", is_ilike, FN_CASES),
	THREE("!~~*", is_not_ilike, FN_CASES),
	{ "~~", TYPE_BOOL, 2, { TYPE_BYTEA, TYPE_BYTEA }, NULL, 0, "not on bytea" },
	{ "!~~", TYPE_BOOL, 2, { TYPE_BYTEA, TYPE_BYTEA }, NULL, 0, "not on bytea" },
	{ "like_escape", T, 2, { T, T }, like_escape },
	{ "~", TYPE_BOOL, 2, { T, T }, NULL, 0, REGEX },
	{ "~*", TYPE_BOOL, 2, { T, T }, NULL, 0, REGEX },
	{ "!~", TYPE_BOOL, 2, { T, T }, NULL, 0, REGEX },
	{ "!~*", TYPE_BOOL, 2, { T, T }, NULL, 0, REGEX },
};
const struct sql_function_table sql_functions_pattern = { rows,
	sizeof(rows) / sizeof(rows[0]) };
