/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/function.h"

#include <string.h>

#include "base/must.h"

enum { CANDIDATES_MAX = 128 };

static const struct sql_function_table *const tables[] = {
	&sql_functions_arith,
	&sql_functions_compare,
	&sql_functions_float,
	&sql_functions_text,
	&sql_functions_pattern,
	&sql_functions_time,
	&sql_functions_part,
	&sql_functions_json,
};
enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

struct candidates {
	const struct sql_function *rows[CANDIDATES_MAX];
	size_t count;
	const int *kinds;
	size_t argc;
};

static bool
is_exact(const struct sql_function *f, const int *kinds)
{
	for (size_t i = 0; i < f->argc; i++) {
		if (f->args[i] != kinds[i])
			return false;
	}
	return true;
}

static bool
is_possible(const struct sql_function *f, const int *kinds)
{
	for (size_t i = 0; i < f->argc; i++) {
		if (!sql_type_implicit(kinds[i], f->args[i]))
			return false;
	}
	return true;
}

/* Keeps the candidates with the highest score. */
static void
keep_best(
    struct candidates *c, int (*score)(const struct sql_function *, const struct candidates *))
{
	int best = -1;
	size_t kept = 0;

	for (size_t i = 0; i < c->count; i++) {
		int s = score(c->rows[i], c);

		if (s > best) {
			best = s;
			kept = 0;
		}
		if (s == best)
			c->rows[kept++] = c->rows[i];
	}
	c->count = kept;
}

static int
score_exact(const struct sql_function *f, const struct candidates *c)
{
	int score = 0;

	for (size_t i = 0; i < c->argc; i++)
		score += f->args[i] == c->kinds[i];
	return score;
}

static int
score_preferred(const struct sql_function *f, const struct candidates *c)
{
	int score = 0;

	for (size_t i = 0; i < c->argc; i++) {
		if (c->kinds[i] == KIND_UNKNOWN)
			continue;
		score += f->args[i] == c->kinds[i] ||
			 (sql_type_preferred(f->args[i]) &&
			     sql_type_category(f->args[i]) == sql_type_category(c->kinds[i]));
	}
	return score;
}

/* The category that argument i's unknown literal is taken for; 0 when undecided. */
static char
unknown_category(const struct candidates *c, size_t i, bool *ret_preferred)
{
	char category = 0;
	bool conflict = false, preferred = false;

	for (size_t k = 0; k < c->count; k++) {
		char cat = sql_type_category(c->rows[k]->args[i]);

		if (!category || (cat == 'S' && category != 'S')) {
			conflict = category && cat != 'S' ? true : false;
			category = cat;
			preferred = sql_type_preferred(c->rows[k]->args[i]);
		} else if (cat == category) {
			preferred = preferred || sql_type_preferred(c->rows[k]->args[i]);
		} else if (category != 'S') {
			conflict = true;
		}
	}
	*ret_preferred = preferred;
	return conflict && category != 'S' ? 0 : category;
}

static void
keep_unknowns(struct candidates *c)
{
	char category[SQL_SIGNATURE_MAX] = { 0 };
	bool preferred[SQL_SIGNATURE_MAX] = { false };
	size_t kept = 0;

	for (size_t i = 0; i < c->argc; i++) {
		if (c->kinds[i] != KIND_UNKNOWN)
			continue;
		category[i] = unknown_category(c, i, &preferred[i]);
		if (!category[i])
			return;
	}
	for (size_t k = 0; k < c->count; k++) {
		bool keep = true;

		for (size_t i = 0; i < c->argc; i++) {
			int kind = c->rows[k]->args[i];

			if (category[i] && (sql_type_category(kind) != category[i] ||
					       (preferred[i] && !sql_type_preferred(kind))))
				keep = false;
		}
		if (keep)
			c->rows[kept++] = c->rows[k];
	}
	if (kept)
		c->count = kept;
}

/* All known arguments of one type: the unknown ones are taken for it too. */
static void
keep_same_as_known(struct candidates *c)
{
	int known = KIND_UNKNOWN, kinds[SQL_SIGNATURE_MAX];
	const struct sql_function *only = NULL;
	size_t fits = 0;

	for (size_t i = 0; i < c->argc; i++) {
		if (c->kinds[i] == KIND_UNKNOWN)
			continue;
		if (known != KIND_UNKNOWN && known != c->kinds[i])
			return;
		known = c->kinds[i];
	}
	if (known == KIND_UNKNOWN)
		return;
	for (size_t i = 0; i < c->argc; i++)
		kinds[i] = known;
	for (size_t k = 0; k < c->count; k++) {
		if (is_possible(c->rows[k], kinds)) {
			only = c->rows[k];
			fits++;
		}
	}
	if (fits == 1) {
		c->rows[0] = only;
		c->count = 1;
	}
}

static void
select_candidate(struct candidates *c)
{
	bool unknowns = false;

	for (size_t i = 0; i < c->argc; i++)
		unknowns = unknowns || c->kinds[i] == KIND_UNKNOWN;
	if (c->count > 1)
		keep_best(c, score_exact);
	if (c->count > 1)
		keep_best(c, score_preferred);
	if (c->count > 1 && unknowns)
		keep_unknowns(c);
	if (c->count > 1 && unknowns)
		keep_same_as_known(c);
}

/* An operator's single unknown side is first taken for the other side's type. */
static bool
exact_kinds(const int *kinds, size_t argc, bool is_operator, int *ret_kinds)
{
	for (size_t i = 0; i < argc; i++) {
		ret_kinds[i] = kinds[i];
		if (kinds[i] == KIND_UNKNOWN && is_operator && argc == 2)
			ret_kinds[i] = kinds[1 - i];
		if (ret_kinds[i] == KIND_UNKNOWN)
			return false;
	}
	return true;
}

enum sql_choice
sql_function_choose(const char *name, bool is_operator, const int *kinds, size_t argc,
    const struct sql_function **ret_function)
{
	struct candidates c = { .kinds = kinds, .argc = argc };
	int wanted[SQL_SIGNATURE_MAX];
	bool named = false, try_exact;

	if (argc > SQL_SIGNATURE_MAX)
		return CHOICE_NO_NAME;
	try_exact = exact_kinds(kinds, argc, is_operator, wanted);
	for (size_t t = 0; t < TABLES; t++) {
		for (size_t i = 0; i < tables[t]->count; i++) {
			const struct sql_function *f = &tables[t]->rows[i];

			if (strcmp(f->name, name) != 0)
				continue;
			named = true;
			if (f->argc != argc)
				continue;
			if (try_exact && is_exact(f, wanted)) {
				*ret_function = f;
				return CHOICE_ONE;
			}
			if (is_possible(f, kinds)) {
				must(c.count < CANDIDATES_MAX);
				c.rows[c.count++] = f;
			}
		}
	}
	if (c.count > 1)
		select_candidate(&c);
	if (c.count == 1) {
		*ret_function = c.rows[0];
		return CHOICE_ONE;
	}
	return c.count ? CHOICE_AMBIGUOUS : named ? CHOICE_NONE : CHOICE_NO_NAME;
}
