/* SPDX-License-Identifier: Apache-2.0 */
#include "base/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/version.h"

enum { HELP_COLUMN = 30 };

bool
duration_parse(const char *text, int64_t *ret_ms)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = { { "ms", 1 }, { "s", 1e3 }, { "", 1e3 }, { "m", 6e4 }, { "h", 36e5 },
		{ "d", 864e5 } };
	char *end;
	double number = strtod(text, &end);

	if (end == text || !(number >= 0))
		return false;
	for (unsigned i = 0; i < sizeof units / sizeof *units; i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		if (number * units[i].ms > (double)DURATION_MAX_MS)
			return false;
		*ret_ms = (int64_t)llround(number * units[i].ms);
		return true;
	}
	return false;
}

static bool
rate_parse(const char *text, double *ret_rate)
{
	char *end;
	double number = strtod(text, &end);

	if (end == text || !(number >= 0) || number > 1e12)
		return false;
	if (*end == '\0' || strcmp(end, "/s") == 0)
		*ret_rate = number;
	else if (strcmp(end, "/m") == 0)
		*ret_rate = number / 60;
	else if (strcmp(end, "/h") == 0)
		*ret_rate = number / 3600;
	else
		return false;
	return true;
}

static bool
in_bounds(const struct option_row *row, double number)
{
	return (row->min == 0 && row->max == 0) ||
	       (number >= (double)row->min && number <= (double)row->max);
}

static bool
row_set(const struct option_row *row, const char *value)
{
	char *end;
	int64_t integer;
	double real;

	errno = 0;
	switch (row->kind) {
	case OPTION_FLAG: *(bool *)row->target = true; return true;
	case OPTION_TEXT: *(const char **)row->target = value; return true;
	case OPTION_INT:
		integer = strtoll(value, &end, 10);
		if (errno || end == value || *end || !in_bounds(row, (double)integer))
			return false;
		*(int64_t *)row->target = integer;
		return true;
	case OPTION_REAL:
		real = strtod(value, &end);
		if (errno || end == value || *end || !isfinite(real) || !in_bounds(row, real))
			return false;
		*(double *)row->target = real;
		return true;
	case OPTION_DURATION:
		if (!duration_parse(value, &integer) || !in_bounds(row, (double)integer))
			return false;
		*(int64_t *)row->target = integer;
		return true;
	case OPTION_RATE: return rate_parse(value, row->target);
	}
	never("unknown option kind");
}

static const char *
kind_hint(const struct option_row *row)
{
	static char hint[96];

	switch (row->kind) {
	case OPTION_INT:
	case OPTION_REAL:
		if (row->min == 0 && row->max == 0)
			return "a number";
		(void)snprintf(hint, sizeof hint, "a number from %lld to %lld",
		    (long long)row->min, (long long)row->max);
		return hint;
	case OPTION_DURATION: return "a duration such as 250ms, 5s, 2m or 1h";
	case OPTION_RATE: return "a rate such as 10/s or 600/m (0: no limit)";
	case OPTION_FLAG: return "no argument";
	case OPTION_TEXT: return "a text";
	}
	never("unknown option kind");
}

static void
print_row(const char *name, const char *arg, const char *help)
{
	char left[80];
	int n = snprintf(left, sizeof left, "  --%s%s%s", name, arg ? " " : "", arg ? arg : "");

	if (n >= HELP_COLUMN)
		(void)printf("%s\n%*s%s\n", left, HELP_COLUMN, "", help);
	else
		(void)printf("%-*s%s\n", HELP_COLUMN, left, help);
}

static void
print_help(const struct option_table *table)
{
	(void)printf("usage: %s [OPTIONS]%s%s\n%s\n\n", table->prog,
	    *table->operands ? " " : "", table->operands, table->summary);
	for (size_t i = 0; i < table->row_count; i++)
		print_row(table->rows[i].name, table->rows[i].arg, table->rows[i].help);
	print_row("help", NULL, "Print this and exit.");
	print_row("version", NULL, "Print the version and exit.");
}

static const struct option_row *
row_find(const struct option_table *table, const char *name, size_t len)
{
	for (size_t i = 0; i < table->row_count; i++)
		if (strlen(table->rows[i].name) == len &&
		    memcmp(table->rows[i].name, name, len) == 0)
			return &table->rows[i];
	return NULL;
}

/* Takes the option at argv[*index], and its argument when that is the next word. */
static enum fate
option_take(
    const struct option_table *table, int argc, char **argv, int *index, struct err *err)
{
	const char *word = argv[*index] + 2;
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const struct option_row *row = row_find(table, word, len);
	const char *value = equals ? equals + 1 : NULL;

	if (!row)
		return err_set(err, FATE_HALT, "unknown option --%.*s: see %s --help", (int)len,
		    word, table->prog);
	if (row->kind == OPTION_FLAG && value)
		return err_set(err, FATE_HALT, "--%s takes no argument", row->name);
	if (row->kind != OPTION_FLAG && !value) {
		if (*index + 1 >= argc)
			return err_set(err, FATE_HALT, "--%s needs %s", row->name, row->arg);
		value = argv[++*index];
	}
	if (!row_set(row, value))
		return err_set(
		    err, FATE_HALT, "--%s %s: it takes %s", row->name, value, kind_hint(row));
	return FATE_DONE;
}

enum fate
options_parse(const struct option_table *table, int argc, char **argv,
    enum option_verdict *ret_verdict, struct err *err)
{
	int operands = 0;
	bool only_operands = false;

	for (int i = 1; i < argc; i++) {
		if (!only_operands && strcmp(argv[i], "--") == 0) {
			only_operands = true;
		} else if (!only_operands &&
			   (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
			print_help(table);
			*ret_verdict = OPTIONS_EXIT_OK;
			return FATE_DONE;
		} else if (!only_operands && strcmp(argv[i], "--version") == 0) {
			(void)printf("%s %s\n", table->prog, SLUICE_VERSION);
			*ret_verdict = OPTIONS_EXIT_OK;
			return FATE_DONE;
		} else if (!only_operands && strncmp(argv[i], "--", 2) == 0) {
			enum fate fate = option_take(table, argc, argv, &i, err);

			if (fate != FATE_DONE)
				return fate;
		} else {
			argv[1 + operands++] = argv[i]; /* never ahead of i */
		}
	}
	if ((size_t)operands < table->operands_min || (size_t)operands > table->operands_max)
		return err_set(err, FATE_HALT, "%s operands: usage: %s [OPTIONS] %s",
		    (size_t)operands < table->operands_min ? "missing" : "too many",
		    table->prog, table->operands);
	argv[1 + operands] = NULL;
	*ret_verdict = OPTIONS_RUN;
	return FATE_DONE;
}
