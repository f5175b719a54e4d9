/* SPDX-License-Identifier: Apache-2.0 */
/* digest.h -- SHA-256 of a text, its hexadecimal form, and a comparison that takes as
 * long whatever the bytes are. */
#ifndef WIRE_DIGEST_H
#define WIRE_DIGEST_H

#include <stdbool.h>

#include "base/slice.h"

enum { DIGEST_LEN = 32, DIGEST_HEX_LEN = 64 };

struct digest {
	unsigned char bytes[DIGEST_LEN];
};

struct evp_md_ctx_st;

/* OpenSSL's context, begun for SHA-256, for who hashes in parts: one a thread, for its
 * life, so one text a thread is hashed at a time. */
struct evp_md_ctx_st *digest_begin(void);
struct digest digest_of(struct slice text);
bool digest_eq(const struct digest *a, const struct digest *b);
void digest_hex(const struct digest *digest, char ret[static DIGEST_HEX_LEN + 1]);
bool digest_parse(struct slice hex, struct digest *ret);

#endif
