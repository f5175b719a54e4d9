/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/read_token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string.h>

#include "base/must.h"
#include "wire/base64.h"

enum { BODY_LEN = 20, MAC_LEN = 16, PRINCIPAL_MAX = 256 };

static void
put(unsigned char *p, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		p[i] = (unsigned char)(value >> 8 * (bytes - 1 - i));
}

static uint64_t
get(const unsigned char *p, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | p[i];
	return value;
}

/* Of the body and whom it is for; a name past PRINCIPAL_MAX counts with its start. */
static void
sign(const unsigned char *key, const unsigned char *body, struct slice principal,
    unsigned char *ret_mac)
{
	unsigned char text[BODY_LEN + PRINCIPAL_MAX], full[EVP_MAX_MD_SIZE];
	size_t len = principal.len < PRINCIPAL_MAX ? principal.len : PRINCIPAL_MAX;
	unsigned full_len = 0;

	memcpy(text, body, BODY_LEN);
	if (len)
		memcpy(text + BODY_LEN, principal.p, len);
	must(
	    HMAC(EVP_sha256(), key, READ_TOKEN_KEY_LEN, text, BODY_LEN + len, full, &full_len));
	memcpy(ret_mac, full, MAC_LEN);
}

void
read_token_write(const unsigned char key[static READ_TOKEN_KEY_LEN], struct slice principal,
    const struct read_token *token, struct buf *out)
{
	unsigned char bytes[BODY_LEN + MAC_LEN], text[READ_TOKEN_LEN + 1];

	put(bytes, token->system, 8);
	put(bytes + 8, token->timeline, 4);
	put(bytes + 12, token->lsn, 8);
	sign(key, bytes, principal, bytes + BODY_LEN);
	must(EVP_EncodeBlock(text, bytes, sizeof bytes) == READ_TOKEN_LEN);
	for (size_t i = 0; i < READ_TOKEN_LEN; i++) /* the alphabet of URLs */
		buf_byte(out, text[i] == '+' ? '-' : text[i] == '/' ? '_' : (char)text[i]);
}

bool
read_token_read(const unsigned char key[static READ_TOKEN_KEY_LEN], struct slice principal,
    struct slice text, struct read_token *ret_token)
{
	unsigned char bytes[BODY_LEN + MAC_LEN + 3], mac[MAC_LEN];
	size_t len = 0;

	if (text.len != READ_TOKEN_LEN || base64_room(text.len) > sizeof bytes ||
	    !base64_decode(text, bytes, &len) || len != BODY_LEN + MAC_LEN)
		return false;
	sign(key, bytes, principal, mac);
	if (CRYPTO_memcmp(mac, bytes + BODY_LEN, MAC_LEN) != 0)
		return false;
	*ret_token = (struct read_token){ .system = get(bytes, 8),
		.timeline = (uint32_t)get(bytes + 8, 4),
		.lsn = get(bytes + 12, 8) };
	return true;
}
