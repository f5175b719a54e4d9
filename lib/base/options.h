/* SPDX-License-Identifier: Apache-2.0 */
/* options.h -- command lines from a table; the table also writes --help.
 *
 * A program lists its options once. options_parse() fills the targets, which
 * hold their defaults before. --help and --version are in every program. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum option_kind {
	OPTION_FLAG,     /* bool *; no argument */
	OPTION_TEXT,     /* const char **; borrowed from argv */
	OPTION_INT,      /* int64_t *, between min and max */
	OPTION_REAL,     /* double *, between min and max */
	OPTION_DURATION, /* int64_t * in ms: 250ms 5s 2m 1h, or a bare number of seconds */
	OPTION_RATE,     /* double * per second: 10/s 600/m 0 (0 = no limit) */
};

struct option_row {
	const char *name; /* without the dashes */
	enum option_kind kind;
	void *target;
	const char *arg;  /* shown in --help: FILE; NULL for a flag */
	const char *help; /* a sentence */
	int64_t min, max; /* OPTION_INT, OPTION_REAL, OPTION_DURATION; both 0: no bound */
};

struct option_table {
	const char *prog;
	const char *summary;  /* one line after the name in --help */
	const char *operands; /* "PIPELINE" or "" */
	size_t operands_min, operands_max;
	const struct option_row *rows;
	size_t row_count;
};

enum option_verdict { OPTIONS_RUN, OPTIONS_EXIT_OK };

/* Reads argv and moves the operands to argv[1..], NULL after the last.
 * OPTIONS_EXIT_OK in *ret_verdict says that --help or --version was printed.
 * HALT names the option and what it takes. */
enum fate options_parse(const struct option_table *table, int argc, char **argv,
    enum option_verdict *ret_verdict, struct err *err) NODISCARD;

/* "250ms", "5s", "2m", "1h", "7d" or bare seconds -> ms, 0 to DURATION_MAX_MS. */
#define DURATION_MAX_MS INT64_C(1000000000000000)
bool duration_parse(const char *text, int64_t *ret_ms);

#endif
