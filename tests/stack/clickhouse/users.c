/* SPDX-License-Identifier: Apache-2.0 */
#include "users.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"

static void
hash_of(const char *password, unsigned char out[USER_HASH_SIZE])
{
	unsigned len = 0;

	must(EVP_Digest(password, strlen(password), out, &len, EVP_sha256(), NULL) == 1);
	must(len == USER_HASH_SIZE);
}

static bool
hash_parse(const char *hex, unsigned char out[USER_HASH_SIZE])
{
	if (strlen(hex) != USER_HASH_SIZE * 2 ||
	    strspn(hex, "0123456789abcdefABCDEF") != USER_HASH_SIZE * 2)
		return false;
	for (size_t i = 0; i < USER_HASH_SIZE; i++) {
		char two[3] = { hex[i * 2], hex[i * 2 + 1], '\0' };

		out[i] = (unsigned char)strtoul(two, NULL, 16);
	}
	return true;
}

static struct user *
users_add(struct users *users)
{
	struct user *rows = realloc(users->rows, (users->count + 1) * sizeof *rows);

	must(rows);
	users->rows = rows;
	rows[users->count] = (struct user){ 0 };
	return &rows[users->count++];
}

static enum fate
line_read(char *line, struct users *users, struct err *err)
{
	char *rest = NULL;
	const char *name = strtok_r(line, " \t\r\n", &rest);
	const char *hex = name ? strtok_r(NULL, " \t\r\n", &rest) : NULL;
	const char *right = hex ? strtok_r(NULL, " \t\r\n", &rest) : NULL;
	struct user *user;

	if (!name || *name == '#')
		return FATE_DONE;
	if (!right || strtok_r(NULL, " \t\r\n", &rest))
		return err_set(err, FATE_HALT, "not: name sha256-hex readonly|readwrite");
	if (strcmp(right, "readonly") != 0 && strcmp(right, "readwrite") != 0)
		return err_set(err, FATE_HALT, "%s is neither readonly nor readwrite", right);
	user = users_add(users);
	if (strlen(name) >= sizeof user->name)
		return err_set(
		    err, FATE_HALT, "the name is longer than %zu bytes", sizeof user->name - 1);
	(void)snprintf(user->name, sizeof user->name, "%s", name);
	user->readonly = strcmp(right, "readonly") == 0;
	if (!hash_parse(hex, user->hash))
		return err_set(err, FATE_HALT, "%s's hash is not 64 hex digits", name);
	return FATE_DONE;
}

enum fate
users_load(const char *path, struct users *ret_users, struct err *err)
{
	struct users users = { 0 };
	enum fate fate = FATE_DONE;
	char line[512];
	FILE *file;

	if (!path) {
		struct user *user = users_add(&users);

		(void)snprintf(user->name, sizeof user->name, "default");
		hash_of("", user->hash);
		*ret_users = users;
		return FATE_DONE;
	}
	file = fopen(path, "re");
	if (!file)
		return err_set(err, FATE_HALT, "%s: %s", path, strerror(errno));
	for (int number = 1; fate == FATE_DONE && fgets(line, sizeof line, file); number++) {
		fate = line_read(line, &users, err);
		if (fate != FATE_DONE)
			err_wrap(err, "%s:%d", path, number);
	}
	(void)fclose(file);
	if (fate == FATE_DONE && users.count == 0)
		fate = err_set(err, FATE_HALT, "%s: no user in it", path);
	if (fate == FATE_DONE)
		*ret_users = users;
	else
		users_finish(&users);
	return fate;
}

void
users_finish(struct users *users)
{
	free(users->rows);
	*users = (struct users){ 0 };
}

const struct user *
users_find(const struct users *users, const char *name, const char *password)
{
	unsigned char hash[USER_HASH_SIZE];
	const struct user *found = NULL;

	hash_of(password, hash);
	for (size_t i = 0; i < users->count; i++) {
		const struct user *user = &users->rows[i];
		bool same = CRYPTO_memcmp(hash, user->hash, sizeof hash) == 0;

		if (strcmp(user->name, name) == 0 && same)
			found = user;
	}
	return found;
}
