/* SPDX-License-Identifier: Apache-2.0 */
/* read_token.h -- "what I wrote stands before this LSN": what a write answers with and a
 * later read shows, so that a replica is asked only when it has come that far.
 *
 * A token names the history (system identifier and timeline) and an LSN, and is signed
 * (HMAC-SHA256, 16 bytes kept) together with the principal it was given to: another's
 * token, a forged one and one of another key are all the same, not ours. It holds no
 * secret and grants nothing but waiting. Pure. */
#ifndef WIRE_READ_TOKEN_H
#define WIRE_READ_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum { READ_TOKEN_KEY_LEN = 32, READ_TOKEN_LEN = 48 /* of the text */ };

struct read_token {
	uint64_t system;   /* Postgres' system identifier; 0: not known */
	uint32_t timeline; /* 0: not known */
	uint64_t lsn;      /* all before it is meant */
};

/* Appends READ_TOKEN_LEN characters of base64 in the alphabet of URLs. */
void read_token_write(const unsigned char key[static READ_TOKEN_KEY_LEN],
    struct slice principal, const struct read_token *token, struct buf *out);
bool read_token_read(const unsigned char key[static READ_TOKEN_KEY_LEN], struct slice principal,
    struct slice text, struct read_token *ret_token);

#endif
