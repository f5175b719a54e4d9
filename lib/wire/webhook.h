/* SPDX-License-Identifier: Apache-2.0 */
/* webhook.h -- signatures of webhooks: HMAC-SHA256 over "id.timestamp.body".
 *
 * The scheme is Standard Webhooks (github.com/standard-webhooks, spec 1.0): a secret is
 * "whsec_" and base64 of 24 to 64 bytes; the header holds "v1,BASE64" a secret,
 * separated by blanks while secrets rotate. The keys own copies of the secrets and
 * wipe them. Pure: the time comes in. One thread at a time. */
#ifndef WIRE_WEBHOOK_H
#define WIRE_WEBHOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum {
	WEBHOOK_SECRETS_MAX = 4,
	WEBHOOK_SIGNATURE_LEN = 47, /* "v1," and 44 characters */
	WEBHOOK_TOLERANCE_S = 300,  /* how far a timestamp may be off, both ways */
};

struct webhook_keys;

/* One secret or several separated by blanks; the first is the newest. HALT: none, too
 * many, or one that is no base64 of a proper length (the sentence names no secret). */
enum fate webhook_keys_new(
    const char *secrets, struct webhook_keys **ret_keys, struct err *err) NODISCARD;
void webhook_keys_free(struct webhook_keys *keys); /* accepts NULL */

/* Appends the value of webhook-signature. */
void webhook_sign(struct webhook_keys *keys, struct slice id, int64_t timestamp_s,
    struct slice body, struct buf *out);

enum webhook_verdict {
	WEBHOOK_GOOD,
	WEBHOOK_WRONG, /* no signature of the header fits any of the keys */
	WEBHOOK_STALE, /* the timestamp is none, or too far off now_s */
};
enum webhook_verdict webhook_verify(struct webhook_keys *keys, struct slice id,
    struct slice timestamp, struct slice body, struct slice signatures, int64_t now_s);

#endif
