/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/digest.h"

#include <pthread.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/must.h"
#include "wire/json_string.h"

static EVP_MD *sha256;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

/* Fetched once: looking the algorithm up by name costs more than hashing. */
static void
sha256_fetch(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	must(sha256);
}

EVP_MD_CTX *
digest_begin(void)
{
	static _Thread_local EVP_MD_CTX *context;

	if (context) {
		must(EVP_DigestInit_ex2(context, NULL, NULL) == 1);
		return context;
	}
	(void)pthread_once(&sha256_once, sha256_fetch);
	context = EVP_MD_CTX_new();
	must(context && EVP_DigestInit_ex2(context, sha256, NULL) == 1);
	return context;
}

struct digest
digest_of(struct slice text)
{
	EVP_MD_CTX *context = digest_begin();
	struct digest digest;
	unsigned len = 0;

	must(EVP_DigestUpdate(context, text.p, text.len) == 1 &&
	     EVP_DigestFinal_ex(context, digest.bytes, &len) == 1 && len == DIGEST_LEN);
	return digest;
}

bool
digest_eq(const struct digest *a, const struct digest *b)
{
	return CRYPTO_memcmp(a->bytes, b->bytes, DIGEST_LEN) == 0;
}

void
digest_hex(const struct digest *digest, char ret[static DIGEST_HEX_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_LEN; i++) {
		ret[2 * i] = digits[digest->bytes[i] >> 4];
		ret[2 * i + 1] = digits[digest->bytes[i] & 15];
	}
	ret[DIGEST_HEX_LEN] = '\0';
}

bool
digest_parse(struct slice hex, struct digest *ret)
{
	if (hex.len != DIGEST_HEX_LEN)
		return false;
	for (size_t i = 0; i < DIGEST_LEN; i += 2) {
		int four = json_hex4(hex.p + 2 * i, hex.p + hex.len);

		if (four < 0)
			return false;
		ret->bytes[i] = (unsigned char)(four >> 8);
		ret->bytes[i + 1] = (unsigned char)(four & 255);
	}
	return true;
}
