/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/webhook.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "wire/base64.h"

enum { KEY_MIN = 24, KEY_MAX = 64, TEXT_MAX = 128, MAC_LEN = 32 };

struct webhook_keys {
	EVP_MAC *mac;
	EVP_MAC_CTX *contexts[WEBHOOK_SECRETS_MAX]; /* each holds its key */
	size_t count;
};

static EVP_MAC_CTX *
context_new(EVP_MAC *mac, const unsigned char *key, size_t len)
{
	char name[] = "SHA256";
	OSSL_PARAM params[2] = {
		{ .key = "digest",
		    .data_type = OSSL_PARAM_UTF8_STRING,
		    .data = name,
		    .data_size = sizeof name - 1 },
		{ .key = NULL },
	};
	EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);

	must(context && EVP_MAC_init(context, key, len, params) == 1);
	return context;
}

static enum fate
add_secret(struct webhook_keys *keys, struct slice secret, struct err *err)
{
	unsigned char key[TEXT_MAX];
	const struct slice prefix = SLICE("whsec_");
	size_t len = 0;
	bool good;

	if (keys->count == WEBHOOK_SECRETS_MAX)
		return err_set(
		    err, FATE_HALT, "more than %d webhook secrets", WEBHOOK_SECRETS_MAX);
	if (secret.len > prefix.len && memcmp(secret.p, prefix.p, prefix.len) == 0)
		secret = slice_of(secret.p + prefix.len, secret.len - prefix.len);
	good = base64_room(secret.len) <= sizeof key && base64_decode(secret, key, &len) &&
	       len >= KEY_MIN && len <= KEY_MAX;
	if (good)
		keys->contexts[keys->count++] = context_new(keys->mac, key, len);
	OPENSSL_cleanse(key, sizeof key);
	if (!good)
		return err_set(err, FATE_HALT,
		    "a webhook secret is whsec_ and base64 of %d to %d bytes", KEY_MIN,
		    KEY_MAX);
	return FATE_DONE;
}

/* Cuts the next word off *text; false when there is none. */
static bool
next_word(struct slice *text, struct slice *ret_word)
{
	size_t start = 0, end;

	while (start < text->len && text->p[start] == ' ')
		start++;
	end = start;
	while (end < text->len && text->p[end] != ' ')
		end++;
	if (start == end)
		return false;
	*ret_word = slice_of(text->p + start, end - start);
	*text = slice_of(text->p + end, text->len - end);
	return true;
}

enum fate
webhook_keys_new(const char *secrets, struct webhook_keys **ret_keys, struct err *err)
{
	struct webhook_keys *keys = calloc(1, sizeof *keys);
	struct slice text = slice_str(secrets), secret;
	enum fate fate = FATE_DONE;

	must(keys);
	keys->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	must(keys->mac);
	while (fate == FATE_DONE && next_word(&text, &secret))
		fate = add_secret(keys, secret, err);
	if (fate == FATE_DONE && keys->count == 0)
		fate = err_set(err, FATE_HALT, "a webhook secret is empty");
	if (fate != FATE_DONE) {
		webhook_keys_free(keys);
		return fate;
	}
	*ret_keys = keys;
	return FATE_DONE;
}

void
webhook_keys_free(struct webhook_keys *keys)
{
	if (!keys)
		return;
	for (size_t i = 0; i < keys->count; i++)
		EVP_MAC_CTX_free(keys->contexts[i]);
	EVP_MAC_free(keys->mac);
	free(keys);
}

static void
update(EVP_MAC_CTX *context, struct slice s)
{
	must(EVP_MAC_update(context, (const unsigned char *)s.p, s.len) == 1);
}

/* Without a key, init starts over with the one that the context holds. */
static void
sign_one(EVP_MAC_CTX *context, struct slice id, struct slice timestamp, struct slice body,
    char ret[WEBHOOK_SIGNATURE_LEN + 1])
{
	unsigned char mac[MAC_LEN];
	size_t len = 0;

	must(EVP_MAC_init(context, NULL, 0, NULL) == 1);
	update(context, id);
	update(context, SLICE("."));
	update(context, timestamp);
	update(context, SLICE("."));
	update(context, body);
	must(EVP_MAC_final(context, mac, &len, sizeof mac) == 1 && len == MAC_LEN);
	memcpy(ret, "v1,", 3);
	must(EVP_EncodeBlock((unsigned char *)ret + 3, mac, MAC_LEN) ==
	     WEBHOOK_SIGNATURE_LEN - 3);
}

void
webhook_sign(struct webhook_keys *keys, struct slice id, int64_t timestamp_s, struct slice body,
    struct buf *out)
{
	char timestamp[24], signature[WEBHOOK_SIGNATURE_LEN + 1];
	int len = snprintf(timestamp, sizeof timestamp, "%" PRId64, timestamp_s);

	for (size_t i = 0; i < keys->count; i++) {
		sign_one(
		    keys->contexts[i], id, slice_of(timestamp, (size_t)len), body, signature);
		if (i > 0)
			buf_byte(out, ' ');
		buf_put(out, signature, WEBHOOK_SIGNATURE_LEN);
	}
}

static bool
header_holds(struct slice signatures, const char *signature)
{
	struct slice word;

	while (next_word(&signatures, &word))
		if (word.len == WEBHOOK_SIGNATURE_LEN &&
		    CRYPTO_memcmp(word.p, signature, WEBHOOK_SIGNATURE_LEN) == 0)
			return true;
	return false;
}

enum webhook_verdict
webhook_verify(struct webhook_keys *keys, struct slice id, struct slice timestamp,
    struct slice body, struct slice signatures, int64_t now_s)
{
	char signature[WEBHOOK_SIGNATURE_LEN + 1];
	int64_t at_s;

	if (!slice_i64(timestamp, &at_s) || at_s < 0 || at_s > now_s + WEBHOOK_TOLERANCE_S ||
	    at_s < now_s - WEBHOOK_TOLERANCE_S)
		return WEBHOOK_STALE;
	for (size_t i = 0; i < keys->count; i++) {
		sign_one(keys->contexts[i], id, timestamp, body, signature);
		if (header_holds(signatures, signature))
			return WEBHOOK_GOOD;
	}
	return WEBHOOK_WRONG;
}
