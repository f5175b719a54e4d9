/* SPDX-License-Identifier: Apache-2.0 */
/* generate.h -- writes a pipeline's tables as an application would: inserts, updates
 * and deletes, in transactions of varied size.
 *
 * It remembers the rows it knows of (up to GENERATE_ROWS_MAX, oldest forgotten), so
 * that updates and deletes hit. A transaction touches a row by update and delete at
 * most once each. What was lost with a connection is not made up again. */
#ifndef DEMO_GENERATE_H
#define DEMO_GENERATE_H

#include <stdint.h>

#include "base/err.h"
#include "demo/generate_model.h"
#include "link/pg.h"

enum { GENERATE_ROWS_MAX = 100000, GENERATE_TRANSACTION_MAX = 400 };

struct generate_counts {
	int64_t inserts, updates, deletes, transactions;
};

struct generate_options {
	const struct generate_model *model;
	uint64_t seed;
	size_t contents;
	double update_share, delete_share; /* of all changes */
};

struct generate;

struct generate *generate_new(const struct generate_options *options, struct pg *pg);
void generate_free(struct generate *generate); /* accepts NULL */

/* Seeds the contents and learns of rows that are there. RETRY or HALT. */
enum fate generate_prepare(struct generate *generate, struct err *err) NODISCARD;

/* One transaction of `changes` changes (fewer when rows have vanished), made up at
 * now_us. RETRY: the connection is lost; what it held may or may not be there. */
enum fate generate_transaction(
    struct generate *generate, size_t changes, int64_t now_us, struct err *err) NODISCARD;

/* How many changes a transaction should have, when nobody is waited for. */
size_t generate_size(struct generate *generate);

const struct generate_counts *generate_counts(const struct generate *generate);

/* The program. Returns the exit code. */
int generate_main(int argc, char **argv);

#endif
