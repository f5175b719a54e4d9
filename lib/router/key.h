/* SPDX-License-Identifier: Apache-2.0 */
/* key.h -- who calls: keys, what they may do and how much of it.
 *
 * keys.yaml holds a name, the SHA-256 of a random key, a role and limits; the key itself
 * is nowhere (sluicectl key new makes one). Callers without a key are one principal, if
 * the registry names a role for them. A principal stays where it is until the keys are
 * closed, also when its key has been taken away; reading again changes it in place. */
#ifndef ROUTER_KEY_H
#define ROUTER_KEY_H

#include "engine/registry.h"
#include "wire/digest.h"

enum { KEYS_MAX = 4096, KEY_TEXT_LEN = 68 /* "slk_" and 64 hexadecimal digits */ };

struct principal {
	char *name;
	const struct registry_role *role;
	struct registry_limits limits;
	struct digest digest;
	bool revoked, anonymous;
	unsigned running; /* statements */
	double budget;    /* statements that it may begin now, by its rate */
	int64_t budget_us;
	struct principal *next, *next_key;
};

struct router_keys;

/* HALT with file, line and column. */
enum fate router_keys_open(
    const struct registry *registry, struct router_keys **ret_keys, struct err *err) NODISCARD;
/* From the file again; when it is refused everything stays as it was. */
enum fate router_keys_again(struct router_keys *keys, struct err *err) NODISCARD;
void router_keys_close(struct router_keys *keys); /* accepts NULL */
size_t router_keys_count(const struct router_keys *keys);

enum caller_verdict { CALLER_KNOWN, CALLER_WITHOUT_KEY, CALLER_WITH_WRONG_KEY };
/* authorization: the header's value; p NULL: there was none. */
enum caller_verdict router_keys_find(
    struct router_keys *keys, struct slice authorization, struct principal **ret_who);

/* Begins a statement: NULL, or what there is too much of; then ret_wait_s is when to come
 * again. principal_end() ends it. */
const char *principal_begin(struct principal *who, int64_t now_us, int64_t *ret_wait_s);
void principal_end(struct principal *who);

/* A new key from the system's randomness: text and the line of the keys' file. */
void key_new(char ret_text[static KEY_TEXT_LEN + 1], struct digest *ret_digest);

#endif
