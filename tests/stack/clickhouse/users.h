/* SPDX-License-Identifier: Apache-2.0 */
/* users.h -- who may ask, from a file.
 *
 * A line is: name sha256-of-password-in-hex readonly|readwrite; blank lines and
 * lines that begin with # are skipped. Without a file there is one user, default,
 * with an empty password. The table is read once and never changes, so threads
 * share it; the engine itself knows one user only. */
#ifndef CLICKHOUSE_USERS_H
#define CLICKHOUSE_USERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { USER_HASH_SIZE = 32 };

struct user {
	char name[64];
	unsigned char hash[USER_HASH_SIZE];
	bool readonly;
};

struct users {
	struct user *rows;
	size_t count;
};

/* path NULL: the one default user. HALT names file and line. */
enum fate users_load(const char *path, struct users *ret_users, struct err *err) NODISCARD;
void users_finish(struct users *users);

/* NULL: no such user, or another password. Takes the same time for both. */
const struct user *users_find(
    const struct users *users, const char *name, const char *password);

#endif
